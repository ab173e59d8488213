"""Predict.fun's own JSON, field for field (card 3-11). Never leaves this folder.

Amounts and prices of orders, matches and events are decimal texts in wei: 10**18 to one share or one dollar.
Books are JSON numbers; they are kept as they were written.
"""

from typing import Generic

import msgspec
from msgspec import UNSET, UnsetType, field

from venues.base.http import Reply, Response
from venues.kit import body
from venues.kit.body import T

WEI_PER_MICRO = 10**12
"""Eighteen decimals on the wire, six of ours."""
_WEI_DIGITS_MAX = 78
"""A uint256."""
_GOOD = frozenset({200, 201})


def wei(text: str) -> int:
    """A plain non-negative whole number, or ValueError."""
    if not (text.isascii() and text.isdecimal() and len(text) <= _WEI_DIGITS_MAX):
        raise ValueError(f"not a whole number of wei: {text[:_WEI_DIGITS_MAX]!r}")
    return int(text)


class Told(msgspec.Struct, Generic[T]):
    """The envelope of every success; `cursor` on lists, None after the last page."""

    data: T
    success: bool = True
    cursor: str | None = None


class Refusal(msgspec.Struct):
    """The envelope of every error."""

    error: str
    message: str = ""


def read(reply: Reply, decoder: msgspec.json.Decoder[Told[T]]) -> Told[T]:
    """The envelope of a success as what `decoder` reads, else ValueError with the reason."""
    if not isinstance(reply, Response):
        raise ValueError(reply.reason)  # noqa: TRY004 - it says what the venue did, not what we passed
    if reply.status not in _GOOD:
        raise ValueError(f"http {reply.status}")
    told = body.read(decoder, reply.body)
    if not told.success:
        raise ValueError("not a success")
    return told


def missing(reply: Reply) -> bool:
    """Whether the venue says that there is no such thing."""
    return isinstance(reply, Response) and reply.status == 404


# --- login (card 3) ---


class Greeting(msgspec.Struct):
    """GET /v1/auth/message: an opaque text, to be signed byte for byte."""

    message: str


class Login(msgspec.Struct, frozen=True):
    """The body of POST /v1/auth."""

    signer: str
    message: str
    signature: str


class Session(msgspec.Struct):
    """The reply to it."""

    token: str


# --- metadata (card 5) ---


class Outcome(msgspec.Struct, rename="camel"):
    """One of the two sides of a market; `on_chain_id` is its token."""

    index_set: int
    name: str = ""
    on_chain_id: str = ""


class Market(msgspec.Struct, rename="camel"):
    """GET /v1/markets/{id}, and an element of GET /v1/markets."""

    id: int
    outcomes: list[Outcome]
    decimal_precision: int
    fee_rate_bps: int
    is_neg_risk: bool
    is_yield_bearing: bool
    title: str = ""
    question: str = ""
    category_slug: str = ""
    trading_status: str = ""
    status: str = ""


# --- books (card 7) ---


class Book(msgspec.Struct, rename="camel", gc=False):
    """A whole book: pairs of price and size, as written, in the price of the first outcome."""

    market_id: int
    update_timestamp_ms: int
    asks: list[tuple[msgspec.Raw, msgspec.Raw]]
    bids: list[tuple[msgspec.Raw, msgspec.Raw]]


class Refused(msgspec.Struct):
    """Why a request was turned down."""

    code: str = ""
    message: str = ""


class Frame(msgspec.Struct, rename="camel", gc=False):
    """Any message of the WebSocket: "R" replies to a request, "M" brings something on a topic."""

    type: str
    topic: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")
    request_id: int | None = None
    success: bool = True
    error: Refused | None = None


# --- orders (card 9) ---


class SignedOrder(msgspec.Struct, frozen=True, rename="camel"):
    """The signed order with its hash."""

    hash: str
    salt: str
    maker: str
    signer: str
    taker: str
    token_id: str
    maker_amount: str
    taker_amount: str
    expiration: str
    nonce: str
    fee_rate_bps: str
    side: int
    signature_type: int
    signature: str


class NewOrder(msgspec.Struct, frozen=True, rename="camel"):
    """`data` of POST /v1/orders."""

    order: SignedOrder
    price_per_share: str
    strategy: str
    slippage_bps: str | UnsetType = UNSET
    is_fill_or_kill: bool | UnsetType = UNSET
    is_post_only: bool | UnsetType = UNSET


class Accepted(msgspec.Struct, rename="camel"):
    """The acknowledgement of an order. It never speaks of fills."""

    code: str
    order_hash: str
    order_id: str = ""
    removal_locked_until: str | None = None


class Contract(msgspec.Struct, rename="camel"):
    """The signed part of an order, as the venue gives it back."""

    hash: str
    maker_amount: str
    taker_amount: str
    token_id: str
    side: int


class OrderState(msgspec.Struct, rename="camel"):
    """GET /v1/orders/{hash}, and an element of GET /v1/orders. `amount_filled` is what has settled."""

    amount: str
    amount_filled: str
    status: str
    strategy: str
    market_id: int
    order: Contract


# --- matches (card 9) ---


class MatchFee(msgspec.Struct):
    """What one side paid; `kind` is SHARES or COLLATERAL."""

    amount: str
    kind: str = field(name="type")


class Token(msgspec.Struct, rename="camel"):
    """The outcome that a side traded."""

    on_chain_id: str


class Party(msgspec.Struct, rename="camel"):
    """One side of a match; a taker's `price` is its limit, a maker's what it traded at."""

    hash: str
    amount: str
    price: str
    fee: MatchFee
    outcome: Token
    quote_type: str
    signer: str = ""


class MatchMarket(msgspec.Struct):
    """Where a match took place."""

    id: int


class Match(msgspec.Struct, rename="camel"):
    """One element of GET /v1/orders/matches: one taker against some makers, settled together."""

    amount_filled: str
    price_executed: str
    taker: Party
    market: MatchMarket
    makers: list[Party] = []
    settlement_id: str = ""
    transaction_hash: str | None = None
    executed_at: str = ""


# --- the wallet's events (card 9) ---


class EventFee(msgspec.Struct, rename="camel"):
    """What was charged."""

    amount_wei: str
    kind: str = field(name="type")


class EventFill(msgspec.Struct, rename="camel"):
    """What was traded."""

    executed_price_wei: str
    executed_size_wei: str
    executed_value_wei: str


class WalletEvent(msgspec.Struct, rename="camel"):
    """One thing that happened to an order of the wallet. What does not apply is null or missing."""

    type: str
    order_hash: str | None = None
    settlement_id: str | None = None
    reason: str | None = None
    is_maker: bool = False
    fee: EventFee | None = None
    fill: EventFill | None = None


class Removed(msgspec.Struct):
    """POST /v1/orders/remove-by-hash (card 11): what is off the book by it."""

    removed: list[str] = []


# --- positions (card 11) ---


class Position(msgspec.Struct):
    """Settled shares of one outcome."""

    amount: str
    outcome: Token
