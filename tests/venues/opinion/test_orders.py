"""What each reply of the venue proves about an order, and what it does not."""

import json
from pathlib import Path
from typing import Any

import pytest

import venues.opinion
from tests.venues.opinion import examples
from tests.venues.opinion.examples import NOW_MS, Venue, ok, refusal, row, trade, wei
from venues.base.http import Purpose, Reply, Response, Silence
from venues.base.orders import (
    Answer,
    Fee,
    Filled,
    Order,
    Pending,
    Rejected,
    Side,
    TimeInForce,
    Unknown,
    Working,
)
from venues.base.units import Cash, Price, Size
from venues.opinion import VENUE
from venues.opinion.orders import FORGOTTEN_MS, SETTLE_MS, OpinionOrders

ORDERS = OpinionOrders()
FRAMES = Path(venues.opinion.__path__[0]) / "vectors" / "frames" / "opinion.jsonl"
IOC = examples.order()
GTC = examples.order(time_in_force=TimeInForce.GTC)
SALE = examples.order(side=Side.SELL, cash=Cash(0), reserve=Cash(0), size=Size(20_000_000))
DETAIL, CANCEL, LIST = "GET /openapi/order/o-1", "POST /openapi/order/cancel", "GET /openapi/order"
ACCEPTED = Pending(IOC.order_id, "o-1", Size(0), Cash(0), "accepted")
LATER = NOW_MS + SETTLE_MS
CANCELLED = ok({"result": True})


def placed(order: Order, reply: Reply) -> Answer:
    return Venue().on("POST /openapi/order", reply).run(ORDERS.place(order, examples.signer()))


def looked_up(venue: Venue, order: Order = IOC, answer: Answer = ACCEPTED, now_ms: int = LATER) -> Answer:
    return venue.run(ORDERS.look_up(order, examples.signer(), answer, now_ms))


def detail(order: Order = IOC, **wish: Any) -> Response:
    return ok({"orderData": row(order, **wish)})


def whole_fill() -> dict[str, Any]:
    """The fields of an order that was done: its money spent, 23.8 shares and the fee."""
    return {"status": 2, "filledShares": "23.8", "trades": [trade(shares="23.8", price="0.42")]}


# --- place ---


@pytest.mark.parametrize("order_id", ["o-1", 77])
def test_an_accepted_order_is_pending_or_working_with_the_venues_id(order_id: object) -> None:
    reply = ok({"orderData": {"orderId": order_id, "status": 1}})
    assert placed(IOC, reply) == Pending(IOC.order_id, str(order_id), Size(0), Cash(0), "accepted")
    assert placed(GTC, reply) == Working(GTC.order_id, str(order_id), Size(0), Cash(0), Fee(0, "USDT"))


def test_even_an_answer_that_says_filled_is_looked_up() -> None:
    assert isinstance(placed(IOC, ok({"orderData": row(IOC, **whole_fill())})), Pending)


@pytest.mark.parametrize(
    "reply",
    [
        Silence("deadline", sent=True), Response(500, b"oops"), Response(429, b""), Response(401, b"{}"),
        Response(200, b""), Response(200, b"<html>"), Response(200, b'{"result":{"orderData":{}}}'),
        Response(500, refusal(10_605).body), Response(200, b'{"errno":0,"result":null}'),
        Response(200, b'{"errno":0,"result":{"orderData":{"orderId":""}}}'),
        Response(200, b'{"errno":"10605","errmsg":"no"}'), Response(200, refusal(10_605).body[:-9] + b"\xff"),
    ],
)  # fmt: skip
def test_what_is_no_whole_envelope_under_200_leaves_the_order_unknown(reply: Reply) -> None:
    assert isinstance(placed(IOC, reply), Unknown)


@pytest.mark.parametrize("number", [10_200, 10_605, 10_610, 11_002, 99_999])
def test_an_errno_in_a_whole_envelope_is_a_refusal(number: int) -> None:
    answer = placed(IOC, refusal(number, "insufficient token balance"))
    assert answer == Rejected(IOC.order_id, str(number), "insufficient token balance")


@pytest.mark.parametrize(
    "reply",
    [
        refusal(10_999, "Duplicate order"), refusal(10_999, "order already exists"),
        refusal(10_000, "Internal Server Error"), refusal(1, "context deadline exceeded: timeout"),
        refusal(500, "system busy, please try again later"),
        Response(200, json.dumps({"errno": 77, "result": {"orderData": row(IOC)}}).encode()),
    ],
)  # fmt: skip
def test_a_refusal_of_what_may_be_there_already_or_that_tells_of_a_failure_proves_nothing(
    reply: Reply,
) -> None:
    assert isinstance(placed(IOC, reply), Unknown)


def test_what_never_left_was_refused() -> None:
    assert placed(IOC, Silence("refused", sent=False)) == Rejected(IOC.order_id, "not_sent", "refused")


@pytest.mark.parametrize("kind", [TimeInForce.FOK, TimeInForce.GTD])
def test_what_the_venue_does_not_have_is_refused_before_it_is_sent(kind: TimeInForce) -> None:
    venue = Venue()
    answer = venue.run(ORDERS.place(examples.order(time_in_force=kind), examples.signer()))
    assert isinstance(answer, Rejected)
    assert venue.asked == []


def test_an_order_and_a_cancellation_are_never_repeated_by_the_transport() -> None:
    venue = Venue().on("POST /openapi/order", ok({"orderData": {"orderId": "o-1"}}))
    venue.run(ORDERS.place(IOC, examples.signer()))
    looked_up(venue.on(DETAIL, [detail(), detail()]).on(CANCEL, CANCELLED))
    assert [request.purpose for request in venue.asked] == [
        Purpose.ORDER, Purpose.ACCOUNT, Purpose.ORDER, Purpose.ACCOUNT,
    ]  # fmt: skip
    assert all(request.private for request in venue.asked)


# --- look up ---


def test_a_finished_order_is_filled_with_price_times_shares_and_the_fee_apart() -> None:
    answer = looked_up(Venue().on(DETAIL, detail(**whole_fill())))
    assert answer == Filled(IOC.order_id, "o-1", Size(23_800_000), Cash(9_996_000), Fee(250_000, "USDT"))


@pytest.mark.parametrize("fee", [250_000_000_000_000_000, "250000000000000000"])
def test_a_fee_without_its_formatted_text_is_read_in_base_units_and_never_guessed(fee: object) -> None:
    told = trade(shares="23.8", fee=fee)
    del told["feeFormatted"]
    answer = looked_up(Venue().on(DETAIL, detail(**whole_fill() | {"trades": [told]})))
    assert isinstance(answer, Filled)
    assert answer.fee == Fee(250_000, "USDT")
    for unclear in (None, 2.5e17, "x"):
        nothing = detail(**whole_fill() | {"trades": [told | {"fee": unclear}]})
        assert isinstance(looked_up(Venue().on(DETAIL, nothing)), Unknown)


def test_fractions_of_a_millionth_are_rounded_against_us() -> None:
    trades = [
        trade(1, shares="10.000000999999999999", price="0.421", feeFormatted="0.2000001"),
        trade(2, shares="3.000000000000000002", price="0.4195", feeFormatted="0.0500001"),
    ]
    fields: dict[str, Any] = {"status": 2, "filledShares": "13.000001", "trades": trades}
    bought = looked_up(Venue().on(DETAIL, detail(**fields)))
    assert bought == Filled(IOC.order_id, "o-1", Size(13_000_001), Cash(5_468_502), Fee(250_001, "USDT"))
    sold = looked_up(Venue().on(DETAIL, detail(SALE, **fields)), SALE)
    assert sold == Filled(SALE.order_id, "o-1", Size(13_000_002), Cash(5_468_500), Fee(250_001, "USDT"))


def test_the_rest_of_a_marketable_order_is_cancelled_once_it_is_seen_open() -> None:
    part: dict[str, Any] = {"filledShares": "10", "trades": [trade()]}
    venue = Venue().on(DETAIL, [detail(**part), detail(status=3, **part)]).on(CANCEL, CANCELLED)
    answer = looked_up(venue)
    assert venue.calls == [DETAIL, CANCEL, DETAIL]
    assert venue.asked[1].body == b'{"orderId":"o-1"}'
    assert isinstance(answer, Pending), "the look-up that cancels does not have the last word"
    assert (answer.size, answer.cash) == (10_000_000, 4_200_000)
    again = looked_up(Venue().on(DETAIL, detail(status=3, **part)), answer=answer)
    assert again == Filled(IOC.order_id, "o-1", Size(10_000_000), Cash(4_200_000), Fee(250_000, "USDT"))


def test_a_resting_order_is_left_alone_with_its_fills() -> None:
    part: dict[str, Any] = {"filledShares": "10", "trades": [trade(feeFormatted="0")]}
    answer = looked_up(Venue().on(DETAIL, detail(GTC, **part)), GTC)
    assert answer == Working(GTC.order_id, "o-1", Size(10_000_000), Cash(4_200_000), Fee(0, "USDT"))


def test_an_order_that_ended_with_a_rest_is_not_final_before_its_matches_had_time_to_show() -> None:
    early = looked_up(Venue().on(DETAIL, detail(status=3)), now_ms=LATER - 1)
    assert isinstance(early, Pending)
    late = looked_up(Venue().on(DETAIL, detail(status=3)))
    assert late == Filled(IOC.order_id, "o-1", Size(0), Cash(0), Fee(0, "USDT"))


def test_a_finished_order_that_shows_less_than_was_asked_waits_for_the_rest_of_its_matches() -> None:
    part = detail(status=2, filledShares="", trades=[trade()])
    assert isinstance(looked_up(Venue().on(DETAIL, part), now_ms=LATER - 1), Pending)
    late = looked_up(Venue().on(DETAIL, part))
    assert late == Filled(IOC.order_id, "o-1", Size(10_000_000), Cash(4_200_000), Fee(250_000, "USDT"))


def test_a_resting_order_that_was_cancelled_is_final_only_some_time_after_that_was_seen() -> None:
    """It may have matched in its last second, however long it rested."""
    venue = Venue().on(CANCEL, CANCELLED).on(DETAIL, detail(GTC, status=3))
    resting = Working(GTC.order_id, "o-1", Size(0), Cash(0), Fee(0, "USDT"))
    old_ms = NOW_MS + 10**9
    for last in (resting, venue.run(ORDERS.cancel(GTC, examples.signer(), resting))):
        first = looked_up(venue, GTC, last, old_ms)
        assert isinstance(first, Pending)
        assert looked_up(venue, GTC, first, old_ms + SETTLE_MS - 1) == first
        assert isinstance(looked_up(venue, GTC, first, old_ms + SETTLE_MS), Filled)


def test_the_wait_for_matches_is_longer_than_the_frames_show_the_chain_to_take() -> None:
    """Of the market buy: from matched to confirmed on the chain."""
    frames = [json.loads(line) for line in FRAMES.read_text().splitlines() if line.startswith("{")]
    times = {frame.get("orderUpdateType"): frame["timestamp"] for frame in frames if "7a01" in str(frame)}
    assert 2 * (times["orderConfirm"] - times["orderFill"]) < SETTLE_MS


@pytest.mark.parametrize("status", [3, 4, 5])
def test_an_order_that_ended_but_was_done_whole_is_final_at_once(status: int) -> None:
    venue = Venue().on(DETAIL, detail(**whole_fill() | {"status": status}))
    assert isinstance(looked_up(venue, now_ms=NOW_MS), Filled)


@pytest.mark.parametrize(
    "fields",
    [
        {"status": 2, "filledShares": "23.8", "trades": []},
        {"status": 2, "filledShares": "23.8", "trades": [trade(shares="23.799999999999999999")]},
        {"status": 2, "filledShares": "0", "trades": []},
        {"status": 3, "filledShares": "10", "trades": [trade(), trade(2, status=1)]},
        {"status": 3, "filledShares": "10", "trades": None},
        {"status": 9, "filledShares": "0", "trades": []},
    ],
)
def test_what_does_not_add_up_is_pending(fields: dict[str, Any]) -> None:
    venue = Venue().on(DETAIL, detail(**fields)).on(CANCEL, CANCELLED)
    assert isinstance(looked_up(venue, now_ms=NOW_MS + 10**9), Pending)


def test_a_match_that_was_named_twice_counts_once_and_a_void_one_not_at_all() -> None:
    trades = [trade(), trade(), trade(2, status=6, shares="5"), trade(3, status=5), trade(4, status=3)]
    answer = looked_up(Venue().on(DETAIL, detail(status=3, filledShares="10", trades=trades)))
    assert isinstance(answer, Filled)
    assert (answer.size, answer.fee.amount) == (10_000_000, 250_000)


@pytest.mark.parametrize("fields", [{"status": 5, "trades": []}, {"status": 2, "trades": [trade(status=6)]}])
def test_an_order_whose_matches_all_failed_was_not_executed(fields: dict[str, Any]) -> None:
    answer = looked_up(Venue().on(DETAIL, detail(**fields)))
    assert isinstance(answer, Rejected)
    assert not answer.undone, "nothing of it was ever reported"


def test_fills_that_were_reported_are_not_forgotten() -> None:
    told = Pending(IOC.order_id, "o-1", Size(10_000_000), Cash(4_200_000), "open")
    answer = looked_up(Venue().on(DETAIL, detail(status=3)), answer=told)
    assert isinstance(answer, Pending)
    assert answer.size == 10_000_000


@pytest.mark.parametrize(
    "reply",
    [
        Silence("deadline", sent=True), Response(500, b""), Response(429, b""), Response(200, b"?"),
        refusal(10_607), ok({"orderData": row(IOC) | {"orderId": "o-2"}}), ok(None),
        detail(marketId=7), detail(side=2), detail(outcomeSide=2), detail(filledShares="many"),
        detail(status=2, filledShares="10", trades=[trade(price="1")]),
        detail(status=2, filledShares="10", trades=[trade(shares="-1")]),
        detail(status=2, filledShares="10", trades=[trade(shares="10000000000000000000")]),
        detail(status=2, filledShares="25", trades=[trade(shares="25")]),
    ],
)  # fmt: skip
def test_an_unreadable_or_foreign_order_is_unknown(reply: Reply) -> None:
    assert isinstance(looked_up(Venue().on(DETAIL, reply).on(CANCEL, CANCELLED)), Unknown)


def test_more_sold_than_signed_is_not_believed() -> None:
    for shares, kind in (("19.999999", Filled), ("20.000001", Unknown)):
        fields = {"status": 2, "filledShares": shares, "trades": [trade(shares=shares)]}
        assert isinstance(looked_up(Venue().on(DETAIL, detail(SALE, **fields)), SALE), kind)


def test_an_order_of_the_other_outcome_is_asked_for_as_such() -> None:
    order = examples.order(listing=examples.listing(inverted=True))
    venue = Venue().on(DETAIL, detail(order, **whole_fill()))
    assert isinstance(looked_up(venue, order), Filled)


# --- without an id ---


def listed(*orders: dict[str, Any]) -> Response:
    return ok({"list": list(orders) or None, "total": len(orders)})


def test_an_order_without_an_id_is_found_by_its_amounts_and_then_read() -> None:
    venue = Venue().on(LIST, [listed(row(examples.order(salt=1), orderId="o-9"), row(IOC))])
    venue.on(DETAIL, [detail(), detail(status=3)]).on(CANCEL, CANCELLED)
    answer = looked_up(venue, answer=Unknown(IOC.order_id, "deadline"))
    assert venue.calls == [LIST, DETAIL, CANCEL, DETAIL]
    assert isinstance(answer, Pending)
    assert answer.venue_order_id == "o-1"


def test_absence_is_a_last_word_only_after_its_time_and_when_all_lists_were_read() -> None:
    lost = Unknown(IOC.order_id, "deadline")
    at = NOW_MS + FORGOTTEN_MS
    assert isinstance(looked_up(Venue().on(LIST, listed()), answer=lost, now_ms=at - 1), Unknown)
    gone = looked_up(Venue().on(LIST, listed()), answer=lost, now_ms=at)
    assert isinstance(gone, Rejected)
    assert gone.code == "not_executed"
    broken = Venue().on(LIST, [listed(), Response(503, b"")])
    assert isinstance(looked_up(broken, answer=lost, now_ms=at), Unknown)
    assert FORGOTTEN_MS > 10_000


# --- cancel ---


@pytest.mark.parametrize("reply", [CANCELLED, ok({"result": False}), refusal(1), Response(500, b"")])
def test_whatever_a_cancellation_says_the_order_is_read(reply: Reply) -> None:
    resting = Working(GTC.order_id, "o-1", Size(0), Cash(0), Fee(0, "USDT"))
    venue = Venue().on(CANCEL, reply).on(DETAIL, detail(GTC, **whole_fill()))
    answer = venue.run(ORDERS.cancel(GTC, examples.signer(), resting))
    assert isinstance(answer, Filled)
    gone = Venue().on(CANCEL, reply).on(DETAIL, detail(GTC, status=3))
    assert isinstance(gone.run(ORDERS.cancel(GTC, examples.signer(), resting)), Pending)


def test_an_order_that_cannot_be_found_is_not_cancelled() -> None:
    unknown = Unknown(GTC.order_id, "deadline")
    for reply in (listed(), Response(500, b"")):
        venue = Venue().on(LIST, reply)
        assert isinstance(venue.run(ORDERS.cancel(GTC, examples.signer(), unknown)), Unknown)
        assert CANCEL not in venue.calls
    venue = Venue().on(LIST, listed(row(GTC))).on(CANCEL, CANCELLED).on(DETAIL, detail(GTC, status=3))
    venue.run(ORDERS.cancel(GTC, examples.signer(), unknown))
    assert CANCEL in venue.calls


def test_all_calls_with_one_key_together_keep_the_venues_pace() -> None:
    """15 a second for a key, and 5 without one (card 4); books are read with the key of an account."""
    paces = VENUE.limits.paces
    assert {pace.within_ms for pace in paces} == {1_000}
    assert sum(pace.calls for pace in paces) == 15
    assert [pace.calls for pace in paces if pace.purposes == (Purpose.DATA,)] == [5]
    assert {purpose for pace in paces for purpose in pace.purposes} == set(Purpose)


def test_the_body_of_an_order_names_price_and_amounts_that_belong_together() -> None:
    signed = examples.signer().signed(IOC)
    assert int(signed.maker_amount) * 50 == int(signed.taker_amount) * 21
    assert (signed.price, Price(420_000)) == ("0.42", IOC.limit)
    assert row(IOC)["orderAmount"] == wei(signed.maker_amount)
