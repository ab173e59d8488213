"""Replies of this venue for its tests, as the card and the published reference show them."""

from typing import Any

from tests.venues.limitless.examples import ADDRESS, SLUG, YES, Json, reply
from venues.base.http import Response

NOTHING = {"contractsGross": "0", "contractsFee": "0", "contractsNet": "0", "usdGross": "0", "usdFee": "0",
           "usdNet": "0"}  # fmt: skip
ALL = {"contractsGross": "10000000", "contractsFee": "300000", "contractsNet": "9700000",
       "usdGross": "4200000", "usdFee": "0", "usdNet": "4200000"}  # fmt: skip
HALF = {"contractsGross": "5000000", "contractsFee": "150000", "contractsNet": "4850000",
        "usdGross": "2100000", "usdFee": "0", "usdNet": "2100000"}  # fmt: skip
PROFILE = reply(200, {"id": 12_345, "account": ADDRESS, "rank": {"feeRateBps": 300}})


def execution(status: str, totals: Json | None = None, **fields: Any) -> Json:
    traded = ALL if status in ("MATCHED", "MINED", "CONFIRMED", "RETRYING") else NOTHING
    return {
        "matched": traded is ALL, "settlementStatus": status, "tradeEventId": "te", "txHash": None,
        "clientOrderId": "sor-000001", "feeRateBps": 300, "effectiveFeeBps": 300,
        "totalsRaw": traded if totals is None else totals, **fields,
    }  # fmt: skip


def posted(status: str, totals: Json | None = None, **fields: Any) -> Response:
    """201 of POST /orders."""
    body = {"order": {"id": "v1", "status": "x"}, "makerMatches": [], "execution": execution(status, totals)}
    return reply(201, body | fields)


def item(status: str, totals: Json | None = None, *, state: str = "", **fields: Any) -> Json:
    """One look-up as the published reference shows it."""
    inner = {"order": {"salt": 1, "price": 0.42}, "makerMatches": []}
    known = inner | ({"status": state} if state else {})
    data = {"order": known, "makerMatches": [], "execution": execution(status, totals)}
    return {
        "index": 0,
        "status": "found",
        "orderId": "v1",
        "clientOrderId": "sor-000001",
        "data": data,
        **fields,
    }


def found(status: str, totals: Json | None = None, **fields: Any) -> Response:
    return reply(200, {"results": [item(status, totals, **fields)]})


MISSING = reply(200, {"results": [{"index": 0, "status": "not_found", "clientOrderId": "sor-000001"}]})


def listed(*ids: str, **fields: Any) -> Response:
    rows = [
        {
            "id": each,
            "side": 0,
            "tokenId": YES,
            "price": "0.42",
            "makerAmount": 4_200_000,
            "takerAmount": "10000000",
            "createdAt": "2026-11-20T12:34:56.789Z",
            **fields,
        }
        for each in ids
    ]
    return reply(200, {"orders": rows})


def portfolio(*rows: Json) -> Response:
    return reply(200, {"clob": list(rows), "amm": []})


def position(slug: str = SLUG, yes: object = "0", no: object = "0", locked: object = None) -> Json:
    row: Json = {"market": {"slug": slug, "title": "t"}, "tokensBalance": {"yes": yes, "no": no}}
    return row | (
        {"orders": {"liveOrders": [], "totalCollateralLocked": locked}} if locked is not None else {}
    )


def on_chain(raw: int) -> Response:
    return reply(200, {"jsonrpc": "2.0", "id": 1, "result": f"0x{raw:064x}"})
