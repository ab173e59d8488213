"""The published fee, exact per fill, and the most that any cut into fills can make of it (card §4).

Units: millionths of a dollar. A fill of one lot (0.01 share) at any price on the finest grid (0.0001) has
a notional of whole millionths, so nothing here is rounded but what the venue rounds.
"""

from collections.abc import Sequence

import msgspec

from venues.base.contract import CashFee
from venues.base.listing import Listing
from venues.base.orders import Charge, Side
from venues.base.units import NANOS_PER_MICRO, ONE, Cash, Nanos, Price, Size, floor_to, micros, up

LOT = 10_000
"""0.01 contract, the smallest piece in every market."""
TAKER = 70_000
"""0.07 for takers, whatever the fee type."""
MAKER = {
    "quadratic": 0,
    "quadratic_with_maker_fees": 17_500,
    "quadratic_with_combo_maker_fees": 35_000,
}
"""What resting orders pay, by fee type. A type that is not here (`flat`) has no published amount."""
DIRECT = 100
"""Cash of a direct member moves in steps of 0.0001 dollar (assumed for every account: README)."""
BROKERED = 10_000
"""Cash held through a broker moves in whole cents."""
MULTIPLIER_MAX = 10 * ONE
"""Seen: 0 to 2. Up to 14 a better price never makes a fill dearer, fee included; `reserve` needs that."""


class FillFee(msgspec.Struct, frozen=True):
    """How the fee of one fill came about."""

    trade: Cash
    rounding: Cash
    rebate: Cash
    accumulated: Cash
    """What rounding has taken from the order and not yet given back; the next fill starts from it."""

    @property
    def net(self) -> Cash:
        """What the fill really costs."""
        return Cash(self.trade + self.rounding - self.rebate)


class Curve(CashFee, msgspec.Struct, frozen=True):
    """multiplier * rate * C * P * (1 - P), with cash aligned to `precision` after every fill."""

    multiplier: int
    """The series' or event's `fee_multiplier`, in millionths."""
    rate: int = TAKER
    precision: int = DIRECT

    def rank(self, side: Side, price: Price) -> Nanos:
        """Price per share with the fee of the formula; rounding, at most one `precision` a fill, left out."""
        fee = up(self._scaled(price, Size(ONE)) * NANOS_PER_MICRO, _SCALE)
        nanos = price * NANOS_PER_MICRO
        return Nanos(nanos + fee if side is Side.BUY else nanos - fee)

    def reserve(self, side: Side, price: Price, size: Size) -> Cash:
        """The most for `size` at `price`, linear in units; why it is enough is in the README."""
        return Cash(up(size * self._per_unit(side, price), self._unit))

    def fixed(self, side: Side) -> Cash:
        """What rounding may hold back at the end of an order; twice where one fill may be broken."""
        return Cash(self.precision if self._unit == LOT else 2 * self.precision)

    def charged(self, side: Side, fills: Sequence[tuple[Price, Size]]) -> Charge:
        """The sum over the fills, carrying the accumulator of the order from one to the next."""
        total = accumulated = Cash(0)
        for price, size in fills:
            fee = self.fill(side, price, size=size, accumulated=accumulated)
            total, accumulated = Cash(total + fee.net), fee.accumulated
        return Charge(total)

    def fill(self, side: Side, price: Price, *, size: Size, accumulated: Cash) -> FillFee:
        """One fill of an order whose rounding has taken `accumulated` so far."""
        trade = up(self._scaled(price, size), _SCALE)
        revenue = -_notional(price, size) if side is Side.BUY else _notional(price, size)
        change = revenue - trade
        rounding = change - floor_to(change, self.precision)
        held = accumulated + rounding
        rebate = min(floor_to(held, self.precision), floor_to(trade + rounding, self.precision))
        return FillFee(Cash(trade), Cash(rounding), Cash(rebate), Cash(held - rebate))

    @property
    def _unit(self) -> int:
        """The smallest fill `reserve` reckons with: a lot, or a contract where cents would swallow a lot."""
        return LOT if self.precision == DIRECT else ONE

    def _per_unit(self, side: Side, price: Price) -> int:
        unit = Size(self._unit)
        alone = self.fill(side, price, size=unit, accumulated=Cash(0))
        return alone.trade if alone.net >= self.precision else alone.net

    def _scaled(self, price: Price, size: Size) -> int:
        """The formula's fee times `_SCALE`."""
        return self.multiplier * self.rate * size * price * (ONE - price)


_SCALE = ONE**4
"""Five factors in millionths make millionths of a dollar after four of them are divided out."""


def _notional(price: Price, size: Size) -> int:
    """Price times size, which is exact for whole lots on the grid."""
    whole, rest = divmod(price * size, ONE)
    assert rest == 0, f"{size} at {price} is not a whole number of lots on the grid"
    return whole


class KalshiFees:
    """Taker fees by the listing's `fee_multiplier`. A running fee waiver is not counted on (README)."""

    def curve(self, listing: Listing) -> Curve:
        """The taker's curve. Listings without a published rule are not tradable; theirs means nothing."""
        return Curve(multiplier=micros(listing.details["fee_multiplier"]))
