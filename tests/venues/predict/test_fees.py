"""The curve keeps its promises: against fractions, and however an order is cut into fills."""

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.predict import world
from venues.base.listing import Listing
from venues.base.orders import Side
from venues.base.units import ONE, Price, Size
from venues.predict.fees import RATE_BPS_MAX, PredictCurve, PredictFees

rates = st.integers(0, RATE_BPS_MAX)
prices = st.integers(1, 999).map(lambda n: Price(n * 1_000))
sizes = st.integers(1, 10**12).map(Size)
sides = st.sampled_from(Side)


def slow_fee(bps: int, side: Side, price: int, size: int) -> Fraction:
    """In millionths, of shares for a buy and of money for a sale, not rounded."""
    p = Fraction(price, ONE)
    fee = Fraction(bps, 10_000) * min(p, 1 - p) * size
    return fee / p if side is Side.BUY else fee


@given(bps=rates, side=sides, price=prices)
def test_a_rank_is_the_formula_rounded_against_the_venue(bps: int, side: Side, price: Price) -> None:
    p, rank = Fraction(price, ONE), PredictCurve(bps).rank(side, price)
    per_share = slow_fee(bps, side, price, 1)
    true = p / (1 - per_share) if side is Side.BUY else p - per_share
    worse = Fraction(rank, 10**9) - true if side is Side.BUY else true - Fraction(rank, 10**9)
    assert 0 <= worse < Fraction(1, 10**9)


@given(bps=rates, side=sides, fills=st.lists(st.tuples(prices, sizes), min_size=1, max_size=6))
def test_no_cut_into_fills_is_charged_more_than_was_reserved(
    bps: int, side: Side, fills: list[tuple[Price, Size]]
) -> None:
    curve = PredictCurve(bps)
    charge = curve.charged(side, fills)
    exact = sum(slow_fee(bps, side, *fill) for fill in fills)
    assert charge.cash + charge.shares in (ceil(exact), ceil(exact - Fraction(len(fills), 10**12)))
    assert (charge.cash if side is Side.BUY else charge.shares) == 0
    assert charge.cash <= sum(curve.reserve(side, *fill) for fill in fills)
    assert charge.shares <= sum(curve.kept(side, *fill) for fill in fills)
    assert curve.fixed(side) == curve.minimum(side) == 0


@given(bps=rates, side=sides, price=prices, a=sizes, b=sizes)
def test_what_is_kept_or_reserved_grows_with_the_size_and_is_never_less_than_linear(
    bps: int, side: Side, price: Price, a: Size, b: Size
) -> None:
    curve = PredictCurve(bps)
    for question in (curve.kept, curve.reserve):
        both = question(side, price, Size(a + b))
        assert max(question(side, price, a), question(side, price, b)) <= both
        assert question(side, price, a) + question(side, price, b) >= both
    assert curve.reserve(Side.BUY, price, a) == 0
    assert curve.kept(Side.SELL, price, a) == 0


@given(bps=rates, side=sides, price=prices, better=prices, size=sizes)
def test_a_better_price_never_leaves_less(
    bps: int, side: Side, price: Price, better: Price, size: Size
) -> None:
    """Per share that is kept a buy pays no more; a sale brings no less."""
    if (better > price) is (side is Side.BUY):
        price, better = better, price
    for dear, good in ((price, better),):
        if side is Side.BUY:
            shares = [size - slow_fee(bps, side, p, size) for p in (dear, good)]
            assert Fraction(good) / shares[1] <= Fraction(dear) / shares[0]
        else:
            money = [Fraction(p * size, ONE) - slow_fee(bps, side, p, size) for p in (dear, good)]
            assert money[1] >= money[0]


def test_the_observed_fees_of_the_card() -> None:
    """200 bps: a sale of one share at 0.02 paid 0.0004; the buy at 0.1112 is in the vectors."""
    assert PredictCurve(200).charged(Side.SELL, [(Price(20_000), Size(ONE))]).cash == 400


def test_the_rate_comes_from_the_listing() -> None:
    assert PredictFees().curve(world.listing(fee_rate_bps="150")) == PredictCurve(150)
    for bps in (-1, RATE_BPS_MAX + 1):
        with pytest.raises(ValueError, match="fee_rate_bps"):
            PredictCurve(bps)
    bare = Listing(venue="x", native=world.MARKET, grid=world.listing().grid, lot=1)
    with pytest.raises(ValueError, match="fee_rate_bps"):
        PredictFees().curve(bare)
