"""What the simulated venue lets in: the official clients' own orders, and nothing that was tampered with."""

import json
from pathlib import Path
from typing import Any

import pytest

import venues.opinion
from tests.venues.opinion.sim_trader import EXCHANGE, NOW, Book, Trader, levels, order_digest, scene, wei
from venues.base.units import ONE, Price, Size, micros
from venues.opinion.sim import OpinionSimulator
from venues.opinion.sim_rules import check_amounts, key_hash, order_hash, read_ticket, recover
from venues.sim.contract import Call

VECTORS = json.loads((Path(venues.opinion.__path__[0]) / "vectors" / "opinion.json").read_text())
WALLET = VECTORS["wallet"]
ORDERS = VECTORS["order_vectors"]
CURVE = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
SERVED = [case for case in ORDERS if case["context"]["exchange"] == EXCHANGE]
"""The others are of a made-up quote token with 6 decimals: they test the hashing only."""


def body_of(case: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = case["expect"]["request"]["body"]
    return body


def vector_sim(case: dict[str, Any]) -> tuple[OpinionSimulator, str]:
    """A venue with the market of an order case, its customer, and somebody to trade with."""
    sim = OpinionSimulator(0)
    row = next(m for m in VECTORS["markets"] if m["marketId"] == case["input"]["market_id"])
    wish = {"market_id": row["marketId"], "token_ids": [row["yesTokenId"], row["noTokenId"]]}
    [native] = sim.list_market({**wish, "tick": "0.000001", "minimum": "0"})
    ask = "0.6" if case["input"].get("post_only") else "0.31"
    sim.exchange.set_book(native, levels([("0.3", "50")]), levels([(ask, "9000")]), NOW)
    keys = {"private_key": WALLET["private_key"], "safe": WALLET["multisig_maker"]}
    keys["api_key"] = case["fixed"]["api_key"]
    held = {native: "100000", f"{native}:inverted": "100000"}
    account = {"balance": "100000", "positions": held, "credentials": keys}
    assert sim.open_account(account, NOW) == keys
    return sim, native


def send(sim: OpinionSimulator, case: dict[str, Any], body: dict[str, Any]) -> Any:
    request = case["expect"]["request"]
    head = {name.lower(): value for name, value in request["headers"].items()}
    content = json.dumps(body).encode()
    call = Call(method=request["method"], path=request["path"], headers=head, body=content)
    response = sim.answer(call, NOW)
    assert response.status == 200
    return json.loads(response.body)


# --- the official clients' own orders ---


@pytest.mark.parametrize("case", SERVED, ids=lambda case: case["name"])
def test_an_order_of_an_official_client_is_taken(case: dict[str, Any]) -> None:
    sim, _ = vector_sim(case)
    reply = send(sim, case, body_of(case))
    assert (reply["errno"], reply["errmsg"]) == (0, "")
    row, asked, signed = reply["result"]["orderData"], case["input"], case["expect"]["order"]
    assert (row["status"], row["marketId"]) == (1, asked["market_id"])
    assert (row["sideEnum"], row["tradingMethodEnum"]) == (asked["side"].title(), asked["type"].title())
    shown = (row["orderAmount"], row["orderShares"])
    given, wanted = shown if asked["side"] == "buy" else shown[::-1]
    assert (wei(given), wei(wanted)) == (int(signed["makerAmount"]), int(signed["takerAmount"]))
    sim.exchange.audit()


@pytest.mark.parametrize("case", ORDERS, ids=lambda case: case["name"])
def test_the_hash_of_an_order_is_what_the_client_signed(case: dict[str, Any]) -> None:
    ticket = read_ticket(json.dumps(body_of(case)).encode())
    digest = order_hash(ticket, case["context"]["exchange"])
    assert "0x" + digest.hex() == case["expect"]["digest"]
    assert recover(digest, ticket.signature) == WALLET["signer"]
    if case in SERVED:
        check_amounts(ticket)


@pytest.mark.parametrize("case", SERVED[::3], ids=lambda case: case["name"])
@pytest.mark.parametrize("field", ["salt", "makerAmount", "takerAmount", "side", "tokenId", "signature"])
def test_an_order_changed_after_signing_is_refused(case: dict[str, Any], field: str) -> None:
    sim, _ = vector_sim(case)
    body = dict(body_of(case))
    match field:
        case "side":
            body["side"] = "1" if body["side"] == "0" else "0"
        case "tokenId":
            row = next(m for m in VECTORS["markets"] if m["marketId"] == body["topicId"])
            body["tokenId"] = row["noTokenId" if body["tokenId"] == row["yesTokenId"] else "yesTokenId"]
        case "signature":
            body["signature"] = body["sign"] = body["signature"][:-4] + "00" + body["signature"][-2:]
        case _:
            body[field] = str(int(body[field]) + 1)
    reply = send(sim, case, body)
    assert (reply["errno"], reply["errmsg"], reply["result"]) == (10999, "invalid signature", None)
    assert sim.exchange.orders.keys() == {o.order_id for o in resting(sim)}


def resting(sim: OpinionSimulator) -> list[Any]:
    return [order for market in sim.exchange.markets.values() for order in sim.exchange.resting(market)]


def test_an_order_signed_for_another_exchange_is_refused() -> None:
    _, trader, book = scene()
    body = trader.body(book.market_id, book.tokens[0], "buy", given=wei("10"))
    body["signature"] = body["sign"] = trader.sign(order_digest(body, "0x" + "11" * 20))
    assert trader.call("POST", "/order", body)["errmsg"] == "invalid signature"


def test_a_second_signature_of_the_same_order_is_refused() -> None:
    """Anybody can turn s into n - s; contracts refuse the larger of the two."""
    _, trader, book = scene()
    body = trader.body(book.market_id, book.tokens[0], "buy", given=wei("10"))
    raw = bytes.fromhex(body["signature"][2:])
    other = CURVE - int.from_bytes(raw[32:64], "big")
    twin = "0x" + (raw[:32] + other.to_bytes(32, "big") + bytes([55 - raw[64]])).hex()
    reply = trader.call("POST", "/order", {**body, "signature": twin, "sign": twin})
    assert reply["errmsg"] == "invalid signature"


def test_a_market_order_may_name_what_it_hopes_for() -> None:
    """One client fills takerAmount from a reference price; it binds nobody."""
    _, trader, book = scene()
    order_id = trader.place(book, "buy", "20", wanted=wei("0.5"))
    trader.wait(1_000)
    row = trader.order(order_id)
    assert (row["orderAmount"], row["orderShares"], row["filledShares"]) == ("20", "0", "44.333333")
    order_id = trader.place(book, "sell", "20", wanted=1)
    trader.wait(1_000)
    assert trader.order(order_id)["filledShares"] == "20"


def test_the_short_form_of_sign_is_accepted_and_another_is_not() -> None:
    _, trader, book = scene()
    body = trader.body(book.market_id, book.tokens[0], "buy", given=wei("10"))
    assert "sign" in trader.call("POST", "/order", {**body, "sign": body["signature"][2:60]})["errmsg"]
    assert trader.call("POST", "/order", {**body, "sign": body["signature"][2:66]})["errno"] == 0


# --- what an order must be ---


@pytest.mark.parametrize(
    ("changed", "errno", "text"),
    [
        ({"topicId": 1}, 10200, "topic not found"),
        ({"tokenId": "7"}, 10999, "tokenId"),
        ({"tradingMethod": 3}, 10999, "tradingMethod"),
        ({"side": "2"}, 10999, "side"),
        ({"signatureType": "0"}, 10999, "signatureType"),
        ({"expiration": "1"}, 10999, "expiration"),
        ({"nonce": "1"}, 10999, "nonce"),
        ({"feeRateBps": "1"}, 10999, "feeRateBps"),
        ({"orderExpTime": "1"}, 10999, "orderExpTime"),
        ({"taker": "0x" + "11" * 20}, 10999, "taker"),
        ({"maker": "0x" + "11" * 20}, 10999, "maker is not the wallet's current multi-signature wallet"),
        ({"signer": "0x" + "11" * 20}, 10999, "signer"),
        ({"currencyAddress": "0x" + "11" * 20}, 10999, "currencyAddress"),
        ({"salt": str(2**256)}, 10999, "salt"),
        ({"salt": 5}, 10999, "salt"),
        ({"timestamp": "1795187000"}, 10999, "timestamp"),
        ({"postOnly": True}, 10610, "postOnly"),
        ({"given": 0}, 10999, "makerAmount"),
        ({"given": wei("4.999999")}, 10999, "below the minimum value"),
        ({"given": wei("100.000000000000000001")}, 10999, "insufficient token balance"),
    ],
)
def test_a_wrong_market_order_is_refused(changed: dict[str, Any], errno: int, text: str) -> None:
    sim, trader, book = scene()
    before = trader.money()
    wish = {"given": wei("10"), **changed}
    market, token = wish.pop("topicId", book.market_id), wish.pop("tokenId", book.tokens[0])
    unsigned = {name: wish.pop(name) for name in ("salt", "side") if name in wish}
    body = trader.body(market, token, "buy", **wish) | unsigned
    reply = trader.call("POST", "/order", body)
    assert reply["errno"] == errno
    assert text in reply["errmsg"]
    assert trader.money() == before
    assert all(order.account == "house" for order in resting(sim))


@pytest.mark.parametrize(
    ("given", "wanted", "price", "text"),
    [
        (wei("42"), wei("100"), "0.42", None),
        (wei("42") + 1, wei("100"), "0.42", "not in the ratio of the price 0.42"),
        (wei("42"), wei("100"), "0.421", "not in the ratio"),
        (wei("42.05"), wei("100"), "0.4205", "grid"),
        (wei("100"), wei("100"), "1", "price"),
        (wei("42"), wei("100"), "0.4200000", None),
        (wei("42"), wei("100"), "4.2e-1", "price"),
        (wei("4.2"), wei("10"), "0.42", "below the minimum value"),
    ],
)
def test_a_limit_orders_amounts_are_its_price_exactly(
    given: int, wanted: int, price: str, text: str | None
) -> None:
    _, trader, book = scene()
    wish = {"given": given, "wanted": wanted, "price": price}
    reply = trader.call("POST", "/order", trader.body(book.market_id, book.tokens[0], "buy", **wish))
    assert (reply["errno"] == 0) == (text is None)
    assert (text or "") in reply["errmsg"]


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b'{"topicId":1}', b"\xff", b"[" * 5_000])
@pytest.mark.parametrize("path", ["/order", "/order/cancel"])
def test_a_body_that_is_no_order_is_refused(text: bytes, path: str) -> None:
    sim, trader, _ = scene()
    call = Call(method="POST", path=f"/openapi{path}", headers={"apikey": trader.api_key}, body=text)
    reply = json.loads(sim.answer(call, NOW).body)
    assert (reply["errno"], reply["errmsg"][:14]) == (10999, "invalid params")


def test_a_halted_market_takes_no_order() -> None:
    sim, trader, book = scene()
    sim.exchange.set_book(book.native, [], [], NOW)
    sim.exchange.halt(sim.exchange.markets[book.native], "closed", NOW)
    for price in ("0", "0.4"):
        assert trader.post(book, "buy", "20", price)["errmsg"] == "market is not activated"
    assert trader.get(f"/market/{book.native}")["data"]["statusEnum"] == "Resolving"


@pytest.mark.parametrize(("way", "executions"), [(0, 2), (1, 1), (2, 1)])
def test_the_same_salt_again_is_what_the_knob_says(way: int, executions: int) -> None:
    sim, trader, book = scene()
    sim.knobs["duplicates"] = way
    body = trader.body(book.market_id, book.tokens[0], "buy", given=wei("10"))
    first, second = (trader.call("POST", "/order", body) for _ in range(2))
    assert first["errno"] == 0
    if way == 1:
        assert (second["errno"], second["errmsg"]) == (10999, "duplicate order")
    else:
        same = second["result"]["orderData"]["orderId"] == first["result"]["orderData"]["orderId"]
        assert same == (way == 2)
    trader.wait(1_000)
    assert len(trader.get("/order")["list"]) == executions
    assert len({row["orderNo"] for row in trader.get("/trade")["list"]}) == executions
    other = Trader(sim, sim.open_account({"balance": "50"}, NOW))
    other.place(book, "buy", "10", salt=body["salt"])


# --- who may call, and how often ---


def test_markets_are_public_and_orders_are_not() -> None:
    _, trader, book = scene()
    assert trader.call("GET", f"/market/{book.native}", key="")["errno"] == 0
    for method, path in (
        ("GET", "/order"),
        ("POST", "/order"),
        ("GET", "/user/balance"),
        ("GET", "/positions"),
    ):
        for key in ("", "guess"):
            assert trader.call(method, path, key=key)["errno"] == 11002


def test_an_order_is_its_owners_alone() -> None:
    sim, trader, book = scene()
    stranger = Trader(sim, sim.open_account({"balance": "50"}, NOW))
    order_id = trader.place(book, "buy", "20", "0.4")
    for method, path, body in (
        ("GET", f"/order/{order_id}", None),
        ("POST", "/order/cancel", {"orderId": order_id}),
    ):
        assert stranger.call(method, path, body)["errno"] == 10607
    assert stranger.get("/order") == {"total": 0, "list": None}
    assert trader.cancel(order_id)


def test_calls_beyond_the_rate_are_turned_away_at_the_gateway() -> None:
    sim, trader, _ = scene()
    sim.knobs |= {"keyed_calls_per_s": 15, "keyless_calls_per_s": 5}

    def statuses(key: str, count: int, now_ms: int) -> list[int]:
        call = Call(method="GET", path="/openapi/quoteToken", headers={"apikey": key} if key else {})
        return [sim.answer(call, now_ms).status for _ in range(count)]

    assert statuses(trader.api_key, 16, NOW + 1) == [200] * 15 + [429]
    assert statuses("", 3, NOW + 1) + statuses("guess", 3, NOW + 2) == [200] * 5 + [429]
    assert statuses(trader.api_key, 1, NOW + 1_000) == [429]
    assert statuses(trader.api_key, 16, NOW + 1_001) == [200] * 15 + [429]


def test_key_calls_follow_the_golden_signatures() -> None:
    sim, _, _ = scene()
    keys = {"private_key": WALLET["private_key"], "safe": WALLET["multisig_maker"], "api_key": "first"}
    sim.open_account({"credentials": keys}, NOW)

    def send_case(case: dict[str, Any], late_s: int = 0, **headers: str) -> Any:
        request = case["expect"]["request"]
        head = {name.lower(): value for name, value in (request["headers"] | headers).items()}
        call = Call(method=request["method"], path=request["path"], headers=head)
        at_ms = 1_000 * (int(case["input"]["timestamp"]) + late_s)
        return json.loads(sim.answer(call, at_ms).body)

    create, get, delete = VECTORS["auth_vectors"]
    for case in (create, get, delete):
        digest = key_hash(WALLET["signer"], case["input"]["action"], case["input"]["timestamp"])
        assert "0x" + digest.hex() == case["expect"]["digest"]
    assert send_case(create)["errno"] == 11009
    assert send_case(get)["result"] == send_case(get)["result"] == {
        "apiKey": "first", "walletAddress": WALLET["signer"],
    }  # fmt: skip
    assert send_case(get, 301)["errno"] == send_case(get, -301)["errno"] == 11012
    assert send_case(get, OPINION_TIMESTAMP="1790000063")["errno"] == 11011
    assert send_case(get, OPINION_ADDRESS="0x" + "11" * 20)["errno"] == 11005
    assert send_case(delete)["errno"] == 0
    assert (send_case(delete)["errno"], send_case(get)["errno"]) == (11013, 11010)


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        ({"pocket": "1"}, "pocket"),
        ({"credentials": {"funder": "0x"}}, "funder"),
        ({"credentials": {"private_key": "0x12"}}, "private_key"),
        ({"credentials": {"safe": "0x12"}}, "safe"),
        ({"balance": "ten"}, "balance"),
        ({"positions": {"77": "1"}}, "positions"),
    ],
)
def test_a_wrong_account_is_named(wish: dict[str, Any], text: str) -> None:
    sim, trader, _ = scene()
    with pytest.raises(ValueError, match=text):
        sim.open_account(wish, NOW)
    with pytest.raises(ValueError, match="has an account already"):
        sim.open_account({"credentials": {"safe": trader.safe}}, NOW)
    with pytest.raises(ValueError, match="is taken"):
        sim.open_account({"credentials": {"api_key": trader.api_key}}, NOW)


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        ({"colour": "red"}, "colour"),
        ({"tick": "0.3"}, "tick"),
        ({"fee_bps": 10_001}, "fee_bps"),
        ({"token_ids": ["1"]}, "token_ids"),
        ({"market_id": 5120}, "listed already"),
        ({"parent_id": 5120}, "parent_id"),
    ],
)
def test_a_wrong_market_is_named_and_not_listed(wish: dict[str, Any], text: str) -> None:
    sim, _, _ = scene()
    with pytest.raises(ValueError, match=text):
        sim.list_market(wish)
    assert list(sim.exchange.markets) == ["5120"]


# --- markets, books, chain ---


def test_children_are_inside_their_parent_and_trade_by_themselves() -> None:
    sim, trader, book = scene()
    first, second = (Book(sim, title=name, parent_id=412, parent_title="Who?") for name in ("A", "B"))
    listed = trader.get("/market", marketType="2", status="activated")
    assert [row["marketId"] for row in listed["list"]] == [412, book.market_id]
    assert [row["marketId"] for row in trader.get("/market", marketType="0")["list"]] == [book.market_id]
    [parent] = trader.get("/market", marketType="1")["list"]
    assert (parent["marketTitle"], parent["yesTokenId"]) == ("Who?", "")
    assert [child["marketId"] for child in parent["childMarkets"]] == [first.market_id, second.market_id]
    assert trader.get("/market/categorical/412")["data"] == parent
    assert trader.get(f"/market/slug/{parent['slug']}")["data"] == parent
    child = trader.get(f"/market/{first.native}")["data"]
    assert (child["cutoffAt"], "parentId" in child, child["childMarkets"]) == (0, False, None)
    for path in ("/market/412", "/market/categorical/5120", "/market/abc", "/market/slug/nothing"):
        assert trader.call("GET", path)["errno"] == 10200


def test_a_market_says_nothing_of_prices_ticks_and_fees() -> None:
    _, _, book = scene()
    assert not {
        name for name in book.row if "tick" in name.lower() or "fee" in name.lower() or "price" in name
    }
    assert len(book.row["conditionId"]) == 64


def test_no_page_has_more_than_twenty_entries() -> None:
    sim, trader, _ = scene()
    for _ in range(24):
        sim.list_market({})
    pages = [trader.get("/market", page=str(n), limit="50")["list"] for n in (1, 2)]
    assert [len(page) for page in pages] == [20, 5]
    assert len({row["marketId"] for page in pages for row in page}) == 25
    assert trader.get("/market", page="3", limit="20") == {"total": 25, "list": None}
    assert trader.call("GET", "/market", page="0")["errno"] == 10999


def test_the_book_of_no_is_the_mirror_of_yes() -> None:
    _, trader, book = scene()
    yes, no = (trader.get("/token/orderbook", token_id=token) for token in book.tokens)
    assert yes["bids"] == [{"price": "0.41", "size": "800"}, {"price": "0.4", "size": "1500"}]
    assert yes["asks"] == [{"price": "0.43", "size": "10"}, {"price": "0.45", "size": "1200"}]
    assert no["bids"] == [{"price": "0.57", "size": "10"}, {"price": "0.55", "size": "1200"}]
    assert no["asks"] == [{"price": "0.59", "size": "800"}, {"price": "0.6", "size": "1500"}]
    assert (yes["market"], yes["tokenId"], yes["timestamp"]) == (book.row["conditionId"], book.tokens[0], NOW)
    assert trader.call("GET", "/token/orderbook", token_id="7")["errno"] == 10200


def test_the_latest_price_is_zero_before_the_first_trade() -> None:
    _, trader, book = scene()
    before = trader.get("/token/latest-price", token_id=book.tokens[0])
    assert (before["price"], before["timestamp"]) == ("0", 0)
    trader.place(book, "sell", "20")
    after = trader.get("/token/latest-price", token_id=book.tokens[0])
    assert (after["price"], after["side"], after["size"], after["timestamp"]) == ("0.41", "SELL", "20", NOW)
    assert trader.get("/token/price-history", token_id=book.tokens[0])["history"] == [
        {"t": NOW // 1_000, "p": "0.41"}
    ]


def rpc(sim: OpinionSimulator, to: str, data: str, path: str = "/openapi/rpc") -> list[int]:
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [{"to": to, "data": data}, "latest"]}
    reply = json.loads(sim.answer(Call(method="POST", path=path, body=json.dumps(body).encode()), NOW).body)
    digits = reply["result"][2:]
    return [int(digits[at : at + 64], 16) for at in range(0, len(digits), 64)]


def test_the_chain_knows_fees_balances_and_the_safe() -> None:
    """Selectors as anyone can look them up; 0x27f68850 is the card's."""
    sim, trader, book = scene(fee_bps=800)
    fees, usdt = "0xC9063Dc52dEEfb518E5b6634A6b8D624bc5d7c36", "0x55d398326f99059fF775485246999027B3197955"
    shares = "0xAD1a38cEc043e70E83a3eC30443dB285ED10D774"
    token, safe = f"{int(book.tokens[1]):064x}", trader.safe[2:].lower().rjust(64, "0")
    assert rpc(sim, fees, "0x27f68850" + token) == [0, 800, 1, 0]
    assert rpc(sim, fees, "0x27f68850" + f"{7:064x}") == [0, 0, 0, 0]
    assert rpc(sim, usdt, "0x70a08231" + safe, path="") == [100 * 10**18]
    assert rpc(sim, usdt, "0xdd62ed3e" + safe + safe) == [2**256 - 1]
    assert rpc(sim, usdt, "0x313ce567") == [18]
    assert rpc(sim, shares, "0x00fdd58e" + safe + f"{int(book.tokens[0]):064x}") == [40 * 10**18]
    assert rpc(sim, shares, "0x00fdd58e" + safe + token) == [0]
    assert rpc(sim, shares, "0xe985e9c5" + safe + safe) == [1]
    assert rpc(sim, trader.safe, "0xaffed0e0") == [0]
    assert rpc(sim, trader.safe, "0xa0e67e2b")[2] == int(trader.address, 16)


def test_the_key_leads_to_its_safe() -> None:
    _, trader, _ = scene()
    auth = trader.get("/user/auth")
    assert auth["walletUsers"] == {"56": trader.safe}
    assert auth["walletAddress"].lower() == trader.address
    balance = trader.get("/user/balance", chain_id="56")
    assert (balance["multiSignAddress"], balance["walletAddress"]) == (trader.safe, auth["walletAddress"])


def test_other_paths_are_not_there() -> None:
    sim, trader, _ = scene()
    for path in ("/openapi/nothing", "/other", "/openapi/market/1/2/3"):
        assert sim.answer(Call(method="GET", path=path), NOW).status == 404
    assert trader.call("GET", "/order/nothing")["errno"] == 10607


def test_the_same_seed_gives_the_same_bytes() -> None:
    def run(seed: int) -> list[bytes]:
        sim = OpinionSimulator(seed)
        book = Book(sim)
        sim.exchange.set_book(book.native, levels([("0.4", "50")]), levels([("0.5", "50")]), NOW)
        trader = Trader(sim, sim.open_account({"balance": "50"}, NOW))
        order_id = trader.place(book, "buy", "10")
        trader.wait(1_000)
        key = {"apikey": trader.api_key}
        paths = (f"/openapi/order/{order_id}", "/openapi/market", "/openapi/trade", "/openapi/user/auth")
        return [sim.answer(Call(method="GET", path=path, headers=key), trader.now).body for path in paths]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_sizes_finer_than_a_millionth_are_shown_but_not_traded() -> None:
    sim, trader, book = scene()
    reply = trader.post(book, "sell", "12.500000999999999999")
    assert reply["result"]["orderData"]["orderShares"] == "12.500000999999999999"
    trader.wait(1_000)
    assert trader.order(reply["result"]["orderData"]["orderId"])["filledShares"] == "12.5"
    assert sim.exchange.levels(book.native)[0][0] == (Price(micros("0.41")), Size(800 * ONE - 12_500_000))
