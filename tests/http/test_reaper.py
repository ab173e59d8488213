"""Connections have limits of time and number, on the loop of the tests and on the loop of production."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop

from router.http import acceptor, reaper
from router.http.acceptor import Acceptor
from router.http.reaper import Fleet, Limits
from router.runtime.addresses import neighbour
from router.runtime.metrics import Metrics

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HEAD_MS = 100
ROOMY = Limits(head_ms=60_000)


class Inner(asyncio.Protocol):
    """Stands where the HTTP server does: `hello` is a whole request, `much` one with a large answer."""

    def __init__(self, room: "Room") -> None:
        self.room = room

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        watch = self.room.fleet.of(self.transport)
        assert watch is not None
        if data == b"hello":
            watch.handling()
            self.transport.write(b"welcome")  # type: ignore[attr-defined]  # a transport of either loop
            watch.handled()
        if data == b"much":
            watch.handling()
            self.transport.write(b"x" * 50_000_000)  # type: ignore[attr-defined]  # as above


class Room:
    """A fleet and its listening socket."""

    def __init__(self, limits: Limits) -> None:
        self.metrics = Metrics()
        self.fleet = Fleet(lambda: Inner(self), self.metrics, limits)
        self.acceptor = Acceptor(self.fleet, lambda: None)
        self.port = 0

    async def connect(self, address: str = "127.0.0.1") -> Line:
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0))

    async def welcomed(self, address: str = "127.0.0.1") -> Line:
        """A client that was served and stays."""
        reader, writer = await self.connect(address)
        writer.write(b"hello")
        assert await asyncio.wait_for(reader.readexactly(7), 5) == b"welcome"
        return reader, writer

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"crossbook_http_connections{name}", labels) or 0


@asynccontextmanager
async def room(limits: Limits) -> AsyncIterator[Room]:
    made = Room(limits)
    made.port = await made.acceptor.start("127.0.0.1", 0)
    try:
        yield made
    finally:
        made.acceptor.close()
        for watch in [watch for ours in made.fleet._open.values() for watch in ours]:
            watch.abort()  # what a failed test left open keeps uvloop from ending
        await asyncio.sleep(0)


async def closed(line: Line, wait_s: float = 5) -> bool:
    """Whether the other side closes the connection."""
    try:
        return await asyncio.wait_for(line[0].read(1), wait_s) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    finally:
        line[1].close()


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("first", [b"", b"POST / HT"])
def test_a_connection_whose_head_does_not_come_is_closed(
    loop: Callable[[], asyncio.AbstractEventLoop], first: bytes
) -> None:
    async def connect() -> float:
        async with room(Limits(head_ms=HEAD_MS)) as made:
            line = await made.connect()
            line[1].write(first)
            assert await closed(line)
            return made.count("_reaped_total")

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(connect()) == 1


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_client_that_does_not_take_its_answer_is_closed(
    loop: Callable[[], asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaper, "UNREAD_MS_MAX", 100)

    async def connect() -> None:
        async with room(ROOMY) as made:
            line = await made.connect()
            line[1].write(b"much")
            line[1].transport.pause_reading()  # type: ignore[attr-defined]  # also a reading transport
            await until(lambda: made.count("_reaped_total") == 1)
            await until(lambda: made.count("") == 0)
            line[1].transport.abort()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(connect())


async def until(true: Callable[[], bool], wait_s: float = 10) -> None:
    async with asyncio.timeout(wait_s):
        while not true():
            await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_a_client_that_catches_up_with_its_answer_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaper, "UNREAD_MS_MAX", 3_000)
    async with room(ROOMY) as made:
        reader, writer = await made.connect()
        writer.write(b"much")
        taken = 0
        while taken < 50_000_000:
            taken += len(await asyncio.wait_for(reader.read(1_000_000), 5))
        await asyncio.sleep(3.2)
        assert made.count("_reaped_total") == 0
        writer.close()


async def test_one_connection_too_many_is_closed_and_those_that_were_served_stay() -> None:
    async with room(Limits(connections=2, head_ms=60_000)) as made:
        lines = [await made.welcomed(), await made.welcomed("127.0.0.2")]
        assert await closed(await made.connect("127.0.0.3"))
        assert made.count("_refused_total", reason="all") == 1
        for reader, writer in lines:
            writer.write(b"hello")
            assert await reader.readexactly(7) == b"welcome"
        lines[0][1].close()
        await until(lambda: made.count("") == 1)
        lines.append(await made.welcomed("127.0.0.3"))
        for _, writer in lines:
            writer.close()


async def test_one_address_cannot_take_the_places_of_the_others() -> None:
    async with room(Limits(connections=10, per_address=2, head_ms=60_000)) as made:
        lines = [await made.welcomed(), await made.welcomed()]
        assert await closed(await made.connect())
        assert made.count("_refused_total", reason="address") == 1
        lines.append(await made.welcomed("127.0.0.2"))
        for _, writer in lines:
            writer.close()
        await until(lambda: made.count("") == 0)
        assert made.fleet._open == {}, "nothing is kept of addresses that have gone"


@pytest.mark.parametrize("limits", [Limits(connections=3), Limits(per_address=3)])
async def test_where_there_is_no_room_the_longest_silent_client_gives_way(limits: Limits) -> None:
    async with room(limits) as made:
        served = await made.welcomed()
        silent = [await made.connect() for _ in range(4)]
        newcomer = await made.welcomed()
        assert [await closed(line, 0.3) for line in silent] == [True, True, True, False]
        assert made.count("_refused_total", reason="gave_way") == 3
        for line in (served, newcomer):
            line[1].write(b"hello")
            assert await line[0].readexactly(7) == b"welcome"
            line[1].close()


async def test_a_flood_of_silent_connections_does_not_keep_a_new_client_out() -> None:
    async with room(Limits(connections=40, per_address=20, head_ms=60_000)) as made:
        flood = [socket.create_connection(("127.0.0.1", made.port)) for _ in range(300)]
        for address in ("127.0.0.1", "127.0.0.2"):
            line = await made.welcomed(address)
            line[1].close()
        assert made.count("") <= 40
        for silent in flood:
            silent.close()


async def test_without_files_left_the_router_waits_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptor, "RETRY_MS", 50)
    async with room(ROOMY) as made:
        [listening] = made.acceptor._sockets
        real, failures = listening.accept, 3

        class Failing:
            """The listening socket of a process that has run out of files for a while."""

            def accept(self) -> tuple[socket.socket, object]:
                nonlocal failures
                failures -= 1
                if failures >= 0:
                    raise OSError(24, "Too many open files")
                return real()

            def __getattr__(self, name: str) -> object:
                return getattr(listening, name)

        asyncio.get_running_loop().remove_reader(listening)
        made.acceptor._sockets[:] = [Failing()]  # type: ignore[list-item]  # quacks like the socket
        made.acceptor._listen()
        _, writer = await made.welcomed()
        assert failures < 0
        writer.close()


async def test_an_address_is_taken_or_not_and_says_so() -> None:
    async with room(ROOMY) as made:
        with pytest.raises(OSError, match="in use"):
            await Acceptor(made.fleet, lambda: None).start("127.0.0.1", made.port)


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
    ],
)
def test_a_neighbour_is_an_address_or_the_network_it_can_choose_addresses_from(
    address: str, counted: str
) -> None:
    assert neighbour(address) == counted
