"""Good clients beside bad ones: POST of an order over eight kept connections, alone and in each bad company.

    python -m benchmarks.door [--seconds 4] [--kinds idle,slow_head]

The router, its venue and the good clients are those of `benchmarks.http`; the bad ones are in
`benchmarks.door_crowd`, on the good clients' core, from other addresses. Quiet spells before and after each
crowd are what its figures are compared with.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.door_crowd import KINDS
from benchmarks.http import SERVERS, to_router
from benchmarks.http_load import Load, drive
from benchmarks.processes import CLIENT_CPU, FOLDER, pin, running
from benchmarks.record import note, record

COUNTS = {"idle": 5_000, "idle_everywhere": 5_000, "slow_head": 500, "slow_body": 500, "huge_body": 20}
GOOD = 8
"""Connections of the good clients."""
WARM_S = 2.0
CROWD_S_MAX = 60


async def beside(kind: str, router: Mapping[str, Any], seconds: float) -> dict[str, object]:
    """The figures of one crowd."""
    port, asked = router["port"], to_router(router, 1)
    before = await drive(port, asked, GOOD, seconds)
    words = (
        "benchmarks.door_crowd",
        kind,
        str(port),
        str(COUNTS[kind]),
        router["key"],
        router["accounts"][-1],
    )
    crowd = await asyncio.create_subprocess_exec(sys.executable, "-m", *words, stdout=subprocess.PIPE)
    beside_them = await drive(port, asked, GOOD, seconds)
    async with asyncio.timeout(CROWD_S_MAX):
        report, _ = await crowd.communicate()
    after = await drive(port, asked, GOOD, seconds)
    ended = json.loads(report)
    quiet = Load(*(sum(pair) / 2 for pair in zip(before, after, strict=True)))
    return {
        "bad_clients": COUNTS[kind],
        "closed": ended["closed"],
        "longest_s": ended["longest_s"],
        "quiet_p50_us": round(quiet.p50_us),
        "beside_p50_us": round(beside_them.p50_us),
        "p50_ratio": round(beside_them.p50_us / quiet.p50_us, 2),
        "quiet_p99_us": round(quiet.p99_us),
        "beside_p99_us": round(beside_them.p99_us),
    }


async def run(asked: argparse.Namespace) -> dict[str, object]:
    """Start everything, measure, end everything."""
    FOLDER.mkdir(exist_ok=True)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-door-", dir=FOLDER))

        def start(*words: str) -> Mapping[str, Any]:
            return stack.enter_context(running(Path(folder) / "errors.log", *words))

        router = start(SERVERS, "router", json.dumps(start("benchmarks.stand_in_server")), folder)
        await drive(router["port"], to_router(router, 1), GOOD, WARM_S)
        return {kind: await beside(kind, router, asked.seconds) for kind in asked.kinds}


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=list(KINDS))
    parser.add_argument("--dry", action="store_true", help="print only")
    asked = parser.parse_args()
    pin(CLIENT_CPU)
    figures = uvloop.run(run(asked))
    for kind, values in figures.items():
        note(f"{kind:16} {values}")
    if not asked.dry:
        record("door", figures)


if __name__ == "__main__":
    main()
