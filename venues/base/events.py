"""What a market-data connection can tell us, in one vocabulary for all venues."""

from enum import Enum

import msgspec

from venues.base.http import Request
from venues.base.listing import Grid, Native
from venues.base.units import Price, Size


class BookSide(Enum):
    """The two halves of a venue's book."""

    BID = "bid"
    ASK = "ask"

    @property
    def other(self) -> "BookSide":
        """The half it trades against."""
        return BookSide.ASK if self is BookSide.BID else BookSide.BID


Level = tuple[Price, Size]
"""A price and the total size resting there."""
Touch = tuple[BookSide, Price, int]
"""A side, a price, and either the level's new total or the signed change of it."""
Best = tuple[Price | None, Price | None]
"""The highest bid and the lowest ask of a book; None for an empty side."""


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """The whole book, replacing whatever was known. Levels come in any order; sizes are positive."""

    native: Native
    bids: list[Level]
    asks: list[Level]
    venue_ms: int | None = None


class Update(msgspec.Struct, frozen=True, gc=False):
    """Some levels of a known book, in the order to apply them.

    With `relative` each touch carries the signed change of the level's size, else its new total
    (0 removes the level). `top` is the venue's own word on the best prices that result: like an exact
    `Top` right behind the update, at less cost.
    """

    native: Native
    touches: list[Touch]
    relative: bool = False
    venue_ms: int | None = None
    top: Best | None = None


class Top(msgspec.Struct, frozen=True, gc=False):
    """The venue's own word on the best prices of a book; None for an empty side.

    With `exact` it must equal our book at this very point of the stream, else the book is wrong.
    Without, it comes from a channel that is not synchronous with the book.
    """

    native: Native
    bid: Price | None
    ask: Price | None
    exact: bool
    venue_ms: int | None = None


class Regrid(msgspec.Struct, frozen=True, gc=False):
    """The venue changed the prices it accepts on a book. The book is unusable until its next snapshot."""

    native: Native
    grid: Grid


class Halted(msgspec.Struct, frozen=True, gc=False):
    """Trading on this book has ended or is paused: its listings leave routing until `Resumed`."""

    native: Native
    reason: str


class Resumed(msgspec.Struct, frozen=True, gc=False):
    """Trading on this book goes on; the book itself still needs a snapshot."""

    native: Native


class Lost(msgspec.Struct, frozen=True, gc=False):
    """Something was missed: this book is unusable until its next snapshot."""

    native: Native
    reason: str


class Trade(msgspec.Struct, frozen=True, gc=False):
    """A public trade. It changes no book by itself."""

    native: Native
    price: Price
    size: Size
    venue_ms: int | None = None


class Say(msgspec.Struct, frozen=True, gc=False):
    """Send this text on the same connection."""

    text: str


class Ask(msgspec.Struct, frozen=True, gc=False):
    """Fetch this by HTTP and hand the response to `Feed.fetched` together with `native`."""

    native: Native
    request: Request


class Refused(msgspec.Struct, frozen=True, gc=False):
    """The venue refused a subscription or command. With `fatal` the connection must be made anew."""

    reason: str
    fatal: bool


FeedEvent = Snapshot | Update | Top | Regrid | Halted | Resumed | Lost | Trade | Say | Ask | Refused
