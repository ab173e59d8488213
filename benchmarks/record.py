"""Print a benchmark's figures and keep them with their commit and date."""

import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results.ndjson"


def record(name: str, figures: Mapping[str, object]) -> None:
    """One JSON line: printed, and appended to `results.ndjson`."""
    line = json.dumps(
        {
            "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "commit": _commit(),
            "machine": {"cpus": os.cpu_count(), "python": platform.python_version()},
            "name": name,
            "figures": figures,
        }
    )
    print(line)
    with RESULTS.open("a") as file:
        file.write(line + "\n")


def _commit() -> str:
    """The short id of the checkout, with a plus when it has uncommitted changes; "" outside of one."""
    command = ["git", "describe", "--always", "--abbrev=10", "--dirty=+", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=RESULTS.parent, check=False)
    return done.stdout.strip()


def seconds(
    candidates: Mapping[str, Callable[[], object]], *, rounds: int, times: int
) -> dict[str, list[float]]:
    """Seconds per call by candidate and round. Rounds are interleaved: a slow spell hits all alike."""
    taken: dict[str, list[float]] = {name: [] for name in candidates}
    for call in candidates.values():
        call()
    gc.collect()
    for _ in range(rounds):
        for name, call in candidates.items():
            start = time.perf_counter()
            for _ in range(times):
                call()
            taken[name].append((time.perf_counter() - start) / times)
    return taken


def ratio(taken: Mapping[str, list[float]], name: str, floor: str) -> float:
    """The median over the rounds of one candidate's time over the floor's in the same round."""
    pairs = zip(taken[name], taken[floor], strict=True)
    return round(statistics.median(mine / bare for mine, bare in pairs), 2)


def microseconds(taken: Mapping[str, list[float]], name: str) -> float:
    """The median over the rounds."""
    return round(statistics.median(taken[name]) * 1e6, 2)


def note(text: str) -> None:
    """Tell the person who waits, without disturbing the figures on standard output."""
    print(text, file=sys.stderr)
