"""The account's own stream says what a look-up would say, sooner, in any order, and never more."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.polymarket_us.examples import SIGNER, execution, order, row, usd
from venues.base.events import Refused, Say
from venues.base.http import Unavailable
from venues.base.orders import Answer, Fee, Filled, News, Pending, Rejected, TimeInForce, Unknown, Working
from venues.base.units import ONE, Cash, Size
from venues.polymarket_us.orders import PolymarketUsOrders
from venues.polymarket_us.private import PolymarketUsPrivate

ORDERS = PolymarketUsOrders()
KNOWN = Pending(order().order_id, "V1", Size(0), Cash(0), "matching")


def heard(*executions: dict[str, Any], rests: tuple[dict[str, Any], ...] = ()) -> list[News]:
    stream = PolymarketUsPrivate(SIGNER)
    frames = [{"orderSubscriptionSnapshot": {"orders": rests, "eof": True}}] if rests else []
    frames += [{"orderSubscriptionUpdate": {"execution": each}} for each in executions]
    events = [event for frame in frames for event in stream.receive(json.dumps(frame), 0)]
    return [event for event in events if isinstance(event, News)]


def part(cum: int, **more: object) -> dict[str, Any]:
    """A fill of two shares for a cent of fee, after which so many were filled."""
    whole = cum == 10
    told = row(state="ORDER_STATE_FILLED" if whole else "ORDER_STATE_PARTIALLY_FILLED", cumQuantity=cum,
               commissionNotionalTotalCollected=usd(f"0.{cum // 2:02}"))  # fmt: skip
    kind = "FILL" if whole else "PARTIAL_FILL"
    return execution(told, id=f"E{cum}", type=f"EXECUTION_TYPE_{kind}", lastShares="2",
                     commissionNotionalCollected=usd("0.01")) | more  # fmt: skip


NEW = execution(
    row(state="ORDER_STATE_NEW", cumQuantity=0), id="E0", type="EXECUTION_TYPE_NEW", lastShares="0"
)
ALL = [NEW, *(part(cum) for cum in (2, 4, 6, 8, 10))]
WHOLE = Filled(order().order_id, "V1", Size(10 * ONE), Cash(5_600_000), Fee(50_000, "USD"))


def test_updates_are_asked_for_before_what_rests() -> None:
    stream = PolymarketUsPrivate(SIGNER)
    said = [json.loads(event.text)["subscribe"] for event in stream.opening() if isinstance(event, Say)]
    assert [s["subscriptionType"] for s in said] == [
        "SUBSCRIPTION_TYPE_ORDER",
        "SUBSCRIPTION_TYPE_ORDER_SNAPSHOT",
    ]
    assert len({s["requestId"] for s in said}) == 2
    assert (stream.watch([]), stream.tick(0)) == ([], [])
    with pytest.raises(StopIteration) as done:
        next(stream.prepare(0))
    assert not isinstance(done.value.value, Unavailable)


def test_only_losing_the_updates_needs_a_new_connection() -> None:
    stream = PolymarketUsPrivate(SIGNER)
    for name, fatal in (("orders-1", True), ("resting-1", False), ("", False)):
        frame = json.dumps({"requestId": name, "error": "no"})
        assert stream.receive(frame, 0) == [Refused(f"{name}: no", fatal=fatal)]
    for quiet in ('{"heartbeat":{}}', '{"positionSubscription":{}}', '{"orderSubscriptionUpdate":{}}'):
        assert stream.receive(quiet, 0) == []
    for bad in ("", "[]", '{"orderSubscriptionUpdate":{"execution":{"id":5}}}'):
        with pytest.raises(ValueError, match=r"."):
            stream.receive(bad, 0)


def test_an_order_is_final_when_its_end_and_every_fill_were_heard() -> None:
    assert ORDERS.heard(order(), KNOWN, heard(*ALL)) == WHOLE
    for missing in range(1, 6):
        assert ORDERS.heard(order(), KNOWN, heard(*ALL[:missing], *ALL[missing + 1 :])) is None


@given(st.permutations(ALL), st.lists(st.sampled_from(ALL), max_size=4))
def test_order_and_repetition_do_not_matter(
    shuffled: list[dict[str, Any]], again: list[dict[str, Any]]
) -> None:
    assert ORDERS.heard(order(), KNOWN, heard(*shuffled, *again)) == WHOLE


@given(st.lists(st.sampled_from([*ALL, execution(row(id="V2"))]), max_size=8))
def test_whatever_was_heard_nothing_false_is_said(some: list[dict[str, Any]]) -> None:
    assert ORDERS.heard(order(), KNOWN, heard(*some)) in (None, WHOLE)


def test_an_order_without_an_id_or_with_a_last_word_is_left_alone() -> None:
    for answer in (None, Unknown(order().order_id, ""), WHOLE, Rejected(order().order_id, "", ""),
                   Pending(order().order_id, "", Size(0), Cash(0), "")):  # fmt: skip
        assert ORDERS.heard(order(), answer, heard(*ALL)) is None


def test_a_resting_order_is_followed_as_it_fills() -> None:
    of = order(time_in_force=TimeInForce.GTC)
    answer: Answer = KNOWN
    first = ORDERS.heard(of, answer, heard(NEW))
    assert first == Working(of.order_id, "V1", Size(0), Cash(0), Fee(170_000, "USD"))
    assert ORDERS.heard(of, first, heard(NEW)) is None
    second = ORDERS.heard(of, first, heard(*ALL[:3]))
    assert second == Working(of.order_id, "V1", Size(4 * ONE), Cash(2_240_000), Fee(20_000, "USD"))
    assert ORDERS.heard(of, second, heard(*ALL[:2])) is None
    assert ORDERS.heard(of, second, heard(*ALL)) == WHOLE


def test_an_end_with_less_than_was_filled_before_is_not_believed() -> None:
    of = order(time_in_force=TimeInForce.GTC)
    working = Working(of.order_id, "V1", Size(4 * ONE), Cash(2_240_000), Fee(20_000, "USD"))
    gone = execution(row(state="ORDER_STATE_CANCELED", cumQuantity=0), type="EXECUTION_TYPE_CANCELED")
    assert ORDERS.heard(of, working, heard(gone)) is None


def test_what_rests_is_heard_on_connecting() -> None:
    of = order(time_in_force=TimeInForce.GTC)
    rests = row(state="ORDER_STATE_NEW", cumQuantity=0, commissionNotionalTotalCollected=None)
    assert ORDERS.heard(of, KNOWN, heard(rests=(rests,))) == Working(
        of.order_id, "V1", Size(0), Cash(0), Fee(0, "USD")
    )
    half = row(state="ORDER_STATE_PARTIALLY_FILLED", cumQuantity=4)
    assert ORDERS.heard(of, KNOWN, heard(rests=(half,))) is None, "its fills were not heard"


def test_a_refusal_is_heard() -> None:
    told = execution(row(state="ORDER_STATE_REJECTED", cumQuantity=0), type="EXECUTION_TYPE_REJECTED",
                     orderRejectReason="R", text="why")  # fmt: skip
    assert ORDERS.heard(order(), KNOWN, heard(told)) == Rejected(order().order_id, "R", "why")


@pytest.mark.parametrize(
    "told",
    [{"execution": "{"}, {"execution": '{"order":{"id":"V1","cumQuantity":11}}'}, {"order": '{"id":"V2"}'}],
)
def test_what_cannot_be_read_or_is_not_the_order_is_refused(told: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        ORDERS.heard(order(), KNOWN, [News(venue_order_id="V1", told=told)])
