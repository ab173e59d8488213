"""What one order uses and gains, and what its venue is told, from the levels it takes: the one definition.

Every plan is made of portions, and all other sums over levels are asserted against them. For a buy an
order uses cash (fees included) and gains shares; for a sale it uses shares and gains cash (fees deducted).
Fees are the worst case: the reserve of every part but at least the venue's least fee, the charge per order,
and the most shares of a buy that the venue may keep.
"""

from abc import ABC, abstractmethod
from itertools import starmap
from operator import itemgetter, mul

from router.core.merge import Offer
from router.core.model import PlannedOrder, Rules, Terms
from venues.base.contract import FeeCurve
from venues.base.orders import Side
from venues.base.units import ONE, Cash, Price, Size, ceil_to, cost, down, floor_to, proceeds, up

SHRINKS_MAX = 4
"""Steps given up when a part costs more than its share of the level: rounding is worth one or two."""

_BUY = Side.BUY
_ALMOST = ONE - 1
"""Added before dividing by ONE, it rounds up."""
_size, _cash, _net = itemgetter(3), itemgetter(4), itemgetter(5)


def arriving(curve: FeeCurve, price: Price, size: Size) -> int:
    """The shares of a buy that the venue does not keep, at least."""
    return size - curve.kept(_BUY, price, size)


class Portion(ABC):
    """Whole levels of one listing, best first, and of the next one a part (`rest`, which may be nothing)."""

    __slots__ = (
        *("after", "buying", "cash", "gain", "net"),
        *("rest", "rules", "size", "terms", "use", "whole"),
    )

    def __init__(self, terms: Terms, rules: Rules, whole: list[Offer], after: Offer | None) -> None:
        self.terms = terms
        self.rules = rules
        self.buying = rules.side is _BUY
        self.whole = whole
        """Taken over, not copied."""
        self.after = after
        """The level of which a part may be taken."""
        self.rest = Size(0)
        self.size: int = sum(map(_size, whole))
        """Shares of the whole levels."""
        self.cash: int = sum(map(_cash, whole))
        """Cash of the whole levels."""
        self.net: int = self.size if rules.keeps_nothing else sum(map(_net, whole))
        """Shares of the whole levels that arrive."""
        self.use = self.gain = 0
        """Of the whole order, once `fit` or `take` has made it one."""

    @property
    @abstractmethod
    def exact(self) -> int:
        """Price times size of the whole levels, fees not included, in millionths of millionths."""

    @abstractmethod
    def smooth(self) -> tuple[int, int]:
        """(use, gain) of the whole levels as if lots did not matter, without the charge per order."""

    @abstractmethod
    def take(self, rest: Size) -> None:
        """Take this much of the next level: together whole lots, or what so much cash buys."""

    @abstractmethod
    def fit(self, room: int) -> bool:
        """Become the largest order on these levels that uses at most `room`, or an empty one.

        False when rounding makes that a longer search.
        """

    def full(self, room: int) -> bool:
        """Whether one step more than `fit` took is known not to fit in the same room."""
        if room - self.use < self._step_use():
            return True
        if self.after is None or self._one_more() > self.after[3]:
            return False
        rest = self.rest
        self.take(self._one_more())
        full = self.use > room
        self.take(rest)
        return full

    @abstractmethod
    def _step_use(self) -> int:
        """What one step more uses at least."""

    @abstractmethod
    def _one_more(self) -> Size:
        """Of the next level: the part of it that one step more takes."""

    @abstractmethod
    def order(self) -> PlannedOrder:
        """What the venue will be told; not for an empty portion."""

    @property
    def allowed(self) -> bool:
        """Whether the venue's minimums are met."""
        least = self.rules.least
        if self.size + self.rest < self.terms.listing.minimum_size:
            return False
        return not least or self._notional() >= least * ONE

    @abstractmethod
    def _notional(self) -> int:
        """What the venue holds against its least, in millionths of millionths."""

    def _rest_exact(self) -> int:
        return self.after[2] * self.rest if self.after is not None else 0

    @abstractmethod
    def _fees(self) -> int:
        """The reserves of the whole levels."""

    def _top_up(self, reserve: int) -> int:
        """What the reserves, with this one of the part, fall short of the venue's least fee."""
        return max(0, self.rules.minimum - self._fees() - reserve) if self.rules.minimum else 0

    def _parts(self) -> tuple[tuple[Price, Size], ...]:
        parts = [(price, size) for _, _, price, size, _, _ in self.whole]
        if self.rest:
            assert self.after is not None
            parts.append((self.after[2], self.rest))
        return tuple(parts)

    def _give_back(self) -> Offer:
        """Take only a part of what was the last whole level."""
        self.after = offer = self.whole.pop()
        self.size -= offer[3]
        self.cash -= offer[4]
        self.net -= offer[5]
        return offer

    def _order(self, parts: tuple[tuple[Price, Size], ...], cash: int, fees: int) -> PlannedOrder:
        return PlannedOrder(
            listing=self.terms.listing,
            side=self.rules.side,
            limit=parts[-1][0],
            size=Size(self.size + self.rest),
            cash=Cash(cash),
            fee_reserve=Cash(fees),
            parts=parts,
        )


class SizedPortion(Portion):
    """An order that names shares, in lots."""

    __slots__ = ()

    @property
    def exact(self) -> int:
        """Summed when asked for."""
        return sum([price * size for _, _, price, size, _, _ in self.whole])

    def _notional(self) -> int:
        return self.exact + self._rest_exact()

    def smooth(self) -> tuple[int, int]:
        """As listed."""
        return (self.cash, self.net) if self.buying else (self.size, self.cash)

    def take(self, rest: Size) -> None:
        """The cash of the levels, of the part, and the charges."""
        self.rest = rest
        size = self.size + rest
        if not size:
            self.use = self.gain = 0
            return
        curve, buying = self.terms.curve, self.buying
        cash, net, charge, reserve = self.cash, self.net, int(self.rules.fixed), 0
        if rest:
            assert self.after is not None
            price = self.after[2]
            reserve = curve.reserve(self.rules.side, price, rest)
            if buying:
                cash += cost(price, rest) + reserve
                net += arriving(curve, price, rest)
            else:
                cash += proceeds(price, rest) - reserve
        if self.rules.minimum:
            charge += self._top_up(reserve)
        self.use, self.gain = (cash + charge, net) if buying else (size, cash - charge)

    def _fees(self) -> int:
        if self.buying:
            return sum([cash - cost(price, size) for _, _, price, size, cash, _ in self.whole])
        return sum([proceeds(price, size) - cash for _, _, price, size, cash, _ in self.whole])

    def fit(self, room: int) -> bool:
        """Whole lots; levels that are not needed for them are given back."""
        lot = self.rules.step
        while True:
            most = self._most(room)
            size = floor_to(self.size + most, lot) if most >= 0 else -1
            if size >= self.size:
                break
            if not self.whole:
                size = self.size
                break
            self._give_back()
        for _ in range(SHRINKS_MAX):
            self.take(Size(size - self.size))
            if self.use <= room or not self.use:
                return True
            if size - self.size < lot:
                return False
            size -= lot
        return False

    def _step_use(self) -> int:
        """A lot of a sale; of a buy what it costs without its fee at the best price it may have."""
        if not self.buying or self.after is None:
            return self.rules.step
        return proceeds(self.after[2], Size(self.rules.step))

    def _one_more(self) -> Size:
        return Size(self.rest + self.rules.step)

    def _most(self, room: int) -> int:
        """Of the next level: its share by what it would use of the room; negative when there is no room."""
        room -= self.cash + self.rules.fixed if self.buying else self.size
        after = self.after
        if room < 0 or after is None:
            return min(room, 0)
        use = after[4] if self.buying else after[3]
        return after[3] if use <= room else after[3] * room // use

    def order(self) -> PlannedOrder:
        """The notional exact over the parts, rounded once: for a buy up, for a sale down."""
        parts = self._parts()
        exact = sum(starmap(mul, parts))
        if self.buying:
            cash = up(exact, ONE)
            return self._order(parts, cash, self.use - cash)
        cash = down(exact, ONE)
        return self._order(parts, cash, cash - self.gain)


class CashPortion(Portion):
    """A buy that names cash, in lots of it: its shares are what that buys, the last level's floored."""

    __slots__ = ("_exact", "_reserves", "_step")

    def __init__(self, terms: Terms, rules: Rules, whole: list[Offer], after: Offer | None) -> None:
        super().__init__(terms, rules, whole, after)
        self._step = rules.step * ONE
        notionals = [price * size for _, _, price, size, _, _ in whole]
        self._exact = sum(notionals)
        self._reserves = self.cash - sum([(each + _ALMOST) // ONE for each in notionals])

    @property
    def exact(self) -> int:
        """Kept: it is what the order names."""
        return self._exact

    def _notional(self) -> int:
        return self.named * ONE

    def smooth(self) -> tuple[int, int]:
        """Cash is not rounded from level to level."""
        return self._exact // ONE + self._reserves, self.net

    def take(self, rest: Size) -> None:
        """So many cash lots, the fees of the levels and of the part, and the charges."""
        self.rest = rest
        if not self.size + rest:
            self.use = self.gain = 0
            return
        curve, reserve = self.terms.curve, 0
        self.gain = self.net
        if rest:
            assert self.after is not None
            reserve = curve.reserve(self.rules.side, self.after[2], rest)
            self.gain += arriving(curve, self.after[2], rest)
        self.use = self.named + self._reserves + reserve + self.rules.fixed + self._top_up(reserve)

    def _fees(self) -> int:
        return self._reserves

    @property
    def named(self) -> int:
        """The cash lots that buy this and not a millionth of a share more."""
        return down(ceil_to(self._exact + self._rest_exact(), self._step), ONE)

    def fit(self, room: int) -> bool:
        """Whole lots of cash; levels that are not needed for them are given back."""
        while True:
            reach = self._reach(room)
            if reach >= self._exact:
                break
            if not self.whole:
                reach = self._exact
                break
            self._give_back()
        for _ in range(SHRINKS_MAX):
            after = self.after
            self.take(Size((reach - self._exact) // after[2] if after is not None else 0))
            if self.use <= room or not self.use:
                return True
            reach -= self._step
            if reach < self._exact:
                return False
        return False

    def _step_use(self) -> int:
        """A lot of cash."""
        return self.rules.step

    def _one_more(self) -> Size:
        assert self.after is not None
        return Size((self.named * ONE + self._step - self._exact) // self.after[2])

    def _reach(self, room: int) -> int:
        """The notional that the room allows, in whole cash lots: it may end within the whole levels."""
        exact, after = self._exact, self.after
        room -= -(-exact // ONE) + self._reserves + self.rules.fixed
        if room < 0:
            return -1
        if after is not None:
            whole = after[2] * after[3]
            exact += whole if after[4] <= room else whole * room // after[4]
        return exact - exact % self._step

    def _give_back(self) -> Offer:
        offer = super()._give_back()
        self._exact -= offer[2] * offer[3]
        self._reserves -= offer[4] - cost(offer[2], offer[3])
        return offer

    def order(self) -> PlannedOrder:
        """The notional is what the order names."""
        cash = self.named
        return self._order(self._parts(), cash, self.use - cash)


def portion(terms: Terms, rules: Rules, whole: list[Offer], after: Offer | None = None) -> Portion:
    """By how the venue wants an order stated; `rules` are those of the terms for its side."""
    return (CashPortion if rules.in_cash else SizedPortion)(terms, rules, whole, after)
