"""What the simulated venue does with an order: fills, fees and balances by hand, settlement, conservation."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.venues.polymarket.sim_trader import BOOK, NOW, SECOND, Trader, levels, refused, scene
from venues.base.units import ONE, Cash, Price, Size, micros

# --- matching, fees, balances ---


def test_a_cash_buy_spends_its_cash_at_book_prices_and_the_fee_comes_on_top() -> None:
    sim, trader, yes, _ = scene()
    # 10 at 0.52 is 5.20; the other 4.80 buy 8.888888 at 0.54 (4.79999952, paid as 4.8).
    _, reply = trader.post(yes, "BUY", 10_000_000, 18_518_500)
    assert (reply["status"], reply["makingAmount"], reply["takingAmount"]) == ("matched", "10", "18.888888")
    # 10 * 0.05 * 0.52 * 0.48 = 0.1248; 8.888888 * 0.05 * 0.54 * 0.46 = 0.11039998... floored to 0.11039.
    assert trader.money() == (100 * ONE - 10 * ONE - 124_800 - 110_390, (40 + 18) * ONE + 888_888)
    assert trader.funds(yes) == (trader.money()[0], 40 * ONE), "what it bought is not on the chain yet"
    sim.tick(NOW + 500)
    assert trader.funds(yes) == trader.money()
    sim.exchange.audit()


def test_a_sell_pays_its_fee_out_of_the_proceeds() -> None:
    _, trader, yes, _ = scene()
    _, reply = trader.post(yes, "SELL", 37_450_000, 17_601_500)
    # 30 at 0.48 and 7.45 at 0.47: 14.4 + 3.5015; fees 0.3744 and 0.09278975 floored to 0.09278.
    assert (reply["makingAmount"], reply["takingAmount"]) == ("37.45", "17.9015")
    assert trader.money() == (100 * ONE + 17_901_500 - 374_400 - 92_780, 2_550_000)


def test_fak_takes_what_is_there_and_nothing_rests() -> None:
    sim, trader, yes, _ = scene()
    _, reply = trader.post(yes, "BUY", 20_000_000, 38_461_500)
    assert (reply["status"], reply["makingAmount"], reply["takingAmount"]) == ("matched", "5.2", "10")
    assert trader.call("GET", "/data/orders")[1]["data"] == []
    assert sim.exchange.levels(yes)[0] == levels(BOOK["bids"])
    assert trader.call("GET", f"/data/order/{reply['orderID']}")[1]["size_matched"] == "10"


@pytest.mark.parametrize(("lifetime", "text"), [("FAK", "no orders found to match"), ("FOK", "fully filled")])
def test_an_order_that_cannot_trade_is_killed_and_changes_nothing(lifetime: str, text: str) -> None:
    sim, trader, yes, _ = scene()
    before, line = trader.money(), trader.listen()
    book = sim.exchange.levels(yes)
    given = (10_000_000, 20_000_000) if lifetime == "FAK" else (10_000_000, 19_230_700)
    assert text in refused(trader.post(yes, "BUY", *given, lifetime=lifetime))
    assert (trader.money(), sim.exchange.levels(yes)) == (before, book)
    [event] = [json.loads(frame) for frame in line.outbox]
    assert (event["type"], event["size_matched"], event["created_at"]) == ("CANCELLATION", "", "")
    assert event["status"].startswith("CANCELED_")
    assert text in event["status"]


def test_the_same_signed_order_executes_once() -> None:
    _, trader, yes, _ = scene()
    payload = trader.order(yes, "BUY", 5_000_000, 9_615_300)
    assert trader.call("POST", "/order", payload)[0] == 200
    money = trader.money()
    assert refused(trader.call("POST", "/order", payload)).endswith("is invalid. Duplicated.")
    assert trader.money() == money


def test_an_order_rests_reserves_and_is_cancelled() -> None:
    sim, trader, yes, no = scene()
    _, reply = trader.post(yes, "BUY", 9_000_000, 20_000_000, lifetime="GTC")
    assert (reply["status"], reply["makingAmount"], reply["tradeIDs"]) == ("live", "", [])
    assert (Price(450_000), Size(20 * ONE)) in sim.exchange.levels(yes)[0]
    assert (Price(550_000), Size(20 * ONE)) in sim.exchange.levels(no)[1]
    assert "not enough balance" in refused(trader.post(yes, "BUY", 92_000_000, 170_370_300))
    assert trader.funds(yes)[0] == 100 * ONE  # the chain knows nothing of open orders
    [row] = trader.call("GET", "/data/orders", query={"asset_id": yes, "next_cursor": "MA=="})[1]["data"]
    assert (row["id"], row["status"], row["original_size"]) == (reply["orderID"], "LIVE", "20")
    stranger = Trader(sim, sim.open_account({}, NOW))
    assert stranger.call("DELETE", "/order", {"orderID": reply["orderID"]})[1]["canceled"] == []
    gone = trader.call("DELETE", "/order", {"orderID": reply["orderID"]})
    assert gone == (200, {"canceled": [reply["orderID"]], "not_canceled": {}})
    assert trader.call("DELETE", "/order", {"orderID": reply["orderID"]})[1]["canceled"] == []
    assert sim.exchange.levels(yes)[0] == levels(BOOK["bids"])


def test_a_post_only_order_does_not_cross() -> None:
    _, trader, yes, _ = scene()
    crossing = trader.post(yes, "BUY", 5_200_000, 10_000_000, lifetime="GTC", post_only=True)
    assert refused(crossing) == "invalid post-only order: order crosses book"
    assert trader.post(yes, "BUY", 5_100_000, 10_000_000, lifetime="GTC", post_only=True)[0] == 200


def test_a_dated_order_ends_a_minute_early() -> None:
    sim, trader, yes, _ = scene()
    end_s = NOW // 1_000 + 180
    trader.post(yes, "BUY", 4_000_000, 10_000_000, lifetime="GTD", expiration=end_s)
    sim.tick(NOW + 119 * SECOND)
    assert len(sim.exchange.levels(yes)[0]) == 3
    sim.tick(NOW + 120 * SECOND)
    assert len(sim.exchange.levels(yes)[0]) == 2


def test_a_batch_answers_each_order_for_itself() -> None:
    _, trader, yes, _ = scene()
    good, small = (
        trader.order(yes, "BUY", *amounts, lifetime="GTC") for amounts in ((4 * ONE, 8 * ONE), (ONE, 2 * ONE))
    )
    status, (first, second) = trader.call("POST", "/orders", [good, small])
    assert (status, first["status"], first["errorMsg"]) == (200, "live", "")
    assert (second["success"], second["orderID"]) == (True, "")
    assert "lower than the minimum" in second["errorMsg"]
    assert trader.call("POST", "/orders", [good] * 16)[0] == 400


# --- settlement ---


def test_a_trade_is_split_by_maker_in_the_makers_own_outcome() -> None:
    sim, trader, yes, no = scene()
    maker = Trader(sim, sim.open_account({"balance": "100"}, NOW))
    _, resting = maker.post(
        no, "BUY", 4_900_000, 10_000_000, lifetime="GTC"
    )  # 0.49 for No: sells Yes at 0.51
    _, reply = trader.post(yes, "BUY", 10_000_000, 18_518_500)
    [trade] = trader.call("GET", "/data/trades", query={"id": reply["tradeIDs"][0]})[1]["data"]
    mine, house = trade["maker_orders"][0], trade["maker_orders"][1:]
    assert (mine["order_id"], mine["asset_id"], mine["outcome"]) == (resting["orderID"], no, "No")
    assert (mine["price"], mine["side"], mine["matched_amount"]) == ("0.49", "BUY", "10")
    assert [row["asset_id"] for row in house] == [yes]
    assert trade["size"] == reply["takingAmount"]
    assert (trade["trader_side"], trade["taker_order_id"]) == ("TAKER", reply["orderID"])
    [seen] = maker.call("GET", "/data/trades", query={"maker_address": maker.funder})[1]["data"]
    assert (seen["trader_side"], seen["id"]) == ("MAKER", trade["id"])
    assert maker.call("GET", "/data/trades", query={"after": str(NOW // 1_000 + 1)})[1]["data"] == []
    assert maker.call("GET", "/data/trades", query={"after": str(NOW // 1_000)})[1]["data"] == [seen]
    assert maker.money() == (Cash(100 * ONE - 4_900_000), 0)  # makers pay no fee
    sim.exchange.audit()


def test_a_trade_steps_to_confirmed_and_each_step_is_told() -> None:
    sim, trader, yes, _ = scene()
    line = trader.listen()
    _, reply = trader.post(yes, "BUY", 5_000_000, 9_615_300)
    for later in (100, 500, 1_999, 2_000, 60_000):
        sim.tick(NOW + later)
    events = [json.loads(frame) for frame in line.outbox]
    trades = [event for event in events if event["event_type"] == "trade"]
    assert [event["status"] for event in trades] == ["MATCHED", "MINED", "CONFIRMED"]
    assert {event["id"] for event in trades} == set(reply["tradeIDs"])
    assert [bool(event["transaction_hash"]) for event in trades] == [False, True, True]
    assert [event["type"] for event in events if event["event_type"] == "order"] == ["PLACEMENT"]


def test_a_failed_trade_is_taken_back() -> None:
    sim, trader, yes, _ = scene()
    maker = Trader(sim, sim.open_account({"balance": "100"}, NOW))
    maker.post(yes, "BUY", 4_900_000, 10_000_000, lifetime="GTC")
    before, book = (trader.money(), maker.money()), sim.exchange.levels(yes)
    sim.knobs["fail_trades"] = 1
    _, reply = trader.post(yes, "SELL", 6_000_000, 2_940_000)
    assert trader.money() != before[0]
    sim.tick(NOW + 500)
    assert ((trader.money(), maker.money()), sim.exchange.levels(yes)) == (before, book)
    [trade] = trader.call("GET", "/data/trades", query={"id": reply["tradeIDs"][0]})[1]["data"]
    assert (trade["status"], trade["transaction_hash"]) == ("FAILED", "")
    sim.exchange.audit()


def test_what_a_trade_brings_can_be_given_only_once_it_is_mined() -> None:
    sim, trader, yes, _ = scene()
    trader.post(yes, "BUY", 5_200_000, 10_000_000)
    for lifetime in ("FAK", "GTC"):
        order = trader.order(yes, "SELL", 41_000_000, 16_400_000, lifetime=lifetime)
        assert "not enough balance" in refused(trader.call("POST", "/order", order))
    trader.post(yes, "SELL", 30_000_000, 14_400_000)
    cash, shares = trader.money()
    assert trader.funds(yes) == (cash - 14_400_000 + 374_400, shares - 10 * ONE), "proceeds less the fee"
    rest = trader.order(yes, "BUY", 100_000_000, 200_000_000, lifetime="GTC")
    assert "not enough balance" in refused(trader.call("POST", "/order", rest))
    sim.tick(NOW + 500)
    assert trader.funds(yes) == trader.money()
    assert trader.post(yes, "SELL", 20_000_000, 9_400_000)[0] == 200
    sim.exchange.audit()


def test_a_trade_that_is_tried_again_is_mined_later() -> None:
    sim, trader, yes, _ = scene()
    sim.knobs["retry_trades"] = 1
    line = trader.listen()
    trader.post(yes, "BUY", 5_000_000, 9_615_300)
    for later in (500, 999, 1_000, 2_000):
        sim.tick(NOW + later)
    trades = [event for event in map(json.loads, line.outbox) if event["event_type"] == "trade"]
    assert [event["status"] for event in trades] == ["MATCHED", "RETRYING", "MINED", "CONFIRMED"]
    assert sim.knobs["retry_trades"] == 0, "only that one"


def test_trades_due_together_settle_together() -> None:
    sim, trader, yes, _ = scene()
    sim.knobs["makers_per_trade"] = 1
    _, reply = trader.post(yes, "BUY", 10_000_000, 18_518_500)
    assert len(reply["tradeIDs"]) == 2
    sim.tick(NOW + 2_000)
    rows = trader.call("GET", "/data/trades")[1]["data"]
    assert [(row["size"], row["price"], row["status"]) for row in rows] == [
        ("8.888888", "0.54", "CONFIRMED"),
        ("10", "0.52", "CONFIRMED"),
    ]


def test_a_delayed_order_is_matched_later_against_the_book_of_then() -> None:
    sim, trader, yes, _ = scene(taker_delay_ms=3_000)
    line = trader.listen()
    _, reply = trader.post(yes, "BUY", 5_200_000, 10_000_000)
    assert (reply["status"], reply["makingAmount"], reply["tradeIDs"]) == ("delayed", "", [])
    _, missed = trader.post(yes, "BUY", 5_200_000, 10_000_000)
    path = f"/data/order/{reply['orderID']}"
    assert trader.call("GET", path)[1]["status"] == "DELAYED"
    sim.exchange.set_book(yes, [], levels([("0.5", "10.4")]), NOW + 1_000)
    sim.tick(NOW + 2_999)
    assert line.outbox == []
    sim.tick(NOW + 3_000)
    row = trader.call("GET", path)[1]
    assert (row["status"], row["size_matched"]) == ("MATCHED", "10.4")
    assert trader.call("GET", f"/data/order/{missed['orderID']}")[1]["status"] == "UNMATCHED"
    assert {json.loads(frame).get("status") for frame in line.outbox} == {"MATCHED", "UNMATCHED"}


def test_lagging_data_hides_a_fresh_order_but_not_the_cancel_of_it() -> None:
    sim, trader, yes, _ = scene()
    sim.knobs["data_lag_ms"] = 500
    _, reply = trader.post(yes, "BUY", 5_200_000, 10_000_000)
    assert trader.call("GET", f"/data/order/{reply['orderID']}")[0] == 404
    assert trader.call("GET", "/data/trades")[1]["data"] == []
    trader.now = NOW + 500
    assert trader.call("GET", f"/data/order/{reply['orderID']}")[0] == 200
    assert len(trader.call("GET", "/data/trades")[1]["data"]) == 1


def test_pages_join_to_the_whole() -> None:
    sim, trader, yes, _ = scene(minimum_size="1")
    sim.knobs["page_size"] = 2
    placed = [
        trader.post(yes, "BUY", 400_000 + n * 10_000, ONE, lifetime="GTC")[1]["orderID"] for n in range(5)
    ]
    cursor, found = "MA==", []
    while cursor != "LTE=":
        page = trader.call("GET", "/data/orders", query={"next_cursor": cursor})[1]
        found += [row["id"] for row in page["data"]]
        cursor = page["next_cursor"]
    assert found == placed


# --- conservation ---

move = st.tuples(
    st.integers(0, 1),  # who
    st.integers(0, 1),  # outcome
    st.sampled_from(["BUY", "SELL"]),
    st.integers(1, 99),  # price in cents
    st.integers(1, 3_000),  # hundredths of a share, or cents to spend
    st.sampled_from(["FAK", "FOK", "GTC"]),
)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(move, max_size=25), st.integers(0, 3))
def test_nothing_appears_or_vanishes(moves: list[tuple[int, int, str, int, int, str]], failing: int) -> None:
    sim, one, yes, no = scene(minimum_size="0.01")
    traders = (one, Trader(sim, sim.open_account({"balance": "50", "positions": {no: "20"}}, NOW)))
    sim.knobs["fail_trades"] = failing
    for step, (who, outcome, side, cents, amount, lifetime) in enumerate(moves):
        trader, token = traders[who], (yes, no)[outcome]
        trader.now = NOW + step * 100
        before = {other.funder: other.worth() for other in traders}
        status, reply = trader.trade(token, side, cents, amount, lifetime)
        sim.exchange.audit()
        if status == 200 and reply["makingAmount"] and side == "BUY":
            assert micros(reply["makingAmount"]) <= cents * 10_000 * micros(reply["takingAmount"]) // ONE + 25
        if status != 200:
            assert {other.funder: other.worth() for other in traders} == before
        sim.tick(trader.now)
        sim.exchange.audit()
