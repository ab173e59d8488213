"""Processes of a benchmark: each part on its own core, started and ended together."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SERVER_CPU, CLIENT_CPU = 0, 1
"""What is measured has a core for itself; load and stand-in venue share the other."""
FOLDER = Path(__file__).parents[1] / "build"
"""Stores lie on the disk that the program runs from, not on a temporary file system in memory."""


def pin(cpu: int) -> None:
    """Keep this process, and what it starts, on one core. Where that cannot be done, it runs anywhere."""
    if sys.platform == "linux" and cpu in os.sched_getaffinity(0) | {SERVER_CPU, CLIENT_CPU}:
        os.sched_setaffinity(0, {cpu % (os.cpu_count() or 1)})


@contextmanager
def running(log: Path, *words: str) -> Iterator[Mapping[str, Any]]:
    """A module of ours as a process; what it printed as its first line. Its errors go to `log`."""
    with log.open("a") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", *words], stdout=subprocess.PIPE, stderr=errors, text=True
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"{words[0]} did not start: {log.read_text()[-2_000:]}")
            yield json.loads(line)
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
