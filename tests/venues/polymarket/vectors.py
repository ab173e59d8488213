"""What the cases of Polymarket's vectors mean: values of the official clients, and market-data frames."""

import json
import re
from collections.abc import Callable, Iterable
from decimal import ROUND_FLOOR, Decimal
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from tests.venues.polymarket import world
from tests.venues.polymarket.slow_book import SlowBooks
from venues.base.events import Snapshot
from venues.base.http import Purpose, Request, Response
from venues.base.listing import Native
from venues.base.orders import Order, Side, TimeInForce
from venues.base.units import ONE, Cash, Price, Size, micros
from venues.kit.eip712 import Key, checksummed, domain_separator
from venues.polymarket import amounts, wallets, wire
from venues.polymarket.feed import PolymarketFeed, book_hash
from venues.polymarket.fees import PolymarketCurve
from venues.polymarket.orders import GTD_LEAD_S, PolymarketOrders, draft_of, order_post, post
from venues.polymarket.signer import Draft, PolymarketSigner, is_protocol_v2

Json = dict[str, Any]
TIMES = {
    "FAK": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "GTC": TimeInForce.GTC,
    "GTD": TimeInForce.GTD,
}


def cases(folder: Path) -> Iterable[tuple[str, Callable[[], None]]]:
    """Every case of `polymarket.json`, and of the frames with the tables beside them."""
    known = json.loads((folder / "polymarket.json").read_text())["cases"]
    by_id = {case["id"]: case for case in known}
    for case in known:
        check = CHECKS[case["kind"]]
        given = case["input"]
        given["orders"] = [by_id[other]["input"] for other in given.get("order_case_ids", ())]
        yield f"{case['id']}-{case['kind']}", partial(check, given, case["expected"])
    frames = folder / "frames" / "polymarket.jsonl"
    if frames.exists():
        yield "frames-against-slow-books", partial(_frames_slowly, frames)
        yield "frames-documented-books", partial(_frames_as_documented, frames)


def _signer(case: Json) -> PolymarketSigner:
    extra = {"private_key": case["private_key"], "chain_id": str(case.get("chain_id", 137))}
    kind = int(case.get("signature_type", 0))
    owner = Key(case["private_key"]).address
    funders = {1: wallets.proxy_wallet, 2: wallets.safe_wallet, 3: wallets.deposit_wallet}
    if kind:
        extra |= {"signature_type": str(kind), "funder": checksummed(funders[kind](owner))}
    return PolymarketSigner(world.SECRETS | extra | (case.get("api_creds") or {}))


def _order(case: Json) -> Order:
    side = Side.BUY if case["side"] == "BUY" else Side.SELL
    listing = world.listing(
        native=case["token_id"],
        tick=micros(case["tick_size"]),
        details={"neg_risk": str(case["neg_risk"]).lower()},
    )
    given = micros(case.get("amount") or case["size"])
    expiration = case.get("expiration")
    return Order(
        order_id=world.ORDER_ID,
        listing=listing,
        side=side,
        limit=Price(micros(case["price"])),
        size=Size(given if case["order_kind"] == "limit" or side is Side.SELL else 0),
        cash=Cash(given),
        time_in_force=TIMES[case["order_type"]],
        post_only=case.get("post_only", False),
        expires_s=expiration - GTD_LEAD_S if expiration else None,
        created_ms=case["timestamp_ms"],
        salt=case["salt"],
    )


def _draft(case: Json) -> Draft:
    """The product's draft; a limit order sent as FAK, and a builder code, are things it never does itself."""
    order = _order(case)
    resting = msgspec.structs.replace(order, time_in_force=TimeInForce.GTC)
    draft = draft_of(resting if case["order_kind"] == "limit" else order)
    builder = bytes.fromhex(case.get("builder", "0x" + "00" * 32)[2:])
    return msgspec.structs.replace(draft, builder=builder)


def _check_order(case: Json, expected: Json) -> None:
    signer, order, draft = _signer(case), _order(case), _draft(case)
    domain = expected["domain"]
    separator = domain_separator(
        domain["name"], domain["version"], domain["chainId"], bytes.fromhex(domain["verifyingContract"][2:])
    )
    assert "0x" + separator.hex() == expected["domain_separator"]
    assert (signer.address, signer.maker) == (expected["signer_address"], expected["maker_address"])
    assert signer.order_hash(draft) == expected["order_hash"]
    expires_s = int(expected["order"]["expiration"])
    order_hash, signed = signer.signed(draft, expires_s)
    assert order_hash == expected["order_hash"]
    assert msgspec.to_builtins(signed) == expected["order"]
    if draft == draft_of(order):
        assert order_post(order, signer)[1].order == signed
    body = wire.OrderPost(signed, signer.api_key, case["order_type"], post_only=order.post_only)
    _same_request(post("/order", body), expected["request"], signer)
    other = expected.get("alternative_request")
    if other:
        theirs = Request(
            method=other["method"], path=other["path"], purpose=Purpose.ORDER, body=other["body"].encode()
        )
        _same_request(theirs, other, signer)
        ours, same = json.loads(post("/order", body).body), json.loads(other["body"])
        assert ours == {"postOnly": False, "deferExec": False} | same


def _same_request(request: Request, expected: Json, signer: PolymarketSigner) -> None:
    """The same bytes, and the same signature over them."""
    stamp_s = int(expected["headers"]["POLY_TIMESTAMP"])
    sent = signer.sign(request, stamp_s * 1000 + 999)
    assert (sent.method, sent.path, sent.body.decode()) == (
        expected["method"],
        expected["path"],
        expected["body"],
    )
    if expected.get("query") is not None:
        assert urlencode(sent.query) == expected["query"]
    assert {k: v for k, v in sent.headers.items() if k.startswith("POLY_")} == expected["headers"]


def _check_l1(case: Json, expected: Json) -> None:
    separator = domain_separator("ClobAuthDomain", "1", case["chain_id"])
    assert "0x" + separator.hex() == expected["domain_separator"]
    assert _signer(case).wallet_headers(case["timestamp_s"], case["nonce"]) == expected["headers"]


def _check_l2(case: Json, expected: Json) -> None:
    signer = _signer({**case, "signature_type": 0})
    wanted = expected["request"]
    query = tuple(_pairs(wanted["query"]))
    request = Request(
        method=wanted["method"],
        path=wanted["path"],
        query=query,
        purpose=Purpose.ACCOUNT,
        body=wanted["body"].encode(),
    )
    _same_request(request, wanted, signer)
    _asked_for_by_us(case, wanted)


def _pairs(query: str) -> Iterable[tuple[str, str]]:
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        yield name, value.replace("%3D", "=")


def _asked_for_by_us(case: Json, wanted: Json) -> None:
    """Where the product makes this call too, it makes the same one. (Token 111 is one of protocol v2.)"""
    if case["call"] == "balance" and case["asset_type"] == "CONDITIONAL":
        ours = next(PolymarketOrders().holdings(_signer(case), [world.listing()]))
        query = wanted["query"].replace(case["asset_id"], world.TOKEN)
        assert (ours.method, ours.path, urlencode(ours.query)) == ("GET", wanted["path"], query)


def _check_hmac(case: Json, expected: Json) -> None:
    signer = PolymarketSigner(world.SECRETS | {"api_secret": case["secret"]})
    request = Request(
        method=case["method"], path=case["path"], purpose=Purpose.ACCOUNT, body=case["body"].encode()
    )
    sent = signer.sign(request, case["timestamp_s"] * 1000)
    assert sent.headers["POLY_SIGNATURE"] == expected["signature"]


def _check_wallets(case: Json, expected: Json) -> None:
    owner = Key(case["private_key"]).address
    assert checksummed(owner) == expected["eoa"]
    assert checksummed(wallets.proxy_wallet(owner)) == expected["poly_proxy"]
    assert checksummed(wallets.safe_wallet(owner)) == expected["gnosis_safe"]
    assert checksummed(wallets.deposit_wallet(owner)) == expected["deposit_wallet_beacon"]
    assert checksummed(wallets.legacy_deposit_wallet(owner)) == expected["deposit_wallet_uups_legacy"]


def _check_amounts(case: Json, expected: Json) -> None:
    given, price = micros(case["amount_or_size"]), Price(micros(case["price"]))
    tick = micros(case["tick_size"])
    pair: tuple[int, int]
    if case["order_kind"] == "limit":
        size, cash = amounts.limit(Size(given), price, tick)
        pair = (cash, size) if case["side"] == "BUY" else (size, cash)
    elif case["side"] == "BUY":
        pair = amounts.market_buy(Cash(given), price, tick)
    else:
        pair = amounts.market_sell(Size(given), price, tick)
    assert [str(amount) for amount in pair] == [expected["maker_amount"], expected["taker_amount"]]


def _check_estimate(case: Json, expected: Json) -> None:
    """The worst level a market order touches, over the book as our feed reads it (best LAST on the wire)."""
    body: Json = {"market": "0x", "asset_id": "1", "timestamp": "1"}
    for side in ("bids", "asks"):
        body[side] = [{"price": price, "size": size} for price, size in case[side]]
    feed = PolymarketFeed()
    feed.subscribe([Native("1")])
    feed.resync(Native("1"), 0)
    [book] = feed.fetched(Native("1"), Response(200, json.dumps(body).encode()), 0)
    assert isinstance(book, Snapshot)
    levels = sorted(book.asks) if case["side"] == "BUY" else sorted(book.bids, reverse=True)
    wanted, worst = micros(case["amount"]) * ONE, Price(0)
    for price, size in levels:
        worst = price
        wanted -= price * size if case["side"] == "BUY" else size * ONE
        if wanted <= 0:
            break
    for kind, price_text in expected["price"].items():
        if price_text.startswith("error:"):
            assert (kind, wanted > 0) == ("FOK", True)
        else:
            assert worst == micros(price_text)


def _check_fee_cap(case: Json, expected: Json) -> None:
    """The spend that leaves room for the fee follows from the curve's own ranking price."""
    price = Price(micros(case["price"]))
    ranked = _curve(case).rank(Side.BUY, price)
    builder = Decimal(case["builder_taker_fee_rate"])
    share = Decimal(ranked) / 1000 / price + builder
    spend = min(Decimal(case["amount"]), Decimal(case["max_spend"]) / share)
    assert abs(spend - Decimal(expected["amount"])) < Decimal("0.000001")
    cents = spend.quantize(Decimal("0.01"), ROUND_FLOOR)
    assert cents == Decimal(expected["signed_amount_floor_2dp"])


def _curve(case: Json) -> PolymarketCurve:
    return PolymarketCurve(micros(case["rate"]), int(case["exponent"]))


def _check_fee(case: Json, expected: Json) -> None:
    price, size = Price(micros(case["price"])), Size(micros(case["shares"]))
    assert _curve(case).charged(Side.BUY, [(price, size)]).cash == micros(expected["fee_floor_5dp"])


def _check_hash(case: Json, expected: Json) -> None:
    assert book_hash(msgspec.convert(case, wire.BookBody)) == expected["hash"]


def _check_protocol(case: Json, expected: Json) -> None:
    assert is_protocol_v2(case["asset_id"]) is expected["is_protocol_v2"]


def _check_batch(case: Json, expected: Json) -> None:
    signer = _signer(case)
    bodies = []
    for placed, kind in zip(case["orders"], case["order_types"], strict=True):
        _, signed = signer.signed(_draft(placed))
        bodies.append(wire.OrderPost(signed, signer.api_key, kind))
    _same_request(post("/orders", bodies), expected["request"], signer)


CHECKS: dict[str, Callable[[Json, Json], None]] = {
    "order": _check_order,
    "l1_headers": _check_l1,
    "l2_request": _check_l2,
    "l2_hmac": _check_hmac,
    "wallet_addresses": _check_wallets,
    "amounts": _check_amounts,
    "market_price_estimate": _check_estimate,
    "buy_amount_with_fee_cap": _check_fee_cap,
    "taker_fee": _check_fee,
    "book_hash": _check_hash,
    "asset_id_protocol": _check_protocol,
    "batch_request": _check_batch,
}


# --- frames ---


def _assets(frame: Any) -> set[str]:
    parts = frame if isinstance(frame, list) else [frame]
    return {part["asset_id"] for part in parts if part.get("event_type") == "book"}


def _lines(frames: Path) -> list[str]:
    return [line for line in frames.read_text().splitlines() if line.strip()]


def _frames_slowly(frames: Path) -> None:
    """After every frame the books built from our events equal those a slow reading of the JSON builds."""
    lines = _lines(frames)
    natives = sorted(set().union(*(_assets(json.loads(line)) for line in lines)))
    replay, slow = world.Replay(natives), SlowBooks(natives)
    for number, line in enumerate(lines, 1):
        replay.receive(line)
        slow.receive(json.loads(line))
        assert replay.books == slow.books, f"line {number}"
    assert not replay.contradictions


def _frames_as_documented(frames: Path) -> None:
    """The tables of the page beside the frames: ids by name, and the books after the documented lines."""
    page = frames.with_suffix(".md")
    if not page.exists():
        pytest.skip("no page of expected books beside the frames")
    text = page.read_text()
    ids = dict(re.findall(r"^\| (\w+) \| `(\d{20,})` \|$", text, re.MULTILINE))
    last = int(re.findall(r"after replaying lines 1-(\d+)", text)[0])
    lines = _lines(frames)
    named = set(re.findall(r"\[(\w+(?:,\w+)+)\]", text)[0].split(","))
    replay = world.Replay(sorted(ids[name] for name in named))
    for line in lines[:last]:
        replay.receive(line)
    rows = re.findall(r"^\| (\w+) \| (.*) \| (.*) \| (.*) \|$", text, re.MULTILINE)
    found = 0
    for name, bids, asks, tick in rows:
        if name not in named:
            continue
        found += 1
        native = ids[name]
        if bids.startswith("dropped"):
            assert native not in replay.books
            continue
        assert replay.best_first(native) == (_documented(bids), _documented(asks))
        assert replay.ticks.get(native, micros("0.01")) == micros(tick)
    assert found == len(named)


def _documented(cell: str) -> list[tuple[int, int]]:
    return [(micros(price), micros(size)) for price, size in re.findall(r"\(([\d.]+), ([\d.]+)\)", cell)]
