"""The taker's fee (card 6): max(minimum, rate * p * (1 - p) * notional) in money, for takers only.

A buy pays it out of the money it names. Discounts are not on the API: none is counted on.
"""

from collections.abc import Sequence

import msgspec

from venues.base.listing import Listing
from venues.base.orders import Charge, Side
from venues.base.units import NANOS_PER_MICRO, ONE, Cash, Nanos, Price, Size, up

BPS = 10_000
"""Basis points in a whole."""
MINIMUM = Cash(250_000)
"""0.25 USDT per taker order, as documented: the chain's own setting reads 0 (card 6)."""
UNIQUE = Cash(1)
"""The most that the salt takes off an order's money."""
_SCALE = BPS * ONE * ONE


class OpinionCurve(msgspec.Struct, frozen=True):
    """The fee of one market. `rate_bps` counts basis points, `least` is the minimum per order."""

    rate_bps: int
    least: Cash = MINIMUM

    def __post_init__(self) -> None:
        if not 0 <= self.rate_bps <= BPS:
            raise ValueError(f"taker_fee_bps: must be between 0 and {BPS}, is {self.rate_bps}")
        if self.least < 0:
            raise ValueError(f"minimum_fee: must not be negative, is {self.least}")

    def rank(self, side: Side, price: Price) -> Nanos:
        """What a share costs or brings with the fee of the formula; the minimum is left out."""
        fee = up(NANOS_PER_MICRO * self._per_share(price), _SCALE)
        return Nanos(price * NANOS_PER_MICRO + (fee if side is Side.BUY else -fee))

    def reserve(self, side: Side, price: Price, size: Size) -> Cash:
        """The formula's fee, rounded up.

        At a better price a buy may pay more fee and then gets fewer shares: what it spends is bounded by what
        it signs. A sale's fee may grow too, by less than its proceeds do.
        """
        return Cash(up(size * self._per_share(price), _SCALE * ONE))

    def fixed(self, side: Side) -> Cash:
        """A millionth: what makes the amounts of an order its own is taken off them (`amounts.py`)."""
        return UNIQUE

    def minimum(self, side: Side) -> Cash:
        """The least an order pays that trades at all; nothing where the market takes no fee (UNCONFIRMED)."""
        return self.least if self.rate_bps else Cash(0)

    def kept(self, side: Side, price: Price, size: Size) -> Size:
        """None: the fee is money."""
        return Size(0)

    def charged(self, side: Side, fills: Sequence[tuple[Price, Size]]) -> Charge:
        """The fee of one order with these fills, rounded up once; at least the minimum (card 6)."""
        if not fills:
            return Charge()
        exact = sum(size * self._per_share(price) for price, size in fills)
        return Charge(Cash(max(self.minimum(side), up(exact, _SCALE * ONE))))

    def _per_share(self, price: Price) -> int:
        """The formula's fee of one share in millionths, times `_SCALE`."""
        return self.rate_bps * price * price * (ONE - price)


class OpinionFees:
    """Reads the parameters that `listings.py` put into a listing's details."""

    def curve(self, listing: Listing) -> OpinionCurve:
        """The taker's curve; ValueError if the details are not this venue's."""
        details = listing.details
        try:
            return OpinionCurve(int(details["taker_fee_bps"]), Cash(int(details["minimum_fee"])))
        except KeyError as missing:
            raise ValueError(f"{listing.key}: no {missing} in its details") from None
