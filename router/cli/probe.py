"""What kind of recording is this? Found by trying: no venue's messages are known here.

Each venue's feed is given the first frames, once without a subscription and once subscribed to the values of
each field that could hold the ids of books. Whoever makes most of them is the venue. Sequence numbers of a
recording that was cut out of a larger one jump; which field holds them is found the same way.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from router.cli.recordings import Frame
from venues.base.contract import Feed, Venue
from venues.base.events import Lost, Snapshot, Top, Trade, Update
from venues.base.listing import Native

FRAMES_MAX = 400
"""Enough to see snapshots, changes and jumps of the numbers; each trial reads them all."""
IDS_MAX = 1_000
"""A field with more different values in so few frames holds no ids of books."""
RISES_PER_DROP = 5
"""A running number falls only where a connection was made anew."""
ID_CHARS = range(3, 201)

BookEvents = (Snapshot, Update, Top, Trade)

_JSON = re.compile(rb"[\[{]")
_whole = msgspec.json.Decoder()
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Numbering(msgspec.Struct, frozen=True):
    """Frames carry a running number in the top-level field `field`, one sequence per value of `per`."""

    field: str
    per: str | None = None

    def __str__(self) -> str:
        return f"{self.field} per {self.per}" if self.per else self.field


class Renumber:
    """Gives the frames of one connection numbers without jumps, and notices when they start again."""

    def __init__(self, numbering: Numbering) -> None:
        self._numbering = numbering
        self._last: dict[bytes, int] = {}
        self._given: dict[bytes, int] = {}

    def restarts(self, text: bytes) -> bool:
        """Whether this frame's number runs backwards: it is the first of a new connection."""
        found = self._number(text)
        return found is not None and found[1] < self._last.get(found[0], 0)

    def rewrite(self, text: bytes) -> bytes:
        """The frame with the next number of its sequence; a frame without one as it is."""
        found = self._number(text)
        if found is None:
            return text
        group, number = found
        self._last[group] = number
        self._given[group] = self._given.get(group, 0) + 1
        fields = _fields.decode(text)
        fields[self._numbering.field] = msgspec.Raw(b"%d" % self._given[group])
        return msgspec.json.encode(fields)

    def _number(self, text: bytes) -> tuple[bytes, int] | None:
        if not text.startswith(b"{"):
            return None
        fields = _fields.decode(text)
        number = bytes(fields.get(self._numbering.field, b""))
        group = bytes(fields.get(self._numbering.per, b"")) if self._numbering.per else b""
        return (group, int(number)) if number.isdigit() else None


class Guess(msgspec.Struct, frozen=True):
    """How to read a recording."""

    venue: str
    ids_field: str | None
    """The field that names the books to subscribe to; None when the feed needs no subscription."""
    numbering: Numbering | None
    """Which numbers to write anew; None when they have no jumps."""


def guess(frames: Sequence[Frame], venues: Mapping[str, Venue]) -> Guess | None:
    """How to read these first frames; None when no venue can."""
    ids = _id_fields(frames)
    best: tuple[int, int, Guess, int] | None = None
    for name in sorted(venues):
        for field, values in [(None, []), *ids.items()]:
            made, lost = _trial(venues[name].feed, frames, values)
            order = (made, -len(values))
            if made and (best is None or order > best[:2]):
                best = (*order, Guess(name, field, None), lost)
    if best is None:
        return None
    _, _, found, lost = best
    if not lost:
        return found
    values = ids[found.ids_field] if found.ids_field else []
    for numbering in _numberings(frames):
        if _trial(venues[found.venue].feed, renumbered(frames, numbering), values)[1] == 0:
            return msgspec.structs.replace(found, numbering=numbering)
    return found


def renumbered(frames: Sequence[Frame], numbering: Numbering) -> list[Frame]:
    """The same frames with numbers that do not jump; where they start again, on a connection of its own."""
    by_connection: dict[int, Renumber] = {}
    moved: dict[int, int] = {}
    rewritten: list[Frame] = []
    for frame in frames:
        renumber = by_connection.setdefault(frame.connection, Renumber(numbering))
        if renumber.restarts(frame.text):
            renumber = by_connection[frame.connection] = Renumber(numbering)
            moved[frame.connection] = min(moved.values(), default=0) - 1
        connection = moved.get(frame.connection, frame.connection)
        rewritten.append(Frame(frame.at_ms, connection, renumber.rewrite(frame.text)))
    return rewritten


def values_of(text: bytes) -> Iterator[tuple[str, str]]:
    """Every field of a frame with text that could be the id of a book.

    Before the JSON of a frame may stand what says whom it is for (`42/markets,[…]`).
    """
    start = _JSON.search(text)
    try:
        whole = _whole.decode(text[start.start() :] if start else text)
    except ValueError:
        return
    yield from _values(whole)


def _values(node: object) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for name, value in node.items():
            if isinstance(value, str):
                if len(value) in ID_CHARS and not any(map(str.isspace, value)):
                    yield name, value
            else:
                yield from _values(value)
    elif isinstance(node, list):
        for item in node:
            if isinstance(item, dict):
                yield from _values(item)


def _id_fields(frames: Sequence[Frame]) -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = {}
    for frame in frames:
        for field, value in values_of(frame.text):
            found.setdefault(field, {})[value] = None
    return {field: list(values) for field, values in found.items() if len(values) <= IDS_MAX}


def _trial(feed: Callable[[], Feed], frames: Sequence[Frame], ids: Sequence[str]) -> tuple[int, int]:
    """(book events, books lost) when a feed subscribed to these ids reads the frames; 0 when it cannot."""
    by_connection: dict[int, Feed] = {}
    made = lost = 0
    for frame in frames:
        if frame.connection not in by_connection:
            by_connection[frame.connection] = feed()
            if ids:
                by_connection[frame.connection].subscribe([Native(value) for value in ids])
        try:
            events = by_connection[frame.connection].receive(frame.text, frame.at_ms)
        except ValueError:
            continue
        made += sum(isinstance(event, BookEvents) for event in events)
        lost += sum(isinstance(event, Lost) for event in events)
    return made, lost


def _numberings(frames: Sequence[Frame]) -> list[Numbering]:
    """Pairs of top-level fields with whole numbers that run upwards, those with fewest new starts first."""
    rows: list[tuple[int, dict[str, int]]] = []
    for frame in frames:
        if frame.text.startswith(b"{"):
            fields = {name: bytes(value) for name, value in _fields.decode(frame.text).items()}
            whole = {name: int(value) for name, value in fields.items() if value.isdigit()}
            rows.append((frame.connection, whole))
    names = sorted({name for _, row in rows for name in row})
    pairs = [Numbering(field, per) for field in names for per in (*names, None) if per != field]
    drops = [(_drops(rows, pair), place) for place, pair in enumerate(pairs)]
    return [pairs[place] for count, place in sorted(d for d in drops if d[0] is not None)]


def _drops(rows: Sequence[tuple[int, dict[str, int]]], numbering: Numbering) -> int | None:
    """How often the numbers start again; None when they do so too often to be running numbers."""
    last: dict[tuple[int, int | None], int] = {}
    rises = drops = 0
    for connection, row in rows:
        if numbering.field in row:
            group = (connection, row.get(numbering.per) if numbering.per else None)
            before = last.get(group)
            last[group] = row[numbering.field]
            if before is not None:
                rises += row[numbering.field] > before
                drops += row[numbering.field] <= before
    return drops if rises >= RISES_PER_DROP * max(drops, 1) else None
