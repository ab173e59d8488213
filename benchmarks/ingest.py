"""Frame to decoded to applied to its book, against decoding alone; and how far a busy feed falls behind.

    python -m benchmarks.ingest [--frames 20000] [--rounds 9] [--seconds 10]

`ratio` is the whole path (the venue's feed, its books) over typed decoding of the same frames in the same
round. `load` replays frames at a pace on one core and reports the greatest lag behind the schedule.
"""

import argparse
import time
from collections.abc import Callable, Sequence

import msgspec

from benchmarks.frames import ASSET, Stream, changes, deltas, tickers
from benchmarks.record import note, ratio, record, seconds
from router.core.book import Books, Pulse
from venues import discover
from venues.base.contract import Feed
from venues.base.events import Ask, Refused, Say, Update
from venues.base.listing import Native

CHANGES, DELTAS = "polymarket", "kalshi"
"""The venues whose frames are generated."""
NOW = 1_763_600_000_000
SUSTAINED, BURST = 3_000, 7_000
"""Frames a second: what a busy evening brings all the time, and in its worst second."""
BOOKS = 500


class Change(msgspec.Struct):
    """What the floor decodes of one level."""

    asset_id: str
    price: str
    size: str
    side: str
    best_bid: str
    best_ask: str


class Changes(msgspec.Struct, tag_field="event_type", tag="price_change"):
    """What the floor decodes of changed levels."""

    market: str
    price_changes: list[Change]
    timestamp: str


class Level(msgspec.Struct):
    """What the floor decodes of a resting level."""

    price: str
    size: str


class Whole(msgspec.Struct, tag_field="event_type", tag="book"):
    """What the floor decodes of a whole book."""

    asset_id: str
    market: str
    timestamp: str
    hash: str
    bids: list[Level]
    asks: list[Level]


def decode_only(frames: Sequence[bytes]) -> None:
    """The floor."""
    decode = msgspec.json.Decoder(Changes | Whole).decode
    for frame in frames:
        decode(frame)


class Path:
    """What a session of the runtime does with a frame: pulse, feed, book. Counts what should not happen."""

    def __init__(self, venue: str, natives: Sequence[Native]) -> None:
        card = discover()[venue]
        self.feed_state: Feed = card.feed()
        self.pulse = Pulse(NOW)
        opened = Books({venue: card.limits})
        self.books = {native: opened.open(venue, native) for native in natives}
        self.troubles = 0
        for book in self.books.values():
            book.attach(self.pulse)

    def feed(self, frame: bytes, now_ms: int) -> None:
        """One frame, all the way."""
        self.pulse.heard_ms = now_ms
        for event in self.feed_state.receive(frame, now_ms):
            if isinstance(event, Update):
                book = self.books.get(event.native)
                if book is None or book.update(event, self.pulse.heard_ms):
                    self.troubles += 1
            elif isinstance(event, Say | Ask | Refused):
                self.troubles += 1
            else:
                self.troubles += self.books[event.native].apply(event, now_ms)


def apply_all(stream: Stream) -> Path:
    """The whole path over one book."""
    path = Path(CHANGES, [Native(ASSET)])
    path.feed_state.subscribe([Native(ASSET)])
    feed = path.feed
    for frame in stream.frames:
        feed(frame, NOW)
    return path


def check(stream: Stream) -> None:
    """The books must be what the generator knows them to be."""
    path = apply_all(stream)
    book = path.books[Native(ASSET)]
    assert path.troubles == 0
    assert book.bids.levels == {p * 1_000: s * 10_000 for p, s in stream.bids.items()}
    assert book.asks.levels == {p * 1_000: s * 10_000 for p, s in stream.asks.items()}
    assert book.why_unusable(NOW, 1_000) is None


def paced(path: Path, frames: Sequence[bytes], rate: int) -> float:
    """The greatest lag in milliseconds behind a schedule of so many frames a second."""
    worst = 0.0
    start = time.perf_counter()
    for number, frame in enumerate(frames):
        due = start + number / rate
        ahead = due - time.perf_counter()
        if ahead > 0.001:
            time.sleep(ahead)
        path.feed(frame, NOW)
        worst = max(worst, time.perf_counter() - due)
    return round(worst * 1_000, 2)


def load(duration_s: int) -> dict[str, object]:
    """A sustained stream over many books, then its worst second."""
    frames = deltas(BOOKS + SUSTAINED * duration_s + BURST, BOOKS)
    natives = [Native(name) for name in tickers(BOOKS)]
    path = Path(DELTAS, natives)
    for frame in frames[:BOOKS]:
        path.feed(frame, NOW)
    sustained = paced(path, frames[BOOKS:-BURST], SUSTAINED)
    burst = paced(path, frames[-BURST:], BURST)
    start = time.perf_counter()
    busy = Path(DELTAS, natives)
    for frame in frames:
        busy.feed(frame, NOW)
    rate = len(frames) / (time.perf_counter() - start)
    unusable = sum(book.why_unusable(NOW, 1_000) is not None for book in path.books.values())
    assert (path.troubles, unusable, len(path.books)) == (0, 0, BOOKS)
    return {
        "sustained_per_s": SUSTAINED,
        "sustained_lag_ms": sustained,
        "burst_per_s": BURST,
        "burst_lag_ms": burst,
        "flat_out_per_s": round(rate),
    }


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=10)
    asked = parser.parse_args()
    stream = changes(asked.frames)
    check(stream)
    candidates: dict[str, Callable[[], object]] = {
        "decode": lambda: decode_only(stream.frames),
        "whole": lambda: apply_all(stream),
    }
    taken = seconds(candidates, rounds=asked.rounds, times=1)
    per_frame = {name: round(min(times) / asked.frames * 1e6, 2) for name, times in taken.items()}
    figures: dict[str, object] = {
        "frames": asked.frames,
        "bytes_mean": sum(map(len, stream.frames)) // asked.frames,
        "levels": stream.levels,
        "decode_us": per_frame["decode"],
        "whole_us": per_frame["whole"],
        "ratio": ratio(taken, "whole", "decode"),
        "frames_per_s": round(asked.frames / min(taken["whole"])),
        "load": load(asked.seconds),
    }
    note(str(figures))
    record("ingest", figures)


if __name__ == "__main__":
    main()
