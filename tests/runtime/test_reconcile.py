"""What a venue lists and the store does not know is told, booked, and cancelled where that is wanted."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from router.core.late import NOT_EXECUTED
from router.core.model import RouteId
from router.core.records import Answered, decode, encode
from router.runtime.ended import ENDED_MS, Ended
from router.runtime.reconcile import LISTED_LAG_MS, Reconciler
from router.service import Router
from tests.runtime.test_late import SETTLED_MS, books, done_at, late_fills
from tests.virtual_time import VirtualLoop, run
from tests.world import ACCOUNT, World, buy
from venues import discover
from venues.base.http import Purpose, Request
from venues.base.listing import Listing
from venues.base.orders import Filled, Order, OrderId, Pending, Rejected, Side, TimeInForce, Working
from venues.base.units import ONE, Cash, Price, Size, cost
from venues.sim.model import HOUSE, Status

VENUES = sorted(discover())
each_venue = pytest.mark.parametrize("venue", VENUES)


class Bench:
    """A world with one venue, its router, and a reconciler beside it."""

    def __init__(self, loop: VirtualLoop, venue: str) -> None:
        self.world, self.venue = World(loop, 1), venue

    async def start(self, *, cancel: bool = False) -> Router:
        self.router = await self.world.start(venues=[self.venue])
        self.reconciler = Reconciler(
            self.router._tools,
            {ACCOUNT: self.world.account},
            self.router.late,
            listings=self.world.catalog.listings,
            every_ms=60_000,
            cancel=cancel,
        )
        return self.router

    @property
    def listing(self) -> Listing:
        first = self.world.natives[self.venue][0]
        return next(each for each in self.world.catalog.listings(self.venue) if each.native == first)

    async def rest(self, name: str) -> tuple[Order, Working]:
        """A buy of the account that waits on the venue's book, placed by somebody else."""
        limit, size = Price(200_000), Size(50 * ONE)
        order = Order(
            order_id=OrderId(f"00000000-0000-4000-8000-00000000{name}"),
            listing=self.listing,
            side=Side.BUY,
            limit=limit,
            size=size,
            cash=cost(limit, size),
            reserve=Cash(ONE),
            time_in_force=TimeInForce.GTC,
            created_ms=self.world.clock.now_ms(),
            salt=self.world.clock.new_salt(),
        )
        card, signer = self.world.venues[self.venue], self.world.account.signers[self.venue]
        talk: Any = card.orders.place(order, signer)
        answer = await self.world.network.perform(card, talk, signer=signer, deadline_ms=9_000)
        await self.world.clock.sleep(SETTLED_MS)
        found = await self.world.network.perform(
            card,
            card.orders.look_up(order, signer, answer, self.world.clock.now_ms()),
            signer=signer,
            deadline_ms=9_000,
        )
        assert isinstance(found, Working), found
        return order, found

    def resting(self) -> int:
        """Customers' orders on the venue's book."""
        orders = self.world.simulators[self.venue].exchange.orders.values()
        return sum(order.account != HOUSE and order.status is Status.RESTING for order in orders)

    def strays(self) -> float | None:
        labels = {"account": ACCOUNT, "venue": self.venue}
        registry = self.router._tools.metrics.registry
        return registry.get_sample_value("crossbook_stray_orders", labels)


@each_venue
@pytest.mark.parametrize("cancel", [False, True])
def test_an_order_that_no_route_knows_is_told_and_taken_off_only_where_that_is_wanted(
    venue: str, cancel: bool
) -> None:
    loop = VirtualLoop()

    async def live() -> None:
        bench = Bench(loop, venue)
        await bench.start(cancel=cancel)
        books(bench.world, venue)
        _, working = await bench.rest("0777")
        found = await bench.reconciler.compare(ACCOUNT, venue, whole=True)
        assert [row.venue_order_id for row in found.strays] == [working.venue_order_id]
        assert (found.undead, found.booked, found.unread) == ((), 0, "")
        assert bench.strays() == 1
        await bench.world.clock.sleep(SETTLED_MS)
        assert bench.resting() == (0 if cancel else 1)
        again = await bench.reconciler.compare(ACCOUNT, venue, whole=True)
        assert len(again.strays) == (0 if cancel else 1)

    run(loop, live())


@each_venue
def test_an_order_that_rests_after_its_last_word_is_told_and_taken_off(venue: str) -> None:
    loop = VirtualLoop()

    async def live() -> None:
        bench = Bench(loop, venue)
        router = await bench.start(cancel=True)
        books(bench.world, venue)
        order, working = await bench.rest("0777")
        last = Filled(order.order_id, working.venue_order_id, Size(0), Cash(0), working.fee)
        at_ms = bench.world.clock.monotonic_ms()
        router._tools.desks.ended.add(ACCOUNT, Ended(RouteId("r1"), order, last, at_ms=at_ms))
        ending = await bench.reconciler.compare(ACCOUNT, venue, whole=False)
        assert (ending.strays, ending.undead) == ((), ()), "the list may be from before its end"
        await bench.world.clock.sleep(LISTED_LAG_MS)
        found = await bench.reconciler.compare(ACCOUNT, venue, whole=False)
        assert [row.venue_order_id for row in found.undead] == [working.venue_order_id]
        assert found.strays == ()
        await bench.world.clock.sleep(SETTLED_MS)
        assert bench.resting() == 0

    run(loop, live())


@each_venue
def test_all_is_quiet_where_store_and_venue_agree(venue: str) -> None:
    loop = VirtualLoop()

    async def live() -> None:
        bench = Bench(loop, venue)
        router = await bench.start(cancel=True)
        books(bench.world, venue)
        for _ in range(3):
            await bench.world.route(router, buy(10 * ONE))
        await bench.world.clock.sleep(SETTLED_MS)
        for whole in (False, True):
            found = await bench.reconciler.compare(ACCOUNT, venue, whole=whole)
            assert (found.strays, found.undead, found.booked, found.unread) == ((), (), 0, "")
        assert late_fills(router) == 0

    run(loop, live())


@each_venue
def test_after_a_restart_a_fill_that_was_given_up_is_found_and_booked(venue: str) -> None:
    loop = VirtualLoop()

    async def live() -> None:
        bench = Bench(loop, venue)
        router = await bench.start()
        books(bench.world, venue)
        await bench.world.route(router, buy(20 * ONE))
        await bench.world.clock.sleep(SETTLED_MS)
        give_up(bench)
        await router.stop(0)
        router = await bench.start()
        assert router._tools.desks.ended.of(ACCOUNT, venue) == []
        found = await bench.reconciler.compare(ACCOUNT, venue, whole=True)
        assert (found.booked, found.strays, found.undead) == (1, (), ())
        [stored] = bench.world.store.stored().values()
        last = [answer for answer in stored.answers if isinstance(answer, Filled)][-1]
        assert last.size == done_at(bench.world, venue)
        assert late_fills(router) == 1
        assert (await bench.reconciler.compare(ACCOUNT, venue, whole=True)).booked == 0

    run(loop, live())


@pytest.mark.parametrize("wrong_ms", [-7_200_000, 7_200_000])
@each_venue
def test_a_clock_that_is_wrong_at_a_restart_hides_no_fill_of_before(venue: str, wrong_ms: int) -> None:
    """By it nothing ended within the last hour, or all of it will."""
    loop = VirtualLoop()

    async def live() -> None:
        bench = Bench(loop, venue)
        router = await bench.start()
        books(bench.world, venue)
        await bench.world.route(router, buy(20 * ONE))
        await bench.world.clock.sleep(SETTLED_MS)
        give_up(bench)
        await router.stop(0)
        bench.world.own.shift_ms = wrong_ms
        router = await bench.start()
        bench.reconciler.start()
        await bench.world.clock.sleep(60_000)
        await bench.reconciler.stop()
        [stored] = bench.world.store.stored().values()
        last = [answer for answer in stored.answers if isinstance(answer, Filled)][-1]
        assert (last.size, late_fills(router)) == (done_at(bench.world, venue), 1)

    run(loop, live())


@each_venue
def test_a_fill_of_an_order_that_was_taken_back_and_came_all_the_same_is_booked(venue: str) -> None:
    loop = VirtualLoop()

    async def live() -> None:
        bench = Bench(loop, venue)
        router = await bench.start()
        books(bench.world, venue)
        await bench.world.route(router, buy(20 * ONE))
        await bench.world.clock.sleep(SETTLED_MS)
        if not undo(bench):
            return  # the venue settles at once: nothing can be undone
        await router.stop(0)
        await bench.start()
        found = await bench.reconciler.compare(ACCOUNT, venue, whole=True)
        assert (found.booked, found.strays, found.undead) == (1, (), ())
        [stored] = bench.world.store.stored().values()
        assert [a.size for a in stored.answers if isinstance(a, Filled)] == [done_at(bench.world, venue)]

    run(loop, live())


def undo(bench: Bench) -> bool:
    """The store says of the only order that it traded, and then that it was undone; whether it could be."""
    [(route_id, stored)] = bench.world.store.stored().items()
    told = [a for a in stored.answers if isinstance(a, Working | Pending)]
    kept = []
    for line in bench.world.store.lines:
        record = decode(line)
        if isinstance(record, Answered) and isinstance(record.answer, Filled):
            wrong = Rejected(record.answer.order_id, "settlement_failed", "", undone=True)
            record = replace(record, answer=wrong)
        kept.append(encode(record))
    bench.world.store._routes[route_id] = kept
    return bool(told)


def give_up(bench: Bench) -> None:
    """The store says of the only order that its venue never showed it."""
    lines: Sequence[bytes] = bench.world.store.lines
    [(route_id, _)] = bench.world.store.stored().items()
    kept = []
    for line in lines:
        record = decode(line)
        if isinstance(record, Answered) and isinstance(record.answer, Filled | Rejected):
            wrong = Rejected(record.answer.order_id, NOT_EXECUTED, "not shown")
            record = replace(record, answer=wrong)
        if not (isinstance(record, Answered) and not isinstance(record.answer, Rejected)):
            kept.append(encode(record))
    bench.world.store._routes[route_id] = kept


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_compared_once_it_has_stopped_in_the_very_moment_of_a_comparison(seed: int) -> None:
    loop = VirtualLoop(random.Random(seed))

    async def live() -> None:
        bench = Bench(loop, VENUES[0])
        router = await bench.start()
        books(bench.world, bench.venue)
        await bench.world.route(router, buy(20 * ONE))
        await bench.world.clock.sleep(SETTLED_MS)
        bench.reconciler.start()
        await bench.world.clock.sleep(60_000)
        await bench.reconciler.stop()
        assert bench.reconciler._tasks == set()

    run(loop, live())


@each_venue
def test_one_comparison_books_a_part_that_was_missed(venue: str) -> None:
    loop = VirtualLoop()

    async def live() -> None:
        bench = Bench(loop, venue)
        router = await bench.start()
        books(bench.world, venue)
        bench.world.network.before_order = lambda _venue: books(bench.world, venue, shares=10)
        await bench.world.route(router, buy(20 * ONE))
        await bench.world.clock.sleep(SETTLED_MS)
        [ended] = router._tools.desks.ended.of(ACCOUNT, venue)
        ended.last = Rejected(ended.order.order_id, "cancelled", "said to have done nothing")
        await bench.reconciler.compare(ACCOUNT, venue, whole=False)
        await bench.world.clock.sleep(SETTLED_MS)
        [stored] = bench.world.store.stored().values()
        assert [a.size for a in stored.answers if isinstance(a, Filled)][1:] == [done_at(bench.world, venue)]
        assert late_fills(router) == 1

    run(loop, live())


@each_venue
def test_what_cannot_be_read_is_told_and_harms_nothing(venue: str) -> None:
    loop = VirtualLoop()

    async def live() -> None:
        bench = Bench(loop, venue)
        await bench.start(cancel=True)
        books(bench.world, venue)
        await bench.rest("0777")
        bench.world.network.misdeed = lambda _venue, request: (
            "busy" if request.purpose is Purpose.ACCOUNT else ""
        )
        found = await bench.reconciler.compare(ACCOUNT, venue, whole=True)
        assert (found.strays, found.undead, found.booked) == ((), (), 0)
        assert found.unread
        assert bench.resting() == 1

    run(loop, live())


@each_venue
def test_an_order_under_way_is_no_stray(venue: str) -> None:
    loop = VirtualLoop()

    async def live() -> None:
        bench = Bench(loop, venue)
        router = await bench.start(cancel=True)
        books(bench.world, venue)
        order, _ = await bench.rest("0777")
        router._tools.ledger.hold(ACCOUNT, order)  # its reply is still on its way
        found = await bench.reconciler.compare(ACCOUNT, venue, whole=True)
        assert (found.strays, found.undead) == ((), ())
        assert bench.resting() == 1

    run(loop, live())


def test_it_compares_at_start_and_when_a_stream_is_back_and_regularly_while_orders_are_young() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        venue = VENUES[0]
        bench = Bench(loop, venue)
        router = await bench.start()
        books(bench.world, venue)
        asked: list[Request] = []

        def listen(_venue: str, request: Request) -> str:
            if request.purpose is Purpose.ACCOUNT:  # the venues' clocks are read regularly as well
                asked.append(request)
            return ""

        async def asked_within(ms: int) -> bool:
            asked.clear()
            await bench.world.clock.sleep(ms)
            return bool(asked)

        bench.world.network.misdeed = listen
        bench.reconciler.start()
        assert await asked_within(10_000), "at start"
        assert not await asked_within(600_000), "without young orders there is nothing to compare"
        router._tools.desks.back(ACCOUNT, venue)
        assert await asked_within(1_000), "at once"
        await bench.world.route(router, buy(20 * ONE))
        await bench.world.clock.sleep(SETTLED_MS)
        assert await asked_within(60_000), "a young order"
        assert await asked_within(60_000), "and again"
        await bench.world.clock.sleep(ENDED_MS)
        assert not await asked_within(600_000), "it is no longer young"
        await bench.reconciler.stop()
        router._tools.desks.back(ACCOUNT, venue)
        assert not await asked_within(600_000), "it has stopped"

    run(loop, live())
