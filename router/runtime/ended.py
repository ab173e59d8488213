"""Orders that ended lately, in case that their venue says more about them. Of each account and venue."""

from collections.abc import Callable, Sequence

from router.core.model import AccountId, RouteId
from venues.base.orders import Filled, News, Order, OrderId, Pending, Rejected, Working

ENDED_MAX = 500
"""Orders of one account at one venue, more than a busy one ends in an hour; the longest ended make room."""
ENDED_MS = 3_600_000
"""For how long: far beyond the minutes that a venue may lag or settle."""


class Ended:
    """One order after its last word."""

    def __init__(
        self,
        route_id: RouteId,
        order: Order,
        last: Filled | Rejected,
        *,
        at_ms: int,
        news: Sequence[News] = (),
        venue_ids: Sequence[str] = (),
    ) -> None:
        self.route_id, self.order, self.last = route_id, order, last
        self.venue_ids = venue_ids
        """What the venue called it before its last word, which may name it no more: one that was undone."""
        self.found_by: Sequence[str] = ()
        """The venue's ids that it is remembered under."""
        self.at_ms = at_ms
        """When it ended, by a clock that never jumps."""
        self.news = list(news)
        """What the account's stream said of it, before and since."""
        self.seen: Pending | Working | None = None
        """What a look-up since made of it, short of a last word: the next one goes on from there."""


class _Lately:
    """Those of one account at one venue."""

    def __init__(self) -> None:
        self.orders: dict[OrderId, Ended] = {}
        """The longest ended first."""
        self.by_venue_id: dict[str, Ended] = {}

    def drop(self, order_id: OrderId) -> None:
        ended = self.orders.pop(order_id)
        for venue_order_id in ended.found_by:
            if self.by_venue_id.get(venue_order_id) is ended:
                del self.by_venue_id[venue_order_id]


class EndedOrders:
    """The orders that ended lately, by account and venue."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        """`now_ms` is monotonic."""
        self._now_ms = now_ms
        self._lately: dict[tuple[AccountId, str], _Lately] = {}

    def add(self, account: AccountId, ended: Ended) -> None:
        """An order has its last word."""
        order = ended.order
        lately = self._lately.get((account, order.listing.venue))
        if lately is None:
            lately = self._lately[account, order.listing.venue] = _Lately()
        if order.order_id in lately.orders:
            lately.drop(order.order_id)
        lately.orders[order.order_id] = ended
        last = ended.last
        ended.found_by = (
            (*ended.venue_ids, last.venue_order_id) if isinstance(last, Filled) else ended.venue_ids
        )
        lately.by_venue_id.update(dict.fromkeys(ended.found_by, ended))
        if len(lately.orders) > ENDED_MAX:
            lately.drop(next(iter(lately.orders)))

    def of(self, account: AccountId, venue: str) -> list[Ended]:
        """Those of the last hour."""
        lately = self._lately.get((account, venue), _Lately())
        for order_id in [o for o, each in lately.orders.items() if self._now_ms() - each.at_ms > ENDED_MS]:
            lately.drop(order_id)
        return list(lately.orders.values())

    def find(self, account: AccountId, venue: str, *, client_id: str, venue_order_id: str) -> Ended | None:
        """The order with this id of ours, or this one of the venue's."""
        lately = self._lately.get((account, venue))
        if lately is None:
            return None
        return lately.orders.get(OrderId(client_id)) or lately.by_venue_id.get(venue_order_id)
