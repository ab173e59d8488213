"""The credentials of all accounts: from the settings, and from the vault where the settings name none.

Those of the vault are taken up again whenever they change, while orders go on.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from router.config import secrets_of
from router.core.model import AccountId
from router.runtime.accounts import Account, open_signer
from router.runtime.logs import Redactor
from router.runtime.store.sqlite_file import FILE_NAME, connect_reader
from router.runtime.vault import table
from router.runtime.vault.master import opener
from router.runtime.vault.vault import Vault
from router.runtime.vault.wrap import VaultFault, VaultRefused
from router.sections import Config
from venues.base.contract import Signer, Venue


class Credentials:
    """Opens accounts."""

    def __init__(self, config: Config, venues: Mapping[str, Venue], redactor: Redactor) -> None:
        self._config, self._venues, self._redactor = config, venues, redactor
        self.versions: dict[tuple[AccountId, str], int] = {}
        """Which version of the vault is in force, for what comes from there."""

    def open(self) -> dict[AccountId, Account]:
        """Every account with its keys parsed; from now on no log shows them.

        ConfigError or CredentialError name what cannot be used.
        """
        accounts = {
            AccountId(name): Account(account_id=AccountId(name), signers={}) for name in self._config.accounts
        }
        sealed: list[tuple[AccountId, str]] = []
        for account_id, account in accounts.items():
            settings = self._config.accounts[account_id]
            for name in settings.venues:
                if name in settings.credentials:
                    account.signers[name] = self._configured(account_id, self._venues[name])
                else:
                    sealed.append((account_id, name))
        if sealed:
            with self._database() as connection:
                for (account_id, name), signer in self._unsealed(connection, sealed).items():
                    accounts[account_id].signers[name] = signer
        return accounts

    def _configured(self, account_id: AccountId, venue: Venue) -> Signer:
        secrets = secrets_of(account_id, venue.name, self._config)
        for secret in venue.secrets:
            if secret.secret and secret.name in secrets:
                self._redactor.register(secrets[secret.name])
        return open_signer(f"accounts.{account_id}.credentials.{venue.name}", venue, secrets)

    def _unsealed(
        self, connection: sqlite3.Connection, places: list[tuple[AccountId, str]]
    ) -> dict[tuple[AccountId, str], Signer]:
        assert self._config.vault is not None, "the settings are refused otherwise"
        rows = table.latest(connection)
        for account_id, venue in places:
            if (account_id, venue) not in rows:
                raise VaultRefused(
                    f"accounts.{account_id}: no credentials at {venue}, neither in the settings nor in the "
                    f"vault: crossbook keys venue set {account_id} {venue}"
                )
        vault = Vault(connection, opener(self._config.vault.master), self._redactor)
        opened = {place: vault.signer(rows[place], self._venues[place[1]]) for place in places}
        self.versions.update({place: rows[place].version for place in places})
        return opened

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """The store before the router owns it: read only. VaultFault when there is none yet."""
        path = Path(self._config.store.directory) / FILE_NAME
        if not path.exists():
            raise VaultFault(f"{path}: there is no vault yet: crossbook keys master init")
        connection = connect_reader(path)
        try:
            yield connection
        except sqlite3.Error as error:
            raise VaultFault(f"{path}: the vault cannot be read: {error}") from error
        finally:
            connection.close()
