"""Whole routes over this venue's oddities; the other venues have empty books unless said otherwise."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from registry.model import OutcomeId
from router.core.report import FillStatus, Report
from router.service import Router
from tests.venues.polymarket_us.markets import KINDS
from tests.virtual_time import VirtualLoop, run
from tests.world import NO, YES, World, buy, sell
from venues.base.http import Purpose, Request
from venues.base.units import ONE, Price, Size

NAME = "polymarket_us"
Book = list[tuple[Price, Size]]


def levels(*rows: tuple[int, int]) -> Book:
    """(price in thousandths, shares)."""
    return [(Price(price * 1_000), Size(shares * ONE)) for price, shares in rows]


BIDS, ASKS = levels((400, 30), (300, 30)), levels((500, 10), (600, 50))


async def scene(world: World, bids: Book = BIDS, asks: Book = ASKS, **start: Any) -> Router:
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
def test_every_kind_of_market_buys_and_sells_to_the_last_cent(kind: str, outcome: OutcomeId) -> None:
    async def work(world: World) -> Report:
        router = await scene(world)
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

    assert routed(work, kind).size > 28 * ONE


def once(what: str) -> Callable[[str, Request], str]:
    """This goes wrong with the first order, and with nothing after it."""
    left = [what]

    def misdeed(venue: str, request: Request) -> str:
        return left.pop() if left and venue == NAME and request.purpose is Purpose.ORDER else ""

    return misdeed


@pytest.mark.parametrize("what", ["silent", "error_after", "limited_after", "garbled", "doubled"])
def test_an_order_whose_reply_is_lost_is_found_and_not_sent_again(what: str) -> None:
    async def work(world: World) -> Report:
        router = await scene(world, asks=levels((500, 100)))
        world.network.misdeed = once(what)
        done = await world.route(router, buy(20 * ONE))
        assert world.shares(NAME)[0] == done.size
        return done

    [line] = routed(work).fills
    assert (line.status, line.error) == (FillStatus.FILLED, None)
    assert line.size > 36 * ONE


def test_the_same_sale_twice_is_reported_once_when_the_first_never_arrived() -> None:
    """Both look exactly alike: what became of the second is not told to the first."""

    async def work(world: World) -> Report:
        router = await scene(world, bids=levels((400, 100)), answer_ms=500)
        world.network.misdeed = once("lost")
        first = await world.route(router, sell(5 * ONE))
        assert [line.status for line in first.fills] == [FillStatus.OPEN]
        second = await world.route(router, sell(5 * ONE))
        await asyncio.sleep(60)
        stored = [answer for route in world.store.stored().values() for answer in route.answers]
        assert sorted(type(answer).__name__ for answer in stored) == ["Filled", "Rejected"]
        assert world.shares(NAME)[0] == 5 * ONE
        return second

    assert routed(work, shares="10").size == 5 * ONE
