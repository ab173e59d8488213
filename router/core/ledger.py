"""Cash and shares held back for orders without a last word, per account. A hold never outlives its order."""

from collections.abc import Mapping
from typing import Protocol

from router.core.model import AccountId, Means
from venues.base.listing import ListingKey
from venues.base.orders import Order, OrderId, Side
from venues.base.units import Cash, Size


class Watcher(Protocol):
    """Whoever must know of every hold."""

    def held(self, account: AccountId, order: Order) -> None:
        """An order may leave from now on."""
        ...

    def released(self, account: AccountId, order_id: OrderId) -> None:
        """It has its last word, or never left."""
        ...


class Ledger:
    """The holds of all accounts."""

    def __init__(self) -> None:
        self._holds: dict[AccountId, dict[OrderId, Order]] = {}
        self.watchers: list[Watcher] = []

    def hold(self, account: AccountId, order: Order) -> None:
        """Reserve what the order may take: a buy its cash and fees, a sell its shares."""
        holds = self._holds.setdefault(account, {})
        assert order.order_id not in holds, "an order is held once"
        holds[order.order_id] = order
        for watcher in self.watchers:
            watcher.held(account, order)

    def release(self, account: AccountId, order_id: OrderId) -> None:
        """The order has its last word. Repeats do nothing."""
        holds = self._holds.get(account, {})
        holds.pop(order_id, None)
        if not holds:
            self._holds.pop(account, None)
        for watcher in self.watchers:
            watcher.released(account, order_id)

    def holds(self, account: AccountId, order_id: OrderId) -> bool:
        """Whether anything is reserved for the order."""
        return order_id in self._holds.get(account, ())

    def open(self, account: AccountId) -> list[Order]:
        """The account's orders without a last word, oldest first."""
        return list(self._holds.get(account, {}).values())

    def free(
        self,
        account: AccountId,
        funds: Mapping[tuple[str, str], Cash],
        holdings: Mapping[ListingKey, Size],
    ) -> Means:
        """Balances and positions minus holds, never below zero."""
        cash_held: dict[tuple[str, str], int] = {}
        shares_held: dict[ListingKey, int] = {}
        for order in self._holds.get(account, {}).values():
            listing = order.listing
            if order.side is Side.BUY:
                pool = (listing.venue, listing.pool)
                cash_held[pool] = cash_held.get(pool, 0) + order.cash + order.reserve
            else:
                shares_held[listing.key] = shares_held.get(listing.key, 0) + order.size
        return Means(
            funds={pool: Cash(max(0, cash - cash_held.get(pool, 0))) for pool, cash in funds.items()},
            holdings={key: Size(max(0, size - shares_held.get(key, 0))) for key, size in holdings.items()},
        )
