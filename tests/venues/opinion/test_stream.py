"""The account's own stream: it shortens a wait, and never says more than a look-up would."""

import json
from pathlib import Path
from typing import Any

import pytest

import venues.opinion
from tests.venues.opinion import examples
from tests.venues.opinion.examples import NOW_MS
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
from venues.base.units import Cash, Size
from venues.opinion.feed import HEARTBEAT_MS
from venues.opinion.orders import OpinionOrders
from venues.opinion.stream import CHANNELS, SUBSCRIPTIONS_MAX, OpinionStream

ORDERS = OpinionOrders()
FRAMES = Path(venues.opinion.__path__[0]) / "vectors" / "frames" / "opinion.jsonl"
IOC = examples.order(cash=Cash(4_200_000))
GTC = examples.order(time_in_force=TimeInForce.GTC)
ACCEPTED = Pending(IOC.order_id, "o-1", Size(0), Cash(0), "accepted")


def stream() -> OpinionStream:
    return OpinionStream(examples.signer())


def news(*messages: dict[str, Any]) -> list[News]:
    own = stream()
    events = [event for message in messages for event in own.receive(json.dumps(message), NOW_MS)]
    assert all(isinstance(event, News) for event in events)
    return [event for event in events if isinstance(event, News)]


def update(kind: str = "orderFill", **wish: Any) -> dict[str, Any]:
    usual = {
        "orderUpdateType": kind, "marketId": 5120, "orderId": "o-1", "side": 1, "status": 1,
        "filledShares": "0", "filledAmount": "0", "msgType": "trade.order.update", "timestamp": NOW_MS,
    }  # fmt: skip
    return usual | wish


def record(number: int = 1, **wish: Any) -> dict[str, Any]:
    usual = {
        "orderId": "o-1", "tradeNo": f"t-{number}", "marketId": 5120, "side": "Buy", "price": "0.42",
        "shares": "10", "amount": "4.2", "status": 2, "fee": "0.25", "msgType": "trade.record.new",
    }  # fmt: skip
    return usual | wish


CONFIRMED = update("orderConfirm", status=2, filledShares="10")


def test_each_market_is_watched_once_on_both_channels() -> None:
    own = stream()
    said = [json.loads(event.text) for event in own.watch([Native("5120")]) if isinstance(event, Say)]
    assert said == [{"action": "SUBSCRIBE", "channel": name, "marketId": 5120} for name in CHANNELS]
    assert own.watch([Native("5120")]) == []
    assert own.opening() == []
    assert own.handshake().private


def test_the_subscriptions_of_a_connection_have_a_limit() -> None:
    own, markets = stream(), [Native(str(number)) for number in range(1, SUBSCRIPTIONS_MAX)]
    events = own.watch(markets)
    assert sum(isinstance(event, Say) for event in events) == SUBSCRIPTIONS_MAX
    assert isinstance(events[-1], Refused)
    assert not events[-1].fatal


def test_nothing_is_fetched_before_connecting() -> None:
    with pytest.raises(StopIteration) as stop:
        next(stream().prepare(NOW_MS))
    assert stop.value.value is None


def test_the_heartbeat_comes_every_twenty_five_seconds() -> None:
    own = stream()
    beats = [event for ms in range(0, 2 * HEARTBEAT_MS, 500) for event in own.tick(NOW_MS + ms)]
    assert beats == [Say('{"action":"HEARTBEAT"}')] * 2


def test_of_the_constructed_frames_only_order_messages_are_news() -> None:
    own = stream()
    found = [event for line in FRAMES.read_text().splitlines() for event in own.receive(line, NOW_MS)]
    ids = [event.venue_order_id[-2:] for event in found if isinstance(event, News)]
    assert ids == ["01", "01", "01", "01", "02", "02", "03"]


def test_the_market_buy_of_the_frames_ends_as_its_page_says() -> None:
    """24.75 and a fee of 0.25 for 57.827102803738317757 shares at 0.428."""
    own = stream()
    said = [event for line in FRAMES.read_text().splitlines() for event in own.receive(line, NOW_MS)]
    mine = [e for e in said if isinstance(e, News) and e.venue_order_id.endswith("01")]
    order = examples.order(cash=Cash(24_750_000))
    answer = ORDERS.heard(order, None, mine)
    known = mine[0].venue_order_id
    fee = Fee(250_000, "USDT")
    assert answer == Filled(order.order_id, known, Size(57_827_102), Cash(24_750_000), fee)
    failed = [e for e in said if isinstance(e, News) and e.venue_order_id.endswith("03")]
    assert ORDERS.heard(order, None, failed) == Pending(
        order.order_id, failed[0].venue_order_id, Size(0), Cash(0), "told by the account's stream"
    )


@pytest.mark.parametrize(
    "broken",
    ['{"msgType":"trade.record.new"', '{"msgType":"trade.record.new","orderId":"o"}', b'"msgType"\xff'],
)
def test_an_unreadable_frame_is_an_error(broken: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        stream().receive(broken, NOW_MS)


def test_acknowledgements_and_other_messages_are_no_news() -> None:
    for frame in ('{"action":"HEARTBEAT"}', "pong", '{"msgType":"market.last.price"}'):
        assert stream().receive(frame, NOW_MS) == []


@pytest.mark.parametrize("order_id", [None, ""])
@pytest.mark.parametrize("side", ["Split", "Merge"])
def test_a_split_or_merge_is_news_of_no_order(side: str, order_id: str | None) -> None:
    told = record(side=side, orderId=order_id)
    assert news(told) == []
    del told["orderId"]
    assert news(told) == []


# --- what it proves ---


def heard(order: Order, answer: Answer | None, *messages: dict[str, Any]) -> Answer | None:
    return ORDERS.heard(order, answer, news(*messages))


def test_a_finished_order_with_all_its_matches_is_filled_in_any_order_and_number_of_messages() -> None:
    want = Filled(IOC.order_id, "o-1", Size(10_000_000), Cash(4_200_000), Fee(250_000, "USDT"))
    both = [CONFIRMED, record()]
    for messages in (both, both[::-1], both * 3, [update("orderNew"), update(), *both]):
        assert heard(IOC, ACCEPTED, *messages) == want
    assert heard(IOC, None, *both) == want
    assert heard(IOC, Unknown(IOC.order_id, "deadline"), *both) == want


@pytest.mark.parametrize(
    "messages",
    [
        [CONFIRMED],
        [CONFIRMED, record(shares="9.999999999999999999")],
        [CONFIRMED, record(), record(2, status=1)],
        [record()],
        [update("orderConfirm", status=2, filledShares="5"), record(shares="5")],
        [update("orderCancel", status=3, filledShares="10"), record()],
        [update("orderConfirm", status=2, filledShares="0")],
    ],
)
def test_less_than_that_is_not_final(messages: list[dict[str, Any]]) -> None:
    assert not isinstance(heard(IOC, ACCEPTED, *messages), Filled | Rejected)


def test_settled_matches_count_at_once_and_repeating_them_says_nothing_new() -> None:
    first = heard(IOC, ACCEPTED, record())
    assert isinstance(first, Pending)
    assert (first.size, first.cash) == (10_000_000, 4_200_000)
    assert heard(IOC, first, record(), record()) is None
    working = heard(GTC, Working(GTC.order_id, "o-1", Size(0), Cash(0), Fee(0, "USDT")), record(fee="0"))
    assert working == Working(GTC.order_id, "o-1", Size(10_000_000), Cash(4_200_000), Fee(0, "USDT"))


def test_a_match_that_failed_on_chain_is_no_fill() -> None:
    assert heard(IOC, ACCEPTED, record(status=6)) is None


def test_an_order_that_nothing_was_known_about_is_known_now() -> None:
    assert heard(IOC, Unknown(IOC.order_id, "deadline"), update("orderNew")) == Pending(
        IOC.order_id, "o-1", Size(0), Cash(0), "told by the account's stream"
    )


def test_a_last_word_another_order_and_silence_are_left_alone() -> None:
    done = Filled(IOC.order_id, "o-1", Size(1), Cash(1), Fee(0, "USDT"))
    assert heard(IOC, done, CONFIRMED, record()) is None
    other = Pending(IOC.order_id, "o-2", Size(0), Cash(0), "accepted")
    assert heard(IOC, other, CONFIRMED, record()) is None
    assert ORDERS.heard(IOC, ACCEPTED, []) is None
    assert heard(IOC, ACCEPTED, CONFIRMED, record(price="x")) is None
    assert heard(IOC, ACCEPTED, CONFIRMED, record(fee="")) is None, "a fee is not guessed to be nothing"
    assert heard(IOC, ACCEPTED, CONFIRMED, record(shares="10000000000000000000")) is None


@pytest.mark.parametrize(
    ("text", "fee"), [("250000000000000000", 250_000), ("0.25", 250_000), ("3", 3_000_000)]
)
def test_a_fee_in_base_units_is_recognised(text: str, fee: int) -> None:
    answer = heard(IOC, ACCEPTED, CONFIRMED, record(fee=text))
    assert isinstance(answer, Filled)
    assert answer.fee.amount == fee
