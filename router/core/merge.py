"""Several books, one ladder: every offer of an outcome on one side, ranked by its price with the fee in it.

The ladder is kept, not rebuilt: a reader takes over the prices touched since the last reading and
nothing else. What an offer costs in the worst case is computed once, when the level is taken over.
"""

from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property

import msgspec
from sortedcontainers import SortedList

from router.core.book import Book, Half
from router.core.model import Terms
from venues.base.contract import FeeCurve
from venues.base.listing import Listing, ListingKey
from venues.base.orders import Side
from venues.base.units import ONE, Cash, Price, Size, complement, cost, proceeds

Offer = tuple[int, int, Price, Size, Cash, Size]
"""(key, index, price, size, cash, net), best first when sorted.

key    ranking price in nanos for a buy, its negative for a sell; the fee is in it
index  the listing's place in `Merged.terms`
price  raw, in the terms of the outcome
size   shares offered
cash   what the whole level costs at most (buy) or brings at least (sell), the fee reserve included
net    shares of it that arrive at least (buy), less than `size` where the venue keeps some; `size` (sell)
"""

TABLES_MAX = 512
"""Ranking tables kept. One per fee curve, grid and orientation: a venue has a handful of each."""
PRICES_MAX = 20_000
"""Prices kept per table: twice the finest grid in use."""


class Source(msgspec.Struct, frozen=True):
    """One listing of the outcome: its terms, its venue's book, and how long that venue may be silent."""

    terms: Terms
    book: Book
    silent_ms_max: int


class Merged(msgspec.Struct, frozen=True, dict=True):
    """One side of an outcome as it is now. Valid until the next reading of the same `MergedSide`."""

    side: Side
    terms: tuple[Terms, ...]
    """By listing index, with the grid the venue uses now."""
    offers: Sequence[Offer]
    """Best first; those of unusable books are not among them."""
    tops: tuple[Offer | None, ...]
    """The best-priced offer by listing index; None when the side is empty or the book is unusable."""
    unusable: Mapping[ListingKey, str]
    """Why these books were left out."""

    @cached_property
    def best(self) -> Price | None:
        """The best raw price of all listings, None where nothing is on offer; found once."""
        prices = [top[2] for top in self.tops if top is not None]
        if not prices:
            return None
        return min(prices) if self.side is Side.BUY else max(prices)


class RankTable(dict[Price, int | None]):
    """Sort keys by price for one curve, side, grid and orientation, computed at first need.

    None means no order can carry that price.
    """

    def __init__(self, curve: FeeCurve, side: Side, listing: Listing) -> None:
        super().__init__()
        self._curve = curve
        self._side = side
        self._listing = listing

    def __missing__(self, price: Price) -> int | None:
        if len(self) >= PRICES_MAX:
            self.clear()
        key: int | None = None
        if self._listing.valid_price(price):
            rank = self._curve.rank(self._side, price)
            key = rank if self._side is Side.BUY else -rank
        self[price] = key
        return key


class RankTables:
    """The ranking tables of the process. Curves with equal parameters share one."""

    def __init__(self) -> None:
        self._tables: dict[Hashable, RankTable] = {}

    def of(self, terms: Terms, side: Side) -> RankTable:
        """The table of this curve and side; kept as long as there is room."""
        listing = terms.listing
        name = (terms.curve, side, listing.grid, listing.inverted)
        table = self._tables.get(name)
        if table is None:
            if len(self._tables) >= TABLES_MAX:
                self._tables.clear()
            table = self._tables[name] = RankTable(terms.curve, side, listing)
        return table


class MergedSide:
    """All offers that a buyer (or a seller) of one outcome can take, over all its listings."""

    def __init__(self, sources: Sequence[Source], side: Side, tables: RankTables) -> None:
        self._side = side
        self._offers: SortedList = SortedList()
        self._lanes = [Lane(index, source, side, tables) for index, source in enumerate(sources)]
        self._merged: Merged | None = None
        """The last reading."""

    def read(self, now_ms: int) -> Merged:
        """Take over what changed since the last reading and say what is on offer now.

        Offers of a book that may not be used at `now_ms` leave the ladder and come back with it.
        """
        unusable: dict[ListingKey, str] = {}
        merged, changed = self._merged, False
        for lane in self._lanes:
            why = lane.why_unusable(now_ms)
            if why is None:
                changed |= lane.catch_up(self._offers)
            else:
                changed |= lane.withdraw(self._offers)
                unusable[lane.terms.listing.key] = why
        if merged is None or changed or unusable != merged.unusable:
            merged = self._merged = Merged(
                self._side,
                tuple([lane.terms for lane in self._lanes]),
                self._offers,
                tuple([lane.top() for lane in self._lanes]),
                unusable,
            )
        return merged


class Lane:
    """One listing's share of a merged side, and how far it has read its book's journal."""

    def __init__(self, index: int, source: Source, side: Side, tables: RankTables) -> None:
        self.terms = source.terms
        self._index = index
        self._book = source.book
        self._silent_ms_max = source.silent_ms_max
        self._side = side
        self._tables = tables
        self._table = tables.of(source.terms, side)
        self._inverted = source.terms.listing.inverted
        takes = side.takes.other if self._inverted else side.takes
        self._half: Half = source.book.half(takes)
        self._offers: dict[Price, Offer] = {}
        """What this listing has in the ladder, by the price in the book's terms."""
        self._cursor = -1

    def why_unusable(self, now_ms: int) -> str | None:
        """Why nothing of this listing may be taken now, or None."""
        if not self.terms.listing.tradable:
            return "not_tradable"
        return self._book.why_unusable(now_ms, self._silent_ms_max)

    def top(self) -> Offer | None:
        """Its best-priced offer in the ladder."""
        if not self._offers:
            return None
        best = self._half.best()
        offer = self._offers.get(best) if best is not None else None
        return offer or min(self._offers.values())

    def catch_up(self, ladder: SortedList) -> bool:
        """Bring its offers in the ladder up to its book; whether there was anything to do."""
        half, grid = self._half, self._book.grid
        if grid is not None and grid is not self.terms.listing.grid and grid != self.terms.listing.grid:
            self._regrid(ladder)
        elif self._cursor == half.cursor:
            return False
        touched = half.since(self._cursor) if self._cursor >= 0 else None
        if touched is None:
            self._compare(ladder)
        elif touched:
            self._take_over(set(touched), ladder)
        self._cursor = half.cursor
        return True

    def withdraw(self, ladder: SortedList) -> bool:
        """Take its offers out of the ladder until its book is usable again; whether there were any."""
        found = bool(self._offers)
        for offer in self._offers.values():
            ladder.remove(offer)
        self._offers.clear()
        self._cursor = -1
        return found

    def _regrid(self, ladder: SortedList) -> None:
        self.withdraw(ladder)
        listing = msgspec.structs.replace(self.terms.listing, grid=self._book.grid)
        self.terms = msgspec.structs.replace(self.terms, listing=listing)
        self._table = self._tables.of(self.terms, self._side)

    def _compare(self, ladder: SortedList) -> None:
        """Take over whatever differs from the book: after a snapshot, or when far behind."""
        known = {price: offer[3] for price, offer in self._offers.items()}
        differing = known.items() ^ self._half.levels.items()
        self._take_over({price for price, _ in differing}, ladder)

    def _take_over(self, touched: set[Price], ladder: SortedList) -> None:
        size_at = self._half.get
        for book_price in touched:
            size = size_at(book_price)
            old = self._offers.get(book_price)
            if old is not None:
                if old[3] == size:
                    continue
                ladder.remove(old)
                del self._offers[book_price]
            offer = self._offer(book_price, size) if size is not None else None
            if offer is not None:
                self._offers[book_price] = offer
                ladder.add(offer)

    def _offer(self, book_price: Price, size: Size) -> Offer | None:
        """The level with its fee, or None when nothing can be gained from it."""
        price = complement(book_price) if self._inverted else book_price
        assert 0 < price < ONE
        key = self._table[price]
        if key is None:
            return None
        reserve = self.terms.curve.reserve(self._side, price, size)
        if self._side is Side.BUY:
            net = Size(size - self.terms.curve.kept(Side.BUY, price, size))
            cash = Cash(cost(price, size) + reserve)
            return (key, self._index, price, size, cash, net) if net > 0 else None
        cash = Cash(proceeds(price, size) - reserve)
        return (key, self._index, price, size, cash, size) if cash > 0 and key < 0 else None
