"""From what is asked to orders that can be sent: offers, means, plan, bounds, ids and stamps."""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from registry.index import Registry
from registry.model import Outcome
from router.core.allocate import allocate
from router.core.bound import Bounded, bound
from router.core.considered import BALANCE_UNREAD, owned_up
from router.core.controls import (
    AccountLimits,
    barred,
    check_matches,
    check_now,
    check_sale,
    collared,
    within_depth,
    without_closing,
)
from router.core.errors import (
    AccountSuspended,
    Halted,
    NotEnoughFunds,
    NothingAllocated,
    Refusal,
    RiskLimit,
    Stopping,
    TooDeep,
)
from router.core.gated import REFUSED_BEFORE, left_out, spoken, without
from router.core.merge import Merged, Offer
from router.core.model import LeftOut, MarketOrder, Means, Plan, PlannedOrder
from router.runtime.accounts import Account
from router.runtime.hands import Tools
from router.runtime.ladders import Ladders
from venues.base.listing import ListingKey
from venues.base.orders import Order, OrderId, Side
from venues.base.units import Cash, Price, Size, affordable, plain

CATCH_UP_MS_MAX = 500
"""Longest wait for the books to show what our own orders took."""
POLL_MS = 5
_BUY = Side.BUY


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that can be sent, and what it was made from."""

    asked: MarketOrder
    """What was planned for: held to the collar and to its share of what is on offer."""
    cut: int | None
    """The amount or size that is left of it, where that is less than asked."""
    plan: Plan
    bounded: Bounded
    tops: Mapping[ListingKey, Offer | None]
    """The best offer of each listing when it was made, where something is held back for a further round."""
    left_out: tuple[LeftOut, ...]
    """The venues of which nothing could be used."""
    read_ms: int
    """When the books were read, by the clock that only grows."""


class _Sight(msgspec.Struct, frozen=True):
    """What an account sees of an outcome in one moment."""

    limits: AccountLimits
    """What it may do then."""
    takes: Merged
    """What an order of the side in question takes, without what the account may not trade."""
    gives: Merged
    """The other side."""
    read_ms: int
    """When, by the clock that only grows."""

    def best(self) -> tuple[Price | None, Price | None]:
        """The best bid and the best ask of all the account's venues."""
        takes, gives = self.takes.best, self.gives.best
        return (gives, takes) if self.takes.side is _BUY else (takes, gives)


class _Found(msgspec.Struct, frozen=True):
    """What an account has at the venues."""

    means: Means
    unread: Mapping[str, str]
    """The venues that did not say, and why."""
    waited: bool
    """Whether a venue was asked: that took time."""


class Planner:
    """Plans the rounds of one route after the other; the caller holds the account's lane."""

    def __init__(self, tools: Tools, ladders: Ladders) -> None:
        self._tools, self._ladders, self._balances, self._ledger = (
            tools,
            ladders,
            tools.balances,
            tools.ledger,
        )
        self._controls, self._clock, self._checks = tools.controls, tools.clock, tools.checks
        self._stopped = False
        self.registry = Registry()
        """The one in force."""

    def stop(self) -> None:
        """Nothing is planned any more, neither a route nor a further round of one."""
        self._stopped = True

    async def draft(
        self,
        account: Account,
        asked: MarketOrder,
        outcome: Outcome,
        refused: Collection[ListingKey] = (),
    ) -> Draft:
        """The best plan now. Raises NotEnoughFunds, NothingAllocated, Stopping or a control's refusal.

        `refused` are the listings on which the venue has refused an order of the same route.
        """
        sight = self._tradable(account, asked, outcome, refused)
        check_matches(sight.limits, outcome, sight.takes)
        found = await self._means(account, asked, sight.takes)
        if self._stopped:
            raise Stopping("the router shut down before the order was planned")
        if found.waited:
            sight = self._tradable(account, asked, outcome, refused)
        held_to, cut = self._held_to(account, asked, outcome, sight)
        if cut == 0:
            raise self._nothing(held_to, sight.takes, found, cut=cut)
        means, only = self._capped(account, found.means, sight), _only(held_to, cut)
        plan = _told(allocate(sight.takes, only, means), found.unread)
        bounded = bound(plan.orders, {each.listing.key: each for each in sight.takes.terms})
        if not bounded.orders:
            raise self._nothing(held_to, sight.takes, found, cut=cut)
        return Draft(
            asked=only,
            cut=cut,
            plan=plan,
            bounded=bounded,
            tops=_tops(sight.takes) if bounded.held_back else {},
            left_out=left_out(sight.takes, asked),
            read_ms=sight.read_ms,
        )

    def permit(self, account: Account, asked: MarketOrder, orders: Sequence[Order]) -> None:
        """Before the orders of a further round are recorded and held. Raises the refusal of a control."""
        self._controls.permit(account.account_id, asked, orders)

    def check_halts(self, account: Account, order: Order, outcome: Outcome) -> None:
        """In the last moment before the order's bytes leave. Raises Halted."""
        self._controls.switch.check(account.account_id, outcome.outcome_id, order.listing)

    def check(self, account: Account, order: Order, outcome: Outcome) -> None:
        """Once more when the order is to leave. Raises the refusal of a control."""
        self.check_halts(account, order, outcome)
        sight = self._sight(account, order.side, outcome)
        self._controls.check_sent(account.account_id, order, sight.limits)
        bid, ask = sight.best()
        check_now(sight.limits, order, sight.takes, bid=bid, ask=ask, now_ms=self._clock.now_ms())

    def orders(self, account: Account, draft: Draft) -> tuple[Order, ...]:
        """With ids and stamps: from here on it can be sent, and looked up after a crash.

        To be called in the moment the draft was made. AccountSuspended when a book was not to be used then.
        """
        orders = tuple([self._order(part) for part in draft.bounded.orders])
        for order in orders:
            heard_ms = self._ladders.heard_ms(order.listing)
            limit_ms = self._ladders.silent_ms_max(order.listing.venue)
            at_ms = draft.read_ms
            if not self._checks.fresh(account.account_id, order, heard_ms, now_ms=at_ms, limit_ms=limit_ms):
                raise AccountSuspended
        return orders

    async def caught_up(
        self, account: Account, draft: Draft, outcome: Outcome, refused: Collection[ListingKey]
    ) -> bool:
        """Wait until the books show what this round's orders took; False when they do not in time.

        On the listings that are `refused` they took nothing.
        """
        side = draft.bounded.orders[0].side
        taken = {part.listing.key for part in draft.bounded.orders}.difference(refused)
        for _ in range(CATCH_UP_MS_MAX // POLL_MS):
            now = _tops(self._sight(account, side, outcome).takes)
            if all(now.get(key) != draft.tops[key] for key in taken):
                return True
            await self._clock.sleep(POLL_MS)
        return False

    def _tradable(
        self, account: Account, asked: MarketOrder, outcome: Outcome, refused: Collection[ListingKey]
    ) -> _Sight:
        """What is on offer now, without what no order of the account may go to."""
        sight = self._sight(account, asked.side, outcome)
        venues = dict.fromkeys([terms.listing.venue for terms in sight.takes.terms])
        shut = self._tools.venue_gates.closed(account.account_id, venues)
        if not shut and not refused:
            return sight
        reasons = {key: shut[key.venue] for key in outcome.listings if key.venue in shut}
        takes = without(sight.takes, {**reasons, **dict.fromkeys(refused, REFUSED_BEFORE)})
        return msgspec.structs.replace(sight, takes=takes)

    def _sight(self, account: Account, side: Side, outcome: Outcome) -> _Sight:
        """What is on offer now, without listings that the account may not trade under this outcome."""
        limits = self._controls.limits(account.account_id)
        sides = self._ladders.read(outcome, side, account.venues)
        no = barred(limits, outcome, self.registry.outcome(outcome.outcome_id))
        return _Sight(limits, without(sides.takes, no), without(sides.gives, no), sides.read_ms)

    def _order(self, part: PlannedOrder) -> Order:
        return Order(
            order_id=OrderId(self._clock.new_id()),
            listing=part.listing,
            side=part.side,
            limit=part.limit,
            size=part.size,
            cash=part.cash,
            reserve=part.fee_reserve,
            created_ms=self._tools.times.now_ms(part.listing.venue),
            salt=self._clock.new_salt(),
        )

    def _held_to(
        self, account: Account, asked: MarketOrder, outcome: Outcome, sight: _Sight
    ) -> tuple[MarketOrder, int | None]:
        """The order within the collar and its share of what is on offer; what is left if that is less."""
        limits, merged = sight.limits, sight.takes
        bid, ask = sight.best()
        asked = self._without_halted(account, asked, outcome, merged)
        check_sale(limits, asked, bid)
        held_to = collared(limits, without_closing(limits, asked, merged, self._clock.now_ms()), bid, ask)
        whole = asked.amount or asked.size
        most = within_depth(limits, held_to, merged)
        if most == whole:
            return held_to, None
        return held_to, most

    def _without_halted(
        self, account: Account, asked: MarketOrder, outcome: Outcome, merged: Merged
    ) -> MarketOrder:
        """The order without venues on which it is halted. Raises Halted when no other is left."""
        halted: dict[str, Halted] = {}
        for terms in merged.terms:
            try:
                self._controls.switch.check(account.account_id, outcome.outcome_id, terms.listing)
            except Halted as refusal:
                halted[terms.listing.venue] = refusal
        if not halted:
            return asked
        wanted = [terms.listing.venue for terms in merged.terms if asked.wants(terms.listing.venue)]
        if wanted and all(venue in halted for venue in wanted):
            raise halted[wanted[0]]
        return msgspec.structs.replace(asked, exclude_venues=asked.exclude_venues | halted.keys())

    @staticmethod
    def _nothing(asked: MarketOrder, merged: Merged, found: _Found, *, cut: int | None) -> Refusal:
        """Why nothing of the order can be placed: a control only where something could be without it."""
        plan = _told(allocate(merged, asked, found.means), found.unread)
        whole = plain(asked.amount or asked.size)
        if not plan.orders:
            return NothingAllocated(_why_nothing(plan, merged, found.unread))
        if cut is not None:
            return TooDeep("depth_percent", whole, plain(cut))
        return RiskLimit("room", whole, "what the limits of its venues leave")

    def _capped(self, account: Account, means: Means, sight: _Sight) -> Means:
        """No more at a venue with limits of its own than these leave: plans go around one that is full."""
        best = sight.takes.best
        if not sight.limits.at or best is None:
            return means
        rooms = {venue: self._controls.room(account.account_id, venue) for venue in sight.limits.at}
        return Means(
            funds={pool: min(cash, rooms.get(pool[0], cash)) for pool, cash in means.funds.items()},
            holdings={
                key: min(size, affordable(best, rooms[key.venue])) if key.venue in rooms else size
                for key, size in means.holdings.items()
            },
        )

    async def _means(self, account: Account, asked: MarketOrder, merged: Merged) -> _Found:
        """What the account can use on the venues with a usable book. Raises NotEnoughFunds."""
        listings = [t.listing for t in merged.terms if t.listing.key not in merged.unusable]
        if asked.side is Side.SELL:
            holdings, unread = await self._balances.holdings(account, listings)
            return _Found(self._ledger.free(account.account_id, {}, holdings), unread, waited=True)
        venues = sorted({listing.venue for listing in listings})
        funds, unread = self._balances.remembered(account, venues), dict[str, str]()
        waited = funds is None
        if funds is None:
            funds, unread = await self._balances.funds(account, venues)
        means = self._ledger.free(account.account_id, funds, {})
        have = sum(means.funds.values())
        if venues and not unread and have < asked.amount:
            gone = ", ".join(spoken(entry) for entry in left_out(merged, asked))
            uncounted = f"; not counted: {gone}" if gone else ""
            raise NotEnoughFunds(
                f"insufficient balance: need {plain(asked.amount)}, have {plain(have)}{uncounted}"
            )
        return _Found(means, unread, waited)


def _only(asked: MarketOrder, cut: int | None) -> MarketOrder:
    """What is left of the order when it is cut."""
    if cut is None:
        return asked
    if asked.side is Side.BUY:
        return msgspec.structs.replace(asked, amount=Cash(cut))
    return msgspec.structs.replace(asked, size=Size(cut))


def _tops(merged: Merged) -> dict[ListingKey, Offer | None]:
    """The best offer of each listing."""
    return {each.listing.key: top for each, top in zip(merged.terms, merged.tops, strict=True)}


def _told(plan: Plan, unread: Collection[str]) -> Plan:
    return msgspec.structs.replace(plan, considered=owned_up(plan.considered, unread)) if unread else plan


def _why_nothing(plan: Plan, merged: Merged, unread: Mapping[str, str]) -> str:
    """One sentence for a caller who gets nothing."""
    reasons = [
        f"{entry.venue}: {entry.dropped.replace('_', ' ')}"
        + (f" ({unread[entry.venue]})" if entry.dropped == BALANCE_UNREAD else "")
        for entry in plan.considered
        if entry.dropped
    ]
    reasons += [f"{key.venue}: {why.replace('_', ' ')}" for key, why in merged.unusable.items()]
    return f"nothing could be allocated ({'; '.join(reasons) or 'no venue has a usable book'})"
