"""What one order on one listing uses up and gains, exactly, for every size the venue accepts.

A count is the number of the venue's steps an order takes: lots of shares, or, where a buy is denominated
in cash, lots of cash. For a buy an order uses cash (fees included) and gains the shares that arrive; for a
sale it uses shares and gains cash (fees deducted). Both grow with the count. Between corners they are
straight lines but for rounding: where a level ends, and where the reserves reach the venue's least fee.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from operator import itemgetter, mul

from router.core.merge import Offer
from router.core.model import Terms
from router.core.portion import arriving
from venues.base.contract import FeeCurve
from venues.base.orders import Side, minimum_cash
from venues.base.units import ONE, Cash, Price, Size, affordable, cost, down, proceeds, up

MEMO_MAX = 4_096
"""Counts remembered per order: a plan asks for the same few again and again."""
SLOP = 2
"""Millionths by which rounding up can make a piece of a level cheaper than its share of the level."""


_price, _size, _cash, _net = itemgetter(2), itemgetter(3), itemgetter(4), itemgetter(5)
_NOTHING, _LEAST = Size(0), Size(1)


class Ladder(ABC):
    """The offers of one listing, best price first, as one order would take them."""

    def __init__(self, terms: Terms, side: Side, offers: Sequence[Offer]) -> None:
        self.terms = terms
        self.offers = offers
        self.index = offers[0][1] if offers else -1
        """The listing's place in `Merged.terms`."""
        self.side = side
        self.curve = terms.curve
        self.fixed: int = terms.curve.fixed(side)
        self.minimum: int = terms.curve.minimum(side)
        self.charge = self.fixed + self.minimum
        """What even the smallest order is charged."""
        self.sizes: list[int] = list(accumulate(map(_size, offers), initial=0))
        """Shares of the first n levels."""
        self.nets: list[int] = list(accumulate(map(_net, offers), initial=0))
        """Of these, the shares that arrive."""
        self.cash: list[int] = list(accumulate(map(_cash, offers), initial=0))
        """Cash of the first n levels, their reserves included."""
        self.fees: list[int] = list(accumulate(map(self._fee, offers), initial=0))
        """Their reserves."""
        self._notional: list[int] | None = None
        self.uses: list[int] = self._uses()
        """Use of the first n levels without the fixed charge, as if steps did not matter."""
        self.slop = slop(terms.curve, side, offers[0][2]) if offers else SLOP
        if self.minimum:
            self.slop += SLOP  # where the least fee is reached is rounded too
        self._memo: dict[int, tuple[int, int]] = {}
        self.step = self._step()
        self.depth = self._steps(len(offers))
        self.floor = self._floor()
        """The smallest count the venue accepts; above `depth` when there is none."""
        self._kink = self._find_kink()
        self.corners = len(offers) + (self._kink is not None)
        """After the beginning."""

    @property
    def notional(self) -> list[int]:
        """Price times size of the first n levels, fees not included, in millionths of millionths."""
        if self._notional is None:
            exact = map(mul, map(_price, self.offers), map(_size, self.offers))
            self._notional = list(accumulate(exact, initial=0))
        return self._notional

    @property
    def grain(self) -> int:
        """Gains are multiples of this."""
        return 1

    def at(self, count: int) -> tuple[int, int]:
        """(use, gain) of an order of this count; nothing for 0."""
        known = self._memo.get(count)
        if known is None:
            if len(self._memo) >= MEMO_MAX:
                self._memo.clear()
            known = self._memo[count] = self._reckon(count) if count else (0, 0)
        return known

    def bound(self, corner: int) -> tuple[int, int]:
        """(use, gain) at a corner as if steps did not matter: but for slop never worse than any order."""
        if self._kink is not None and corner > self._kink[0]:
            if corner == self._kink[0] + 1:
                return self._taken(*self._kink)
            corner -= 1
        return self._taken(corner, Size(0))

    def steps(self, corner: int) -> int:
        """The largest count that takes nothing beyond this corner."""
        if self._kink is not None and corner > self._kink[0]:
            if corner == self._kink[0] + 1:
                return self._steps(*self._kink)
            corner -= 1
        return self._steps(corner)

    @abstractmethod
    def _reckon(self, count: int) -> tuple[int, int]: ...

    @abstractmethod
    def _taken(self, levels: int, rest: Size) -> tuple[int, int]:
        """(use, gain) of the first n levels and so many shares of the next, as if steps did not matter."""

    @abstractmethod
    def least_gain(self) -> int:
        """About what one step at the best price gains: the fineness of this listing."""

    @abstractmethod
    def _steps(self, levels: int, rest: Size = _NOTHING) -> int:
        """The largest count that takes nothing beyond the first n levels and so many shares of the next."""

    @abstractmethod
    def split(self, count: int) -> tuple[int, Size]:
        """How many whole levels an order of this count takes, and how many shares of the next."""

    @abstractmethod
    def _step(self) -> int: ...

    @abstractmethod
    def _floor(self) -> int: ...

    def _fee(self, offer: Offer) -> int:
        """Its reserve."""
        _, _, price, size, cash, _ = offer
        return cash - cost(price, size) if self.side is Side.BUY else proceeds(price, size) - cash

    def _uses(self) -> list[int]:
        if not self.minimum:
            return self.cash
        return [cash + self._top_up(fees) for cash, fees in zip(self.cash, self.fees, strict=True)]

    def _top_up(self, fees: int) -> int:
        """What these reserves fall short of the venue's least fee."""
        return max(0, self.minimum - fees)

    def _find_kink(self) -> tuple[int, Size] | None:
        """The level and its share at which the reserves reach the least fee, if they do so within one."""
        if not self.minimum:
            return None
        levels = bisect_right(self.fees, self.minimum) - 1
        short = self.minimum - self.fees[levels]
        if levels == len(self.offers) or not short:
            return None
        return levels, Size(down(self.offers[levels][3] * short, self.fees[levels + 1] - self.fees[levels]))

    def largest(self, room: int, least: int = 0) -> int:
        """The largest count whose use fits in `room`, where `least` is known to fit."""
        low, high = least, self.depth + 1
        if low + 1 == high or self.at(low + 1)[0] > room:
            return low
        low += 1
        levels = bisect_right(self.uses, room - self.fixed) - 1
        start = self._steps(levels)
        if levels < len(self.offers):
            high = min(high, self._steps(levels + 1) + 1)
            width = self.uses[levels + 1] - self.uses[levels]
            start += down((room - self.fixed - self.uses[levels]) * (high - 1 - start), width)
        guess, stride = start, 1
        while high - low > 1:
            guess = min(max(guess, low + 1), high - 1)
            if self.at(guess)[0] <= room:
                low, guess = guess, guess + stride
            else:
                high, guess = guess, guess - stride
            stride *= 2
        return low

    def _least_size(self, size: int, notional: int) -> int:
        """The shares to take so that both are reached: more than there are when they cannot be."""
        if notional > 0:
            levels = bisect_left(self.notional, notional * ONE)
            if levels > len(self.offers):
                return self.sizes[-1] + 1
            before = levels - 1
            rest = up(notional * ONE - self.notional[before], self.offers[before][2])
            size = max(size, self.sizes[before] + rest)
        return size


class SizedLadder(Ladder):
    """An order that names shares."""

    def _step(self) -> int:
        return self.terms.listing.lot

    def _floor(self) -> int:
        listing = self.terms.listing
        least = self._least_size(listing.minimum_size, minimum_cash(listing, self.side))
        return max(1, up(least, self.step))

    def _reckon(self, count: int) -> tuple[int, int]:
        return self._taken(*self.split(count))

    def _steps(self, levels: int, rest: Size = _NOTHING) -> int:
        """Whole lots."""
        return down(self.sizes[levels] + rest, self.step)

    def split(self, count: int) -> tuple[int, Size]:
        """What is left on the last level is a part of it."""
        size = count * self.step
        levels = bisect_right(self.sizes, size) - 1
        return levels, Size(size - self.sizes[levels])


class Purchase(SizedLadder):
    """A buy in lots of shares: uses cash, gains shares."""

    @property
    def grain(self) -> int:
        """A lot, where all of it arrives."""
        return self.step if self.nets[-1] == self.sizes[-1] else 1

    def _taken(self, levels: int, rest: Size) -> tuple[int, int]:
        """Cost with the reserve of each part and the charges; the shares that arrive."""
        use, net, reserve = self.cash[levels] + self.fixed, self.nets[levels], Cash(0)
        if rest:
            price = self.offers[levels][2]
            reserve = self.curve.reserve(self.side, price, rest)
            use += cost(price, rest) + reserve
            net += arriving(self.curve, price, rest)
        if self.minimum:
            use += self._top_up(self.fees[levels] + reserve)
        return use, net

    def least_gain(self) -> int:
        """A lot."""
        return self.step


class Sale(SizedLadder):
    """A sale in lots of shares: uses shares, gains cash."""

    def _taken(self, levels: int, rest: Size) -> tuple[int, int]:
        """Shares; proceeds without the reserve of each part and the charges."""
        net, reserve = self.cash[levels] - self.fixed, Cash(0)
        if rest:
            price = self.offers[levels][2]
            reserve = self.curve.reserve(self.side, price, rest)
            net += proceeds(price, rest) - reserve
        if self.minimum:
            net -= self._top_up(self.fees[levels] + reserve)
        return self.sizes[levels] + rest, net

    def _uses(self) -> list[int]:
        return self.sizes

    def least_gain(self) -> int:
        """What a lot brings."""
        return proceeds(self.offers[0][2], Size(self.step))

    def largest(self, room: int, least: int = 0) -> int:
        """Shares are what a sale uses: whole lots of the room."""
        return max(least, min(self.depth, down(room, self.step)))


class CashPurchase(Ladder):
    """A buy in lots of cash: its notional is a whole number of them, its shares are what they buy."""

    def _step(self) -> int:
        return self.terms.traits.cash_lot

    def _floor(self) -> int:
        listing = self.terms.listing
        least = self._least_size(listing.minimum_size, 0)
        levels = bisect_right(self.sizes, least) - 1
        if least > self.sizes[-1]:
            return self.depth + 1
        spent = self.notional[levels]
        if least > self.sizes[levels]:
            spent += (least - self.sizes[levels]) * self.offers[levels][2]
        return max(1, up(max(spent, listing.minimum_cash * ONE), self.step * ONE))

    def _steps(self, levels: int, rest: Size = _NOTHING) -> int:
        """Whole cash lots."""
        spent = self.notional[levels] + (rest * self.offers[levels][2] if rest else 0)
        return down(spent, self.step * ONE)

    def _reckon(self, count: int) -> tuple[int, int]:
        """Whole cash lots; shares, the last floored."""
        return self._bought(*self.split(count), cash=count * self.step)

    def _taken(self, levels: int, rest: Size) -> tuple[int, int]:
        """The notional rounded down."""
        spent = self.notional[levels] + (rest * self.offers[levels][2] if rest else 0)
        return self._bought(levels, rest, cash=spent // ONE)

    def _bought(self, levels: int, rest: Size, *, cash: int) -> tuple[int, int]:
        """The notional with the reserve of each part and the charges; the shares that arrive."""
        fees, net = self.fees[levels], self.nets[levels]
        if rest:
            price = self.offers[levels][2]
            fees += self.curve.reserve(self.side, price, rest)
            net += arriving(self.curve, price, rest)
        return cash + max(fees, self.minimum) + self.fixed, net

    def _uses(self) -> list[int]:
        least = self.minimum
        return [exact // ONE + max(fees, least) for exact, fees in zip(self.notional, self.fees, strict=True)]

    def least_gain(self) -> int:
        """What a cash lot buys."""
        return affordable(self.offers[0][2], Cash(self.step))

    def split(self, count: int) -> tuple[int, Size]:
        """On the last level the whole millionths of a share that the rest pays for."""
        exact = count * self.step * ONE
        levels = bisect_right(self.notional, exact) - 1
        if levels == len(self.offers):
            return levels, Size(0)
        return levels, Size(down(exact - self.notional[levels], self.offers[levels][2]))


def ladder(terms: Terms, side: Side, offers: Sequence[Offer]) -> Ladder:
    """The arithmetic of an order on this listing, by how its venue wants the order stated."""
    if side is Side.SELL:
        return Sale(terms, side, offers)
    return (CashPurchase if terms.traits.buys_in_cash else Purchase)(terms, side, offers)


def slop(curve: FeeCurve, side: Side, price: Price) -> int:
    """Millionths by which rounding can make a piece of a level better than its share of the level."""
    return SLOP + curve.reserve(side, price, _LEAST) + curve.kept(side, price, _LEAST)
