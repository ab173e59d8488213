"""What the router is asked, what it may use, and what it decides."""

from collections.abc import Mapping
from functools import cached_property
from typing import NewType

import msgspec

from registry.model import OutcomeId
from venues.base.contract import CashFee, FeeCurve, Traits
from venues.base.listing import Listing, ListingKey
from venues.base.orders import Side, minimum_cash
from venues.base.units import Cash, Price, Size

AccountId = NewType("AccountId", str)
RouteId = NewType("RouteId", str)
"""`rord-` and a UUID."""
_BUY = Side.BUY


class Key(msgspec.Struct, frozen=True):
    """What a caller calls one request, so that a repeat is known as one; unique within account and scope."""

    scope: str
    """The endpoint: one text may be used at several."""
    text: str


class MarketOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A caller's whole order. A buy names `amount`, fees included; a sell names `size`."""

    outcome: OutcomeId
    side: Side
    amount: Cash = Cash(0)
    size: Size = Size(0)
    requested: str = ""
    """The number as the caller wrote it, without superfluous zeros: what answers echo."""
    max_price: Price | None = None
    """Worst raw price the caller accepts: highest for a buy, lowest for a sell."""
    max_slippage_bps: int | None = None
    """Worst raw price in basis points away from the best one in the merged book."""
    venues: frozenset[str] | None = None
    """Only these, when given."""
    exclude_venues: frozenset[str] = frozenset()
    max_venues: int | None = None
    confirm: bool = False
    """The caller means it, though it looks like a slip."""

    def wants(self, venue: str) -> bool:
        """Whether the caller lets this venue be used."""
        return (self.venues is None or venue in self.venues) and venue not in self.exclude_venues


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for every order on one side of a listing, whatever its levels."""

    side: Side
    pool: tuple[str, str]
    """The venue and its pot of money that pays for a buy."""
    key: ListingKey
    """Of what is held for a sale."""
    fixed: Cash
    """Charged per order."""
    minimum: Cash
    """The least that its reserves come to."""
    least: int
    """The smallest notional."""
    in_cash: bool
    """A buy that names cash, in lots of it, instead of shares."""
    step: int
    """The lot of what it names."""
    keeps_nothing: bool
    """All shares of a buy surely arrive: then nobody needs to ask how many, part by part."""
    grain: int
    """What it gains is a multiple of this."""


class Terms(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Everything allocation must know about one listing, besides its book."""

    listing: Listing
    curve: FeeCurve
    traits: Traits

    @cached_property
    def buys(self) -> Rules:
        """Of an order that buys; found once."""
        return self._rules(Side.BUY)

    @cached_property
    def sales(self) -> Rules:
        """Of an order that sells; found once."""
        return self._rules(Side.SELL)

    def rules(self, side: Side) -> Rules:
        """Of an order on this side."""
        return self.buys if side is _BUY else self.sales

    def _rules(self, side: Side) -> Rules:
        in_cash = side is Side.BUY and self.traits.buys_in_cash
        keeps_nothing = isinstance(self.curve, CashFee)
        in_lots = side is Side.BUY and not in_cash and keeps_nothing
        return Rules(
            side=side,
            pool=(self.listing.venue, self.listing.pool),
            key=self.listing.key,
            fixed=self.curve.fixed(side),
            minimum=self.curve.minimum(side),
            least=minimum_cash(self.listing, side),
            in_cash=in_cash,
            step=self.traits.cash_lot if in_cash else self.listing.lot,
            keeps_nothing=keeps_nothing,
            grain=self.listing.lot if in_lots else 1,
        )


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """What the account can spend and sell, holds already subtracted."""

    funds: Mapping[tuple[str, str], Cash]
    """(venue, pool) to cash."""
    holdings: Mapping[ListingKey, Size]


class PlannedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One venue order of a plan; with an id and a stamp it becomes a `venues.base.orders.Order`."""

    listing: Listing
    side: Side
    limit: Price
    """The worst level allocated."""
    size: Size
    """What trades; of a buy less may arrive, where the venue keeps shares as its fee."""
    cash: Cash
    """Notional: for a buy rounded up, for a sell rounded down."""
    fee_reserve: Cash
    """The most the venue may charge for it in money, its least fee per order included."""
    parts: tuple[tuple[Price, Size], ...]
    """The levels it is planned to take, best first."""


class Considered(msgspec.Struct, frozen=True, kw_only=True):
    """Why a venue was or was not used. One per venue with at least one usable book."""

    venue: str
    average: Price | None
    """Projected raw average price on this venue; None when nothing was projected."""
    top: Price | None
    """Best raw price on this venue; None when its side is empty."""
    dropped: str | None
    """None when it was allocated, else: zero_depth, no_position, insufficient_balance, balance_unread,
    worse_price, min_order_size, excluded, max_venues."""
    fee_bps_at_top_e4: int
    """Fee at the best level in ten-thousandths of a basis point of its price (24.6975 bps is 246975)."""


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """A venue of which nothing could be used: its gate is closed, or none of its books is usable."""

    venue: str
    reason: str
    """A word of docs/operations.md."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How one market order is split."""

    orders: tuple[PlannedOrder, ...]
    considered: tuple[Considered, ...]
    unfilled: int
    """Millionths of the amount (buy) or size (sell) that found no use, fees and reserves counted as used."""
    worst: Price | None
    """Worst raw price that was accepted, by `max_price` and `max_slippage_bps`; None when any was."""
    exact: bool
    """True: no split gains more. False: proven only to within a basis point, and a hundredth of a share or of
    a dollar; or the best that a search of limited length found."""
