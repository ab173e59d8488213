"""The published fee, exact per execution, and the most that any cut into executions can make of it (card 4).

A fee of one execution is coefficient * C * p * (1 - p), rounded half to even to the cent. Small executions
are rounded by up to half a cent each, which may be most of their fee: what an order can cost depends on how
it is cut, and no feed publishes that.
"""

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from venues.base.contract import CashFee
from venues.base.listing import Listing
from venues.base.orders import Charge, Side
from venues.base.units import NANOS_PER_MICRO, ONE, Cash, Nanos, Price, Size, down, half_even, micros, up

TAKER = 69_500
"""0.0695, in force since autumn 2026: used where a market names no coefficient."""
COEFFICIENT_MAX = 200_000
"""Seen: 0.05 to 0.0695. Up to 0.2 a fee never grows faster than a better price saves; `_worst` needs that."""
CENT = 10_000
HALF_CENT = 5_000
STEPS = 8
"""Fees of 1 to so many cents are looked at one by one; above, half a cent is less than 1/17 of the fee."""
CURVES_MAX = 65_536
"""Prices remembered, over all curves: sixty curves of the finest grid."""
_SCALE = ONE**3
"""Four factors in millionths make millionths of a dollar after three of them are divided out."""


class Curve(CashFee, msgspec.Struct, frozen=True):
    """coefficient * C * p * (1 - p), in cents per execution."""

    coefficient: int
    """In millionths."""
    lot: int = CENT
    """Executions are multiples of it."""
    tick: int = CENT
    """Fills better than the limit are better by multiples of it."""

    def rank(self, side: Side, price: Price) -> Nanos:
        """Price per share with the fee of the formula, rounded against the venue."""
        fee = up(self.coefficient * price * (ONE - price) * NANOS_PER_MICRO, ONE * ONE)
        nanos = price * NANOS_PER_MICRO
        return Nanos(nanos + fee if side is Side.BUY else nanos - fee)

    def reserve(self, side: Side, price: Price, size: Size) -> Cash:
        """The most for `size` at `price` or better, linear in lots; why it is enough is in the README."""
        fee, lots = _worst(self, side, price)
        return Cash(up(size * fee, lots * self.lot))

    def fixed(self, side: Side) -> Cash:
        """Half a cent, should the venue round once per order instead of once per execution (README)."""
        return Cash(HALF_CENT if self.coefficient else 0)

    def charged(self, side: Side, fills: Sequence[tuple[Price, Size]]) -> Charge:
        """The sum over the executions, each rounded half to even to the cent."""
        return Charge(Cash(sum(self.fill(price, size) for price, size in fills)))

    def fill(self, price: Price, size: Size) -> Cash:
        """The fee of one execution; a negative coefficient is a maker's rebate."""
        return Cash(half_even(self.coefficient * size * price * (ONE - price), _SCALE * CENT) * CENT)


@lru_cache(maxsize=CURVES_MAX)
def _worst(curve: Curve, side: Side, price: Price) -> tuple[int, int]:
    """The highest fee per lot as (millionths, lots): here, or at a better price less what that saves."""
    worst, lots = _ratio(curve, price)
    for saved in range(curve.tick, _reach(curve, price) + 1, curve.tick):
        better = price - saved if side is Side.BUY else price + saved
        if not 0 < better < ONE:
            break
        fee, cut = _ratio(curve, better)
        fee = fee * ONE - saved * curve.lot * cut
        if fee * lots > worst * ONE * cut:
            worst, lots = up(fee, ONE), cut
    return worst, lots


def _reach(curve: Curve, price: Price) -> int:
    """Fills better than the limit by more than this save more than their fee can be above that of the limit.

    A fee per share is at most twice the formula's, at the limit it is at least 18/17 of it, and the formula
    changes by less than the coefficient times the change of the price.
    """
    return up(16 * curve.coefficient * price * (ONE - price), 17 * ONE * (ONE - 2 * curve.coefficient))


def _ratio(curve: Curve, price: int) -> tuple[int, int]:
    """The highest fee per lot over all executions of whole lots at one price, as (millionths, lots).

    The smallest execution that is charged m cents is the dearest of them. Beyond `STEPS` cents the fee is at
    most m / (m - 1/2) of the formula's.
    """
    scaled = curve.coefficient * curve.lot * price * (ONE - price)
    if scaled <= 0:
        return 0, 1
    scale = _SCALE * CENT
    best, lots = up(scaled * (2 * STEPS + 2), _SCALE * (2 * STEPS + 1)), 1
    for cents in range(1, STEPS + 1):
        fewest = down((2 * cents - 1) * scale, 2 * scaled) + 1
        if cents % 2 == 0 and (2 * cents - 1) * scale == 2 * scaled * (fewest - 1):
            fewest -= 1
        if cents * CENT * lots > best * fewest:
            best, lots = cents * CENT, fewest
    return best, lots


class PolymarketUsFees:
    """Taker fees by the market's `feeCoefficient`. Volume rebates are not counted on."""

    def curve(self, listing: Listing) -> Curve:
        """The taker's curve. Of a listing that is not tradable it means nothing."""
        return Curve(
            coefficient=micros(listing.details["fee_coefficient"]),
            lot=listing.lot,
            tick=listing.grid.bands[0].step,
        )
