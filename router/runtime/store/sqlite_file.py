"""The SQLite file: connections with the right promises, and a schema brought up to date by one process."""

import fcntl
import os
import re
import sqlite3
from importlib.resources import files
from pathlib import Path
from typing import IO

from router.runtime.store.protocol import SchemaTooNew, StoreDown, StoreTaken

FILE_NAME = "crossbook.sqlite"
LOCK_NAME = "crossbook.lock"
OLDEST_SQLITE = (3, 37, 0)
"""STRICT tables."""
BUSY_MS_MAX = 5_000
"""How long to wait for another connection's lock; only a backup tool can hold one."""

_MIGRATION = re.compile(r"(\d{4})_\w+\.sql")


def make(directory: Path) -> None:
    """Make the directory, durably, where there is none."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    sync_directory(directory.parent)


def take(directory: Path) -> IO[str]:
    """Own a directory whose schema knows no owners yet, until the returned file is closed.

    Raises StoreTaken if another process does.
    """
    lock = (directory / LOCK_NAME).open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read().strip() or "unknown"
        lock.close()
        raise StoreTaken(f"{directory} is in use by process {owner}: one router per data directory") from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable: SQLite does so for its own files only."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def connect_writer(path: Path) -> sqlite3.Connection:
    """A connection whose COMMIT returns only when the data is on the disk."""
    connection = _connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")
    connection.execute("PRAGMA checkpoint_fullfsync = ON")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write."""
    connection = _connect(path)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=BUSY_MS_MAX / 1000, isolation_level=None, check_same_thread=False
    )
    path.chmod(0o600)
    return connection


def migrations() -> dict[int, str]:
    """Version to the SQL that leads there from the one before; without holes, from 1."""
    found: dict[int, str] = {}
    for entry in files("router.runtime.store.migrations").joinpath("sqlite").iterdir():
        name = _MIGRATION.fullmatch(entry.name)
        if name:
            found[int(name[1])] = entry.read_text()
    assert sorted(found) == list(range(1, len(found) + 1)), f"migrations have a hole: {sorted(found)}"
    return found


def version_of(connection: sqlite3.Connection) -> int:
    """Which schema the store has; 0 for a new one. Raises SchemaTooNew for one that is not ours to touch."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StoreDown(f"SQLite {sqlite3.sqlite_version} is too old: 3.37 or newer is needed")
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL) STRICT")
    [(current,)] = connection.execute("SELECT coalesce(max(version), 0) FROM schema_version")
    newest = len(migrations())
    if current > newest:
        raise SchemaTooNew(
            f"the store has schema {current}, this version knows up to {newest}: "
            "run the newer version, or restore a backup made before the upgrade"
        )
    return int(current)


def upgrade(connection: sqlite3.Connection) -> None:
    """Bring the schema up to date, one migration per transaction. Raises SchemaTooNew."""
    current, steps = version_of(connection), migrations()
    for version in range(current + 1, len(steps) + 1):
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{steps[version]}\n"
            f"INSERT INTO schema_version (version) VALUES ({version});\nCOMMIT;"
        )
