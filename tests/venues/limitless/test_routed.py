"""Whole routes over this venue's oddities; the other venues have empty books unless said otherwise."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from registry.model import OutcomeId
from router.core.errors import NothingAllocated
from router.core.report import FillStatus, Report
from router.service import Router
from tests.venues.limitless.markets import KINDS
from tests.virtual_time import VirtualLoop, run
from tests.world import NO, YES, Kind, World, buy, sell
from venues.base.http import Purpose, Request
from venues.base.orders import SHARES
from venues.base.units import ONE, Price, Size
from venues.limitless import VENUE
from venues.limitless.orders import ABSENT_MS

NAME = "limitless"
Book = list[tuple[Price, Size]]


def levels(*rows: tuple[int, int]) -> Book:
    """(price in thousandths, shares)."""
    return [(Price(price * 1_000), Size(shares * ONE)) for price, shares in rows]


BIDS, ASKS = levels((480, 30), (470, 30)), levels((520, 10), (541, 50))


async def scene(world: World, bids: Book = BIDS, asks: Book = ASKS, **start: Any) -> Router:
    world.simulators[NAME].exchange.set_book(world.natives[NAME][0], bids, asks, world.clock.now_ms())
    return await world.start(**start)


def routed(
    work: Callable[[World], Coroutine[Any, Any, Report]], kind: Kind = KINDS["standard"], **world: str
) -> Report:
    """What `work` reports in a new world with a market of this kind."""
    loop = VirtualLoop()
    return run(loop, work(World(loop, 5, kinds={NAME: kind}, **world)))


def paid(report: Report) -> int:
    """Cash and fees in money of a buy."""
    return report.cash + sum(line.fee.cash for line in report.fills if line.fee)


def kept(report: Report) -> int:
    """Fees in shares of a buy."""
    return sum(line.fee.shares for line in report.fills if line.fee)


@pytest.mark.parametrize("outcome", [YES, NO])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_market_buys_and_sells_to_the_last_millionth(kind: str, outcome: OutcomeId) -> None:
    async def work(world: World) -> Report:
        router = await scene(world, levels((400, 30), (300, 30)), levels((500, 10), (600, 50)))
        before = world.cash(NAME)
        bought = await world.route(router, buy(20 * ONE, outcome))
        assert all(line.status is FillStatus.FILLED and line.fee for line in bought.fills)
        assert world.cash(NAME) == before - paid(bought)
        assert paid(bought) <= 20 * ONE
        assert sum(world.shares(NAME)) == bought.size - kept(bought)
        assert bool(kept(bought)) is ("money" not in kind)
        await asyncio.sleep(10)
        sold = await world.route(router, sell(bought.size, outcome))
        left = sum(world.shares(NAME))
        assert left == bought.size - kept(bought) - sold.size < 1_000, "only dust is left"
        fees = sum(line.fee.cash for line in sold.fills if line.fee)
        assert world.cash(NAME) == before - paid(bought) + sold.cash - fees
        return bought

    report = routed(work, KINDS[kind])
    assert report.size > 25 * ONE


def test_a_fill_is_reported_only_when_it_is_on_the_chain() -> None:
    async def work(world: World) -> Report:
        router = await scene(world)
        started = world.clock.monotonic_ms()
        done = await world.route(router, buy(5 * ONE))
        assert 2_000 <= world.clock.monotonic_ms() - started < 6_000
        return done

    [line] = routed(work, {"knobs": {"mined_ms": 2_000, "confirmed_ms": 4_000}}).fills
    assert line.status is FillStatus.FILLED
    assert line.fee is not None
    assert line.fee.unit == SHARES


def test_a_match_that_fails_on_the_chain_is_never_reported_as_a_fill() -> None:
    async def work(world: World) -> Report:
        router = await scene(world)
        before = world.cash(NAME)
        done = await world.route(router, buy(5 * ONE))
        assert (world.cash(NAME), world.shares(NAME)) == (before, (0, 0))
        return done

    report = routed(work, {"knobs": {"fail_trades": 1}})
    assert (report.size, report.fills[0].status) == (0, FillStatus.FAILED)
    assert report.fills[0].error is not None
    assert "settlement_failed" in report.fills[0].error


def test_a_caller_who_cannot_wait_for_the_chain_is_told_of_the_match_and_the_end_is_recorded() -> None:
    async def work(world: World) -> Report:
        router = await scene(world, answer_ms=1_000)
        done = await world.route(router, buy(5 * ONE))
        assert await world.store.unfinished() != []
        await asyncio.sleep(30)
        assert await world.store.unfinished() == []
        return done

    [line] = routed(work, {"knobs": {"mined_ms": 5_000, "confirmed_ms": 6_000}}).fills
    assert line.size > 9 * ONE


def test_a_held_order_is_reported_with_its_true_fill() -> None:
    async def work(world: World) -> Report:
        router = await scene(world)
        started = world.clock.monotonic_ms()
        done = await world.route(router, buy(5 * ONE))
        assert world.clock.monotonic_ms() - started > 3_000
        return done

    [line] = routed(work, {"market": {"taker_delay_ms": 3_000}}).fills
    assert line.status is FillStatus.FILLED


@pytest.mark.parametrize("misdeed", ["doubled", "silent", "error_after", "limited_after", "garbled"])
def test_an_order_whose_reply_is_lost_is_executed_once_and_found(misdeed: str) -> None:
    async def work(world: World) -> Report:
        router = await scene(world)

        def once(venue: str, request: Request) -> str:
            return misdeed if venue == NAME and request.path == "/orders" else ""

        world.network.misdeed = once
        done = await world.route(router, buy(5 * ONE))
        assert world.shares(NAME)[0] == done.size - kept(done)
        return done

    [line] = routed(work).fills
    assert (line.status, line.error) == (FillStatus.FILLED, None)


def test_an_order_that_never_arrived_is_proven_not_executed_after_its_window() -> None:
    async def work(world: World) -> Report:
        router = await scene(world, answer_ms=60_000)

        def lost(venue: str, request: Request) -> str:
            return "lost" if venue == NAME and request.purpose is Purpose.ORDER else ""

        world.network.misdeed = lost
        started = world.clock.monotonic_ms()
        done = await world.route(router, buy(5 * ONE))
        assert ABSENT_MS < world.clock.monotonic_ms() - started < ABSENT_MS + 15_000
        return done

    [line] = routed(work).fills
    assert line.status is FillStatus.FAILED
    assert line.error is not None
    assert "not_executed" in line.error


def test_a_fee_rate_that_changed_costs_one_order_and_is_read_anew() -> None:
    """The rate is cached with the account: the venue refuses the old one, and the next order has the new."""

    async def work(world: World) -> Report:
        router = await scene(world)
        signer: Any = world.account.signers[NAME]
        await world.route(router, buy(2 * ONE))
        signer.profile = type(signer.profile)(signer.profile.id, 299)
        refused = await world.route(router, buy(2 * ONE))
        assert refused.fills[0].status is FillStatus.FAILED
        return await world.route(router, buy(2 * ONE))

    assert routed(work).fills[0].status is FillStatus.FILLED


def test_nothing_is_sent_while_the_venue_is_maintained() -> None:
    async def work(world: World) -> Report:
        router = await scene(world)
        simulator: Any = world.simulators[NAME]
        simulator.knobs["maintenance"] = "cancel_only_mode"
        done = await world.route(router, buy(2 * ONE))
        assert done.fills[0].status is FillStatus.FAILED, "known only from the refusal until markets are read"
        assert await world.catalog.refresh() == {}
        with pytest.raises(NothingAllocated):
            await world.route(router, buy(2 * ONE))
        simulator.knobs["maintenance"] = ""
        assert await world.catalog.refresh() == {}
        await world.clock.sleep(VENUE.limits.phase_ms)
        return await world.route(router, buy(2 * ONE))

    assert routed(work).fills[0].status is FillStatus.FILLED


def test_less_than_a_dollar_is_not_bought() -> None:
    async def work(world: World) -> Report:
        router = await scene(world)
        with pytest.raises(NothingAllocated, match=f"{NAME}: min order size"):
            await world.route(router, buy(990_000))
        return await world.route(router, buy(1_100_000))

    assert routed(work).size > ONE
