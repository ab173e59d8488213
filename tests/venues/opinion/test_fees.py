"""The fee: never ranked too low, never above its reserve and minimum, in any cut into fills."""

from fractions import Fraction

import pytest
from hypothesis import given as such
from hypothesis import strategies as st

from tests.venues.opinion import examples
from venues.base.orders import Side
from venues.base.units import ONE, Cash, Price, Size
from venues.opinion.fees import MINIMUM, OpinionCurve, OpinionFees

sides = st.sampled_from(Side)
prices = st.integers(1, 999).map(lambda milli: Price(milli * 1_000))
sizes = st.integers(1, 10**9).map(Size)
curves = st.integers(0, 10_000).map(OpinionCurve)


def exact(curve: OpinionCurve, price: int, size: int) -> Fraction:
    """The formula of the card, in millionths."""
    p = Fraction(price, ONE)
    return Fraction(curve.rate_bps, 10_000) * p * (1 - p) * p * size


@such(curves, sides, prices)
def test_the_ranking_price_is_never_better_than_the_truth_and_off_by_less_than_a_billionth(
    curve: OpinionCurve, side: Side, price: Price
) -> None:
    fee = exact(curve, price, ONE) * 1_000
    nanos = Fraction(curve.rank(side, price))
    truth = price * 1_000 + (fee if side is Side.BUY else -fee)
    assert 0 <= (nanos - truth if side is Side.BUY else truth - nanos) < 1


@such(curves, sides, st.lists(st.tuples(prices, sizes), min_size=1, max_size=8))
def test_no_cut_costs_more_than_reserves_or_the_minimum(
    curve: OpinionCurve, side: Side, fills: list[tuple[Price, Size]]
) -> None:
    fee = curve.charged(side, fills).cash
    total = sum(exact(curve, price, size) for price, size in fills)
    assert total <= fee <= max(sum(curve.reserve(side, p, s) for p, s in fills), curve.minimum(side))
    assert fee >= curve.minimum(side)
    assert fee < max(total, MINIMUM) + 1


@such(curves, prices, prices, sizes)
def test_a_sale_at_a_better_price_always_brings_more(
    curve: OpinionCurve, one: Price, other: Price, size: Size
) -> None:
    low, high = sorted((one, other))
    net = [Fraction(p * size, ONE) - exact(curve, p, size) for p in (low, high)]
    assert net[0] <= net[1]


def test_nothing_is_charged_for_nothing_and_nothing_where_there_is_no_fee() -> None:
    assert OpinionCurve(400).charged(Side.BUY, []).cash == 0
    free = OpinionCurve(0)
    assert (free.minimum(Side.BUY), free.charged(Side.SELL, [(Price(500_000), Size(ONE))]).cash) == (0, 0)


def test_the_minimum_counts_once_per_order_not_per_fill() -> None:
    small = (Price(500_000), Size(ONE))
    assert OpinionCurve(400).charged(Side.BUY, [small] * 5).cash == MINIMUM


def test_curves_come_from_a_listings_details_and_equal_ones_are_equal() -> None:
    fees = OpinionFees()
    curve = fees.curve(examples.listing(taker_fee_bps="800", minimum_fee="300000"))
    assert curve == OpinionCurve(800, Cash(300_000))
    assert hash(curve) == hash(OpinionCurve(800, Cash(300_000)))
    with pytest.raises(ValueError, match="taker_fee_bps"):
        fees.curve(examples.listing(taker_fee_bps="10001"))
    with pytest.raises(ValueError, match="minimum_fee"):
        fees.curve(examples.listing(minimum_fee="-1"))
