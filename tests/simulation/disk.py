"""A disk that takes its time: appends wait for a commit, a commit may fail, and a crash cuts it short."""

import asyncio
import random
from collections.abc import Callable

from router.core.model import AccountId, Key
from router.core.records import Keyed, Record, StoredRoute
from router.runtime.store.protocol import RecordRefused, StoreDown
from tests.memory_store import MemoryStore

COMMIT_MS_MAX = 20
READ_MS_MAX = 5

Wrong = Callable[[], str]
"""What goes wrong with a commit: "", "down" (nothing of it is written) or "unsure" (it is, but seems not)."""


class Session(MemoryStore):
    """One router's hold of the disk: group commit in virtual time. What is durable outlives it."""

    def __init__(
        self, platter: MemoryStore, luck: random.Random, *, wrong: Wrong, on_line: Callable[[bytes], None]
    ) -> None:
        """`on_line` is told of every record that has become durable."""
        super().__init__()
        vars(self).update(vars(platter))  # the same lists and tables: the store of all sessions
        self._luck, self._wrong, self._on_line = luck, wrong, on_line
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[tuple[Record, ...], asyncio.Future[None]]] = []
        self._committing: asyncio.Task[None] | None = None
        self._dead = False

    async def append(self, *records: Record) -> None:
        """See `Store`."""
        assert not self._dead, "a dead router writes"
        done = self._loop.create_future()
        self._waiting.append((records, done))
        if self._committing is None:
            self._committing = self._loop.create_task(self._commit())
        await done

    async def _commit(self) -> None:
        """Whoever came while the disk worked shares the next commit."""
        while self._waiting:
            await self._pause(COMMIT_MS_MAX)
            batch, self._waiting = self._waiting, []
            wrong = self._wrong()
            for records, done in batch:
                outcome = await self._written(records, wrong)
                if done.done():
                    continue
                if outcome is None:
                    done.set_result(None)
                else:
                    done.set_exception(outcome)
        self._committing = None

    async def _written(self, records: tuple[Record, ...], wrong: str) -> Exception | None:
        if wrong == "down":
            return StoreDown("the disk is full")
        before = len(self.lines)
        try:
            await super().append(*records)
        except RecordRefused as refused:
            return refused
        for line in self.lines[before:]:
            self._on_line(line)
        return StoreDown("the disk does not answer") if wrong else None

    async def crash(self) -> None:
        """The process is gone. Of what it had handed over the disk keeps the first part, up to any point."""
        self._dead = True
        if self._committing is not None:
            self._committing.cancel()
        for records, _ in self._waiting[: self._luck.randrange(len(self._waiting) + 1)]:
            await self._written(records, "")
        self._waiting.clear()

    async def _pause(self, ms_max: int) -> None:
        await asyncio.sleep(self._luck.randrange(ms_max) / 1000)

    # --- reading takes its time as well ---

    async def unfinished(self) -> list[StoredRoute]:
        """See `Store`."""
        await self._pause(READ_MS_MAX)
        return await super().unfinished()

    async def keyed(self, account_id: AccountId, key: Key) -> Keyed | None:
        """See `Store`."""
        await self._pause(READ_MS_MAX)
        return await super().keyed(account_id, key)
