"""Who owns the SQLite store: one row with an epoch, and a lock file for each epoch.

An owner holds the lock of its epoch's file as long as it lives and moves the row's beat as long as it works.
The next owner may come when the lock is free, for then the owner is dead, or when the beat has not moved for
the owner's whole lease, for then the owner knows that it may not act. Both are judged inside the transaction
that writes the next epoch, so that two can never come at once.
"""

import fcntl
import os
import re
import sqlite3
from pathlib import Path
from typing import IO

import msgspec

from router.runtime.store.lease import running_ms
from router.runtime.store.protocol import StoreLost, StoreTaken

_NAME = re.compile(r"crossbook-(\d+)\.lock")


class Sign(msgspec.Struct, frozen=True):
    """What the store shows of its owner. Two that are equal show that it did nothing in between."""

    epoch: int
    beat: int
    lease_ms: int
    process: int


class Watch:
    """How long the owner has shown no sign of life, by the clock of whoever watches."""

    def __init__(self) -> None:
        self._sign: Sign | None = None
        self._since_ms = 0

    def saw(self, sign: Sign) -> None:
        """The owner's row as just read."""
        if sign != self._sign:
            self._sign, self._since_ms = sign, running_ms()

    @property
    def stale(self) -> Sign | None:
        """The sign of an owner whose lease has run out; None while it may act."""
        sign = self._sign
        if sign is None or running_ms() - self._since_ms < sign.lease_ms:
            return None
        return sign


def is_known(connection: sqlite3.Connection) -> bool:
    """Whether the schema has owners: an older one is owned by `sqlite_file.take` until it is upgraded."""
    query = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'owner'"
    [(found,)] = connection.execute(query)
    return bool(found)


def sign_of(connection: sqlite3.Connection) -> Sign:
    """The owner's row."""
    [row] = connection.execute("SELECT epoch, beat, lease_ms, process FROM owner")
    return Sign(*row)


def lock_of(directory: Path, epoch: int) -> Path:
    """The file that the owner of this epoch keeps locked."""
    return directory / f"crossbook-{epoch}.lock"


def is_dead(directory: Path, sign: Sign) -> bool:
    """Whether the owner's process has ended: nobody holds its lock."""
    try:
        lock = lock_of(directory, sign.epoch).open("r+")
    except FileNotFoundError:  # a new store, or a copy of one
        return True
    with lock:
        return _locked(lock)


def claim(
    directory: Path, connection: sqlite3.Connection, *, lease_ms: int, stale: Sign | None = None
) -> tuple[int, IO[str]]:
    """Begin the next epoch; its number, and its lock, which is held until that is closed.

    `stale` is the sign of an owner whose lease has run out. StoreTaken while another may own the store.
    """
    lock: IO[str] | None = None
    begun = False
    connection.execute("BEGIN IMMEDIATE")
    try:
        sign = sign_of(connection)
        if sign != stale and not is_dead(directory, sign):
            raise StoreTaken(
                f"{directory} is in use by process {sign.process}: one router per data directory"
            )
        epoch = sign.epoch + 1
        lock = _hold(lock_of(directory, epoch))
        connection.execute(
            "UPDATE owner SET epoch = ?, beat = beat + 1, lease_ms = ?, process = ?",
            (epoch, lease_ms, os.getpid()),
        )
        connection.execute("COMMIT")
        begun = True
    finally:
        if not begun:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if lock is not None:
                lock.close()
    _forget(directory, epoch)
    return epoch, lock


def verify(connection: sqlite3.Connection, epoch: int) -> None:
    """Inside a transaction that writes: raises StoreLost when this epoch is over."""
    [(now, process)] = connection.execute("SELECT epoch, process FROM owner")
    if now != epoch:
        raise StoreLost(f"process {process} owns the store now: epoch {now}, ours was {epoch}")


def beat(connection: sqlite3.Connection) -> None:
    """Inside a transaction that writes: the owner lives."""
    connection.execute("UPDATE owner SET beat = beat + 1")


def _hold(path: Path) -> IO[str]:
    """Lock a file that nobody else can want: its epoch is ours alone to begin, but for one that failed."""
    lock = path.open("a+")
    if not _locked(lock):
        lock.close()
        raise StoreTaken(f"{path} is locked: another process begins to own the store")
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _forget(directory: Path, epoch: int) -> None:
    """Take away the files of epochs that are over."""
    for path in directory.iterdir():
        name = _NAME.fullmatch(path.name)
        if name and int(name[1]) < epoch:
            path.unlink(missing_ok=True)
