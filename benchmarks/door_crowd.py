"""Bad clients by the thousand, in a process of their own: how each of them ended.

    python -m benchmarks.door_crowd KIND PORT COUNT KEY ACCOUNT

KIND is a word of `KINDS`. Prints one JSON line when the router has closed them all.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing, suppress
from typing import NamedTuple

import uvloop

from benchmarks.processes import CLIENT_CPU, pin

ADDRESSES = 64
"""A crowd from many places has so many of the machine's own addresses."""
HUGE_BYTES = 10_000_000
BYTE_S = 1.0
CONNECTING_MAX = 64


class Bad(NamedTuple):
    """What a bad client has."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: bytes
    """Of an order with a good key, up to the length of its body."""


Act = Callable[[Bad], Awaitable[object]]


async def idle(bad: Bad) -> None:
    """Says nothing."""
    await bad.reader.read()


async def slow_head(bad: Bad) -> None:
    """A byte of the head a second."""
    await _trickle(bad, b"POST /api/accounts/a/router/orders HTTP/1.1\r\nHost: localhost\r\n")


async def slow_body(bad: Bad) -> None:
    """A whole head, then a byte of the body a second."""
    bad.writer.write(bad.head + b"Content-Length: 100\r\n\r\n")
    await _trickle(bad, b" " * 99)


async def huge_body(bad: Bad) -> None:
    """Ten megabytes as fast as they are taken."""
    bad.writer.write(bad.head + b"Content-Length: %d\r\n\r\n" % HUGE_BYTES + b" " * HUGE_BYTES)
    assert b" 413 " in await bad.reader.read()


async def _trickle(bad: Bad, said: bytes) -> None:
    closed = asyncio.create_task(bad.reader.read())
    with suppress(ConnectionError):
        for byte in said:
            bad.writer.write(bytes([byte]))
            await asyncio.wait({closed}, timeout=BYTE_S)
            if closed.done():
                break
        await closed


KINDS: dict[str, tuple[Act, int]] = {
    "idle": (idle, 1),
    "idle_everywhere": (idle, ADDRESSES),
    "slow_head": (slow_head, 1),
    "slow_body": (slow_body, 1),
    "huge_body": (huge_body, 1),
}
"""What each does, and from how many addresses."""


class Crowd:
    """All of one kind."""

    def __init__(self, kind: str, port: int, count: int, head: bytes) -> None:
        self._act, self._addresses = KINDS[kind]
        self._port, self._count, self._head = port, count, head
        self._connecting = asyncio.Semaphore(CONNECTING_MAX)
        self.lasted: list[float] = []

    async def run(self) -> None:
        """Until all are closed."""
        await asyncio.gather(*(self._one(number) for number in range(self._count)))

    async def _one(self, number: int) -> None:
        here = f"127.0.1.{1 + number % self._addresses}"
        async with self._connecting:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(here, 0))
        start = time.monotonic()
        with closing(writer), suppress(ConnectionError):
            await self._act(Bad(reader, writer, self._head))
        self.lasted.append(time.monotonic() - start)


def main(arguments: Sequence[str]) -> None:
    """Run one crowd."""
    kind, port, count, key, account = arguments
    pin(CLIENT_CPU)
    head = f"POST /api/accounts/{account}/router/orders HTTP/1.1\r\nHost: localhost\r\nx-api-key: {key}\r\n"
    crowd = Crowd(kind, int(port), int(count), head.encode())
    uvloop.run(crowd.run())
    print(json.dumps({"closed": len(crowd.lasted), "longest_s": round(max(crowd.lasted), 2)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
