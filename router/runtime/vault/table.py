"""The vault's rows as the database keeps them. Nothing here can read what is sealed."""

import sqlite3
from collections.abc import Iterable

import msgspec

from router.core.model import AccountId
from router.runtime.store.beside import together
from router.runtime.vault.wrap import VaultRefused


class MasterRow(msgspec.Struct, frozen=True):
    """A master key that opens the vault, without the key."""

    master_id: str
    salt: bytes
    created_ms: int


class DataKey(msgspec.Struct, frozen=True):
    """The data key of an account, wrapped by one master key."""

    account_id: str
    master_id: str
    key_id: str
    wrapped: bytes


class Row(msgspec.Struct, frozen=True):
    """One version of an account's credentials at a venue, sealed."""

    account_id: str
    venue: str
    version: int
    key_id: str
    created_ms: int
    sealed: bytes

    @property
    def place(self) -> tuple[AccountId, str]:
        """Whose they are, and where."""
        return AccountId(self.account_id), self.venue


def masters(connection: sqlite3.Connection) -> list[MasterRow]:
    """Every master key, the newest last."""
    rows = connection.execute(
        "SELECT master_id, salt, created_ms FROM vault_masters ORDER BY created_ms, rowid"
    )
    return [MasterRow(*row) for row in rows]


def add_master(connection: sqlite3.Connection, row: MasterRow) -> None:
    """From now on this one may wrap data keys."""
    connection.execute("INSERT INTO vault_masters VALUES (?, ?, ?)", msgspec.structs.astuple(row))


def drop_master(connection: sqlite3.Connection, master_id: str) -> None:
    """Forget a master key, and what it wrapped."""
    connection.execute("DELETE FROM vault_data_keys WHERE master_id = ?", (master_id,))
    connection.execute("DELETE FROM vault_masters WHERE master_id = ?", (master_id,))


def data_keys(connection: sqlite3.Connection) -> list[DataKey]:
    """Every data key, as often as there are master keys that wrapped it."""
    rows = connection.execute("SELECT account_id, master_id, key_id, wrapped FROM vault_data_keys")
    return [DataKey(*row) for row in rows]


def add_data_keys(connection: sqlite3.Connection, keys: Iterable[DataKey]) -> None:
    """Keep them; IntegrityError when this master has wrapped one for the account already."""
    rows = [msgspec.structs.astuple(key) for key in keys]
    connection.executemany("INSERT INTO vault_data_keys VALUES (?, ?, ?, ?)", rows)


def credentials(connection: sqlite3.Connection) -> list[Row]:
    """Every version of everything, by account, venue and version."""
    return [
        Row(*row)
        for row in connection.execute(
            "SELECT account_id, venue, version, key_id, created_ms, sealed FROM vault_credentials"
            " ORDER BY account_id, venue, version"
        )
    ]


def latest(connection: sqlite3.Connection) -> dict[tuple[AccountId, str], Row]:
    """The version that counts, of everything."""
    return {row.place: row for row in credentials(connection)}


def add_credentials(connection: sqlite3.Connection, row: Row) -> None:
    """Keep a version; IntegrityError when there is one of its number."""
    connection.execute(
        "INSERT INTO vault_credentials VALUES (?, ?, ?, ?, ?, ?)", msgspec.structs.astuple(row)
    )


def drop_latest(connection: sqlite3.Connection, account_id: str, venue: str) -> None:
    """Take away the version that counts. VaultRefused when no older one would take its place."""
    with together(connection):
        versions = [row.version for row in credentials(connection) if row.place == (account_id, venue)]
        if len(versions) < 2:
            raise VaultRefused(f"{account_id} at {venue}: there is no older version to go back to")
        connection.execute(
            "DELETE FROM vault_credentials WHERE account_id = ? AND venue = ? AND version = ?",
            (account_id, venue, versions[-1]),
        )


def drop_credentials(
    connection: sqlite3.Connection, account_id: str, venue: str, *, before: int | None = None
) -> int:
    """Take away every version, or those below one; how many."""
    done = connection.execute(
        "DELETE FROM vault_credentials WHERE account_id = ? AND venue = ? AND version < coalesce(?, 1 << 62)",
        (account_id, venue, before),
    )
    return done.rowcount
