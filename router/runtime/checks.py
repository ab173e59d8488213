"""The invariants, checked where an order passes: what is found is counted, logged, and closes the gate.

Nothing here changes what becomes of an order that has left. One that must not leave is not sent.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping

import structlog

from router.core import invariants
from router.core.execution import Execution
from router.core.invariants import Alarm, Invariant
from router.core.ledger import Ledger
from router.core.model import AccountId
from router.core.records import Extended, Finished, Planned, Record
from router.runtime.gates import Gates
from router.runtime.metrics import Metrics
from venues.base.contract import Venue
from venues.base.orders import Answer, Filled, Order, OrderId, Pending, Working

OWNERS_MAX = 20_000
"""Venue orders remembered with the order of ours that each was: hours of a busy router."""

_NEW_ORDERS, _TRADED = (Planned, Extended), (Filled, Working, Pending)

log = structlog.get_logger(__name__)


class Checks:
    """What one router checks about all its routes."""

    def __init__(
        self, venues: Mapping[str, Venue], ledger: Ledger, metrics: Metrics, *, gates: Gates
    ) -> None:
        self._ledger, self._metrics, self.gates = ledger, metrics, gates
        self._in_cash = frozenset(name for name, venue in venues.items() if venue.traits.buys_in_cash)
        self._owners: OrderedDict[tuple[str, str], OrderId] = OrderedDict()
        """Venue and its order id to the order of ours that traded under it."""

    def broken(self, invariant: Invariant, account: AccountId, what: str) -> None:
        """A promise is broken: count it, say it, take no more orders of this account."""
        self._metrics.violations.labels(invariant.value).inc()
        log.error("invariant.broken", invariant=invariant.value, account=account, what=what)
        self.gates.close(account, f"{invariant.value}: {what}")

    def planned(self, execution: Execution, orders: Iterable[Order]) -> bool:
        """Whether these orders together with what has traded stay within the request."""
        planned = execution.planned
        what = invariants.over_request(planned.asked, execution.known.values(), orders)
        if what is not None:
            self.broken(Invariant.OVER_REQUEST, planned.account_id, what)
        return what is None

    def fresh(
        self, account: AccountId, order: Order, heard_ms: int | None, *, now_ms: int, limit_ms: int
    ) -> bool:
        """Whether the book that an order was planned on at `now_ms` is live, and was heard of in time."""
        what = invariants.stale(heard_ms, now_ms, limit_ms)
        if what is not None:
            self.broken(Invariant.STALE_BOOK, account, f"{order.listing.key}: {what}")
        return what is None

    def ended(self, account: AccountId, execution: Execution) -> None:
        """Nothing of a route with all its last words is held any more."""
        for order_id in execution.orders:
            self.held(account, order_id, execution.known.get(order_id))

    def held(self, account: AccountId, order_id: OrderId, answer: Answer | None) -> bool:
        """Whether the order is held as what is known of it demands."""
        what = invariants.misheld(order_id, answer, held=self._ledger.holds(account, order_id))
        if what is not None:
            self.broken(Invariant.MISHELD, account, what)
        return what is None

    def traded(self, account: AccountId, order: Order, answer: Filled | Working | Pending) -> None:
        """A venue says how much of this order traded, under which id of its own."""
        venue = order.listing.venue
        what = invariants.overfilled(order, answer, buys_in_cash=venue in self._in_cash)
        if what is not None:
            self.broken(Invariant.OVERFILLED, account, f"{order.order_id} of {order.listing.venue}: {what}")
        what = invariants.over_budget(order, answer)
        if what is not None:
            self._metrics.violations.labels(Alarm.OVER_BUDGET.value).inc()
            log.warning("order.over_budget", account=account, order=order.order_id, what=what)
        if not answer.venue_order_id or not answer.size:
            return
        owner = self._owners.setdefault((venue, answer.venue_order_id), order.order_id)
        if owner != order.order_id:
            what = f"{answer.venue_order_id} of {venue} is {owner} and {order.order_id}"
            self.broken(Invariant.FILL_TWICE, account, what)
        if len(self._owners) > OWNERS_MAX:
            self._owners.popitem(last=False)


class RouteChecks:
    """What one run of a route is held to."""

    def __init__(self, checks: Checks, account: AccountId, resumed: Execution | None = None) -> None:
        """`resumed` is the execution where the store already has its intent."""
        self._all, self._account = checks, account
        self._recorded: set[OrderId] = set(resumed.orders) if resumed else set()
        """Orders whose intent is on the disk."""
        self._sent = set(self._recorded)
        self._last: dict[OrderId, Answer] = dict(resumed.known) if resumed else {}
        self._ended = False

    def recorded(self, records: Iterable[Record]) -> None:
        """These were written together."""
        for record in records:
            what = invariants.out_of_order(record, self._recorded, ended=self._ended)
            if what is not None:
                self._all.broken(Invariant.OUT_OF_ORDER, self._account, what)
            if isinstance(record, _NEW_ORDERS):
                self._recorded.update([order.order_id for order in record.orders])
            elif isinstance(record, Finished):
                self._ended = True

    def may_leave(self, order: Order) -> bool:
        """Whether the order's intent is on the disk, what it may take is held, and it has not left before."""
        found: Invariant | None = None
        if order.order_id not in self._recorded:
            found = Invariant.UNRECORDED_SEND
        elif order.order_id in self._sent:
            found = Invariant.SENT_TWICE
        if found is not None:
            self._all.broken(found, self._account, f"{order.order_id} was not sent")
            return False
        self._sent.add(order.order_id)
        return self._all.held(self._account, order.order_id, None)

    def learnt(self, order: Order, answer: Answer | None) -> None:
        """This is known of the order now, and what follows from it was done."""
        before = self._last.get(order.order_id)
        self._all.held(self._account, order.order_id, answer)
        if answer is None or answer is before:
            return
        self._last[order.order_id] = answer
        what = invariants.backwards(before, answer)
        if what is not None:
            self._all.broken(
                Invariant.BACKWARDS, self._account, f"{order.order_id} of {order.listing.venue}: {what}"
            )
        if isinstance(answer, _TRADED):
            self._all.traded(self._account, order, answer)
