"""Money without fractions: every price, size and amount is an int counted in millionths.

Division appears only here, and each division says which way it rounds and in whose favour.
"""

from typing import NewType

Price = NewType("Price", int)
"""Millionths of a dollar for one share; 0 <= price <= ONE."""
Size = NewType("Size", int)
"""Millionths of a share."""
Cash = NewType("Cash", int)
"""Millionths of a dollar."""
Nanos = NewType("Nanos", int)
"""Billionths of a dollar for one share, fees included. It ranks offers and is never reported."""

ONE = 1_000_000
"""One dollar, one share, or the price of certainty."""
DIGITS = 6
NANOS_PER_MICRO = 1_000

_SCALE: tuple[int, ...] = (1_000_000, 100_000, 10_000, 1_000, 100, 10, 1)


def up(numerator: int, denominator: int) -> int:
    """The quotient, rounded towards plus infinity."""
    return -(-numerator // denominator)


def down(numerator: int, denominator: int) -> int:
    """The quotient, rounded towards minus infinity."""
    return numerator // denominator


def half_even(numerator: int, denominator: int) -> int:
    """The quotient, rounded to the nearest and to even when in doubt. For averages that are only shown."""
    assert denominator > 0
    whole, rest = divmod(numerator, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and whole % 2):
        return whole + 1
    return whole


def cost(price: Price, size: Size) -> Cash:
    """What a buyer pays. Rounds up, so a plan never spends more than it promised."""
    return Cash(-(-price * size // ONE))


def proceeds(price: Price, size: Size) -> Cash:
    """What a seller receives. Rounds down, so a plan never promises more than arrives."""
    return Cash(price * size // ONE)


def affordable(price: Price, cash: Cash) -> Size:
    """The largest size whose cost fits in `cash`."""
    assert price > 0
    return Size(cash * ONE // price)


def complement(price: Price) -> Price:
    """The price of the opposite outcome: together they pay one dollar."""
    return Price(ONE - price)


def floor_to(value: int, step: int) -> int:
    """The largest multiple of `step` that is not above `value`."""
    return value - value % step


def ceil_to(value: int, step: int) -> int:
    """The smallest multiple of `step` that is not below `value`."""
    return value + -value % step


def micros(text: str) -> int:
    """Read a plain non-negative decimal exactly, or raise ValueError. Never goes through a float.

    A leading or trailing dot is accepted (".48", "1."): venues write them.
    """
    whole, _, fraction = text.partition(".")
    kept = fraction
    if len(fraction) > DIGITS:
        kept, lost = fraction[:DIGITS], fraction[DIGITS:]
        if lost.strip("0"):
            raise ValueError(f"not an exact count of millionths: {text!r}")
    digits = whole + kept
    if not (digits.isascii() and digits.isdecimal()):
        raise ValueError(f"not a plain decimal: {text!r}")
    return int(digits) * _SCALE[len(kept)]


def signed_micros(text: str) -> int:
    """Read a plain decimal that may carry a minus sign, exactly or not at all."""
    return -micros(text[1:]) if text.startswith("-") else micros(text)


def decimal(value: int) -> str:
    """Write millionths with exactly six fraction digits: 310000 is "0.310000"."""
    if value < 0:
        return f"-{decimal(-value)}"
    return f"{value // ONE}.{str(value % ONE).zfill(DIGITS)}"


def plain(value: int) -> str:
    """Write millionths without trailing zeros: 10000000 is "10", 500000 is "0.5"."""
    return decimal(value).rstrip("0").rstrip(".")


def places(value: int, digits: int) -> str:
    """Write millionths with exactly `digits` fraction digits; the value must fit them."""
    assert 0 <= digits <= DIGITS
    assert value % _SCALE[digits] == 0, f"{value} millionths need more than {digits} digits"
    text = decimal(value)
    return text[: len(text) - DIGITS + digits] if digits else text[: -DIGITS - 1]
