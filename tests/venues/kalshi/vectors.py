"""This venue's golden vectors: signatures and bodies made by its official clients, fees by an independent
decimal implementation, and frames with the books that a correct reader ends with."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.venues.kalshi import examples
from tests.venues.kalshi.books import check_documented, check_frames
from venues.base.http import Purpose, Request, Talk
from venues.base.orders import Pending, Side, TimeInForce
from venues.base.units import ONE, Cash, Price, Size, complement, micros, signed_micros
from venues.kalshi import VENUE, wire
from venues.kalshi.feed import KalshiFeed
from venues.kalshi.fees import BROKERED, DIRECT, MAKER, TAKER, Curve, FillFee
from venues.kalshi.listings import grid
from venues.kalshi.orders import KalshiOrders
from venues.kalshi.signer import KalshiSigner

Json = dict[str, Any]
Case = tuple[str, Callable[[], None]]
OUTSIDE = {"exchange_index", "cancel_order_on_pause", "order_group_id"}
"""Body keys that the venue contract has no word for (README); the venue takes orders without them."""
TIMES = {"IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK, "GTC": TimeInForce.GTC}


def cases(folder: Path) -> Iterator[Case]:
    """Every case of the folder."""
    data = json.loads((folder / "kalshi.json").read_text())
    keys = {key["id"]: key for key in data["keys"]}
    for case in data["auth"]:
        yield case["id"], partial(check_auth, case, keys)
    for case in data["auth_negative"]:
        yield case["id"], partial(check_negative, case, keys)
    yield "auth-ed25519", partial(check_ed25519, data["auth_ed25519"], keys)
    for case in data["orders"]:
        yield case["id"], partial(check_order, case, keys)
    for case in data["calls"]:
        yield case["id"], partial(check_call, case, keys)
    for case in data["fees"]:
        for member, fill in case["by_member_type"].items():
            yield f"{case['id']}-{member}", partial(check_fees, case, member, [fill])
    for case in data["fee_sequences"]:
        for member, run in case["by_member_type"].items():
            yield f"{case['id']}-{member}", partial(check_fees, case, member, run["fills"])
    for case in data["price_grid"]:
        name = f"grid-{case['structure']}-{case['price']}"
        yield name, partial(check_grid, case, data["price_structures"])
    for number, case in enumerate(data["book_mapping"]):
        yield f"book-{number}", partial(check_mapping, case)
    lines = (folder / "frames" / "kalshi.jsonl").read_text().splitlines()
    yield "frames", partial(check_frames, lines)
    if (folder / "frames" / "kalshi.md").exists():
        yield "frames-documented", partial(check_documented, lines)


def _verifies(key: Json, canonical: str, signature: str) -> bool:
    public = load_pem_public_key(key["public_key_pem"].encode())
    assert isinstance(public, RSAPublicKey)
    scheme = padding.PSS(padding.MGF1(SHA256()), 32)
    try:
        public.verify(b64decode(signature), canonical.encode(), scheme, SHA256())
    except InvalidSignature:
        return False
    return True


def _signer(key: Json, **more: str) -> KalshiSigner:
    return KalshiSigner({"key_id": key["key_id"], "private_key": key["private_key_pem"], **more})


def _check_signed(request: Request, case: Json, key: Json) -> None:
    """Our own signature of this request holds over the string that the official client signed."""
    assert request.private
    signed = _signer(key).sign(request, case["timestamp_ms"])
    headers = {name: value for name, value in signed.headers.items() if name.startswith("KALSHI")}
    assert headers["KALSHI-ACCESS-KEY"] == key["key_id"]
    assert headers["KALSHI-ACCESS-TIMESTAMP"] == str(case["timestamp_ms"])
    assert _verifies(key, case["canonical_string"], headers["KALSHI-ACCESS-SIGNATURE"])
    assert len(headers) == 3


def _request(method: str, target: str) -> Request:
    parts = urlsplit(target)
    query = tuple(tuple(pair.split("=", 1)) for pair in parts.query.split("&") if pair)
    request = Request(method=method, path=parts.path, purpose=Purpose.ACCOUNT, query=query, private=True)  # type: ignore[arg-type]  # pairs by construction
    assert request.target == target
    return request


def check_auth(case: Json, keys: Json) -> None:
    key = keys[case["key"]]
    assert _verifies(key, case["canonical_string"], case["headers"]["KALSHI-ACCESS-SIGNATURE"])
    request = _request(case["method"], case["target"])
    _check_signed(request, case, key)
    if request.path.startswith("/trade-api/ws"):
        _check_signed(KalshiFeed().handshake(), case, key)


def check_negative(case: Json, keys: Json) -> None:
    """The checker of signatures is itself able to say no."""
    assert not _verifies(keys[case["key"]], case["canonical_string"], case["signature"])


def check_ed25519(case: Json, keys: Json) -> None:
    """Deterministic, so the very bytes are compared."""
    stamp = int(case["headers"]["KALSHI-ACCESS-TIMESTAMP"])
    path = case["canonical_string"].removeprefix(f"{stamp}GET")
    assert _signer(keys[case["key"]]).sign(_request("GET", path), stamp).headers == case["headers"]


def _order_request(case: Json, key: Json) -> Request:
    intent, body = case["intent"], case["request"]["body"]
    prices = {"start": "0.0000", "end": "1.0000", "step": "0.0001"}
    of = examples.listing(
        body["ticker"],
        inverted=intent["outcome"] == "no",
        grid=grid([wire.PriceRange(**prices)]),
        pool=str(intent.get("exchange_index", 0)),
    )
    order = examples.order(
        of,
        side=Side(intent["action"]),
        limit=micros(intent["limit_price"]),
        size=micros(intent["count"]),
        time_in_force=TimeInForce.GTD if "expires_at" in intent else TIMES[intent["tif"]],
        post_only=intent.get("post_only", False),
        expires_s=intent.get("expires_at"),
        order_id=body["client_order_id"],
    )
    more = {"subaccount": str(intent["subaccount"])} if "subaccount" in intent else {}
    _, asked = examples.talk_through(VENUE.orders.place(order, _signer(key, **more)), [])
    return asked[0]


def check_order(case: Json, keys: Json) -> None:
    """The intent, in our words, becomes the official client's body but for keys we have no word for."""
    key, wanted = keys[case["key"]], case["request"]
    request = _order_request(case, key)
    assert (request.method, request.target) == (wanted["method"], wanted["target"])
    assert request.headers == {"Content-Type": wanted["headers"]["Content-Type"]}
    body = {name: value for name, value in wanted["body"].items() if name not in OUTSIDE}
    assert json.loads(request.body) == body
    assert _verifies(key, case["canonical_string"], wanted["headers"]["KALSHI-ACCESS-SIGNATURE"])
    _check_signed(request, case, key)


def check_call(case: Json, keys: Json) -> None:
    """We make the same call, perhaps with more in its query, and sign it alike."""
    key, wanted = keys[case["key"]], case["request"]
    _check_signed(_request(wanted["method"], wanted["target"]), case, key)
    found = [
        request
        for request in _our_calls(_signer(key), urlsplit(wanted["target"]).path)
        if request.method == wanted["method"] and request.target.startswith(wanted["target"])
    ]
    assert found, f"no call of ours is {wanted['method']} {wanted['target']}"
    _check_signed(found[0], case, key)


def _our_calls(signer: KalshiSigner, path: str) -> list[Request]:
    """What we ask about an order whose venue id is the last part of the path, and about the account."""
    venue_id = path.rpartition("/")[2] if "orders/" in path else "3b23c1c7-f4ef-4f0d-8b9a-9e53c61f1a0d"
    order = examples.order(examples.listing())
    known = Pending(order.order_id, venue_id, Size(0), Cash(0), "")
    row = {"order_id": venue_id, "status": "executed", "fill_count_fp": "10.00"}
    state = examples.reply(200, {"order": row})
    talks: list[tuple[Talk[Any], list[Any]]] = [
        (VENUE.orders.look_up(order, signer, known, 0), [state]),
        (VENUE.orders.cancel(order, signer, known), []),
        (VENUE.orders.funds(signer), []),
        (VENUE.orders.holdings(signer, [order.listing]), []),
        (KalshiOrders().open_orders(signer, [order.listing]), []),
    ]
    return [request for talk, replies in talks for request in examples.talk_through(talk, replies)[1]]


def _fill_fee(fill: Json) -> FillFee:
    return FillFee(
        trade=Cash(micros(fill["trade_fee"])),
        rounding=Cash(micros(fill["rounding_fee"])),
        rebate=Cash(micros(fill["rebate"])),
        accumulated=Cash(micros(fill["accumulator_after"])),
    )


def check_fees(case: Json, member: str, fills: list[Json]) -> None:
    """Each fill to the millionth, with what it leaves for the next; and the order as a whole."""
    multiplier = micros(case["fee_multiplier"])
    precision = DIRECT if member == "direct" else BROKERED
    rates = {"taker": TAKER, "maker": MAKER[case["fee_type"]]}
    accumulated, taken = Cash(0), []
    for fill in fills:
        side = Side(fill["action"])
        yes = Price(micros(fill["yes_price"]))
        price = yes if fill["outcome"] == "yes" else complement(yes)
        curve = Curve(multiplier, rates[fill["role"]], precision)
        fee = curve.fill(side, price, size=Size(micros(fill["count"])), accumulated=accumulated)
        assert fee == _fill_fee(fill)
        assert fee.net == micros(fill["net_fee"])
        money = price * micros(fill["count"]) // ONE
        change = (-money if side is Side.BUY else money) - fee.net
        assert change == signed_micros(fill["balance_change"])
        accumulated = fee.accumulated
        taken.append((price, Size(micros(fill["count"]))))
    if all(fill["role"] == "taker" for fill in fills):
        total = Curve(multiplier, TAKER, precision).charged(Side(fills[0]["action"]), taken).cash
        assert total == sum(micros(fill["net_fee"]) for fill in fills)


def check_grid(case: Json, structures: Json) -> None:
    prices = grid([wire.PriceRange(**band) for band in structures[case["structure"]]])
    price = Price(micros(case["price"]))
    wanted = [
        None if text is None else micros(text) for text in (case["buy_limit_floor"], case["sell_limit_ceil"])
    ]
    assert [prices.floor(price), prices.ceil(price)] == wanted
    assert prices.valid(price) is case["on_grid"]


def check_mapping(case: Json) -> None:
    """Bids of both outcomes, as a snapshot frame, become one book of YES; NO reads it the other way round."""
    rows = case["orderbook_fp"]
    body = {"market_ticker": "M", "yes_dollars_fp": rows["yes_dollars"], "no_dollars_fp": rows["no_dollars"]}
    frame = json.dumps({"type": "orderbook_snapshot", "sid": 1, "seq": 1, "msg": body})
    (snapshot,) = KalshiFeed().receive(frame, 0)

    def levels(name: str) -> list[tuple[int, int]]:
        return [(micros(price), micros(size)) for price, size in case[name]]

    bids, asks = snapshot.bids, snapshot.asks  # type: ignore[union-attr]  # a mistake fails the test
    assert sorted(bids, reverse=True) == levels("yes_bids")
    assert sorted(asks) == levels("yes_asks")
    assert sorted(((ONE - price, size) for price, size in asks), reverse=True) == levels("no_bids")
    assert sorted((ONE - price, size) for price, size in bids) == levels("no_asks")
