"""The API keys of the database: made and revoked by a person, read by the router, never shown again."""

import sqlite3
from collections.abc import Iterator, Mapping

import msgspec
import structlog

from router.core.model import AccountId
from router.runtime.keys import ApiKey, KeyId, Scope, networks
from router.runtime.store.beside import together
from router.runtime.store.protocol import StoreFault

STORED_MAX = 10_000
"""Keys in force: one per customer of a large partner. The router keeps them in about 10 MB."""

_SELECT = (
    "SELECT name, sha256, accounts, scopes, addresses, created_ms, expires_ms, revoked_ms, last_used_ms"
    " FROM api_keys"
)
_INSERT = (
    "INSERT INTO api_keys (name, sha256, accounts, scopes, addresses, created_ms, expires_ms)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_TERMS = msgspec.json.Encoder()
log = structlog.get_logger(__name__)


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key and its history. Times are Unix milliseconds."""

    key: ApiKey
    created_ms: int
    revoked_ms: int | None
    last_used_ms: int | None


class KeyRefused(StoreFault):
    """The key cannot be made or revoked: the message says why."""


def create(connection: sqlite3.Connection, key: ApiKey, at_ms: int) -> None:
    """Put a key in force. KeyRefused when its name was ever used, or there are STORED_MAX."""
    with together(connection):
        [(live,)] = connection.execute("SELECT count(*) FROM api_keys WHERE revoked_ms IS NULL")
        if live >= STORED_MAX:
            raise KeyRefused(f"there are {live} keys in force, and no more can be: revoke some")
        try:
            connection.execute(_INSERT, _row(key, at_ms))
        except sqlite3.IntegrityError:
            raise KeyRefused(f"a key called {key.name} is there already, or was revoked") from None


def revoke(connection: sqlite3.Connection, name: str, at_ms: int) -> None:
    """Put a key out of force for good. KeyRefused when there is none of this name in force."""
    with together(connection):
        done = connection.execute(
            "UPDATE api_keys SET revoked_ms = ? WHERE name = ? AND revoked_ms IS NULL", (at_ms, name)
        )
        if done.rowcount == 0:
            raise KeyRefused(f"no key called {name} is in force in the database")


def listed(connection: sqlite3.Connection) -> list[StoredKey]:
    """Every key that ever was, by name. One that cannot be read is left out and logged."""
    return list(_read(connection, "ORDER BY name"))


def in_force(connection: sqlite3.Connection) -> list[ApiKey]:
    """The keys that are not revoked, expired ones among them. One that cannot be read is worth nothing."""
    return [stored.key for stored in _read(connection, "WHERE revoked_ms IS NULL ORDER BY name")]


def note_uses(connection: sqlite3.Connection, uses: Mapping[KeyId, int]) -> None:
    """Record when keys were used last; the latest time stays."""
    with together(connection):
        connection.executemany(
            "UPDATE api_keys SET last_used_ms = max(coalesce(last_used_ms, 0), ?) WHERE name = ?",
            [(at_ms, name) for name, at_ms in uses.items()],
        )


def _row(key: ApiKey, at_ms: int) -> tuple[str | int | None, ...]:
    accounts, scopes = sorted(key.accounts), sorted(scope.value for scope in key.scopes)
    lists = [_TERMS.encode(each).decode() for each in (accounts, scopes, list(map(str, key.networks)))]
    return key.name, key.sha256, *lists, at_ms, key.expires_ms


def _read(connection: sqlite3.Connection, where: str) -> Iterator[StoredKey]:
    for row in connection.execute(f"{_SELECT} {where}"):
        try:
            yield _stored(*row)
        except (ValueError, msgspec.MsgspecError) as error:
            log.warning("keys.unreadable", name=row[0], why=str(error))


def _stored(name: str, sha256: str, *rest: str | int | None) -> StoredKey:
    accounts, scopes, addresses, created_ms, expires_ms, revoked_ms, last_used_ms = rest
    bytes.fromhex(sha256)
    key = ApiKey(
        name=KeyId(name),
        sha256=sha256,
        accounts=frozenset(AccountId(text) for text in msgspec.json.decode(str(accounts), type=list[str])),
        scopes=frozenset(msgspec.json.decode(str(scopes), type=list[Scope])),
        expires_ms=msgspec.convert(expires_ms, int | None),
        networks=networks(msgspec.json.decode(str(addresses), type=list[str])),
    )
    times = [msgspec.convert(time, int | None) for time in (revoked_ms, last_used_ms)]
    created = msgspec.convert(created_ms, int)
    return StoredKey(key=key, created_ms=created, revoked_ms=times[0], last_used_ms=times[1])
