"""The books of a simulated venue as JSON-ready values: the truth that tests compare their reports with."""

from collections.abc import Iterable

from venues.base.events import Level
from venues.base.units import plain
from venues.sim.engine import Exchange
from venues.sim.model import HOUSE, Account, Fill, Market, SimOrder

Row = dict[str, object]
"""One JSON object. Money is decimal text, times are Unix milliseconds."""


def listing_key(market: Market, outcome: int) -> str:
    """A listing key without the venue: the native of the outcome's book, or ":inverted" on the other's."""
    if outcome < len(market.natives):
        return market.natives[outcome]
    return f"{market.natives[0]}:inverted"


def parse_key(exchange: Exchange, key: str) -> tuple[Market, int]:
    """The market and outcome of a listing key without the venue. ValueError if nothing is listed there."""
    native = key.removesuffix(":inverted")
    if native not in exchange.by_native:
        raise ValueError(f"no listing {native!r} here; there are {sorted(exchange.by_native)[:10]}")
    market, outcome = exchange.by_native[native]
    return market, outcome if native == key else 1 - outcome


def ledger(exchange: Exchange, only: str | None) -> Row:
    """Accounts, orders and fills of all customers, or of one account. Orders are in order of arrival."""
    names = [only] if only else [name for name in exchange.accounts if name != HOUSE]
    orders = [order for order in exchange.orders.values() if order.account in names]
    return {
        "accounts": [_account(exchange, exchange.accounts[name]) for name in names],
        "orders": [_order(order) for order in orders],
        "fills": [_fill(order, fill) for order in orders for fill in order.fills],
        "fees_collected": plain(exchange.fees_collected),
    }


def book(exchange: Exchange, native: str) -> Row:
    """One book as it stands, customers' orders included, best levels first."""
    bids, asks = exchange.levels(native)
    return {"bids": _levels(bids), "asks": _levels(asks)}


def _levels(levels: Iterable[Level]) -> list[list[str]]:
    return [[plain(price), plain(size)] for price, size in levels]


def _account(exchange: Exchange, account: Account) -> Row:
    positions = {
        listing_key(exchange.markets[market_id], outcome): plain(size)
        for (market_id, outcome), size in account.positions.items()
        if size
    }
    return {
        "account": account.name,
        "balance": plain(account.cash),
        "reserved": plain(account.reserved),
        "positions": positions,
    }


def _order(order: SimOrder) -> Row:
    return {
        "order_id": order.order_id,
        "client_id": order.client_id,
        "account": order.account,
        "listing": listing_key(order.market, order.outcome),
        "side": order.side.value,
        "price": plain(order.price),
        "size": plain(order.size),
        "cash": None if order.cash is None else plain(order.cash),
        "time_in_force": order.time_in_force.value,
        "status": order.status.value,
        "reason": order.reason,
        "filled": plain(order.filled),
        "value": plain(order.value),
        "fees": plain(order.fees),
        "created_ms": order.created_ms,
        "expires_ms": order.expires_ms,
    }


def _fill(order: SimOrder, fill: Fill) -> Row:
    return {
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "client_id": order.client_id,
        "account": order.account,
        "listing": listing_key(order.market, order.outcome),
        "side": order.side.value,
        "price": plain(fill.price),
        "size": plain(fill.size),
        "fee": plain(fill.fee),
        "fee_shares": plain(fill.kept),
        "taker": fill.taker,
        "at_ms": fill.at_ms,
    }
