"""`crossbook keys wallet …`: a wallet that is made in the vault, used there, and taken along by its owner."""

from contextlib import closing
from pathlib import Path

import pytest
from coincurve import PrivateKey
from Crypto.Hash import keccak
from hypothesis import given
from hypothesis import strategies as st

from router.cli.wallet import address_of
from router.core import trail
from router.runtime.store.beside import administer
from tests.cli.test_vault import Desk, desk
from venues import discover
from venues.base.contract import Venue

WITH, WITHOUT = (
    sorted(name for name, venue in discover().items() if any(each.wallet for each in venue.secrets) is has)
    for has in (True, False)
)
__all__ = ["desk"]


def other_secrets(venue: Venue, secrets: dict[str, str]) -> dict[str, str]:
    """What the venue itself gives: all that is needed beside the wallet."""
    return {each.name: secrets[each.name] for each in venue.secrets if each.required and not each.wallet}


async def made(desk: Desk, *venues: str) -> str:
    """The address of a new wallet."""
    desk.tree["accounts"] = {"a": {"venues": list(venues)}}
    await desk.crossbook("master", "init")
    created = await desk.crossbook("wallet", "create", "a", *venues)
    assert created.exit_code == 0, created.output
    return created.stdout.splitlines()[0]


@pytest.mark.parametrize("name", WITH)
async def test_a_wallet_is_shown_by_its_address_and_used_with_the_venues_own_keys(
    desk: Desk, name: str
) -> None:
    venue = discover()[name]
    address = await made(desk, name)
    assert (await desk.crossbook("wallet", "show", "a", name)).stdout.strip() == address
    secrets = dict(venue.simulator(1).open_account({"balance": "1"}, 1_790_000_000_000))
    rest = other_secrets(venue, secrets)
    kept = await desk.crossbook("venue", "set", "a", name, "--stdin", "--unchecked", given=rest)
    assert kept.exit_code == 0, kept.output
    assert address in repr(desk.account().signers[name])
    target = desk.folder / "wallet"
    exported = await desk.crossbook("wallet", "export", "a", name, "--to", str(target), given=f"{address}\n")
    assert exported.exit_code == 0, exported.output
    assert target.stat().st_mode & 0o777 == 0o400
    key = target.read_text().strip()
    assert address_of(key) == address
    assert key not in desk.said


async def test_one_wallet_serves_the_venues_named_and_each_account_has_its_own(desk: Desk) -> None:
    address = await made(desk, *WITH)
    shown = {(await desk.crossbook("wallet", "show", "a", name)).stdout.strip() for name in WITH}
    assert shown == {address}
    desk.tree["accounts"] = {"b": {"venues": [WITH[0]]}}
    second = (await desk.crossbook("wallet", "create", "b", WITH[0])).stdout.splitlines()[0]
    assert second != address


async def test_a_wallet_is_never_replaced(desk: Desk) -> None:
    name = WITH[0]
    await made(desk, name)
    rows = desk.rows()
    again = await desk.crossbook("wallet", "create", "a", *reversed(WITH))
    assert "has a wallet at" in again.output
    theirs = dict(discover()[name].simulator(1).open_account({"balance": "1"}, 1_790_000_000_000))
    over = await desk.crossbook("venue", "set", "a", name, "--stdin", "--unchecked", given=theirs)
    assert "is in the vault already" in over.output
    assert desk.rows() == rows


async def test_the_key_is_written_only_for_whoever_knows_the_address(desk: Desk) -> None:
    name = WITH[0]
    await made(desk, name)
    target = desk.folder / "wallet"
    refused = await desk.crossbook("wallet", "export", "a", name, "--to", str(target), given="0x0\n")
    assert "nothing was written" in refused.output
    assert not target.exists()


@pytest.mark.parametrize("name", WITHOUT)
async def test_a_venue_without_wallets_is_refused(desk: Desk, name: str) -> None:
    await desk.crossbook("master", "init")
    desk.tree["accounts"] = {"a": {"venues": [name]}}
    assert f"{name} has no wallets" in (await desk.crossbook("wallet", "create", "a", name)).output
    assert desk.rows() == []


async def test_what_was_done_is_on_the_trail_and_what_was_refused_is_not(desk: Desk, tmp_path: Path) -> None:
    address = await made(desk, WITH[0])
    await desk.crossbook("wallet", "create", "a", WITH[0])
    await desk.crossbook("api", "create", "partner", "--account", "a", "--scope", "read")
    await desk.crossbook("api", "revoke", "nobody")
    await desk.crossbook("api", "revoke", "partner")
    await desk.crossbook("venue", "remove", "a", WITH[0], "--yes")
    with closing(administer(tmp_path / "crossbook-data")) as connection:
        rows = connection.execute("SELECT number, body, hash FROM trail ORDER BY number").fetchall()
    read = trail.check(rows)
    assert read.broken is None
    assert [(change.what, change.subject, change.value) for change in read.changes] == [
        ("vault_made", "vault", ""),
        ("wallet_made", "account:a", address),
        ("key_made", "key:partner", "read; accounts a"),
        ("key_revoked", "key:partner", ""),
        ("credentials_removed", f"account:a venue:{WITH[0]}", ""),
    ]


@given(st.integers(min_value=1, max_value=2**255))
def test_an_address_is_the_end_of_the_hash_of_the_public_key(number: int) -> None:
    key = f"{number:064x}"
    point = PrivateKey(bytes.fromhex(key)).public_key.format(compressed=False)[1:]
    assert address_of(key).lower() == "0x" + keccak.new(digest_bits=256, data=point).hexdigest()[-40:]
