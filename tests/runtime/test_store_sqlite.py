"""What SQLite adds: group commit, failing disks, kill -9, upgrades, one owner."""

import asyncio
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from router.core.model import Key
from router.runtime.metrics import Metrics
from router.runtime.store import sqlite, sqlite_file, sqlite_writer
from router.runtime.store.protocol import SchemaTooNew, StoreDamaged, StoreDown
from router.runtime.store.sqlite import SqliteStore
from router.runtime.store.sqlite_file import FILE_NAME, connect_writer, migrations
from tests.runtime.test_store import ALICE, intent

KILLS = 5
ROOT = Path(__file__).parents[2]


class Disk:
    """A disk that can be made to fail, through what SQLite itself offers."""

    def __init__(self) -> None:
        self.pages_max: int | None = None
        self.read_only = False
        self.connected = 0
        self._current: sqlite3.Connection | None = None

    def connect(self, path: Path) -> sqlite3.Connection:
        self.connected += 1
        self._current = connect_writer(path)
        self._harm()
        return self._current

    def fill(self) -> None:
        """No page more than there are."""
        assert self._current is not None
        [(self.pages_max,)] = self._current.execute("PRAGMA page_count")
        self._harm()

    def write_protect(self) -> None:
        self.read_only = True
        self._harm()

    def mend(self) -> None:
        self.pages_max, self.read_only = None, False

    def _harm(self) -> None:
        assert self._current is not None
        if self.pages_max is not None:
            self._current.execute(f"PRAGMA max_page_count = {self.pages_max}")
        if self.read_only:
            self._current.execute("PRAGMA query_only = ON")


@pytest.fixture(autouse=True)
def quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_writer, "PROBE_EVERY_S", 0.02)


async def recovered(store: SqliteStore) -> None:
    async with asyncio.timeout(5):
        while store.failing is not None:
            await asyncio.sleep(0.01)


def count(metrics: Metrics, name: str) -> float:
    value = metrics.registry.get_sample_value(name)
    assert value is not None
    return value


async def test_those_who_wait_together_share_a_transaction(tmp_path: Path) -> None:
    metrics = Metrics()
    store = SqliteStore(tmp_path, metrics)
    await store.open()
    await asyncio.gather(*(store.append(intent(f"r{number}")) for number in range(500)))
    await store.close()
    assert count(metrics, "crossbook_store_batch_records_sum") == 500
    assert count(metrics, "crossbook_store_commits_total") <= 50


async def test_a_batch_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_writer, "BATCH_MAX", 10)
    metrics = Metrics()
    store = SqliteStore(tmp_path, metrics)
    await store.open()
    await asyncio.gather(*(store.append(intent(f"r{number}")) for number in range(100)))
    await store.close()
    assert count(metrics, "crossbook_store_commits_total") >= 10


async def test_commits_wait_for_the_disk(tmp_path: Path) -> None:
    connection = connect_writer(tmp_path / "x")
    settings = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in SETTINGS}
    connection.close()
    assert settings == SETTINGS


SETTINGS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "fullfsync": 1}


async def test_a_full_disk_loses_nothing_and_stores_nothing_half(tmp_path: Path) -> None:
    disk, metrics = Disk(), Metrics()
    store = SqliteStore(tmp_path, metrics, connect=disk.connect)
    await store.open()
    durable = 0
    for _ in range(20):
        await store.append(intent(f"r{durable}"))
        durable += 1
    disk.fill()
    while store.failing is None:  # the last page still has room for some
        try:
            await store.append(intent(f"r{durable}"))
            durable += 1
        except StoreDown as error:
            assert "full" in str(error)  # noqa: PT017 - the loop does not know which append it will be
    assert store.failing is not None
    assert "full" in store.failing
    with pytest.raises(StoreDown):
        await store.append(intent("x"))
    assert len(await store.unfinished()) == durable, "reading goes on"
    assert count(metrics, "crossbook_store_up") == 0
    await asyncio.sleep(0.1)
    assert store.failing is not None, "a probe found the disk still full"
    disk.mend()
    await recovered(store)
    await store.append(intent("after"))
    found = await store.unfinished()
    assert [stored.planned.route_id for stored in found] == [
        *(f"r{number}" for number in range(durable)),
        "after",
    ]
    assert count(metrics, "crossbook_store_up") == 1
    await store.close()


async def test_a_batch_that_fails_fails_as_a_whole(tmp_path: Path) -> None:
    disk = Disk()
    store = SqliteStore(tmp_path, Metrics(), connect=disk.connect)
    await store.open()
    disk.fill()
    results = await asyncio.gather(
        *(store.append(intent(f"r{number}")) for number in range(300)), return_exceptions=True
    )
    kept = [number for number, result in enumerate(results) if result is None]
    assert all(isinstance(result, StoreDown) for result in results if result is not None)
    assert len(kept) < 300
    stored = [route.planned.route_id for route in await store.unfinished()]
    assert stored == [f"r{number}" for number in kept]
    disk.mend()
    await store.close()


async def test_a_disk_that_turns_read_only_stops_orders_until_it_is_back(tmp_path: Path) -> None:
    disk = Disk()
    store = SqliteStore(tmp_path, Metrics(), connect=disk.connect)
    await store.open()
    await store.append(intent("r1"))
    disk.write_protect()
    with pytest.raises(StoreDown, match="readonly"):
        await store.append(intent("r2"))
    assert disk.connected >= 1
    disk.mend()
    await recovered(store)
    await store.append(intent("r3"))
    assert [stored.planned.route_id for stored in await store.unfinished()] == ["r1", "r3"]
    await store.close()


async def test_while_it_fails_the_answer_is_immediate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "PROBE_EVERY_S", 60)
    disk = Disk()
    store = SqliteStore(tmp_path, Metrics(), connect=disk.connect)
    await store.open()
    disk.write_protect()
    with pytest.raises(StoreDown):
        await store.append(intent("r1"))
    started = time.monotonic()
    for number in range(100):
        with pytest.raises(StoreDown):
            await store.append(intent(f"x{number}"))
    assert time.monotonic() - started < 0.1
    await store.close()


async def test_a_disk_that_hangs_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another connection holds the write lock: to the writer that is a disk that does not answer."""
    monkeypatch.setattr(sqlite, "APPEND_MS_MAX", 100)
    store = SqliteStore(tmp_path, Metrics())
    await store.open()
    blocker = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreDown, match="does not answer"):
        await store.append(intent("r1"))
    assert store.failing is not None
    monkeypatch.undo()  # from now on the machine may be as slow as it is
    blocker.execute("ROLLBACK")
    blocker.close()
    await recovered(store)
    await store.append(intent("r2"))
    assert [stored.planned.route_id for stored in await store.unfinished()][-1] == "r2"
    await store.close()


async def test_a_disk_that_hangs_while_it_is_read_keeps_nobody_waiting_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "READ_MS_MAX", 50)
    store, released = SqliteStore(tmp_path, Metrics()), threading.Event()
    await store.open()
    await store.append(intent("r1"))
    assert store._reading is not None
    store._reading.submit(released.wait)
    try:
        async with asyncio.timeout(20):
            with pytest.raises(StoreDown, match="does not answer"):
                await store.routes(ALICE, 1)
            with pytest.raises(StoreDown, match="does not answer"):
                await store.keyed(ALICE, Key("orders", "k"))
    finally:
        released.set()
    monkeypatch.setattr(sqlite, "READ_MS_MAX", 60_000)
    assert [route.planned.route_id for route in await store.routes(ALICE, 1)] == ["r1"]
    await store.close()


async def test_a_doubt_that_comes_too_late_ends_by_itself(tmp_path: Path) -> None:
    """The writer may already be idle when somebody finds that he waited too long."""
    store = SqliteStore(tmp_path, Metrics())
    await store.open()
    await store.append(intent("r1"))
    assert store._writer is not None
    impatient = asyncio.get_running_loop().create_future()
    store._writer.give_up(impatient)
    assert isinstance(impatient.exception(), StoreDown)
    assert store.failing is not None
    await recovered(store)
    await store.close()


async def test_no_more_wait_than_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "WAITING_MAX", 3)
    store = SqliteStore(tmp_path, Metrics())
    await store.open()
    results = await asyncio.gather(
        *(store.append(intent(f"r{number}")) for number in range(5)), return_exceptions=True
    )
    assert [result is None for result in results] == [True, True, True, False, False]
    assert store.failing is None
    await store.append(intent("r9"))
    await store.close()


@pytest.mark.slow
def test_kill_9_loses_nothing_that_was_reported(tmp_path: Path) -> None:
    reported: set[str] = set()
    for number in range(KILLS):
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.runtime.store_writer", str(tmp_path), str(number)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(50 + 37 * number)]
        child.kill()
        lines += child.stdout.readlines()
        child.wait()
        child.stdout.close()
        reported |= {line.decode().strip() for line in lines if line.endswith(b"\n")}
    assert len(reported) >= KILLS * 50
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    stored = {
        row[0] for row in connection.execute("SELECT route_id FROM routes JOIN records ON route = number")
    }
    keyed = dict(connection.execute("SELECT key, reply FROM keys"))
    [(verdict,)] = connection.execute("PRAGMA integrity_check")
    connection.close()
    assert reported - stored == set()
    assert set(keyed) == stored, "a key is on the disk with its intent, and never without"
    assert all(f'"body":"{route}"'.encode() in keyed[route] for route in reported)
    assert verdict == "ok"


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    lock = sqlite_file.take(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "tests.runtime.store_writer", str(tmp_path), "0"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    lock.close()
    assert done.returncode != 0
    assert "StoreTaken" in done.stderr
    assert done.stdout == ""


async def test_the_files_are_for_their_owner_only(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "data"
    store = SqliteStore(directory, Metrics())
    await store.open()
    await store.append(intent("r1"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.glob("*.sqlite*")}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}
    await store.close()


async def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, Metrics())
    await store.open()
    await store.close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("INSERT INTO schema_version (version) VALUES (999)")
    connection.commit()
    connection.close()
    with pytest.raises(SchemaTooNew, match="999"):
        await store.open()
    assert store.failing == "closed"


async def test_an_older_schema_is_upgraded_and_keeps_its_routes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(tmp_path, Metrics())
    await store.open()
    await store.append(intent("r1"))
    await store.close()
    steps = migrations()
    newer = {**steps, len(steps) + 1: "CREATE TABLE later (x INTEGER) STRICT;"}
    monkeypatch.setattr(sqlite_file, "migrations", lambda: newer)
    await store.open()
    assert len(await store.unfinished()) == 1
    await store.close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    versions = [row[0] for row in connection.execute("SELECT version FROM schema_version ORDER BY version")]
    connection.execute("SELECT x FROM later")
    connection.close()
    assert versions == sorted(newer)


async def test_an_upgrade_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(tmp_path, Metrics())
    await store.open()
    await store.append(intent("r1"))
    await store.close()
    steps = migrations()
    broken = {**steps, len(steps) + 1: "CREATE TABLE later (x INTEGER) STRICT; SELECT * FROM nowhere;"}
    with monkeypatch.context() as patch:
        patch.setattr(sqlite_file, "migrations", lambda: broken)
        with pytest.raises(StoreDown, match="nowhere"):
            await store.open()
    mended = {**steps, len(steps) + 1: "CREATE TABLE later (x INTEGER) STRICT;"}
    monkeypatch.setattr(sqlite_file, "migrations", lambda: mended)
    await store.open()
    assert len(await store.unfinished()) == 1
    await store.close()


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(StoreDown, match=FILE_NAME):
        await SqliteStore(tmp_path, Metrics()).open()


@pytest.mark.parametrize("body", [b"{}", b"garbage", b'{"type":"finished","route_id":"r1","at_ms":1}'])
async def test_a_damaged_record_is_told_apart_from_none(tmp_path: Path, body: bytes) -> None:
    store = SqliteStore(tmp_path, Metrics())
    await store.open()
    await store.append(intent("r1"))
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("UPDATE records SET body = ?", (body,))
    connection.commit()
    connection.close()
    with pytest.raises(StoreDamaged, match="r1"):
        await store.unfinished()
    with pytest.raises(StoreDamaged):
        await store.routes(ALICE, 10)
    await store.close()
