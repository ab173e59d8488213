"""The market channel: what protects a book without sequence numbers."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.venues.polymarket import world
from tests.venues.polymarket.slow_book import SlowBooks
from venues.base.events import (
    Ask,
    BookSide,
    FeedEvent,
    Halted,
    Lost,
    Regrid,
    Say,
    Snapshot,
    Top,
    Trade,
    Update,
)
from venues.base.http import Response
from venues.base.listing import Native
from venues.base.units import Price, Size
from venues.polymarket.feed import PING_MS, REPLAY_MAX, PolymarketFeed, book_hash
from venues.polymarket.wire import BookBody

A, B = Native("71"), Native("72")


def feed(*natives: Native) -> PolymarketFeed:
    made = PolymarketFeed()
    made.subscribe(natives or (A,))
    return made


def book(**wish: Any) -> dict[str, Any]:
    usual = {
        "event_type": "book", "market": "0x1", "asset_id": A, "timestamp": "1000", "hash": "",
        "bids": [{"price": ".48", "size": "30"}, {"price": "0.49", "size": "0"}],
        "asks": [{"price": "0.52", "size": "25.5"}],
    }  # fmt: skip
    return usual | wish


def full_book(**wish: Any) -> dict[str, Any]:
    """A snapshot with all that the hash covers, and the right hash unless told otherwise."""
    body = book(min_order_size="5", tick_size="0.01", neg_risk=False, last_trade_price="0.5") | wish
    if "hash" in wish:
        return body
    covered = {name: value for name, value in body.items() if name != "event_type"}
    return body | {"hash": book_hash(msgspec.convert(covered, BookBody))}


def change(**wish: Any) -> dict[str, Any]:
    usual = {
        "asset_id": A,
        "price": "0.5",
        "size": "10",
        "side": "BUY",
        "best_bid": "0.5",
        "best_ask": "0.52",
    }
    return usual | wish


def changes(*rows: dict[str, Any], at: str = "1001") -> dict[str, Any]:
    return {"event_type": "price_change", "market": "0x1", "price_changes": list(rows), "timestamp": at}


def hear(to: PolymarketFeed, message: object) -> list[FeedEvent]:
    return to.receive(json.dumps(message), 0)


# --- subscribing ---


def test_the_first_subscription_opens_and_later_ones_extend_without_repeating() -> None:
    made = PolymarketFeed()
    [opening] = made.subscribe([A, A])
    assert isinstance(opening, Say)
    assert json.loads(opening.text) == {
        "type": "market", "assets_ids": [A], "custom_feature_enabled": True, "initial_dump": True, "level": 2,
    }  # fmt: skip
    [more] = made.subscribe([A, B])
    assert isinstance(more, Say)
    assert json.loads(more.text) == {
        "operation": "subscribe", "assets_ids": [B], "custom_feature_enabled": True,
    }  # fmt: skip
    assert made.subscribe([A, B]) == []
    [less] = made.unsubscribe([A, Native("73")])
    assert isinstance(less, Say)
    assert json.loads(less.text) == {"operation": "unsubscribe", "assets_ids": [A]}
    assert hear(made, book()) == []


def test_a_ping_is_said_every_ten_seconds() -> None:
    made = feed()
    assert made.tick(5_000) == [Say("PING")]
    assert made.tick(5_000 + PING_MS - 1) == []
    assert made.tick(5_000 + PING_MS) == [Say("PING")]


def test_words_are_ignored_and_garbage_is_not() -> None:
    made = feed()
    assert made.receive("PONG", 0) == made.receive(b"NO NEW ASSETS\n", 0) == []
    deep = "[" * 100_000
    nested = (deep, '{"event_type":"book","x":' + deep, '{"event_type":"novelty","x":' + deep)
    words = ("", "nonsense", "{", '{"event_type":"book"}', "[1]", '"PONG"', b"\xff", '{"event_type":7}')
    for bad in (*words, *nested):
        with pytest.raises(ValueError):  # noqa: PT011 - the reader's own words
            made.receive(bad, 0)


def test_a_message_of_a_new_type_is_passed_over_alone() -> None:
    made = feed()
    assert hear(made, {"event_type": "novelty", "price": 3}) == []
    events = hear(made, [{"event_type": "novelty"}, book()])
    assert [type(event) for event in events] == [Snapshot]


@pytest.mark.parametrize(
    "wish",
    [{"price": "x"}, {"price": "-0.5"}, {"size": "1e3"}, {"size": ""}, {"side": "HOLD"}, {"price": ""}],
)
def test_a_change_that_cannot_be_read_exactly_is_refused(wish: dict[str, str]) -> None:
    made = feed()
    hear(made, book())
    hear(made, changes(change()))
    for rows in ([change(**wish)], [change(), change(**wish)]):
        with pytest.raises(ValueError):  # noqa: PT011
            hear(made, changes(*rows))


def test_changes_mean_the_same_wherever_the_frame_names_its_type() -> None:
    message = changes(change(), change(price="0.49", size="2.50", side="SELL"))
    last = {name: message[name] for name in ("market", "price_changes", "timestamp", "event_type")}
    heard = []
    for text in (json.dumps(message), _tight(message), _tight(last), _tight(last).encode(), _tight([last])):
        made = feed()
        hear(made, book())
        heard.append(made.receive(text, 0))
    assert heard[0] == [
        Update(
            A,
            [(BookSide.BID, Price(500_000), 10_000_000), (BookSide.ASK, Price(490_000), 2_500_000)],
            venue_ms=1_001,
            top=(Price(500_000), Price(520_000)),
        )
    ]
    assert all(events == heard[0] for events in heard)


def _tight(message: object) -> str:
    """As the venue writes it."""
    return json.dumps(message, separators=(",", ":"))


@pytest.mark.parametrize("at", ["soon", "", "0x10", "1_001", " 1001", "1.5", None])
def test_changes_without_a_readable_time_are_refused(at: Any) -> None:
    made = feed()
    hear(made, book())
    message = changes(change(), at=at)
    last = {name: message[name] for name in ("price_changes", "timestamp", "event_type")}
    for text in (_tight(message), _tight(last)):
        with pytest.raises(ValueError):  # noqa: PT011
            made.receive(text, 0)


def test_a_frame_that_names_two_types_is_refused() -> None:
    two = _tight({"event_type": "book", "price_changes": [change()], "timestamp": "1001"})
    made = feed()
    hear(made, book())
    with pytest.raises(ValueError, match="event_type"):
        made.receive(two[:-1] + ',"event_type":"price_change"}', 0)


@pytest.mark.parametrize("missing", ["bids", "asks", "timestamp", "asset_id"])
def test_a_snapshot_with_a_part_missing_is_refused(missing: str) -> None:
    body = book()
    del body[missing]
    with pytest.raises(ValueError):  # noqa: PT011
        hear(feed(), body)


# --- books ---


def test_a_snapshot_is_read_exactly_and_without_empty_levels() -> None:
    assert hear(feed(), book()) == [
        Snapshot(A, [(Price(480_000), Size(30_000_000))], [(Price(520_000), Size(25_500_000))], 1000)
    ]


def test_a_change_of_several_levels_is_one_update_and_one_comparison_per_book() -> None:
    made = feed(A, B)
    rows = [
        change(best_bid="0.4"),
        change(asset_id=B, side="SELL", best_bid="", best_ask="1"),
        change(price="0.51", size="0"),
        change(asset_id="99"),
    ]
    assert hear(made, changes(*rows)) == [
        Update(
            A,
            [(BookSide.BID, Price(500_000), 10_000_000), (BookSide.BID, Price(510_000), 0)],
            venue_ms=1001,
            top=(Price(500_000), Price(520_000)),
        ),
        Update(B, [(BookSide.ASK, Price(500_000), 10_000_000)], venue_ms=1001, top=(None, None)),
    ]


@pytest.mark.parametrize("empty", ["0", "1", "", None])
def test_an_empty_side_is_said_in_four_ways(empty: str | None) -> None:
    row = change(best_bid=empty)
    [update] = hear(feed(), changes(row))
    assert isinstance(update, Update)
    assert update.top == (None, 520_000)


def test_without_best_prices_nothing_is_compared() -> None:
    row = change()
    del row["best_bid"], row["best_ask"]
    [update] = hear(feed(), changes(row))
    assert isinstance(update, Update)
    assert update.top is None


def test_a_change_older_than_the_book_is_dropped() -> None:
    made = feed()
    hear(made, book(timestamp="1000"))
    assert hear(made, changes(change(), at="999")) == []
    assert hear(made, changes(change(), at="1000"))


def test_what_is_older_than_what_was_said_before_loses_the_book() -> None:
    for late in (changes(change(), at="1999"), book(timestamp="1999"), full_book(timestamp="1999")):
        made = feed()
        hear(made, book(timestamp="1000"))
        hear(made, changes(change(), at="2000"))
        lost, ask = hear(made, late)
        assert lost == Lost(A, "older than what the stream said before")
        assert isinstance(ask, Ask)
        assert made.fetched(A, rest(timestamp="2000"), 0), "and the book fetched counts again"
    made = feed()
    hear(made, book(timestamp="1000"))
    assert isinstance(hear(made, book(timestamp="999"))[0], Lost)
    assert isinstance(hear(made, book(timestamp="1000"))[-1], Snapshot)


def test_the_best_prices_of_their_own_channel_are_not_synchronous() -> None:
    said = {
        "event_type": "best_bid_ask",
        "asset_id": A,
        "best_bid": ".48",
        "best_ask": "0.52",
        "timestamp": "5",
    }
    assert hear(feed(), said) == [Top(A, Price(480_000), Price(520_000), False, 5)]


def test_a_trade_is_told_and_a_resolved_market_halts_both_books() -> None:
    made = feed(A, B)
    trade = {"event_type": "last_trade_price", "asset_id": A, "price": "0.5", "size": "3", "fee_rate_bps": ""}
    assert hear(made, trade) == [Trade(A, Price(500_000), Size(3_000_000), None)]
    resolved = {"event_type": "market_resolved", "assets_ids": [A, B, "99"], "winning_asset_id": A}
    assert hear(made, resolved) == [Halted(A, "resolved"), Halted(B, "resolved")]


# --- hash, tick size, resync ---


def test_a_book_with_its_right_hash_is_taken_and_with_a_wrong_one_is_lost_and_fetched() -> None:
    made = feed()
    good = hear(made, full_book())
    assert [type(event) for event in good] == [Regrid, Snapshot]
    tampered = full_book() | {"asks": [{"price": "0.51", "size": "25.5"}]}
    events = hear(made, tampered)
    assert [type(event) for event in events] == [Lost, Ask]


def test_a_new_tick_size_makes_a_new_grid_and_asks_for_the_book() -> None:
    made = feed()
    said = {
        "event_type": "tick_size_change",
        "asset_id": A,
        "old_tick_size": "0.01",
        "new_tick_size": "0.001",
    }
    regrid, ask = hear(made, said)
    assert isinstance(regrid, Regrid)
    assert regrid.grid.bands[0].step == 1_000
    assert isinstance(ask, Ask)
    assert (ask.request.path, ask.request.query) == ("/book", (("token_id", A),))
    same = [type(event) for event in hear(made, full_book(tick_size="0.001"))]
    assert same == [Snapshot]


def test_a_tick_size_missed_while_disconnected_is_learnt_from_the_book() -> None:
    regrid = hear(feed(), full_book(tick_size="0.001"))[0]
    assert isinstance(regrid, Regrid)
    assert regrid.grid.bands[0].step == 1_000


def test_an_unknown_tick_size_halts_the_book() -> None:
    said = {"event_type": "tick_size_change", "asset_id": A, "new_tick_size": "0.003"}
    assert hear(feed(), said)[0] == Halted(A, "unknown tick size 0.003")


def rest(**wish: Any) -> Response:
    body = book(**wish)
    del body["event_type"]
    return Response(200, json.dumps(body).encode())


def test_what_changes_while_the_book_is_fetched_is_applied_after_it() -> None:
    made = feed()
    hear(made, book())
    [ask] = made.resync(A, 0)
    assert isinstance(ask, Ask)
    hear(made, changes(change(price="0.47"), at="1003"))
    hear(made, changes(change(price="0.46"), at="1005"))
    events = made.fetched(A, rest(timestamp="1004"), 0)
    assert [type(event) for event in events] == [Snapshot, Update]
    assert events[1] == Update(A, [(BookSide.BID, Price(460_000), 10_000_000)], False, 1005)


def test_a_fetched_book_older_than_the_stream_is_refused() -> None:
    made = feed()
    hear(made, book())
    hear(made, changes(change(), at="2000"))
    made.resync(A, 0)
    with pytest.raises(ValueError, match="older"):
        made.fetched(A, rest(timestamp="1999"), 0)
    assert made.fetched(A, rest(timestamp="2000"), 0)


def test_a_book_that_came_through_the_socket_first_makes_the_fetched_one_void() -> None:
    made = feed()
    made.resync(A, 0)
    hear(made, book())
    assert made.fetched(A, rest(), 0) == []
    assert made.resync(B, 0) == []


@pytest.mark.parametrize(
    "reply", [Response(500, b"{}"), Response(200, b"{}"), rest(asset_id="99"), rest(bids=[{"price": "0.5"}])]
)
def test_a_fetched_book_that_cannot_be_trusted_is_refused(reply: Response) -> None:
    made = feed()
    made.resync(A, 0)
    with pytest.raises(ValueError):  # noqa: PT011
        made.fetched(A, reply, 0)


def test_a_fetched_book_with_a_wrong_hash_is_refused_and_a_missing_one_halts() -> None:
    made = feed()
    made.resync(A, 0)
    with pytest.raises(ValueError, match="hash"):
        made.fetched(A, Response(200, json.dumps(full_book(hash="0" * 40)).encode()), 0)
    assert made.fetched(A, Response(404, b'{"error":"No orderbook exists"}'), 0) == [
        Halted(A, "the venue has no order book for it")
    ]


# --- against a slow book ---

ASSETS = st.sampled_from([A, B])
PRICES = st.integers(1, 99).map(lambda cents: f"0.{cents:02d}")
SIZES = st.integers(0, 5_000).map(lambda hundredths: f"{hundredths // 100}.{hundredths % 100:02d}")
ROWS = st.builds(
    change, asset_id=st.sampled_from([A, B]), price=PRICES, size=SIZES, side=st.sampled_from(["BUY", "SELL"])
)
LEVELS = st.dictionaries(PRICES, SIZES.filter(lambda size: size != "0.00"), max_size=6).map(
    lambda levels: [{"price": price, "size": size} for price, size in levels.items()]
)
BOOKS = st.builds(book, asset_id=ASSETS, bids=LEVELS, asks=LEVELS)
MESSAGES = st.one_of(BOOKS, st.lists(ROWS, min_size=1, max_size=5).map(lambda rows: changes(*rows)))


@settings(max_examples=examples(60))
@given(st.lists(st.one_of(MESSAGES, st.lists(MESSAGES, max_size=3)), max_size=20))
def test_books_from_events_equal_a_slow_reading_of_the_same_frames(frames: list[Any]) -> None:
    replay, slow = world.Replay([A, B]), SlowBooks([A, B])
    for number, frame in enumerate(frames):
        for part in frame if isinstance(frame, list) else [frame]:
            part["timestamp"] = str(number)
        replay.receive(json.dumps(frame))
        slow.receive(frame)
        assert replay.books == slow.books


def test_a_book_that_never_comes_is_asked_for_anew_and_not_waited_for_in_memory() -> None:
    made = feed()
    made.resync(A, 0)
    asked = [
        number
        for number in range(1, 2 * REPLAY_MAX + 3)
        if any(isinstance(event, Ask) for event in hear(made, changes(change(), at=str(1_000 + number))))
    ]
    assert asked == [REPLAY_MAX + 1, 2 * (REPLAY_MAX + 1)]
