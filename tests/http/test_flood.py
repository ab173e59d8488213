"""Bad clients by the hundred, all kinds at once, beside good ones: the bad are closed, the good all answered.

The limits are the product's with their figures made smaller; `make faults` takes them whole, with bad clients
by the thousand, and `python -m benchmarks door` measures what good ones feel of it.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from router.http import body as body_module
from router.http import protocol
from router.http.reaper import Limits
from tests.http.test_app import ORDER, Server, answer_of, offering, serving, until

WHOLE = bool(os.environ.get("CROSSBOOK_FAULTS"))
LIMITS = Limits() if WHOLE else Limits(connections=60, per_address=40, head_ms=400)
BODY_MS = body_module.MS_MAX if WHOLE else 400
BAD, GOOD = "127.0.0.2", "127.0.0.3"
IDLE, SLOW, HUGE = (5_000, 300, 20) if WHOLE else (200, 30, 4)
HUGE_BYTES = 10_000_000
CONNECTING_MAX = 64
"""More at once, and the system forgets some of which both sides think that they are connected."""
TICK_S = 1 if WHOLE else 0.05
"""A byte at a time: the next one always comes before the limit is over."""
ORDERS, NEWCOMERS = (100, 300) if WHOLE else (15, 30)
PAUSE_S = 0.12
"""Between two orders of a good client: a venue takes ten a second."""
SPARE_FILES = 5
"""What the loop may open for itself meanwhile."""
WAIT_S = 20

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Act = Callable[["Crowd", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Crowd:
    """Bad clients, and how each of them ended."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.ended: list[str] = []
        self._connecting = asyncio.Semaphore(CONNECTING_MAX)

    async def play(self, act: Act) -> None:
        """Until the router closes the connection."""
        port = self.server.listener.port
        with suppress(ConnectionError):
            async with self._connecting:
                reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(BAD, 0))
            with closing(writer), suppress(ConnectionError):
                await act(self, reader, writer)
        self.ended.append(act.__name__)

    async def idle(self, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        """Says nothing."""
        await reader.read()

    async def _trickle(self, line: Line, at_once: bytes, slowly: bytes) -> None:
        reader, writer = line
        writer.write(at_once)
        closed = asyncio.create_task(reader.read())
        with suppress(ConnectionError):
            for byte in slowly:
                writer.write(bytes([byte]))
                await asyncio.wait({closed}, timeout=TICK_S)
                if closed.done():
                    break
        assert b" 201 " not in await closed, "it never said all of it"

    async def slow_head(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A byte of the head at a time."""
        await self._trickle((reader, writer), b"POST /api/", b"accounts" * 100)

    async def slow_body(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A whole head with a good key, then a byte of the body at a time."""
        head, _, _ = self.server.post(b" " * 1_000).partition(b"\r\n\r\n")
        await self._trickle((reader, writer), head + b"\r\n\r\n", b" " * 900)

    async def huge_body(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Ten megabytes with a good key, as fast as they are taken."""
        writer.write(self.server.post(b"x" * HUGE_BYTES))
        assert answer_of(await reader.readuntil(b"\r\n\r\n"))[0] == 413
        await reader.read()


async def good(server: Server, orders: int) -> list[int]:
    """A client that keeps its connection, from an address of its own; the statuses it got."""
    port = server.listener.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(GOOD, 0))
    statuses = []
    for _ in range(orders):
        writer.write(server.post(ORDER.replace(b"5.00", b"1.00")))
        status, headers, _ = answer_of(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WAIT_S))
        await asyncio.wait_for(reader.readexactly(int(headers["content-length"])), WAIT_S)
        statuses.append(status)
        await asyncio.sleep(PAUSE_S)
    writer.close()
    return statuses


async def newcomers(server: Server, count: int, address: str) -> list[int]:
    """Clients that connect for one request each; the statuses they got, 0 where they got none."""
    statuses = []
    for _ in range(count):
        port = server.listener.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
        writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        try:
            statuses.append(answer_of(await asyncio.wait_for(reader.read(), WAIT_S))[0])
        except (ConnectionError, IndexError):
            statuses.append(0)
        writer.close()
    return statuses


def files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def most_open(server: Server) -> Iterator[float]:
    while True:
        yield server.metrics.registry.get_sample_value("crossbook_http_connections") or 0


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="counts the files of the process")  # noqa: PTH110
async def test_bad_clients_are_closed_and_good_ones_all_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "MS_MAX", BODY_MS)
    if not WHOLE:
        monkeypatch.setattr(protocol, "LINGER_S", 0.1)
    async with serving(limits=LIMITS) as server, offering(server):
        before, crowd, most = files(), Crowd(server), 0.0
        kinds = {Crowd.idle: IDLE, Crowd.slow_head: SLOW, Crowd.slow_body: SLOW, Crowd.huge_body: HUGE}
        bad = [asyncio.create_task(crowd.play(act)) for act, count in kinds.items() for _ in range(count)]
        orders = asyncio.create_task(good(server, ORDERS))
        fresh = asyncio.create_task(newcomers(server, NEWCOMERS, GOOD))
        gauge = most_open(server)
        while not (orders.done() and fresh.done() and all(task.done() for task in bad)):
            most = max(most, next(gauge))
            await asyncio.wait({orders, fresh, *bad}, timeout=TICK_S)
        assert orders.result() == [201] * ORDERS
        assert fresh.result() == [200] * NEWCOMERS
        for task in bad:
            task.result()
        assert len(crowd.ended) == IDLE + 2 * SLOW + HUGE
        print(f"figure: {len(crowd.ended)} bad clients closed; {most:.0f} connections at most")
        assert 0 < most <= LIMITS.connections
        await until(lambda: files() < before + SPARE_FILES)


@pytest.mark.slow
async def test_a_client_of_the_same_address_gets_in_between_silent_ones() -> None:
    async with serving(limits=Limits(connections=60, per_address=40, head_ms=60_000)) as server:
        crowd = Crowd(server)
        bad = [asyncio.create_task(crowd.play(Crowd.idle)) for _ in range(IDLE)]
        await until(lambda: len(crowd.ended) >= IDLE - 40)
        assert await newcomers(server, 30, BAD) == [200] * 30
        for task in bad:
            task.cancel()
        await asyncio.gather(*bad, return_exceptions=True)
