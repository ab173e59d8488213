"""The simulated venue's doors: keys, tokens, markets, lists, limits, and the contracts behind /rpc."""

import base64
import json
import random
from typing import Any

import pytest

from tests.venues.predict.sim_trader import EXCHANGES, NOW, OVER, Trader, hashed, quiet
from venues.base.http import Response
from venues.base.units import ONE, Price, Size
from venues.predict.sim import PredictSimulator
from venues.sim.clock import SimClock
from venues.sim.contract import Call
from venues.sim.control import Control, Tunable
from venues.sim.faults import Faults

DAY = 86_400_000
USDT = "0x55d398326f99059fF775485246999027B3197955"
VALIDATOR = "0x845ADb2C711129d4f3966735eD98a9F09fC4cE57"
SHARES = {
    (False, False): "0x22DA1810B194ca018378464a58f6Ac2B10C9d244",
    (True, False): "0x22DA1810B194ca018378464a58f6Ac2B10C9d244",
    (False, True): "0x9400F8Ad57e9e0F352345935d6D3175975eb1d9F",
    (True, True): "0xF64b0b318AAf83BD9071110af24D24445719A07F",
}


@pytest.fixture
def sim() -> PredictSimulator:
    made = quiet(PredictSimulator(1))
    made.list_market({})
    return made


def answer(sim: PredictSimulator, method: str, path: str, **more: Any) -> tuple[int, Any, Response]:
    response = sim.answer(Call(method=method, path=path, **more), more.pop("now", NOW))
    return response.status, json.loads(response.body), response


# --- keys and tokens ---


def test_every_call_needs_the_api_key(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim)
    for path in ("/v1/markets", "/v1/auth/message", "/v1/orders", "/v1/orders/matches", "/v1/nothing"):
        status, reply = trader.call("GET", path, headers={"x-api-key": "wrong"})
        assert (status, reply["code"], reply["error"]) == (401, 401, "unauthorized"), path
    assert isinstance(sim.connect(Call(method="GET", path="/ws"), NOW), Response)
    assert not isinstance(
        sim.connect(Call(method="GET", path="/ws", headers={"x-api-key": trader.api_key}), NOW), Response
    )


def test_the_test_network_needs_none() -> None:
    sim = PredictSimulator(1, chain_id=97)
    sim.list_market({})
    assert answer(sim, "GET", "/v1/markets")[0] == 200


def test_an_error_has_the_venues_envelope(sim: PredictSimulator) -> None:
    status, reply, _ = answer(sim, "GET", "/v1/markets")
    assert status == 401
    assert reply.keys() == {"success", "code", "error", "message", "timestamp", "trace"}
    assert reply["success"] is False
    assert reply["timestamp"] == "2026-11-18T11:06:40.000000000Z"
    assert len(reply["trace"]) == 32


@pytest.mark.parametrize("path", ["/v1/orders", "/v1/orders/0x12", "/v1/positions", "/v1/account"])
def test_a_wallets_own_calls_need_its_token(sim: PredictSimulator, path: str) -> None:
    trader = Trader.joined(sim)
    assert trader.call("GET", path, headers={"authorization": ""})[0] == 401
    assert trader.call("GET", path)[0] in (200, 404)


@pytest.mark.parametrize("path", ["/v1/markets", "/v1/orders/matches", "/v1/positions/0x" + "11" * 20])
def test_public_calls_need_no_token(sim: PredictSimulator, path: str) -> None:
    assert Trader.joined(sim).call("GET", path, headers={"authorization": ""})[0] == 200


def test_a_token_lives_a_day_and_cannot_be_changed(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim)
    claims = json.loads(base64.urlsafe_b64decode(trader.token.split(".")[1] + "=="))
    assert claims["exp"] - claims["iat"] == 86_400
    trader.now += DAY - 1
    assert trader.call("GET", "/v1/orders")[0] == 200
    trader.now += 1
    assert trader.call("GET", "/v1/orders")[0] == 401
    trader.log_in()
    assert trader.call("GET", "/v1/orders")[0] == 200
    head, body, proof = trader.token.split(".")
    forged = base64.urlsafe_b64encode(json.dumps({**claims, "exp": 2**40}).encode()).decode().rstrip("=")
    for token in (f"{head}.{forged}.{proof}", f"{head}.{body}.", "", "a.b.c", "é"):
        trader.token = token
        assert trader.call("GET", "/v1/orders")[0] == 401


@pytest.mark.parametrize("kind", [False, True])
def test_only_the_wallets_own_signature_over_the_very_text_logs_in(sim: PredictSimulator, kind: bool) -> None:
    trader, other = Trader.joined(sim, predict_account=kind), Trader.joined(sim)
    text = trader.get("/v1/auth/message", address=trader.wallet)["message"]
    good = {"signer": trader.wallet, "message": text, "signature": trader.sign_text(text)}
    wrong: list[tuple[int, dict[str, Any]]] = [
        (401, {"signature": other.sign_text(text)}),
        (401, {"signature": trader.sign_text(text.strip())}),
        (401, {"message": text + " ", "signature": trader.sign_text(text + " ")}),
        (401, {"signer": other.wallet}),
        (400, {"signature": trader.sign_text(text)[2:]}),
        (400, {"signature": None}),
        (400, {"signer": "me"}),
        (400, {"message": None}),
    ]
    for status, fields in wrong:
        assert trader.call("POST", "/v1/auth", {**good, **fields})[0] == status, fields
    assert trader.call("POST", "/v1/auth", good)[0] == 200
    trader.now += 300_000
    assert trader.call("POST", "/v1/auth", good)[0] == 401


def test_a_predict_account_is_not_its_owners_plain_signature(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim, predict_account=True)
    text = trader.get("/v1/auth/message")["message"]
    plain = Trader(sim, {**trader.keys, "account": ""})
    body = {"signer": trader.wallet, "message": text, "signature": plain.sign_text(text)}
    assert trader.call("POST", "/v1/auth", body)[0] == 401


def test_a_wallet_that_is_new_may_join_without_money(sim: PredictSimulator) -> None:
    known = Trader.joined(sim)
    stranger = Trader(sim, {"api_key": known.api_key, "private_key": "0x" + "07" * 32})
    stranger.log_in()
    assert stranger.get("/v1/account")["address"].lower() == stranger.wallet
    assert (
        stranger.refused(stranger.order("88123", 0, "0.3", "10"))
        == "create_order_insufficient_collateral_balance"
    )


# --- accounts and markets of a test ---


def test_credentials_are_named_as_agreed_and_can_be_given(sim: PredictSimulator) -> None:
    assert sim.open_account({}, NOW).keys() == {"api_key", "private_key"}
    assert sim.open_account({"predict_account": True}, NOW).keys() == {"api_key", "private_key", "account"}
    given = {
        "api_key": "k",
        "private_key": "0x" + "05" * 32,
        "account": "0xF5b4563514bB2F010dB2dC48f90636D2eF7b5318",
    }
    assert sim.open_account({"credentials": given, "balance": "5"}, NOW) == given
    assert sim.exchange.accounts[given["account"]].cash == 5 * ONE
    sim.exchange.audit()


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        ({"credentials": {"secret": "x"}}, "credentials: no such fields"),
        ({"credentials": {"private_key": "0x12"}}, "private_key: must be 32 bytes"),
        ({"credentials": {"private_key": "0x" + "00" * 32}}, "private_key: is no secp256k1 key"),
        ({"credentials": {"account": "0x12"}}, "account: must be an address"),
        ({"balance": "ten"}, "balance"),
        ({"positions": {"99": "1"}}, "positions: no listing '99'"),
        ({"discount": 101}, "discount"),
    ],
)
def test_a_wrong_account_is_refused_by_field(sim: PredictSimulator, wish: dict[str, Any], text: str) -> None:
    before = set(sim.exchange.accounts)
    with pytest.raises(ValueError, match=text):
        sim.open_account(wish, NOW)
    assert set(sim.exchange.accounts) == before


def test_a_wallet_is_opened_once(sim: PredictSimulator) -> None:
    keys = sim.open_account({}, NOW)
    with pytest.raises(ValueError, match="has an account already"):
        sim.open_account({"credentials": keys}, NOW)


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        ({"colour": 1}, "market: no such fields"),
        ({"decimalPrecision": 4}, "decimalPrecision"),
        ({"decimalPrecision": 1}, "decimalPrecision"),
        ({"feeRateBps": -1}, "feeRateBps"),
        ({"id": 88_123}, "id: 88123 is listed"),
        ({"tokens": ["1"]}, "tokens: two different"),
        ({"tokens": ["1", "x"]}, "tokens: two new"),
        ({"outcomes": ["Yes", "Yes"]}, "outcomes: two different"),
    ],
)
def test_a_wrong_market_is_refused_by_field(sim: PredictSimulator, wish: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        sim.list_market(wish)


def test_the_control_face_knows_both_listing_keys(sim: PredictSimulator) -> None:
    assert isinstance(sim, Tunable)
    faults = Faults(random.Random)
    control = Control(sim, faults, SimClock(lambda: NOW), released=lambda _: None)
    wish = {"balance": "5", "positions": {"88123": "1.5", "88123:inverted": "2"}}
    reply = control.answer(Call(method="POST", path="/_sim/accounts", body=json.dumps(wish).encode()))
    assert reply.status == 200
    [account] = json.loads(control.answer(Call(method="GET", path="/_sim/ledger")).body)["accounts"]
    assert account["positions"] == {"88123": "1.5", "88123:inverted": "2"}
    assert json.loads(reply.body)["account"] == account["account"]


# --- market data ---


def test_a_market_shows_what_an_order_needs(sim: PredictSimulator) -> None:
    [native] = sim.list_market(
        {"title": "Rain?", "outcomes": ["Up", "Down"], "decimalPrecision": 2, "isNegRisk": True}
    )
    sim.exchange.set_book(native, [(Price(410_000), Size(80 * ONE))], [], NOW)
    trader = Trader.joined(sim)
    row = trader.get(f"/v1/markets/{native}")
    assert (row["id"], row["decimalPrecision"], row["feeRateBps"], row["makerFeeBps"]) == (88_124, 2, 200, 0)
    assert (row["isNegRisk"], row["isYieldBearing"], row["tradingStatus"], row["status"]) == (
        True,
        False,
        "OPEN",
        "REGISTERED",
    )
    first, second = row["outcomes"]
    assert (first["name"], first["indexSet"], second["name"], second["indexSet"]) == ("Up", 1, "Down", 2)
    assert (first["bestBid"], first["bestAsk"]) == ({"price": 0.41, "size": 80}, None)
    assert (second["bestBid"], second["bestAsk"]) == (None, {"price": 0.59, "size": 80})
    assert first["onChainId"] != second["onChainId"]
    assert trader.call("GET", "/v1/markets/5")[0] == 404


def test_an_orderbook_is_best_first_in_the_first_outcomes_price(sim: PredictSimulator) -> None:
    levels = [
        [(Price(p), Size(s * ONE)) for p, s in side]
        for side in (((410_000, 8), (385_000, 9)), ((430_000, 5), (420_000, 7)))
    ]
    sim.exchange.set_book("88123", levels[0], levels[1], NOW)
    trader = Trader.joined(sim)
    trader.place("88123", 0, "0.57", "3", outcome=1)
    data = trader.get("/v1/markets/88123/orderbook")
    assert data["bids"] == [[0.41, 8], [0.385, 9]]
    assert data["asks"] == [[0.42, 7], [0.43, 8]]
    assert (data["marketId"], data["updateTimestampMs"], data["lastOrderSettled"]) == (88_123, NOW, None)
    trader.place("88123", 0, "0.42", "5", strategy="MARKET")
    trader.wait(OVER)
    settled = trader.get("/v1/markets/88123/orderbook")["lastOrderSettled"]
    assert settled == {
        "id": "415602",
        "kind": "MARKET",
        "marketId": 88_123,
        "outcome": "Yes",
        "price": "0.42",
        "side": "Bid",
    }


def test_markets_and_categories_are_listed_in_pages(sim: PredictSimulator) -> None:
    for number in range(4):
        sim.list_market({"categorySlug": "cup" if number < 2 else "", "title": f"Team {number}"})
    trader = Trader.joined(sim)
    sim.resolve("88124", 1, NOW)
    found: list[int] = []
    query: dict[str, str] = {"status": "OPEN", "first": "3"}
    while True:
        _, reply = trader.call("GET", "/v1/markets", query=query)
        found += [row["id"] for row in reply["data"]]
        if reply["cursor"] is None:
            break
        query["after"] = reply["cursor"]
    assert found == [88_123, 88_125, 88_126, 88_127]
    assert len(trader.get("/v1/markets")) == 5
    assert [row["id"] for row in trader.get("/v1/categories/cup")["markets"]] == [88_124, 88_125]
    assert [row["slug"] for row in trader.get("/v1/categories")] == [
        "market-88123",
        "cup",
        "market-88126",
        "market-88127",
    ]
    assert trader.call("GET", "/v1/categories/none")[0] == 404
    for wrong in ({"first": "0"}, {"first": "x"}, {"after": "nothing"}):
        assert trader.call("GET", "/v1/markets", query=wrong)[0] == 400


def test_matches_are_found_by_market_signer_role_and_value(sim: PredictSimulator) -> None:
    maker, taker = Trader.joined(sim, positions={"88123": "60"}), Trader.joined(sim)
    maker.place("88123", 1, "0.4", "60")
    for size in ("10", "20"):
        taker.place("88123", 0, "0.4", size, strategy="MARKET")
        taker.wait(OVER)

    def sizes(**query: str) -> list[int]:
        return [int(row["amountFilled"]) // 10**18 for row in taker.get("/v1/orders/matches", **query)]

    assert sizes() == [20, 10]
    assert sizes(marketId="88123") == [20, 10]
    assert sizes(marketId="5") == []
    assert (
        sizes(signerAddress=taker.wallet)
        == sizes(signerAddress=maker.wallet.upper().replace("X", "x"))
        == [20, 10]
    )
    assert sizes(signerAddress=taker.wallet, isSignerMaker="false") == [20, 10]
    assert sizes(signerAddress=taker.wallet, isSignerMaker="true") == []
    assert sizes(signerAddress=maker.wallet, isSignerMaker="true") == [20, 10]
    assert sizes(signerAddress=maker.wallet, isSignerMaker="false") == []
    assert sizes(minValueUsdtWei=str(8 * 10**18)) == [20]
    assert sizes(minValueUsdtWei=str(8 * 10**18 + 1)) == []
    assert taker.call("GET", "/v1/orders/matches", query={"minValueUsdtWei": "x"})[0] == 400
    _, reply = taker.call("GET", "/v1/orders/matches", query={"first": "1"})
    assert [row["amountFilled"] for row in reply["data"]] == [str(20 * 10**18)]
    _, reply = taker.call("GET", "/v1/orders/matches", query={"first": "1", "after": reply["cursor"]})
    assert (reply["data"][0]["amountFilled"], reply["cursor"]) == (str(10 * 10**18), None)


def test_positions_are_listed_by_market(sim: PredictSimulator) -> None:
    sim.list_market({})
    trader = Trader.joined(sim, positions={"88123": "3", "88124:inverted": "4"})
    rows = trader.get("/v1/positions")
    assert [(row["market"]["id"], row["outcome"]["indexSet"], row["amount"]) for row in rows] == [
        (88_123, 1, str(3 * 10**18)),
        (88_124, 2, str(4 * 10**18)),
    ]
    assert trader.get("/v1/positions", marketId="88124") == rows[1:]
    sim.resolve("88124", 0, NOW)
    assert [row["market"]["id"] for row in trader.get("/v1/positions", isResolved="true")] == [88_124]
    assert trader.get(f"/v1/positions/{trader.wallet}", isResolved="false") == rows[:1]
    assert trader.call("GET", "/v1/positions/me")[0] == 400


def test_another_wallets_order_cannot_be_read(sim: PredictSimulator) -> None:
    trader, other = Trader.joined(sim), Trader.joined(sim)
    order_hash = trader.place("88123", 0, "0.3", "10")
    trader.wait(20)
    other.now = trader.now
    assert trader.state(order_hash.upper().replace("X", "x"))[0] == "OPEN"
    assert other.call("GET", f"/v1/orders/{order_hash}")[0] == 404
    assert other.get("/v1/orders") == []


# --- limits ---


def test_the_header_counts_down_and_begins_anew(sim: PredictSimulator) -> None:
    key = {"x-api-key": sim.open_account({}, NOW)["api_key"]}
    said = [answer(sim, "GET", "/v1/markets", headers=key)[2].headers["ratelimit"] for _ in range(2)]
    assert said[1] == '"500-in-1min"; r=498; t=20, "40-in-1sec"; r=38; t=1'
    later = sim.answer(Call(method="GET", path="/v1/markets", headers=key), NOW + 1_000).headers["ratelimit"]
    assert later == '"500-in-1min"; r=497; t=19, "40-in-1sec"; r=39; t=1'


def test_too_many_calls_get_a_429_only_when_the_knob_says_so(sim: PredictSimulator) -> None:
    keys = [{"x-api-key": sim.open_account({}, NOW)["api_key"]} for _ in range(2)]
    sim.knobs |= {"calls_per_second": 3}
    assert {answer(sim, "GET", "/v1/markets", headers=keys[0])[0] for _ in range(5)} == {200}
    sim.knobs |= {"refuse_calls": 1}
    status, reply, response = answer(sim, "GET", "/v1/markets", headers=keys[0])
    assert (status, reply["error"]) == (429, "too_many_requests")
    assert "r=0" in response.headers["ratelimit"]
    assert [answer(sim, "GET", "/v1/markets", headers=keys[1])[0] for _ in range(4)] == [200, 200, 200, 429]
    assert sim.answer(Call(method="GET", path="/v1/markets", headers=keys[0]), NOW + 1_000).status == 200


# --- the chain ---


def eth_call(sim: PredictSimulator, to: str, signature: str, *words: str | int) -> str:
    """The result of a contract call, or the error's message."""
    numbers = [word if isinstance(word, int) else int(word, 16) for word in words]
    data = hashed(signature.encode())[:4] + b"".join(number.to_bytes(32, "big") for number in numbers)
    asked = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "eth_call",
        "params": [{"to": to, "data": "0x" + data.hex()}, "latest"],
    }
    _, reply, _ = answer(sim, "POST", "/rpc", body=json.dumps(asked).encode())
    result: str = reply["result"] if "result" in reply else reply["error"]["message"]
    return result


@pytest.mark.parametrize("flags", list(SHARES))
def test_balances_and_approvals_are_read_from_the_contracts_of_the_market(flags: tuple[bool, bool]) -> None:
    sim = PredictSimulator(1)
    [native] = sim.list_market({"isNegRisk": flags[0], "isYieldBearing": flags[1]})
    trader = Trader.joined(
        sim, balance="12.345678", positions={f"{native}:inverted": "7"}, predict_account=True
    )
    stranger = Trader.joined(sim, balance="0", approved=False)
    token = int(trader.get(f"/v1/markets/{native}")["outcomes"][1]["onChainId"])
    assert int(eth_call(sim, USDT, "balanceOf(address)", trader.wallet), 16) == 12_345_678 * 10**12
    assert int(eth_call(sim, USDT, "balanceOf(address)", "0x" + "11" * 20), 16) == 0
    assert int(eth_call(sim, USDT, "allowance(address,address)", trader.wallet, VALIDATOR), 16) == 2**256 - 1
    assert int(eth_call(sim, USDT, "allowance(address,address)", stranger.wallet, VALIDATOR), 16) == 0
    assert int(eth_call(sim, USDT, "decimals()"), 16) == 18
    for other, contract in SHARES.items():
        held = int(eth_call(sim, contract, "balanceOf(address,uint256)", trader.wallet, token), 16)
        assert held == (7 * 10**18 if contract == SHARES[flags] else 0), other
    approved = [
        int(eth_call(sim, SHARES[flags], "isApprovedForAll(address,address)", who.wallet, VALIDATOR), 16)
        for who in (trader, stranger)
    ]
    assert approved == [1, 0]
    assert eth_call(sim, VALIDATOR, "ecdsaValidatorStorage(address)", trader.wallet)[-40:] == trader.owner[2:]
    assert int(eth_call(sim, VALIDATOR, "ecdsaValidatorStorage(address)", stranger.wallet), 16) == 0


def test_an_exchange_knows_its_own_tokens_only() -> None:
    sim = PredictSimulator(1)
    [native] = sim.list_market({"isNegRisk": True})
    trader = Trader.joined(sim)
    token = int(trader.get(f"/v1/markets/{native}")["outcomes"][0]["onChainId"])
    for flags in SHARES:
        exchange = "0x" + EXCHANGES[56, flags[0], flags[1]]
        said = eth_call(sim, exchange, "validateTokenId(uint256)", token)
        assert said == ("0x" if flags == (True, False) else "execution reverted: InvalidTokenId")


def test_collateral_on_chain_moves_with_the_settlement(sim: PredictSimulator) -> None:
    sim.exchange.set_book("88123", [], [(Price(400_000), Size(100 * ONE))], NOW)
    trader = Trader.joined(sim, balance="50")
    trader.place("88123", 0, "0.4", "50", strategy="MARKET")
    trader.wait(195)
    assert int(eth_call(sim, USDT, "balanceOf(address)", trader.wallet), 16) == 50 * 10**18
    trader.wait(OVER)
    sim.tick(trader.now)
    trader.place("88123", 0, "0.1", "100")
    assert int(eth_call(sim, USDT, "balanceOf(address)", trader.wallet), 16) == 30 * 10**18


def test_the_node_is_found_where_the_hosts_say(sim: PredictSimulator) -> None:
    hosts = sim.hosts("http://127.0.0.1:1", "ws://127.0.0.1:1")
    assert hosts == {
        "rest": "http://127.0.0.1:1",
        "socket": "ws://127.0.0.1:1",
        "rpc": "http://127.0.0.1:1/rpc",
    }
    body = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}'
    for path in ("/rpc", ""):
        assert answer(sim, "POST", path, body=body)[1]["result"] == "0x38"
    assert answer(sim, "GET", "/rpc")[0] == 401


def test_what_is_not_there_is_a_404(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim)
    assert [
        trader.call("GET", path)[0] for path in ("/", "/v1", "/v2/markets", "/v1/markets/88123/books")
    ] == [404] * 4
    assert trader.call("DELETE", "/v1/orders")[0] == 404
    refused = sim.connect(Call(method="GET", path="/other", query={"apiKey": trader.api_key}), NOW)
    assert isinstance(refused, Response)
    assert refused.status == 404
