"""One order at one venue, and the five things a venue can say about it."""

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple, NewType

import msgspec

from venues.base.events import BookSide
from venues.base.listing import Listing, Native
from venues.base.units import Cash, Price, Size

OrderId = NewType("OrderId", str)
"""Ours: a UUID made before the intent is written. It is the client order id where the venue takes one."""


class Side(Enum):
    """Which way the caller trades the outcome."""

    __hash__ = object.__hash__  # each is one object; Enum's own is a call in Python
    BUY = "buy"
    SELL = "sell"

    @property
    def takes(self) -> BookSide:
        """The half of the outcome's book that a marketable order on this side consumes."""
        return BookSide.ASK if self is Side.BUY else BookSide.BID


def minimum_cash(listing: Listing, side: Side) -> Cash:
    """The smallest notional of an order on this side, fees not included."""
    return Cash(listing.minimum_cash if side is Side.BUY else listing.minimum_sale_cash)


class TimeInForce(Enum):
    """How long an order may live."""

    IOC = "immediate_or_cancel"
    FOK = "fill_or_kill"
    GTC = "good_till_cancelled"
    GTD = "good_till_date"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One order for one venue, complete: with the venue's keys and a clock it yields the same bytes again.

    Prices and sizes are in the terms of the listing's outcome, also where the listing is inverted.
    """

    order_id: OrderId
    listing: Listing
    side: Side
    limit: Price
    """The worst price to accept; always on the venue's grid."""
    size: Size
    """Shares to sell or to buy; for a buy denominated in cash, what `cash` is planned to buy."""
    cash: Cash
    """Notional at the planned prices, fees excluded. It is what a cash-denominated buy spends at most."""
    time_in_force: TimeInForce = TimeInForce.IOC
    post_only: bool = False
    expires_s: int | None = None
    """Unix seconds; only with GTD."""
    reserve: Cash = Cash(0)
    """What a buy may cost beyond `cash`: the fee, and worse prices up to the limit. Held with it."""
    created_ms: int
    salt: int
    """Uniqueness where the venue wants a number: 0 < salt < 2**53."""


SHARES = "shares"
"""The unit of a fee that the venue kept out of the shares of a buy."""


class Fee(msgspec.Struct, frozen=True, gc=False):
    """What the venue charged, in millionths. `unit` is the name of its collateral, or SHARES."""

    amount: int
    unit: str

    @property
    def cash(self) -> Cash:
        """The part of it that was paid in money."""
        return Cash(0 if self.unit == SHARES else self.amount)

    @property
    def shares(self) -> Size:
        """The part of it that was kept out of what was bought: `size` less this much arrived."""
        return Size(self.amount if self.unit == SHARES else 0)


class Charge(NamedTuple):
    """A fee by the published rule: money, or shares kept out of a buy."""

    cash: Cash = Cash(0)
    shares: Size = Size(0)


class Filled(msgspec.Struct, frozen=True, tag=True):
    """The venue has said how much was done, finally. `size` may be less than asked, or zero."""

    order_id: OrderId
    venue_order_id: str
    size: Size
    """Shares traded, before any that the venue kept as its fee."""
    cash: Cash
    """Notional of the fills, fee excluded."""
    fee: Fee


class Working(msgspec.Struct, frozen=True, tag=True):
    """Resting on the venue's book; the fills so far are in it."""

    order_id: OrderId
    venue_order_id: str
    size: Size
    cash: Cash
    fee: Fee


class Pending(msgspec.Struct, frozen=True, tag=True):
    """Accepted; the venue will say later what became of it: delayed matching, settlement, or details to read.

    `size` and `cash` are what the venue has said so far; they may still grow.
    """

    order_id: OrderId
    venue_order_id: str
    size: Size
    cash: Cash
    reason: str


class Rejected(msgspec.Struct, frozen=True, tag=True):
    """The venue has said, without ambiguity, that nothing was done and nothing will be."""

    order_id: OrderId
    code: str
    """The venue's own word, or ours in snake_case where it has none."""
    message: str
    undone: bool = False
    """Trades that the venue had reported before were taken back: it has not forgotten them."""


class Unknown(msgspec.Struct, frozen=True, tag=True):
    """Timeout, 5xx, 429, torn connection, unreadable answer. Never a rejection."""

    order_id: OrderId
    reason: str


Answer = Filled | Working | Pending | Rejected | Unknown


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """An order as its venue lists it, ours or not: open orders and history are made of these.

    Prices and sizes are in the terms of the outcome that was traded (`native`, `inverted`).
    """

    venue_order_id: str
    client_id: str = ""
    """The client order id it was sent with, where the venue keeps one."""
    native: Native
    inverted: bool = False
    side: Side
    price: Price | None
    """Its limit; None for an order without one."""
    size: Size | None
    """Shares asked for; None where it named cash and the venue does not say."""
    filled: Size
    cash: Cash | None
    """Notional of its fills, fee excluded; None where the list does not say."""
    open: bool
    """Whether it can still trade."""
    created_ms: int | None = None


class News(msgspec.Struct, frozen=True, kw_only=True):
    """One thing the account's own stream said about one order."""

    venue_order_id: str
    """"" where the message names only the client order id."""
    client_id: str = ""
    told: Mapping[str, str] = {}
    """What only the venue's own folder reads."""
