"""Ten times more orders than are taken, over real sockets: shed at once, and nothing else suffers.

`make faults` floods for longer. How long things took is a figure: it hangs on what else the machine does.
"""

import asyncio
import os
import re
import statistics
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.loopback.flood import Answer
from tests.loopback.outpost import OUTCOME, ROOT, Outpost, Process, outpost
from venues.sim.model import HOUSE

pytestmark = [pytest.mark.slow, pytest.mark.faults]
WHOLE = bool(os.environ.get("CROSSBOOK_FAULTS"))
SECONDS = 30 if WHOLE else 3
ACCOUNTS = 8
PER_SECOND, TIMES = 5, 10
"""Orders that each account may send in a second (the default), and how many times more are sent."""
CONNECTIONS = 200
CALM_PER_SECOND = 4
LANE_PER_SECOND = 400
"""Where no pace is set one account's lane is what binds: venues take ten orders a second, and less."""
KNOWN = {201, 429, 502}
"""Taken, shed, or of no use because venues take no more at the moment."""
WAITING_MAX, CONNECTIONS_MAX = 16, 512
"""What the router promises to keep at most of each; 512 connections are the default of the settings."""
GROWN_KB_MAX = 64 * 1024
LOOK_S = 0.5

Json = dict[str, Any]


async def flooded(post: Outpost, router: Process, **changed: object) -> list[Answer]:
    """What a flood in a process of its own was answered."""
    asked: Json = {
        "port": int(router.url.rpartition(":")[2]),
        "key": post.key,
        "accounts": post.accounts[:-1],  # the last one is the operator's
        "outcome": OUTCOME,
        "per_s": ACCOUNTS * PER_SECOND * TIMES,
        "connections": CONNECTIONS,
        "seconds": SECONDS,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.loopback.flood", msgspec.json.encode(asked | changed).decode()),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return msgspec.json.decode(said, type=list[Answer])


class Watcher:
    """Whoever operates the router while it is flooded: figures, health, halts, and what each call took."""

    def __init__(self, post: Outpost, router: Process) -> None:
        self._post, self._router = post, router
        self.took_ms: list[float] = []
        self.most: Counter[str] = Counter()

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Each thing once."""
        text = await self.call("GET", "/metrics", 200)
        for name in ("crossbook_lanes_waiting", "crossbook_http_connections"):
            [value] = re.findall(rf"^{name} (\S+)$", text, re.MULTILINE)
            self.most[name] = max(self.most[name], int(float(value)))
        self.most["kb"] = max(self.most["kb"], resident_kb(self._router))
        await self.call("GET", "/health", 200)
        drill = {"scope": "account", "name": self._post.accounts[-1], "why": "a drill", "cancel": True}
        halted = msgspec.json.decode(await self.call("POST", "/native/halts", 201, **drill))
        assert halted["unread"] == [], "its orders were read at every venue"
        await self.call("DELETE", f"/native/halts?scope=account&name={drill['name']}", 200)

    async def call(self, method: str, path: str, expected: int, **body: object) -> str:
        """One call; its text."""
        began = time.monotonic()
        url, headers = f"{self._router.url}{path}", {"x-api-key": self._post.admin}
        async with self._post.session.request(method, url, json=body or None, headers=headers) as response:
            text = await response.text()
            assert response.status == expected, (path, text)
        self.took_ms.append((time.monotonic() - began) * 1_000)
        return text


def resident_kb(router: Process) -> int:
    """Memory of the router's process; 0 where the system does not say."""
    path = Path(f"/proc/{router.process.pid}/status")
    found = re.search(r"VmRSS:\s+(\d+)", path.read_text()) if path.exists() else None
    return int(found[1]) if found else 0


async def beside(post: Outpost, router: Process, **changed: object) -> tuple[list[Answer], Watcher]:
    """A flood, and an operator meanwhile who is answered every time."""
    watcher = Watcher(post, router)
    await watcher.look()
    before_kb = watcher.most["kb"]
    watching = asyncio.create_task(watcher.watch())
    answers = await flooded(post, router, **changed)
    if watching.done():
        watching.result()
    watching.cancel()
    assert len(watcher.took_ms) > 4, "it was answered again and again"
    assert watcher.most["crossbook_http_connections"] <= CONNECTIONS_MAX
    assert watcher.most["kb"] - before_kb < GROWN_KB_MAX
    return answers, watcher


p50 = statistics.median


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


def told(name: str, answers: list[Answer], watcher: Watcher) -> tuple[list[float], list[float]]:
    """How long what was shed and what was taken took, also as a figure."""
    shed = [each.took_ms for each in answers if each.status in (429, 503)]
    taken = [each.took_ms for each in answers if each.status == 201]
    print(
        f"figure: {name}: {len(answers)} orders in {SECONDS} s, {len(shed)} shed in p50 "
        f"{p50(shed):.1f} ms, p99 {p99(shed):.1f} ms; {len(taken)} taken in p50 "
        f"{p50(taken):.0f} ms, p99 {p99(taken):.0f} ms; an operator's calls p99 "
        f"{p99(watcher.took_ms):.1f} ms; {watcher.most}"
    )
    return shed, taken


async def orders_at_venues(post: Outpost) -> int:
    """Customers' orders, by the venues' own books."""
    ledgers = await post.ledgers()
    return sum(row["account"] != HOUSE for rows in ledgers.values() for row in rows["orders"])


async def halted_meanwhile(post: Outpost, router: Process) -> None:
    """The kill switch in the middle of a flood: it is answered, and nothing new comes to a venue."""
    flooding = asyncio.create_task(flooded(post, router, seconds=3))
    await post.until(lambda: bool(router.sent_since(0)))
    await asyncio.sleep(1)
    await Watcher(post, router).call("POST", "/native/halts", 201, scope="all", why="a flood")
    await asyncio.sleep(0.5)  # what was on the wire has come
    before = await orders_at_venues(post)
    answers = await flooding
    assert any(each.word == "halted" for each in answers)
    assert await orders_at_venues(post) == before > 0


async def test_ten_times_the_pace_of_all_accounts_is_shed_and_operators_are_still_answered(
    tmp_path: Path,
) -> None:
    async with outpost(tmp_path, accounts=ACCOUNTS + 1) as post:
        post.controls |= {"orders_per_second": PER_SECOND}
        router = await post.start()
        await post.ready(router)
        calm = await flooded(post, router, per_s=ACCOUNTS * CALM_PER_SECOND)
        answers, watcher = await beside(post, router)
        shed, taken = told("pace", answers, watcher)
        statuses = Counter(each.status for each in answers)
        assert {201, 429} <= set(statuses) <= KNOWN, statuses
        assert len(taken) <= ACCOUNTS * PER_SECOND * (SECONDS + 1)
        assert len(shed) > len(taken)
        await asyncio.sleep(1)  # the pace is that of any second
        alone = await flooded(
            post, router, moments=sorted(each.moment for each in answers if each.status == 201)
        )
        for name, found in (("evenly spread", calm), ("those taken, sent again at their moments", alone)):
            took = [each.took_ms for each in found if each.status == 201]
            print(
                f"figure: without the flood, {name}: {len(took)} in p50 {p50(took):.0f} ms, "
                f"p99 {p99(took):.0f} ms"
            )
        await halted_meanwhile(post, router)
        await post.equal()


async def test_ten_times_what_a_lane_holds_is_shed_and_the_lane_stays_bounded(tmp_path: Path) -> None:
    async with outpost(tmp_path, accounts=2) as post:
        router = await post.start()
        await post.ready(router)
        answers, watcher = await beside(post, router, per_s=LANE_PER_SECOND)
        shed, taken = told("lane", answers, watcher)
        assert {each.status for each in answers} <= KNOWN
        assert taken
        assert len(shed) > len(taken)
        assert 0 < watcher.most["crossbook_lanes_waiting"] <= WAITING_MAX
        await halted_meanwhile(post, router)
        await post.equal()
