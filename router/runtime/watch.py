"""Keeps an eye on every venue where nobody asks: its clock once a minute, and the read that ends a breaker.

A venue whose gate is closed gets no orders and no balance reads, so that nothing else would find out that it
is back.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from router.runtime.accounts import Account
from router.runtime.door import Door
from router.runtime.tasks import steady
from router.runtime.venue_gates import Means, VenueGates
from venues.base.contract import Venue
from venues.base.http import Purpose, Unavailable

BEAT_MS = 1_000
"""How often gates are looked at."""
CLOCK_EVERY_MS = 60_000
CLOCK_AGAIN_MS = 5_000
"""While the time is unknown, in doubt or too far off."""
READ_MS_MAX = 2_000


class Watch:
    """One task per venue."""

    def __init__(
        self,
        venues: Mapping[str, Venue],
        door: Door,
        means: Means,
        *,
        gates: VenueGates,
        accounts: Sequence[Account],
        followed: Callable[[str], bool],
        beat_ms: int = BEAT_MS,
    ) -> None:
        """`followed` says of a venue by its name whether any of its books is read."""
        self._beat_ms, self._followed = beat_ms, followed
        self._venues, self._door, self._means, self._gates = venues, door, means, gates
        self._accounts = accounts
        self._measured_ms: dict[str, int] = {}
        """When each venue's clock was last asked for, monotonic."""
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Measure every clock in use once, then keep watching."""
        used = [venue for venue in self._venues.values() if self._used(venue.name)]
        await asyncio.gather(*(self._measure(venue) for venue in used))
        clock, metrics = self._means.clock, self._means.metrics
        self._tasks = [
            asyncio.create_task(
                steady(f"watch {name}", partial(self._watch, venue), clock=clock, metrics=metrics)
            )
            for name, venue in self._venues.items()
        ]

    async def stop(self) -> None:
        """Watch no longer."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, venue: Venue) -> None:
        while True:
            await self._means.clock.sleep(self._beat_ms)
            if self._used(venue.name):
                await self.look(venue)

    def _used(self, name: str) -> bool:
        """A venue where nobody trades, and of which no book is read, is left alone: it is not even called."""
        return self._followed(name) or any(name in account.signers for account in self._accounts)

    async def look(self, venue: Venue) -> None:
        """Do what is due at one venue, and let log and metrics know of its gates."""
        due = self._means.breakers.due(venue.name)
        now_ms = self._means.clock.monotonic_ms()
        times = self._means.times
        wait_ms = CLOCK_EVERY_MS if times.near(venue.name) and times.sure(venue.name) else CLOCK_AGAIN_MS
        measured_ms = self._measured_ms.get(venue.name)
        if Purpose.DATA in due or measured_ms is None or now_ms - measured_ms >= wait_ms:
            await self._measure(venue)
        if Purpose.ACCOUNT in due or Purpose.ORDER in due:
            await self._probe(venue)
        for account in self._accounts:
            if venue.name in account.signers:
                self._gates.why_closed(account.account_id, venue.name)
        self._means.metrics.clock_offset.labels(venue.name).set(times.offset_ms(venue.name) / 1000)

    async def _measure(self, venue: Venue) -> None:
        before_ms = self._measured_ms[venue.name] = self._means.clock.monotonic_ms()
        told = await self._door.perform(venue, venue.orders.clock(), deadline_ms=READ_MS_MAX)
        if not isinstance(told, Unavailable):
            self._means.times.measured(venue.name, told, before_ms=before_ms)

    async def _probe(self, venue: Venue) -> None:
        """Any account's balance: what it says does not matter, but that the venue says it."""
        signer = next((a.signers[venue.name] for a in self._accounts if venue.name in a.signers), None)
        if signer is not None:
            talk = venue.orders.funds(signer)
            await self._door.perform(venue, talk, signer=signer, deadline_ms=READ_MS_MAX)
