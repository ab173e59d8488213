"""Every reply a venue can give, and what may be concluded from it. Bodies and signatures: the vectors."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.kalshi.examples import CREATED_MS, TICKER, listing, order, reply, signer, talk_through
from venues.base.http import Purpose, Reply, Request, Response, Silence, Unavailable
from venues.base.listing import Native
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
from venues.base.units import ONE, Cash, Size, decimal, places
from venues.kalshi import VENUE
from venues.kalshi.moments import moment_ms
from venues.kalshi.orders import LATE_MS, REMEMBERED_MS

SIGNER = signer()
FAR_MS = CREATED_MS + LATE_MS + 1
NO = listing(inverted=True)


def created(**fields: Any) -> Response:
    body = {
        "order_id": "v1", "client_order_id": "sor-000001", "fill_count": "10.00", "remaining_count": "0.00",
        "average_fill_price": "0.560000", "average_fee_paid": "0.017250", "ts_ms": 1, **fields,
    }  # fmt: skip
    return reply(201, {name: value for name, value in body.items() if value is not None})


def row(**fields: Any) -> dict[str, Any]:
    ours = {"order_id": "v1", "client_order_id": "sor-000001"}
    return {**ours, "status": "executed", "fill_count_fp": "10.00", **fields}


def state(**fields: Any) -> Response:
    return reply(200, {"order": row(**fields)})


def listed(*rows: dict[str, Any], cursor: str = "") -> Response:
    return reply(200, {"orders": rows, "cursor": cursor})


def fill(yes: int = 560_000, size: int = 10 * ONE, fee: int = 172_500, **fields: Any) -> dict[str, Any]:
    return {
        "fill_id": f"f{yes}-{size}", "trade_id": "t", "order_id": "v1", "count_fp": places(size, 2),
        "yes_price_dollars": places(yes, 4), "no_price_dollars": places(ONE - yes, 4),
        "fee_cost": decimal(fee), **fields,
    }  # fmt: skip


def fills(*rows: dict[str, Any], cursor: str = "") -> Response:
    return reply(200, {"fills": rows, "cursor": cursor})


def as_of(ms: int) -> Response:
    second, thousandth = divmod(ms - CREATED_MS, 1000)
    return reply(200, {"as_of_time": f"2026-11-20T14:{second // 60:02}:{second % 60:02}.{thousandth:03}Z"})


def refused(status: int, code: str = "no", *, flat: bool = False) -> Response:
    said = {"code": code, "message": "m", "details": "d"}
    return reply(status, said if flat else {"error": said})


def placed(of: Order, *replies: Reply) -> Answer:
    return talk_through(VENUE.orders.place(of, SIGNER), list(replies))[0]


def looked_up(of: Order, last: Answer, *replies: Reply, now_ms: int = FAR_MS) -> Answer:
    return talk_through(VENUE.orders.look_up(of, SIGNER, last, now_ms), list(replies))[0]


def filled(of: Order, cash: int, fee: int, size: int = 10 * ONE) -> Filled:
    return Filled(of.order_id, "v1", Size(size), Cash(cash), Fee(fee, VENUE.collateral))


LOST = Unknown(order().order_id, "timeout")
KNOWN = Pending(order().order_id, "v1", Size(10 * ONE), Cash(0), "")


# --- placing ---


def test_an_order_whose_averages_prove_its_totals_is_filled_at_once() -> None:
    assert placed(order(), created()) == filled(order(), 5_600_000, 172_500)


def test_a_buyer_of_no_pays_one_minus_the_yes_price() -> None:
    of = order(NO, limit=300_000)
    paid = created(average_fill_price="0.720000", average_fee_paid="0.014110")
    assert placed(of, paid) == filled(of, 2_800_000, 141_100)


def test_where_averages_prove_nothing_the_fills_are_added_up() -> None:
    of = order(size=200 * ONE)
    rows = fills(fill(550_000, 150 * ONE, 2_598_800), fill(560_000, 50 * ONE, 862_400))
    answer = placed(of, created(fill_count="200.00"), rows)
    assert answer == filled(of, 110_500_000, 3_461_200, 200 * ONE)


def test_fills_of_no_are_added_up_at_no_prices() -> None:
    of = order(NO, limit=560_000)
    answer = placed(of, created(average_fill_price="0.480000"), fills(fill(480_000)))
    assert answer == filled(of, 5_200_000, 172_500)


@pytest.mark.parametrize(
    "late",
    [
        fills(),
        fills(fill(size=9 * ONE)),
        fills(fill(), fill(size=ONE)),
        fills(fill(order_id="other")),
        fills(fill(no_price_dollars="0.4500")),
        fills(fill(fee_cost="x")),
        reply(503, {}),
        reply(404, {}),
        Silence("cut", sent=True),
    ],
)
def test_fills_that_do_not_make_up_the_order_leave_it_pending(late: Reply) -> None:
    answer = placed(order(size=200 * ONE), created(average_fee_paid=None), late)
    assert isinstance(answer, Pending)
    assert (answer.venue_order_id, answer.size) == ("v1", 10 * ONE)


def test_a_fill_that_stands_on_two_pages_counts_once() -> None:
    pages = [fills(fill(), cursor="n"), fills(fill())]
    assert placed(order(), created(average_fee_paid=None), *pages) == filled(order(), 5_600_000, 172_500)


def test_nothing_filled_is_final_for_an_immediate_order() -> None:
    none = created(fill_count="0.00", average_fill_price=None, average_fee_paid=None)
    assert placed(order(), none) == filled(order(), 0, 0, 0)


def test_a_resting_order_works_with_its_fills_so_far() -> None:
    of = order(time_in_force=TimeInForce.GTC, size=20 * ONE)
    answer = placed(of, created(remaining_count="10.00"))
    assert answer == Working(
        of.order_id, "v1", Size(10 * ONE), Cash(5_600_000), Fee(172_500, VENUE.collateral)
    )
    assert placed(of, created()) == filled(of, 5_600_000, 172_500)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
@pytest.mark.parametrize("flat", [True, False])
def test_readable_refusals_of_the_list_are_rejections(status: int, flat: bool) -> None:
    assert placed(order(), refused(status, flat=flat)) == Rejected(order().order_id, "no", "m")


@pytest.mark.parametrize(
    "unclear",
    [
        refused(408), refused(409), refused(425), refused(429), refused(500), refused(503), refused(504),
        refused(500, "order_already_exists"), refused(400, "order_already_exists"), refused(400, ""),
        refused(503, "fill_or_kill_insufficient_resting_volume"), refused(302), refused(202),
        reply(400, b"<html>"), reply(404, {}), reply(429, {"error": "slow down"}), reply(429, b""),
        reply(500, {"error": "too many requests"}),
        reply(201, b"{}"), reply(201, b""), reply(201, b"[" * 99_999),
        reply(400, b'{"error":{"code":"no","message":"m","\x80etails":"d"}}'),
        created(client_order_id="other"), created(order_id=""), created(fill_count="11.00"),
        created(fill_count="x"), created(average_fill_price="0.5600001"), Silence("cut", sent=True),
    ],
)  # fmt: skip
def test_everything_else_is_unknown(unclear: Reply) -> None:
    assert isinstance(placed(order(), unclear), Unknown)


def test_the_venues_own_429_and_a_request_never_sent_are_rejections() -> None:
    limited = placed(order(), reply(429, {"error": "too many requests"}))
    unsent = placed(order(), Silence("refused", sent=False))
    assert [a.code for a in (limited, unsent) if isinstance(a, Rejected)] == ["rate_limited", "not_sent"]


@pytest.mark.parametrize("code", ["fill_or_kill_insufficient_resting_volume", "insufficient_balance"])
def test_conflicts_of_the_list_are_rejections(code: str) -> None:
    assert placed(order(), refused(409, code)) == Rejected(order().order_id, code, "m")


def test_an_id_used_before_is_looked_up() -> None:
    assert isinstance(placed(order(), refused(409, "order_already_exists")), Pending)


def test_a_subaccount_is_named_wherever_the_account_is_asked() -> None:
    mine = signer(subaccount="3")
    _, asked = talk_through(
        VENUE.orders.cancel(order(), mine, KNOWN), [reply(200, {}), state(), fills(fill())]
    )
    _, more = talk_through(VENUE.orders.look_up(order(), mine, LOST, FAR_MS), [as_of(FAR_MS), listed()])
    _, money = talk_through(VENUE.orders.funds(mine), [])
    _, held = talk_through(VENUE.orders.holdings(mine, []), [])
    assert all(("subaccount", "3") in request.query for request in [*asked, more[1], *money, *held])


@pytest.mark.parametrize("time_in_force", TimeInForce)
@pytest.mark.parametrize("side", Side)
def test_only_a_sale_that_cannot_rest_is_reduce_only(side: Side, time_in_force: TimeInForce) -> None:
    """The venue is said to take the word with IOC alone; any other order with it would be refused."""
    of = order(side=side, time_in_force=time_in_force, expires_s=1_796_083_200)
    _, [asked] = talk_through(VENUE.orders.place(of, SIGNER), [Silence("cut", sent=True)])
    body = json.loads(asked.body)
    assert body.get("reduce_only") == (
        True if (side, time_in_force) == (Side.SELL, TimeInForce.IOC) else None
    )
    assert ("expiration_time" in body) is (time_in_force is TimeInForce.GTD)


def test_a_post_only_order_that_crossed_is_final_whether_refused_or_cancelled_by_the_venue() -> None:
    of = order(time_in_force=TimeInForce.GTC, post_only=True)
    none = created(fill_count="0.00", average_fill_price=None, average_fee_paid=None)
    assert placed(of, none) == filled(of, 0, 0, 0)
    assert isinstance(placed(of, refused(400, "invalid_order")), Rejected)
    late = created(fill_count="0.00", remaining_count="10.00", average_fill_price=None, average_fee_paid=None)
    working = placed(of, late)
    assert isinstance(working, Working)
    assert looked_up(of, working, state(status="canceled", fill_count_fp="0.00")) == filled(of, 0, 0, 0)


# --- looking up ---


def test_a_known_order_is_read_by_its_id() -> None:
    assert looked_up(order(), KNOWN, state(), fills(fill())) == filled(order(), 5_600_000, 172_500)


def test_an_order_is_found_among_the_accounts_orders_by_our_id() -> None:
    rows = listed(row(client_order_id="other", order_id="v0", fill_count_fp="99.00"), cursor="next")
    answer = looked_up(order(), LOST, as_of(CREATED_MS), rows, listed(row()), fills(fill()))
    assert answer == filled(order(), 5_600_000, 172_500)


def test_absence_counts_only_when_both_clocks_are_past_the_time_it_can_still_arrive() -> None:
    signed_ms, believed_ms, clocks_ms = 5_000, 60_000, 5_000
    assert signed_ms + believed_ms + clocks_ms <= LATE_MS, "so long a signature may still be taken"
    late = CREATED_MS + LATE_MS
    assert isinstance(looked_up(order(), LOST, as_of(late + 1), listed(), now_ms=late + 1), Rejected)
    for data_ms, now_ms in [(late, late + 1), (late + 1, late), (CREATED_MS, late + 1)]:
        assert isinstance(looked_up(order(), LOST, as_of(data_ms), listed(), now_ms=now_ms), Unknown)


def test_absence_proves_nothing_about_an_order_that_may_be_history() -> None:
    old = CREATED_MS + REMEMBERED_MS
    assert isinstance(looked_up(order(), LOST, as_of(FAR_MS), listed(), now_ms=old), Unknown)


@pytest.mark.parametrize(
    "replies",
    [
        [reply(503, {}), listed()],
        [reply(200, {"as_of_time": "soon"}), listed()],
        [as_of(FAR_MS), reply(503, {})],
        [as_of(FAR_MS), reply(404, {})],
        [as_of(FAR_MS), reply(200, b"{}")],
        [as_of(FAR_MS), listed(cursor="next"), Silence("cut", sent=True)],
        [as_of(FAR_MS), *[listed(cursor="next")] * 100],
        [as_of(FAR_MS), listed(row(status="novelty"))],
        [as_of(FAR_MS), listed(row(fill_count_fp="10.01"))],
    ],
)
def test_a_list_not_read_to_its_end_proves_nothing(replies: list[Reply]) -> None:
    assert isinstance(looked_up(order(), LOST, *replies), Unknown)


def test_look_up_never_sends_an_order() -> None:
    _, asked = talk_through(VENUE.orders.look_up(order(), SIGNER, LOST, FAR_MS), [as_of(FAR_MS), listed()])
    assert {request.method for request in asked} == {"GET"}
    assert {request.purpose for request in asked} == {Purpose.ACCOUNT}
    assert ("ticker", TICKER) in asked[1].query


def test_an_id_that_was_used_is_never_called_not_executed_but_for_a_killed_order() -> None:
    used = Pending(order().order_id, "", Size(0), Cash(0), "order_already_exists")
    assert looked_up(order(), used, as_of(FAR_MS), listed()) == used
    killed = order(time_in_force=TimeInForce.FOK)
    assert isinstance(looked_up(killed, used, as_of(FAR_MS), listed()), Rejected)


@pytest.mark.parametrize(
    "lagging",
    [state(fill_count_fp="9.00"), state(status="resting"), state(order_id="v2"),
     state(client_order_id="other"), reply(404, {}), reply(500, {}), Silence("cut", sent=True)],
)  # fmt: skip
def test_reads_that_lag_or_fail_never_make_an_order_final(lagging: Reply) -> None:
    answer = looked_up(order(), KNOWN, lagging, fills(fill(size=9 * ONE)))
    assert isinstance(answer, Pending)
    assert answer.venue_order_id == "v1"


def test_an_immediate_order_shown_as_resting_is_not_working() -> None:
    """Without a fill nothing else would keep it from looking final or alive."""
    answer = looked_up(order(), LOST, as_of(FAR_MS), listed(row(status="resting", fill_count_fp="0.00")))
    assert isinstance(answer, Pending)


def test_a_resting_order_still_works() -> None:
    of = order(time_in_force=TimeInForce.GTC)
    answer = looked_up(of, Working(of.order_id, "v1", Size(0), Cash(0), Fee(0, "USD")),
                       state(status="resting", fill_count_fp="0.00"))  # fmt: skip
    assert isinstance(answer, Working)


# --- cancelling ---


def test_a_cancelled_order_ends_with_its_fills() -> None:
    of = order(time_in_force=TimeInForce.GTC)
    working = Working(of.order_id, "v1", Size(0), Cash(0), Fee(0, "USD"))
    gone = state(status="canceled", fill_count_fp="2.00")
    replies: list[Reply] = [reply(200, {}), gone, fills(fill(size=2 * ONE, fee=34_500))]
    answer, asked = talk_through(VENUE.orders.cancel(of, SIGNER, working), replies)
    assert answer == filled(of, 1_120_000, 34_500, 2 * ONE)
    assert (asked[0].method, asked[0].query) == ("DELETE", (("market_ticker", TICKER),))


def test_a_cancel_not_yet_seen_is_pending_and_one_refused_leaves_the_order_working() -> None:
    of = order(time_in_force=TimeInForce.GTC)
    working = Working(of.order_id, "v1", Size(0), Cash(0), Fee(0, "USD"))
    resting = state(status="resting", fill_count_fp="0.00")
    for status, wanted in ((200, Pending), (404, Working), (503, Working)):
        answer, _ = talk_through(VENUE.orders.cancel(of, SIGNER, working), [reply(status, {}), resting])
        assert isinstance(answer, wanted)


def test_an_order_without_a_venue_id_is_found_before_it_is_cancelled() -> None:
    replies: list[Reply] = [listed(row()), reply(200, {}), state(), fills(fill())]
    answer, asked = talk_through(VENUE.orders.cancel(order(), SIGNER, LOST), replies)
    assert isinstance(answer, Filled)
    assert [request.method for request in asked] == ["GET", "DELETE", "GET", "GET"]
    assert isinstance(talk_through(VENUE.orders.cancel(order(), SIGNER, LOST), [listed()])[0], Unknown)


# --- the account ---


def test_funds_are_kept_by_shard() -> None:
    body = {"balance": 1, "balance_breakdown": [{"exchange_index": 0, "balance": "1000.0000"},
                                                {"exchange_index": 2, "balance": "-1.0000"}]}  # fmt: skip
    found, (asked,) = talk_through(VENUE.orders.funds(SIGNER), [reply(200, body)])
    assert found == {"0": 1_000_000_000, "2": 0}
    assert asked.private


def test_holdings_are_yes_above_zero_and_no_below() -> None:
    yes, no, other = listing(), listing(inverted=True), listing(Native("OTHER"))
    body = {"market_positions": [{"ticker": TICKER, "position_fp": "-4.50"}], "cursor": ""}
    found, _ = talk_through(VENUE.orders.holdings(SIGNER, [yes, no, other]), [reply(200, body)])
    assert found == {yes.key: 0, no.key: 4_500_000, other.key: 0}


@pytest.mark.parametrize(
    ("position", "yes_lots", "no_lots"),
    [("4.509999", 450, 0), ("-4.509999", 0, 450), ("0.009999", 0, 0), ("-0.01", 0, 1), ("-0.00", 0, 0)],
)
def test_no_more_is_held_than_the_whole_lots_of_a_position(
    position: str, yes_lots: int, no_lots: int
) -> None:
    yes, no = listing(), listing(inverted=True)
    body = {"market_positions": [{"ticker": TICKER, "position_fp": position}], "cursor": ""}
    found, _ = talk_through(VENUE.orders.holdings(SIGNER, [yes, no]), [reply(200, body)])
    assert found == {yes.key: yes_lots * 10_000, no.key: no_lots * 10_000}


def test_money_that_cannot_be_read_is_unavailable() -> None:
    for bad in (reply(200, b"{}"), reply(500, {}), reply(404, {}), Silence("cut", sent=True)):
        assert isinstance(talk_through(VENUE.orders.funds(SIGNER), [bad])[0], Unavailable)
        assert isinstance(talk_through(VENUE.orders.holdings(SIGNER, []), [bad])[0], Unavailable)
        assert isinstance(talk_through(VENUE.orders.clock(), [bad])[0], Unavailable)


def test_the_clock_is_the_middle_of_the_second_in_the_date_header() -> None:
    dated = Response(200, b"", {"date": "Fri, 20 Nov 2026 14:00:00 GMT"})
    assert talk_through(VENUE.orders.clock(), [dated])[0] == CREATED_MS + 500
    for text in ("", "yesterday", "Fri, 99 Nov 2026 14:00:00 GMT"):
        assert isinstance(
            talk_through(VENUE.orders.clock(), [Response(200, b"", {"date": text})])[0], Unavailable
        )


# --- anything at all ---

GOOD = [created(), state(), listed(row()), listed(), fills(fill()), fills(), as_of(FAR_MS), refused(400),
        refused(409, "order_already_exists")]  # fmt: skip


@st.composite
def replies_of_any_kind(draw: st.DrawFn) -> Reply:
    kind = draw(st.sampled_from(["good", "damaged", "noise", "silence"]))
    if kind == "silence":
        return Silence("cut", sent=draw(st.booleans()))
    status = draw(
        st.sampled_from([200, 201, 202, 302, 400, 401, 403, 404, 408, 409, 425, 429, 500, 503, 504])
    )
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
    answer, asked = talk_through(VENUE.orders.place(of, SIGNER), replies)
    first = replies[0] if replies else Silence("", sent=True)
    if isinstance(answer, Rejected):
        assert _proves_refusal(first)
    if isinstance(answer, Filled | Working | Pending):
        assert isinstance(first, Response)
        assert first.status in (200, 201, 409)
    _check_requests(asked)
    answer, asked = talk_through(VENUE.orders.look_up(of, SIGNER, last, FAR_MS), replies)
    if isinstance(answer, Rejected):
        assert last is LOST
        assert all(isinstance(r, Response) and r.status == 200 for r in replies[: len(asked)])
    talk_through(VENUE.orders.cancel(of, SIGNER, last), replies)


def _proves_refusal(first: Reply) -> bool:
    """Judged by the documented list alone, with another reader of JSON."""
    if isinstance(first, Silence):
        return not first.sent
    body = json.loads(first.body)
    if first.status == 429:
        return bool(body == {"error": "too many requests"})
    said = body.get("error", body)
    return (
        first.status in (400, 401, 403, 404) and bool(said["code"]) and said["code"] != "order_already_exists"
    )


def _check_requests(asked: list[Request]) -> None:
    assert [request.method for request in asked[:2]] in (["POST"], ["POST", "GET"])
    assert all(request.private for request in asked)


@pytest.mark.parametrize(
    "text", ["2026-13-01T00:00:00Z", "2026-11-31T00:00:00Z", "2026-11-20T24:00:00Z", "2026-11-20"]
)
def test_a_time_that_does_not_exist_proves_nothing(text: str) -> None:
    assert isinstance(looked_up(order(), LOST, reply(200, {"as_of_time": text}), listed()), Unknown)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T14:00:00Z",
        "2026-11-20T14:00:00.0004Z",
        "2026-11-20T15:30:00+01:30",
        "2026-11-20T09:00:00-05:00",
    ],
)
def test_times_are_read_in_any_zone(text: str) -> None:
    assert moment_ms(text) == CREATED_MS
