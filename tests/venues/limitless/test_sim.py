"""The simulated venue's face: proofs, markets, accounts, chain; judged by vectors of the official clients."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

import venues
from tests.venues.limitless.sim_trader import (
    NOW,
    Trader,
    another,
    ask,
    levels,
    order_digest,
    refused,
    scene,
    stamp_of,
)
from venues.base.http import Response
from venues.base.units import ONE
from venues.limitless import sim_rules as rules
from venues.limitless.sim import LimitlessSimulator
from venues.sim.contract import Call, Simulator
from venues.sim.control import Tunable
from venues.sim.model import SimOrder

VECTORS = json.loads((Path(venues.__file__).parent / "limitless/vectors/limitless.json").read_text())
ORDERS = {case["id"]: case for case in VECTORS["orders"]}
HMAC = {case["id"]: case for case in VECTORS["hmac"]}
USDC, CTF = "833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", "C9c98965297Bc527861c898329Ee280632B76e18"
WRONG_RATE = {"ord-11"}
"""The official TypeScript client signs the profile's rate on markets where it must be 0."""
BOTH = [("0.001", "1000000")]


def stage(case: dict[str, Any]) -> LimitlessSimulator:
    """A venue with the market and the account of an order case."""
    sim, wish = LimitlessSimulator(1), case["input"]
    venue, token = wish["venue"], wish["token_id"]
    fee = "collateral" if venue.get("feeModule") else "legacy"
    [slug] = sim.list_market({
        "slug": wish["market_slug"], "ids": [token, str(int(token) - 1)], "exchange": venue["exchange"],
        "fee": fee, "neg_risk": venue["adapter"] is not None,
    })  # fmt: skip
    sim.exchange.set_book(slug, levels(BOTH), levels([("0.999", "1000000")]), NOW)
    keys = {"private_key": case["private_key"], "token_id": "tok_shared_01"}
    keys["token_secret"] = VECTORS["hmac_credentials"]["secret"]
    sim.open_account(
        {"balance": "1000000", "positions": {slug: "10000"}, "credentials": keys, "profile_id": 12345}, NOW
    )
    return sim


@pytest.mark.parametrize("name", ORDERS)
def test_what_official_clients_sent_is_taken_to_the_byte(name: str) -> None:
    case = ORDERS[name]
    request = case["request"]
    sim = stage(case)
    status, reply = ask(
        sim, "POST", request["target"], request["body_raw"].encode(), headers=request["headers"]
    )
    if name in WRONG_RATE:
        assert (status, reply["code"]) == (400, "FEE_RATE_MISMATCH")
        return
    assert status == 201, reply
    again = ask(sim, "POST", request["target"], request["body_raw"].encode(), headers=request["headers"])
    assert again[0] == 409
    sim.exchange.audit()


@pytest.mark.parametrize("name", ORDERS)
def test_a_signature_over_other_bytes_is_nobodys(name: str) -> None:
    request = ORDERS[name]["request"]
    body = request["body_raw"].replace('"salt":', '"salt": ')
    assert ask(stage(ORDERS[name]), "POST", "/orders", body.encode(), headers=request["headers"])[0] == 401


@pytest.mark.parametrize("name", ORDERS)
def test_the_hash_is_that_of_the_official_clients(name: str) -> None:
    case = ORDERS[name]
    order = case["request"]["body"]["order"]
    assert "0x" + order_digest(order, case["input"]["venue"]["exchange"]).hex() == case["digest"]
    body = rules.NewOrder(
        order=json_order(order), owner_id=1, order_type="FAK", market_slug=case["input"]["market_slug"]
    )
    assert "0x" + rules.order_hash(body.order, case["input"]["venue"]["exchange"]).hex() == case["digest"]


def json_order(order: dict[str, Any]) -> rules.SignedOrder:
    return msgspec.json.decode(json.dumps(order), type=rules.SignedOrder)


@pytest.mark.parametrize("name", HMAC)
def test_requests_signed_as_official_clients_sign_them_are_believed(name: str) -> None:
    case = HMAC[name]
    sim = stage(ORDERS["ord-01"])
    headers = {
        "lmts-api-key": case["token_id"],
        "lmts-timestamp": case["timestamp"],
        "lmts-signature": case["signature"],
    }
    target, body = case["path_with_query"], case["body"].encode()
    if target.startswith("/socket.io/"):
        path, _, text = target.partition("?")
        query = {"EIO": "4", "transport": "websocket"}
        line = sim.connect(Call(method="GET", path=path, query=query, query_text=text, headers=headers), NOW)
        assert not isinstance(line, Response)
        line.receive("40/markets,", NOW)
        assert any("authenticated" in frame for frame in line.outbox)
    else:
        assert ask(sim, case["method"], target, body, headers=headers)[0] != 401
        assert ask(sim, case["method"], target, body + b" ", headers=headers)[0] == 401
        assert ask(sim, case["method"], target + "&x=1", body, headers=headers)[0] in (401, 404)


# --- proofs ---


def test_it_is_a_simulator_with_knobs() -> None:
    sim: Simulator = LimitlessSimulator(1)
    assert isinstance(sim, Tunable)
    assert sim.hosts("http://a:1", "ws://a:1") == {
        "rest": "http://a:1", "socket": "ws://a:1", "rpc": "http://a:1/rpc",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("skew_ms", "status"), [(30_000, 200), (-30_000, 200), (30_001, 401), (-30_001, 401)]
)
def test_a_proof_is_good_for_thirty_seconds_either_way(skew_ms: int, status: int) -> None:
    _, trader, _ = scene()
    headers = trader.proof("GET /profiles/me", at_ms=NOW - skew_ms)
    assert trader.call("GET", "/profiles/me", headers=headers)[0] == status


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lmts-api-key", "nobody"),
        ("lmts-timestamp", "2026-11-20T12:34:56Z"),
        ("lmts-timestamp", stamp_of(NOW + 1)),
        ("lmts-signature", ""),
        ("lmts-signature", "ü"),
    ],
)
def test_every_header_of_a_proof_counts(name: str, value: str) -> None:
    _, trader, _ = scene()
    headers = trader.proof("GET /portfolio/positions") | {name: value}
    assert trader.call("GET", "/portfolio/positions", headers=headers)[0] == 401
    assert trader.call("GET", "/portfolio/positions", headers={})[0] == 401


def test_a_proof_is_for_one_method_path_and_query() -> None:
    _, trader, slug = scene()
    headers = trader.proof("GET /portfolio/history?cursor=&limit=20")
    assert trader.call("GET", "/portfolio/history?cursor=&limit=20", headers=headers)[0] == 200
    assert trader.call("GET", "/portfolio/history?limit=20&cursor=", headers=headers)[0] == 401
    assert trader.call("DELETE", "/orders/all/" + slug, headers=headers)[0] == 401


def test_the_older_key_speaks_for_its_account_and_only_when_it_has_one() -> None:
    sim, trader, slug = scene()
    other = another(sim, credentials={"api_key": "lmts_1"})
    assert ask(sim, "GET", "/profiles/me", headers={"x-api-key": "lmts_1"})[1]["id"] == other.profile
    assert ask(sim, "GET", "/profiles/me", headers={"x-api-key": "lmts_2"})[0] == 401
    assert ask(sim, "GET", "/profiles/me", headers={"x-api-key": ""})[0] == 401
    body = json.dumps(other.order(slug, "BUY", "0.52", "1")).encode()
    assert ask(sim, "POST", "/orders", body, headers={"x-api-key": "lmts_1"})[0] == 201
    assert "api_key" not in trader.keys


def test_a_token_without_the_scope_reads_but_does_not_trade() -> None:
    sim, _, slug = scene()
    other = another(sim, scopes=["withdrawal"])
    assert other.call("GET", "/portfolio/positions")[0] == 200
    refused(other.post(slug, "BUY", "0.52", "1"), 403)


def test_a_bare_python_client_is_barred() -> None:
    sim, _, slug = scene()
    assert ask(sim, "GET", f"/markets/{slug}", headers={"user-agent": "Python-urllib/3.11"})[0] == 403


def test_only_the_websocket_transport_is_served() -> None:
    sim, _, _ = scene()
    status, reply = ask(sim, "GET", "/socket.io/?EIO=4&transport=polling")
    assert (status, reply) == (400, {"code": 0, "message": "Transport unknown"})
    for query in ({"EIO": "4", "transport": "polling"}, {"EIO": "3", "transport": "websocket"}):
        refused = sim.connect(Call(method="GET", path="/socket.io/", query=query), NOW)
        assert isinstance(refused, Response)
        assert refused.status == 400


# --- markets ---


def test_a_market_says_what_its_orders_need() -> None:
    sim, _, slug = scene()
    status, row = ask(sim, "GET", f"/markets/{slug}")
    assert status == 200
    assert (row["status"], row["tradeType"], row["marketType"]) == ("FUNDED", "clob", "single")
    assert row["positionIds"] == [row["tokens"]["yes"], row["tokens"]["no"]]
    assert row["venue"] == {"exchange": "0xa4409D988CA2218d956BeEFD3874100F444f0DC3", "adapter": None}
    assert (row["collateralToken"]["decimals"], row["settings"]["takerDelayMs"]) == (6, 0)
    assert row["expirationTimestamp"] > NOW
    assert ask(sim, "GET", "/markets/nowhere")[0] == 404


def test_kinds_of_markets_differ_in_their_contracts() -> None:
    sim = LimitlessSimulator(1)
    plain, paid, risky = (
        ask(sim, "GET", "/markets/" + sim.list_market(wish)[0])[1]
        for wish in ({}, {"fee": "collateral"}, {"neg_risk": True})
    )
    assert len({row["venue"]["exchange"] for row in (plain, paid, risky)}) == 3
    assert paid["venue"]["feeModuleType"] == "COLLATERAL"
    assert paid["venue"]["feeModule"]
    assert risky["venue"]["adapter"]
    assert risky["negRiskRequestId"]
    assert "feeModule" not in plain["venue"]


def test_pages_of_active_markets_join_to_the_whole() -> None:
    sim = LimitlessSimulator(1)
    single = [sim.list_market({})[0] for _ in range(30)]
    legs = [sim.list_market({"group": "parent", "neg_risk": True})[0] for _ in range(3)]
    [amm] = sim.list_market({"trade_type": "amm"})
    sim.lock(single[0], NOW)
    found: list[Any] = []
    for page in (1, 2, 3):
        rows = ask(sim, "GET", f"/markets/active?page={page}&limit=25")[1]
        assert rows["totalMarketsCount"] == 31
        found += rows["data"]
    assert [row["slug"] for row in found] == [*single[1:], "parent", amm]
    parent = found[-2]
    assert (parent["marketType"], [leg["slug"] for leg in parent["markets"]]) == ("group", legs)
    assert "tokens" not in parent
    assert ask(sim, "GET", "/markets/parent")[1]["markets"][0]["slug"] == legs[0]
    assert ask(sim, "GET", "/markets/active?limit=26")[0] == 400
    assert "venue" not in found[-1]
    assert ask(sim, "GET", f"/markets/{amm}/orderbook")[0] == 400


def test_the_book_is_yes_best_first_in_raw_shares_and_mirrors_no_orders() -> None:
    sim, trader, slug = scene()
    assert trader.post(slug, "BUY", "0.47", "5", "GTC", outcome=1)[0] == 201  # sells YES at 0.53
    row = ask(sim, "GET", f"/markets/{slug}/orderbook")[1]
    assert row["bids"][0] == {"price": 0.48, "size": 30_000_000, "side": "BUY"}
    assert [(level["price"], level["size"]) for level in row["asks"]] == [
        (0.52, 10 * ONE), (0.53, 5 * ONE), (0.54, 100 * ONE),
    ]  # fmt: skip
    assert (row["midpoint"], row["lastTradePrice"]) == (0.5, None)
    assert (row["minSize"], row["maxSpread"]) == ("100000000", "0.035")
    assert row["tokenId"] == ask(sim, "GET", f"/markets/{slug}")[1]["tokens"]["yes"]
    trader.post(slug, "BUY", "0.52", "1")
    assert ask(sim, "GET", f"/markets/{slug}/orderbook")[1]["lastTradePrice"] == 0.52


@pytest.mark.parametrize(
    "wish",
    [
        {"colour": "red"}, {"fee": "none"}, {"trade_type": "x"}, {"taker_delay_ms": -1}, {"ids": ["1"]},
        {"ids": ["1", "x"]}, {"minimum_value": "a"}, {"exchange": "0x12"}, {"slug": "simulated-market-1"},
        {"group": "simulated-market-1"}, {"ids": [str(2**256), "1"]},
    ],
)  # fmt: skip
def test_a_wrong_wish_for_a_market_is_refused_by_name(wish: dict[str, Any]) -> None:
    sim, _, _ = scene()
    with pytest.raises(ValueError, match=next(iter(wish)).split("_")[0]):
        sim.list_market(wish)
    assert len(sim.exchange.markets) == 1


@pytest.mark.parametrize(
    "wish",
    [
        {"colour": "red"}, {"credentials": {"colour": "red"}}, {"credentials": {"private_key": "0x12"}},
        {"credentials": {"token_secret": "%"}}, {"scopes": ["fly"]}, {"unapproved": "exchange"},
        {"fee_rate_bps": -1}, {"profile_id": 10_001}, {"positions": {"nowhere": "1"}}, {"balance": "x"},
    ],
)  # fmt: skip
def test_a_wrong_wish_for_an_account_opens_none(wish: dict[str, Any]) -> None:
    sim, _, _ = scene()
    with pytest.raises(ValueError, match=r"\w+: "):
        sim.open_account(wish, NOW)
    assert len(sim.exchange.accounts) == 2


def test_equal_seeds_give_equal_venues() -> None:
    def story(seed: int) -> tuple[object, ...]:
        sim = LimitlessSimulator(seed)
        [slug] = sim.list_market({})
        sim.exchange.set_book(slug, [], levels([("0.52", "10")]), NOW)
        keys = sim.open_account({"balance": "100"}, NOW)
        return keys, Trader(sim, keys).post(slug, "BUY", "0.52", "1")

    assert story(1) == story(1) != story(2)


# --- accounts and the chain ---


def test_the_profile_says_what_to_sign() -> None:
    sim, trader, _ = scene()
    other = another(sim, profile_id=77, fee_rate_bps=250)
    status, row = trader.call("GET", f"/profiles/{other.address}")
    assert (status, row["id"], row["account"], row["rank"]["feeRateBps"]) == (200, 77, other.address, 250)
    assert trader.call("GET", "/profiles/me")[1]["account"] == trader.address
    assert trader.call("GET", "/profiles/0x" + "00" * 20)[0] == 404


def balances(trader: Trader, token: str) -> tuple[int, int]:
    owner = trader.address[2:].rjust(64, "0")
    return trader.read(USDC, "70a08231" + owner), trader.read(CTF, "00fdd58e" + owner + f"{int(token):064x}")


def test_the_chain_shows_balances_and_approvals() -> None:
    sim, trader, slug = scene()
    market = ask(sim, "GET", f"/markets/{slug}")[1]
    yes, exchange = market["tokens"]["yes"], market["venue"]["exchange"][2:].rjust(64, "0")
    assert balances(trader, yes) == trader.money(slug) == (100 * ONE, 40 * ONE)
    assert balances(trader, market["tokens"]["no"]) == (100 * ONE, 0)
    shy = another(sim, unapproved=["exchange"])
    for who, allowance, approved in ((trader, 2**256 - 1, 1), (shy, 0, 0)):
        owner = who.address[2:].rjust(64, "0")
        assert who.read(USDC, "dd62ed3e" + owner + exchange) == allowance
        assert who.read(CTF, "e985e9c5" + owner + exchange) == approved
        assert who.read(USDC, "dd62ed3e" + owner + "00" * 12 + "11" * 20) == 0
    assert trader.read(USDC, "313ce567") == 6


def test_a_chain_that_lags_shows_a_trade_when_it_is_mined() -> None:
    sim, trader, slug = scene()
    sim.knobs["chain_lag"] = 1
    yes = ask(sim, "GET", f"/markets/{slug}")[1]["tokens"]["yes"]
    before = balances(trader, yes)
    trader.post(slug, "BUY", "0.52", "10")
    trader.post(slug, "SELL", "0.48", "3")
    assert trader.money(slug) != before == balances(trader, yes)
    assert trader.call("GET", "/portfolio/positions")[1]["clob"][0]["tokensBalance"]["yes"] == str(before[1])
    trader.now = NOW + 500
    assert balances(trader, yes) == trader.money(slug)


def test_positions_show_tokens_and_what_open_orders_lock() -> None:
    sim, trader, slug = scene()
    _, reply = trader.post(slug, "BUY", "0.4", "10", "GTC", clientOrderId="mine")
    [row] = trader.call("GET", "/portfolio/positions")[1]["clob"]
    assert (row["market"]["slug"], row["makerAddress"]) == (slug, trader.address)
    assert row["tokensBalance"] == {"yes": "40000000", "no": "0"}
    assert row["orders"]["totalCollateralLocked"] == "4000000"
    [order] = row["orders"]["liveOrders"]
    assert (order["id"], order["clientOrderId"]) == (reply["order"]["id"], "mine")
    assert another(sim).call("GET", "/portfolio/positions")[1]["clob"] == []


def test_the_history_has_every_fill_once_newest_first_over_any_pages() -> None:
    sim, trader, slug = scene()
    placed = [trader.post(slug, "BUY", "0.54", "11")[1], trader.post(slug, "SELL", "0.47", "31")[1]]
    found: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        page = trader.call("GET", f"/portfolio/history?cursor={cursor}&limit=3")[1]
        assert 1 <= len(page["data"]) <= 3
        found, cursor = found + page["data"], page["nextCursor"]
    ids = [match["id"] for reply in placed for match in reply["makerMatches"]]
    assert [row["makerMatchId"] for row in found] == ids[::-1]
    assert {row["orderId"] for row in found} == {reply["order"]["id"] for reply in placed}
    first = found[-1]
    assert (first["strategy"], first["market"]["slug"], first["outcomeIndex"]) == ("Market Buy", slug, 0)
    assert (first["outcomeTokenAmount"], first["collateralAmount"]) == ("10000000", "5200000")
    assert (first["outcomeTokenPrice"], first["tradeEventId"]) == (
        0.52,
        placed[0]["execution"]["tradeEventId"],
    )
    assert trader.call("GET", "/portfolio/history?cursor=x&limit=3")[0] == 400
    assert trader.call("GET", "/portfolio/history?cursor=&limit=101")[0] == 400
    assert another(sim).call("GET", "/portfolio/history?cursor=&limit=3")[1]["data"] == []


# --- fees, as published ---


@pytest.mark.parametrize("case", VECTORS["fees"], ids=lambda case: case["id"])
def test_fees_are_those_of_the_vectors(case: dict[str, Any]) -> None:
    shares = case["shares"]
    for fee, name in (("legacy", "legacy_venue"), ("collateral", "collateral_venue")):
        sim = LimitlessSimulator(1)
        [slug] = sim.list_market({"fee": fee})
        level = levels([(case["price"], shares)])
        buys = case["side"] == "BUY"
        sim.exchange.set_book(slug, [] if buys else level, level if buys else [], NOW)
        trader = Trader(sim, sim.open_account({"balance": "10000", "positions": {slug: shares}}, NOW))
        status, reply = trader.post(slug, case["side"], case["price"], shares)
        assert status == 201
        raw = reply["execution"]["totalsRaw"]
        assert {key: raw[key] for key in case.get(name, {}) if key in raw} == {
            key: value for key, value in case.get(name, {}).items() if key in raw
        }
        sim.exchange.audit()


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_every_published_point_is_charged_its_rate(side: str) -> None:
    curve = rules.BUY_BPS if side == "BUY" else rules.SELL_BPS
    for price, bps in VECTORS["published_fee_bps"][side].items():
        over, under = rules.rate_at(curve, int(price.replace(".", "").ljust(7, "0")), 1)
        assert over == bps * under, price


def test_house_orders_have_no_ticket() -> None:
    sim, _, slug = scene()
    resting: list[SimOrder] = sim.exchange.resting(sim.exchange.markets[slug])
    assert all("ticket" not in order.notes for order in resting)
