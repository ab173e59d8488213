"""A venue that cannot be reached for minutes: a minute after it can be again, every fill is in the store."""

import pytest

from router.core.execution import Execution
from tests.virtual_time import VirtualLoop, run
from tests.world import ACCOUNT, World, buy
from venues import discover
from venues.base.http import Purpose, Request
from venues.base.orders import Filled
from venues.base.units import ONE, Price, Size
from venues.sim.model import HOUSE

VENUES = sorted(discover())
OUTAGES_MS = (30_000, 300_000, 3_600_000)
PROMISED_MS = 60_000
"""Promise 3 of the README."""


class Outage:
    """One order is executed; from the moment it left nothing is heard of its venue."""

    def __init__(self, world: World) -> None:
        self.on, self._sent = True, False
        world.network.misdeed = self
        world.mishear = lambda: "lost" if self.on else ""

    def __call__(self, _venue: str, request: Request) -> str:
        if not self.on or (not self._sent and request.purpose is not Purpose.ORDER):
            return ""
        if request.purpose is Purpose.ORDER and not self._sent:
            self._sent = True
            return "silent"
        return "lost"


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("outage_ms", OUTAGES_MS)
@pytest.mark.parametrize("venue", VENUES)
def test_a_minute_after_a_venue_is_reachable_again_every_fill_is_in_the_store(
    venue: str, outage_ms: int, restart: bool
) -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 3)
        outage = Outage(world)
        outage.on = False
        router = await world.start(venues=[venue], answer_ms=1_000)
        outage.on = True
        exchange = world.simulators[venue].exchange
        asks = [(Price(500_000), Size(100 * ONE))]
        exchange.set_book(world.natives[venue][0], [], asks, world.clock.now_ms())
        report = await world.route(router, buy(20 * ONE))
        assert [line.size for line in report.fills] == [0], "nothing was heard"
        await world.clock.sleep(outage_ms)
        assert len(router._tools.ledger.open(ACCOUNT)) == 1, "its money stays reserved"
        outage.on = False
        if restart:
            await router.stop(0)
            router = await world.start(venues=[venue], answer_ms=1_000)
        await world.clock.sleep(PROMISED_MS)
        [stored] = world.store.stored().values()
        booked = sum(
            last.size
            for last in Execution(stored.planned, stored.answers).known.values()
            if isinstance(last, Filled)
        )
        done = sum(order.filled for order in exchange.orders.values() if order.account != HOUSE)
        assert booked == done > 0
        assert stored.finished

    run(loop, live())
