"""Units: every rounding goes the way it says; text is read exactly or not at all. Fraction is the oracle."""

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venues.base.units import (
    DIGITS,
    ONE,
    Cash,
    Price,
    Size,
    affordable,
    ceil_to,
    complement,
    cost,
    decimal,
    down,
    floor_to,
    half_even,
    micros,
    places,
    plain,
    proceeds,
    signed_micros,
    up,
)

prices = st.integers(1, ONE - 1).map(Price)
sizes = st.integers(0, 10**13).map(Size)
wide = st.integers(-(10**20), 10**20)
positive = st.integers(1, 10**12)


@given(wide, positive)
def test_quotients_round_the_way_they_are_called(numerator: int, denominator: int) -> None:
    exact = Fraction(numerator, denominator)
    assert up(numerator, denominator) == ceil(exact)
    assert down(numerator, denominator) == floor(exact)
    assert half_even(numerator, denominator) == round(exact)


@given(st.integers(-1_000, 1_000), st.sampled_from([1, 2, 4, 10]))
def test_halves_go_to_the_even_neighbour(numerator: int, denominator: int) -> None:
    assert half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@given(prices, sizes)
def test_a_buyer_never_pays_more_than_was_promised_and_a_seller_never_gets_less(
    price: Price, size: Size
) -> None:
    exact = Fraction(price * size, ONE)
    assert 0 <= cost(price, size) - exact < 1
    assert 0 <= exact - proceeds(price, size) < 1


@given(prices, st.integers(0, 10**13).map(Cash))
def test_what_is_affordable_fits_and_one_more_does_not(price: Price, cash: Cash) -> None:
    size = affordable(price, cash)
    assert cost(price, size) <= cash
    assert cost(price, Size(size + 1)) > cash


@given(wide, positive)
def test_steps_are_multiples_on_the_right_side(value: int, step: int) -> None:
    assert floor_to(value, step) == floor(Fraction(value, step)) * step
    assert ceil_to(value, step) == ceil(Fraction(value, step)) * step


@given(prices)
def test_complements_pay_one_dollar_together(price: Price) -> None:
    assert price + complement(price) == ONE
    assert complement(complement(price)) == price


@given(st.decimals(0, 10**12, places=DIGITS, allow_nan=False, allow_infinity=False), st.integers(0, 12))
def test_a_decimal_is_read_exactly(value: Decimal, zeros: int) -> None:
    text = f"{value:f}"
    assert micros(text) == Fraction(value) * ONE
    assert micros(text + "0" * zeros) == micros(text)
    assert signed_micros(f"-{text}") == -micros(text)


@pytest.mark.parametrize(("text", "value"), [("0", 0), (".48", 480_000), ("1.", ONE), ("007", 7 * ONE)])
def test_venues_spell_decimals_loosely(text: str, value: int) -> None:
    assert micros(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "-1",
        "+1",
        "1e3",
        "0.0000001",
        "1,000",
        " 1",
        "1 ",
        "1_000",
        "1.2.3",
        "0x1",
        "nan",
        "inf",
        "٣",
        "²",
    ],
)
def test_what_is_no_exact_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not"):
        micros(text)


@pytest.mark.parametrize("text", ["", "-", "--1", "+1", "-+1"])
def test_a_sign_is_one_minus_in_front(text: str) -> None:
    with pytest.raises(ValueError, match="not"):
        signed_micros(text)


@given(wide)
def test_writing_and_reading_are_inverse(value: int) -> None:
    assert signed_micros(decimal(value)) == value
    assert signed_micros(plain(value)) == value
    assert Fraction(decimal(value)) == Fraction(value, ONE)
    assert len(decimal(value).partition(".")[2]) == DIGITS
    assert plain(value) == "0" or plain(value)[-1] != "0" or "." not in plain(value)


@given(wide, st.integers(0, DIGITS))
def test_fixed_places_are_kept(value: int, digits: int) -> None:
    whole = floor_to(value, 10 ** (DIGITS - digits))
    text = places(whole, digits)
    assert signed_micros(text) == whole
    assert len(text.partition(".")[2]) == digits
    if whole != value:
        with pytest.raises(AssertionError):
            places(value, digits)
