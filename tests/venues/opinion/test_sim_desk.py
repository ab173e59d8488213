"""What the simulated venue does with an order: money by hand, fees, the chain, conservation."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import venues.opinion
from tests.examples import examples
from tests.venues.opinion.sim_trader import NOW, SECOND, Book, Trader, heard, levels, scene
from venues.base.orders import Side, TimeInForce
from venues.base.units import ONE, Cash, Price, Size, micros
from venues.opinion.sim import OpinionSimulator
from venues.opinion.sim_fees import Rate, reach
from venues.sim.model import HOUSE, SimOrder

VECTORS = json.loads((Path(venues.opinion.__path__[0]) / "vectors" / "opinion.json").read_text())
FEES = [case for case in VECTORS["fee_vectors"]["cases"] if case["discount"] == "0"]


def exact_fee(rate_bps: int, fills: list[tuple[int, int]]) -> Fraction:
    """The card's formula over a whole order, in dollars; prices and sizes in millionths."""
    total = Fraction(0)
    for price, size in fills:
        p = Fraction(price, ONE)
        total += Fraction(rate_bps, 10_000) * p * (1 - p) * p * Fraction(size, ONE)
    return max(Fraction(1, 4), total) if rate_bps else Fraction(0)


# --- fees ---


@pytest.mark.parametrize(
    "case", FEES, ids=lambda case: f"{case['price']}x{case['shares']}@{case['taker_rate_bps']}"
)
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_taker_pays_the_golden_fee(case: dict[str, Any], side: str) -> None:
    sim, _, book = scene(fee_bps=case["taker_rate_bps"], tick="0.001", minimum="0")
    level = levels([(case["price"], case["shares"])])
    sim.exchange.set_book(book.native, level if side == "sell" else [], level if side == "buy" else [], NOW)
    rich = Trader(sim, sim.open_account({"balance": "20000", "positions": {book.native: "100000"}}, NOW))
    if side == "sell":
        rich.place(book, "sell", case["shares"])
        net = Fraction(case["sell_net_received"])
    else:
        rich.place(book, "buy", "20000")  # more than all there is: the fee is that of the whole level
        net = -Fraction(case["buy_total_paid"])
    [fill] = [fill for order in sim.exchange.orders.values() for fill in order.fills]
    assert fill.fee == int(Fraction(case["fee"]) * ONE)
    assert sim.exchange.accounts[rich.safe].cash == 20_000 * ONE + -(-net * ONE // 1)
    sim.exchange.audit()


def test_a_market_without_fees_charges_none_and_no_minimum() -> None:
    for wish in ({"fee_bps": 0}, {"fee_enabled": False}):
        sim, trader, book = scene(**wish)
        order_id = trader.place(book, "buy", "10")
        trader.wait(SECOND)
        assert [trade["feeFormatted"] for trade in trader.order(order_id)["trades"]] == ["0", "0"]
        assert sim.exchange.fees_collected == 0


def test_the_minimum_is_paid_once_per_order_not_per_match() -> None:
    _, trader, book = scene()
    order_id = trader.place(book, "buy", "20")  # 10 at 0.43 and the rest at 0.45
    trader.wait(SECOND)
    trades = trader.order(order_id)["trades"]
    assert [trade["feeFormatted"] for trade in trades] == ["0.25", "0"]
    assert [int(trade["fee"]) for trade in trades] == [25 * 10**16, 0]


def test_resting_orders_pay_nothing() -> None:
    sim, maker, book = scene()
    taker = Trader(sim, sim.open_account({"balance": "100"}, NOW))
    order_id = maker.place(book, "sell", "20", "0.42")
    taker.place(book, "buy", "10")  # 0.25 fee, 9.75 buy 20 at 0.42 and the rest at 0.43
    maker.wait(SECOND)
    [trade] = maker.order(order_id)["trades"]
    assert (trade["side"], trade["price"], trade["shares"], trade["feeFormatted"]) == (
        "Sell",
        "0.42",
        "20",
        "0",
    )
    assert maker.money() == ("108.4", "108.4", "0")
    sim.exchange.audit()


def test_a_sale_never_costs_more_than_it_brings() -> None:
    sim, trader, book = scene()
    sim.exchange.set_book(book.native, levels([("0.41", "0.5")]), [], NOW)
    trader.place(book, "sell", "20")
    trader.wait(SECOND)
    assert trader.money()[0] == "100"  # 0.205 of proceeds, all of it fee
    sim.exchange.audit()


# --- what a buy may spend ---


def test_a_market_buy_spends_its_money_fee_included() -> None:
    """The arithmetic of the recorded example: 25 of money, 0.25 of fee, 24.75 of shares."""
    sim, trader, book = scene()
    sim.exchange.set_book(book.native, [], levels([("0.428", "200")]), NOW)
    order_id = trader.place(book, "buy", "25")
    trader.wait(SECOND)
    row = trader.order(order_id)
    assert (row["filledShares"], row["filledAmount"]) == ("57.827102", "24.75")
    assert trader.money()[0] == "75"


def test_a_crossing_limit_buy_gets_fewer_shares_and_never_costs_more() -> None:
    _, trader, book = scene()
    order_id = trader.place(book, "buy", "30", "0.45")  # 13.5: 10 at 0.43, 0.25 fee, 8.95 left at 0.45
    trader.wait(SECOND)
    row = trader.order(order_id)
    assert (row["status"], row["orderShares"], row["filledShares"]) == (2, "30", "29.888888")
    assert trader.money()[0] == "86.5"


def test_a_limit_buy_that_is_filled_in_part_rests_with_what_is_left() -> None:
    _, trader, book = scene()
    order_id = trader.place(book, "buy", "30", "0.43")  # 12.9: 10 at 0.43 and the fee leave 8.35
    assert trader.money() == ("100", "87.1", "12.9")  # the chain has not moved, all of it is promised
    trader.wait(SECOND)
    row = trader.order(order_id)
    assert (row["status"], row["filledShares"]) == (1, "10")
    bids = trader.get("/token/orderbook", token_id=book.tokens[0])["bids"]
    assert bids[0] == {"price": "0.43", "size": "19.418604"}  # 8.35 / 0.43
    total, free, frozen = map(micros, trader.money())
    assert (total, total - free) == (95_450_000, frozen)
    assert frozen <= 8_350_000


offers = st.lists(st.tuples(st.integers(1, 999), st.integers(1, 60_000_000)), min_size=1, max_size=8)


@given(
    offers,
    st.integers(5 * ONE, 60 * ONE),
    st.sampled_from([0, 100, 400, 800, 4_000]),
    st.none() | st.integers(1, 10**8),
)
def test_a_buy_gets_all_that_its_money_buys_and_no_more(
    book: list[tuple[int, int]], budget: int, bps: int, wanted: int | None
) -> None:
    """Checked with fractions: the next millionth of a share would cost more than what is left."""
    ranked = sorted((price * 1_000, size) for price, size in book)
    sizes = [(Price(price), Size(size)) for price, size in ranked]
    limit = None if wanted is None else Size(wanted)
    got = reach(sizes, limit, Cash(budget), Rate(bps, enabled=True))

    def paid(shares: int) -> tuple[Fraction, bool]:
        """The cost of so many of the best shares, each match rounded up; and whether there are so many."""
        fills: list[tuple[int, int]] = []
        for price, size in ranked:
            if shares:
                fills.append((price, min(size, shares)))
                shares -= fills[-1][1]
        cost = Fraction(sum(-(-price * size // ONE) for price, size in fills))
        return cost + (exact_fee(bps, fills) * ONE // 1 if fills else Fraction(0)), shares == 0

    assert paid(got.size)[0] <= budget
    assert wanted is None or got.size <= wanted
    more, there_is = paid(got.size + 1)
    if wanted is not None and got.size == wanted:
        assert not got.stopped
    else:
        assert got.stopped == there_is
        assert not there_is or more > budget
    if not got.stopped:
        assert got.left == budget - paid(got.size)[0]


# --- the two steps of a fill ---


def test_a_fill_is_pending_until_the_chain_has_it() -> None:
    sim, trader, book = scene()
    line = trader.listen(book, "trade.order.update", "trade.record.new")
    order_id = trader.place(book, "buy", "20")
    assert [(e["orderUpdateType"], e["status"]) for e in heard(line)] == [("orderNew", 1), ("orderFill", 1)]
    trader.wait(999)
    row = trader.order(order_id)
    assert (row["status"], row["filledShares"], row["filledAmount"], row["trades"]) == (1, "0", "0", None)
    assert trader.get("/trade")["list"] is None
    assert trader.money() == ("100", "80", "20")
    assert trader.shares() == {"YES": ("40", "0")}
    assert heard(line) == []
    trader.wait(1)
    update, *records = heard(line)
    assert (update["orderUpdateType"], update["status"], update["filledShares"]) == (
        "orderConfirm",
        2,
        "44.333333",
    )
    assert [(e["msgType"], e["status"], e["shares"]) for e in records] == [
        ("trade.record.new", 2, "10"),
        ("trade.record.new", 2, "34.333333"),
    ]
    assert len({e["tradeNo"] for e in records}) == 2
    assert len({e["txHash"] for e in records}) == 1
    row = trader.order(order_id)
    assert (row["status"], row["filledShares"], row["filledAmount"]) == (2, "44.333333", "19.75")
    assert [trade["tradeNo"] for trade in row["trades"]] == [e["tradeNo"] for e in records]
    assert trader.money() == ("80", "80", "0")
    assert trader.shares() == {"YES": ("84.333333", "0")}
    assert sim.knobs["confirm_ms"] == SECOND


def test_what_waits_for_the_chain_cannot_be_sold_or_spent() -> None:
    _, trader, book = scene()
    trader.place(book, "buy", "20")
    assert trader.post(book, "sell", "41")["errmsg"] == "insufficient token balance"
    trader.place(book, "sell", "40")
    assert trader.shares() == {"YES": ("40", "40")}
    assert trader.post(book, "buy", "80.01")["errmsg"] == "insufficient token balance"
    trader.wait(SECOND)
    assert trader.money()[0] == "96.15"  # 80 + 16.4 - 0.25
    trader.place(book, "sell", "44.333333")


@pytest.mark.parametrize(("side", "amount"), [("buy", "20"), ("sell", "40")])
@pytest.mark.parametrize("price", ["0", "crossing"])
def test_a_match_that_fails_on_chain_never_happened(side: str, amount: str, price: str) -> None:
    sim, trader, book = scene()
    sim.knobs["fail_trades"] = 1
    before = sim.exchange.levels(book.native), trader.money(), trader.shares()
    limit = {"0": "0", "crossing": "0.45" if side == "buy" else "0.41"}[price]
    line = trader.listen(book, "trade.order.update", "trade.record.new")
    order_id = trader.place(book, side, amount, limit)
    heard(line)
    trader.wait(SECOND)
    assert sim.knobs["fail_trades"] == 0
    update, *records = heard(line)
    assert (update["orderUpdateType"], update["status"], update["filledShares"]) == ("orderCancel", 5, "0")
    assert {(e["msgType"], e["status"]) for e in records} == {("trade.record.new", 6)}
    row = trader.order(order_id)
    assert (row["statusEnum"], row["filledShares"], row["filledAmount"]) == ("Failed", "0", "0")
    assert {trade["status"] for trade in row["trades"]} == {6}
    assert (trader.money(), trader.shares()) == before[1:]
    assert sim.exchange.fees_collected == 0
    # A house order that was used up does not come back; one that still rests has grown again.
    assert set(before[0][0]) <= set(sim.exchange.levels(book.native)[0]) or side == "sell"
    sim.exchange.audit()
    trader.place(book, "buy", "10")


def test_a_resting_order_outlives_a_failed_match() -> None:
    sim, maker, book = scene()
    taker = Trader(sim, sim.open_account({"balance": "100"}, NOW))
    order_id = maker.place(book, "sell", "30", "0.42")
    sim.knobs["fail_trades"] = 1
    taker.place(book, "buy", "5")
    line = maker.listen(book, "trade.order.update", "trade.record.new")
    maker.wait(SECOND)
    assert [(e["msgType"], e["status"]) for e in heard(line)] == [("trade.record.new", 6)]
    row = maker.order(order_id)
    assert (row["status"], row["filledShares"]) == (1, "0")
    assert sim.exchange.levels(book.native)[1][0] == (Price(micros("0.42")), Size(30 * ONE))
    taker.now = maker.now
    taker.place(book, "buy", "5")
    maker.wait(SECOND)
    assert maker.order(order_id)["filledShares"] == "11.309523"  # 4.75 / 0.42
    sim.exchange.audit()


# --- market orders, resting orders, cancelling ---


def test_a_market_order_meets_an_empty_book() -> None:
    sim, trader, book = scene()
    sim.exchange.set_book(book.native, [], [], NOW)
    for side, amount, no in (("buy", "10", False), ("sell", "20", False), ("buy", "10", True)):
        assert trader.post(book, side, amount, no=no)["errno"] == 10605
    assert trader.get("/order") == {"total": 0, "list": None}


@pytest.mark.parametrize(("knob", "status"), [(0, 2), (1, 3)])
def test_the_rest_of_a_market_order_is_cancelled(knob: int, status: int) -> None:
    sim, trader, book = scene()
    sim.knobs["cancel_market_rest"] = knob
    sim.exchange.set_book(book.native, [], levels([("0.43", "10")]), NOW)
    order_id = trader.place(book, "buy", "20")
    trader.wait(SECOND)
    row = trader.order(order_id)
    assert (row["status"], row["filledShares"], row["filledAmount"]) == (status, "10", "4.3")
    assert trader.money() == ("95.45", "95.45", "0")
    assert sim.exchange.levels(book.native) == ([], [])


def test_no_is_bought_where_yes_is_bid_for() -> None:
    sim, trader, book = scene()
    order_id = trader.place(book, "buy", "20", no=True)
    trader.wait(SECOND)
    row = trader.order(order_id)
    assert (row["outcomeSide"], row["outcome"], row["filledShares"]) == (2, "NO", "33.474576")  # 19.75 / 0.59
    assert row["trades"][0]["price"] == "0.59"
    assert trader.shares() == {"YES": ("40", "0"), "NO": ("33.474576", "0")}
    assert sim.exchange.levels(book.native)[0][0] == (Price(micros("0.41")), Size(800 * ONE - 33_474_576))


def test_an_order_rests_is_listed_and_is_cancelled() -> None:
    _, trader, book = scene()
    line = trader.listen(book, "trade.order.update")
    bought = trader.place(book, "buy", "20", "0.4")
    sold = trader.place(book, "sell", "15", "0.5")
    assert trader.money() == ("100", "92", "8")
    assert trader.shares() == {"YES": ("40", "15")}
    assert trader.post(book, "sell", "25.000001", "0.5")["errmsg"] == "insufficient token balance"
    assert [row["orderId"] for row in trader.get("/order", status="1")["list"]] == [sold, bought]
    assert trader.cancel(bought)
    assert not trader.cancel(bought)
    assert trader.money() == ("100", "100", "0")
    assert [row["orderId"] for row in trader.get("/order", status="2,3")["list"]] == [bought]
    assert trader.get("/order", marketId="1")["list"] is None
    kinds = [(e["orderUpdateType"], e["status"], e["price"]) for e in heard(line)]
    assert kinds == [
        ("orderNew", 1, "0.400000000000000000"),
        ("orderNew", 1, "0.500000000000000000"),
        ("orderCancel", 3, "0.400000000000000000"),
    ]


@pytest.mark.parametrize(("at_once", "early"), [(0, 1), (1, 3)])
def test_a_cancelled_order_waits_for_its_matches(at_once: int, early: int) -> None:
    sim, trader, book = scene()
    sim.knobs["cancel_at_once"] = at_once
    order_id = trader.place(book, "buy", "30", "0.43")
    assert trader.cancel(order_id)
    row = trader.order(order_id)
    assert (row["status"], row["filledShares"]) == (early, "0")
    trader.wait(SECOND)
    row = trader.order(order_id)
    assert (row["status"], row["filledShares"]) == (3, "10")
    assert not trader.cancel(order_id)


def test_a_post_only_order_does_not_cross() -> None:
    sim, trader, book = scene()
    before = sim.exchange.levels(book.native)
    assert trader.post(book, "buy", "20", "0.43", postOnly=True)["errmsg"] == "post only order would match"
    assert sim.exchange.levels(book.native) == before
    trader.place(book, "buy", "20", "0.429", postOnly=True)


def test_amounts_and_fees_take_the_shape_of_the_knobs() -> None:
    sim, trader, book = scene()
    sim.knobs |= {"amount_with_fee": 1, "fee_in_wei": 1}
    line = trader.listen(book, "trade.record.new")
    order_id = trader.place(book, "buy", "20")
    trader.wait(SECOND)
    records = heard(line)
    assert [e["fee"] for e in records] == ["250000000000000000", "0"]
    assert sum(micros(e["amount"]) for e in records) == 20 * ONE
    assert trader.order(order_id)["filledAmount"] == "20"
    trader.place(book, "sell", "40")
    trader.wait(SECOND)
    assert trader.get("/trade")["list"][0]["amount"] == "16.15"


def test_a_resolved_market_ends_its_orders() -> None:
    sim, trader, book = scene()
    order_id = trader.place(book, "buy", "20", "0.4")
    sim.resolve(book.native, 1, NOW)
    row = trader.get(f"/market/{book.native}")["data"]
    assert (row["statusEnum"], row["resultTokenId"]) == ("Resolved", book.tokens[1])
    assert trader.order(order_id)["status"] == 3
    assert trader.money() == ("100", "100", "0")
    assert trader.get("/market", status="activated")["list"] is None
    assert trader.get("/market", status="resolved")["total"] == 1


# --- conservation ---

move = st.tuples(
    st.sampled_from(["buy", "sell"]),
    st.booleans(),
    st.integers(390, 470),
    st.integers(12, 60),
    st.sampled_from(["market", "limit", "limit", "cancel", "house", "wait", "late"]),
)


@settings(max_examples=examples(60))
@given(st.lists(move, max_size=25), st.integers(0, 3), st.sampled_from([0, 400, 8_000]))
def test_whatever_happens_nothing_appears_or_vanishes(
    moves: list[tuple[str, bool, int, int, str]], failing: int, bps: int
) -> None:
    """Two customers against each other and the house: audits, the chain's view, and what orders claim."""
    sim, first, book = scene(fee_bps=bps)
    second = Trader(
        sim, sim.open_account({"balance": "80", "positions": {f"{book.native}:inverted": "90"}}, NOW)
    )
    sim.knobs["fail_trades"] = failing
    for step, (side, no, price, amount, kind) in enumerate(moves):
        trader = (first, second)[step % 2]
        trader.now = max(first.now, second.now)
        match kind:
            case "market":
                trader.post(book, side, str(amount), no=no)
            case "limit":
                mine = 1_000 - price if no else price
                trader.post(book, side, str(amount), f"0.{mine:03d}", no=no)
            case "cancel":
                trader.cancel_all()
            case "house":
                house_order(sim, book, side, price, amount, trader.now)
            case _:
                trader.wait(300 if kind == "wait" else 2_000)
        sim.exchange.audit()
        for one in (first, second):
            check_customer(sim, one)
    first.now = second.now = max(first.now, second.now)
    first.wait(5 * SECOND)
    check_final(sim, [first, second])


def house_order(sim: OpinionSimulator, book: Book, side: str, price: int, amount: int, now_ms: int) -> None:
    order = SimOrder(
        order_id=sim.exchange.new_id("house"), account=HOUSE, market=sim.exchange.markets[book.native],
        outcome=0, side=Side(side), price=Price(price * 1_000), size=Size(amount * ONE), cash=None,
        time_in_force=TimeInForce.GTC, created_ms=now_ms,
    )  # fmt: skip
    sim.exchange.place(order, now_ms)
    sim.tick(now_ms)


def check_customer(sim: OpinionSimulator, trader: Trader) -> None:
    """Nothing is below zero, and no buy has cost more than was signed.

    The engine rounds each fill up to a millionth, where the venue counts in wei: what rests and is filled in
    parts may come to a millionth more each time.
    """
    total, free, frozen = map(micros, trader.money())
    assert total == free + frozen
    for owned, held in trader.shares().values():
        assert micros(owned) >= micros(held) >= 0
    for order in sim.exchange.orders.values():
        if order.account == HOUSE:
            continue
        ticket: Any = order.notes["ticket"]
        if order.side is Side.BUY:
            rounded = 0 if ticket.by_market else len(order.fills)
            assert (order.value + order.fees - rounded) * 10**12 <= ticket.maker_amount
            assert ticket.by_market or order.filled * 10**12 <= ticket.taker_amount
        else:
            assert order.filled * 10**12 <= ticket.maker_amount
            assert order.fees <= order.value


def check_final(sim: OpinionSimulator, traders: list[Trader]) -> None:
    """With nothing pending, the orders' own claims add up to what the accounts have."""
    for trader in traders:
        account = sim.exchange.accounts[trader.safe]
        assert micros(trader.money()[0]) == account.cash
        rows = trader.get("/order", limit="20")["list"] or []
        for row in rows:
            trades = trader.order(row["orderId"])["trades"] or []
            done = [trade for trade in trades if trade["status"] == 2]
            assert micros(row["filledShares"]) == sum(micros(trade["shares"]) for trade in done)
            assert micros(row["filledAmount"]) == sum(micros(trade["amount"]) for trade in done)
            assert row["status"] != 2 or done
            fills = [(micros(trade["price"]), micros(trade["shares"])) for trade in done]
            paid = sum(micros(trade["feeFormatted"]) for trade in done)
            assert paid <= (exact_fee(8_000, fills) if fills else 0) * ONE
