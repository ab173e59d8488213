"""Two processes on one store: one owns it, the other is refused or waits; whoever lost it writes nothing."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from router.runtime.metrics import Metrics
from router.runtime.store import sqlite, sqlite_owner
from router.runtime.store.lease import Lease
from router.runtime.store.protocol import Store, StoreDown, StoreLost, StoreTaken
from router.runtime.store.sqlite import SqliteStore
from router.runtime.store.sqlite_file import FILE_NAME, LOCK_NAME, connect_writer, migrations, take, upgrade
from tests.core.samples import order, planned
from tests.memory_store import MemoryStore
from tests.runtime.test_store_sqlite import Disk

LEASE_MS = 300


def owner(directory: Path, *, disk: Disk | None = None, standby: bool = False) -> SqliteStore:
    connect = disk.connect if disk else connect_writer
    return SqliteStore(directory, Metrics(), connect=connect, lease_ms=LEASE_MS, standby=standby)


@asynccontextmanager
async def opened(store: SqliteStore) -> AsyncIterator[SqliteStore]:
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def owns(store: Store) -> bool:
    return store.owned


def reason(store: Store) -> str:
    return store.failing or ""


async def until_failing(store: SqliteStore, word: str) -> None:
    async with asyncio.timeout(10):
        while word not in reason(store):
            await asyncio.sleep(0.01)


def epochs(directory: Path) -> list[int]:
    """In which epoch each record was written, oldest first."""
    connection = sqlite3.connect(directory / FILE_NAME)
    found = [row[0] for row in connection.execute("SELECT epoch FROM records ORDER BY seq")]
    connection.close()
    return found


def usurp(directory: Path) -> None:
    """Another process begins the next epoch."""
    connection = sqlite3.connect(directory / FILE_NAME)
    connection.execute("UPDATE owner SET epoch = epoch + 1, process = 4711")
    connection.commit()
    connection.close()


# --- the epoch ---


async def test_each_owner_begins_the_next_epoch_and_every_record_carries_it(tmp_path: Path) -> None:
    for number in range(3):
        async with opened(owner(tmp_path)) as store:
            await store.append(planned(order(), route_id=f"r{number}"))
    assert epochs(tmp_path) == [1, 2, 3]


async def test_whoever_lost_the_store_writes_nothing_and_says_so(tmp_path: Path) -> None:
    told: list[str] = []
    store = owner(tmp_path)
    store.on_lost = lambda: told.append("lost")
    async with opened(store):
        await store.append(planned(order(), route_id="r1"))
        usurp(tmp_path)
        with pytest.raises(StoreLost, match="process 4711 owns the store now: epoch 2, ours was 1"):
            await store.append(planned(order(), route_id="r2"))
        assert not owns(store)
        assert "process 4711" in reason(store)
        with pytest.raises(StoreLost):
            await store.append(planned(order(), route_id="r3"))
        await asyncio.sleep(LEASE_MS / 1000)
        assert "process 4711" in reason(store), "it is not its owner again"
        assert [route.planned.route_id for route in await store.unfinished()] == ["r1"], "reading goes on"
    assert epochs(tmp_path) == [1]
    assert told == ["lost"], "told once"


async def test_an_idle_owner_notices_by_itself_that_it_lost_the_store(tmp_path: Path) -> None:
    async with opened(owner(tmp_path)) as store:
        usurp(tmp_path)
        await until_failing(store, "process 4711")
        assert not owns(store)


async def test_all_who_wait_for_one_transaction_are_told_that_the_store_is_lost(tmp_path: Path) -> None:
    async with opened(owner(tmp_path)) as store:
        usurp(tmp_path)
        appends = [store.append(planned(order(), route_id=f"r{number}")) for number in range(20)]
        results = await asyncio.gather(*appends, return_exceptions=True)
        assert {type(result) for result in results} == {StoreLost}
    assert epochs(tmp_path) == []


# --- who may begin one ---


async def test_a_second_start_is_refused_even_while_the_owner_stands_still(tmp_path: Path) -> None:
    disk = Disk()
    async with opened(owner(tmp_path, disk=disk)):
        disk.write_protect()
        await asyncio.sleep(2 * LEASE_MS / 1000)
        with pytest.raises(StoreTaken, match="in use by process"):
            await owner(tmp_path).open()
        disk.mend()


async def test_a_standby_takes_over_at_once_when_the_owner_has_gone(tmp_path: Path) -> None:
    first = owner(tmp_path)
    await first.open()
    await first.append(planned(order(), route_id="r1"))
    second = SqliteStore(tmp_path, Metrics(), lease_ms=60_000, standby=True)
    waiting = asyncio.create_task(second.open())
    second._lease_ms = LEASE_MS  # looks often; the owner's lease is what counts
    await until_failing(second, "standing by")
    assert not owns(second)
    with pytest.raises(StoreDown, match="standing by"):
        await second.append(planned(order(), route_id="r2"))
    await first.close()
    async with asyncio.timeout(15):
        await waiting
    assert owns(second)
    assert [route.planned.route_id for route in await second.unfinished()] == ["r1"]
    await second.close()


@pytest.mark.slow
async def test_a_standby_waits_as_long_as_the_owner_works(tmp_path: Path) -> None:
    async with opened(owner(tmp_path)) as first:
        waiting = asyncio.create_task(owner(tmp_path, standby=True).open())
        await asyncio.sleep(5 * LEASE_MS / 1000)
        assert not waiting.done()
        assert owns(first)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_a_standby_takes_over_from_an_owner_that_cannot_write_and_it_never_comes_back(
    tmp_path: Path,
) -> None:
    disk = Disk()
    async with opened(owner(tmp_path, disk=disk)) as first:
        await first.append(planned(order(), route_id="r1"))
        second = owner(tmp_path, standby=True)
        waiting = asyncio.create_task(second.open())
        await until_failing(second, "standing by")
        disk.write_protect()
        async with asyncio.timeout(30):
            await waiting
        assert not owns(first), "its lease had run out before"
        disk.mend()
        await until_failing(first, "owns the store now")
        with pytest.raises(StoreLost):
            await first.append(planned(order(), route_id="r2"))
        await second.append(planned(order(), route_id="r3"))
        assert owns(second)
        await second.close()
    assert epochs(tmp_path) == [1, 2]


@pytest.mark.slow
async def test_of_many_that_stand_by_one_takes_over(tmp_path: Path) -> None:
    first = owner(tmp_path)
    await first.open()
    others = [owner(tmp_path, standby=True) for _ in range(4)]
    waiting = [asyncio.create_task(other.open()) for other in others]
    for other in others:
        await until_failing(other, "standing by")
    await first.close()
    async with asyncio.timeout(15):
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.sleep(3 * LEASE_MS / 1000)
    assert [owns(other) for other in others].count(True) == 1
    for other, task in zip(others, waiting, strict=True):
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await other.close()


async def test_an_owner_that_took_over_is_protected_like_the_first(tmp_path: Path) -> None:
    """The dead owner's lock is free, the living one's is not: it has a lock file of its own."""
    disk = Disk()
    async with opened(owner(tmp_path, disk=disk)) as first:
        second = owner(tmp_path, standby=True)
        waiting = asyncio.create_task(second.open())
        await until_failing(second, "standing by")
        disk.write_protect()
        async with asyncio.timeout(30):
            await waiting
        disk.mend()
    assert not owns(first)
    with pytest.raises(StoreTaken, match="in use by process"):
        await owner(tmp_path).open()
    assert owns(second)
    await second.close()


async def test_a_start_that_is_called_off_in_the_moment_it_becomes_the_owner_leaves_the_store_free(
    tmp_path: Path,
) -> None:
    begun = threading.Event()

    def slow(path: Path) -> sqlite3.Connection:
        begun.set()
        time.sleep(0.2)
        return connect_writer(path)

    store = SqliteStore(tmp_path, Metrics(), connect=slow, lease_ms=LEASE_MS)
    opening = asyncio.create_task(store.open())
    await asyncio.to_thread(begun.wait)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    assert not owns(store)
    async with opened(owner(tmp_path)) as other:
        assert owns(other)


async def test_an_owner_of_an_older_version_is_not_driven_out_by_the_upgrade(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = migrations()
    with monkeypatch.context() as patch:
        patch.setattr("router.runtime.store.sqlite_file.migrations", lambda: {n: steps[n] for n in (1, 2)})
        connection = connect_writer(tmp_path / FILE_NAME)
        upgrade(connection)
        connection.close()
    older = take(tmp_path)
    with pytest.raises(StoreTaken, match="in use by process"):
        await owner(tmp_path).open()
    older.close()
    assert (tmp_path / LOCK_NAME).exists()
    async with opened(owner(tmp_path)) as store:
        assert owns(store)


async def test_lock_files_do_not_pile_up(tmp_path: Path) -> None:
    for _ in range(5):
        async with opened(owner(tmp_path)):
            pass
    assert [path.name for path in tmp_path.glob("crossbook-*.lock")] == ["crossbook-5.lock"]


# --- the lease ---


class Hand:
    """A clock turned by hand."""

    def __init__(self) -> None:
        self.now_ms = 1_000

    def __call__(self) -> int:
        return self.now_ms


def test_a_lease_ends_by_itself_and_is_renewed_from_before_the_store_was_told() -> None:
    clock = Hand()
    lease, held = Lease(7, 1_000, from_ms=clock.now_ms, clock=clock), []
    clock.now_ms += 999
    held.append(lease.held)
    before_ms = lease.now_ms()
    clock.now_ms += 1  # stopped while the store is told
    held.append(lease.held)
    lease.renew(before_ms)
    held.append(lease.held)
    clock.now_ms += 999
    held.append(lease.held)
    assert held == [True, False, True, False], "counted from before, not from when the store answered"


def test_a_lease_that_was_lost_is_never_held_again() -> None:
    clock = Hand()
    lease = Lease(7, 1_000, from_ms=clock.now_ms, clock=clock)
    lease.lose("epoch 8")
    lease.renew(clock.now_ms)
    assert not lease.held


def test_a_watch_counts_from_the_last_sign_of_life_by_its_own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Hand()
    monkeypatch.setattr(sqlite_owner, "running_ms", clock)
    watch = sqlite_owner.Watch()
    for beat in range(3):
        sign = sqlite_owner.Sign(epoch=1, beat=beat, lease_ms=500, process=1)
        watch.saw(sign)
        clock.now_ms += 499
        watch.saw(sign)
        assert watch.stale is None
    clock.now_ms += 1
    assert watch.stale == sign


async def test_an_owner_whose_lease_ran_out_is_failing_until_it_has_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Hand()
    monkeypatch.setattr(sqlite, "running_ms", clock)
    monkeypatch.setattr(sqlite, "Lease", lambda *args, **kw: Lease(*args, **kw, clock=clock))
    async with opened(SqliteStore(tmp_path, Metrics(), lease_ms=60_000)) as store:
        assert reason(store) == ""
        clock.now_ms += 60_000
        assert (owns(store), "lease has run out" in reason(store)) == (False, True)
        await store.append(planned(order(), route_id="r1"))
        assert owns(store)
        assert reason(store) == ""


async def test_the_simulated_disk_too_knows_one_owner() -> None:
    first = MemoryStore()
    await first.append(planned(order(), route_id="r1"))
    second = first.take_over()
    assert (owns(first), owns(second)) == (False, True)
    with pytest.raises(StoreLost):
        await first.append(planned(order(), route_id="r2"))
    await second.append(planned(order(), route_id="r3"))
    assert [route.planned.route_id for route in await second.unfinished()] == ["r1", "r3"]
