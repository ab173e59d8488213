"""SIGTERM under load: nothing new begins, what was sent is final or on disk, and it ends soon."""

import asyncio
import os
import random
import signal
import time
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from tests.loopback.outpost import outpost

pytestmark = [pytest.mark.slow, pytest.mark.faults]
RUNS = 100 if os.environ.get("CROSSBOOK_FAULTS") else 2
"""How often a router under load is told to stop."""
END_S_MAX = 10
NEW_WORK_MS_MAX = 100


@pytest.mark.parametrize("number", range(RUNS))
async def test_a_router_that_is_told_to_stop_begins_nothing_more_and_leaves_nothing_open_unrecorded(
    tmp_path: Path, number: int
) -> None:
    luck = random.Random(number)
    async with outpost(tmp_path, accounts=6) as post:
        router = await post.start()
        await post.ready(router)
        loading = asyncio.create_task(post.load(router))
        await post.until(lambda: post.told[201] >= 2)
        await asyncio.sleep(luck.random())
        told = time.monotonic()
        router.tell(signal.SIGTERM)
        assert await router.ended() == 0
        ended_s = time.monotonic() - told
        await loading
        [stopping] = router.said("router.stopping")
        stopped_ms = datetime.fromisoformat(stopping["at"]).timestamp() * 1_000
        bodies = [body for (body,) in post.rows("SELECT body FROM records ORDER BY seq")]
        records = [msgspec.json.decode(body) for body in bodies]
        begun = [record["at_ms"] for record in records if record["type"] in ("planned", "extended")]
        last_ms = max(begun) - stopped_ms
        print(f"figure: ended after {ended_s:.1f} s, last work {last_ms:.0f} ms after the end began")
        assert max(begun) <= stopped_ms + NEW_WORK_MS_MAX
        assert ended_s < END_S_MAX
        again = await post.start()
        await post.ready(again)
        await post.equal()
        again.tell(signal.SIGTERM)
        assert await again.ended() == 0
