"""The vault: what is put in comes out as a signer, and nothing that was touched comes out at all."""

import sqlite3
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from router.core.model import AccountId
from router.runtime.accounts import CredentialError
from router.runtime.logs import HIDDEN, Redactor
from router.runtime.store.beside import administer, together
from router.runtime.vault import table
from router.runtime.vault.seal import Broken
from router.runtime.vault.vault import Vault, begin
from router.runtime.vault.wrap import Damaged, LocalMaster, Master, MasterFault, VaultFault, VaultRefused
from venues import discover
from venues.base.contract import Secret, Signer, Venue
from venues.base.http import Request

NOW_MS = 1_790_000_000_000
A, B = AccountId("acct-a"), AccountId("acct-b")
FIRST, SECOND = bytes(range(32)), bytes(range(32, 64))


def opens(key: bytes) -> Callable[[bytes], Master]:
    return lambda _: LocalMaster(key)


class Told(Signer):
    """A signer that shows what it was made of: for tests only."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        if secrets["token"] == "bad":
            raise ValueError("token: is bad")
        self.secrets = dict(secrets)

    def sign(self, request: Request, now_ms: int) -> Request:
        return request


def venue(name: str) -> Venue:
    """A made-up venue with two secrets, of which one may be shown."""
    real = next(iter(discover().values()))
    secrets = (Secret("token", "anywhere"), Secret("user", "anywhere", required=False, secret=False))
    fields = {field: getattr(real, field) for field in real.__struct_fields__}
    return Venue(**fields | {"name": name, "secrets": secrets, "signer": Told})


NORTH, SOUTH = venue("north"), venue("south")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(administer(tmp_path)) as opened:
        begin(opened, opens(FIRST), NOW_MS)
        yield opened


def vault_of(connection: sqlite3.Connection, key: bytes = FIRST) -> Vault:
    return Vault(connection, opens(key), Redactor())


def put(vault: Vault, account: AccountId, at: Venue, **secrets: str) -> None:
    vault.keep(vault.draft((account, at.name), at, secrets, NOW_MS))


def taken(vault: Vault, connection: sqlite3.Connection, account: AccountId, at: Venue) -> dict[str, str]:
    signer = vault.signer(table.latest(connection)[account, at.name], at)
    assert isinstance(signer, Told)
    return signer.secrets


def test_what_is_put_in_comes_out_as_the_venues_signer(connection: sqlite3.Connection) -> None:
    vault = vault_of(connection)
    put(vault, A, NORTH, token="t-1", user="u")
    put(vault, A, SOUTH, token="t-2")
    put(vault, B, NORTH, token="t-3")
    again = vault_of(connection)
    assert taken(again, connection, A, NORTH) == {"token": "t-1", "user": "u"}
    assert taken(again, connection, A, SOUTH) == {"token": "t-2"}
    assert taken(again, connection, B, NORTH) == {"token": "t-3"}


def test_a_new_version_takes_over_what_it_does_not_replace(connection: sqlite3.Connection) -> None:
    vault = vault_of(connection)
    put(vault, A, NORTH, token="t-1", user="u")
    put(vault, A, NORTH, token="t-2")
    assert taken(vault, connection, A, NORTH) == {"token": "t-2", "user": "u"}
    assert [row.version for row in table.credentials(connection)] == [1, 2]


def test_nothing_counts_before_it_is_kept_and_only_one_can_be_next(connection: sqlite3.Connection) -> None:
    vault, other = vault_of(connection), vault_of(connection)
    drafts = [each.draft((A, "north"), NORTH, {"token": str(each)}, NOW_MS) for each in (vault, other)]
    assert not table.credentials(connection)
    assert not table.data_keys(connection)
    vault.keep(drafts[0])
    with pytest.raises(VaultRefused, match="changed by somebody else"):
        other.keep(drafts[1])
    assert len(table.credentials(connection)) == len(table.data_keys(connection)) == 1
    assert not connection.in_transaction


@pytest.mark.parametrize(
    ("secrets", "why"),
    [
        ({"token": "bad"}, "token: is bad"),
        ({"user": "u"}, "token: missing; anywhere"),
        ({"token": "hush-hush", "pin": "hush-hush"}, "pin: no such credential"),
    ],
)
def test_what_the_venue_cannot_use_is_refused_before_it_is_kept(
    connection: sqlite3.Connection, secrets: dict[str, str], why: str
) -> None:
    with pytest.raises(CredentialError, match=why) as refused:
        put(vault_of(connection), A, NORTH, **secrets)
    assert "acct-a at north" in str(refused.value)
    assert "hush" not in str(refused.value)
    assert table.credentials(connection) == []


def columns(connection: sqlite3.Connection, name: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]


def everything(vault: Vault, connection: sqlite3.Connection) -> list[dict[str, str]]:
    venues = {"north": NORTH, "south": SOUTH}
    return [taken(vault, connection, *(place[0], venues[place[1]])) for place in table.latest(connection)]


@pytest.mark.parametrize("name", ["vault_credentials", "vault_data_keys"])
def test_a_row_with_any_byte_or_word_changed_opens_nothing(connection: sqlite3.Connection, name: str) -> None:
    put(vault_of(connection), A, NORTH, token="hush-hush")
    [row] = connection.execute(f"SELECT * FROM {name}").fetchall()
    connection.execute("PRAGMA foreign_keys = OFF")
    tried = 0
    for column, value in zip(columns(connection, name), row, strict=True):
        for changed in variants(value):
            connection.execute(f"UPDATE {name} SET {column} = ?", (changed,))
            with pytest.raises((VaultFault, KeyError)):  # it opens nothing, or is somebody else's
                taken(vault_of(connection), connection, A, NORTH)
            for place, found in table.latest(connection).items():
                with pytest.raises(VaultFault):
                    vault_of(connection).signer(found, venue(place[1]))
            tried += 1
        connection.execute(f"UPDATE {name} SET {column} = ?", (value,))
    assert tried > 50
    assert taken(vault_of(connection), connection, A, NORTH) == {"token": "hush-hush"}


def variants(value: object) -> Iterator[object]:
    match value:
        case bytes():
            for at in range(len(value)):
                yield value[:at] + bytes([value[at] ^ 0x80]) + value[at + 1 :]
        case int():
            yield value + 1
        case str():
            yield value + "x"
            yield value[:-1]
        case _:
            raise AssertionError(value)


def test_no_row_can_stand_in_for_another(connection: sqlite3.Connection) -> None:
    vault = vault_of(connection)
    for account in (A, B):
        for at in (NORTH, SOUTH):
            put(vault, account, at, token=f"{account} {at.name} 1")
            put(vault, account, at, token=f"{account} {at.name} 2")
    rows = table.credentials(connection)
    for mine in rows:
        for other in rows:
            if mine == other:
                continue
            swapped = table.Row(
                mine.account_id, mine.venue, mine.version, other.key_id, other.created_ms, other.sealed
            )
            with pytest.raises(Damaged):
                vault.signer(swapped, venue(mine.venue))


def test_no_data_key_can_stand_in_for_another(connection: sqlite3.Connection) -> None:
    vault = vault_of(connection)
    put(vault, A, NORTH, token="a")
    put(vault, B, NORTH, token="b")
    before = {key.account_id: key.wrapped for key in table.data_keys(connection)}
    for account, other in ((A, B), (B, A)):
        connection.execute(
            "UPDATE vault_data_keys SET wrapped = ? WHERE account_id = ?", (before[other], account)
        )
    for account in (A, B):
        with pytest.raises(Damaged, match=f"the data key of {account}"):
            taken(vault_of(connection), connection, account, NORTH)


def test_another_master_key_opens_nothing(connection: sqlite3.Connection) -> None:
    put(vault_of(connection), A, NORTH, token="t")
    with pytest.raises(MasterFault, match="this is not the master key of the vault"):
        vault_of(connection, SECOND)
    connection.execute("PRAGMA foreign_keys = OFF")
    liar = LocalMaster(SECOND).master_id  # and a thief who writes his own name on the rows
    for name in ("vault_masters", "vault_data_keys"):
        connection.execute(f"UPDATE {name} SET master_id = ?", (liar,))
    with pytest.raises(Damaged):
        taken(vault_of(connection, SECOND), connection, A, NORTH)


def test_a_copy_of_the_database_holds_no_secret(tmp_path: Path, connection: sqlite3.Connection) -> None:
    secret = "canary-0123456789abcdef"
    put(vault_of(connection), A, NORTH, token=secret, user="someone")
    copy = sqlite3.connect(tmp_path / "backup")
    connection.backup(copy)
    copy.close()
    for path in tmp_path.iterdir():
        raw = path.read_bytes()
        assert secret.encode() not in raw
        assert b"someone" not in raw
        assert FIRST not in raw
        assert FIRST.hex().encode() not in raw


def test_two_accounts_with_the_same_secret_do_not_show_it(connection: sqlite3.Connection) -> None:
    vault = vault_of(connection)
    for account in (A, B):
        for at in (NORTH, SOUTH):
            put(vault, account, at, token="same")
    rows = table.credentials(connection)
    assert len({row.sealed[13:] for row in rows}) == len({row.sealed[1:13] for row in rows}) == 4
    assert len({row.key_id for row in rows}) == 2


def test_there_is_no_vault_before_it_is_made_and_only_one(tmp_path: Path) -> None:
    with closing(administer(tmp_path)) as opened:
        with pytest.raises(MasterFault, match="there is no vault yet: crossbook keys master init"):
            vault_of(opened)
        begin(opened, opens(FIRST), NOW_MS)
        with pytest.raises(VaultRefused, match="there is a vault already"):
            begin(opened, opens(SECOND), NOW_MS)
        assert [row.master_id for row in table.masters(opened)] == [LocalMaster(FIRST).master_id]


# --- another master key ---


def test_while_a_master_key_takes_anothers_place_both_open_everything(connection: sqlite3.Connection) -> None:
    vault = vault_of(connection)
    put(vault, A, NORTH, token="a")
    put(vault, B, SOUTH, token="b")
    before = table.credentials(connection)
    assert vault.rewrap(opens(SECOND), NOW_MS) == (LocalMaster(SECOND).master_id, 2)
    assert table.credentials(connection) == before, "what is sealed is not touched"
    for key in (FIRST, SECOND):
        assert everything(vault_of(connection, key), connection) == [{"token": "a"}, {"token": "b"}]


def test_a_retired_master_key_opens_nothing_and_the_new_everything(
    connection: sqlite3.Connection,
) -> None:
    put(vault_of(connection), A, NORTH, token="a")
    vault_of(connection).rewrap(opens(SECOND), NOW_MS)
    old, new = LocalMaster(FIRST).master_id, LocalMaster(SECOND).master_id
    with pytest.raises(VaultRefused, match="is the key of these settings"):
        vault_of(connection).retire(old)
    with pytest.raises(VaultRefused, match="is no master key of this vault"):
        vault_of(connection).retire("local-0")
    vault_of(connection, SECOND).retire(old)
    with pytest.raises(MasterFault, match=f"which is {new}"):
        vault_of(connection)
    assert everything(vault_of(connection, SECOND), connection) == [{"token": "a"}]


def test_what_only_the_old_master_key_opens_is_never_lost(connection: sqlite3.Connection) -> None:
    """An account that came while two were in force is known to one of them."""
    put(vault_of(connection), A, NORTH, token="a")
    vault_of(connection).rewrap(opens(SECOND), NOW_MS)
    put(vault_of(connection), B, NORTH, token="b")
    late = vault_of(connection, SECOND)
    with pytest.raises(MasterFault, match="does not open this account: rotate once more"):
        taken(late, connection, B, NORTH)
    with pytest.raises(MasterFault, match="does not open acct-b: rotate once more"):
        put(late, B, SOUTH, token="b")
    with pytest.raises(VaultRefused, match="opens acct-b: rotate once more first"):
        late.retire(LocalMaster(FIRST).master_id)
    assert vault_of(connection).rewrap(opens(SECOND), NOW_MS) == (LocalMaster(SECOND).master_id, 1)
    vault_of(connection, SECOND).retire(LocalMaster(FIRST).master_id)
    assert everything(vault_of(connection, SECOND), connection) == [{"token": "a"}, {"token": "b"}]


def test_a_master_key_is_not_replaced_by_itself(connection: sqlite3.Connection) -> None:
    with pytest.raises(VaultRefused, match="is the master key already"):
        vault_of(connection).rewrap(opens(FIRST), NOW_MS)


# --- a key management service ---


class Kms:
    """A service with a key that never leaves it: it wraps, and it can be down."""

    master_id = "kms:eu/key-1"
    up = True
    _inside = LocalMaster(bytes(32))
    calls: list[str] = []  # noqa: RUF012

    def wrap(self, data_key: bytes, about: bytes) -> bytes:
        return self._call("wrap").wrap(data_key, about)

    def unwrap(self, wrapped: bytes, about: bytes) -> bytes:
        return self._call("unwrap").unwrap(wrapped, about)

    def _call(self, what: str) -> LocalMaster:
        if not self.up:
            raise MasterFault("the service does not answer")
        self.calls.append(what)
        return self._inside


def test_a_master_key_may_live_in_a_service(tmp_path: Path) -> None:
    service = Kms()
    with closing(administer(tmp_path)) as connection:
        begin(connection, lambda _: service, NOW_MS)
        put(Vault(connection, lambda _: service, Redactor()), A, NORTH, token="t")
        vault = Vault(connection, lambda _: service, Redactor())
        assert taken(vault, connection, A, NORTH) == {"token": "t"}
        service.up = False
        with pytest.raises(MasterFault, match="the service does not answer"):
            taken(vault, connection, A, NORTH)
        with pytest.raises(Broken):
            Kms().unwrap(table.data_keys(connection)[0].wrapped, b"something else")


def test_no_transaction_is_open_while_a_master_key_works(tmp_path: Path) -> None:
    """It may be a service that hangs, and a router's own writes would wait for it."""

    class Busy(LocalMaster):
        """Nothing may wait for it."""

        def wrap(self, data_key: bytes, about: bytes) -> bytes:
            idle()
            return super().wrap(data_key, about)

        def unwrap(self, wrapped: bytes, about: bytes) -> bytes:
            idle()
            return super().unwrap(wrapped, about)

    def opened(key: bytes) -> Callable[[bytes], Master]:
        def made(_: bytes) -> Master:
            idle()
            return Busy(key)

        return made

    with closing(administer(tmp_path)) as connection:

        def idle() -> None:
            assert not connection.in_transaction

        begin(connection, opened(FIRST), NOW_MS)
        vault = Vault(connection, opened(FIRST), Redactor())
        put(vault, A, NORTH, token="t")
        both = {(B, "north"): {"token": "one"}, (B, "south"): {"token": "one"}}
        vault.keep_parts(both, NOW_MS)
        assert [taken(vault, connection, B, at) for at in (NORTH, SOUTH)] == [{"token": "one"}] * 2
        with pytest.raises(VaultRefused, match="meanwhile"):
            Vault(connection, opened(FIRST), Redactor()).keep_parts(
                {(A, "south"): {"token": "x"}}, NOW_MS, writing=partial(between, connection, vault)
            )
        vault.rewrap(opened(SECOND), NOW_MS)
        assert Vault(connection, opened(SECOND), Redactor()).master_id == LocalMaster(SECOND).master_id


@contextmanager
def between(connection: sqlite3.Connection, vault: Vault) -> Iterator[None]:
    """Somebody else is quicker."""
    put(vault, A, SOUTH, token="quick")
    with together(connection):
        yield


def test_a_vault_moves_from_a_file_to_a_service_and_back(connection: sqlite3.Connection) -> None:
    put(vault_of(connection), A, NORTH, token="t")
    vault_of(connection).rewrap(lambda _: Kms(), NOW_MS)
    inside = Vault(connection, lambda _: Kms(), Redactor())
    inside.retire(LocalMaster(FIRST).master_id)
    inside.rewrap(opens(FIRST), NOW_MS)
    assert everything(vault_of(connection), connection) == [{"token": "t"}]


# --- what is shown ---


def test_what_was_opened_is_hidden_from_every_log_line(connection: sqlite3.Connection) -> None:
    put(vault_of(connection), A, NORTH, token="canary-0123456789abcdef", user="someone")
    redactor = Redactor()
    vault = Vault(connection, opens(FIRST), redactor)
    vault.signer(table.latest(connection)[A, "north"], NORTH)
    line = redactor(None, "", {"event": "told canary-0123456789abcdef of someone"})
    assert line["event"] == f"told {HIDDEN} of someone"


def test_nothing_of_the_vault_shows_a_secret_when_it_is_printed(connection: sqlite3.Connection) -> None:
    real = next(iter(sorted(discover().items())))[1]
    secrets = dict(real.simulator(1).open_account({"balance": "1"}, NOW_MS))
    vault = vault_of(connection)
    draft = vault.draft((A, real.name), real, secrets, NOW_MS)
    shown = repr(vault) + repr(draft) + repr(vars(vault)) + str(draft.data_key)
    hidden = [secrets[secret.name] for secret in real.secrets if secret.secret and secret.name in secrets]
    assert hidden
    assert not any(value in shown for value in hidden)
    assert FIRST.hex() not in shown
    assert repr(FIRST)[2:-1] not in shown


def told(*parts: str | int) -> bytes:
    """What a seal is about, written once more."""
    return b"".join(struct.pack(">I", len(str(part).encode())) + str(part).encode() for part in parts)


def test_whoever_has_the_master_key_opens_a_backup_by_hand(
    connection: sqlite3.Connection,
) -> None:
    """So the format is what it is said to be: AES-256-GCM twice, each bound to all that its row says."""
    put(vault_of(connection), A, NORTH, token="t-1", user="u")
    [(account, master_id, key_id, wrapped)] = connection.execute("SELECT * FROM vault_data_keys")
    [(owner, at, version, used, created, sealed)] = connection.execute("SELECT * FROM vault_credentials")
    about = b"\x01" + told("data key", account, key_id, master_id)
    data_key = AESGCM(FIRST).decrypt(wrapped[1:13], wrapped[13:], about)
    about = b"\x01" + told("credentials", owner, at, used, version, created)
    assert AESGCM(data_key).decrypt(sealed[1:13], sealed[13:], about) == b'{"token":"t-1","user":"u"}'
    assert (account, owner, at, key_id, version) == (A, A, "north", used, 1)
