"""Bounded concurrency, in every order of finishing, failing and giving up."""

import asyncio
import random

import pytest

from router.runtime.slots import Slots, SlotsFull


async def test_no_more_run_than_may_and_they_run_in_order() -> None:
    slots = Slots(2, 100)
    running, most, order = 0, 0, []

    async def work(number: int) -> None:
        nonlocal running, most
        async with slots.turn():
            order.append(number)
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(work(number) for number in range(20)))
    assert most == 2
    assert order == list(range(20))
    assert (slots.running, slots.waiting) == (0, 0)


async def test_one_too_many_is_told_at_once() -> None:
    slots = Slots(1, 1)
    await slots.take()
    waiting = asyncio.ensure_future(slots.take())
    await asyncio.sleep(0)
    with pytest.raises(SlotsFull):
        await slots.take()
    slots.give()
    await waiting


async def test_a_newcomer_does_not_overtake() -> None:
    slots = Slots(1, 2)
    await slots.take()
    first = asyncio.ensure_future(slots.take())
    await asyncio.sleep(0)
    slots.give()
    second = asyncio.ensure_future(slots.take())
    await asyncio.sleep(0)
    assert first.done()
    assert not second.done()
    second.cancel()


@pytest.mark.parametrize("seed", range(30))
async def test_no_slot_is_lost_whoever_gives_up_whenever(seed: int) -> None:
    luck = random.Random(seed)
    slots = Slots(3, 1_000)

    async def work() -> None:
        async with slots.turn():
            for _ in range(luck.randrange(4)):
                await asyncio.sleep(0)
            if luck.random() < 0.2:
                raise ZeroDivisionError

    tasks = [asyncio.ensure_future(work()) for _ in range(60)]
    for _ in range(100):
        luck.choice(tasks).cancel()
        await asyncio.sleep(0)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (slots.running, slots.waiting) == (0, 0)
    for _ in range(3):
        await asyncio.wait_for(slots.take(), 0.1)
