"""An account's own stream settles an order when nothing can be looked up; and nothing depends on it."""

import asyncio

import pytest

from router.core.report import FillStatus
from tests.virtual_time import VirtualLoop, run
from tests.world import World, buy
from venues import discover
from venues.base.http import Purpose, Request
from venues.base.units import ONE, Price, Size

VENUES = sorted(name for name, venue in discover().items() if venue.private is not None)
ANSWER_MS = 60_000
BEAT_MS = 100


class Scene:
    """One venue; from the moment an order has left, its reads fail, its stream does, or neither."""

    def __init__(self, venue: str, *, deaf: bool = False, blind: bool = False) -> None:
        self.loop = VirtualLoop()
        self.world, self.venue = World(self.loop, seed=11), venue
        self.sent = False
        self.blind = blind
        self.world.network.misdeed = self._misdeed
        native, now_ms = self.world.natives[venue][0], self.world.clock.now_ms()
        bids, asks = [(Price(400_000), Size(1_000 * ONE))], [(Price(420_000), Size(1_000 * ONE))]
        self.world.simulators[venue].exchange.set_book(native, bids, asks, now_ms)
        if deaf:
            self.world.mishear = lambda: "lost"

    def _misdeed(self, _venue: str, request: Request) -> str:
        self.sent |= request.purpose is Purpose.ORDER
        return "busy" if self.blind and self.sent and request.purpose is Purpose.ACCOUNT else ""

    def bought(self) -> FillStatus:
        """Buy for ten dollars; how it stands when the caller is answered."""

        async def day() -> FillStatus:
            router = await self.world.start(venues=[self.venue], answer_ms=ANSWER_MS)
            beat = asyncio.create_task(self._beat())
            done = await self.world.route(router, buy(10 * ONE))
            beat.cancel()
            await router.stop(1_000)
            return done.fills[0].status

        return run(self.loop, day())

    async def _beat(self) -> None:
        """Time passes at the venues also while nothing is asked of them."""
        while True:
            await self.world.clock.sleep(BEAT_MS)
            self.world.pump()


@pytest.mark.parametrize("venue", VENUES)
def test_the_stream_alone_settles_an_order(venue: str) -> None:
    assert Scene(venue, blind=True).bought() in {FillStatus.FILLED, FillStatus.PARTIAL}


@pytest.mark.parametrize("venue", VENUES)
def test_an_order_is_settled_without_the_stream(venue: str) -> None:
    assert Scene(venue, deaf=True).bought() in {FillStatus.FILLED, FillStatus.PARTIAL}
