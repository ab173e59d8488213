"""Two thousand outcomes on every venue: how their books are spread over connections, and found again.

The feeds are the real ones, the other end is each venue's simulator, and time is virtual.
"""

import asyncio
import re
from collections import Counter

import pytest

from registry.index import Registry
from registry.model import Outcome, OutcomeId
from router.core.book import Books
from router.runtime.door import Guard
from router.runtime.feeds import DIALS_AT_ONCE, Feeds
from router.runtime.metrics import Metrics
from router.runtime.paces import Paces
from router.runtime.sockets import PONG, Closed, Ping, Pong
from router.runtime.transport import Transport
from tests.virtual_time import VirtualClock, VirtualLoop, run
from tests.world import call_of
from venues import discover
from venues.base.contract import Signer, Venue
from venues.base.http import Reply, Request, Response, Silence
from venues.base.listing import ListingKey, Native
from venues.base.units import ONE, Price, Size
from venues.sim.contract import Simulator, Socket

pytestmark = pytest.mark.slow
OUTCOMES = 2_000
VENUES = sorted(discover())
STALE_MS = 5_000
BEAT_MS = 500
"""How often frames are carried over; a second of the venue's time is at most two beats."""
DIAL_MS = 40
SETTLED_MS = 25_000
"""Longer than a connection may go without a first snapshot: one that is made anew shows."""
SEEDED_MS_MAX = 60_000
DROPPED = 3


class Wire:
    """One connection: `router.runtime.sockets.Socket` at this end, the simulator's at the other."""

    def __init__(self, simulator: Simulator, far: Socket, clock: VirtualClock) -> None:
        self.simulator, self.far, self._clock = simulator, far, clock
        self.frames: asyncio.Queue[str | Pong | Closed] = asyncio.Queue()
        self.open = True

    async def send(self, text: str) -> None:
        self.far.receive(text, self._clock.now_ms())
        self.carry()

    async def ping(self) -> None:
        self.frames.put_nowait(PONG)

    async def receive(self) -> str | bytes | Ping | Pong | Closed:
        return await self.frames.get()

    async def close(self) -> None:
        self.drop()

    def carry(self) -> list[str]:
        """Hand over what the venue has said; returns it."""
        said, self.far.outbox[:] = list(self.far.outbox), []
        for frame in said:
            self.frames.put_nowait(frame)
        if self.far.closed:
            self.drop()
        return said

    def drop(self) -> None:
        """The connection breaks."""
        if self.open:
            self.open = False
            self.simulator.disconnect(self.far)
            self.frames.put_nowait(Closed("dropped"))


class Wires(Transport):
    """A network without sockets: every call goes straight into the simulator, at the venue's pace."""

    def __init__(self, simulator: Simulator, clock: VirtualClock) -> None:
        super().__init__(clock, Metrics())
        self._simulator, self._time = simulator, clock
        self._pace = Paces(clock, Metrics())
        self.wires: list[Wire] = []
        self.dialling = self.dialling_most = 0

    async def dial(
        self, venue: Venue, request: Request, *, signer: Signer | None, deadline_ms: int
    ) -> Wire | Silence:
        """See `Transport`."""
        self.dialling += 1
        self.dialling_most = max(self.dialling_most, self.dialling)
        await self._time.sleep(DIAL_MS)
        self.dialling -= 1
        far = self._simulator.connect(call_of(self._signed(request, signer)), self._time.now_ms())
        assert not isinstance(far, Response), far
        self.wires.append(Wire(self._simulator, far, self._time))
        return self.wires[-1]

    async def send(
        self,
        venue: Venue,
        request: Request,
        *,
        signer: Signer | None,
        deadline_ms: int,
        guard: Guard | None = None,
        urgent: bool = False,
    ) -> Reply:
        """See `Transport`."""
        end_ms = self._time.monotonic_ms() + deadline_ms
        if not await self._pace.wait(venue, request.purpose, signer, end_ms=end_ms):
            return Silence("paced", sent=False)
        return self._simulator.answer(call_of(self._signed(request, signer)), self._time.now_ms())

    def _signed(self, request: Request, signer: Signer | None) -> Request:
        if not request.private:
            return request
        assert signer is not None
        return signer.sign(request, self._time.now_ms())

    @property
    def live(self) -> list[Wire]:
        """The connections that are open."""
        return [wire for wire in self.wires if wire.open]


class Scene:
    """A registry of many outcomes on one venue; the venue simulated, and the feeds that follow it all."""

    def __init__(self, name: str, loop: VirtualLoop, outcomes: int) -> None:
        self.name, self.clock, self.venue = name, VirtualClock(loop), discover()[name]
        self.simulator = self.venue.simulator(1)
        self.registry = Registry(self._outcome(number) for number in range(outcomes))
        self.natives = self.registry.natives(name)
        account = self.simulator.open_account({"balance": "1"}, self.clock.now_ms())
        self.wires = Wires(self.simulator, self.clock)
        self.books = Books({name: self.venue.limits})
        self.feeds = Feeds(
            {name: self.venue},
            self.books,
            self.wires,
            self.clock,
            metrics=Metrics(),
            signers={name: self.venue.signer(account)},
        )

    def _outcome(self, number: int) -> Outcome:
        title = f"Question {number}"
        native = Native(self.simulator.list_market({"title": title})[0])
        self.move(native, 1)
        key = ListingKey(self.name, native, inverted=False)
        return Outcome(outcome_id=OutcomeId(f"px-{number:08}"), title=title, label="Yes", listings=(key,))

    def move(self, native: Native, step: int) -> None:
        """Somebody changes the size of the only level."""
        bids = [(Price(400_000), Size(step * ONE))]
        self.simulator.exchange.set_book(native, bids, [], self.clock.now_ms())

    async def pass_ms(self, ms: int) -> None:
        """Time goes by, at the venue too."""
        for _ in range(ms // BEAT_MS):
            await self.clock.sleep(BEAT_MS)
            self.beat()

    def beat(self) -> list[list[str]]:
        """What the venue says now, by open connection."""
        self.simulator.tick(self.clock.now_ms())
        for wire in self.wires.live:
            wire.far.tick(self.clock.now_ms())
        return [wire.carry() for wire in self.wires.live]

    def heard(self, step: int) -> Counter[str]:
        """Every book changes once: on how many connections each is told. None tells more than it may."""
        self.beat()
        for native in self.natives:
            self.move(native, step)
        told: Counter[str] = Counter()
        for frames in self.beat():
            words = {word for frame in frames for word in re.split(r"[^\w-]+", frame)}
            named = words.intersection(self.natives)
            assert len(named) <= self.venue.limits.listings_per_connection
            told.update(named)
        return told

    def usable(self) -> int:
        """How many books may be traded on."""
        now_ms = self.clock.monotonic_ms()
        return sum(book.why_unusable(now_ms, STALE_MS) is None for book in self.books.values())


@pytest.mark.parametrize("name", VENUES)
def test_two_thousand_outcomes_are_spread_within_the_venues_limits_and_survive_a_drop(name: str) -> None:
    loop = VirtualLoop()
    scene = Scene(name, loop, OUTCOMES)
    most = scene.venue.limits.listings_per_connection
    needed = -(-OUTCOMES // most)

    async def day() -> None:
        scene.feeds.follow(name, scene.natives)
        await scene.pass_ms(SETTLED_MS)
        assert len(scene.wires.wires) == len(scene.wires.live) == needed, "none was made anew"
        assert scene.wires.dialling_most <= DIALS_AT_ONCE
        assert scene.heard(2) == dict.fromkeys(scene.natives, 1), "each is told once"
        for wire in scene.wires.live[:DROPPED]:
            wire.drop()
        await scene.pass_ms(SETTLED_MS)
        assert len(scene.wires.live) == needed
        assert len(scene.wires.wires) == needed + min(DROPPED, needed)
        assert scene.heard(3) == dict.fromkeys(scene.natives, 1), "none is lost, none doubled"
        assert scene.feeds.watched(name) == set(scene.natives)
        await scene.feeds.stop()

    run(loop, day())


@pytest.mark.parametrize("name", VENUES)
def test_the_books_of_a_full_connection_are_all_usable_within_a_minute_of_a_drop(name: str) -> None:
    loop = VirtualLoop()
    scene = Scene(name, loop, min(OUTCOMES, discover()[name].limits.listings_per_connection))

    async def day() -> None:
        scene.feeds.follow(name, scene.natives)
        await scene.pass_ms(SEEDED_MS_MAX)
        assert scene.usable() == len(scene.natives)
        scene.wires.live[0].drop()
        await scene.clock.sleep(1)
        assert scene.usable() == 0
        await scene.pass_ms(SEEDED_MS_MAX)
        assert scene.usable() == len(scene.natives)
        await scene.feeds.stop()

    run(loop, day())
