"""The verbs of the router. Read `Router._route` from top to bottom and you know the program."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, partial
from typing import Any, TypeVar

import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars

from registry.index import Registry
from registry.model import Outcome
from router.core.errors import (
    Refusal,
    RegistryDown,
    Stopping,
    StoreUnavailable,
    TooBusy,
    UnknownOutcome,
)
from router.core.execution import Effect, Execution
from router.core.idempotency import Claim, Kept
from router.core.model import AccountId, Key, MarketOrder
from router.core.records import Finished, Planned, Released, StoredRoute
from router.core.report import Report, report
from router.runtime import route_lines
from router.runtime.accounts import Account
from router.runtime.hands import RouteHands, Tools, no_more
from router.runtime.ladders import Ladders
from router.runtime.lanes import LaneFull, Lanes
from router.runtime.once import Once, Show
from router.runtime.planner import Planner
from router.runtime.rounds import Rounds
from router.runtime.runner import OWED_RETRY_MS, run
from router.runtime.store.protocol import RecordRefused, StoreDown
from venues.base.contract import Traits
from venues.base.listing import ListingKey
from venues.base.orders import Order

RESUME_MS_MIN, RESUME_MS_MAX = 1_000, 60_000
"""Wait before a route whose runner failed is taken up again; doubles while it fails again."""
FAREWELL_MS_MAX = 1_000
"""How long routes that are told to answer at shutdown may take to write their report."""
WAITING_SHOWN_MAX = 20
"""What is still missing, told to whoever asks whether the router is ready: the first of it is enough."""

log = structlog.get_logger(__name__)
T = TypeVar("T")


class Router:
    """Routes market orders of the accounts it knows over the venues they use."""

    def __init__(
        self,
        tools: Tools,
        accounts: Mapping[AccountId, Account],
        ladders: Ladders,
        *,
        answer_ms: int,
        duplicate_ms: int,
    ) -> None:
        self._tools, self._accounts, self._ladders = tools, accounts, ladders
        self.answer_ms = answer_ms
        """How long a caller waits at most; what is then unknown is reported open."""
        self._traits: dict[str, Traits] = {name: venue.traits for name, venue in tools.venues.items()}
        self._planner = Planner(ladders, tools.balances, tools.ledger, tools.clock)
        self._lanes = Lanes(tools.metrics)
        self._once = Once(tools, self._traits, self._keep, duplicate_ms=duplicate_ms)
        self._registry: Registry | None = None
        self._unseeded: dict[ListingKey, None] = {}
        """Listings of the registry that were never seen with metadata and book."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._routes: set[asyncio.Task[Any]] = set()
        self._unanswered: set[asyncio.Future[None]] = set()
        """Done when the caller of a route whose orders may have left can be answered."""
        self._stopping = False

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """The one loop that all of it runs on: asking which one runs costs a system call each time."""
        return asyncio.get_running_loop()

    def account(self, account_id: AccountId) -> Account | None:
        """The account of this id."""
        return self._accounts.get(account_id)

    def use(self, registry: Registry) -> None:
        """From now on this registry is in force, whole."""
        self._registry = registry
        self._unseeded = dict.fromkeys(key for outcome in registry for key in outcome.listings)

    def route(self, account: Account, asked: MarketOrder, *, request_id: str) -> asyncio.Task[Report]:
        """Split one market order over every venue the account can use.

        The task goes on when nobody waits for it any more. It raises a Refusal when nothing was sent.
        """
        return self._routed(self._measured(account, asked, request_id))

    def route_once(
        self, account: Account, asked: MarketOrder, key: Key, *, request_id: str, show: Show
    ) -> asyncio.Task[Kept]:
        """The same, once for each key: whoever gives the key again is told what `show` made of the report.

        A Refusal leaves the key free, but for InProgress and KeyReused: then it stands for another request.
        """
        run = partial(self._measured, account, asked, request_id)
        asking = self._once.ask(account.account_id, asked, key, run=run, show=show, answer_ms=self.answer_ms)
        return self._routed(asking)

    def waiting_for(self) -> list[str]:
        """What must happen before orders can be taken; empty when they can."""
        waiting = ["the registry to be loaded"] if self._registry is None else []
        if self._stopping:
            waiting.append("nothing: the router is shutting down")
        if self._tools.store.failing is not None:
            waiting.append(f"the store: {self._tools.store.failing}")
        for key in list(self._unseeded):
            missing = self._ladders.missing(key)
            if missing is None:
                del self._unseeded[key]
            elif len(waiting) < WAITING_SHOWN_MAX:
                waiting.append(missing)
            else:
                break
        return waiting

    async def recover(self) -> int:
        """Take up every route without a last word: its holds stand again and its orders are looked up."""
        self._once.restarted()
        stored = await self._tools.store.unfinished()
        for route in stored:
            self._resume(route)
        return len(stored)

    async def stop(self, wait_ms: int) -> None:
        """Take no new orders; give those under way this long, then answer their callers with what is known.

        The next start looks up what is then open.
        """
        self._stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=wait_ms / 1000)
        if self._unanswered:
            for replied in self._unanswered:
                _answerable(replied)
            await asyncio.wait(self._routes, timeout=FAREWELL_MS_MAX / 1000)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- one route ---

    async def _measured(
        self, account: Account, asked: MarketOrder, request_id: str, claim: Claim | None = None
    ) -> Report:
        """What it came to and how long it took, in figures and in the log."""
        clock, metrics = self._tools.clock, self._tools.metrics
        bind_contextvars(request=request_id)
        started_ms, status = clock.monotonic_ms(), "crashed"
        try:
            if claim:
                done = await self._admitted(account, asked, request_id, claim)
            else:
                done = await self._guarded(account, asked, request_id)
        except Refusal as refusal:
            status = "refused"
            route_lines.refused(account.account_id, asked, refusal, ms=clock.monotonic_ms() - started_ms)
            raise
        else:
            status = "failed" if done.failed else "filled" if done.size else "open"
            route_lines.ended(account.account_id, done, status=status, ms=clock.monotonic_ms() - started_ms)
            return done
        finally:
            if status == "crashed":  # a bug of ours; also where nobody waits for the answer any more
                log.error("route.crashed", account=account.account_id, exc_info=True)
            metrics.route_seconds.observe((clock.monotonic_ms() - started_ms) / 1000)
            metrics.routes.of(status).inc()

    async def _guarded(self, account: Account, asked: MarketOrder, request_id: str) -> Report:
        """Without a key an order must not look like the repeat of one under way."""
        claim = self._once.guard(account.account_id, asked)
        try:
            return await self._admitted(account, asked, request_id, claim)
        finally:
            self._once.give(account.account_id, claim)

    async def _admitted(self, account: Account, asked: MarketOrder, request_id: str, claim: Claim) -> Report:
        if self._stopping:
            raise Stopping("the router is shutting down")
        if self._tools.store.failing is not None:
            raise StoreUnavailable("orders cannot be recorded at the moment, so none is taken")
        outcome = self._outcome(account, asked)
        deadline_ms = self._tools.clock.monotonic_ms() + self.answer_ms
        try:
            await self._take_lane(account)
            try:
                if self._stopping:
                    raise Stopping("the router is shutting down")
                return await self._route(
                    account, outcome, claim, request_id=request_id, deadline_ms=deadline_ms
                )
            finally:
                self._lanes.give(account.account_id)
        except StoreDown as down:
            raise StoreUnavailable("the order could not be recorded, so nothing was sent") from down
        except asyncio.CancelledError:  # by `stop`, which lets whatever may have left answer first
            if not self._stopping:
                raise
            raise Stopping("the router shut down before the order was planned") from None

    async def _take_lane(self, account: Account) -> None:
        """Wait for the account's lane, for half of the time its caller waits for an answer."""
        try:
            if not self._lanes.take_free(account.account_id):
                async with asyncio.timeout(self.answer_ms / 2_000):
                    await self._lanes.take(account.account_id)
        except LaneFull as full:
            raise TooBusy("too many orders of this account are waiting") from full
        except TimeoutError as late:
            raise TooBusy("orders of this account that came before took too long") from late

    async def _route(
        self, account: Account, outcome: Outcome, claim: Claim, *, request_id: str, deadline_ms: int
    ) -> Report:
        asked = claim.asked
        draft = await self._planner.draft(account, asked, outcome)
        planned = Planned(
            route_id=self._tools.clock.new_route_id(),
            account_id=account.account_id,
            request_id=request_id,
            asked=asked,
            orders=self._planner.orders(draft),
            considered=draft.plan.considered,
            at_ms=max(self._tools.clock.now_ms(), claim.at_ms),  # a key that had expired then has now
            key=claim.key,
        )
        claim.route_id = planned.route_id
        bind_contextvars(route=planned.route_id)
        self._hold(account, planned.orders)
        execution = Execution(planned, held_back=draft.bounded.held_back)
        rounds = Rounds(self._planner, account, asked, outcome=outcome, draft=draft)
        left_ms = max(deadline_ms - self._tools.clock.monotonic_ms(), self.answer_ms // 4)
        await self._executed(account, execution, rounds, reply_ms=left_ms)
        return report(execution.planned, execution.known, self._traits)

    def _outcome(self, account: Account, asked: MarketOrder) -> Outcome:
        if self._registry is None:
            raise RegistryDown("the registry is not loaded")
        outcome = self._registry.outcome(asked.outcome)
        if outcome is None:
            raise UnknownOutcome(f"{asked.outcome} is not in the registry")
        if not any(key.venue in account.venues for key in outcome.listings):
            raise UnknownOutcome(f"no venue enabled for this account lists {asked.outcome}")
        return outcome

    async def _executed(
        self, account: Account, execution: Execution, rounds: Rounds, *, reply_ms: int
    ) -> None:
        """Return when the caller can be answered; the execution goes on to the last word."""
        replied: asyncio.Future[None] = self._loop.create_future()
        hands = RouteHands(self._tools, account, replied, rounds.extend)
        running = self._start(account, execution, execution.start(), hands=hands, reply_ms=reply_ms)
        running.add_done_callback(lambda _: _answerable(replied))
        self._unanswered.add(replied)
        try:
            await replied
        finally:
            self._unanswered.discard(replied)
        if running.done() and isinstance(down := running.exception(), StoreDown):
            raise down

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
        running = self._keep(run(execution, effects, hands, reply_ms=reply_ms))
        ended = partial(self._ended, account=account, execution=execution, again_ms=again_ms)
        running.add_done_callback(ended)
        return running

    def _ended(
        self, running: asyncio.Task[None], *, account: Account, execution: Execution, again_ms: int
    ) -> None:
        failure = None if running.cancelled() else running.exception()
        if isinstance(failure, StoreDown):  # nothing was sent, so nothing is held
            for order in execution.planned.orders:
                self._tools.ledger.release(account.account_id, order.order_id)
            claim = self._once.voiding(account.account_id, execution.planned.key)
            self._keep(self._voided(execution.planned, claim))
        elif failure is not None:
            self._tools.metrics.violations.labels("internal_error").inc()
            log.error("route.crashed", route=execution.planned.route_id, exc_info=failure)
            self._keep(self._resumed(account, execution, again_ms))

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
        hands = RouteHands(self._tools, account, self._loop.create_future(), no_more)
        effects = execution.resume(self._tools.clock.now_ms())
        planned = execution.planned
        with bound_contextvars(request=planned.request_id, route=planned.route_id):
            log.info("route.taken_up", account=account.account_id, open=len(execution.open_orders))
            self._start(account, execution, effects, hands=hands, reply_ms=self.answer_ms, again_ms=again_ms)

    def _resume(self, stored: StoredRoute) -> None:
        planned = stored.planned
        account = self._accounts.get(planned.account_id)
        if account is None:
            self._tools.metrics.violations.labels("orphaned_route").inc()
            log.error("route.orphaned", route=planned.route_id, account=planned.account_id)
            return
        execution = Execution(planned, stored.answers)
        self._hold(account, execution.open_orders)
        self._ask_again(account, execution)

    def _hold(self, account: Account, orders: Iterable[Order]) -> None:
        for order in orders:
            self._tools.ledger.hold(account.account_id, order)

    def _routed(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task that a shutdown lets answer."""
        route = self._keep(work)
        self._routes.add(route)
        route.add_done_callback(self._routes.discard)
        return route

    def _keep(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task that is not forgotten: the event loop alone holds tasks weakly."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _answerable(replied: asyncio.Future[None]) -> None:
    """The caller need not wait any longer."""
    if not replied.done():
        replied.set_result(None)
