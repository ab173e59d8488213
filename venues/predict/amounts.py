"""What an order gives and wants, in wei (card 8). Everything here is exact; only digits are cut off.

The venue's clients keep three significant digits of a price and five of a size, and the venue takes no more.
The rest of a longer size is not sent, so an order never trades more than was asked.
"""

import msgspec

from venues.base.orders import Side
from venues.base.units import ONE, Price, Size
from venues.predict.wire import WEI_PER_MICRO

PRICE_DIGITS, SIZE_DIGITS = 3, 5
"""Significant decimal digits that the venue takes."""


class Amounts(msgspec.Struct, frozen=True):
    """Wei. What the maker gives, what it takes for it, and the price of one share."""

    maker: int
    taker: int
    price: int


def significant(value: int, digits: int) -> int:
    """`value` with all but its first `digits` decimal digits cut to zero."""
    step = int(10 ** max(len(str(value)) - digits, 0))
    return value - value % step


def sendable(size: Size) -> Size:
    """The part of a size that one order can ask for."""
    return Size(significant(size, SIZE_DIGITS))


def amounts(side: Side, limit: Price, size: Size) -> Amounts:
    """An order for the sendable part of `size` at `limit` or better.

    Exact: its two amounts have the price `limit` between them, no more and no less. ValueError for a limit
    with more digits than the venue reads: cut, it would no longer be the limit.
    """
    if significant(limit, PRICE_DIGITS) != limit:
        raise ValueError(f"a limit has at most {PRICE_DIGITS} significant digits: {limit}")
    sent = sendable(size)
    shares = sent * WEI_PER_MICRO
    cash = limit * sent * (WEI_PER_MICRO // ONE)
    price = limit * WEI_PER_MICRO
    return Amounts(cash, shares, price) if side is Side.BUY else Amounts(shares, cash, price)
