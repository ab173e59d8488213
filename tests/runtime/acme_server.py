"""The other end of Acme's wire, over real sockets, as badly behaved as a test wants."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSMsgType, web

BIDS, ASKS = [["0.40", "10"]], [["0.60", "5"]]


class AcmeServer:
    """Answers subscriptions with books, unless told otherwise."""

    def __init__(self) -> None:
        self.rest = self.socket = ""
        self.said: list[dict[str, Any]] = []
        """Every message received, oldest first."""
        self.sockets: list[web.WebSocketResponse] = []
        """Every connection ever accepted."""
        self.handshakes: list[web.Request] = []
        self.pongs = 0
        self.mute = False
        """Never send a book."""
        self.deaf = False
        """Never answer a ping."""
        self.refuse: Callable[[], web.StreamResponse] | None = None
        """Answer handshakes with this instead."""
        self.book_status = 200
        self.book_requests = 0

    @property
    def last(self) -> web.WebSocketResponse:
        return self.sockets[-1]

    def count(self, kind: str) -> int:
        """How many messages of this type were received."""
        return sum(message["type"] == kind for message in self.said)

    def book(self, native: str, seq: int = 1, bids: list[list[str]] = BIDS) -> dict[str, Any]:
        return {"type": "book", "native": native, "seq": seq, "bids": bids, "asks": ASKS}

    async def push(self, message: dict[str, Any]) -> None:
        """To the latest connection."""
        await self.last.send_str(json.dumps(message))

    async def set(self, native: str, seq: int, price: str, size: str, side: str = "bid") -> None:
        await self.push(
            {"type": "set", "native": native, "seq": seq, "side": side, "price": price, "size": size}
        )

    async def _feed(self, request: web.Request) -> web.StreamResponse:
        self.handshakes.append(request)
        if self.refuse is not None:
            return self.refuse()
        ws = web.WebSocketResponse(autoping=False)
        await ws.prepare(request)
        self.sockets.append(ws)
        async for message in ws:
            if message.type is WSMsgType.PING and not self.deaf:
                await ws.pong(message.data)
            elif message.type is WSMsgType.PONG:
                self.pongs += 1
            elif message.type is WSMsgType.TEXT:
                await self._heard(ws, json.loads(message.data))
        return ws

    async def _heard(self, ws: web.WebSocketResponse, message: dict[str, Any]) -> None:
        self.said.append(message)
        if self.mute:
            return
        if message["type"] == "subscribe":
            for native in message["natives"]:
                await ws.send_str(json.dumps(self.book(native)))
        elif message["type"] == "resync":
            await ws.send_str(json.dumps(self.book(message["native"])))

    async def _book(self, request: web.Request) -> web.Response:
        self.book_requests += 1
        native = request.match_info["native"]
        return web.json_response(self.book(native, seq=50), status=self.book_status)


@asynccontextmanager
async def serving() -> AsyncIterator[AcmeServer]:
    server = AcmeServer()
    app = web.Application()
    app.router.add_get("/feed", server._feed)
    app.router.add_get("/book/{native}", server._book)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.rest, server.socket = f"http://{host}:{port}", f"ws://{host}:{port}"
    try:
        yield server
    finally:
        await asyncio.gather(*(ws.close() for ws in server.sockets if not ws.closed), return_exceptions=True)
        await runner.cleanup()
