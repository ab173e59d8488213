"""The simulated venue's JSON: rows of REST replies and WebSocket events (card, sections 3, 5, 7, 8)."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from venues.base.events import BookSide, Level
from venues.base.units import ONE, Price, Size, complement, down, half_even, micros, plain
from venues.kit.eip712 import keccak
from venues.polymarket.sim_rules import Terms, Ticket
from venues.sim.model import HOUSE, Account, BookChange, Fill, SimOrder, Status

Json = dict[str, Any]

OUTCOMES = ("Yes", "No")
HOUSE_KEY = "00000000-0000-0000-0000-000000000000"
HOUSE_WALLET = "0x000000000000000000000000000000000000dEaD"
NO_BID, NO_ASK = "0", "1"
"""How an empty side is shown in best_bid and best_ask (section 7, c)."""
encode = msgspec.json.Encoder(decimal_format="number").encode
"""Compact; a Decimal becomes a JSON number."""


@dataclass(slots=True)
class Trade:
    """One taker's match on its way: MATCHED, perhaps RETRYING, then MINED and CONFIRMED, or FAILED."""

    trade_id: str
    terms: Terms
    taker: SimOrder
    fills: list[Fill]
    makers: list[tuple[SimOrder, Fill]]
    at_ms: int
    changed_ms: int
    status: str = "MATCHED"
    transaction: str = ""
    doomed: bool = False

    @property
    def waits(self) -> bool:
        """It is not on the chain yet: what it brings is not there."""
        return self.status in ("MATCHED", "RETRYING")

    @property
    def parties(self) -> list[tuple[SimOrder, Fill]]:
        """Every fill, the taker's first."""
        return [*((self.taker, fill) for fill in self.fills), *self.makers]

    @property
    def size(self) -> Size:
        """Shares of the whole trade."""
        return Size(sum(fill.size for fill in self.fills))

    @property
    def price(self) -> Price:
        """The average price of the whole trade, in the taker's terms."""
        return Price(half_even(sum(fill.price * fill.size for fill in self.fills), self.size))

    def concerns(self, account: str) -> bool:
        """Whether this account is on either side of it."""
        return any(order.account == account for order, _ in self.parties)


def book_row(terms: Terms, outcome: int, levels: tuple[list[Level], list[Level]], now_ms: int) -> Json:
    """One outcome's book as GET /book shows it: best levels last, and its own hash (section 3)."""
    bids, asks = levels
    row: Json = {
        "market": terms.market.market_id,
        "asset_id": terms.market.natives[outcome],
        "timestamp": str(now_ms),
        "hash": "",
        "bids": [{"price": plain(price), "size": plain(size)} for price, size in reversed(bids)],
        "asks": [{"price": plain(price), "size": plain(size)} for price, size in reversed(asks)],
        "min_order_size": plain(terms.minimum),
        "tick_size": plain(terms.tick),
        "neg_risk": terms.neg_risk,
        "last_trade_price": last_price(terms, outcome),
    }
    row["hash"] = hashlib.sha1(encode(row), usedforsecurity=False).hexdigest()
    return row


def last_price(terms: Terms, outcome: int) -> str:
    """Price of the latest trade in this outcome's terms; empty before the first."""
    if terms.last is None:
        return ""
    return plain(terms.last if outcome == 0 else complement(terms.last))


def best(levels: tuple[list[Level], list[Level]]) -> tuple[str, str]:
    """Best bid and ask as text."""
    bids, asks = levels
    return plain(bids[0][0]) if bids else NO_BID, plain(asks[0][0]) if asks else NO_ASK


def mirrored(top: tuple[str, str], outcome: int) -> tuple[str, str]:
    """The first outcome's best prices in the terms of another outcome."""
    if outcome == 0:
        return top
    bid, ask = (plain(ONE - micros(text)) for text in top)
    return ask, bid


def _event(kind: str, terms: Terms, now_ms: int, more: Json) -> Json:
    return {"event_type": kind, "market": terms.market.market_id, **more, "timestamp": str(now_ms)}


def price_change(terms: Terms, changes: Iterable[BookChange], now_ms: int, digests: Sequence[str]) -> Json:
    """The moved levels of a market, each in both outcomes' terms, with the resulting best prices."""
    rows = []
    for change in changes:
        for outcome, asset in enumerate(terms.market.natives):
            side = change.side if outcome == 0 else change.side.other
            bid, ask = mirrored(terms.top, outcome)
            rows.append(
                {
                    "asset_id": asset,
                    "price": plain(change.price if outcome == 0 else complement(change.price)),
                    "size": plain(change.total),
                    "side": "BUY" if side is BookSide.BID else "SELL",
                    "hash": digests[outcome],
                    "best_bid": bid,
                    "best_ask": ask,
                }
            )
    return _event("price_change", terms, now_ms, {"price_changes": rows})


def last_trade(trade: Trade, now_ms: int) -> Json:
    """The public word on a trade, in the taker's terms."""
    more = {
        "asset_id": trade.terms.market.natives[trade.taker.outcome],
        "price": plain(trade.price),
        "size": plain(trade.size),
        "side": trade.taker.side.name,
        "fee_rate_bps": "0",
    }
    return _event("last_trade_price", trade.terms, now_ms, more)


def best_bid_ask(terms: Terms, outcome: int, now_ms: int) -> Json:
    """The top of one outcome's book."""
    bid, ask = mirrored(terms.top, outcome)
    spread = plain(micros(ask) - micros(bid))
    more = {"asset_id": terms.market.natives[outcome], "best_bid": bid, "best_ask": ask, "spread": spread}
    return _event("best_bid_ask", terms, now_ms, more)


def market_resolved(terms: Terms, now_ms: int) -> Json:
    """The event of a market's end."""
    assert terms.winner is not None
    return {
        "event_type": "market_resolved",
        "id": terms.market.market_id[2:12],
        "market": terms.market.market_id,
        "assets_ids": list(terms.market.natives),
        "winning_asset_id": terms.market.natives[terms.winner],
        "winning_outcome": OUTCOMES[terms.winner],
        "timestamp": str(now_ms),
        "tags": [],
    }


def tick_size_change(terms: Terms, token: str, old: int, now_ms: int) -> Json:
    """The prices that a token's book takes have changed."""
    more = {"asset_id": token, "old_tick_size": plain(old), "new_tick_size": plain(terms.tick)}
    return _event("tick_size_change", terms, now_ms, more)


def wire_id(order: SimOrder) -> str:
    """The order's hash; a level of the house is shown as if it had one."""
    return order.order_id if order.account != HOUSE else "0x" + keccak(order.order_id.encode()).hex()


def status_of(order: SimOrder) -> str:
    """The order's status in the venue's words (section 5.6)."""
    if "state" in order.notes:
        return str(order.notes["state"])
    if order.status is Status.RESTING:
        return "LIVE"
    if order.status is Status.FILLED or (order.reason == "immediate_or_cancel" and order.fills):
        return "MATCHED"
    return {"expired": "CANCELED_EXPIRED_ORDER", "resolved": "CANCELED_MARKET_RESOLVED"}.get(
        order.reason, "CANCELED"
    )


def order_row(order: SimOrder, account: Account) -> Json:
    """One order of a customer as GET /data/order shows it."""
    ticket = order.notes["ticket"]
    assert isinstance(ticket, Ticket)
    return {
        "id": order.order_id,
        "status": status_of(order),
        "owner": ticket.owner,
        "maker_address": account.name,
        "market": order.market.market_id,
        "asset_id": ticket.token,
        "side": order.side.name,
        "original_size": plain(ticket.shares),
        "size_matched": plain(order.filled),
        "price": plain(order.price),
        "outcome": OUTCOMES[order.outcome],
        "expiration": str(ticket.expiration),
        "order_type": ticket.lifetime,
        "associate_trades": trades_of(order),
        "created_at": down(order.created_ms, 1_000),
    }


def trades_of(order: SimOrder) -> list[str]:
    """Ids of the trades an order took part in."""
    trades = order.notes.setdefault("trades", [])
    assert isinstance(trades, list)
    return trades


def order_event(order: SimOrder, account: Account, now_ms: int) -> Json:
    """The user WebSocket's word on an order that moved."""
    if order.status is Status.CANCELLED and status_of(order) != "MATCHED":
        kind = "CANCELLATION"
    else:
        kind = "UPDATE" if order.notes.get("shown") else "PLACEMENT"
    order.notes["shown"] = True
    row = order_row(order, account)
    more = {"event_type": "order", "type": kind, "order_owner": row["owner"], "timestamp": str(now_ms)}
    return {**row, **more}


def killed_event(order: SimOrder, account: Account, text: str, now_ms: int) -> Json:
    """What the venue tells of an order that was killed on arrival: some fields stay empty (section 8)."""
    order.notes["state"] = f"CANCELED_{text}"
    order.status = Status.CANCELLED
    empty = {"size_matched": "", "created_at": "", "outcome": ""}
    return {**order_event(order, account, now_ms), **empty}


def owner_of(order: SimOrder) -> tuple[str, str]:
    """API key and wallet behind an order."""
    ticket = order.notes.get("ticket")
    return (ticket.owner, order.account) if isinstance(ticket, Ticket) else (HOUSE_KEY, HOUSE_WALLET)


def trade_row(trade: Trade, account: str) -> Json:
    """One trade as GET /data/trades shows it to one of its accounts."""
    owner, wallet = owner_of(trade.taker)
    return {
        "id": trade.trade_id,
        "taker_order_id": wire_id(trade.taker),
        "market": trade.terms.market.market_id,
        "asset_id": trade.terms.market.natives[trade.taker.outcome],
        "side": trade.taker.side.name,
        "size": plain(trade.size),
        "fee_rate_bps": "0",
        "price": plain(trade.price),
        "status": trade.status,
        "match_time": str(down(trade.at_ms, 1_000)),
        "last_update": str(down(trade.changed_ms, 1_000)),
        "outcome": OUTCOMES[trade.taker.outcome],
        "bucket_index": 0,
        "owner": owner,
        "maker_address": wallet,
        "transaction_hash": trade.transaction,
        "trader_side": "TAKER" if trade.taker.account == account else "MAKER",
        "maker_orders": [_maker_row(trade, maker, fill) for maker, fill in trade.makers],
    }


def trade_event(trade: Trade, account: str, owner: str) -> Json:
    """The user WebSocket's word on a trade that took a step."""
    more = {"event_type": "trade", "type": "TRADE", "trade_owner": owner}
    return {**trade_row(trade, account), **more, "timestamp": str(down(trade.changed_ms, 1_000))}


def _maker_row(trade: Trade, maker: SimOrder, fill: Fill) -> Json:
    owner, wallet = owner_of(maker)
    return {
        "order_id": wire_id(maker),
        "owner": owner,
        "maker_address": wallet,
        "matched_amount": plain(fill.size),
        "price": plain(fill.price),
        "fee_rate_bps": "0",
        "asset_id": trade.terms.market.natives[maker.outcome],
        "outcome": OUTCOMES[maker.outcome],
        "outcome_index": maker.outcome,
        "side": maker.side.name,
    }


def order_reply(text: str = "", *, success: bool = True) -> Json:
    """The answer to an order about which there is nothing to tell, or a refusal inside a 200."""
    return {
        "success": success,
        "errorMsg": text,
        "orderID": "",
        "status": "",
        "makingAmount": "",
        "takingAmount": "",
        "transactionsHashes": [],
        "tradeIDs": [],
    }


def wallets_of(row: Json) -> set[str]:
    """Every wallet in a trade's row."""
    return {row["maker_address"], *(maker["maker_address"] for maker in row["maker_orders"])}
