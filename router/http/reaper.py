"""Closes connections whose client does not finish its request's head: aiohttp has no such limit.

A connection is given `HEAD_MS_MAX` from its first byte, or from being opened, until a handler has the
request. The time for the body is limited where it is read, that of idle connections in `Protocol`.
"""

import asyncio
from collections.abc import Callable
from typing import cast
from weakref import WeakValueDictionary

HEAD_MS_MAX = 5_000
"""A head is a few hundred bytes; a client on the worst line sends it in well under this time."""

TURNS_LEFT = 5
"""Turns of the loop between a client's time being up and its end: a head that came in time, while the loop
was held up, gets from the socket to its handler in fewer."""

CONNECTIONS_MAX = 512
"""Clients at once. A process often has 1,024 files, and venues and store need theirs."""


class Reaper(asyncio.Protocol):
    """Sits between the transport and aiohttp's protocol; passes everything on and keeps one timer."""

    def __init__(self, inner: asyncio.Protocol, fleet: "Fleet") -> None:
        self._inner = inner
        self._fleet = fleet
        self._timer: asyncio.Handle | None = None
        self._handling = 0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected: its time runs."""
        # Not isinstance: the transports of uvloop inherit from no class of asyncio.
        self._transport = cast("asyncio.WriteTransport", transport)
        self._fleet.joined(transport, self)
        self._inner.connection_made(transport)
        if self._fleet.crowded:
            self._reap()
        else:
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
        """The timer goes with the connection."""
        self._stop()
        self._fleet.left()
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Passed on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Passed on."""
        self._inner.resume_writing()

    def handling(self) -> None:
        """A handler has the request: the head is complete."""
        self._handling += 1
        self._stop()

    def handled(self) -> None:
        """The handler is done; the next byte begins another request."""
        self._handling -= 1

    def _start(self) -> None:
        delay = self._fleet.head_ms / 1000
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

    def _reap(self) -> None:
        self._timer = None
        self._fleet.reaped()
        if self._transport is not None:
            self._transport.abort()


class Fleet:
    """All connections of one listening socket."""

    def __init__(
        self,
        make: Callable[[], asyncio.Protocol],
        reaped: Callable[[], None],
        *,
        head_ms: int = HEAD_MS_MAX,
    ) -> None:
        self._make = make
        self.reaped = reaped
        self.head_ms = head_ms
        self._open = 0
        self._reapers: WeakValueDictionary[int, Reaper] = WeakValueDictionary()

    def __call__(self) -> Reaper:
        """The connection factory for `loop.create_server`."""
        return Reaper(self._make(), self)

    def joined(self, transport: asyncio.BaseTransport, reaper: Reaper) -> None:
        """Remember which reaper watches a transport."""
        self._reapers[id(transport)] = reaper
        self._open += 1

    def left(self) -> None:
        """A connection ended."""
        self._open -= 1

    @property
    def crowded(self) -> bool:
        """Whether there is one connection too many."""
        return self._open > CONNECTIONS_MAX

    def of(self, transport: asyncio.BaseTransport | None) -> Reaper | None:
        """The reaper of a request's transport."""
        return self._reapers.get(id(transport))
