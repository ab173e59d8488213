"""What is told of a value that does not fit: the key, then a rule that a person can follow."""

from typing import Literal

import msgspec
import pytest

from router.http.native.limits import NewLimits
from router.http.predexon.read import ParseError, asked
from router.runtime import wording
from router.runtime.control_settings import AccountControls
from router.sections import Config


class Box(msgspec.Struct, forbid_unknown_fields=True):
    kind: Literal["a", "b"]
    inner: "Box | None" = None


def said(value: object, kind: type) -> str:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.convert(value, kind)
    return wording.told(str(refused.value), kind)


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        ({"limits": {"order_usd": 250}}, NewLimits, "limits.order_usd: must be text in quotes, not a whole"),
        ({"limits": {"order_usd": "-1"}}, NewLimits, "limits.order_usd: must be a decimal in quotes like"),
        ({"limits": {"order_us": "1"}}, NewLimits, "limits.order_us: no such key; known are"),
        ({"limits": {"venues": {"v": {"open_usd": 1}}}}, NewLimits, "limits.venues[...].open_usd: must be"),
        ({"limits": {"orders_per_second": 0}}, NewLimits, "limits.orders_per_second: must be at least 1"),
        ({"limits": {}, "why": "x" * 5_000}, NewLimits, "why: must have at most"),
        ({}, NewLimits, "limits: required"),
        ([], NewLimits, "body: must be an object, not a list"),
        ({"kind": "c"}, Box, "kind: must be one of a, b"),
        ({"kind": "a", "inner": {"kind": "c"}}, Box, "inner.kind: must be one of a, b"),
        ({"kind": "a", "inner": {}}, Box, "inner.kind: required"),
    ],
)
def test_the_key_and_its_rule_are_named(value: object, kind: type, words: str) -> None:
    assert said(value, kind).startswith(words)


@pytest.mark.parametrize("kind", [Config, AccountControls])
def test_every_pattern_of_the_settings_has_words(kind: type) -> None:
    text = msgspec.json.encode(msgspec.json.schema(kind)).decode()
    found = {part["pattern"] for part in _parts(msgspec.json.decode(text)) if "pattern" in part}
    assert found
    for pattern in found:
        told = wording.told(f"Expected `str` matching regex {pattern!r} - at `$.x`", kind)
        assert told.startswith("x: must be "), pattern
        assert pattern not in told


def _parts(tree: object) -> list[dict[str, str]]:
    if isinstance(tree, list):
        return [part for each in tree for part in _parts(each)]
    if isinstance(tree, dict):
        own = [tree] if isinstance(tree.get("pattern"), str) else []
        return own + [part for each in tree.values() for part in _parts(each)]
    return []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"predexonId": 12}', "predexonId: must be text in quotes, not a whole number"),
        (b'{"predexonid": "x"}', "predexonId: required"),
        (b"[]", "body: must be an object, not a list"),
        (
            b'{"predexonId":"px-aaaaaaaa","side":"buy","amount":"1","minPrice":"0.1"}',
            "minPrice: not allowed on a buy; a buy names `maxPrice`",
        ),
    ],
)
def test_an_order_that_cannot_be_read_is_told_the_same_way(body: bytes, words: str) -> None:
    with pytest.raises(ParseError) as refused:
        asked(body)
    assert str(refused.value) == words
