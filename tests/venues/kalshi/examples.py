"""Constructors for this venue's tests, with defaults for everything; the keys are the vectors' own."""

import json
from pathlib import Path
from typing import Any, TypeVar

import venues.kalshi
from venues.base.http import Reply, Request, Response, Silence, Talk
from venues.base.listing import Grid, Listing, Native
from venues.base.orders import Order, OrderId, Side, TimeInForce
from venues.base.units import ONE, Cash, Price, Size
from venues.kalshi.fees import LOT
from venues.kalshi.signer import KalshiSigner

T = TypeVar("T")
FOLDER = Path(venues.kalshi.__file__).parent / "vectors"
VECTORS: dict[str, Any] = json.loads((FOLDER / "kalshi.json").read_text())
KEYS = {key["id"]: key for key in VECTORS["keys"]}
TICKER = Native("KXHIGHNY-26DEC02-T64")
CREATED_MS = 1_795_183_200_000
CENTS = Grid.uniform(LOT)


def signer(key: str = "k1", **more: str) -> KalshiSigner:
    return KalshiSigner({"key_id": KEYS[key]["key_id"], "private_key": KEYS[key]["private_key_pem"], **more})


def listing(
    native: Native = TICKER, *, inverted: bool = False, grid: Grid = CENTS, pool: str = "0"
) -> Listing:
    return Listing(
        venue="kalshi",
        native=native,
        inverted=inverted,
        grid=grid,
        lot=LOT,
        pool=pool,
        details={"fee_type": "quadratic", "fee_multiplier": "1"},
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
    order_id: str = "sor-000001",
) -> Order:
    return Order(
        order_id=OrderId(order_id),
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


def reply(status: int, body: object) -> Response:
    return Response(status, body if isinstance(body, bytes) else json.dumps(body).encode())


def talk_through(talk: Talk[T], replies: list[Reply]) -> tuple[T, list[Request]]:
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
