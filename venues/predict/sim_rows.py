"""The simulated venue's JSON: rows of REST replies and WebSocket messages (card, sections 4 to 11)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from venues.base.events import BookSide, Level
from venues.base.orders import Side
from venues.base.units import Cash, Price, Size, complement, plain
from venues.kit.eip712 import keccak
from venues.predict.sim_rules import STEP, RefusedError, Terms, Ticket
from venues.sim.model import HOUSE, Fill, SimOrder, Status, notional
from venues.sim.times import iso

Json = dict[str, Any]
HOUSE_WALLET = "0x000000000000000000000000000000000000dEaD"
HASHES_MAX = 4_096
"""Hashes of the house's levels that are remembered: more than are shown at a time."""
RESOLVER = "0x77620FAb2969dF2D5696F1f081940E416Cf17cA5"
encode = msgspec.json.Encoder(decimal_format="number").encode
"""Compact; a Decimal becomes a JSON number."""


@dataclass(slots=True)
class Match:
    """One taker's trades at one price, on their way to the chain together."""

    settlement_id: str
    terms: Terms
    taker: SimOrder
    fills: list[Fill]
    makers: list[tuple[SimOrder, Fill]]
    at_ms: int
    transaction: str
    doomed: bool
    settled: bool = False

    @property
    def price(self) -> Price:
        """In the taker's terms."""
        return self.fills[0].price

    @property
    def size(self) -> Size:
        """Shares of the whole match."""
        return Size(sum(fill.size for fill in self.fills))

    @property
    def parties(self) -> list[tuple[SimOrder, Fill]]:
        """Every fill with its order, the taker's first."""
        return [*((self.taker, fill) for fill in self.fills), *self.makers]

    def orders(self) -> list[tuple[SimOrder, list[Fill]]]:
        """Each order of the match once, the taker's first, with its fills."""
        found: dict[str, tuple[SimOrder, list[Fill]]] = {}
        for order, fill in self.parties:
            found.setdefault(order.order_id, (order, []))[1].append(fill)
        return list(found.values())


def wei(value: int) -> str:
    """Millionths as the wire writes amounts."""
    return str(value * STEP)


def refusal(error: RefusedError, now_ms: int, trace: str) -> Json:
    """The envelope of an error (section 4)."""
    return {
        "success": False,
        "code": error.status,
        "error": error.slug,
        "message": error.text,
        "timestamp": f"{iso(now_ms)[:-1]}000000Z",
        "trace": trace,
    }


# --- books and markets ---


def _numbers(levels: Iterable[Level]) -> list[list[Decimal]]:
    return [[Decimal(plain(price)), Decimal(plain(size))] for price, size in levels]


def book_row(terms: Terms, levels: tuple[list[Level], list[Level]], now_ms: int) -> Json:
    """GET /v1/markets/{id}/orderbook."""
    bids, asks = levels
    return {
        "marketId": terms.market_id,
        "updateTimestampMs": terms.updated_ms or now_ms,
        "asks": _numbers(asks),
        "bids": _numbers(bids),
        "lastOrderSettled": terms.last_settled,
    }


def pending_row(matches: Iterable[Match]) -> Json:
    """What has traded and is not yet on chain, per level of the makers, in the first outcome's terms."""
    sides: dict[BookSide, dict[Price, int]] = {BookSide.ASK: {}, BookSide.BID: {}}
    for match in matches:
        for maker, fill in match.makers:
            price = fill.price if maker.outcome == 0 else complement(fill.price)
            levels = sides[maker.book_side]
            levels[price] = levels.get(price, 0) + fill.size
    found = {side: [(p, Size(s)) for p, s in sorted(levels.items())] for side, levels in sides.items()}
    return {"asks": _numbers(found[BookSide.ASK]), "bids": _numbers(reversed(found[BookSide.BID]))}


def settled_row(match: Match) -> Json:
    """`lastOrderSettled`: the taker of the latest settled match."""
    return {
        "id": number_of(match.taker),
        "kind": _strategy(match.taker),
        "marketId": match.terms.market_id,
        "outcome": match.terms.names[match.taker.outcome],
        "price": plain(match.price),
        "side": _quote(match.taker).capitalize(),
    }


def market_states(terms: Terms) -> tuple[str, str]:
    """`tradingStatus` and `status`."""
    trading = "OPEN" if terms.market.trading else "CLOSED"
    return trading, "REGISTERED" if terms.winner is None else "RESOLVED"


def market_row(terms: Terms, levels: tuple[list[Level], list[Level]]) -> Json:
    """GET /v1/markets/{id}."""
    trading, status = market_states(terms)
    return {
        "id": terms.market_id,
        "title": terms.title,
        "question": terms.title,
        "categorySlug": terms.category,
        "conditionId": terms.condition_id,
        "outcomes": [outcome_row(terms, outcome, levels) for outcome in range(2)],
        "decimalPrecision": terms.precision,
        "feeRateBps": terms.fee_bps,
        "makerFeeBps": 0,
        "isNegRisk": terms.neg_risk,
        "isYieldBearing": terms.yield_bearing,
        "tradingStatus": trading,
        "status": status,
        "marketVariant": "DEFAULT",
        "spreadThreshold": Decimal("0.06"),
        "shareThreshold": 100,
        "rewards": {"current": None, "schedule": []},
        "polymarketConditionIds": [],
        "kalshiMarketTicker": None,
        "resolverAddress": RESOLVER,
    }


def outcome_row(terms: Terms, outcome: int, levels: tuple[list[Level], list[Level]]) -> Json:
    """One of a market's outcomes with its best prices, in its own terms."""
    bids, asks = levels
    if outcome:
        bids, asks = ([(complement(price), size) for price, size in side] for side in (asks, bids))
    tops = [
        dict(zip(("price", "size"), _numbers(side[:1])[0], strict=True)) if side else None
        for side in (bids, asks)
    ]
    status = None if terms.winner is None else "WON" if terms.winner == outcome else "LOST"
    return {**_outcome(terms, outcome), "status": status, "bestBid": tops[0], "bestAsk": tops[1]}


def category_row(slug: str, markets: Sequence[Json]) -> Json:
    """GET /v1/categories/{slug}: the markets that belong together."""
    open_ = any(market["tradingStatus"] == "OPEN" for market in markets)
    return {
        "id": slug,
        "slug": slug,
        "title": markets[0]["title"],
        "status": "OPEN" if open_ else "RESOLVED",
        "isNegRisk": markets[0]["isNegRisk"],
        "markets": list(markets),
    }


def _outcome(terms: Terms, outcome: int) -> Json:
    return {"indexSet": outcome + 1, "name": terms.names[outcome], "onChainId": terms.tokens[outcome]}


# --- orders ---


def ticket_of(order: SimOrder) -> Ticket:
    """The signed order of a customer."""
    ticket = order.notes["ticket"]
    assert isinstance(ticket, Ticket)
    return ticket


def number_of(order: SimOrder) -> str:
    """The venue's own id of an order."""
    return str(order.notes.get("number", "1"))


def status_of(order: SimOrder) -> str:
    """Where an order really stands, in the venue's words (section 9)."""
    if "held_until" in order.notes or order.status is Status.RESTING:
        return "OPEN"
    if order.status is Status.FILLED or (order.fills and ticket_of(order).market):
        return "FILLED"
    return {"expired": "EXPIRED", "settlement_failed": "INVALIDATED"}.get(order.reason, "CANCELLED")


def shown_status(order: SimOrder, now_ms: int) -> str:
    """What the venue says of it now: the truth about an execution comes late, or after a lie."""
    if now_ms < int(str(order.notes.get("shown_ms", 0))):
        return "CANCELLED" if order.notes.get("misleading") else "OPEN"
    return status_of(order)


def order_row(order: SimOrder, terms: Terms, now_ms: int) -> Json:
    """GET /v1/orders/{hash}."""
    ticket = ticket_of(order)
    return {
        "id": number_of(order),
        "marketId": terms.market_id,
        "currency": "USDT",
        "amount": str(ticket.shares_wei),
        "amountFilled": wei(settled_size(order)),
        "isNegRisk": terms.neg_risk,
        "isYieldBearing": terms.yield_bearing,
        "strategy": _strategy(order),
        "status": shown_status(order, now_ms),
        "rewardEarningRate": 0,
        "order": {**ticket.sent, "expiration": ticket.expiration},
    }


def settled_size(order: SimOrder) -> Size:
    """Shares of an order that are settled on chain."""
    settled = order.notes.get("settled", 0)
    assert isinstance(settled, int)
    return Size(settled)


def _strategy(order: SimOrder) -> str:
    return "MARKET" if order.account != HOUSE and ticket_of(order).market else "LIMIT"


def _quote(order: SimOrder) -> str:
    return "BID" if order.side is Side.BUY else "ASK"


def wire_hash(order: SimOrder) -> str:
    """The order's hash; a level of the house is shown as if it had one."""
    return order.order_id if order.account != HOUSE else _house_hash(order.order_id)


@lru_cache(HASHES_MAX)
def _house_hash(order_id: str) -> str:
    return "0x" + keccak(order_id.encode()).hex()


# --- executions ---


def fee_row(order: SimOrder, fills: Sequence[Fill], name: str) -> Json:
    """A fee as the ledger has it: shares of a buy, collateral of a sale. `name` is the amount's key."""
    if order.side is Side.BUY:
        return {name: wei(sum(fill.kept for fill in fills)), "type": "SHARES"}
    return {name: wei(sum(fill.fee for fill in fills)), "type": "COLLATERAL"}


def match_row(match: Match, market: Json) -> Json:
    """One element of GET /v1/orders/matches; `market` is its `market_row`."""
    (taker, fills), *makers = match.orders()
    return {
        "amountFilled": wei(match.size),
        "priceExecuted": wei(match.price),
        "executedAt": f"{iso(match.at_ms)[:-5]}Z",
        "settlementId": match.settlement_id,
        "transactionHash": match.transaction,
        "market": market,
        "taker": _side_row(match.terms, taker, fills),
        "makers": [_side_row(match.terms, maker, own) for maker, own in makers],
    }


def _side_row(terms: Terms, order: SimOrder, fills: Sequence[Fill]) -> Json:
    return {
        "hash": wire_hash(order),
        "signer": HOUSE_WALLET if order.account == HOUSE else order.account,
        "outcome": _outcome(terms, order.outcome),
        "quoteType": _quote(order).capitalize(),
        "price": wei(order.price),
        "amount": wei(sum(fill.size for fill in fills)),
        "fee": fee_row(order, fills, "amount"),
    }


def wallet_event(kind: str, order: SimOrder, terms: Terms, now_ms: int) -> Json:
    """A message of predictWalletEvents about an order."""
    ticket, name = ticket_of(order), terms.names[order.outcome]
    done = settled_size(order)
    cash = ticket.cash_wei // STEP
    value = order.value if done else Cash(0)
    return {
        "type": kind,
        "orderId": number_of(order),
        "orderHash": order.order_id,
        "timestamp": now_ms,
        "walletAddress": order.account,
        "isMaker": False,
        "details": {
            "categorySlug": terms.category,
            "marketId": terms.market_id,
            "marketQuestion": terms.title,
            "outcome": name.upper(),
            "outcomeIndex": order.outcome + 1,
            "outcomeName": name,
            "price": f"{Decimal(plain(order.price)):.{terms.precision}f}",
            "quantity": plain(ticket.shares_wei // STEP),
            "quantityFilled": plain(done),
            "quoteType": _quote(order),
            "strategyType": _strategy(order),
            "value": plain(cash),
            "valueFilled": plain(value),
        },
    }


def plan_event(order: SimOrder, terms: Terms, now_ms: int) -> Json:
    """A message that appears live and is not documented; clients must ignore it."""
    event = wallet_event("orderMarketMatchPlan", order, terms, now_ms)
    return {key: event[key] for key in ("type", "orderId", "orderHash", "timestamp", "walletAddress")}


def fill_event(kind: str, match: Match, part: tuple[SimOrder, list[Fill]], now_ms: int) -> Json:
    """A step of one order's part in a match."""
    order, fills = part
    size = Size(sum(fill.size for fill in fills))
    value = sum(notional(order.side, fill.price, fill.size) for fill in fills)
    return {
        **wallet_event(kind, order, match.terms, now_ms),
        "isMaker": not fills[0].taker,
        "settlementId": match.settlement_id,
        "fee": fee_row(order, fills, "amountWei"),
        "fill": {
            "executedPriceWei": wei(fills[0].price),
            "executedSizeWei": wei(size),
            "executedValueWei": wei(value),
        },
    }
