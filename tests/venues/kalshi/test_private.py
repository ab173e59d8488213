"""The account's own stream says what a look-up would say, sooner, in any order, and never more."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.kalshi.examples import FOLDER, TICKER, listing, order, signer, talk_through
from venues.base.events import Refused, Say
from venues.base.listing import Native
from venues.base.orders import (
    Answer,
    Fee,
    Filled,
    News,
    Order,
    Pending,
    Rejected,
    TimeInForce,
    Unknown,
    Working,
)
from venues.base.units import ONE, Cash, Size
from venues.kalshi.feed import RENEWALS_MAX, SOCKET_PATH
from venues.kalshi.orders import KalshiOrders
from venues.kalshi.private import KalshiPrivate

ORDERS = KalshiOrders()
SIGNER = signer()
OURS = order().order_id
LOST = Unknown(OURS, "timeout")
KNOWN = Pending(OURS, "v1", Size(0), Cash(0), "")
NO = order(listing(inverted=True), limit=440_000)
GTC = order(time_in_force=TimeInForce.GTC)
Frame = dict[str, Any]


def told(status: str, filled: str = "0.00", **more: object) -> Frame:
    body = {"order_id": "v1", "user_id": "u", "client_order_id": OURS, "ticker": TICKER, "status": status,
            "book_side": "bid", "fill_count_fp": filled, "remaining_count_fp": "0.00"}  # fmt: skip
    return {"type": "user_order", "sid": 1, "msg": body | more}


def part(number: int, **more: object) -> Frame:
    """Two of ten contracts for 56 cents, and a cent of fee."""
    body = {"trade_id": f"t{number}", "order_id": "v1", "client_order_id": OURS, "market_ticker": TICKER,
            "book_side": "bid", "yes_price_dollars": "0.5600", "count_fp": "2.00",
            "fee_cost": "0.010000"}  # fmt: skip
    return {"type": "fill", "sid": 2, "msg": body | more}


def heard(*frames: Frame) -> list[News]:
    stream = KalshiPrivate(SIGNER)
    events = [event for frame in frames for event in stream.receive(json.dumps(frame), 0)]
    return [event for event in events if isinstance(event, News)]


PARTS = [part(number) for number in range(5)]
STATES = [told("resting", f"{number * 2}.00") for number in range(5)]
END = told("executed", "10.00")
ALL = [*PARTS, *STATES, END]
WHOLE = Filled(OURS, "v1", Size(10 * ONE), Cash(5_600_000), Fee(50_000, "USD"))


# --- the connection ---


def test_both_channels_are_subscribed_for_all_markets_on_a_signed_connection() -> None:
    stream = KalshiPrivate(SIGNER)
    asked = stream.handshake()
    assert (asked.method, asked.path, asked.host, asked.private) == ("GET", SOCKET_PATH, "socket", True)
    [say] = stream.opening()
    assert isinstance(say, Say)
    assert json.loads(say.text) == {
        "id": 1, "cmd": "subscribe", "params": {"channels": ["user_orders", "fill"]},
    }  # fmt: skip
    assert (stream.watch([TICKER]), stream.tick(0)) == ([], [])
    assert talk_through(stream.prepare(0), []) == (None, [])


def subscribed(sid: int, channel: str) -> Frame:
    return {"id": 1, "type": "subscribed", "msg": {"channel": channel, "sid": sid}}


def error(code: int, **more: object) -> Frame:
    return {"type": "error", "msg": {"code": code, "msg": "m"}} | more


@pytest.mark.parametrize(
    "death", [error(10, sid=2), error(25, sid=2, seq=9), {"type": "unsubscribed", "sid": 2}]
)
def test_a_subscription_that_died_is_made_again_and_no_other(death: Frame) -> None:
    stream = KalshiPrivate(SIGNER)
    stream.opening()
    for sid, channel in ((1, "user_orders"), (2, "fill")):
        assert stream.receive(json.dumps(subscribed(sid, channel)), 0) == []
    [say] = stream.receive(json.dumps(death), 0)
    assert isinstance(say, Say)
    assert json.loads(say.text) == {"id": 2, "cmd": "subscribe", "params": {"channels": ["fill"]}}
    assert stream.receive(json.dumps(death), 0) == [], "it is dead already"


def test_subscriptions_that_keep_dying_need_a_new_connection() -> None:
    stream = KalshiPrivate(SIGNER)
    stream.opening()
    for sid in range(1, RENEWALS_MAX + 1):
        stream.receive(json.dumps(subscribed(sid, "fill")), 0)
        [event] = stream.receive(json.dumps(error(25, sid=sid)), 0)
        assert isinstance(event, Say)
    stream.receive(json.dumps(subscribed(999, "fill")), 0)
    [event] = stream.receive(json.dumps(error(25, sid=999)), 0)
    assert isinstance(event, Refused)
    assert event.fatal


def test_a_refused_subscription_needs_a_new_connection() -> None:
    stream = KalshiPrivate(SIGNER)
    assert stream.receive(json.dumps(error(9, id=1)), 0) == [Refused("error 9: m", fatal=True)]


def test_other_frames_mean_nothing_and_unreadable_ones_end_the_connection() -> None:
    stream = KalshiPrivate(SIGNER)
    for quiet in (
        '{"type":"market_position","sid":7,"msg":{}}',
        '{"type":"novelty"}',
        '{"type":"ok","id":1}',
    ):
        assert stream.receive(quiet, 0) == []
    for bad in ("", "[]", "{}", '{"type":"fill","msg":{"order_id":5}}', '{"type":"user_order","msg":{}}',
                b'{"type":"fill","msg":"\xff"}', "[" * 99_999):  # fmt: skip
        with pytest.raises(ValueError, match=r"."):
            stream.receive(bad, 0)


# --- what it proves ---


def test_an_order_is_final_when_its_end_and_every_fill_were_heard() -> None:
    for answer in (None, LOST, KNOWN, Pending(OURS, "", Size(0), Cash(0), "order_already_exists")):
        assert ORDERS.heard(order(), answer, heard(*ALL)) == WHOLE
    for missing in range(5):
        some = [*PARTS[:missing], *PARTS[missing + 1 :], *STATES, END]
        assert ORDERS.heard(order(), KNOWN, heard(*some)) is None
    assert ORDERS.heard(order(), None, heard(*PARTS, *STATES)) is None


@given(st.permutations(ALL), st.lists(st.sampled_from(ALL), max_size=4))
def test_order_and_repetition_do_not_matter(shuffled: list[Frame], again: list[Frame]) -> None:
    assert ORDERS.heard(order(), LOST, heard(*shuffled, *again)) == WHOLE


@given(
    st.lists(
        st.sampled_from([*ALL, told("canceled", "99.00", order_id="v2", client_order_id="x")]), max_size=9
    )
)
def test_whatever_was_heard_nothing_false_is_said(some: list[Frame]) -> None:
    assert ORDERS.heard(order(), KNOWN, heard(*some)) in (None, WHOLE)
    assert ORDERS.heard(order(), None, heard(*some)) in (None, WHOLE)


def test_a_buyer_of_no_is_told_at_yes_prices() -> None:
    news = heard(
        told("canceled", "2.00", book_side="ask"), part(0, book_side="ask", yes_price_dollars="0.6000")
    )
    assert ORDERS.heard(NO, KNOWN, news) == Filled(
        OURS, "v1", Size(2 * ONE), Cash(800_000), Fee(10_000, "USD")
    )


def test_an_immediate_order_that_ended_without_a_fill_is_final() -> None:
    assert ORDERS.heard(order(), KNOWN, heard(told("canceled"))) == Filled(
        OURS, "v1", Size(0), Cash(0), Fee(0, "USD")
    )


def test_the_recorded_shapes_are_heard() -> None:
    frames = [json.loads(line) for line in (FOLDER / "frames" / "kalshi.jsonl").read_text().splitlines()]
    news = heard(*(frame for frame in frames if frame["type"] in ("fill", "user_order", "market_position")))
    ticker = listing(Native("KXHIGHNY-26NOV21-B55.5"))
    first = order(ticker, size=5 * ONE, limit=430_000, order_id="sor-7f3a-0001")
    venue_id = "2ab907d6-f9ae-5ae8-a2aa-cef800d91763"
    assert ORDERS.heard(first, None, news) == Filled(
        first.order_id, venue_id, Size(3_250_000), Cash(1_397_500), Fee(55_800, "USD")
    )
    second = order(
        ticker, size=8 * ONE, limit=420_000, time_in_force=TimeInForce.GTC, order_id="sor-7f3a-0002"
    )
    assert ORDERS.heard(second, Unknown(second.order_id, ""), news) == Working(
        second.order_id, "46709127-ae5e-5771-8638-4b14c0792d9a", Size(2 * ONE), Cash(840_000), Fee(0, "USD")
    )


def test_a_resting_order_is_followed_as_it_fills() -> None:
    first = ORDERS.heard(GTC, KNOWN, heard(STATES[0]))
    assert first == Working(OURS, "v1", Size(0), Cash(0), Fee(0, "USD"))
    assert ORDERS.heard(GTC, first, heard(STATES[0])) is None
    second = ORDERS.heard(GTC, first, heard(*STATES[:3], *PARTS[:2]))
    assert second == Working(OURS, "v1", Size(4 * ONE), Cash(2_240_000), Fee(20_000, "USD"))
    assert ORDERS.heard(GTC, second, heard(*STATES[:2], *PARTS[:1])) is None
    assert ORDERS.heard(GTC, second, heard(*ALL)) == WHOLE


def test_an_order_whose_reply_was_lost_is_known_by_its_id_before_its_fills_are() -> None:
    pending = Pending(OURS, "v1", Size(10 * ONE), Cash(0), "the fills cannot be read yet")
    for answer in (LOST, Pending(OURS, "", Size(0), Cash(0), "order_already_exists")):
        assert ORDERS.heard(order(), answer, heard(END, *PARTS[:4])) == pending
    assert ORDERS.heard(order(), pending, heard(END, *PARTS[:4])) is None
    assert ORDERS.heard(order(), LOST, heard(told("resting"))) == Pending(
        OURS, "v1", Size(0), Cash(0), "still matching"
    )


def test_an_end_with_less_than_was_filled_before_is_not_believed() -> None:
    working = Working(OURS, "v1", Size(4 * ONE), Cash(2_240_000), Fee(20_000, "USD"))
    assert ORDERS.heard(GTC, working, heard(told("canceled", "2.00"), PARTS[0])) is None
    assert ORDERS.heard(GTC, KNOWN, heard(told("canceled", "2.00"), *STATES, *PARTS[:1])) is None


def test_words_that_are_not_known_say_nothing() -> None:
    assert (
        ORDERS.heard(order(), KNOWN, heard(told("unknown", "10.00"), told("novelty", "10.00"), *PARTS))
        is None
    )
    assert ORDERS.heard(order(), KNOWN, heard(told("unknown", "99.00"), *ALL)) == WHOLE


@pytest.mark.parametrize("answer", [WHOLE, Rejected(OURS, "", "")])
def test_a_last_word_stays(answer: Answer) -> None:
    assert ORDERS.heard(order(), answer, heard(*ALL)) is None


@pytest.mark.parametrize("of", [order(order_id="sor-000002"), order(order_id="")])
def test_news_of_another_order_says_nothing(of: Order) -> None:
    for answer in (None, Unknown(of.order_id, ""), Pending(of.order_id, "v2", Size(0), Cash(0), "")):
        assert ORDERS.heard(of, answer, heard(*ALL)) is None


@pytest.mark.parametrize(
    "wrong",
    [
        [END, part(0, fee_cost="x")], [END, part(0, count_fp="0.0000001")], [END, part(0, book_side="ask")],
        [END, part(0, market_ticker="OTHER")], [END, part(0, yes_price_dollars="1.0000")],
        [END, part(0, count_fp="0.01", yes_price_dollars="0.56001")],
        [told("executed", "10.01")], [told("executed", "ten")], [told("executed", book_side="ask")],
        [told("executed", ticker="OTHER")], [told("executed", client_order_id="other")],
    ],
)  # fmt: skip
def test_what_cannot_be_this_order_or_cannot_be_read_is_refused(wrong: list[Frame]) -> None:
    with pytest.raises(ValueError, match=r"."):
        ORDERS.heard(order(), KNOWN, heard(*wrong))
