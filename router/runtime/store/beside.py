"""Connections beside the router's writer, for what is on no order's way: keys and what the vault holds."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from router.core.trail import Change, encode
from router.runtime.store import sqlite_owner
from router.runtime.store.protocol import StoreDown, StoreTaken
from router.runtime.store.sqlite_file import (
    FILE_NAME,
    connect_reader,
    connect_writer,
    make,
    migrations,
    take,
    upgrade,
    version_of,
)
from router.runtime.store.sqlite_rows import note

UPGRADE_MS_MAX = 10_000
"""How long another process that wants the store is kept waiting by an upgrade at most."""


def administer(directory: Path) -> sqlite3.Connection:
    """A connection for a command that changes keys, also while a router runs on the directory.

    Raises StoreDown; SchemaTooNew; StoreTaken when a router of an older version runs and must end first.
    """
    path = directory / FILE_NAME
    try:
        make(directory)
        connection = connect_writer(path)
        if version_of(connection) < len(migrations()):
            _upgrade(directory, connection)
    except (sqlite3.Error, OSError) as error:
        raise StoreDown(f"cannot open {path}: {error}") from error
    return connection


@contextmanager
def together(connection: sqlite3.Connection) -> Iterator[None]:
    """All of what is done inside or nothing: one transaction, or a part of the one that is open."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        yield


@contextmanager
def recorded(connection: sqlite3.Connection, change: Change) -> Iterator[None]:
    """The same, and on the trail if it is done."""
    with together(connection):
        yield
        note(connection, encode(change))


def attend(path: Path) -> sqlite3.Connection:
    """A connection for the router's own look at what changed. It writes what may be lost in a power cut.

    So its commits wait for no disk, and it never does the checkpoint that must.
    """
    connection = connect_writer(path)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    return connection


def unfinished_by_account(path: Path) -> dict[str, int]:
    """How many routes have no last word, by account; also while a router runs.

    Raises sqlite3.Error, and SchemaTooNew for a store that is not ours to touch.
    """
    if not path.exists():
        return {}
    query = "SELECT account_id, count(*) FROM routes WHERE finished_ms IS NULL GROUP BY account_id"
    with closing(connect_reader(path)) as connection:
        version_of(connection)
        return dict(connection.execute(query).fetchall())


def _upgrade(directory: Path, connection: sqlite3.Connection) -> None:
    """Own the store for as long as it takes."""
    lock: IO[str] | None = None
    try:
        if sqlite_owner.is_known(connection):
            _, lock = sqlite_owner.claim(directory, connection, lease_ms=UPGRADE_MS_MAX)
        else:
            lock = take(directory)
        upgrade(connection)
    except StoreTaken as taken:
        raise StoreTaken(f"{taken}, and it is of an older version: restart it first") from None
    finally:
        if lock is not None:
            lock.close()
