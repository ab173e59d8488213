"""A venue that times out: whatever became of the order, the router finds it out, and never sends it again.

Each case is one order at one venue, in virtual time: where its request or its reply is lost, when the venue
gets it, when the venue's own lists begin to show it. The right answer is the venue's ledger.
"""

import asyncio
import copy
import os
import random
from enum import Enum
from statistics import median, quantiles

import pytest

from router.core.execution import Execution
from router.core.report import FillStatus
from router.runtime.metrics import Metrics
from router.service import Router
from tests.memory_store import MemoryStore
from tests.virtual_time import VirtualLoop, run
from tests.world import ACCOUNT, Network, World, buy
from venues import discover
from venues.base.contract import Signer, Venue
from venues.base.http import Purpose, Reply, Request, Response, Silence
from venues.base.orders import Answer, Filled, Order, Rejected
from venues.base.units import ONE, Price, Size
from venues.sim.contract import Simulator
from venues.sim.model import HOUSE

VENUES = sorted(discover())
CASES = 100 if os.environ.get("CROSSBOOK_FAULTS") else 30
"""By venue."""
FAST = 6
"""As many as there are ways to time out: for `make check`."""
APPEARS_MS_MAX = 30_000
ANSWER_MS = 7_000
"""How long the caller waits: longer than any venue's reply is waited for."""
LONGEST_MS = 500_000
"""No venue leaves an order in doubt for longer."""
STEP_MS = 250
MEDIAN_MS_MAX, P99_MS_MAX = 5_000, 30_000
"""The goal, from the moment the venue shows what an order traded. One that did nothing may be shown nowhere:
that takes as long as the venue's card says (docs/durability.md)."""


class Way(Enum):
    """How the venue times out."""

    NEVER = "the request is lost"
    HELD = "the request is held up on its way, and arrives when its sender has given up"
    ACCEPTED = "the order is accepted and finds nothing to trade with; the reply is lost"
    PARTLY = "a part of it is filled; the reply is lost"
    FILLED = "all of it is filled; the reply is lost"
    HIDDEN = "it is filled, the reply is lost, and the venue's own lists lag behind"


class Deaf(Network):
    """One order times out; afterwards the venue answers, but perhaps as it was before the order."""

    def __init__(self, world: World, venue: str, *, way: Way, delay_ms: int) -> None:
        super().__init__(world.simulators, world.clock, Metrics(), world.network.own)
        self._venue, self._way, self._delay_ms = venue, way, delay_ms
        self._before: Simulator | None = None
        self.sent = 0
        self.timed_out_ms = 0
        self.shown_ms = 0
        """When the venue begins to show what became of the order."""

    async def exchange(self, venue: Venue, request: Request, signer: Signer | None) -> Reply:
        if request.purpose is Purpose.ORDER and not self.sent:
            return await self._time_out(venue, request, signer)
        return await super().exchange(venue, request, signer)

    async def _time_out(self, venue: Venue, request: Request, signer: Signer | None) -> Silence:
        self.sent += 1
        began_ms = self.clock.monotonic_ms()
        self.shown_ms, self.timed_out_ms = began_ms, began_ms + venue.limits.order_ms_max
        simulator = self.simulators[self._venue]
        match self._way:
            case Way.NEVER:
                pass
            case Way.HELD:
                self.shown_ms += self._delay_ms
                signed = signer.sign(request, self.clock.now_ms()) if signer and request.private else request
                asyncio.get_running_loop().call_later(self._delay_ms / 1000, self._deliver, venue, signed)
            case Way.HIDDEN:
                self.shown_ms += self._delay_ms
                self._before = copy.deepcopy(simulator)
                self.answer(venue, request, signer)
            case _:
                self.answer(venue, request, signer)
        self.after()
        await self.clock.sleep(venue.limits.order_ms_max)
        return Silence("deadline", sent=True)

    def _deliver(self, venue: Venue, signed: Request) -> None:
        """What was held up arrives as it was signed."""
        self.deliver(venue, signed)
        self.after()

    def answer(self, venue: Venue, request: Request, signer: Signer | None) -> Response:
        hidden = self._before is not None and self.clock.monotonic_ms() < self.shown_ms
        if not hidden or request.purpose is Purpose.ORDER:
            return super().answer(venue, request, signer)
        assert self._before is not None
        now, self.simulators = self.simulators, {**self.simulators, self._venue: self._before}
        try:
            return super().answer(venue, request, signer)
        finally:
            self.simulators = now


class Case:
    """One order."""

    def __init__(self, venue: str, number: int) -> None:
        luck = random.Random(f"{venue}/{number}")
        self.venue, self.number = venue, number
        self.way = list(Way)[number % len(Way)]
        self.delay_ms = luck.randrange(APPEARS_MS_MAX + 1)
        self.loop = VirtualLoop()
        self.world = World(self.loop, number + 1)
        self.faults: list[str] = []
        self.waited_ms = 0
        """From the moment it could be known to the moment it was."""

    def live(self) -> None:
        """Until all is known; what was wrong is in `faults`."""
        run(self.loop, self._live())

    async def _live(self) -> None:
        world, clock = self.world, self.world.clock
        network = Deaf(world, self.venue, way=self.way, delay_ms=self.delay_ms)
        network.after, world.network = world.network.after, network
        world.mishear = lambda: "lost" if clock.monotonic_ms() < network.shown_ms else ""
        router = await world.start(venues=[self.venue], answer_ms=ANSWER_MS)
        asks = [(Price(500_000), Size(100 * ONE))]
        self._set(asks)
        network.before_order = lambda _venue: self._set(self._left(asks))
        report = await world.route(router, buy(20 * ONE))
        self._check_report(report.fills[0].status, report.fills[0].size, network)
        router = await self.meanwhile(router)
        while (last := self._last()) is None and clock.monotonic_ms() < LONGEST_MS:
            self._check_hold(router)
            await clock.sleep(STEP_MS)
        self.waited_ms = max(0, clock.monotonic_ms() - max(network.shown_ms, network.timed_out_ms))
        await clock.sleep(2 * APPEARS_MS_MAX)
        self._check_end(router, last)

    async def meanwhile(self, router: Router) -> Router:
        """What else happens once the caller was told; the router from then on."""
        return router

    def _left(self, asks: list[tuple[Price, Size]]) -> list[tuple[Price, Size]]:
        """What is still offered when the order arrives."""
        if self.way is Way.ACCEPTED:
            return []
        return [(Price(500_000), Size(10 * ONE))] if self.way is Way.PARTLY else asks

    def _set(self, asks: list[tuple[Price, Size]]) -> None:
        world = self.world
        exchange = world.simulators[self.venue].exchange
        exchange.set_book(world.natives[self.venue][0], [], asks, world.clock.now_ms())
        world.pump()

    @property
    def _order(self) -> Order:
        store = self.world.store
        assert isinstance(store, MemoryStore)
        [route] = store.stored().values()
        [order] = route.planned.orders
        return order

    def _last(self) -> Filled | Rejected | None:
        [route] = self.world.store.stored().values()
        known: Answer | None = Execution(route.planned, route.answers).known.get(self._order.order_id)
        return known if isinstance(known, Filled | Rejected) else None

    # --- what must hold ---

    def _check_report(self, status: FillStatus, size: Size, network: Deaf) -> None:
        """The caller is not told of a failure without proof, nor of more than happened."""
        if self._last() is None and (status is FillStatus.FAILED or size > self.done()):
            self.faults.append(f"told {status} and {size} while nothing was known")
        if not self._arrived() and self._last() is None and (status, size) != (FillStatus.OPEN, 0):
            self.faults.append(f"told {status} and {size} of an order that is unknown")
        if network.sent != 1:
            self.faults.append(f"sent {network.sent} times")

    def _check_hold(self, router: Router) -> None:
        if self._order.order_id not in {order.order_id for order in router._tools.ledger.open(ACCOUNT)}:
            self.faults.append("its money is no longer reserved, and nothing is known")

    def _check_end(self, router: Router, last: Filled | Rejected | None) -> None:
        done, said = self.done(), last.size if isinstance(last, Filled) else 0
        if last is None or said != done:
            self.faults.append(f"{last} where {done} were done")
        if self._last() != last:
            self.faults.append(f"{last} was not the last word")
        if router._tools.ledger.open(ACCOUNT):
            self.faults.append("its money is still reserved")
        if len(self._arrived()) > 1:
            self.faults.append(f"{len(self._arrived())} orders at the venue")

    def _arrived(self) -> list[Size]:
        orders = self.world.simulators[self.venue].exchange.orders.values()
        return [order.filled for order in orders if order.account != HOUSE]

    def done(self) -> int:
        """Shares traded, by the venue's ledger."""
        return sum(self._arrived())


@pytest.mark.parametrize("cases", [FAST, pytest.param(CASES, marks=[pytest.mark.slow, pytest.mark.faults])])
@pytest.mark.parametrize("venue", VENUES)
def test_whatever_a_time_out_hides_is_found_and_never_sent_again(venue: str, cases: int) -> None:
    wrong: list[str] = []
    shown: list[int] = []
    never: list[int] = []
    for number in range(cases):
        case = Case(venue, number)
        case.live()
        wrong += [f"case {number}, {case.way.value}, {case.delay_ms} ms: {fault}" for fault in case.faults]
        (shown if case.done() else never).append(case.waited_ms)
    assert wrong == [], "\n".join(wrong)
    p99 = quantiles(shown, n=100)[98]
    print(
        f"figure: {venue}: median {median(shown)} ms, p99 {p99:.0f} ms; "
        f"without a trade: at most {max(never)} ms"
    )
    assert median(shown) < MEDIAN_MS_MAX
    assert p99 < P99_MS_MAX


class Restarted(Case):
    """Its router dies, and the machine comes back with a clock that is wrong."""

    wrong_ms = 0

    async def meanwhile(self, router: Router) -> Router:
        while router._tasks.running:
            dying = list(router._tasks.running)
            for task in dying:
                task.cancel()
            await asyncio.gather(*dying, return_exceptions=True)
        self.world.own.shift_ms = self.wrong_ms
        return await self.world.start(venues=[self.venue])


@pytest.mark.parametrize("wrong_ms", [-3_600_000, 3_600_000])
@pytest.mark.parametrize("way", [Way.HELD, Way.HIDDEN])
@pytest.mark.parametrize("venue", VENUES)
def test_a_wrong_clock_at_a_restart_proves_nothing_of_an_order_in_doubt(
    venue: str, way: Way, wrong_ms: int
) -> None:
    case = Restarted(venue, list(Way).index(way))
    case.wrong_ms, case.delay_ms = wrong_ms, 2 * ANSWER_MS
    case.live()
    assert case.faults == []
