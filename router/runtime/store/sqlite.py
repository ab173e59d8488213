"""The default store: SQLite from the standard library, in one directory that one process owns."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TypeVar

from router.core.model import AccountId, Key, RouteId
from router.core.records import Keyed, Record, Replied, StoredRoute, assemble, decode
from router.runtime.metrics import Metrics
from router.runtime.store.protocol import ROUTES_MAX, StoreDamaged, StoreDown
from router.runtime.store.sqlite_file import FILE_NAME, connect_reader, connect_writer, take, upgrade
from router.runtime.store.sqlite_writer import Writer

WAITING_MAX = 4_096
"""Appends waiting for the disk: about 40 ms of work on a good one."""
APPEND_MS_MAX = 2_000
"""A disk that takes longer has failed, though it may not have said so."""

T = TypeVar("T")

_SELECT = (
    "SELECT routes.route_id, records.body FROM routes JOIN records ON records.route_id = routes.route_id"
)


class SqliteStore:
    """A `Store` in `directory`. `connect` is the seam where tests make the disk fail."""

    def __init__(
        self,
        directory: Path,
        metrics: Metrics,
        *,
        connect: Callable[[Path], sqlite3.Connection] = connect_writer,
    ) -> None:
        self._directory = directory
        self._path = directory / FILE_NAME
        self._metrics = metrics
        self._connect = connect
        self._lock: IO[str] | None = None
        self._writer: Writer | None = None
        self._reading: ThreadPoolExecutor | None = None
        self._reader: sqlite3.Connection | None = None

    @property
    def failing(self) -> str | None:
        """See `Store`."""
        return self._writer.failing if self._writer is not None else "closed"

    async def open(self) -> None:
        """See `Store`."""
        assert self._writer is None, "opened twice"
        loop = asyncio.get_running_loop()
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        connection: sqlite3.Connection | None = None
        try:
            connection = await loop.run_in_executor(self._reading, self._prepare)
        finally:
            if connection is None:
                self._reading.shutdown()
        self._writer = Writer(connection, lambda: self._connect(self._path), self._metrics, loop)
        self._writer.start()

    async def close(self) -> None:
        """See `Store`."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        assert self._reading is not None
        loop = asyncio.get_running_loop()
        if await loop.run_in_executor(self._reading, writer.stop):
            await loop.run_in_executor(self._reading, self._release)
        self._reading.shutdown()

    async def append(self, *records: Record) -> None:
        """See `Store`."""
        writer = self._writer
        if writer is None:
            raise StoreDown("closed")
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
        return await self._read(f"{_SELECT} {where}", ())

    async def route(self, account_id: AccountId, route_id: RouteId) -> StoredRoute | None:
        """See `Store`."""
        where = "WHERE routes.route_id = ? AND routes.account_id = ? ORDER BY records.seq"
        found = await self._read(f"{_SELECT} {where}", (route_id, account_id))
        return found[0] if found else None

    async def keyed(self, account_id: AccountId, key: Key) -> Keyed | None:
        """See `Store`."""
        query = "SELECT route_id, reply FROM keys WHERE account_id = ? AND scope = ? AND key = ?"
        rows = await self._rows(query, (account_id, key.scope, key.text))
        if not rows:
            return None
        [(route_id, body)] = rows
        route = await self.route(account_id, RouteId(route_id))
        if route is None:
            raise StoreDamaged(f"route {route_id} of a key is missing")
        return Keyed(route=route, reply=_reply(route_id, body) if body else None)

    async def routes(self, account_id: AccountId, limit: int) -> list[StoredRoute]:
        """See `Store`."""
        where = (
            "WHERE routes.number IN"
            " (SELECT number FROM routes WHERE account_id = ? ORDER BY number DESC LIMIT ?)"
            " ORDER BY routes.number DESC, records.seq"
        )
        return await self._read(f"{_SELECT} {where}", (account_id, max(0, min(limit, ROUTES_MAX))))

    def _prepare(self) -> sqlite3.Connection:
        """Own the directory and bring the schema up to date. In the reader's thread."""
        connection: sqlite3.Connection | None = None
        ready = False
        try:
            self._lock = take(self._directory)
            connection = self._connect(self._path)
            upgrade(connection)
            ready = True
        except (sqlite3.Error, OSError) as error:
            raise StoreDown(f"cannot open {self._path}: {error}") from error
        finally:
            if not ready:
                self._abandon(connection)
        return connection

    def _abandon(self, connection: sqlite3.Connection | None) -> None:
        if connection is not None:
            connection.close()
        self._release()

    def _release(self) -> None:
        """Let go of the file and of the directory, in this order."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()

    async def _read(self, query: str, arguments: Sequence[str | int]) -> list[StoredRoute]:
        grouped: dict[str, list[bytes]] = {}
        for route_id, body in await self._rows(query, arguments):
            grouped.setdefault(route_id, []).append(body)
        return [_stored(route_id, bodies) for route_id, bodies in grouped.items()]

    async def _rows(self, query: str, arguments: Sequence[str | int]) -> list[tuple[str, bytes]]:
        if self._writer is None or self._reading is None:
            raise StoreDown("closed")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reading, self._select, query, arguments)

    def _select(self, query: str, arguments: Sequence[str | int]) -> list[tuple[str, bytes]]:
        """In the reader's thread."""
        try:
            if self._reader is None:
                self._reader = connect_reader(self._path)
            return self._reader.execute(query, arguments).fetchall()
        except sqlite3.Error as error:
            reader, self._reader = self._reader, None
            if reader is not None:
                reader.close()
            raise StoreDown(f"cannot read: {error}") from error


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
