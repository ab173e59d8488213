"""The halt file: what it says, and how it is changed so that nobody ever reads half of it."""

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from router.core.halts import ALL, Scope, read_file

FILE_BYTES_MAX = 65_536
"""A halt file larger than this halts all."""

MODE = 0o644
"""A router of another user than the command's must be able to read it: else one halt would be of all."""
ALONE_S_MAX = 2.0
"""How long a command waits for another that changes the file: then halting counts for more than order."""
TRY_EVERY_S = 0.02

Seen = tuple[int, int, int] | None
"""Inode, size and time of the file, or that there is none."""
UNREADABLE: Seen = (-1, -1, -1)


def look(path: Path) -> Seen:
    """What changes whenever the file does."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError:
        return UNREADABLE
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def read(path: Path) -> dict[Scope, str]:
    """What the file halts, and why. One that is there and cannot be read halts all."""
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
        if len(raw) > FILE_BYTES_MAX:
            return {Scope(ALL): "the file is too large"}
        return read_file(raw.decode())
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        return {Scope(ALL): f"the file cannot be read: {type(error).__name__}"}


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Between reading and writing no other command changes the file: it would undo what one of them did."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        end = time.monotonic() + ALONE_S_MAX
        while not _locked(folder) and time.monotonic() < end:
            time.sleep(TRY_EVERY_S)
        yield
    finally:
        os.close(folder)


def _locked(folder: int) -> bool:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write(path: Path, halts: Mapping[Scope, str]) -> None:
    """Replace the file as a whole, durably; without halts it goes. Raises OSError."""
    if halts:
        beside = path.with_name(f"{path.name}.{os.getpid()}")
        with beside.open("w", encoding="utf-8", errors="replace") as file:
            file.writelines(_line(scope, why) for scope, why in halts.items())
            file.flush()
            os.fchmod(file.fileno(), MODE)
            os.fsync(file.fileno())
        beside.replace(path)
    else:
        path.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _line(scope: Scope, why: str) -> str:
    reason = f"  # {' '.join(why.split())}" if why else ""
    return f"{scope.kind} {scope.name}".rstrip() + f"{reason}\n"
