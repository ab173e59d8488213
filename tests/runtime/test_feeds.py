"""Feeds against a real WebSocket server that misbehaves. Time runs fast; sockets are real."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import structlog
from aiohttp import web

from router.core.book import Book, Books, State
from router.runtime import connection as connection_module
from router.runtime import session as session_module
from router.runtime.connection import BACKOFF_MS_MAX, BACKOFF_MS_MIN
from router.runtime.feeds import Feeds
from router.runtime.metrics import Metrics
from router.runtime.transport import Transport
from tests.runtime.acme import AcmeFeed, AcmeSigner, acme
from tests.runtime.acme_server import AcmeServer, serving
from tests.runtime.clocks import FastClock
from venues.base.contract import Signer
from venues.base.events import FeedEvent, Halted
from venues.base.http import Request
from venues.base.listing import Native
from venues.base.units import Price

SPEED = 20
STALE_MS = 5_000


class World:
    """Feeds, a server, and the clock between them."""

    def __init__(self, server: AcmeServer, feeds: Feeds, books: Books, clock: FastClock, m: Metrics) -> None:
        self.server, self.feeds, self.books, self.clock, self.metrics = server, feeds, books, clock, m

    def book(self, native: str) -> Book:
        return self.books["acme", Native(native)]

    def watch(self, *natives: str) -> None:
        self.feeds.watch("acme", [Native(native) for native in natives])

    def why(self, native: str) -> str | None:
        return self.book(native).why_unusable(self.clock.monotonic_ms(), STALE_MS)

    async def usable(self, *natives: str) -> None:
        await until(lambda: all(self.why(native) is None for native in natives))

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"crossbook_{name}", {"venue": "acme"} | labels) or 0.0


async def until(true: Callable[[], bool], s: float = 5.0) -> None:
    async with asyncio.timeout(s):
        while not true():
            await asyncio.sleep(0.002)


@asynccontextmanager
async def world(*, speed: int = SPEED, signer: Signer | None = None, **card: Any) -> AsyncIterator[World]:
    """Everything, and afterwards the proof that no task is left behind."""
    async with serving() as server:
        before = asyncio.all_tasks()
        venue = acme(server.rest, server.socket, **card)
        clock, metrics = FastClock(speed), Metrics()
        transport = Transport(clock, metrics)
        await transport.start()
        books = Books({"acme": venue.limits})
        feeds = Feeds(
            {"acme": venue},
            books,
            transport,
            clock,
            metrics=metrics,
            signers={"acme": signer} if signer else {},
        )
        try:
            yield World(server, feeds, books, clock, metrics)
        finally:
            await feeds.stop()
            mine = {task for task in asyncio.all_tasks() - before if "aiohttp/web" not in repr(task)}
            mine = {task for task in mine if "acme_server" not in repr(task)}
            await transport.close()
            assert mine == set(), "tasks were left behind"
            assert all(book.state in (State.LOST, State.EMPTY) for book in books.values())


# --- streaming ----------------------------------------------------------------------------------


async def test_a_watched_book_is_seeded_and_kept() -> None:
    async with world() as w:
        w.watch("A")
        assert w.why("A") is not None
        await w.usable("A")
        await w.server.set("A", 2, "0.45", "7")
        await until(lambda: w.book("A").best_bid() == Price(450_000))
        assert w.feeds.up("acme") == 1
        assert w.metric("feed_connections") == 1
        assert w.metric("books_watched") == 1
        assert 0 <= w.metric("book_age_seconds") < 5


async def test_books_are_spread_over_connections_by_the_venues_limit() -> None:
    async with world(listings_per_connection=3) as w:
        w.watch(*"ABCDEFG")
        await w.usable(*"ABCDEFG")
        subscribed = [m["natives"] for m in w.server.said if m["type"] == "subscribe"]
        assert sorted(map(len, subscribed)) == [1, 3, 3]
        assert sorted(native for natives in subscribed for native in natives) == list("ABCDEFG")
        assert len(w.server.sockets) == 3
        w.watch("A", "H")
        await w.usable("H")
        assert len(w.server.sockets) == 3, "the third connection had room"


async def test_a_book_watched_twice_is_subscribed_once() -> None:
    async with world() as w:
        w.watch("A", "A")
        w.watch("A")
        await w.usable("A")
        assert [m["natives"] for m in w.server.said if m["type"] == "subscribe"] == [["A"]]


async def test_a_book_no_longer_watched_is_unsubscribed_and_lost() -> None:
    async with world() as w:
        w.watch("A", "B")
        await w.usable("A", "B")
        gone = w.book("A")
        w.feeds.unwatch("acme", [Native("A"), Native("never")])
        await until(lambda: w.server.count("unsubscribe") == 1)
        assert ("acme", Native("A")) not in w.books
        await w.server.push(w.server.book("A"))
        await w.server.set("B", 2, "0.45", "7")
        await until(lambda: w.book("B").best_bid() == Price(450_000))
        assert gone.why_unusable(w.clock.monotonic_ms(), STALE_MS) == "lost:forgotten"
        w.feeds.unwatch("acme", [Native("B")])
        await until(lambda: w.server.last.closed)
        assert w.feeds.up("acme") == 0


async def test_following_another_set_of_books_changes_only_the_difference() -> None:
    async with world(listings_per_connection=10) as w:
        w.feeds.follow("acme", [Native("A"), Native("B")])
        await w.usable("A", "B")
        updates = w.book("B").updates
        w.feeds.follow("acme", [Native("B"), Native("C")])
        await w.usable("C")
        assert w.feeds.watched("acme") == {"B", "C"}
        assert w.book("B").updates == updates


# --- disconnects --------------------------------------------------------------------------------


async def test_books_are_lost_at_once_and_come_back_with_a_new_connection() -> None:
    async with world() as w:
        w.watch("A", "B")
        await w.usable("A", "B")
        w.server.mute = True
        await w.server.last.close()
        await until(lambda: w.why("A") is not None)
        assert (w.why("A"), w.why("B")) == ("lost:disconnected", "lost:disconnected")
        w.server.mute = False
        await w.usable("A", "B")
        assert len(w.server.sockets) == 2
        assert w.metric("feed_reconnects_total", reason="closed") == 1


async def test_a_torn_connection_is_noticed() -> None:
    async with world() as w:
        w.watch("A")
        await w.usable("A")
        transport = w.server.handshakes[-1].transport
        assert transport is not None
        transport.abort()
        await until(lambda: len(w.server.sockets) == 2)
        await w.usable("A")


@pytest.mark.parametrize("status", [302, 403, 429, 500])
async def test_waits_double_from_the_first_failure_to_the_cap(status: int) -> None:
    async with world(speed=2_000) as w:
        headers = {"Location": "/feed?followed"} if status == 302 else {}
        w.server.refuse = lambda: web.Response(status=status, headers=headers)
        w.watch("A")
        await until(lambda: len(w.clock.slept) >= 10, s=10)
    waits = w.clock.slept[:10]
    assert waits[:4] == [BACKOFF_MS_MIN, 500, 1_000, 2_000]
    assert waits == [min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2**n) for n in range(10)]
    assert {request.raw_path for request in w.server.handshakes} == {"/feed"}


async def test_waits_are_drawn_at_random_below_their_bound() -> None:
    class Lucky(FastClock):
        def jitter(self, ms_max: int) -> int:
            return ms_max // 3

    async with serving() as server:
        server.refuse = lambda: web.Response(status=500)
        clock, metrics = Lucky(2_000), Metrics()
        transport = Transport(clock, metrics)
        await transport.start()
        venue = acme(server.rest, server.socket)
        feeds = Feeds({"acme": venue}, Books({"acme": venue.limits}), transport, clock, metrics=metrics)
        feeds.watch("acme", [Native("A")])
        await until(lambda: len(clock.slept) >= 3)
        await feeds.stop()
        await transport.close()
    assert clock.slept[:3] == [83, 166, 333]


async def test_a_stable_connection_starts_the_waits_anew() -> None:
    async with world(speed=200) as w:
        w.server.refuse = lambda: web.Response(status=500)
        w.watch("A")
        await until(lambda: len(w.clock.slept) >= 5)
        w.server.refuse = None
        await w.usable("A")
        opened_ms = w.clock.monotonic_ms()
        await until(lambda: w.clock.monotonic_ms() - opened_ms > connection_module.STABLE_MS)
        w.clock.slept.clear()
        await w.server.last.close()
        await until(lambda: len(w.server.sockets) == 2)
    waits = [ms for ms in w.clock.slept if ms != session_module.BEAT_MS]
    assert waits == [BACKOFF_MS_MIN]


# --- silence ------------------------------------------------------------------------------------


async def test_a_quiet_book_lives_on_our_pings_alone() -> None:
    async with world(speed=50) as w:
        w.watch("A")
        await w.usable("A")
        applied_ms = w.book("A").applied_ms
        while w.clock.monotonic_ms() - applied_ms < 4 * STALE_MS:
            assert w.why("A") is None
            await asyncio.sleep(0.005)
        assert len(w.server.sockets) == 1


async def test_a_venue_that_answers_nothing_goes_stale_and_is_left() -> None:
    async with world(speed=50, silent_ms_max=12_000) as w:
        w.watch("A")
        await w.usable("A")
        w.server.deaf = True
        await until(lambda: w.why("A") == "stale")
        assert len(w.server.sockets) == 1, "stale comes long before the reconnect"
        await until(lambda: len(w.server.sockets) == 2)
        assert w.metric("feed_reconnects_total", reason="silent") == 1


async def test_a_ping_of_the_venue_is_answered_and_heard() -> None:
    async with world() as w:
        w.watch("A")
        await w.usable("A")
        w.server.deaf = True
        for _ in range(20):
            await w.server.last.ping(b"x")
            await asyncio.sleep(0.02)
        assert w.why("A") is None
        assert w.server.pongs >= 10


async def test_the_feed_ticks_at_least_once_a_second() -> None:
    async with world(speed=20) as w:
        w.watch("A")
        await w.usable("A")
        started_ms, beats = w.clock.monotonic_ms(), w.server.count("beat")
        await until(lambda: w.clock.monotonic_ms() - started_ms >= 10_000)
        assert w.server.count("beat") - beats >= 9


# --- books in doubt -----------------------------------------------------------------------------


async def test_a_gap_loses_the_book_until_the_next_snapshot() -> None:
    async with world() as w:
        w.watch("A", "B")
        await w.usable("A", "B")
        w.server.mute = True
        await w.server.set("A", 9, "0.45", "7")
        await until(lambda: w.server.count("resync") >= 1)
        assert w.why("A") == "lost:gap: expected 2, was 9"
        assert w.why("B") is None
        await w.server.push(w.server.book("A", seq=9))
        await w.usable("A")
        assert w.metric("feed_gaps_total") == 1
        assert len(w.server.sockets) == 1


async def test_a_snapshot_that_does_not_come_is_asked_for_again_less_and_less_often() -> None:
    async with world(speed=50) as w:
        w.watch("A")
        await w.usable("A")
        w.server.mute = True
        started_ms = w.clock.monotonic_ms()
        await w.server.set("A", 9, "0.45", "7")
        await until(lambda: w.clock.monotonic_ms() - started_ms > 16_000)
        assert 3 <= w.server.count("resync") <= 7
        assert w.why("A") is not None
        w.server.mute = False
        await w.usable("A")
        assert len(w.server.sockets) == 1


async def test_a_book_the_venue_contradicts_is_asked_for_afresh() -> None:
    async with world() as w:
        w.watch("A")
        await w.usable("A")
        await w.server.push({"type": "top", "native": "A", "bid": "0.41", "ask": "0.60"})
        await until(lambda: w.server.count("resync") == 1)
        await w.usable("A")
        assert w.metric("feed_resyncs_total") == 1
        await w.server.push({"type": "top", "native": "A", "bid": "0.40", "ask": "0.60"})
        await asyncio.sleep(0.05)
        assert w.why("A") is None


async def test_a_venue_that_always_contradicts_itself_is_not_asked_in_a_loop() -> None:
    async with world(speed=1) as w:
        w.watch("A")
        await w.usable("A")
        ends = asyncio.get_running_loop().time() + 0.4
        while asyncio.get_running_loop().time() < ends:
            await w.server.push({"type": "top", "native": "A", "bid": "0.41", "ask": "0.60"})
            await asyncio.sleep(0.005)
        assert w.server.count("resync") <= 2


async def test_a_venue_that_never_sends_a_snapshot_is_asked_again_and_then_left() -> None:
    async with world(speed=100) as w:
        w.server.mute = True
        w.watch("A")
        await until(lambda: w.server.count("resync") >= 1)
        assert w.why("A") == "not_seeded"
        await until(lambda: len(w.server.sockets) == 2)
        assert w.metric("feed_reconnects_total", reason="no_snapshot") == 1


async def test_one_dead_book_does_not_cost_the_others_their_connection() -> None:
    async with world(speed=100) as w:
        w.watch("A")
        await w.usable("A")
        w.server.mute = True
        w.watch("dead")
        started_ms = w.clock.monotonic_ms()
        await until(lambda: w.clock.monotonic_ms() - started_ms > 2 * session_module.SEED_MS_MAX)
        assert w.why("A") is None
        assert w.why("dead") == "not_seeded"
        assert len(w.server.sockets) == 1


async def test_a_snapshot_fetched_by_http_is_taken_in() -> None:
    async with world() as w:
        w.watch("A")
        await w.usable("A")
        w.server.mute = True
        await w.server.set("A", 9, "0.45", "7")
        await until(lambda: w.why("A") is not None)
        w.server.book_status = 500
        await w.server.push({"type": "look", "native": "A"})
        await until(lambda: w.server.book_requests == 1)
        await asyncio.sleep(0.05)
        assert w.why("A") is not None
        w.server.book_status = 200
        await w.server.push({"type": "look", "native": "A"})
        await w.usable("A")
        await w.server.set("A", 51, "0.45", "7")
        await until(lambda: w.book("A").best_bid() == Price(450_000))


# --- frames that are wrong ----------------------------------------------------------------------

BAD: dict[str, str | bytes] = {
    "garbage": "garbage " + "x" * 5_000,
    "unknown type": '{"type":"novelty"}',
    "bytes": b"\xff\xfe\x00",
    "half": '{"type":"book","native":"A"'[:20],
    "huge": '{"type":"halted","native":"B","pad":"' + "x" * 20_000 + '"}',
}


@pytest.mark.parametrize("name", BAD)
async def test_a_frame_that_cannot_be_read_costs_the_connection_and_nothing_more(name: str) -> None:
    async with world() as w:
        w.watch("A")
        await w.usable("A")
        with structlog.testing.capture_logs() as lines:
            frame = BAD[name]
            if isinstance(frame, str):
                await w.server.last.send_str(frame)
            else:
                await w.server.last.send_bytes(frame)
            await until(lambda: len(w.server.sockets) == 2)
            await w.usable("A")
        assert all(len(str(line)) < 1_000 for line in lines), "frames are not copied into the log"


async def test_a_bug_in_a_feed_is_told_and_the_books_come_back() -> None:
    class Buggy(AcmeFeed):
        def receive(self, frame: str | bytes, now_ms: int) -> list[FeedEvent]:
            if "trip" in str(frame):
                raise KeyError("bug")
            return super().receive(frame, now_ms)

    async with world(feed=Buggy) as w:
        w.watch("A")
        await w.usable("A")
        with structlog.testing.capture_logs() as lines:
            await w.server.push({"type": "trip"})
            await until(lambda: len(w.server.sockets) == 2)
        await w.usable("A")
        assert "feed.crashed" in {line["event"] for line in lines}
        value = w.metrics.registry.get_sample_value(
            "crossbook_invariant_violations_total", {"invariant": "feed_crashed"}
        )
        assert value == 1


@pytest.mark.parametrize(("fatal", "connections"), [(False, 1), (True, 2)])
async def test_only_a_fatal_refusal_costs_the_connection(fatal: bool, connections: int) -> None:
    async with world() as w:
        w.watch("A")
        await w.usable("A")
        await w.server.push({"type": "refused", "reason": "too many", "fatal": fatal})
        await until(lambda: len(w.server.sockets) == connections)
        await asyncio.sleep(0.05)
        await w.usable("A")
        assert len(w.server.sockets) == connections


async def test_a_feed_that_says_too_much_at_once_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "OUTBOX_MAX", 3)

    class Chatty(AcmeFeed):
        def subscribe(self, natives: Sequence[Native]) -> list[FeedEvent]:
            return super().subscribe(natives) * 10

    async with world(feed=Chatty) as w:
        w.watch("A")
        await until(lambda: w.metric("feed_reconnects_total", reason="outbox_full") >= 1)


# --- handshake and hooks ------------------------------------------------------------------------


class PrivateFeed(AcmeFeed):
    def handshake(self) -> Request:
        return msgspec.structs.replace(super().handshake(), private=True, query=(("v", "1 2"),))


@pytest.mark.parametrize("slow", [False, True])
async def test_a_private_handshake_is_signed(slow: bool) -> None:
    async with world(feed=PrivateFeed, signer=AcmeSigner(), slow_signature=slow) as w:
        w.watch("A")
        await w.usable("A")
        [request] = w.server.handshakes
        assert "x-signed" in request.headers
        assert request.raw_path == "/feed?v=1%202"


async def test_a_private_handshake_without_a_signer_is_never_sent() -> None:
    async with world(feed=PrivateFeed, speed=1_000) as w:
        w.watch("A")
        await until(lambda: w.metric("feed_reconnects_total", reason="dial") >= 2)
        assert w.server.handshakes == []


async def test_frames_and_events_are_passed_on() -> None:
    frames: list[tuple[str, int, str | bytes]] = []
    events: list[tuple[str, FeedEvent]] = []
    async with world() as w:
        w.feeds.on_frame = lambda venue, number, frame, _: frames.append((venue, number, frame))
        w.feeds.on_event = lambda venue, event: events.append((venue, event))
        w.watch("A")
        await w.usable("A")
        await w.server.push({"type": "halted", "native": "A"})
        await until(lambda: bool(events))
        assert w.why("A") == "halted:paused"
        assert w.metric("feed_frames_total") <= len(frames)
    assert [json.loads(frame)["type"] for _, _, frame in frames] == ["book", "halted"]
    assert {(venue, number) for venue, number, _ in frames} == {("acme", 1)}
    assert events == [("acme", Halted(Native("A"), "paused"))]


async def test_every_socket_has_a_number_of_its_own_over_reconnects_too() -> None:
    numbers: dict[str, set[int]] = {}
    async with world(listings_per_connection=1) as w:
        w.feeds.on_frame = lambda _, number, frame, __: numbers.setdefault(
            json.loads(frame)["native"], set()
        ).add(number)
        w.watch("A", "B")
        await w.usable("A", "B")
        for socket in list(w.server.sockets):
            await socket.close()
        await until(lambda: [len(of_book) for of_book in numbers.values()] == [2, 2])
    assert numbers["A"].isdisjoint(numbers["B"])


async def test_stopping_while_connecting_is_quick_and_clean() -> None:
    async with world() as w:
        w.watch(*"ABCDEFG")
        async with asyncio.timeout(2):
            await w.feeds.stop()
        await w.feeds.stop()
