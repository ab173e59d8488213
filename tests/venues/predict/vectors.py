"""What the cases of Predict.fun's vectors mean: values of the official clients, and constructed frames."""

import json
import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.venues.predict import world
from venues.base.events import Say, Snapshot
from venues.base.http import Purpose, Reply, Request
from venues.base.listing import Native
from venues.base.orders import News, Order, Rejected, Side, TimeInForce
from venues.base.units import Cash, Price, Size, micros
from venues.predict.amounts import amounts
from venues.predict.calls import post
from venues.predict.feed import PredictFeed
from venues.predict.fees import PredictCurve, fee_wei
from venues.predict.orders import PredictOrders, new_order
from venues.predict.private import PredictPrivateFeed
from venues.predict.signer import Draft, PredictSigner, personal_hash
from venues.predict.wire import NewOrder

Json = dict[str, Any]
MICRO = 10**12


def cases(folder: Path) -> Iterable[tuple[str, Callable[[], None]]]:
    """Every case of `predict.json`, and of the frames with the page beside them."""
    known = json.loads((folder / "predict.json").read_text())
    wallet = known["wallet"]
    for case in known["order_vectors"]:
        yield f"order-{case['name']}", partial(_check_order, case, wallet)
        yield f"request-{case['name']}", partial(_check_request, case, wallet)
    for case in known["auth_vectors"]:
        yield f"auth-{case['name']}", partial(_check_login, case, wallet)
    for case in known["rejection_vectors"]:
        yield f"rejection-{case['name']}", partial(_check_rejection, case)
    for case in known["fee_vectors"]["cases"]:
        name = f"{case['price']}-{case['shares']}-{case['fee_rate_bps']}"
        yield f"fee-{name}", partial(_check_fee, case)
    frames = folder / "frames" / "predict.jsonl"
    if frames.exists():
        yield "frames-books", partial(_check_books, frames)
        yield "frames-heartbeats", partial(_check_heartbeats, frames)
        yield "frames-wallet", partial(_check_wallet, frames)


def _signer(case: Json, wallet: Json, *, smart: bool) -> PredictSigner:
    secrets = {"private_key": wallet["private_key"], "chain_id": str(case.get("chain_id", 56))}
    return world.signer(**secrets, **({"account": wallet["predict_account"]} if smart else {}))


def _check_order(case: Json, wallet: Json) -> None:
    """Whatever the amounts: the same struct has the same hash and signature."""
    given, expected = case["input"], case["expect"]
    signer = _signer(given, wallet, smart=given["account"] == "predict_account")
    draft = _draft(case)
    signed = msgspec.to_builtins(signer.signed(draft))
    assert signed == expected["order"] | {"hash": expected["order_hash"], "signature": expected["signature"]}
    assert signer.order_hash(draft) == expected["order_hash"]


def _draft(case: Json) -> Draft:
    """What the client signed, field by field."""
    order, given = case["expect"]["order"], case["input"]
    return Draft(
        token_id=int(order["tokenId"]),
        maker_amount=int(order["makerAmount"]),
        taker_amount=int(order["takerAmount"]),
        expiration_s=int(order["expiration"]),
        fee_rate_bps=int(order["feeRateBps"]),
        side=order["side"],
        salt=int(order["salt"]),
        nonce=int(order["nonce"]),
        neg_risk=given["is_neg_risk"],
        yield_bearing=given["is_yield_bearing"],
    )


def _check_request(case: Json, wallet: Json) -> None:
    """Our own order of that size at the worst price of the walk says the same, but for what is never ours."""
    given, expected = case["input"], case["expect"]
    signer = _signer(given, wallet, smart=given["account"] == "predict_account")
    theirs = expected["request"]["body"]["data"]
    if given.get("nonce") or given.get("is_min_amount_out"):
        _check_body(_draft(case), signer, theirs)
        return
    order = _order(case)
    ours = json.loads(msgspec.json.encode(new_order(order, signer)))
    if int(given.get("slippage_bps", 0)):
        _same_but_for_slippage(ours, theirs)
        return
    if theirs["pricePerShare"] != expected["amounts"]["lastPrice"]:
        # Theirs is the average of a walk; ours is the bound itself. It is not signed.
        theirs = theirs | {"pricePerShare": expected["amounts"]["lastPrice"]}
    assert ours == theirs
    request = signer.sign(post("/v1/orders", {"data": new_order(order, signer)}, purpose=Purpose.ORDER), 0)
    assert (request.method, request.path) == (expected["request"]["method"], expected["request"]["path"])
    assert request.headers == expected["request"]["headers"]


def _check_body(draft: Draft, signer: PredictSigner, theirs: Json) -> None:
    """A nonce, and a buy that names the cash to spend, are never ours (README, "Vectors of calls we never
    make"): given the client's choice of both, the body is the same.
    """
    named = {name: theirs[name] for name in ("pricePerShare", "strategy")}
    market = {name: theirs[name] for name in ("slippageBps", "isFillOrKill") if name in theirs}
    signed: Json = {"order": msgspec.to_builtins(signer.signed(draft))}
    body = msgspec.convert(signed | named | market, NewOrder)
    assert json.loads(msgspec.json.encode(body)) == {
        name: value for name, value in theirs.items() if name != "isMinAmountOut"
    }


def _same_but_for_slippage(ours: Json, theirs: Json) -> None:
    """Ours never accepts a worse price than the limit: the amounts differ by the slippage alone."""
    s = int(theirs["slippageBps"])
    mine, other = ours["order"], theirs["order"]
    if other["side"] == 0:
        assert int(other["makerAmount"]) == min(
            int(mine["makerAmount"]) * (10_000 + s) // 10_000, int(other["takerAmount"])
        )
        assert mine["takerAmount"] == other["takerAmount"]
    else:
        assert int(other["takerAmount"]) == int(mine["takerAmount"]) * (10_000 - s) // 10_000
        assert mine["makerAmount"] == other["makerAmount"]
    for name in ("salt", "maker", "signer", "tokenId", "expiration", "nonce", "feeRateBps", "side"):
        assert mine[name] == other[name]


def _order(case: Json) -> Order:
    """At the worst price touched, for the size found (before it is cut)."""
    given, sums, fixed = case["input"], case["expect"]["amounts"], case["fixed"]
    limit_order = given["strategy"] == "LIMIT"
    given_wei = given.get("quantity_wei") if limit_order else None
    size = int(given_wei or sums["amount"]) // MICRO
    expires = given.get("expires_at")
    whole = case["expect"]["request"]["body"]["data"].get("isFillOrKill", False)
    life = TimeInForce.GTD if expires else TimeInForce.GTC if limit_order else TimeInForce.IOC
    return world.order(
        listing=world.listing(
            tick=1_000,
            first_token=given["token_id"],
            neg_risk=str(given["is_neg_risk"]).lower(),
            yield_bearing=str(given["is_yield_bearing"]).lower(),
            fee_rate_bps=str(given["fee_rate_bps"]),
        ),
        side=Side.BUY if given["side"] == "buy" else Side.SELL,
        limit=Price(int(sums["lastPrice"]) // MICRO),
        size=Size(size),
        cash=Cash(0),
        time_in_force=TimeInForce.FOK if whole else life,
        post_only=case["expect"]["request"]["body"]["data"].get("isPostOnly", False),
        expires_s=expires,
        created_ms=fixed["now"] * 1000,
        salt=int(fixed["salt"]),
    )


def _check_login(case: Json, wallet: Json) -> None:
    message, expected = case["input"]["message"], case["expect"]
    signer = _signer(case["input"], wallet, smart="account" in case["name"])
    if "eip191_hash" in expected:
        assert "0x" + personal_hash(message.encode()).hex() == expected["eip191_hash"]
    assert msgspec.to_builtins(signer.login(message)) == expected["request"]["body"]
    request = signer.sign(post("/v1/auth", signer.login(message), purpose=Purpose.ACCOUNT), 0)
    assert (request.method, request.path) == ("POST", expected["request"]["path"])
    assert request.headers == expected["request"]["headers"]


def _check_rejection(case: Json) -> None:
    """What the clients refuse is below our listings' minimums, or cannot be said in our units."""
    given, listing = case["input"], world.listing()
    name = case["name"]
    if "expired" in name:
        late = world.order(
            time_in_force=TimeInForce.GTD, expires_s=given["expires_at"], created_ms=given["now"] * 1000
        )
        answer = world.hold(PredictOrders().place(late, world.signer()), _nobody)
        assert isinstance(answer, Rejected)
        assert answer.code == "expired"
    elif "price" in name:
        assert not listing.grid.valid(Price(int(given["price_wei"]) // MICRO))
    elif "value" in name:
        assert int(given["value_wei"]) < listing.minimum_cash * MICRO
    else:
        assert int(given["quantity_wei"]) < listing.minimum_size * MICRO


def _nobody(request: Request) -> Reply:
    raise AssertionError(f"asked: {request.path}")


def _wei(text: str) -> int:
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(18, "0"))


def _check_fee(case: Json) -> None:
    bps, price, shares = case["fee_rate_bps"], _wei(case["price"]), _wei(case["shares"])
    for side in Side:
        expected = int(case[side.value]["fee_wei"])
        assert fee_wei(bps, side, price, shares) == expected
        if shares % MICRO:
            continue
        curve, fill = PredictCurve(bps), (Price(price // MICRO), Size(shares // MICRO))
        charge = curve.charged(side, [fill])
        assert charge.cash + charge.shares == -(-expected // MICRO)


# --- frames ---


def _lines(frames: Path) -> list[str]:
    return [line for line in frames.read_text().splitlines() if line.strip()]


def _check_books(frames: Path) -> None:
    """After every frame each book is what the frame says; at the end it is the table on the page."""
    feed = PredictFeed()
    natives = [Native("88123"), Native("88377")]
    feed.subscribe(natives)
    books: dict[str, Snapshot] = {}
    seen = 0
    for line in _lines(frames):
        for event in feed.receive(line, 0):
            if isinstance(event, Snapshot):
                body = json.loads(line)["data"]
                assert event.asks == [(micros(str(p)), micros(str(s))) for p, s in body["asks"]]
                assert event.bids == [(micros(str(p)), micros(str(s))) for p, s in body["bids"]]
                assert (event.native, event.venue_ms) == (str(body["marketId"]), body["updateTimestampMs"])
                books[event.native] = event
                seen += 1
    assert seen == sum('"topic":"predictOrderbook/' in line for line in _lines(frames))
    page = frames.with_suffix(".md")
    if not page.exists():
        pytest.skip("no page of expected books beside the frames")
    [table] = re.findall(r"```json\n(.*?)```", page.read_text(), re.DOTALL)
    for native, sides in json.loads(table).items():
        book, one = books[native], 1_000_000
        for outcome, turn in (("YES", False), ("NO", True)):
            bids, asks = (
                [(micros(str(p)), micros(str(s))) for p, s in sides[outcome][n]] for n in ("bids", "asks")
            )
            ours = [(one - p if turn else p, s) for p, s in (book.asks if turn else book.bids)]
            assert ours == bids
            ours = [(one - p if turn else p, s) for p, s in (book.bids if turn else book.asks)]
            assert ours == asks


def _check_heartbeats(frames: Path) -> None:
    """Each is answered with its own number, on both kinds of connections."""
    for feed in (PredictFeed(), PredictPrivateFeed(world.signer())):
        beats = 0
        for line in _lines(frames):
            message = json.loads(line)
            if message.get("topic") == "heartbeat":
                [answer] = feed.receive(line, 0)
                assert isinstance(answer, Say)
                assert json.loads(answer.text) == {"method": "heartbeat", "data": message["data"]}
                beats += 1
        assert beats == 2


def _check_wallet(frames: Path) -> None:
    """Every wallet event becomes one piece of news about its order; the numbers are those of the page."""
    feed = PredictPrivateFeed(world.signer())
    for line in _lines(frames):
        message = json.loads(line)
        if not message.get("topic", "").startswith("predictWalletEvents/"):
            continue
        [news] = feed.receive(line, 0)
        assert isinstance(news, News)
        data = message["data"]
        assert (news.venue_order_id, news.told["type"]) == (data["orderHash"], data["type"])
        if "fill" in data:
            assert news.told["size"] == data["fill"]["executedSizeWei"]
            assert news.told["fee"] == data["fee"]["amountWei"]
    asked = amounts(Side.BUY, Price(430_000), Size(58_139_000))
    assert (asked.maker, asked.taker) == (24_999_770 * MICRO, 58_139_000 * MICRO)
