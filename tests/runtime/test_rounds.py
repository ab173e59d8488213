"""Further rounds: what the first plan held back is spent on books that show the round before, or not."""

from collections.abc import Callable

import pytest
import structlog

from router.core.records import Extended
from router.core.report import Report
from router.runtime.planner import CATCH_UP_MS_MAX
from tests.virtual_time import VirtualLoop, run
from tests.world import World, buy, sell
from venues.base.units import ONE, Price, Size

AMOUNT = 200 * ONE
Change = Callable[[World], None]


def steep(world: World) -> None:
    """A cheap level and dear ones behind it, on every venue: much of a large buy is held back."""
    for rank, (name, natives) in enumerate(world.natives.items()):
        asks = [(Price((30 + rank) * 10_000), Size(100 * ONE)), (Price(600_000), Size(1_000 * ONE))]
        exchange = world.simulators[name].exchange
        exchange.set_book(natives[0], [(Price(200_000), Size(500 * ONE))], asks, world.clock.now_ms())


def day(change: Change = lambda _world: None, *, selling: bool = False) -> tuple[World, Report, int]:
    """One order on steep books; the world, the report, and how long the caller waited."""
    loop = VirtualLoop()

    async def live() -> tuple[World, Report, int]:
        world = World(loop, 1, shares="400")
        router = await world.start()
        steep(world)
        change(world)
        started_ms = world.clock.monotonic_ms()
        report = await world.route(router, sell(300 * ONE) if selling else buy(AMOUNT))
        return world, report, world.clock.monotonic_ms() - started_ms

    return run(loop, live())


def spent(report: Report) -> int:
    return sum(line.cash + (line.fee.amount if line.fee else 0) for line in report.fills)


def rounds(world: World) -> int:
    """Further rounds on disk."""
    return sum(b'"extended"' in line for line in world.store.lines)


def test_what_was_held_back_is_spent_in_further_rounds() -> None:
    world, report, _ = day()
    assert rounds(world) >= 1
    assert AMOUNT * 99 // 100 <= spent(report) <= AMOUNT


def test_books_that_do_not_show_what_was_taken_end_the_route_in_time() -> None:
    def deaf(world: World) -> None:
        world.network.after = lambda: None

    world, report, waited_ms = day(deaf)
    assert rounds(world) == 0
    assert 0 < spent(report) < AMOUNT
    assert waited_ms <= CATCH_UP_MS_MAX + 200


def test_a_further_round_that_finds_nothing_ends_the_route_with_what_it_has() -> None:
    def vanish(world: World) -> None:
        def leave(venue: str) -> None:
            def empty() -> None:
                native = world.natives[venue][0]
                world.simulators[venue].exchange.set_book(native, [], [], world.clock.now_ms())
                world.pump()

            world.network.after = empty

        world.network.before_order = leave

    with structlog.testing.capture_logs() as logs:
        world, report, _ = day(vanish)
    assert not [entry for entry in logs if entry["log_level"] == "error"]
    assert rounds(world) == 0
    assert 0 < spent(report) < AMOUNT


@pytest.mark.parametrize("word", ["down", "unsure"])
def test_a_further_round_that_cannot_be_written_ends_the_route_with_what_it_has(word: str) -> None:
    def fail(world: World) -> None:
        world.store.misdeed = lambda record: word if isinstance(record, Extended) else ""

    world, report, _ = day(fail)
    orders = sum(
        order.account != "house" for s in world.simulators.values() for order in s.exchange.orders.values()
    )
    assert orders == len(report.fills)
    assert 0 < spent(report) < AMOUNT
    [stored] = world.store.stored().values()
    assert {order.order_id for order in stored.planned.orders} == {line.order_id for line in report.fills}


def test_a_sale_takes_one_round() -> None:
    world, report, _ = day(selling=True)
    assert rounds(world) == 0
    assert report.size == 300 * ONE
