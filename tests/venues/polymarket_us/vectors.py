"""This venue's golden vectors: requests and handshakes that its official clients really sent, fees of the
published formula, and frames with the books that a correct reader ends with."""

import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.venues.polymarket_us import examples
from tests.venues.polymarket_us.books import Books
from venues.base.events import Ask, Say
from venues.base.http import Request
from venues.base.listing import Native
from venues.base.orders import Order, Pending, Side, TimeInForce
from venues.base.units import Cash, Price, Size, complement, micros, signed_micros
from venues.polymarket_us import VENUE, wire
from venues.polymarket_us.fees import Curve
from venues.polymarket_us.moments import millis

Json = dict[str, Any]
Case = tuple[str, Callable[[], None]]
OUTSIDE = {"UA01", "UA05", "UA07"}
"""Calls of the clients that the router never makes: see "Vectors of calls we never make" in the README."""
TIMES = {word.removeprefix("TIME_IN_FORCE_"): time for word, time in {
    "TIME_IN_FORCE_IMMEDIATE_OR_CANCEL": TimeInForce.IOC,
    "TIME_IN_FORCE_FILL_OR_KILL": TimeInForce.FOK,
    "TIME_IN_FORCE_GOOD_TILL_CANCEL": TimeInForce.GTC,
    "TIME_IN_FORCE_GOOD_TILL_DATE": TimeInForce.GTD,
}.items()}  # fmt: skip


def cases(folder: Path) -> Iterator[Case]:
    """Every case of the folder."""
    checks = {"request": check_request, "ws_handshake": check_handshake, "fee": check_fee}
    for case in json.loads((folder / "polymarket_us.json").read_text())["cases"]:
        yield case["id"], partial(checks[case["kind"]], case)
    lines = (folder / "frames" / "polymarket_us.jsonl").read_text().splitlines()
    yield "frames", partial(check_frames, lines)
    documented = folder / "frames" / "polymarket_us.md"
    if documented.exists():
        yield "frames-documented", partial(check_documented, lines, documented.read_text())


def _signed(case: Json, request: Request) -> None:
    """Deterministic, so the very bytes are compared; and they verify over the text that was signed."""
    expected, source = case["expected"], case["input"]
    wanted = expected.get("request") or expected["handshake"]
    signer = VENUE.signer({"key_id": source["key_id"], "secret_key": source["secret_key"]})
    headers = signer.sign(request, source["timestamp_ms"]).headers
    named = {name: value for name, value in wanted["headers"].items() if name.startswith("X-PM-")}
    assert {name: value for name, value in headers.items() if name.startswith("X-PM-")} == named
    key = Ed25519PublicKey.from_public_bytes(b64decode(expected["public_key_base64"]))
    key.verify(b64decode(headers["X-PM-Signature"]), expected["signed_text"].encode())


def _ours(case: Json) -> Request:
    """The request that our own code makes in this case."""
    source = case["input"]
    signer = VENUE.signer(examples.CREDENTIALS)
    of, name = source["args"], source["call"]
    order = examples.order(size=10_000_000)
    known = Pending(order.order_id, "01JDEMOORDER0000000000000A", Size(0), Cash(0), "")
    open_on = [
        examples.listing(Native(slug)) for slug in (of[0].get("slugs", []) if name == "orders.list" else [])
    ]
    talks: dict[str, Callable[[], Any]] = {
        "orders.create": lambda: VENUE.orders.place(_order(of[0]), signer),
        "orders.cancel": lambda: VENUE.orders.cancel(order, signer, known),
        "orders.retrieve": lambda: VENUE.orders.look_up(order, signer, known, 0),
        "orders.list": lambda: VENUE.orders.open_orders(signer, open_on),
        "portfolio.positions": lambda: VENUE.orders.holdings(signer, []),
        "account.balances": lambda: VENUE.orders.funds(signer),
    }
    if name == "markets.book":
        [asked] = VENUE.feed().resync(Native(of[0]), 0)
        assert isinstance(asked, Ask)
        return asked.request
    replies = (
        [examples.reply(200, {"positions": {}, "nextCursor": "c-1"})] if name.endswith("positions") else []
    )
    return examples.talk_through(talks[name](), replies)[1][len(replies)]


def _order(body: Json) -> Order:
    inverted = body["intent"].endswith("SHORT")
    price = Price(micros(body["price"]["value"]))
    ends = body.get("goodTillTime")
    return examples.order(
        examples.listing(Native(body["marketSlug"]), inverted=inverted),
        side=Side.BUY if "_BUY_" in body["intent"] else Side.SELL,
        limit=complement(price) if inverted else price,
        size=micros(str(body["quantity"])),
        time_in_force=TIMES[body["tif"].removeprefix("TIME_IN_FORCE_")],
        post_only=body.get("participateDontInitiate", False),
        expires_s=millis(ends) // 1000 if ends else None,
    )


def _numbers(body: Json) -> Json:
    """With prices as numbers: 0.500 is 0.50."""
    return body | ({"price": micros(body["price"]["value"])} if "price" in body else {})


def check_request(case: Json) -> None:
    wanted = case["expected"]["request"]
    body = json.loads(wanted["body"]) if wanted["body"] else None
    if case["input"]["call"] in ("orders.create", "orders.preview"):
        assert body is not None
        order = body.get("request", body)
        assert json.loads(wire.encoded(msgspec.convert(order, wire.NewOrder))) == order
    if case["id"] in OUTSIDE:
        method, path = wanted["method"], wanted["path"]
        _signed(case, Request(method=method, path=path, purpose=examples.ORDER, private=True))
        return
    request = _ours(case)
    query = sorted(pair for pair in wanted["query"].split("&") if pair)
    assert (request.method, request.path) == (wanted["method"], wanted["path"])
    assert sorted(f"{name}={value}" for name, value in request.query) == query
    if body is not None:
        ours = json.loads(request.body)
        if body.get("tif", "").endswith("FILL_OR_KILL"):
            assert ours.pop("maxBlockTime") == "5", "the vector leaves it to the venue"
        assert _numbers(ours) == _numbers(body)
        assert request.headers["Content-Type"] == "application/json"
    if case["input"]["secret_key"] is None:
        assert (request.host, request.private) == ("gateway", False)
    else:
        assert (request.host, request.private) == ("rest", True)
        _signed(case, request)


def check_handshake(case: Json) -> None:
    wanted, source = case["expected"], case["input"]
    private = VENUE.private
    assert private is not None
    if source["call"] == "ws.markets":
        feed = VENUE.feed()
        handshake, first = feed.handshake(), feed.subscribe([Native(slug) for slug in source["args"][2]])
    else:
        stream = private(VENUE.signer(examples.CREDENTIALS))
        handshake, first = stream.handshake(), stream.opening()  # type: ignore[assignment]  # both hold Say first
    assert (handshake.method, handshake.path) == (wanted["handshake"]["method"], wanted["handshake"]["path"])
    assert (handshake.host, handshake.private) == ("socket", True)
    _signed(case, handshake)
    assert isinstance(first[0], Say)
    said, meant = json.loads(first[0].text), wanted["first_message"]
    meant["subscribe"]["requestId"] = said["subscribe"]["requestId"]
    assert said == meant


def check_fee(case: Json) -> None:
    """The sign of the coefficient says whether it is a taker's fee or a maker's rebate."""
    source = case["input"]
    curve = Curve(signed_micros(source["theta"]))
    fee = curve.fill(Price(micros(source["price"])), Size(micros(source["contracts"])))
    assert fee == signed_micros(case["expected"]["fee_usd"])


def check_frames(lines: list[str]) -> None:
    """Every frame is readable, and the books are those of a reader that keeps nothing but the last frame."""
    books = Books()
    last: dict[str, Json] = {}
    for line in lines:
        books.hear(line)
        data = json.loads(line).get("marketData")
        if data:
            last[data["marketSlug"]] = data
    for slug, data in last.items():
        assert (slug in books.halted) == (data["state"] != "MARKET_STATE_OPEN"), slug
        if slug not in books.halted:
            wanted = [
                {micros(r["px"]["value"]): micros(r["qty"]) for r in data[s]} for s in ("bids", "offers")
            ]
            assert books.levels[slug] == wanted


def check_documented(lines: list[str], text: str) -> None:
    """The table of final states that stands beside the frames."""
    books = Books()
    for line in lines:
        books.hear(line)
    rows = re.findall(
        r"^\| (\S+) \| MARKET_STATE_(\w+) \| (\d+) bids, (\d+) offers \| (.+?) \| (.+?) \|",
        text,
        re.MULTILINE,
    )
    assert len(rows) == 3
    for slug, state, bids, offers, best_bid, best_ask in rows:
        assert (slug in books.halted) == (state != "OPEN")
        if state != "OPEN":
            continue
        own_bids, own_asks = books.levels[slug]
        assert (len(own_bids), len(own_asks)) == (int(bids), int(offers))
        for quote, price in ((best_bid, max(own_bids)), (best_ask, min(own_asks))):
            wanted, size = quote.split(" x ")
            levels = own_bids | own_asks
            assert (micros(wanted), micros(size)) == (price, levels[price])
