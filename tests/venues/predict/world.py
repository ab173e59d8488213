"""Constructors for this venue's tests, with a default for everything."""

import json
from collections.abc import Callable, Generator
from typing import Any, TypeVar

from venues.base.http import Reply, Request, Response, Silence
from venues.base.listing import Grid, Listing, Native
from venues.base.orders import News, Order, OrderId, Side
from venues.base.units import Cash, Price, Size
from venues.predict.signer import PredictSigner

T = TypeVar("T")
NOW_MS = 1_790_000_001_000
ORDER_ID = OrderId("6f1b0f0e-0000-4000-8000-00000000000b")
SECRETS = {"private_key": "0x" + "00" * 31 + "01", "api_key": "test-key-predict-main"}
MARKET = Native("88123")
YES = "36836704788743641889472714676342231734981372015886963015064179051667839067731"
NO = "8047021453597554068602104818066696515043556598414476349860862651725109251846"
DETAILS = {
    "first_token": YES,
    "second_token": NO,
    "neg_risk": "false",
    "yield_bearing": "false",
    "fee_rate_bps": "200",
}
TOKEN = "test.jwt.token"
E18 = 10**18


def signer(*, logged_in: bool = True, **secrets: str) -> PredictSigner:
    made = PredictSigner(SECRETS | secrets)
    if logged_in:
        made.seen_ms = NOW_MS
        made.keep(TOKEN)
    return made


def listing(*, inverted: bool = False, tick: int = 10_000, **details: str) -> Listing:
    return Listing(
        venue="predict",
        native=MARKET,
        inverted=inverted,
        grid=Grid.uniform(tick),
        lot=10_000,
        minimum_size=10_000,
        minimum_cash=1_000_000,
        minimum_sale_cash=1_000_000,
        details=DETAILS | details,
    )


def order(**wish: Any) -> Order:
    """A buy of 58.13 shares of the first outcome at 0.43 or better, unless told otherwise."""
    usual: dict[str, Any] = {
        "order_id": ORDER_ID,
        "listing": listing(),
        "side": Side.BUY,
        "limit": Price(430_000),
        "size": Size(58_130_000),
        "cash": Cash(24_995_900),
        "created_ms": NOW_MS,
        "salt": 479_249_096_354,
    }
    return Order(**(usual | wish))


def said(data: Any, status: int = 200, **more: Any) -> Response:
    """A success of the venue."""
    return Response(status, json.dumps({"success": True, "data": data, **more}).encode())


def refusal(slug: str, status: int = 400) -> Response:
    """An error of the venue."""
    body = {"success": False, "code": status, "error": slug, "message": "in its own words"}
    return Response(status, json.dumps(body).encode())


def wei(millionths: int) -> str:
    return str(millionths * 10**12)


def party(order_hash: str, **wish: Any) -> dict[str, Any]:
    """One side of a match: ours, as the taker of `order()`, unless told otherwise."""
    usual = {
        "hash": order_hash,
        "amount": wei(58_130_000),
        "price": wei(430_000),
        "fee": {"amount": wei(1_162_600), "type": "SHARES"},
        "outcome": {"indexSet": 1, "name": "Yes", "onChainId": YES},
        "quoteType": "Bid",
        "signer": signer().address,
    }
    return usual | wish


def match(taker: dict[str, Any], **wish: Any) -> dict[str, Any]:
    """A match of all of `order()` at its limit, unless told otherwise."""
    usual = {
        "amountFilled": taker["amount"],
        "priceExecuted": wei(430_000),
        "executedAt": "2026-09-21T14:13:22.000Z",
        "settlementId": "s1",
        "transactionHash": "0x" + "ab" * 32,
        "market": {"id": int(MARKET)},
        "taker": taker,
        "makers": [],
    }
    return usual | wish


def state(order_hash: str, status: str, filled: int = 0, **wish: Any) -> Response:
    """GET /v1/orders/{hash}."""
    usual = {
        "id": "415601",
        "marketId": int(MARKET),
        "currency": "USDT",
        "amount": wei(58_130_000),
        "amountFilled": wei(filled),
        "status": status,
        "strategy": "MARKET",
        "isNegRisk": False,
        "isYieldBearing": False,
        "order": {
            "hash": order_hash,
            "makerAmount": wei(24_995_900),
            "takerAmount": wei(58_130_000),
            "tokenId": YES,
            "side": 0,
        },
    }
    return said(usual | wish)


def event(order_hash: str, kind: str, settlement: str = "", **told: str) -> News:
    """What the wallet's stream says; with a settlement, of all of `order()` unless told otherwise."""
    fill = {"price": wei(430_000), "size": wei(58_130_000), "fee": wei(1_162_600), "fee_type": "SHARES"}
    known = {"type": kind, "settlement": settlement, "reason": ""} | (fill if settlement else {}) | told
    return News(venue_order_id=order_hash, told=known)


Venue = Callable[[Request], Reply]


def hold(talk: Generator[Request, Reply, T], venue: Venue, *, by: PredictSigner | None = None) -> T:
    """Hold a conversation with a venue that is a function. Requests are signed `by` this signer at NOW_MS."""
    reply: Reply | None = None
    while True:
        try:
            request = talk.send(reply) if reply is not None else next(talk)
        except StopIteration as stop:
            done: T = stop.value
            return done
        if by is not None and request.private:
            request = by.sign(request, NOW_MS)
        reply = venue(request)


def silent(*, sent: bool) -> Silence:
    return Silence("deadline", sent=sent)
