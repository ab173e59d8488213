"""What the simulated venue answers to a wallet with a token: orders, positions (card, sections 9, 11)."""

from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Any

from venues.predict import sim_rows as rows
from venues.predict import sim_rules as rules
from venues.predict.sim_accounts import Customer
from venues.predict.sim_desk import Desk
from venues.predict.sim_public import PublicFace, last_segment, page, read_json
from venues.predict.sim_rows import Json
from venues.predict.sim_rules import RefusedError, bad_request
from venues.sim.contract import Call
from venues.sim.model import SimOrder

REMOVED_MAX = 100
"""Orders in one call (section 11)."""
Handler = Callable[[Customer, Call, int], Json]


class PrivateFace:
    """The calls with a token. All take the customer, the call and the time, and return the reply's fields."""

    def __init__(self, desk: Desk, public: PublicFace, luck: Random, knobs: Mapping[str, int]) -> None:
        self._desk = desk
        self._luck = luck
        self._knobs = knobs
        self.routes: dict[str, Handler] = {
            "POST /v1/orders": self._place,
            "GET /v1/orders": self._orders,
            "GET /v1/orders/*": self._order,
            "POST /v1/orders/remove": partial(self._remove, "ids"),
            "POST /v1/orders/remove-by-hash": partial(self._remove, "hashes"),
            "GET /v1/positions": lambda customer, call, _: public.positions(call, customer.wallet),
            "GET /v1/account": lambda customer, *_: {"data": {"name": "", "address": customer.wallet}},
        }

    def _place(self, customer: Customer, call: Call, now_ms: int) -> Json:
        if self._knobs["region_blocked"]:
            raise RefusedError(403, "forbidden", "Trading is not available in your region")
        return {"data": self._desk.place(customer, rules.read_ticket(read_json(call)), now_ms)}

    def _orders(self, customer: Customer, call: Call, now_ms: int) -> Json:
        """Limit orders of one status, newest first."""
        status = call.query.get("status") or "OPEN"
        found = [
            order
            for order in reversed(self._desk.orders.values())
            if _readable(order, customer, now_ms)
            and not rows.ticket_of(order).market
            and rows.shown_status(order, now_ms) == status
        ]
        return page(call, found, lambda order: order.order_id, lambda order: self._row(order, now_ms))

    def _row(self, order: SimOrder, now_ms: int) -> Json:
        return rows.order_row(order, self._desk.terms[order.market.market_id], now_ms)

    def _order(self, customer: Customer, call: Call, now_ms: int) -> Json:
        order = self._desk.orders.get(last_segment(call).lower())
        if order is None or not _readable(order, customer, now_ms):
            raise RefusedError(404, "not_found", "Order not found")
        return {"data": self._row(order, now_ms)}

    def _remove(self, kind: str, customer: Customer, call: Call, now_ms: int) -> Json:
        """Before removalLockedUntil the venue answers oddly, one way or the other (section 11)."""
        names = _names(read_json(call), kind)
        hashes = [self._desk.hash_of.get(name, "") if kind == "ids" else name.lower() for name in names]
        orders = [self._desk.orders.get(order_hash) for order_hash in hashes]
        locked = any(order is not None and "held_until" in order.notes for order in orders)
        if locked and self._luck.randint(1, 100) <= self._knobs["early_401_percent"]:
            raise RefusedError(401, "unauthorized", "Some orders do not belong to this wallet")
        done: dict[str, list[str]] = {"removed": [], "noop": [], "rejected": [], "locked": []}
        for name, order in zip(names, orders, strict=True):
            done[self._desk.remove(customer, order, now_ms)].append(name)
        del done["locked"]
        return dict(done)


def _readable(order: SimOrder, customer: Customer, now_ms: int) -> bool:
    """Whether the customer can see it already."""
    return order.account == customer.wallet and now_ms >= int(str(order.notes["readable_ms"]))


def _names(payload: Any, kind: str) -> list[str]:
    data = payload.get("data") if isinstance(payload, dict) else None
    names: Any = data.get(kind) if isinstance(data, dict) else None
    texts = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not texts or not 0 < len(names) <= REMOVED_MAX:
        raise bad_request(f"data.{kind}: must be an array of 1 to {REMOVED_MAX} texts")
    return list(names)
