"""kill -9 at any moment, again and again on the same store: nothing is lost, nothing is done twice.

Orders come over all venues, some under a key that comes again, and replies are late or never come. Nobody
waits for a good moment. At the end the books of both sides must be equal.
"""

import asyncio
import os
import random
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.stage import Case, Json, Rows, Stage, stage
from venues import discover

WHOLE = bool(os.environ.get("CROSSBOOK_FAULTS"))
STORES, KILLS = (20, 50) if WHOLE else (2, 12)
"""Stores, and how often the routers of each are killed."""
KEYS = 40
RESOLVED_S_MAX = 30
SLOW: list[Json] = [
    {"fault": "executed_then_lost", "call": "POST .*order", "probability": "0.08", "delay_ms": 600},
    {"fault": "lost", "call": "POST .*order", "probability": "0.04", "delay_ms": 600},
    {"fault": "late", "call": "POST .*order", "probability": "0.4", "delay_ms": 100},
    {"fault": "error5xx", "call": "GET ", "probability": "0.02"},
]
"""What the venues do wrong while routers are killed."""


class Siege:
    """One store and everything that happens to it."""

    def __init__(self, play: Stage, case: Case, luck: random.Random) -> None:
        self.play, self.case, self.luck = play, case, luck
        self.wishes: dict[str, Json] = {}
        self.kills = self.told = 0

    async def move_books(self) -> None:
        """Few shares at each venue, so that orders are split."""
        for venue, [native, *_] in self.case.natives.items():
            middle = self.luck.randrange(30, 70)
            bids: Rows = [(f"0.{middle - 1 - n}", str(self.luck.randrange(15, 60))) for n in range(2)]
            asks: Rows = [(f"0.{middle + 1 + n}", str(self.luck.randrange(15, 60))) for n in range(2)]
            await self.play.control(venue, "PUT", f"books/{native}", {"bids": bids, "asks": asks})

    def wish(self) -> tuple[str | None, Json]:
        """An order, and its key if it has one."""
        quantity = str(self.luck.randrange(10, 60))
        made = (
            {"side": "buy", "amount": quantity}
            if self.luck.random() < 0.5
            else {"side": "sell", "size": quantity}
        )
        if self.luck.random() < 0.3:
            return None, made
        key = f"key-{self.luck.randrange(KEYS)}"
        return key, self.wishes.setdefault(key, made)

    async def once(self) -> None:
        """One life: begun, used, killed.

        Now and then the machine is down for longer: then what kept the venues' gates closed is proven.
        """
        if self.luck.random() < 0.25:
            await self.play.outage()
        await self.move_books()
        running = self.play.start(self.case)
        if self.luck.random() < 0.1:
            await asyncio.sleep(self.luck.random() * 0.2)
            callers = []
        else:
            url = await self.play.ready(running)
            callers = [asyncio.create_task(self.call(url)) for _ in range(self.luck.randrange(2, 7))]
            await asyncio.sleep(self.luck.choice((0.2, 0.8, 2.0)) * self.luck.random())
        assert await self.play.stop(running, signal.SIGKILL) == -signal.SIGKILL, running.log()
        self.kills += 1
        await asyncio.gather(*callers)

    async def call(self, url: str) -> None:
        """One order, soon."""
        key, wish = self.wish()
        await asyncio.sleep(self.luck.random() * 0.3)
        status, _ = await self.play.order(url, self.case, key, **wish)
        self.told += status in (201, 502)

    async def end(self) -> list[str]:
        """Quiet: everything is looked up, every key is asked for once more, the books are compared."""
        play, case = self.play, self.case
        for venue in case.natives:
            await play.control(venue, "PUT", "faults", [])
        await play.outage()
        running = play.start(case)
        await running.port
        seconds = await play.settled(case, running)
        faults = await play.audit(case)
        if seconds > RESOLVED_S_MAX:
            faults.append(f"in doubt for {seconds:.1f} s after the last start")
        url = await play.ready(running)
        before = self._routes()
        for key in self._known():
            status, body = await play.order(url, case, key, **self.wishes[key])
            if status not in (201, 502):
                faults.append(f"{key}: told {status}, {body}")
        if (now := self._routes()) != before:
            faults.append(f"{now - before} keys ran again")
        await play.stop(running, signal.SIGTERM)
        print(
            f"figure: {case.name}: {self.kills} kills, {before} routes, {self.told} told, "
            f"resolved in {seconds:.1f} s"
        )
        return faults + await play.audit(case)

    def _routes(self) -> int:
        return len(self._asked("SELECT route_id FROM routes"))

    def _known(self) -> list[str]:
        """Keys whose intent got to the disk."""
        return self._asked("SELECT key FROM keys WHERE key LIKE 'key-%' ORDER BY key")

    def _asked(self, query: str) -> list[str]:
        """The only column of a query, read beside the router."""
        with closing(sqlite3.connect(f"file:{self.case.database}?mode=ro", uri=True)) as connection:
            return [text for (text,) in connection.execute(query)]


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("number", range(STORES))
async def test_kill_9_at_any_moment_loses_nothing_and_does_nothing_twice(number: int, tmp_path: Path) -> None:
    venues = sorted(discover())
    async with stage(*venues) as play:
        empty: tuple[Rows, Rows] = ([], [])
        case = await play.case(f"siege{number}", tmp_path / "case", dict.fromkeys(venues, empty))
        for venue in venues:
            await play.control(venue, "PUT", "faults", SLOW)
        siege = Siege(play, case, random.Random(number))
        for _ in range(KILLS):
            await siege.once()
        assert await siege.end() == []
