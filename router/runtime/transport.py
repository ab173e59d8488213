"""The one door to the venues: requests in, replies out, and for every failure what it proves.

Nothing here raises for what the outside did. A failure is a `Silence`; its `sent` is false only while the
request provably never got a connection. The reasons are short stable words, for logs and metrics.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import aiohttp
import structlog
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import Counter, Histogram
from yarl import URL

from router.runtime.breakers import Breakers
from router.runtime.clock import Clock
from router.runtime.door import Guard
from router.runtime.http1 import Base, Broken, Line, Lines
from router.runtime.metrics import Metrics
from router.runtime.paces import Paces
from router.runtime.sendable import fault
from router.runtime.slots import Slots, SlotsFull
from router.runtime.sockets import Socket, dial
from router.runtime.times import OFFSET_MS_MAX, VenueTimes, date_of
from router.runtime.wire import new_session
from venues.base.contract import Signer, Venue
from venues.base.http import Purpose, Reply, Request, Response, Silence, Talk

IN_FLIGHT_MAX = 32
"""Requests at once, per venue and purpose, and as many urgent ones: orders never wait behind data."""
WAITING_MAX = 64
"""Requests waiting for that; more would only expire in the queue."""
REQUEST_MS_MAX: Mapping[Purpose, int] = {
    Purpose.DATA: 10_000,
    Purpose.ACCOUNT: 5_000,
    Purpose.ORDER: 10_000,
}
"""The longest one request may take, whatever its caller allows: a slot is not held for ever."""
SIGNING_THREADS = 2
"""An RSA signature takes a quarter of a millisecond: two threads sign more than any venue accepts."""
UNAUTHORIZED = 401
STEPS_MAX = 256
"""Requests in one conversation: far above the longest list of pages."""

T = TypeVar("T")

log = structlog.stdlib.get_logger("crossbook.transport")


class Manner(NamedTuple):
    """How the requests of one conversation are to be sent. See `Door`."""

    signer: Signer | None
    end_ms: int
    urgent: bool
    guard: Guard | None


class EndlessTalkError(RuntimeError):
    """A venue's conversation did not end within STEPS_MAX requests: a bug in the venue's folder."""


class Transport:
    """HTTP and WebSocket client for all venues."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        *,
        hosts: Mapping[str, Mapping[str, str]] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`hosts` replaces base URLs: venue name to host name to URL. `tls` replaces the system's trust."""
        self._clock = clock
        self._metrics = metrics
        self._hosts = hosts or {}
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        """For WebSockets; requests go over `_lines`."""
        self._lines: Lines | None = None
        self._bases: dict[str, Base] = {}
        self._paces = Paces(clock, metrics)
        self.breakers, self.times = Breakers(clock, metrics), VenueTimes(clock)
        self._signing: ThreadPoolExecutor | None = None
        self._slots: dict[tuple[str, Purpose, bool], Slots] = {}
        self._counted: dict[tuple[str, Purpose, str | int], tuple[Counter, Histogram]] = {}
        """By what failed, or the first digit of the status."""
        self.may_act: Callable[[], bool] = lambda: True
        """Asked at the last moment before a request other than DATA leaves; without it nothing is sent."""

    async def start(self) -> None:
        """Make the client. Must run on the loop that will use it."""
        assert self._session is None, "started twice"
        self._session = new_session(self._tls)
        self._lines = Lines(self._tls)
        self._signing = ThreadPoolExecutor(SIGNING_THREADS, thread_name_prefix="sign")

    async def close(self) -> None:
        """Close every connection. Requests under way end in Silence, as do later ones."""
        session, self._session = self._session, None
        lines, self._lines = self._lines, None
        if lines is not None:
            await lines.close()
        if session is not None:
            await session.close()
        if self._signing is not None:
            self._signing.shutdown(wait=False, cancel_futures=True)

    def renew(self, venue: str, before: Signer, after: Signer) -> None:
        """Another signer of the account takes this one's place: the venue counts their calls together."""
        self._paces.inherit(venue, before, after)

    def url(self, venue: Venue, request: Request) -> URL:
        """Where a request goes, byte for byte as the venue wrote it. KeyError for an unknown host."""
        base = self._hosts.get(venue.name, {}).get(request.host) or venue.hosts[request.host]
        return URL(base + request.target, encoded=True)

    async def send(
        self,
        venue: Venue,
        request: Request,
        *,
        signer: Signer | None,
        deadline_ms: int,
        guard: Guard | None = None,
        urgent: bool = False,
    ) -> Reply:
        """One request, sent at most once; a DATA or ACCOUNT read may be sent twice: `_again`.

        `deadline_ms` is how long from now the whole of it may take: waiting, signing, sending, reading.
        A `private` request needs a signer. Redirects are not followed. `guard`, `urgent`: see `Door`.
        """
        manner = Manner(signer, self._clock.monotonic_ms() + deadline_ms, urgent, guard)
        return await self._ask(venue, request, manner)

    async def perform(
        self,
        venue: Venue,
        talk: Talk[T],
        *,
        signer: Signer | None = None,
        deadline_ms: int,
        guard: Guard | None = None,
        urgent: bool = False,
    ) -> T:
        """Hold a conversation and return what it learnt. `guard`, `urgent`: see `Door`.

        When `deadline_ms` from now has passed, whatever it still asks for is answered by a Silence that
        proves nothing was sent, so that it ends in a value.
        """
        manner = Manner(signer, self._clock.monotonic_ms() + deadline_ms, urgent, guard)
        reply: Reply | None = None
        for _ in range(STEPS_MAX):
            try:
                request = talk.send(reply) if reply is not None else next(talk)
            except StopIteration as stop:
                value: T = stop.value
                return value
            reply = await self._ask(venue, request, manner)
        talk.close()
        raise EndlessTalkError(f"{venue.name}: more than {STEPS_MAX} requests in one conversation")

    async def dial(
        self, venue: Venue, request: Request, *, signer: Signer | None, deadline_ms: int
    ) -> Socket | Silence:
        """Open a WebSocket by this handshake. It takes no slot: the feeds bound their own connections."""
        session = self._session
        if session is None:
            return Silence("closed", sent=False)
        end_ms = self._clock.monotonic_ms() + deadline_ms
        try:
            async with asyncio.timeout(self._left_s(end_ms)):
                ready = await self._ready(venue, request, signer, end_ms)
                if isinstance(ready, Silence):
                    return ready
                return await dial(
                    session,
                    self.url(venue, ready),
                    headers=ready.headers,
                    frame_bytes_max=venue.limits.frame_bytes_max,
                )
        except (TimeoutError, aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
            word = _word(error)
            silence = Silence(word, sent=not word.startswith("connect"))
            self._report(venue, request, silence)
            return silence

    async def _ask(self, venue: Venue, request: Request, manner: Manner) -> Reply:
        """One request as often as it may be sent, and what came of it in figures."""
        started_ms = self._clock.monotonic_ms()
        reply = await self._guarded(venue, request, manner)
        if self._again(venue, request, reply, started_ms):
            reply = await self._guarded(venue, request, manner)
        self._count(venue, request, reply, self._clock.monotonic_ms() - started_ms)
        return reply

    async def _guarded(self, venue: Venue, request: Request, manner: Manner) -> Reply:
        """Sent if the venue's breakers let it pass, which are told what came of it."""
        refusal = self.breakers.refusal(venue.name, request.purpose, urgent=manner.urgent)
        if refusal is not None:
            return refusal
        reply = await self._attempt(venue, request, manner)
        self.breakers.saw(venue, request.purpose, reply)
        return reply

    def _again(self, venue: Venue, request: Request, reply: Reply, started_ms: int) -> bool:
        """Whether a signed read was refused for its time, which the reply has set right. Never an order."""
        if not request.private or not isinstance(reply, Response) or reply.status != UNAUTHORIZED:
            return False
        told_ms = date_of(reply)
        if told_ms is None or abs(told_ms - self.times.now_ms(venue.name)) <= OFFSET_MS_MAX:
            return False
        believed = self.times.measured(venue.name, told_ms, before_ms=started_ms, sure=True)
        return (
            believed
            and request.purpose is not Purpose.ORDER
            and self.breakers.may_repeat(venue.name, "clock")
        )

    async def _attempt(self, venue: Venue, request: Request, manner: Manner) -> Reply:
        now_ms = self._clock.monotonic_ms()
        if manner.end_ms <= now_ms:
            return Silence("deadline", sent=False)
        if self._lines is None:
            return Silence("closed", sent=False)
        signer, urgent, purpose = manner.signer, manner.urgent, request.purpose
        end_ms = min(manner.end_ms, now_ms + REQUEST_MS_MAX[purpose])
        slots = self._slots_of(venue, purpose, urgent=urgent)
        try:
            if not slots.take_free():
                async with asyncio.timeout(self._left_s(end_ms)):
                    await slots.take()
            try:
                if not await self._paces.wait(venue, purpose, signer, end_ms=end_ms, urgent=urgent):
                    return Silence("paced", sent=False)
                ready = await self._ready(venue, request, signer, end_ms)
                if isinstance(ready, Silence):
                    return ready
                return await self._exchange(venue, ready, end_ms, manner.guard)
            finally:
                slots.give()
        except SlotsFull:
            return Silence("busy", sent=False)
        except TimeoutError:  # whatever comes after the first byte has its own answer
            return Silence("deadline", sent=False)

    def _left_s(self, end_ms: int) -> float:
        return max(0, end_ms - self._clock.monotonic_ms()) / 1000

    async def _ready(
        self, venue: Venue, request: Request, signer: Signer | None, end_ms: int
    ) -> Request | Silence:
        """The request as it will be sent: signed if private, and nothing in it that HTTP cannot carry."""
        if request.private:
            if signer is None:
                return Silence("unsigned: no credentials given", sent=False)
            try:
                if venue.traits.slow_signature:
                    async with asyncio.timeout(self._left_s(end_ms)):
                        request = await self._signed_elsewhere(venue, request, signer)
                else:
                    request = signer.sign(request, self.times.now_ms(venue.name))
            except ValueError as error:
                return Silence(f"unsigned: {type(error).__name__}", sent=False)
        why = fault(request)
        return Silence(f"unsendable: {why}", sent=False) if why else request

    async def _signed_elsewhere(self, venue: Venue, request: Request, signer: Signer) -> Request:
        assert self._signing is not None
        loop, now_ms = asyncio.get_running_loop(), self.times.now_ms(venue.name)
        return await loop.run_in_executor(self._signing, lambda: signer.sign(request, now_ms))

    async def _exchange(self, venue: Venue, request: Request, end_ms: int, guard: Guard | None) -> Reply:
        """Send it, wait for the reply. Only a read is sent again, once, when a kept connection was dead."""
        lines = self._lines
        if lines is None:
            return Silence("closed", sent=False)
        base = self._base(venue, request)
        data = base.render(request)
        now_ms = self._clock.monotonic_ms()
        line = lines.idle(base.origin, now_ms)
        self.breakers.sent(venue.name)
        while True:
            if line is None:
                try:
                    async with asyncio.timeout(self._left_s(end_ms)):
                        line = await lines.connect(base.origin)
                except Broken as broken:
                    return Silence(broken.word, sent=False)
                now_ms = self._clock.monotonic_ms()
            if why := self._why_not(request, guard):
                lines.keep(base.origin, line, now_ms)
                return Silence(why, sent=False)
            try:
                reply = await self._reply(line, data, end_ms - now_ms)
            except Broken as broken:
                dead = broken.unheard and line.used and request.purpose is not Purpose.ORDER
                if not dead or not self.breakers.may_repeat(venue.name, "dead_connection"):
                    return Silence(broken.word, sent=True)
                line = None
                continue
            lines.keep(base.origin, line, self._clock.monotonic_ms())
            return reply

    def _why_not(self, request: Request, guard: Guard | None) -> str | None:
        """Why this request may not leave now."""
        if request.purpose is not Purpose.DATA and not self.may_act():
            return "not_owner"
        return guard() if guard is not None and request.purpose is Purpose.ORDER else None

    async def _reply(self, line: Line, data: bytes, left_ms: int) -> Response:
        """Raises Broken. A connection that did not bring the whole reply is closed, whatever the reason."""
        reply = line.ask(data)
        alarm = reply.get_loop().call_later(max(0, left_ms) / 1000, _expire, reply)
        whole = False
        try:
            response = await reply
            whole = True
            return response
        finally:
            alarm.cancel()
            if not whole and self._lines is not None:
                self._lines.drop(line)

    def _base(self, venue: Venue, request: Request) -> Base:
        text = self._hosts.get(venue.name, {}).get(request.host) or venue.hosts[request.host]
        base = self._bases.get(text)
        if base is None:
            base = self._bases[text] = Base(text)
        return base

    def _slots_of(self, venue: Venue, purpose: Purpose, *, urgent: bool) -> Slots:
        """What is urgent has a lane of its own: a flood of orders keeps no cancel waiting."""
        key = (venue.name, purpose, urgent)
        slots = self._slots.get(key)
        if slots is None:
            slots = self._slots[key] = Slots(IN_FLIGHT_MAX, WAITING_MAX)
            kind = f"{purpose.value}{'_urgent' if urgent else ''}"
            self._metrics.in_flight.labels(venue.name, kind).set_function(lambda: slots.running)
        return slots

    def _count(self, venue: Venue, request: Request, reply: Reply, ms: int) -> None:
        if isinstance(reply, Silence):
            outcome: str | int = reply.reason.partition(":")[0]
            self._report(venue, request, reply, ms=ms)
        else:
            outcome = reply.status // 100
        key = (venue.name, request.purpose, outcome)
        counted = self._counted.get(key)
        if counted is None:  # finding a metric by its labels costs more than counting
            word = outcome if isinstance(outcome, str) else f"{outcome}xx"
            labels, metrics = (venue.name, request.purpose.value, word), self._metrics
            counted = metrics.requests.labels(*labels), metrics.request_seconds.labels(*labels)
            self._counted[key] = counted
        counted[0].inc()
        counted[1].observe(ms / 1000)

    def _report(self, venue: Venue, request: Request, silence: Silence, *, ms: int | None = None) -> None:
        """Query, headers and body stay out: they carry keys and signatures."""
        log.warning(
            "transport.silence",
            venue=venue.name,
            purpose=request.purpose.value,
            method=request.method,
            path=request.path,
            reason=silence.reason,
            sent=silence.sent,
            ms=ms,
        )


def _expire(reply: "asyncio.Future[Response]") -> None:
    if not reply.done():
        reply.set_exception(Broken("deadline"))


def _word(error: Exception) -> str:
    """A stable word for a failed handshake, and its type. Never its text: that may quote the request."""
    name = type(error).__name__
    match error:
        case aiohttp.ClientConnectorError() | aiohttp.ClientConnectorCertificateError():
            return f"connect: {type(error.os_error).__name__ if hasattr(error, 'os_error') else name}"
        case aiohttp.ConnectionTimeoutError():
            return f"connect: {name}"
        case TimeoutError():
            return "deadline"
        case aiohttp.WSServerHandshakeError():
            return f"refused: http {error.status}"
        case aiohttp.ClientPayloadError() | aiohttp.ClientResponseError() | HttpProcessingError():
            return f"garbled: {name}"
        case OSError() | aiohttp.ClientConnectionError():
            return f"torn: {name}"
        case _:
            return f"garbled: {name}"
