"""Every reply the venue can give, and what may be concluded from it. Bodies and signatures: the vectors."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.limitless.examples import (
    ADDRESS,
    CREATED_MS,
    NO,
    SECRETS,
    Json,
    listing,
    order,
    reply,
    signer,
    talk_through,
)
from tests.venues.limitless.replies import (
    ALL,
    HALF,
    MISSING,
    NOTHING,
    PROFILE,
    execution,
    found,
    item,
    listed,
    posted,
)
from venues.base.http import Purpose, Reply, Request, Response, Silence
from venues.base.orders import (
    SHARES,
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
from venues.base.units import ONE, Cash, Price, Size
from venues.limitless.answers import KNOWN_ALREADY, MAINTENANCE, REFUSING
from venues.limitless.fees import COLLATERAL
from venues.limitless.orders import (
    ABSENT_MS,
    HELD_MS,
    LATE_MS,
    RECV_WINDOW_MS,
    REMEMBERED_MS,
    LimitlessOrders,
)
from venues.limitless.signer import LimitlessSigner

ORDERS = LimitlessOrders()
FAR_MS = CREATED_MS + ABSENT_MS + 1
LOST = Unknown(order().order_id, "timeout")
TOLD = Pending(order().order_id, "v1", Size(10 * ONE), Cash(4_200_000), "MATCHED, not settled yet")
GTC = TimeInForce.GTC


def placed(of: Order, *replies: Reply) -> Answer:
    return talk_through(ORDERS.place(of, signer()), list(replies))[0]


def looked_up(of: Order, last: Answer, *replies: Reply, now_ms: int = FAR_MS) -> Answer:
    return talk_through(ORDERS.look_up(of, signer(), last, now_ms), list(replies))[0]


def filled(size: int = 10 * ONE, cash: int = 4_200_000, fee: Fee | None = None) -> Filled:
    return Filled(OrderId("sor-000001"), "v1", Size(size), Cash(cash), fee or Fee(300_000, SHARES))


# --- placing ---


def test_the_profile_is_read_once_for_all_orders_of_an_account() -> None:
    fresh = signer(known=False)
    _, asked = talk_through(ORDERS.place(order(), fresh), [PROFILE, posted("UNMATCHED")])
    assert [(each.method, each.path) for each in asked] == [
        ("GET", f"/profiles/{ADDRESS}"),
        ("POST", "/orders"),
    ]
    assert all(each.private for each in asked)
    _, again = talk_through(ORDERS.place(order(), fresh), [posted("UNMATCHED")])
    assert [each.path for each in again] == ["/orders"]


@pytest.mark.parametrize(
    "bad", [reply(500, {}), reply(404, {}), reply(200, {}), reply(200, {"id": 0, "rank": {"feeRateBps": 1}}),
            reply(200, {"id": 1, "rank": {"feeRateBps": -1}}), Silence("cut", sent=True)],
)  # fmt: skip
def test_without_a_profile_no_order_leaves(bad: Reply) -> None:
    answer, asked = talk_through(ORDERS.place(order(), signer(known=False)), [bad])
    assert isinstance(answer, Rejected)
    assert answer.code == "not_sent"
    assert len(asked) == 1


def test_a_refused_fee_rate_makes_the_profile_be_read_anew() -> None:
    mine = signer()
    answer, _ = talk_through(ORDERS.place(order(), mine), [reply(400, {"message": "FEE_RATE_MISMATCH: 250"})])
    assert isinstance(answer, Rejected)
    assert mine.profile is None


def test_an_order_carries_its_time_so_that_a_late_one_dies() -> None:
    _, asked = talk_through(ORDERS.place(order(), signer()), [])
    body = json.loads(asked[0].body)
    assert (body["timestamp"], body["recvWindow"]) == (CREATED_MS, RECV_WINDOW_MS)
    assert 0 < RECV_WINDOW_MS <= 10_000


def test_an_inverted_listing_trades_the_no_token_at_its_own_price() -> None:
    of = order(listing(inverted=True), limit=Price(300_000), side=Side.SELL)
    _, asked = talk_through(ORDERS.place(of, signer()), [])
    signed = json.loads(asked[0].body)["order"]
    assert (signed["tokenId"], signed["price"], signed["side"]) == (NO, 0.3, 1)
    assert (signed["makerAmount"], signed["takerAmount"]) == (10_000_000, 3_000_000)


def test_markets_with_fees_in_money_are_signed_with_no_fee_rate() -> None:
    _, asked = talk_through(ORDERS.place(order(listing(fees=COLLATERAL)), signer()), [])
    assert json.loads(asked[0].body)["order"]["feeRateBps"] == 0


@given(st.integers(1, 999), st.integers(1, 10**12), st.sampled_from(Side))
def test_no_order_gives_more_than_asked_nor_wants_a_worse_price(milli: int, size: int, side: Side) -> None:
    of = order(side=side, limit=Price(milli * 1_000), size=Size(size))
    _, asked = talk_through(ORDERS.place(of, signer()), [])
    signed = json.loads(asked[0].body)["order"]
    maker, taker = signed["makerAmount"], signed["takerAmount"]
    shares, cash = (taker, maker) if side is Side.BUY else (maker, taker)
    assert shares <= size < shares + 1_000
    assert shares % 1_000 == 0
    assert cash * ONE == shares * of.limit


@pytest.mark.parametrize("kind", [TimeInForce.FOK, TimeInForce.GTD])
def test_what_the_venue_has_not_is_refused_before_anything_is_sent(kind: TimeInForce) -> None:
    """Its fill-or-kill carries no limit price, and its orders no expiry."""
    answer, asked = talk_through(ORDERS.place(order(time_in_force=kind), signer(known=False)), [])
    assert isinstance(answer, Rejected)
    assert asked == []


def test_resting_and_post_only_orders_say_so() -> None:
    _, asked = talk_through(ORDERS.place(order(time_in_force=GTC, post_only=True), signer()), [])
    body = json.loads(asked[0].body)
    assert (body["orderType"], body["postOnly"]) == ("GTC", True)
    _, asked = talk_through(ORDERS.place(order(), signer()), [])
    assert "postOnly" not in json.loads(asked[0].body)


@pytest.mark.parametrize("status", ["MINED", "CONFIRMED", "mined"])
def test_a_settled_trade_is_a_fill_with_its_fee_in_shares(status: str) -> None:
    assert placed(order(), posted(status, ALL)) == filled()


@pytest.mark.parametrize("status", ["MATCHED", "RETRYING"])
def test_a_match_is_told_but_is_no_fill_yet(status: str) -> None:
    """It may still fail on the chain, and then the venue takes it back."""
    answer = placed(order(), posted(status))
    assert isinstance(answer, Pending)
    assert (answer.venue_order_id, answer.size, answer.cash) == ("v1", 10 * ONE, 4_200_000)


def test_fees_in_money_are_told_as_money() -> None:
    sold = NOTHING | {"contractsGross": "10000000", "contractsNet": "10000000", "usdGross": "4300000",
                      "usdFee": "62350", "usdNet": "4237650"}  # fmt: skip
    assert placed(order(side=Side.SELL), posted("MINED", sold)) == filled(
        cash=4_300_000, fee=Fee(62_350, "USDC")
    )
    bought = sold | {"usdGross": "4100000"}
    of = order(listing(fees=COLLATERAL))
    assert placed(of, posted("MINED", bought)) == filled(cash=4_100_000, fee=Fee(62_350, "USDC"))


def test_totals_may_be_numbers() -> None:
    assert placed(order(), posted("MINED", {name: int(value) for name, value in ALL.items()})) == filled()


def test_nothing_matched_is_final_for_an_immediate_order_and_rests_for_another() -> None:
    assert placed(order(), posted("UNMATCHED")) == filled(0, 0, Fee(0, "USDC"))
    assert isinstance(placed(order(time_in_force=GTC), posted("UNMATCHED")), Working)


def test_a_resting_order_is_done_when_all_of_it_is_settled() -> None:
    of = order(time_in_force=GTC)
    assert placed(of, posted("MINED", ALL)) == filled()
    part = placed(of, posted("MINED", HALF))
    assert part == Working(of.order_id, "v1", Size(5 * ONE), Cash(2_100_000), Fee(150_000, SHARES))
    assert isinstance(placed(of, posted("MATCHED", HALF)), Pending)


@pytest.mark.parametrize("status", ["DELAYED", "NOVELTY", "", "PENDING"])
def test_a_held_order_and_words_not_known_are_undecided(status: str) -> None:
    answer = placed(order(), posted(status, NOTHING))
    assert isinstance(answer, Pending)
    assert (answer.venue_order_id, answer.size) == ("v1", 0)


def test_an_order_whose_trade_failed_did_nothing_and_takes_back_what_was_told() -> None:
    answer = looked_up(order(), TOLD, found("FAILED", ALL))
    assert isinstance(answer, Rejected)
    assert answer.undone
    resting = looked_up(order(time_in_force=GTC), TOLD, found("FAILED", NOTHING))
    assert isinstance(resting, Pending), "its next trade may succeed"


def test_a_canceled_order_says_why_and_keeps_its_fills() -> None:
    stopped = execution("CANCELED", reason="STP_TAKER_REJECTED")
    answer = placed(order(), posted("", execution=stopped))
    assert answer == Rejected(order().order_id, "canceled", "STP_TAKER_REJECTED")
    assert placed(order(time_in_force=GTC), posted("CANCELED")) == filled(0, 0, Fee(0, "USDC"))


@pytest.mark.parametrize("status", ["UNMATCHED", "CANCELED"])
def test_trades_of_a_killed_order_are_fills_once_they_are_on_the_chain(status: str) -> None:
    """Both words are about the rest: a trade before it may still fail, as it may for `MATCHED`."""
    half = filled(5 * ONE, 2_100_000, Fee(150_000, SHARES))
    for answer in (placed(order(), posted(status, HALF)), looked_up(order(), LOST, found(status, HALF))):
        assert isinstance(answer, Pending)
        assert (answer.size, answer.cash) == (half.size, half.cash)
    mined = execution(status, HALF, txHash="0x1")
    assert placed(order(), posted("", execution=mined)) == half
    for now_ms, kind in ((CREATED_MS + LATE_MS, Pending), (CREATED_MS + LATE_MS + 1, Filled)):
        assert isinstance(looked_up(order(), LOST, found(status, HALF), now_ms=now_ms), kind)


def test_a_failed_trade_of_a_resting_order_takes_no_other_trade_back() -> None:
    """Some of its trades may be settled, and only the last is named."""
    ended = found("FAILED", HALF, state="CANCELED")
    assert isinstance(looked_up(order(time_in_force=GTC), TOLD, ended), Pending)
    nothing = looked_up(order(time_in_force=GTC), LOST, found("FAILED", NOTHING, state="CANCELED"))
    assert isinstance(nothing, Rejected)


@pytest.mark.parametrize(
    "wrong",
    [
        {"contractsNet": "9999999"}, {"contractsGross": "x"}, {"contractsGross": "-1"}, {"usdGross": "4.2"},
        {"usdGross": "4200001"}, {"usdGross": "0"}, {"usdFee": "1"},
        {"contractsFee": "10000000", "contractsNet": "0"},
    ],
)  # fmt: skip
def test_totals_that_cannot_be_this_orders_are_not_believed(wrong: Json) -> None:
    answer = placed(order(), posted("MINED", ALL | wrong))
    assert isinstance(answer, Pending)
    assert answer.size == 0


def test_more_sold_than_asked_is_not_believed_but_more_bought_may_be() -> None:
    more = ALL | {"contractsGross": "11000000", "contractsNet": "10700000"}
    assert isinstance(placed(order(), posted("MINED", more)), Filled), "better prices (UNCONFIRMED)"
    none = more | {"contractsFee": "0", "contractsNet": "11000000"}
    assert isinstance(placed(order(side=Side.SELL), posted("MINED", none)), Pending)
    kept = ALL | {"usdFee": "0"}
    assert isinstance(placed(order(side=Side.SELL), posted("MINED", kept)), Pending), "a sale keeps no shares"


@pytest.mark.parametrize("status", sorted(REFUSING))
@pytest.mark.parametrize("message", ["no", ["a", "b"]])
def test_readable_refusals_of_the_list_are_rejections(status: int, message: object) -> None:
    answer = placed(order(), reply(status, {"message": message, "statusCode": status}))
    assert isinstance(answer, Rejected)
    assert answer.code == REFUSING[status]
    assert answer.message in ("no", "a; b")


def test_the_venues_own_code_is_kept() -> None:
    answer = placed(order(), reply(425, {"message": "m", "code": "cancel_only_mode"}))
    assert answer == Rejected(order().order_id, "cancel_only_mode", "m")


@pytest.mark.parametrize("code", sorted(MAINTENANCE))
def test_maintenance_is_the_only_503_that_refuses(code: str) -> None:
    assert isinstance(placed(order(), reply(503, {"message": "m", "code": code})), Rejected)
    assert isinstance(placed(order(), reply(502, {"message": "m", "code": code})), Unknown)
    assert isinstance(placed(order(), reply(503, {"message": "m", "code": "upstream"})), Unknown)


@pytest.mark.parametrize(
    "unclear",
    [
        reply(408, {"message": "m"}), reply(429, {"message": "m"}), reply(500, {"message": "m"}),
        reply(502, {"message": "m"}), reply(503, {"message": "m"}), reply(504, {"message": "m"}),
        reply(302, {"message": "m"}), reply(204, b""), reply(202, {"message": "m"}),
        reply(400, b"<html>"), reply(403, b"<html>"), reply(404, b""), reply(400, {"error": "x"}),
        reply(400, b'{"message":"m","\x80":1}'),
        reply(201, b"{}"), reply(201, b""), reply(201, b"[" * 99_999), reply(201, {"order": {"id": ""}}),
        posted("", execution=execution("MINED", clientOrderId="another")), Silence("cut", sent=True),
    ],
)  # fmt: skip
def test_everything_else_is_unknown(unclear: Reply) -> None:
    assert isinstance(placed(order(), unclear), Unknown)


def test_an_order_that_never_left_is_rejected() -> None:
    answer = placed(order(), Silence("refused", sent=False))
    assert isinstance(answer, Rejected)
    assert answer.code == "not_sent"


def test_an_id_used_before_is_looked_up_whatever_the_body() -> None:
    for body in ({"message": "clientOrderId exists"}, b"<html>"):
        answer = placed(order(), reply(409, body))
        assert answer == Pending(order().order_id, "", Size(0), Cash(0), KNOWN_ALREADY)


def test_an_accepted_order_without_an_execution_is_pending() -> None:
    answer = placed(order(), reply(201, {"order": {"id": "v1"}}))
    assert isinstance(answer, Pending)
    assert answer.venue_order_id == "v1"


# --- looking up ---


def test_an_order_is_found_by_our_id() -> None:
    answer, asked = talk_through(ORDERS.look_up(order(), signer(), LOST, FAR_MS), [found("MINED")])
    assert answer == filled()
    [request] = asked
    assert (request.method, request.path, request.purpose) == (
        "POST",
        "/orders/status/batch",
        Purpose.ACCOUNT,
    )
    assert json.loads(request.body) == {"items": [{"clientOrderId": "sor-000001"}]}


def test_where_one_name_of_the_list_is_refused_the_other_is_tried_and_remembered() -> None:
    """The published reference says "items", the card assumes "orders"."""
    mine, refusal = signer(), reply(400, {"message": "items must be an array"})
    answer, asked = talk_through(ORDERS.look_up(order(), mine, LOST, FAR_MS), [refusal, found("MINED")])
    assert answer == filled()
    assert [list(json.loads(each.body)) for each in asked] == [["items"], ["orders"]]
    _, asked = talk_through(ORDERS.look_up(order(), mine, LOST, FAR_MS), [found("MINED")])
    assert [list(json.loads(each.body)) for each in asked] == [["orders"]]


@pytest.mark.parametrize("shape", ["flat", "array", "wrapped"])
def test_what_was_found_may_stand_beside_the_status_or_be_wrapped(shape: str) -> None:
    told = item("MINED")
    flat = {name: value for name, value in told.items() if name != "data"} | told["data"]
    body = {"flat": {"results": [flat]}, "array": [flat], "wrapped": {"results": [told]}}[shape]
    assert looked_up(order(), LOST, reply(200, body)) == filled()
    assert looked_up(order(), LOST, reply(201, body)) == filled()


def test_absence_counts_only_after_the_window_and_not_for_ever() -> None:
    for late, kind in ((0, Unknown), (ABSENT_MS, Unknown), (ABSENT_MS + 1, Rejected),
                       (REMEMBERED_MS - 1, Rejected), (REMEMBERED_MS, Unknown)):  # fmt: skip
        assert isinstance(looked_up(order(), LOST, MISSING, now_ms=CREATED_MS + late), kind)
    assert ABSENT_MS > RECV_WINDOW_MS


def test_what_the_venue_knew_once_is_never_called_not_executed() -> None:
    known = Pending(order().order_id, "", Size(0), Cash(0), KNOWN_ALREADY)
    for before in (known, TOLD):
        assert looked_up(order(), before, MISSING) == before


@pytest.mark.parametrize("status", ["UNMATCHED", "DELAYED", "MATCHED", "NOVELTY"])
def test_a_read_that_lags_behind_a_match_takes_nothing_back(status: str) -> None:
    less = HALF if status == "MATCHED" else NOTHING
    assert looked_up(order(), TOLD, found(status, less)) == TOLD


def test_what_is_settled_counts_also_where_it_is_less_than_was_matched() -> None:
    assert looked_up(order(), TOLD, found("MINED", HALF)) == filled(5 * ONE, 2_100_000, Fee(150_000, SHARES))


@pytest.mark.parametrize(
    "unclear",
    [
        reply(500, {}), reply(429, {}), reply(404, {}), reply(401, {}), Silence("cut", sent=True),
        reply(200, b"x"), reply(200, {"results": []}), reply(200, []),
        reply(200, {"results": [item("MINED"), item("MINED")]}),
        reply(200, {"results": [item("MINED", clientOrderId="another")]}),
        reply(200, {"results": [{"status": "invalid", "error": "m"}]}),
        reply(200, {"results": [{"status": "found"}]}), reply(200, {"results": [{"status": "novelty"}]}),
    ],
)  # fmt: skip
def test_a_look_up_that_proves_nothing_is_unknown(unclear: Reply) -> None:
    assert isinstance(looked_up(order(), LOST, unclear, unclear), Unknown)


def test_an_order_that_is_held_back_is_not_done_before_its_turn() -> None:
    """The delay runs from when the venue took it, at the latest at the end of its window."""
    of = order(listing(taker_delay_ms="3000"))
    turn = CREATED_MS + RECV_WINDOW_MS + 3_000 + HELD_MS
    for now_ms, kind in ((turn, Pending), (turn + 1, Filled)):
        assert isinstance(looked_up(of, LOST, found("UNMATCHED"), now_ms=now_ms), kind)
    assert isinstance(looked_up(of, LOST, found("MINED"), now_ms=CREATED_MS), Filled)
    assert isinstance(looked_up(order(), LOST, found("UNMATCHED"), now_ms=CREATED_MS), Filled)


def test_look_up_never_sends_an_order() -> None:
    _, asked = talk_through(ORDERS.look_up(order(), signer(), LOST, FAR_MS), [MISSING])
    assert {request.purpose for request in asked} == {Purpose.ACCOUNT}


def test_a_resting_order_whose_state_is_not_told_is_sought_among_the_canceled() -> None:
    of = order(time_in_force=GTC)
    assert isinstance(looked_up(of, LOST, found("UNMATCHED"), listed("v0")), Working)
    assert isinstance(looked_up(of, LOST, found("UNMATCHED"), reply(500, {})), Working)
    assert looked_up(of, LOST, found("UNMATCHED"), listed("v0", "v1")) == filled(0, 0, Fee(0, "USDC"))
    assert looked_up(of, LOST, found("UNMATCHED", state="CANCELED")) == filled(0, 0, Fee(0, "USDC"))
    assert isinstance(looked_up(of, LOST, found("UNMATCHED", state="LIVE")), Working)


# --- cancelling ---


def test_a_cancelled_order_ends_with_its_fills() -> None:
    of = order(time_in_force=GTC)
    gone = found("MINED", HALF, state="CANCELED")
    answer, asked = talk_through(ORDERS.cancel(of, signer(), TOLD), [reply(200, {"message": "m"}), gone])
    assert answer == filled(5 * ONE, 2_100_000, Fee(150_000, SHARES))
    assert (asked[0].method, asked[0].path, asked[0].purpose) == ("POST", "/orders/cancel", Purpose.ORDER)
    assert json.loads(asked[0].body) == {"clientOrderId": "sor-000001"}


def test_a_cancel_not_yet_seen_is_pending_and_one_refused_leaves_the_order_working() -> None:
    of, live = order(time_in_force=GTC), found("UNMATCHED", state="LIVE")
    for said, kind in ((200, Pending), (400, Working), (503, Working)):
        replies: list[Reply] = [reply(said, {"message": "m"}), live]
        assert isinstance(talk_through(ORDERS.cancel(of, signer(), LOST), replies)[0], kind)
    missing, _ = talk_through(ORDERS.cancel(of, signer(), LOST), [reply(200, {}), MISSING])
    assert isinstance(missing, Unknown), "without a clock absence proves nothing"


# --- anything at all ---

GOOD = [posted("MINED"), posted("MATCHED"), posted("UNMATCHED"), posted("FAILED"), posted("CANCELED"),
        found("MINED"), found("MATCHED"), found("UNMATCHED"), MISSING, listed("v1"), PROFILE,
        reply(400, {"message": "m"}), reply(503, {"message": "m", "code": "trading_disabled"})]  # fmt: skip
STATUSES = [200, 201, 202, 302, 400, 401, 403, 404, 408, 409, 422, 425, 429, 500, 502, 503, 504]


@st.composite
def replies_of_any_kind(draw: st.DrawFn) -> Reply:
    kind = draw(st.sampled_from(["good", "damaged", "noise", "silence"]))
    if kind == "silence":
        return Silence("cut", sent=draw(st.booleans()))
    status = draw(st.sampled_from(STATUSES))
    if kind == "noise":
        return Response(status, draw(st.binary(max_size=30)))
    good = draw(st.sampled_from(GOOD))
    if kind == "good":
        return Response(draw(st.sampled_from([good.status, status])), good.body)
    at = draw(st.integers(0, len(good.body)))
    return Response(good.status, good.body[:at] + draw(st.binary(max_size=2)) + good.body[at + 1 :])


@given(st.lists(replies_of_any_kind(), max_size=5), st.sampled_from([LOST, TOLD]), st.sampled_from(Side))
def test_no_reply_raises_and_none_gives_a_verdict_without_proof(
    replies: list[Reply], last: Answer, side: Side
) -> None:
    of, fresh = order(side=side), LimitlessSigner(SECRETS)
    answer, asked = talk_through(ORDERS.place(of, fresh), replies)
    assert [request.method for request in asked] in (["GET"], ["GET", "POST"])
    if len(asked) == 1:
        assert isinstance(answer, Rejected), "nothing was sent"
    elif isinstance(answer, Rejected):
        assert _proves_refusal(replies[1])
    elif isinstance(answer, Filled):
        assert isinstance(replies[1], Response)
        assert replies[1].status in (200, 201)
        assert not any(word in replies[1].body for word in (b'"MATCHED"', b'"FAILED"'))
    answer, asked = talk_through(ORDERS.look_up(of, fresh, last, FAR_MS), replies)
    if isinstance(answer, Filled) and last is TOLD:
        assert answer.size >= TOLD.size or b"MINED" in _body(replies[len(asked) - 1])
    talk_through(ORDERS.cancel(of, fresh, last), replies)
    for lists in (ORDERS.open_orders, ORDERS.history, ORDERS.holdings):
        talk_through(lists(fresh, [of.listing]), replies)
    talk_through(ORDERS.funds(fresh), replies)


def _body(told: Reply) -> bytes:
    return told.body if isinstance(told, Response) else b""


def _proves_refusal(told: Reply) -> bool:
    """Judged by the card's list alone, with another reader of JSON."""
    if isinstance(told, Silence):
        return not told.sent
    body = json.loads(told.body)
    if told.status in (200, 201):
        return body["execution"]["settlementStatus"].upper() in ("CANCELED", "FAILED")
    assert isinstance(body["message"], str | list)
    return told.status in (400, 401, 403, 404, 422, 425) or (
        told.status == 503 and body["code"] in ("post_only_mode", "cancel_only_mode", "trading_disabled")
    )


def test_every_conversation_signs_what_is_the_accounts() -> None:
    talks = (
        ORDERS.funds(signer()),
        ORDERS.look_up(order(), signer(), LOST, 0),
        ORDERS.place(order(), signer()),
    )
    asked: list[Request] = [talk_through(talk, [])[1][0] for talk in talks]
    assert all(request.private and request.host == "rest" for request in asked)
