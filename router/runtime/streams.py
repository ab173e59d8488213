"""The accounts' own streams: one connection per account and venue that has one, kept alive."""

import asyncio
from collections.abc import Iterable, Sequence

import msgspec
import structlog

from router.core.invariants import Alarm
from router.core.model import AccountId
from router.runtime.accounts import Account
from router.runtime.clock import Clock
from router.runtime.connection import DIAL_MS_MAX, STABLE_MS, backoff_ms_max
from router.runtime.desks import Desks
from router.runtime.metrics import Metrics
from router.runtime.sockets import Closed, Ping, Pong, Socket, SocketLost
from router.runtime.transport import Transport
from router.runtime.venue_gates import VenueGates
from venues.base.contract import PrivateEvent, PrivateFeed, Signer, Venue
from venues.base.events import Refused, Say
from venues.base.http import Silence, Unavailable
from venues.base.listing import Native
from venues.base.orders import News

BEAT_MS = 500
"""How often what is due is looked at; a stream's `tick` is promised once a second."""
PING_EVERY_MS = 10_000
SILENT_MS_MAX = 35_000
"""Neither a frame nor the answer to three pings: the connection is dead."""
SEND_MS_MAX = 5_000
OUTBOX_MAX = 1_000
WATCHED_MAX = 500
"""Books that one stream is asked about, where it must be asked; the longest unused make room."""
STREAMS_MAX = 500
"""Connections in all. Accounts beyond it are served by look-ups alone."""

log = structlog.get_logger(__name__)


class Shared(msgspec.Struct, frozen=True):
    """What all streams have in common."""

    transport: Transport
    clock: Clock
    metrics: Metrics
    desks: Desks
    gates: VenueGates


class Streams:
    """Starts and stops them all."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._streams: dict[tuple[AccountId, str], Stream] = {}

    def start(self, accounts: Iterable[Account], venues: Iterable[Venue]) -> None:
        """Connect for every account that trades on a venue with such a stream."""
        known = {venue.name: venue for venue in venues if venue.private is not None}
        wanted = [(a, known[name]) for a in accounts for name in a.signers if name in known]
        if len(wanted) > STREAMS_MAX:
            log.warning("stream.too_many", wanted=len(wanted), kept=STREAMS_MAX)
        for account, venue in wanted[:STREAMS_MAX]:
            key = account.account_id, venue.name
            stream = self._streams[key] = Stream(
                self._shared, account.account_id, venue, account.signers[venue.name]
            )
            stream.start()
        self._shared.desks.on_open = self._watch

    async def stop(self) -> None:
        """Close them all."""
        await asyncio.gather(*(stream.stop() for stream in self._streams.values()))

    def renew(self, account: AccountId, venue: str, signer: Signer) -> None:
        """An open stream goes on as it is; its next connection is made with these keys."""
        stream = self._streams.get((account, venue))
        if stream is not None:
            stream.signer = signer

    def _watch(self, account: AccountId, venue: str, native: Native) -> None:
        stream = self._streams.get((account, venue))
        if stream is not None:
            stream.watch(native)


class Stream:
    """One account's stream at one venue, across all its connections."""

    def __init__(self, shared: Shared, account: AccountId, venue: Venue, signer: Signer) -> None:
        self._shared, self._account, self._venue, self.signer = shared, account, venue, signer
        self._watched: dict[Native, None] = {}
        self._live: _Live | None = None
        self._failures = 0
        """In a row; also those by a bug of ours, which must not dial the venue without a pause either."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect."""
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Close and forget."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def watch(self, native: Native) -> None:
        """An order is about to go to this book."""
        new = self._watched.pop(native, self) is self
        self._watched[native] = None
        if len(self._watched) > WATCHED_MAX:
            del self._watched[next(iter(self._watched))]
        if new and self._live is not None:
            self._live.watch([native])

    async def _run(self) -> None:
        clock, name = self._shared.clock, self._venue.name
        while True:
            if self._failures:
                await clock.sleep(clock.jitter(backoff_ms_max(self._failures)))
            self._failures += 1
            opened_ms = clock.monotonic_ms()
            try:
                reason = await self._once()
            finally:
                if clock.monotonic_ms() - opened_ms >= STABLE_MS:
                    self._failures = 1
            log.warning(
                "stream.ended", venue=name, account=self._account, reason=reason, failures=self._failures
            )
            self._shared.metrics.stream_reconnects.labels(name, reason.partition(":")[0]).inc()

    async def _once(self) -> str:
        """One connection from its preparation to its end; returns why it ended."""
        shared, venue = self._shared, self._venue
        assert venue.private is not None
        feed = venue.private(self.signer)
        prepared = await shared.transport.perform(
            venue, feed.prepare(shared.clock.now_ms()), signer=self.signer, deadline_ms=DIAL_MS_MAX
        )
        if isinstance(prepared, Unavailable):
            return f"prepare: {prepared.reason}"
        socket = await shared.transport.dial(
            venue, feed.handshake(), signer=self.signer, deadline_ms=DIAL_MS_MAX
        )
        if isinstance(socket, Silence):
            return f"dial: {socket.reason}"
        gauge = shared.metrics.streams.labels(venue.name)
        self._live = _Live(shared, (self._account, venue.name), feed, socket)
        gauge.inc()
        shared.desks.back(self._account, venue.name)
        shared.gates.stream(self._account, venue.name, up=True)
        try:
            return await self._live.until_over(list(self._watched))
        finally:
            self._live = None
            shared.gates.stream(self._account, venue.name, up=False)
            gauge.dec()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Only a bug in a venue's folder gets here: say so, and go on."""
        if task.cancelled() or self._task is None:
            return
        self._shared.metrics.violations.labels(Alarm.STREAM_CRASHED.value).inc()
        log.error("stream.crashed", venue=self._venue.name, exc_info=task.exception())
        self.start()


class _Live:
    """One open connection. It ends once, with a reason."""

    def __init__(
        self, shared: Shared, whose: tuple[AccountId, str], feed: PrivateFeed, socket: Socket
    ) -> None:
        self._shared, self._whose, self._feed, self._socket = shared, whose, feed, socket
        self._outbox: asyncio.Queue[str] = asyncio.Queue(OUTBOX_MAX)
        self._heard_ms = self._pinged_ms = shared.clock.monotonic_ms()
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def until_over(self, natives: Sequence[Native]) -> str:
        """Work until it ends; returns why. Raises what a bug in the venue's folder raises."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in (self._receive(), self._send(), self._beat())]
            try:
                self._do(self._feed.opening())
                self.watch(natives)
                reason = await self._over
            finally:
                for task in tasks:
                    task.cancel()
                await self._socket.close()
        return reason

    def watch(self, natives: Sequence[Native]) -> None:
        """Ask for news about these books, where the stream wants to be asked."""
        if natives:
            self._do(self._feed.watch(natives))

    async def _receive(self) -> None:
        clock = self._shared.clock
        while not self._over.done():
            got = await self._socket.receive()
            self._heard_ms = clock.monotonic_ms()
            if isinstance(got, Closed):
                self._end(f"closed: {got.reason}")
            elif not isinstance(got, Ping | Pong):
                try:
                    self._do(self._feed.receive(got, clock.now_ms()))
                except ValueError:
                    self._end("unreadable")

    async def _send(self) -> None:
        while not self._over.done():
            await self._hand_over(await self._outbox.get())

    async def _beat(self) -> None:
        clock = self._shared.clock
        while not self._over.done():
            await clock.sleep(BEAT_MS)
            now_ms = clock.monotonic_ms()
            if now_ms - self._heard_ms > SILENT_MS_MAX:
                self._end("silent")
                return
            self._do(self._feed.tick(clock.now_ms()))
            if now_ms - self._pinged_ms >= PING_EVERY_MS:
                self._pinged_ms = now_ms
                await self._hand_over(None)

    async def _hand_over(self, text: str | None) -> None:
        """Send a frame, or a ping."""
        try:
            async with asyncio.timeout(SEND_MS_MAX / 1000):
                await (self._socket.ping() if text is None else self._socket.send(text))
        except (SocketLost, TimeoutError) as error:
            self._end(f"send: {type(error).__name__}")

    def _do(self, events: Iterable[PrivateEvent]) -> None:
        for event in events:
            match event:
                case News():
                    self._shared.desks.news(*self._whose, event)
                case Say(text):
                    try:
                        self._outbox.put_nowait(text)
                    except asyncio.QueueFull:
                        self._end("outbox_full")
                case Refused(reason, fatal):
                    log.warning("stream.refused", venue=self._whose[1], reason=reason, fatal=fatal)
                    if fatal:
                        self._end(f"refused: {reason}")

    def _end(self, reason: str) -> None:
        if not self._over.done():
            self._over.set_result(reason)
