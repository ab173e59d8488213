"""Decimals of 18 digits, and what an order gives and wants in base units of its quote token (card 5, 9).

Roundings: what is offered or given to us counts down, and an order never gives more than asked.
"""

from math import gcd
from typing import NamedTuple

from venues.base.orders import Order, Side, TimeInForce
from venues.base.units import DIGITS, ONE, down

DECIMALS = 18
"""Of prices, sizes and amounts as text, and of the quote token in use."""
WEI: int = 10 ** (DECIMALS - DIGITS)
"""Base units in a millionth."""
CHARS_MAX = 60
"""Longer texts are no number of this venue; a quadratic reading is not offered to them."""


def base_units(text: str) -> int:
    """A plain decimal of at most 18 digits after the dot, exactly, or ValueError."""
    whole, _, fraction = text.partition(".")
    digits = whole + fraction[:DECIMALS].ljust(DECIMALS, "0")
    lost = fraction[DECIMALS:]
    if len(text) > CHARS_MAX or not (digits.isascii() and digits.isdecimal()) or lost.strip("0"):
        raise ValueError(f"not a plain decimal of {DECIMALS} digits: {text[:CHARS_MAX]!r}")
    return int(digits) if whole or fraction else _nothing(text)


def given(text: str) -> int:
    """Millionths of what is offered or given to us: rounded down."""
    return down(base_units(text), WEI)


def whole(units: str) -> str:
    """Base units, as decimal text of whole units: "250000000000000000" is "0.250000000000000000"."""
    digits = units.zfill(DECIMALS + 1)
    return f"{digits[:-DECIMALS]}.{digits[-DECIMALS:]}"


class Amounts(NamedTuple):
    """What is signed: base units given and wanted."""

    maker: int
    taker: int


def limit_amounts(order: Order, decimals: int = DECIMALS) -> Amounts:
    """Amounts whose ratio is the limit price exactly, for at most what the order names.

    A marketable buy names money: `cash` and `reserve` together, because the venue takes its fee out of what
    is given (card 6). All others name shares. So that the order can be found again without an id (card 11),
    its salt takes less than a millionth off.
    """
    divisor = gcd(order.limit, ONE)
    cash_step, share_step = order.limit // divisor, ONE // divisor
    unit = 10 ** (decimals - DIGITS)
    if order.side is Side.BUY and order.time_in_force is TimeInForce.IOC:
        steps = (order.cash + order.reserve) * unit // cash_step
    else:
        steps = order.size * unit // share_step
    steps -= order.salt % max(1, unit // share_step)
    cash, shares = steps * cash_step, steps * share_step
    return Amounts(cash, shares) if order.side is Side.BUY else Amounts(shares, cash)


def _nothing(text: str) -> int:
    raise ValueError(f"not a plain decimal: {text!r}")
