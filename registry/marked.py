"""YAML or JSON text as values that know their line. Reads events, so nothing is expanded or executed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

TEXT_CHARS_MAX = 16 * 1024 * 1024
"""About 40,000 outcomes with three listings each; a larger text is a mistake or an attack."""
DEPTH_MAX = 16
"""Nothing we read is nested deeper than six."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_JSON_ESCAPE = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


class Unreadable(ValueError):
    """The text is not the YAML or JSON we take. `line` counts from 1."""

    def __init__(self, line: int, rule: str) -> None:
        super().__init__(rule)
        self.line = line
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value as written: `Yes`, `007` and a number of eighty digits keep every character."""

    line: int
    text: str
    quoted: bool

    @property
    def absent(self) -> bool:
        """Written as nothing: empty, `~` or null."""
        return not self.quoted and self.text in ("", "~", "null", "Null", "NULL")

    @property
    def truth(self) -> bool | None:
        """True or false when it is written so, without quotes; else None."""
        if self.quoted or self.text.lower() not in ("true", "false"):
            return None
        return self.text.lower() == "true"


@dataclass(frozen=True, slots=True)
class Sequence:
    """Values in order."""

    line: int
    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Mapping:
    """Named values in the order written, repeats included."""

    line: int
    entries: "tuple[tuple[Scalar, Node], ...]"


Node = Scalar | Sequence | Mapping


def read(text: str) -> Node:
    """The one document in `text`. Unreadable names the line and the rule it breaks."""
    if len(text) > TEXT_CHARS_MAX:
        raise Unreadable(1, f"the text is larger than {TEXT_CHARS_MAX} characters")
    if text.lstrip().startswith("{"):
        text = _JSON_ESCAPE.sub(_join_surrogates, text.replace("\t", " "))
    try:
        events = yaml.parse(text, Loader=_LOADER)
        return _document(events)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise Unreadable(line, f"not YAML: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        raise Unreadable(text.count("\n", 0, error.position) + 1, f"not YAML: {error.reason}") from error


def _join_surrogates(match: re.Match[str]) -> str:
    """JSON writes a character beyond U+FFFF as two escapes, YAML as one."""
    high, low = match.groups()
    return f"\\U{0x10000 + (int(high, 16) - 0xD800) * 0x400 + int(low, 16) - 0xDC00:08x}"


def _document(events: Iterator[yaml.Event]) -> Node:
    found: Node | None = None
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            if found is not None:
                raise Unreadable(_line(event), "one document only, no second `---`")
            found = _node(next(events), events, 0)
    if found is None:
        raise Unreadable(1, "the text is empty")
    return found


def _node(event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Node:
    line = _line(event)
    if getattr(event, "anchor", None) is not None:
        raise Unreadable(line, "no anchors and aliases: write the value out")
    if getattr(event, "tag", None) is not None:
        raise Unreadable(line, "no tags")
    if depth > DEPTH_MAX:
        raise Unreadable(line, f"nested deeper than {DEPTH_MAX}")
    if isinstance(event, yaml.ScalarEvent):
        return Scalar(line, event.value, quoted=not event.implicit[0])
    if isinstance(event, yaml.SequenceStartEvent):
        items: list[Node] = []
        while not isinstance(inner := next(events), yaml.SequenceEndEvent):
            items.append(_node(inner, events, depth + 1))
        return Sequence(line, tuple(items))
    assert isinstance(event, yaml.MappingStartEvent)
    entries: list[tuple[Scalar, Node]] = []
    while not isinstance(inner := next(events), yaml.MappingEndEvent):
        key = _node(inner, events, depth + 1)
        if not isinstance(key, Scalar):
            raise Unreadable(key.line, "a key is a word")
        entries.append((key, _node(next(events), events, depth + 1)))
    return Mapping(line, tuple(entries))


def _line(event: yaml.Event) -> int:
    assert event.start_mark is not None
    return event.start_mark.line + 1
