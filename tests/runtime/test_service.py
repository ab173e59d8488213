"""The verbs in trouble: a store that fails, our own bugs, a restart, a shutdown. No money gets lost."""

import asyncio
import gc

import pytest

from router.core.errors import InProgress, NotEnoughFunds, Stopping, StoreUnavailable, TooBusy
from router.core.execution import Execution
from router.core.halts import Scope
from router.core.records import Answered, Extended, Planned, Record
from router.core.report import FillStatus
from router.runtime.accounts import Account
from router.runtime.hands import RouteHands
from router.service import Router
from tests.virtual_time import VirtualLoop, run
from tests.world import ACCOUNT, World, buy
from venues.base.http import Purpose, Request
from venues.base.orders import Filled
from venues.base.units import ONE, Price, Size

LONGEST_DOUBT_MS = 400_000
"""No venue lets an order stay in doubt for longer once it answers again."""
AMOUNT = 20 * ONE


def books(world: World) -> None:
    """The same deep book on every venue, one cent apart."""
    for rank, (name, natives) in enumerate(world.natives.items()):
        exchange = world.simulators[name].exchange
        asks = [
            (Price((44 + rank) * 10_000), Size(100 * ONE)),
            (Price((46 + rank) * 10_000), Size(1_000 * ONE)),
        ]
        exchange.set_book(natives[0], [(Price(300_000), Size(100 * ONE))], asks, world.clock.now_ms())


def held(router: Router) -> int:
    """Orders whose money is held back."""
    return len(router._tools.ledger.open(ACCOUNT))


class Muffled:
    """Orders are executed and nobody hears of it, not even by the account's own streams; from then on
    nothing can be read about them either.
    """

    def __init__(self, world: World) -> None:
        self.on = True
        self._sent = False
        world.network.misdeed = self
        world.mishear = lambda: "lost" if self.on else ""

    def __call__(self, _venue: str, request: Request) -> str:
        self._sent |= request.purpose is Purpose.ORDER
        if not self.on or not self._sent:
            return ""
        return "silent" if request.purpose is Purpose.ORDER else "busy"


def executed(world: World) -> int:
    """Customers' orders at the venues."""
    return sum(
        order.account != "house" for s in world.simulators.values() for order in s.exchange.orders.values()
    )


def test_an_intent_that_may_be_on_disk_is_closed_there_and_nothing_is_held() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1)
        router = await world.start()
        books(world)
        down = True
        world.store.misdeed = lambda record: "unsure" if down and isinstance(record, Planned) else ""
        with pytest.raises(StoreUnavailable):
            await world.route(router, buy(AMOUNT))
        assert executed(world) == 0
        assert held(router) == 0
        await world.clock.sleep(5_000)
        assert await world.store.unfinished() == []
        [stored] = world.store.stored().values()
        assert stored.planned.orders == (), "no order of it ever left"

    run(loop, live())


def test_an_intent_that_is_not_on_disk_leaves_nothing_behind() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1)
        router = await world.start()
        books(world)
        world.store.misdeed = lambda record: "down" if isinstance(record, Planned) else ""
        with pytest.raises(StoreUnavailable):
            await world.route(router, buy(AMOUNT))
        await world.clock.sleep(5_000)
        assert (world.store.lines, held(router), executed(world)) == ([], 0, 0)
        await world.rest()
        assert len(asyncio.all_tasks()) == 1

    run(loop, live())


@pytest.mark.parametrize("kind", [Answered, Extended])
@pytest.mark.parametrize("word", ["down", "unsure"])
def test_the_store_has_every_fill_once_it_works_again(kind: type[Record], word: str) -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 2)
        router = await world.start()
        books(world)
        ends_ms = world.clock.now_ms() + 3_000
        world.store.misdeed = lambda r: word if isinstance(r, kind) and world.clock.now_ms() < ends_ms else ""
        report = await world.route(router, buy(100 * ONE))
        await world.clock.sleep(10_000)
        [stored] = world.store.stored().values()
        assert stored.finished
        fills = {a.order_id: a.size for a in stored.answers if isinstance(a, Filled)}
        assert fills == {line.order_id: line.size for line in report.fills if line.size}
        assert {order.order_id for order in stored.planned.orders} == {f.order_id for f in report.fills}
        assert held(router) == 0

    run(loop, live())


def test_a_bug_after_the_caller_was_answered_does_not_end_the_asking() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 3)
        router = await world.start(answer_ms=1_000)
        books(world)
        failed = 0

        def bug(record: Record) -> str:
            nonlocal failed
            if isinstance(record, Answered) and failed < 3:
                failed += 1
                raise ZeroDivisionError("a bug of ours")
            return ""

        world.store.misdeed = bug
        muffled = Muffled(world)
        report = await world.route(router, buy(AMOUNT))
        muffled.on = False
        await world.clock.sleep(60_000)
        assert failed == 3
        assert await world.store.unfinished() == []
        assert held(router) == 0
        assert executed(world) == len(report.fills)

    run(loop, live())


@pytest.mark.parametrize("outcome", ["unknown", "filled"])
def test_money_is_not_planned_twice(outcome: str) -> None:
    """Neither what an order in doubt may take, nor what one has spent since the balance was read."""
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1, balance="50")
        venue = min(world.venues)
        router = await world.start(venues={venue}, answer_ms=500)
        books(world)
        if outcome == "unknown":
            world.network.misdeed = lambda _, request: "lost" if request.purpose is Purpose.ORDER else ""
        report = await world.route(router, buy(30 * ONE))
        assert (report.size > 0) is (outcome == "filled")
        with pytest.raises(NotEnoughFunds):
            await world.route(router, buy(25 * ONE))

    run(loop, live())


def account_without(world: World, *venues: str) -> Account:
    """The account as the settings have it after a venue was taken out."""
    signers = {name: signer for name, signer in world.account.signers.items() if name not in venues}
    return Account(account_id=ACCOUNT, signers=signers)


def test_an_account_that_lost_a_venue_keeps_its_holds_and_asks_the_others() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 4)
        router = await world.start(answer_ms=500)
        books(world)
        muffled = Muffled(world)
        report = await world.route(router, buy(100 * ONE))
        in_doubt = [line.venue for line in report.fills if line.status is FillStatus.OPEN]
        assert len(in_doubt) > 1
        await router.stop(0)
        muffled.on = False
        gone = min(in_doubt)
        whole, world.account = world.account, account_without(world, gone)
        router = await world.start(venues=set(world.venues) - {gone})
        await world.clock.sleep(LONGEST_DOUBT_MS)
        assert [order.listing.venue for order in router._tools.ledger.open(ACCOUNT)] == [gone]
        await router.stop(0)
        world.account = whole
        router = await world.start()
        await world.clock.sleep(LONGEST_DOUBT_MS)
        assert held(router) == 0
        assert await world.store.unfinished() == []

    run(loop, live())


def orphans(world: World) -> float | None:
    """Routes of the account that nobody asks about, as the last start has counted them."""
    labels: dict[str, str] = {"account": ACCOUNT}
    return world.metrics.registry.get_sample_value("crossbook_orphaned_routes", labels)


@pytest.mark.parametrize("gone", ["account", "nothing"])
def test_a_route_whose_account_is_gone_is_kept_for_its_return(gone: str) -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 5)
        router = await world.start(answer_ms=500)
        books(world)
        muffled = Muffled(world)
        await world.route(router, buy(AMOUNT))
        await router.stop(0)
        muffled.on = False
        router = await world.start(accounts=() if gone == "account" else (ACCOUNT,))
        await world.clock.sleep(100_000)
        assert (await world.store.unfinished() != []) is (gone == "account")
        assert orphans(world) == (1 if gone == "account" else None)
        await router.stop(0)
        await world.start()
        await world.switch.halt(Scope("account", ACCOUNT), by="a test", why="it leaves")
        await world.clock.sleep(100_000)
        assert await world.store.unfinished() == []

    run(loop, live())


def test_orders_that_wait_when_the_router_stops_are_refused_and_those_under_way_are_answered() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 6)
        router = await world.start(answer_ms=60_000)
        books(world)
        Muffled(world)
        first = router.route(world.account, buy(AMOUNT), request_id="1")
        second = router.route(world.account, buy(AMOUNT), request_id="2")
        await world.clock.sleep(100)
        begun = executed(world)
        await router.stop(2_000)
        assert all(line.status is FillStatus.OPEN for line in (await first).fills)
        with pytest.raises(Stopping):
            await second
        with pytest.raises(Stopping):
            await world.route(router, buy(AMOUNT))
        assert executed(world) == begun > 0
        assert "shutting down" in str(router.waiting_for())

    run(loop, live())


def test_an_order_that_is_still_being_planned_when_the_router_stops_is_refused() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 6)
        router = await world.start()
        books(world)
        world.pump()
        world.network.latency_ms = 5_000
        route = router.route(world.account, buy(AMOUNT), request_id="1")
        await world.clock.sleep(100)
        await router.stop(100)
        with pytest.raises(Stopping):
            await route
        assert (executed(world), world.store.lines) == (0, [])

    run(loop, live())


def test_an_order_that_was_still_planned_when_the_end_began_is_not_begun_in_the_time_left() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 6)
        router = await world.start()
        books(world)
        world.pump()
        world.network.latency_ms = 500
        route = router.route(world.account, buy(AMOUNT), request_id="1")
        await world.clock.sleep(100)
        await router.stop(5_000)
        with pytest.raises(Stopping):
            await route
        assert (executed(world), world.store.lines) == (0, [])

    run(loop, live())


def test_nobody_waits_for_a_lane_longer_than_half_of_what_a_caller_waits() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 7)
        router = await world.start(answer_ms=4_000)
        books(world)
        Muffled(world)
        first = router.route(world.account, buy(AMOUNT), request_id="1")
        await world.clock.sleep(100)
        started = world.clock.monotonic_ms()
        with pytest.raises(TooBusy):
            await world.route(router, buy(AMOUNT))
        assert world.clock.monotonic_ms() - started <= 2_000
        assert all(line.status is FillStatus.OPEN for line in (await first).fills)
        assert world.clock.monotonic_ms() - started <= 4_000

    run(loop, live())


def test_the_router_is_ready_when_every_book_was_seen_and_says_what_is_missing() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 8)
        router = await world.start()
        assert router.waiting_for() == []
        world.store.failing = "disk full"
        assert router.waiting_for() == ["the store: disk full"]
        world.store.failing = None
        blind = await world.start(streaming=False)
        missing = blind.waiting_for()
        assert len(missing) == len({key for outcome in world.registry for key in outcome.listings})
        assert all(text.startswith("the book of ") and text.endswith("not_seeded") for text in missing)

    run(loop, live())


def test_a_venue_that_is_not_traded_is_not_waited_for() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 9)
        traded = sorted(world.venues)[:1]
        router = await world.start(venues=set(traded))
        assert router.waiting_for() == []
        books(world)
        report = await world.route(router, buy(AMOUNT))
        assert {line.venue for line in report.fills} == set(traded)

    run(loop, live())


def test_a_router_that_has_just_taken_over_takes_no_order_before_it_has_taken_up_what_was_under_way() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1)
        before = await world.start(answer_ms=500)
        books(world)
        muffled = Muffled(world)
        await world.route(before, buy(AMOUNT))
        money = held(before)
        await before.stop(0)
        muffled.on = False
        heir = await world.start(recovers=False)
        books(world)
        assert heir.waiting_for() == ["what was halted and what was under way before, to be taken up"]
        sent = executed(world)
        with pytest.raises(StoreUnavailable, match="taken over"):
            await world.route(heir, buy(AMOUNT))
        assert executed(world) == sent
        assert await heir.recover() == 1
        assert held(heir) == money > 0
        assert heir.waiting_for() == []

    run(loop, live())


def test_what_is_taken_over_is_no_older_than_the_takeover_where_no_venue_tells_the_time() -> None:
    """However long the standby has waited, and whatever its clock shows."""
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1)
        heir = await world.start(recovers=False)
        await world.clock.sleep(3_600_000)
        made_ms = world.clock.now_ms() - 1_000
        world.own.shift_ms = 3_600_000
        await heir.recover()
        await world.clock.sleep(7)
        assert heir._tools.times.surely_ms("nowhere", made_ms) == made_ms + 7

    run(loop, live())


def test_an_order_that_a_restart_cut_off_is_not_done_twice_for_a_caller_who_asks_again_without_a_key() -> (
    None
):
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1)
        before = await world.start(answer_ms=500, duplicate_ms=2_000)
        books(world)
        muffled = Muffled(world)
        asking = before.route(world.account, buy(AMOUNT), request_id="first")
        await world.clock.sleep(100)
        await before.stop(0)
        await asking
        sent = executed(world)
        assert sent > 0
        muffled.on = False
        heir = await world.start(duplicate_ms=2_000)
        books(world)
        with pytest.raises(InProgress, match="equal order") as refused:
            await world.route(heir, buy(AMOUNT))
        assert refused.value.route_id in world.store.stored()
        await world.clock.sleep(2_000)
        assert executed(world) == sent
        books(world)
        assert (await world.route(heir, buy(AMOUNT))).fills, "after two seconds it is meant"
        await heir.stop(0)

    run(loop, live())


def parts_of_routes() -> list[object]:
    """Those that live."""
    return [thing for thing in gc.get_objects() if type(thing) in {Execution, RouteHands}]


@pytest.mark.parametrize("doubt", [False, True])
def test_a_route_that_has_ended_is_gone_before_any_collection_of_cycles(doubt: bool) -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 6)
        router = await world.start()
        books(world)
        muffled = Muffled(world) if doubt else None
        await world.route(router, buy(AMOUNT))
        if muffled is not None:
            muffled.on = False
            await world.clock.sleep(LONGEST_DOUBT_MS)
        await asyncio.sleep(0)
        left = [type(thing) for thing in parts_of_routes() if not any(thing is each for each in others)]
        assert (held(router), left) == (0, [])

    gc.collect()
    others = parts_of_routes()  # that something of another test still holds
    gc.disable()
    try:
        run(loop, live())
    finally:
        gc.enable()
