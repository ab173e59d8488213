"""Cash and shares held back for orders without a last word, per account. A hold never outlives its order."""

from collections.abc import Iterable, Mapping

import msgspec

from router.core.model import AccountId, Means
from venues.base.listing import ListingKey
from venues.base.orders import Order, OrderId, Side
from venues.base.units import Cash, Size


class Hold(msgspec.Struct, frozen=True):
    """What one order may still take from its account."""

    order: Order
    fee_reserve: Cash

    @property
    def cash(self) -> Cash:
        """Cash that a buy may cost in all; a sell costs none."""
        return Cash(self.order.cash + self.fee_reserve) if self.order.side is Side.BUY else Cash(0)

    @property
    def shares(self) -> Size:
        """Shares that a sell may deliver; a buy delivers none."""
        return self.order.size if self.order.side is Side.SELL else Size(0)


class Ledger:
    """The holds of all accounts."""

    def __init__(self) -> None:
        self._holds: dict[AccountId, dict[OrderId, Hold]] = {}

    def hold(self, account: AccountId, order: Order, fee_reserve: Cash) -> None:
        """Reserve what the order may take."""
        holds = self._holds.setdefault(account, {})
        assert order.order_id not in holds, "an order is held once"
        holds[order.order_id] = Hold(order, fee_reserve)

    def release(self, account: AccountId, order_id: OrderId) -> None:
        """The order has its last word. Repeats do nothing."""
        holds = self._holds.get(account, {})
        holds.pop(order_id, None)
        if not holds:
            self._holds.pop(account, None)

    def open(self, account: AccountId) -> list[Hold]:
        """The account's holds, oldest first."""
        return list(self._holds.get(account, {}).values())

    def free(
        self,
        account: AccountId,
        funds: Mapping[tuple[str, str], Cash],
        holdings: Mapping[ListingKey, Size],
    ) -> Means:
        """Balances and positions minus holds, never below zero."""
        holds = self.open(account)
        return Means(
            funds={pool: Cash(max(0, cash - _cash_held(holds, pool))) for pool, cash in funds.items()},
            holdings={key: Size(max(0, size - _shares_held(holds, key))) for key, size in holdings.items()},
        )


def _cash_held(holds: Iterable[Hold], pool: tuple[str, str]) -> int:
    return sum(h.cash for h in holds if (h.order.listing.venue, h.order.listing.pool) == pool)


def _shares_held(holds: Iterable[Hold], key: ListingKey) -> int:
    return sum(h.shares for h in holds if h.order.listing.key == key)
