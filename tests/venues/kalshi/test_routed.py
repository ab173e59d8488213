"""Whole routes over this venue's oddities; the other venues have empty books unless said otherwise."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from registry.model import OutcomeId
from router.core.report import FillStatus, Report
from router.service import Router
from tests.venues.kalshi.markets import KINDS
from tests.virtual_time import VirtualLoop, run
from tests.world import NO, YES, World, buy, sell
from venues.base.http import Purpose, Request
from venues.base.units import ONE, Price, Size

NAME = "kalshi"
Book = list[tuple[Price, Size]]


def levels(*rows: tuple[int, int]) -> Book:
    """(price in ten-thousandths, shares)."""
    return [(Price(price * 100), Size(shares * ONE)) for price, shares in rows]


async def scene(world: World, bids: Book, asks: Book, **start: Any) -> Router:
    world.simulators[NAME].exchange.set_book(world.natives[NAME][0], bids, asks, world.clock.now_ms())
    return await world.start(**start)


def routed(
    work: Callable[[World], Coroutine[Any, Any, Report]], kind: str = "standard", **world: str
) -> Report:
    """What `work` reports in a new world with a market of this kind."""
    loop = VirtualLoop()
    return run(loop, work(World(loop, 5, kinds={NAME: KINDS[kind]}, **world)))


@pytest.mark.parametrize("outcome", [YES, NO])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_market_buys_and_sells_to_the_last_hundredth_of_a_cent(
    kind: str, outcome: OutcomeId
) -> None:
    async def work(world: World) -> Report:
        router = await scene(world, levels((4000, 30), (3000, 30)), levels((5000, 10), (6000, 50)))
        before = world.cash(NAME)
        bought = await world.route(router, buy(20 * ONE, outcome))
        fees = sum(line.fee.amount for line in bought.fills if line.fee)
        assert all(line.status is FillStatus.FILLED and line.fee for line in bought.fills)
        assert world.cash(NAME) == before - bought.cash - fees
        assert sum(world.shares(NAME)) == bought.size
        await asyncio.sleep(5)
        sold = await world.route(router, sell(bought.size, outcome))
        assert (sold.size, world.shares(NAME)) == (bought.size, (0, 0))
        return bought

    assert routed(work, kind).size > 30 * ONE


def test_an_order_that_something_in_between_repeats_is_executed_once_and_found() -> None:
    async def work(world: World) -> Report:
        router = await scene(world, levels((4000, 30)), levels((5000, 100)))

        def twice(venue: str, request: Request) -> str:
            return "doubled" if venue == NAME and request.purpose is Purpose.ORDER else ""

        world.network.misdeed = twice
        done = await world.route(router, buy(20 * ONE))
        assert world.shares(NAME)[0] == done.size
        return done

    [line] = routed(work).fills
    assert (line.status, line.error) == (FillStatus.FILLED, None)
    assert line.size > 38 * ONE


def test_a_sale_larger_than_the_position_never_becomes_the_other_outcome() -> None:
    async def work(world: World) -> Report:
        router = await scene(world, levels((4000, 300)), levels((5000, 100)))
        done = await world.route(router, sell(50 * ONE))
        assert world.shares(NAME) == (0, 0)
        return done

    assert routed(work, shares="12.34").size == 12_340_000


def test_prices_between_whole_cents_are_taken_where_the_market_has_them() -> None:
    async def work(world: World) -> Report:
        router = await scene(world, levels((490, 500)), levels((510, 1000)))
        return await world.route(router, buy(20 * ONE))

    assert {line.price for line in routed(work, "tapered").fills} == {51_000}


def test_an_order_whose_averages_prove_nothing_is_settled_by_the_stream_while_no_read_answers() -> None:
    async def work(world: World) -> Report:
        router = await scene(world, levels((4000, 30)), levels((5001, 70), (5003, 90)))
        sent: list[Request] = []

        def busy(_venue: str, request: Request) -> str:
            sent.extend([request] if request.purpose is Purpose.ORDER else [])
            return "busy" if sent and request.purpose is Purpose.ACCOUNT else ""

        world.network.misdeed = busy
        done = await world.route(router, buy(70 * ONE))
        assert len(sent) == 1
        [account] = [a for a in world.simulators[NAME].exchange.accounts.values() if a.name != "house"]
        assert world.shares(NAME)[0] == done.size
        assert account.cash == 1_000 * ONE - done.cash - sum(
            line.fee.amount for line in done.fills if line.fee
        )
        return done

    [line] = routed(work, "hundredths of a cent").fills
    assert (line.status, line.error) == (FillStatus.FILLED, None)
    assert line.size > 130 * ONE
