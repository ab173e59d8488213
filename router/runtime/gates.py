"""Accounts that take no orders until an operator has looked. What they have under way goes on.

A closed gate is a file in the store's directory that says why; it outlives a restart, and taking it away
opens the gate.
"""

import os
import threading
from pathlib import Path

import structlog

from router.core.model import AccountId
from router.runtime.metrics import Metrics
from router.runtime.store.sqlite_file import sync_directory

FOLDER = "closed"
"""Beside the store's file; one file per account."""
PREFIX = "account-"
"""An account may be called `..`."""
SUFFIX = ".txt"

log = structlog.get_logger(__name__)


class Gates:
    """Which accounts may trade. Without a directory nothing outlives the process."""

    def __init__(self, directory: Path | None, metrics: Metrics) -> None:
        self._folder = directory / FOLDER if directory is not None else None
        self._closed: dict[AccountId, str] = {}
        self._marked: set[AccountId] = set()
        """Accounts whose file was written: when it is gone, an operator took it away."""
        self._gauge = metrics.accounts_closed
        self._gauge.set(0)

    def read(self) -> None:
        """Close what was closed before a restart. OSError where the files cannot be read."""
        if self._folder is None or not self._folder.is_dir():
            return
        for path in sorted(self._folder.glob(f"{PREFIX}*{SUFFIX}")):
            account = AccountId(path.name[len(PREFIX) : -len(SUFFIX)])
            self._closed[account] = path.read_text(errors="replace").strip()
            self._marked.add(account)
            log.error("gate.closed", account=account, why=self._closed[account], file=str(path))
        self._gauge.set(len(self._closed))

    def close(self, account: AccountId, why: str) -> None:
        """Take no more orders of this account. The first reason stays."""
        if self.why_closed(account) is not None:
            return
        self._closed[account] = why
        self._gauge.set(len(self._closed))
        log.error("gate.closed", account=account, why=why, file=str(self._path(account) or ""))
        if self._folder is not None:  # a disk that hangs must not keep the loop
            threading.Thread(target=self._mark, args=(account, why), name="gate-writer", daemon=True).start()

    def why_closed(self, account: AccountId) -> str | None:
        """Why the account takes no orders, or None. Notices that an operator took the file away."""
        if account not in self._closed:
            return None
        path = self._path(account)
        taken_away = path is not None and path.parent.is_dir() and not path.exists()
        if taken_away and account in self._marked:  # without its folder the disk is gone, not the reason
            del self._closed[account]
            self._marked.discard(account)
            self._gauge.set(len(self._closed))
            log.warning("gate.opened", account=account)
        return self._closed.get(account)

    def _path(self, account: AccountId) -> Path | None:
        return self._folder / f"{PREFIX}{account}{SUFFIX}" if self._folder is not None else None

    def _mark(self, account: AccountId, why: str) -> None:
        path = self._path(account)
        assert path is not None
        failure: OSError | None = None
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with path.open("w") as file:
                file.write(f"{why}\n")
                file.flush()
                os.fsync(file.fileno())
            for folder in (path.parent, path.parent.parent):
                sync_directory(folder)
        except OSError as error:
            failure = error
        if failure is None:
            self._marked.add(account)
        else:
            log.error("gate.not_recorded", account=account, reason=str(failure))
