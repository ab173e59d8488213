"""The settings file: TOML to values, with errors that name file, key and rule."""

import os
import re
import stat
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import msgspec

from router.core.model import AccountId
from router.runtime import wording
from router.runtime.addresses import only_this_machine
from router.runtime.keys import KEYS_MAX, configured
from router.runtime.vault import master
from router.sections import (
    AccountConfig,
    Config,
    KeyConfig,
    SecretSource,
    ServerConfig,
    VaultConfig,
    VenueConfig,
)

FILE_BYTES_MAX = 4 * 1024 * 1024
"""A settings file larger than this is a mistake."""

NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""What accounts and keys may be called."""


class ConfigError(Exception):
    """The settings cannot be used. The message names file, key and rule, one problem a line."""


def load(path: Path, known_venues: Collection[str]) -> Config:
    """Read and check a settings file. ConfigError names every problem found."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    if len(raw) > FILE_BYTES_MAX:
        raise ConfigError(f"{path}: larger than {FILE_BYTES_MAX} bytes")
    try:
        tree = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    config = parse(tree, str(path), known_venues)
    if _holds_secrets(config) and path.stat().st_mode & stat.S_IROTH:
        raise ConfigError(f"{path}: holds secrets and everybody may read it: chmod o-r, or use env or file")
    return _anchored(config, path.resolve().parent)


def _holds_secrets(config: Config) -> bool:
    return any(
        isinstance(value, str)
        for account in config.accounts.values()
        for secrets in account.credentials.values()
        for value in secrets.values()
    )


def _anchored(config: Config, folder: Path) -> Config:
    """Relative paths are beside the settings file: started elsewhere, it must not find an empty store."""
    change = msgspec.structs.replace
    accounts = {
        name: change(
            account,
            credentials={
                venue: {
                    key: change(source, file=str(folder / source.file))
                    if isinstance(source, SecretSource) and source.file
                    else source
                    for key, source in secrets.items()
                }
                for venue, secrets in account.credentials.items()
            },
        )
        for name, account in config.accounts.items()
    }
    server = change(
        config.server,
        tls_certificate=_beside(folder, config.server.tls_certificate),
        tls_key=_beside(folder, config.server.tls_key),
    )
    return change(
        config,
        accounts=accounts,
        server=server,
        vault=config.vault and change(config.vault, master=master.anchored(config.vault.master, folder)),
        registry=change(config.registry, file=str(folder / config.registry.file)),
        store=change(config.store, directory=str(folder / config.store.directory)),
        controls=change(
            config.controls,
            halt_file=str(folder / config.controls.halt_file) if config.controls.halt_file else None,
        ),
    )


def _beside(folder: Path, file: str | None) -> str | None:
    return None if file is None else str(folder / file)


def parse(tree: Mapping[str, object], source: str, known_venues: Collection[str]) -> Config:
    """Check a settings tree; `source` is named in errors."""
    problems = list(_misshapen(tree))
    if not problems:
        try:
            config = msgspec.convert(tree, Config)
        except msgspec.ValidationError as error:
            problems = [_in_words(error, Config)]
        else:
            problems = _problems(config, set(known_venues))
    if problems:
        raise ConfigError("\n".join(f"{source}: {problem}" for problem in problems))
    return config


def _misshapen(tree: Mapping[str, object]) -> Iterator[str]:
    """The first mistake of each table. Where a table's keys are names msgspec does not tell which name."""
    for field in msgspec.structs.fields(Config):
        if field.name in tree and field.name not in ("accounts", "keys", "venues"):
            yield from _wrong(tree[field.name], field.type, field.name)
    for table, kind in (("accounts", AccountConfig), ("keys", KeyConfig), ("venues", VenueConfig)):
        for name, entry in _items(tree.get(table)):
            at = f"{table}.{name}"
            if not NAME.fullmatch(name):
                yield f"{at}: a name is 1 to 64 of the characters A-Z a-z 0-9 _ . -"
            inner = [
                problem
                for venue, secrets in _items(_get(entry, "credentials"))
                for secret, value in _items(secrets)
                for problem in _wrong(value, str | SecretSource, f"{at}.credentials.{venue}.{secret}")
            ]
            yield from inner or _wrong(entry, kind, at)


def _get(table: object, key: str) -> object:
    return table.get(key) if isinstance(table, Mapping) else None


def _items(table: object) -> list[tuple[str, object]]:
    return list(table.items()) if isinstance(table, Mapping) else []


def _wrong(value: object, kind: object, at: str) -> list[str]:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return [_in_words(error, kind, at)]
    return []


def _problems(config: Config, known: set[str]) -> list[str]:
    found = [
        f"venues.{name}: no such venue; known are {_words(known)}"
        for name in config.venues
        if name not in known
    ]
    found += _server_problems(config.server)
    for name, venue in config.venues.items():
        if venue.data_account is not None and venue.data_account not in config.accounts:
            found.append(f"venues.{name}.data_account: no account is called {venue.data_account!r}")
    for name, account in config.accounts.items():
        at = f"accounts.{name}"
        found += [
            f"{at}.venues: no such venue: {v!r}; known are {_words(known)}"
            for v in account.venues
            if v not in known
        ]
        found += [
            f"{at}.credentials.{venue}: the account does not list this venue under `venues`"
            for venue in account.credentials
            if venue not in account.venues
        ]
        found += [
            f"{at}.credentials.{venue}: missing; the account lists this venue under `venues`"
            for venue in account.venues
            if venue in known and venue not in account.credentials and config.vault is None
        ]
        found += [
            f"{at}.controls.venues.{venue}: the account does not list this venue under `venues`"
            for venue in account.controls.venues
            if venue not in account.venues
        ]
    return found + _vault_problems(config.vault) + _key_problems(config)


def _vault_problems(vault: VaultConfig | None) -> list[str]:
    try:
        if vault is not None:
            master.check(vault.master)
    except ValueError as error:
        return [f"vault.master: {error}"]
    return []


def _key_problems(config: Config) -> list[str]:
    found: list[str] = []
    for name, key in config.keys.items():
        found += [
            f"keys.{name}.accounts: no account is called {a!r}"
            for a in key.accounts
            if a not in config.accounts
        ]
        try:
            configured(name, key)
        except ValueError as error:
            found.append(str(error))
    if len(config.keys) > KEYS_MAX:
        found.append(f"keys: at most {KEYS_MAX} are supported, not {len(config.keys)}")
    owners: dict[str, str] = {}
    for name, key in config.keys.items():
        if owners.setdefault(key.sha256, name) != name:
            found.append(f"keys.{name}.sha256: the same key as keys.{owners[key.sha256]}")
    return found


def _server_problems(server: ServerConfig) -> list[str]:
    """A router with real credentials is not put on a network by half a sentence."""
    tls = (server.tls_certificate, server.tls_key)
    if any(tls) and not all(tls):
        return ["server.tls_certificate and server.tls_key: both are needed, or none"]
    if not any(tls) and not server.allow_plaintext and not only_this_machine(server.host):
        return [
            f"server.host: {server.host!r} can be reached from elsewhere and API keys would travel unsealed: "
            "set server.tls_certificate and server.tls_key, or server.allow_plaintext = true behind a proxy "
            "that does the TLS"
        ]
    return []


def _words(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _in_words(error: msgspec.ValidationError, kind: object, at: str = "") -> str:
    """The key first, as a person looks for it."""
    return wording.told(str(error), kind, at=at, whole="the file", table="a table")


def secrets_of(
    account: AccountId, venue: str, config: Config, environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """An account's credentials at one venue, read from where they are kept. ConfigError names the key."""
    found: dict[str, str] = {}
    for name, source in config.accounts[account].credentials.get(venue, {}).items():
        at = f"accounts.{account}.credentials.{venue}.{name}"
        found[name] = source if isinstance(source, str) else _secret(source, at, environment)
    return found


def _secret(source: SecretSource, at: str, environment: Mapping[str, str]) -> str:
    if source.env is not None and source.file is None:
        if source.env not in environment:
            raise ConfigError(f"{at}.env: the environment variable {source.env} is not set")
        return environment[source.env]
    if source.file is not None and source.env is None:
        try:
            return Path(source.file).read_text().strip()
        except OSError as error:
            raise ConfigError(f"{at}.file: {source.file} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError:
            raise ConfigError(f"{at}.file: {source.file} is not UTF-8 text") from None
    raise ConfigError(f"{at}: give exactly one of env and file")
