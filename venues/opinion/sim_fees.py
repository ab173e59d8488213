"""What the simulated venue charges, and how far an order gets through the book with it (card, section 6).

The fee is per order, not per match: what earlier fills of the order paid counts. It comes out of what a
buy may spend, and out of the proceeds of a sale, never more than these.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from venues.base.orders import Charge, Side
from venues.base.units import ONE, Cash, Price, Size, down
from venues.sim.model import SimOrder, notional

FLOOR = Cash(250_000)
"""Least fee of a taker order that trades at all."""
BPS = 10_000
WEIGHT = "fee_weight"
"""The note on a taker order that holds the exact sum of its fees before the floor, in 1/SCALE millionths."""
SCALE = BPS * ONE**3


@dataclass(frozen=True, slots=True)
class Rate:
    """The fee of one market, as its FeeManager states it."""

    bps: int
    enabled: bool

    def weight(self, price: Price, size: Size) -> int:
        """rate * p * (1 - p) * notional of one fill, exact, in 1/SCALE millionths."""
        return self.bps * price * (ONE - price) * price * size

    def total(self, weight: int) -> Cash:
        """The fee of a whole taker order that has traded, rounded down to a millionth."""
        if not self.enabled or not self.bps:
            return Cash(0)
        return Cash(max(FLOOR, down(weight, SCALE)))

    def charge(self, order: SimOrder, price: Price, size: Size) -> Charge:
        """What the next fill of a taker order adds to its fee."""
        weight = order.notes.get(WEIGHT, 0)
        assert isinstance(weight, int)
        weight += self.weight(price, size)
        order.notes[WEIGHT] = weight
        due = int(self.total(weight))
        if order.side is Side.SELL:
            due = min(due, order.value + notional(Side.SELL, price, size))
        return Charge(Cash(due - order.fees))


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a taker order gets: shares it trades, its worst price, and the money it then has left."""

    size: Size
    worst: Price
    left: Cash
    stopped: bool
    """Whether the money ran out: then nothing of it rests."""


def reach(offers: Iterable[tuple[Price, Size]], wanted: Size | None, budget: Cash, rate: Rate) -> Reach:
    """Walk a buy through `offers`, best first, one per resting order, until it has `wanted` shares or until
    the money, fee included, does not buy a millionth of a share more."""
    got, spent, weight, worst = 0, 0, 0, Price(0)
    for price, size in offers:
        most = size if wanted is None else Size(min(size, wanted - got))
        room = Cash(budget - spent)
        take = _affordable(price, most, room, rate, weight=weight)
        if take:
            got, worst = got + take, price
            spent += notional(Side.BUY, price, take)
            weight += rate.weight(price, take)
        if take < most:
            return Reach(Size(got), worst, Cash(0), True)
    fee = rate.total(weight) if got else 0
    return Reach(Size(got), worst, Cash(budget - spent - fee), False)


def _affordable(price: Price, most: Size, room: Cash, rate: Rate, *, weight: int) -> Size:
    """The largest size up to `most` whose cost, with the fee of the whole order, fits into `room`."""

    def fits(size: int) -> bool:
        fee = rate.total(weight + rate.weight(price, Size(size)))
        return notional(Side.BUY, price, Size(size)) + fee <= room

    if fits(most):
        return most
    low, high = 0, int(most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return Size(low)
