"""The further rounds of one route: what the first plan held back, planned again on fresh books."""

from collections.abc import Sequence
from functools import cached_property

import msgspec

from registry.model import Outcome
from router.core.errors import Refusal
from router.core.execution import Execution
from router.core.model import MarketOrder
from router.runtime.accounts import Account
from router.runtime.planner import Draft, Planner
from venues.base.listing import ListingKey
from venues.base.orders import Filled, Order, Rejected
from venues.base.units import Cash

LEFT_BPS_MIN = 50
"""Less than this part of the amount is not worth another journey to the venues."""


class Rounds:
    """Knows what a buy still has to spend. Its amount, worst price and venues bound all rounds together."""

    def __init__(self, planner: Planner, account: Account, *, outcome: Outcome, draft: Draft) -> None:
        self._planner, self._account, self._outcome, self._draft = planner, account, outcome, draft
        self._first = draft

    @cached_property
    def _asked(self) -> MarketOrder:
        """Slippage counts from the best price of the first round: that round itself moves the books."""
        worst = self._first.plan.worst
        return msgspec.structs.replace(self._first.asked, max_price=worst, max_slippage_bps=None)

    async def extend(self, execution: Execution) -> tuple[Sequence[Order], bool]:
        """The next round's orders, and whether it holds something back as well."""
        left = self._left(execution)
        if left * 10_000 < self._asked.amount * LEFT_BPS_MIN:
            return (), False
        refused = refused_on(execution)
        if not await self._planner.caught_up(self._account, self._draft, self._outcome, refused):
            return (), False
        asked = self._further(execution, left)
        try:
            self._draft = await self._planner.draft(self._account, asked, self._outcome, refused)
            orders = self._planner.orders(self._account, self._draft)
            self._planner.permit(self._account, asked, orders)
        except Refusal:
            return (), False
        if self._left(execution) < left:  # a fill showed up while the books were waited for
            return (), False
        return orders, self._draft.bounded.held_back

    def check(self, order: Order) -> None:
        """Once more when the order is to leave. Raises the refusal of a control."""
        self._planner.check(self._account, order, self._outcome)

    def check_halts(self, order: Order) -> None:
        """In the last moment before its bytes leave. Raises Halted."""
        self._planner.check_halts(self._account, order, self._outcome)

    def _further(self, execution: Execution, left: Cash) -> MarketOrder:
        """What the caller still wants: on the venues that had an order, once no more of them may be used."""
        asked = msgspec.structs.replace(self._asked, amount=left)
        if asked.max_venues is None:
            return asked
        used = frozenset(order.listing.venue for order in execution.orders.values())
        if len(used) < asked.max_venues:
            return msgspec.structs.replace(asked, max_venues=asked.max_venues - len(used))
        return msgspec.structs.replace(asked, venues=used)

    def _left(self, execution: Execution) -> Cash:
        """Dollars of the amount that no order has spent; an order that did not fill has spent nothing."""
        assert not execution.open_orders, "a round is planned when the one before has ended"
        spent = sum(a.cash + a.fee.cash for a in execution.known.values() if isinstance(a, Filled))
        return Cash(max(0, self._asked.amount - spent))


def refused_on(execution: Execution) -> frozenset[ListingKey]:
    """The listings on which an order was refused: the next one would be too."""
    return frozenset(
        order.listing.key
        for order in execution.orders.values()
        if isinstance(execution.known.get(order.order_id), Rejected)
    )
