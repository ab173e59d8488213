"""`crossbook keys wallet …`: wallets whose private keys are made in the vault and stay there."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from coincurve import PrivateKey

from router.cli.beside import DEFAULT, ConfigFile, answered, noted, told
from router.cli.vault import AccountName, Place, VenueName, place_of, vault_of
from router.config import load
from router.core.model import AccountId
from router.runtime.clock import SystemClock
from router.runtime.vault import table
from router.runtime.vault.master import write
from router.runtime.vault.table import Row
from router.runtime.vault.wrap import VaultRefused
from venues import discover
from venues.base.contract import Venue
from venues.kit.eip712 import Key, checksummed

app = typer.Typer(help="Wallets that the router keeps for an account.", no_args_is_help=True)


@app.command()
def create(
    account: AccountName,
    venues: Annotated[list[str], typer.Argument(metavar="VENUE...", help="Each gets the same wallet.")],
    config: ConfigFile = DEFAULT,
) -> None:
    """Make a wallet for an account, keep its key in the vault, and show its address."""
    with told(), vault_of(load(config, discover())) as (connection, vault, settings):
        rows = table.latest(connection)
        places = [place_of(settings, account, venue) for venue in dict.fromkeys(venues)]
        for place in places:
            row, name = rows.get(place.key), wallet_of(place.venue)
            if row is not None and name in vault.names(row):
                raise VaultRefused(f"{account} has a wallet at {place.venue.name} already: nothing was made")
        key = PrivateKey().to_hex()
        at_ms = SystemClock().now_ms()
        parts = {place.key: {wallet_of(place.venue): key} for place in places}
        writing = partial(noted, connection, "wallet_made", f"account:{account}", address_of(key))
        vault.keep_parts(parts, at_ms, writing=writing)
        typer.echo(address_of(key))
    for place in places:
        name = place.venue.name
        typer.echo(f"for what {name} gives this wallet: crossbook keys venue set {account} {name}", err=True)


@app.command()
def show(account: AccountName, venue: VenueName, config: ConfigFile = DEFAULT) -> None:
    """Show the address of an account's wallet at a venue."""
    with told(), vault_of(load(config, discover())) as (connection, vault, settings):
        place, row = _kept(place_of(settings, account, venue), table.latest(connection))
        typer.echo(address_of(vault.reveal(row, wallet_of(place.venue))))


@app.command()
def export(
    account: AccountName,
    venue: VenueName,
    to: Annotated[Path, typer.Option("--to", help="A new file that only you may read.")],
    config: ConfigFile = DEFAULT,
) -> None:
    """Write a wallet's private key into a file for its owner. Whoever reads it owns the money."""
    with told(), vault_of(load(config, discover())) as (connection, vault, settings):
        place, row = _kept(place_of(settings, account, venue), table.latest(connection))
        key = vault.reveal(row, wallet_of(place.venue))
        address = address_of(key)
        question = f"The key of {address} will lie open in {to}. Type the address to go on"
        with answered("a person types the address there"):
            typed: str = typer.prompt(question)
        if typed != address:
            raise VaultRefused("that is another address: nothing was written")
        with noted(connection, "wallet_exported", place.subject, address):
            write(to, key)
    typer.echo(f"written to {to}")


def _kept(place: Place, rows: Mapping[tuple[AccountId, str], Row]) -> tuple[Place, Row]:
    if place.key not in rows:
        raise VaultRefused(f"{place.account} has nothing at {place.venue.name} in the vault")
    return place, rows[place.key]


def wallet_of(venue: Venue) -> str:
    """The name of the secret that is a wallet. VaultRefused where the venue knows none."""
    for secret in venue.secrets:
        if secret.wallet:
            return secret.name
    raise VaultRefused(f"{venue.name} has no wallets: its keys are made there")


def address_of(key: str) -> str:
    """The address of a wallet's private key."""
    return checksummed(Key(key).address)
