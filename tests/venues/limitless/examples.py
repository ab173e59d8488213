"""Markets, orders and replies of this venue for its tests; what a test sets is what it is about."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

import venues
from venues.base.http import Reply, Request, Response, Silence, Talk
from venues.base.listing import Grid, Listing, Native
from venues.base.orders import Order, OrderId, Side
from venues.base.units import ONE, Cash, Price, Size, cost
from venues.limitless.fees import LEGACY
from venues.limitless.listings import LOT, MINIMUM, NAME
from venues.limitless.signer import LimitlessSigner, Profile

T = TypeVar("T")
Json = dict[str, Any]
FOLDER = Path(venues.__file__).parent / "limitless" / "vectors"
VECTORS: Json = json.loads((FOLDER / "limitless.json").read_text())
SECRETS = {
    "private_key": VECTORS["orders"][0]["private_key"],
    "token_id": VECTORS["hmac_credentials"]["token_id"],
    "token_secret": VECTORS["hmac_credentials"]["secret"],
}
ADDRESS = VECTORS["orders"][0]["address"]
YES, NO = "1234567", "7654321"
EXCHANGE = "0xB48128B87C3D8c10f778aC636fAe2D66889C4f19"
USDC = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"
SLUG = Native("btc-above-100k-2026-12-31")
CREATED_MS = 1_795_178_096_789


def market(slug: str = SLUG, **fields: Any) -> Json:
    """GET /markets/{slug} of a legacy market."""
    return {
        "id": 48_211, "slug": slug, "title": "BTC above 100k?", "conditionId": "0x" + "3a" * 32,
        "status": "FUNDED", "tradeType": "clob", "marketType": "single",
        "expirationTimestamp": 1_798_761_600_000, "tokens": {"yes": YES, "no": NO},
        "collateralToken": {"address": USDC, "decimals": 6, "symbol": "USDC"},
        "settings": {"minSize": "100000000", "maxSpread": 0.035, "takerDelayMs": 0},
        "venue": {"exchange": EXCHANGE, "adapter": None}, **fields,
    }  # fmt: skip


def listing(native: Native = SLUG, *, inverted: bool = False, **details: str) -> Listing:
    """As `listings.py` makes it."""
    return Listing(
        venue=NAME,
        native=native,
        inverted=inverted,
        grid=Grid.uniform(1_000),
        lot=LOT,
        minimum_cash=MINIMUM,
        minimum_sale_cash=MINIMUM,
        details={"token_yes": YES, "token_no": NO, "exchange": EXCHANGE, "fees": LEGACY, **details},
    )


def order(of: Listing | None = None, **fields: Any) -> Order:
    """A buy of ten shares at 0.42."""
    limit, size = fields.get("limit", 420_000), fields.get("size", 10 * ONE)
    known = Order(
        order_id=OrderId("sor-000001"),
        listing=of or listing(),
        side=Side.BUY,
        limit=Price(limit),
        size=Size(size),
        cash=Cash(cost(Price(limit), Size(size))),
        created_ms=CREATED_MS,
        salt=1_718_900_001,
    )
    return msgspec.structs.replace(known, **fields)


def signer(*, known: bool = True) -> LimitlessSigner:
    """The account of the vectors; with `known`, its profile has been read already."""
    made = LimitlessSigner(SECRETS)
    if known:
        made.profile = Profile(12_345, 300)
    return made


def reply(status: int, body: object) -> Response:
    """A response; bytes as they are, all else as JSON."""
    return Response(status, body if isinstance(body, bytes) else json.dumps(body).encode())


def talk_through(talk: Talk[T], replies: Sequence[Reply]) -> tuple[T, list[Request]]:
    """What a conversation ends with, and what it asked; silence when the replies run out."""
    asked: list[Request] = []
    left = list(replies)
    try:
        asked.append(next(talk))
        while True:
            asked.append(talk.send(left.pop(0) if left else Silence("no reply", sent=True)))
    except StopIteration as stop:
        done: T = stop.value
        return done, asked
