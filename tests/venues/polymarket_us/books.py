"""A reader of feed events that keeps what a book would: levels, halts, and how often it was told to wait."""

from venues.base.events import FeedEvent, Halted, Lost, Resumed, Snapshot
from venues.polymarket_us.feed import PolymarketUsFeed


class Books:
    """Whole books by slug, out of one feed."""

    def __init__(self) -> None:
        self.feed = PolymarketUsFeed()
        self.levels: dict[str, list[dict[int, int]]] = {}
        self.halted: dict[str, str] = {}
        self.lost: dict[str, str] = {}

    def hear(self, frame: str) -> list[FeedEvent]:
        """Apply what a frame says."""
        events = self.feed.receive(frame, 0)
        for event in events:
            match event:
                case Snapshot(native=native, bids=bids, asks=asks):
                    assert native not in self.halted, "a halted book shows no levels"
                    self.levels[native] = [dict(bids), dict(asks)]
                case Halted(native=native, reason=reason):
                    self.halted[native] = reason
                case Resumed(native=native):
                    del self.halted[native]
                case Lost(native=native, reason=reason):
                    self.lost[native] = reason
                case _:
                    pass
        return events
