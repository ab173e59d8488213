"""What msgspec says of a value that does not fit, in words for whoever wrote it: the key, then its rule."""

import re
from collections.abc import Mapping

from msgspec import inspect

DECIMAL = r"^[0-9]{1,13}(\.[0-9]{1,6})?\Z"
FRACTION = r"^(0(\.[0-9]{1,6})?|1)\Z"
HEX_DIGEST = r"^[0-9a-f]{64}\Z"
HOST_NAME = r"^[A-Za-z0-9._-]{1,253}\Z"
ORIGIN = r"^https?://[A-Za-z0-9.\[\]:-]{1,253}\Z"

_PATTERNS: Mapping[str, str] = {
    repr(pattern): rule
    for pattern, rule in {
        DECIMAL: 'a decimal in quotes like "250.00": at most 13 digits, and 6 after the dot',
        FRACTION: 'a decimal from 0 to 1 in quotes like "0.05", at most 6 digits after the dot',
        HEX_DIGEST: "64 characters of 0-9 and a-f, as `crossbook key` prints them",
        HOST_NAME: "a host's name without scheme or port, like router.example",
        ORIGIN: "a scheme and a host without a path, like https://console.example",
    }.items()
}
_KINDS: Mapping[str, str] = {
    "str": "text in quotes",
    "int": "a whole number",
    "float": "a number with a fraction",
    "bool": "true or false",
    "array": "a list",
    "null": "null",
    "datetime": "a date and time with its zone, like 2027-01-01T00:00:00Z",
}
_BOUNDS: Mapping[str, str] = {">=": "at least", "<=": "at most"}
_AT = re.compile(r"(?P<rule>.*) - at `\$\.?(?P<key>[^`]*)`", re.DOTALL)


def told(message: str, kind: object, *, at: str = "", whole: str = "body", table: str = "an object") -> str:
    """A message of msgspec about a value of `kind` as "key: rule".

    `at` is where that value lies, `whole` what the whole is called, `table` what holds keys and values.
    """
    match = _AT.fullmatch(message)
    rule, inner = (match["rule"], match["key"]) if match else (message, "")
    key = ".".join(filter(None, (at, inner)))
    found = _found(inspect.type_info(kind), re.findall(r"[^.\[\]]+", inner))
    field = re.fullmatch(r"Object (?P<what>missing required|contains unknown) field `(?P<name>[^`]*)`", rule)
    if field is None:
        return f"{key or whole}: {_rule(rule, found, table)}"
    name = ".".join(filter(None, (key, field["name"])))
    if field["what"] == "missing required":
        return f"{name}: required"
    return f"{name}: no such key; known are {', '.join(_keys(found))}"


def _rule(rule: str, found: inspect.Type | None, table: str) -> str:
    kinds = {**_KINDS, "object": table}
    if match := re.fullmatch(r"Expected `([^`]*)`, got `([^`]*)`", rule):
        wanted = [kinds.get(kind, kind) for kind in match[1].split(" | ") if kind != "null"]
        return f"must be {' or '.join(wanted)}, not {kinds.get(match[2], match[2])}"
    if match := re.fullmatch(r"Expected `str` matching regex (.*)", rule, re.DOTALL):
        return f"must be {_PATTERNS[match[1]]}" if match[1] in _PATTERNS else rule
    if match := re.fullmatch(r"Expected `(?:int|float)` (>=|<=) (\S+)", rule):
        return f"must be {_BOUNDS[match[1]]} {match[2]}"
    if match := re.fullmatch(r"Expected `(str|array)` of length (>=|<=) (\d+)", rule):
        return f"must have {_BOUNDS[match[2]]} {match[3]} {'characters' if match[1] == 'str' else 'entries'}"
    if rule.startswith(("Expected `datetime`", "Invalid RFC3339")):
        return f"must be {_KINDS['datetime']}"
    if rule.startswith("Invalid enum value") and (words := _words(found)):
        return f"must be one of {', '.join(words)}"
    return rule


def _found(kind: inspect.Type | None, path: list[str]) -> inspect.Type | None:
    """The kind of what lies there, as far as it is known."""
    for step in path:
        kind = _inside(kind, step)
    return kind


def _inside(kind: inspect.Type | None, step: str) -> inspect.Type | None:
    match kind:
        case inspect.Metadata():
            return _inside(kind.type, step)
        case inspect.UnionType():
            return next((found for each in kind.types if (found := _inside(each, step))), None)
        case inspect.StructType():
            return next((field.type for field in kind.fields if field.encode_name == step), None)
        case inspect.DictType():
            return kind.value_type
        case inspect.ListType() | inspect.VarTupleType():
            return kind.item_type
        case _:
            return None


def _keys(kind: inspect.Type | None) -> list[str]:
    match kind:
        case inspect.UnionType():
            return [key for each in kind.types for key in _keys(each)]
        case inspect.StructType():
            return sorted(field.encode_name for field in kind.fields)
        case _:
            return []


def _words(kind: inspect.Type | None) -> list[str]:
    match kind:
        case inspect.LiteralType():
            return [str(value) for value in kind.values]
        case inspect.EnumType():
            return [str(member.value) for member in kind.cls]
        case _:
            return []
