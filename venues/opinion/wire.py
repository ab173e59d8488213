"""Opinion's own JSON, field for field (card 4, 5, 7, 8, 9, 10, 12). Never leaves this folder."""

import msgspec
from msgspec import field

from venues.base.http import Reply, Response
from venues.kit import body
from venues.kit.body import T
from venues.opinion.amounts import whole

CHAIN_ID = "56"
"""BNB Chain: there is no other."""
YES, NO = 1, 2
"""Values of `outcomeSide`."""
BUY, SELL = 1, 2
"""Values of `side` where it is a number."""
OK = 200

# --- the envelope (card 4) ---


class Envelope(msgspec.Struct):
    """Every REST answer, under HTTP 200 whatever it says. Older pages name the first two fields otherwise."""

    errno: int | None = None
    errmsg: str | None = None
    code: int | None = None
    msg: str | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")


class Errno(msgspec.Struct, frozen=True):
    """The venue said no, in a well-formed envelope."""

    number: int
    text: str
    bare: bool = True
    """Nothing came with it. A refusal that has a result as well contradicts itself."""

    def error(self) -> ValueError:
        """For where a refusal is as good as no answer."""
        return ValueError(f"errno {self.number}: {self.text}")


_envelope = msgspec.json.Decoder(Envelope)
UNKNOWN_MARKET = 10_200
NOTHING = (b"null", b"{}", b"[]", b'""')
"""A result that says nothing."""


def read(reply: Reply, decoder: msgspec.json.Decoder[T]) -> T | Errno:
    """The result, or the venue's refusal; ValueError for silence, another status, or no whole envelope."""
    if not isinstance(reply, Response):
        raise ValueError(reply.reason)  # noqa: TRY004 - it says what the venue did, not what we passed
    if reply.status != OK:
        raise ValueError(f"http {reply.status}")
    said = body.read(_envelope, reply.body)
    number = said.errno if said.errno is not None else said.code
    if number is None:
        raise ValueError("no errno in the answer")
    if number:
        text = said.errmsg or said.msg or "no reason given"
        return Errno(number, text, bare=bytes(said.result).strip() in NOTHING)
    return body.read(decoder, bytes(said.result))


def expect(reply: Reply, decoder: msgspec.json.Decoder[T]) -> T:
    """The result; a refusal is a ValueError too."""
    got = read(reply, decoder)
    if isinstance(got, Errno):
        raise got.error()
    return got


# --- markets (card 5) ---


class Market(msgspec.Struct, rename="camel"):
    """A binary market, a child of a categorical one, or (with `child_markets`) the categorical parent."""

    market_id: int
    status: int
    market_title: str = ""
    market_type: int = 0
    yes_token_id: str = ""
    no_token_id: str = ""
    quote_token: str = ""
    chain_id: str = CHAIN_ID
    child_markets: list["Market"] | None = None


class MarketData(msgspec.Struct):
    """GET /market/{id} and /market/categorical/{id}."""

    data: Market


class MarketList(msgspec.Struct):
    """A page of GET /market."""

    rows: list[Market] | None = field(name="list", default=None)
    total: int = 0


class QuoteToken(msgspec.Struct, rename="camel"):
    """A kind of money, and the exchange contract that its orders are signed for."""

    quote_token_address: str
    ctf_exchange_address: str
    symbol: str
    decimal: int


class QuoteTokenList(msgspec.Struct):
    """GET /quoteToken."""

    rows: list[QuoteToken] | None = field(name="list", default=None)


# --- books (card 7, 8) ---


class Level(msgspec.Struct, gc=False):
    """One price of a book."""

    price: str
    size: str


class Book(msgspec.Struct, rename="camel"):
    """GET /token/orderbook."""

    token_id: str
    timestamp: int
    bids: list[Level] | None = None
    asks: list[Level] | None = None


class Frame(msgspec.Struct, rename="camel", gc=False):
    """Only what every message of the socket has; without `msgType` it is no data."""

    msg_type: str = ""


class Diff(msgspec.Struct, rename="camel", gc=False):
    """`market.depth.diff`: the new total of one level of one token; the time is missing in older servers."""

    market_id: int
    token_id: str
    side: str
    price: str
    size: str
    timestamp: int | None = None


class OrderUpdate(msgspec.Struct, rename="camel"):
    """`trade.order.update`. `filled_shares` moves only once a match is on chain."""

    order_id: str | int
    status: int
    order_update_type: str = ""
    filled_shares: str = "0"


class TradeRecord(msgspec.Struct, rename="camel"):
    """`trade.record.new`: one match, settled or failed. Splits and merges come so too, and name no order."""

    trade_no: str
    status: int
    price: str
    shares: str
    order_id: str | int | None = None
    fee: str = ""


# --- orders and money (card 9, 10, 12) ---


class SignedOrder(msgspec.Struct, rename="camel", kw_only=True):
    """The body of POST /order: the struct as signed, and what the venue wants to know beside it."""

    topic_id: int
    trading_method: int = 2
    timestamp: int
    salt: str
    token_id: str
    maker: str
    signer: str
    taker: str
    maker_amount: str
    taker_amount: str
    expiration: str = "0"
    nonce: str = "0"
    fee_rate_bps: str = "0"
    side: str
    signature_type: str
    signature: str
    sign: str
    contract_address: str = ""
    currency_address: str
    price: str
    safe_rate: str = "0"
    order_exp_time: str = "0"
    post_only: bool | msgspec.UnsetType = msgspec.UNSET


class Trade(msgspec.Struct, rename="camel"):
    """One match of an order. `fee` is in the smallest unit, and read only where `feeFormatted` is missing."""

    trade_no: str
    status: int
    price: str
    shares: str
    fee_formatted: str = ""
    fee: msgspec.Raw = field(default=msgspec.Raw(b"null"))
    side: str = ""

    @property
    def fee_text(self) -> str:
        """In whole units; no number where none is told: a fee is not guessed to be nothing."""
        units = bytes(self.fee).strip(b'"').decode()
        return self.fee_formatted or (whole(units) if units.isdecimal() else "")


class Order(msgspec.Struct, rename="camel"):
    """An order as the venue keeps it; `trades` only in GET /order/{id}."""

    order_id: str | int
    status: int
    market_id: int = 0
    side: int = 0
    outcome_side: int = 0
    trading_method: int = 0
    price: str = "0"
    order_shares: str = ""
    order_amount: str = ""
    filled_shares: str = ""
    created_at: int = 0
    trades: list[Trade] | None = None


class Placed(msgspec.Struct, rename="camel"):
    """What POST /order answers; older servers name the market `topicId` and say less."""

    order_id: str | int


class PlacedData(msgspec.Struct, rename="camel"):
    """The envelope of a new order."""

    order_data: Placed


class OrderData(msgspec.Struct, rename="camel"):
    """The envelope of one order."""

    order_data: Order


class OrderList(msgspec.Struct):
    """A page of GET /order."""

    rows: list[Order] | None = field(name="list", default=None)
    total: int = 0


class Cancelled(msgspec.Struct):
    """POST /order/cancel; false may mean that the order was gone already."""

    result: bool = False


class Balance(msgspec.Struct, rename="camel"):
    """Money of one kind, in whole units."""

    quote_token: str
    available_balance: str


class Balances(msgspec.Struct):
    """GET /user/balance."""

    balances: list[Balance] | None = None


class Position(msgspec.Struct, rename="camel"):
    """Shares of one outcome; those offered in open orders are frozen."""

    market_id: int
    outcome_side: int
    shares_owned: str
    shares_frozen: str = "0"


class PositionList(msgspec.Struct):
    """A page of GET /positions."""

    rows: list[Position] | None = field(name="list", default=None)
    total: int = 0


# --- the chain (card 6) ---


class RpcReply(msgspec.Struct):
    """One answer of a JSON-RPC batch."""

    id: int | None = None
    result: str | None = None
