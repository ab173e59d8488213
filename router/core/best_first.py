"""Take the best offers until the total runs out, and prove that this leaves nothing worth a search.

One pass over the offers, the lots of each order, the rest where the total ran out. The total, and each pool
that ran out, then has a price per unit of use: the worth (gain per use, times SCALE) of the offer at which
it did. At any such prices no split gains more than the orders' best profits plus the priced limits; this
bound is what a split is measured against. It needs of a fee curve that within a listing a better price is
worth more, and that neither a reserve nor what is kept is below the fee in the rank:
`tests/core/test_allocate_curves.py`. A venue's least fee is no part of the pass and of the bound: an order
too small for it falls short of the bound, and is left to the search.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import chain, islice
from math import gcd
from typing import NamedTuple

import msgspec

from router.core.ladder import slop
from router.core.merge import Offer
from router.core.model import Rules, Terms
from router.core.portion import Portion, portion
from router.core.relaxation import PARTS, SCALE, TOLERABLE, tolerance
from venues.base.contract import FeeCurve
from venues.base.orders import Side
from venues.base.units import Cash, Price, Size, affordable, down, proceeds

AHEAD_MAX = 16
"""Offers looked at beyond the one where the total ran out. More of them better than their rank: search."""
UNITS_MAX = 4_096
"""Curves and prices for which a millionth's reserve is remembered."""
_PER_NANO = SCALE * 10**9
_BUY = Side.BUY


class Bounds(msgspec.Struct, frozen=True):
    """What limits a split."""

    side: Side
    terms: Sequence[Terms]
    """By listing index."""
    rules: Sequence[Rules]
    """Theirs for this side."""
    total: int
    pools: Sequence[int]
    """By listing index: its place in `limits`."""
    limits: Sequence[int]
    allowed: frozenset[int]
    """The listings that take part."""
    tops: Sequence[Offer | None]


class Split(NamedTuple):
    """Orders by listing index; none is empty."""

    portions: dict[int, Portion]
    exact: bool
    """Whether no split gains more; else none gains as much more as is worth a search."""


def best_first(bounds: Bounds, offers: Callable[[], Iterable[Offer]]) -> Split | None:
    """The split, or None when a search may gain something worth it, or has to decide about a minimum.

    Offers are taken by their rank, which is how they come; where that leaves too much, by what they are worth
    at worst: a reserve may be well above the fee in the rank.
    """
    split = BestFirst(bounds).split(offers())
    return BestFirst(bounds, by_worth=True).split(offers()) if split is None else split


class BestFirst:
    """One pass, then what it leaves open."""

    def __init__(self, bounds: Bounds, *, by_worth: bool = False) -> None:
        self._b = bounds
        self._by_worth = by_worth
        self._buying = bounds.side is _BUY
        self._use, self._gain = (4, 5) if self._buying else (5, 4)
        """Where an offer has them."""
        self._rooms = list(bounds.limits)
        self._whole: list[list[Offer]] = [[] for _ in bounds.terms]
        self._broke: dict[int, Offer] = {}
        """The offer that a listing can only take in part: of pools first, of the total last."""
        self._price = 0
        """Of the total; 0 when everything was taken."""
        self._closed: dict[int, int] = {}
        """Prices of the pools that ran out."""
        self._missed: list[Offer] = []
        """Offers of closed pools."""

    def split(self, offers: Iterable[Offer]) -> Split | None:
        """See `best_first`."""
        b = self._b
        rest = iter(self._sorted(offers) if self._by_worth else offers)
        spendable = b.total - sum([b.rules[index].fixed for index in b.allowed])
        if min(b.limits) >= b.total:
            self._walk(rest, spendable)
        else:
            self._walk_pools(rest, spendable)
        portions = {
            index: portion(b.terms[index], b.rules[index], whole, self._broke.get(index))
            for index, whole in enumerate(self._whole)
            if whole or index in self._broke
        }
        ahead = self._ahead(rest)
        if ahead is None:
            return None
        bound = self._bound(portions, ahead)
        left = self._fit(portions)
        if left is None:
            return None
        enough = self._enough() * SCALE
        gap = bound - sum([each.gain for each in portions.values()]) * SCALE
        if gap >= enough:
            more = chain(ahead, islice(rest, AHEAD_MAX))
            gap -= self._spend(portions, more, left, want=gap - enough)
        if gap >= enough or min(self._rooms) < 0:
            return None  # charges per order are not part of the walk: they can break a pool
        used = {index: each for index, each in portions.items() if each.use}
        for each in used.values():
            if not each.allowed:
                return None
        grain = gcd(*[b.rules[index].grain for index in b.allowed])
        return Split(used, exact=gap < grain * SCALE)

    def _sorted(self, offers: Iterable[Offer]) -> list[Offer]:
        """The most worth first; of one listing none before a better-priced one, whatever rounding does."""
        worths: dict[int, int] = {}
        found: list[tuple[int, Offer]] = []
        for offer in offers:
            worth = self._worth(offer)
            worths[offer[1]] = worth = min(worth, worths.get(offer[1], worth))
            found.append((-worth, offer))
        found.sort()
        return [offer for _, offer in found]

    def _walk(self, rest: Iterable[Offer], left: int) -> None:
        """Only the total can run out."""
        column, whole = self._use, self._whole
        for offer in rest:
            left -= offer[column]
            if left < 0:
                self._break(offer)
                break
            whole[offer[1]].append(offer)

    def _walk_pools(self, rest: Iterable[Offer], left: int) -> None:
        """Pools can run out too; their further offers are passed over."""
        column, whole, rooms, pools = self._use, self._whole, self._rooms, self._b.pools
        for offer in rest:
            use, index = offer[column], offer[1]
            pool = pools[index]
            room = rooms[pool]
            if pool in self._closed:
                self._missed.append(offer)
            elif use <= left and use <= room:
                left -= use
                rooms[pool] = room - use
                whole[index].append(offer)
            elif use > left and left <= room:
                self._break(offer)
                break
            else:
                self._closed[pool] = self._worth(offer)
                self._broke[index] = offer
                left -= room

    def _break(self, offer: Offer) -> None:
        self._price = self._worth(offer)
        self._broke[offer[1]] = offer

    def _worth(self, offer: Offer) -> int:
        """Gain per use, times SCALE."""
        return down(offer[self._gain] * SCALE, offer[self._use])

    def _price_of(self, index: int) -> int:
        """What a unit of use costs an order on this listing."""
        return max(self._price, self._closed.get(self._b.pools[index], 0))

    def _ahead(self, rest: Iterable[Offer]) -> list[Offer] | None:
        """The offers beyond the break that may profit at these prices though they come behind; None: many.

        At least one more, if there is one: where something remains, it may take it.
        """
        if not self._price:
            return []
        worth = self._price
        if self._by_worth:
            behind = list(rest)
            return behind[:AHEAD_MAX] + [o for o in behind[AHEAD_MAX:] if self._profit(o, worth) > 0]
        last = down(_PER_NANO, worth) + 2 if self._buying else 2 - down(worth * 10**9, SCALE)
        found: list[Offer] = []
        for offer in rest:
            found.append(offer)
            if offer[0] > last:
                break
            if len(found) >= AHEAD_MAX:
                return None
        return found

    def _profit(self, offer: Offer, price: int) -> int:
        return offer[self._gain] * SCALE - offer[self._use] * price

    def _bound(self, portions: dict[int, Portion], ahead: list[Offer]) -> int:
        """No split gains more than this, in gain times SCALE."""
        b, buying, closed = self._b, self._buying, self._closed
        more: dict[int, int] = {}
        for offer in chain(self._broke.values(), self._missed, ahead):
            profit = self._profit(offer, self._price_of(offer[1]) if closed else self._price)
            if profit > 0:
                more[offer[1]] = more.get(offer[1], 0) + profit
        bound = self._price * b.total
        for pool, price in closed.items():
            bound += max(0, price - self._price) * b.limits[pool]
        price, unit = self._price, max(self._price, SCALE)
        for index in b.allowed:
            each, top = portions.get(index), b.tops[index]
            assert top is not None
            if closed:
                price = self._price_of(index)
                unit = max(price, SCALE)
            if not price:
                bound += self._all_of(each)
                continue
            slop = _slop((b.terms[index].curve, buying, top[2])) * unit
            peak = more.get(index, 0)
            if each is not None:
                peak += self._peak(each, price, slop)
            if peak > 0:
                bound += peak
            bound += slop
        return bound

    def _all_of(self, each: Portion | None) -> int:
        """What an order gains at best that nothing limits but its offers: its charge may eat it up."""
        if each is None:
            return 0
        each.fit(self._b.total)
        return max(0, each.gain) * SCALE

    def _peak(self, each: Portion, price: int, slop: int) -> int:
        """The most that the first of these levels profit, at or before the last."""
        (use, gain), use_at, gain_at = each.smooth(), self._use, self._gain
        here = best = gain * SCALE - (use + each.rules.fixed) * price
        dip = slop + 2 * len(each.whole) * max(price, SCALE)
        for offer in reversed(each.whole):
            here -= offer[gain_at] * SCALE - offer[use_at] * price
            if here > best:
                best = here
            elif here < best - dip:
                break
        return best

    def _fit(self, portions: dict[int, Portion]) -> int | None:
        """Make every portion an order, those at a break last; what is left of the total, None if in doubt."""
        b = self._b
        left, rooms = b.total, list(b.limits)
        for index in (*[index for index in portions if index not in self._broke], *self._broke):
            each, pool = portions[index], b.pools[index]
            if not each.fit(min(left, rooms[pool])) or (each.use and each.gain <= 0):
                return None  # its charge eats up what it brings: whether to use it at all is a question
            left -= each.use
            rooms[pool] -= each.use
        self._rooms = rooms
        return left

    def _spend(self, portions: dict[int, Portion], more: Iterable[Offer], left: int, *, want: int) -> int:
        """Where lots are coarse: give what is left to orders with finer ones, until more than `want` is
        gained. Returns the gain, times SCALE.

        Only orders of whole levels are tried: one with a part of a level has taken what it can.
        """
        b, won = self._b, 0
        for offer in more:
            index = offer[1]
            each, pool = portions.get(index), b.pools[index]
            if (each is not None and each.after is not None) or pool in self._closed:
                continue
            if each is None:
                each = portions[index] = portion(b.terms[index], b.rules[index], [])
            each.after = offer
            use, gain = each.use, each.gain
            room = use + min(left, self._rooms[pool])
            if not each.fit(room) or each.gain <= gain or not (use or each.allowed):
                each.take(Size(0))
            left -= each.use - use
            self._rooms[pool] -= each.use - use
            won += (each.gain - gain) * SCALE
            if won > want:
                break
        return won

    def _enough(self) -> int:
        """A gain not worth a search, by the finest listing unless it is a large order."""
        b, finest = self._b, TOLERABLE
        if b.total >= PARTS * TOLERABLE:
            return TOLERABLE
        for index in b.allowed:
            rules, top = b.rules[index], b.tops[index]
            assert top is not None
            lot = rules.step
            if not self._buying:
                lot = proceeds(top[2], Size(lot))
            elif rules.in_cash:
                lot = affordable(top[2], Cash(lot))
            finest = min(finest, lot)
        return tolerance(b.total, finest)


@lru_cache(UNITS_MAX)
def _slop(of: tuple[FeeCurve, bool, Price]) -> int:
    """Millionths by which rounding up can make a piece of a level cheaper than its share of the level."""
    curve, buying, price = of
    return slop(curve, Side.BUY if buying else Side.SELL, price)
