"""The kill switch: halts by command, signal and file, in force at once, on the trail, and over restarts.

What halts is in force in the moment it is heard of, and written down after that. What resumes is written down
before it is in force. Nothing here waits for a venue.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path

import structlog

from registry.index import Registry
from registry.model import OutcomeId
from router.core.halts import (
    ALL,
    FILE_HALTED,
    FILE_RESUMED,
    HALTED,
    HALTS_MAX,
    RESUMED,
    Halts,
    Scope,
    scope_of,
)
from router.core.invariants import Alarm
from router.core.model import AccountId
from router.core.trail import WHY_LENGTH_MAX, Change, Trail
from router.runtime import halt_file
from router.runtime.clock import Clock
from router.runtime.metrics import Metrics
from router.runtime.store.protocol import Store, StoreDown
from router.runtime.tasks import steady
from venues.base.listing import Listing

WATCH_MS = 20
"""Between two looks at the halt file: one call of the system, a few microseconds."""
WRITE_AGAIN_MS = 1_000
OWED_MAX = 4_096
"""Changes that a failing store has not taken yet: more people do not halt in the time it is down."""

log = structlog.get_logger(__name__)


class TooManyHalts(Exception):
    """As many halts stand as there may be: halt all."""


class Switch:
    """What is halted now. `check` is asked before every order, and again before its bytes leave."""

    def __init__(self, store: Store, clock: Clock, metrics: Metrics, *, file: Path) -> None:
        self._store, self._clock, self._metrics, self._file = store, clock, metrics, file
        self._halts = Halts()
        self._owed: deque[tuple[Change, asyncio.Future[None]]] = deque()
        self._seen: halt_file.Seen = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._opened = self._looked = self._writing = False
        self.registry = Registry()
        """The one in force: it says which outcomes are traded on the same books."""
        self.on_halt: Callable[[Scope], None] = lambda _scope: None
        """Told of each halt, once it is in force."""
        metrics.halts.set_function(lambda: len(self._halts.standing))

    @property
    def halts(self) -> Halts:
        """For reading."""
        return self._halts

    def check(self, account: AccountId, outcome: OutcomeId, listing: Listing | None = None) -> None:
        """See `Halts.check`."""
        if self._halts.by_command or self._halts.by_file:
            self._halts.check(account, outcome, listing, registry=self.registry)

    # --- beginning and end ---

    def open(self, trail: Trail) -> None:
        """Take up what stood before, and look at the file. The store is open.

        A trail that is not what was written halts all: what it hides may have been a halt.
        """
        heard = list(self._halts.standing.values())
        self._halts = Halts() if trail.broken else Halts(trail.changes)
        for change in heard:  # before the store was open
            self._halts.apply(change)
        if trail.broken:
            self._take_up_what_can_be_read(trail)
        if trail.broken is not None:
            self._metrics.violations.labels(Alarm.TRAIL_BROKEN.value).inc()
            log.error("trail.broken", why=trail.broken)
            self._begin(HALTED, Scope(ALL), by="the check of the trail", why=trail.broken)
        self._opened = True
        self._look()
        for scope, change in self._halts.standing.items():
            log.warning("trading.halted", scope=str(scope), by=change.by, why=change.why, at_ms=change.at_ms)
        self._wake()

    def _take_up_what_can_be_read(self, trail: Trail) -> None:
        """Who resumes all after a look at the trail does not resume what else was halted."""
        for change in trail.changes:
            with suppress(ValueError):  # a subject that nobody here wrote
                self._halts.apply(change)

    def watch(self) -> None:
        """Look at the file again and again from now on."""
        self._keep(steady("halt file", self._watch, clock=self._clock, metrics=self._metrics))

    async def close(self) -> None:
        """Stop watching. What is owed to the store and was not taken is lost; the halts of it are logged."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- commands ---

    async def halt(self, scope: Scope, *, by: str, why: str) -> None:
        """In force when this begins, durable when it returns. Raises StoreDown or TooManyHalts.

        StoreDown: it is in force all the same, and will be written when the store works again.
        """
        if len(self._halts.standing) >= HALTS_MAX and scope != Scope(ALL):
            raise TooManyHalts(f"{HALTS_MAX} halts stand already: halt all instead")
        written = self._begin(HALTED, scope, by=by, why=why)
        if not self._opened:
            raise StoreDown("the store is not open yet")
        await asyncio.shield(written)

    async def resume(self, scope: Scope, *, by: str, why: str) -> bool:
        """Lift a halt by command; whether there was one. In force when it is durable. Raises StoreDown.

        Who halts the same again before it is written halts it again.
        """
        standing = self._halts.by_command.get(scope)
        if standing is None:
            return False
        if self._owed or self._store.failing is not None:
            raise StoreDown(self._store.failing or "changes before it are not written yet")
        change, recorded = self._change(RESUMED, scope, by, why), False
        try:
            await self._store.note(change)
            recorded = True
        finally:
            if not recorded:  # it may be on the trail all the same: what goes on standing is written after it
                self._owe(standing)
        if self._halts.by_command.get(scope) is standing:
            self._applied(change)
        return True

    def signalled(self) -> None:
        """SIGUSR1: halt all, now."""
        self._begin(HALTED, Scope(ALL), by="signal SIGUSR1", why="")

    # --- the file ---

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(WATCH_MS)
            self._look()

    def _look(self) -> None:
        """Take over what the file says, if it is another than before."""
        seen = halt_file.look(self._file)
        if seen == self._seen and self._looked:
            return
        self._seen, self._looked = seen, True
        wanted = {} if seen is None else halt_file.read(self._file)
        for scope in [scope for scope in self._halts.by_file if scope not in wanted]:
            self._begin(FILE_RESUMED, scope, by=f"file {self._file}", why="")
        for scope, why in wanted.items():
            if scope not in self._halts.by_file:
                self._begin(FILE_HALTED, scope, by=f"file {self._file}", why=why)

    # --- the trail ---

    def _begin(self, what: str, scope: Scope, *, by: str, why: str) -> "asyncio.Future[None]":
        """In force from now on; the future ends when it is durable."""
        change = self._change(what, scope, by, why)
        self._applied(change)
        return self._owe(change)

    def _owe(self, change: Change) -> "asyncio.Future[None]":
        """The store is to have this change; the future ends when it is durable."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        written.add_done_callback(_heard)
        if len(self._owed) < OWED_MAX:
            self._owed.append((change, written))
            self._wake()
        else:
            written.set_exception(StoreDown("too many changes are waiting for the disk"))
        return written

    def _change(self, what: str, scope: Scope, by: str, why: str) -> Change:
        return Change(
            at_ms=self._clock.now_ms(), by=by, what=what, subject=str(scope), why=why[:WHY_LENGTH_MAX]
        )

    def _applied(self, change: Change) -> None:
        self._halts.apply(change)
        halted = change.what in (HALTED, FILE_HALTED)
        say = log.warning if halted else log.info
        event = "trading.halted" if halted else "trading.resumed"
        say(event, scope=change.subject, by=change.by, why=change.why)
        if halted:
            self.on_halt(scope_of(change.subject))

    def _wake(self) -> None:
        if self._opened and not self._writing:
            self._writing = True
            self._keep(self._write())

    async def _write(self) -> None:
        """Make everything owed durable, in order, however long that takes."""
        while self._owed:
            change, written = self._owed[0]
            try:
                await self._store.note(change)
            except StoreDown as down:
                if not written.done():
                    written.set_exception(down)
                await self._clock.sleep(WRITE_AGAIN_MS)
                continue
            self._owed.popleft()
            if not written.done():
                written.set_result(None)
        self._writing = False

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _heard(written: "asyncio.Future[None]") -> None:
    """Nobody needs to wait for it."""
    if not written.cancelled():
        written.exception()
