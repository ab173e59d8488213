"""A process that has everything read in and forks a router for each life it is asked for.

One JSON line on standard input is one `Life`. It says on standard output which port a router listens on, and
how each ended (negative: the signal). When its input ends it kills what is left and ends.
"""

import gc
import os
import select
import signal
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.faults.mortal import Life, live, tell
from venues import discover


class Nursery:
    """The routers alive, by process id."""

    def __init__(self) -> None:
        self._lives: dict[int, int] = {}
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        signal.set_wakeup_fd(self._wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self) -> None:
        """Until nobody asks any more."""
        for line in self._lines():
            life = msgspec.json.decode(line, type=Life)
            child = os.fork()
            if child == 0:
                self._be(life)
            self._lives[child] = life.number
            tell(life.number, pid=child)
        for child in self._lives:
            os.kill(child, signal.SIGKILL)

    def _lines(self) -> Iterator[bytes]:
        """Lines asked; in between, who died is told."""
        rest = b""
        while True:
            ready, _, _ = select.select([0, self._woken], [], [])
            if self._woken in ready:
                os.read(self._woken, 4_096)
                self._reap()
            if 0 in ready:
                piece = os.read(0, 65_536)
                if not piece:
                    return
                *lines, rest = (rest + piece).split(b"\n")
                yield from lines

    def _reap(self) -> None:
        while self._lives:
            child, status = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                return
            tell(self._lives.pop(child), status=os.waitstatus_to_exitcode(status))

    def _be(self, life: Life) -> None:
        """The child: never returns."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        code = 1
        try:
            live(life)
            code = 0
        finally:
            if code:
                with Path(life.log).open("a") as log:
                    log.write(traceback.format_exc())
            os._exit(code)


if __name__ == "__main__":
    discover()
    gc.collect()
    gc.freeze()
    sys.stdout.flush()
    Nursery().run()
