"""`make sim`: `python -m tests.simulation --seed 7` shows one day, `--seeds 50000` lives through many."""

import argparse
import sys

from tests.simulation.day import LONG, SHORT
from tests.simulation.run import live_all, many, show, silence


def main() -> int:
    words = argparse.ArgumentParser(prog="make sim", description=__doc__)
    words.add_argument("--seed", type=int, help="one day, every step of it")
    words.add_argument("--seeds", type=int, default=5_000, help="how many days")
    words.add_argument("--first", type=int, default=0, help="the first of them")
    words.add_argument("--jobs", type=int, help="processes; one for each core by default")
    words.add_argument("--long", action="store_true", help="longer days, with many more orders and kills")
    words.add_argument("--digests", action="store_true", help="only print each day's digest")
    asked = words.parse_args()
    length = LONG if asked.long else SHORT
    silence()
    if asked.digests:
        outcomes = live_all(range(asked.first, asked.first + asked.seeds), length)
        print(*(outcome.digest for outcome in outcomes), sep="\n")
        return 0
    if asked.seed is not None:
        return show(asked.seed, length)
    return many(asked.first, asked.seeds, length, asked.jobs)


if __name__ == "__main__":
    sys.exit(main())
