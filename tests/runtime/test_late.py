"""A fill that shows up after the last word reaches the store, the metrics and the log."""

import pytest
from msgspec.structs import replace

from router.core.execution import Execution
from router.core.late import NOT_EXECUTED
from router.core.model import AccountId, RouteId
from router.runtime import ended as module
from router.runtime.ended import ENDED_MS, Ended, EndedOrders
from router.service import Router
from tests.core.samples import order
from tests.virtual_time import VirtualLoop, run
from tests.world import ACCOUNT, World, buy
from venues import discover
from venues.base.orders import Fee, Filled, News, OrderId, Rejected
from venues.base.units import ONE, Cash, Price, Size
from venues.sim.model import HOUSE

VENUES = sorted(discover())
SETTLED_MS = 20_000
"""Longer than any venue takes to settle what it matched."""


def books(world: World, venue: str, shares: int = 100) -> None:
    asks = [(Price(500_000), Size(shares * ONE))]
    world.simulators[venue].exchange.set_book(world.natives[venue][0], [], asks, world.clock.now_ms())
    world.pump()


def late_fills(router: Router) -> float:
    labels = {"invariant": "late_fill"}
    registry = router._tools.metrics.registry
    return registry.get_sample_value("crossbook_invariant_violations_total", labels) or 0


def done_at(world: World, venue: str) -> int:
    """Shares that customers traded, by the venue's ledger."""
    orders = world.simulators[venue].exchange.orders.values()
    return sum(order.filled for order in orders if order.account != HOUSE)


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("down", [False, True])
def test_an_order_that_was_given_up_and_had_traded_is_booked_once(venue: str, down: bool) -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1)
        router = await world.start(venues=[venue])
        books(world, venue)
        await world.route(router, buy(20 * ONE))
        await world.clock.sleep(SETTLED_MS)
        [ended] = router._tools.desks.ended.of(ACCOUNT, venue)
        ended.last = Rejected(ended.order.order_id, NOT_EXECUTED, "the venue did not show it")
        [before] = world.store.stored().values()
        until_ms = world.clock.now_ms() + 3_000
        world.store.misdeed = lambda _record: "down" if down and world.clock.now_ms() < until_ms else ""
        assert await router.late.look_again(ACCOUNT, ended)
        assert not await router.late.look_again(ACCOUNT, ended), "it is known now"
        [after] = world.store.stored().values()
        [fill] = after.answers[len(before.answers) :]
        assert isinstance(fill, Filled)
        assert (fill.size, after.finished) == (done_at(world, venue), True)
        assert late_fills(router) == 1

    run(loop, live())


@pytest.mark.parametrize("venue", VENUES)
def test_a_part_that_traded_after_all_is_booked_also_where_its_venue_is_believed_only_after_a_while(
    venue: str,
) -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1)
        router = await world.start(venues=[venue])
        books(world, venue)
        world.network.before_order = lambda _venue: books(world, venue, shares=10)
        await world.route(router, buy(20 * ONE))
        await world.clock.sleep(SETTLED_MS)
        [ended] = router._tools.desks.ended.of(ACCOUNT, venue)
        ended.last = Rejected(ended.order.order_id, NOT_EXECUTED, "the venue did not show it")
        router._tools.desks.on_doubt(ACCOUNT, ended)
        await world.clock.sleep(SETTLED_MS)
        [stored] = world.store.stored().values()
        last = stored.answers[-1]
        assert isinstance(last, Filled)
        assert (last.size, late_fills(router)) == (done_at(world, venue), 1)

    run(loop, live())


@pytest.mark.parametrize("last_word", ["half of it", "none of it"])
@pytest.mark.parametrize("venue", [name for name in VENUES if discover()[name].private is not None])
def test_an_accounts_stream_that_tells_of_more_than_the_last_word_casts_doubt_on_it(
    venue: str, last_word: str
) -> None:
    """What the stream said is said again, once the last word is another."""
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1)
        router = await world.start(venues=[venue])
        books(world, venue)
        desks = router._tools.desks
        told, hear = list[News](), desks.news

        def overhear(account: AccountId, venue: str, news: News) -> None:
            told.append(news)
            hear(account, venue, news)

        desks.news = overhear  # type: ignore[method-assign]  # the seam
        await world.route(router, buy(20 * ONE))
        for _ in range(SETTLED_MS // 1_000):
            await world.clock.sleep(1_000)
            world.pump()
        [ended] = desks.ended.of(ACCOUNT, venue)
        whole = ended.last
        assert isinstance(whole, Filled)
        half = replace(whole, size=Size(whole.size // 2), cash=Cash(whole.cash // 2))
        none = Rejected(ended.order.order_id, NOT_EXECUTED, "the venue did not show it")
        ended.last = half if last_word == "half of it" else none
        ended.news.clear()
        assert told
        for each in told:
            hear(ACCOUNT, venue, each)
        await world.clock.sleep(SETTLED_MS)
        assert ended.last == whole
        assert late_fills(router) == 1

    run(loop, live())


def test_an_order_that_ended_as_its_venue_says_is_left_alone() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1)
        router = await world.start()
        for venue in VENUES:
            books(world, venue)
        await world.route(router, buy(300 * ONE))
        await world.clock.sleep(SETTLED_MS)
        [before] = world.store.stored().values()
        for venue in VENUES:
            for ended in router._tools.desks.ended.of(ACCOUNT, venue):
                assert not await router.late.look_again(ACCOUNT, ended)
        [after] = world.store.stored().values()
        known = Execution(after.planned, after.answers).known
        assert (after.answers, late_fills(router)) == (before.answers, 0)
        assert len(known) >= len(VENUES), "every venue had an order"

    run(loop, live())


# --- the memory of what ended ---


def ended(order_id: str, venue_order_id: str = "", at_ms: int = 0, *, before: str = "") -> Ended:
    last: Filled | Rejected = Rejected(OrderId(order_id), NOT_EXECUTED, "")
    if venue_order_id:
        last = Filled(OrderId(order_id), venue_order_id, Size(ONE), Cash(0), Fee(0, "USD"))
    return Ended(RouteId("r1"), order(order_id), last, at_ms=at_ms, venue_ids=(before,) if before else ())


def test_what_ended_is_found_by_either_id_for_an_hour() -> None:
    now = [0]
    orders = EndedOrders(lambda: now[0])
    one, two = ended("o1", "v1"), ended("o2", at_ms=1)
    venue = one.order.listing.venue
    orders.add(ACCOUNT, one)
    orders.add(ACCOUNT, two)
    assert orders.find(ACCOUNT, venue, client_id="", venue_order_id="v1") is one
    assert orders.find(ACCOUNT, venue, client_id="o2", venue_order_id="") is two
    assert orders.find(ACCOUNT, venue, client_id="", venue_order_id="") is None
    now[0] = ENDED_MS + 1
    assert orders.of(ACCOUNT, venue) == [two]
    assert orders.find(ACCOUNT, venue, client_id="o1", venue_order_id="v1") is None


def test_the_memory_is_bounded_and_the_longest_ended_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENDED_MAX", 3)
    orders = EndedOrders(lambda: 0)
    for number in range(5):
        orders.add(ACCOUNT, ended(f"o{number}", f"v{number}"))
    orders.add(ACCOUNT, ended("o2", "v2"))
    assert [each.order.order_id for each in orders.of(ACCOUNT, order().listing.venue)] == ["o3", "o4", "o2"]


def test_what_made_room_is_found_by_no_id_and_takes_no_id_from_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "ENDED_MAX", 2)
    orders, venue = EndedOrders(lambda: 0), order().listing.venue
    first, second = ended("o1", "v1", before="u1"), ended("o2", before="u1")
    orders.add(ACCOUNT, first)
    orders.add(ACCOUNT, second)
    first.last = Rejected(OrderId("o1"), NOT_EXECUTED, "")  # what is learnt later changes its ids no more
    orders.add(ACCOUNT, ended("o3"))

    def found(venue_order_id: str) -> Ended | None:
        return orders.find(ACCOUNT, venue, client_id="", venue_order_id=venue_order_id)

    assert found("v1") is None
    assert found("u1") is second
    orders.add(ACCOUNT, ended("o4"))
    assert found("u1") is None
