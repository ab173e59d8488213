"""Closes connections whose client keeps them without a request: aiohttp has no such limits.

A connection is given `HEAD_MS_MAX` from its first byte, or from being opened, until a handler has the
request, and `UNREAD_MS_MAX` to take what it was answered. The time for the body is limited where it is
read (`body.MS_MAX`), that of idle connections in `Protocol`. How many there may be is counted by `Fleet`.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import cast
from weakref import WeakValueDictionary

import msgspec

from router.runtime.metrics import Metrics

HEAD_MS_MAX = 5_000
"""A head is a few hundred bytes; a client on the worst line sends it in well under this time."""

UNREAD_MS_MAX = 10_000
"""How long a client may leave an answer in our buffers, beyond what the system buffers for it."""

TURNS_LEFT = 5
"""Turns of the loop between a client's time being up and its end: a head that came in time, while the loop
was held up, gets from the socket to its handler in fewer."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How many connections there may be."""

    connections: int = 512
    """Clients at once. A process often has 1,024 files, and venues and store need theirs."""
    per_address: int = 128
    """Of one address: more than the connection pools of common HTTP clients hold, a quarter of all."""
    head_ms: int = HEAD_MS_MAX


class Reaper(asyncio.Protocol):
    """Sits between the transport and aiohttp's protocol; passes everything on and keeps two timers."""

    def __init__(self, inner: asyncio.Protocol, fleet: "Fleet", address: str) -> None:
        self._inner, self._fleet = inner, fleet
        self.address = address
        """Whom the connection is counted under."""
        self._timer: asyncio.Handle | None = None
        self._unread: asyncio.Handle | None = None
        self._handling = 0
        self._transport: asyncio.WriteTransport | None = None
        self.opening: asyncio.Task[None] | None = None
        """What makes the connection, until it is made: a TLS handshake takes a while."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected: its time runs."""
        # Not isinstance: the transports of uvloop inherit from no class of asyncio.
        self._transport = cast("asyncio.WriteTransport", transport)
        self._fleet.joined(transport, self)
        self._inner.connection_made(transport)
        self._start()

    def data_received(self, data: bytes) -> None:
        """Bytes outside a request begin the next one: its time runs."""
        if self._timer is None and not self._handling:
            self._start()
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Passed on."""
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The timers go with the connection."""
        self._stop()
        self._caught_up()
        self._fleet.left(self)
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client takes less than it was sent: its time runs."""
        self._unread = asyncio.get_running_loop().call_later(UNREAD_MS_MAX / 1000, self._reap)
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._caught_up()
        self._inner.resume_writing()

    def handling(self) -> None:
        """A handler has the request: the head is complete."""
        self._handling += 1
        self._fleet.known(self)
        self._stop()

    def handled(self) -> None:
        """The handler is done; the next byte begins another request."""
        self._handling -= 1

    def abort(self) -> None:
        """Close at once, whatever state the connection is in."""
        if self._transport is not None:
            self._transport.abort()
        elif self.opening is not None:
            self.opening.cancel()

    def _start(self) -> None:
        delay = self._fleet.limits.head_ms / 1000
        self._timer = asyncio.get_running_loop().call_later(delay, self._late, TURNS_LEFT)

    def _late(self, turns: int) -> None:
        """Its time is up; what is on its way to a handler still gets there."""
        if turns > 0:
            self._timer = asyncio.get_running_loop().call_soon(self._late, turns - 1)
        else:
            self._reap()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _caught_up(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _reap(self) -> None:
        self._timer = None
        self._fleet.metrics.connections_reaped.inc()
        self.abort()


class Fleet:
    """All connections of the router: how many there are, whose they are, and which of them give way.

    Where there is no room a newcomer takes the place of the connection that has waited longest without
    ever sending a request. A client that has been served is never sent away for another.
    """

    def __init__(
        self, make: Callable[[], asyncio.Protocol], metrics: Metrics, limits: Limits | None = None
    ) -> None:
        self._make = make
        self.metrics, self.limits = metrics, limits or Limits()
        self._open: dict[str, dict[Reaper, None]] = {}
        """Connections by address."""
        self._strangers: dict[Reaper, None] = {}
        """Those that have not sent a whole head yet, oldest first."""
        self._count = 0
        self._reapers: WeakValueDictionary[int, Reaper] = WeakValueDictionary()

    def admit(self, address: str) -> Reaper | None:
        """A place for a client that was accepted, counted until `left`. None when there is none."""
        ours = self._open.get(address, {})
        if len(ours) >= self.limits.per_address:
            if not self._make_room("address", (other for other in ours if other in self._strangers)):
                return None
        elif self._count >= self.limits.connections and not self._make_room("all", self._strangers):
            return None
        reaper = Reaper(self._make(), self, address)
        self._open.setdefault(address, {})[reaper] = None
        self._strangers[reaper] = None
        self._count += 1
        self.metrics.connections_open.inc()
        return reaper

    def joined(self, transport: asyncio.BaseTransport, reaper: Reaper) -> None:
        """Remember which reaper watches a transport."""
        self._reapers[id(transport)] = reaper

    def known(self, reaper: Reaper) -> None:
        """It has sent a request: its place is its own."""
        self._strangers.pop(reaper, None)

    def left(self, reaper: Reaper) -> None:
        """A connection ended, or gives way. Also when it was said before."""
        ours = self._open.get(reaper.address, {})
        if reaper not in ours:
            return
        del ours[reaper]
        if not ours:
            del self._open[reaper.address]
        self._strangers.pop(reaper, None)
        self._count -= 1
        self.metrics.connections_open.dec()

    def of(self, transport: asyncio.BaseTransport | None) -> Reaper | None:
        """The reaper of a request's transport."""
        return self._reapers.get(id(transport))

    def _make_room(self, full: str, strangers: Iterable[Reaper]) -> bool:
        """Close the one that has waited longest. False if there is none: then the newcomer goes."""
        oldest = next(iter(strangers), None)
        if oldest is None:
            self.metrics.connections_refused.of(full).inc()
            return False
        self.metrics.connections_refused.of("gave_way").inc()
        self.left(oldest)
        oldest.abort()
        return True
