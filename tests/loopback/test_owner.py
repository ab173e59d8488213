"""Two routers on one store, in processes of their own: one sends; the other waits, and takes over."""

import asyncio
import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.loopback.outpost import Outpost, Process, outpost

pytestmark = [pytest.mark.slow, pytest.mark.faults]
WHOLE = bool(os.environ.get("CROSSBOOK_FAULTS"))
BATCHES, AT_ONCE = (20, 5) if WHOLE else (2, 1)
"""Owners that are stopped and go on, so many at once: they wait more than they work."""
PAUSE_S = 60 if WHOLE else 2
"""How long an owner stands still after it was replaced."""
LEASE_MS = 5_000 if WHOLE else 1_500
"""Short, but longer than a busy machine may keep a process from its turn."""
PATIENCE_S = 5 + 4 * LEASE_MS / 1_000
"""Whoever was not replaced by then was stopped in the middle of a transaction, and keeps its lock."""
TRIES_MAX = 8
"""One in nine keeps it."""


async def pair(post: Outpost) -> tuple[Process, Process]:
    """An owner that takes orders, and a standby."""
    owner = await post.start(standby=True, lease_ms=LEASE_MS)
    await post.ready(owner)
    heir = await post.start(standby=True, lease_ms=LEASE_MS)
    await post.until(lambda: bool(heir.said("store.standby")))
    return owner, heir


async def replaced(heir: Process) -> float | None:
    """The moment from which the heir owns the store; None if it does not come to that."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if heir.said("store.taken_over"):
            return time.monotonic()
        await asyncio.sleep(0.02)
    return None


def check_epochs(post: Outpost, newest: int) -> None:
    """No record of an older epoch comes after one of a newer."""
    epochs = [epoch for (epoch,) in post.rows("SELECT epoch FROM records ORDER BY seq")]
    assert epochs == sorted(epochs)
    assert set(epochs) <= set(range(1, newest + 1))


@pytest.mark.parametrize("batch", range(BATCHES))
async def test_an_owner_that_stood_still_sends_and_writes_nothing_when_it_goes_on(
    tmp_path: Path, batch: int
) -> None:
    numbers = range(batch * AT_ONCE, (batch + 1) * AT_ONCE)
    folders = {number: tmp_path / str(number) for number in numbers}
    for folder in folders.values():
        folder.mkdir()
    async with asyncio.TaskGroup() as group:
        for number, folder in folders.items():
            group.create_task(stood_still(folder, number))
    print(f"figure: {len(numbers)} owners were replaced, stood still {PAUSE_S} s longer, and sent nothing")


async def stood_still(folder: Path, number: int) -> None:
    """Stop an owner under load until it is replaced, let it go on, and compare the books."""
    luck = random.Random(number)
    async with outpost(folder) as post:
        owner, heir = await pair(post)
        moment = await stopped(post, owner, heir, luck)
        await asyncio.sleep(PAUSE_S)
        owner.tell(signal.SIGCONT)
        assert await owner.ended() == 1
        assert owner.sent_since(moment) == []
        assert [line["epoch"] for line in owner.said("store.lost")] == [1]
        await post.ready(heir)
        status, body = await post.order(heir, post.accounts[0])
        assert status in (201, 429), body  # 429 while what was cut off holds the account's lane
        await post.equal()
        check_epochs(post, 2)
        heir.tell(signal.SIGTERM)
        assert await heir.ended() == 0


async def pressed(post: Outpost, owner: Process) -> None:
    """Load that comes back after a refusal, until it is cancelled."""
    while True:
        await post.load(owner)
        await asyncio.sleep(0.1)


async def stopped(post: Outpost, owner: Process, heir: Process, luck: random.Random) -> float:
    """Stop the owner at a random moment under load; the moment from which the heir owns the store.

    One that keeps the store's lock goes on, as the owner that it still is, and is stopped once more.
    """
    for _ in range(TRIES_MAX):
        loading, taken = asyncio.create_task(pressed(post, owner)), post.told[201]
        await post.until(lambda at=taken + 2: post.told[201] >= at or bool(heir.said("store.taken_over")))
        await asyncio.sleep(luck.random())
        owner.tell(signal.SIGSTOP)
        moment = await replaced(heir)
        if moment is None:
            owner.tell(signal.SIGCONT)
        loading.cancel()
        await asyncio.gather(loading, return_exceptions=True)
        if moment is not None:
            return moment
    raise AssertionError("it was never replaced")


async def test_a_standby_says_what_it_waits_for_and_takes_no_orders(tmp_path: Path) -> None:
    async with outpost(tmp_path, accounts=1) as post:
        owner, heir = await pair(post)
        assert any("standing by" in reason for reason in await post.waiting_for(heir))
        status, body = await post.order(heir, "a0")
        assert (status, body["errorCode"]) == (503, "store_unavailable")
        assert (await post.order(owner, "a0"))[0] == 201
        heir.tell(signal.SIGTERM)
        assert await heir.ended() == 0
        assert (await post.order(owner, "a0"))[0] == 201
        check_epochs(post, 1)


async def test_when_the_owner_is_killed_the_standby_takes_over_at_once_and_the_books_agree(
    tmp_path: Path,
) -> None:
    async with outpost(tmp_path) as post:
        owner = await post.start(standby=True, lease_ms=600_000)
        await post.ready(owner)
        heir = await post.start(standby=True, lease_ms=LEASE_MS)
        await post.until(lambda: bool(heir.said("store.standby")))
        loading = asyncio.create_task(post.load(owner))
        await post.until(lambda: post.told[201] >= 2)
        owner.tell(signal.SIGKILL)
        await post.until(lambda: bool(heir.said("store.taken_over")))
        await loading
        await post.ready(heir)
        await post.equal()
        check_epochs(post, 2)


async def test_a_second_router_without_standby_is_refused_and_harms_nobody(tmp_path: Path) -> None:
    async with outpost(tmp_path, accounts=1) as post:
        owner = await post.start()
        await post.ready(owner)
        second = await post.start()
        assert await second.ended() == 1
        assert (await post.order(owner, "a0"))[0] == 201
        check_epochs(post, 1)
