"""One session over a socket in memory, where the order of things can be seen."""

import asyncio
import json
from itertools import count

import pytest

from router.core.book import Books, State
from router.runtime.metrics import Metrics
from router.runtime.session import Hooks, Session, Shared
from router.runtime.sockets import Closed, Ping, Pong, SocketLost
from router.runtime.transport import Transport
from tests.runtime.acme import AcmeFeed, acme
from tests.runtime.clocks import FastClock
from venues.base.events import FeedEvent, Refused
from venues.base.listing import Native

A = Native("A")
BOOK = json.dumps(
    {"type": "book", "native": "A", "seq": 1, "bids": [["0.40", "10"]], "asks": [["0.60", "5"]]}
)


class MemorySocket:
    """A `Socket` whose other end is a list; it notes what the book was worth when it was closed."""

    def __init__(self, books: Books, *frames: str) -> None:
        self.books = books
        self.frames = list(frames)
        self.states: list[State] = []
        self.at_close: State | None = None
        self.broken = False

    async def send(self, text: str) -> None:
        if self.broken:
            raise SocketLost("gone")

    async def ping(self) -> None:
        await self.send("")

    async def receive(self) -> str | bytes | Ping | Pong | Closed:
        await asyncio.sleep(0)
        self.states.append(self.books["acme", A].state)
        if not self.frames:
            await asyncio.sleep(60)
        frame = self.frames.pop(0)
        return Closed("by peer") if frame == "close" else frame

    async def close(self) -> None:
        self.at_close = self.books["acme", A].state
        await asyncio.sleep(0.05)


class RefusingFeed(AcmeFeed):
    """Says of one frame that the connection is over, and in the same breath sends a book."""

    def receive(self, frame: str | bytes, now_ms: int) -> list[FeedEvent]:
        if frame == "refuse":
            return [Refused("enough", fatal=True), *super().receive(BOOK, now_ms)]
        if frame == "bug":
            raise KeyError(frame)
        return super().receive(frame, now_ms)


def opened(*frames: str) -> tuple[Session, MemorySocket]:
    venue, clock, metrics = acme(feed=RefusingFeed), FastClock(), Metrics()
    books = Books({"acme": venue.limits})
    books.open("acme", A)
    socket = MemorySocket(books, *frames)
    shared = Shared(
        venue=venue,
        signers={},
        books=books,
        transport=Transport(clock, metrics),
        clock=clock,
        metrics=metrics,
        hooks=Hooks(),
        numbers=count(1),
        dialling=asyncio.Semaphore(1),
    )
    session = Session(shared, 1, RefusingFeed(), socket)
    session.subscribe([A])
    return session, socket


@pytest.mark.parametrize(
    ("frame", "reason"),
    [("close", "closed: by peer"), ("garbage", "unreadable"), ("refuse", "refused: enough")],
)
async def test_the_books_are_lost_before_the_socket_is_closed(frame: str, reason: str) -> None:
    session, socket = opened(BOOK, frame)
    assert await session.live() == reason
    assert State.LIVE in socket.states
    assert socket.at_close is State.LOST


async def test_a_bug_loses_the_books_too() -> None:
    session, socket = opened(BOOK, "bug")
    with pytest.raises(KeyError):
        await session.live()
    assert socket.at_close is State.LOST


@pytest.mark.parametrize("frame", ["garbage", "refuse"])
async def test_the_books_are_lost_within_the_frame_that_ends_it_and_stay_lost(frame: str) -> None:
    """Not a turn of the loop later: an order might be planned in between."""
    session, socket = opened()
    book = socket.books["acme", A]
    states = []
    for received in (BOOK, frame, BOOK):
        session._read(received)
        states.append(book.state)
    assert states == [State.LIVE, State.LOST, State.LOST]
    await session.live()


async def test_cancelling_loses_the_books_and_closes_the_socket() -> None:
    session, socket = opened(BOOK)
    task = asyncio.create_task(session.live())
    await asyncio.sleep(0.02)
    assert socket.books["acme", A].state is State.LIVE
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert socket.at_close is State.LOST


async def test_a_socket_that_cannot_be_written_to_ends_the_session() -> None:
    session, socket = opened(BOOK)
    socket.broken = True
    assert await session.live() == "send: SocketLost"
