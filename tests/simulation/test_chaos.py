"""Days by the thousand on a bad network, with a bad disk and a router that is killed: the books agree.

What a day is: `tests/simulation/day.py`. Who compares: `tests/simulation/auditor.py`. How to see a failure
again: the last line of it.
"""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from router.runtime.hands import RouteHands
from tests.simulation.day import LONG, SHORT, Length
from tests.simulation.run import live, live_all, told
from venues.base.orders import Answer, Order, Rejected, Unknown

SHORT_DAYS, LONG_DAYS = int(os.environ.get("CROSSBOOK_DAYS", "5000")), 60
CHUNK, LONG_CHUNK, QUICK = 125, 10, 10
"""Days in one test; the last is what `make check` lives through."""
REPLAYS = 100


def check(first: int, count: int, length: Length) -> None:
    wrong = [outcome for outcome in live_all(range(first, first + count), length) if outcome.faults]
    assert not wrong, "\n" + "\n".join(told(outcome, length) for outcome in wrong)


def test_after_a_few_bad_days_the_records_equal_the_venues_ledgers() -> None:
    check(0, QUICK, SHORT)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(QUICK, SHORT_DAYS, CHUNK))
def test_after_a_bad_day_the_records_equal_the_venues_ledgers(first: int) -> None:
    check(first, CHUNK, SHORT)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, LONG_DAYS, LONG_CHUNK))
def test_after_a_long_bad_day_the_records_equal_the_venues_ledgers(first: int) -> None:
    check(first, LONG_CHUNK, LONG)


@pytest.mark.slow
def test_what_the_days_are_about_does_happen_in_them() -> None:
    seen = sum((outcome.seen for outcome in live_all(range(QUICK, 600))), Counter[str]())
    for what in ("orders sent", "answered", "kills", "killed at work", "disk failed", "InProgress"):
        assert seen[what] > 50, seen
    for what in ("refused", "hung up on", "KeyReused", "replayed"):
        assert seen[what] > 1, seen


# --- a seed is a day ---


def test_a_seed_gives_the_same_day_whatever_was_before_it() -> None:
    before = [live(seed).digest for seed in range(5)]
    assert [live(seed).digest for seed in reversed(range(5))] == before[::-1]
    assert len(set(before)) == 5


@pytest.mark.slow
@pytest.mark.parametrize("length", [SHORT, LONG])
def test_a_hundred_seeds_give_the_same_days_in_another_process(length: Length) -> None:
    """Sets and hashes are in another order there."""
    days = 100 if length is SHORT else 5
    command = [sys.executable, "-m", "tests.simulation", "--digests", "--seeds", str(days)]
    if length is LONG:
        command.append("--long")
    said = [
        subprocess.run(
            command,
            env=os.environ | {"PYTHONHASHSEED": number},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            check=True,
        ).stdout.split()
        for number in ("1", "2")
    ]
    assert said[0] == said[1]
    assert len(set(said[0])) == days


@pytest.mark.slow
def test_a_day_that_goes_wrong_goes_wrong_in_the_same_way_a_hundred_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = RouteHands.place

    async def rash(self: RouteHands, order: Order) -> Answer:
        answer = await honest(self, order)
        if isinstance(answer, Unknown):
            return Rejected(order.order_id, "timeout", "no reply, so surely nothing happened")
        return answer

    monkeypatch.setattr(RouteHands, "place", rash)
    first = next(outcome for seed in range(1_000) if (outcome := live(seed)).faults)
    assert all(live(first.seed) == first for _ in range(REPLAYS))
