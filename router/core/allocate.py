"""Split one market order over the offers of an outcome: the most shares for the cash, or cash for the shares.

A buy never costs more than its amount, a sale never sells more than its size, worst-case fees included;
funds, holdings, lots, minimums, grids and the caller's own limits hold. The split is optimal: proven so
(`Plan.exact`), or proven to be within a basis point and a hundredth of a share or dollar, or the best that a
bounded search found. Pure: equal arguments give equal plans.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import combinations
from typing import NamedTuple

from router.core.best_first import Bounds, Split, best_first
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
from router.core.portion import Portion, portion
from router.core.relaxation import SCALE, Counts, Mark, Problem, Relaxed, relax, steps, walk
from router.core.search import SET_WORK, Budget, Search
from router.core.single import single
from venues.base.orders import Side
from venues.base.units import ONE, Cash, Price, Size, down, proceeds, up

_BUY = Side.BUY

LISTINGS_MAX = 8
"""Orders per route. More venues than exist list one claim; the search is exponential in this."""


class Choice(NamedTuple):
    """What was decided: the orders by listing index, and whether nothing can be better."""

    portions: Mapping[int, Portion]
    exact: bool


def allocate(merged: Merged, asked: MarketOrder, means: Means, *, limited: bool = True) -> Plan:
    """The best plan for this order on these offers with these means.

    `merged` is the side the order takes. It takes a tenth of a millisecond, some eight where coarse lots need
    a search; with `limited` off it goes on until the plan is proven the best, however long that takes: for
    tests. The caller has checked that `amount` (buy) or `size` (sell) is positive; a plan without orders is
    an answer, its `considered` says why.
    """
    assert merged.side is asked.side
    market = Market(merged, asked, means)
    choice = market.choose(limited)
    orders = {index: each.order() for index, each in choice.portions.items()}
    market.explain(orders.keys())
    unfilled = market.total - sum([each.use for each in choice.portions.values()])
    assert unfilled >= 0, "a plan uses no more than was asked"
    _check(orders, market)
    chosen = tuple(orders.values())
    entries = considered(merged, chosen, market.dropped)
    return Plan(orders=chosen, considered=entries, unfilled=unfilled, worst=market.worst, exact=choice.exact)


class Market:
    """The listings an order may use, with what limits each of them."""

    def __init__(self, merged: Merged, asked: MarketOrder, means: Means) -> None:
        self.merged = merged
        self.asked = asked
        self.buying = asked.side is _BUY
        self.total: int = asked.amount if self.buying else asked.size
        assert self.total > 0
        self.rules = [each.buys if self.buying else each.sales for each in merged.terms]
        """By listing index."""
        self.choosy = asked.venues is not None or bool(asked.exclude_venues)
        """Whether the caller does without some venues."""
        self.dropped: dict[int, str] = {}
        """By listing index: why nothing of it is in the plan."""
        self.pools: list[int] = []
        """By listing index: its place in `limits`."""
        self.limits: list[int] = []
        self._pool_means(means)
        self.worst = self._worst_price()
        """The worst raw price the caller accepts, if any."""
        self.allowed = self._allowed()

    def _pool_means(self, means: Means) -> None:
        places: dict[tuple[object, ...], int] = {}
        pools, limits, buying = self.pools, self.limits, self.buying
        for rules in self.rules:
            name = rules.pool if buying else rules.key
            place = places.get(name)
            if place is None:
                place = places[name] = len(limits)
                limits.append(means.funds.get(rules.pool, 0) if buying else means.holdings.get(rules.key, 0))
            pools.append(place)

    def _wanted(self, terms: Terms) -> bool:
        return self.asked.wants(terms.listing.venue)

    def _worst_price(self) -> Price | None:
        """The worst raw price the caller accepts, if any."""
        worst, best = self.asked.max_price, self._best()
        if self.asked.max_slippage_bps is None or best is None:
            return worst
        if self.buying:
            slipped = Price(down(best * (10_000 + self.asked.max_slippage_bps), 10_000))
            return slipped if worst is None else min(worst, slipped)
        slipped = Price(up(best * (10_000 - self.asked.max_slippage_bps), 10_000))
        return slipped if worst is None else max(worst, slipped)

    def _best(self) -> Price | None:
        """The best raw price at the venues the caller lets be used."""
        if not self.choosy:
            return self.merged.best
        tops = [t[2] for t in self.merged.tops if t is not None and self._wanted(self.merged.terms[t[1]])]
        return (min if self.buying else max)(tops, default=None)

    def _allowed(self) -> frozenset[int]:
        """The listings that can take part; for the others the reason is noted."""
        tops: list[Offer] = []
        for index, top in enumerate(self.merged.tops):
            if self.choosy and not self._wanted(self.merged.terms[index]):
                self.dropped[index] = EXCLUDED
            elif top is None:
                self.dropped[index] = ZERO_DEPTH
            elif self.limits[self.pools[index]] <= 0:
                self.dropped[index] = INSUFFICIENT_BALANCE if self.buying else NO_POSITION
            elif self.worst is not None and not self.acceptable(top[2]):
                self.dropped[index] = WORSE_PRICE
            else:
                tops.append(top)
        if len(tops) > LISTINGS_MAX:
            tops.sort()
            for top in tops[LISTINGS_MAX:]:
                self.dropped[top[1]] = WORSE_PRICE
        return frozenset([top[1] for top in tops[:LISTINGS_MAX]])

    def acceptable(self, price: Price) -> bool:
        """Whether the caller takes this raw price."""
        if self.worst is None:
            return True
        return price <= self.worst if self.buying else price >= self.worst

    def offers(self) -> Iterator[Offer]:
        """What may be taken, best first; few of many are ever looked at."""
        offers, allowed, worst = self.merged.offers, self.allowed, self.worst
        if worst is None:
            all_of_them = len(allowed) == len(self.merged.terms)
            return iter(offers) if all_of_them else (o for o in offers if o[1] in allowed)
        if self.buying:
            return (o for o in offers if o[2] <= worst and o[1] in allowed)
        return (o for o in offers if o[2] >= worst and o[1] in allowed)

    def choose(self, limited: bool) -> Choice:
        """Best-first when that leaves next to nothing to gain, else by search."""
        if not self.allowed:
            return Choice({}, exact=True)
        split = self._split() if limited else None
        if split is None or (
            self.asked.max_venues is not None and self._venues(split.portions) > self.asked.max_venues
        ):
            return self._search(limited)
        return Choice(*split)

    def _split(self) -> Split | None:
        bounds = self.bounds()
        split = single(bounds, self.offers()) if len(self.allowed) == 1 else None
        return best_first(bounds, self.offers) if split is None else split

    def bounds(self) -> Bounds:
        """What limits a best-first split."""
        merged = self.merged
        return Bounds(
            merged.side,
            merged.terms,
            self.rules,
            self.total,
            self.pools,
            self.limits,
            self.allowed,
            merged.tops,
        )

    def _venues_max(self) -> int:
        return LISTINGS_MAX if self.asked.max_venues is None else self.asked.max_venues

    def _venues(self, used: Iterable[int]) -> int:
        return len({self.merged.terms[index].listing.venue for index in used})

    def _problem(self, by_index: Sequence[list[Offer]]) -> Problem:
        side, terms = self.asked.side, self.merged.terms
        ladders = [ladder(terms[index], side, offers) for index, offers in enumerate(by_index) if offers]
        pools = [self.pools[one.index] for one in ladders]
        return Problem(ladders, self.total, pools, self.limits)

    def _search(self, limited: bool) -> Choice:
        by_index = self._within_reach()
        venues = {self.merged.terms[index].listing.venue for index in self.allowed}
        budget = Budget(limited=limited)
        if len(venues) <= self._venues_max():
            return self._searched(by_index, budget)
        return self._over_few_venues(by_index, budget)

    def _within_reach(self) -> list[list[Offer]]:
        """What may be taken, by listing index, as far as the whole total reaches on that listing alone."""
        by_index: list[list[Offer]] = [[] for _ in self.merged.terms]
        left = [self.total] * len(by_index)
        for offer in self.offers():
            _, index, price, size, _, _ = offer
            if left[index] >= 0:
                by_index[index].append(offer)
                left[index] -= proceeds(price, size) if self.buying else size
        return by_index

    def _searched(self, by_index: Sequence[list[Offer]], budget: Budget) -> Choice:
        problem = self._problem(by_index)
        search = Search(problem, tolerance=problem.tolerance if budget.limited else 1, budget=budget)
        search.run()
        return Choice(_portions(problem.ladders, search.counts), search.exact)

    def _over_few_venues(self, by_index: Sequence[list[Offer]], budget: Budget) -> Choice:
        """Search each set of venues that may still beat the best, the most promising first."""
        terms = self.merged.terms
        venues = sorted({terms[index].listing.venue for index in self.allowed})
        best, best_gain, exact = Choice({}, exact=True), 0, True
        bound, peaks = self._peaks(by_index)
        missing = {
            kept: sum(peak for venue, peak in peaks.items() if venue not in kept)
            for kept in combinations(venues, self._venues_max())
        }
        for kept in sorted(missing, key=missing.__getitem__):
            if bound - missing[kept] <= best_gain * SCALE:
                break
            mine = [offers if terms[i].listing.venue in kept else [] for i, offers in enumerate(by_index)]
            if best.portions and not budget.spend(SET_WORK * sum(map(len, mine))):
                exact = False
                break
            found = self._searched(mine, budget)
            exact &= found.exact
            gain = sum(each.gain for each in found.portions.values())
            if gain > best_gain:
                best, best_gain = found, gain
        return best._replace(exact=exact)

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
        merged, full = self.merged, frozenset[str]()
        if self.asked.max_venues is not None and self._venues(used) >= self.asked.max_venues:
            full = frozenset([merged.terms[index].listing.venue for index in used])
        for index in self.allowed - used:
            terms, top = merged.terms[index], merged.tops[index]
            assert top is not None
            if full and terms.listing.venue not in full:
                self.dropped[index] = MAX_VENUES
            else:
                limit = self.limits[self.pools[index]]
                self.dropped[index] = self._why_unused(terms, top, min(limit, self.total))

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
        listing, rules = terms.listing, self.rules[top[1]]
        _, _, price, size, use, _ = top
        if not self.buying:
            use = Cash(size)
        if limit < use:
            size = Size(down(limit * size, use))
        size = Size(size >> 1)
        cash = max(rules.least, terms.traits.cash_lot + rules.fixed + rules.minimum)
        return size >= listing.lot and size >= listing.minimum_size and size * price >= cash * ONE


def _portions(ladders: Sequence[Ladder], counts: Counts) -> dict[int, Portion]:
    found: dict[int, Portion] = {}
    for one, count in zip(ladders, counts, strict=True):
        if count:
            levels, rest = one.split(count)
            after = one.offers[levels] if rest else None
            each = portion(one.terms, one.terms.rules(one.side), list(one.offers[:levels]), after)
            each.take(rest)
            assert (each.use, each.gain) == one.at(count), "the parts are what was reckoned with"
            found[one.index] = each
    return found


def _check(orders: Mapping[int, PlannedOrder], market: Market) -> None:
    """What must be true of every plan, whatever the search did. Orders by listing index."""
    left, buying = list(market.limits), market.buying
    for index, order in orders.items():
        listing, rules, parts = order.listing, market.rules[index], order.parts
        assert index in market.allowed
        left[market.pools[index]] -= order.cash + order.fee_reserve if buying else order.size
        assert order.fee_reserve >= rules.minimum
        assert listing.valid_price(order.limit)
        assert market.worst is None or market.acceptable(order.limit)
        assert order.size >= listing.minimum_size
        assert (order.cash if rules.in_cash else order.size) % rules.step == 0
        assert order.cash >= rules.least
        assert order.limit == parts[-1][0]
        assert list(parts) == sorted(parts, reverse=not buying), "venues fill the best price first"
    assert min(left, default=0) >= 0, "no more than the funds or holdings"
