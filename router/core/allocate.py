"""Split one market order over the offers of an outcome: the most shares for the cash, or cash for the shares.

A buy never costs more than its amount, a sale never sells more than its size, worst-case fees included;
funds, holdings, lots, minimums, grids and the caller's own limits hold. The split is optimal: proven so
(`Plan.exact`), or proven to be within one lot of the finest listing, or the best that a bounded search
found. Pure: equal arguments give equal plans.
"""

from collections.abc import Mapping, Sequence, Set
from itertools import combinations, islice

import msgspec

from router.core.considered import (
    EXCLUDED,
    INSUFFICIENT_BALANCE,
    MAX_VENUES,
    MIN_ORDER_SIZE,
    NO_POSITION,
    WORSE_PRICE,
    ZERO_DEPTH,
    considered,
)
from router.core.ladder import Ladder, ladder
from router.core.merge import Merged, Offer
from router.core.model import MarketOrder, Means, Plan, PlannedOrder, Terms
from router.core.relaxation import (
    SCALE,
    Counts,
    Mark,
    Prices,
    Problem,
    Relaxed,
    Walked,
    relax,
    steps,
    walk,
)
from router.core.search import Search
from venues.base.orders import Side, minimum_cash
from venues.base.units import ONE, Cash, Price, Size, down, up

LISTINGS_MAX = 8
"""Orders per route. More venues than exist list one claim; the search is exponential in this."""
PEEK_MAX = 16
"""Offers looked at beyond the one where the total runs out, for what is left."""


class Choice(msgspec.Struct, frozen=True):
    """What was decided: a count for each ladder."""

    ladders: Sequence[Ladder]
    counts: Counts
    exact: bool


def allocate(merged: Merged, asked: MarketOrder, means: Means, *, limited: bool = True) -> Plan:
    """The best plan for this order on these offers with these means.

    `merged` is the side the order takes. With `limited` off the search goes on until the plan is proven
    the best, however long that takes: for tests. The caller has checked that `amount` (buy) or `size`
    (sell) is positive; a plan without orders is an answer, its `considered` says why.
    """
    assert merged.side is asked.side
    market = Market(merged, asked, means)
    choice = market.choose(limited)
    used = {one.index: (one, n) for one, n in zip(choice.ladders, choice.counts, strict=True) if n}
    orders = {index: _order(one, count, asked.side) for index, (one, count) in used.items()}
    market.explain(used.keys())
    unfilled = market.total - sum(_use(order) for order in orders.values())
    assert unfilled >= 0, "a plan uses no more than was asked"
    _check(orders, market)
    chosen = tuple(orders.values())
    entries = considered(merged, chosen, market.dropped)
    return Plan(orders=chosen, considered=entries, unfilled=unfilled, exact=choice.exact)


class Market:
    """The listings an order may use, with what limits each of them."""

    def __init__(self, merged: Merged, asked: MarketOrder, means: Means) -> None:
        self.merged = merged
        self.asked = asked
        self.buying = asked.side is Side.BUY
        self.total: int = asked.amount if self.buying else asked.size
        assert self.total > 0
        self.dropped: dict[int, str] = {}
        """By listing index: why nothing of it is in the plan."""
        self.pools: list[int] = []
        """By listing index: its place in `limits`."""
        self.limits: list[int] = []
        self._pool_means(means)
        self._worst = self._worst_price()
        self.allowed = self._allowed()

    def _pool_means(self, means: Means) -> None:
        places: dict[object, int] = {}
        for terms in self.merged.terms:
            listing = terms.listing
            name: object = (listing.venue, listing.pool) if self.buying else listing.key
            if name not in places:
                places[name] = len(self.limits)
                self.limits.append(
                    means.funds.get((listing.venue, listing.pool), 0)
                    if self.buying
                    else means.holdings.get(listing.key, 0)
                )
            self.pools.append(places[name])

    def _wanted(self, terms: Terms) -> bool:
        venue = terms.listing.venue
        chosen = self.asked.venues is None or venue in self.asked.venues
        return chosen and venue not in self.asked.exclude_venues

    def _worst_price(self) -> Price | None:
        """The worst raw price the caller accepts, if any."""
        worst = self.asked.max_price
        if self.asked.max_slippage_bps is None:
            return worst
        tops = [t[2] for t in self.merged.tops if t is not None and self._wanted(self.merged.terms[t[1]])]
        if not tops:
            return worst
        if self.buying:
            slipped = Price(down(min(tops) * (10_000 + self.asked.max_slippage_bps), 10_000))
            return slipped if worst is None else min(worst, slipped)
        slipped = Price(up(max(tops) * (10_000 - self.asked.max_slippage_bps), 10_000))
        return slipped if worst is None else max(worst, slipped)

    def _allowed(self) -> set[int]:
        """The listings that can take part; for the others the reason is noted."""
        tops: list[Offer] = []
        for index, terms in enumerate(self.merged.terms):
            top = self.merged.tops[index]
            why = self._why_not(terms, top, self.limits[self.pools[index]])
            if why is not None:
                self.dropped[index] = why
            elif top is not None:
                tops.append(top)
        tops.sort()
        for top in tops[LISTINGS_MAX:]:
            self.dropped[top[1]] = WORSE_PRICE
        return {top[1] for top in tops[:LISTINGS_MAX]}

    def _why_not(self, terms: Terms, top: Offer | None, limit: int) -> str | None:
        if not self._wanted(terms):
            return EXCLUDED
        if top is None:
            return ZERO_DEPTH
        if limit <= 0:
            return INSUFFICIENT_BALANCE if self.buying else NO_POSITION
        return None if self.acceptable(top[2]) else WORSE_PRICE

    def acceptable(self, price: Price) -> bool:
        """Whether the caller takes this raw price."""
        if self._worst is None:
            return True
        return price <= self._worst if self.buying else price >= self._worst

    def offers(self) -> Sequence[Offer]:
        """What may be taken, best first."""
        if len(self.allowed) == len(self.merged.terms) and self._worst is None:
            return self.merged.offers
        return [o for o in self.merged.offers if o[1] in self.allowed and self.acceptable(o[2])]

    def choose(self, limited: bool) -> Choice:
        """Best-first when that leaves less than a lot to gain, else by search."""
        offers = self.offers()
        if not offers:
            return Choice((), (), exact=True)
        quick = self._best_first(offers) if limited else None
        if quick is None or self._venues(quick) > self._venues_max():
            quick = self._search(offers, limited)
        return quick

    def _venues_max(self) -> int:
        return LISTINGS_MAX if self.asked.max_venues is None else self.asked.max_venues

    def _venues(self, choice: Choice) -> int:
        used = zip(choice.ladders, choice.counts, strict=True)
        return len({one.terms.listing.venue for one, count in used if count})

    def _problem(self, by_index: Sequence[list[Offer]]) -> Problem:
        side, terms = self.asked.side, self.merged.terms
        ladders = [ladder(terms[index], side, offers) for index, offers in enumerate(by_index) if offers]
        pools = [self.pools[one.index] for one in ladders]
        return Problem(ladders, self.total, pools, self.limits)

    def _best_first(self, offers: Sequence[Offer]) -> Choice | None:
        """Walk the ladder until the total runs out; None when that may leave more than a lot to gain."""
        problem, walked = self._stroll(offers)
        marks = [Mark.FREE] * len(problem.ladders)
        relaxed = relax(problem, walked, marks)
        gap = relaxed.bound - problem.gain(relaxed.counts) * SCALE
        if relaxed.short or gap >= problem.tolerance * SCALE or not problem.fits(relaxed.counts):
            return None  # charges per order are not part of the walk: they can break a pool
        return Choice(problem.ladders, relaxed.counts, exact=gap < problem.grain * SCALE)

    def _stroll(self, offers: Sequence[Offer]) -> tuple[Problem, Walked]:
        """The offers a best-first walk takes, and one more of each listing that comes soon after."""
        column, worth = (4, 3) if self.buying else (3, 4)
        taken: list[list[Offer]] = [[] for _ in self.merged.terms]
        paid: dict[int, int] = {}
        rooms, pools = list(self.limits), self.pools
        left = self.total - sum(self.merged.terms[i].curve.fixed(self.asked.side) for i in self.allowed)
        closed: dict[int, int] = {}
        broke: list[int] = []
        total = 0
        rest = iter(offers)
        for offer in rest:
            use, index = offer[column], offer[1]
            pool = pools[index]
            room = rooms[pool]
            if use <= left and use <= room:
                left -= use
                rooms[pool] = room - use
                taken[index].append(offer)
                continue
            if index in paid:
                continue
            paid[index] = len(taken[index])
            taken[index].append(offer)
            if use > left and left <= room:
                total = offer[worth] * SCALE // use
                broke.insert(0, index)
                break
            closed[pool] = max(closed.get(pool, 0), offer[worth] * SCALE // use)
            broke.append(index)
            left -= room
            rooms[pool] = 0
        for offer in islice(rest, PEEK_MAX):
            if offer[1] not in paid:
                paid[offer[1]] = len(taken[offer[1]])
                taken[offer[1]].append(offer)
        problem = self._problem(taken)
        levels = [paid.get(one.index, len(one.offers)) for one in problem.ladders]
        counts = [one.steps(n) for one, n in zip(problem.ladders, levels, strict=True)]
        places = {one.index: v for v, one in enumerate(problem.ladders)}
        return problem, Walked(counts, levels, Prices(total, closed), [places[i] for i in broke])

    def _search(self, offers: Sequence[Offer], limited: bool) -> Choice:
        by_index: list[list[Offer]] = [[] for _ in self.merged.terms]
        for offer in offers:
            by_index[offer[1]].append(offer)
        venues = {self.merged.terms[index].listing.venue for index in self.allowed}
        if len(venues) <= self._venues_max():
            return self._searched(by_index, limited)
        return self._over_few_venues(by_index, limited)

    def _searched(self, by_index: Sequence[list[Offer]], limited: bool) -> Choice:
        problem = self._problem(by_index)
        search = Search(problem, tolerance=problem.tolerance if limited else 1, limited=limited)
        search.run()
        return Choice(problem.ladders, search.counts, search.exact)

    def _over_few_venues(self, by_index: Sequence[list[Offer]], limited: bool) -> Choice:
        """Search each set of venues that may still beat the best, the most promising first."""
        terms = self.merged.terms
        venues = sorted({terms[index].listing.venue for index in self.allowed})
        best, best_gain = Choice((), (), exact=True), 0
        bound, peaks = self._peaks(by_index)
        missing = {
            kept: sum(peak for venue, peak in peaks.items() if venue not in kept)
            for kept in combinations(venues, self._venues_max())
        }
        for kept in sorted(missing, key=missing.__getitem__):
            if bound - missing[kept] <= best_gain * SCALE:
                break
            mine = [offers if terms[i].listing.venue in kept else [] for i, offers in enumerate(by_index)]
            found = self._searched(mine, limited)
            gain = sum(one.at(n)[1] for one, n in zip(found.ladders, found.counts, strict=True))
            if gain > best_gain:
                best, best_gain = found, gain
        return best

    def _peaks(self, by_index: Sequence[list[Offer]]) -> tuple[int, dict[str, int]]:
        """A bound over all venues, and how much of it each of them stands for."""
        problem = self._problem(by_index)
        marks = [Mark.FREE] * len(problem.ladders)
        walked = walk(problem, steps(problem.ladders), marks)
        assert walked is not None
        relaxed: Relaxed = relax(problem, walked, marks)
        peaks: dict[str, int] = {}
        for one, peak in zip(problem.ladders, relaxed.peaks, strict=True):
            venue = one.terms.listing.venue
            peaks[venue] = peaks.get(venue, 0) + peak.profit
        return relaxed.bound, peaks

    def explain(self, used: Set[int]) -> None:
        """Note for every allowed listing that got nothing why it did not."""
        crowded = self.asked.max_venues is not None
        venues = {self.merged.terms[index].listing.venue for index in used}
        for index in self.allowed - used:
            terms = self.merged.terms[index]
            top = self.merged.tops[index]
            assert top is not None
            limit = min(self.total, self.limits[self.pools[index]])
            full = crowded and len(venues) >= self._venues_max() and terms.listing.venue not in venues
            self.dropped[index] = MAX_VENUES if full else self._why_unused(terms, top, limit)

    def _why_unused(self, terms: Terms, top: Offer, limit: int) -> str:
        if self._plenty(terms, top, limit):
            return WORSE_PRICE
        mine = [o for o in self.merged.offers if o[1] == top[1] and self.acceptable(o[2])]
        one = ladder(terms, self.asked.side, mine)
        if one.largest(limit) >= one.floor:
            return WORSE_PRICE
        if self.buying and limit < self.total and one.largest(self.total) >= one.floor:
            return INSUFFICIENT_BALANCE
        return MIN_ORDER_SIZE

    def _plenty(self, terms: Terms, top: Offer, limit: int) -> bool:
        """Whether the best level alone clearly allows an order: the common case, found cheaply."""
        listing = terms.listing
        use = top[4] if self.buying else top[3]
        size = down(min(limit, use) * top[3], 2 * use)
        lot = max(listing.lot, listing.minimum_size)
        side = self.asked.side
        cash = max(minimum_cash(listing, side), terms.traits.cash_lot + terms.curve.fixed(side))
        return size >= lot and size * top[2] >= cash * ONE


def _order(one: Ladder, count: int, side: Side) -> PlannedOrder:
    parts = one.parts(count)
    use, gain = one.at(count)
    cash = one.spent(count, parts)
    size = sum(shares for _, shares in parts)
    assert size == (gain if side is Side.BUY else use), "the parts are what was reckoned with"
    return PlannedOrder(
        listing=one.terms.listing,
        side=side,
        limit=parts[-1][0],
        size=Size(size),
        cash=cash,
        fee_reserve=Cash(use - cash if side is Side.BUY else cash - gain),
        parts=parts,
    )


def _use(order: PlannedOrder) -> int:
    return order.cash + order.fee_reserve if order.side is Side.BUY else order.size


def _check(orders: Mapping[int, PlannedOrder], market: Market) -> None:
    """What must be true of every plan, whatever the search did. Orders by listing index."""
    left = list(market.limits)
    for index, order in orders.items():
        listing, traits = order.listing, market.merged.terms[index].traits
        assert index in market.allowed
        left[market.pools[index]] -= _use(order)
        assert order.fee_reserve >= 0
        assert listing.valid_price(order.limit)
        assert market.acceptable(order.limit)
        assert order.size >= listing.minimum_size
        assert order.cash >= minimum_cash(listing, order.side)
        if market.buying and traits.buys_in_cash:
            assert order.cash % traits.cash_lot == 0
        else:
            assert order.size % listing.lot == 0
        prices = [price for price, _ in order.parts]
        assert prices == sorted(prices, reverse=not market.buying), "venues fill the best price first"
    assert min(left, default=0) >= 0, "no more than the funds or holdings"
