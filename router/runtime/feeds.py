"""Keeps the books of all venues streaming: spreads them over connections and keeps those alive."""

import asyncio
import math
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import count

from router.core.book import Books
from router.runtime.clock import Clock
from router.runtime.connection import Connection
from router.runtime.metrics import Metrics
from router.runtime.session import Hooks, Shared
from router.runtime.transport import Transport
from venues.base.contract import Signer, Venue
from venues.base.listing import Native

DIALS_AT_ONCE = 4
"""Connections of one venue being made at the same time: venues limit new connections per address."""


class Feeds(Hooks):
    """Which book comes over which connection. All methods are for the loop's own thread.

    Ages and silence are measured on `Clock.monotonic_ms`: a reader of the books asks
    `Book.why_unusable` with that clock.
    """

    def __init__(
        self,
        venues: Mapping[str, Venue],
        books: Books,
        transport: Transport,
        clock: Clock,
        *,
        metrics: Metrics,
        signers: Mapping[str, Signer] | None = None,
    ) -> None:
        """`signers` are for the venues that demand a signed handshake, by venue name."""
        super().__init__()
        self._books = books
        self._clock = clock
        self._connections: dict[str, list[Connection]] = {name: [] for name in venues}
        self._places: dict[tuple[str, Native], Connection] = {}
        self._closing: set[asyncio.Task[None]] = set()
        numbers = count(1)
        self._shared = {
            name: Shared(
                venue=venue,
                signers=signers if signers is not None else {},
                books=books,
                transport=transport,
                clock=clock,
                metrics=metrics,
                hooks=self,
                numbers=numbers,
                dialling=asyncio.Semaphore(DIALS_AT_ONCE),
            )
            for name, venue in venues.items()
        }
        for name in venues:
            metrics.connections.labels(name).set_function(partial(self.up, name))
            metrics.watched.labels(name).set_function(partial(self._watched, name))
            metrics.book_age.labels(name).set_function(partial(self._age_s, name))

    def watched(self, venue: str) -> frozenset[Native]:
        """The books of a venue that are streamed, or are to be."""
        return frozenset(native for connection in self._connections[venue] for native in connection.natives)

    def up(self, venue: str) -> int:
        """How many of the venue's connections are open."""
        return sum(connection.session is not None for connection in self._connections[venue])

    def watch(self, venue: str, natives: Iterable[Native]) -> None:
        """Stream these books as well. KeyError for an unknown venue. Needs a running loop."""
        fresh = [n for n in dict.fromkeys(natives) if (venue, n) not in self._places]
        for connection in self._connections[venue]:
            fresh = self._place(venue, connection, fresh)
        while fresh:
            connection = Connection(self._shared[venue])
            self._connections[venue].append(connection)
            fresh = self._place(venue, connection, fresh)
            connection.start()

    def unwatch(self, venue: str, natives: Iterable[Native]) -> None:
        """Stop streaming these books and forget them."""
        leaving: dict[Connection, list[Native]] = {}
        for native in dict.fromkeys(natives):
            connection = self._places.pop((venue, native), None)
            if connection is not None:
                leaving.setdefault(connection, []).append(native)
        for connection, gone in leaving.items():
            connection.unwatch(gone)
            for native in gone:
                self._books.forget(venue, native)
            if not connection.natives:
                self._connections[venue].remove(connection)
                self._close(connection)

    def follow(self, venue: str, natives: Iterable[Native]) -> None:
        """Stream exactly these books of the venue from now on."""
        wanted = frozenset(natives)
        self.unwatch(venue, self.watched(venue) - wanted)
        self.watch(venue, sorted(wanted))

    async def stop(self) -> None:
        """Close every connection; every book is then lost."""
        connections = [each for of_venue in self._connections.values() for each in of_venue]
        for of_venue in self._connections.values():
            of_venue.clear()
        self._places.clear()
        await asyncio.gather(*(connection.stop() for connection in connections), *self._closing)

    def _place(self, venue: str, connection: Connection, natives: list[Native]) -> list[Native]:
        """Fill the connection; returns what found no room."""
        room = connection.room
        taken, left = natives[:room], natives[room:]
        for native in taken:
            self._books.open(venue, native)
            self._places[venue, native] = connection
        if taken:
            connection.watch(taken)
        return left

    def _close(self, connection: Connection) -> None:
        task = asyncio.create_task(connection.stop())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _watched(self, venue: str) -> int:
        return len(self.watched(venue))

    def _age_s(self, venue: str) -> float:
        """Seconds since the quietest open connection was heard; not a number while none is open."""
        heard = [c.session.pulse.heard_ms for c in self._connections[venue] if c.session is not None]
        return (self._clock.monotonic_ms() - min(heard)) / 1000 if heard else math.nan
