"""The credentials of all accounts: from the settings, and from the vault where the settings name none.

Those of the vault are taken up again whenever they change, while orders go on: an order that is under way is
signed and looked up with whatever keys are in force then, and both are good at the venue until the old ones
are revoked there.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import structlog

from router.config import secrets_of
from router.core.model import AccountId
from router.runtime.accounts import Account, CredentialError, open_signer
from router.runtime.changes import NotYet
from router.runtime.logs import Redactor
from router.runtime.store.sqlite_file import FILE_NAME, connect_reader
from router.runtime.vault import table
from router.runtime.vault.master import opener
from router.runtime.vault.table import Row
from router.runtime.vault.vault import Vault
from router.runtime.vault.wrap import Master, MasterFault, VaultFault, VaultRefused
from router.sections import Config
from venues.base.contract import Heir, Signer, Venue

Place = tuple[AccountId, str]
Edition = tuple[int, int]
"""Version and time: a version that was taken back and made again is another edition."""
Opener = Callable[[bytes], Master]
log = structlog.get_logger(__name__)


class Credentials:
    """Opens accounts, and keeps them open with the newest keys."""

    topic = "vault"

    def __init__(self, config: Config, venues: Mapping[str, Venue], redactor: Redactor) -> None:
        self._config, self._venues, self._redactor = config, venues, redactor
        self._accounts: dict[AccountId, Account] = {}
        self._in_force: dict[Place, Edition] = {}
        """What is in force of all that comes from the vault."""
        self._asked: Opener | None = None
        """A passphrase that was asked for: nobody is at the terminal when keys change."""
        self.on_renewed: Callable[[Place, Signer, Signer], None] = lambda *_: None
        """Told of a signer whose place another has taken, and of that other, on the loop."""

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
        self._accounts = accounts
        return accounts

    # --- while the router runs ---

    def read(self, connection: sqlite3.Connection) -> Callable[[], None]:
        """See `Subject`. Keys that cannot be used leave those before them in force."""
        rows = table.latest(connection)
        for place in sorted(self._in_force.keys() - rows.keys()):
            log.warning("vault.gone", account=place[0], venue=place[1], why="in use until the router ends")
        new = [rows[place] for place, edition in self._in_force.items() if _newer(rows.get(place), edition)]
        if not new:
            return _nothing
        try:
            vault = Vault(connection, self._opener(), self._redactor)
            return partial(self._renew, self._opened(vault, new))
        except MasterFault as fault:
            raise NotYet(str(fault)) from None

    def _opened(self, vault: Vault, rows: list[Row]) -> list[tuple[Row, Signer]]:
        opened: list[tuple[Row, Signer]] = []
        for row in rows:
            try:
                opened.append((row, vault.signer(row, self._venues[row.venue])))
            except MasterFault:
                raise
            except CredentialError as error:
                log.error("vault.refused", account=row.account_id, venue=row.venue, why=str(error))  # noqa: TRY400
        return opened

    def _renew(self, opened: list[tuple[Row, Signer]]) -> None:
        """On the loop: between two steps of any order, never inside one."""
        for row, signer in opened:
            account_id, venue = row.place
            account = self._accounts[account_id]
            before = account.signers[venue]
            if isinstance(signer, Heir):
                signer.inherit(before)
            account.signers[venue] = signer
            self._in_force[row.place] = _edition(row)
            self.on_renewed(row.place, before, signer)
            log.info("vault.renewed", account=account_id, venue=venue, version=row.version)

    # --- at the start ---

    def _configured(self, account_id: AccountId, venue: Venue) -> Signer:
        secrets = secrets_of(account_id, venue.name, self._config)
        for secret in venue.secrets:
            if secret.secret and secret.name in secrets:
                self._redactor.register(secrets[secret.name])
        return open_signer(f"accounts.{account_id}.credentials.{venue.name}", venue, secrets)

    def _unsealed(
        self, connection: sqlite3.Connection, places: list[tuple[AccountId, str]]
    ) -> dict[tuple[AccountId, str], Signer]:
        rows = table.latest(connection)
        for account_id, venue in places:
            if (account_id, venue) not in rows:
                raise VaultRefused(
                    f"accounts.{account_id}: no credentials at {venue}, neither in the settings nor in the "
                    f"vault: crossbook keys venue set {account_id} {venue}"
                )
        vault = Vault(connection, self._opener(), self._redactor)
        opened = {place: vault.signer(rows[place], self._venues[place[1]]) for place in places}
        self._in_force.update({place: _edition(rows[place]) for place in places})
        return opened

    def _opener(self) -> Opener:
        """The master key is read anew each time, so that it is in memory only then."""
        assert self._config.vault is not None, "the settings are refused otherwise"
        source = self._config.vault.master
        if not source.endswith(":ask"):
            return opener(source)
        self._asked = self._asked or opener(source)
        return self._asked

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


def _edition(row: Row) -> Edition:
    return row.version, row.created_ms


def _newer(row: Row | None, edition: Edition) -> bool:
    """Whether it is another one; an older version counts again when the newer was taken back."""
    return row is not None and _edition(row) != edition


def _nothing() -> None:
    """Nothing changed that concerns this router."""
