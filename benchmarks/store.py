"""What it costs to have an intent on the disk before an order leaves, against the bare disk.

    python -m benchmarks.store [--rounds 7]

One writer at a time, and sixteen that share transactions (group commit). The floor appends as many bytes to
a plain file and waits for the disk, on the same file system in the same run.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from benchmarks.processes import FOLDER
from benchmarks.record import note, record
from benchmarks.stand_in import NAMES
from registry.model import OutcomeId
from router.core.model import AccountId, Considered, MarketOrder, RouteId
from router.core.records import Planned, encode
from router.runtime.clock import SystemClock
from router.runtime.metrics import Metrics
from router.runtime.store.sqlite import SqliteStore
from venues.base.listing import Grid, Listing, Native
from venues.base.orders import Order, OrderId, Side
from venues.base.units import ONE, Cash, Price, Size

TIMES = 50
"""Records per writer and round."""
TOGETHER = 16


def intent(clock: SystemClock, legs: int = 1) -> Planned:
    """A route of so many orders, with fresh ids."""
    orders = tuple(_order(clock, NAMES[leg]) for leg in range(legs))
    considered = Considered(venue=NAMES[0], average=None, top=None, dropped=None, fee_bps_at_top_e4=0)
    return Planned(
        route_id=RouteId(clock.new_route_id()),
        account_id=AccountId("acct-benchmark"),
        request_id=clock.new_id(),
        asked=MarketOrder(outcome=OutcomeId("px-benchmark"), side=Side.BUY, amount=Cash(8 * ONE)),
        orders=orders,
        considered=(considered,) * legs,
        at_ms=clock.now_ms(),
    )


def _order(clock: SystemClock, venue: str) -> Order:
    return Order(
        order_id=OrderId(clock.new_id()),
        listing=Listing(venue=venue, native=Native("BOOK-1"), grid=Grid.uniform(10_000), lot=10_000),
        side=Side.BUY,
        limit=Price(400_000),
        size=Size(20 * ONE),
        cash=Cash(8 * ONE),
        created_ms=clock.now_ms(),
        salt=clock.new_salt(),
    )


async def writers(append: Callable[[], Awaitable[None]], count: int) -> list[float]:
    """Microseconds of each append, with so many writers at once."""
    taken: list[float] = []

    async def writer() -> None:
        for _ in range(TIMES):
            start = time.perf_counter()
            await append()
            taken.append((time.perf_counter() - start) * 1e6)

    await asyncio.gather(*(writer() for _ in range(count)))
    return taken


def bare(file: int, data: bytes) -> list[float]:
    """Microseconds of appending the same bytes to a file, each time waiting for the disk."""
    taken: list[float] = []
    for _ in range(TIMES):
        start = time.perf_counter()
        os.write(file, data)
        os.fsync(file)
        taken.append((time.perf_counter() - start) * 1e6)
    return taken


async def measure(rounds: int, folder: Path) -> dict[str, object]:
    """Medians over all records; the ratio is the median over the rounds."""
    clock = SystemClock()
    store = SqliteStore(folder / "data", Metrics())
    await store.open()
    file = os.open(folder / "bare", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    data = encode(intent(clock))
    disk: list[list[float]] = []
    alone: list[list[float]] = []
    together: list[list[float]] = []
    for _ in range(rounds):
        disk.append(bare(file, data))
        alone.append(await writers(lambda: store.append(intent(clock)), 1))
        together.append(await writers(lambda: store.append(intent(clock)), TOGETHER))
    os.close(file)
    await store.close()
    ratios = [statistics.median(a) / statistics.median(d) for a, d in zip(alone, disk, strict=True)]
    return {
        "bytes": len(data),
        "disk_p50_us": middle(disk),
        "append_p50_us": middle(alone),
        "ratio": round(statistics.median(ratios), 2),
        "append_16_at_once_p50_us": middle(together),
        "per_s_16_at_once": round(TOGETHER / middle(together) * 1e6),
    }


def middle(rounds: list[list[float]]) -> float:
    """The median of everything."""
    return round(statistics.median(time for taken in rounds for time in taken), 1)


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-store-", dir=FOLDER) as folder:
        figures = uvloop.run(measure(asked.rounds, Path(folder)))
    note(str(figures))
    record("store", figures)


if __name__ == "__main__":
    main()
