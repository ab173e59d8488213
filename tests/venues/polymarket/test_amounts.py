"""Order amounts against an independent computation with decimals, by the words of the card."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venues.base.listing import Grid
from venues.base.units import ONE, Cash, Price, Size
from venues.polymarket import amounts

DECIMALS = {
    "0.1": (1, 3),
    "0.01": (2, 4),
    "0.005": (3, 5),
    "0.0025": (4, 6),
    "0.001": (3, 5),
    "0.0001": (4, 6),
}
"""The table of card 5.4: decimals of prices and of wanted amounts by tick size."""

TICKS = st.sampled_from(sorted(DECIMALS))
GIVEN = st.integers(0, 10**13)


def cut(value: Decimal, decimals: int) -> int:
    """More decimals than allowed: round up at four more, then cut. In base units."""
    fine = value.quantize(Decimal(1).scaleb(-decimals - 4), ROUND_CEILING)
    return int(fine.quantize(Decimal(1).scaleb(-decimals), ROUND_FLOOR) * 10**6)


def floored(value: int, decimals: int) -> Decimal:
    return (Decimal(value) / 10**6).quantize(Decimal(1).scaleb(-decimals), ROUND_FLOOR)


@given(TICKS, GIVEN, st.integers(1, ONE - 1))
def test_amounts_equal_those_of_the_card_in_decimals(tick: str, given_amount: int, price: int) -> None:
    price_decimals, amount_decimals = DECIMALS[tick]
    step = int(Decimal(tick) * ONE)
    if not price // 10 ** (6 - price_decimals):
        return
    with localcontext(prec=60):
        worst, whole = floored(price, price_decimals), floored(given_amount, 2)
        bought, brought = cut(whole / worst, amount_decimals), cut(whole * worst, amount_decimals)
    base = int(whole * 10**6)
    assert amounts.market_buy(Cash(given_amount), Price(price), step) == (base, bought)
    assert amounts.market_sell(Size(given_amount), Price(price), step) == (base, brought)
    assert amounts.limit(Size(given_amount), Price(price), step) == (base, brought)


@given(TICKS, st.integers(10_000, 10**12), st.integers(1, 9_999))
def test_an_order_never_gives_more_than_asked_nor_accepts_a_worse_price(
    tick: str, given_amount: int, nth: int
) -> None:
    step = int(Decimal(tick) * ONE)
    price = Grid.uniform(step).floor(Price(max(step, nth * 100)))
    assert price is not None
    cash, shares = amounts.market_buy(Cash(given_amount), price, step)
    assert given_amount - 10_000 < cash <= given_amount
    unit = 10 ** (6 - DECIMALS[tick][1])
    assert cash * ONE <= price * (shares + unit)
    size, proceeds = amounts.market_sell(Size(given_amount), price, step)
    assert given_amount - 10_000 < size <= given_amount
    assert proceeds * ONE == price * size


def test_a_tick_size_of_another_venue_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="not a tick size"):
        amounts.limit(Size(ONE), Price(500_000), 3_000)
