"""Find the choice that gains most: branch on orders in doubt, then try counts near the peaks.

What may gain most is looked at first, and the obvious choice of a branch before any other: where the work
runs out, little is missed. Typical books never come here: best-first leaves less than a lot to gain.
"""

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from router.core.relaxation import SCALE, Counts, Mark, Problem, Relaxed, relax, steps, walk

WORK_MAX = 24_000
"""Work of one decision after its first walk, each a quarter of a microsecond: meanwhile all else waits. Only
markets of coarse lots come near it: docs/decisions.md has what is missed in them, and how long they take."""
NODE_WORK = 2
"""One candidate."""
LEVEL_WORK = 1
"""One level of one more walk."""
REST_WORK = 8
"""Fitting the last order to what the others leave."""
ORDER_WORK = 12
"""One order of one more walk."""
SET_WORK = 4
"""One level of one more set of venues, where their number is limited."""
DEEPENING = (4, 2, 1)
"""What is lost in all is first held to these powers of a half of what may be: a small loss is soon found."""
NEAR_MAX = 40
"""Counts looked at on each side of an order's peak: further away only exact ties are as good."""


class Budget:
    """What one decision may still try; all its searches share it."""

    def __init__(self, *, limited: bool) -> None:
        self.limited = limited
        self._left = WORK_MAX

    def spend(self, work: int) -> bool:
        """Account for this much work; False when there has been enough."""
        if not self.limited:
            return True
        self._left -= work
        return self._left >= 0

    def branches(self, work: int) -> bool:
        """Account for two more walks, while half of all work is left for candidates."""
        if not self.limited:
            return True
        if self._left - 2 * work < WORK_MAX >> 1:
            return False
        self._left -= 2 * work
        return True


class Node(NamedTuple):
    """All choices under these marks."""

    worst: int
    """The negative of their bound: sorted, the most promising comes first."""
    number: int
    """Tells equal ones apart."""
    relaxed: Relaxed
    marks: list[Mark]


Candidate = tuple[int, int, int, int]
"""(loss, count, use, gain) of one possible order."""


class Search:
    """Holds the best choice found so far, and whether anything better can exist."""

    def __init__(self, problem: Problem, *, tolerance: int, budget: Budget) -> None:
        self._problem = problem
        self._tolerance = max(tolerance, problem.grain)
        """Nothing that gains less than this more is looked for."""
        self._budget = budget
        self._steps = steps(problem.ladders)
        self._walk_work = LEVEL_WORK * len(self._steps) + ORDER_WORK * len(problem.ladders)
        self._nodes: list[Node] = []
        """Choices not looked at yet, those that may gain most first."""
        self._opened = 0
        self.exact = True
        """Whether nothing can gain more."""
        self.counts: Counts = (0,) * len(problem.ladders)
        self.gain = 0

    def run(self) -> None:
        """Leave the best choice in `counts`, what it gains in `gain`."""
        self._open([Mark.FREE if one.floor <= one.depth else Mark.OFF for one in self._problem.ladders])
        while self._nodes:
            node = heappop(self._nodes)
            if self._enough(node.relaxed.bound) or not self.spend(0):
                return
            doubtful = self._doubtful(node.relaxed, node.marks)
            if doubtful is None or not self._budget.branches(self._walk_work):
                self._polish(node.relaxed, node.marks)
            else:
                for mark in (Mark.ON, Mark.OFF):
                    self._open([mark if v == doubtful else known for v, known in enumerate(node.marks)])

    def consider(self, counts: Counts, gain: int) -> None:
        """Keep a choice that gains more than the best so far."""
        if gain > self.gain:
            assert gain == self._problem.gain(counts)
            assert self._problem.fits(counts)
            self.counts, self.gain = counts, gain

    def _open(self, marks: list[Mark]) -> None:
        """Take up the choices under these marks, if there are any, beginning with the obvious one."""
        walked = walk(self._problem, self._steps, marks)
        if walked is None:
            return
        relaxed = relax(self._problem, walked, marks)
        self.consider(relaxed.counts, self._problem.gain(relaxed.counts))
        self._opened += 1
        heappush(self._nodes, Node(-relaxed.bound, self._opened, relaxed, marks))

    def _enough(self, bound: int) -> bool:
        """Whether what this bound still allows is not worth looking for."""
        gap = bound - self.gain * SCALE
        if gap >= self._tolerance * SCALE:
            return False
        if gap >= self._problem.grain * SCALE:
            self.exact = False
        return True

    def _doubtful(self, relaxed: Relaxed, marks: Sequence[Mark]) -> int | None:
        """An order for which it is an open question whether to use it at all."""
        for v in relaxed.short:
            if marks[v] is Mark.FREE:
                return v
        for v, ladder in enumerate(self._problem.ladders):
            charged = ladder.charge > 0 and marks[v] is Mark.FREE and relaxed.counts[v] > 0
            if charged and relaxed.bound - relaxed.peaks[v].profit >= (self.gain + self._tolerance) * SCALE:
                return v
        return None

    def _polish(self, relaxed: Relaxed, marks: Sequence[Mark]) -> None:
        """Try counts near each order's peak; the order where the total ran out takes what they leave."""
        others = [v for v in range(len(marks)) if v != relaxed.last]
        near = [(v, self._near(relaxed, v, marks[v])) for v in others]
        near.sort(key=lambda order: len(order[1]))
        descent = Descent(self, self._problem, relaxed, near=near, last_mark=marks[relaxed.last])
        slack = relaxed.bound - self.gain * SCALE
        for part in DEEPENING if self._budget.limited else ():
            descent.run(slack >> part)
        descent.run(slack)

    def _near(self, relaxed: Relaxed, v: int, mark: Mark) -> list[Candidate]:
        """Every count of an order that may be part of something better, least loss first.

        Looked for around its peak; where there are no means for that, around the most there are means for.
        """
        ladder = self._problem.ladders[v]
        slack = relaxed.bound - self.gain * SCALE
        peak = relaxed.peaks[v]
        found: list[Candidate] = []
        if mark is not Mark.ON and peak.profit <= slack:
            found.append((peak.profit, 0, 0, 0))
        if mark is Mark.OFF:
            return found
        pool = self._problem.pools[v]
        price = relaxed.walked.prices.of(pool)
        most = ladder.largest(min(self._problem.total, self._problem.limits[pool]))
        where = min(peak.where, most)
        dip = 2 * (ladder.slop + ladder.corners) * max(price, SCALE)
        for way in (range(max(where, ladder.floor), most + 1), range(where - 1, ladder.floor - 1, -1)):
            for tried, count in enumerate(way):
                use, gain = ladder.at(count)
                loss = peak.profit - (gain * SCALE - use * price)
                if loss > slack + dip and count != where:
                    break  # at the peak itself: its next lot may lose less than the last one before it
                if loss <= slack:
                    found.append((loss, count, use, gain))
                if not self.spend(NODE_WORK) or (self._budget.limited and tried >= NEAR_MAX):
                    self.exact = False
                    break
        return sorted(found)

    def promising(self, relaxed: Relaxed, loss: int) -> bool:
        """Whether a choice with this loss would gain more than the best so far."""
        return loss <= relaxed.bound - (self.gain + self._problem.grain) * SCALE

    def spend(self, work: int) -> bool:
        """Account for this much work; False when there has been enough."""
        if self._budget.spend(work):
            return True
        self.exact = False
        return False


class Descent:
    """One depth-first pass over candidates; the last order has none, it takes what the others leave."""

    def __init__(
        self,
        search: Search,
        problem: Problem,
        relaxed: Relaxed,
        *,
        near: list[tuple[int, list[Candidate]]],
        last_mark: Mark,
    ) -> None:
        self._search = search
        self._problem = problem
        self._relaxed = relaxed
        self._near = near
        self._last_mark = last_mark
        self._counts = [0] * len(problem.ladders)
        self._rooms = list(problem.limits)
        self._loss_max = 0

    def run(self, loss_max: int) -> None:
        """Offer the search every choice of at most this loss that may be better."""
        self._loss_max = loss_max
        self._down(0, self._problem.total, 0, gain=0)

    def _down(self, depth: int, left: int, loss: int, *, gain: int) -> None:
        if depth == len(self._near):
            self._take_rest(left, gain)
            return
        v, candidates = self._near[depth]
        pool = self._problem.pools[v]
        for extra, count, use, more in candidates:
            if loss + extra > self._loss_max or not self._search.promising(self._relaxed, loss + extra):
                return
            if not self._search.spend(NODE_WORK):
                return
            if use <= left and use <= self._rooms[pool]:
                self._counts[v] = count
                self._rooms[pool] -= use
                self._down(depth + 1, left - use, loss + extra, gain=gain + more)
                self._rooms[pool] += use

    def _take_rest(self, left: int, gain: int) -> None:
        """Whatever fits: what gains most, because gain grows with the count."""
        if not self._search.spend(REST_WORK):
            return
        v = self._relaxed.last
        ladder = self._problem.ladders[v]
        count = 0
        if self._last_mark is not Mark.OFF:
            count = ladder.largest(min(left, self._rooms[self._problem.pools[v]]))
        if count < ladder.floor:
            if self._last_mark is Mark.ON:
                return
            count = 0
        self._counts[v] = count
        self._search.consider(tuple(self._counts), gain + ladder.at(count)[1])
