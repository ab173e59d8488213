"""From what is asked to orders that can be sent: offers, means, plan, bounds, ids and stamps."""

from collections.abc import Mapping

import msgspec

from registry.model import Outcome
from router.core.allocate import allocate
from router.core.bound import Bounded, bound
from router.core.errors import NotEnoughFunds, NothingAllocated
from router.core.ledger import Ledger
from router.core.merge import Merged, Offer
from router.core.model import MarketOrder, Means, Plan, PlannedOrder
from router.runtime.accounts import Account
from router.runtime.balances import Balances
from router.runtime.clock import Clock
from router.runtime.ladders import Ladders
from venues.base.listing import ListingKey
from venues.base.orders import Order, OrderId, Side
from venues.base.units import plain

CATCH_UP_MS_MAX = 500
"""Longest wait for the books to show what our own orders took."""
POLL_MS = 5


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that can be sent, and what it was made from."""

    plan: Plan
    bounded: Bounded
    tops: Mapping[ListingKey, Offer | None]
    """The best offer of each listing when it was made."""


class Planner:
    """Plans the rounds of one route after the other; the caller holds the account's lane."""

    def __init__(self, ladders: Ladders, balances: Balances, ledger: Ledger, clock: Clock) -> None:
        self._ladders, self._balances, self._ledger, self._clock = ladders, balances, ledger, clock

    async def draft(self, account: Account, asked: MarketOrder, outcome: Outcome) -> Draft:
        """The best plan now. NotEnoughFunds or NothingAllocated when there is none."""
        merged = self._ladders.read(outcome, asked.side, account.venues)
        means, unread = await self._means(account, asked, merged)
        merged = self._ladders.read(outcome, asked.side, account.venues)  # reading the means took time
        plan = allocate(merged, asked, means)
        terms = {each.listing.key: each for each in merged.terms}
        bounded = bound(plan.orders, terms)
        if not bounded.orders:
            raise NothingAllocated(_why_nothing(plan, merged, unread))
        tops = {each.listing.key: top for each, top in zip(merged.terms, merged.tops, strict=True)}
        return Draft(plan=plan, bounded=bounded, tops=tops)

    def orders(self, draft: Draft) -> tuple[Order, ...]:
        """With ids and stamps: from here on it can be sent, and looked up after a crash."""
        now_ms = self._clock.now_ms()
        return tuple(self._order(part, now_ms) for part in draft.bounded.orders)

    async def caught_up(self, account: Account, draft: Draft, outcome: Outcome, side: Side) -> bool:
        """Wait until the books show what this round's orders took; False when they do not in time."""
        taken = {part.listing.key for part in draft.bounded.orders}
        for _ in range(CATCH_UP_MS_MAX // POLL_MS):
            merged = self._ladders.read(outcome, side, account.venues)
            now = {each.listing.key: top for each, top in zip(merged.terms, merged.tops, strict=True)}
            if all(now.get(key) != draft.tops[key] for key in taken):
                return True
            await self._clock.sleep(POLL_MS)
        return False

    def _order(self, part: PlannedOrder, now_ms: int) -> Order:
        return Order(
            order_id=OrderId(self._clock.new_id()),
            listing=part.listing,
            side=part.side,
            limit=part.limit,
            size=part.size,
            cash=part.cash,
            reserve=part.fee_reserve,
            created_ms=now_ms,
            salt=self._clock.new_salt(),
        )

    async def _means(
        self, account: Account, asked: MarketOrder, merged: Merged
    ) -> tuple[Means, dict[str, str]]:
        """What the account can use on the venues with a usable book, and the venues that did not say."""
        listings = [t.listing for t in merged.terms if t.listing.key not in merged.unusable]
        if asked.side is Side.SELL:
            holdings, unread = await self._balances.holdings(account, listings)
            return self._ledger.free(account.account_id, {}, holdings), unread
        venues = sorted({listing.venue for listing in listings})
        funds, unread = await self._balances.funds(account, venues)
        means = self._ledger.free(account.account_id, funds, {})
        have = sum(means.funds.values())
        if venues and not unread and have < asked.amount:
            raise NotEnoughFunds(f"insufficient balance: need {plain(asked.amount)}, have {plain(have)}")
        return means, unread


def _why_nothing(plan: Plan, merged: Merged, unread: Mapping[str, str]) -> str:
    """One sentence for a caller who gets nothing."""
    reasons = [
        f"{entry.venue}: {entry.dropped.replace('_', ' ')}" for entry in plan.considered if entry.dropped
    ]
    reasons += [f"{key.venue}: book {why.replace('_', ' ')}" for key, why in merged.unusable.items()]
    reasons += [f"{venue}: balance unreadable ({why})" for venue, why in unread.items()]
    return f"nothing could be allocated ({'; '.join(reasons) or 'no venue has a usable book'})"
