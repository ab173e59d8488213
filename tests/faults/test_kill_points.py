"""kill -9 at fourteen named points, for every venue and both sides: nothing is lost, nothing is done twice.

An order with a key goes over two venues. The router dies at the point and is started again: soon all that the
venues did is in its records. Then the machine is down for a while, long enough for every venue's word to be
final, also about orders that never came. A router starts on what was left, the caller repeats the request
with the same key, and the books of both sides must be equal.
"""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.faults.mortal import POINTS, TORN
from tests.faults.stage import Case, Rows, Running, Stage, answered, stage
from venues import discover

VENUES = sorted(discover())
SIDES = ("buy", "sell")
ALL = [(point, side) for point in POINTS for side in SIDES]
AT_ONCE = 3
"""Routers alive at the same time: each waits for sockets and disks most of the time."""
RESOLVED_S_MAX = 30
"""How long after a restart until no order is in doubt any more."""
WHOLE = bool(os.environ.get("CROSSBOOK_FAULTS"))

BIDS: tuple[Rows, Rows] = ([("0.38", "30")], [("0.37", "30")])
ASKS: tuple[Rows, Rows] = ([("0.40", "30")], [("0.41", "30")])
"""The venue that it is about has the better prices, the other takes the rest."""
AMOUNTS = {"buy": {"side": "buy", "amount": "20"}, "sell": {"side": "sell", "size": "50"}}


def chosen(venue: str) -> list[tuple[str, str]]:
    """A venue's points for `make test`: 11 of 28, so that the venues together have all of them; or all."""
    first = VENUES.index(venue)
    return ALL if WHOLE else [pair for n, pair in enumerate(ALL) if (n * 3 + first * 5) % 28 < 11]


class Trial:
    """One point at one venue on one side."""

    def __init__(self, play: Stage, venue: str, beside: str, *, point: str, side: str) -> None:
        self.play, self.venue, self.beside = play, venue, beside
        self.point, self.side = point, side
        self.case: Case
        self.faults: list[str] = []
        self.seconds = 0.0
        """How long orders were in doubt after a start, at most."""

    async def prepare(self, folder: Path) -> None:
        """Markets, accounts, settings."""
        books = {self.venue: (BIDS[0], ASKS[0]), self.beside: (BIDS[1], ASKS[1])}
        name = f"{self.point}{self.side}{VENUES.index(self.venue)}"
        self.case = await self.play.case(name, folder / name, books)

    async def kill(self) -> None:
        """Let it die at the point."""
        points = {"C12": ("C5", "C12")}.get(self.point, (self.point,))
        for point in points:
            await self._die(point)
        if (self.point, self.side) in TORN:
            self.case.tear()
        running = self.play.start(self.case)
        await running.port
        self._in_time(await self.play.booked(self.case, running))
        await self.play.stop(running, signal.SIGKILL)

    async def _die(self, point: str) -> None:
        play, case = self.play, self.case
        running = play.start(case, point=point, venue=self.venue, side=self.side)
        if point != "C12":  # that one dies before it listens
            url = await play.ready(running)
            await play.order(url, case, "key", **AMOUNTS[self.side])
        if await play.death(running) != -signal.SIGKILL:
            self.faults.append(f"did not die at the point: {running.log()}")

    async def recover(self) -> None:
        """Start again, repeat the request, compare."""
        play, case = self.play, self.case
        running = play.start(case)
        await running.port
        self._in_time(await play.settled(case, running))
        self.faults += await play.audit(case)
        await self._repeat(running)
        await play.settled(case, running)
        await play.stop(running, signal.SIGTERM)
        self.faults += await play.audit(case)
        if (
            len(traded := [order for led in (await play.ledgers(case)).values() for order in led["orders"]])
            > 2
        ):
            self.faults.append(f"{len(traded)} orders at the venues")

    def _in_time(self, seconds: float) -> None:
        self.seconds = max(self.seconds, seconds)
        if seconds > RESOLVED_S_MAX:
            self.faults.append(f"in doubt for {seconds:.1f} s after a restart")

    async def _repeat(self, running: Running) -> None:
        """The caller asks again with the same key until it is told."""
        url = await self.play.ready(running)
        for _ in range(100):
            status, body = await self.play.order(url, self.case, "key", **AMOUNTS[self.side])
            if answered(body):
                break
            await asyncio.sleep(0.1)
        else:
            self.faults.append(f"the repeat was told {status}: {body}")
        if len(set(self.case.told)) > 1:
            self.faults.append(f"one key was told two things: {self.case.told}")

    def __str__(self) -> str:
        return f"{self.point} ({POINTS[self.point]}), {self.side}"


async def run(venue: str, folder: Path) -> list[str]:
    """All chosen points of a venue; what is wrong."""
    beside = VENUES[(VENUES.index(venue) + 1) % len(VENUES)]
    async with stage(venue, beside) as play:
        trials = [Trial(play, venue, beside, point=point, side=side) for point, side in chosen(venue)]
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(trial: Trial, *, last: bool) -> None:
            async with gate:
                if last:
                    await trial.recover()
                else:
                    await trial.prepare(folder)
                    await trial.kill()

        await asyncio.gather(*(one(trial, last=False) for trial in trials))
        await play.outage()
        await asyncio.gather(*(one(trial, last=True) for trial in trials))
    slowest = max(trials, key=lambda trial: trial.seconds)
    print(
        f"figure: {venue}: {len(trials)} deaths, resolved after {slowest.seconds:.1f} s at most ({slowest})"
    )
    return [f"{trial}: {fault}" for trial in trials for fault in trial.faults]


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("venue", VENUES)
async def test_kill_9_at_any_point_loses_nothing_and_does_nothing_twice(venue: str, tmp_path: Path) -> None:
    assert await run(venue, tmp_path) == []


def test_the_sample_has_every_point_and_both_sides() -> None:
    sample = [pair for venue in VENUES for pair in chosen(venue)]
    assert len(sample) >= 60
    assert set(sample) == set(ALL)
