"""The kill switch over HTTP under load: when the last bytes of a new order left after it was thrown.

Router, venues and callers share one process here, so the figure has all of their work in it.
"""

import asyncio
import os
import time
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from router.core.halts import ALL, Scope
from router.runtime.http1 import Line
from router.runtime.transport import Transport
from tests.loopback.scene import Scene, scene
from venues.base.contract import Venue
from venues.base.http import Response
from venues.sim.contract import Call
from venues.sim.model import HOUSE

ACCOUNTS = 8
THROWS = 100 if os.environ.get("CROSSBOOK_FAULTS") else 3
"""How often it is thrown."""
UNDER_LOAD_S = 60
"""Some venues take seconds to say what became of an order, and their pace is kept."""
SETTLED_S = 0.3
"""Longer than anything on the way takes to arrive on one machine."""


class Arrivals:
    """When requests made a customer's order at a venue, and when they left, by the monotonic clock."""

    def __init__(self, made: Scene) -> None:
        self.at: list[float] = []
        self.left: list[float] = []
        for server in made.servers.values():
            self._tap(server.simulator)
        assert made.instance is not None
        self._tap_transport(made.instance.market.transport)

    def _tap_transport(self, transport: Transport) -> None:
        """What places an order is noted when its bytes are handed to the socket."""
        placing: ContextVar[bool] = ContextVar("placing", default=False)
        perform, reply = transport.perform, transport._reply

        async def performed(venue: Venue, talk: Any, **given: Any) -> object:
            placing.set(talk.gi_code.co_name == "place")
            return await perform(venue, talk, **given)

        async def replied(line: Line, data: bytes, left_ms: int) -> Response:
            if placing.get() and data.startswith(b"POST"):
                self.left.append(time.monotonic())
            return await reply(line, data, left_ms)

        transport.perform = performed  # type: ignore[method-assign,assignment]  # a tap
        transport._reply = replied  # type: ignore[method-assign]  # a tap

    def _tap(self, simulator: object) -> None:
        orders, answer = simulator.exchange.orders, simulator.answer  # type: ignore[attr-defined]  # any venue's

        def tapped(call: Call, now_ms: int) -> object:
            before = sum(order.account != HOUSE for order in orders.values())
            response = answer(call, now_ms)
            if call.method == "POST" and sum(o.account != HOUSE for o in orders.values()) > before:
                self.at.append(time.monotonic())
            return response

        simulator.answer = tapped  # type: ignore[attr-defined]  # a tap on the venue's side of the wire


async def trade(made: Scene, outcome: str, account: str, stop: asyncio.Event) -> int:
    """Orders one after the other; how many were taken."""
    taken = 0
    while not stop.is_set():
        status, _ = await made.order(outcome, account=account, side="buy", amount="2.00")
        taken += status == 201
        if status != 201:
            await asyncio.sleep(0.02)
    return taken


@pytest.mark.slow
@pytest.mark.faults
async def test_no_new_order_comes_to_a_venue_once_the_halt_is_answered(tmp_path: Path) -> None:
    async with scene(tmp_path) as made:
        listings = []
        for name in made.venues:
            [native, *_] = await made.market(name, title="Will it rain?")
            await made.book(name, native, [("0.44", "100000")], [("0.46", "100000")])
            listings.append((name, native, False))
        outcome = made.outcome("rain", *listings)
        names = [f"a{number}" for number in range(ACCOUNTS)]
        for name in names:
            await made.account(name, **{venue: {"balance": "100000"} for venue in made.venues})
        made.keys = {"k": names, "ops": []}
        made.scopes = {"ops": ["admin"]}
        await made.route()
        arrivals = Arrivals(made)
        late_ms = sorted([await thrown(made, arrivals, outcome, names) for _ in range(THROWS)])
        p50, p99 = late_ms[THROWS // 2], late_ms[THROWS * 99 // 100]
        print(f"figure: last bytes after the call, {THROWS} throws: p50 {p50:.1f} ms, p99 {p99:.1f} ms")


async def thrown(made: Scene, arrivals: Arrivals, outcome: str, names: list[str]) -> float:
    """One throw under load; how long after the call the last new order arrived, in milliseconds."""
    stop = asyncio.Event()
    callers = [asyncio.create_task(trade(made, outcome, name, stop)) for name in names]
    before = len(arrivals.at)
    async with asyncio.timeout(UNDER_LOAD_S):
        while len(arrivals.at) <= before + ACCOUNTS:
            await asyncio.sleep(0.002)
    called = time.monotonic()
    status, told = await made.native("POST", "/native/halts", {"scope": "all", "why": "to see"})
    answered = len(arrivals.at)
    assert (status, told["recorded"]) == (201, True)
    await asyncio.sleep(SETTLED_S)
    assert len(arrivals.at) <= answered + len(made.venues), "what was on the wire, and nothing more"
    last = len(arrivals.at)
    await asyncio.sleep(SETTLED_S)
    assert len(arrivals.at) == last, "nothing leaves any more"
    stop.set()
    await asyncio.gather(*callers)
    assert made.instance is not None
    assert Scope(ALL) in made.instance.router.switch.halts.standing
    assert (await made.native("DELETE", "/native/halts?scope=all"))[0] == 200
    return max(0.0, (arrivals.left[-1] - called) * 1_000)
