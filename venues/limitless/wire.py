"""Limitless's own JSON, field for field (card 3, 5, 6, 7); never leaves this folder. The rest is ignored."""

from decimal import Decimal

import msgspec
from msgspec import field

from venues.base.http import Reply, Response
from venues.kit import body
from venues.kit.body import T


def read(reply: Reply, decoder: msgspec.json.Decoder[T], *statuses: int) -> T:
    """The body of a 200 (or of one of `statuses`) as what `decoder` reads, else ValueError."""
    if not isinstance(reply, Response):
        raise ValueError(reply.reason)  # noqa: TRY004 - it says what the venue did, not what we passed
    if reply.status not in (statuses or (200,)):
        raise ValueError(f"http {reply.status}")
    return body.read(decoder, reply.body)


# --- market-data events (card 5) ---


class Level(msgspec.Struct, gc=False):
    """One price of a book. The price is kept as it is written: a number with up to three decimals."""

    price: msgspec.Raw
    size: int
    """Millionths of a share."""


class Book(msgspec.Struct, gc=False):
    """A whole YES book."""

    bids: list[Level]
    asks: list[Level]


class OrderbookUpdate(msgspec.Struct, rename="camel", gc=False):
    """A whole book replaces the one before."""

    market_slug: str
    orderbook: Book
    version: int | None = None
    timestamp: str = ""


class System(msgspec.Struct):
    """A confirmation; `markets` only for a subscription to prices."""

    message: str = ""
    markets: list[str] | None = None


class Resolved(msgspec.Struct):
    """A market has its result."""

    slug: str


class Exceptional(msgspec.Struct):
    """A refused command."""

    message: str = ""


# --- metadata (card 3) ---


class Tokens(msgspec.Struct):
    """The ids of a market's two outcome tokens."""

    yes: str
    no: str


class Collateral(msgspec.Struct):
    """What a market settles in."""

    address: str = ""
    decimals: int = 0
    symbol: str = ""


class Contracts(msgspec.Struct, rename="camel"):
    """A market's contracts: `exchange` verifies orders, `fee_module`, if any, takes fees in money."""

    exchange: str = ""
    adapter: str | None = None
    fee_module: str | None = None
    fee_module_type: str | None = None


class Settings(msgspec.Struct, rename="camel"):
    """Of all settings only this one matters for an order; sizes and spreads are those of rewards."""

    taker_delay_ms: int | None = None


class Market(msgspec.Struct, rename="camel"):
    """GET /markets/{slug}; a group holds its legs in `markets`."""

    slug: str
    title: str = ""
    status: str = ""
    trade_type: str = ""
    market_type: str = ""
    condition_id: str | None = None
    expiration_timestamp: int | None = None
    tokens: Tokens | None = None
    collateral_token: Collateral | None = None
    settings: Settings | None = None
    venue: Contracts | None = None
    neg_risk_request_id: str | None = None
    markets: list["Market"] = []


class ActivePage(msgspec.Struct):
    """GET /markets/active."""

    data: list[Market]


class Effect(msgspec.Struct):
    """What a maintenance does to one part of the venue."""

    target: str = ""
    mode: str = ""


class Maintenance(msgspec.Struct):
    """One entry of GET /maintenance/status: one effect, or a list of them."""

    target: str = ""
    mode: str = ""
    effects: list[Effect] = []


class MaintenanceStatus(msgspec.Struct):
    """GET /maintenance/status."""

    active: list[Maintenance]


# --- orders (card 6) ---

Number = int | str
"""A count of base units: the venue writes numbers and strings of digits."""


class SignedOrder(msgspec.Struct, frozen=True, rename="camel"):
    """An order with its signature, which does not cover `price`."""

    salt: int
    maker: str
    signer: str
    taker: str
    token_id: str
    maker_amount: int
    taker_amount: int
    expiration: str
    nonce: int
    fee_rate_bps: int
    side: int
    signature_type: int
    price: Decimal
    signature: str


class OrderPost(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The body of POST /orders."""

    order: SignedOrder
    owner_id: int
    order_type: str
    market_slug: str
    post_only: bool = False
    client_order_id: str = ""
    timestamp: int = 0
    recv_window: int = 0


class Rank(msgspec.Struct, rename="camel"):
    """The part of a profile that says which fee rate must be signed."""

    fee_rate_bps: int


class Profile(msgspec.Struct):
    """GET /profiles/{address}."""

    id: int
    rank: Rank


class Totals(msgspec.Struct, frozen=True, rename="camel"):
    """What an order did so far, in base units."""

    contracts_gross: Number
    contracts_fee: Number
    contracts_net: Number
    usd_gross: Number
    usd_fee: Number
    usd_net: Number


class Execution(msgspec.Struct, frozen=True, rename="camel"):
    """What became of an order."""

    settlement_status: str
    matched: bool = False
    client_order_id: str | None = None
    totals_raw: Totals | None = None
    tx_hash: str | None = None
    reason: str | None = None


class PlacedOrder(msgspec.Struct, frozen=True):
    """The order as the venue keeps it."""

    id: str


class PostReply(msgspec.Struct, frozen=True):
    """201 of POST /orders."""

    order: PlacedOrder
    execution: Execution | None = None


class Refusal(msgspec.Struct):
    """The body of an error."""

    message: str | list[str]
    code: str = ""

    @property
    def text(self) -> str:
        """The message in one line."""
        return self.message if isinstance(self.message, str) else "; ".join(self.message)


class KnownOrder(msgspec.Struct, frozen=True, rename="camel"):
    """An order as status look-ups show it; the whole of it may be wrapped once more in `order`."""

    id: str = ""
    status: str = ""
    order: "KnownOrder | None" = None


class StatusData(msgspec.Struct, frozen=True):
    """What one look-up found."""

    order: KnownOrder | None = None
    execution: Execution | None = None


class StatusItem(msgspec.Struct, frozen=True, rename="camel"):
    """One look-up of POST /orders/status/batch; what it found stands in `data`, or beside the status."""

    status: str
    order_id: str | None = None
    client_order_id: str | None = None
    data: StatusData | None = None
    order: KnownOrder | None = None
    execution: Execution | None = None

    @property
    def execution_found(self) -> Execution | None:
        """What became of the order, wherever it stands."""
        return self.execution if self.data is None else self.data.execution

    @property
    def found_id(self) -> str:
        """The venue's id of the order, or ""."""
        return self.order_id or next((each.id for each in self._orders if each.id), "")

    @property
    def state(self) -> str:
        """The order's own state, or "" where it is not said."""
        return next((each.status for each in self._orders if each.status), "")

    @property
    def _orders(self) -> list[KnownOrder]:
        known = self.order if self.data is None else self.data.order
        return [each for each in (known, known and known.order) if each is not None]


class StatusReply(msgspec.Struct, frozen=True):
    """POST /orders/status/batch, where the items are not the body itself."""

    results: list[StatusItem]


class ListedOrder(msgspec.Struct, rename="camel"):
    """A row of GET /markets/{slug}/user-orders."""

    side: int | str
    token_id: str
    price: msgspec.Raw = field(default=msgspec.Raw(b"null"))
    id: str = ""
    order_id: str = ""
    client_order_id: str | None = None
    maker_amount: Number | None = None
    taker_amount: Number | None = None
    created_at: str = ""


class ListedOrders(msgspec.Struct):
    """GET /markets/{slug}/user-orders, where the rows are not the body itself."""

    orders: list[ListedOrder]


# --- order events (card 5) ---

TRADED = ("amount_contracts", "amount_collateral", "fee_amount_contracts", "fee_amount_collateral")
"""The fields of a settlement event that say what was traded."""


class OrderEvent(msgspec.Struct, rename="camel"):
    """What happened to an order, from the matching engine (`OME`) or from settlement. Sizes of the former are
    of an unknown unit, and not read. Only settlement, and the engine's last event, are known to have text for
    an id; a number is taken too."""

    source: str
    type: str
    order_id: str
    event_id: Number = ""
    client_order_id: str | None = None
    status: str | None = None
    taker_order_id: str | None = None
    trade_event_id: str | None = None
    amount_contracts: Number | None = None
    amount_collateral: Number | None = None
    fee_amount_contracts: Number | None = None
    fee_amount_collateral: Number | None = None


# --- the account (card 6) ---


class PositionMarket(msgspec.Struct):
    """Which market a position is in."""

    slug: str = ""


class Locked(msgspec.Struct, rename="camel"):
    """What open orders of a market keep aside."""

    total_collateral_locked: Number = 0


class Balances(msgspec.Struct):
    """Shares held of both outcomes."""

    yes: Number = 0
    no: Number = 0


class Position(msgspec.Struct, rename="camel"):
    """One market of GET /portfolio/positions."""

    market: PositionMarket
    tokens_balance: Balances
    maker_address: str = ""
    """The wallet that has them: a profile may have several."""
    orders: Locked | None = None


class Portfolio(msgspec.Struct):
    """GET /portfolio/positions."""

    clob: list[Position]


def units(value: Number) -> int:
    """A count of base units that is not negative, or ValueError."""
    text = str(value)
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"not a count of base units: {text!r}")
    return int(text)
