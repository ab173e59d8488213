"""What every store promises about keys: one route each, its first answer, a week. Also the simulated disk."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from router.core.idempotency import KEPT_MS
from router.core.model import AccountId, Key, RouteId
from router.core.records import Finished, Keyed, Planned, Released, Replied, encode
from router.runtime.metrics import Metrics
from router.runtime.store import sqlite_file, sqlite_rows
from router.runtime.store.protocol import RecordRefused, Store, StoreDamaged, StoreDown
from router.runtime.store.sqlite import SqliteStore
from router.runtime.store.sqlite_file import FILE_NAME, connect_writer, migrations, upgrade
from tests.core.samples import NOW_MS, order, planned
from tests.memory_store import MemoryStore

Opener = Callable[[], Store]
ALICE, BOB = AccountId("alice"), AccountId("bob")
KEY = Key("orders", "k-1")
BODY = '{"żółć":"💸","n":0.10}'


@pytest.fixture(params=["sqlite", "memory"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    disk = MemoryStore()
    return (lambda: SqliteStore(tmp_path, Metrics())) if request.param == "sqlite" else (lambda: disk)


@pytest.fixture
async def store(opener: Opener) -> AsyncIterator[Store]:
    store = opener()
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def intent(
    route_id: str, key: Key | None = KEY, account_id: AccountId = ALICE, at_ms: int = NOW_MS
) -> Planned:
    first = order(f"{route_id}-a")
    return planned(first, route_id=RouteId(route_id), account_id=account_id, key=key, at_ms=at_ms)


def replied(route_id: str, body: str = BODY, status: int = 201) -> Replied:
    return Replied(route_id=RouteId(route_id), status=status, body=body, at_ms=5)


def finished(route_id: str) -> Finished:
    return Finished(route_id=RouteId(route_id), at_ms=9)


def released(route_id: str) -> Released:
    return Released(route_id=RouteId(route_id), at_ms=9)


async def known(store: Store, key: Key = KEY, account_id: AccountId = ALICE) -> Keyed:
    found = await store.keyed(account_id, key)
    assert found is not None
    return found


async def test_a_key_leads_to_its_route_and_to_its_answer_byte_for_byte(opener: Opener) -> None:
    first = opener()
    await first.open()
    assert await first.keyed(ALICE, KEY) is None
    plan = intent("r1")
    await first.append(plan)
    assert (await known(first)).reply is None
    await first.append(finished("r1"))
    await first.append(replied("r1"))
    await first.close()
    again = opener()
    await again.open()
    found = await known(again)
    await again.close()
    assert (found.route.planned.asked, found.route.planned.key) == (plan.asked, KEY)
    assert (found.route.finished, found.reply) == (True, replied("r1"))


async def test_a_second_intent_under_a_key_is_refused_and_leaves_nothing(store: Store) -> None:
    await store.append(intent("r1"))
    with pytest.raises(RecordRefused):
        await store.append(intent("r2"))
    assert [route.planned.route_id for route in await store.unfinished()] == ["r1"]
    assert (await known(store)).route.planned.route_id == "r1"
    assert store.failing is None


async def test_of_many_intents_at_once_under_one_key_one_is_taken(store: Store) -> None:
    tries = (store.append(intent(f"r{number}")) for number in range(50))
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert results.count(None) == 1
    assert sum(isinstance(result, RecordRefused) for result in results) == 49
    assert len(await store.unfinished()) == 1


async def test_accounts_and_endpoints_have_their_own_keys(store: Store) -> None:
    await store.append(intent("r1"))
    await store.append(intent("r2", account_id=BOB))
    await store.append(intent("r3", Key("quotes", KEY.text)))
    await store.append(intent("r4", Key(KEY.scope, "K-1")))
    await store.append(intent("r5", None), finished("r5"))
    assert (await known(store)).route.planned.route_id == "r1"
    assert (await known(store, account_id=BOB)).route.planned.route_id == "r2"
    assert (await known(store, Key("quotes", KEY.text))).route.planned.route_id == "r3"
    assert await store.keyed(BOB, Key("quotes", KEY.text)) is None


async def test_the_first_answer_counts(store: Store) -> None:
    await store.append(intent("r1"))
    await store.append(replied("r1"))
    await store.append(replied("r1", "{}", 502))
    assert (await known(store)).reply == replied("r1")


@pytest.mark.parametrize("key", [None, "unknown"])
async def test_an_answer_needs_a_key(store: Store, key: str | None) -> None:
    if key is None:
        await store.append(intent("r1", None))
    with pytest.raises(RecordRefused):
        await store.append(replied("r1"))
    assert store.failing is None


async def test_the_key_of_a_route_that_was_never_sent_is_free_again(store: Store) -> None:
    await store.append(intent("r1"))
    await store.append(finished("r1"), released("r1"))
    assert await store.keyed(ALICE, KEY) is None
    await store.append(intent("r2"))
    assert (await known(store)).route.planned.route_id == "r2"


async def test_what_never_got_there_cannot_be_released(store: Store) -> None:
    with pytest.raises(RecordRefused):
        await store.append(finished("r1"), released("r1"))


@pytest.mark.parametrize(("age_ms", "free"), [(KEPT_MS - 1, False), (KEPT_MS, True)])
async def test_a_key_is_free_again_after_a_week(store: Store, age_ms: int, free: bool) -> None:
    await store.append(intent("r1"))
    await store.append(replied("r1"), finished("r1"))
    second = intent("r2", at_ms=NOW_MS + age_ms)
    if free:
        await store.append(second)
    else:
        with pytest.raises(RecordRefused):
            await store.append(second)
    found = await known(store)
    assert found.route.planned.route_id == ("r2" if free else "r1")
    assert found.reply == (None if free else replied("r1"))


async def test_the_key_of_an_open_route_never_expires(store: Store) -> None:
    await store.append(intent("r1"))
    with pytest.raises(RecordRefused):
        await store.append(intent("r2", at_ms=NOW_MS + 100 * KEPT_MS))
    assert (await known(store)).route.planned.route_id == "r1"


async def test_an_expired_key_is_free_though_older_ones_are_still_to_be_removed(store: Store) -> None:
    for number in range(5):
        name = f"old{number}"
        await store.append(intent(name, Key("orders", name), at_ms=NOW_MS - 5 + number), finished(name))
    await store.append(intent("r1"), replied("r1"), finished("r1"))
    await store.append(intent("r2", at_ms=NOW_MS + KEPT_MS))
    found = await known(store)
    assert (found.route.planned.route_id, found.reply) == ("r2", None)


# --- what SQLite adds ---


def rows(directory: Path) -> list[str]:
    connection = sqlite3.connect(directory / FILE_NAME)
    found = [text for (text,) in connection.execute("SELECT key FROM keys ORDER BY at_ms, key")]
    connection.close()
    return found


@pytest.mark.parametrize("key", [None, Key("orders", "new")])
async def test_expired_keys_are_removed_a_few_with_each_intent(tmp_path: Path, key: Key | None) -> None:
    store = SqliteStore(tmp_path, Metrics())
    await store.open()
    for number in range(5):
        await store.append(intent(f"r{number}", Key("orders", f"old{number}"), at_ms=NOW_MS + number))
    for number in (0, 2, 3, 4):
        await store.append(finished(f"r{number}"))
    later = NOW_MS + KEPT_MS + 3
    left = []  # the second is open, the last too young
    for number in range(3):
        new = Key(key.scope, f"{key.text}{number}") if key else None
        await store.append(intent(f"n{number}", new, at_ms=later))
        left.append([name for name in rows(tmp_path) if name.startswith("old")])
    await store.close()
    assert left == [["old1", "old3", "old4"], ["old1", "old4"], ["old1", "old4"]], (
        "old1 is open, old4 too young"
    )


async def test_expired_keys_never_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_rows, "KEPT_MS", 100)
    store = SqliteStore(tmp_path, Metrics())
    await store.open()
    for at_ms in range(300):
        name = f"r{at_ms}"
        await store.append(intent(name, Key("orders", name), at_ms=at_ms), finished(name))
    await store.close()
    assert len(rows(tmp_path)) == 100


async def test_a_database_of_the_first_version_opens_and_takes_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = migrations()
    with monkeypatch.context() as patch:
        patch.setattr(sqlite_file, "migrations", lambda: {1: steps[1]})
        old = connect_writer(tmp_path / FILE_NAME)
        upgrade(old)
    body = encode(intent("r1", None))
    assert b',"key":null' in body
    old.execute("INSERT INTO routes (route_id, account_id, at_ms) VALUES ('r1', ?, ?)", (ALICE, NOW_MS))
    old.execute(
        "INSERT INTO records (route_id, kind, at_ms, body) VALUES ('r1', 'planned', ?, ?)",
        (NOW_MS, body.replace(b',"key":null', b"")),
    )
    old.close()
    store = SqliteStore(tmp_path, Metrics())
    await store.open()
    [kept] = await store.unfinished()
    await store.append(intent("r2"), replied("r2"))
    assert (await known(store)).reply == replied("r2")
    await store.close()
    assert kept.planned == intent("r1", None)


async def test_intent_and_key_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, Metrics())
    await store.open()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("CREATE TRIGGER harm BEFORE INSERT ON keys BEGIN SELECT raise(ABORT, 'no room'); END")
    connection.close()
    with pytest.raises(RecordRefused, match="no room"):
        await store.append(intent("r1"))
    assert await store.unfinished() == []
    await store.append(intent("r2", None))
    await store.close()


@pytest.mark.parametrize("body", [b"{}", b"garbage", b'{"type":"finished","route_id":"r1","at_ms":1}'])
async def test_a_damaged_answer_is_told_apart_from_none(tmp_path: Path, body: bytes) -> None:
    store = SqliteStore(tmp_path, Metrics())
    await store.open()
    await store.append(intent("r1"), replied("r1"))
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("UPDATE keys SET reply = ?", (body,))
    connection.commit()
    connection.close()
    with pytest.raises(StoreDamaged, match="r1"):
        await store.keyed(ALICE, KEY)
    await store.close()
    with pytest.raises(StoreDown):
        await store.keyed(ALICE, KEY)
