"""Serves any venue's simulator over HTTP and WebSocket, faults and control face included.

The only I/O under `venues`. Everything happens on one event loop: a call is answered in one piece, and
the frames it caused are queued before the next call is read.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from email.utils import formatdate
from functools import partial
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from venues.base.http import Response
from venues.base.listing import Native
from venues.base.units import Price
from venues.sim.book_maker import BookMaker, maker_of
from venues.sim.clock import SimClock
from venues.sim.contract import Call, Simulator, Socket
from venues.sim.control import PREFIX, Control
from venues.sim.faults import LOST, Delivery, Faults, Reply
from venues.sim.model import Market

TICK_MS = 100
"""The contract of `Simulator.tick`; a fifth of the shortest delay that any venue documents."""
MAKER_TICKS = 5
"""Books move twice a second: lively to the eye, cheap for two cores."""
BODY_BYTES_MAX = 1024 * 1024
"""The largest batch of orders that any venue takes is a tenth of this; a 10,000-level book fits."""
FRAME_BYTES_MAX = 1024 * 1024
"""A subscription to ten thousand books fits."""
OUTBOX_CHARS_MAX = 16 * 1024 * 1024
"""Five hundred full books. A client that is further behind does not read: it is cut off, as a venue would."""
SOCKETS_MAX = 1_000
"""More than any test opens, fewer than the file handles of one process."""
CLOSE_WAIT_S = 1.0
"""How long a closing server waits for clients to say goodbye."""


class _Ping(msgspec.Struct, frozen=True):
    payload: bytes = b"heartbeat"


class _Connection:
    """One WebSocket: the venue's side of it, the wire, and the frames between them."""

    def __init__(self, socket: Socket, wire: web.WebSocketResponse, request: web.Request) -> None:
        self.socket = socket
        self.wire = wire
        self.path = request.path
        self.ping_due = asyncio.get_running_loop().time()
        self.held: tuple[str, ...] = ()
        """A client's frame that waits to be overtaken."""
        self.ending = False
        self._transport = request.transport
        self._queue: asyncio.Queue[Delivery | _Ping | None] = asyncio.Queue()
        self._queued_chars = 0

    def put(self, item: Delivery | _Ping) -> None:
        """Queue what to send; a client that is too far behind is cut off instead."""
        self._queued_chars += _chars(item)
        if self._queued_chars > OUTBOX_CHARS_MAX:
            self.cut()
        else:
            self._queue.put_nowait(item)

    def finish(self) -> None:
        """Close once everything queued is sent."""
        if not self.ending:
            self.ending = True
            self._queue.put_nowait(None)

    def cut(self) -> None:
        """Tear the connection without a goodbye."""
        if self._transport is not None:
            self._transport.abort()

    async def send_all(self) -> None:
        """Send what is queued until the venue or the wire ends it."""
        with suppress(ConnectionError):
            while (item := await self._queue.get()) is not None:
                overtaker = await self._overtaker(item)
                if overtaker:
                    await self._send(overtaker)
                await self._send(item)
            await self.wire.close()

    async def _overtaker(self, item: Delivery | _Ping) -> Delivery | _Ping | None:
        """What goes before this item; it is not itself held back, so frames swap in pairs."""
        following: Delivery | _Ping | None = None
        if isinstance(item, Delivery) and item.overtaken_ms:
            with suppress(TimeoutError):
                async with asyncio.timeout(_seconds(item.overtaken_ms)):
                    following = await self._queue.get()
                    if following is None:
                        self._queue.put_nowait(None)
        return following

    async def _send(self, item: Delivery | _Ping) -> None:
        self._queued_chars -= _chars(item)
        if isinstance(item, _Ping):
            await self.wire.ping(item.payload)
            return
        await asyncio.sleep(_seconds(item.wait_ms))
        for text in item.texts:
            await self.wire.send_str(text)
        await self.end_as(item)

    async def end_as(self, delivery: Delivery) -> None:
        """Cut or close the connection if the delivery says so."""
        if delivery.cut:
            self.cut()
        if delivery.close_code is not None:
            await self.wire.close(code=delivery.close_code)


class SimServer:
    """One simulated venue on one port of its own. It can be stopped and started again."""

    def __init__(self, simulator: Simulator, *, clock: Callable[[], int], seed: int) -> None:
        self.simulator = simulator
        self.clock = SimClock(clock)
        self._seed = seed
        self.faults = Faults(lambda number: random.Random(f"{seed}/{number}"))  # noqa: S311 - faults by seed
        self.makers: dict[str, BookMaker] = {}
        """By market id: who keeps its book moving. Setting a book through the control face ends it."""
        self.origin = ""
        """Base URL of the server, e.g. "http://127.0.0.1:1"; set by `start`."""
        self.socket_origin = ""
        self._control = Control(simulator, self.faults, self.clock, released=self._released)
        self._connections: set[_Connection] = set()
        self._overtaken: set[asyncio.Event] = set()
        self._stopping = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._ticker: asyncio.Task[None] | None = None

    @property
    def hosts(self) -> Mapping[str, str]:
        """`Venue.hosts` for this server."""
        return self.simulator.hosts(self.origin, self.socket_origin)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 takes a free one. OSError if the port is taken."""
        assert self._runner is None, "already started"
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._stopping.clear()
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_WAIT_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        bound: int = runner.addresses[0][1]
        self.origin, self.socket_origin = f"http://{host}:{bound}", f"ws://{host}:{bound}"
        self._ticker = asyncio.create_task(self._tick_all())

    async def stop(self) -> None:
        """End all connections and waits, and free the port. Raises what a tick of the simulator raised."""
        if self._runner is None or self._ticker is None:
            return
        runner, self._runner = self._runner, None
        self._stopping.set()
        for event in self._overtaken:
            event.set()
        await asyncio.gather(*(c.wire.close(code=WSCloseCode.GOING_AWAY) for c in list(self._connections)))
        await runner.cleanup()
        await self._ticker

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def keep_book(self, native: str, *, middle: Price | None = None) -> None:
        """Open a book here, around `middle` or a middle by seed, and keep it moving until a test sets it."""
        dice = random.Random(f"{self._seed}/{native}")  # noqa: S311 - books by seed
        maker = maker_of(self.simulator.exchange, Native(native), dice)
        maker.open(self.clock.now(), middle=middle)
        self.makers[self.simulator.exchange.by_native[native][0].market_id] = maker

    # --- calls ---

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        call = await _received(request)
        if call.path.startswith(PREFIX):
            reply = self._control.answer(call)
            self._tick()
            return self._reply(reply)
        if self._ticker is not None and self._ticker.done():
            self._ticker.result()
        treatment = self.faults.treat(f"{call.method} {call.path}", self.clock.real())
        upgrade = call.headers.get("upgrade", "").lower() == "websocket"
        await self._wait(treatment.wait_ms, self._stopping)
        if treatment.overtaken_ms:
            await self._wait_for_overtaker(treatment.overtaken_ms)
        if upgrade and treatment.reply in (Reply.VENUES, Reply.GARBLED):
            return await self._serve_socket(request, call)
        response = Response(treatment.status, treatment.body.encode())
        for _ in range(0 if upgrade else treatment.processed):
            answer = self._answer(call)
            response = response if treatment.reply is Reply.CANNED else answer
        await self._wait(treatment.hold_ms, self._stopping)
        if treatment.reply is Reply.GARBLED:
            response = Response(response.status, self.faults.garble(response.body), response.headers)
        if treatment.reply is Reply.NOTHING:
            return _vanish(request)
        return self._reply(response)

    def _answer(self, call: Call) -> Response:
        response = self.simulator.answer(call, self.clock.now())
        self._flush()
        for event in self._overtaken:
            event.set()
        return response

    async def _wait_for_overtaker(self, at_most_ms: int) -> None:
        event = asyncio.Event()
        self._overtaken.add(event)
        await self._wait(at_most_ms, event)
        self._overtaken.discard(event)

    async def _wait(self, at_most_ms: int, event: asyncio.Event) -> None:
        if at_most_ms:
            with suppress(TimeoutError):
                async with asyncio.timeout(_seconds(at_most_ms)):
                    await event.wait()

    def _reply(self, response: Response) -> web.Response:
        """The date is the venue's: a client may measure its clock by it."""
        headers = {"content-type": "application/json"} | response.headers
        headers["date"] = formatdate(self.clock.now() // 1000, usegmt=True)
        return web.Response(status=response.status, body=response.body, headers=headers)

    # --- connections ---

    async def _serve_socket(self, request: web.Request, call: Call) -> web.StreamResponse:
        if len(self._connections) >= SOCKETS_MAX:
            return self._reply(Response(503, b'{"error":"too many connections"}'))
        socket = self.simulator.connect(call, self.clock.now())
        self._flush()
        if isinstance(socket, Response):
            return self._reply(socket)
        wire = web.WebSocketResponse(
            autoping=False, compress=False, max_msg_size=FRAME_BYTES_MAX, timeout=CLOSE_WAIT_S
        )
        connection = _Connection(socket, wire, request)
        sender: asyncio.Task[None] | None = None
        try:
            await wire.prepare(request)
            self._connections.add(connection)
            sender = asyncio.create_task(connection.send_all())
            self._flush()
            await self._listen(connection)
        finally:
            self._connections.discard(connection)
            self.simulator.disconnect(socket)
            if sender is not None:
                sender.cancel()
                await asyncio.gather(sender, return_exceptions=True)
        return wire

    async def _listen(self, connection: _Connection) -> None:
        async for message in connection.wire:
            if message.type is WSMsgType.PING:
                if not self._silent(connection):
                    await connection.wire.pong(message.data)
            elif message.type is WSMsgType.TEXT:
                await self._hear(connection, message.data)
            elif message.type is WSMsgType.BINARY:
                await connection.wire.close(code=WSCloseCode.UNSUPPORTED_DATA)

    async def _hear(self, connection: _Connection, text: str) -> None:
        """One frame from the client."""
        delivery = self.faults.deliver(f"say {connection.path}", text, self.clock.real())
        await self._wait(delivery.wait_ms, self._stopping)
        if delivery.overtaken_ms and not connection.held:
            connection.held = delivery.texts
            release = partial(self._release_held, connection, delivery.texts)
            asyncio.get_running_loop().call_later(_seconds(delivery.overtaken_ms), release)
            return
        self._receive(connection, delivery.texts)
        self._release_held(connection, connection.held)
        await connection.end_as(delivery)

    def _release_held(self, connection: _Connection, held: tuple[str, ...]) -> None:
        """Hand over a frame that was held back, unless that is done."""
        if connection.held is held and connection in self._connections:
            connection.held = ()
            self._receive(connection, held)

    def _receive(self, connection: _Connection, texts: Sequence[str]) -> None:
        for text in texts:
            connection.socket.receive(text, self.clock.now())
            self._flush()

    def _silent(self, connection: _Connection) -> bool:
        """Whether a fault swallows pings now: a half-open connection has neither frames nor pings."""
        return self.faults.deliver(f"ping {connection.path}", "", self.clock.real()) == LOST

    def _flush(self) -> None:
        """Queue what the simulator has to say, on every connection."""
        for connection in list(self._connections):
            frames, connection.socket.outbox[:] = list(connection.socket.outbox), []
            for text in frames:
                connection.put(self.faults.deliver(f"ws {connection.path}", text, self.clock.real()))
            if connection.socket.closed:
                connection.finish()

    # --- time ---

    async def _tick_all(self) -> None:
        ticks = 0
        while not self._stopping.is_set():
            ticks += 1
            if ticks % MAKER_TICKS == 0:
                for maker in self.makers.values():
                    maker.step(self.clock.now())
            self._tick()
            self._ping_all()
            with suppress(TimeoutError):
                async with asyncio.timeout(_seconds(TICK_MS)):
                    await self._stopping.wait()

    def _tick(self) -> None:
        now_ms = self.clock.now()
        self.simulator.tick(now_ms)
        for connection in self._connections:
            connection.socket.tick(now_ms)
        self._flush()

    def _ping_all(self) -> None:
        if self.simulator.ping_ms is None:
            return
        now = asyncio.get_running_loop().time()
        for connection in self._connections:
            if now >= connection.ping_due:
                connection.ping_due = now + _seconds(self.simulator.ping_ms)
                if not self._silent(connection):
                    connection.put(_Ping())

    def _released(self, market: Market) -> None:
        self.makers.pop(market.market_id, None)


def _vanish(request: web.Request) -> web.Response:
    """No byte comes back: the client sees the connection close."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def _chars(item: Delivery | _Ping) -> int:
    return sum(len(text) for text in item.texts) if isinstance(item, Delivery) else 0


def _seconds(ms: int) -> float:
    return ms / 1000


async def start_simulator(
    simulator: Simulator,
    markets: Sequence[Mapping[str, object]],
    *,
    clock: Callable[[], int],
    seed: int,
    port: int = 0,
) -> SimServer:
    """A started server with these markets (wishes of `Simulator.list_market`), every book kept alive."""
    server = SimServer(simulator, clock=clock, seed=seed)
    for wish in markets:
        server.keep_book(simulator.list_market(wish)[0])
    await server.start(port=port)
    return server


async def _received(request: web.Request) -> Call:
    """The request as a value. The values of a query name that is repeated are joined by commas."""
    path, _, query_text = request.raw_path.partition("?")
    query: dict[str, str] = {}
    for name, value in parse_qsl(query_text, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    headers = {name.lower(): value for name, value in request.headers.items()}
    body = await request.read()
    return Call(
        method=request.method, path=path, query=query, query_text=query_text, headers=headers, body=body
    )
