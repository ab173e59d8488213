"""Takes connections from the listening sockets, each into a place that was counted before.

A connection that has not finished its TLS handshake counts as well: asyncio's own server would not
tell of it for a minute, and a thousand of them would take all files of the process.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import partial

import structlog

from router.http.reaper import Fleet, Reaper
from router.runtime.addresses import neighbour

BACKLOG = 1_024
"""Clients that wait in the system; it may allow fewer."""
ACCEPTS_MAX = 8
"""Connections taken in one turn of the loop: the requests of the others go on in between."""
RETRY_MS = 500
"""Until the next try when no connection could be taken, for instance because there are no files left."""
CLOSE_MS_MAX = 1_000
"""How long a client may take to say goodbye in TLS."""

log = structlog.get_logger(__name__)


class Acceptor:
    """The listening sockets."""

    def __init__(self, fleet: Fleet, tls: Callable[[], ssl.SSLContext | None]) -> None:
        """`tls` is asked for every connection, so that a new certificate needs no new socket."""
        self._fleet, self._tls = fleet, tls
        self._sockets: list[socket.socket] = []
        self._retry: asyncio.TimerHandle | None = None
        self._opening: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen on every address of `host`; the port, a free one for 0. OSError when one is taken."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            for family, address in dict.fromkeys((entry[0], str(entry[4][0])) for entry in found):
                listening = socket.create_server((address, port), family=family, backlog=BACKLOG)
                self._sockets.append(listening)
                listening.setblocking(False)
                port = listening.getsockname()[1]
        except OSError:
            self.close()
            raise
        self._listen()
        return port

    def close(self) -> None:
        """Take no more connections; those that are still being made are given up."""
        if self._retry is not None:
            self._retry.cancel()
        for listening in self._sockets:
            asyncio.get_running_loop().remove_reader(listening)
            listening.close()
        self._sockets.clear()
        for task in self._opening:
            task.cancel()

    def _listen(self) -> None:
        self._retry = None
        for listening in self._sockets:
            asyncio.get_running_loop().add_reader(listening, self._ready, listening)

    def _ready(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTS_MAX):
            try:
                client, peer = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:  # it has gone again
                continue
            except OSError as error:
                self._rest(error)
                return
            self._take(client, neighbour(str(peer[0])))

    def _rest(self, error: OSError) -> None:
        """Not at once again: the socket stays ready, and the loop would do nothing else."""
        log.error("http.accept_failed", reason=error.strerror)
        for listening in self._sockets:
            asyncio.get_running_loop().remove_reader(listening)
        if self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(RETRY_MS / 1000, self._listen)

    def _take(self, client: socket.socket, address: str) -> None:
        reaper = self._fleet.admit(address)
        if reaper is None:
            client.close()
            return
        client.setblocking(False)
        reaper.opening = task = asyncio.create_task(self._open(client, reaper))
        self._opening.add(task)
        task.add_done_callback(partial(self._opened, client, reaper))

    async def _open(self, client: socket.socket, reaper: Reaper) -> None:
        tls, loop = self._tls(), asyncio.get_running_loop()
        if tls is None:
            await loop.connect_accepted_socket(lambda: reaper, client)
        else:
            await loop.connect_accepted_socket(
                lambda: reaper,
                client,
                ssl=tls,
                ssl_handshake_timeout=self._fleet.limits.head_ms / 1000,
                ssl_shutdown_timeout=CLOSE_MS_MAX / 1000,
            )

    def _opened(self, client: socket.socket, reaper: Reaper, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        if not task.cancelled() and (error := task.exception()) is None:
            reaper.opening = None
            return
        if not task.cancelled() and not isinstance(error, OSError):
            log.error("http.accept_failed", exc_info=error)
        if not task.cancelled():
            self._fleet.metrics.connections_refused.of("handshake").inc()
        self._fleet.left(reaper)
        client.close()
