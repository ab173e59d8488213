"""A load generator: kept-alive connections, each with one request under way, and no HTTP library."""

import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import cycle
from typing import NamedTuple, cast


class Load(NamedTuple):
    """What one run of requests gave."""

    per_s: float
    p50_us: float
    p99_us: float


class Connection(asyncio.Protocol):
    """Sends a request as soon as the reply to the one before is complete."""

    def __init__(self, requests: Iterator[bytes], until: float, over: asyncio.Future[None]) -> None:
        self._requests, self._until, self._over = requests, until, over
        self._buffer = b""
        self._sent = 0.0
        self.taken: list[float] = []
        self.reply = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without inheriting from it
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        at = self._buffer.find(b"Content-Length: ") + 16
        length = int(self._buffer[at : self._buffer.find(b"\r\n", at)])
        if len(self._buffer) < end + 4 + length:
            return
        now = time.perf_counter()
        self.taken.append(now - self._sent)
        if not self._buffer.startswith(b"HTTP/1.1 201"):
            self._over.set_exception(RuntimeError(self._buffer[:2_000].decode()))
            return
        self.reply, self._buffer = self._buffer[end + 4 :], b""
        if now < self._until:
            self._send()
        elif not self._over.done():
            self._over.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._over.done():
            self._over.set_exception(RuntimeError("the server closed the connection"))

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(next(self._requests))


async def drive(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    """Keep this many requests under way for so long; connection k takes every c-th request."""
    loop = asyncio.get_running_loop()
    opened: list[tuple[asyncio.Transport, Connection]] = []
    overs: list[asyncio.Future[None]] = []
    start = time.perf_counter()
    try:
        for number in range(connections):
            overs.append(loop.create_future())
            link = Connection(cycle(requests[number::connections]), start + seconds, overs[-1])
            opened.append(await loop.create_connection(partial(_same, link), "127.0.0.1", port))
        await asyncio.gather(*overs)
    finally:
        for transport, _ in opened:
            transport.close()
    elapsed = time.perf_counter() - start
    taken = sorted(time for _, link in opened for time in link.taken)
    return Load(len(taken) / elapsed, statistics.median(taken) * 1e6, taken[int(len(taken) * 0.99)] * 1e6)


def _same(link: Connection) -> Connection:
    return link


async def once(port: int, request: bytes) -> bytes:
    """The body of one reply."""
    over = asyncio.get_running_loop().create_future()
    link = Connection(iter([request]), 0.0, over)
    transport, _ = await asyncio.get_running_loop().create_connection(partial(_same, link), "127.0.0.1", port)
    await over
    transport.close()
    return link.reply
