"""What the log says of a route: who asked, what became of it, what each venue proved."""

import asyncio
from collections.abc import MutableMapping, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from router import service
from router.core.errors import NotEnoughFunds
from router.core.report import Report
from router.runtime.logs import merged
from router.service import Router
from tests.runtime.test_service import AMOUNT, Muffled, books
from tests.virtual_time import VirtualLoop, run
from tests.world import ACCOUNT, YES, World, buy, sell
from venues.base.orders import Side
from venues.base.units import ONE, plain

Lines = Sequence[MutableMapping[str, Any]]


async def asked(world: World, router: Router, *wanted: Any) -> list[Report]:
    """These orders, all at once, each under an id of its own."""
    world.pump()
    routes = [router.route(world.account, each, request_id=f"r{n}") for n, each in enumerate(wanted)]
    return [await route for route in routes]


def of(lines: Lines, event: str, **fields: object) -> Lines:
    """The lines of one event with these values."""
    return [line for line in lines if line["event"] == event and fields.items() <= line.items()]


@pytest.mark.parametrize("side", list(Side))
def test_a_route_ends_in_one_line_with_what_its_caller_was_told(side: Side) -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1, shares="200")
        router = await world.start()
        books(world)
        wanted = buy(AMOUNT) if side is Side.BUY else sell(30 * ONE)
        with capture_logs([merged]) as lines:
            [told] = await asked(world, router, wanted)
        [line] = of(lines, "route.ended")
        fees = sum(fill.fee.cash for fill in told.fills if fill.fee)
        assert line.pop("ms") >= 0
        assert line == {
            "event": "route.ended",
            "log_level": "info",
            "request": "r0",
            "route": told.route_id,
            "account": ACCOUNT,
            "outcome": YES,
            "side": side.value,
            "asked": wanted.requested,
            "status": "filled",
            "filled": plain(told.size),
            **(
                {"spent": plain(told.cash + fees)}
                if side is Side.BUY
                else {"received": plain(told.cash - fees)}
            ),
            "venues": list(dict.fromkeys(fill.venue for fill in told.fills)),
            "why": told.reasoning,
        }

    run(loop, live())


def test_every_line_of_a_route_carries_its_ids_also_of_routes_at_the_same_time() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 2)
        router = await world.start()
        books(world)
        with capture_logs([merged]) as lines:
            told = await asked(world, router, buy(AMOUNT), buy(AMOUNT), buy(AMOUNT))
        for number, report in enumerate(told):
            own = [line for line in lines if line.get("request") == f"r{number}"]
            assert {line["route"] for line in own} == {report.route_id}
            answered = {line["order"]: line for line in of(own, "order.answered")}
            assert set(answered) == {fill.order_id for fill in report.fills}
            for fill in report.fills:
                line = answered[fill.order_id]
                assert (line["venue"], line["answer"]) == (fill.venue, "filled")
                assert (line["filled"], line["cash"]) == (plain(fill.size), plain(fill.cash))
                assert fill.fee is not None
                assert line["fee"] == f"{plain(fill.fee.amount)} {fill.fee.unit}"
                assert line["venue_order"] == fill.venue_order_id
        assert all("request" in line for line in lines), "nobody else had anything to say"

    run(loop, live())


def test_a_refused_order_says_why_and_has_no_route() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 3)
        router = await world.start()
        books(world)
        with capture_logs([merged]) as lines, pytest.raises(NotEnoughFunds) as refusal:
            await asked(world, router, buy(100_000 * ONE))
        [line] = lines
        assert (line["event"], line["request"], line["refusal"]) == ("route.refused", "r0", "NotEnoughFunds")
        assert line["why"] == str(refusal.value)
        assert "route" not in line

    run(loop, live())


def test_an_unknown_order_is_told_once_and_again_when_it_is_known_also_after_a_restart() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 4)
        router = await world.start(answer_ms=500)
        books(world)
        muffled = Muffled(world)
        with capture_logs([merged]) as lines:
            [told] = await asked(world, router, buy(AMOUNT))
            await world.clock.sleep(60_000)
        orders = {fill.order_id for fill in told.fills}
        unknown = of(lines, "order.answered", answer="unknown", request="r0", route=told.route_id)
        assert {line["order"] for line in unknown} == orders
        assert len(unknown) == len(orders), "a minute of asking brought nothing new"
        assert {line["log_level"] for line in unknown} == {"warning"}
        assert of(lines, "route.ended")[0]["status"] == "open"
        await router.stop(0)
        muffled.on = False
        with capture_logs([merged]) as lines:
            await world.start()
            await asyncio.sleep(60)
        own = [line for line in lines if line.get("route") == told.route_id]
        assert own == [line for line in lines if line.get("request") == "r0"]
        assert [line["open"] for line in of(own, "route.taken_up")] == [len(orders)]
        assert {line["order"] for line in of(own, "order.answered", answer="filled")} == orders

    run(loop, live())


def test_a_bug_of_ours_ends_a_route_in_a_line_with_its_ids_and_where_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 4)
        router = await world.start()
        books(world)
        monkeypatch.setattr(service, "report", lambda *_: 1 // 0)
        with capture_logs([merged]) as lines, pytest.raises(ZeroDivisionError):
            await asked(world, router, buy(AMOUNT))
        [line] = of(lines, "route.crashed", request="r0", account=ACCOUNT)
        assert line["route"] in world.store.stored()
        assert line["exc_info"]
        sample = router._tools.metrics.registry.get_sample_value
        assert sample("crossbook_routes_total", {"status": "crashed"}) == 1

    run(loop, live())


def test_a_line_about_an_order_that_a_venue_refused_says_in_whose_words() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 5)
        router = await world.start()
        books(world)
        world.network.before_order = lambda venue: world.simulators[venue].exchange.set_book(
            world.natives[venue][0], [], [], world.clock.now_ms()
        )
        with capture_logs([merged]) as lines:
            [told] = await asked(world, router, buy(AMOUNT))
        failed = {fill.order_id for fill in told.fills if not fill.size}
        assert failed
        for line in of(lines, "order.answered"):
            assert line["answer"] in ("filled", "rejected")
            assert line.get("filled") == "0" or ": " in line["why"]

    run(loop, live())
