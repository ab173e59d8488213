"""Further rounds: what the first plan held back is spent on books that show the round before, or not."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
import structlog

from router.core.execution import Execution
from router.core.records import Answered, Extended, decode
from router.core.report import Report
from router.runtime.accounts import Account
from router.runtime.balances import READ_MS_MAX
from router.runtime.planner import CATCH_UP_MS_MAX
from tests.virtual_time import VirtualLoop, run
from tests.world import ACCOUNT, World, buy, sell
from venues import discover
from venues.base.contract import Venue
from venues.base.orders import Filled, Pending
from venues.base.units import ONE, Cash, Price, Size

AMOUNT = 100 * ONE * len(discover())
"""Three times what the cheap levels cost."""
ANSWER_MS, LATE_MS = 6_000, 3 * READ_MS_MAX
"""Enough for a first round, and not for one that waits so long for its balances."""
Change = Callable[[World], None]


def steep(world: World) -> None:
    """A cheap level and dear ones behind it, on every venue: much of a large buy is held back."""
    for rank, (name, natives) in enumerate(world.natives.items()):
        asks = [(Price((30 + rank) * 10_000), Size(100 * ONE)), (Price(600_000), Size(1_000 * ONE))]
        exchange = world.simulators[name].exchange
        exchange.set_book(natives[0], [(Price(200_000), Size(500 * ONE))], asks, world.clock.now_ms())


def day(
    change: Change = lambda _world: None, *, selling: bool = False, **limits: object
) -> tuple[World, Report, int]:
    """One order on steep books; the world, the report, and how long the caller waited."""
    loop = VirtualLoop()

    async def live() -> tuple[World, Report, int]:
        world = World(loop, 1, shares="400")
        router = await world.start()
        steep(world)
        change(world)
        started_ms = world.clock.monotonic_ms()
        asked = sell(300 * ONE) if selling else buy(AMOUNT)
        report = await world.route(router, msgspec.structs.replace(asked, **limits))
        return world, report, world.clock.monotonic_ms() - started_ms

    return run(loop, live())


def spent(report: Report) -> int:
    return sum(line.cash + (line.fee.cash if line.fee else 0) for line in report.fills)


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
    records = list(map(decode, world.store.lines))
    last_word_ms = max(record.at_ms for record in records if isinstance(record, Answered)) - records[0].at_ms
    assert waited_ms <= last_word_ms + CATCH_UP_MS_MAX + 200


def test_a_round_whose_balances_come_late_is_not_waited_for_beyond_the_callers_time() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1)
        router = await world.start(answer_ms=ANSWER_MS)
        steep(world)
        balances, reads = router._tools.balances, list[int]()
        usual = balances.funds

        async def late(account: Account, venues: Sequence[str]) -> Any:
            reads.append(world.clock.monotonic_ms())
            if len(reads) > 1:
                await world.clock.sleep(LATE_MS)
            return await usual(account, venues)

        balances._age_ms = -1  # nothing is remembered
        balances.funds = late  # type: ignore[method-assign]  # the moment is chosen
        began_ms = world.clock.monotonic_ms()
        report = await world.route(router, buy(AMOUNT))
        assert 0 < spent(report) < AMOUNT
        assert len(reads) == 2, "a further round was planned"
        assert world.clock.monotonic_ms() - began_ms <= ANSWER_MS
        await world.clock.sleep(20_000)
        assert rounds(world) == 0, "nothing more is sent for whoever was answered"
        assert await world.store.unfinished() == []

    run(loop, live())


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


def test_slippage_counts_from_the_best_price_of_the_first_round() -> None:
    """Three levels; the third is within a tenth of the second, but not of the first."""

    def stairs(world: World) -> None:
        for name, natives in world.natives.items():
            asks = [
                (Price(cents * 10_000), Size(size * ONE)) for cents, size in ((30, 9), (31, 9), (34, 900))
            ]
            world.simulators[name].exchange.set_book(natives[0], [], asks, world.clock.now_ms())

    world, report, _ = day(stairs, max_slippage_bps=1_000)
    assert rounds(world) >= 1
    [stored] = world.store.stored().values()
    assert {order.limit for order in stored.planned.orders} <= {300_000, 310_000}
    assert spent(report) < AMOUNT, "there was no more at the prices accepted"


@pytest.mark.parametrize("most", [1, 2])
def test_no_more_venues_are_used_than_asked_for_in_all_rounds_together(most: int) -> None:
    """The dear levels are nearly the same everywhere: each round would prefer a venue of its own."""
    world, report, _ = day(max_venues=most)
    assert rounds(world) >= 1
    assert len({line.venue for line in report.fills}) <= most


def test_a_sale_takes_one_round() -> None:
    world, report, _ = day(selling=True)
    assert rounds(world) == 0
    assert 0 <= 300 * ONE - report.size <= 1, "a venue may tell orders apart by their last millionth"


def test_what_shows_up_late_is_spent_when_the_next_round_is_planned_and_told_to_the_caller() -> None:
    """One venue says that half of its order traded, and then the truth, before the slowest has answered."""
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1)
        router = await world.start()
        steep(world)
        world.mishear = lambda: "lost"
        before = sum(world.cash(name) for name in world.venues)
        wrong, slow = list(world.venues)[:2]
        perform: Callable[..., Any] = world.network.perform
        halved: list[str] = []

        async def misread(venue: Venue, *given: Any, **named: Any) -> Any:
            found = await perform(venue, *given, **named)
            if venue.name == slow and isinstance(found, Filled | Pending):
                await world.clock.sleep(3_000)
            if venue.name == wrong and isinstance(found, Filled) and not halved:
                halved.append(found.order_id)
                half = Size(found.size // 2), Cash(found.cash // 2)
                return msgspec.structs.replace(found, size=half[0], cash=half[1])
            return found

        world.network.perform = misread  # type: ignore[method-assign]  # the seam
        routing = router.route(world.account, buy(AMOUNT), request_id="late")
        await world.clock.sleep(1_000)
        desks = router._tools.desks
        [ended] = [each for each in desks.ended.of(ACCOUNT, wrong) if each.order.order_id in halved]
        desks.on_doubt(ACCOUNT, ended)
        report = await routing
        await world.clock.sleep(20_000)
        paid = before - sum(world.cash(name) for name in world.venues)
        assert rounds(world) >= 1
        assert AMOUNT // 2 < paid <= AMOUNT
        assert spent(report) == paid
        assert router._tools.controls._used(ACCOUNT).minute == paid, "limits of money count it"
        [stored] = world.store.stored().values()
        known = Execution(stored.planned, stored.answers).known.values()
        assert sum(each.cash + each.fee.cash for each in known if isinstance(each, Filled)) == paid

    run(loop, live())
