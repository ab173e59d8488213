"""A store that any released version left behind is upgraded, and tells what that version told."""

import json
import sqlite3
from pathlib import Path

import msgspec
import pytest

from router.core.model import AccountId, Key, RouteId
from router.core.records import StoredRoute
from router.runtime.metrics import Metrics
from router.runtime.store.sqlite import SqliteStore
from router.runtime.store.sqlite_file import FILE_NAME, migrations

SCHEMAS = Path(__file__).parent / "schemas"
KEPT = sorted(path.stem for path in SCHEMAS.glob("*.sql"))
TIMES = 3


def lay_down(schema: str, directory: Path) -> None:
    """The database as that version's process left it."""
    connection = sqlite3.connect(directory / FILE_NAME)
    connection.executescript((SCHEMAS / f"{schema}.sql").read_text())
    connection.close()


def told(schema: str) -> tuple[list[StoredRoute], dict[str, list[StoredRoute]]]:
    """What that version read from it; what it did not know yet has its default."""
    state = json.loads((SCHEMAS / f"{schema}.json").read_text())
    unfinished = msgspec.convert(state["unfinished"], list[StoredRoute])
    return unfinished, msgspec.convert(state["routes"], dict[str, list[StoredRoute]])


def test_no_schema_is_left_out() -> None:
    """Before a release its schema is written down: `tests/runtime/schemas`."""
    assert [f"{number:04d}" for number in range(1, len(KEPT) + 1)] == KEPT
    assert 5 <= len(KEPT) <= len(migrations())


@pytest.mark.parametrize("schema", KEPT)
async def test_an_old_store_is_upgraded_and_tells_the_same_again_and_again(
    schema: str, tmp_path: Path
) -> None:
    lay_down(schema, tmp_path)
    unfinished, routes = told(schema)
    assert len(unfinished) >= 2
    assert sum(len(found) for found in routes.values()) > len(unfinished)
    for _ in range(TIMES):
        store = SqliteStore(tmp_path, Metrics())
        await store.open()
        assert await store.unfinished() == unfinished
        for account, found in routes.items():
            assert await store.routes(AccountId(account), 100) == found
        await store.close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    [(version,)] = connection.execute("SELECT max(version) FROM schema_version")
    [(verdict,)] = connection.execute("PRAGMA integrity_check")
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
    assert (version, verdict) == (len(migrations()), "ok")


@pytest.mark.parametrize("schema", [schema for schema in KEPT if schema >= "0002"])
async def test_a_key_keeps_what_it_stood_for(schema: str, tmp_path: Path) -> None:
    lay_down(schema, tmp_path)
    store = SqliteStore(tmp_path, Metrics())
    await store.open()
    answered = await store.keyed(AccountId("alice"), Key("router/orders", "k-1"))
    cut_off = await store.keyed(AccountId("alice"), Key("router/orders", "k-2"))
    await store.close()
    assert answered is not None
    assert answered.reply is not None
    assert (answered.route.planned.route_id, answered.reply.status, answered.reply.body) == (
        RouteId("r4"),
        200,
        '{"ok":1}',
    )
    assert cut_off is not None
    assert (cut_off.route.planned.route_id, cut_off.reply, cut_off.route.finished) == ("r5", None, False)


@pytest.mark.parametrize("schema", KEPT)
async def test_an_upgraded_store_is_built_like_a_new_one(schema: str, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    lay_down(schema, old)
    shapes = []
    for directory in (old, new):
        store = SqliteStore(directory, Metrics())
        await store.open()
        await store.close()
        connection = sqlite3.connect(directory / FILE_NAME)
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        shapes.append({name: " ".join(sql.split()) for name, sql in rows})
        connection.close()
    assert shapes[0] == shapes[1]
