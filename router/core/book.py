"""One venue's book, built from feed events; it knows whether it may be used.

A frame costs its book one dict write and one journal entry per level and nothing more. Readers keep a
cursor into the journal of each half and bring themselves up to date by the touched prices alone.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from operator import itemgetter

from venues.base.contract import Limits
from venues.base.events import (
    BookSide,
    Halted,
    Level,
    Lost,
    Regrid,
    Resumed,
    Snapshot,
    Top,
    Touch,
    Trade,
    Update,
)
from venues.base.listing import Grid, Native
from venues.base.units import ONE, Price, Size

BookEvent = Snapshot | Update | Top | Regrid | Halted | Resumed | Lost | Trade
"""The feed events that are about one book; the others are for the connection."""

JOURNAL_MAX = 256
"""Touches kept per half. A reader further behind compares the whole half, which then costs less."""

_BID = BookSide.BID
_size_of = itemgetter(1)


@dataclass(slots=True)
class Pulse:
    """When a connection was last heard: any frame, ping or pong. Shared by all its books."""

    heard_ms: int


class State(Enum):
    """What the book's content is worth. Stale and crossed are found on reading."""

    EMPTY = "not_seeded"
    """No snapshot yet."""
    LIVE = "live"
    LOST = "lost"
    """A gap, a disconnect or an impossible level: waits for a snapshot."""
    SUSPECT = "suspect"
    """The venue's own word on the best prices contradicts it: waits for a snapshot."""
    HALTED = "halted"
    """The venue does not trade it now."""


_LIVE = State.LIVE


class Half:
    """One side of a book: sizes by price, the prices in ascending order, and the journal of touched prices.

    `Book` writes into `prices`, `sizes` and `journal` in place; everybody else uses the methods.
    """

    __slots__ = ("_best", "_dropped", "journal", "prices", "sizes")

    def __init__(self, side: BookSide) -> None:
        self.prices: list[Price] = []
        """Ascending; the keys of `sizes`."""
        self.sizes: dict[Price, int] = {}
        """In no order; none is zero."""
        self.journal: list[Price] = []
        """Prices touched since it was last emptied, repeats included."""
        self._dropped = 0
        self._best = -1 if side is _BID else 0

    @property
    def levels(self) -> dict[Price, Size]:
        """A copy of the sizes by ascending price."""
        return {price: Size(self.sizes[price]) for price in self.prices}

    def get(self, price: Price) -> Size | None:
        """The size resting at a price, or None."""
        size = self.sizes.get(price)
        return None if size is None else Size(size)

    def best(self) -> Price | None:
        """The highest bid or the lowest ask."""
        return self.prices[self._best] if self.prices else None

    @property
    def cursor(self) -> int:
        """Where a reader that has seen everything stands in the journal."""
        return self._dropped + len(self.journal)

    def since(self, cursor: int) -> list[Price] | None:
        """The prices touched after `cursor`; None when the reader must compare the whole half."""
        behind = cursor - self._dropped
        return self.journal[behind:] if behind >= 0 else None

    def insert(self, price: Price, size: int) -> None:
        """A level at a price that has none."""
        insort(self.prices, price)
        self.sizes[price] = size

    def remove(self, price: Price) -> None:
        """Drop a level that is there."""
        del self.sizes[price]
        del self.prices[bisect_left(self.prices, price)]

    def replace(self, levels: list[Level]) -> bool:
        """Take a snapshot's levels instead of the known ones. False if one of them is impossible."""
        self.sizes = dict(levels)
        self.prices = sorted(self.sizes)
        self.forget()
        if not levels:
            return True
        return self.prices[0] > 0 and self.prices[-1] < ONE and min(map(_size_of, levels)) > 0

    def forget(self) -> None:
        """Empty the journal; every reader then compares the whole half."""
        self._dropped += len(self.journal) + 1
        self.journal.clear()


class Book:
    """One venue's book in the venue's own terms. Whoever reads it asks `why_unusable` first."""

    __slots__ = (
        "_pulse",
        "_touch",
        "applied_ms",
        "asks",
        "bids",
        "gaps",
        "grid",
        "levels_max",
        "native",
        "reason",
        "resyncs",
        "state",
        "updates",
        "venue_ms",
    )

    def __init__(self, native: Native, levels_max: int) -> None:
        self.native = native
        self.levels_max = levels_max
        self.bids = Half(_BID)
        self.asks = Half(BookSide.ASK)
        self.state = State.EMPTY
        self.reason = ""
        """Why it is not live: a short word for logs and metrics."""
        self.gaps = 0
        """How often a live book was lost or contradicted."""
        self.resyncs = 0
        """How often a snapshot restored a book that was not live."""
        self.updates = 0
        """Snapshots and updates applied."""
        self.venue_ms: int | None = None
        """The venue's time of the last event that carried one."""
        self.grid: Grid | None = None
        """The prices the venue takes now, once it has changed them."""
        self.applied_ms = 0
        """Our time of the last snapshot or update: when its connection was last heard."""
        self._pulse: Pulse | None = None

    def half(self, side: BookSide) -> Half:
        """The bids or the asks."""
        return self.bids if side is _BID else self.asks

    def best_bid(self) -> Price | None:
        """The highest bid, whatever the book's state."""
        return self.bids.best()

    def best_ask(self) -> Price | None:
        """The lowest ask, whatever the book's state."""
        return self.asks.best()

    @property
    def heard_ms(self) -> int | None:
        """When the connection of a live book was last heard; None where it is not live."""
        return self._pulse.heard_ms if self._pulse is not None and self.state is _LIVE else None

    def attach(self, pulse: Pulse) -> None:
        """Fed from now on by the connection with this pulse."""
        self._pulse = pulse

    def lose(self, reason: str) -> None:
        """The connection is gone: unusable until the next snapshot.

        A halt ends here too. Its end may be missed while disconnected; a venue that still halts
        refuses the order, and that costs nothing.
        """
        self._doubt(State.LOST, reason)

    def why_unusable(self, now_ms: int, silent_ms_max: int) -> str | None:
        """Why no offer may be taken from this book now, or None.

        One of not_seeded, lost:<reason>, suspect:<reason>, halted:<reason>, not_connected, stale, crossed.
        A locked book (bid equal to ask) counts as crossed. An empty side is no reason.
        """
        if self.state is not _LIVE:
            return f"{self.state.value}:{self.reason}" if self.reason else self.state.value
        if self._pulse is None:
            return "not_connected"
        if now_ms - self._pulse.heard_ms > silent_ms_max:
            return "stale"
        bids, asks = self.bids.prices, self.asks.prices
        return "crossed" if bids and asks and bids[-1] >= asks[0] else None

    def apply(self, event: BookEvent, now_ms: int) -> bool:
        """Take in one event of this book.

        True asks the caller to have the feed resync it: the content has proven wrong and the feed
        cannot know (an exact `Top` differs, an impossible level). `Lost`, `Regrid` and `Resumed` come
        from a feed that already asks for its snapshot. An update of a book that is not live is ignored.
        """
        if isinstance(event, Update):
            return self.update(event, now_ms)
        match event:
            case Top():
                return self._compare(event)
            case Snapshot():
                return self._replace(event, now_ms)
            case Lost():
                self._lose_unless_halted(event.reason)
            case Regrid():
                self.grid = event.grid
                self._lose_unless_halted("regrid")
            case Halted():
                self.state, self.reason = State.HALTED, event.reason
            case Resumed():
                if self.state is State.HALTED:
                    self.state, self.reason = State.LOST, "resumed"
            case Trade():
                pass
        return False

    def update(self, event: Update, now_ms: int) -> bool:
        """`apply` for the kind that nearly every event is of."""
        if self.state is not _LIVE:
            return False
        impossible = self._add(event.touches) if event.relative else self._set(event.touches)
        bids, asks = self.bids, self.asks
        if len(bids.journal) > JOURNAL_MAX:
            bids.forget()
        if len(asks.journal) > JOURNAL_MAX:
            asks.forget()
        self.updates += 1
        self.applied_ms = now_ms
        if event.venue_ms is not None:
            self.venue_ms = event.venue_ms
        below, above, levels_max = bids.prices, asks.prices, self.levels_max
        if impossible is None and len(below) <= levels_max and len(above) <= levels_max:
            if event.top is None:
                return False
            bid, ask = event.top
            same = bid == (below[-1] if below else None) and ask == (above[0] if above else None)
            return not same and self._contradicted()
        self._doubt(State.LOST, impossible or "too_many_levels")
        return True

    def _set(self, touches: list[Touch]) -> str | None:
        """Each touch carries the level's new total. Returns what is impossible about them, if anything."""
        bids, asks, bid = self.bids, self.asks, _BID
        for side, price, size in touches:
            half = bids if side is bid else asks
            half.journal.append(price)
            sizes = half.sizes
            if price in sizes:
                if size > 0:
                    sizes[price] = size
                    continue
                half.remove(price)
            elif size > 0:
                if not 0 < price < ONE:
                    return "bad_price"
                half.insert(price, size)
            if size < 0:
                return "negative_level"
        return None

    def _add(self, touches: list[Touch]) -> str | None:
        """Each touch carries the signed change of the level. Returns what is impossible, if anything."""
        bids, asks = self.bids, self.asks
        for side, price, change in touches:
            half = bids if side is _BID else asks
            half.journal.append(price)
            sizes = half.sizes
            if price in sizes:
                size = sizes[price] + change
                if size > 0:
                    sizes[price] = size
                    continue
                half.remove(price)
                if size < 0:
                    return "negative_level"
            elif change > 0:
                if not 0 < price < ONE:
                    return "bad_price"
                half.insert(price, change)
            elif change < 0:
                return "negative_level"
        return None

    def _replace(self, event: Snapshot, now_ms: int) -> bool:
        """A snapshot ends every doubt except a halt, unless it is itself impossible."""
        if self.state is State.HALTED:
            return False
        for half, levels in ((self.bids, event.bids), (self.asks, event.asks)):
            if len(levels) > self.levels_max:
                self._doubt(State.LOST, "too_many_levels")
                return True
            if not half.replace(levels):
                self._doubt(State.LOST, "bad_snapshot")
                return True
        if self.state is not State.LIVE and self.state is not State.EMPTY:
            self.resyncs += 1
        self.state, self.reason = State.LIVE, ""
        self.updates += 1
        self.applied_ms = now_ms
        if event.venue_ms is not None:
            self.venue_ms = event.venue_ms
        return False

    def _compare(self, event: Top) -> bool:
        if not event.exact or self.state is not State.LIVE:
            return False
        same = (event.bid, event.ask) == (self.bids.best(), self.asks.best())
        return not same and self._contradicted()

    def _contradicted(self) -> bool:
        """The venue's own best prices at this very point are not ours: the book is wrong."""
        self._doubt(State.SUSPECT, "top_differs")
        return True

    def _lose_unless_halted(self, reason: str) -> None:
        if self.state is not State.HALTED:
            self._doubt(State.LOST, reason)

    def _doubt(self, state: State, reason: str) -> None:
        if self.state is State.LIVE:
            self.gaps += 1
        if self.state is not State.EMPTY:
            self.state, self.reason = state, reason


class Books(Mapping[tuple[str, Native], Book]):
    """Every book in the process by (venue, native), made on first use. Shared by feeds and readers."""

    def __init__(self, limits: Mapping[str, Limits]) -> None:
        self._limits = limits
        self._books: dict[tuple[str, Native], Book] = {}

    def open(self, venue: str, native: Native) -> Book:
        """The book, made empty on first use. A venue without limits raises KeyError."""
        book = self._books.get((venue, native))
        if book is None:
            book = self._books[venue, native] = Book(native, self._limits[venue].levels_max)
        return book

    def forget(self, venue: str, native: Native) -> None:
        """Drop a book nobody streams any more; whoever still holds it finds it lost."""
        book = self._books.pop((venue, native), None)
        if book is not None:
            book.lose("forgotten")

    def __getitem__(self, key: tuple[str, Native]) -> Book:
        return self._books[key]

    def __iter__(self) -> Iterator[tuple[str, Native]]:
        return iter(self._books)

    def __len__(self) -> int:
        return len(self._books)
