"""What a simulated venue keeps: markets, orders, fills, accounts, and the events between them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from sortedcontainers import SortedDict

from venues.base.events import BookSide
from venues.base.listing import Grid
from venues.base.orders import Charge, Side, TimeInForce
from venues.base.units import ONE, Cash, Price, Size

HOUSE = "house"
"""The account that owns the levels put up by tests and book makers. It never runs out of anything."""


class Status(Enum):
    """Where an order stands."""

    RESTING = "resting"
    FILLED = "filled"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class Market:
    """Two complementary outcomes and their one book, in the terms of outcome 0."""

    market_id: str
    natives: tuple[str, ...]
    """Names of the outcomes' books: two where the venue lists each outcome, else only the first."""
    size_step: int = 1
    """Fills are multiples of this; what remains of a cash budget below it is not spent."""
    grid: Grid | None = None
    """Prices the venue takes, in the terms of outcome 0; None for any. Checked by the venue's simulator
    for customers, and by the control face for books put up from outside."""
    trading: bool = True
    bids: SortedDict = field(default_factory=SortedDict)
    asks: SortedDict = field(default_factory=SortedDict)
    """Price to the queue of resting orders (order id to order, oldest first)."""


@dataclass(slots=True)
class Fill:
    """One match of one order, in the order's own outcome terms."""

    trade_id: int
    order_id: str
    price: Price
    size: Size
    fee: Cash
    taker: bool
    counter_order_id: str
    at_ms: int
    kept: Size = Size(0)
    """Shares of a purchase that the venue kept as its fee."""


@dataclass(slots=True)
class SimOrder:
    """An order as the venue keeps it. Price and side are in the terms of its own outcome."""

    order_id: str
    account: str
    market: Market
    outcome: int
    side: Side
    price: Price
    size: Size
    """Most shares to trade; for a buy with `cash` a bound that is never reached first."""
    cash: Cash | None
    """Most notional to spend, for a buy denominated in cash."""
    time_in_force: TimeInForce
    created_ms: int
    client_id: str = ""
    expires_ms: int | None = None
    status: Status = Status.RESTING
    reason: str = ""
    fills: list[Fill] = field(default_factory=list)
    reserved: Cash = Cash(0)
    """Cash set aside while it rests."""
    notes: dict[str, object] = field(default_factory=dict)
    """Whatever the venue's simulator needs to remember about it."""

    @property
    def filled(self) -> Size:
        """Shares traded so far."""
        return Size(sum(fill.size for fill in self.fills))

    @property
    def value(self) -> Cash:
        """Collateral traded so far, fees excluded."""
        return Cash(sum(notional(self.side, fill.price, fill.size) for fill in self.fills))

    @property
    def fees(self) -> Cash:
        """Fees charged so far."""
        return Cash(sum(fill.fee for fill in self.fills))

    @property
    def remaining(self) -> Size:
        """Shares still to trade."""
        return Size(self.size - self.filled)

    @property
    def book_side(self) -> BookSide:
        """Which half of the market's book it belongs to."""
        return BookSide.BID if (self.side is Side.BUY) == (self.outcome == 0) else BookSide.ASK

    @property
    def book_price(self) -> Price:
        """Its price in the terms of outcome 0."""
        return self.price if self.outcome == 0 else Price(ONE - self.price)

    def price_against(self, maker: "SimOrder") -> Price:
        """The maker's price in the terms of its own outcome."""
        return maker.book_price if self.outcome == 0 else Price(ONE - maker.book_price)

    @property
    def crosses(self) -> bool:
        """Whether it would trade at once if it were placed now."""
        if self.book_side is BookSide.BID:
            asks = self.market.asks
            return bool(asks) and self.book_price >= asks.peekitem(0)[0]
        bids = self.market.bids
        return bool(bids) and self.book_price <= bids.peekitem(-1)[0]


@dataclass(slots=True)
class Account:
    """Cash and shares of one customer."""

    name: str
    cash: Cash = Cash(0)
    reserved: Cash = Cash(0)
    positions: dict[tuple[str, int], Size] = field(default_factory=dict)
    """(market id, outcome) to shares held."""
    notes: dict[str, object] = field(default_factory=dict)

    @property
    def free(self) -> Cash:
        """Cash not set aside for resting orders."""
        return Cash(self.cash - self.reserved)


@dataclass(slots=True)
class BookChange:
    """One level of a market's book moved; prices and sides in the terms of outcome 0."""

    market: Market
    side: BookSide
    price: Price
    total: Size
    delta: int
    at_ms: int
    cause: SimOrder | None = None


@dataclass(slots=True)
class TradeDone:
    """A taker met one or more makers; `fills` are the taker's, `makers` the counterparts', pairwise."""

    market: Market
    taker: SimOrder
    fills: list[Fill]
    makers: list[tuple[SimOrder, Fill]]
    at_ms: int


@dataclass(slots=True)
class OrderMoved:
    """An order was placed, filled in part, finished or cancelled."""

    order: SimOrder
    at_ms: int


@dataclass(slots=True)
class MarketChanged:
    """Trading was halted or resumed, or another public fact of the market changed (`what`)."""

    market: Market
    what: str
    at_ms: int


Event = BookChange | TradeDone | OrderMoved | MarketChanged
FeeRule = Callable[[SimOrder, Price, Size, bool], Charge]
"""Fee of one fill: (order, price in its own terms, size, taker). Called once per fill, in order."""


def notional(side: Side, price: Price, size: Size) -> int:
    """Whole millionths: the buyer pays the fraction, the seller does without."""
    return -(-price * size // ONE) if side is Side.BUY else price * size // ONE
