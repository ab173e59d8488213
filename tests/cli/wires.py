"""Two made-up venues that speak alike; one says nothing about books it was not subscribed to."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from tests.runtime.acme import AcmeFeed, acme
from venues.base.contract import Venue
from venues.base.events import Best, BookSide, FeedEvent, Lost, Snapshot, Top, Update
from venues.base.listing import Native
from venues.base.units import ONE, Price, Size


class NumberedFeed(AcmeFeed):
    """Needs no subscription. Frames are numbered over all books of a `stream`; amounts are millionths."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: dict[int, int] = {}

    def receive(self, frame: str | bytes, now_ms: int) -> list[FeedEvent]:
        said = json.loads(frame)
        if "stream" not in said:
            raise ValueError("not numbered")
        native, stream = Native(said["name"]), said["stream"]
        expected = self.numbers.get(stream, said["number"] - 1) + 1
        self.numbers[stream] = said["number"]
        lost: list[FeedEvent] = [Lost(native, "gap")] if said["number"] != expected else []
        return [*lost, *self.told(native, said)]

    def told(self, native: Native, said: dict[str, object]) -> list[FeedEvent]:
        at = said.get("at")
        venue_ms = at if isinstance(at, int) else None
        if isinstance(said.get("top"), list):
            bid, ask = msgspec.convert(said["top"], tuple[Price, Price])
            return [Top(native, bid, ask, exact=bool(said.get("exact")), venue_ms=venue_ms)]
        if "set" in said:
            side, price, size = msgspec.convert(said["set"], tuple[BookSide, Price, int])
            top = msgspec.convert(said.get("leaves"), Best | None)
            return [Update(native, [(side, price, size)], False, venue_ms, top)]
        if "book" in said:
            bids, asks = msgspec.convert(
                said["book"], tuple[list[tuple[Price, Size]], list[tuple[Price, Size]]]
            )
            return [Snapshot(native, bids, asks, venue_ms)]
        return []


class ShyFeed(NumberedFeed):
    """Says nothing about books it was not subscribed to."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted: set[Native] = set()

    def subscribe(self, natives: Sequence[Native]) -> list[FeedEvent]:
        self.wanted.update(natives)
        return []

    def receive(self, frame: str | bytes, now_ms: int) -> list[FeedEvent]:
        said = json.loads(frame)
        if "shy" not in said:
            raise ValueError("not ours")
        native = Native(said["shy"])
        return self.told(native, said) if native in self.wanted else []


NUMBERED: Venue = msgspec.structs.replace(acme(feed=NumberedFeed), name="numbered")
SHY: Venue = msgspec.structs.replace(acme(feed=ShyFeed), name="shy")
VENUES = {"numbered": NUMBERED, "shy": SHY}
CENT = Price(10_000)


def numbered(number: int, name: str = "BOOK-A", *, stream: int = 1, **said: object) -> dict[str, object]:
    return {"stream": stream, "number": number, "name": name, **said}


def book(bid: int = 40, ask: int = 60, size: int = 5) -> list[list[list[int]]]:
    """One level a side, in cents and shares."""
    return [[[bid * CENT, size * ONE]], [[ask * CENT, size * ONE]]]


def to_set(side: str, cents: int, shares: int) -> list[object]:
    return [side, cents * CENT, shares * ONE]


def write(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows(
    frames: Sequence[Mapping[str, object]], *, start: int = 1_000, step: int = 10
) -> list[dict[str, object]]:
    return [{"t": start + place * step, "frame": frame} for place, frame in enumerate(frames)]
