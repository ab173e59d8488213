"""Kalshi's own JSON, field for field; never leaves this folder. Unknown fields are ignored."""

from decimal import Decimal
from typing import Literal, TypeVar

import msgspec

from venues.base.listing import Native

Page = TypeVar("Page", bound="Paged")
Rows = list[tuple[str, str]]

# --- WebSocket (card §6) ---


class SnapshotBody(msgspec.Struct, gc=False):
    """A side without bids has no key."""

    market_ticker: Native
    yes_dollars_fp: Rows = []
    no_dollars_fp: Rows = []


class Snapshot(msgspec.Struct, tag_field="type", tag="orderbook_snapshot"):
    """The whole book of one market; with an `id` when it answers a command."""

    sid: int
    seq: int
    msg: SnapshotBody
    id: int = 0


class DeltaBody(msgspec.Struct, gc=False):
    """The signed change of one level. `ts_ms` is missing in frames of before 2026-05."""

    market_ticker: Native
    price_dollars: str
    delta_fp: str
    side: Literal["yes", "no"]
    ts_ms: int | None = None


class Delta(msgspec.Struct, tag_field="type", tag="orderbook_delta", gc=False):
    """One level of one market's book moved."""

    sid: int
    seq: int
    msg: DeltaBody


class TickerBody(msgspec.Struct, gc=False):
    """Best prices as the ticker channel has them; it is not synchronous with the book."""

    market_ticker: Native
    yes_bid_dollars: str = ""
    yes_ask_dollars: str = ""
    ts_ms: int | None = None


class Ticker(msgspec.Struct, tag_field="type", tag="ticker", gc=False):
    """Has no sequence number."""

    msg: TickerBody


class PriceRange(msgspec.Struct):
    """A stretch of the price grid."""

    start: str
    end: str
    step: str


class LifecycleBody(msgspec.Struct):
    """What happened to a market; which other fields there are depends on `event_type`."""

    market_ticker: Native
    event_type: str
    close_ts: int | None = None
    price_ranges: list[PriceRange] = []


class Lifecycle(msgspec.Struct, tag_field="type", tag="market_lifecycle_v2"):
    """Sent for every market of the exchange."""

    msg: LifecycleBody


class SubscribedBody(msgspec.Struct):
    """Which channel got which subscription id."""

    channel: str
    sid: int


class Subscribed(msgspec.Struct, tag_field="type", tag="subscribed"):
    """A subscription is live."""

    msg: SubscribedBody
    id: int = 0


class Ok(msgspec.Struct, tag_field="type", tag="ok"):
    """A command was carried out. With a `sid` it uses up a number of that subscription."""

    id: int = 0
    sid: int | None = None
    seq: int | None = None


class Unsubscribed(msgspec.Struct, tag_field="type", tag="unsubscribed"):
    """A subscription has ended. It may use up a number, which then no longer matters."""

    sid: int | None = None


class ErrorBody(msgspec.Struct):
    """The text is not stable, the code is."""

    code: int
    msg: str = ""


class Error(msgspec.Struct, tag_field="type", tag="error"):
    """A command was refused, or (with `sid`) something happened to a running subscription."""

    msg: ErrorBody
    id: int = 0
    sid: int | None = None
    seq: int | None = None


Frame = Delta | Snapshot | Ticker | Lifecycle | Subscribed | Ok | Unsubscribed | Error
FRAME_TYPES = frozenset(
    str(kind.__struct_config__.tag)
    for kind in (Delta, Snapshot, Ticker, Lifecycle, Subscribed, Ok, Unsubscribed, Error)
)
frames = msgspec.json.Decoder(Frame)


class Typed(msgspec.Struct):
    """Only the type of a frame."""

    type: str


typed = msgspec.json.Decoder(Typed)


class UserOrderBody(msgspec.Struct):
    """Where one of the account's orders stands."""

    order_id: str
    ticker: Native
    book_side: str
    status: str
    fill_count_fp: str
    client_order_id: str = ""


class UserOrder(msgspec.Struct, tag_field="type", tag="user_order"):
    """Has no sequence number."""

    msg: UserOrderBody


class UserFillBody(msgspec.Struct):
    """One fill of one of the account's orders; `fee_cost` is what was charged for it."""

    trade_id: str
    order_id: str
    market_ticker: Native
    book_side: str
    yes_price_dollars: str
    count_fp: str
    fee_cost: str
    client_order_id: str = ""


class UserFill(msgspec.Struct, tag_field="type", tag="fill"):
    """Has no sequence number."""

    msg: UserFillBody


PrivateFrame = UserOrder | UserFill | Subscribed | Unsubscribed | Error
PRIVATE_TYPES = frozenset(
    str(kind.__struct_config__.tag) for kind in (UserOrder, UserFill, Subscribed, Unsubscribed, Error)
)
private_frames = msgspec.json.Decoder(PrivateFrame)

# --- Markets (card §3) ---


class Market(msgspec.Struct):
    """One market; its ticker names the book of both outcomes."""

    ticker: Native
    event_ticker: str
    status: str
    price_ranges: list[PriceRange] = []
    market_type: str = "binary"
    notional_value_dollars: str = "1.0000"
    exchange_index: int = 0
    title: str = ""
    yes_sub_title: str = ""
    close_time: str = ""
    fee_waiver_expiration_time: str | None = None


class Paged(msgspec.Struct, kw_only=True):
    """A page of a list; an empty cursor ends it."""

    cursor: str | None = ""


class Markets(Paged):
    """Markets, in no given order."""

    markets: list[Market]


class Event(msgspec.Struct):
    """What of an event matters for fees; null inherits from the series."""

    event_ticker: str
    series_ticker: str = ""
    fee_type_override: str | None = None
    fee_multiplier_override: Decimal | None = None


class NestedEvent(Event):
    """An event with its markets, in whatever state they are."""

    markets: list[Market] = []


class Events(Paged):
    """Events, in no given order."""

    events: list[NestedEvent]


class EventReply(msgspec.Struct):
    """The envelope of one event."""

    event: Event


class Series(msgspec.Struct):
    """What of a series matters for fees."""

    fee_type: str
    fee_multiplier: Decimal


class SeriesReply(msgspec.Struct):
    """The envelope of one series."""

    series: Series


# --- Orders and money (card §7, §8) ---


class NewOrder(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The body of an order: `bid` and `ask` are sides of the one YES book, `price` is its price."""

    ticker: str
    client_order_id: str
    side: Literal["bid", "ask"]
    count: str
    price: str
    time_in_force: str
    self_trade_prevention_type: str
    expiration_time: int | None = None
    post_only: bool = False
    reduce_only: bool = False
    subaccount: int | None = None


class Created(msgspec.Struct):
    """The reply to an order. The averages are rounded, and there only if something was filled."""

    order_id: str
    fill_count: str
    remaining_count: str
    client_order_id: str = ""
    average_fill_price: str | None = None
    average_fee_paid: str | None = None


class OrderState(msgspec.Struct):
    """An order as the read endpoints have it, some time after the matching engine."""

    order_id: str
    status: str
    fill_count_fp: str
    client_order_id: str = ""


class OrderReply(msgspec.Struct):
    """The envelope of one order."""

    order: OrderState


class OrderPage(Paged):
    """A page of orders."""

    orders: list[OrderState]


class ListedOrder(OrderState, kw_only=True):
    """An order with what it asked for. `bid` is exposure to YES, whatever outcome it was meant for."""

    ticker: Native
    book_side: str
    yes_price_dollars: str
    initial_count_fp: str
    taker_fill_cost_dollars: str
    maker_fill_cost_dollars: str
    created_time: str | None = None


class ListedPage(Paged):
    """A page of orders with what they asked for."""

    orders: list[ListedOrder]


class Fill(msgspec.Struct):
    """One fill, exact; `fee_cost` is what was charged for it."""

    order_id: str
    count_fp: str
    yes_price_dollars: str
    no_price_dollars: str
    fee_cost: str
    trade_id: str = ""
    fill_id: str = ""


class FillPage(Paged):
    """A page of fills."""

    fills: list[Fill]


class AsOf(msgspec.Struct):
    """Up to when the read endpoints know everything."""

    as_of_time: str


class ShardBalance(msgspec.Struct):
    """Cash on one exchange shard, in dollars."""

    exchange_index: int
    balance: str


class Balance(msgspec.Struct):
    """Cash by shard."""

    balance_breakdown: list[ShardBalance]


class Position(msgspec.Struct):
    """Above zero YES shares, below zero NO shares."""

    ticker: str
    position_fp: str


class PositionPage(Paged):
    """A page of positions."""

    market_positions: list[Position]
