"""Fee curves of no venue in particular, and listings to go with them."""

from collections.abc import Sequence

import msgspec

from router.core.model import Terms
from venues.base.contract import CashFee, FeeCurve, Traits
from venues.base.listing import Grid, Listing, Native
from venues.base.orders import Charge, Side
from venues.base.units import ONE, Cash, Nanos, Price, Size, ceil_to, up


class FlatFee(CashFee, msgspec.Struct, frozen=True):
    """So many basis points of the notional, rounded up to a unit per fill, and a charge per order."""

    bps: int = 0
    unit: int = 1
    charge: int = 0

    def rank(self, side: Side, price: Price) -> Nanos:
        fee = up(price * 1_000 * self.bps, 10_000)
        return Nanos(price * 1_000 + fee if side is Side.BUY else price * 1_000 - fee)

    def reserve(self, side: Side, price: Price, size: Size) -> Cash:
        return Cash(ceil_to(up(price * size * self.bps, 10_000 * ONE), self.unit))

    def fixed(self, side: Side) -> Cash:
        return Cash(self.charge)

    def charged(self, side: Side, fills: Sequence[tuple[Price, Size]]) -> Charge:
        return Charge(Cash(sum(self.reserve(side, *fill) for fill in fills) + self.charge))


class QuadraticFee(CashFee, msgspec.Struct, frozen=True):
    """rate x price x (1 - price) per share, each lot rounded up on its own, and a charge per order."""

    rate: int
    """Millionths."""
    lot: int = 10_000
    unit: int = 1
    charge: int = 0

    def per_lot(self, price: Price) -> int:
        return ceil_to(up(self.rate * price * (ONE - price) * self.lot, ONE**3), self.unit)

    def rank(self, side: Side, price: Price) -> Nanos:
        fee = up(self.rate * price * (ONE - price), 1_000 * ONE)
        return Nanos(price * 1_000 + fee if side is Side.BUY else price * 1_000 - fee)

    def reserve(self, side: Side, price: Price, size: Size) -> Cash:
        return Cash(up(size, self.lot) * self.per_lot(price))

    def fixed(self, side: Side) -> Cash:
        return Cash(self.charge)

    def charged(self, side: Side, fills: Sequence[tuple[Price, Size]]) -> Charge:
        return Charge(Cash(sum(self.reserve(side, *fill) for fill in fills) + self.charge))


class HumpedFee(CashFee, msgspec.Struct, frozen=True):
    """rate x price x price x (1 - price) per share: a dollar pays most at one half, less above and below."""

    rate: int
    """Millionths."""

    def per_dollar(self, price: int) -> int:
        """Times ONE cubed."""
        return self.rate * price * (ONE - price)

    def rank(self, side: Side, price: Price) -> Nanos:
        fee = up(self.per_dollar(price) * price, 1_000 * ONE * ONE)
        return Nanos(price * 1_000 + fee if side is Side.BUY else price * 1_000 - fee)

    def reserve(self, side: Side, price: Price, size: Size) -> Cash:
        """For the same dollars at this price or up to a cent better."""
        at = min(max(ONE // 2, price - 10_000), price) if side is Side.BUY else price
        return Cash(up(price * size * self.per_dollar(at), ONE**4))

    def fixed(self, side: Side) -> Cash:
        return Cash(0)

    def charged(self, side: Side, fills: Sequence[tuple[Price, Size]]) -> Charge:
        exact = sum(price * size * self.per_dollar(price) for price, size in fills)
        return Charge(Cash(up(exact, ONE**4)))


class ShareFee(msgspec.Struct, frozen=True):
    """Buys pay in what they buy, rounded up to a unit per part; sales pay a part of their notional in cash.

    With `lesser` the rate falls above one half, as min(p, 1 - p) / p does.
    """

    bps: int
    lesser: bool = False
    unit: int = 1
    charge: int = 0

    def share(self, price: Price) -> tuple[int, int]:
        lesser = min(price, ONE - price) if self.lesser else price
        return self.bps * lesser, 10_000 * price

    def rank(self, side: Side, price: Price) -> Nanos:
        of, parts = self.share(price)
        if side is Side.BUY:
            return Nanos(up(price * 1_000 * parts, parts - of))
        return Nanos(price * 1_000 - up(price * 1_000 * of, parts))

    def reserve(self, side: Side, price: Price, size: Size) -> Cash:
        of, parts = self.share(price)
        return Cash(up(price * size * of, parts * ONE) if side is Side.SELL else 0)

    def fixed(self, side: Side) -> Cash:
        return Cash(self.charge)

    def minimum(self, side: Side) -> Cash:
        return Cash(0)

    def kept(self, side: Side, price: Price, size: Size) -> Size:
        of, parts = self.share(price)
        return Size(ceil_to(up(size * of, parts), self.unit) if side is Side.BUY else 0)

    def charged(self, side: Side, fills: Sequence[tuple[Price, Size]]) -> Charge:
        cash = sum(self.reserve(side, *fill) for fill in fills) + self.charge
        return Charge(Cash(cash), Size(sum(self.kept(side, *fill) for fill in fills)))


class LeastFee(msgspec.Struct, frozen=True):
    """So many basis points of the notional, but at least so much per order, and a charge on top."""

    bps: int
    least: int
    charge: int = 0

    def rank(self, side: Side, price: Price) -> Nanos:
        return FlatFee(self.bps).rank(side, price)

    def reserve(self, side: Side, price: Price, size: Size) -> Cash:
        return FlatFee(self.bps).reserve(side, price, size)

    def fixed(self, side: Side) -> Cash:
        return Cash(self.charge)

    def minimum(self, side: Side) -> Cash:
        return Cash(self.least)

    def kept(self, side: Side, price: Price, size: Size) -> Size:
        return Size(0)

    def charged(self, side: Side, fills: Sequence[tuple[Price, Size]]) -> Charge:
        return Charge(Cash(max(self.least, sum(self.reserve(side, *fill) for fill in fills)) + self.charge))


FREE = FlatFee()


def listing(venue: str = "acme", native: str = "M1", **fields: object) -> Listing:
    known = Listing(venue=venue, native=Native(native), grid=Grid.uniform(1_000), lot=10_000)
    return msgspec.structs.replace(known, **fields)


def terms(
    venue: str = "acme",
    native: str = "M1",
    *,
    curve: FeeCurve = FREE,
    traits: Traits | None = None,
    **fields: object,
) -> Terms:
    return Terms(listing=listing(venue, native, **fields), curve=curve, traits=traits or Traits())
