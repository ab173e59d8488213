"""Accounts whose credentials are in the vault: opened at start, beside those of the settings."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
import structlog

from router.config import ConfigError, parse
from router.core.model import AccountId
from router.runtime.accounts import Account, CredentialError
from router.runtime.changes import NotYet
from router.runtime.logs import Redactor
from router.runtime.store.beside import administer
from router.runtime.vault import master, table
from router.runtime.vault.credentials import Credentials, Opener
from router.runtime.vault.master import new_master_key, opener, write
from router.runtime.vault.vault import Vault, begin
from router.runtime.vault.wrap import Damaged, MasterFault, VaultFault, VaultRefused
from router.sections import Config
from venues import discover
from venues.base.contract import Signer
from venues.base.http import Request

NOW_MS = 1_790_000_000_000
WHO = AccountId("acct-1")
VENUES = discover()
IN_SETTINGS, IN_VAULT = sorted(VENUES)[:2]


class Place:
    """A folder with settings, a key and a vault."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.key = folder, folder / "master.key"
        self.redactor, self.at_ms = Redactor(), NOW_MS
        self.opener: Opener | None = None
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
            vault = Vault(connection, self.opener or opener(f"file:{self.key}"), self.redactor)
            vault.keep(vault.draft((WHO, IN_VAULT), venue, self.secrets[IN_VAULT], self.at_ms))

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


# --- while the router runs ---


class Live:
    """Accounts that are open, and what is said of them."""

    def __init__(self, place: Place) -> None:
        place.make()
        place.put()
        self.place = place
        self.credentials = Credentials(place.config(), VENUES, place.redactor)
        self.account = self.credentials.open()[WHO]
        self.first = self.account.signers[IN_VAULT]
        self.told: list[tuple[Signer, Signer]] = []
        self.credentials.on_renewed = lambda _, before, after: self.told.append((before, after))

    def look(self) -> Signer:
        """What the watch does when something changed."""
        with closing(administer(self.place.folder / "data")) as connection:
            self.credentials.read(connection)()
        return self.account.signers[IN_VAULT]


def test_new_keys_take_the_place_of_the_old_ones_and_those_can_come_back(place: Place) -> None:
    live = Live(place)
    assert live.look() is live.first, "nothing changed"
    place.put()
    second = live.look()
    assert second is not live.first
    assert live.told == [(live.first, second)]
    assert live.look() is second
    with closing(administer(place.folder / "data")) as connection:
        table.drop_latest(connection, WHO, IN_VAULT)
    third = live.look()
    assert third not in (live.first, second)


def test_a_version_that_was_taken_back_and_made_anew_is_another(place: Place) -> None:
    live = Live(place)
    place.put()
    second = live.look()
    with closing(administer(place.folder / "data")) as connection:
        table.drop_latest(connection, WHO, IN_VAULT)
    place.at_ms += 1
    place.put()
    assert live.look() is not second


def test_keys_that_cannot_be_used_leave_those_before_them_in_force(place: Place) -> None:
    live = Live(place)
    place.put()
    with closing(administer(place.folder / "data")) as connection:
        connection.execute("UPDATE vault_credentials SET sealed = zeroblob(100) WHERE version = 2")
    with structlog.testing.capture_logs() as logs:
        assert live.look() is live.first
    assert [line["event"] for line in logs] == ["vault.refused"]
    assert live.told == []


def test_keys_that_are_taken_away_stay_in_force_and_it_is_said(place: Place) -> None:
    live = Live(place)
    with closing(administer(place.folder / "data")) as connection:
        table.drop_credentials(connection, WHO, IN_VAULT)
    with structlog.testing.capture_logs() as logs:
        assert live.look() is live.first
    assert [line["event"] for line in logs] == ["vault.gone"]


def test_while_the_master_key_cannot_be_had_it_is_tried_again(place: Place) -> None:
    live = Live(place)
    place.put()
    elsewhere = place.key.rename(place.folder / "elsewhere")
    with pytest.raises(NotYet, match="cannot be read"):
        live.look()
    assert live.account.signers[IN_VAULT] is live.first
    elsewhere.rename(place.key)
    assert live.look() is not live.first


class Learner:
    """A signer that learns."""

    def __init__(self, _: object) -> None:
        self.learnt: list[str] = []

    def sign(self, request: Request, now_ms: int) -> Request:
        return request

    def inherit(self, before: Signer) -> None:
        assert isinstance(before, Learner)
        self.learnt = before.learnt


def test_what_a_signer_knows_of_its_account_its_heir_knows(place: Place) -> None:
    live = Live(place)
    venue = msgspec.structs.replace(VENUES[IN_VAULT], signer=Learner)
    live.credentials = Credentials(place.config(), dict(VENUES) | {IN_VAULT: venue}, place.redactor)
    live.account = live.credentials.open()[WHO]
    first = live.account.signers[IN_VAULT]
    assert isinstance(first, Learner)
    place.put()
    second = live.look()
    assert isinstance(second, Learner)
    assert second is not first
    first.learnt.append("later")
    assert second.learnt == ["later"], "also what the older one learns of orders under way"


def test_a_passphrase_is_asked_for_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return "correct horse battery"

    monkeypatch.setattr(master, "SCRYPT_N", 2**4)
    monkeypatch.setattr("router.runtime.vault.credentials.opener", lambda source: opener(source, ask=ask))
    place.opener = opener("passphrase:ask", ask=ask)
    with closing(administer(place.folder / "data")) as connection:
        begin(connection, place.opener, NOW_MS)
    place.put()
    asked.clear()
    credentials = Credentials(place.config(vault={"master": "passphrase:ask"}), VENUES, place.redactor)
    account = credentials.open()[WHO]
    before = account.signers[IN_VAULT]
    place.put()
    with closing(administer(place.folder / "data")) as connection:
        credentials.read(connection)()
    assert account.signers[IN_VAULT] is not before
    assert len(asked) == 1
