"""What an order gives and wants, in base units of six decimals (card 5.4).

Exact: the official Python client rounds binary floats and is one step off for some 5 % of inputs, which must
not be reproduced (vectors A53-A63).
"""

from venues.base.orders import Order, Side, TimeInForce
from venues.base.units import DIGITS, ONE, Cash, Price, Size, down, floor_to

TICKS = frozenset({100_000, 10_000, 5_000, 2_500, 1_000, 100})
"""The tick sizes that the venue uses, in millionths."""
CENT = 10_000
"""Given amounts, cash or shares, have two decimals."""
IMMEDIATE = frozenset({TimeInForce.IOC, TimeInForce.FOK})
_GIVEN_DECIMALS = 2


def _price_decimals(tick: int) -> int:
    assert tick in TICKS, f"not a tick size of this venue: {tick}"
    decimals = DIGITS
    while tick % 10 == 0:
        tick, decimals = tick // 10, decimals - 1
    return decimals


def _on_tick_decimals(price: Price, tick: int) -> int:
    return floor_to(price, 10 ** (DIGITS - _price_decimals(tick)))


def _cut(numerator: int, denominator: int, tick: int) -> int:
    """The millionths `numerator / denominator`, cut to the decimals of a wanted amount on this tick.

    The clients round up at four more decimals before they cut. With prices of at most four decimals the exact
    quotient is never that close below a step, so cutting alone gives the same.
    """
    step = int(10 ** (DIGITS - _price_decimals(tick) - _GIVEN_DECIMALS))
    return floor_to(down(numerator, denominator), step)


def market_buy(cash: Cash, worst: Price, tick: int) -> tuple[Cash, Size]:
    """Cash to give, cut to whole cents, and the shares that must at least come back."""
    given = floor_to(cash, CENT)
    return Cash(given), Size(_cut(given * ONE, _on_tick_decimals(worst, tick), tick))


def market_sell(size: Size, worst: Price, tick: int) -> tuple[Size, Cash]:
    """Shares to give, cut to hundredths, and the cash that must at least come back."""
    given = floor_to(size, CENT)
    return Size(given), Cash(_cut(given * _on_tick_decimals(worst, tick), ONE, tick))


def limit(size: Size, price: Price, tick: int) -> tuple[Size, Cash]:
    """Shares, cut to hundredths, and their cash at the limit price: for both sides."""
    shares = floor_to(size, CENT)
    return Size(shares), Cash(_cut(shares * _on_tick_decimals(price, tick), ONE, tick))


def given_and_wanted(order: Order) -> tuple[int, int]:
    """What is signed: an immediate order has the form of a market order, any other of a limit order."""
    tick = order.listing.grid.bands[0].step
    if order.time_in_force not in IMMEDIATE:
        size, cash = limit(order.size, order.limit, tick)
        return (cash, size) if order.side is Side.BUY else (size, cash)
    if order.side is Side.BUY:
        return market_buy(order.cash, order.limit, tick)
    return market_sell(order.size, order.limit, tick)
