"""The other end of the stand-in venue's wire: fills every order at once and shows books that never move.

python -m benchmarks.stand_in_server       prints {"rest": …, "socket": …} and serves until it is killed
"""

import asyncio
import json
import time
from typing import cast

import msgspec
import uvloop
from aiohttp import web

from benchmarks.stand_in import FEE, NAMES, Done, Placed
from venues.base.events import Snapshot
from venues.base.listing import Native
from venues.base.units import ONE, Price, Size, cost, up

FUNDS = 10**12
"""A million dollars that no order uses up."""
LEVELS = 20
BEST, STEP = 400_000, 10_000
"""Each venue's best ask is a cent above that of the one before; its second one is above all best ones."""
TOP = Size(20 * ONE)
"""Shares at a best ask."""
REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"

_placed = msgspec.json.Decoder(Placed)
_encode = msgspec.json.Encoder().encode


class Rest(asyncio.Protocol):
    """POST /orders, GET /funds and GET /time over kept-alive connections."""

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without inheriting from it

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            if length:
                answer = filled(body)
            else:
                answer = b"%d" % (time.time_ns() // 1_000_000 if head.startswith(b"get /time") else FUNDS)
            self._transport.write(REPLY % (len(answer), answer))


def filled(body: bytes) -> bytes:
    """Everything that was asked, at the limit."""
    order = _placed.decode(body)
    cash = cost(Price(order.price), Size(order.size))
    return _encode(
        Done(
            order_id=f"x-{order.client_id}",
            client_id=order.client_id,
            status="filled",
            size=order.size,
            cash=cash,
            fee=up(cash * FEE, ONE),
        )
    )


async def feed(request: web.Request) -> web.WebSocketResponse:
    """A snapshot of each book that is named."""
    rank = NAMES.index(request.match_info["venue"])
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(book(Native(message.data), rank))
    return socket


def book(native: Native, rank: int) -> str:
    """The book of the venue with this rank."""
    first = BEST + rank * STEP
    behind = BEST + len(NAMES) * STEP
    asks = [(Price(first), TOP), *((Price(behind + n * STEP), TOP) for n in range(LEVELS - 1))]
    bids = [(Price(BEST - STEP - n * STEP), TOP) for n in range(LEVELS)]
    return _encode(Snapshot(native, bids, asks)).decode()


async def serve() -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    rest = await loop.create_server(Rest, "127.0.0.1", 0)
    app = web.Application()
    app.router.add_get("/{venue}/feed", feed)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    assert runner.server is not None
    socket = await loop.create_server(runner.server, "127.0.0.1", 0)
    ports = [server.sockets[0].getsockname()[1] for server in (rest, socket)]
    hosts = {"rest": f"http://127.0.0.1:{ports[0]}", "socket": f"ws://127.0.0.1:{ports[1]}"}
    print(json.dumps(hosts), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
