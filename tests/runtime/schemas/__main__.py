"""Writes the fixture of the schema that this version has: see `tests.runtime.schemas`."""

import asyncio
import sqlite3
import sys
import tempfile
from pathlib import Path

import msgspec

from router.core.model import AccountId, Key, RouteId
from router.core.records import Answered, Extended, Finished, Planned, Replied
from router.runtime.metrics import Metrics
from router.runtime.store.sqlite import SqliteStore
from router.runtime.store.sqlite_file import FILE_NAME, migrations
from tests.core.samples import listing, order, planned
from venues.base.listing import Native
from venues.base.orders import Answer, Fee, Filled, OrderId, Pending, Rejected, Side, Unknown, Working
from venues.base.units import ONE, Cash, Size

ALICE, BOB = AccountId("alice"), AccountId("bob")
AT_MS = 1_795_000_000_000


def intent(route_id: str, *names: str, account: AccountId = ALICE, key: str = "") -> Planned:
    """A route with these orders; the last one sells on an inverted listing."""
    orders = [order(f"{route_id}-{name}") for name in names[:-1]]
    turned = listing(inverted=True, native=Native("N2"), pool="pot")
    orders.append(order(f"{route_id}-{names[-1]}", side=Side.SELL, listing=turned, reserve=Cash(17)))
    given = {"key": Key("router/orders", key)} if key else {}
    return planned(*orders, route_id=route_id, account_id=account, **given)


def answered(order_id: str, answer: Answer) -> Answered:
    """Its route is the part of the order's name before the dash."""
    return Answered(route_id=RouteId(order_id.split("-", maxsplit=1)[0]), answer=answer, at_ms=AT_MS + 5)


async def live(store: SqliteStore) -> None:
    """Everything that can be recorded, in the states that a crash can leave."""
    fee = Fee(2_100, "USD")
    done = Filled(OrderId("r1-a"), "v1", Size(7 * ONE), Cash(3 * ONE), fee)
    refused = Rejected(OrderId("r1-b"), "no_money", "żółć 💸")
    await store.append(intent("r1", "a", "b"))
    await store.append(
        answered("r1-a", done), answered("r1-b", refused), Finished(route_id=RouteId("r1"), at_ms=9)
    )
    await store.append(intent("r2", "a", "b", "c"))
    await store.append(answered("r2-a", Working(OrderId("r2-a"), "v2", Size(ONE), Cash(ONE), fee)))
    await store.append(answered("r2-b", Pending(OrderId("r2-b"), "v3", Size(0), Cash(0), "delayed")))
    await store.append(intent("r3", "a", account=BOB))
    last = Filled(OrderId("r3-a"), "v4", Size(0), Cash(0), Fee(3, "shares"))
    await store.append(answered("r3-a", last))
    more = Extended(route_id=RouteId("r3"), orders=(order("r3-x"), order("r3-y")), at_ms=AT_MS)
    await store.append(more)
    await store.append(answered("r3-x", Unknown(OrderId("r3-x"), "deadline")))
    if "reply" in _columns(store):
        await store.append(intent("r4", "a", key="k-1"))
        told = Filled(OrderId("r4-a"), "v5", Size(ONE), Cash(ONE), fee)
        await store.append(answered("r4-a", told), Finished(route_id=RouteId("r4"), at_ms=AT_MS))
        await store.append(Replied(route_id=RouteId("r4"), status=200, body='{"ok":1}', at_ms=AT_MS))
        await store.append(intent("r5", "a", key="k-2"))


def _columns(store: SqliteStore) -> list[str]:
    connection = sqlite3.connect(store._directory / FILE_NAME)
    try:
        return [name for _, name, *_ in connection.execute("PRAGMA table_info(keys)")]
    finally:
        connection.close()


async def main(folder: Path) -> None:
    """The database as SQL text, and what this version reads from it."""
    name = f"{len(migrations()):04d}"
    with tempfile.TemporaryDirectory() as place:
        store = SqliteStore(Path(place), Metrics())
        await store.open()
        await live(store)
        state = {
            "unfinished": await store.unfinished(),
            "routes": {account: await store.routes(account, 100) for account in (ALICE, BOB)},
        }
        await store.close()
        connection = sqlite3.connect(Path(place) / FILE_NAME)
        text = "\n".join(connection.iterdump())
        connection.close()
    (folder / f"{name}.sql").write_text(f"{text}\n")
    (folder / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(state)) + b"\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
