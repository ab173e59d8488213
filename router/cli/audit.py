"""A slow, obvious book beside each fast one, and what a replay counts about them.

The slow book is a plain dict per side, written from the definitions of the feed events alone. After every
frame the fast book must equal it; a difference that the fast book does not know of itself is *silent*.
"""

from collections import deque
from collections.abc import Sequence

import msgspec

from router.core.book import Book, State
from router.core.merge import Merged, MergedSide, RankTables, Source
from router.core.model import Terms
from venues.base.contract import CashFee, Traits
from venues.base.events import (
    Best,
    BookSide,
    FeedEvent,
    Halted,
    Lost,
    Regrid,
    Resumed,
    Snapshot,
    Top,
    Update,
)
from venues.base.listing import Grid, Listing
from venues.base.orders import Charge, Side
from venues.base.units import ONE, Cash, Nanos, Price, Size

TOP_WINDOW_MS = 1_500
"""How far behind a top from another channel may be: all recorded ones were within it."""
TOPS_MAX = 100_000
"""Tops remembered per book within the window."""
MERGE_EVERY = 16
"""Frames between two readings of the merged book, so that several touches meet in one reading."""


class FreeCurve(CashFee, msgspec.Struct, frozen=True):
    """Recordings carry no fee parameters: offers rank by their raw price."""

    def rank(self, side: Side, price: Price) -> Nanos:
        """The raw price."""
        return Nanos(price * 1_000)

    def reserve(self, side: Side, price: Price, size: Size) -> Cash:
        """Nothing."""
        return Cash(0)

    def fixed(self, side: Side) -> Cash:
        """Nothing."""
        return Cash(0)

    def charged(self, side: Side, fills: Sequence[tuple[Price, Size]]) -> Charge:
        """Nothing."""
        return Charge()


class Spells:
    """Stretches of frames in which a book was locked (bid = ask) or crossed (bid > ask)."""

    def __init__(self) -> None:
        self.locked = self.crossed = self.count = self.longest = self.several_times = 0
        self._frames = 0
        self._times: set[int | None] = set()

    def frame(self, best: Best, venue_ms: int | None) -> None:
        """The book after one frame that changed it."""
        bid, ask = best
        if bid is not None and ask is not None and bid >= ask:
            self.locked += bid == ask
            self.crossed += bid > ask
            self._frames += 1
            self._times.add(venue_ms)
            self.longest = max(self.longest, self._frames)
        elif self._frames:
            self.end(venue_ms)

    def end(self, venue_ms: int | None) -> None:
        """A spell is over with the frame of this time; over for good also at the end of the recording."""
        if self._frames:
            self.count += 1
            self.several_times += len(self._times | {venue_ms}) > 1
            self._frames = 0
            self._times.clear()


class Audit:
    """One book under examination."""

    def __init__(self, venue: str, book: Book, silent_ms_max: int) -> None:
        self.book = book
        self.spells = Spells()
        self.silent = 0
        """Frames after which the fast book claimed to be live and differed."""
        self.merged_differences = 0
        self.merged_checks = 0
        self.empty_snapshots = 0
        self.exact_tops = self.exact_agree = 0
        self.loose_tops = self.loose_at_once = self.loose_within = 0
        self.levels_max = 0
        self._live = self._halted = False
        self._bids: dict[Price, Size] = {}
        self._asks: dict[Price, Size] = {}
        self._history: deque[tuple[int, Best]] = deque(maxlen=TOPS_MAX)
        self._frames = 0
        self._silent_ms_max = silent_ms_max
        self._sides = [
            (inverted, side, MergedSide([_source(venue, book, inverted, silent_ms_max)], side, RankTables()))
            for inverted in (False, True)
            for side in Side
        ]

    def before(self, event: FeedEvent, at_ms: int) -> None:
        """Take in an event before the fast book sees it."""
        match event:
            case Snapshot():
                self._bids, self._asks = dict(event.bids), dict(event.asks)
                self._live = not self._halted
                self.empty_snapshots += not event.bids and not event.asks
            case Update():
                if self._live:
                    self._update(event)
                if event.top is not None:
                    self._exact(event.top)
            case Top(exact=True):
                self._exact((event.bid, event.ask))
            case Top(exact=False) if self.book.state is State.LIVE:
                self._loose(event, at_ms)
            case Lost() | Regrid():
                self._live = False
            case Halted():
                self._live, self._halted = False, True
            case Resumed():
                self._halted = False
            case _:
                pass

    def disconnected(self) -> None:
        """The connection that fed it is gone."""
        self._live = self._halted = False

    def after_frame(self, at_ms: int) -> None:
        """Every event of a frame that changed the book has been applied to both."""
        self._frames += 1
        best = self.best()
        self.spells.frame(best, self.book.venue_ms)
        self._remember(self.book.venue_ms or at_ms, best)
        self.levels_max = max(self.levels_max, len(self._bids) + len(self._asks))
        if self.book.state is State.LIVE:
            same = self.book.bids.levels == self._bids and self.book.asks.levels == self._asks
            same = same and (self.book.best_bid(), self.book.best_ask()) == best
            self.silent += not (same and self._live)
        if self._frames % MERGE_EVERY == 0:
            self.check_merged(at_ms)

    def best(self) -> Best:
        """The best prices by the slow book."""
        return max(self._bids, default=None), min(self._asks, default=None)

    def check_merged(self, at_ms: int) -> None:
        """Both sides of the merged book, also inverted, against a sort of the slow book."""
        usable = self.book.why_unusable(at_ms, self._silent_ms_max) is None
        grid = self.book.grid
        for inverted, side, merged in self._sides:
            taken = self._bids if (side is Side.SELL) != inverted else self._asks
            levels = [(p, size) for p, size in taken.items() if usable and (grid is None or grid.valid(p))]
            own = [(Price(ONE - p), size) for p, size in levels] if inverted else levels
            expected = sorted(own, reverse=side is Side.SELL)
            self.merged_checks += 1
            self.merged_differences += _offers(merged.read(at_ms)) != expected

    def _update(self, event: Update) -> None:
        for side, price, size in event.touches:
            levels = self._bids if side is BookSide.BID else self._asks
            total = levels.get(price, 0) + size if event.relative else size
            if total:
                levels[price] = Size(total)
            else:
                levels.pop(price, None)
            if total < 0:
                self._live = False

    def _exact(self, said: Best) -> None:
        if self.book.state is State.LIVE:
            self.exact_tops += 1
            self.exact_agree += said == self.best()

    def _loose(self, event: Top, at_ms: int) -> None:
        said, best = (event.bid, event.ask), self.best()
        self._remember(event.venue_ms or at_ms, best)
        self.loose_tops += 1
        self.loose_at_once += said == best
        self.loose_within += any(said == seen for _, seen in self._history)

    def _remember(self, at_ms: int, best: Best) -> None:
        """Keep the tops of the window, by the venue's clock where it tells, and the one that held before."""
        history = self._history
        if not history or history[-1][1] != best:
            history.append((at_ms, best))
        while len(history) > 1 and history[1][0] <= at_ms - TOP_WINDOW_MS:
            history.popleft()


def _source(venue: str, book: Book, inverted: bool, silent_ms_max: int) -> Source:
    """The book as a listing of an outcome of its own: every price allowed, no fees."""
    listing = Listing(venue=venue, native=book.native, inverted=inverted, grid=Grid.uniform(1), lot=1)
    return Source(Terms(listing=listing, curve=FreeCurve(), traits=Traits()), book, silent_ms_max)


def _offers(merged: Merged) -> list[tuple[Price, Size]]:
    return [(price, size) for _, _, price, size, *_ in merged.offers]
