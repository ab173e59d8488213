"""Accounts whose credentials are in the vault: opened at start, beside those of the settings."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from router.config import ConfigError, parse
from router.core.model import AccountId
from router.runtime.accounts import Account, CredentialError
from router.runtime.logs import Redactor
from router.runtime.store.beside import administer
from router.runtime.vault.credentials import Credentials
from router.runtime.vault.master import new_master_key, opener, write
from router.runtime.vault.vault import Vault, begin
from router.runtime.vault.wrap import Damaged, MasterFault, VaultFault, VaultRefused
from router.sections import Config
from venues import discover

NOW_MS = 1_790_000_000_000
WHO = AccountId("acct-1")
VENUES = discover()
IN_SETTINGS, IN_VAULT = sorted(VENUES)[:2]


class Place:
    """A folder with settings, a key and a vault."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.key = folder, folder / "master.key"
        self.redactor = Redactor()
        self.secrets = {
            name: dict(VENUES[name].simulator(1).open_account({"balance": "1"}, NOW_MS)) for name in VENUES
        }

    def config(self, **changes: object) -> Config:
        credentials = {IN_SETTINGS: self.secrets[IN_SETTINGS]}
        tree = {
            "registry": {"file": "r"},
            "store": {"directory": str(self.folder / "data")},
            "vault": {"master": f"file:{self.key}"},
            "accounts": {WHO: {"venues": [IN_SETTINGS, IN_VAULT], "credentials": credentials}},
            "keys": {},
        } | changes
        return parse(tree, "settings", VENUES)

    def make(self) -> None:
        write(self.key, new_master_key())
        with closing(administer(self.folder / "data")) as connection:
            begin(connection, opener(f"file:{self.key}"), NOW_MS)

    def put(self) -> None:
        venue = VENUES[IN_VAULT]
        with closing(administer(self.folder / "data")) as connection:
            vault = Vault(connection, opener(f"file:{self.key}"), self.redactor)
            vault.keep(vault.draft((WHO, IN_VAULT), venue, self.secrets[IN_VAULT], NOW_MS))

    def open(self) -> dict[AccountId, Account]:
        return Credentials(self.config(), VENUES, self.redactor).open()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_an_account_is_opened_from_both(place: Place) -> None:
    place.make()
    place.put()
    assert place.open()[WHO].venues == {IN_SETTINGS, IN_VAULT}
    secrets = [s.name for s in VENUES[IN_VAULT].secrets if s.secret and s.name in place.secrets[IN_VAULT]]
    for name in secrets:
        value = place.secrets[IN_VAULT][name]
        shown = place.redactor(None, "", {"event": f"a {value} b"})["event"]
        assert value not in str(shown)


def test_the_vault_is_not_asked_for_what_the_settings_name(place: Place) -> None:
    accounts = {WHO: {"venues": [IN_SETTINGS], "credentials": {IN_SETTINGS: place.secrets[IN_SETTINGS]}}}
    opened = Credentials(place.config(accounts=accounts), VENUES, place.redactor).open()
    assert opened[WHO].venues == {IN_SETTINGS}


def no_vault(place: Place) -> None:
    """Nothing was made."""


def an_empty_directory(place: Place) -> None:
    (place.folder / "data").mkdir()


def no_credentials(place: Place) -> None:
    place.make()


def no_key(place: Place) -> None:
    place.make()
    place.put()
    place.key.unlink()


def a_readable_key(place: Place) -> None:
    place.make()
    place.put()
    place.key.chmod(0o444)


def another_key(place: Place) -> None:
    place.make()
    place.put()
    place.key.unlink()
    write(place.key, new_master_key())


def a_damaged_row(place: Place) -> None:
    place.make()
    place.put()
    with closing(administer(place.folder / "data")) as connection:
        connection.execute("UPDATE vault_credentials SET sealed = zeroblob(100)")


@pytest.mark.parametrize(
    ("spoil", "fault", "why"),
    [
        (no_vault, VaultFault, "there is no vault yet: crossbook keys master init"),
        (an_empty_directory, VaultFault, "there is no vault yet"),
        (no_credentials, VaultRefused, f"crossbook keys venue set {WHO} {IN_VAULT}"),
        (no_key, MasterFault, "cannot be read: No such file"),
        (a_readable_key, MasterFault, "its mode is 0444"),
        (another_key, MasterFault, "this is not the master key of the vault"),
        (a_damaged_row, Damaged, f"credentials of {WHO} at {IN_VAULT}, version 1"),
    ],
)
def test_a_router_does_not_start_without_all_its_credentials(
    place: Place, spoil: Callable[[Place], None], fault: type[CredentialError], why: str
) -> None:
    spoil(place)
    with pytest.raises(fault, match=why) as refused:
        place.open()
    for value in place.secrets[IN_VAULT].values():
        assert value not in str(refused.value)


def test_without_a_vault_the_settings_must_name_everything(place: Place) -> None:
    accounts = {WHO: {"venues": [IN_VAULT]}}
    with pytest.raises(ConfigError, match=f"credentials.{IN_VAULT}: missing"):
        place.config(vault=None, accounts=accounts)
    place.config(accounts=accounts)


def test_a_master_key_that_cannot_be_named_is_refused_with_the_settings(place: Place) -> None:
    with pytest.raises(ConfigError, match=r"vault\.master: kms: no such kind of master key"):
        place.config(vault={"master": "kms:x"})
