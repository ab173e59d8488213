"""A place for one market-data connection: connects, subscribes, and when it ends waits and connects again."""

import asyncio
from collections.abc import Sequence

import structlog

from router.core.invariants import Alarm
from router.runtime.session import Session, Shared
from venues.base.http import Silence
from venues.base.listing import Native

BACKOFF_MS_MIN = 250
BACKOFF_MS_MAX = 30_000
"""Waits are drawn between zero and a bound that doubles with each failure in a row, up to this."""
STABLE_MS = 10_000
"""A connection that lived this long was a success; the next failure is a first one."""
DIAL_MS_MAX = 5_000

log = structlog.stdlib.get_logger("crossbook.feeds")


class Connection:
    """The books of one connection, across all its sessions. At most one session is open."""

    def __init__(self, shared: Shared) -> None:
        self.natives: dict[Native, None] = {}
        self.session: Session | None = None
        self._shared = shared
        self._number = 0
        self._failures = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def room(self) -> int:
        """How many more books it takes."""
        return self._shared.venue.limits.listings_per_connection - len(self.natives)

    def start(self) -> None:
        """Begin to connect."""
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Close and forget. The books are lost when it returns."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def watch(self, natives: Sequence[Native]) -> None:
        """Take these books on, now or when connected."""
        assert len(natives) <= self.room
        self.natives.update(dict.fromkeys(natives))
        if self.session is not None:
            self.session.subscribe(natives)

    def unwatch(self, natives: Sequence[Native]) -> None:
        """Let go of these books."""
        for native in natives:
            del self.natives[native]
        if self.session is not None:
            self.session.unsubscribe(natives)

    async def _run(self) -> None:
        venue, clock = self._shared.venue.name, self._shared.clock
        while True:
            if self._failures:
                await clock.sleep(clock.jitter(backoff_ms_max(self._failures)))
            self._failures += 1  # also when a bug ends it
            reason = await self._once()
            log.warning(
                "feed.ended", venue=venue, number=self._number, reason=reason, failures=self._failures
            )
            self._shared.metrics.reconnects.labels(venue, reason.partition(":")[0]).inc()

    async def _once(self) -> str:
        """One session from dialling to its end; returns why it ended. Its books are then lost."""
        shared = self._shared
        self._number = next(shared.numbers)
        feed = shared.venue.feed()
        async with shared.dialling:
            socket = await shared.transport.dial(
                shared.venue, feed.handshake(), signer=shared.signer, deadline_ms=DIAL_MS_MAX
            )
        if isinstance(socket, Silence):
            return f"dial: {socket.reason}"
        opened_ms = shared.clock.monotonic_ms()
        self.session = Session(shared, self._number, feed, socket)
        try:
            if self.natives:
                self.session.subscribe(list(self.natives))
            return await self.session.live()
        finally:
            self.session = None
            if shared.clock.monotonic_ms() - opened_ms >= STABLE_MS:
                self._failures = 1

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Only a bug in a feed gets here: say so loudly, and keep the other books coming."""
        if task.cancelled() or self._task is None:
            return
        self._shared.metrics.violations.labels(Alarm.FEED_CRASHED.value).inc()
        log.error("feed.crashed", venue=self._shared.venue.name, exc_info=task.exception())
        self.start()


def backoff_ms_max(failures: int) -> int:
    """The longest wait after so many failures in a row."""
    return min(BACKOFF_MS_MAX, BACKOFF_MS_MIN << min(failures - 1, 16))
