"""Constructors for this venue's tests, with defaults for everything; the keys are the vectors' own."""

import json
from collections.abc import Sequence
from typing import Any, TypeVar

from venues.base.http import Purpose, Reply, Request, Response, Silence, Talk
from venues.base.listing import Grid, Listing, Native
from venues.base.orders import Order, OrderId, Side, TimeInForce
from venues.base.units import ONE, Cash, Price, Size
from venues.polymarket_us import VENUE

T = TypeVar("T")
Json = dict[str, Any]
ORDER = Purpose.ORDER
SLUG = Native("aec-demo-home-away-2026-12-01")
CREDENTIALS = {
    "key_id": "00000000-0000-4000-8000-0000000000a1",
    "secret_key": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
}
SIGNER = VENUE.signer(CREDENTIALS)
CREATED_MS = 1_795_183_200_000
MADE = "2026-11-20T14:00:00.250Z"
"""A quarter of a second later."""
CENT = 10_000


def listing(native: Native = SLUG, *, inverted: bool = False, tick: int = CENT, lot: int = CENT) -> Listing:
    return Listing(
        venue="polymarket_us",
        native=native,
        inverted=inverted,
        grid=Grid.uniform(tick),
        lot=lot,
        minimum_size=lot,
        details={"fee_coefficient": "0.0695"},
    )


def order(
    of: Listing | None = None,
    *,
    side: Side = Side.BUY,
    limit: int = 560_000,
    size: int = 10 * ONE,
    time_in_force: TimeInForce = TimeInForce.IOC,
    post_only: bool = False,
    expires_s: int | None = None,
) -> Order:
    return Order(
        order_id=OrderId("our-1"),
        listing=of or listing(),
        side=side,
        limit=Price(limit),
        size=Size(size),
        cash=Cash(limit * size // ONE),
        time_in_force=time_in_force,
        post_only=post_only,
        expires_s=expires_s,
        created_ms=CREATED_MS,
        salt=1,
    )


def usd(value: str) -> Json:
    return {"value": value, "currency": "USD"}


def row(**more: object) -> Json:
    """The state of the default order, filled whole."""
    return {
        "id": "V1", "marketSlug": SLUG, "intent": "ORDER_INTENT_BUY_LONG", "type": "ORDER_TYPE_LIMIT",
        "tif": "TIME_IN_FORCE_IMMEDIATE_OR_CANCEL", "state": "ORDER_STATE_FILLED", "price": usd("0.56"),
        "quantity": 10, "cumQuantity": 10, "createTime": MADE,
        "commissionNotionalTotalCollected": usd("0.17"),
    } | more  # fmt: skip


def execution(of: Json | None = None, **more: object) -> Json:
    """The fill of the whole default order."""
    return {
        "id": "E1", "type": "EXECUTION_TYPE_FILL", "order": of or row(), "lastShares": "10",
        "lastPx": usd("0.56"), "tradeId": "T1", "commissionNotionalCollected": usd("0.17"),
    } | more  # fmt: skip


def trade(of: Json | None = None, **more: object) -> Json:
    """An activity: the trade behind an execution of ours, as the aggressor."""
    own = of or execution()
    body = {"id": own["tradeId"], "marketSlug": SLUG, "state": "TRADE_STATE_NEW", "createTime": MADE,
            "isAggressor": True, "aggressorExecution": own}  # fmt: skip
    return {"type": "ACTIVITY_TYPE_TRADE", "trade": body | more}


def reply(status: int, body: object) -> Response:
    return Response(status, body if isinstance(body, bytes) else json.dumps(body).encode())


def trades(*rows: Json, cursor: str = "") -> Response:
    return reply(200, {"activities": rows, "nextCursor": cursor, "eof": not cursor})


def resting(*rows: Json) -> Response:
    return reply(200, {"orders": rows})


def state(**more: object) -> Response:
    return reply(200, {"order": row(**more)})


def placed(*executions: Json, **more: object) -> Response:
    return reply(200, {"id": "V1", "executions": executions} | more)


def talk_through(talk: Talk[T], replies: Sequence[Reply]) -> tuple[T, list[Request]]:
    """Run a conversation against these replies, in order; past the last one nothing comes back."""
    asked: list[Request] = []
    queue = list(replies)
    answer: Reply | None = None
    while True:
        try:
            request = talk.send(answer) if answer is not None else next(talk)
        except StopIteration as stop:
            done: T = stop.value
            return done, asked
        asked.append(request)
        answer = queue.pop(0) if queue else Silence("no more replies", sent=True)
