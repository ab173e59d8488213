"""What the feed says and hears beyond the frames vectors: subscriptions, gaps, halts, damage."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.kalshi.books import Follower, commands
from tests.venues.kalshi.examples import FOLDER
from venues.base.events import FeedEvent, Halted, Lost, Refused, Regrid, Resumed, Snapshot, Top, Update
from venues.base.http import Response
from venues.base.listing import Native
from venues.base.units import Price, Size
from venues.kalshi.feed import MARKETS_PER_SID, RENEWALS_MAX, WAITING_MAX, KalshiFeed

A, B = Native("A"), Native("B")
LINES = (FOLDER / "frames" / "kalshi.jsonl").read_text().splitlines()


def frame(kind: str, msg: dict[str, Any] | None = None, **more: object) -> str:
    return json.dumps({"type": kind, **more, **({} if msg is None else {"msg": msg})})


def ack(command: int, channel: str, sid: int) -> str:
    return frame("subscribed", {"channel": channel, "sid": sid}, id=command)


def snapshot(native: str, seq: int, *, sid: int = 1, **sides: list[list[str]]) -> str:
    return frame("orderbook_snapshot", {"market_ticker": native, "market_id": "x", **sides}, sid=sid, seq=seq)


def delta(native: str, seq: int, *, sid: int = 1, side: str = "yes", change: str = "1.00") -> str:
    body = {"market_ticker": native, "price_dollars": "0.4100", "delta_fp": change, "side": side, "ts_ms": 7}
    return frame("orderbook_delta", body, sid=sid, seq=seq)


def error(code: int, **more: object) -> str:
    return frame("error", {"code": code, "msg": "m"}, **more)


def lifecycle(native: str, event: str, **more: object) -> str:
    return frame("market_lifecycle_v2", {"market_ticker": native, "event_type": event, **more}, sid=9, seq=1)


def hear(feed: KalshiFeed, *frames: str, now_ms: int = 0) -> list[FeedEvent]:
    return [event for text in frames for event in feed.receive(text, now_ms)]


@pytest.fixture
def feed() -> KalshiFeed:
    """A and B live on sid 1, which stands at number 3; tickers on 2, lifecycle on 9."""
    ready = KalshiFeed()
    ready.subscribe([A, B])
    hear(ready, ack(1, "orderbook_delta", 1), ack(2, "ticker", 2), ack(3, "market_lifecycle_v2", 9))
    hear(ready, snapshot("A", 1), snapshot("B", 2), delta("A", 3))
    return ready


def lost(events: list[FeedEvent]) -> set[str]:
    return {event.native for event in events if isinstance(event, Lost)}


def asked(events: list[FeedEvent]) -> list[tuple[str, Any]]:
    return [
        (c["params"].get("action", c["cmd"]), c["params"].get("market_tickers")) for c in commands(events)
    ]


def test_books_are_subscribed_in_small_groups_with_no_prices_said_explicitly() -> None:
    natives = [Native(f"M{number}") for number in range(MARKETS_PER_SID + 1)]
    said = commands(KalshiFeed().subscribe(natives))
    books = [c["params"] for c in said if c["params"]["channels"] == ["orderbook_delta"]]
    assert [len(params["market_tickers"]) for params in books] == [MARKETS_PER_SID, 1]
    assert all(params["use_yes_price"] is False for params in books)
    assert [c["id"] for c in said] == [1, 2, 3, 4, 5]


def test_a_book_is_subscribed_once(feed: KalshiFeed) -> None:
    assert feed.subscribe([A, B]) == []


def test_the_handshake_is_signed() -> None:
    assert KalshiFeed().handshake().private


@pytest.mark.parametrize("number", [5, 3, 2, 1])
def test_any_number_but_the_next_loses_every_book_of_the_subscription(feed: KalshiFeed, number: int) -> None:
    events = hear(feed, delta("A", number))
    assert lost(events) == {"A", "B"}
    assert asked(events) == [("get_snapshot", ["A", "B"])]
    assert not [event for event in hear(feed, delta("B", number + 1)) if isinstance(event, Update)]


def test_another_subscription_is_not_touched_by_a_gap(feed: KalshiFeed) -> None:
    feed.subscribe([Native("C")])
    hear(feed, ack(4, "orderbook_delta", 5), snapshot("C", 1, sid=5))
    hear(feed, delta("A", 99))
    assert isinstance(hear(feed, delta("C", 2, sid=5))[0], Update)


def test_a_lost_book_lives_again_from_its_snapshot_on(feed: KalshiFeed) -> None:
    hear(feed, delta("A", 9))
    events = hear(feed, delta("B", 10), snapshot("B", 11), delta("A", 12), delta("B", 13))
    assert [type(event) for event in events] == [Snapshot, Update]
    assert isinstance(events[1], Update)
    assert events[1].native == "B"


def test_replies_to_commands_use_up_numbers(feed: KalshiFeed) -> None:
    ok = frame("ok", {"market_tickers": ["A", "B"]}, id=9, sid=1, seq=4)
    assert [type(event) for event in hear(feed, ok, delta("A", 5))] == [Update]


def test_a_snapshot_without_sides_is_an_empty_book(feed: KalshiFeed) -> None:
    assert hear(feed, snapshot("A", 4)) == [Snapshot(A, [], [])]


def test_no_bids_are_asks_of_yes(feed: KalshiFeed) -> None:
    (event,) = hear(feed, snapshot("A", 4, no_dollars_fp=[["0.5600", "12.00"], ["0.5500", "0.00"]]))
    assert event == Snapshot(A, [], [(Price(440_000), Size(12_000_000))])


@pytest.mark.parametrize("code", [10, 25])
def test_a_dead_subscription_is_made_again(feed: KalshiFeed, code: int) -> None:
    events = hear(feed, error(code, sid=1, seq=4))
    assert lost(events) == {"A", "B"}
    assert asked(events) == [("subscribe", ["A", "B"])]
    assert hear(feed, snapshot("A", 5), delta("A", 6)) == [], (
        "what a dead subscription still sends is dropped"
    )
    assert hear(feed, ack(4, "orderbook_delta", 7), snapshot("A", 1, sid=7)) == [Snapshot(A, [], [])]


def test_a_subscription_that_the_venue_ends_is_made_again(feed: KalshiFeed) -> None:
    assert asked(hear(feed, frame("unsubscribed", sid=1, seq=4, id=77))) == [("subscribe", ["A", "B"])]


def test_subscriptions_that_keep_dying_cost_the_connection_at_last(feed: KalshiFeed) -> None:
    """Made again without end they would be a loop at the speed of the network."""
    sid = 1
    for number in range(RENEWALS_MAX):
        (command,) = commands(hear(feed, error(10, sid=sid)))
        sid = 100 + number
        hear(feed, ack(command["id"], "orderbook_delta", sid))
    events = hear(feed, error(10, sid=sid))
    assert lost(events) == {"A", "B"}
    assert asked(events) == []
    assert isinstance(events[-1], Refused)
    assert events[-1].fatal


def test_a_dead_ticker_costs_no_book(feed: KalshiFeed) -> None:
    events = hear(feed, error(25, sid=2))
    assert lost(events) == set()
    assert asked(events) == [("subscribe", ["A", "B"])]


def test_a_refused_command_is_fatal_only_where_books_depend_on_it() -> None:
    fresh = KalshiFeed()
    fresh.subscribe([A])
    assert hear(fresh, error(26, id=1)) == [Refused("orderbook_delta: error 26: m", fatal=True)]
    assert hear(fresh, error(26, id=2)) == [Refused("ticker: error 26: m", fatal=False)]
    assert hear(fresh, error(8, id=99)) == [Refused("unasked: error 8: m", fatal=False)]


def test_leaving_books_says_so_and_drops_what_still_arrives(feed: KalshiFeed) -> None:
    assert asked(feed.unsubscribe([A])) == [("delete_markets", ["A"])]
    assert hear(feed, delta("A", 4), snapshot("A", 5)) == []
    assert asked(feed.unsubscribe([B])) == [("unsubscribe", None)]
    assert hear(feed, delta("B", 6)) == []


def test_a_book_left_before_the_subscription_stood_is_left_then() -> None:
    fresh = KalshiFeed()
    fresh.subscribe([A, B])
    assert fresh.unsubscribe([A]) == []
    assert asked(hear(fresh, ack(1, "orderbook_delta", 1))) == [("delete_markets", ["A"])]


def test_a_book_has_one_carrier_even_when_subscribed_twice_before_the_reply() -> None:
    fresh = KalshiFeed()
    fresh.subscribe([A])
    fresh.unsubscribe([A])
    fresh.subscribe([A])
    hear(fresh, ack(1, "orderbook_delta", 1))
    assert asked(hear(fresh, ack(4, "orderbook_delta", 2))) == [("unsubscribe", None)]
    events = hear(fresh, snapshot("A", 1), snapshot("A", 1, sid=2), delta("A", 2), delta("A", 2, sid=2))
    assert [type(event) for event in events] == [Snapshot, Update]


def test_an_acknowledgement_that_comes_late_keeps_the_book() -> None:
    fresh = KalshiFeed()
    fresh.subscribe([A])
    events = hear(fresh, snapshot("A", 1), ack(1, "orderbook_delta", 1), delta("A", 2))
    assert [type(event) for event in events] == [Snapshot, Update]


def test_resync_asks_the_carrier_and_waits_for_its_snapshot(feed: KalshiFeed) -> None:
    assert asked(feed.resync(A, 0)) == [("get_snapshot", ["A"])]
    assert hear(feed, delta("A", 4)) == []
    assert [type(event) for event in hear(feed, snapshot("A", 5), delta("A", 6))] == [Snapshot, Update]


def test_resync_of_a_book_without_carrier_subscribes_unless_that_is_under_way() -> None:
    fresh = KalshiFeed()
    fresh.subscribe([A])
    assert fresh.resync(A, 0) == []
    hear(fresh, error(18, id=1))
    assert asked(fresh.resync(A, 0)) == [("subscribe", ["A"])]
    assert fresh.resync(B, 0) == []


@pytest.mark.parametrize("event", ["deactivated", "determined", "settled"])
def test_the_end_of_trading_halts(feed: KalshiFeed, event: str) -> None:
    assert hear(feed, lifecycle("A", event)) == [Halted(A, event)]
    assert hear(feed, lifecycle("Z", event)) == []


def test_a_close_in_the_past_halts_and_one_to_come_does_not(feed: KalshiFeed) -> None:
    assert hear(feed, lifecycle("A", "close_date_updated", close_ts=10), now_ms=10_000) == [
        Halted(A, "closed")
    ]
    assert hear(feed, lifecycle("A", "close_date_updated", close_ts=11), now_ms=10_000) == []
    assert hear(feed, lifecycle("A", "close_date_updated")) == []


def test_trading_resumes_with_a_fresh_snapshot(feed: KalshiFeed) -> None:
    events = hear(feed, lifecycle("A", "activated"))
    assert events[0] == Resumed(A)
    assert asked(events) == [("get_snapshot", ["A"])]


def test_a_new_grid_needs_a_fresh_snapshot_and_one_that_is_none_halts(feed: KalshiFeed) -> None:
    ranges = [{"start": "0.0000", "end": "1.0000", "step": "0.0010"}]
    events = hear(feed, lifecycle("A", "price_level_structure_updated", price_ranges=ranges))
    assert isinstance(events[0], Regrid)
    assert events[0].grid.valid(Price(1_000))
    assert not events[0].grid.valid(Price(1_500))
    assert asked(events) == [("get_snapshot", ["A"])]
    (halted,) = hear(feed, lifecycle("A", "price_level_structure_updated", price_ranges=[]))
    assert isinstance(halted, Halted)


def test_tickers_are_information_and_zero_or_one_is_no_quote(feed: KalshiFeed) -> None:
    body = {"market_ticker": "A", "yes_bid_dollars": "0.0000", "yes_ask_dollars": "1.0000", "ts_ms": 5}
    assert hear(feed, frame("ticker", body, sid=2)) == [Top(A, None, None, exact=False, venue_ms=5)]
    body |= {"yes_bid_dollars": "0.4100", "yes_ask_dollars": "0.4300"}
    quoted = Top(A, Price(410_000), Price(430_000), exact=False, venue_ms=5)
    assert hear(feed, frame("ticker", body, sid=2)) == [quoted]


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{", '{"type":1}', '{"type":"orderbook_delta","sid":1}', "[" * 100_000,
        delta("A", 4, side="maybe"), delta("A", 4, change="1e3"), delta("A", 4, change="+1"),
        snapshot("A", 4, yes_dollars_fp=[["1.0000", "1.00"]]),
        snapshot("A", 4, yes_dollars_fp=[["0.4", "-1"]]),
    ],
)  # fmt: skip
def test_an_unreadable_frame_raises_value_error(feed: KalshiFeed, text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        feed.receive(text, 0)


@pytest.mark.parametrize("kind", ["user_order", "event_fee_update", "novelty"])
def test_types_that_are_not_ours_are_ignored(feed: KalshiFeed, kind: str) -> None:
    assert feed.receive(frame(kind, {"anything": [1]}, sid=9, seq=4), 0) == []


def test_nothing_is_asked_by_http_and_nothing_is_due(feed: KalshiFeed) -> None:
    assert feed.tick(0) == []
    with pytest.raises(ValueError, match="A"):
        feed.fetched(A, Response(200, b"{}"), 0)


def test_unanswered_commands_are_not_remembered_for_ever(feed: KalshiFeed) -> None:
    for _ in range(WAITING_MAX + 10):
        feed.resync(A, 0)
    assert len(feed._waiting) == WAITING_MAX


def test_snapshots_behind_their_turn_are_never_trusted() -> None:
    """Found by the test below: two late snapshots in a row looked as if they were in order."""
    fresh = KalshiFeed()
    fresh.subscribe([A, B])
    hear(fresh, ack(1, "orderbook_delta", 1))
    assert hear(fresh, delta("B", 3), snapshot("A", 1), snapshot("B", 2)) == []
    assert [type(event) for event in hear(fresh, snapshot("B", 4))] == [Snapshot]


def test_a_doubled_frame_costs_one_resync_and_the_count_goes_on(feed: KalshiFeed) -> None:
    assert asked(hear(feed, delta("A", 3))) == [("get_snapshot", ["A", "B"])]
    events = hear(feed, delta("A", 3), snapshot("A", 4), delta("A", 5))
    assert [type(event) for event in events] == [Snapshot, Update]


@given(st.data())
def test_lost_doubled_and_swapped_frames_never_leave_a_wrong_book_trusted(data: st.DataObject) -> None:
    """The reference hears every frame. A trusted book equals the reference, or the feed has asked anew."""
    changes = data.draw(st.lists(st.tuples(st.sampled_from("AB"), st.integers(1, 9)), max_size=30))
    stream = [snapshot("A", 1), snapshot("B", 2)]
    stream += [delta(native, number, change=f"{size}.00") for number, (native, size) in enumerate(changes, 3)]
    victims = [*stream]
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(1, max(1, len(victims) - 1)))
        match data.draw(st.sampled_from(["drop", "double", "swap"])):
            case "drop":
                del victims[at : at + 1]
            case "double":
                victims[at:at] = victims[at - 1 : at]
            case _:
                victims[at - 1 : at + 1] = reversed(victims[at - 1 : at + 1])
    feed, hurt = KalshiFeed(), Follower()
    feed.subscribe([A, B])
    feed.receive(ack(1, "orderbook_delta", 1), 0)
    for text in victims:
        hurt.hear(feed.receive(text, 0))
    whole = Follower()
    reference = KalshiFeed()
    last = max((json.loads(text)["seq"] for text in victims), default=0)
    for text in stream[:last]:
        whole.hear(reference.receive(text, 0))
    for ticker in hurt.trusted:
        assert hurt.text(ticker) == whole.text(ticker)


@given(st.sampled_from(LINES), st.data())
def test_a_damaged_frame_raises_value_error_or_is_read(line: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(line) - 1))
    damaged = line[:at] + data.draw(st.text(max_size=3)) + line[at + data.draw(st.integers(0, 40)) :]
    feed = KalshiFeed()
    feed.subscribe([A])
    try:
        feed.receive(damaged, 0)
    except ValueError:
        return
