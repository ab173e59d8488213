"""Days on which the machine's clock is wrong after a restart, and is set right while orders are under way.

Beside them the account is compared with the store all the time, and what nobody knows is cancelled.
"""

import asyncio
import random

import pytest

from router.runtime.reconcile import Reconciler
from router.service import Router
from tests.simulation.day import LONG, Day
from tests.world import ACCOUNT

WRONG_MS = (0, 1_500, 30_000, 3_600_000, -3_600_000)
RIGHT_AGAIN_S = (0.5, 7, 20)
"""Before a venue's time is confirmed, and after."""
EVERY_MS = (1_000, 10_000)
DAYS, CHUNK, QUICK = 60, 10, 2


class Compared(Day):
    """A day whose clock is as bad as all else."""

    reconciler: Reconciler

    async def _start(self) -> Router:
        world, luck = self.world, random.Random(f"{self.seed}/clock/{self.seen['kills']}")
        if self.seen["kills"]:
            world.own.shift_ms = luck.choice(WRONG_MS)
            self.loop.call_later(luck.choice(RIGHT_AGAIN_S), setattr, world.own, "shift_ms", 0)
        router = await super()._start()
        self.reconciler = Reconciler(
            router._tools,
            {ACCOUNT: world.account},
            router.late,
            listings=world.catalog.listings,
            every_ms=luck.choice(EVERY_MS),
            cancel=True,
        )
        self.reconciler.start()
        return router

    async def _restart(self, router: Router) -> Router:
        await self.reconciler.stop()
        return await super()._restart(router)

    async def _ask_again(self, router: Router) -> None:
        await self.reconciler.stop()
        await asyncio.sleep(20)  # what it began to look up ends
        await super()._ask_again(router)


def check(first: int, count: int) -> None:
    wrong = {}
    for seed in range(first, first + count):
        day = Compared(seed, LONG)
        if faults := day.live():
            wrong[seed] = faults
    assert wrong == {}


def test_a_clock_that_was_wrong_for_a_while_makes_no_record_wrong() -> None:
    check(0, QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(5_000, 5_000 + DAYS, CHUNK))
def test_a_clock_that_was_wrong_for_a_while_makes_no_record_wrong_on_any_day(first: int) -> None:
    check(first, CHUNK)
