"""What the simulated venue takes and shows: bodies of requests, and its orders, executions and books as JSON.

Written from the card alone (sections 3 to 7). It shares no code with the client side.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from venues.base.events import Level
from venues.base.orders import Side
from venues.base.units import ONE, Price, half_even, micros, plain
from venues.polymarket_us.sim_rules import INTENTS, moment
from venues.sim.model import Market, SimOrder

Row = dict[str, Any]
T = TypeVar("T")
READ_LAG_MS_MAX = 60_000
"""Older versions are forgotten; the longest lag that the knob is meant for."""
FINAL = frozenset({"FILLED", "CANCELED", "REJECTED", "EXPIRED"})


class Refusal(Exception):
    """The venue says no before the exchange has seen the order."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class AmountBody(msgspec.Struct, frozen=True):
    """Money in a request."""

    value: str
    currency: str = "USD"


class SlippageBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How far a market order may go."""

    current_price: AmountBody
    bips: int | None = None
    ticks: int | None = None


Intent = Literal[
    "ORDER_INTENT_BUY_LONG", "ORDER_INTENT_SELL_LONG", "ORDER_INTENT_BUY_SHORT", "ORDER_INTENT_SELL_SHORT"
]
Tif = Literal[
    "TIME_IN_FORCE_GOOD_TILL_CANCEL",
    "TIME_IN_FORCE_GOOD_TILL_DATE",
    "TIME_IN_FORCE_IMMEDIATE_OR_CANCEL",
    "TIME_IN_FORCE_FILL_OR_KILL",
]


class OrderBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A new order (section 5.1)."""

    market_slug: str
    intent: Intent
    type: Literal["ORDER_TYPE_LIMIT", "ORDER_TYPE_MARKET"] = "ORDER_TYPE_LIMIT"
    price: AmountBody | None = None
    quantity: Decimal | None = None
    cash_order_qty: AmountBody | None = None
    tif: Tif | None = None
    good_till_time: str | None = None
    participate_dont_initiate: bool = False
    manual_order_indicator: str = ""
    synchronous_execution: bool = False
    max_block_time: str = "0"
    slippage_tolerance: SlippageBody | None = None


class ChangeBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A change, or the cancellation, of an order; with its id inside a batch."""

    market_slug: str
    order_id: str = ""
    price: AmountBody | None = None
    quantity: Decimal | None = None
    tif: Tif | None = None
    good_till_time: str | None = None


class CloseBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The sale of a whole position."""

    market_slug: str
    synchronous_execution: bool = False
    slippage_tolerance: SlippageBody | None = None


class PreviewBody(msgspec.Struct, frozen=True):
    """An order that is not placed."""

    request: OrderBody


class SlugsBody(msgspec.Struct, frozen=True):
    """Which markets; all where none is named."""

    slugs: list[str] = []


@dataclass(slots=True)
class Facts:
    """A market and what the venue says of it."""

    market: Market
    number: int
    title: str
    tick: int
    coefficient: Decimal
    halted: str = ""
    """The state while it does not trade."""
    last_price: int = 0
    volume: int = 0

    @property
    def slug(self) -> str:
        """Its name everywhere."""
        return self.market.market_id

    @property
    def state(self) -> str:
        """With the prefix of the wire."""
        return "MARKET_STATE_" + ("OPEN" if self.market.trading else self.halted or "HALTED")


@dataclass(slots=True)
class Holding:
    """What a position cost and brought."""

    net: int = 0
    cost: int = 0
    realized: int = 0
    fees: int = 0
    bought: int = 0
    sold: int = 0


@dataclass(slots=True)
class Ticket:
    """A customer's order as the venue shows it. Each change makes a new order at the engine."""

    order_id: str
    customer: "Customer"
    facts: Facts
    body: OrderBody
    price: int | None
    """The long price; None for a market order without a bound."""
    quantity: int
    """0 for an order in cash."""
    created_ms: int
    expires_ms: int | None = None
    state: str = "PENDING_NEW"
    engine: SimOrder | None = None
    changes: int = 0
    filled: int = 0
    value: int = 0
    """Sum of long price times shares, in millionths of millionths."""
    fees: int = 0
    executions: list[Row] = field(default_factory=list)
    versions: list[tuple[int, Row]] = field(default_factory=list)

    @property
    def outcome(self) -> int:
        """0 for long, 1 for short."""
        return INTENTS[self.body.intent][1]


@dataclass(slots=True)
class Customer:
    """An account and its key."""

    name: str
    key_id: str
    key: Ed25519PublicKey
    tickets: dict[str, Ticket] = field(default_factory=dict)
    trades: list[tuple[int, Row]] = field(default_factory=list)
    """When, and the row of the activities; oldest first."""
    holdings: dict[str, Holding] = field(default_factory=dict)
    calls: list[int] = field(default_factory=list)
    """When its calls came, for the rate limit."""


def read(body: bytes, kind: type[T]) -> T:
    """A JSON body as a value of this kind; refused with the name of the field that is wrong."""
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.DecodeError as error:
        raise Refusal(400, str(error)) from error


def money(value: int) -> Row:
    """An amount as the venue writes it: at least two decimals."""
    text = plain(value)
    whole, _, fraction = text.partition(".")
    return {"value": f"{whole}.{fraction.ljust(2, '0')}", "currency": "USD"}


def dollars(field_name: str, amount: AmountBody) -> int:
    """Millionths of an amount in a request."""
    try:
        return micros(amount.value)
    except ValueError as error:
        raise Refusal(400, f"{field_name}: {error}") from error


def shares(field_name: str, value: Decimal) -> int:
    """Millionths of a quantity in a request."""
    try:
        return micros(format(value, "f"))
    except ValueError as error:
        raise Refusal(400, f"{field_name}: {error}") from error


def quantity(value: int) -> Decimal:
    """Shares as a JSON number."""
    return Decimal(plain(value))


def average(value: int, filled: int) -> Row:
    """The long price per share, rounded to four decimals."""
    return money(half_even(value, filled * 100) * 100)


def order_row(ticket: Ticket) -> Row:
    """An order as it stands (section 5.2)."""
    body, facts = ticket.body, ticket.facts
    side, outcome = INTENTS[body.intent]
    asked = ticket.quantity or ticket.filled
    done = ticket.state in FINAL
    row: Row = {
        "id": ticket.order_id, "marketSlug": facts.slug, "intent": body.intent, "type": body.type,
        "side": "ORDER_SIDE_BUY" if (side is Side.BUY) == (outcome == 0) else "ORDER_SIDE_SELL",
        "state": f"ORDER_STATE_{ticket.state}", "tif": body.tif,
        "quantity": quantity(asked), "cumQuantity": quantity(ticket.filled),
        "leavesQuantity": quantity(0 if done else asked - ticket.filled),
        "marketMetadata": {"slug": facts.slug, "title": facts.title, "outcome": "No" if outcome else "Yes"},
        "createTime": moment(ticket.created_ms), "insertTime": moment(ticket.created_ms),
        "commissionNotionalTotalCollected": money(ticket.fees), "commissionsBasisPoints": "0",
        "makerCommissionsBasisPoints": "0",
    }  # fmt: skip
    if ticket.price is not None and body.type == "ORDER_TYPE_LIMIT":
        row["price"] = money(ticket.price)
    if ticket.filled:
        row["avgPx"] = average(ticket.value, ticket.filled)
    if body.cash_order_qty is not None:
        row["cashOrderQty"] = {"value": body.cash_order_qty.value, "currency": "USD"}
    if ticket.expires_ms is not None:
        row["goodTillTime"] = moment(ticket.expires_ms)
    return row


def levels(rows: Iterable[Level]) -> list[Row]:
    """One side of a book, best first."""
    return [{"px": money(price), "qty": plain(size)} for price, size in rows]


def long_price(price: Price, outcome: int) -> int:
    """A price of an outcome in the terms of the book."""
    return ONE - price if outcome else price


def remember(versions: list[tuple[int, Row]], at_ms: int, row: Row) -> None:
    """Note what is true from now on."""
    versions.append((at_ms, row))
    while len(versions) > 1 and versions[1][0] < at_ms - READ_LAG_MS_MAX:
        del versions[0]


def as_of(versions: list[tuple[int, Row]], at_ms: int) -> Row | None:
    """What was true then; None if there was nothing yet."""
    return next((row for since, row in reversed(versions) if since <= at_ms), None)
