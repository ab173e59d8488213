"""Plants every fault in a copy of the tree, one at a time, and expects its tests to turn red.

    python -m tests.planted [--jobs N] [WORD ...]

WORDs take only the faults whose description or file contains one of them. Ends with 1 when more than
MISSED_MAX of all are not found, or any of those named.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from tests.planted import Fault, faults

ROOT = Path(__file__).parents[2]
MISSED_MAX = 2
SECONDS_MAX = 600
"""A run that takes longer hangs: nobody would learn from it what is wrong."""
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "build", "__pycache__", ".*_cache", "*-data", ".hypothesis"
)
SHOWN_MAX = 4_000
"""Characters of what pytest said where its tests are red without a fault."""
ALL_GREEN, SOME_RED = 0, 1
"""How pytest ends; everything else says that the tests could not be run."""


class Verdict(NamedTuple):
    """What became of one fault."""

    fault: Fault
    word: str
    """found, missed, or why nothing was learnt: hangs, or does not run."""
    seconds: float


def main() -> int:
    """Run all that were asked for; a table on standard output."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=2, help="copies of the tree at work at once")
    parser.add_argument("words", nargs="*", metavar="WORD")
    asked = parser.parse_args()
    chosen = [fault for fault in faults() if _named(fault, asked.words)]
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(asked.jobs):
            copies.put(Path(shutil.copytree(ROOT, Path(folder) / str(number), ignore=LEFT_OUT)))
        _green(chosen, Path(folder) / "0")
        with ThreadPoolExecutor(asked.jobs) as pool:
            verdicts = list(pool.map(lambda fault: _tried(fault, copies), chosen))
    missed = [verdict for verdict in verdicts if verdict.word != "found"]
    print(f"\n{len(verdicts) - len(missed)} of {len(verdicts)} planted faults were found")
    for verdict in missed:
        print(f"  {verdict.word}: {verdict.fault.what} ({verdict.fault.path})")
    return int(len(missed) > (0 if asked.words else MISSED_MAX))


def _named(fault: Fault, words: Sequence[str]) -> bool:
    return not words or any(word in fault.what or word in fault.path for word in words)


def _green(chosen: Sequence[Fault], copy: Path) -> None:
    """Red means nothing where the tests are red without a fault."""
    tests = sorted({name for fault in chosen for name in fault.tests.split()})
    print(f"{len(chosen)} faults; first {len(tests)} test files without any", flush=True)
    ended = _pytest(copy, tests, seconds_max=6 * SECONDS_MAX)
    if ended.returncode != ALL_GREEN:
        print(ended.stdout[-SHOWN_MAX:])
        raise SystemExit("the tests are not green before anything is planted")


def _tried(fault: Fault, copies: SimpleQueue[Path]) -> Verdict:
    copy = copies.get()
    path = copy / fault.path
    text = path.read_text()
    assert text.count(fault.old) == 1, f"{fault.what}: no longer fits {fault.path}"
    started = time.monotonic()
    path.write_text(text.replace(fault.old, fault.new))
    try:
        ended = _pytest(copy, fault.tests.split()).returncode
    except subprocess.TimeoutExpired:
        word = "hangs"
    else:
        word = {ALL_GREEN: "missed", SOME_RED: "found"}.get(ended, f"does not run ({ended})")
    finally:
        path.write_text(text)
        copies.put(copy)
    verdict = Verdict(fault, word, time.monotonic() - started)
    print(f"{verdict.word:7} {verdict.seconds:6.1f} s  {fault.path}: {fault.what}", flush=True)
    return verdict


def _pytest(
    copy: Path, tests: Sequence[str], *, seconds_max: int = SECONDS_MAX
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command,
        cwd=copy,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=seconds_max,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main())
