"""API keys of the database: what is kept of them, and how soon a running router knows."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import structlog

from router.core.model import AccountId
from router.runtime import changes
from router.runtime.changes import POLL_MS, Changes, KeyBook, NotYet, Subject
from router.runtime.clock import SystemClock
from router.runtime.keys import ApiKey, Denied, KeyId, KeyRing, Scope, digest, networks, new_key
from router.runtime.metrics import Metrics
from router.runtime.store import api_keys, sqlite_file
from router.runtime.store.api_keys import KeyRefused
from router.runtime.store.beside import administer
from router.runtime.store.protocol import StoreTaken
from router.runtime.store.sqlite import SqliteStore
from router.runtime.store.sqlite_file import (
    FILE_NAME,
    connect_writer,
    migrations,
    take,
    upgrade,
    version_of,
)
from router.runtime.store.sqlite_owner import claim

NOW_MS = 1_790_000_000_000
WAIT_S = 20
"""A second is promised; a busy machine that runs the tests may take longer, but not for ever."""


def key(name: str, text: str, **terms: object) -> ApiKey:
    accounts = frozenset({AccountId("a"), AccountId("b")})
    made = {"name": KeyId(name), "sha256": digest(text), "accounts": accounts} | terms
    return ApiKey(**made)  # type: ignore[arg-type]  # what a test changes has the right type


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(administer(tmp_path)) as opened:
        yield opened


def test_a_key_comes_back_as_it_was_made(connection: sqlite3.Connection) -> None:
    made = key(
        "partner",
        new_key(),
        scopes=frozenset({Scope.READ, Scope.ADMIN}),
        expires_ms=NOW_MS + 5,
        networks=networks(["10.0.0.0/8", "2001:db8::1"]),
    )
    api_keys.create(connection, made, NOW_MS)
    assert api_keys.in_force(connection) == [made]
    [stored] = api_keys.listed(connection)
    assert (stored.created_ms, stored.revoked_ms, stored.last_used_ms) == (NOW_MS, None, None)


def test_no_page_of_the_database_holds_the_key(tmp_path: Path) -> None:
    text = new_key()
    with closing(administer(tmp_path)) as opened:
        api_keys.create(opened, key("partner", text), NOW_MS)
        pages = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert digest(text).encode() in pages
    assert text.encode() not in pages
    assert text.removeprefix("sor_live_").encode() not in pages


def test_a_revoked_key_stays_revoked_and_its_name_is_used_up(connection: sqlite3.Connection) -> None:
    api_keys.create(connection, key("partner", new_key()), NOW_MS)
    api_keys.revoke(connection, "partner", NOW_MS + 1)
    assert api_keys.in_force(connection) == []
    assert [stored.revoked_ms for stored in api_keys.listed(connection)] == [NOW_MS + 1]
    for name in ("partner", "nobody"):
        with pytest.raises(KeyRefused, match=f"no key called {name} is in force"):
            api_keys.revoke(connection, name, NOW_MS + 2)
    with pytest.raises(KeyRefused, match="partner is there already, or was revoked"):
        api_keys.create(connection, key("partner", new_key()), NOW_MS)
    assert not connection.in_transaction


def test_there_are_never_more_keys_than_can_be_kept(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_keys, "STORED_MAX", 2)
    for name in ("one", "two"):
        api_keys.create(connection, key(name, new_key()), NOW_MS)
    with pytest.raises(KeyRefused, match="there are 2 keys in force"):
        api_keys.create(connection, key("three", new_key()), NOW_MS)
    api_keys.revoke(connection, "one", NOW_MS)
    api_keys.create(connection, key("three", new_key()), NOW_MS)


def test_the_latest_use_stays(connection: sqlite3.Connection) -> None:
    api_keys.create(connection, key("partner", new_key()), NOW_MS)
    for at_ms in (5, 9, 7):
        api_keys.note_uses(connection, {KeyId("partner"): at_ms, KeyId("of the settings"): 1})
    assert [stored.last_used_ms for stored in api_keys.listed(connection)] == [9]


def test_a_row_that_cannot_be_read_is_no_key_and_keeps_no_other_from_being_one(
    connection: sqlite3.Connection,
) -> None:
    good = key("good", new_key())
    for made in (good, key("bad", new_key())):
        api_keys.create(connection, made, NOW_MS)
    for column, value in (
        ("scopes", '["root"]'),
        ("accounts", "a"),
        ("addresses", '["x"]'),
        ("sha256", "z" * 64),
    ):
        connection.execute("SAVEPOINT before")
        connection.execute(f"UPDATE api_keys SET {column} = ? WHERE name = 'bad'", (value,))
        with structlog.testing.capture_logs() as logs:
            assert api_keys.in_force(connection) == [good]
        assert [(line["event"], line["name"]) for line in logs] == [("keys.unreadable", "bad")]
        connection.execute("ROLLBACK TO before")


@pytest.mark.parametrize("change", ["make", "revoke", "sha256", "expires_ms", "delete", "use"])
def test_every_change_but_a_use_changes_the_number(connection: sqlite3.Connection, change: str) -> None:
    def number() -> int:
        [(version,)] = connection.execute("SELECT version FROM changes WHERE topic = 'api_keys'")
        return int(version)

    api_keys.create(connection, key("partner", new_key()), NOW_MS)
    before = number()
    match change:
        case "make":
            api_keys.create(connection, key("other", new_key()), NOW_MS)
        case "revoke":
            api_keys.revoke(connection, "partner", NOW_MS)
        case "delete":
            connection.execute("DELETE FROM api_keys")
        case "use":
            api_keys.note_uses(connection, {KeyId("partner"): NOW_MS})
        case column:
            value = digest("x") if column == "sha256" else "1"
            connection.execute(f"UPDATE api_keys SET {column} = ?", (value,))
    assert (number() != before) is (change != "use")


# --- beside a running router ---


async def test_a_command_changes_keys_while_a_router_owns_the_directory(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, Metrics())
    await store.open()
    try:
        with closing(administer(tmp_path)) as connection:
            api_keys.create(connection, key("partner", new_key()), NOW_MS)
        assert store.owned
    finally:
        await store.close()


@pytest.mark.parametrize("schema", [2, 3], ids=["without owners", "with owners"])
def test_a_command_never_upgrades_under_a_running_router(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, schema: int
) -> None:
    known = migrations()
    with closing(connect_writer(tmp_path / FILE_NAME)) as connection:
        with monkeypatch.context() as older:
            older.setattr(sqlite_file, "migrations", lambda: {n: known[n] for n in range(1, schema + 1)})
            upgrade(connection)
        owned = claim(tmp_path, connection, lease_ms=60_000)[1] if schema == 3 else take(tmp_path)
        with owned, pytest.raises(StoreTaken, match="of an older version: restart it first"):
            administer(tmp_path)
        assert version_of(connection) == schema
        administer(tmp_path).close()
        assert version_of(connection) == len(known)


class Running:
    """A store that writes, and the watch beside it."""

    def __init__(self, directory: Path, ring: KeyRing, metrics: Metrics) -> None:
        self.directory, self.ring, self.metrics = directory, ring, metrics

    def known(self, text: str) -> bool:
        try:
            self.ring.admit(text, Scope.TRADE, address=None)
        except Denied:
            return False
        return True

    async def until(self, text: str, *, known: bool) -> None:
        async with asyncio.timeout(WAIT_S):
            while self.known(text) is not known:
                await asyncio.sleep(POLL_MS / 10_000)


@asynccontextmanager
async def running(directory: Path, *configured: ApiKey) -> AsyncIterator[Running]:
    metrics, clock = Metrics(), SystemClock()
    store, ring = SqliteStore(directory, metrics), KeyRing(configured, clock.now_ms)
    await store.open()
    watch = Changes(store.path, clock, metrics, subject=KeyBook(ring), ring=ring)
    await watch.start()
    try:
        yield Running(directory, ring, metrics)
    finally:
        await watch.stop()
        await store.close()


async def test_a_key_is_taken_and_refused_soon_after_it_was_made_and_revoked(tmp_path: Path) -> None:
    first, second = new_key(), new_key()
    with closing(administer(tmp_path)) as connection:
        api_keys.create(connection, key("first", first), NOW_MS)
        async with running(tmp_path) as router:
            assert router.known(first), "known from the start"
            api_keys.create(connection, key("second", second), NOW_MS)
            await router.until(second, known=True)
            api_keys.revoke(connection, "first", NOW_MS)
            await router.until(first, known=False)
            assert router.known(second)


async def test_the_settings_come_first(tmp_path: Path) -> None:
    mine, copy, namesake = new_key(), new_key(), new_key()
    ours = key("mine", mine, accounts=frozenset({AccountId("x")}))
    with closing(administer(tmp_path)) as connection:
        for made in (key("mine", namesake), key("copy", mine), key("other", copy)):
            api_keys.create(connection, made, NOW_MS)
        with structlog.testing.capture_logs() as logs:
            async with running(tmp_path, ours) as router:
                assert router.ring.admit(mine, Scope.TRADE, address=None) is ours
                assert not router.known(namesake)
                assert router.known(copy)
    assert [line["names"] for line in logs if line["event"] == "keys.ignored"] == [["copy", "mine"]]


async def test_the_last_use_is_on_record_when_the_router_ended(tmp_path: Path) -> None:
    used, unused, ours = new_key(), new_key(), new_key()
    with closing(administer(tmp_path)) as connection:
        for name, text in (("used", used), ("unused", unused)):
            api_keys.create(connection, key(name, text), NOW_MS)
        before_ms = SystemClock().now_ms()
        async with running(tmp_path, key("ours", ours)) as router:
            assert all(router.known(text) for text in (used, ours))
            with pytest.raises(Denied):
                router.ring.admit(unused, Scope.ADMIN, address=None)
            assert router.ring.take_uses().keys() == {"used"}, "nobody else is written down"
            assert router.known(used)
        uses: dict[str, int | None] = {
            stored.key.name: stored.last_used_ms for stored in api_keys.listed(connection)
        }
    assert uses["unused"] is None
    assert before_ms <= (uses["used"] or 0) <= SystemClock().now_ms()


async def test_uses_are_on_record_while_the_router_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "USES_EVERY_MS", 1)
    text = new_key()
    with closing(administer(tmp_path)) as connection:
        api_keys.create(connection, key("partner", text), NOW_MS)
        async with running(tmp_path) as router:
            assert router.known(text)
            async with asyncio.timeout(WAIT_S):
                while api_keys.listed(connection)[0].last_used_ms is None:
                    await asyncio.sleep(0.01)


async def test_keys_stay_in_force_while_the_database_cannot_be_read_and_changes_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = new_key()
    with closing(administer(tmp_path)) as connection:
        api_keys.create(connection, key("partner", text), NOW_MS)
        async with running(tmp_path) as router:

            def broken(_: sqlite3.Connection) -> list[ApiKey]:
                raise sqlite3.OperationalError("disk I/O error")

            def up() -> float | None:
                return router.metrics.registry.get_sample_value("crossbook_changes_up", {"topic": "api_keys"})

            monkeypatch.setattr("router.runtime.changes.in_force", broken)
            api_keys.revoke(connection, "partner", NOW_MS)
            async with asyncio.timeout(WAIT_S):
                while up() != 0:
                    await asyncio.sleep(0.01)
            assert router.known(text)
            monkeypatch.undo()
            await router.until(text, known=False)
            async with asyncio.timeout(WAIT_S):
                while up() != 1:
                    await asyncio.sleep(0.01)


class Slow:
    """A subject whose reading takes its time, fails, or has a bug."""

    topic = "vault"

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes, self.read_times, self.applied = list(outcomes), 0, 0

    def read(self, connection: sqlite3.Connection) -> Callable[[], None]:
        self.read_times += 1
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            raise outcome
        return self._apply

    def _apply(self) -> None:
        self.applied += 1


@asynccontextmanager
async def watching(directory: Path, subject: Subject) -> AsyncIterator[Metrics]:
    administer(directory).close()
    metrics = Metrics()
    watch = Changes(directory / FILE_NAME, SystemClock(), metrics, subject=subject)
    await watch.start()
    try:
        yield metrics
    finally:
        await watch.stop()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not true():
            await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_what_cannot_be_read_yet_is_tried_again_but_not_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = Slow(NotYet("the key service is down"))
    async with watching(tmp_path, subject):
        await asyncio.sleep(4 * POLL_MS / 1000)
        assert (subject.read_times, subject.applied) == (1, 0)
    monkeypatch.setattr(changes, "RETRY_MS", 10)
    again = Slow(NotYet("down"), NotYet("down"))
    async with watching(tmp_path, again):
        await until(lambda: again.applied == 1)
    assert again.read_times == 3


async def test_a_bug_in_one_reading_is_loud_and_the_watch_goes_on(tmp_path: Path) -> None:
    subject = Slow(None, KeyError("a bug"))
    with structlog.testing.capture_logs() as logs:
        async with watching(tmp_path, subject) as metrics:
            with closing(administer(tmp_path)) as connection:
                connection.execute("UPDATE changes SET version = version + 1 WHERE topic = 'vault'")
            await until(lambda: subject.applied == 2)
            await until(
                lambda: metrics.registry.get_sample_value("crossbook_changes_up", {"topic": "vault"}) == 1
            )
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["changes.crashed"]


async def test_a_key_service_that_hangs_does_not_keep_the_router_from_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "STOP_MS_MAX", 20)
    reading, released = threading.Event(), threading.Event()

    class Hanging(Slow):
        def read(self, connection: sqlite3.Connection) -> Callable[[], None]:
            if self.read_times:
                reading.set()
                released.wait()
            return super().read(connection)

    try:
        async with asyncio.timeout(WAIT_S), watching(tmp_path, Hanging()):
            with closing(administer(tmp_path)) as connection:
                connection.execute("UPDATE changes SET version = version + 1 WHERE topic = 'vault'")
            await until(reading.is_set)
    finally:
        released.set()
