"""Polymarket US's own JSON, field for field; never leaves this folder. Unknown fields are ignored.

The venue speaks proto-JSON: a member that has its type's default value may be missing anywhere. Decimals
come as text or as numbers and are read exactly either way.
"""

from decimal import Decimal

import msgspec

from venues.base.http import Response
from venues.base.listing import Native
from venues.base.units import ONE, Price, decimal, micros, plain, signed_micros
from venues.kit.body import read

CURRENCY = "USD"

Number = Decimal | None
"""Text or number; None where it is missing or null."""


class Amount(msgspec.Struct, frozen=True, gc=False):
    """An amount of money as decimal text."""

    value: str
    currency: str = CURRENCY


def amount(value: int) -> Amount:
    """Millionths of a dollar with at least two decimals, as the official clients write them."""
    text = decimal(value)
    return Amount(text[:-4] + text[-4:].rstrip("0"))


def exact(value: Decimal | str) -> int:
    """Millionths of a number that is not negative; one that is not exact, or no number, raises ValueError."""
    return micros(value if isinstance(value, str) else format(value, "f"))


def signed(value: Decimal | str) -> int:
    """The same where a minus sign may stand before it."""
    return signed_micros(value if isinstance(value, str) else format(value, "f"))


# --- WebSockets (card 6, 7) ---


class Level(msgspec.Struct, frozen=True, gc=False):
    """A price and the quantity resting there."""

    px: Amount
    qty: str


class Book(msgspec.Struct, kw_only=True, rename="camel"):
    """A whole book. A missing state is the default of its enum, which is not OPEN."""

    market_slug: Native = Native("")
    bids: list[Level] | None = None
    offers: list[Level] | None = None
    state: str = ""
    transact_time: str | None = None


class Lite(msgspec.Struct, kw_only=True, rename="camel"):
    """Best prices."""

    market_slug: Native = Native("")
    best_bid: Amount | None = None
    best_ask: Amount | None = None


class PublicTrade(msgspec.Struct, kw_only=True, rename="camel"):
    """A trade, at the long price."""

    market_slug: Native = Native("")
    price: Amount
    quantity: Amount
    trade_time: str | None = None


class OrderState(msgspec.Struct, kw_only=True, rename="camel"):
    """An order after some event. `price` and `avgPx` are long prices, whatever the intent."""

    id: str = ""
    market_slug: Native = Native("")
    intent: str = ""
    type: str = ""
    tif: str = ""
    state: str = ""
    price: Amount | None = None
    quantity: Number = None
    cum_quantity: Number = None
    avg_px: Amount | None = None
    commission_notional_total_collected: Amount | None = None
    create_time: str | None = None
    insert_time: str | None = None


class Execution(msgspec.Struct, kw_only=True, rename="camel"):
    """One event of one order. `last_px` is a long price."""

    id: str = ""
    type: str = ""
    order: OrderState | None = None
    last_shares: Number = None
    last_px: Amount | None = None
    text: str = ""
    order_reject_reason: str = ""
    trade_id: str = ""
    transact_time: str | None = None
    commission_notional_collected: Amount | None = None


class _OrderUpdate(msgspec.Struct):
    execution: Execution | None = None


class _OrderSnapshot(msgspec.Struct):
    orders: list[OrderState] | None = None


class Frame(msgspec.Struct, kw_only=True, rename="camel"):
    """One message of either socket: which member is there says what it is."""

    request_id: str = ""
    error: str | None = None
    market_data: Book | None = None
    market_data_lite: Lite | None = None
    trade: PublicTrade | None = None
    order_subscription_update: _OrderUpdate | None = None
    order_subscription_snapshot: _OrderSnapshot | None = None


frames = msgspec.json.Decoder(Frame)

# --- markets (card 3) ---


class Side(msgspec.Struct):
    """One of the two outcomes of a market."""

    long: bool = False
    description: str = ""


class Market(msgspec.Struct, kw_only=True, rename="camel"):
    """A market's metadata."""

    slug: Native
    question: str = ""
    title: str = ""
    active: bool = False
    closed: bool = False
    ep3_status: str = ""
    order_price_min_tick_size: Number = None
    minimum_trade_qty: Number = None
    fee_coefficient: Number = None
    market_sides: list[Side] | None = None


class Markets(msgspec.Struct):
    """A page of markets."""

    markets: list[Market] | None = None


class BookReply(msgspec.Struct, rename="camel"):
    """A book by HTTP."""

    market_data: Book


# --- orders (card 5) ---


class Slippage(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """How far a market order may go from a price; `bips` or `ticks`."""

    current_price: Amount | None = None
    bips: int | None = None
    ticks: int | None = None


class NewOrder(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The body of a new order: every field of the card."""

    market_slug: Native
    intent: str
    type: str | None = None
    price: Amount | None = None
    quantity: Decimal | None = None
    cash_order_qty: Amount | None = None
    tif: str | None = None
    good_till_time: str | None = None
    participate_dont_initiate: bool | None = None
    manual_order_indicator: str | None = None
    synchronous_execution: bool | None = None
    max_block_time: str | None = None
    slippage_tolerance: Slippage | None = None


class Slugged(msgspec.Struct, frozen=True, rename="camel"):
    """The body of a cancellation."""

    market_slug: Native


_encoder = msgspec.json.Encoder(decimal_format="number")


def encoded(body: NewOrder | Slugged) -> bytes:
    """A body with quantities as JSON numbers, exactly."""
    return _encoder.encode(body)


def number(value: int) -> Decimal:
    """Millionths as the shortest decimal: 12500000 is 12.5."""
    return Decimal(plain(value))


class Placed(msgspec.Struct):
    """The reply to a new order; executions only where they were waited for."""

    id: str = ""
    executions: list[Execution] | None = None


class OrderReply(msgspec.Struct):
    """One order."""

    order: OrderState


class OpenOrders(msgspec.Struct):
    """Orders that rest."""

    orders: list[OrderState] | None = None


class Trade(msgspec.Struct, kw_only=True, rename="camel"):
    """A trade of the account, with the executions of both parties; the client types leave these out."""

    id: str = ""
    market_slug: Native = Native("")
    state: str = ""
    create_time: str | None = None
    is_aggressor: bool = False
    aggressor_execution: Execution | None = None
    passive_execution: Execution | None = None

    @property
    def own(self) -> Execution | None:
        """The account's side of it."""
        return self.aggressor_execution if self.is_aggressor else self.passive_execution


class Activity(msgspec.Struct):
    """Something that happened to the account."""

    trade: Trade | None = None


class Paged(msgspec.Struct, kw_only=True, rename="camel"):
    """A page of a list that goes on until `eof`."""

    next_cursor: str | None = None
    eof: bool = False


class Activities(Paged):
    """A page of activities."""

    activities: list[Activity] | None = None


class Position(msgspec.Struct, kw_only=True, rename="camel"):
    """Above zero long, below zero short. The decimal fields are exact; the others are cut to whole shares."""

    net_position: str = ""
    net_position_decimal: str = ""
    qty_available: str = ""
    qty_available_decimal: str = ""


class Positions(Paged):
    """A page of positions, by slug."""

    positions: dict[Native, Position] | None = None


class Balance(msgspec.Struct, kw_only=True, rename="camel"):
    """Money in one currency; the numbers are floating point at the venue."""

    currency: str = ""
    buying_power: Number = None


class Balances(msgspec.Struct):
    """Money by currency."""

    balances: list[Balance] | None = None


class _Refusal(msgspec.Struct):
    message: str | None = None
    error: str | None = None


_refusals = msgspec.json.Decoder(_Refusal)


def refusal(response: Response) -> str:
    """The venue's own words in an error reply; "" when there are none that can be read."""
    try:
        said = read(_refusals, response.body)
    except ValueError:
        return ""
    return said.message or said.error or ""


def long_price(value: Amount) -> Price:
    """A price between 0 and 1, or ValueError."""
    price = micros(value.value)
    if not 0 < price < ONE:
        raise ValueError(f"not a price between 0 and 1: {value.value!r}")
    return Price(price)
