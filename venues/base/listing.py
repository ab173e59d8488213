"""A listing: one outcome on one venue, with everything needed to rank, size and place an order on it."""

from functools import cached_property
from typing import NamedTuple, NewType

import msgspec

from venues.base.units import ONE, Price, ceil_to, complement, floor_to

Native = NewType("Native", str)
"""The venue's own id of a book: a token id, a ticker, a slug."""


class ListingKey(NamedTuple):
    """What identifies a listing in the whole program."""

    venue: str
    native: Native
    inverted: bool

    def __str__(self) -> str:
        return f"{self.venue}:{self.native}{':inverted' if self.inverted else ''}"


class Band(msgspec.Struct, frozen=True, gc=False):
    """A stretch of prices with one tick: start, start+step, … up to end, both ends included."""

    start: Price
    end: Price
    step: Price


class Grid(msgspec.Struct, frozen=True):
    """The prices a venue accepts on one book, in the book's own terms. Bands are ascending and touch.

    Prices 0 and ONE are never valid: no venue trades at certainty.
    """

    bands: tuple[Band, ...]

    def __post_init__(self) -> None:
        if not self.bands:
            raise ValueError("a price grid needs at least one band")
        for band in self.bands:
            if not (0 <= band.start < band.end <= ONE and band.step > 0):
                raise ValueError(f"not a band of prices: {band}")
        for low, high in zip(self.bands, self.bands[1:], strict=False):
            if low.end > high.start:
                raise ValueError(f"bands overlap: {low} and {high}")

    @classmethod
    def uniform(cls, tick: int) -> "Grid":
        """Every multiple of `tick` from tick to ONE - tick."""
        return cls((Band(Price(tick), Price(ONE - tick), Price(tick)),))

    def valid(self, price: Price) -> bool:
        """Whether an order may carry this price."""
        for band in self.bands:
            if band.start <= price <= band.end and (price - band.start) % band.step == 0:
                return 0 < price < ONE
        return False

    def floor(self, price: Price) -> Price | None:
        """The highest valid price that is not above `price`, or None."""
        for band in reversed(self.bands):
            if price >= band.start:
                on_band = band.start + floor_to(min(price, band.end) - band.start, band.step)
                if on_band >= ONE:
                    on_band -= band.step
                if on_band > 0:
                    return Price(on_band)
        return None

    def ceil(self, price: Price) -> Price | None:
        """The lowest valid price that is not below `price`, or None."""
        for band in self.bands:
            if price <= band.end:
                on_band = band.start + ceil_to(max(price - band.start, 0), band.step)
                if on_band <= 0:
                    on_band += band.step
                if on_band <= band.end and on_band < ONE:
                    return Price(on_band)
        return None


class Listing(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One outcome on one venue.

    `native` names the venue's book; `inverted` says that this outcome is the complement of that
    book (its ask is one minus the book's bid, with the bid's size). All other fields are in the
    book's own terms and are the same for both orientations.
    """

    venue: str
    native: Native
    inverted: bool = False
    title: str = ""
    grid: Grid
    lot: int
    """Sizes are multiples of this many millionths of a share."""
    minimum_size: int = 0
    """Smallest order in millionths of a share."""
    minimum_cash: int = 0
    """Smallest notional of a buy in millionths of a dollar, fees not included."""
    minimum_sale_cash: int = 0
    """The same for a sale. `venues.base.orders.minimum_cash` chooses by side."""
    tradable: bool = True
    closes_ms: int | None = None
    """When trading ends, in Unix milliseconds; None where the venue does not say."""
    pool: str = ""
    """Which of the account's pots of money at the venue pays for it; "" when there is only one."""
    mirror: Native = Native("")
    """The venue's other book with these very levels, read the other way round; "" when it keeps only one.
    An outcome that lists both offers the levels of the one it names first."""
    details: dict[str, str] = {}
    """What only the venue's own folder reads: fee parameters, sibling ids, flags."""

    @cached_property
    def key(self) -> ListingKey:
        """The listing's identity; found once."""
        return ListingKey(self.venue, self.native, self.inverted)

    def opposite(self) -> "Listing":
        """The same book read the other way round."""
        return msgspec.structs.replace(self, inverted=not self.inverted)

    def book_price(self, price: Price) -> Price:
        """A price of this outcome in the terms of the venue's book, and back."""
        return complement(price) if self.inverted else price

    def valid_price(self, price: Price) -> bool:
        """Whether the venue takes an order for this outcome at this price."""
        return self.grid.valid(complement(price) if self.inverted else price)
