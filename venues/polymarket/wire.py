"""Polymarket's own JSON, field for field (card 3, 5.5, 5.6, 7). Never leaves this folder."""

from decimal import Decimal
from typing import Generic, Literal

import msgspec
from msgspec import field

from venues.base.http import Reply, Response
from venues.base.units import Size, micros
from venues.kit import body
from venues.kit.body import T


def read(reply: Reply, decoder: msgspec.json.Decoder[T]) -> T:
    """The body of a 200 as what `decoder` reads, else ValueError."""
    if not isinstance(reply, Response):
        raise ValueError(reply.reason)  # noqa: TRY004 - it says what the venue did, not what we passed
    if reply.status != 200:
        raise ValueError(f"http {reply.status}")
    return body.read(decoder, reply.body)


# --- market WebSocket (card 7) and GET /book ---


class Level(msgspec.Struct, gc=False):
    """One price of a book."""

    price: str
    size: str


class BookBody(msgspec.Struct, gc=False, kw_only=True):
    """A whole book, as in GET /book. Optional fields are missing in some WebSocket frames."""

    market: str
    asset_id: str
    timestamp: str
    hash: str = ""
    bids: list[Level]
    asks: list[Level]
    min_order_size: str | None = None
    tick_size: str | None = None
    neg_risk: bool | None = None
    last_trade_price: str | None = None


class Book(BookBody, gc=False, kw_only=True, tag_field="event_type", tag="book"):
    """A whole book on the WebSocket."""


class Change(msgspec.Struct, gc=False):
    """The new total of one level, and the best prices after the whole message."""

    asset_id: str
    price: str
    size: str
    side: Literal["BUY", "SELL"]
    best_bid: str | None = None
    best_ask: str | None = None


class PriceChange(msgspec.Struct, gc=False, tag_field="event_type", tag="price_change"):
    """Changed levels of both outcomes of a market. The feed's decoders read the digits of the time."""

    price_changes: list[Change]
    timestamp: int


class LastTrade(msgspec.Struct, gc=False, tag_field="event_type", tag="last_trade_price"):
    """A public trade."""

    asset_id: str
    price: str
    size: str
    timestamp: str = ""


class TickSizeChange(msgspec.Struct, gc=False, tag_field="event_type", tag="tick_size_change"):
    """Another price grid from now on."""

    asset_id: str
    new_tick_size: str


class BestBidAsk(msgspec.Struct, gc=False, tag_field="event_type", tag="best_bid_ask"):
    """The best prices of one book."""

    asset_id: str
    best_bid: str | None = None
    best_ask: str | None = None
    timestamp: str = ""


class NewMarket(msgspec.Struct, gc=False, tag_field="event_type", tag="new_market"):
    """A market was listed: nothing that concerns a book."""


class MarketResolved(msgspec.Struct, gc=False, tag_field="event_type", tag="market_resolved"):
    """A market has its result."""

    assets_ids: list[str] = []


Frame = Book | PriceChange | LastTrade | TickSizeChange | BestBidAsk | NewMarket | MarketResolved


class AnyFrame(msgspec.Struct):
    """What every frame has."""

    event_type: str


# --- metadata (card 3) ---


class MarketOfToken(msgspec.Struct):
    """GET /markets-by-token/{token}."""

    condition_id: str


class Token(msgspec.Struct):
    """One outcome of a market."""

    token: str = field(name="t")
    outcome: str = field(name="o", default="")


class FeeSchedule(msgspec.Struct):
    """The platform's taker fee."""

    rate: Decimal = field(name="r")
    exponent: Decimal = field(name="e", default=Decimal(1))
    taker_only: bool = field(name="to", default=True)


class Market(msgspec.Struct):
    """GET /clob-markets/{condition}. Flags are left out when false."""

    tokens: list[Token] = field(name="t")
    tick: Decimal = field(name="mts")
    minimum_shares: Decimal = field(name="mos", default=Decimal(0))
    neg_risk: bool = field(name="nr", default=False)
    fee: FeeSchedule | None = field(name="fd", default=None)
    accepting_orders: bool = field(name="ao", default=False)
    taker_delay: bool = field(name="itode", default=False)


class GammaFees(FeeSchedule):
    """The same in Gamma's words."""

    rate: Decimal = field(name="rate")
    exponent: Decimal = field(name="exponent", default=Decimal(1))
    taker_only: bool = field(name="takerOnly", default=True)


class GammaMarket(msgspec.Struct, rename="camel"):
    """A market of Gamma's catalogue. Ids and outcomes are JSON lists inside a string."""

    condition_id: str | None = None
    question: str | None = None
    clob_token_ids: str | None = None
    outcomes: str | None = None
    order_price_min_tick_size: Decimal | None = None
    order_min_size: Decimal | None = None
    neg_risk: bool | None = None
    enable_order_book: bool | None = None
    accepting_orders: bool | None = None
    active: bool | None = None
    closed: bool | None = None
    fees_enabled: bool | None = None
    fee_schedule: GammaFees | None = None


class GammaPage(msgspec.Struct):
    """GET /markets/keyset. The last page has no cursor."""

    markets: list[GammaMarket]
    next_cursor: str | None = None


# --- orders (card 5.5, 5.6) ---


class SignedOrder(msgspec.Struct, frozen=True, rename="camel"):
    """The signed part of an order, with its expiration, which is not signed."""

    salt: int
    maker: str
    signer: str
    token_id: str
    maker_amount: str
    taker_amount: str
    side: str
    expiration: str
    signature_type: int
    timestamp: str
    metadata: str
    builder: str
    signature: str


class OrderPost(msgspec.Struct, frozen=True, rename="camel"):
    """The body of POST /order."""

    order: SignedOrder
    owner: str
    order_type: str
    defer_exec: bool = False
    post_only: bool = False


class PostReply(msgspec.Struct):
    """The reply to POST /order. An empty amount is zero."""

    success: bool
    error: str | None = field(name="errorMsg", default="")
    order_id: str = field(name="orderID", default="")
    status: str = ""
    making: str = field(name="makingAmount", default="")
    taking: str = field(name="takingAmount", default="")


class Refusal(msgspec.Struct):
    """The body of an error."""

    error: str
    code: str = ""


class Rows(msgspec.Struct, Generic[T]):
    """One page of GET /data/orders or GET /data/trades."""

    data: list[T]
    next_cursor: str


class OrderState(msgspec.Struct):
    """An order as GET /data/order, GET /data/orders and the user WebSocket tell it.

    Fields are empty or missing in some messages; `size_matched` then says nothing.
    """

    id: str
    status: str | None = ""
    size_matched: str | None = ""
    asset_id: str = ""
    side: str = ""
    original_size: str = ""
    price: str = ""
    created_at: int | str | None = None
    maker_address: str | None = None
    owner: str | None = None

    @property
    def matched(self) -> Size | None:
        """Shares matched so far; None where it is not said. ValueError where it is unreadable."""
        return Size(micros(self.size_matched)) if self.size_matched else None


class MakerOrder(msgspec.Struct):
    """One counterpart of a trade, in the terms of its own outcome."""

    order_id: str
    matched_amount: str
    price: str
    asset_id: str
    side: str = ""
    owner: str | None = None
    maker_address: str | None = None


class Trade(msgspec.Struct):
    """A trade of ours. `size` and `price` describe the whole of it; the fills are in `maker_orders`."""

    id: str
    taker_order_id: str
    asset_id: str
    size: str
    status: str
    maker_orders: list[MakerOrder] = []
    side: str = ""
    trader_side: str | None = None
    match_time: int | str | None = None
    owner: str | None = None
    maker_address: str | None = None


class CancelReply(msgspec.Struct):
    """The reply to DELETE /order: a 200 also where nothing was cancelled."""

    canceled: list[str] = []


class Balance(msgspec.Struct):
    """GET /balance-allowance, in base units."""

    balance: str
