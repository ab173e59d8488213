"""Run every benchmark of this folder: `python -m benchmarks`."""

import subprocess
import sys
from pathlib import Path
from pkgutil import iter_modules

PARTS = {"__main__", "frames", "record"}
"""Modules that benchmarks are made of."""


def main() -> None:
    """Each in its own process: one cannot warm or litter another."""
    names = sorted(module.name for module in iter_modules([str(Path(__file__).parent)]))
    for name in (name for name in names if name not in PARTS):
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)


if __name__ == "__main__":
    main()
