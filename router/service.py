"""The verbs of the router. Read `Router._route` from top to bottom and you know the program."""

import asyncio
from collections.abc import Collection, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

import structlog

from registry.index import Registry
from registry.model import Outcome, OutcomeId
from router.core.errors import (
    AccountSuspended,
    Controlled,
    Refusal,
    RegistryDown,
    Stopping,
    StoreUnavailable,
    TooBusy,
    UnknownOutcome,
)
from router.core.execution import Execution
from router.core.halts import Scope
from router.core.idempotency import Claim, Kept
from router.core.model import AccountId, Key, MarketOrder
from router.core.records import Planned
from router.core.report import Report, report
from router.runtime import logs, route_lines
from router.runtime.accounts import Account
from router.runtime.cancel_all import CancelAll, Wanted
from router.runtime.cancel_all import Outcome as CancelOutcome
from router.runtime.controls import Controls
from router.runtime.executions import Executions
from router.runtime.hands import Tools
from router.runtime.ladders import Ladders
from router.runtime.lanes import LaneFull, Lanes
from router.runtime.late import LateFills
from router.runtime.once import Once, Show
from router.runtime.planner import Planner
from router.runtime.rounds import Rounds
from router.runtime.store.protocol import StoreDamaged, StoreDown
from router.runtime.switch import Switch
from router.runtime.tasks import Tasks
from venues.base.contract import Traits
from venues.base.listing import ListingKey

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
        self._planner = Planner(tools, ladders)
        self._lanes = Lanes(tools.metrics)
        self._tasks = Tasks()
        tools.balances.keep = self._tasks.keep
        self._once = Once(tools, self._traits, self._tasks.keep, duplicate_ms=duplicate_ms)
        self._executions = Executions(tools, accounts, self._once, tasks=self._tasks, answer_ms=answer_ms)
        self._cancels = CancelAll(tools, accounts, ladders.listings, self._tasks)
        self._registry: Registry | None = None
        self._unseeded: dict[ListingKey, None] = {}
        """Listings of the registry that were never seen with metadata and book."""
        self._routes: set[asyncio.Task[Any]] = set()
        self._recovered = self._stopping = False

    @property
    def late(self) -> LateFills:
        """Who books what shows up after an order's last word."""
        return self._executions.late

    def account(self, account_id: AccountId) -> Account | None:
        """The account of this id."""
        return self._accounts.get(account_id)

    def use(self, registry: Registry) -> None:
        """From now on this registry is in force, whole."""
        self._registry = self._planner.registry = self.switch.registry = registry
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

    @property
    def controls(self) -> Controls:
        """What accounts may do."""
        return self._tools.controls

    @property
    def switch(self) -> Switch:
        """What is halted."""
        return self._tools.controls.switch

    def names(self, kind: str) -> Collection[str] | None:
        """What there is of a kind of scope; None where anything may be named."""
        return {"account": self._accounts.keys(), "venue": self._tools.venues.keys()}.get(kind)

    async def halt(self, scope: Scope, *, by: str, why: str) -> bool:
        """Nothing of this scope leaves any more; whether it is on record. Raises TooManyHalts."""
        try:
            await self.switch.halt(scope, by=by, why=why)
        except StoreDown:
            return False
        return True

    async def cancel_all(self, scope: Scope) -> CancelOutcome:
        """Take everything of this scope that rests at a venue off its book."""
        return await self._cancels.run(self._wanted(scope))

    def cancel_soon(self, scope: Scope) -> None:
        """The same, while nobody waits for it."""
        self._tasks.keep(self.cancel_all(scope))

    def waiting_for(self) -> list[str]:
        """What must happen before orders can be taken; empty when they can."""
        waiting = ["the registry to be loaded"] if self._registry is None else []
        if self._stopping:
            waiting.append("nothing: the router is shutting down")
        if self._tools.store.failing is not None:
            waiting.append(f"the store: {self._tools.store.failing}")
        elif not self._recovered:
            waiting.append("what was halted and what was under way before, to be taken up")
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
        """Take up every route without a last word: its holds stand again and its orders are looked up.

        Until then no order is taken: a standby's callers are there before what it takes over is.
        """
        self._once.restarted()
        self._tools.times.taken_over()
        stored = await self._tools.store.unfinished()
        for route in stored:
            self._once.taken_up(route)
            self._executions.resume(route)
        self._recovered = True
        return len(stored)

    async def stop(self, wait_ms: int) -> None:
        """Take no new orders; give those under way this long, then answer their callers with what is known.

        The next start looks up what is then open.
        """
        self._stopping = True
        self._planner.stop()
        log.info("router.stopping", under_way=len(self._tasks.running))
        if self._tasks.running:
            await asyncio.wait(self._tasks.running, timeout=wait_ms / 1000)
        if self._executions.answer_all():
            await asyncio.wait(self._routes, timeout=FAREWELL_MS_MAX / 1000)
        await self._tasks.end()

    # --- one route ---

    async def _measured(
        self, account: Account, asked: MarketOrder, request_id: str, claim: Claim | None = None
    ) -> Report:
        """What it came to and how long it took, in figures and in the log."""
        clock, metrics = self._tools.clock, self._tools.metrics
        logs.bind(request=request_id)
        started_ms, status = clock.monotonic_ms(), "crashed"
        try:
            if claim:
                done = await self._admitted(account, asked, request_id, claim)
            else:
                done = await self._guarded(account, asked, request_id)
        except Refusal as refusal:
            status = "refused"
            if isinstance(refusal, Controlled):
                self._tools.controls.refused(account.account_id, refusal, when="intent")
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
        self._accepting(account)
        if self._tools.store.failing is not None:
            raise StoreUnavailable("orders cannot be recorded at the moment, so none is taken")
        if not self._recovered:
            raise StoreUnavailable("the store is being taken over, so no order is taken yet; ask again")
        outcome = self._outcome(account, asked)
        self._tools.controls.admit(account.account_id, asked)
        deadline_ms = self._tools.clock.monotonic_ms() + self.answer_ms
        try:
            await self._take_lane(account)
            try:
                self._accepting(account)
                return await self._route(
                    account, outcome, claim, request_id=request_id, deadline_ms=deadline_ms
                )
            finally:
                self._lanes.give(account.account_id)
        except StoreDown as down:
            raise StoreUnavailable("the order could not be recorded, so nothing was sent") from down
        except StoreDamaged as damaged:
            log.exception("store.damaged", account=account.account_id)
            raise StoreUnavailable("the account's records cannot be read, so nothing was sent") from damaged
        except asyncio.CancelledError:  # by `stop`, which lets whatever may have left answer first
            if not self._stopping:
                raise
            raise Stopping("the router shut down before the order was planned") from None

    def _accepting(self, account: Account) -> None:
        """Raises Stopping or AccountSuspended where no order may be planned any more."""
        if self._stopping:
            raise Stopping("the router is shutting down")
        if self._tools.checks.gates.why_closed(account.account_id) is not None:
            raise AccountSuspended

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
        asked, controls = claim.asked, self._tools.controls
        await controls.recall(account.account_id)
        draft = await self._planner.draft(account, asked, outcome)
        planned = Planned(
            route_id=self._tools.clock.new_route_id(),
            account_id=account.account_id,
            request_id=request_id,
            asked=asked,
            orders=self._planner.orders(account, draft),
            considered=draft.plan.considered,
            left_out=draft.left_out,
            at_ms=max(self._tools.clock.now_ms(), claim.at_ms),  # a key that had expired then has now
            key=claim.key,
            cut=draft.cut,
        )
        controls.permit(account.account_id, asked, planned.orders, first=True)
        claim.route_id = planned.route_id
        logs.bind(route=planned.route_id)
        execution = Execution(planned, held_back=draft.bounded.held_back)
        if not self._tools.checks.planned(execution, planned.orders):
            raise AccountSuspended
        self._executions.hold(account, planned.orders)
        rounds = Rounds(self._planner, account, outcome=outcome, draft=draft)
        left_ms = max(deadline_ms - self._tools.clock.monotonic_ms(), self.answer_ms // 4)
        await self._executions.perform(account, execution, rounds, reply_ms=left_ms)
        return report(execution.planned, execution.known, self._traits)

    def _wanted(self, scope: Scope) -> Wanted:
        """Whose orders where a scope is about."""
        match scope.kind:
            case "account":
                return Wanted(account=AccountId(scope.name))
            case "venue":
                return Wanted(venue=scope.name)
            case "market":
                outcome = self._registry.outcome(OutcomeId(scope.name)) if self._registry else None
                if outcome is not None:
                    return Wanted(books=frozenset((key.venue, key.native) for key in outcome.listings))
                venue, _, native = scope.name.partition(":")
                return Wanted(books=frozenset({(venue, native)}))
            case _:
                return Wanted()

    def _outcome(self, account: Account, asked: MarketOrder) -> Outcome:
        if self._registry is None:
            raise RegistryDown("the registry is not loaded")
        outcome = self._registry.outcome(asked.outcome)
        if outcome is None:
            raise UnknownOutcome(f"{asked.outcome} is not in the registry")
        if not any(key.venue in account.signers for key in outcome.listings):
            raise UnknownOutcome(f"no venue enabled for this account lists {asked.outcome}")
        return outcome

    def _routed(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task that a shutdown lets answer."""
        route = self._tasks.keep(work)
        self._routes.add(route)
        route.add_done_callback(self._routes.discard)
        return route
