"""Days by the thousand, and one day read line by line."""

import logging
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import structlog

from tests.simulation.day import LONG, SHORT, Day, Length

CHUNK = 50
"""Seeds that a worker is given at a time: a second's work."""


class Outcome(NamedTuple):
    """What came of one seed."""

    seed: int
    digest: str
    faults: list[str]
    seen: Counter[str]


def silence() -> None:
    """Log nothing from now on."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def live(seed: int, length: Length = SHORT) -> Outcome:
    """One day."""
    day = Day(seed, length)
    faults = day.live()
    return Outcome(seed, day.trace.digest, faults, day.seen)


def live_all(seeds: Iterable[int], length: Length = SHORT) -> list[Outcome]:
    """Several days, one after the other."""
    return [live(seed, length) for seed in seeds]


def told(outcome: Outcome, length: Length = SHORT) -> str:
    """What went wrong, and how to see it again."""
    again = f"make sim SEED={outcome.seed}" + (" LONG=1" if length is LONG else "")
    return "\n  ".join(
        [f"seed {outcome.seed} (digest {outcome.digest}), again with: {again}", *outcome.faults]
    )


def spread(first: int, count: int, length: Length, jobs: int) -> Iterator[list[Outcome]]:
    """Days on several processes; a list whenever some are done, in the order of their seeds."""
    chunks = [range(at, min(at + CHUNK, first + count)) for at in range(first, first + count, CHUNK)]
    with ProcessPoolExecutor(jobs, initializer=silence) as pool:
        yield from pool.map(live_all, chunks, [length] * len(chunks))


def show(seed: int, length: Length) -> int:
    """One day, every step of it; the exit code."""
    day = Day(seed, length, keep_trace=True)
    try:
        day.live()
    finally:
        print(*(day.trace.lines or ()), sep="\n")
    print(*(f"WRONG: {fault}" for fault in day.faults), sep="\n")
    print(f"seed {seed}, digest {day.trace.digest}: {len(day.faults)} faults; {_counted([day.seen])}")
    return 1 if day.faults else 0


def many(first: int, count: int, length: Length, jobs: int | None) -> int:
    """Days by the thousand with a line for every one that went wrong; the exit code."""
    began, done, wrong = time.monotonic(), 0, 0
    seen: list[Counter[str]] = []
    for outcomes in spread(first, count, length, jobs or len(os.sched_getaffinity(0))):
        done += len(outcomes)
        for outcome in outcomes:
            seen.append(outcome.seen)
            if outcome.faults:
                wrong += 1
                print(told(outcome, length), flush=True)
        if done % 1_000 < CHUNK:
            print(f"{done:,} of {count:,}, {wrong} wrong, {_rate(done, began)}", flush=True)
    print(f"{done:,} seeds from {first:,}, {wrong} wrong, {_rate(done, began)}; {_counted(seen)}")
    return 1 if wrong else 0


def _rate(done: int, began: float) -> str:
    return f"{done / (time.monotonic() - began):.0f} seeds a second"


def _counted(seen: Sequence[Counter[str]]) -> str:
    total = sum(seen, Counter[str]())
    return ", ".join(f"{count:,} {what}" for what, count in sorted(total.items()))
