"""A text stream that never keeps its writers waiting: a thread of its own hands the lines on.

Whoever reads our standard error may stop reading; the router then trades on and counts what it could not
say. It writes to the descriptor itself: a thread that is stuck in one of Python's own streams holds its lock,
and the program could not even end.
"""

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import orjson

BYTES_MAX = 8 * 1024 * 1024
"""Text waiting: some seconds of the busiest router, and little beside what the books take."""
GATHER_S = 0.02
"""Between two writes: what comes together is handed on together."""
CLOSE_S_MAX = 1.0
"""How long the end of the program waits for the last lines to be read."""


class Aside:
    """Lines in from any thread, out in order, to an open file descriptor."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._lines: list[str] = []
        self._held = 0
        """Characters of the lines that wait."""
        self._unsaid = 0
        """Lines dropped since the last one that said so."""
        self._dropped = 0
        self._count: Callable[[float], None] = lambda _lines: None
        self._some = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def count_dropped(self, count: Callable[[float], None]) -> None:
        """Tell it of every line that is dropped, and of those that were before."""
        with self._lock:
            self._count = count
            before = self._dropped
        count(before)

    def write(self, line: str) -> int:
        """Take a line, or drop it when too much waits already."""
        with self._lock:
            if self._held + len(line) > BYTES_MAX:
                self._drop(1)
            else:
                self._lines.append(line)
                self._held += len(line)
        return len(line)

    def flush(self) -> None:
        """Have it handed on, soon."""
        if not self._some.is_set():
            self._some.set()

    def close(self) -> None:
        """Hand on what is left, unless that takes longer than CLOSE_S_MAX. Later lines are lost."""
        self._closing.set()
        self._some.set()
        self._thread.join(CLOSE_S_MAX)

    def _drop(self, lines: int) -> None:
        self._unsaid += lines
        self._dropped += lines
        self._count(lines)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._some.wait()
            self._closing.wait(GATHER_S)
            self._some.clear()
            self._hand_on()
        self._hand_on()  # what came while the last text was handed on

    def _hand_on(self) -> None:
        with self._lock:
            lines, self._lines, self._held = self._lines, [], 0
            unsaid, self._unsaid = self._unsaid, 0
        if unsaid:
            lines.append(f"{_dropped(unsaid)}\n")
        data = "".join(lines).encode(errors="backslashreplace")
        try:
            self._write(data)
        except OSError:  # nobody reads any more, or the descriptor is closed
            with self._lock:
                self._drop(len(lines))

    def _write(self, data: bytes) -> None:
        """All of it, also where whoever shares the descriptor has made it non-blocking."""
        while data:
            try:
                data = data[os.write(self._target, data) :]
            except BlockingIOError:
                time.sleep(GATHER_S)


def _dropped(lines: int) -> str:
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return orjson.dumps({"event": "log.dropped", "lines": lines, "level": "warning", "at": at}).decode()
