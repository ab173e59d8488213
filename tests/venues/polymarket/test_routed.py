"""Whole routes over this venue's oddities; the other venues have empty books unless said otherwise."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from router.core.errors import NothingAllocated
from router.core.report import FillStatus, Report
from router.service import Router
from tests.venues.polymarket.markets import KINDS
from tests.virtual_time import VirtualLoop, run
from tests.world import Kind, World, buy, sell
from venues.base.units import ONE, Price, Size
from venues.polymarket.sim import PolymarketSimulator
from venues.sim.model import HOUSE

NAME = "polymarket"
Book = list[tuple[Price, Size]]


def levels(*rows: tuple[int, int]) -> Book:
    """(price in ten-thousandths, shares)."""
    return [(Price(price * 100), Size(shares * ONE)) for price, shares in rows]


BIDS, ASKS = levels((4800, 30), (4700, 30)), levels((5200, 10), (5400, 50))


async def scene(world: World, bids: Book = BIDS, asks: Book = ASKS, **start: Any) -> Router:
    world.simulators[NAME].exchange.set_book(world.natives[NAME][0], bids, asks, world.clock.now_ms())
    return await world.start(**start)


HELD: Kind = {"market": {"taker_delay_ms": 3_000}}
"""A market that holds marketable orders for three seconds."""


def routed(
    work: Callable[[World], Coroutine[Any, Any, Report]], kind: Kind = KINDS["standard"], **world: str
) -> Report:
    """What `work` reports in a new world with a market of this kind."""
    loop = VirtualLoop()
    return run(loop, work(World(loop, 5, kinds={NAME: kind}, **world)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_market_and_wallet_buys_and_sells_to_the_last_cent(kind: str) -> None:
    async def work(world: World) -> Report:
        cents = levels((4000, 30), (3000, 30)), levels((5000, 10), (6000, 50))
        router = await scene(world, *cents)
        bought = await world.route(router, buy(20 * ONE))
        fees = sum(line.fee.amount for line in bought.fills if line.fee)
        assert all(line.status is FillStatus.FILLED and line.fee for line in bought.fills)
        assert world.cash(NAME) == 1_000 * ONE - bought.cash - fees
        assert world.shares(NAME)[0] == bought.size
        await asyncio.sleep(5)
        sold = await world.route(router, sell(bought.size))
        assert all(line.status is FillStatus.FILLED for line in sold.fills)
        assert world.shares(NAME)[0] == bought.size - sold.size < 10_000, "only dust is left"
        return bought

    report = routed(work, KINDS[kind])
    assert report.size > 30 * ONE


def test_a_held_order_is_reported_with_its_true_fill() -> None:
    async def work(world: World) -> Report:
        router = await scene(world)
        started = world.clock.monotonic_ms()
        done = await world.route(router, buy(5 * ONE))
        assert world.clock.monotonic_ms() - started > 3_000
        return done

    [line] = routed(work, HELD).fills
    assert (line.status, line.price) == (FillStatus.FILLED, 520_000)
    assert line.cash > 4_800_000


def test_an_order_held_longer_than_the_caller_waits_is_open_and_then_recorded() -> None:
    async def work(world: World) -> Report:
        router = await scene(world, answer_ms=2_000)
        done = await world.route(router, buy(5 * ONE))
        await asyncio.sleep(30)
        assert await world.store.unfinished() == []
        assert world.shares(NAME)[0] > 9 * ONE
        return done

    [line] = routed(work, HELD).fills
    assert (line.status, line.size) == (FillStatus.OPEN, 0)


@pytest.mark.parametrize(("tick", "status"), [("0.1", FillStatus.FAILED), ("0.001", FillStatus.FILLED)])
def test_a_tick_that_changes_before_the_order_arrives_costs_nothing_but_the_order(
    tick: str, status: FillStatus
) -> None:
    async def work(world: World) -> Report:
        router = await scene(world)
        simulator = world.simulators[NAME]
        assert isinstance(simulator, PolymarketSimulator)
        token = world.natives[NAME][0]
        world.network.before_order = lambda _: simulator.change_tick(token, tick, world.clock.now_ms())
        done = await world.route(router, buy(5 * ONE))
        fees = sum(line.fee.amount for line in done.fills if line.fee)
        assert world.cash(NAME) == 1_000 * ONE - done.cash - fees
        assert world.shares(NAME)[0] == done.size
        return done

    [line] = routed(work).fills
    assert line.status is status
    assert (line.error is not None) is (status is FillStatus.FAILED)


def test_less_than_a_dollar_is_not_bought_and_the_reason_named() -> None:
    async def work(world: World) -> Report:
        router = await scene(world)
        with pytest.raises(NothingAllocated, match=f"{NAME}: min order size"):
            await world.route(router, buy(990_000))
        return await world.route(router, buy(1_100_000))

    assert routed(work).size > ONE


def test_a_holding_of_less_than_a_hundredth_of_a_share_is_not_sold() -> None:
    async def work(world: World) -> Report:
        router = await scene(world)
        exchange = world.simulators[NAME].exchange
        [account] = [each for each in exchange.accounts.values() if each.name != HOUSE]
        [market] = exchange.markets.values()
        exchange.grant(account, market, 0, Size(9_999))
        with pytest.raises(NothingAllocated, match=f"{NAME}: min order size"):
            await world.route(router, sell(10 * ONE))
        exchange.grant(account, market, 0, Size(1))
        return await world.route(router, sell(10 * ONE))

    assert routed(work).size == 10_000


def test_a_remainder_below_the_minimum_goes_to_no_venue_or_all_of_it_to_the_other() -> None:
    """A dollar and a half, of which the cheaper venue has a dollar's worth: half a dollar would be left."""

    async def work(world: World) -> Report:
        other = next(name for name in world.venues if name != NAME)
        asks = levels((5000, 2))
        world.simulators[other].exchange.set_book(
            world.natives[other][0], levels((4000, 10)), asks, world.clock.now_ms()
        )
        router = await scene(world, asks=levels((5200, 100)))
        return await world.route(router, buy(1_500_000))

    report = routed(work)
    assert report.cash + sum(line.fee.amount for line in report.fills if line.fee) <= 1_500_000
    [entry] = [entry for entry in report.considered if entry.venue == NAME]
    mine = [line for line in report.fills if line.venue == NAME]
    assert mine == [] or mine[0].cash >= ONE
    assert (entry.dropped is None) is bool(mine)
    assert report.size > 2_600_000, "one venue alone sells less than its share and ours of the whole"
