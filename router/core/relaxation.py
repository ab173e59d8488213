"""Split a total over several orders best-first, and bound what any other split could gain.

The total, and each pool of money, gets a price per unit of use: the worth of the level at which a
best-first walk runs out of it. For any such prices no choice gains more than the orders' peak profits plus
the priced limits. What a choice falls short of that bound is the sum of its orders' losses (peak profit
minus its own) and of the limits left unused, so good choices lie where every loss is small.
"""

from collections.abc import Sequence
from enum import Enum
from math import gcd
from typing import NamedTuple

import msgspec

from router.core.ladder import Ladder
from venues.base.units import down

SCALE = 10**12
"""Worth is gain per use times this: fine enough that a rounded price costs less than a millionth."""
NEGLIGIBLE = 1_000
"""A thousandth of a share or of a dollar: searching longer for less helps nobody."""
TOLERABLE = 10_000
"""A hundredth of a share or of a dollar: more than this is worth a search in any order."""
PARTS = 10_000
"""Up to that, a basis point of the order is not worth one: a search takes ten times as long as a pass."""

Counts = tuple[int, ...]
"""By order: how many of its venue's steps it takes."""


class Mark(Enum):
    """What has been decided about an order."""

    FREE = "free"
    ON = "on"
    """At least the venue's minimum."""
    OFF = "off"


class Problem:
    """Orders that compete for one total and, some of them, for a pool."""

    def __init__(
        self, ladders: Sequence[Ladder], total: int, pools: Sequence[int], limits: Sequence[int]
    ) -> None:
        self.ladders = ladders
        self.total = total
        self.pools = pools
        """For each ladder, its place in `limits`."""
        self.limits = limits
        self.grain = gcd(*(one.grain for one in ladders)) if ladders else 1
        """Gains differ by multiples of this."""
        finest = min((one.least_gain() for one in ladders), default=0)
        self.tolerance = tolerance(total, finest)
        """A gain not worth a longer search."""

    def gain(self, counts: Counts) -> int:
        """What the whole gains."""
        return sum(one.at(count)[1] for one, count in zip(self.ladders, counts, strict=True))

    def fits(self, counts: Counts) -> bool:
        """Whether the limits hold."""
        uses = [one.at(count)[0] for one, count in zip(self.ladders, counts, strict=True)]
        left, rooms = self.rooms(uses)
        return left >= 0 and min(rooms, default=0) >= 0

    def rooms(self, uses: Sequence[int]) -> tuple[int, list[int]]:
        """What these uses leave of the total and of each pool."""
        rooms = list(self.limits)
        for pool, use in zip(self.pools, uses, strict=True):
            rooms[pool] -= use
        return self.total - sum(uses), rooms


def tolerance(total: int, finest: int) -> int:
    """A gain not worth a longer search: a basis point of the order or a lot of the finest listing."""
    return max(NEGLIGIBLE, min(TOLERABLE, max(finest, down(total, PARTS))))


class Prices(msgspec.Struct, frozen=True):
    """What a unit of use is worth, in gain times SCALE: overall, and for orders of an exhausted pool."""

    total: int
    pools: dict[int, int]

    def of(self, pool: int) -> int:
        """What an order of this pool pays per unit of use."""
        return max(self.total, self.pools.get(pool, 0))


class Walked(msgspec.Struct, frozen=True):
    """Where a best-first walk over whole levels ended."""

    counts: list[int]
    """What it gave each order, before minimums and before the rest is spent."""
    levels: list[int]
    """The whole levels in that."""
    prices: Prices
    broke: list[int]
    """Orders at which a limit ran out, the total's first."""


class Peak(NamedTuple):
    """The most an order can profit, times SCALE, and about the count where it does."""

    profit: int
    where: int


class Relaxed(msgspec.Struct, frozen=True):
    """A choice that keeps all rules, and a bound that no choice under the same marks can exceed."""

    counts: Counts
    peaks: tuple[Peak, ...]
    bound: int
    """Gain times SCALE."""
    short: list[int]
    """Orders that the walk left below their venue's minimum."""
    walked: Walked

    @property
    def last(self) -> int:
        """The order at which the total ran out: the one that can take any rest at next to no loss."""
        return self.walked.broke[0] if self.walked.broke else len(self.counts) - 1


def steps(ladders: Sequence[Ladder]) -> list[tuple[int, int, int]]:
    """(negative worth, order, corner before) of every way from corner to corner, best first.

    None comes before an earlier one of the same order.
    """
    found: list[tuple[int, int, int]] = []
    for v, ladder in enumerate(ladders):
        worth = 0
        use, gain = ladder.bound(0)
        for level in range(ladder.corners):
            use_after, gain_after = ladder.bound(level + 1)
            here = max(0, gain_after - gain) * SCALE // max(use_after - use, 1)
            worth = min(worth, here) if level else here
            use, gain = use_after, gain_after
            found.append((-worth, v, level))
    return sorted(found)


def walk(problem: Problem, ranked: Sequence[tuple[int, int, int]], marks: Sequence[Mark]) -> Walked | None:
    """Take whole levels best-first after the minimums of orders marked ON; None when those do not fit."""
    ladders = problem.ladders
    forced = [one.floor if mark is Mark.ON else 0 for one, mark in zip(ladders, marks, strict=True)]
    uses = [one.at(count)[0] for one, count in zip(ladders, forced, strict=True)]
    left, rooms = problem.rooms(uses)
    if left < 0 or min(rooms) < 0:
        return None
    levels = [0] * len(ladders)
    closed: dict[int, int] = {}
    broke: list[int] = []
    total = 0
    for negative, v, level in ranked:
        pool = problem.pools[v]
        if marks[v] is Mark.OFF or pool in closed:
            continue
        more = max(0, ladders[v].bound(level + 1)[0] - uses[v])
        if more > left and left <= rooms[pool]:
            total = -negative
            uses[v] += left
            broke.insert(0, v)
            break
        if more > rooms[pool]:
            closed[pool] = -negative
            broke.append(v)
            more = rooms[pool]
        else:
            levels[v] = level + 1
        uses[v] += more
        left -= more
        rooms[pool] -= more
    counts = [max(one.largest(use), least) for one, use, least in zip(ladders, uses, forced, strict=True)]
    return Walked(counts, levels, Prices(total, closed), broke)


def relax(problem: Problem, walked: Walked, marks: Sequence[Mark]) -> Relaxed:
    """Make a walk's end a choice that keeps all rules, and bound what any choice could gain."""
    counts, short = settle(problem, walked, marks)
    prices = walked.prices
    orders = zip(problem.ladders, problem.pools, walked.levels, marks, strict=True)
    peaks = tuple(peak(ladder, prices.of(pool), levels, mark) for ladder, pool, levels, mark in orders)
    pooled = sum((prices.of(pool) - prices.total) * problem.limits[pool] for pool in prices.pools)
    bound = sum(at.profit for at in peaks) + prices.total * problem.total + pooled
    return Relaxed(tuple(counts), peaks, bound, short, walked)


def settle(problem: Problem, walked: Walked, marks: Sequence[Mark]) -> tuple[list[int], list[int]]:
    """Round to what venues accept and spend the rest, orders at which the walk broke before the others.

    Returns the counts, and the orders that fell short of a minimum and were dropped.
    """
    counts = list(walked.counts)
    short = [v for v, one in enumerate(problem.ladders) if 0 < counts[v] < one.floor]
    for v in short:
        counts[v] = 0
    uses = [one.at(count)[0] for one, count in zip(problem.ladders, counts, strict=True)]
    left, rooms = problem.rooms(uses)
    for v in dict.fromkeys((*walked.broke, *range(len(counts)))):
        ladder, pool = problem.ladders[v], problem.pools[v]
        room = min(left, rooms[pool])
        if marks[v] is Mark.OFF or room <= 0 or counts[v] == ladder.depth:
            continue
        if v not in walked.broke and room * walked.prices.of(pool) < problem.tolerance * SCALE:
            continue
        count = ladder.largest(uses[v] + room, counts[v])
        if count > counts[v] and count >= ladder.floor:
            more = ladder.at(count)[0] - uses[v]
            counts[v], uses[v] = count, uses[v] + more
            left, rooms[pool] = left - more, rooms[pool] - more
    return counts, short


def peak(ladder: Ladder, price: int, near: int, mark: Mark) -> Peak:
    """No count of this order profits more at this price of use. Looked for around the level `near`.

    From the smallest count on (from nothing, where starting is free) profit is concave but for rounding,
    a millionth or two per level: far enough below its peak it does not recover.
    """
    if mark is Mark.OFF or ladder.floor > ladder.depth:
        return Peak(0, 0)
    unit = max(price, SCALE)
    last = ladder.corners
    dip = (ladder.slop + 2 * last) * unit
    best, count = 0, ladder.floor
    if mark is Mark.ON or ladder.floor > 1 or ladder.charge:
        use, gain = ladder.at(ladder.floor)
        best = gain * SCALE - use * price
    for way in (range(near, last + 1), range(near - 1, 0, -1)):
        for levels in way:
            here = ladder.steps(levels) if levels < last else ladder.depth
            if here >= ladder.floor:
                use, gain = ladder.bound(levels) if price or levels < last else ladder.at(here)
                profit = gain * SCALE - use * price
                if profit < best - dip:
                    break
                if profit > best:
                    best, count = profit, here
    best += ladder.slop * unit
    return Peak(best if mark is Mark.ON else max(best, 0), count)
