"""A process that appends for ever and reports each answer once it is durable. Killed by its test."""

import asyncio
import sys
from pathlib import Path

from router.core.model import Key, RouteId
from router.core.records import Replied
from router.runtime.metrics import Metrics
from router.runtime.store.sqlite import SqliteStore
from tests.core.samples import order, planned


async def main(directory: Path, first: int) -> None:
    store = SqliteStore(directory, Metrics())
    await store.open()

    async def one_after_another(lane: int) -> None:
        number = 0
        while True:
            route_id = f"r{first}-{lane}-{number}"
            await store.append(planned(order(), route_id=route_id, key=Key("orders", route_id)))
            await store.append(Replied(route_id=RouteId(route_id), status=201, body=route_id, at_ms=1))
            sys.stdout.write(route_id + "\n")
            sys.stdout.flush()
            number += 1

    await asyncio.gather(*(one_after_another(lane) for lane in range(8)))


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
