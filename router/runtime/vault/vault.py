"""The vault itself: what is put in leaves it as a venue's signer, and a wallet also to its owner (`reveal`).

Credentials are sealed with a data key of their account, which a master key wraps. Every seal is bound to
account, venue, data key and version, so that no row can stand in for another.
"""

import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial

import msgspec

from router.core.model import AccountId
from router.runtime.accounts import open_signer
from router.runtime.logs import Redactor
from router.runtime.store.beside import together
from router.runtime.vault import table
from router.runtime.vault.master import SALT_BYTES
from router.runtime.vault.seal import KEY_BYTES, NONCE_BYTES, Broken, bound, seal, unseal
from router.runtime.vault.table import DataKey, MasterRow, Row
from router.runtime.vault.wrap import Damaged, Master, MasterFault, VaultRefused
from venues.base.contract import Signer, Venue

KEY_ID_BYTES = 8


class Draft(msgspec.Struct, frozen=True):
    """Credentials that are sealed but not kept yet, to be tried first."""

    row: Row
    signer: Signer
    data_key: DataKey | None
    """Of an account that had none."""


Writing = Callable[[], AbstractContextManager[None]]
"""The transaction in which a change is written, for instance with its row of the trail.

A router's own writes wait for it: nothing in it may ask a person, a key service or scrypt.
"""


def begin(
    connection: sqlite3.Connection,
    open_master: Callable[[bytes], Master],
    at_ms: int,
    *,
    writing: Writing | None = None,
) -> Master:
    """Make a vault with its first master key. VaultRefused when there is one."""
    _check_none(connection)
    master, row = _introduced(open_master, at_ms)
    with (writing or partial(together, connection))():
        _check_none(connection)
        table.add_master(connection, row)
    return master


class Vault:
    """An open vault: a database and a master key of it."""

    def __init__(
        self, connection: sqlite3.Connection, open_master: Callable[[bytes], Master], redactor: Redactor
    ) -> None:
        """MasterFault when the key is not one of this vault."""
        self._connection, self._redactor = connection, redactor
        self._master = _recognised(table.masters(connection), open_master)
        self._data_keys = {
            key.account_id: key
            for key in table.data_keys(connection)
            if key.master_id == self._master.master_id
        }

    @property
    def master_id(self) -> str:
        """The master key it was opened with."""
        return self._master.master_id

    def signer(self, row: Row, venue: Venue) -> Signer:
        """The way out. Damaged, or CredentialError when the venue cannot use what was put in."""
        return self._parsed(row.place, venue, self._opened(row))

    def names(self, row: Row) -> frozenset[str]:
        """Which secrets are there."""
        return frozenset(self._opened(row))

    def draft(
        self, place: tuple[AccountId, str], venue: Venue, given: Mapping[str, str], at_ms: int
    ) -> Draft:
        """A next version: what is given, and of what is there whatever is not. Raises as `signer` does."""
        row, data_key, whole = self._next(place, given, at_ms)
        return Draft(row=row, signer=self._parsed(place, venue, whole), data_key=data_key)

    def keep(self, draft: Draft) -> None:
        """From now on it counts. VaultRefused when another became that version meanwhile."""
        with together(self._connection):
            self._put(draft.row, draft.data_key)

    def keep_parts(
        self,
        parts: Mapping[tuple[AccountId, str], Mapping[str, str]],
        at_ms: int,
        *,
        writing: Writing | None = None,
    ) -> None:
        """Some of what each of these venues needs: all of them or none. The rest follows by `draft`.

        VaultRefused when another became one of these versions meanwhile.
        """
        rows: list[tuple[Row, DataKey | None]] = []
        made: dict[str, DataKey] = {}
        for place, given in parts.items():
            for secret in given.values():
                self._redactor.register(secret)
            row, data_key, _ = self._next(place, given, at_ms, made=made.get(place[0]))
            rows.append((row, data_key))
            if data_key is not None:
                made[place[0]] = data_key
        with (writing or partial(together, self._connection))():
            for row, data_key in rows:
                self._put(row, data_key)

    def reveal(self, row: Row, name: str) -> str:
        """One secret as text, for its owner to take along. VaultRefused when it is not there."""
        opened = self._opened(row)
        if name not in opened:
            raise VaultRefused(f"{_at(row.place)}: there is no {name}")
        self._redactor.register(opened[name])
        return opened[name]

    # --- the master key ---

    def rewrap(
        self, open_master: Callable[[bytes], Master], at_ms: int, *, writing: Writing | None = None
    ) -> tuple[str, int]:
        """Let another master key open the vault as well: its id, and how many data keys it wrapped now.

        VaultRefused when it is the master key already, or somebody else changed the vault meanwhile.
        """
        introduced: MasterRow | None = None
        try:
            master = _recognised(table.masters(self._connection), open_master)
        except MasterFault:
            master, introduced = _introduced(open_master, at_ms)
        if master.master_id == self.master_id:
            raise VaultRefused(f"{master.master_id} is the master key already")
        before = table.data_keys(self._connection)
        wrapped = {key.account_id for key in before if key.master_id == master.master_id}
        new = [
            self._wrapped(key.account_id, key.key_id, self._data_key(key), master)
            for key in self._data_keys.values()
            if key.account_id not in wrapped
        ]
        with (writing or partial(together, self._connection))():
            try:
                if introduced is not None:
                    table.add_master(self._connection, introduced)
                table.add_data_keys(self._connection, new)
            except sqlite3.IntegrityError:
                raise VaultRefused("the vault was changed by somebody else meanwhile: try again") from None
        return master.master_id, len(new)

    def retire(self, master_id: str) -> None:
        """Let a master key open the vault no more. VaultRefused when only it can open something."""
        with together(self._connection):
            if master_id == self.master_id:
                raise VaultRefused(f"{master_id} is the key of these settings: name the new one there first")
            if master_id not in {row.master_id for row in table.masters(self._connection)}:
                raise VaultRefused(f"{master_id} is no master key of this vault")
            keys = table.data_keys(self._connection)
            ours = {key.key_id for key in keys if key.master_id == self.master_id}
            if lost := sorted({key.account_id for key in keys if key.key_id not in ours}):
                raise VaultRefused(f"only {master_id} opens {', '.join(lost)}: rotate once more first")
            table.drop_master(self._connection, master_id)

    # --- inside ---

    def _put(self, row: Row, data_key: DataKey | None) -> None:
        try:
            if data_key is not None:
                table.add_data_keys(self._connection, [data_key])
            table.add_credentials(self._connection, row)
        except sqlite3.IntegrityError:
            raise VaultRefused(f"{_at(row.place)}: was changed by somebody else meanwhile") from None
        if data_key is not None:
            self._data_keys[row.account_id] = data_key

    def _next(
        self,
        place: tuple[AccountId, str],
        given: Mapping[str, str],
        at_ms: int,
        *,
        made: DataKey | None = None,
    ) -> tuple[Row, DataKey | None, dict[str, str]]:
        """The next version, the account's data key if it is made for it, and all secrets of the version.

        `made` is one that was made for the account and is not kept yet.
        """
        account_id, venue = place
        before = table.latest(self._connection).get(place)
        whole = (self._opened(before) if before else {}) | dict(given)
        data_key, new = self._data_keys.get(account_id) or made, None
        if data_key is None:
            data_key = new = self._new_data_key(account_id)
        version = before.version + 1 if before else 1
        row = Row(account_id, venue, version, data_key.key_id, at_ms, b"")
        key, nonce = self._data_key(data_key), os.urandom(NONCE_BYTES)
        sealed = seal(key, msgspec.json.encode(whole), _about(row), nonce=nonce)
        return msgspec.structs.replace(row, sealed=sealed), new, whole

    def _parsed(self, place: tuple[AccountId, str], venue: Venue, secrets: Mapping[str, str]) -> Signer:
        for secret in venue.secrets:
            if secret.secret and secret.name in secrets:
                self._redactor.register(secrets[secret.name])
        return open_signer(_at(place), venue, secrets)

    def _opened(self, row: Row) -> dict[str, str]:
        data_key = self._data_keys.get(row.account_id)
        if data_key is None:
            raise MasterFault(
                f"{_at(row.place)}: {self.master_id} does not open this account: rotate once more to it"
            )
        if data_key.key_id != row.key_id:
            raise Damaged(f"{_at(row.place)}: sealed with another key than the account's")
        try:
            return msgspec.json.decode(
                unseal(self._data_key(data_key), row.sealed, _about(row)), type=dict[str, str]
            )
        except Broken as broken:
            raise Damaged(f"{_at(row.place)}, version {row.version}: {broken}") from None

    def _data_key(self, key: DataKey) -> bytes:
        try:
            return self._master.unwrap(key.wrapped, _about_key(key.account_id, key.key_id, key.master_id))
        except Broken as broken:
            raise Damaged(f"the data key of {key.account_id}: {broken}") from None

    def _new_data_key(self, account_id: AccountId) -> DataKey:
        if account_id in {key.account_id for key in table.data_keys(self._connection)}:
            raise MasterFault(f"{self.master_id} does not open {account_id}: rotate once more to it")
        return self._wrapped(account_id, os.urandom(KEY_ID_BYTES).hex(), os.urandom(KEY_BYTES), self._master)

    @staticmethod
    def _wrapped(account_id: str, key_id: str, plain: bytes, master: Master) -> DataKey:
        about = _about_key(account_id, key_id, master.master_id)
        return DataKey(account_id, master.master_id, key_id, master.wrap(plain, about))


def _recognised(known: list[MasterRow], open_master: Callable[[bytes], Master]) -> Master:
    if not known:
        raise MasterFault("there is no vault yet: crossbook keys master init")
    for row in reversed(known):
        master = open_master(row.salt)
        if master.master_id == row.master_id:
            return master
    names = ", ".join(row.master_id for row in known)
    raise MasterFault(f"this is not the master key of the vault, which is {names}")


def _introduced(open_master: Callable[[bytes], Master], at_ms: int) -> tuple[Master, MasterRow]:
    """A master key that is not in the vault yet."""
    salt = os.urandom(SALT_BYTES)
    master = open_master(salt)
    return master, MasterRow(master.master_id, salt, at_ms)


def _check_none(connection: sqlite3.Connection) -> None:
    if known := table.masters(connection):
        raise VaultRefused(f"there is a vault already, of master key {known[-1].master_id}")


def _at(place: tuple[AccountId, str]) -> str:
    return f"the vault's credentials of {place[0]} at {place[1]}"


def _about(row: Row) -> bytes:
    return bound("credentials", row.account_id, row.venue, row.key_id, row.version, row.created_ms)


def _about_key(account_id: str, key_id: str, master_id: str) -> bytes:
    return bound("data key", account_id, key_id, master_id)
