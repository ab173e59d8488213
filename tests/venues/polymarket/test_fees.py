"""The fee: ranked against the venue, reserved for the worst, charged exactly. Checked with fractions."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.polymarket import world
from venues.base.contract import FeeCurve
from venues.base.orders import Side
from venues.base.units import ONE, Cash, Price, Size
from venues.polymarket.fees import IMPROVEMENT, PolymarketCurve, PolymarketFees

RATES = st.integers(0, 200_000)
CURVES = st.builds(PolymarketCurve, RATES, st.integers(1, 4))
PRICES = st.integers(100, ONE - 100).map(Price)
SIZES = st.integers(0, 10**12).map(Size)
SIDES = st.sampled_from(Side)


def exact(curve: PolymarketCurve, price: int, size: Fraction) -> Fraction:
    """shares * rate * (p * (1 - p)) ** exponent, in millionths."""
    p = Fraction(price, ONE)
    return size * Fraction(curve.rate, ONE) * (p * (1 - p)) ** curve.exponent


@given(CURVES, SIDES, PRICES)
def test_the_ranking_price_is_never_better_than_the_truth(
    curve: PolymarketCurve, side: Side, price: Price
) -> None:
    fee = exact(curve, price, Fraction(1000 * ONE))
    truth = price * 1000 + fee if side is Side.BUY else price * 1000 - fee
    ranked = curve.rank(side, price)
    assert 0 <= (ranked - truth if side is Side.BUY else truth - ranked) < 1


@given(CURVES, SIDES, PRICES, st.lists(st.integers(0, 10**10), max_size=5))
def test_each_fill_is_charged_its_fee_cut_to_five_decimals(
    curve: PolymarketCurve, side: Side, price: Price, sizes: list[int]
) -> None:
    fills = [(price, Size(size)) for size in sizes]
    cut = [int(exact(curve, price, Fraction(size)) / 10) * 10 for size in sizes]
    assert curve.charged(side, fills).cash == sum(cut)


@given(CURVES, PRICES, SIZES, st.data())
def test_a_buy_at_any_price_within_the_improvement_is_charged_no_more_than_its_reserve(
    curve: PolymarketCurve, price: Price, size: Size, data: st.DataObject
) -> None:
    """The cash is what is fixed: better prices bring more shares, in however many fills."""
    cash = Fraction(price * size, ONE)
    fills: list[tuple[Price, Size]] = []
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(max(price - IMPROVEMENT, 1), price))
        part = cash * data.draw(st.integers(0, 100)) / 100
        cash -= part
        fills.append((Price(at), Size(int(part * ONE / at))))
    assert curve.charged(Side.BUY, fills).cash <= curve.reserve(Side.BUY, price, size)


@given(CURVES, PRICES, SIZES, st.data())
def test_a_buy_at_a_price_better_than_that_exceeds_its_reserve_by_the_rate_times_the_excess_at_most(
    curve: PolymarketCurve, price: Price, size: Size, data: st.DataObject
) -> None:
    """How far the promise of docs/money.md reaches: per dollar spent."""
    at = Price(data.draw(st.integers(1, max(1, price - IMPROVEMENT))))
    cash = Fraction(price * size, ONE)
    fee = curve.charged(Side.BUY, [(at, Size(int(cash * ONE / at)))]).cash
    beyond = Fraction(max(0, price - IMPROVEMENT - at), ONE)
    assert fee <= curve.reserve(Side.BUY, price, size) + cash * Fraction(curve.rate, ONE) * beyond


@given(CURVES, PRICES, SIZES, st.data())
def test_a_sale_at_any_price_within_the_improvement_is_charged_no_more_than_its_reserve(
    curve: PolymarketCurve, price: Price, size: Size, data: st.DataObject
) -> None:
    at = data.draw(st.integers(price, min(price + IMPROVEMENT, ONE - 1)))
    assert curve.charged(Side.SELL, [(Price(at), size)]).cash <= curve.reserve(Side.SELL, price, size)


@given(CURVES, SIDES, PRICES, SIZES, SIZES)
def test_the_reserve_grows_with_the_size_and_is_linear_but_for_a_millionth(
    curve: PolymarketCurve, side: Side, price: Price, one: Size, other: Size
) -> None:
    both = curve.reserve(side, price, Size(one + other))
    assert curve.reserve(side, price, one) <= both
    assert both - 1 <= curve.reserve(side, price, one) + curve.reserve(side, price, other) <= both + 1


@given(st.builds(PolymarketCurve, RATES), PRICES, SIZES)
def test_the_reserve_is_not_far_above_what_it_guards_against(
    curve: PolymarketCurve, price: Price, size: Size
) -> None:
    """For exponent 1 it is the fee at two cents better for the same cash, and nothing more."""
    assert curve.exponent == 1
    worst = (
        Fraction(price * size, ONE)
        * Fraction(curve.rate, ONE)
        * min(1 - Fraction(price - IMPROVEMENT, ONE), Fraction(1))
    )
    assert 0 <= curve.reserve(Side.BUY, price, size) - worst < 1


def test_curves_of_equal_markets_are_one_key() -> None:
    fees = PolymarketFees()
    curve: FeeCurve = fees.curve(world.listing())
    assert curve == fees.curve(world.listing(native="5"))
    assert len({curve, fees.curve(world.listing(native="6"))}) == 1
    assert curve.fixed(Side.BUY) == Cash(0)


@pytest.mark.parametrize(
    ("details", "names"),
    [
        ({"fee_rate": "x"}, "x"),
        ({"fee_rate": "-1"}, "fee_rate"),
        ({"fee_rate": "1000001"}, "fee_rate"),
        ({"fee_exponent": "0"}, "fee_exponent"),
        ({"fee_exponent": "5"}, "fee_exponent"),
    ],
)
def test_a_fee_of_an_unknown_kind_is_refused_by_name(details: dict[str, str], names: str) -> None:
    with pytest.raises(ValueError, match=names):
        PolymarketFees().curve(world.listing(details=details))
