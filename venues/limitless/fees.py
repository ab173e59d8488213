"""The taker's fee (card 4): basis points that fall with the price of the token, in shares or in money.

The venue publishes points. Between them rates are interpolated; below the first and above the last point
they stay. Resting orders pay nothing.
"""

from collections.abc import Sequence
from functools import cache

import msgspec

from venues.base.listing import Listing
from venues.base.orders import Charge, Side
from venues.base.units import NANOS_PER_MICRO, ONE, Cash, Nanos, Price, Size, down, up

BPS = 10_000
"""Basis points in one."""
BUY_POINTS = (
    (10_000, 300), (500_000, 300), (550_000, 252), (600_000, 213), (650_000, 180), (700_000, 151),
    (750_000, 126), (800_000, 105), (850_000, 85), (900_000, 68), (950_000, 53), (990_000, 42), (999_000, 40),
)  # fmt: skip
"""Published for buys: (price in millionths, basis points). The inferred formula of the card is never above
the interpolated rate rounded up, at any price an order may carry."""
SELL_POINTS = (
    (10_000, 42), (50_000, 60), (100_000, 78), (200_000, 111), (300_000, 132), (400_000, 144),
    (500_000, 150), (600_000, 144), (700_000, 132), (800_000, 111), (900_000, 78), (950_000, 60),
    (990_000, 45), (999_000, 42),
)  # fmt: skip
"""Published for sales."""

LEGACY, COLLATERAL = "legacy", "collateral"
"""The two kinds of exchange contracts."""

Rate = tuple[int, int]
"""Basis points as an exact fraction."""


def rate(side: Side, cash: int, size: int) -> Rate:
    """The rate at the price `cash` / `size`, where `cash` is in millionths of a unit of `size`."""
    points = BUY_POINTS if side is Side.BUY else SELL_POINTS
    low = points[0]
    if cash <= low[0] * size:
        return low[1], 1
    for high in points[1:]:
        if cash <= high[0] * size:
            span = (high[0] - low[0]) * size
            return low[1] * span + (high[1] - low[1]) * (cash - low[0] * size), span
        low = high
    return low[1], 1


@cache
def _rate_up(side: Side, price: Price) -> int:
    """Whole basis points, rounded against the venue: it may state rates in whole ones. 999 prices a side."""
    return up(*rate(side, price, 1))


class LimitlessCurve(msgspec.Struct, frozen=True):
    """The fee of the markets of one kind. `in_shares` is the legacy kind: buys pay in what they buy."""

    in_shares: bool

    def rank(self, side: Side, price: Price) -> Nanos:
        """What a share that arrives costs, or a share that goes brings."""
        bps = _rate_up(side, price)
        if side is Side.SELL:
            return Nanos(down(price * NANOS_PER_MICRO * (BPS - bps), BPS))
        if self.in_shares:
            return Nanos(up(price * NANOS_PER_MICRO * BPS, BPS - bps))
        return Nanos(up(price * NANOS_PER_MICRO * (BPS + bps), BPS))

    def reserve(self, side: Side, price: Price, size: Size) -> Cash:
        """The fee in money when all of it is filled at this price.

        The rate of an order may be that of its fills, of their average, or of its limit (UNCONFIRMED). At the
        limit a share costs most with its fee, and brings least: whichever it is, an order whose reserve is
        made at its limit is covered.
        """
        if side is Side.BUY and self.in_shares:
            return Cash(0)
        return Cash(up(price * size * _rate_up(side, price), ONE * BPS))

    def fixed(self, side: Side) -> Cash:
        """Nothing: one order has one fee, and the reserve of each of its parts is rounded up."""
        return Cash(0)

    def minimum(self, side: Side) -> Cash:
        """None is published."""
        return Cash(0)

    def kept(self, side: Side, price: Price, size: Size) -> Size:
        """The fee in shares when all of it is filled at this price. Filled cheaper, an order keeps back more
        of its shares, but each that arrives costs less."""
        if side is Side.SELL or not self.in_shares:
            return Size(0)
        return Size(up(size * _rate_up(side, price), BPS))

    def charged(self, side: Side, fills: Sequence[tuple[Price, Size]]) -> Charge:
        """One rate for the order, that of its average price, cut to base units (card 4, UNCONFIRMED)."""
        size = sum(size for _, size in fills)
        cash = sum(price * size for price, size in fills)
        if not size:
            return Charge()
        bps, parts = rate(side, cash, size)
        if side is Side.BUY and self.in_shares:
            return Charge(shares=Size(down(size * bps, BPS * parts)))
        return Charge(cash=Cash(down(cash * bps, ONE * BPS * parts)))


CURVES = {LEGACY: LimitlessCurve(in_shares=True), COLLATERAL: LimitlessCurve(in_shares=False)}


class LimitlessFees:
    """Reads the kind of market that `listings.py` put into a listing's details."""

    def curve(self, listing: Listing) -> LimitlessCurve:
        """The taker's curve; ValueError if the details are not this venue's."""
        kind = listing.details.get("fees", "")
        if kind not in CURVES:
            raise ValueError(f"{listing.key}: its details name no kind of fees: {kind!r}")
        return CURVES[kind]
