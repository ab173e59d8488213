"""What the feed says and hears beyond the frames vectors: handshakes, lists, versions, death, damage."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.limitless.examples import FOLDER
from venues.base.events import FeedEvent, Halted, Refused, Say, Snapshot
from venues.base.http import Response
from venues.base.listing import Native
from venues.base.units import Price, Size
from venues.limitless.feed import CONFIRM_MS_MAX, RESUBSCRIBE_MS, LimitlessFeed
from venues.limitless.link import JOIN_MS_MAX, SILENT_MS

A, B = Native("a"), Native("b")
OPEN = '0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":60000,"maxPayload":1000000}'
JOINED = '40/markets,{"sid":"n"}'
FRAMES = (FOLDER / "frames" / "limitless.jsonl").read_text().splitlines()
LINES = [json.loads(line)["frame"] for line in FRAMES]


def event(name: str, *body: object) -> str:
    return "42/markets," + json.dumps([name, *body])


def confirmed(*slugs: str) -> str:
    return event("system", {"message": "Successfully subscribed", "markets": list(slugs)})


def book(slug: str = "a", *, ask: object = 0.42, version: int | None = 1, second: int | None = 1) -> str:
    body: dict[str, Any] = {
        "marketSlug": slug,
        "orderbook": {"bids": [], "asks": [{"price": ask, "size": 5_000, "side": "SELL"}], "tokenId": "1"},
    }
    if version is not None:
        body["version"] = version
    if second is not None:
        body["timestamp"] = f"2026-08-31T07:12:{second:02}.500Z"
    return event("orderbookUpdate", body)


def hear(feed: LimitlessFeed, *frames: str, now_ms: int = 0) -> list[FeedEvent]:
    return [each for text in frames for each in feed.receive(text, now_ms)]


def said(events: list[FeedEvent]) -> list[str]:
    return [each.text for each in events if isinstance(each, Say)]


def lists(events: list[FeedEvent]) -> list[list[str]]:
    """The books of each subscription that was said."""
    packets = [json.loads(text.removeprefix("42/markets,")) for text in said(events) if text.startswith("42")]
    return [packet[1]["marketSlugs"] for packet in packets if packet[0] == "subscribe_market_prices"]


@pytest.fixture
def feed() -> LimitlessFeed:
    """A and B are subscribed and confirmed."""
    ready = LimitlessFeed()
    ready.subscribe([A, B])
    hear(ready, OPEN, JOINED, confirmed("a", "b"))
    return ready


def test_the_handshake_is_public_and_in_the_order_that_the_documents_sign() -> None:
    request = LimitlessFeed().handshake()
    assert (request.target, request.private) == ("/socket.io/?EIO=4&transport=websocket", False)


def test_nothing_is_said_before_the_namespace_is_open() -> None:
    fresh = LimitlessFeed()
    assert fresh.subscribe([A]) == []
    assert said(hear(fresh, OPEN)) == ["40/markets,"]
    assert fresh.subscribe([B]) == []
    opened = hear(fresh, JOINED)
    assert lists(opened) == [["a", "b"]]
    assert '42/markets,["subscribe_market_lifecycle"]' in said(opened)


def test_every_list_names_all_books_since_it_replaces_the_one_before(feed: LimitlessFeed) -> None:
    assert lists(feed.subscribe([Native("c"), A])) == [["a", "b", "c"]]
    assert lists(feed.unsubscribe([A])) == [["b", "c"]]
    assert feed.subscribe([B]) == []
    assert feed.unsubscribe([Native("z")]) == []
    assert lists(feed.unsubscribe([B, Native("c")])) == [[]]


def test_books_that_were_left_are_not_heard(feed: LimitlessFeed) -> None:
    feed.unsubscribe([A])
    assert hear(feed, book("a"), event("marketResolved", {"slug": "a"})) == []
    assert len(hear(feed, book("b"))) == 1


def test_a_ping_is_answered_at_once(feed: LimitlessFeed) -> None:
    assert hear(feed, "2") == [Say("3")]


def test_a_book_replaces_the_one_before_and_has_its_time(feed: LimitlessFeed) -> None:
    [snapshot] = hear(feed, book())
    assert snapshot == Snapshot(A, [], [(Price(420_000), Size(5_000))], 1_788_160_321_500)


@pytest.mark.parametrize("written", ["0.41", "0.410", "0.41000000000000003", "0.40999999999999998", "4.1e-1"])
def test_prices_are_the_multiple_of_the_tick_that_is_meant(feed: LimitlessFeed, written: str) -> None:
    [snapshot] = hear(feed, book(ask=0).replace('"price": 0,', f'"price": {written},'))
    assert isinstance(snapshot, Snapshot)
    assert snapshot.asks[0][0] == 410_000


@pytest.mark.parametrize(
    "written", ["0.4105", "0.41001", "0", "1", "1.5", "-0.4", '"x"', "null", "1e400000", "0.0001", "[]"]
)
def test_a_price_that_no_order_could_have_is_refused(feed: LimitlessFeed, written: str) -> None:
    with pytest.raises(ValueError, match=r"price|multiple"):
        hear(feed, book(ask=0).replace('"price": 0,', f'"price": {written},'))


@pytest.mark.parametrize(("size", "levels"), [("0", 0), ("1", 1)])
def test_an_empty_level_is_none(feed: LimitlessFeed, size: str, levels: int) -> None:
    [snapshot] = hear(feed, book().replace("5000", size))
    assert isinstance(snapshot, Snapshot)
    assert len(snapshot.asks) == levels


@pytest.mark.parametrize("size", ["-1", "1.5", '"1"', "null"])
def test_a_size_that_is_no_count_is_refused(feed: LimitlessFeed, size: str) -> None:
    with pytest.raises(ValueError, match="size"):
        hear(feed, book().replace("5000", size))


def test_an_older_book_on_the_same_connection_is_dropped(feed: LimitlessFeed) -> None:
    hear(feed, book(version=7, second=9))
    assert hear(feed, book(version=6, second=8)) == []
    assert hear(feed, book(version=6, second=9)) == []
    assert len(hear(feed, book(version=7, second=9), book(version=9, second=10))) == 2


def test_the_version_of_one_book_says_nothing_about_another(feed: LimitlessFeed) -> None:
    assert len(hear(feed, book("a", version=7), book("b", version=3))) == 2


@pytest.mark.parametrize("second", [10, None])
def test_a_counter_that_began_anew_costs_the_connection(feed: LimitlessFeed, second: int | None) -> None:
    """Dropped as older, the books would stand still for ever and look alive."""
    hear(feed, book(version=7, second=9))
    [refused] = hear(feed, book(version=1, second=second))
    assert isinstance(refused, Refused)
    assert refused.fatal


def test_a_book_without_version_or_time_is_taken(feed: LimitlessFeed) -> None:
    assert len(hear(feed, book(version=None, second=None), book(version=1), book(version=None))) == 3


def test_a_resolved_market_is_halted_once_though_it_is_said_three_times(feed: LimitlessFeed) -> None:
    resolved = event("marketResolved", {"slug": "a", "type": "CLOB", "winningOutcome": "NO"})
    assert hear(feed, resolved, resolved, resolved) == [Halted(A, "resolved")]


def test_a_book_in_doubt_asks_for_the_whole_list_but_not_again_and_again(feed: LimitlessFeed) -> None:
    assert feed.resync(A, RESUBSCRIBE_MS - 1) == []
    assert lists(feed.resync(A, RESUBSCRIBE_MS)) == [["a", "b"]]
    assert feed.resync(B, 60_000) == [], "the list is not confirmed yet"
    hear(feed, confirmed("a", "b"), now_ms=60_000)
    assert feed.resync(B, 60_000 + RESUBSCRIBE_MS - 1) == []
    assert lists(feed.resync(B, 60_000 + RESUBSCRIBE_MS)) == [["a", "b"]]
    assert feed.resync(Native("z"), 10**9) == []


def test_a_list_that_is_not_confirmed_costs_the_connection() -> None:
    fresh = LimitlessFeed()
    fresh.subscribe([A])
    hear(fresh, OPEN, JOINED, event("system", {"message": "Successfully registered connection"}), now_ms=100)
    hear(fresh, event("system", "as text"), now_ms=200)
    assert fresh.tick(100 + CONFIRM_MS_MAX) == []
    [refused] = fresh.tick(101 + CONFIRM_MS_MAX)
    assert isinstance(refused, Refused)
    assert refused.fatal
    hear(fresh, confirmed("a"), now_ms=200)
    assert fresh.tick(101 + CONFIRM_MS_MAX) == []


def test_a_connection_lives_as_long_as_it_pings(feed: LimitlessFeed) -> None:
    """Hours without an update are normal; so long without a ping is death, whatever TCP says."""
    assert feed.tick(SILENT_MS) == []
    [refused] = feed.tick(SILENT_MS + 1)
    assert refused == Refused(f"no packet for {SILENT_MS + 1} ms", fatal=True)
    hear(feed, "2", now_ms=SILENT_MS)
    assert feed.tick(2 * SILENT_MS) == []


def test_the_venue_says_itself_how_often_it_pings() -> None:
    fresh = LimitlessFeed()
    hear(fresh, OPEN.replace("25000", "1000").replace("60000", "2000"), JOINED)
    assert fresh.tick(3_000) == []
    assert len(fresh.tick(3_001)) == 1


def test_a_namespace_that_does_not_open_costs_the_connection() -> None:
    fresh = LimitlessFeed()
    hear(fresh, OPEN)
    assert fresh.tick(JOIN_MS_MAX) == []
    assert fresh.tick(JOIN_MS_MAX + 1) == [Refused("the namespace did not open", fatal=True)]


@pytest.mark.parametrize("frame", ["1", "41/markets,", "41/markets", '44/markets,{"message":"Invalid"}'])
def test_a_closed_or_refused_connection_is_made_anew(feed: LimitlessFeed, frame: str) -> None:
    [refused] = hear(feed, frame)
    assert isinstance(refused, Refused)
    assert refused.fatal


def test_an_exception_is_told_and_costs_nothing(feed: LimitlessFeed) -> None:
    told = hear(feed, event("exception", {"status": "error", "message": "Bad payload"}))
    assert told == [Refused("Bad payload", fatal=False)]


@pytest.mark.parametrize(
    "frame",
    [
        "3", "6", "40", '42["orderbookUpdate",{}]', '40/other,{"sid":"x"}', '42/other,["exception",{}]',
        event("newPriceData", {"marketAddress": "0x", "updatedPrices": {"yes": "0.65"}}),
        event("newPriceData", {"updatedPrices": [{"marketId": 1, "yesPrice": 0.5}]}),
        event("oraclePriceData", {"value": 2440.91}), event("marketCreated", {"slug": "c"}),
        event("authenticated", {"message": "m"}), event("novelty"), event("live_sports_update", {"a": [1]}),
    ],
)  # fmt: skip
def test_what_concerns_no_book_means_nothing(feed: LimitlessFeed, frame: str) -> None:
    assert hear(feed, frame) == []


@pytest.mark.parametrize(
    "frame",
    [
        "", "x", "9", "0", "0{", "4", "4x", "42/markets,", "42/markets,{}", "42/markets,[]", "42/markets,[1]",
        "43/markets,[]", '42/markets,["orderbookUpdate"]',
        '42/markets,["orderbookUpdate",{"marketSlug":"a"}]',
        '42/markets,["marketResolved",[]]', "42/markets," + "[" * 100_000, book(second=99),
    ],
)  # fmt: skip
def test_an_unreadable_frame_raises_value_error(feed: LimitlessFeed, frame: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        hear(feed, frame)


def test_nothing_is_asked_by_http(feed: LimitlessFeed) -> None:
    with pytest.raises(ValueError, match="a"):
        feed.fetched(A, Response(200, b"{}"), 0)


@given(st.sampled_from(LINES), st.data())
def test_a_damaged_frame_raises_value_error_or_is_read(line: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(line) - 1))
    damaged = line[:at] + data.draw(st.text(max_size=3)) + line[at + data.draw(st.integers(0, 40)) :]
    fresh = LimitlessFeed()
    fresh.subscribe([Native("eth-up-or-down-daily-1788105600")])
    try:
        fresh.receive(damaged, 0)
        fresh.receive(damaged.encode("utf-8", "surrogatepass"), 0)
    except ValueError:
        return
