"""The simulated venue from an order's acceptance to the chain: who is told what, and when."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.venues.predict.sim_trader import HELD, LONG, NOW, OVER, WEI, Trader, heard, quiet
from venues.base.units import ONE, Price, Size, micros
from venues.predict.sim import PredictSimulator
from venues.sim.model import HOUSE

BUY, SELL = 0, 1
MARKET = {"strategy": "MARKET"}


@pytest.fixture
def sim() -> Iterator[PredictSimulator]:
    """One market at 0.41 to 0.42, everything on time; the ledger must add up after every test."""
    made = quiet(PredictSimulator(1))
    made.list_market({})
    book(made, bids=[("0.41", "80"), ("0.4", "300")], asks=[("0.42", "100"), ("0.43", "250.5")])
    yield made
    made.exchange.audit()


def book(sim: PredictSimulator, *, bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> None:
    levels = [[(Price(micros(p)), Size(micros(s))) for p, s in side] for side in (bids, asks)]
    sim.exchange.set_book("88123", levels[0], levels[1], NOW)


def level(sim: PredictSimulator, side: int) -> list[tuple[int, int]]:
    return [(int(price), int(size)) for price, size in sim.exchange.levels("88123")[side]]


def matches(trader: Trader, order_hash: str) -> list[Any]:
    rows = trader.get("/v1/orders/matches", signerAddress=trader.wallet)
    return [row for row in rows if row["taker"]["hash"] == order_hash]


# --- a taking order ---


@pytest.mark.parametrize("kind", [{}, {"predict_account": True}])
@pytest.mark.parametrize("neg_risk", [False, True])
@pytest.mark.parametrize("yield_bearing", [False, True])
def test_a_market_buy_trades_on_every_exchange_with_either_wallet(
    kind: dict[str, Any], neg_risk: bool, yield_bearing: bool
) -> None:
    sim = quiet(PredictSimulator(1))
    [native] = sim.list_market({"isNegRisk": neg_risk, "isYieldBearing": yield_bearing})
    sim.exchange.set_book(native, [], [(Price(420_000), Size(100 * ONE))], NOW)
    trader = Trader.joined(sim, **kind)
    wrong = {"neg_risk": not neg_risk}
    assert (
        trader.refused(trader.order(native, BUY, "0.42", "50", flags=wrong)) == "create_order_hash_mismatch"
    )
    order_hash = trader.place(native, BUY, "0.42", "50", **MARKET)
    trader.wait(OVER)
    assert trader.state(order_hash) == ("FILLED", str(50 * 10**18))
    assert trader.engine_account.positions[native, 0] == 49 * ONE
    sim.exchange.audit()


def test_a_taking_order_is_held_and_says_until_when(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim)
    status, reply = trader.send(trader.order("88123", BUY, "0.42", "50", **MARKET))
    until = reply["data"]["removalLockedUntil"]
    assert status == 201
    assert "2026-11-18T11:06:40.165Z" <= until <= "2026-11-18T11:06:40.195Z"
    held_ms = int(until[-4:-1])
    trader.wait(held_ms - 1)
    assert level(sim, 1)[0] == (420_000, 100 * ONE)
    trader.wait(1)
    assert level(sim, 1)[0] == (420_000, 50 * ONE)


def test_holds_differ_by_order_and_repeat_by_seed() -> None:
    def holds(seed: int) -> list[str]:
        sim = PredictSimulator(seed)
        sim.list_market({})
        trader = Trader.joined(sim)
        orders = [trader.order("88123", BUY, "0.42", "5", **MARKET) for _ in range(8)]
        return [trader.send(order)[1]["data"]["removalLockedUntil"] for order in orders]

    assert len(set(holds(1))) > 3
    assert holds(1) == holds(1) != holds(2)


def test_an_order_cannot_be_read_for_a_moment(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim)
    order_hash = trader.place("88123", BUY, "0.3", "10")
    trader.wait(10)
    assert trader.call("GET", f"/v1/orders/{order_hash}")[0] == 404
    trader.wait(7)
    assert trader.state(order_hash) == ("OPEN", "0")


def test_the_match_is_listed_while_the_status_still_lags_and_may_lie(sim: PredictSimulator) -> None:
    sim.knobs |= {"status_lag_ms": 1_900, "misleading_percent": 100}
    trader = Trader.joined(sim)
    order_hash = trader.place("88123", BUY, "0.42", "50", **MARKET)
    trader.wait(HELD)
    [row] = matches(trader, order_hash)
    assert (row["amountFilled"], row["priceExecuted"]) == (str(50 * 10**18), str(42 * 10**16))
    assert row["executedAt"] == "2026-11-18T11:06:40Z"
    assert trader.state(order_hash) == ("CANCELLED", "0")
    sim.knobs["misleading_percent"] = 0
    second = trader.place("88123", BUY, "0.42", "40", **MARKET)
    trader.wait(HELD)
    assert trader.state(second) == ("OPEN", "0")
    trader.wait(LONG)
    assert trader.state(order_hash) == ("FILLED", str(50 * 10**18))
    assert trader.state(second) == ("FILLED", str(40 * 10**18))


def test_a_market_order_over_two_prices_is_two_matches_at_their_own_prices(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim)
    order_hash = trader.place("88123", BUY, "0.44", "150", **MARKET)
    trader.wait(HELD)
    rows = [
        (row["amountFilled"], row["priceExecuted"], row["taker"]["fee"])
        for row in matches(trader, order_hash)
    ]
    assert rows == [
        (str(50 * 10**18), str(43 * 10**16), {"amount": str(10**18), "type": "SHARES"}),
        (str(100 * 10**18), str(42 * 10**16), {"amount": str(2 * 10**18), "type": "SHARES"}),
    ]
    account = trader.engine_account
    assert account.cash == 1_000 * ONE - 42 * ONE - 21_500_000
    assert account.positions["88123", 0] == 147 * ONE


def test_a_sale_pays_its_fee_out_of_the_collateral_at_the_executed_price(sim: PredictSimulator) -> None:
    """Card, section 6: limit 0.010, executed at 0.02, one share, fee 0.0004."""
    book(sim, bids=[("0.02", "500")], asks=[])
    trader = Trader.joined(sim, positions={"88123": "100"})
    order_hash = trader.place("88123", SELL, "0.01", "100", **MARKET)
    trader.wait(HELD)
    [row] = matches(trader, order_hash)
    assert row["taker"]["fee"] == {"amount": str(4 * 10**16), "type": "COLLATERAL"}
    assert (row["taker"]["quoteType"], row["taker"]["price"]) == ("Ask", str(10**16))
    assert trader.engine_account.cash == 1_000 * ONE + 2 * ONE - 40_000


def test_a_fee_above_one_half_is_taken_from_the_other_side(sim: PredictSimulator) -> None:
    book(sim, bids=[], asks=[("0.9", "500")])
    trader = Trader.joined(sim)
    trader.wait(0)
    order_hash = trader.place("88123", BUY, "0.9", "40", **MARKET)
    trader.wait(HELD)
    [row] = matches(trader, order_hash)
    assert row["taker"]["fee"] == {"amount": "88889000000000000", "type": "SHARES"}
    assert trader.engine_account.positions["88123", 0] == 40 * ONE - 88_889


def test_the_second_outcome_trades_at_the_complement(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim)
    order_hash = trader.place("88123", BUY, "0.59", "50", outcome=1, **MARKET)
    trader.wait(HELD)
    [row] = matches(trader, order_hash)
    assert (row["priceExecuted"], row["taker"]["outcome"]["indexSet"]) == (str(59 * 10**16), 2)
    [maker] = row["makers"]
    assert (maker["outcome"]["indexSet"], maker["quoteType"], maker["price"]) == (1, "Bid", str(41 * 10**16))
    assert level(sim, 0)[0] == (410_000, 30 * ONE)


def test_a_buy_in_cash_spends_at_most_its_maker_amount(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim)
    cash, shares = 50 * 10**18, 50 * 10**36 // (43 * 10**16)
    more = {
        "order_makerAmount": str(cash),
        "order_takerAmount": str(shares),
        "isMinAmountOut": True,
        **MARKET,
    }
    order_hash = trader.place("88123", BUY, "0.42", "1", **more)
    trader.wait(HELD)
    spent = sum(int(row["amountFilled"]) * int(row["priceExecuted"]) for row in matches(trader, order_hash))
    assert 0 <= cash * 10**18 - spent < 43 * 10**16 * 10**15
    assert trader.engine_account.cash == 1_000 * ONE - spent // 10**30


def test_a_buy_in_cash_takes_no_more_than_the_amount_it_names(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim)
    amounts = {"order_makerAmount": str(50 * 10**18), "order_takerAmount": str(50 * 10**36 // (42 * 10**16))}
    order_hash = trader.place(
        "88123", BUY, "0.42", "1", **amounts, amount=str(30 * 10**18), isMinAmountOut=True, **MARKET
    )
    trader.wait(HELD)
    assert [row["amountFilled"] for row in matches(trader, order_hash)] == [str(30 * 10**18)]


def test_a_market_order_that_finds_nothing_is_cancelled(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim)
    line = trader.listen()
    order_hash = trader.place("88123", BUY, "0.41", "50", **MARKET)
    trader.wait(HELD)
    assert trader.state(order_hash) == ("CANCELLED", "0")
    told = [(frame["data"]["type"], frame["data"].get("reason")) for frame in heard(line)]
    assert told == [("orderAccepted", None), ("orderCancelled", "no match within slippage")]


def test_fill_or_kill_is_all_or_nothing(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim)
    killed = trader.place("88123", BUY, "0.42", "101", isFillOrKill=True, **MARKET)
    filled = trader.place("88123", BUY, "0.42", "100", isFillOrKill=True, **MARKET)
    trader.wait(HELD)
    assert (trader.state(killed)[0], trader.state(filled)[0]) == ("CANCELLED", "FILLED")
    body = trader.order("88123", BUY, "0.42", "101", isFillOrKill=True)
    assert trader.refused(body) == "create_order_fill_or_kill_not_supported"


def test_a_part_filled_market_order_is_filled_and_its_rest_is_gone(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim)
    order_hash = trader.place("88123", BUY, "0.42", "300", **MARKET)
    trader.wait(OVER)
    assert trader.state(order_hash) == ("FILLED", str(100 * 10**18))
    assert level(sim, 0)[0] == (410_000, 80 * ONE)


# --- a resting order ---


def test_a_limit_order_rests_fills_as_a_maker_without_fee_and_is_listed(sim: PredictSimulator) -> None:
    maker, taker = Trader.joined(sim), Trader.joined(sim, positions={"88123": "50"})
    line = maker.listen()
    order_hash = maker.place("88123", BUY, "0.415", "30", isPostOnly=True)
    assert level(sim, 0)[0] == (415_000, 30 * ONE)
    maker.wait(20)
    assert [row["order"]["hash"] for row in maker.get("/v1/orders")] == [order_hash]
    taker.now = maker.now
    taker.place("88123", SELL, "0.41", "30", **MARKET)
    maker.wait(OVER)
    assert maker.state(order_hash) == ("FILLED", str(30 * 10**18))
    assert maker.get("/v1/orders") == []
    assert taker.get("/v1/orders", status="FILLED") == [], "market orders are not listed"
    [row] = maker.get("/v1/orders", status="FILLED")
    assert row["amountFilled"] == str(30 * 10**18)
    events = [(frame["data"]["type"], frame["data"]["isMaker"]) for frame in heard(line)]
    assert events == [
        ("orderAccepted", False),
        ("orderTransactionSubmitted", True),
        ("orderTransactionSuccess", True),
    ]
    assert maker.engine_account.positions["88123", 0] == 30 * ONE


def test_a_crossing_limit_order_is_held_takes_and_rests(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim)
    _, reply = trader.send(trader.order("88123", BUY, "0.42", "120"))
    assert reply["data"]["removalLockedUntil"] is not None
    trader.wait(HELD)
    assert level(sim, 0)[0] == (420_000, 20 * ONE)
    removed = trader.call("POST", "/v1/orders/remove", {"data": {"ids": [reply["data"]["orderId"]]}})[1]
    assert removed["removed"] == [reply["data"]["orderId"]]
    assert trader.state(reply["data"]["orderHash"])[0] == "CANCELLED"


def test_a_post_only_order_that_would_take_is_accepted_and_never_lives(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim)
    line = trader.listen()
    status, reply = trader.send(trader.order("88123", BUY, "0.42", "10", isPostOnly=True))
    assert (status, reply["data"]["removalLockedUntil"]) == (201, None)
    trader.wait(HELD)
    assert trader.state(reply["data"]["orderHash"]) == ("CANCELLED", "0")
    [frame] = heard(line)
    assert (frame["data"]["type"], frame["data"]["reason"]) == (
        "orderNotAccepted",
        "post-only order would match",
    )


def test_a_limit_order_expires(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim)
    line = trader.listen()
    order_hash = trader.place("88123", BUY, "0.3", "10", order_expiration=str(NOW // 1_000 + 60))
    assert trader.engine_account.reserved == 3 * ONE
    trader.wait(60_000)
    assert trader.state(order_hash) == ("EXPIRED", "0")
    assert trader.engine_account.reserved == 0
    assert [frame["data"]["type"] for frame in heard(line)] == ["orderAccepted", "orderExpired"]


def test_removing_says_what_became_of_each(sim: PredictSimulator) -> None:
    trader, other = Trader.joined(sim), Trader.joined(sim)
    mine, gone, foreign = (who.place("88123", BUY, "0.3", "10") for who in (trader, trader, other))
    body = {"data": {"hashes": [gone]}}
    assert trader.call("POST", "/v1/orders/remove-by-hash", body)[1]["removed"] == [gone]
    body = {"data": {"hashes": [mine, gone, foreign, "0xabc"]}}
    reply = trader.call("POST", "/v1/orders/remove-by-hash", body)[1]
    assert reply == {"success": True, "removed": [mine], "noop": [gone], "rejected": [foreign, "0xabc"]}
    assert trader.engine_account.reserved == 0
    assert other.engine_account.reserved == 3 * ONE


@pytest.mark.parametrize("percent", [0, 100])
def test_a_removal_before_the_lock_ends_is_answered_oddly_and_does_nothing(
    sim: PredictSimulator, percent: int
) -> None:
    sim.knobs["early_401_percent"] = percent
    trader = Trader.joined(sim)
    order_hash = trader.place("88123", BUY, "0.42", "50", **MARKET)
    status, reply = trader.call("POST", "/v1/orders/remove-by-hash", {"data": {"hashes": [order_hash]}})
    if percent:
        assert (status, reply["error"]) == (401, "unauthorized")
        assert "do not belong to this wallet" in reply["message"]
    else:
        assert (status, reply) == (200, {"success": True, "removed": [], "noop": [], "rejected": []})
    trader.wait(HELD)
    assert trader.state(order_hash)[0] == "FILLED"


@pytest.mark.parametrize("data", [{}, {"ids": []}, {"ids": "1"}, {"ids": [1]}, {"ids": ["1"] * 101}, None])
def test_a_removal_names_one_to_a_hundred_orders(sim: PredictSimulator, data: Any) -> None:
    assert Trader.joined(sim).call("POST", "/v1/orders/remove", {"data": data})[0] == 400


@pytest.mark.parametrize(
    ("mode", "taken", "kept"),
    [
        ("CANCEL_TAKER", "CANCELLED", "OPEN"),
        ("CANCEL_MAKER", "FILLED", "CANCELLED"),
        ("CANCEL_BOTH", "CANCELLED", "CANCELLED"),
    ],
)
def test_a_wallet_does_not_trade_with_itself(sim: PredictSimulator, mode: str, taken: str, kept: str) -> None:
    trader = Trader.joined(sim, positions={"88123": "50"})
    resting = trader.place("88123", BUY, "0.415", "30")
    taking = trader.place("88123", SELL, "0.41", "20", selfTradePrevention=mode, **MARKET)
    trader.wait(HELD)
    assert (trader.state(taking)[0], trader.state(resting)[0]) == (taken, kept)


def test_a_market_order_may_take_what_resting_orders_have_promised(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim, balance="100")
    first = trader.place("88123", BUY, "0.3", "200")
    second = trader.place("88123", BUY, "0.3", "60")
    body = trader.order("88123", BUY, "0.42", "80", **MARKET)
    assert trader.refused(body) == "create_order_insufficient_collateral_balance"
    skipping = trader.place(
        "88123", BUY, "0.42", "80", reservedBalancePolicy="SKIP_RESERVED_BALANCE_CHECKS", **MARKET
    )
    trader.wait(HELD)
    assert [trader.state(h)[0] for h in (first, second, skipping)] == ["OPEN", "CANCELLED", "FILLED"]


def test_an_order_whose_collateral_is_gone_after_acceptance_is_cancelled(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim, balance="50")
    line = trader.listen()
    first = trader.place("88123", BUY, "0.42", "100", **MARKET)
    second = trader.place("88123", BUY, "0.43", "100", **MARKET)
    trader.wait(HELD)
    assert sorted(trader.state(h)[0] for h in (first, second)) == ["CANCELLED", "FILLED"]
    assert "insufficient balance" in [frame["data"].get("reason") for frame in heard(line)]


# --- refusals ---


def changed(body: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The body with fields beside the order replaced; None takes one away."""
    data = {key: value for key, value in {**body["data"], **fields}.items() if value is not None}
    return {"data": data}


def test_each_refusal_has_the_cards_slug(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim, balance="100", positions={"88123": "5"})
    order, refused = trader.order, trader.refused
    wanted = {
        "fee_rate_too_low": order("88123", BUY, "0.3", "10", order_feeRateBps="199"),
        "hash_mismatch": order("88123", BUY, "0.3", "10", sent_salt="77"),
        "price_field_zero": changed(order("88123", BUY, "0.3", "10"), pricePerShare="0"),
        "price_out_of_range": changed(order("88123", BUY, "0.3", "10"), pricePerShare=str(10**18)),
        "invalid_decimal_value": order("88123", BUY, "0.3005", "10"),
        "min_order_value_not_met": order("88123", BUY, "0.3", "2.999"),
        "insufficient_collateral_balance": order("88123", BUY, "0.3", "333.334"),
        "insufficient_shares_balance": order("88123", SELL, "0.9", "5.001"),
    }
    assert {slug: refused(body) for slug, body in wanted.items()} == {s: f"create_order_{s}" for s in wanted}
    assert trader.place("88123", BUY, "0.3", "3")
    assert trader.place("88123", BUY, "0.3", "330.33", order_feeRateBps="1000")
    assert trader.place("88123", SELL, "0.9", "5")


@pytest.mark.parametrize(
    "fields",
    [
        {"order_side": "0"},
        {"order_side": 2},
        {"sent_signature": "0x" + "11" * 65},
        {"sent_signature": "nothing"},
        {"sent_hash": "0x12"},
        {"sent_maker": None},
        {"order_nonce": "7"},
        {"order_signatureType": 1},
        {"order_taker": "0x" + "11" * 20},
        {"order_tokenId": "12345"},
        {"order_expiration": str(NOW // 1_000)},
        {"order_makerAmount": "3000000000000000001"},
        {"strategy": "STOP"},
        {"isPostOnly": "yes"},
        {"isPostOnly": True, "strategy": "MARKET"},
        {"selfTradePrevention": "NONE"},
        {"pricePerShare": "-1"},
        {"sent_salt": str(2**256)},
        {"sent_salt": "1" * 5_000},
        {"sent_salt": None, "salt": "1"},
        {"pricePerShare": 0.3},
        {"slippageBps": "ten"},
    ],
)
def test_what_makes_no_sense_is_a_bad_request(sim: PredictSimulator, fields: dict[str, Any]) -> None:
    trader = Trader.joined(sim)
    replaced = {"order_side": fields["order_side"]} if isinstance(fields.get("order_side"), int) else {}
    body = trader.order("88123", BUY, "0.3", "10", **(fields if "order_side" not in fields else replaced))
    if "order_side" in fields:
        body["data"]["order"]["side"] = fields["order_side"]
    assert trader.refused(body) == "bad_request"
    assert sim.exchange.orders.keys() == {o for o in sim.exchange.orders if o.startswith("house")}


def test_bodies_are_read_leniently(sim: PredictSimulator) -> None:
    """Card, section 4: unknown fields ignored, the last of two keys counts, numeric texts coerced."""
    trader = Trader.joined(sim)
    body = trader.order("88123", BUY, "0.3", "10", colour="blue")
    order = body["data"]["order"]
    body["data"]["order"] = {**order, "salt": int(order["salt"]), "tokenId": int(order["tokenId"])}
    text = json.dumps(body).replace('"strategy": "LIMIT"', '"strategy": "NONE", "strategy": "LIMIT"')
    assert trader.send(text.encode())[0] == 201


def test_a_low_fee_rate_is_told_before_a_wrong_signature(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim)
    body = trader.order("88123", BUY, "0.3", "10", order_feeRateBps="100", sent_signature="0x" + "11" * 65)
    assert trader.refused(body) == "create_order_fee_rate_too_low"


def test_a_signer_of_another_name_is_refused(sim: PredictSimulator) -> None:
    trader, other = Trader.joined(sim), Trader.joined(sim)
    body = trader.order("88123", BUY, "0.3", "10", order_signer=other.wallet)
    assert "signer" in trader.send(body)[1]["message"]
    assert trader.refused(body) == "bad_request"


def test_a_number_of_the_order_may_not_stand_elsewhere_than_signed(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim)
    body = trader.order("88123", BUY, "0.3", "10", salt="99", tokenId="1", amount=None)
    assert trader.send(body)[0] == 201


def test_another_wallets_order_is_not_taken(sim: PredictSimulator) -> None:
    trader, other = Trader.joined(sim), Trader.joined(sim)
    body = other.order("88123", BUY, "0.3", "10")
    assert "maker" in trader.send(body)[1]["message"]
    assert trader.refused(body) == "bad_request"


def test_the_same_order_executes_once_however_often_it_is_sent(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim, balance="30")
    body = trader.order("88123", BUY, "0.42", "50", **MARKET)
    assert trader.send(body)[0] == 201
    assert trader.refused(body) == "create_order_duplicate_order"
    trader.wait(OVER)
    assert trader.refused(body) == "create_order_duplicate_order"
    trader.wait(400_000_000)
    trader.log_in()
    assert trader.refused(body) == "create_order_duplicate_order"
    assert trader.engine_account.cash == 30 * ONE - 21 * ONE


def test_a_wallet_without_allowances_is_refused(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim, approved=False, positions={"88123": "50"})
    slugs = [trader.refused(trader.order("88123", side, "0.3", "10")) for side in (BUY, SELL)]
    assert slugs == [
        "create_order_insufficient_collateral_allowance",
        "create_order_insufficient_shares_allowance",
    ]


def test_a_closed_market_takes_no_orders_and_cancels_those_it_has(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim)
    resting, held = (
        trader.place("88123", BUY, "0.3", "10"),
        trader.place("88123", BUY, "0.42", "10", **MARKET),
    )
    sim.resolve("88123", 0, NOW)
    assert trader.refused(trader.order("88123", BUY, "0.3", "10")) == "create_order_market_not_trading"
    trader.wait(HELD)
    assert [trader.state(h)[0] for h in (resting, held)] == ["CANCELLED", "CANCELLED"]
    row = trader.get("/v1/markets/88123")
    assert (row["tradingStatus"], row["status"]) == ("CLOSED", "RESOLVED")
    assert [outcome["status"] for outcome in row["outcomes"]] == ["WON", "LOST"]


def test_open_limit_orders_may_have_a_limit(sim: PredictSimulator) -> None:
    sim.knobs["open_orders_max"] = 2
    trader = Trader.joined(sim)
    for _ in range(2):
        trader.place("88123", BUY, "0.3", "10")
    assert trader.refused(trader.order("88123", BUY, "0.3", "10")) == "bad_request"
    assert trader.place("88123", BUY, "0.42", "10", **MARKET)


def test_a_blocked_region_gets_a_403(sim: PredictSimulator) -> None:
    sim.knobs["region_blocked"] = 1
    trader = Trader.joined(sim)
    status, reply = trader.send(trader.order("88123", BUY, "0.3", "10"))
    assert (status, reply["error"]) == (403, "forbidden")


# --- settlement ---


def test_a_trade_is_accepted_submitted_and_settled_in_this_order(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim)
    line = trader.listen()
    trader.place("88123", BUY, "0.43", "58.139", **MARKET)
    book(sim, bids=[], asks=[("0.43", "500")])
    trader.wait(HELD)
    trader.wait(LONG - 1)
    before = [frame["data"] for frame in heard(line)]
    trader.wait(1)
    [after] = [frame["data"] for frame in heard(line)]
    kinds = ["orderAccepted", "orderMarketMatchPlan", "orderTransactionSubmitted"]
    assert [data["type"] for data in before] == kinds
    assert after["type"] == "orderTransactionSuccess"
    for data in (before[-1], after):
        assert data["fee"] == {"amountWei": "1162780000000000000", "type": "SHARES"}
        assert data["fill"] == {
            "executedPriceWei": "430000000000000000",
            "executedSizeWei": "58139000000000000000",
            "executedValueWei": "24999770000000000000",
        }
    assert (before[-1]["details"]["quantityFilled"], after["details"]["quantityFilled"]) == ("0", "58.139")
    assert after["details"]["valueFilled"] == "24.99977"
    assert before[-1]["settlementId"] == after["settlementId"]


def test_positions_and_balances_are_those_on_chain(sim: PredictSimulator) -> None:
    trader = Trader.joined(sim, positions={"88123": "30"})
    trader.place("88123", BUY, "0.42", "50", **MARKET)
    trader.wait(HELD)
    assert [row["amount"] for row in trader.get("/v1/positions")] == [str(30 * 10**18)]
    trader.wait(LONG)
    assert [row["amount"] for row in trader.get("/v1/positions")] == [str(79 * 10**18)]
    trader.place("88123", SELL, "0.41", "79", **MARKET)
    trader.wait(HELD)
    assert [row["amount"] for row in trader.get("/v1/positions")] == [str(79 * 10**18)]
    trader.wait(LONG)
    assert trader.get(f"/v1/positions/{trader.wallet}") == []


def test_a_settlement_that_fails_did_not_happen(sim: PredictSimulator) -> None:
    sim.knobs["fail_settlements"] = 1
    maker, trader = Trader.joined(sim, positions={"88123": "60"}), Trader.joined(sim)
    resting = maker.place("88123", SELL, "0.419", "60")
    line = trader.listen()
    order_hash = trader.place("88123", BUY, "0.419", "50", **MARKET)
    trader.wait(HELD)
    assert trader.state(order_hash)[0] == "FILLED"
    assert len(matches(trader, order_hash)) == 1
    trader.wait(LONG)
    assert matches(trader, order_hash) == []
    assert trader.state(order_hash) == ("INVALIDATED", "0")
    assert (trader.engine_account.cash, trader.engine_account.positions["88123", 0]) == (1_000 * ONE, 0)
    maker.now = trader.now
    assert maker.state(resting) == ("OPEN", "0")
    assert level(sim, 1)[0] == (419_000, 60 * ONE)
    assert heard(line)[-1]["data"]["type"] == "orderTransactionFailed"
    again = trader.place("88123", BUY, "0.419", "50", **MARKET)
    trader.wait(OVER)
    assert trader.state(again) == ("FILLED", str(50 * 10**18))


def test_a_failing_settlement_succeeds_where_the_proceeds_are_spent(sim: PredictSimulator) -> None:
    sim.knobs["fail_settlements"] = 1
    trader = Trader.joined(sim, balance="0", positions={"88123": "80"})
    sold = trader.place("88123", SELL, "0.41", "80", **MARKET)
    trader.wait(HELD)
    bought = trader.place("88123", BUY, "0.42", "70", **MARKET)
    trader.wait(OVER)
    assert [trader.state(h)[0] for h in (sold, bought)] == ["FILLED", "FILLED"]


def test_a_market_order_whose_only_part_failed_to_settle_is_invalid(sim: PredictSimulator) -> None:
    sim.knobs["fail_settlements"] = 1
    trader = Trader.joined(sim)
    line = trader.listen()
    order_hash = trader.place("88123", BUY, "0.42", "150", **MARKET)
    trader.wait(OVER)
    assert trader.state(order_hash) == ("INVALIDATED", "0")
    assert "orderCancelled" not in [frame["data"]["type"] for frame in heard(line)]


def test_one_of_two_settlements_may_fail(sim: PredictSimulator) -> None:
    sim.knobs["fail_settlements"] = 1
    trader = Trader.joined(sim)
    order_hash = trader.place("88123", BUY, "0.43", "150", **MARKET)
    trader.wait(OVER)
    assert trader.state(order_hash) == ("FILLED", str(50 * 10**18))
    assert [row["priceExecuted"] for row in matches(trader, order_hash)] == [str(43 * 10**16)]
    assert trader.engine_account.positions["88123", 0] == 49 * ONE


# --- conservation ---


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_sent_the_wire_says_what_the_ledger_holds(seed: int) -> None:
    """Random trading with lags and failing settlements; at the end every match, fee and position agrees."""
    dice = random.Random(seed)
    sim = PredictSimulator(seed)
    sim.list_market({"decimalPrecision": dice.choice((2, 3)), "feeRateBps": 137})
    traders = [Trader.joined(sim, positions={"88123": "300", "88123:inverted": "200"}) for _ in range(3)]
    for _ in range(50):
        sim.knobs["fail_settlements"] = dice.choice((0, 0, 0, 1))
        trader = dice.choice(traders)
        trader.now = max(t.now for t in traders) + dice.randrange(400)
        price, size = f"0.{dice.randrange(30, 71)}", f"{dice.randrange(3, 60)}.{dice.randrange(1000):03}"
        more: dict[str, Any] = dice.choice(
            ({}, {"isPostOnly": True}, MARKET, {**MARKET, "isFillOrKill": True})
        )
        side, outcome = dice.randrange(2), dice.randrange(2)
        body = trader.order(
            "88123", side, price, size, outcome=outcome, selfTradePrevention="CANCEL_MAKER", **more
        )
        assert trader.send(body)[0] in (201, 400)
        sim.exchange.audit()
    end = max(t.now for t in traders) + OVER
    sim.tick(end)
    sim.tick(end + LONG)
    sim.exchange.audit()
    for trader in traders:
        trader.now = end + LONG
        agrees(trader)


def agrees(trader: Trader) -> None:
    """Cash and shares of a trader, summed up from the matches it can read."""
    start, account = 1_000 * ONE, trader.engine_account
    cash, shares = start * WEI, {0: 300 * ONE * WEI, 1: 200 * ONE * WEI}
    wallet = trader.wallet.lower()
    for row in trader.get("/v1/orders/matches", first="500"):
        for party in (row["taker"], *row["makers"]):
            if party["signer"].lower() != wallet:
                continue
            outcome, size = party["outcome"]["indexSet"] - 1, int(party["amount"])
            first = row["taker"]["outcome"]["indexSet"] - 1
            price = int(row["priceExecuted"]) if outcome == first else 10**18 - int(row["priceExecuted"])
            sign = 1 if party["quoteType"] == "Bid" else -1
            fee = int(party["fee"]["amount"])
            cash -= sign * price * size // 10**18 + (fee if party["fee"]["type"] == "COLLATERAL" else 0)
            shares[outcome] += sign * size - (fee if party["fee"]["type"] == "SHARES" else 0)
    assert cash == account.cash * WEI
    held = {row["outcome"]["indexSet"] - 1: int(row["amount"]) for row in trader.get("/v1/positions")}
    assert held == {outcome: size for outcome, size in shares.items() if size}
    assert account.name != HOUSE
