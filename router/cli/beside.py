"""What the commands that change keys share: the settings, the database beside a running router, errors."""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from router.config import ConfigError
from router.runtime import logs
from router.runtime.accounts import CredentialError
from router.runtime.store.beside import administer
from router.runtime.store.protocol import StoreFault
from router.sections import Config

EXPECTED = (ConfigError, CredentialError, StoreFault, OSError, ValueError)
"""What a user can mend: shown as one line."""

ConfigFile = Annotated[Path, typer.Option("--config", help="The settings file (TOML).")]
redactor = logs.Redactor()
"""Knows what these commands take out of the vault or put into it; every log line passes it."""
DEFAULT = Path("crossbook.toml")


@contextmanager
def told() -> Iterator[None]:
    """What a user can mend ends the command with one line."""
    logs.configure(redactor, level="error")
    try:
        yield
    except EXPECTED as error:
        sys.exit(f"crossbook: {error}")


@contextmanager
def database(config: Config) -> Iterator[sqlite3.Connection]:
    """The store of these settings, also while a router runs on it."""
    with closing(administer(Path(config.store.directory))) as connection:
        yield connection
