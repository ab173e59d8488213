"""Which of the venue's orders are whose, for one account: the venue keeps no id of ours to tell (card 10).

Two of our orders may look exactly alike, such as a sale of everything that is tried again while the first
try is in doubt. Each order of the venue belongs to at most one of them: what one was told to be its own,
another is never told. It is remembered while the process lives; what a restart leaves open is in the README.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from venues.base.orders import Order, OrderId

CLAIMS_MAX = 10_000
"""Look-alikes are made within seconds of each other; at 20 calls a second this is eight minutes."""

Likeness = tuple[object, ...]


class Claims:
    """The ids known so far, and the orders on their way to one."""

    def __init__(self) -> None:
        self._owners: dict[str, OrderId] = {}
        self._leaving: dict[OrderId, Likeness] = {}

    @contextmanager
    def leaving(self, order: Order) -> Iterator[None]:
        """While its reply is awaited nobody knows which of the venue's orders it will turn out to be."""
        self._leaving[order.order_id] = _likeness(order)
        try:
            yield
        finally:
            del self._leaving[order.order_id]

    def contested(self, order: Order) -> bool:
        """Whether another order that looks like this one is on its way."""
        mine = _likeness(order)
        return any(other == mine for owner, other in self._leaving.items() if owner != order.order_id)

    def free(self, order: Order, venue_order_id: str) -> bool:
        """Whether this could still be the order: it is no other's."""
        return self._owners.get(venue_order_id, order.order_id) == order.order_id

    def own(self, order: Order, venue_order_id: str) -> None:
        """It is this order's from now on."""
        while len(self._owners) >= CLAIMS_MAX:
            del self._owners[next(iter(self._owners))]
        self._owners[venue_order_id] = order.order_id


def _likeness(order: Order) -> Likeness:
    return order.listing.key, order.side, order.limit, order.size, order.time_in_force
