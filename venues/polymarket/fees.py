"""The taker's fee (card 4): shares * rate * (price * (1 - price)) ** exponent, in pUSD beside the amounts."""

from collections.abc import Sequence

import msgspec

from venues.base.contract import CashFee
from venues.base.listing import Listing
from venues.base.orders import Charge, Side
from venues.base.units import NANOS_PER_MICRO, ONE, Cash, Nanos, Price, Size, up

EXPONENT_MAX = 4
"""Exponent 1 is in use; a market with one above this, or with none, is not traded."""
IMPROVEMENT = Price(20_000)
"""How much better than its level a fill may be for the reserve to hold: two cents. UNCONFIRMED, ours."""
STEP = 10
"""Fees have five decimals. UNCONFIRMED whether the venue cuts or rounds: we cut, fill by fill (card 4)."""


class PolymarketCurve(CashFee, msgspec.Struct, frozen=True):
    """The fee of one market. `rate` is in millionths."""

    rate: int
    exponent: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= ONE:
            raise ValueError(f"fee_rate: must be between 0 and 1, is {self.rate} millionths")
        if not 1 <= self.exponent <= EXPONENT_MAX:
            raise ValueError(f"fee_exponent: must be between 1 and {EXPONENT_MAX}, is {self.exponent}")

    def rank(self, side: Side, price: Price) -> Nanos:
        """What a share costs or brings, fee included."""
        fee = up(NANOS_PER_MICRO * self._per_share(price), self._scale)
        return Nanos(price * NANOS_PER_MICRO + (fee if side is Side.BUY else -fee))

    def reserve(self, side: Side, price: Price, size: Size) -> Cash:
        """The most the fee may come to when every fill is at `price` or up to IMPROVEMENT better.

        A buy spends a fixed amount of cash: at a better price it gets more shares, and the fee per dollar
        spent, rate * (1 - price) for exponent 1, is higher. A sale delivers a fixed number of shares, whose
        fee is highest at the price nearest to one half.
        """
        e = self.exponent
        if side is Side.SELL:
            worst = _nearest(ONE // 2, price, min(price + IMPROVEMENT, ONE))
            return Cash(up(size * self._per_share(Price(worst)), self._scale * ONE))
        # Per dollar: rate * q**(e-1) * (1-q)**e, which rises up to q = (e-1)/(2e-1) and falls after it.
        low, peak = max(price - IMPROVEMENT, 0), (e - 1) * ONE // (2 * e - 1)
        worst_of = {_nearest(peak, low, price), _nearest(peak + 1, low, price)}
        per_dollar = max(q ** (e - 1) * (ONE - q) ** e for q in worst_of)
        return Cash(up(size * price * self.rate * per_dollar, ONE * ONE * ONE ** (2 * e - 1)))

    def fixed(self, side: Side) -> Cash:
        """Nothing: every rounding is in the customer's favour."""
        return Cash(0)

    def charged(self, side: Side, fills: Sequence[tuple[Price, Size]]) -> Charge:
        """The fee of these fills: each one's is cut to five decimals; below 0.00001 there is none."""
        unit = self._scale * ONE * STEP
        return Charge(Cash(sum(size * self._per_share(price) // unit for price, size in fills) * STEP))

    def _per_share(self, price: Price) -> int:
        """The fee of one share in millionths, times `_scale`."""
        return self.rate * int((price * (ONE - price)) ** self.exponent)

    @property
    def _scale(self) -> int:
        return int(ONE ** (2 * self.exponent))


def _nearest(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)


class PolymarketFees:
    """Reads the parameters that `listings.py` put into a listing's details."""

    def curve(self, listing: Listing) -> PolymarketCurve:
        """The taker's curve; ValueError if the details are not this venue's."""
        details = listing.details
        try:
            return PolymarketCurve(int(details["fee_rate"]), int(details["fee_exponent"]))
        except KeyError as missing:
            raise ValueError(f"{listing.key}: no {missing} in its details") from None
