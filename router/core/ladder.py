"""What one order on one listing uses up and gains, exactly, for every size the venue accepts.

A count is the number of the venue's steps an order takes: lots of shares, or, where a buy is denominated
in cash, lots of cash. For a buy an order uses cash (fees included) and gains shares; for a sale it uses
shares and gains cash (fees deducted). Both grow with the count.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from operator import itemgetter, mul

from router.core.merge import Offer
from router.core.model import Terms
from router.core.portion import worst
from venues.base.orders import Side, minimum_cash
from venues.base.units import ONE, Cash, Size, affordable, down, proceeds, up

MEMO_MAX = 4_096
"""Counts remembered per order: a plan asks for the same few again and again."""
SLOP = 2
"""Millionths by which rounding up can make a piece of a level cheaper than its share of the level."""


_price, _size, _cash = itemgetter(2), itemgetter(3), itemgetter(4)


class Ladder(ABC):
    """The offers of one listing, best price first, as one order would take them."""

    def __init__(self, terms: Terms, side: Side, offers: Sequence[Offer]) -> None:
        self.terms = terms
        self.offers = offers
        self.index = offers[0][1] if offers else -1
        """The listing's place in `Merged.terms`."""
        self.side = side
        self._curve = terms.curve
        self.fixed = terms.curve.fixed(side)
        self.sizes: list[int] = list(accumulate(map(_size, offers), initial=0))
        """Shares of the first n levels."""
        self.cash: list[int] = list(accumulate(map(_cash, offers), initial=0))
        """Cash of the first n levels, fees included."""
        self.uses = self.cash
        """Use of the first n levels without the fixed charge, as if steps did not matter."""
        self.slop = SLOP + self._curve.reserve(side, offers[0][2], Size(1)) if offers else SLOP
        self._notional: list[int] | None = None
        self._memo: dict[int, tuple[int, int]] = {}
        self.step = self._step()
        self.depth = self.steps(len(offers))
        self.floor = self._floor()
        """The smallest count the venue accepts; above `depth` when there is none."""

    @property
    def notional(self) -> list[int]:
        """Price times size of the first n levels, fees not included, in millionths of millionths."""
        if self._notional is None:
            exact = map(mul, map(_price, self.offers), map(_size, self.offers))
            self._notional = list(accumulate(exact, initial=0))
        return self._notional

    def at(self, count: int) -> tuple[int, int]:
        """(use, gain) of an order of this count; nothing for 0."""
        known = self._memo.get(count)
        if known is None:
            if len(self._memo) >= MEMO_MAX:
                self._memo.clear()
            known = self._memo[count] = self._reckon(count) if count else (0, 0)
        return known

    @abstractmethod
    def _reckon(self, count: int) -> tuple[int, int]: ...

    @abstractmethod
    def bound(self, levels: int) -> tuple[int, int]:
        """(use, gain) of the first n levels as if steps did not matter: never worse than any order there."""

    @abstractmethod
    def least_gain(self) -> int:
        """About what one step at the best price gains: the fineness of this listing."""

    @abstractmethod
    def steps(self, levels: int) -> int:
        """The largest count that takes nothing beyond the first n levels."""

    @abstractmethod
    def split(self, count: int) -> tuple[int, Size]:
        """How many whole levels an order of this count takes, and how many shares of the next."""

    @abstractmethod
    def _step(self) -> int: ...

    @abstractmethod
    def _floor(self) -> int: ...

    def largest(self, room: int, least: int = 0) -> int:
        """The largest count whose use fits in `room`, where `least` is known to fit."""
        low, high = least, self.depth + 1
        if low + 1 == high or self.at(low + 1)[0] > room:
            return low
        low += 1
        levels = bisect_right(self.uses, room - self.fixed) - 1
        start = self.steps(levels)
        if levels < len(self.offers):
            high = min(high, self.steps(levels + 1) + 1)
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

    def steps(self, levels: int) -> int:
        """Whole lots in the first n levels."""
        return down(self.sizes[levels], self.step)

    def split(self, count: int) -> tuple[int, Size]:
        """What is left on the last level is a part of it."""
        size = count * self.step
        levels = bisect_right(self.sizes, size) - 1
        return levels, Size(size - self.sizes[levels])


class Purchase(SizedLadder):
    """A buy in lots of shares: uses cash, gains shares."""

    def _reckon(self, count: int) -> tuple[int, int]:
        """Cost with the fee reserve of each part and the fixed charge; shares."""
        levels, rest = self.split(count)
        use = self.cash[levels]
        if rest:
            use += worst(self._curve, self.side, self.offers[levels][2], rest)
        return use + self.fixed, self.sizes[levels] + rest

    def bound(self, levels: int) -> tuple[int, int]:
        """Whole levels."""
        return self.cash[levels] + self.fixed, self.sizes[levels]

    def least_gain(self) -> int:
        """A lot."""
        return self.step


class Sale(SizedLadder):
    """A sale in lots of shares: uses shares, gains cash."""

    def _reckon(self, count: int) -> tuple[int, int]:
        """Shares; proceeds without the fee reserve of each part and the fixed charge."""
        levels, rest = self.split(count)
        net = self.cash[levels]
        if rest:
            net += worst(self._curve, self.side, self.offers[levels][2], rest)
        return self.sizes[levels] + rest, net - self.fixed

    def bound(self, levels: int) -> tuple[int, int]:
        """Whole levels."""
        return self.sizes[levels], self.cash[levels] - self.fixed

    def least_gain(self) -> int:
        """What a lot brings."""
        return proceeds(self.offers[0][2], Size(self.step))

    def largest(self, room: int, least: int = 0) -> int:
        """Shares are what a sale uses: whole lots of the room."""
        return max(least, min(self.depth, down(room, self.step)))


class CashPurchase(Ladder):
    """A buy in lots of cash: its notional is a whole number of them, its shares are what they buy."""

    def __init__(self, terms: Terms, side: Side, offers: Sequence[Offer]) -> None:
        super().__init__(terms, side, offers)
        fees = [cash + -price * size // ONE for _, _, price, size, cash in offers]
        self._fees: list[int] = list(accumulate(fees, initial=0))
        self.uses = [exact // ONE + fee for exact, fee in zip(self.notional, self._fees, strict=True)]

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

    def steps(self, levels: int) -> int:
        """Whole cash lots that the first n levels can take."""
        return down(self.notional[levels], self.step * ONE)

    def _reckon(self, count: int) -> tuple[int, int]:
        """The notional with the fee reserve of each part and the fixed charge; shares, the last floored."""
        levels, rest = self.split(count)
        use = count * self.step + self._fees[levels]
        if rest:
            use += self._curve.reserve(self.side, self.offers[levels][2], rest)
        return use + self.fixed, self.sizes[levels] + rest

    def bound(self, levels: int) -> tuple[int, int]:
        """Whole levels, their notional rounded down."""
        return self.uses[levels] + self.fixed, self.sizes[levels]

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
