"""The kill switch under load: once it is thrown no order leaves, whatever it waited for.

What left is seen on the wire, where nothing is known of the switch.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from pathlib import Path
from types import GeneratorType
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace

from registry.model import OutcomeId
from router.core.errors import Halted, Refusal
from router.core.halts import ALL, Scope
from router.core.model import AccountId
from router.core.report import FillStatus
from router.core.trail import Change, check, encode
from router.runtime.metrics import Metrics
from router.runtime.store.protocol import StoreDown
from router.runtime.switch import Switch
from router.service import Router
from tests.virtual_time import VirtualLoop, run
from tests.world import ACCOUNT, NO, YES, World, buy, sell
from venues import discover
from venues.base.contract import Signer, Venue
from venues.base.http import Purpose, Reply, Request, Talk
from venues.base.orders import Answer, Filled, Rejected
from venues.base.units import ONE, Price, Size

SEEDS, FAST = 60, 3
T = TypeVar("T")
EVERYTHING = Scope(ALL)


class Watched:
    """A world in which it is noted when the bytes of a new order leave."""

    def __init__(self, loop: VirtualLoop, seed: int) -> None:
        self.world = World(loop, seed, shares="1000", balance="100000")
        self.luck = random.Random(seed)
        self.left: list[tuple[int, str]] = []
        """When, and for which venue."""
        network = self.world.network
        self._perform, self._exchange = network.perform, network.exchange
        self._placing: ContextVar[bool] = ContextVar("placing")
        network.perform = self._performed  # type: ignore[method-assign]  # a tap on the wire
        network.exchange = self._exchanged  # type: ignore[method-assign]  # a tap on the wire

    async def _performed(self, venue: Venue, talk: Talk[T], **given: Any) -> T:
        """Which conversation it is, its venue's own function tells; cancels are sent in others."""
        assert isinstance(talk, GeneratorType)
        self._placing.set(talk.gi_code.co_name == "place")
        return await self._perform(venue, talk, **given)

    async def _exchanged(self, venue: Venue, request: Request, signer: Signer | None) -> Reply:
        if request.purpose is Purpose.ORDER and self._placing.get():
            self.left.append((self.world.clock.monotonic_ms(), venue.name))
        return await self._exchange(venue, request, signer)

    def books(self) -> None:
        """Deep books with several levels, so that routes have further rounds."""
        for name, natives in self.world.natives.items():
            asks = [(Price((46 + n) * 10_000), Size(30 * ONE)) for n in range(4)]
            bids = [(Price((44 - n) * 10_000), Size(30 * ONE)) for n in range(4)]
            exchange = self.world.simulators[name].exchange
            exchange.set_book(natives[0], bids, asks, self.world.clock.now_ms())
        self.world.pump()


def scene(live: Callable[[Watched], Awaitable[None]], seed: int = 1) -> None:
    """Run it in a world of its own."""
    loop = VirtualLoop()

    async def whole() -> None:
        await live(Watched(loop, seed))

    run(loop, whole())


async def answer(router: Router, watched: Watched) -> str:
    """One order: what it came to, in a word."""
    asked = buy(watched.luck.randrange(1, 60) * ONE) if watched.luck.random() < 0.6 else sell(9 * ONE)
    try:
        report = await router.route(watched.world.account, asked, request_id="halt")
    except Refusal as refusal:
        return type(refusal).__name__
    return "failed" if report.failed else "filled"


@pytest.mark.parametrize(
    "seed", [*range(FAST), *(pytest.param(n, marks=pytest.mark.slow) for n in range(FAST, SEEDS))]
)
def test_no_order_leaves_once_the_switch_is_thrown(seed: int) -> None:
    async def live(watched: Watched) -> None:
        world, luck = watched.world, watched.luck
        router = await world.start()
        watched.books()
        callers = [asyncio.create_task(answer(router, watched)) for _ in range(12)]
        await world.clock.sleep(luck.choice((0, 1, 3, 6, 12, 40, 120, 300, 700)))
        thrown_ms = world.clock.monotonic_ms()
        await world.switch.halt(EVERYTHING, by="a test", why="to see")
        for _ in range(200):
            world.pump()
            await world.clock.sleep(100)
        callers.append(asyncio.create_task(answer(router, watched)))
        words = await asyncio.gather(*callers)
        assert [left for left in watched.left if left[0] > thrown_ms] == []
        assert words[-1] == "Halted"
        await world.clock.sleep(400_000)
        assert router._tools.ledger.open(ACCOUNT) == [], "what had left was looked up, what had not is free"
        said = _last_words(world)
        for name, simulator in world.simulators.items():
            done = sum(o.filled > 0 for o in simulator.exchange.orders.values() if o.account != "house")
            assert done == sum(isinstance(a, Filled) and a.size > 0 for v, a in said if v == name)

    scene(live, seed)


def _last_words(world: World) -> list[tuple[str, Answer]]:
    """By venue: the final answer of every order on disk."""
    found: list[tuple[str, Answer]] = []
    for route in world.store.stored().values():
        venues = {order.order_id: order.listing.venue for order in route.planned.orders}
        last: dict[str, Answer] = {}
        for each in route.answers:
            if isinstance(each, Filled | Rejected):
                last.setdefault(each.order_id, each)
        found += [(venues[each.order_id], each) for each in last.values()]
    return found


def test_an_order_whose_intent_is_on_disk_but_has_not_left_stays_and_says_why() -> None:
    async def live(watched: Watched) -> None:
        world = watched.world
        router = await world.start()
        watched.books()

        def thrown(_record: object) -> str:
            world.switch.signalled()
            return ""

        world.store.misdeed = thrown
        report = await world.route(router, buy(20 * ONE))
        assert watched.left == []
        assert {line.status for line in report.fills} == {FillStatus.FAILED}
        assert all((line.error or "").startswith("halted: all halted by signal") for line in report.fills)
        labels = {"rule": "halt", "when": "send"}
        counted = world.metrics.registry.get_sample_value("crossbook_controls_refused_total", labels)
        assert counted == len(report.fills)

    scene(live)


def test_an_order_that_waits_for_its_venue_when_the_switch_is_thrown_does_not_leave() -> None:
    async def live(watched: Watched) -> None:
        world = watched.world
        router = await world.start()
        watched.books()
        wait = world.network.paces.wait

        async def thrown(venue: Venue, purpose: Purpose, signer: Signer | None, **given: Any) -> bool:
            if purpose is Purpose.ORDER:
                world.switch.signalled()
            return await wait(venue, purpose, signer, **given)

        world.network.paces.wait = thrown  # type: ignore[method-assign]  # the moment before the bytes leave
        report = await world.route(router, buy(20 * ONE))
        assert watched.left == []
        assert all((line.error or "").startswith("halted: all halted by signal") for line in report.fills)
        assert router._tools.ledger.open(ACCOUNT) == []

    scene(live)


def test_while_all_is_halted_venues_are_not_even_asked_for_balances() -> None:
    async def live(watched: Watched) -> None:
        world = watched.world
        router = await world.start()
        watched.books()
        await world.switch.halt(EVERYTHING, by="a test", why="")
        asked: list[str] = []

        def misdeed(venue: str, _request: Request) -> str:
            asked.append(venue)
            return ""

        world.network.misdeed = misdeed
        with pytest.raises(Halted):
            await world.route(router, buy(20 * ONE))
        assert asked == []

    scene(live)


def test_a_further_round_is_not_sent_either() -> None:
    async def live(watched: Watched) -> None:
        world = watched.world
        router = await world.start()
        watched.books()
        await world.route(router, buy(90 * ONE))
        assert len({at for at, _ in watched.left}) > 1, "this order takes several rounds"
        watched.books()
        await world.clock.sleep(5_000)
        watched.left.clear()
        world.network.before_order = lambda _venue: world.switch.signalled()
        report = await world.route(router, buy(90 * ONE))
        assert len({at for at, _ in watched.left}) == 1
        assert report.size > 0

    scene(live)


@pytest.mark.parametrize("kind", ["account", "market"])
def test_only_what_is_named_stands_still(kind: str) -> None:
    async def live(watched: Watched) -> None:
        world = watched.world
        router = await world.start()
        watched.books()
        other = Scope("account", "somebody") if kind == "account" else Scope("market", "px-another1")
        await world.switch.halt(other, by="a test", why="")
        assert (await world.route(router, buy(5 * ONE))).size > 0
        mine = Scope("account", ACCOUNT) if kind == "account" else Scope("market", YES)
        await world.switch.halt(mine, by="a test", why="fat fingers")
        with pytest.raises(Halted, match="fat fingers"):
            await world.route(router, buy(5 * ONE))
        assert await world.switch.resume(mine, by="a test", why="")
        watched.books()
        assert (await world.route(router, buy(5 * ONE))).size > 0

    scene(live)


@pytest.mark.parametrize(("halted", "asked"), [(YES, NO), (NO, YES)])
def test_who_halts_an_outcome_halts_its_opposite_on_the_same_books(
    halted: OutcomeId, asked: OutcomeId
) -> None:
    async def live(watched: Watched) -> None:
        world = watched.world
        router = await world.start()
        watched.books()
        await world.switch.halt(Scope("market", halted), by="a test", why="")
        with pytest.raises(Halted, match=f"market:{halted}"):
            await world.route(router, buy(5 * ONE, asked))
        assert watched.left == []

    scene(live)


@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize("outcome", [YES, NO])
@pytest.mark.parametrize("venue", sorted(discover()))
def test_a_halted_book_is_halted_both_ways_and_so_is_its_mirror(
    venue: str, outcome: OutcomeId, place: int
) -> None:
    async def live(watched: Watched) -> None:
        world = watched.world
        router = await world.start()
        watched.books()
        native = world.natives[venue][place]
        await world.switch.halt(Scope("market", f"{venue}:{native}"), by="a test", why="")
        report = await world.route(router, buy(5 * ONE, outcome))
        assert venue not in {line.venue for line in report.fills}
        with pytest.raises(Halted):
            await world.route(router, replace(buy(5 * ONE, outcome), venues=frozenset({venue})))

    scene(live)


@pytest.mark.parametrize("kind", ["venue", "market"])
def test_a_halted_venue_or_book_is_gone_around_and_all_of_them_refuse(kind: str) -> None:
    async def live(watched: Watched) -> None:
        world = watched.world
        router = await world.start()
        halted: set[str] = set()
        while len(halted) < len(world.venues):
            watched.books()
            watched.left.clear()
            report = await world.route(router, buy(20 * ONE))
            assert halted.isdisjoint(venue for _, venue in watched.left)
            name = report.fills[0].venue
            halted.add(name)
            native = world.natives[name][0]
            scope = Scope("venue", name) if kind == "venue" else Scope("market", f"{name}:{native}")
            await world.switch.halt(scope, by="a test", why="")
            await world.clock.sleep(3_000)
        with pytest.raises(Halted):
            await world.route(router, buy(20 * ONE))

    scene(live)


def test_a_halt_stands_after_a_restart_until_somebody_lifts_it() -> None:
    async def live(watched: Watched) -> None:
        world = watched.world
        await world.start()
        await world.switch.halt(EVERYTHING, by="key ops", why="odd fills")
        router = await world.start()
        watched.books()
        with pytest.raises(Halted, match="odd fills"):
            await world.route(router, buy(5 * ONE))
        assert await world.switch.resume(EVERYTHING, by="key ops", why="understood")
        assert not await world.switch.resume(EVERYTHING, by="key ops", why="again")
        router = await world.start()
        watched.books()
        assert (await world.route(router, buy(5 * ONE))).size > 0
        trail = await world.store.trail()
        assert trail.broken is None
        assert [(c.by, c.what, c.subject, c.why) for c in trail.changes] == [
            ("key ops", "halted", "all", "odd fills"),
            ("key ops", "resumed", "all", "understood"),
        ]

    scene(live)


def test_a_store_that_is_down_delays_the_trail_but_not_the_halt_and_keeps_a_halt_from_being_lifted() -> None:
    async def live(watched: Watched) -> None:
        world = watched.world
        router = await world.start()
        watched.books()
        world.store.failing = "the disk is full"
        with pytest.raises(StoreDown):
            await world.switch.halt(EVERYTHING, by="a test", why="")
        with pytest.raises(StoreDown):
            await world.switch.resume(EVERYTHING, by="a test", why="")
        world.store.failing = None
        with pytest.raises(Halted):
            await world.route(router, buy(5 * ONE))
        await world.clock.sleep(1_500)
        assert [c.what for c in (await world.store.trail()).changes] == ["halted"]
        assert await world.switch.resume(EVERYTHING, by="a test", why="")

    scene(live)


def test_who_halts_again_while_a_halt_is_being_lifted_has_halted() -> None:
    async def live(watched: Watched) -> None:
        world = watched.world
        await world.start()
        await world.switch.halt(EVERYTHING, by="one", why="odd fills")

        async def slow() -> str:
            await world.clock.sleep(100)
            return ""

        world.store.noting = slow
        lifting = asyncio.create_task(world.switch.resume(EVERYTHING, by="one", why="they were right"))
        await world.clock.sleep(50)
        await world.switch.halt(EVERYTHING, by="another", why="they are not")
        await lifting
        with pytest.raises(Halted, match="by another"):
            world.switch.check(ACCOUNT, YES)
        await world.start()
        with pytest.raises(Halted, match="by another"):
            world.switch.check(ACCOUNT, YES)

    scene(live)


def test_a_halt_whose_lifting_may_be_on_disk_stands_after_a_restart_too() -> None:
    async def live(watched: Watched) -> None:
        world = watched.world
        await world.start()
        await world.switch.halt(EVERYTHING, by="a test", why="odd fills")

        async def unsure() -> str:
            return "unsure"

        usual, world.store.noting = world.store.noting, unsure
        with pytest.raises(StoreDown):
            await world.switch.resume(EVERYTHING, by="a test", why="")
        world.store.noting = usual
        with pytest.raises(Halted):
            world.switch.check(ACCOUNT, YES)
        await world.clock.sleep(2_000)
        await world.start()
        with pytest.raises(Halted, match="odd fills"):
            world.switch.check(ACCOUNT, YES)

    scene(live)


def test_who_resumes_all_after_the_trail_was_edited_does_not_resume_what_else_was_halted() -> None:
    async def live(watched: Watched) -> None:
        world = watched.world
        await world.start()
        await world.switch.halt(Scope("account", "acct-9"), by="a test", why="")
        await world.switch.halt(Scope("account", ACCOUNT), by="a test", why="odd fills")
        _, *rest = world.store.changes
        first = encode(Change(at_ms=1, by="nobody", what="halted", subject="nonsense"))
        world.store.changes[:] = [(1, first, bytes(32)), *rest]
        await world.start()
        with pytest.raises(Halted, match="the check of the trail"):
            world.switch.check(AccountId("acct-8"), YES)
        await world.clock.sleep(100)
        assert await world.switch.resume(EVERYTHING, by="ops", why="seen")
        world.switch.check(AccountId("acct-8"), YES)
        with pytest.raises(Halted, match="odd fills"):
            world.switch.check(ACCOUNT, YES)

    scene(live)


def test_a_halt_of_before_the_store_is_open_counts_and_is_written_once_it_is() -> None:
    async def live(watched: Watched) -> None:
        world = watched.world
        switch = Switch(world.store, world.clock, Metrics(), file=world.halt_file)
        with pytest.raises(StoreDown):
            await switch.halt(EVERYTHING, by="a standby", why="")
        with pytest.raises(Halted):
            switch.check(ACCOUNT, YES)
        switch.open(await world.store.trail())
        await world.clock.sleep(10)
        with pytest.raises(Halted):
            switch.check(ACCOUNT, YES)
        assert [c.by for c in (await world.store.trail()).changes] == ["a standby"]
        await switch.close()

    scene(live)


def test_a_file_halts_while_it_is_there_with_every_change_on_the_trail(tmp_path: Path) -> None:
    async def live(watched: Watched) -> None:
        world, file = watched.world, tmp_path / "halt"
        world.halt_file = file
        router = await world.start()
        world.switch.watch()
        watched.books()
        file.write_text("")
        await world.clock.sleep(20)
        with pytest.raises(Halted, match=r"by file .*/halt"):
            await world.route(router, buy(5 * ONE))
        assert EVERYTHING in world.switch.halts.standing
        assert not await world.switch.resume(EVERYTHING, by="key ops", why=""), "the file alone lifts it"
        await world.switch.close()
        router = await world.start()
        world.switch.watch()
        with pytest.raises(Halted):
            await world.route(router, buy(5 * ONE))
        file.write_text("account acct-9 # leave\nmarket px-another1\n")
        await world.clock.sleep(20)
        watched.books()
        assert (await world.route(router, buy(5 * ONE))).size > 0
        with pytest.raises(Halted):
            world.switch.check(AccountId("acct-9"), YES)
        file.write_text("halt the lot!\n")
        await world.clock.sleep(20)
        with pytest.raises(Halted, match="not understood"):
            await world.route(router, buy(5 * ONE))
        file.unlink()
        await world.clock.sleep(20)
        watched.books()
        assert (await world.route(router, buy(5 * ONE))).size > 0
        await world.switch.close()
        changes = (await world.store.trail()).changes
        assert [(c.what, c.subject) for c in changes] == [
            ("file_halted", "all"),
            ("file_resumed", "all"),
            ("file_halted", "account:acct-9"),
            ("file_halted", "market:px-another1"),
            ("file_resumed", "account:acct-9"),
            ("file_resumed", "market:px-another1"),
            ("file_halted", "all"),
            ("file_resumed", "all"),
        ]

    scene(live)


@pytest.mark.parametrize("harm", ["edited", "removed", "moved", "added"])
def test_a_trail_that_is_not_what_was_written_halts_all(harm: str) -> None:
    async def live(watched: Watched) -> None:
        world = watched.world
        await world.start()
        for name in ("a", "b", "c"):
            await world.switch.halt(Scope("account", name), by="key ops", why="")
        rows = world.store.changes
        if harm == "edited":
            rows[1] = (2, rows[1][1].replace(b"account:b", b"account:x"), rows[1][2])
        elif harm == "removed":
            del rows[1]
        elif harm == "moved":
            rows[0], rows[1] = (1, *rows[1][1:]), (2, *rows[0][1:])
        else:
            rows.append((4, rows[0][1], rows[0][2]))
        assert check(rows).broken is not None
        router = await world.start()
        watched.books()
        with pytest.raises(Halted, match="row"):
            await world.route(router, buy(5 * ONE))

    scene(live)
