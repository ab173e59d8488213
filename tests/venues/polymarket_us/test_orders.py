"""Only proof is an answer: every reply to an order, a look-up and a cancel, and what looks like them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.polymarket_us.examples import (
    CREATED_MS,
    CREDENTIALS,
    SIGNER,
    SLUG,
    execution,
    listing,
    order,
    placed,
    reply,
    resting,
    row,
    state,
    talk_through,
    trade,
    trades,
    usd,
)
from venues.base.events import Ask
from venues.base.http import Purpose, Reply, Response, Silence
from venues.base.listing import Native
from venues.base.orders import (
    Answer,
    Fee,
    Filled,
    Order,
    OrderId,
    Pending,
    Rejected,
    Side,
    TimeInForce,
    Unknown,
    Working,
)
from venues.base.units import ONE, Cash, Size
from venues.polymarket_us import VENUE
from venues.polymarket_us.claims import Claims
from venues.polymarket_us.orders import ABSENT_MS, REMEMBERED_MS
from venues.polymarket_us.signer import PolymarketUsSigner

LOST = Unknown(order().order_id, "deadline")
KNOWN = Pending(order().order_id, "V1", Size(0), Cash(0), "matching")
FAR_MS = CREATED_MS + 60_000
PARTIAL, CANCELED = "EXECUTION_TYPE_PARTIAL_FILL", "ORDER_STATE_CANCELED"


def fresh() -> PolymarketUsSigner:
    """An account that has sent nothing yet."""
    return PolymarketUsSigner(CREDENTIALS)


def place(of: Order, *replies: Reply) -> Answer:
    return talk_through(VENUE.orders.place(of, fresh()), replies)[0]


def looked_up(of: Order, last: Answer, *replies: Reply, now_ms: int = FAR_MS) -> Answer:
    return talk_through(VENUE.orders.look_up(of, fresh(), last, now_ms), replies)[0]


def filled(of: Order, cash: int, fee: int, size: int | None = None) -> Filled:
    return Filled(of.order_id, "V1", Size(of.size if size is None else size), Cash(cash), Fee(fee, "USD"))


# --- the reply to an order ---


def test_an_order_is_answered_with_its_executions() -> None:
    answer, asked = talk_through(VENUE.orders.place(order(), fresh()), [placed(execution())])
    assert answer == filled(order(), 5_600_000, 170_000)
    assert [(r.method, r.path, r.purpose, r.private) for r in asked] == [
        ("POST", "/v1/orders", Purpose.ORDER, True)
    ]


def test_a_short_order_is_paid_the_complement_of_the_long_price() -> None:
    of = order(listing(inverted=True), limit=550_000)
    sent = talk_through(VENUE.orders.place(of, fresh()), [])[1][0]
    assert json.loads(sent.body)["price"] == usd("0.45")
    told = row(intent="ORDER_INTENT_BUY_SHORT", price=usd("0.45"))
    assert place(of, placed(execution(told, lastPx=usd("0.45")))) == filled(of, 5_500_000, 170_000)


@pytest.mark.parametrize(("side", "cash"), [(Side.BUY, 2), (Side.SELL, 1)])
def test_fractions_of_a_millionth_are_rounded_against_us(side: Side, cash: int) -> None:
    of = order(side=side, size=3)
    told = row(intent=f"ORDER_INTENT_{side.name}_LONG", quantity="0.000003", cumQuantity="0.000003")
    answer = place(of, placed(execution(told, lastShares="0.000003")))
    assert answer == filled(of, cash, 170_000), "0.56 times 3 is 1.68"


def test_each_fill_counts_once_at_its_own_price_and_the_total_fee_is_the_venues() -> None:
    part = row(state="ORDER_STATE_PARTIALLY_FILLED", cumQuantity=4)
    first = execution(part, id="E1", type=PARTIAL, lastShares="4", lastPx=usd("0.5"))
    end = execution(id="E2", lastShares="6.0", commissionNotionalCollected=usd("0.09"))
    answer = place(order(), placed(first, first, end))
    assert answer == filled(order(), 2_000_000 + 3_360_000, 170_000)


def test_without_a_total_the_fees_of_the_executions_are_added() -> None:
    told = row(commissionNotionalTotalCollected=None)
    end = execution(told, lastShares="6")
    first = execution(told, id="E0", lastShares="4", commissionNotionalCollected=usd("0.07"))
    assert place(order(), placed(first, end)) == filled(order(), 5_600_000, 240_000)
    end["commissionNotionalCollected"] = None
    assert isinstance(place(order(), placed(first, end)), Pending)


def test_an_order_cut_short_ends_with_what_was_done() -> None:
    part = execution(row(state="ORDER_STATE_PARTIALLY_FILLED", cumQuantity=4), lastShares="4", type=PARTIAL)
    gone = execution(
        row(state=CANCELED, cumQuantity=4), id="E2", type="EXECUTION_TYPE_CANCELED", lastShares="0"
    )
    assert place(order(), placed(part, gone)) == filled(order(), 2_240_000, 170_000, 4 * ONE)
    nothing = execution(row(state=CANCELED, cumQuantity=0, commissionNotionalTotalCollected=None),
                        type="EXECUTION_TYPE_CANCELED", lastShares=None, lastPx=None)  # fmt: skip
    assert place(order(), placed(nothing)) == filled(order(), 0, 0, 0)


def test_the_exchange_may_refuse_what_was_accepted() -> None:
    told = execution(row(state="ORDER_STATE_REJECTED", cumQuantity=0), type="EXECUTION_TYPE_REJECTED",
                     orderRejectReason="ORD_REJECT_REASON_X", text="Global Rate Limit Exceeded")  # fmt: skip
    answer = place(order(), placed(told))
    assert answer == Rejected(order().order_id, "ORD_REJECT_REASON_X", "Global Rate Limit Exceeded")


@pytest.mark.parametrize(
    "executions", [(), (execution(row(state="ORDER_STATE_PENDING_NEW", cumQuantity=0), type="X"),)]
)
def test_a_reply_without_the_end_is_followed_by_a_look(executions: tuple[Any, ...]) -> None:
    answer = place(order(), placed(*executions), state(), trades(trade()))
    assert answer == filled(order(), 5_600_000, 170_000)
    for unseen in (reply(404, {}), reply(500, {}), Silence("cut", sent=True), state(id="V2")):
        answer = place(order(), placed(*executions), unseen)
        assert isinstance(answer, Pending)
        assert answer.venue_order_id == "V1"


@pytest.mark.parametrize(
    "told",
    [
        execution(row(id="V2")),
        execution(row(marketSlug="other")),
        execution(row(intent="ORDER_INTENT_BUY_SHORT")),
        execution(row(cumQuantity=11)),
        execution(lastShares="9"),
        execution(lastPx=usd("1.00")),
        execution(lastPx=usd("0.57")),
        execution(row(state="ORDER_STATE_NOVELTY")),
    ],
)
def test_executions_that_do_not_add_up_to_this_order_are_not_believed(told: dict[str, Any]) -> None:
    answer = place(order(), placed(told))
    assert isinstance(answer, Pending)
    assert answer.venue_order_id == "V1"


def test_a_price_that_is_not_the_long_one_is_not_believed() -> None:
    """Bought short at 0.55 or better, which is 0.45 long or more; 0.30 long would be 0.70 short."""
    of = order(listing(inverted=True), limit=550_000)
    told = row(intent="ORDER_INTENT_BUY_SHORT", price=usd("0.45"))
    assert isinstance(place(of, placed(execution(told, lastPx=usd("0.30")))), Pending)
    assert place(of, placed(execution(told, lastPx=usd("0.46")))) == filled(of, 5_400_000, 170_000)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_the_documented_refusals_are_rejections(status: int) -> None:
    for body in ({"message": "no"}, {"error": "no"}):
        answer = place(order(), reply(status, body))
        assert isinstance(answer, Rejected)
        assert answer.message == "no"
    assert isinstance(place(order(), reply(status, b"<html>")), Unknown)
    assert isinstance(place(order(), reply(status, {})), Unknown)


@pytest.mark.parametrize("status", [202, 302, 408, 409, 425, 429, 500, 502, 503, 504])
def test_every_other_status_proves_nothing(status: int) -> None:
    assert isinstance(place(order(), reply(status, {"message": "no"})), Unknown)


def test_silence_is_unknown_but_for_what_never_left() -> None:
    assert isinstance(place(order(), Silence("deadline", sent=True)), Unknown)
    assert isinstance(place(order(), Silence("no route", sent=False)), Rejected)
    for bad in (reply(200, b""), reply(200, b"{}"), reply(200, b"[]"), reply(200, {"id": ""})):
        assert isinstance(place(order(), bad), Unknown)


# --- the request ---


@pytest.mark.parametrize(
    ("side", "inverted", "intent"),
    [(Side.BUY, False, "BUY_LONG"), (Side.SELL, False, "SELL_LONG"),
     (Side.BUY, True, "BUY_SHORT"), (Side.SELL, True, "SELL_SHORT")],
)  # fmt: skip
def test_the_intent_says_side_and_outcome(side: Side, inverted: bool, intent: str) -> None:
    of = order(listing(inverted=inverted), side=side, size=12_340_000)
    body = json.loads(talk_through(VENUE.orders.place(of, fresh()), [])[1][0].body)
    assert (body["intent"], body["quantity"]) == (f"ORDER_INTENT_{intent}", 12.34)
    assert (body["synchronousExecution"], body["type"]) == (True, "ORDER_TYPE_LIMIT")


def test_an_order_that_may_rest_is_not_waited_for() -> None:
    of = order(time_in_force=TimeInForce.GTD, post_only=True, expires_s=CREATED_MS // 1000)
    body = json.loads(talk_through(VENUE.orders.place(of, fresh()), [])[1][0].body)
    assert (body["goodTillTime"], body["participateDontInitiate"]) == ("2026-11-20T14:00:00Z", True)
    assert "synchronousExecution" not in body
    assert "maxBlockTime" not in body


def test_a_resting_order_works_until_its_end() -> None:
    of = order(time_in_force=TimeInForce.GTC)
    rests = {"tif": "TIME_IN_FORCE_GOOD_TILL_CANCEL", "commissionNotionalTotalCollected": usd("0.00")}
    answer = place(of, reply(200, {"id": "V1"}), state(state="ORDER_STATE_NEW", cumQuantity=0, **rests))
    assert answer == Working(of.order_id, "V1", Size(0), Cash(0), Fee(0, "USD"))
    part = execution(row(**rests), type=PARTIAL, lastShares="4", commissionNotionalCollected=usd("-0.01"))
    seen = state(state="ORDER_STATE_PARTIALLY_FILLED", cumQuantity=4, **rests | {
        "commissionNotionalTotalCollected": usd("-0.01")})  # fmt: skip
    answer = looked_up(of, answer, seen, trades(trade(part)))
    assert answer == Working(of.order_id, "V1", Size(4 * ONE), Cash(2_240_000), Fee(-10_000, "USD"))
    answer = looked_up(
        of, answer, state(state="ORDER_STATE_EXPIRED", cumQuantity=4, **rests), trades(trade(part))
    )
    assert isinstance(answer, Filled)


# --- looking up ---


def test_an_order_is_found_among_the_trades_by_all_that_is_known_of_it() -> None:
    answer = looked_up(order(), LOST, resting(), trades(trade()), state(), trades(trade()))
    assert answer == filled(order(), 5_600_000, 170_000)


def test_an_order_is_found_among_those_that_rest() -> None:
    of = order(time_in_force=TimeInForce.GTC)
    told = row(tif="TIME_IN_FORCE_GOOD_TILL_CANCEL", state="ORDER_STATE_NEW", cumQuantity=0)
    answer = looked_up(of, LOST, resting(told), trades(), reply(200, {"order": told}))
    assert isinstance(answer, Working)


@pytest.mark.parametrize(
    "other",
    [
        {"marketSlug": "other"},
        {"intent": "ORDER_INTENT_SELL_LONG"},
        {"price": usd("0.57")},
        {"price": None},
        {"quantity": 11},
        {"quantity": None},
        {"tif": "TIME_IN_FORCE_FILL_OR_KILL"},
        {"createTime": "2026-11-20T13:59:54.999Z"},
        {"createTime": "2026-11-20T14:00:50.001Z"},
    ],
)
def test_what_differs_in_one_thing_is_not_the_order(other: dict[str, Any]) -> None:
    answer = looked_up(order(), LOST, resting(row(**other)), trades(trade(execution(row(**other)))))
    assert isinstance(answer, Rejected)


def test_an_order_that_left_at_the_last_moment_is_not_absent_and_is_found() -> None:
    """Its request may wait as long as its signature is taken, and be executed five seconds later."""
    given_up_ms, exchange_ms, clocks_ms = VENUE.limits.order_ms_max, 5_000, 5_000
    signature_ms = 30_000
    assert given_up_ms + signature_ms + exchange_ms + clocks_ms < ABSENT_MS
    for age_ms in (given_up_ms + 1, given_up_ms + signature_ms + exchange_ms + clocks_ms):
        answer = looked_up(order(), LOST, resting(), trades(), now_ms=CREATED_MS + age_ms)
        assert isinstance(answer, Unknown), age_ms
    late = row(createTime="2026-11-20T14:00:43Z")
    found = trades(trade(execution(late), createTime="2026-11-20T14:00:43Z"))
    assert isinstance(looked_up(order(), LOST, resting(), found, state(), found), Filled)


def test_absence_counts_only_after_a_while_and_within_a_week() -> None:
    for age_ms, kind in ((ABSENT_MS, Unknown), (ABSENT_MS + 1, Rejected), (REMEMBERED_MS, Unknown)):
        assert isinstance(looked_up(order(), LOST, resting(), trades(), now_ms=CREATED_MS + age_ms), kind)


@pytest.mark.parametrize(
    "replies",
    [
        [reply(503, {})],
        [reply(404, {})],
        [reply(200, b"[]")],
        [resting(), reply(429, {})],
        [resting(), trades(cursor="next"), Silence("cut", sent=True)],
        [resting(), *[trades(cursor="next")] * 100],
        [resting(), trades(trade(aggressorExecution=None))],
        [resting(), trades(trade(isAggressor=False))],
        [resting(), trades(trade(createTime="soon"))],
        [resting(row(quantity="ten")), trades()],
    ],
)
def test_lists_that_cannot_be_read_to_their_end_prove_nothing(replies: list[Reply]) -> None:
    assert isinstance(looked_up(order(), LOST, *replies), Unknown)


def test_trades_are_read_back_to_the_time_of_the_order_and_no_further() -> None:
    old = trade(createTime="2026-11-20T13:59:00Z")
    _, asked = talk_through(
        VENUE.orders.look_up(order(), fresh(), LOST, FAR_MS),
        [resting(), trades(trade(), cursor="a"), trades(old, cursor="b"), state(), trades(trade())],
    )
    assert [request.path.rpartition("/")[2] for request in asked] == [
        "open",
        "activities",
        "activities",
        "V1",
        "activities",
    ]
    assert {request.method for request in asked} == {"GET"}
    assert ("sortOrder", "SORT_ORDER_DESCENDING") in asked[1].query
    assert ("cursor", "a") in asked[2].query


def test_of_several_that_look_alike_the_closest_in_time_is_taken() -> None:
    near, far = row(id="NEAR"), row(id="FAR", createTime="2026-11-20T14:00:09Z")
    both = trades(trade(execution(far), id="T2"), trade(execution(near)))
    answer = looked_up(order(), LOST, resting(), both, state(id="NEAR"), both)
    assert isinstance(answer, Filled)
    assert answer.venue_order_id == "NEAR"


def test_an_order_of_the_venue_is_told_to_one_of_ours_only() -> None:
    signer, first = fresh(), order()
    second = Order(**fields(first) | {"order_id": "our-2"})
    talk_through(VENUE.orders.place(second, signer), [placed(execution())])
    answer, _ = talk_through(VENUE.orders.look_up(first, signer, LOST, FAR_MS), [resting(), trades(trade())])
    assert isinstance(answer, Rejected), "the only order there is belongs to the second"
    again, _ = talk_through(
        VENUE.orders.look_up(second, signer, LOST, FAR_MS),
        [resting(), trades(trade()), state(), trades(trade())],
    )
    assert again == msg_id(filled(first, 5_600_000, 170_000), "our-2")


def test_an_order_does_not_stand_in_its_own_way() -> None:
    claims = Claims()
    with claims.leaving(order()):
        assert not claims.contested(order())
        assert claims.contested(Order(**fields(order()) | {"order_id": "our-2"}))


def fields(of: Order) -> dict[str, Any]:
    return {name: getattr(of, name) for name in of.__struct_fields__}


def msg_id(answer: Filled, order_id: str) -> Filled:
    return Filled(OrderId(order_id), answer.venue_order_id, answer.size, answer.cash, answer.fee)


def test_nothing_is_claimed_while_another_of_the_kind_is_on_its_way() -> None:
    signer, first = fresh(), order()
    second = Order(**fields(first) | {"order_id": "our-2"})
    leaving = VENUE.orders.place(second, signer)
    next(leaving)
    replies: list[Reply] = [resting(), trades(trade()), state(), trades(trade())]
    answer, _ = talk_through(VENUE.orders.look_up(first, signer, LOST, FAR_MS), replies)
    assert isinstance(answer, Unknown)
    leaving.close()
    answer, _ = talk_through(VENUE.orders.look_up(first, signer, LOST, FAR_MS), replies)
    assert isinstance(answer, Filled)


@pytest.mark.parametrize(
    "lagging",
    [state(cumQuantity=3), state(state="ORDER_STATE_NEW"), state(id="V2"), state(marketSlug="other"),
     state(cumQuantity=11), reply(404, {}), reply(500, {}), Silence("cut", sent=True)],
)  # fmt: skip
def test_reads_that_lag_or_fail_never_take_back_what_was_said(lagging: Reply) -> None:
    last = Pending(order().order_id, "V1", Size(4 * ONE), Cash(0), "matching")
    answer = looked_up(order(), last, lagging, trades())
    assert isinstance(answer, Pending)
    assert (answer.venue_order_id, answer.size >= 4 * ONE) == ("V1", True)


@pytest.mark.parametrize("unseen", [reply(404, {}), reply(500, {}), state(id="V2"), state(cumQuantity=3)])
def test_a_last_word_stands_whatever_is_read_after_it(unseen: Reply) -> None:
    last = filled(order(), 5_600_000, 170_000)
    assert looked_up(order(), last, unseen, trades()) == last
    answer, _ = talk_through(VENUE.orders.cancel(order(), fresh(), last), [reply(400, {}), unseen])
    assert answer == last


def test_trades_that_do_not_make_up_the_order_leave_it_pending() -> None:
    bad = (
        trades(trade(execution(lastShares="9"))),
        trades(trade(state="TRADE_STATE_BUSTED")),
        trades(trade(execution(row(id="V2")))),
    )
    for found in (trades(), reply(500, {}), *bad):
        assert isinstance(looked_up(order(), KNOWN, state(), found), Pending)


# --- cancelling ---


def test_a_cancelled_order_ends_with_its_fills() -> None:
    of = order(time_in_force=TimeInForce.GTC)
    working = Working(of.order_id, "V1", Size(0), Cash(0), Fee(0, "USD"))
    gone = state(state=CANCELED, cumQuantity=0, commissionNotionalTotalCollected=None)
    answer, asked = talk_through(VENUE.orders.cancel(of, SIGNER, working), [reply(200, b""), gone])
    assert answer == filled(of, 0, 0, 0)
    assert (asked[0].method, asked[0].path) == ("POST", "/v1/order/V1/cancel")
    assert json.loads(asked[0].body) == {"marketSlug": SLUG}


def test_a_cancel_not_yet_seen_is_pending_and_one_refused_leaves_the_order_working() -> None:
    of = order(time_in_force=TimeInForce.GTC)
    working = Working(of.order_id, "V1", Size(0), Cash(0), Fee(0, "USD"))
    rests = state(state="ORDER_STATE_NEW", cumQuantity=0)
    for status, wanted in ((200, Pending), (404, Working), (503, Working)):
        answer, _ = talk_through(VENUE.orders.cancel(of, SIGNER, working), [reply(status, {}), rests])
        assert isinstance(answer, wanted)


def test_an_order_without_a_venue_id_is_found_before_it_is_cancelled() -> None:
    replies: list[Reply] = [resting(), trades(trade()), reply(200, {}), state(), trades(trade())]
    answer, asked = talk_through(VENUE.orders.cancel(order(), fresh(), LOST), replies)
    assert isinstance(answer, Filled)
    assert [request.method for request in asked] == ["GET", "GET", "POST", "GET", "GET"]
    answer, asked = talk_through(VENUE.orders.cancel(order(), fresh(), LOST), [resting(), trades()])
    assert isinstance(answer, Unknown)
    assert len(asked) == 2


# --- anything at all ---

GOOD = [placed(execution()), placed(), state(), resting(row()), resting(), trades(trade()), trades(),
        reply(400, {"message": "no"})]  # fmt: skip


@st.composite
def replies_of_any_kind(draw: st.DrawFn) -> Reply:
    kind = draw(st.sampled_from(["good", "damaged", "noise", "silence"]))
    if kind == "silence":
        return Silence("cut", sent=draw(st.booleans()))
    status = draw(st.sampled_from([200, 201, 202, 302, 400, 401, 403, 404, 408, 409, 429, 500, 503]))
    if kind == "noise":
        return Response(status, draw(st.binary(max_size=30)))
    good = draw(st.sampled_from(GOOD))
    if kind == "good":
        return Response(draw(st.sampled_from([good.status, status])), good.body)
    at = draw(st.integers(0, len(good.body)))
    return Response(good.status, good.body[:at] + draw(st.binary(max_size=2)) + good.body[at + 1 :])


@given(st.lists(replies_of_any_kind(), max_size=5), st.sampled_from([LOST, KNOWN]), st.sampled_from(Side))
def test_no_reply_raises_and_none_gives_a_verdict_without_proof(
    replies: list[Reply], last: Answer, side: Side
) -> None:
    of = order(side=side)
    answer, asked = talk_through(VENUE.orders.place(of, fresh()), replies)
    first = replies[0] if replies else Silence("", sent=True)
    if isinstance(answer, Rejected):
        assert _proves_refusal(first)
    if isinstance(answer, Filled | Working | Pending):
        assert isinstance(first, Response)
        assert first.status in (200, 201)
    assert [request.method for request in asked] == ["POST", "GET", "GET"][: len(asked)]
    answer, asked = talk_through(VENUE.orders.look_up(of, fresh(), last, FAR_MS), replies)
    if isinstance(answer, Rejected) and answer.code == "not_executed":
        assert last is LOST
        assert all(isinstance(r, Response) and r.status == 200 for r in replies[: len(asked)])
    talk_through(VENUE.orders.cancel(of, fresh(), last), replies)


def _proves_refusal(first: Reply) -> bool:
    """Judged by the documented list alone, with another reader of JSON."""
    if isinstance(first, Silence):
        return not first.sent
    body = json.loads(first.body)
    if first.status in (200, 201):
        return any(e.get("order", {}).get("state") == "ORDER_STATE_REJECTED" for e in body["executions"])
    return first.status in (400, 401, 403, 404) and bool(body.get("message") or body.get("error"))


def test_slugs_and_ids_are_escaped_in_paths() -> None:
    odd = Pending(order().order_id, "a/b", Size(0), Cash(0), "")
    _, [asked] = talk_through(VENUE.orders.look_up(order(), fresh(), odd, 0), [])
    assert asked.path == "/v1/order/a%2Fb"
    [ask] = VENUE.feed().resync(Native("a/b"), 0)
    assert isinstance(ask, Ask)
    assert ask.request.path == "/v1/markets/a%2Fb/book"
