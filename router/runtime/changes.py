"""Puts in force what was changed in the database while the router runs, within a bounded time.

Every change of keys also changes a number in the table `changes`. The router reads the numbers a few times
a second over a connection and a thread of their own, so that no order ever waits for it.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog

from router.core.invariants import Alarm
from router.runtime.clock import Clock
from router.runtime.keys import ApiKey, KeyId, KeyRing
from router.runtime.metrics import Metrics
from router.runtime.store.api_keys import in_force, note_uses
from router.runtime.store.beside import attend
from router.runtime.store.protocol import StoreDown

POLL_MS = 250
"""So that a change is in force within a second (docs/keys.md), a busy machine included."""
USES_EVERY_MS = 30_000
"""How often it is written down when keys were used last."""

STOP_MS_MAX = 2_000
"""How long the end waits for a look that is under way: a key service may hang."""
RETRY_MS = 10_000
"""After something that another program or a person must mend, such as a key service that is down."""

Apply = Callable[[], None]
log = structlog.get_logger(__name__)


class NotYet(Exception):
    """What changed cannot be read now. What was in force stays so, and it is tried again after RETRY_MS."""


class Subject(Protocol):
    """What may change in the database."""

    @property
    def topic(self) -> str:
        """Its row in the table `changes`."""
        ...

    def read(self, connection: sqlite3.Connection) -> Apply:
        """Read it, in the watch's thread. What is returned puts it in force; it runs on the loop.

        Raises NotYet when it should be tried again.
        """
        ...


class KeyBook:
    """The API keys of the database, for the ring that the routes ask."""

    topic = "api_keys"

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def read(self, connection: sqlite3.Connection) -> Apply:
        """See `Subject`."""
        keys = in_force(connection)
        return partial(self._use, keys)

    def _use(self, keys: list[ApiKey]) -> None:
        ignored = self._ring.use(keys)
        log.info("keys.loaded", count=len(keys) - len(ignored))
        if ignored:
            log.warning("keys.ignored", names=ignored, why="the settings have a key of this name or text")


class Changes:
    """Watches one subject, so that none waits for another's reading; with a ring it writes down its uses."""

    def __init__(
        self, path: Path, clock: Clock, metrics: Metrics, *, subject: Subject, ring: KeyRing | None = None
    ) -> None:
        """`path` is the database."""
        self._path, self._clock, self._subject, self._ring = path, clock, subject, ring
        self._metrics = metrics
        self._up = metrics.changes_up.labels(subject.topic)
        self._seen: int | None = None
        """The number of what is in force."""
        self._retry_ms = 0
        """When what could not be read is tried again."""
        self._uses: dict[KeyId, int] = {}
        """Not written down yet, because the last try failed."""
        self._noted_ms = 0
        self._connection: sqlite3.Connection | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self, *, patient: bool = False) -> None:
        """Put everything in force, then watch. Raises StoreDown, unless `patient`: then it goes on trying."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="changes")
        self._noted_ms = self._clock.monotonic_ms()
        up = False
        try:
            await self._look()
            up = True
        except sqlite3.Error as error:
            if not patient:
                raise StoreDown(f"cannot read keys from {self._path}: {error}") from error
        self._begin(up)

    async def stop(self) -> None:
        """Write down the last uses, let go."""
        watching, self._watching = self._watching, None
        thread, self._thread = self._thread, None
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        if thread is not None:
            ending = asyncio.get_running_loop().run_in_executor(thread, self._end, self._taken())
            await asyncio.wait({ending}, timeout=STOP_MS_MAX / 1000)
            if ending.done():
                ending.result()
            else:
                log.warning("changes.not_ended", topic=self._subject.topic)
            thread.shutdown(wait=False)

    def _begin(self, up: bool) -> None:
        self._up.set(up)
        self._watching = asyncio.create_task(self._watch(up))
        self._watching.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Only a bug gets here: say so loudly, and go on, for a revoked key must not stay in force."""
        if task.cancelled() or self._watching is None:
            return
        self._metrics.violations.labels(Alarm.CHANGES_CRASHED.value).inc()
        log.error("changes.crashed", topic=self._subject.topic, exc_info=task.exception())
        self._begin(up=False)

    async def _watch(self, up: bool) -> None:
        while True:
            await self._clock.sleep(POLL_MS)
            try:
                await self._look()
                await self._note()
                now_up, why = True, ""
            except sqlite3.Error as error:
                now_up, why = False, str(error)
            if now_up != up:  # what was in force stays so: a store that fails takes no orders anyway
                event = "changes.read_again" if now_up else "changes.unread"
                log.warning(event, topic=self._subject.topic, why=why)
                self._up.set(now_up)
                up = now_up

    async def _look(self) -> None:
        assert self._thread is not None
        new = await asyncio.get_running_loop().run_in_executor(self._thread, self._read)
        if new is not None:
            self._seen, apply = new
            apply()

    async def _note(self) -> None:
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._noted_ms < USES_EVERY_MS or self._thread is None:
            return
        self._noted_ms = now_ms
        self._uses |= self._taken()
        if self._uses:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._write, dict(self._uses))
            self._uses.clear()

    def _taken(self) -> dict[KeyId, int]:
        return self._ring.take_uses() if self._ring is not None else {}

    # --- in the thread ---

    def _read(self) -> tuple[int, Apply] | None:
        """The number of what is new and what puts it in force, or None."""
        topic, now_ms = self._subject.topic, self._clock.monotonic_ms()
        try:
            connection = self._open()
            [(version,)] = connection.execute("SELECT version FROM changes WHERE topic = ?", (topic,))
            if version == self._seen or now_ms < self._retry_ms:
                return None
            return version, self._subject.read(connection)
        except NotYet as why:
            self._retry_ms = now_ms + RETRY_MS
            log.warning("changes.not_yet", topic=topic, why=str(why))
            return None
        except sqlite3.Error:
            self._drop()
            raise

    def _write(self, uses: dict[KeyId, int]) -> None:
        try:
            note_uses(self._open(), uses)
        except sqlite3.Error:
            self._drop()
            raise

    def _end(self, uses: dict[KeyId, int]) -> None:
        try:
            if uses := self._uses | uses:
                self._write(uses)
        except sqlite3.Error as error:
            log.warning("keys.uses_lost", count=len(uses), why=str(error))
        self._drop()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = attend(self._path)
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
