"""Run the benchmarks and show their figures: `python -m benchmarks [NAME]...`; all of them without a name."""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.record import RESULTS

BENCHMARKS = {
    "ingest": "market-data frame to decoded to applied, against decoding alone",
    "allocation": "split of an order, against a walk of the ready ladder",
    "memory": "bytes kept per watched listing and per outcome, merged books included",
    "signing": "a signed order or request of each kind",
    "store": "one durable record, against the bare disk",
    "http": "POST of an order with 1 and 6 legs, against a bare server",
    "door": "the same beside 5,000 idle sockets, slow heads, slow bodies and 10 MB bodies",
}


def main(arguments: Sequence[str]) -> int:
    """Each in its own process: one cannot warm or litter another. The exit code says whether all ran."""
    what = "\n".join(f"  {name:12} {text}" for name, text in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", epilog=what, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    names = parser.parse_args(arguments).names or list(BENCHMARKS)
    if unknown := [name for name in names if name not in BENCHMARKS]:
        parser.error(f"no such benchmark: {unknown[0]}; there are {', '.join(BENCHMARKS)}")
    failed = [name for name in names if not show(name)]
    for name in failed:
        print(f"failed: {name}", file=sys.stderr)
    return 1 if failed else 0


def show(name: str) -> bool:
    """Run one and print what it appended to the results as a table; False when it did not end well."""
    before = RESULTS.stat().st_size if RESULTS.exists() else 0
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}"], stdout=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        return False
    with RESULTS.open() as file:
        file.seek(before)
        for line in file:
            entry = json.loads(line)
            table = Table("figure", "value", title=f"{entry['name']}  {entry['commit']}  {entry['at']}")
            for key, value in flat(entry["figures"], ""):
                table.add_row(key, value)
            Console().print(table)
    return True


def flat(figures: object, path: str) -> Iterator[tuple[str, str]]:
    """Nested figures as lines; rows of plain numbers stay on one."""
    if not isinstance(figures, dict):
        yield path, str(figures)
    elif path and not any(isinstance(value, dict) for value in figures.values()):
        yield path, "\n".join(f"{key} {value}" for key, value in figures.items())
    else:
        for key, value in figures.items():
            yield from flat(value, f"{path} {key}".strip())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
