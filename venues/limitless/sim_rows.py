"""The simulated venue's JSON: rows of REST replies and Socket.IO events (card, sections 3, 5 and 6)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from venues.base.events import Level
from venues.base.orders import Side
from venues.base.units import ONE, Price, complement, half_even, plain, up
from venues.kit.eip712 import checksummed
from venues.limitless.sim_accounts import USDC, USDC_DECIMALS
from venues.limitless.sim_rules import BPS, Terms, Ticket
from venues.sim.model import Fill, SimOrder, Status, notional
from venues.sim.times import iso

Json = dict[str, Any]

TOKENS = ("YES", "NO")
MIN_SIZE, MAX_SPREAD = 100_000_000, Decimal("0.035")
"""Of the liquidity rewards: neither is a rule for orders."""
HOUSE_WALLET = checksummed(b"\x00" * 18 + b"\xde\xad")
FINAL = ("CONFIRMED", "FAILED")
PROGRESS = ("MATCHED", "RETRYING", "MINED", *FINAL)
EXTRAS = ("reason", "stpMakerCancels", "eligibleAt")
"""Of an execution, where an order's notes have them."""
encode = msgspec.json.Encoder(decimal_format="number").encode
"""Compact; a Decimal becomes a JSON number."""


@dataclass(slots=True)
class Trade:
    """One taker's match on its way to the chain: MATCHED, MINED and CONFIRMED, or RETRYING and FAILED."""

    trade_id: str
    terms: Terms
    taker: SimOrder
    fills: list[Fill]
    makers: list[tuple[SimOrder, Fill]]
    match_ids: list[str]
    at_ms: int
    doomed: bool = False
    status: str = "MATCHED"
    transaction: str = ""
    totals: Json = field(default_factory=dict)
    """Of the taker, as they were when it matched."""

    def parties(self) -> list[tuple[SimOrder, list[Fill]]]:
        """Every order in it with its own fills, the taker's first."""
        found: dict[str, tuple[SimOrder, list[Fill]]] = {self.taker.order_id: (self.taker, self.fills)}
        for maker, fill in self.makers:
            found.setdefault(maker.order_id, (maker, []))[1].append(fill)
        return list(found.values())

    def fills_by_party(self) -> list[tuple[SimOrder, Fill]]:
        """Every order in it with each of its own fills."""
        return [*((self.taker, fill) for fill in self.fills), *self.makers]


def number(value: int) -> Decimal:
    """Millionths as a JSON number."""
    return Decimal(plain(value))


def theirs(order: SimOrder) -> bool:
    """Whether a customer placed it, and not the house."""
    return "ticket" in order.notes


def ticket_of(order: SimOrder) -> Ticket:
    """What the customer signed."""
    ticket = order.notes["ticket"]
    assert isinstance(ticket, Ticket)
    return ticket


def trades_of(order: SimOrder) -> list[Trade]:
    """The trades an order took part in, oldest first."""
    trades = order.notes.setdefault("trades", [])
    assert isinstance(trades, list)
    return trades


# --- markets ---


def market_row(terms: Terms, now_ms: int) -> Json:
    """GET /markets/{slug}."""
    row: Json = {
        "id": terms.number, "slug": terms.slug, "title": terms.title, "proxyTitle": None,
        "description": f"<p>{terms.title}</p>",
        "collateralToken": {"address": checksummed(USDC), "decimals": USDC_DECIMALS, "symbol": "USDC"},
        "expirationDate": iso(terms.expires_ms)[:10], "expirationTimestamp": terms.expires_ms,
        "expired": terms.expires_ms <= now_ms, "createdAt": iso(0), "updatedAt": iso(now_ms),
        "categories": ["Simulated"], "status": terms.status,
        "creator": {"name": "Limitless", "imageURI": None, "link": None}, "tags": [], "volume": "0",
        "volumeFormatted": "0", "tradeType": "amm" if terms.amm else "clob", "marketType": "single",
        "priorityIndex": 0, "metadata": {"fee": True, "isBannered": False},
        "winningOutcomeIndex": terms.winner, "conditionId": terms.condition,
        "negRiskRequestId": terms.condition if terms.adapter else None,
    }  # fmt: skip
    if terms.amm:
        return row | {"address": terms.exchange, "prices": [Decimal(50), Decimal(50)]}
    yes = terms.last if terms.last is not None else Price(ONE // 2)
    settings: Json = {
        "minSize": str(MIN_SIZE), "maxSpread": MAX_SPREAD, "dailyReward": "0", "rewardsEpoch": "0.00",
        "c": "1", "rebateRate": 0, "takerDelayMs": terms.delay_ms,
    }  # fmt: skip
    return row | {
        "tokens": {"yes": terms.tokens[0], "no": terms.tokens[1]}, "positionIds": list(terms.tokens),
        "prices": [number(yes), number(ONE - yes)], "isRewardable": True,
        "settings": settings, "venue": _venue(terms),
        "payoutNumerators": None if terms.winner is None else [int(o == terms.winner) for o in (0, 1)],
    }  # fmt: skip


def _venue(terms: Terms) -> Json:
    """Legacy venues have neither of the fee module's fields."""
    row: Json = {"exchange": terms.exchange, "adapter": terms.adapter}
    if terms.fee_module:
        row |= {"feeModule": terms.fee_module, "feeModuleType": "COLLATERAL"}
    return row


def group_row(slug: str, legs: list[Terms], now_ms: int) -> Json:
    """A group's parent, its legs in `markets`."""
    row = market_row(legs[0], now_ms)
    for name in ("tokens", "positionIds", "prices", "settings", "conditionId", "venue", "payoutNumerators"):
        row.pop(name, None)
    markets = [market_row(leg, now_ms) | {"orderInGroup": n} for n, leg in enumerate(legs)]
    more = {"id": 1_000_000 + legs[0].number, "slug": slug, "title": slug, "marketType": "group"}
    return row | more | {"markets": markets, "outcomeTokens": [leg.title for leg in legs]}


def book_rows(terms: Terms, levels: tuple[list[Level], list[Level]], *, texts: bool) -> Json:
    """The YES book. Rewards' numbers are text in GET …/orderbook and numbers on the socket (section 5)."""
    bids, asks = levels
    rows = {
        name: [{"price": number(price), "size": size, "side": side} for price, size in half]
        for name, side, half in (("bids", "BUY", bids), ("asks", "SELL", asks))
    }
    middle = half_even(bids[0][0] + asks[0][0], 2) if bids and asks else ONE // 2
    return rows | {
        "tokenId": terms.tokens[0], "adjustedMidpoint": number(middle), "midpoint": number(middle),
        "maxSpread": str(MAX_SPREAD) if texts else MAX_SPREAD,
        "minSize": str(MIN_SIZE) if texts else MIN_SIZE,
    }  # fmt: skip


# --- orders ---


def status_of(order: SimOrder) -> str:
    """LIVE, MATCHED, CANCELED or UNMATCHED: the words that user-orders takes; or what holds it up."""
    if "state" in order.notes:
        return str(order.notes["state"])
    if order.status is Status.RESTING:
        return "LIVE"
    if order.status is Status.FILLED or (order.reason == "immediate_or_cancel" and order.fills):
        return "MATCHED"
    return "UNMATCHED" if order.reason == "immediate_or_cancel" else "CANCELED"


def order_row(order: SimOrder, terms: Terms, *, texts: bool) -> Json:
    """An order as the venue keeps it. Amounts come as numbers or, when `texts`, as text."""
    ticket, shown = ticket_of(order), str if texts else int
    signed = ticket.body.order
    return {
        "id": order.order_id, "createdAt": iso(order.created_ms), "salt": str(signed.salt),
        "maker": signed.maker, "signer": signed.signer, "taker": signed.taker, "tokenId": signed.token_id,
        "makerAmount": shown(ticket.given), "takerAmount": shown(ticket.wanted), "expiration": "0",
        "nonce": 0, "feeRateBps": signed.fee_rate_bps, "side": signed.side,
        "signatureType": signed.signature_type, "signature": signed.signature,
        "price": None if signed.price is None else plain(order.price),
        "orderType": ticket.body.order_type, "marketId": terms.number, "ownerId": ticket.body.owner_id,
        "status": status_of(order),
    }  # fmt: skip


def listed_row(order: SimOrder, terms: Terms) -> Json:
    """The same in lists of orders: the side in words, and what is left of it."""
    size, left = str(order.size), str(order.remaining)
    more: Json = {"side": order.side.name, "quantity": size, "originalSize": size, "remainingSize": left}
    return order_row(order, terms, texts=True) | more | client(order)


def client(order: SimOrder) -> Json:
    """The client order id, where there is one."""
    return {"clientOrderId": order.client_id} if order.client_id else {}


def totals(side: Side, fills: Iterable[Fill]) -> Json:
    """`totalsRaw`: what traded, what was kept or charged, and what arrived or was paid, in base units."""
    done = list(fills)
    gross = sum(fill.size for fill in done)
    kept = sum(fill.kept for fill in done)
    value = sum(notional(side, fill.price, fill.size) for fill in done)
    fee = sum(fill.fee for fill in done)
    net = value + fee if side is Side.BUY else value - fee
    return {
        "contractsGross": str(gross), "contractsFee": str(kept), "contractsNet": str(gross - kept),
        "usdGross": str(value), "usdFee": str(fee), "usdNet": str(net),
    }  # fmt: skip


def average(raw: Mapping[str, str]) -> int:
    """The price of these totals, to the nearest millionth."""
    return half_even(int(raw["usdGross"]) * ONE, int(raw["contractsGross"]))


def effective_bps(raw: Mapping[str, str]) -> int:
    """The rate that these totals show, in whole bps, rounded up because the fee itself was cut."""
    gross, value = int(raw["contractsGross"]), int(raw["usdGross"])
    if int(raw["contractsFee"]):
        return up(int(raw["contractsFee"]) * BPS, gross)
    return up(int(raw["usdFee"]) * BPS, value) if value else 0


def execution(order: SimOrder) -> Json:
    """What became of an order so far (section 6)."""
    trades = trades_of(order)
    raw = totals(order.side, order.fills)
    state = str(order.notes.get("state", ""))
    status = state or (min((t.status for t in trades), key=PROGRESS.index) if trades else "UNMATCHED")
    if status == "FAILED" and trades[0].taker is order:
        raw = trades[0].totals
    more = client(order) | {name: order.notes[name] for name in EXTRAS if order.notes.get(name)}
    return more | {
        "matched": bool(order.fills), "settlementStatus": status,
        "tradeEventId": trades[-1].trade_id if trades else None,
        "txHash": (trades[-1].transaction or None) if trades else None,
        "feeRateBps": ticket_of(order).body.order.fee_rate_bps, "effectiveFeeBps": effective_bps(raw),
        "totalsRaw": raw,
    }  # fmt: skip


def matches(order: SimOrder) -> list[Json]:
    """`makerMatches` of an order that took."""
    return [
        {"id": name, "createdAt": iso(trade.at_ms), "matchedSize": str(fill.size), "orderId": maker.order_id}
        for trade in trades_of(order)
        if trade.taker is order and trade.status != "FAILED"
        for name, (maker, fill) in zip(trade.match_ids, trade.makers, strict=True)
    ]


# --- events ---


def order_event(order: SimOrder, terms: Terms, kind: str, now_ms: int) -> Json:
    """The matching engine's word on an order, but for a number of its own that most of them have."""
    stamp = iso(now_ms)
    row: Json = {
        "source": "OME", "eventId": f"terminal:{order.order_id}", "type": kind,
        "marketId": str(terms.number), "orderId": order.order_id, "userId": ticket_of(order).body.owner_id,
        "side": order.side.name, "token": TOKENS[order.outcome],
        "price": number(order.price),
        "remainingSize": int(order.size if kind == "PLACEMENT" else order.remaining), "occurredAt": stamp,
        "publishedAt": stamp, "timestamp": stamp,
    }  # fmt: skip
    if kind == "EXECUTION":
        done = order.status is Status.FILLED
        row["status"] = "FILLED" if done else "PARTIALLY_FILLED" if order.fills else "KILLED"
    if kind == "CANCELLATION" and order.reason:
        row["reason"] = order.reason.upper()
    return row | client(order)


def settlement_event(trade: Trade, order: SimOrder, fills: list[Fill], now_ms: int) -> Json:
    """The settlement's word on one order's part in a trade; numbers are text (section 5)."""
    raw = totals(order.side, fills)
    estimate = trade.status == "MATCHED"
    prefix = "matched" if estimate else "settlement"
    row: Json = {
        "source": "SETTLEMENT", "eventId": f"{prefix}:{trade.trade_id}:{order.order_id}",
        "type": trade.status, "tradeEventId": trade.trade_id, "orderId": order.order_id,
        "takerOrderId": trade.taker.order_id, "takerAccount": wallet(trade.taker),
        "marketSlug": trade.terms.slug, "tokenId": trade.terms.tokens[order.outcome],
        "token": TOKENS[order.outcome], "side": order.side.name,
        "price": plain(average(raw)), "remainingSize": str(order.remaining),
        "amountContracts": raw["contractsGross"], "amountCollateral": raw["usdGross"],
        "configuredFeeRateBps": ticket_of(order).body.order.fee_rate_bps,
        "effectiveFeeBps": effective_bps(raw), "feeAmountContracts": raw["contractsFee"],
        "feeAmountCollateral": raw["usdFee"],
        "makerMatches": [_maker(maker, fill) for maker, fill in trade.makers], "isEstimate": estimate,
        "matchedAt": iso(trade.at_ms), "publishedAt": iso(now_ms), "timestamp": iso(now_ms),
    }  # fmt: skip
    if trade.transaction:
        row["txHash"] = trade.transaction
    return row | client(order)


def _maker(maker: SimOrder, fill: Fill) -> Json:
    size, price = str(fill.size), plain(fill.price)
    return {"account": wallet(maker), "matchedSize": size, "orderId": maker.order_id, "price": price}


def wallet(order: SimOrder) -> str:
    """The address behind an order; levels of the house have one of their own."""
    return order.account if theirs(order) else HOUSE_WALLET


def tx_event(trade: Trade, order: SimOrder, fills: list[Fill], now_ms: int) -> Json:
    """The chain's word on one order's part in a trade."""
    raw = totals(order.side, fills)
    return {
        "userId": ticket_of(order).body.owner_id, "txHash": trade.transaction,
        "status": "FAILED" if trade.status == "FAILED" else "CONFIRMED", "source": "CLOB",
        "timestamp": iso(now_ms), "marketSlug": trade.terms.slug,
        "tokenId": trade.terms.tokens[order.outcome], "conditionId": trade.terms.condition,
        "amountContracts": raw["contractsGross"], "amountCollateral": raw["usdGross"],
        "price": plain(average(raw)),
        "side": order.side.name,
    }  # fmt: skip


def yes_price(order: SimOrder, price: Price) -> Price:
    """A price of the order's outcome in YES terms."""
    return price if order.outcome == 0 else complement(price)
