"""One route at a time per account."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from router.core.model import AccountId
from router.runtime import lanes as module
from router.runtime.lanes import WAITING_MAX, LaneFull, Lanes
from router.runtime.metrics import Metrics

ALICE, BOB = AccountId("alice"), AccountId("bob")


@asynccontextmanager
async def turn(lanes: Lanes, account_id: AccountId) -> AsyncIterator[None]:
    if not lanes.take_free(account_id):
        await lanes.take(account_id)
    try:
        yield
    finally:
        lanes.give(account_id)


async def test_routes_of_one_account_never_overlap_and_keep_their_order() -> None:
    lanes, inside, order = Lanes(Metrics()), 0, []

    async def route(number: int) -> None:
        nonlocal inside
        async with turn(lanes, ALICE):
            inside += 1
            assert inside == 1
            order.append(number)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(route(number) for number in range(WAITING_MAX)))
    assert order == list(range(WAITING_MAX))
    assert len(lanes) == 0


async def test_accounts_do_not_wait_for_each_other() -> None:
    lanes = Lanes(Metrics())
    async with turn(lanes, ALICE), asyncio.timeout(1), turn(lanes, BOB):
        pass


async def test_one_too_many_is_told_at_once() -> None:
    metrics = Metrics()
    lanes = Lanes(metrics)

    async def route() -> None:
        async with turn(lanes, ALICE):
            await asyncio.sleep(60)

    tasks = [asyncio.ensure_future(route()) for _ in range(1 + WAITING_MAX)]
    await asyncio.sleep(0)
    assert metrics.registry.get_sample_value("crossbook_lanes_waiting") == WAITING_MAX
    with pytest.raises(LaneFull):
        async with turn(lanes, ALICE):
            pass
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(lanes) == 0
    assert metrics.registry.get_sample_value("crossbook_lanes_waiting") == 0


async def test_accounts_at_once_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LANES_MAX", 1)
    lanes = Lanes(Metrics())
    async with turn(lanes, ALICE):
        with pytest.raises(LaneFull):
            async with turn(lanes, BOB):
                pass
    async with turn(lanes, BOB):
        pass


async def test_a_route_that_fails_frees_its_lane() -> None:
    lanes = Lanes(Metrics())
    with pytest.raises(ZeroDivisionError):
        async with turn(lanes, ALICE):
            raise ZeroDivisionError
    assert len(lanes) == 0
    async with turn(lanes, ALICE):
        pass


@pytest.mark.parametrize("seed", range(20))
async def test_no_lane_is_left_behind_whoever_gives_up_whenever(seed: int) -> None:
    luck = random.Random(seed)
    lanes = Lanes(Metrics())

    async def route() -> None:
        async with turn(lanes, luck.choice((ALICE, BOB))):
            for _ in range(luck.randrange(3)):
                await asyncio.sleep(0)

    tasks = [asyncio.ensure_future(route()) for _ in range(20)]
    for _ in range(40):
        luck.choice(tasks).cancel()
        await asyncio.sleep(0)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(lanes) == 0
