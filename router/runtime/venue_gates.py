"""The order gates: whether an account's orders may go to a venue now, and if not, why.

Asked before each plan, so that a venue whose gate is closed gets no part of it and keeps no order waiting.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import structlog

from router.core.model import AccountId
from router.runtime.breakers import Breakers
from router.runtime.clock import Clock
from router.runtime.metrics import Metrics
from router.runtime.times import VenueTimes
from venues.base.contract import Venue
from venues.base.listing import ListingKey
from venues.base.orders import Answer, Order, OrderId, Rejected, Unknown

UNKNOWN_MAX = 3
"""Orders in doubt at once, of one account at one venue: with more of them no further one leaves."""

CLOCK_OFFSET = "clock_offset"
CLOCK_UNKNOWN = "clock_unknown"
RECONCILING = "reconciling"
UNKNOWN_ORDERS = "unknown_orders"
STREAM_DOWN = "stream_down"
NO_ORDERS = "no_orders_phase"

log = structlog.get_logger(__name__)


class Means(NamedTuple):
    """What the gates look at."""

    breakers: Breakers
    times: VenueTimes
    clock: Clock
    metrics: Metrics


class VenueGates:
    """The gates of every account at every venue."""

    def __init__(self, venues: Mapping[str, Venue], means: Means, *, unknown_max: int = UNKNOWN_MAX) -> None:
        self._venues, self._means, self._unknown_max = venues, means, unknown_max
        self._streaming = frozenset(name for name, venue in venues.items() if venue.traits.needs_stream)
        self._unknown: dict[tuple[AccountId, str], set[OrderId]] = {}
        """Orders whose last answer is Unknown."""
        self._unproven: dict[tuple[AccountId, str], set[OrderId]] = {}
        """Orders taken up after a restart that the venue has not told anything about since."""
        self._streams: set[tuple[AccountId, str]] = set()
        """The streams that are up."""
        self._shown: dict[tuple[AccountId, str], str] = {}
        """The gates that the log and the metrics say are closed, with the reason."""
        self.on_shut: Callable[[ListingKey], None] = lambda _: None
        """Told of each listing on which a venue says that it takes no orders now."""

    def closed(self, account: AccountId, venues: Iterable[str]) -> dict[str, str]:
        """Those of the venues to which no order of the account may go now, each with the reason."""
        found: dict[str, str] = {}
        for venue in venues:
            why = self.why_closed(account, venue)
            if why is not None:
                found[venue] = why
        return found

    def why_closed(self, account: AccountId, venue: str) -> str | None:
        """Why the gate is closed, or None. The first of several reasons: the venue's before the account's."""
        where = account, venue
        why = self._reason(where)
        if why != self._shown.get(where):
            self._show(account, venue, why)
        return why

    def answered(self, account: AccountId, order: Order, said: Answer, known: Answer | None) -> None:
        """The venue `said` this, or nothing; and this is the best that is `known` of the order now."""
        where = account, order.listing.venue
        if isinstance(known, Unknown):
            self._unknown.setdefault(where, set()).add(order.order_id)
        else:
            _discard(self._unknown, where, order.order_id)
        if not isinstance(said, Unknown):
            _discard(self._unproven, where, order.order_id)
        venue = self._venues.get(order.listing.venue)
        if venue is None or not isinstance(said, Rejected):
            return
        if said.code in venue.traits.phase_codes:
            self._means.breakers.pause(venue.name, venue.limits.phase_ms, NO_ORDERS)
        if said.code in venue.traits.shut_codes:
            self.on_shut(order.listing.key)

    def resumed(self, account: AccountId, orders: Iterable[Order]) -> None:
        """Orders without a last word, found in the store: first the venue must tell what it knows of them."""
        for order in orders:
            self._unproven.setdefault((account, order.listing.venue), set()).add(order.order_id)

    def stream(self, account: AccountId, venue: str, *, up: bool) -> None:
        """An account's own stream came up or went down."""
        (self._streams.add if up else self._streams.discard)((account, venue))

    def _reason(self, where: tuple[AccountId, str]) -> str | None:
        _, venue = where
        why = self._means.breakers.why_closed(venue)
        if why is not None:
            return why
        if not self._means.times.near(venue):
            return CLOCK_OFFSET
        if not self._means.times.known(venue):
            return CLOCK_UNKNOWN
        if where in self._unproven:
            return RECONCILING
        if where in self._unknown and len(self._unknown[where]) > self._unknown_max:
            return UNKNOWN_ORDERS
        if venue in self._streaming and where not in self._streams:
            return STREAM_DOWN
        return None

    def _show(self, account: AccountId, venue: str, why: str | None) -> None:
        """In the log and in the metrics, once for each change."""
        gauge = self._means.metrics.venue_gate_closed
        before = self._shown.pop((account, venue), None)
        if before is not None:
            gauge.labels(venue, before).dec()
        if why is None:
            log.info("venue_gate.opened", venue=venue, account=account, was=before)
            return
        self._shown[account, venue] = why
        gauge.labels(venue, why).inc()
        log.warning("venue_gate.closed", venue=venue, account=account, reason=why)


def _discard(
    kept: dict[tuple[AccountId, str], set[OrderId]], where: tuple[AccountId, str], order_id: OrderId
) -> None:
    """Take an order out, and the set with its last one."""
    orders = kept.get(where)
    if orders is not None:
        orders.discard(order_id)
        if not orders:
            del kept[where]
