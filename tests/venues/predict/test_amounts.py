"""Amounts are exact, and never more or worse than asked."""

from decimal import ROUND_DOWN, Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venues.base.orders import Side
from venues.base.units import ONE, Price, Size
from venues.predict.amounts import amounts, sendable, significant

ticks = st.one_of(st.integers(1, 99).map(lambda n: n * 10_000), st.integers(1, 999).map(lambda n: n * 1_000))
sizes = st.integers(1, 10**13)


@given(value=st.integers(0, 10**20), digits=st.integers(1, 8))
def test_digits_are_cut_as_decimals_cut_them(value: int, digits: int) -> None:
    assert significant(value, digits) == Context(prec=digits, rounding=ROUND_DOWN).create_decimal(value)


@given(limit=ticks, size=sizes, side=st.sampled_from(Side))
def test_an_order_has_its_limit_between_its_amounts_and_asks_for_no_more(
    limit: int, size: int, side: Side
) -> None:
    asked = amounts(side, Price(limit), Size(size))
    cash, shares = (asked.maker, asked.taker) if side is Side.BUY else (asked.taker, asked.maker)
    assert Decimal(cash) * ONE == Decimal(shares) * limit
    assert Decimal(asked.price) == Decimal(limit).scaleb(12)
    assert 0 <= size * 10**12 - shares < max(10**12, size * 10**12 // 10_000)
    assert shares <= size * 10**12


@pytest.mark.parametrize(
    ("size", "sent"),
    [
        (12_345_678, 12_345_000),
        (10_000, 10_000),
        (99_999_990_000, 99_999_000_000),
        (100_009_990_000, 100_000_000_000),
        (1_234_560_000, 1_234_500_000),
        (123_450_000, 123_450_000),
    ],
)
def test_five_digits_of_a_size_are_sent(size: int, sent: int) -> None:
    assert sendable(Size(size)) == sent


def test_a_limit_that_would_be_cut_is_refused() -> None:
    with pytest.raises(ValueError, match="3 significant digits"):
        amounts(Side.BUY, Price(123_400), Size(ONE))
