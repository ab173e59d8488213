"""Orders, plans and listings for tests, with a default for everything a test is not about."""

from typing import Any

from registry.model import OutcomeId
from router.core.model import AccountId, MarketOrder, RouteId
from router.core.records import Planned
from venues.base.listing import Grid, Listing, Native
from venues.base.orders import Order, OrderId, Side
from venues.base.units import ONE, Cash, Price, Size, cost

NOW_MS = 1_795_000_000_000


def listing(**given: Any) -> Listing:
    """A tradable one-cent listing of the made-up venue "north"."""
    defaults: dict[str, Any] = {
        "venue": "north",
        "native": Native("N1"),
        "grid": Grid.uniform(10_000),
        "lot": 10_000,
    }
    return Listing(**defaults | given)


def order(order_id: str = "o1", **given: Any) -> Order:
    """A buy of ten shares at 0.50."""
    size = Size(given.pop("size", 10 * ONE))
    limit = Price(given.pop("limit", 500_000))
    defaults: dict[str, Any] = {
        "order_id": OrderId(order_id),
        "listing": listing(),
        "side": Side.BUY,
        "limit": limit,
        "size": size,
        "cash": cost(limit, size),
        "created_ms": NOW_MS,
        "salt": 7,
    }
    return Order(**defaults | given)


def planned(*orders: Order, **given: Any) -> Planned:
    """The intent of a buy that was split into these orders."""
    amount = Cash(sum(o.cash for o in orders))
    defaults: dict[str, Any] = {
        "route_id": RouteId("rord-1"),
        "account_id": AccountId("acct-1"),
        "request_id": "req-1",
        "asked": MarketOrder(
            outcome=OutcomeId("px-aaaaaaaaaaaa"), side=Side.BUY, amount=amount, requested="10"
        ),
        "orders": orders,
        "considered": (),
        "at_ms": NOW_MS,
    }
    return Planned(**defaults | given)
