"""A venue whose lines go dead, every connection kept: a real router, a proxy that passes nothing on.

`tests/simulation/test_gates.py` asks the same of the router in virtual time, to the millisecond. How long
things took here is a figure: it hangs on what else the machine does.
"""

import asyncio
import os
import time
from pathlib import Path

import pytest

from tests.loopback.outpost import ANSWER_MS, WAIT_S, Json, Outpost, Process, outpost
from venues import discover
from venues.base.units import ONE, Price, Size

pytestmark = [pytest.mark.slow, pytest.mark.faults]
VENUES = sorted(discover())
SICK = VENUES if os.environ.get("CROSSBOOK_FAULTS") else VENUES[:1]
STALE_S = 5.1
"""A book is used no longer than five seconds without a sign of its connection, and a tenth to notice."""
BEST = [(Price(300_000), Size(20 * ONE)), (Price(600_000), Size(100_000 * ONE))]
"""Cheaper than anywhere else, and too little for a whole order."""


async def timed(post: Outpost, router: Process, account: str) -> tuple[dict[str, str], Json, float]:
    """One order that was taken: the states of its fills by venue, its answer, and milliseconds."""
    began = time.monotonic()
    status, body = await post.order(router, account)
    assert status == 201, body
    states = {fill["venue"]: fill["status"] for fill in body["fills"]}
    return states, body, (time.monotonic() - began) * 1_000


@pytest.mark.parametrize("sick", SICK)
async def test_a_silent_venue_costs_one_order_its_budget_and_the_next_ones_nothing(
    sick: str, tmp_path: Path
) -> None:
    async with outpost(tmp_path, accounts=3) as post:
        first, second, third = post.accounts
        post.offer(sick, BEST)
        router = await post.start()
        await post.ready(router)
        tap = router.taps[sick]
        tap.hold_at_order()
        states, _, caught_ms = await timed(post, router, first)
        assert states.pop(sick) == "open", "nobody knows what became of it"
        assert set(states.values()) == {"filled"}, "the others fill"
        await asyncio.sleep(max(0.0, tap.heard + STALE_S - time.monotonic()))
        for account in (second, third):
            states, body, took_ms = await timed(post, router, account)
            assert sick not in states
            assert set(states.values()) == {"filled"}
            assert f"Left out: {sick} (" in body["_routing"]["reasoning"]
        tap.release()
        await post.until(lambda: post.rows("SELECT number FROM routes WHERE finished_ms IS NULL") == [])
        await post.equal()
        post.offer(sick, BEST)
        states = {}
        async with asyncio.timeout(WAIT_S):
            while sick not in states:
                states, _, usual_ms = await timed(post, router, second)
                await asyncio.sleep(0.5)
        await post.equal()
        print(
            f"figure: {sick} silent: the order it caught answered after {caught_ms:.0f} of {ANSWER_MS} ms; "
            f"the next, without it, {took_ms:.0f} ms; one with it once it was back {usual_ms:.0f} ms"
        )
