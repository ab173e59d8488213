"""The taker's fee, out of what it receives: a buy's out of its shares, a sale's out of its USDT (card 6).

Per share the rate is taken of the smaller of price and one minus price. A fill at a better price than planned
may be charged more, but never leaves less: what a share costs or brings with its fee is better at any better
price (`RATE_BPS_MAX` sees to that). So the worst case of a level is that level's own price.
"""

from collections.abc import Sequence

import msgspec

from venues.base.listing import Listing
from venues.base.orders import Charge, Side
from venues.base.units import NANOS_PER_MICRO, ONE, Cash, Nanos, Price, Size, complement, up
from venues.predict.wire import WEI_PER_MICRO

RATE_SCALE = 10_000
"""Basis points."""
RATE_BPS_MAX = 2_000
"""A market with a higher rate is not traded: 200 is in use, and up to 3333 better prices stay better."""


class PredictCurve(msgspec.Struct, frozen=True):
    """The fee of one market."""

    rate_bps: int

    def __post_init__(self) -> None:
        if not 0 <= self.rate_bps <= RATE_BPS_MAX:
            raise ValueError(f"fee_rate_bps: must be between 0 and {RATE_BPS_MAX}, is {self.rate_bps}")

    def rank(self, side: Side, price: Price) -> Nanos:
        """What a share that is kept costs, or what one that is given brings."""
        rate = self.rate_bps * _smaller(price)
        if side is Side.SELL:
            return Nanos(price * NANOS_PER_MICRO - up(rate * NANOS_PER_MICRO, RATE_SCALE))
        kept = price * RATE_SCALE - rate
        return Nanos(up(price * price * NANOS_PER_MICRO * RATE_SCALE, kept))

    def reserve(self, side: Side, price: Price, size: Size) -> Cash:
        """A sale's fee, rounded up once; a buy pays none in money."""
        if side is Side.BUY:
            return Cash(0)
        return Cash(up(self.rate_bps * _smaller(price) * size, RATE_SCALE * ONE))

    def fixed(self, side: Side) -> Cash:
        """Nothing: the venue rounds every fill's fee down, in wei."""
        return Cash(0)

    def minimum(self, side: Side) -> Cash:
        """None."""
        return Cash(0)

    def kept(self, side: Side, price: Price, size: Size) -> Size:
        """A buy's fee, rounded up once."""
        if side is Side.SELL:
            return Size(0)
        return Size(up(self.rate_bps * _smaller(price) * size, RATE_SCALE * price))

    def charged(self, side: Side, fills: Sequence[tuple[Price, Size]]) -> Charge:
        """The venue's formula in wei, fill by fill; the order's whole fee rounded up to a millionth."""
        fee = up(sum(self.fee_wei(side, price, size) for price, size in fills), WEI_PER_MICRO)
        return Charge(shares=Size(fee)) if side is Side.BUY else Charge(cash=Cash(fee))

    def fee_wei(self, side: Side, price: Price, size: Size) -> int:
        """The published integer formula for one fill."""
        return fee_wei(self.rate_bps, side, price * WEI_PER_MICRO, size * WEI_PER_MICRO)


def fee_wei(rate_bps: int, side: Side, price_wei: int, size_wei: int) -> int:
    """Shares (buy) or USDT (sale) in wei, rounded down as the venue does."""
    one = ONE * WEI_PER_MICRO
    rate = rate_bps * min(price_wei, one - price_wei) * size_wei
    return rate // (price_wei * RATE_SCALE) if side is Side.BUY else rate // (RATE_SCALE * one)


def _smaller(price: Price) -> int:
    return min(price, complement(price))


class PredictFees:
    """Reads the rate that `listings.py` put into a listing's details."""

    def curve(self, listing: Listing) -> PredictCurve:
        """The taker's curve; ValueError if the details are not this venue's."""
        try:
            return PredictCurve(int(listing.details["fee_rate_bps"]))
        except KeyError as missing:
            raise ValueError(f"{listing.key}: no {missing} in its details") from None
