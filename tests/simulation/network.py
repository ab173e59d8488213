"""A network in virtual time: requests and replies take as long as luck will have it, or never arrive.

What has left the router is on its way whatever becomes of the router: a request arrives though the process
that sent it is dead or has given up waiting.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from router.runtime.metrics import Metrics
from router.runtime.transport import REQUEST_MS_MAX
from tests.simulation.trace import Trace
from tests.virtual_time import OwnClock, VirtualClock
from tests.world import Network, call_of, dated
from venues.base.contract import Signer, Venue
from venues.base.http import Purpose, Reply, Request, Response, Silence
from venues.sim.contract import Simulator

T = TypeVar("T")
PAUSE_MS = (1, 30)
"""A usual way, one direction."""
SLOW_MS = (200, 4_000)
LATE_MS = (3_000, 30_000)
"""A request that stood in a queue somewhere: its sender has long given up."""
FAULTS = (
    *("refused", "lost", "busy", "late"),
    *("doubled", "silent", "error_after", "limited_after", "garbled", "slow"),
)
"""Before the venue has done what it was asked for, and after. `slow` is both ways."""


class Fate(NamedTuple):
    """How one request fares."""

    fault: str
    there_ms: int
    back_ms: int


class Wild(Network):
    """One router's way to the venues. Implements `router.runtime.door.Door`."""

    def __init__(
        self,
        simulators: Mapping[str, Simulator],
        clock: VirtualClock,
        metrics: Metrics,
        own: OwnClock,
        *,
        luck: random.Random,
        harm: Callable[[Request], float],
        trace: Trace,
    ) -> None:
        """`harm` is the chance that something goes wrong with a request now."""
        super().__init__(simulators, clock, metrics, own)
        self._luck, self._harm, self._trace = luck, harm, trace
        self._loop = asyncio.get_running_loop()
        self.on_order: Callable[[str], None] = lambda _venue: None
        """Called when a venue has dealt with an order."""
        self.dead = False

    async def in_time(self, venue: Venue, request: Request, signer: Signer | None, end_ms: int) -> Reply:
        """One request and what comes back, or does not."""
        assert not self.dead, "a dead router sends"
        left_ms = min(end_ms - self.clock.monotonic_ms(), REQUEST_MS_MAX[request.purpose])
        if left_ms <= 0:
            return Silence("deadline", sent=False)
        fate = self._fate(request)
        if fate.fault == "refused":
            await self.clock.sleep(fate.there_ms)
            return Silence("connect: refused", sent=False)
        if request.private:
            assert signer is not None
            request = signer.sign(request, self.times.now_ms(venue.name))
        reply: asyncio.Future[Reply] = self._loop.create_future()
        if fate.fault != "lost":
            self._loop.call_later(fate.there_ms / 1000, self._arrive, venue, request, fate, reply)
        try:
            async with asyncio.timeout(left_ms / 1000):
                return await reply
        except TimeoutError:
            return Silence("deadline", sent=True)

    def _fate(self, request: Request) -> Fate:
        luck = self._luck
        fault = luck.choice(FAULTS) if luck.random() < self._harm(request) else ""
        there = (
            LATE_MS if fault == "late" else SLOW_MS if fault == "slow" and luck.random() < 0.5 else PAUSE_MS
        )
        back = SLOW_MS if fault == "slow" and there is PAUSE_MS else PAUSE_MS
        return Fate(fault, luck.randrange(*there), luck.randrange(*back))

    def _arrive(self, venue: Venue, request: Request, fate: Fate, reply: asyncio.Future[Reply]) -> None:
        """The venue deals with it; the answer is on its way back."""
        self._trace.note(
            self.clock.monotonic_ms(),
            f"{venue.name} {request.method} {request.target} {fate.fault}",
            request.body,
        )
        if fate.fault == "busy":
            self._back(reply, Response(503, b'{"error":"busy"}'), fate)
            return
        answer = self._processed(venue, request)
        if fate.fault == "doubled":
            self._processed(venue, request)
        if request.purpose is Purpose.ORDER:
            self.on_order(venue.name)
        self.after()
        match fate.fault:
            case "silent":
                pass
            case "error_after":
                self._back(reply, Response(500, b"upstream connect error"), fate)
            case "limited_after":
                self._back(reply, Response(429, b"<html>slow down</html>"), fate)
            case "garbled":
                half = answer.body[: len(answer.body) // 2] + b"\xff"
                self._back(reply, Response(answer.status, half), fate)
            case _:
                self._back(reply, answer, fate)

    def _processed(self, venue: Venue, request: Request) -> Response:
        """The simulator's answer to a request as it arrives, signed."""
        simulator, now_ms = self.simulators[venue.name], self.clock.now_ms()
        simulator.tick(now_ms)
        base = simulator.hosts("", "").get(request.host, "")
        return dated(simulator.answer(call_of(replace(request, path=base + request.path)), now_ms), now_ms)

    def _back(self, reply: asyncio.Future[Reply], answer: Response, fate: Fate) -> None:
        self._loop.call_later(fate.back_ms / 1000, _told, reply, answer)


def _told(reply: asyncio.Future[Reply], answer: Response) -> None:
    if not reply.done():
        reply.set_result(answer)
