"""The hands of one route's runner: its account's keys, the transport, the store and the holds."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

import msgspec
import structlog

from router.core.errors import Controlled
from router.core.execution import Effect, Execution
from router.core.invariants import Alarm
from router.core.late import traded
from router.core.ledger import Ledger
from router.core.model import AccountId, RouteId
from router.core.records import Extended, Record
from router.runtime import route_lines
from router.runtime.accounts import Account
from router.runtime.balances import Balances
from router.runtime.checks import Checks, RouteChecks
from router.runtime.clock import Clock
from router.runtime.controls import Controls
from router.runtime.desks import Desks, Hear
from router.runtime.door import Door
from router.runtime.ended import Ended
from router.runtime.metrics import Metrics
from router.runtime.runner import deaf
from router.runtime.store.protocol import Store, StoreDown
from router.runtime.times import VenueTimes
from router.runtime.venue_gates import VenueGates
from venues.base.contract import Venue
from venues.base.orders import Answer, Filled, Order, OrderId, Rejected, Unknown
from venues.base.units import plain

NOT_SENT = "not_sent"
"""Code of an order that did not leave: its venue's gate or its account's closed between plan and sending."""
ACCOUNT_CLOSED = "account_suspended"
WAITED_MS = 5
"""An order that waits so long between the last checks and its bytes is checked again."""
LOOK_UP_MS_MAX = 2_000
"""Longest wait for one look-up; the next one follows."""

_LAST_WORDS = (Filled, Rejected)

log = structlog.get_logger(__name__)


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    """What every route needs."""

    venues: Mapping[str, Venue]
    transport: Door
    store: Store
    ledger: Ledger
    balances: Balances
    desks: Desks
    controls: Controls
    clock: Clock
    metrics: Metrics
    checks: Checks
    venue_gates: VenueGates
    times: VenueTimes


class Further(Protocol):
    """What one route may still send."""

    async def extend(self, execution: Execution) -> tuple[Sequence[Order], bool]:
        """The orders of a further round, and whether that round too holds something back."""
        ...

    def check(self, order: Order) -> None:
        """Once more when the order is to leave. Raises the refusal of a control."""
        ...

    def check_halts(self, order: Order) -> None:
        """In the last moment before its bytes leave. Raises Halted."""
        ...


class Nothing:
    """A route taken up after a restart ends with what it has: nobody waits for more."""

    async def extend(self, execution: Execution) -> tuple[Sequence[Order], bool]:
        """None."""
        return (), False

    def check(self, order: Order) -> None:
        """Nothing is sent."""
        raise AssertionError("a route taken up again sends nothing")

    check_halts = check


class _Guard:
    """Asked in the last moment before an order's bytes leave; remembers why they did not."""

    def __init__(self, check: Callable[[], str | None]) -> None:
        """`check` says why it may not leave, or None; or raises the refusal of a control."""
        self._check = check
        self.refusal: Controlled | None = None

    def __call__(self) -> str | None:
        try:
            return self._check()
        except Controlled as refusal:
            self.refusal = refusal
            return refusal.word


class RouteHands:
    """Implements `router.runtime.runner.Hands` for one route of one account."""

    def __init__(
        self,
        tools: Tools,
        account: Account,
        replied: asyncio.Future[None],
        further: Further,
        *,
        resumed: Execution | None = None,
    ) -> None:
        """`resumed` is the execution where the store already has its intent."""
        self._tools, self._account, self._replied, self._further = tools, account, replied, further
        self._checks = RouteChecks(tools.checks, account.account_id, resumed)
        self._hear: Hear = deaf
        self._began_ms = tools.clock.monotonic_ms()
        self._logged: dict[OrderId, Answer] = {}
        """What the log says of each order."""

    def listen(self, hear: Hear) -> None:
        """See `Hands`."""
        self._hear = hear

    async def append(self, *records: Record) -> None:
        """See `Hands`."""
        await self._tools.store.append(*records)
        self._checks.recorded(records)

    async def place(self, order: Order) -> Answer:
        """See `Hands`."""
        if not self._checks.may_leave(order):
            return Unknown(order.order_id, "not sent: a check failed")
        venue = self._tools.venues[order.listing.venue]
        signer = self._account.signers[venue.name]
        try:
            why = self._why_not(order)
        except Controlled as refusal:
            return self._withheld(order, refusal)
        if why is not None:
            return Rejected(order.order_id, NOT_SENT, why)
        self._tools.desks.open(self._account.account_id, order, self._hear)
        talk = venue.orders.place(order, signer)
        guard = _Guard(partial(self._why_not_now, order, self._tools.clock.monotonic_ms()))
        deadline_ms = venue.limits.order_ms_max
        answer = await self._tools.transport.perform(
            venue, talk, signer=signer, deadline_ms=deadline_ms, guard=guard
        )
        if guard.refusal is not None and isinstance(answer, Rejected):
            return self._withheld(order, guard.refusal)
        self._count(order, answer)
        return answer

    def _why_not(self, order: Order) -> str | None:
        """Why the order may not leave: its account's gate or its venue's. Or raises a control's refusal."""
        if self._tools.checks.gates.why_closed(self._account.account_id) is not None:
            return ACCOUNT_CLOSED
        why = self._tools.venue_gates.why_closed(self._account.account_id, order.listing.venue)
        if why is None:
            self._further.check(order)
        return why

    def _why_not_now(self, order: Order, checked_ms: int) -> str | None:
        """The same in the last moment; in full where it waited for a connection, its turn or its pace."""
        self._further.check_halts(order)
        if self._tools.clock.monotonic_ms() - checked_ms < WAITED_MS:
            return None
        return self._why_not(order)

    def _withheld(self, order: Order, refusal: Controlled) -> Answer:
        self._tools.controls.refused(self._account.account_id, refusal, when="send")
        return Rejected(order.order_id, refusal.word, str(refusal))

    async def look_up(self, order: Order, answer: Answer) -> Answer:
        """See `Hands`. The settings may have changed since the order was sent."""
        venue = self._tools.venues.get(order.listing.venue)
        signer = self._account.signers.get(order.listing.venue)
        if venue is None or signer is None:
            return Unknown(order.order_id, "the account's settings no longer give access to the venue")
        self._tools.desks.open(self._account.account_id, order, self._hear)
        now_ms = self._tools.times.surely_ms(venue.name, order.created_ms)
        talk = venue.orders.look_up(order, signer, answer, now_ms)
        found = await self._tools.transport.perform(
            venue, talk, signer=signer, deadline_ms=LOOK_UP_MS_MAX, urgent=True
        )
        self._count(order, found)
        return found

    async def wait_to_ask(self, order: Order, after_ms: int) -> None:
        """See `Hands`."""
        await self._tools.desks.wait(self._account.account_id, order.listing.venue, after_ms)

    async def wait(self, after_ms: int) -> None:
        """See `Hands`."""
        await self._tools.clock.sleep(after_ms)

    def now_ms(self) -> int:
        """See `Hands`."""
        return self._tools.clock.now_ms()

    async def extend(self, execution: Execution) -> Sequence[Effect]:
        """See `Hands`. What is to be sent is held first."""
        orders, held_back = await self._further.extend(execution)
        checks = self._tools.checks
        shut = execution.replied or checks.gates.why_closed(self._account.account_id)
        if shut or not checks.planned(execution, orders):
            orders, held_back = (), False
        for order in orders:
            self._tools.ledger.hold(self._account.account_id, order)
        return execution.extended(orders, held_back=held_back, now_ms=self.now_ms())

    def reply(self, execution: Execution) -> None:
        """See `Hands`."""
        if not self._replied.done():
            self._replied.set_result(None)

    def settled(self, execution: Execution, answer: Answer) -> None:
        """See `Hands`."""
        known, order = execution.known.get(answer.order_id), execution.orders[answer.order_id]
        self._tools.venue_gates.answered(self._account.account_id, order, answer, known)
        self._settle(execution, order, known)
        self._checks.learnt(order, known)

    def _settle(self, execution: Execution, order: Order, known: Answer | None) -> None:
        before = self._logged.get(order.order_id)
        if known is None:
            return
        if known is not before:
            self._logged[order.order_id] = known
            ms = self._tools.clock.monotonic_ms() - self._began_ms
            route_lines.learnt(self._account.account_id, order, known, ms=ms)
        if not isinstance(known, _LAST_WORDS):
            self._tools.desks.learnt(self._account.account_id, order, known)
        elif known is not before:
            self._ended(execution.planned.route_id, order, known, before=before)

    def _ended(
        self, route_id: RouteId, order: Order, last: Filled | Rejected, *, before: Answer | None
    ) -> None:
        """An order has its last word, or another one than it had."""
        tools, account_id = self._tools, self._account.account_id
        tools.desks.close(account_id, order, route_id, last)
        if isinstance(before, _LAST_WORDS):
            counted_late(tools, account_id, Ended(route_id, order, last, at_ms=0), before)
        elif isinstance(last, Filled):
            tools.balances.debit(account_id, order, last)
            tools.controls.filled(account_id, last)
        else:
            tools.balances.distrust(account_id, order.listing.venue)
        tools.ledger.release(account_id, order.order_id)

    def crashed(self, order: Order, bug: BaseException) -> None:
        """See `Hands`."""
        self._tools.metrics.violations.labels(Alarm.INTERNAL_ERROR.value).inc()
        log.error("order.crashed", venue=order.listing.venue, order=order.order_id, exc_info=bug)

    def not_recorded(self, record: Record, error: StoreDown) -> None:
        """See `Hands`. Orders of a round that was not recorded do not leave: their holds go."""
        if isinstance(record, Extended):
            for order in record.orders:
                self._tools.ledger.release(self._account.account_id, order.order_id)
        log.error(
            "store.not_recorded", record=type(record).__name__, route=record.route_id, reason=str(error)
        )

    def _count(self, order: Order, answer: Answer) -> None:
        kind = type(answer).__name__.lower()
        self._tools.metrics.orders.of(order.listing.venue, kind).inc()


def counted_late(tools: Tools, account: AccountId, ended: Ended, before: Filled | Rejected) -> None:
    """A fill showed up after the last word: count and log it, and read the balance before the next order."""
    order = ended.order
    if isinstance(ended.last, Filled):
        tools.controls.filled(account, ended.last)
    tools.metrics.violations.labels(Alarm.LATE_FILL.value).inc()
    tools.balances.distrust(account, order.listing.venue)
    log.error(
        "order.late_fill",
        account=account,
        venue=order.listing.venue,
        route=ended.route_id,
        order=order.order_id,
        told=type(before).__name__.lower(),
        told_size=plain(traded(before)),
        size=plain(traded(ended.last)),
    )
