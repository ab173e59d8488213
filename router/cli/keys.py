"""`crossbook keys …`: API keys that are made and revoked while a router runs, and the vault."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from router.cli import vault, wallet
from router.cli.beside import DEFAULT, ConfigFile, database, noted, told
from router.config import NAME, ConfigError, load
from router.core.model import AccountId
from router.runtime.clock import SystemClock
from router.runtime.keys import USUAL_SCOPES, ApiKey, KeyId, Scope, digest, networks, new_key
from router.runtime.store import api_keys
from router.runtime.store.api_keys import StoredKey
from router.sections import Config
from venues import discover

app = typer.Typer(
    help="API keys of partners, venues' credentials, and what seals them.", no_args_is_help=True
)
api = typer.Typer(help="API keys of partners, kept in the database.", no_args_is_help=True)
app.add_typer(api, name="api")
app.add_typer(vault.venue_app, name="venue")
app.add_typer(vault.master_app, name="master")
app.add_typer(wallet.app, name="wallet")


@api.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is called in lists and logs.")],
    accounts: Annotated[list[str] | None, typer.Option("--account", help="It owns this one. Repeat.")] = None,
    scopes: Annotated[
        list[Scope] | None, typer.Option("--scope", help="It may do this. Repeat. [read trade cancel]")
    ] = None,
    expires: Annotated[str | None, typer.Option(help="When it ends: 2027-01-01T00:00:00Z.")] = None,
    addresses: Annotated[
        list[str] | None, typer.Option("--address", help="Its callers are there: CIDR. Repeat. [anywhere]")
    ] = None,
    config: ConfigFile = DEFAULT,
) -> None:
    """Make an API key and print it, this once. A running router takes it within a second."""
    text = new_key()
    with told():
        settings = load(config, discover())
        key = ApiKey(
            name=KeyId(name),
            sha256=digest(text),
            accounts=frozenset(map(AccountId, accounts or ())),
            scopes=frozenset(scopes or USUAL_SCOPES),
            expires_ms=_expiry(expires) if expires else None,
            networks=networks(addresses or ()),
        )
        _check(key, settings)
        with database(settings) as connection, noted(connection, "key_made", f"key:{name}", _terms(key)):
            api_keys.create(connection, key, SystemClock().now_ms())
    typer.echo(text)
    typer.echo("This is the only time it is shown: the database keeps its hash.", err=True)


@api.command(name="list")
def list_keys(config: ConfigFile = DEFAULT) -> None:
    """Show every key: what it may do, when it was used last. No key can be shown again."""
    with told():
        settings = load(config, discover())
        with database(settings) as connection:
            stored = api_keys.listed(connection)
    table = Table("name", "state", "accounts", "scopes", "addresses", "made", "expires", "last used")
    now_ms = SystemClock().now_ms()
    for each in stored:
        key = each.key
        table.add_row(
            *(key.name, _state(each, now_ms), " ".join(sorted(key.accounts))),
            *(" ".join(scope.value for scope in Scope if scope in key.scopes),),
            *(" ".join(map(str, key.networks)) or "any", _moment(each.created_ms)),
            *(_moment(key.expires_ms), _moment(each.last_used_ms)),
        )
    Console().print(table)
    if settings.keys:
        typer.echo(f"and {len(settings.keys)} in the settings: {', '.join(sorted(settings.keys))}")


@api.command()
def revoke(name: str, config: ConfigFile = DEFAULT) -> None:
    """Put a key out of force for good. A running router refuses it within a second."""
    with told():
        settings = load(config, discover())
        if name in settings.keys:
            raise ConfigError(
                f"{name} is a key of the settings: take keys.{name} out of {config} and restart"
            )
        with database(settings) as connection, noted(connection, "key_revoked", f"key:{name}"):
            api_keys.revoke(connection, name, SystemClock().now_ms())
    typer.echo(f"revoked {name}")


def _check(key: ApiKey, settings: Config) -> None:
    if not NAME.fullmatch(key.name):
        raise ConfigError(f"{key.name!r}: a name is 1 to 64 of the characters A-Z a-z 0-9 _ . -")
    if key.name in settings.keys:
        raise ConfigError(f"{key.name} is the name of a key in the settings")
    for account in sorted(key.accounts):
        if account not in settings.accounts:
            raise ConfigError(f"--account: no account is called {account!r}")
    if not key.accounts and key.scopes != {Scope.ADMIN}:
        raise ConfigError("--account: a key that is not for admin alone owns at least one account")


def _terms(key: ApiKey) -> str:
    scopes = " ".join(scope.value for scope in Scope if scope in key.scopes)
    return f"{scopes}; accounts {' '.join(sorted(key.accounts)) or 'none'}"


def _expiry(text: str) -> int:
    try:
        end = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--expires: not a date and time like 2027-01-01T00:00:00Z: {text!r}") from None
    if end.tzinfo is None:
        raise ConfigError("--expires: a time zone is needed: end it with Z")
    if end <= datetime.now(UTC):
        raise ConfigError("--expires: that time is over")
    return int(end.timestamp() * 1000)


def _state(stored: StoredKey, now_ms: int) -> str:
    if stored.revoked_ms is not None:
        return "revoked"
    end_ms = stored.key.expires_ms
    return "expired" if end_ms is not None and end_ms <= now_ms else "in force"


def _moment(time_ms: int | None) -> str:
    if time_ms is None:
        return "never"
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
