"""A disk that is full or fails: nothing is sent, everything else goes on, and it ends by itself (G9).

`make faults` harms the disk 200 times; `make test` tries a sample.
"""

import asyncio
import os
import random
import resource
import sqlite3
import statistics
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from router.cli.demo import Demo
from router.core.records import Answered
from router.runtime.logs import Redactor
from router.runtime.metrics import Metrics
from router.runtime.store import sqlite_file, sqlite_rows
from router.runtime.store.protocol import StoreDown
from router.runtime.store.sqlite import SqliteStore
from router.runtime.store.sqlite_rows import Body
from tests.loopback.conftest import Running
from tests.runtime.test_store import intent
from venues import discover
from venues.base.units import ONE, Price, Size
from venues.sim.model import HOUSE

pytestmark = [pytest.mark.slow, pytest.mark.faults]
WHOLE = bool(os.environ.get("CROSSBOOK_FAULTS"))
TIMES = 200 if WHOLE else 12
REFUSED_S_MAX = 0.1
RECOVERED_S_MAX = 5
WRITES_MAX = 5_000
"""More than fit into the files' first pages."""
FULL, BROKEN = "database or disk is full", "disk I/O error"
HARMS = {
    "full at the intent": ("INSERT INTO routes", FULL),
    "full at the record": ("INSERT INTO records", FULL),
    "full at the commit": ("COMMIT", FULL),
    "fsync fails and nothing is kept": ("COMMIT", BROKEN),
    "fsync fails and all is kept": ("COMMIT", "kept"),
    "read-only": ("BEGIN", "attempt to write a readonly database"),
}


class Disk:
    """What goes wrong with statements that begin with `at`, until it is mended."""

    def __init__(self) -> None:
        self.at, self.word = "", ""

    def harm(self, name: str) -> None:
        self.at, self.word = HARMS[name]

    def mend(self) -> None:
        self.at = ""


class Connection(sqlite3.Connection):
    """SQLite's own, on a disk that can be harmed."""

    disk = Disk()

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> sqlite3.Cursor:  # type: ignore[override]  # the two ways it is called
        disk = self.disk
        if not disk.at or not sql.startswith(disk.at):
            return super().execute(sql, parameters)
        if sql == "COMMIT":
            super().execute("COMMIT" if disk.word == "kept" else "ROLLBACK")
        raise sqlite3.OperationalError(BROKEN if disk.word == "kept" else disk.word)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Every connection of the store is on this disk."""
    found = Connection.disk = Disk()

    def connect(path: Path) -> sqlite3.Connection:
        return sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Connection)

    monkeypatch.setattr(sqlite_file, "_connect", connect)
    yield found
    found.mend()


@pytest.fixture
async def on_disk(disk: Disk, tmp_path: Path) -> AsyncIterator[Running]:
    """The demo on that disk."""
    demo = Demo(discover(), tmp_path, Redactor(), seed=7, port=0)
    try:
        facts = await demo.start()
        async with aiohttp.ClientSession() as session:
            yield Running(demo, facts, session)
    finally:
        disk.mend()
        await demo.stop()


def failing(store: SqliteStore) -> str | None:
    """It changes while one waits: the type checker is not to remember it."""
    return store.failing


def sent(running: Running) -> int:
    """Customers' orders that ever reached a venue."""
    return sum(
        order.account != HOUSE
        for server in running.demo.servers.values()
        for order in server.simulator.exchange.orders.values()
    )


async def goes_on(running: Running, luck: random.Random) -> None:
    """Books move, the router says how it is, and the figures can be read."""
    assert running.demo.instance is not None
    venue = luck.choice(sorted(running.facts.venues))
    native = running.demo.registry.natives(venue)[0]
    server = running.demo.servers[venue]
    exchange, book = server.simulator.exchange, running.demo.instance.market.books[venue, native]
    _, asks = exchange.levels(native)
    best = Price(luck.randrange(36, 43) * 10_000)  # near the asks: a far middle is refused
    exchange.set_book(native, [(best, Size(50 * ONE))], asks, server.clock.now())
    await running.until(lambda: book.best_bid() == best)
    for path, status in (("health", 200), ("metrics", 200), ("ready", 503)):
        async with running.session.get(f"{running.facts.base_url}/{path}") as response:
            assert response.status == status, path


async def test_a_failing_disk_stops_orders_and_nothing_else(on_disk: Running, disk: Disk) -> None:
    luck, took = random.Random(9), []
    assert on_disk.demo.instance is not None
    store = on_disk.demo.instance.store
    for number in range(TIMES):
        name = sorted(HARMS)[number % len(HARMS)]
        before = sent(on_disk)
        disk.harm(name)
        for _ in range(2):
            started = time.perf_counter()
            status, body, _ = await on_disk.order(side="buy", amount="1.00")
            took.append(time.perf_counter() - started)
            assert (status, body["errorCode"]) == (503, "store_unavailable"), (name, body)
        assert sent(on_disk) == before, f"{name}: an order left"
        if number % 20 == 0:
            await goes_on(on_disk, luck)
        assert store.failing is not None, "it recovered on a harmed disk"
        disk.mend()
        await on_disk.until(lambda: store.failing is None, RECOVERED_S_MAX)
    status, body, _ = await on_disk.order(side="buy", amount="2.00")
    assert status == 201, body
    assert sent(on_disk) == len(body["fills"])
    await on_disk.until(lambda: on_disk.held(body["fills"][0]["venue"]) == 0)
    async with asyncio.timeout(30):
        while await store.unfinished():
            await asyncio.sleep(0.05)
    print(f"figure: refused in {statistics.median(took):.4f} s, at most {max(took):.4f} s")
    if WHOLE:
        assert statistics.quantiles(took, n=100)[-2] <= REFUSED_S_MAX


async def test_a_fill_is_told_while_the_disk_fails_and_kept_once_it_works(
    on_disk: Running, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The intent was written; what the venues answered is not."""
    insert = sqlite_rows.insert

    def harmed(connection: sqlite3.Connection, bodies: Sequence[Body], epoch: int) -> None:
        if any(isinstance(record, Answered) for record, _ in bodies) and disk.at == "":
            disk.harm("full at the record")
        insert(connection, bodies, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(sqlite_rows, "insert", harmed)
        status, body, _ = await on_disk.order(side="buy", amount="5.00")
    assert status == 201, body
    filled = {fill["orderId"]: fill["size"] for fill in body["fills"] if fill["status"] == "filled"}
    assert filled
    assert on_disk.demo.instance is not None
    store = on_disk.demo.instance.store
    assert failing(store) is not None
    disk.mend()
    async with asyncio.timeout(RECOVERED_S_MAX + 5):
        while failing(store) is not None or await store.unfinished():
            await asyncio.sleep(0.02)


async def test_a_file_that_may_grow_no_more_is_a_full_disk(tmp_path: Path) -> None:
    """The kernel itself refuses to write on: no fault of ours is in the way."""
    store = SqliteStore(tmp_path, Metrics())
    await store.open()
    await store.append(intent("r0"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = max(path.stat().st_size for path in tmp_path.glob("*.sqlite*"))
    durable = 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        while failing(store) is None:
            with suppress(StoreDown):
                await store.append(intent(f"r{durable}"))
                durable += 1
        assert durable < WRITES_MAX
        assert len(await store.unfinished()) == durable
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    async with asyncio.timeout(RECOVERED_S_MAX):
        while failing(store) is not None:
            await asyncio.sleep(0.01)
    await store.append(intent("after"))
    assert [route.planned.route_id for route in await store.unfinished()] == [
        *(f"r{number}" for number in range(durable)),
        "after",
    ]
    await store.close()
