"""`crossbook keys venue …` and `crossbook keys master …`: what is in the vault, and what opens it."""

import asyncio
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from router.assembly import hosts_of
from router.cli.beside import DEFAULT, ConfigFile, answered, database, noted, redactor, told
from router.config import ConfigError, load, secrets_of
from router.core.model import AccountId
from router.runtime.clock import SystemClock
from router.runtime.metrics import Metrics
from router.runtime.transport import Transport
from router.runtime.vault import table
from router.runtime.vault.master import anchored, new_master_key, opener, write
from router.runtime.vault.vault import Vault, begin
from router.runtime.vault.wrap import VaultRefused
from router.sections import Config
from venues import discover
from venues.base.contract import Secret, Signer, Venue
from venues.base.http import Unavailable

CHECK_MS_MAX = 5_000
"""Longest wait for the venue's answer to new keys."""
STDIN_BYTES_MAX = 64 * 1024

venue_app = typer.Typer(help="Venues' credentials, sealed in the database.", no_args_is_help=True)
master_app = typer.Typer(help="The master key that opens the vault.", no_args_is_help=True)

AccountName = Annotated[str, typer.Argument(metavar="ACCOUNT")]
VenueName = Annotated[str, typer.Argument(metavar="VENUE")]
FromStdin = Annotated[bool, typer.Option("--stdin", help="Read a JSON object of names and texts.")]
Unchecked = Annotated[bool, typer.Option("--unchecked", help="Do not ask the venue whether they work.")]


class Place(msgspec.Struct, frozen=True):
    """What a command is about."""

    config: Config
    account: AccountId
    venue: Venue

    @property
    def key(self) -> tuple[AccountId, str]:
        """As the vault names it."""
        return self.account, self.venue.name

    @property
    def subject(self) -> str:
        """As the trail names it."""
        return subject(self.account, self.venue.name)


def subject(account: str, venue: str) -> str:
    """An account at a venue, as the trail names it."""
    return f"account:{account} venue:{venue}"


@venue_app.command("set")
def set_credentials(
    account: AccountName,
    venue: VenueName,
    stdin: FromStdin = False,
    from_settings: Annotated[
        bool, typer.Option("--from-settings", help="Take those that the settings name.")
    ] = False,
    unchecked: Unchecked = False,
    config: ConfigFile = DEFAULT,
) -> None:
    """Put an account's credentials at a venue into the vault, once the venue has taken them."""
    with told(), vault_of(load(config, discover())) as (connection, vault, settings):
        place = place_of(settings, account, venue)
        row = table.latest(connection).get(place.key)
        there = vault.names(row) if row else frozenset()
        missing = [secret for secret in place.venue.secrets if secret.name not in there]
        if row and not any(secret.required for secret in missing):
            raise VaultRefused(f"{account} has credentials at {venue} already: crossbook keys venue rotate")
        if from_settings:
            given = secrets_of(place.account, venue, settings)
        else:
            given = _read_stdin() if stdin else _asked(missing)
        if twice := sorted(given.keys() & there):
            raise VaultRefused(f"{twice[0]} of {account} at {venue} is in the vault already")
        _keep(connection, vault, place, given=given, unchecked=unchecked)


@venue_app.command("rotate")
def rotate_credentials(
    account: AccountName,
    venue: VenueName,
    stdin: FromStdin = False,
    unchecked: Unchecked = False,
    config: ConfigFile = DEFAULT,
) -> None:
    """Replace an account's API keys at a venue, once the venue has taken the new ones, while orders go on."""
    with told(), vault_of(load(config, discover())) as (connection, vault, settings):
        place = place_of(settings, account, venue)
        if place.key not in table.latest(connection):
            raise VaultRefused(f"{account} has no credentials at {venue} in the vault")
        rotating = [secret for secret in place.venue.secrets if secret.rotates]
        given = _read_stdin() if stdin else _asked(rotating)
        if not given:
            names = ", ".join(secret.name for secret in rotating)
            raise VaultRefused(f"nothing was given, nothing was changed: {names} can be rotated")
        if fixed := sorted(given.keys() - {secret.name for secret in rotating}):
            raise VaultRefused(
                f"{fixed[0]} says who the account is at {venue}: with another one its open orders would be "
                "looked up at somebody else. End them, stop the router, and use `remove` and `set`"
            )
        _keep(connection, vault, place, given=given, unchecked=unchecked)
    typer.echo(f"revoke the older ones at {venue} when a minute has passed; back: crossbook keys venue undo")


@venue_app.command()
def undo(account: AccountName, venue: VenueName, config: ConfigFile = DEFAULT) -> None:
    """Put the version before the newest in force again, which is forgotten."""
    with told(), database(load(config, discover())) as connection:
        place = subject(account, venue)
        with noted(connection, "credentials_undone", place):
            table.drop_latest(connection, account, venue)
    typer.echo("a running router uses the older ones within a second")


@venue_app.command("forget")
def forget_older(account: AccountName, venue: VenueName, config: ConfigFile = DEFAULT) -> None:
    """Take older versions out of the vault, once they are revoked at the venue."""
    with told(), database(load(config, discover())) as connection:
        row = table.latest(connection).get((AccountId(account), venue))
        with noted(connection, "credentials_forgotten", subject(account, venue)):
            count = table.drop_credentials(connection, account, venue, before=row.version) if row else 0
    typer.echo(f"{count} older versions forgotten")


@venue_app.command("list")
def list_credentials(config: ConfigFile = DEFAULT) -> None:
    """Show what is in the vault: whose, where, which versions, never what."""
    with told():
        settings = load(config, discover())
        with database(settings) as connection:
            rows = table.credentials(connection)
    shown = Table("account", "venue", "version", "made", "older versions", "in use")
    for place, versions in groupby(rows, key=lambda row: row.place):
        *older, last = versions
        accounts = settings.accounts.get(place[0])
        used = accounts is not None and place[1] in accounts.venues and place[1] not in accounts.credentials
        made = datetime.fromtimestamp(last.created_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        before = " ".join(str(row.version) for row in older)
        shown.add_row(*place, str(last.version), made, before, "yes" if used else "no")
    Console().print(shown)


@venue_app.command()
def remove(
    account: AccountName,
    venue: VenueName,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigFile = DEFAULT,
) -> None:
    """Take all versions of an account's credentials at a venue out of the vault, for good."""
    with told():
        settings = load(config, discover())
        if not yes:
            with answered("--yes does not ask"):
                typer.confirm(
                    f"Forget the credentials of {account} at {venue}? Nobody can bring them back", abort=True
                )
        with (
            database(settings) as connection,
            noted(connection, "credentials_removed", subject(account, venue)),
        ):
            if not table.drop_credentials(connection, account, venue):
                raise VaultRefused(f"{account} has no credentials at {venue} in the vault")
    typer.echo(f"removed; a running router has them until it ends: revoke them at {venue} as well")


# --- the master key ---


@master_app.command("new")
def new() -> None:
    """Print a fresh master key, for the environment or for systemd-creds. It is kept nowhere."""
    typer.echo(new_master_key())


@master_app.command()
def init(config: ConfigFile = DEFAULT) -> None:
    """Make a vault. A key file that the settings name and that is not there is made as well."""
    with told():
        settings = load(config, discover())
        source = _source(settings)
        path = Path(source.removeprefix("file:"))
        with database(settings) as connection:
            if known := table.masters(connection):
                raise VaultRefused(f"there is a vault already, of master key {known[-1].master_id}")
            if source.startswith("file:") and not path.exists():
                write(path, new_master_key())
                typer.echo(f"made {path}: keep a copy where no backup of the database is")
            writing = partial(noted, connection, "vault_made", "vault")
            master = begin(connection, opener(source), SystemClock().now_ms(), writing=writing)
    typer.echo(f"the vault is made; its master key is {master.master_id}")


@master_app.command("list")
def list_masters(config: ConfigFile = DEFAULT) -> None:
    """Show which master keys open the vault, and how many accounts each."""
    with told(), database(load(config, discover())) as connection:
        rows, keys = table.masters(connection), table.data_keys(connection)
        if not rows:
            raise VaultRefused("there is no vault yet: crossbook keys master init")
    for row in rows:
        opened = sum(key.master_id == row.master_id for key in keys)
        typer.echo(f"{row.master_id}  opens {opened} accounts")


@master_app.command()
def rotate(
    to: Annotated[str, typer.Option("--to", help="The new one: file:PATH, env:NAME, …")],
    config: ConfigFile = DEFAULT,
) -> None:
    """Let a new master key open the vault beside the old one. Nothing that runs is disturbed."""
    with told(), vault_of(load(config, discover())) as (connection, vault, _):
        to = anchored(to, config.resolve().parent)
        path = Path(to.removeprefix("file:"))
        if to.startswith("file:") and not path.exists():
            write(path, new_master_key())
            typer.echo(f"made {path}")
        writing = partial(noted, connection, "master_added", "vault")
        master_id, count = vault.rewrap(opener(to), SystemClock().now_ms(), writing=writing)
    typer.echo(
        f"{master_id} opens {count} more accounts. Now name {to!r} in vault.master, restart every router in "
        f"its time, and then: crossbook keys master retire {vault.master_id}"
    )


@master_app.command()
def retire(master_id: str, config: ConfigFile = DEFAULT) -> None:
    """Let an old master key open the vault no more."""
    with told(), vault_of(load(config, discover())) as (connection, vault, _):
        what = f"vault:{master_id}"
        with noted(connection, "master_retired", what):
            vault.retire(master_id)
    typer.echo(f"{master_id} opens nothing any more, but for backups made before")


# --- parts ---


@contextmanager
def vault_of(config: Config) -> Iterator[tuple[sqlite3.Connection, Vault, Config]]:
    """The vault of these settings, open."""
    with database(config) as connection:
        yield connection, Vault(connection, opener(_source(config)), redactor), config


def _source(config: Config) -> str:
    if config.vault is None:
        raise ConfigError('the settings have no vault: add [vault] and master = "file:PATH" (docs/keys.md)')
    return config.vault.master


def place_of(config: Config, account: str, venue: str) -> Place:
    """An account of the settings at a venue that there is. ConfigError names what there is not."""
    venues = discover()
    if account not in config.accounts:
        raise ConfigError(f"no account is called {account!r}: add accounts.{account} to the settings first")
    if venue not in venues:
        raise ConfigError(f"no such venue: {venue!r}; known are {', '.join(sorted(venues))}")
    return Place(config, AccountId(account), venues[venue])


def _keep(
    connection: sqlite3.Connection, vault: Vault, place: Place, *, given: Mapping[str, str], unchecked: bool
) -> None:
    """Seal them, try them with a read, and only then let them count."""
    draft = vault.draft(place.key, place.venue, given, SystemClock().now_ms())
    if not unchecked:
        asyncio.run(_check(place, draft.signer))
    with noted(connection, "credentials_kept", place.subject, f"version {draft.row.version}"):
        vault.keep(draft)
    typer.echo(f"{place.account} at {place.venue.name}: version {draft.row.version} is in the vault")
    settings = place.config.accounts[place.account]
    if place.venue.name in settings.credentials:
        typer.echo(
            f"the settings name others, which come first: take accounts.{place.account}.credentials out"
        )


async def _check(place: Place, signer: Signer) -> None:
    """Read the balance with the new keys. VaultRefused when the venue does not answer with one."""
    transport = Transport(SystemClock(), Metrics(), hosts=hosts_of(place.config, discover()))
    await transport.start()
    try:
        talk = place.venue.orders.funds(signer)
        funds = await transport.perform(place.venue, talk, signer=signer, deadline_ms=CHECK_MS_MAX)
    finally:
        await transport.close()
    if isinstance(funds, Unavailable):
        raise VaultRefused(f"{place.venue.name} does not take them, nothing was changed: {funds.reason}")


def _asked(secrets: list[Secret]) -> dict[str, str]:
    """What a person types, unseen where it is secret; `@` and a path reads a file."""
    typer.echo("An answer that begins with @ names a file to read. Optional ones may stay empty.", err=True)
    given: dict[str, str] = {}
    for secret in secrets:
        typer.echo(f"  {secret.name}: {secret.where}", err=True)
        default = None if secret.required else ""
        with answered("--stdin reads a JSON object of names and texts"):
            text: str = typer.prompt(
                secret.name, hide_input=secret.secret, default=default, show_default=False, err=True
            )
        if text.startswith("@"):
            text = Path(text[1:]).expanduser().read_text().strip()
        if text:
            given[secret.name] = text
    return given


def _read_stdin() -> dict[str, str]:
    raw = sys.stdin.buffer.read(STDIN_BYTES_MAX + 1)
    try:
        if len(raw) <= STDIN_BYTES_MAX:
            return msgspec.json.decode(raw, type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    raise ConfigError(f"standard input: a JSON object of texts is needed, at most {STDIN_BYTES_MAX} bytes")
