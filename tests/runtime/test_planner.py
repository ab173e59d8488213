"""What a plan is made of: the books and the gates as they are when it is made."""

import asyncio

import pytest

from router.core.errors import NothingAllocated
from router.runtime.planner import Draft
from router.service import Router
from tests.virtual_time import VirtualLoop, run
from tests.world import YES, World, buy
from venues.base.units import ONE, Price, Size

AMOUNT = 20 * ONE
READ_MS = 40
"""How long a venue takes to tell a balance."""


def books(world: World, cents: int) -> None:
    """The same deep book on every venue."""
    for name, natives in world.natives.items():
        exchange = world.simulators[name].exchange
        bids, asks = ([(Price(each * 10_000), Size(900 * ONE))] for each in (cents - 2, cents))
        exchange.set_book(natives[0], bids, asks, world.clock.now_ms())
    world.pump()


async def drafting(world: World, router: Router) -> "asyncio.Task[Draft]":
    """A plan that waits for balances: they are read anew."""
    outcome = world.registry.outcome(YES)
    assert outcome is not None
    router._tools.balances._age_ms = -1
    world.network.latency_ms = READ_MS
    drafting = asyncio.ensure_future(router._planner.draft(world.account, buy(AMOUNT), outcome))
    await world.clock.sleep(READ_MS // 4)
    assert not drafting.done()
    return drafting


@pytest.mark.parametrize("cents", [41, 44])
def test_a_plan_is_made_on_the_books_as_they_are_once_the_balances_are_read(cents: int) -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1)
        router = await world.start()
        books(world, 42)
        waiting = await drafting(world, router)
        books(world, cents)
        draft = await waiting
        assert {order.limit for order in draft.plan.orders} == {cents * 10_000}

    run(loop, live())


def test_a_gate_that_closes_while_the_balances_are_read_keeps_its_venue_out() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1)
        router = await world.start()
        books(world, 42)
        waiting = await drafting(world, router)
        for name in world.natives:
            router._tools.venue_gates._means.breakers.pause(name, 10_000, "venue_restarting")
        with pytest.raises(NothingAllocated, match="venue restarting"):
            await waiting

    run(loop, live())
