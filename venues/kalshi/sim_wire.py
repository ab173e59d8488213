"""What the simulated venue shows: its markets, orders, fills and positions as JSON, and its WebSocket.

Written from the card alone (sections 3 to 8). It shares no code with the client side.
"""

from calendar import timegm
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from email.utils import formatdate, parsedate
from functools import lru_cache
from hashlib import sha256
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from msgspec import Meta

from venues.base.units import ONE, Price, Size, decimal, micros, places
from venues.kalshi.sim_rules import grid_of
from venues.sim.engine import Exchange
from venues.sim.model import Fill, Market, SimOrder, Status

Row = dict[str, Any]
Rows = list[list[str]]
T = TypeVar("T")
Versions = list[tuple[int, T]]
"""What a read endpoint has shown since when (Unix ms), oldest first."""

READ_LAG_MS_MAX = 60_000
"""Older versions are forgotten; the longest lag that the knob is meant for."""
WORDS = {Status.RESTING: "resting", Status.FILLED: "executed", Status.CANCELLED: "canceled"}
REASONS = {"expired": "ExpiryCancel", "self_trade": "SelfTradeCancel", "reduce_only": "ReduceOnlyCancel",
           "closed": "CloseCancel", "halted": "HaltCancel"}  # fmt: skip
"""`last_update_reason` by the reason of the cancellation; a customer's own and an IOC's show none."""


@lru_cache(maxsize=1_024)
def iso(at_ms: int) -> str:
    """2026-11-20T14:00:00.900Z."""
    parts = parsedate(formatdate(at_ms // 1_000, usegmt=True))
    assert parts is not None
    year, month, day, hour, minute, second = parts[:6]
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{at_ms % 1_000:03}Z"


def read_iso(field_name: str, text: str) -> int:
    """Unix ms of a time like 2026-11-20T14:00:00Z."""
    date, _, time = text.removesuffix("Z").partition("T")
    try:
        parts = [int(part) for part in (*date.split("-"), *time.split(":"))]
        year, month, day, hour, minute, second = parts
    except ValueError as error:
        raise ValueError(f"{field_name}: takes a time like 2026-11-20T14:00:00Z, was {text!r}") from error
    return timegm((year, month, day, hour, minute, second)) * 1_000


def price4(value: int) -> str:
    """A price in dollars, as the venue writes it."""
    return places(value, 4)


def count2(value: int) -> str:
    """A number of contracts, as the venue writes it."""
    return places(value, 2)


def remember(versions: Versions[T], at_ms: int, value: T) -> None:
    """Note what is true from now on."""
    versions.append((at_ms, value))
    while len(versions) > 1 and versions[1][0] < at_ms - READ_LAG_MS_MAX:
        del versions[0]


def as_of(versions: Versions[T], at_ms: int) -> T | None:
    """What was true then; None if there was nothing yet."""
    return next((value for since, value in reversed(versions) if since <= at_ms), None)


def uuid_of(*parts: object) -> str:
    """An id that depends on nothing but these."""
    digits = sha256(":".join(map(str, parts)).encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"


class OrderBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a new order, its first six fields required (card section 7)."""

    ticker: str
    side: Literal["bid", "ask"]
    count: Annotated[str, Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,2})?\Z")]
    price: Annotated[str, Meta(pattern=r"^[0-9]?\.[0-9]{2,4}\Z")]
    time_in_force: Literal["immediate_or_cancel", "fill_or_kill", "good_till_canceled"]
    self_trade_prevention_type: Literal["taker_at_cross", "maker"]
    client_order_id: Annotated[str, Meta(max_length=64)] = ""
    expiration_time: int | None = None
    post_only: bool = False
    reduce_only: bool = False
    cancel_order_on_pause: bool = False
    order_group_id: str | None = None
    subaccount: Annotated[int, Meta(ge=0, le=63)] = 0
    exchange_index: int = -1

    @property
    def size(self) -> Size:
        """Contracts asked for, in millionths."""
        return Size(micros(self.count))

    @property
    def yes_price(self) -> Price:
        """The limit in the terms of the YES leg."""
        return Price(micros(self.price))


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's position in one market; money in millionths."""

    net: int = 0
    """Above zero YES, below zero NO."""
    cost: int = 0
    realized: int = 0
    fees: int = 0
    volume: int = 0
    traded: int = 0
    at_ms: int = 0

    def after(self, order: SimOrder, fill: Fill) -> "Holding":
        """The position after one more fill. Contracts of the other outcome are closed first, at 1 - price."""
        sign = 1 if order.outcome == 0 else -1
        paid = fill.price * fill.size // ONE
        closed = min(fill.size, max(0, -sign * self.net))
        released = self.cost * closed // abs(self.net) if closed else 0
        received = (ONE - fill.price) * closed // ONE
        return Holding(
            net=self.net + sign * fill.size,
            cost=self.cost - released + fill.price * (fill.size - closed) // ONE,
            realized=self.realized + received - released,
            fees=self.fees + fill.fee,
            volume=self.volume + fill.size,
            traded=self.traded + paid,
            at_ms=fill.at_ms,
        )


@dataclass(slots=True)
class Facts:
    """A market beside its book."""

    market: Market
    uuid: str
    title: str
    series: str
    event: str
    structure: str
    rate: tuple[str, str]
    """fee_type and fee_multiplier that apply to it."""
    exchange_index: int
    open_ms: int
    close_ms: int
    status: str = "active"
    last_price: int = 0
    last_size: int = 0
    volume: int = 0
    spent: int = 0

    @property
    def ticker(self) -> str:
        """The venue's name of the market."""
        return self.market.natives[0]

    @property
    def ranges(self) -> list[Row]:
        """`price_ranges`."""
        bands = grid_of(self.structure).bands
        return [{"start": price4(b.start), "end": price4(b.end), "step": price4(b.step)} for b in bands]


@dataclass(slots=True, eq=False)
class Customer:
    """An account of the venue and what its read endpoints show."""

    name: str
    user_id: str
    key_id: str
    key: RSAPublicKey
    step: int
    """The account precision: its balance moves in multiples of this."""
    subaccount: int = 0
    pots: dict[int, str] = field(default_factory=dict)
    """Shard to the exchange's account that holds the cash and the positions there."""
    used_ids: set[str] = field(default_factory=set)
    orders: dict[str, Versions[Row]] = field(default_factory=dict)
    fills: list[tuple[int, Row]] = field(default_factory=list)
    holdings: Versions[dict[str, Holding]] = field(default_factory=list)
    cash: Versions[dict[int, int]] = field(default_factory=list)


def body_of(order: SimOrder) -> OrderBody:
    """What the customer sent."""
    body = order.notes["body"]
    assert isinstance(body, OrderBody)
    return body


def side_words(order: SimOrder) -> Row:
    """The direction of an order, in the present words and the deprecated ones. An ask is exposure to NO."""
    outcome = "yes" if order.outcome == 0 else "no"
    book_side = "bid" if order.outcome == 0 else "ask"
    return {"side": outcome, "action": "buy", "outcome_side": outcome, "book_side": book_side}


def order_row(order: SimOrder, facts: Facts, user_id: str, at_ms: int) -> tuple[Row, Row]:
    """An order as REST shows it, and as the `user_orders` channel does."""
    body = body_of(order)
    row: Row = {
        "order_id": order.order_id, "user_id": user_id, "client_order_id": order.client_id,
        "ticker": facts.ticker, "exchange_index": facts.exchange_index, "status": WORDS[order.status],
        **side_words(order),
        "yes_price_dollars": price4(order.book_price),
        "initial_count_fp": count2(body.size), "fill_count_fp": count2(order.filled),
        "remaining_count_fp": count2(order.remaining if order.status is Status.RESTING else 0),
    }  # fmt: skip
    for taker, role in ((True, "taker"), (False, "maker")):
        fills = [fill for fill in order.fills if fill.taker is taker]
        row[f"{role}_fill_cost_dollars"] = decimal(sum(fill.price * fill.size // ONE for fill in fills))
        row[f"{role}_fees_dollars"] = decimal(sum(fill.fee for fill in fills))
    row |= {
        "self_trade_prevention_type": body.self_trade_prevention_type,
        "created_time": iso(order.created_ms), "subaccount_number": body.subaccount,
    }  # fmt: skip
    if body.order_group_id is not None:
        row["order_group_id"] = body.order_group_id
    met = bool(order.fills) and not order.fills[-1].taker and order.status is not Status.CANCELLED
    reason = REASONS.get(order.reason, "Trade" if met else "")
    if reason:
        row["last_update_reason"] = reason
    frame = row | {
        "is_yes": order.outcome == 0, "created_ts_ms": order.created_ms, "last_updated_ts_ms": at_ms,
    }  # fmt: skip
    if order.expires_ms is not None:
        frame["expiration_ts_ms"] = order.expires_ms
    return row | {
        "type": "limit", "no_price_dollars": price4(ONE - order.book_price), "last_update_time": iso(at_ms),
        "expiration_time": None if order.expires_ms is None else iso(order.expires_ms),
        "cancel_order_on_pause": body.cancel_order_on_pause,
    }, frame  # fmt: skip


def fill_row(order: SimOrder, fill: Fill, facts: Facts, trade_id: str) -> Row:
    """A fill as REST shows it; the `fill` channel shows a part of it."""
    yes_price = fill.price if order.outcome == 0 else ONE - fill.price
    return {
        "fill_id": trade_id, "trade_id": trade_id, "order_id": order.order_id,
        "client_order_id": order.client_id, "ticker": facts.ticker, "market_ticker": facts.ticker,
        **side_words(order),
        "count_fp": count2(fill.size), "yes_price_dollars": price4(yes_price),
        "no_price_dollars": price4(ONE - yes_price), "is_taker": fill.taker, "fee_cost": decimal(fill.fee),
        "created_time": iso(fill.at_ms), "ts": fill.at_ms // 1_000, "exchange_index": facts.exchange_index,
        "subaccount_number": body_of(order).subaccount,
    }  # fmt: skip


def book_rows(
    exchange: Exchange, ticker: str, *, depth: int = 0, yes_price: bool = False
) -> tuple[Rows, Rows]:
    """The bids for YES and the bids for NO, best last; NO at prices of the YES leg on demand."""
    bids, asks = exchange.levels(ticker)
    yes = [[price4(price), count2(size)] for price, size in bids[: depth or None]]
    no = [
        [price4(price if yes_price else ONE - price), count2(size)] for price, size in asks[: depth or None]
    ]
    return yes[::-1], no if yes_price else no[::-1]


def top_row(exchange: Exchange, facts: Facts) -> Row:
    """The best prices of a market; an empty side is a bid of 0 or an ask of 1, without size."""
    bids, asks = exchange.levels(facts.ticker)
    bid, bid_size = bids[0] if bids else (0, 0)
    ask, ask_size = asks[0] if asks else (ONE, 0)
    held = [a.positions for a in exchange.accounts.values()]
    nets = [p.get((facts.ticker, 0), 0) - p.get((facts.ticker, 1), 0) for p in held]
    return {
        "yes_bid_dollars": price4(bid), "yes_bid_size_fp": count2(bid_size),
        "yes_ask_dollars": price4(ask), "yes_ask_size_fp": count2(ask_size),
        "volume_fp": count2(facts.volume), "open_interest_fp": count2(sum(n for n in nets if n > 0)),
    }  # fmt: skip


def market_row(exchange: Exchange, facts: Facts) -> Row:
    """A market as REST shows it (card section 3)."""
    top, zero = top_row(exchange, facts), price4(0)
    start, close = iso(facts.open_ms), iso(facts.close_ms)
    return top | {
        "ticker": facts.ticker, "event_ticker": facts.event, "market_type": "binary", "title": facts.title,
        "subtitle": "", "yes_sub_title": facts.title, "no_sub_title": facts.title, "status": facts.status,
        "created_time": start, "updated_time": start, "open_time": start,
        "close_time": close, "expiration_time": close, "expected_expiration_time": close,
        "latest_expiration_time": close, "settlement_timer_seconds": 1_800, "can_close_early": True,
        "no_bid_dollars": price4(ONE - micros(top["yes_ask_dollars"])),
        "no_ask_dollars": price4(ONE - micros(top["yes_bid_dollars"])),
        "last_price_dollars": price4(facts.last_price), "volume_24h_fp": top["volume_fp"],
        "previous_yes_bid_dollars": zero, "previous_yes_ask_dollars": zero, "previous_price_dollars": zero,
        "liquidity_dollars": zero, "notional_value_dollars": price4(ONE), "result": "",
        "expiration_value": "", "rules_primary": "", "rules_secondary": "",
        "fee_waiver_expiration_time": None, "is_provisional": False,
        "price_level_structure": facts.structure, "price_ranges": facts.ranges,
        "exchange_index": facts.exchange_index,
    }  # fmt: skip


def position_row(facts: Facts, holding: Holding) -> Row:
    """A position as REST shows it."""
    return {
        "ticker": facts.ticker, "exchange_index": facts.exchange_index, "position_fp": count2(holding.net),
        "market_exposure_dollars": decimal(holding.cost), "realized_pnl_dollars": decimal(holding.realized),
        "fees_paid_dollars": decimal(holding.fees), "total_traded_dollars": decimal(holding.traded),
        "last_updated_ts": iso(holding.at_ms),
    }  # fmt: skip


def event_positions(pairs: Iterable[tuple[Facts, Holding]]) -> list[Row]:
    """The sums of a customer's positions per event."""
    events: dict[str, list[Holding]] = {}
    for facts, holding in pairs:
        events.setdefault(facts.event, []).append(holding)
    return [
        {
            "event_ticker": event, "total_cost_dollars": decimal(sum(h.traded for h in held)),
            "total_cost_shares_fp": count2(sum(h.volume for h in held)),
            "event_exposure_dollars": decimal(sum(h.cost for h in held)),
            "realized_pnl_dollars": decimal(sum(h.realized for h in held)),
            "fees_paid_dollars": decimal(sum(h.fees for h in held)),
        }
        for event, held in events.items()
    ]  # fmt: skip


def event_row(facts: Facts) -> Row:
    """The event of a market."""
    return {
        "event_ticker": facts.event, "series_ticker": facts.series, "title": facts.event, "sub_title": "",
        "collateral_return_type": "", "mutually_exclusive": False, "category": "", "strike_date": None,
        "product_metadata": None, "settlement_sources": [], "available_on_brokers": True,
        "fee_type_override": None, "fee_multiplier_override": None, "exchange_index": facts.exchange_index,
    }  # fmt: skip


def series_row(ticker: str, rate: tuple[str, str]) -> Row:
    """A series with its fee parameters; the multiplier is a JSON number."""
    return {
        "ticker": ticker, "title": ticker, "frequency": "custom", "category": "", "categories": [],
        "tags": [], "settlement_sources": [], "contract_url": "", "contract_terms_url": "",
        "product_metadata": None, "additional_prohibitions": [],
        "fee_type": rate[0], "fee_multiplier": Decimal(rate[1]),
    }  # fmt: skip
