"""The one thread that writes. All who wait while the disk works share the next transaction."""

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from enum import Enum

import msgspec
import structlog

from router.core import trail
from router.core.records import Record, encode
from router.core.trail import Change
from router.runtime.metrics import Metrics
from router.runtime.store import sqlite_owner, sqlite_rows
from router.runtime.store.lease import Lease
from router.runtime.store.protocol import RecordRefused, StoreDown, StoreFault, StoreLost
from router.runtime.store.sqlite_rows import Body

BATCH_MAX = 512
"""Submissions in one transaction: above this a longer one gains nothing and delays its first record."""
PROBE_EVERY_S = 0.5
"""While failing: how often to try whether the disk takes data again."""
STOP_S_MAX = 5.0
"""How long a shutdown waits for the disk; after that the process ends and the system lets go."""
PROBE_BYTES = 65_536
"""More than the largest record, so that a disk with a few bytes left does not count as well."""

log = structlog.stdlib.get_logger("crossbook.store")


class Wake(Enum):
    """What the thread is told besides records."""

    PROBE = "probe"
    STOP = "stop"


class Waiting(msgspec.Struct, frozen=True):
    """Records that are written together or not at all, and who waits for them."""

    bodies: list[Body]
    done: asyncio.Future[None]


class Writer:
    """Group commit. `submit` is for the loop's thread; everything else happens in the writer's own."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        connect: Callable[[], sqlite3.Connection],
        metrics: Metrics,
        loop: asyncio.AbstractEventLoop,
        *,
        lease: Lease,
        on_lost: Callable[[], None],
    ) -> None:
        """`connect` makes another connection after a failure; `on_lost` is called in the loop's thread."""
        self.failing: str | None = None
        self.waiting = 0
        """Calls of `submit` not yet answered; counted in the loop's thread."""
        self._connection: sqlite3.Connection | None = connection
        self._connect = connect
        self._metrics = metrics
        self._loop = loop
        self._lease, self._on_lost = lease, on_lost
        self._queue: queue.SimpleQueue[Waiting | Wake] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._metrics.store_up.set(1)
        self._metrics.store_epoch.set(self._lease.epoch)
        self._metrics.store_owned.set(1)
        self._thread.start()

    def submit(self, records: tuple[Record | Change, ...]) -> asyncio.Future[None]:
        """Queue them; the future ends when all are durable, or with a StoreFault."""
        done = self._loop.create_future()
        self.waiting += 1
        bodies = [
            (each, trail.encode(each) if isinstance(each, Change) else encode(each)) for each in records
        ]
        self._queue.put(Waiting(bodies, done))
        return done

    def give_up(self, done: asyncio.Future[None]) -> None:
        """Whoever waits has waited too long: failing until the next transaction or probe goes through."""
        if not done.done():
            self.failing = "the disk does not answer"
            self._queue.put(Wake.PROBE)
            done.set_exception(StoreDown(self.failing))

    def stop(self) -> bool:
        """Write what was submitted, then end. Blocks; False when the disk has not let go by STOP_S_MAX."""
        self._queue.put(Wake.STOP)
        self._thread.join(STOP_S_MAX)
        return not self._thread.is_alive()

    def _run(self) -> None:
        running = True
        while running:
            batch, running = self._take()
            if batch:
                self._answer(batch, self._commit(batch))
            elif running and self._lease.lost is None:
                self._probe()
        self._drop()
        self._metrics.store_up.set(0)
        self._metrics.store_owned.set(0)

    def _take(self) -> tuple[list[Waiting], bool]:
        """All that wait, up to BATCH_MAX, and whether more may come. Empty when a probe is due."""
        batch: list[Waiting] = []
        try:
            item = self._queue.get(timeout=self._patience_s())
            while isinstance(item, Waiting):
                batch.append(item)
                if len(batch) >= BATCH_MAX:
                    return batch, True
                item = self._queue.get_nowait()
        except queue.Empty:
            return batch, True
        return batch, item is not Wake.STOP

    def _patience_s(self) -> float | None:
        """How long to wait for something to write; None: for ever."""
        if self._lease.lost is not None:
            return None
        return PROBE_EVERY_S if self.failing is not None else self._lease.beat_ms / 1_000

    def _commit(self, batch: Sequence[Waiting]) -> list[StoreFault | None]:
        """One transaction for the whole batch. What it means for each record, in the same order."""
        try:
            self._transact(batch)
        except sqlite3.IntegrityError as error:
            if len(batch) == 1:
                return [RecordRefused(f"{_name(batch[0].bodies[0][0])}: {error}")]
            return [outcome for item in batch for outcome in self._commit([item])]
        except StoreLost as lost:
            self._lose(lost)
            return [lost] * len(batch)
        except (sqlite3.Error, OSError) as error:
            self._fail(error)
            return [StoreDown(f"cannot write: {error}")] * len(batch)
        return [None] * len(batch)

    def _transact(self, batch: Sequence[Waiting]) -> None:
        started, beat_due = time.perf_counter(), not self._lease.beat_ms
        connection, lives_ms = self._begin()
        try:
            sqlite_rows.insert(
                connection, [body for item in batch for body in item.bodies], self._lease.epoch
            )
            if beat_due:
                sqlite_owner.beat(connection)
            connection.execute("COMMIT")
        except sqlite3.IntegrityError:
            connection.execute("ROLLBACK")
            raise
        if beat_due:
            self._lease.renew(lives_ms)
        self._metrics.commits.inc()
        self._metrics.commit_seconds.observe(time.perf_counter() - started)
        self._metrics.batch_size.observe(sum(len(item.bodies) for item in batch))
        self._recover()

    def _begin(self) -> tuple[sqlite3.Connection, int]:
        """A transaction of the owner, and a time at which it lived. Raises StoreLost when it is another."""
        connection, lives_ms = self._open(), self._lease.now_ms()
        connection.execute("BEGIN IMMEDIATE")
        try:
            sqlite_owner.verify(connection, self._lease.epoch)
        except StoreLost:
            connection.execute("ROLLBACK")
            raise
        return connection, lives_ms

    def _probe(self) -> None:
        """Show that the owner lives. While failing write as much as a record, and take it away again."""
        try:
            connection, lives_ms = self._begin()
            sqlite_owner.beat(connection)
            if self.failing is not None:
                connection.execute("INSERT INTO probe (filler) VALUES (zeroblob(?))", (PROBE_BYTES,))
                connection.execute("DELETE FROM probe")
            connection.execute("COMMIT")
        except StoreLost as lost:
            self._lose(lost)
        except (sqlite3.Error, OSError) as error:
            self._fail(error)
        else:
            self._lease.renew(lives_ms)
            self._recover()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _fail(self, error: Exception) -> None:
        """Whether the failed transaction is on the disk is unknown: start over with a new connection."""
        if self.failing is None:
            log.error("store.down", reason=str(error))
        self.failing = str(error)
        self._metrics.commit_failures.inc()
        self._metrics.store_up.set(0)
        self._drop()

    def _lose(self, lost: StoreLost) -> None:
        """Another process owns the store: nothing is written any more."""
        if self._lease.lost is not None:
            return
        self._lease.lose(str(lost))
        log.error("store.lost", reason=str(lost), epoch=self._lease.epoch)
        self._metrics.store_owned.set(0)
        self._metrics.store_up.set(0)
        self._tell(self._on_lost)

    def _recover(self) -> None:
        if self.failing is not None:
            log.warning("store.up", after=self.failing)
            self.failing = None
            self._metrics.store_up.set(1)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except sqlite3.Error as error:
                log.warning("store.close_failed", reason=str(error))

    def _answer(self, batch: Sequence[Waiting], outcomes: Sequence[StoreFault | None]) -> None:
        self._tell(self._resolve, batch, outcomes)

    def _tell(self, act: Callable[..., None], *arguments: object) -> None:
        """Let the loop's thread do this."""
        try:
            self._loop.call_soon_threadsafe(act, *arguments)
        except RuntimeError:
            log.warning("store.nobody_waits")  # the loop is closed: its callers are gone

    def _resolve(self, batch: Sequence[Waiting], outcomes: Sequence[StoreFault | None]) -> None:
        self.waiting -= len(batch)
        for item, outcome in zip(batch, outcomes, strict=True):
            if item.done.done():
                continue
            if outcome is None:
                item.done.set_result(None)
            else:
                item.done.set_exception(outcome)


def _encoded(record: Record | Change) -> bytes:
    return trail.encode(record) if isinstance(record, Change) else encode(record)


def _name(record: Record | Change) -> str:
    return record.subject if isinstance(record, Change) else record.route_id
