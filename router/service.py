"""The verbs of the router. Read `Router._route` from top to bottom and you know the program."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import structlog

from registry.index import Registry
from registry.model import Outcome
from router.core.errors import (
    RegistryDown,
    Stopping,
    StoreUnavailable,
    TooBusy,
    UnknownOutcome,
)
from router.core.execution import Effect, Execution
from router.core.model import AccountId, MarketOrder
from router.core.records import Planned, StoredRoute
from router.core.report import Report, report
from router.runtime.accounts import Account
from router.runtime.hands import RouteHands, Tools, no_more
from router.runtime.ladders import Ladders
from router.runtime.lanes import LaneFull, Lanes
from router.runtime.planner import Planner
from router.runtime.rounds import Rounds
from router.runtime.runner import run
from router.runtime.store.protocol import StoreDown
from venues.base.contract import Traits
from venues.base.orders import Order, Side

RESUME_MS = 1_000
"""Wait before a route whose runner failed is taken up again."""

log = structlog.get_logger(__name__)
T = TypeVar("T")


class Router:
    """Routes market orders of the accounts it knows over the venues they use."""

    def __init__(
        self, tools: Tools, accounts: Mapping[AccountId, Account], ladders: Ladders, *, answer_ms: int
    ) -> None:
        self._tools, self._accounts, self._ladders = tools, accounts, ladders
        self.answer_ms = answer_ms
        """How long a caller waits at most; what is then unknown is reported open."""
        self._traits: dict[str, Traits] = {name: venue.traits for name, venue in tools.venues.items()}
        self._planner = Planner(ladders, tools.balances, tools.ledger, tools.clock)
        self._lanes = Lanes(tools.metrics)
        self._registry: Registry | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = False

    def account(self, account_id: AccountId) -> Account | None:
        """The account of this id."""
        return self._accounts.get(account_id)

    def use(self, registry: Registry) -> None:
        """From now on this registry is in force, whole."""
        self._registry = registry

    def route(self, account: Account, asked: MarketOrder, *, request_id: str) -> asyncio.Task[Report]:
        """Split one market order over every venue the account can use.

        The task goes on when nobody waits for it any more. It raises a Refusal when nothing was sent.
        """
        return self._keep(self._measured(account, asked, request_id))

    def waiting_for(self) -> list[str]:
        """What must happen before orders can be taken; empty when they can."""
        waiting = ["the registry to be loaded"] if self._registry is None else []
        if self._tools.store.failing is not None:
            waiting.append(f"the store: {self._tools.store.failing}")
        for outcome in self._registry or ():
            venues = frozenset(key.venue for key in outcome.listings)
            merged = self._ladders.read(outcome, Side.BUY, venues)
            known = {terms.listing.key for terms in merged.terms}
            waiting += [f"metadata of {key}" for key in outcome.listings if key not in known]
            waiting += [
                f"the book of {key}: {why}" for key, why in merged.unusable.items() if why in _UNSEEDED
            ]
        return waiting

    async def recover(self) -> int:
        """Take up every route without a last word: its holds stand again and its orders are looked up."""
        stored = await self._tools.store.unfinished()
        for route in stored:
            self._resume(route)
        return len(stored)

    async def stop(self, wait_ms: int) -> None:
        """Take no new orders; give those under way this long. The next start looks up what is then open."""
        self._stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=wait_ms / 1000)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- one route ---

    async def _measured(self, account: Account, asked: MarketOrder, request_id: str) -> Report:
        clock, metrics = self._tools.clock, self._tools.metrics
        started_ms, status = clock.monotonic_ms(), "refused"
        try:
            done = await self._admitted(account, asked, request_id)
            status = "failed" if done.failed else "filled" if done.size else "open"
            return done
        finally:
            metrics.route_seconds.observe((clock.monotonic_ms() - started_ms) / 1000)
            metrics.routes.labels(status).inc()

    async def _admitted(self, account: Account, asked: MarketOrder, request_id: str) -> Report:
        if self._stopping:
            raise Stopping("the router is shutting down")
        if self._tools.store.failing is not None:
            raise StoreUnavailable("orders cannot be recorded at the moment, so none is taken")
        outcome = self._outcome(account, asked)
        try:
            async with self._lanes.turn(account.account_id):
                return await self._route(account, asked, outcome, request_id)
        except LaneFull as full:
            raise TooBusy("too many orders of this account are waiting") from full
        except StoreDown as down:
            raise StoreUnavailable("the order could not be recorded, so nothing was sent") from down

    async def _route(self, account: Account, asked: MarketOrder, outcome: Outcome, request_id: str) -> Report:
        draft = await self._planner.draft(account, asked, outcome)
        planned = Planned(
            route_id=self._tools.clock.new_route_id(),
            account_id=account.account_id,
            request_id=request_id,
            asked=asked,
            orders=self._planner.orders(draft),
            considered=draft.plan.considered,
            at_ms=self._tools.clock.now_ms(),
        )
        self._hold(account, planned.orders)
        execution = Execution(planned, held_back=draft.bounded.held_back)
        rounds = Rounds(self._planner, account, asked, outcome=outcome, draft=draft)
        await self._executed(account, execution, rounds)
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

    async def _executed(self, account: Account, execution: Execution, rounds: Rounds) -> None:
        """Return when the caller can be answered; the execution goes on to the last word."""
        replied: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        hands = RouteHands(self._tools, account, replied, rounds.extend)
        running = self._keep(self._run(account.account_id, execution, execution.start(), hands))
        await asyncio.wait({running, replied}, return_when=asyncio.FIRST_COMPLETED)
        bug = running.exception() if running.done() else None
        if isinstance(bug, StoreDown):
            raise bug
        if bug is not None:  # our own code failed, but orders may have left: they are open, not failed
            self._tools.metrics.violations.labels("internal_error").inc()
            log.error("route.crashed", route=execution.planned.route_id, exc_info=bug)
            self._keep(self._resumed_later(account, execution))

    async def _run(
        self, account_id: AccountId, execution: Execution, effects: Sequence[Effect], hands: RouteHands
    ) -> None:
        try:
            await run(execution, effects, hands, reply_ms=self.answer_ms)
        except StoreDown:  # nothing was sent, so nothing is held
            for order in execution.planned.orders:
                self._tools.ledger.release(account_id, order.order_id)
            raise

    async def _resumed_later(self, account: Account, execution: Execution) -> None:
        await self._tools.clock.sleep(RESUME_MS)
        hands = RouteHands(self._tools, account, asyncio.get_running_loop().create_future(), no_more)
        effects = execution.resume(self._tools.clock.now_ms())
        await self._run(account.account_id, execution, effects, hands)

    def _resume(self, stored: StoredRoute) -> None:
        planned = stored.planned
        account = self._accounts.get(planned.account_id)
        venues = {order.listing.venue for order in planned.orders}
        if account is None or not venues <= account.venues:
            log.error(
                "route.orphaned", route=planned.route_id, account=planned.account_id, venues=sorted(venues)
            )
            return
        execution = Execution(planned, stored.answers)
        self._hold(account, execution.open_orders)
        hands = RouteHands(self._tools, account, asyncio.get_running_loop().create_future(), no_more)
        effects = execution.resume(self._tools.clock.now_ms())
        self._keep(self._run(planned.account_id, execution, effects, hands))

    def _hold(self, account: Account, orders: Iterable[Order]) -> None:
        for order in orders:
            self._tools.ledger.hold(account.account_id, order)

    def _keep(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task that is not forgotten: the event loop alone holds tasks weakly."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


_UNSEEDED = frozenset({"not_seeded", "not_connected"})
