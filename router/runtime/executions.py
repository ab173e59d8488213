"""The executions under way: from the intent to the last word, whatever fails in between.

One whose caller was answered, or whose router was restarted, goes on like any other.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial

import structlog

from router.core.execution import Effect, Execution
from router.core.idempotency import Claim
from router.core.invariants import Alarm
from router.core.model import AccountId, RouteId
from router.core.records import Finished, Planned, Released, StoredRoute
from router.runtime import logs
from router.runtime.accounts import Account
from router.runtime.hands import Nothing, RouteHands, Tools
from router.runtime.late import LateFills
from router.runtime.once import Once
from router.runtime.rounds import Rounds
from router.runtime.runner import OWED_RETRY_MS, run
from router.runtime.store.protocol import RecordRefused, StoreDown
from router.runtime.tasks import Tasks
from venues.base.orders import Order

RESUME_MS_MIN, RESUME_MS_MAX = 1_000, 60_000
"""Wait before a route whose runner failed is taken up again; doubles while it fails again."""

log = structlog.get_logger(__name__)


class Executions:
    """Runs routes of the accounts it knows."""

    def __init__(
        self,
        tools: Tools,
        accounts: Mapping[AccountId, Account],
        once: Once,
        *,
        tasks: Tasks,
        answer_ms: int,
    ) -> None:
        """`answer_ms` is how long a caller waits at most."""
        self._tools, self._accounts, self._once = tools, accounts, once
        self._tasks, self._answer_ms = tasks, answer_ms
        self._live: dict[RouteId, Execution] = {}
        """Those that run now."""
        self.late = LateFills(tools, accounts, tasks, live=self._live)
        self._unanswered: set[asyncio.Future[None]] = set()
        """Done when the caller of a route whose orders may have left can be answered."""

    def answer_all(self) -> bool:
        """Let every caller be answered with what is known now; whether there was one."""
        waiting = bool(self._unanswered)
        for replied in self._unanswered:
            _answerable(replied)
        return waiting

    async def perform(self, account: Account, execution: Execution, rounds: Rounds, *, reply_ms: int) -> None:
        """Return when the caller can be answered; the execution goes on to the last word.

        Raises StoreDown if the intent itself could not be written: then nothing was sent.
        """
        replied: asyncio.Future[None] = self._tasks.loop.create_future()
        hands = RouteHands(self._tools, account, replied, rounds)
        running = self._start(account, execution, execution.start(), hands=hands, reply_ms=reply_ms)
        self._unanswered.add(replied)
        try:
            await replied
        finally:
            self._unanswered.discard(replied)
        if running.done() and isinstance(down := running.exception(), StoreDown):
            raise down

    def resume(self, stored: StoredRoute) -> None:
        """After a restart: its holds stand again and its open orders are looked up."""
        planned, execution = stored.planned, Execution(stored.planned, stored.answers)
        account = self._accounts.get(planned.account_id)
        if account is None:
            self._tools.metrics.violations.labels(Alarm.ORPHANED_ROUTE.value).inc()
            self._tools.metrics.orphans.labels(planned.account_id).inc()
            opened = [f"{order.order_id} on {order.listing.key}" for order in execution.open_orders]
            log.error(
                "route.orphaned", route=planned.route_id, account=planned.account_id, open_orders=opened
            )
            return
        self.hold(account, execution.open_orders)
        self._tools.venue_gates.resumed(planned.account_id, execution.open_orders)
        self._ask_again(account, execution)

    def hold(self, account: Account, orders: Iterable[Order]) -> None:
        """Set aside what these orders may cost."""
        for order in orders:
            self._tools.ledger.hold(account.account_id, order)

    def _start(
        self,
        account: Account,
        execution: Execution,
        effects: Sequence[Effect],
        *,
        hands: RouteHands,
        reply_ms: int,
        again_ms: int = RESUME_MS_MIN,
    ) -> asyncio.Task[None]:
        """Let it run, and see to it when it fails by our own fault: its orders may have left."""
        self._live[execution.planned.route_id] = execution
        running = self._tasks.keep(run(execution, effects, hands, reply_ms=reply_ms))
        ended = partial(self._ended, account=account, execution=execution, hands=hands, again_ms=again_ms)
        running.add_done_callback(ended)
        return running

    def _ended(
        self,
        running: asyncio.Task[None],
        *,
        account: Account,
        execution: Execution,
        hands: RouteHands,
        again_ms: int,
    ) -> None:
        """What a run that failed leaves to do is under way before its caller is told."""
        self._live.pop(execution.planned.route_id, None)
        failure = None if running.cancelled() else running.exception()
        if isinstance(failure, StoreDown):  # nothing was sent, so nothing is held
            for order in execution.planned.orders:
                self._tools.ledger.release(account.account_id, order.order_id)
            claim = self._once.voiding(account.account_id, execution.planned.key)
            self._tasks.keep(self._voided(execution.planned, claim))
        elif failure is not None:
            self._tools.metrics.violations.labels(Alarm.INTERNAL_ERROR.value).inc()
            log.error("route.crashed", route=execution.planned.route_id, exc_info=failure)
            self._tasks.keep(self._resumed(account, execution, again_ms))
        elif not running.cancelled():
            self._tools.checks.ended(account.account_id, execution)
        hands.reply(execution)

    async def _resumed(self, account: Account, execution: Execution, after_ms: int) -> None:
        """Begin again from the store, as after a restart: what this execution knew may not be in it."""
        stored, read = None, False
        while not read:
            await self._tools.clock.sleep(after_ms)
            with suppress(StoreDown):
                stored = await self._tools.store.route(account.account_id, execution.planned.route_id)
                read = True
        again = Execution(stored.planned, stored.answers) if stored and not stored.finished else None
        open_orders = {order.order_id for order in again.open_orders} if again else ()
        for order_id in execution.orders:
            if order_id not in open_orders:
                self._tools.ledger.release(account.account_id, order_id)
        if again:
            self._ask_again(account, again, again_ms=min(2 * after_ms, RESUME_MS_MAX))

    async def _voided(self, planned: Planned, claim: Claim | None) -> None:
        """An intent that failed may be on the disk all the same: close it there, for nothing was sent."""
        route_id, at_ms = planned.route_id, self._tools.clock.now_ms()
        closing = (Finished(route_id=route_id, at_ms=at_ms), Released(route_id=route_id, at_ms=at_ms))
        while True:
            await self._tools.clock.sleep(OWED_RETRY_MS)
            with suppress(RecordRefused):  # it never got there
                try:
                    await self._tools.store.append(*closing)
                except StoreDown:
                    continue
            return self._once.voided(planned.account_id, claim)

    def _ask_again(self, account: Account, execution: Execution, *, again_ms: int = RESUME_MS_MIN) -> None:
        """Nobody waits for it any more; its open orders are looked up until they have their last words."""
        nobody: asyncio.Future[None] = self._tasks.loop.create_future()
        hands = RouteHands(self._tools, account, nobody, Nothing(), resumed=execution)
        effects = execution.resume(self._tools.clock.now_ms())
        planned = execution.planned
        with logs.bound(request=planned.request_id, route=planned.route_id):
            log.info("route.taken_up", account=account.account_id, open=len(execution.open_orders))
            self._start(account, execution, effects, hands=hands, reply_ms=self._answer_ms, again_ms=again_ms)


def _answerable(replied: asyncio.Future[None]) -> None:
    """The caller need not wait any longer."""
    if not replied.done():
        replied.set_result(None)
