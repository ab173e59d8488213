"""Books are replaced whole, never by older ones; nothing is read through a float."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.predict import world
from venues.base.events import Ask, FeedEvent, Halted, Lost, Refused, Resumed, Say, Snapshot
from venues.base.http import Response
from venues.base.listing import Native
from venues.predict.feed import FIRST_BOOK_MS, PredictFeed
from venues.predict.private import PredictPrivateFeed

M, OTHER = Native("88123"), Native("88377")


def connected(*natives: Native) -> PredictFeed:
    feed = PredictFeed()
    feed.subscribe(natives or (M,))
    return feed


def book(asks: str = "[[0.43,500]]", bids: str = "[[0.41,800]]", ms: int = 10, native: str = M) -> str:
    data = f'{{"marketId":{native},"updateTimestampMs":{ms},"version":1,"asks":{asks},"bids":{bids}}}'
    return f'{{"type":"M","topic":"predictOrderbook/{native}","data":{data}}}'


def rest(ms: int = 10, status: int = 200, **wish: Any) -> Response:
    data = {"marketId": int(M), "updateTimestampMs": ms, "asks": [[0.43, 5]], "bids": [], **wish}
    return Response(status, json.dumps({"success": True, "data": data}).encode())


def texts(events: list[FeedEvent]) -> list[Any]:
    return [json.loads(event.text) for event in events if isinstance(event, Say)]


def test_each_book_is_a_request_of_its_own_and_named_once() -> None:
    feed = PredictFeed()
    said = texts(feed.subscribe([M, OTHER, M])) + texts(feed.subscribe([OTHER]))
    assert [(s["method"], s["params"]) for s in said] == [
        ("subscribe", ["predictOrderbook/88123"]),
        ("subscribe", ["predictOrderbook/88377"]),
    ]
    assert len({s["requestId"] for s in said}) == 2
    assert all(s["requestId"] >= 0 for s in said)
    [left] = texts(feed.unsubscribe([M, M]))
    assert (left["method"], left["params"]) == ("unsubscribe", ["predictOrderbook/88123"])
    assert feed.receive(book(), 0) == []
    assert feed.unsubscribe([M]) == []


def test_the_handshake_is_signed_by_the_api_key() -> None:
    handshake = PredictFeed().handshake()
    assert (handshake.path, handshake.host, handshake.private) == ("/ws", "socket", True)


def test_an_older_book_is_ignored_and_an_equal_one_is_not() -> None:
    feed = connected()
    assert len(feed.receive(book(ms=10), 0)) == 1
    assert feed.receive(book(ms=9), 0) == []
    assert len(feed.receive(book(ms=10, asks="[]"), 0)) == 1


def test_sizes_are_cut_and_never_grow() -> None:
    rows = "[[0.43,1386.724081632653],[0.44,0.0000009],[0.450,1e3],[0.46,2.5e-2]]"
    [event] = connected().receive(book(asks=rows, bids="[]"), 0)
    assert isinstance(event, Snapshot)
    assert event.asks == [(430_000, 1_386_724_081), (450_000, 1_000_000_000), (460_000, 25_000)]


@given(size=st.decimals(0, 10**9, places=13), price=st.integers(1, 999))
def test_any_size_is_read_exactly_up_to_a_millionth(size: Any, price: int) -> None:
    rows = f"[[0.{price:03d},{size:f}]]"
    [event] = connected().receive(book(asks=rows, bids="[]"), 0)
    assert isinstance(event, Snapshot)
    whole = int(size.scaleb(6))
    assert event.asks == ([(price * 1_000, whole)] if whole else [])


@pytest.mark.parametrize(
    "rows",
    [
        "[[0,5]]",
        "[[1,5]]",
        "[[1.2,5]]",
        "[[-0.4,5]]",
        "[[0.4,-5]]",
        "[[0.4000001,5]]",
        '[["0.4",5]]',
        "[[0.4,null]]",
        "[[0.4,1e999999]]",
        "[[0.4," + "9" * 60 + "]]",
        "[[true,5]]",
        "[[[0.4],5]]",
    ],
)
def test_a_level_that_cannot_be_loses_that_book_and_no_other(rows: str) -> None:
    feed = connected(M, OTHER)
    [event] = feed.receive(book(asks=rows), 0)
    assert isinstance(event, Lost)
    assert event.native == M
    assert isinstance(feed.receive(book(native=OTHER), 0)[0], Snapshot)


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "[]",
        "{",
        '{"topic":"heartbeat"}',
        '{"type":"M","topic":"heartbeat","data":"x"}',
        '{"type":"M","topic":"predictOrderbook/88123","data":{}}',
        '{"type":"M","topic":"predictOrderbook/88123","data":{"marketId":88377,"updateTimestampMs":1,"asks":[],"bids":[]}}',
        '{"type":"M","topic":"predictOrderbook/88123","data":' + "[" * 5_000 + "]" * 5_000 + "}",
        b"\xff",
    ],
)
def test_an_unreadable_frame_raises(frame: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the reader's own words
        connected().receive(frame, 0)


@pytest.mark.parametrize(
    "frame",
    [
        '{"type":"M","topic":"polymarketChance/88123","data":{"percentage":42.5}}',
        '{"type":"M","topic":"assetPriceUpdate/1","data":{}}',
        '{"type":"X","topic":"predictOrderbook/88123","data":{}}',
        '{"type":"M","topic":"predictOrderbook/99999","data":{}}',
        '{"type":"R","requestId":1,"success":true,"data":null}',
        '{"type":"R","requestId":77,"success":false,"error":{"code":"invalid_topic","message":""}}',
    ],
)
def test_what_is_not_ours_is_ignored(frame: str) -> None:
    assert connected().receive(frame, 0) == []


def test_a_refused_book_is_named_and_the_connection_goes_on() -> None:
    refusal = (
        '{"type":"R","requestId":1,"success":false,"error":{"code":"invalid_topic","message":"unknown"}}'
    )
    feed = connected(M, OTHER)
    event, lost = feed.receive(refusal, 0)
    assert isinstance(event, Refused)
    assert not event.fatal
    assert "88123" in event.reason
    assert "invalid_topic" in event.reason
    assert lost == Lost(M, "the venue refused the subscription")
    assert isinstance(feed.receive(book(native=OTHER), 0)[0], Snapshot)


def test_a_refused_book_is_never_read_by_rest_because_nothing_would_change_it() -> None:
    """The heartbeats of the connection would vouch for it for ever."""
    feed = connected()
    feed.tick(0)
    feed.receive('{"type":"R","requestId":1,"success":false,"error":{"code":"limit","message":""}}', 0)
    assert feed.tick(FIRST_BOOK_MS) == []
    assert feed.fetched(M, rest(), 0) == []
    [again] = texts(feed.resync(M, 0))
    assert (again["method"], again["params"], again["requestId"]) == (
        "subscribe",
        ["predictOrderbook/88123"],
        2,
    )
    feed.receive('{"type":"R","requestId":2,"success":true,"data":null}', 0)
    assert isinstance(feed.resync(M, 0)[0], Ask)
    assert isinstance(feed.fetched(M, rest(), 0)[0], Snapshot)
    feed.unsubscribe([M])
    assert feed.resync(M, 0) == []


def test_a_book_by_rest_counts_only_once_the_stream_has_taken_the_subscription() -> None:
    feed = connected()
    with pytest.raises(ValueError, match="subscription"):
        feed.fetched(M, rest(), 0)
    feed.receive('{"type":"R","requestId":1,"success":true,"data":null}', 0)
    assert isinstance(feed.fetched(M, rest(), 0)[0], Snapshot)


def test_a_book_that_does_not_come_in_time_is_read_by_rest_once() -> None:
    feed = connected(M, OTHER)
    assert feed.tick(1_000) == []
    feed.receive(book(), 1_500)
    assert feed.tick(1_000 + FIRST_BOOK_MS - 1) == []
    [ask] = feed.tick(1_000 + FIRST_BOOK_MS)
    assert isinstance(ask, Ask)
    assert (ask.native, ask.request.path, ask.request.private) == (OTHER, "/v1/markets/88377/orderbook", True)
    assert feed.tick(1_000_000) == []


def test_a_book_read_by_rest_replaces_the_streams_unless_it_is_older() -> None:
    feed = connected()
    [ask] = feed.resync(M, 0)
    assert isinstance(ask, Ask)
    feed.receive(book(ms=20), 0)
    with pytest.raises(ValueError, match="older"):
        feed.fetched(M, rest(ms=19), 0)
    [event] = feed.fetched(M, rest(ms=20), 0)
    assert isinstance(event, Snapshot)
    assert event.asks == [(430_000, 5_000_000)]
    assert feed.receive(book(ms=19), 0) == []


@pytest.mark.parametrize(
    "reply", [rest(status=500), Response(200, b""), rest(asks=[[2, 1]]), rest(marketId=1)]
)
def test_a_rest_book_that_cannot_be_read_raises(reply: Response) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the reader's own words
        connected().fetched(M, reply, 0)


def test_a_market_without_a_book_is_halted() -> None:
    feed = connected()
    assert feed.fetched(M, world.refusal("not_found", 404), 0) == [
        Halted(M, "the venue has no order book for it")
    ]
    feed.unsubscribe([M])
    assert feed.fetched(M, rest(), 0) == []
    assert feed.resync(M, 0) == []


def test_a_market_said_to_have_no_book_trades_on_when_its_book_comes() -> None:
    feed = connected()
    feed.fetched(M, world.refusal("not_found", 404), 0)
    resumed, shown = feed.receive(book(), 0)
    assert resumed == Resumed(M)
    assert isinstance(shown, Snapshot)
    assert len(feed.receive(book(ms=11), 0)) == 1


# --- the wallet's own events ---


def test_the_private_stream_logs_in_names_its_token_once_and_survives_strangers() -> None:
    signer = world.signer(logged_in=False)
    feed = PredictPrivateFeed(signer)
    replies = {
        "/v1/auth/message": world.said({"message": "Sign in"}),
        "/v1/auth": world.said({"token": "a.b.c"}),
    }
    assert world.hold(feed.prepare(world.NOW_MS), lambda r: replies[r.path], by=signer) is None
    [opening] = feed.opening()
    assert isinstance(opening, Say)
    assert json.loads(opening.text)["params"] == ["predictWalletEvents/a.b.c"]
    assert feed.tick(world.NOW_MS + 1) == []
    assert feed.receive('{"type":"M","topic":"x","data":{}}', 0) == []
    assert feed.receive('{"type":"R","requestId":1,"success":true,"data":null}', 0) == []
    assert feed.watch([M]) == []
    assert world.hold(feed.prepare(world.NOW_MS), lambda _: replies["never"], by=signer) is None


def test_a_refused_token_ends_the_private_stream_and_is_not_used_again() -> None:
    signer = world.signer()
    feed = PredictPrivateFeed(signer)
    feed.opening()
    error = {"code": "invalid_credentials", "message": f"no such topic: predictWalletEvents/{world.TOKEN}"}
    [event] = feed.receive(json.dumps({"type": "R", "requestId": 1, "success": False, "error": error}), 0)
    assert isinstance(event, Refused)
    assert event.fatal
    assert world.TOKEN not in event.reason
    assert not signer.fresh(world.NOW_MS)


@pytest.mark.parametrize("how", ["old", "replaced"])
def test_an_old_or_replaced_token_ends_the_private_stream(how: str) -> None:
    signer = world.signer()
    feed = PredictPrivateFeed(signer)
    feed.opening()
    if how == "replaced":
        signer.keep("another.token")
    late_ms = world.NOW_MS + (20 * 3_600_000 if how == "old" else 0)
    [event] = feed.tick(late_ms)
    assert isinstance(event, Refused)
    assert event.fatal


def test_what_does_not_apply_to_an_event_may_be_null() -> None:
    """Unreadable, it would end the connection, and what happens until the next one is heard of late."""
    feed = PredictPrivateFeed(world.signer())
    nothing = '"settlementId":null,"reason":null,"fee":null,"fill":null'
    data = f'{{"type":"orderAccepted","orderHash":"0xAB",{nothing}}}'
    frame = f'{{"type":"M","topic":"predictWalletEvents/x","data":{data}}}'
    assert feed.receive(frame, 0) == [world.event("0xab", "orderAccepted")]
    of_none = frame.replace('"0xAB"', "null")
    assert feed.receive(of_none, 0) == []


def test_an_event_without_fill_or_fee_is_news_all_the_same() -> None:
    feed = PredictPrivateFeed(world.signer())
    frame = (
        '{"type":"M","topic":"predictWalletEvents/x","data":{"type":"orderNotAccepted","orderHash":"0xAB",'
        '"reason":"post-only order would match","details":{}}}'
    )
    [news] = feed.receive(frame, 0)
    assert news == world.event("0xab", "orderNotAccepted", reason="post-only order would match")
