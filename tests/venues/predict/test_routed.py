"""Whole routes over this venue's oddities; the other venues have empty books."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from router.core.errors import NothingAllocated
from router.core.report import FillStatus, Report
from router.service import Router
from tests.venues.predict.markets import KINDS
from tests.virtual_time import VirtualLoop, run
from tests.world import NO, YES, World, buy, sell
from venues.base.orders import SHARES, Filled
from venues.base.units import ONE, Price, Size

NAME = "predict"
Book = list[tuple[Price, Size]]


def levels(*rows: tuple[int, int]) -> Book:
    """(price in cents, shares)."""
    return [(Price(price * 10_000), Size(shares * ONE)) for price, shares in rows]


BIDS, ASKS = levels((48, 30), (47, 30)), levels((52, 10), (54, 50))


async def scene(world: World, bids: Book = BIDS, asks: Book = ASKS, **start: Any) -> Router:
    world.simulators[NAME].exchange.set_book(world.natives[NAME][0], bids, asks, world.clock.now_ms())
    return await world.start(**start)


def routed(
    work: Callable[[World], Coroutine[Any, Any, Report]], kind: str = "standard", **world: str
) -> Report:
    """What `work` reports in a new world with a market of this kind."""
    loop = VirtualLoop()
    return run(loop, work(World(loop, 5, kinds={NAME: KINDS[kind]}, **world)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("outcome", [YES, NO])
def test_every_kind_of_market_and_wallet_buys_and_sells_to_the_last_millionth(
    kind: str, outcome: Any
) -> None:
    async def work(world: World) -> Report:
        router = await scene(world, answer_ms=60_000)
        index = 0 if outcome == YES else 1
        bought = await world.route(router, buy(15 * ONE, outcome))
        paid = sum(line.fee.cash for line in bought.fills if line.fee)
        kept = sum(line.fee.shares for line in bought.fills if line.fee)
        assert all(line.status is FillStatus.FILLED and line.fee for line in bought.fills)
        assert world.cash(NAME) == 1_000 * ONE - bought.cash - paid
        assert world.shares(NAME)[index] == bought.size - kept
        assert (kept > 0, paid) == (kind != "free of fees", 0)
        await asyncio.sleep(5)
        sold = await world.route(router, sell(Size(bought.size - kept), outcome))
        assert all(line.status is FillStatus.FILLED for line in sold.fills)
        left = world.shares(NAME)[index]
        assert left == bought.size - kept - sold.size < 10_000, "only dust is left"
        charged = sum(line.fee.cash for line in sold.fills if line.fee)
        assert world.cash(NAME) == 1_000 * ONE - bought.cash + sold.cash - charged
        return bought

    assert routed(work, kind).size > 25 * ONE


def test_a_held_and_settled_order_is_reported_with_its_true_fill() -> None:
    async def work(world: World) -> Report:
        router = await scene(world)
        started = world.clock.monotonic_ms()
        done = await world.route(router, buy(5 * ONE))
        assert world.clock.monotonic_ms() - started > 2_000, "not before it has settled"
        return done

    [line] = routed(work).fills
    assert (line.status, line.price, line.fee and line.fee.unit) == (FillStatus.FILLED, 520_000, SHARES)


def test_a_caller_who_does_not_wait_for_the_chain_gets_the_match_and_the_store_the_rest() -> None:
    async def work(world: World) -> Report:
        router = await scene(world, answer_ms=1_500)
        done = await world.route(router, buy(5 * ONE))
        await asyncio.sleep(30)
        assert await world.store.unfinished() == []
        [route] = world.store.stored().values()
        last = route.answers[-1]
        assert isinstance(last, Filled)
        assert last.size - last.fee.shares == world.shares(NAME)[0]
        return done

    [line] = routed(work).fills
    assert line.size > 9 * ONE
    assert line.fee is None


def test_books_that_run_away_cost_nothing_but_the_order() -> None:
    async def work(world: World) -> Report:
        router = await scene(world, answer_ms=60_000)
        native, exchange = world.natives[NAME][0], world.simulators[NAME].exchange

        def dearer(_: str) -> None:
            exchange.set_book(native, BIDS, levels((60, 100)), world.clock.now_ms())

        world.network.before_order = dearer
        done = await world.route(router, buy(5 * ONE))
        assert (world.cash(NAME), world.shares(NAME)[0]) == (1_000 * ONE, 0)
        return done

    [line] = routed(work).fills
    assert line.status is FillStatus.FAILED


def test_less_than_a_dollar_is_neither_bought_nor_sold_and_the_reason_named() -> None:
    async def work(world: World) -> Report:
        router = await scene(world)
        for asked in (buy(990_000), sell(2 * ONE)):
            with pytest.raises(NothingAllocated, match=f"{NAME}: min order size"):
                await world.route(router, asked)
        return await world.route(router, buy(1_100_000))

    assert routed(work, shares="100").size > ONE


def test_of_a_long_size_five_digits_are_traded_and_the_rest_is_said_to_be_left() -> None:
    async def work(world: World) -> Report:
        router = await scene(world, bids=levels((48, 9_000)), answer_ms=60_000)
        return await world.route(router, sell(Size(1_234_560_000)))

    [line] = routed(work, shares="2000").fills
    assert (line.status, line.size) == (FillStatus.PARTIAL, 1_234_500_000)
