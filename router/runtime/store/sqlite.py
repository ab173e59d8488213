"""The default store: SQLite from the standard library, in one directory that one process owns."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TypeVar

import structlog

from router.core.model import AccountId, Key, RouteId
from router.core.records import Keyed, Record, Replied, StoredRoute, assemble, decode
from router.core.trail import Change, Trail, check
from router.runtime.metrics import Metrics
from router.runtime.store import sqlite_owner
from router.runtime.store.lease import BEATS, Lease, running_ms
from router.runtime.store.protocol import ROUTES_MAX, StoreDamaged, StoreDown, StoreLost, StoreTaken
from router.runtime.store.sqlite_file import (
    FILE_NAME,
    connect_reader,
    connect_writer,
    make,
    take,
    upgrade,
    version_of,
)
from router.runtime.store.sqlite_writer import Writer
from venues.base.units import Size

WAITING_MAX = 4_096
"""Appends waiting for the disk: about 40 ms of work on a good one."""
APPEND_MS_MAX = 2_000
"""A disk that takes longer has failed, though it may not have said so."""
READ_MS_MAX = 5_000
"""Whoever reads for an order holds its account's lane. At a start, where nobody waits, it may take longer."""
LEASE_MS = 5_000
"""The lease of a store whose settings say nothing: longer than a disk that works ever takes."""

log = structlog.stdlib.get_logger("crossbook.store")
T = TypeVar("T")

_SELECT = "SELECT routes.route_id, records.body FROM routes JOIN records ON records.route = routes.number"

# However old the account is, no more of its routes are looked at than asked for.
_LATEST = (
    "WHERE routes.number IN (SELECT number FROM ("
    "  SELECT number, at_ms FROM routes WHERE account_id = ? ORDER BY number DESC LIMIT ?) WHERE at_ms >= ?)"
)
_SIZES = (
    "SELECT routes.at_ms, (SELECT sum(json_extract(each.value, '$.size'))"
    " FROM json_each(CAST(records.body AS TEXT), '$.orders') AS each)"
    " FROM routes JOIN records ON records.route = routes.number AND records.kind = 'planned'"
)


class SqliteStore:
    """A `Store` in `directory`. `connect` is the seam where tests make the disk fail."""

    def __init__(
        self,
        directory: Path,
        metrics: Metrics,
        *,
        connect: Callable[[Path], sqlite3.Connection] = connect_writer,
        lease_ms: int = LEASE_MS,
        standby: bool = False,
    ) -> None:
        """`standby`: `open` waits while another process owns the store, instead of raising StoreTaken."""
        self.on_lost: Callable[[], None] = lambda: None
        """Called once, in the loop's thread, when another process has taken the store over."""
        self._lease_ms, self._standby = lease_ms, standby
        self._lease: Lease | None = None
        self._watch = sqlite_owner.Watch()
        self._mine: sqlite3.Connection | None = None
        """What is made in the reader's thread until it is the writer's."""
        self._closed = "closed"
        """Why nothing can be written while there is no writer."""
        self._directory = directory
        self.path = directory / FILE_NAME
        """The database."""
        self._metrics = metrics
        self._connect = connect
        self._lock: IO[str] | None = None
        self._writer: Writer | None = None
        self._reading: ThreadPoolExecutor | None = None
        self._reader: sqlite3.Connection | None = None

    @property
    def failing(self) -> str | None:
        """See `Store`."""
        writer, lease = self._writer, self._lease
        if writer is None or lease is None:
            return self._closed
        if lease.lost is not None:
            return lease.lost
        if writer.failing is None and not lease.held:
            return "its lease has run out: it was not written to for too long"
        return writer.failing

    @property
    def owned(self) -> bool:
        """See `Store`."""
        return self._lease is not None and self._lease.held

    async def open(self) -> None:
        """See `Store`. A standby returns when it owns the store."""
        assert self._writer is None, "opened twice"
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        connection: sqlite3.Connection | None = None
        try:
            connection = await self._owned()
        finally:
            self._closed = "closed"
            if connection is None:
                self._reading.shutdown()
                self._abandon()  # whoever waited was cancelled, perhaps in the moment it became the owner
        self._mine = None
        assert self._lease is not None
        self._writer = Writer(
            connection,
            lambda: self._connect(self.path),
            self._metrics,
            asyncio.get_running_loop(),
            lease=self._lease,
            on_lost=self._tell_lost,
        )
        self._writer.start()

    def _tell_lost(self) -> None:
        self.on_lost()

    async def _owned(self) -> sqlite3.Connection:
        """A connection to the store that is now ours; a standby tries until it is."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                return await loop.run_in_executor(self._reading, self._prepare)
            except (StoreTaken, StoreDown) as fault:
                if not self._standby:
                    raise
                if self._closed == "closed":
                    log.warning("store.standby", reason=str(fault))
                self._closed = f"standing by: {fault}"
            await asyncio.sleep(self._lease_ms / BEATS / 2_000)

    async def close(self) -> None:
        """See `Store`."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        assert self._reading is not None
        loop = asyncio.get_running_loop()
        stopped = await loop.run_in_executor(self._reading, writer.stop)
        self._lease = None
        if stopped:
            await loop.run_in_executor(self._reading, self._release)
        self._reading.shutdown()

    async def append(self, *records: Record) -> None:
        """See `Store`."""
        await self._write(*records)

    async def note(self, change: Change) -> None:
        """See `Store`."""
        await self._write(change)

    async def trail(self) -> Trail:
        """See `Store`."""
        query = "SELECT number, body, hash FROM trail ORDER BY number"
        return check(await self._rows(query, (), _row, patient=True))

    async def _write(self, *records: Record | Change) -> None:
        writer = self._writer
        if writer is None:
            raise StoreDown(self._closed)
        if self._lease is not None and self._lease.lost is not None:
            raise StoreLost(self._lease.lost)
        if writer.failing is not None:
            raise StoreDown(writer.failing)
        if writer.waiting >= WAITING_MAX:
            raise StoreDown("too many records are waiting for the disk")
        done = writer.submit(records)
        late = done.get_loop().call_later(APPEND_MS_MAX / 1000, writer.give_up, done)
        try:
            await done
        finally:
            late.cancel()

    async def unfinished(self) -> list[StoredRoute]:
        """See `Store`."""
        where = "WHERE routes.finished_ms IS NULL ORDER BY routes.number, records.seq"
        return await self._read(f"{_SELECT} {where}", (), patient=True)

    async def route(self, account_id: AccountId, route_id: RouteId) -> StoredRoute | None:
        """See `Store`."""
        where = "WHERE routes.route_id = ? AND routes.account_id = ? ORDER BY records.seq"
        found = await self._read(f"{_SELECT} {where}", (route_id, account_id))
        return found[0] if found else None

    async def keyed(self, account_id: AccountId, key: Key) -> Keyed | None:
        """See `Store`."""
        query = (
            "SELECT routes.route_id, keys.reply FROM keys JOIN routes ON routes.number = keys.route"
            " WHERE keys.account_id = ? AND keys.scope = ? AND keys.key = ?"
        )
        rows = await self._rows(query, (account_id, key.scope, key.text), _texts)
        if not rows:
            return None
        [(route_id, body)] = rows
        route = await self.route(account_id, RouteId(route_id))
        if route is None:
            raise StoreDamaged(f"route {route_id} of a key is missing")
        return Keyed(route=route, reply=_reply(route_id, body) if body else None)

    async def routes(self, account_id: AccountId, limit: int, *, since_ms: int = 0) -> list[StoredRoute]:
        """See `Store`."""
        where = f"{_LATEST} ORDER BY routes.number DESC, records.seq"
        return await self._read(f"{_SELECT} {where}", (account_id, _page(limit), since_ms))

    async def sizes(self, account_id: AccountId, since_ms: int, limit: int) -> list[tuple[int, Size]]:
        """See `Store`."""
        query = f"{_SIZES} {_LATEST} ORDER BY routes.number"
        return await self._rows(query, (account_id, _page(limit), since_ms), _sized)

    def _prepare(self) -> sqlite3.Connection:
        """Own the directory and bring the schema up to date. In the reader's thread."""
        connection: sqlite3.Connection | None = None
        ready = False
        try:
            make(self._directory)
            connection = self._connect(self.path)
            version_of(connection)
            self._own(connection)
            upgrade(connection)
            ready = True
        except (sqlite3.Error, OSError) as error:
            raise StoreDown(f"cannot open {self.path}: {error}") from error
        finally:
            self._mine = connection
            if not ready:
                self._abandon()
        return connection

    def _own(self, connection: sqlite3.Connection) -> None:
        """Begin an epoch of our own, or raise StoreTaken."""
        older: IO[str] | None = None
        try:
            if not sqlite_owner.is_known(connection):
                older = take(self._directory)
                upgrade(connection)
            stale = self._stale(connection) if self._standby else None
            from_ms = running_ms()
            epoch, self._lock = sqlite_owner.claim(
                self._directory, connection, lease_ms=self._lease_ms, stale=stale
            )
            self._lease = Lease(epoch, self._lease_ms, from_ms=from_ms)
            if self._standby:
                log.warning("store.taken_over", epoch=epoch)
        finally:
            if older is not None:
                older.close()

    def _stale(self, connection: sqlite3.Connection) -> sqlite_owner.Sign | None:
        """The sign of an owner whose lease has run out; StoreTaken, without locking, for a living one."""
        sign = sqlite_owner.sign_of(connection)
        self._watch.saw(sign)
        stale = self._watch.stale
        if stale is None and not sqlite_owner.is_dead(self._directory, sign):
            raise StoreTaken(f"process {sign.process} owns the store")
        return stale

    def _abandon(self) -> None:
        """Let go of what `_prepare` made."""
        connection, self._mine = self._mine, None
        if connection is not None:
            connection.close()
        self._lease = None
        self._release()

    def _release(self) -> None:
        """Let go of the file and of the directory, in this order."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()

    async def _read(
        self, query: str, arguments: Sequence[str | int], *, patient: bool = False
    ) -> list[StoredRoute]:
        grouped: dict[str, list[bytes]] = {}
        for route_id, body in await self._rows(query, arguments, _texts, patient=patient):
            grouped.setdefault(route_id, []).append(body)
        return [_stored(route_id, bodies) for route_id, bodies in grouped.items()]

    async def _rows(
        self,
        query: str,
        arguments: Sequence[str | int],
        shape: Callable[..., T],
        *,
        patient: bool = False,
    ) -> list[T]:
        if self._writer is None or self._reading is None:
            raise StoreDown(self._closed)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None if patient else READ_MS_MAX / 1000):
                return await loop.run_in_executor(self._reading, self._select, query, arguments, shape)
        except TimeoutError:
            raise StoreDown("the disk does not answer") from None

    def _select(self, query: str, arguments: Sequence[str | int], shape: Callable[..., T]) -> list[T]:
        """In the reader's thread."""
        try:
            if self._reader is None:
                self._reader = connect_reader(self.path)
            return [shape(*row) for row in self._reader.execute(query, arguments).fetchall()]
        except sqlite3.Error as error:
            reader, self._reader = self._reader, None
            if reader is not None:
                reader.close()
            raise StoreDown(f"cannot read: {error}") from error


def _row(number: int, body: bytes, digest: bytes) -> tuple[int, bytes, bytes]:
    return number, body, digest


def _texts(route_id: str, body: bytes) -> tuple[str, bytes]:
    return route_id, body


def _sized(at_ms: int, size: int) -> tuple[int, Size]:
    return at_ms, Size(size)


def _page(limit: int) -> int:
    return max(0, min(limit, ROUTES_MAX))


def _stored(route_id: str, bodies: Sequence[bytes]) -> StoredRoute:
    """A route from its records, oldest first."""
    try:
        return assemble([decode(body) for body in bodies])
    except ValueError as error:
        raise StoreDamaged(f"route {route_id} cannot be read: {error}") from error


def _reply(route_id: str, body: bytes) -> Replied:
    try:
        record = decode(body)
    except ValueError as error:
        raise StoreDamaged(f"the reply of route {route_id} cannot be read: {error}") from error
    if not isinstance(record, Replied):
        raise StoreDamaged(f"the reply of route {route_id} is none")
    return record
