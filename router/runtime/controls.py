"""The controls of all accounts: what each has used, what it may do, and a record of every refusal.

Arithmetic and rules are `router.core.controls`; here they meet clock, ledger and store.
"""

from collections import defaultdict
from collections.abc import Sequence

import structlog

from router.core.controls import (
    HISTORY_MAX,
    HISTORY_MS,
    MINUTE_MS,
    AccountLimits,
    Used,
    at_worst,
    check_asked,
    check_cash,
    check_prices,
    check_rules,
    check_usual,
    room,
)
from router.core.errors import Controlled, TooFast
from router.core.ledger import Ledger
from router.core.model import AccountId, MarketOrder
from router.core.turnover import Rate, Sizes, Turnover
from router.runtime.clock import Clock
from router.runtime.control_settings import AccountControls, LimitBook, applied, override
from router.runtime.metrics import Metrics
from router.runtime.store.protocol import Store
from router.runtime.switch import Switch
from venues.base.orders import Filled, Order, OrderId, Rejected
from venues.base.units import Cash, Size

ROUTE_MS_MAX = 600_000
"""A route sends orders for so long at most: the longest `routing.answer_ms` there may be."""

log = structlog.get_logger(__name__)


class Controls:
    """Asked before an order is planned, before its intent is written and when it is sent."""

    def __init__(
        self,
        book: LimitBook,
        store: Store,
        ledger: Ledger,
        *,
        switch: Switch,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self.switch = switch
        self._book, self._store, self._ledger = book, store, ledger
        self._clock, self._metrics = clock, metrics
        self._turnovers: defaultdict[AccountId, Turnover] = defaultdict(Turnover)
        self._sizes: dict[AccountId, Sizes] = {}
        self._rates: dict[AccountId, Rate] = {}
        self._total = Rate(book.total_per_second)
        self.overrides: dict[AccountId, AccountControls] = {}
        """What admin keys have set, by account; it stands over the settings."""
        ledger.watchers.append(self)

    def limits(self, account_id: AccountId) -> AccountLimits:
        """What this account may do now."""
        own = self.overrides.get(account_id)
        return self._book.of(account_id) if own is None else applied(self._book.of(account_id), own)

    async def override(self, account_id: AccountId, own: AccountControls, *, by: str, why: str) -> None:
        """From now on this account has these limits, once they are on the trail. Raises StoreDown."""
        now_ms = self._clock.now_ms()
        await self._store.note(override(account_id, own, by=by, why=why, at_ms=now_ms))
        self.overrides[account_id] = own
        self._rates.pop(account_id, None)
        log.warning("limits.changed", account=account_id, by=by, why=why)

    def admit(self, account_id: AccountId, asked: MarketOrder) -> None:
        """Before anything is done for it. Raises Halted, TooFast, RiskLimit or InvalidSize."""
        limits, now_ms = self.limits(account_id), self._clock.monotonic_ms()
        self.switch.check(account_id, asked.outcome)
        check_asked(limits, asked)
        rate = self._rates.get(account_id)
        if rate is None:
            rate = self._rates[account_id] = Rate(limits.orders_per_second)
        if rate.full(now_ms):
            raise TooFast("orders_per_second", "one more", str(limits.orders_per_second))
        if self._total.full(now_ms):
            raise TooFast("total_per_second", "one more", str(self._book.total_per_second))
        rate.take(now_ms)
        self._total.take(now_ms)

    async def recall(self, account_id: AccountId) -> None:
        """Read what the account did before this process, once. Raises StoreDown or StoreDamaged."""
        if account_id in self._sizes:
            return
        now_ms = self._clock.now_ms()
        sizes = await self._store.sizes(account_id, now_ms - HISTORY_MS, HISTORY_MAX)
        since_ms = now_ms - MINUTE_MS - ROUTE_MS_MAX
        for route in await self._store.routes(account_id, HISTORY_MAX, since_ms=since_ms):
            last = {answer.order_id: answer for answer in route.answers}
            for order in route.planned.orders:
                age_ms = max(0, now_ms - max(route.planned.at_ms, order.created_ms))
                self._sent(account_id, order, self._clock.monotonic_ms() - age_ms)
                answer = last.get(order.order_id)
                if isinstance(answer, Filled):
                    self.filled(account_id, answer)
                elif route.finished or isinstance(answer, Rejected):
                    self.released(account_id, order.order_id)
        self._sizes.setdefault(account_id, Sizes(sizes))

    def room(self, account_id: AccountId, venue: str) -> Cash:
        """What one more order of the account may be for at this venue."""
        return room(self.limits(account_id).cash_at(venue), self._used(account_id, venue))

    def permit(
        self, account_id: AccountId, asked: MarketOrder, orders: Sequence[Order], *, first: bool = False
    ) -> None:
        """Before the intent of these orders, with nothing between this and their holds. Or a refusal.

        The `first` orders of a route are compared with the account's usual size.
        """
        limits, confirmed = self.limits(account_id), asked.confirm
        for order in orders:
            self.switch.check(account_id, asked.outcome, order.listing)
        check_prices(limits, orders, confirmed=confirmed)
        for order in orders:
            check_rules(order)
        check_cash(limits.cash, self._used(account_id), Cash(sum(map(at_worst, orders))))
        limited = [order.listing.venue for order in orders if order.listing.venue in limits.at]
        for venue in dict.fromkeys(limited):  # elsewhere the account's own limit of all venues counts
            cash = Cash(sum([at_worst(order) for order in orders if order.listing.venue == venue]))
            check_cash(limits.at[venue], self._used(account_id, venue), cash, where=venue)
        if first:
            size, sizes = Size(sum([order.size for order in orders])), self._sizes[account_id]
            now_ms = self._clock.now_ms()
            check_usual(limits, sizes.lately(now_ms), size, confirmed=confirmed)
            sizes.add(size, now_ms)

    def check_sent(self, account_id: AccountId, order: Order, limits: AccountLimits) -> None:
        """When it is to leave, its hold in the sums already; `limits` are those of now. Raises RiskLimit."""
        venue, cash = order.listing.venue, at_worst(order)
        check_cash(limits.cash, self._used(account_id, but=cash), cash)
        if venue in limits.at:
            check_cash(limits.at[venue], self._used(account_id, venue, but=cash), cash, where=venue)

    def refused(self, account_id: AccountId, refusal: Controlled, *, when: str) -> None:
        """Every refusal is recorded."""
        self._metrics.controls.of(refusal.rule.rpartition(": ")[2], when).inc()
        log.warning(
            "control.refused",
            account=account_id,
            error=refusal.word,
            rule=refusal.rule,
            value=refusal.value,
            limit=refusal.limit,
            when=when,
        )

    # --- what the ledger and the venues tell ---

    def held(self, account: AccountId, order: Order) -> None:
        """See `Watcher`."""
        self._sent(account, order, self._clock.monotonic_ms())

    def released(self, account: AccountId, order_id: OrderId) -> None:
        """See `Watcher`. Where nobody said what it came to, it came to nothing."""
        self._turnovers[account].settled(order_id, Cash(0))

    def filled(self, account: AccountId, answer: Filled) -> None:
        """An order's last word: what it moved in truth."""
        self._turnovers[account].settled(answer.order_id, Cash(answer.cash + answer.fee.cash))

    def _sent(self, account: AccountId, order: Order, at_ms: int) -> None:
        self._turnovers[account].sent(order.order_id, order.listing.venue, at_worst(order), at_ms)

    def _used(self, account: AccountId, venue: str = "", *, but: int = 0) -> Used:
        """At this venue, or at all of them, without an order of `but` that is in the sums already."""
        minute = self._turnovers[account].minute(self._clock.monotonic_ms(), venue)
        held = sum([at_worst(o) for o in self._ledger.open(account) if venue in ("", o.listing.venue)])
        return Used(Cash(max(0, minute - but)), Cash(max(0, held - but)))
