"""What the commands that change keys share: the settings, the database beside a running router, errors."""

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from router.config import ConfigError
from router.core.trail import Change
from router.runtime import logs
from router.runtime.accounts import CredentialError
from router.runtime.clock import SystemClock
from router.runtime.store.beside import administer, recorded
from router.runtime.store.protocol import StoreFault
from router.sections import Config

EXPECTED = (ConfigError, CredentialError, StoreFault, OSError, ValueError, sqlite3.Error)
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
def answered(otherwise: str) -> Iterator[None]:
    """A question that nobody is there to answer is no bare "Aborted": ConfigError says what to do instead."""
    try:
        yield
    except typer.Abort as error:
        if not isinstance(error.__context__, EOFError):
            raise
        raise ConfigError(f"standard input ended before an answer; {otherwise}") from error


@contextmanager
def noted(connection: sqlite3.Connection, what: str, subject: str, value: str = "") -> Iterator[None]:
    """A change that is made and put on the trail, or neither."""
    at_ms, by = SystemClock().now_ms(), f"command of user {os.getuid()}"
    with recorded(connection, Change(at_ms=at_ms, by=by, what=what, subject=subject, value=value)):
        yield


@contextmanager
def database(config: Config) -> Iterator[sqlite3.Connection]:
    """The store of these settings, also while a router runs on it."""
    with closing(administer(Path(config.store.directory))) as connection:
        yield connection
