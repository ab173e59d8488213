"""The simulated venue's JSON: what REST and WebSocket show of markets, orders and trades (card, 5, 7, 8, 10).

Times are Unix seconds, and milliseconds where the card says so; amounts are decimal text.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from venues.base.events import BookSide, Level
from venues.base.orders import Side
from venues.base.units import Cash, Price, Size, complement, down, micros, places, plain
from venues.opinion import sim_rules as rules
from venues.opinion.sim_fees import Rate
from venues.opinion.sim_rules import Ticket
from venues.sim.model import Fill, Market, SimOrder, Status, notional

Json = dict[str, Any]

PENDING, FINISHED, CANCELED, FAILED = 1, 2, 3, 5
"""Status of an order; FINISHED also of a trade."""
FAILED_ON_CHAIN = 6
"""Status of a trade only."""
STATUS_NAMES = {1: "Pending", 2: "Finished", 3: "Canceled", 5: "Failed", 6: "OnchainFailed"}
MARKET_STATUS_NAMES = {2: "Activated", 3: "Resolving", 4: "Resolved"}
OUTCOMES = ("YES", "NO")
METHODS = {rules.MARKET: "Market", rules.LIMIT: "Limit"}
BINARY, CATEGORICAL = 0, 1
CUTOFF_S = 4_102_444_800
"""Of every market here: the year 2100. A child has none of its own (section 5)."""
BY_CUSTOMER = "canceled"
"""The engine's reason of an order that its owner, or the end of its market, took off the book."""
ORDER_FRAME = (
    "marketId", "rootMarketId", "orderId", "side", "outcomeSide", "status", "tradingMethod", "quoteToken",
    "createdAt", "expiresAt", "filledShares", "filledAmount",
)  # fmt: skip
RECORD_FRAME = (
    "tradeNo", "txHash", "marketId", "rootMarketId", "side", "outcomeSide", "price", "shares", "amount",
    "profit", "status", "quoteToken", "quoteTokenUsdPrice", "usdAmount", "chainId", "createdAt",
)  # fmt: skip
"""What the messages of the WebSocket have in common with the rows of REST."""
encode = msgspec.json.Encoder(decimal_format="number").encode
"""Compact; a Decimal becomes a JSON number, of any length."""


@dataclass(slots=True)
class Parent:
    """A categorical market: only its children trade."""

    market_id: int
    title: str
    created_ms: int
    children: list["Terms"] = field(default_factory=list)


@dataclass(slots=True)
class Terms:
    """What the venue knows about one binary market beyond its book."""

    market: Market
    market_id: int
    title: str
    tokens: tuple[str, str]
    condition: str
    rate: Rate
    minimum: Cash
    created_ms: int
    parent: Parent | None = None
    winner: int | None = None
    last: "LastTrade | None" = None

    @property
    def status(self) -> int:
        """2 activated, 3 resolving, 4 resolved."""
        if self.winner is not None:
            return 4
        return 2 if self.market.trading else 3

    @property
    def root_id(self) -> int:
        """The categorical parent's id, or 0."""
        return self.parent.market_id if self.parent else 0


@dataclass(frozen=True, slots=True)
class LastTrade:
    """The latest trade of a market, in the taker's terms."""

    outcome: int
    side: Side
    price: Price
    size: Size
    at_ms: int


@dataclass(slots=True)
class Record:
    """One match of one customer's order, once the chain has decided about it."""

    trade_no: str
    order: SimOrder
    fill: Fill
    tx_hash: str
    status: int
    at_ms: int


def ticket_of(order: SimOrder) -> Ticket:
    """The signed order behind a customer's order."""
    ticket = order.notes["ticket"]
    assert isinstance(ticket, Ticket)
    return ticket


def records_of(order: SimOrder) -> list[Record]:
    """What the chain has decided about the order's matches so far."""
    records = order.notes.setdefault("records", [])
    assert isinstance(records, list)
    return records


def waiting(order: SimOrder) -> list[Fill]:
    """The matches about which the chain has not decided."""
    decided = [record.fill for record in records_of(order)]
    return [fill for fill in order.fills if not any(fill is other for other in decided)]


def final(order: SimOrder) -> list[Record]:
    """The matches that are on chain."""
    return [record for record in records_of(order) if record.status == FINISHED]


def status_of(order: SimOrder, knobs: Mapping[str, int]) -> int:
    """The order's status in the venue's words (section 10). Matched and waiting for the chain is pending."""
    if order.status is Status.RESTING:
        return PENDING
    if waiting(order):
        return CANCELED if order.reason == BY_CUSTOMER and knobs["cancel_at_once"] else PENDING
    if order.status is Status.FILLED:
        return FINISHED
    if order.reason != BY_CUSTOMER and not final(order):
        return FAILED
    by_market = order.reason == "immediate_or_cancel"
    return FINISHED if by_market and not knobs["cancel_market_rest"] else CANCELED


# --- markets ---


def quote_token() -> Json:
    """The money of every market here."""
    return {
        "id": 1,
        "quoteTokenName": "USDT",
        "quoteTokenAddress": rules.USDT,
        "ctfExchangeAddress": rules.EXCHANGE,
        "symbol": "USDT",
        "decimal": rules.DECIMALS,
        "chainId": str(rules.CHAIN_ID),
        "createdAt": 1_750_000_000,
    }


def child_row(terms: Terms) -> Json:
    """A market as its categorical parent lists it. It does not name its parent."""
    return {
        "marketId": terms.market_id,
        "marketTitle": terms.title,
        "status": terms.status,
        "statusEnum": MARKET_STATUS_NAMES[terms.status],
        "yesLabel": OUTCOMES[0],
        "noLabel": OUTCOMES[1],
        "rules": "",
        "yesTokenId": terms.tokens[0],
        "noTokenId": terms.tokens[1],
        "conditionId": terms.condition,
        "resultTokenId": "" if terms.winner is None else terms.tokens[terms.winner],
        "volume": "0",
        "quoteToken": rules.USDT,
        "chainId": str(rules.CHAIN_ID),
        "questionId": terms.condition,
        "createdAt": down(terms.created_ms, 1_000),
        "cutoffAt": 0 if terms.parent else CUTOFF_S,
        "resolvedAt": 0,
        "slug": f"market-{terms.market_id}",
    }


def market_row(terms: Terms) -> Json:
    """A binary market or a child by itself."""
    more = {"marketType": BINARY, "labels": None, "rebate": {"maker": Decimal("0.5")}, "childMarkets": None}
    return child_row(terms) | more


def parent_row(parent: Parent) -> Json:
    """A categorical market with its children. It has no tokens of its own."""
    first = parent.children[0]
    return market_row(first) | {
        "marketId": parent.market_id,
        "marketTitle": parent.title,
        "marketType": CATEGORICAL,
        "yesTokenId": "",
        "noTokenId": "",
        "conditionId": "",
        "resultTokenId": "",
        "createdAt": down(parent.created_ms, 1_000),
        "cutoffAt": CUTOFF_S,
        "slug": f"market-{parent.market_id}",
        "childMarkets": [child_row(child) for child in parent.children],
    }


def book_row(terms: Terms, outcome: int, levels: tuple[Sequence[Level], Sequence[Level]], at_ms: int) -> Json:
    """GET /token/orderbook: best levels first."""
    sides = [[{"price": plain(p), "size": plain(s)} for p, s in side] for side in levels]
    head = {"market": terms.condition, "tokenId": terms.tokens[outcome], "timestamp": at_ms}
    return head | {"bids": sides[0], "asks": sides[1]}


def mirrored(levels: tuple[Sequence[Level], Sequence[Level]]) -> tuple[list[Level], list[Level]]:
    """The NO book that a YES book makes."""
    bids, asks = levels
    return [(complement(p), s) for p, s in asks], [(complement(p), s) for p, s in bids]


# --- orders and trades ---


def _amount(record: Record, knobs: Mapping[str, int]) -> Cash:
    fill, side = record.fill, record.order.side
    gross = notional(side, fill.price, fill.size)
    if not knobs["amount_with_fee"]:
        return Cash(gross)
    return Cash(gross + fill.fee if side is Side.BUY else gross - fill.fee)


def filled(order: SimOrder, knobs: Mapping[str, int]) -> tuple[Size, Cash]:
    """Shares and money of what is on chain: they move only with the chain."""
    done = final(order)
    cash = sum(_amount(record, knobs) for record in done)
    return Size(sum(record.fill.size for record in done)), Cash(cash)


def order_row(order: SimOrder, terms: Terms, knobs: Mapping[str, int]) -> Json:
    """One order as REST shows it. Its own amounts are shown as they were signed, to the last digit."""
    ticket = ticket_of(order)
    shares, cash = filled(order, knobs)
    status = status_of(order, knobs)
    method = rules.MARKET if ticket.by_market else rules.LIMIT
    return {
        "orderId": order.order_id,
        "status": status,
        "statusEnum": STATUS_NAMES[status],
        "marketId": terms.market_id,
        "marketTitle": terms.title,
        "rootMarketId": terms.root_id,
        "rootMarketTitle": terms.parent.title if terms.parent else "",
        "side": 1 if order.side is Side.BUY else 2,
        "sideEnum": order.side.value.capitalize(),
        "tradingMethod": method,
        "tradingMethodEnum": METHODS[method],
        "outcome": OUTCOMES[order.outcome],
        "outcomeSide": order.outcome + 1,
        "outcomeSideEnum": OUTCOMES[order.outcome].capitalize(),
        "price": ticket.price_text,
        "orderShares": rules.coins(ticket.shares_wei),
        "orderAmount": rules.coins(ticket.cash_wei),
        "filledShares": plain(shares),
        "filledAmount": plain(cash),
        "profit": "0",
        "quoteToken": rules.USDT,
        "createdAt": down(order.created_ms, 1_000),
        "expiresAt": 0,
        "transNo": "",
    }


def trade_row(record: Record, terms: Terms, knobs: Mapping[str, int]) -> Json:
    """One trade as REST shows it: `fee` in base units, `feeFormatted` in coins."""
    order, fill = record.order, record.fill
    amount = plain(_amount(record, knobs))
    return {
        "orderNo": order.order_id,
        "tradeNo": record.trade_no,
        "txHash": record.tx_hash,
        "marketId": terms.market_id,
        "marketTitle": terms.title,
        "rootMarketId": terms.root_id,
        "rootMarketTitle": terms.parent.title if terms.parent else "",
        "side": order.side.value.capitalize(),
        "outcome": OUTCOMES[order.outcome],
        "outcomeSide": order.outcome + 1,
        "outcomeSideEnum": OUTCOMES[order.outcome].capitalize(),
        "price": plain(fill.price),
        "shares": plain(fill.size),
        "amount": amount,
        "fee": Decimal(fill.fee * rules.WEI),
        "feeFormatted": plain(fill.fee),
        "profit": "0",
        "quoteToken": rules.USDT,
        "quoteTokenUsdPrice": "1",
        "usdAmount": amount,
        "status": record.status,
        "statusEnum": STATUS_NAMES[record.status],
        "chainId": str(rules.CHAIN_ID),
        "createdAt": down(record.at_ms, 1_000),
    }


# --- frames ---


def depth_diffs(terms: Terms, side: BookSide, level: Level, at_ms: int) -> list[Json]:
    """A level of the YES book and its mirror image in the NO book, as absolute sizes; "0" removes."""
    price, size = level
    frames = []
    for outcome, token in enumerate(terms.tokens):
        shown = side if outcome == 0 else side.other
        frames.append(
            _public("market.depth.diff", terms, at_ms)
            | {
                "tokenId": token,
                "outcomeSide": outcome + 1,
                "side": "bids" if shown is BookSide.BID else "asks",
                "price": plain(price if outcome == 0 else complement(price)),
                "size": plain(size),
            }
        )
    return frames


def last_frames(terms: Terms, at_ms: int) -> Iterable[Json]:
    """The public word on the latest trade."""
    trade = terms.last
    assert trade is not None
    head = {
        "tokenId": terms.tokens[trade.outcome],
        "outcomeSide": trade.outcome + 1,
        "price": plain(trade.price),
    }
    yield _public("market.last.price", terms, at_ms) | head
    amount = plain(notional(Side.SELL, trade.price, trade.size))
    more = {"side": trade.side.value.capitalize(), "shares": plain(trade.size), "amount": amount}
    yield _public("market.last.trade", terms, at_ms) | head | more


def order_frame(kind: str, row: Json, at_ms: int) -> Json:
    """`trade.order.update` from the order's row: the limit price with 18 decimals, "0" for market orders."""
    by_market = row["tradingMethod"] == rules.MARKET
    return {
        "orderUpdateType": kind,
        **{name: row[name] for name in ORDER_FRAME},
        "price": "0" if by_market else places(micros(row["price"]), 6) + "0" * (rules.DECIMALS - 6),
        "shares": row["orderShares"],
        "amount": row["orderAmount"],
        "chainId": str(rules.CHAIN_ID),
        "msgType": "trade.order.update",
        "timestamp": at_ms,
    }


def record_frame(row: Json, at_ms: int, *, fee_in_wei: bool) -> Json:
    """`trade.record.new` from the trade's row."""
    fee = str(row["fee"]) if fee_in_wei else row["feeFormatted"]
    head = {"orderId": row["orderNo"], **{name: row[name] for name in RECORD_FRAME}}
    return head | {"fee": fee, "msgType": "trade.record.new", "timestamp": at_ms}


def _public(kind: str, terms: Terms, at_ms: int) -> Json:
    root = {"rootMarketId": terms.root_id} if terms.parent else {}
    return {"msgType": kind, "marketId": terms.market_id, **root, "timestamp": at_ms}
