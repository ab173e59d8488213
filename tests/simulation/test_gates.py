"""A venue that may not be used gets no part of a plan, keeps nobody waiting, and the answer says why."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import generate_latest

from router.core.errors import NothingAllocated, TooBusy
from router.core.gated import left_out
from router.core.model import LeftOut
from router.core.report import FillStatus, Report
from router.runtime.balances import STRAGGLE_MS_MAX
from router.runtime.control_settings import AccountControls
from router.runtime.lanes import WAITING_MAX
from router.service import Router
from tests.virtual_time import VirtualLoop, run
from tests.world import ACCOUNT, FRAME_MS, YES, Line, World, buy, sell
from venues import discover
from venues.base.http import Purpose, Request
from venues.base.units import ONE, Price, Size

VENUES = sorted(discover())
PATIENT_MS = 10_000
"""What a caller waits at most: the budget of a route."""
AMOUNT = 30 * ONE
GAPS = 2_000 if os.environ.get("CROSSBOOK_FAULTS") else 200
"""By venue: twelve thousand take a minute and more."""


@dataclass
class Scene:
    """All venues with one deep book each; `sick` has the best price, so that every plan wants it."""

    sick: str
    seed: int = 3
    sent: list[tuple[int, str]] = field(default_factory=list)
    """When an order left, and whereto."""

    def __post_init__(self) -> None:
        self.loop = VirtualLoop()
        self.world = World(self.loop, self.seed, balance="100000")
        self.reads: Counter[str] = Counter()
        """Requests about the account."""
        self.misdeed: Callable[[str, Request], str] = lambda _venue, _request: ""
        self.world.network.misdeed = self._misdeed
        self.world.network.after = lambda: self.loop.call_later(FRAME_MS / 1_000, self.pump)
        self.shut: set[str] = set()
        """Venues that take no orders for their market."""
        self.silent: set[str] = set()
        """Venues whose books nobody hears any more."""
        self.books()

    def _misdeed(self, venue: str, request: Request) -> str:
        self.reads[venue] += request.purpose is Purpose.ACCOUNT
        cancels = request.method == "DELETE" or "cancel" in request.path
        if request.purpose is Purpose.ORDER and not cancels:
            self.sent.append((self.world.clock.monotonic_ms(), venue))
        return self.misdeed(venue, request)

    def books(self) -> None:
        for name, natives in self.world.natives.items():
            price = 400_000 if name == self.sick else 440_000
            asks = [(Price(price), Size(40 * ONE)), (Price(460_000), Size(100_000 * ONE))]
            bids = [(Price(300_000), Size(100 * ONE))]
            if name in self.shut:
                continue
            self.world.simulators[name].exchange.set_book(natives[0], bids, asks, self.world.clock.now_ms())

    async def route(self, router: Router, amount: int = AMOUNT) -> tuple[Report, int]:
        """A fresh book everywhere, one order, and how long its caller waited."""
        self.books()
        self.pump()
        began_ms = self.world.clock.monotonic_ms()
        done = await router.route(self.world.account, buy(amount), request_id="gates")
        return done, self.world.clock.monotonic_ms() - began_ms

    def pump(self) -> None:
        for ear in self.world.ears.values():
            ear.pump()
        for line in self.world.lines:
            if line.venue.name not in self.silent:
                line.pump()

    async def live(self, ms: int) -> None:
        """Time passes; the venues speak."""
        for _ in range(ms // 500):
            await self.world.clock.sleep(500)
            self.pump()

    async def reconnected(self, old: Line) -> Line:
        """A new connection in place of the old one, whose books begin with snapshots."""
        line = Line(old.venue, old.simulator, old.books, old.signer, old.clock)
        self.world.lines[self.world.lines.index(old)] = line
        line.subscribe(self.world.registry.natives(old.venue.name))
        await self.live(1_000)
        return line

    def orders_to(self, venue: str, since_ms: int = 0) -> int:
        return sum(where == venue and at >= since_ms for at, where in self.sent)

    def first_order_ms(self, since_ms: int) -> int:
        """How long after `since_ms` the first order left."""
        return min(at for at, _ in self.sent if at >= since_ms) - since_ms

    def gauge(self, reason: str) -> float | None:
        return self.sample("crossbook_venue_gate_closed", reason=reason)

    def sample(self, name: str, **labels: str) -> float | None:
        registry = self.world.network.metrics.registry
        return registry.get_sample_value(name, {"venue": self.sick, **labels})

    def run(self, day: Coroutine[Any, Any, None]) -> None:
        run(self.loop, day)


def reasons(done: Report) -> dict[str, str]:
    return {entry.venue: entry.reason for entry in done.left_out}


def says(done: Report, venue: str, words: str) -> bool:
    return f"Left out: {venue} ({words})." in done.reasoning


# --- G13: one venue slow or dead ---


@pytest.mark.parametrize("sick", VENUES)
def test_a_dead_venue_delays_a_few_routes_by_their_budget_and_then_none(sick: str) -> None:
    scene = Scene(sick)

    async def day() -> None:
        router = await scene.world.start(answer_ms=PATIENT_MS)
        scene.misdeed = lambda venue, _request: "dead" if venue == sick else ""
        waits, done = [], None
        while scene.world.gates.why_closed(ACCOUNT, sick) != "breaker_open":
            before_route = scene.world.clock.monotonic_ms()
            done, waited = await scene.route(router)
            waits.append(waited)
            assert scene.first_order_ms(before_route) <= STRAGGLE_MS_MAX + 100, "the others' orders leave"
            assert done.size, "the others fill"
            assert len(waits) < 8, "it is found out soon"
            await scene.live(500)
        assert max(waits) <= PATIENT_MS + 50
        before_ms = scene.world.clock.monotonic_ms()
        for _ in range(5):
            before_route = scene.world.clock.monotonic_ms()
            done, waited = await scene.route(router)
            assert waited <= PATIENT_MS + 50
            assert scene.first_order_ms(before_route) <= 100, "no order waits for it any more"
            assert done.asked.amount - done.cash < done.asked.amount // 10
            assert reasons(done) == {sick: "breaker_open"}
            assert says(done, sick, "breaker open")
            assert sick not in {entry.venue for entry in done.considered}
            assert scene.gauge("breaker_open") == 1
            await scene.live(2_000)
        assert scene.orders_to(sick, before_ms) == 0

    scene.run(day())


@pytest.mark.parametrize("sick", VENUES)
def test_a_venue_that_is_back_is_used_again_by_itself(sick: str) -> None:
    scene = Scene(sick)

    async def day() -> None:
        router = await scene.world.start(answer_ms=PATIENT_MS)
        scene.misdeed = lambda venue, _request: "refused" if venue == sick else ""
        for _ in range(10):
            await scene.route(router)
        assert scene.world.gates.why_closed(ACCOUNT, sick) == "breaker_open"
        scene.misdeed = lambda _venue, _request: ""
        before = len(scene.sent)
        await scene.live(30_000)
        assert len(scene.sent) == before, "a read finds out, never an order"
        done, _ = await scene.route(router)
        assert reasons(done) == {}
        assert scene.orders_to(sick) > 0
        assert scene.gauge("breaker_open") == 0

    scene.run(day())


@pytest.mark.parametrize("sick", VENUES)
def test_a_venue_that_only_takes_no_orders_is_found_well_again_by_a_read(sick: str) -> None:
    scene = Scene(sick)

    async def day() -> None:
        router = await scene.world.start(answer_ms=PATIENT_MS)
        scene.misdeed = lambda venue, request: (
            "refused" if venue == sick and request.purpose is Purpose.ORDER else ""
        )
        order, account = Purpose.ORDER.value, Purpose.ACCOUNT.value
        for _ in range(8):
            await scene.route(router)
            if scene.sample("crossbook_breaker_openings_total", purpose=order):
                break
        assert scene.sample("crossbook_breaker_openings_total", purpose=order) == 1
        assert scene.sample("crossbook_breaker_openings_total", purpose=account) is None
        before = scene.orders_to(sick)
        await scene.live(10_000)
        assert scene.orders_to(sick) == before
        assert scene.world.gates.why_closed(ACCOUNT, sick) is None

    scene.run(day())


@pytest.mark.parametrize("sick", VENUES)
def test_a_slow_venue_keeps_a_route_no_longer_than_its_budget(sick: str) -> None:
    scene = Scene(sick)

    async def day() -> None:
        router = await scene.world.start(answer_ms=PATIENT_MS)
        scene.misdeed = lambda venue, request: (
            "dead" if venue == sick and request.purpose is Purpose.ORDER else ""
        )
        done, waited = await scene.route(router)
        assert waited <= PATIENT_MS + 50
        filled = {line.venue for line in done.fills if line.status is FillStatus.FILLED}
        assert filled == {line.venue for line in done.fills} - {sick}
        left = [at for at, venue in scene.sent if venue == sick]
        limits = scene.world.venues[sick].limits
        assert limits.order_ms_max <= PATIENT_MS, "the venue's own time for an order is part of the budget"
        assert left, "its price was the best"

    scene.run(day())


# --- G7: stale books, G6: gaps ---


@pytest.mark.parametrize("sick", VENUES)
def test_a_silent_book_is_left_out_right_after_its_limit(sick: str) -> None:
    scene = Scene(sick)

    async def day() -> None:
        router = await scene.world.start()
        limit_ms = min(5_000, scene.world.venues[sick].limits.silent_ms_max)
        done, _ = await scene.route(router)
        scene.silent.add(sick)
        [line] = [line for line in scene.world.lines if line.venue.name == sick]
        heard_ms = line.pulse.heard_ms
        await scene.world.clock.sleep(heard_ms + limit_ms - 200 - scene.world.clock.monotonic_ms())
        done, _ = await scene.route(router)
        assert reasons(done) == {}
        await scene.world.clock.sleep(heard_ms + limit_ms + 100 - scene.world.clock.monotonic_ms())
        before = len(scene.sent)
        done, _ = await scene.route(router)
        assert reasons(done) == {sick: "stale"}
        assert says(done, sick, "stale")
        assert sick not in {venue for _, venue in scene.sent[before:]}

    scene.run(day())


@pytest.mark.slow
@pytest.mark.parametrize("sick", VENUES)
def test_no_order_goes_to_a_book_from_its_gap_until_its_snapshot(sick: str) -> None:
    """The gaps come while orders are planned and balances are read, not only between routes."""
    scene = Scene(sick)

    async def day() -> None:
        router = await scene.world.start()
        [line] = [line for line in scene.world.lines if line.venue.name == sick]
        book = line.books.open(sick, scene.world.natives[sick][0])
        gaps, lost_in_plan = 0, 0
        beat = asyncio.create_task(scene.live(10**9))
        for number in range(40):
            scene.books()
            scene.pump()
            router._tools.balances.distrust(ACCOUNT, sick)  # so that planning takes time
            before = len(scene.sent)
            routing = router.route(scene.world.account, buy(AMOUNT), request_id="gap")
            await scene.world.clock.sleep(number % 8)
            at_ms = scene.world.clock.monotonic_ms()
            book.lose("gap")
            scene.silent.add(sick)  # a route may outlast the time to the next frame, which may be whole
            gaps += 1
            done = await routing
            left_ms = [
                at - scene.world.network.latency_ms for at, venue in scene.sent[before:] if venue == sick
            ]
            assert all(at <= at_ms for at in left_ms), "none leaves after the gap"
            if not left_ms:
                lost_in_plan += reasons(done) == {sick: "lost:gap"}
            second, _ = await route_without_snapshot(scene, router)
            assert reasons(second) == {sick: "lost:gap"}
            assert says(second, sick, "lost:gap")
            scene.silent.discard(sick)
            line = await scene.reconnected(line)
            assert book.why_unusable(scene.world.clock.monotonic_ms(), 5_000) is None, "the snapshot ends it"
        beat.cancel()
        assert gaps == 40
        assert lost_in_plan > 0

    scene.run(day())


async def route_without_snapshot(scene: Scene, router: Router) -> tuple[Report, int]:
    """A route while the gap lasts: not one order for the venue leaves."""
    before, silent = len(scene.sent), set(scene.silent)
    scene.silent.add(scene.sick)
    done = await router.route(scene.world.account, buy(2 * AMOUNT), request_id="gap-2")
    scene.silent = silent
    assert scene.sick not in {venue for _, venue in scene.sent[before:]}
    return done, 0


HELD_MS = 300
"""How long an order waits for its venue's pace: less than what makes its plan too old."""


@pytest.mark.parametrize("sick", VENUES)
@pytest.mark.parametrize("why", ["gap", "gone", "restart", "account", "limit"])
def test_what_is_found_while_an_order_waits_for_its_venue_keeps_it_from_leaving(sick: str, why: str) -> None:
    scene = Scene(sick)

    async def day() -> None:
        router = await scene.world.start(venues=[sick])
        world, tools = scene.world, router._tools
        [line] = world.lines
        book = line.books.open(sick, world.natives[sick][0])
        usual = world.network.paces.wait

        async def waits(venue: Any, purpose: Purpose, *given: Any, **more: Any) -> bool:
            if purpose is not Purpose.ORDER:
                return await usual(venue, purpose, *given, **more)
            await world.clock.sleep(HELD_MS // 2)
            match why:
                case "gap":
                    book.lose("gap")
                case "gone":
                    world.catalog.watch(sick, [])
                case "restart":
                    world.network.breakers.pause(sick, 1_000, "venue_restarting")
                case "account":
                    tools.checks.gates.close(ACCOUNT, "a test")
                case _:
                    tools.controls.overrides[ACCOUNT] = AccountControls(order_usd="1")
            await world.clock.sleep(HELD_MS // 2)
            return True

        world.network.paces.wait = waits  # type: ignore[method-assign]  # the moment is chosen
        done, _ = await scene.route(router)
        assert scene.orders_to(sick) == 0
        assert done.failed
        assert tools.ledger.open(ACCOUNT) == []

    scene.run(day())


# --- G10: clocks ---


@pytest.mark.parametrize("step_ms", [300_000, -300_000])
def test_a_step_of_our_clock_makes_no_age_negative_and_no_signature_wrong(step_ms: int) -> None:
    scene = Scene(VENUES[0])
    refused: list[int] = []

    async def day() -> None:
        router = await scene.world.start()
        answer = scene.world.network.answer

        def watched(venue: Any, request: Request, signer: Any) -> Any:
            reply = answer(venue, request, signer)
            if reply.status == 401 and request.private:
                refused.append(scene.world.clock.monotonic_ms())
            return reply

        scene.world.network.answer = watched  # type: ignore[method-assign]  # the venues' words, overheard
        for number in range(6):
            scene.world.own.shift_ms = step_ms if number % 2 else 0
            scene.books()
            scene.pump()
            routing = router.route(scene.world.account, buy(AMOUNT), request_id="clock")
            await scene.world.clock.sleep(2 + number)
            scene.world.own.shift_ms = 0 if number % 2 else step_ms  # a step in the middle of it
            try:
                done = await routing
                failed = [line.error for line in done.fills if line.status is FillStatus.FAILED]
                assert failed == [], "none is refused for its time"
            except NothingAllocated as refusal:
                assert "clock offset" in str(refusal)  # noqa: PT017  # either is right, by when it was planned
            for line in scene.world.lines:
                assert line.pulse.heard_ms <= scene.world.own.monotonic_ms(), "no age is negative"
            await scene.live(1_000)
        assert refused == []

    scene.run(day())


def test_while_our_clock_is_wrong_every_gate_is_closed_and_then_opens() -> None:
    scene = Scene(VENUES[0])

    async def day() -> None:
        router = await scene.world.start()
        scene.world.own.shift_ms = 5_000
        with pytest.raises(NothingAllocated, match="clock offset"):
            await scene.route(router)
        assert scene.sent == []
        assert scene.gauge("clock_offset") == 1
        scene.world.own.shift_ms = 0
        done, _ = await scene.route(router)
        assert reasons(done) == {}
        assert scene.gauge("clock_offset") == 0

    scene.run(day())


# --- orders in doubt, restarts, streams, phases ---


@pytest.mark.parametrize("sick", VENUES)
def test_orders_in_doubt_close_the_gate_and_their_look_ups_go_on_through_an_open_breaker(sick: str) -> None:
    scene = Scene(sick)

    async def day() -> None:
        router = await scene.world.start(answer_ms=1_000)
        scene.world.mishear = lambda: "lost"
        scene.misdeed = lambda venue, request: (
            "" if venue != sick else "silent" if request.purpose is Purpose.ORDER else ""
        )
        blind = {"on": True}
        scene.misdeed = lambda venue, request: (
            ""
            if venue != sick or not blind["on"]
            else "silent"
            if request.purpose is Purpose.ORDER
            else "busy"
            if scene.orders_to(sick)
            else ""
        )
        done, _ = await scene.route(router)
        assert sick in {line.venue for line in done.fills if line.status is FillStatus.OPEN}
        await scene.live(10_000)
        assert scene.world.gates.why_closed(ACCOUNT, sick) == "breaker_open"
        before = scene.reads[sick]
        await scene.live(30_000)
        assert scene.reads[sick] - before >= 5, "once in five seconds, not once in each opening"
        assert scene.world.gates.why_closed(ACCOUNT, sick) == "breaker_open"
        blind["on"] = False
        scene.world.mishear = lambda: ""
        await scene.live(400_000)
        assert router._tools.ledger.open(ACCOUNT) == [], "every order has its last word"
        assert scene.world.gates.why_closed(ACCOUNT, sick) is None

    scene.run(day())


@pytest.mark.parametrize("sick", VENUES)
def test_after_a_restart_a_venue_with_an_order_in_doubt_waits_for_its_first_word(sick: str) -> None:
    scene = Scene(sick)

    async def day() -> None:
        first = await scene.world.start(answer_ms=1_000)
        scene.world.mishear = lambda: "lost"
        scene.misdeed = lambda venue, request: (
            ""
            if venue != sick or not scene.orders_to(sick)
            else "silent"
            if request.purpose is Purpose.ORDER
            else "lost"
        )
        await scene.route(first)
        for task in first._tasks.running:
            task.cancel()
        await asyncio.gather(*first._tasks.running, return_exceptions=True)
        blind = scene.misdeed
        scene.misdeed = lambda _venue, _request: ""
        second = await scene.world.start(answer_ms=1_000)
        scene.misdeed = blind
        assert scene.world.gates.why_closed(ACCOUNT, sick) == "reconciling"
        done, _ = await scene.route(second)
        assert reasons(done)[sick] == "reconciling"
        scene.misdeed = lambda _venue, _request: ""
        scene.world.mishear = lambda: ""
        await scene.live(400_000)
        assert scene.world.gates.why_closed(ACCOUNT, sick) is None

    scene.run(day())


def test_what_is_left_out_is_only_what_the_caller_wanted() -> None:
    scene = Scene(VENUES[0])

    async def day() -> None:
        router = await scene.world.start()
        scene.silent.add(VENUES[0])
        await scene.world.clock.sleep(6_000)
        done, _ = await scene.route(router)
        assert done.left_out == (LeftOut(venue=VENUES[0], reason="stale"),)

    scene.run(day())


# --- markets that are shut without a word ---


def shut(scene: Scene, venue: str, *, trading: bool) -> None:
    """The venue takes no orders for its market any more, or again; its feed says nothing about it."""
    (scene.shut.discard if trading else scene.shut.add)(venue)
    for market in scene.world.simulators[venue].exchange.markets.values():
        market.trading = trading


@pytest.mark.parametrize("sick", sorted(n for n, venue in discover().items() if venue.traits.shut_codes))
def test_a_market_whose_venue_said_that_it_is_shut_is_left_out_until_it_is_read_again(sick: str) -> None:
    scene = Scene(sick)

    async def day() -> None:
        router = await scene.world.start()
        shut(scene, sick, trading=False)
        done, _ = await scene.route(router)
        [refused] = [line for line in done.fills if line.venue == sick]
        assert refused.status is FillStatus.FAILED
        sent = scene.orders_to(sick)
        done, _ = await scene.route(router)
        assert reasons(done) == {sick: "not_tradable"}
        assert scene.orders_to(sick) == sent
        shut(scene, sick, trading=True)
        assert await scene.world.catalog.refresh() == {}
        done, _ = await scene.route(router)
        assert scene.orders_to(sick) > sent

    scene.run(day())


@pytest.mark.parametrize("sick", VENUES)
def test_a_route_never_comes_back_to_a_market_that_has_refused_it(sick: str) -> None:
    scene = Scene(sick)

    async def day() -> None:
        router = await scene.world.start(answer_ms=60_000)
        shut(scene, sick, trading=False)
        done, _ = await scene.route(router, amount=3_000 * ONE)
        assert scene.orders_to(sick) == 1
        assert done.size, "the others fill"

    scene.run(day())


# --- many gaps, ten times too many orders ---


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("sick", VENUES)
def test_hundreds_of_gaps_leave_nothing_to_plan_with_until_the_snapshot(sick: str) -> None:
    """Gaps and new connections between two looks of the planner, with changes of the book in between."""
    scene = Scene(sick)

    async def day() -> None:
        router = await scene.world.start()
        world, planner, luck = scene.world, router._planner, random.Random(5)
        outcome = world.registry.outcome(YES)
        assert outcome is not None
        for _ in range(GAPS):
            scene.books()
            scene.pump()
            [line] = [line for line in world.lines if line.venue.name == sick]
            book = line.books.open(sick, world.natives[sick][0])
            asked = buy(AMOUNT) if luck.random() < 0.5 else sell(ONE)
            book.lose("gap")
            merged = planner._tradable(world.account, asked, outcome, ()).takes
            offered = {merged.terms[offer[1]].listing.venue for offer in merged.offers}
            assert sick not in offered
            assert LeftOut(venue=sick, reason="lost:gap") in left_out(merged, asked)
            fresh = Line(line.venue, line.simulator, line.books, line.signer, line.clock)
            world.lines[world.lines.index(line)] = fresh
            line.simulator.disconnect(line.socket)
            fresh.subscribe(world.registry.natives(sick))
            await world.clock.sleep(luck.randrange(1, 40))
            scene.pump()
            if book.why_unusable(world.clock.monotonic_ms(), 5_000) is None:
                merged = planner._tradable(world.account, asked, outcome, ()).takes
                assert sick in {merged.terms[offer[1]].listing.venue for offer in merged.offers}

    scene.run(day())


def test_ten_times_too_many_orders_are_shed_at_once_and_leave_nothing_behind() -> None:
    scene = Scene(VENUES[0])

    async def day() -> None:
        router = await scene.world.start(answer_ms=PATIENT_MS)
        scene.pump()
        scene.world.network.latency_ms = 300
        took: list[int] = []

        async def ask(number: int) -> str:
            began_ms = scene.world.clock.monotonic_ms()
            try:
                await router.route(scene.world.account, buy(ONE + number), request_id=f"r{number}")
            except TooBusy:
                waited_ms = scene.world.clock.monotonic_ms() - began_ms
                if waited_ms < PATIENT_MS // 2:
                    took.append(waited_ms)
                return "shed"
            return "taken"

        beat, registry = asyncio.create_task(scene.live(10**9)), scene.world.network.metrics.registry
        flood = [asyncio.create_task(ask(number)) for number in range(10 * (1 + WAITING_MAX))]
        await scene.world.clock.sleep(100)
        assert f"crossbook_lanes_waiting {WAITING_MAX}.0".encode() in generate_latest(registry)
        talk = scene.world.venues[VENUES[0]].orders.funds(scene.world.account.signers[VENUES[0]])
        began_ms = scene.world.clock.monotonic_ms()
        await scene.world.network.perform(
            scene.world.venues[VENUES[0]],
            talk,
            signer=scene.world.account.signers[VENUES[0]],
            deadline_ms=2_000,
            urgent=True,
        )
        assert scene.world.clock.monotonic_ms() - began_ms <= 350, "look-ups go on beside them"
        words = await asyncio.gather(*flood)
        assert words.count("taken") >= 1
        assert len(took) == 9 * (1 + WAITING_MAX)
        assert max(took) <= 50
        await scene.world.clock.sleep(60_000)
        beat.cancel()
        assert (len(router._lanes), router._tools.ledger.open(ACCOUNT)) == (0, [])
        assert router._tasks.running == set()

    scene.run(day())
