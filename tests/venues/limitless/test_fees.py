"""What fees promise holds whichever rule the venue follows where it publishes none. Points: the vectors."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.limitless.examples import VECTORS, listing
from venues.base.orders import Charge, Side
from venues.base.units import ONE, Cash, Price, Size
from venues.limitless.fees import COLLATERAL, CURVES, LEGACY, LimitlessCurve, LimitlessFees, rate

TICKS = [Price(milli * 1_000) for milli in range(1, 1_000)]
PRICES = st.sampled_from(TICKS)
SIZES = st.one_of(st.integers(1, 3), st.integers(1, 10**9)).map(lambda lots: Size(lots * 1_000))
KINDS = st.sampled_from(list(CURVES.values()))
FILLS = st.lists(st.tuples(PRICES, SIZES), min_size=1, max_size=6)
LEGACY_CURVE, COLLATERAL_CURVE = CURVES[LEGACY], CURVES[COLLATERAL]


def slow_rate(side: Side, price: Fraction) -> Fraction:
    """The published points as the vectors have them, joined by straight lines, in fractions."""
    points = [(Fraction(p), Fraction(b)) for p, b in VECTORS["published_fee_bps"][side.name].items()]
    price = min(max(price, points[0][0]), points[-1][0])
    for (low, one), (high, two) in pairwise(points):
        if low <= price <= high:
            return one + (two - one) * (price - low) / (high - low)
    raise AssertionError(price)


def inferred(price: Fraction) -> int:
    """The card's formula for buys, which hits every published point."""
    return int(40 + 260 * min(price, 1 - price) / price)


@pytest.mark.parametrize("side", Side)
def test_rates_are_the_published_points_joined_by_straight_lines(side: Side) -> None:
    for price in TICKS:
        bps, parts = rate(side, price, 1)
        assert Fraction(bps, parts) == slow_rate(side, Fraction(price, ONE))


@given(st.sampled_from(Side), FILLS)
def test_an_average_price_has_the_rate_of_that_price(side: Side, fills: list[tuple[Price, Size]]) -> None:
    cash, size = sum(p * s for p, s in fills), sum(s for _, s in fills)
    assert Fraction(*rate(side, cash, size)) == slow_rate(side, Fraction(cash, size * ONE))


def test_the_inferred_formula_is_never_above_what_ranks_and_reserves() -> None:
    for price in TICKS:
        reserved = COLLATERAL_CURVE.reserve(Side.BUY, price, Size(10_000 * ONE))
        assert reserved * ONE * 10_000 >= price * 10_000 * ONE * inferred(Fraction(price, ONE))


@given(KINDS, st.sampled_from(Side), PRICES)
def test_a_rank_is_never_better_than_the_truth_and_close_to_it(
    curve: LimitlessCurve, side: Side, price: Price
) -> None:
    share, fee = Fraction(price, ONE), slow_rate(side, Fraction(price, ONE)) / 10_000
    if side is Side.SELL:
        worth = share * (1 - fee)
        assert 0 <= worth - Fraction(curve.rank(side, price), 10**9) < Fraction(101, 10**6)
    else:
        worth = share / (1 - fee) if curve.in_shares else share * (1 + fee)
        assert 0 <= Fraction(curve.rank(side, price), 10**9) - worth < Fraction(110, 10**6)


@given(KINDS, st.sampled_from(Side), PRICES, SIZES)
def test_filled_at_one_price_an_order_is_charged_no_more_than_was_said(
    curve: LimitlessCurve, side: Side, price: Price, size: Size
) -> None:
    charge = curve.charged(side, [(price, size)])
    assert 0 <= charge.cash <= curve.reserve(side, price, size)
    assert 0 <= charge.shares <= curve.kept(side, price, size)
    assert bool(charge.shares) + bool(charge.cash) <= 1


@given(st.sampled_from(Side), PRICES, FILLS, st.sampled_from(["average", "limit", "fill"]))
def test_whichever_rate_counts_an_order_filled_at_its_limit_or_better_is_covered(
    side: Side, limit: Price, fills: list[tuple[Price, Size]], rule: str
) -> None:
    """The rate of the average, of the limit or of each fill (UNCONFIRMED): none costs more than the limit."""
    better = min if side is Side.BUY else max
    fills = [(better(price, limit), size) for price, size in fills]
    size = Size(sum(size for _, size in fills))
    money = sum(Fraction(price * size, ONE) for price, size in fills)
    average = Fraction(sum(price * size for price, size in fills), size * ONE)
    rates = {"average": slow_rate(side, average), "limit": slow_rate(side, Fraction(limit, ONE))}
    fee = sum(
        Fraction(price * size, ONE) * rates.get(rule, slow_rate(side, Fraction(price, ONE))) / 10_000
        for price, size in fills
    )
    reserve = COLLATERAL_CURVE.reserve(side, limit, size)
    if side is Side.BUY:
        assert money + fee <= Fraction(limit * size, ONE) + reserve
    else:
        assert money - fee >= Fraction(limit * size, ONE) - reserve


@given(PRICES, FILLS)
def test_a_legacy_buy_at_better_prices_pays_no_more_for_a_share_that_arrives(
    limit: Price, fills: list[tuple[Price, Size]]
) -> None:
    fills = [(min(price, limit), size) for price, size in fills]
    size = Size(sum(size for _, size in fills))
    money = sum(price * size for price, size in fills)
    arrived = size - LEGACY_CURVE.charged(Side.BUY, fills).shares
    planned = size - LEGACY_CURVE.kept(Side.BUY, limit, size)
    assert Fraction(money, arrived) <= Fraction(limit * size, planned)


@given(KINDS, st.sampled_from(Side), PRICES, SIZES, SIZES)
def test_reserve_and_kept_grow_with_the_size_and_are_linear_but_for_a_millionth(
    curve: LimitlessCurve, side: Side, price: Price, one: Size, other: Size
) -> None:
    for ask in (curve.reserve, curve.kept):
        both = ask(side, price, Size(one + other))
        assert max(ask(side, price, one), ask(side, price, other)) <= both
        assert both <= ask(side, price, one) + ask(side, price, other) <= both + 1


def test_only_legacy_buys_pay_in_shares() -> None:
    at, size = Price(400_000), Size(100 * ONE)
    assert LEGACY_CURVE.charged(Side.BUY, [(at, size)]) == Charge(shares=Size(3 * ONE))
    assert LEGACY_CURVE.reserve(Side.BUY, at, size) == 0
    assert LEGACY_CURVE.kept(Side.SELL, at, size) == COLLATERAL_CURVE.kept(Side.BUY, at, size) == 0
    assert COLLATERAL_CURVE.charged(Side.BUY, [(at, size)]) == Charge(cash=Cash(1_200_000))
    for side in Side:
        assert LEGACY_CURVE.charged(side, []) == Charge()
        assert (LEGACY_CURVE.fixed(side), LEGACY_CURVE.minimum(side)) == (0, 0)


def test_markets_of_one_kind_share_one_curve() -> None:
    fees = LimitlessFees()
    assert fees.curve(listing()) is fees.curve(listing(inverted=True)) is LEGACY_CURVE
    assert fees.curve(listing(fees=COLLATERAL)) == COLLATERAL_CURVE != LEGACY_CURVE
    with pytest.raises(ValueError, match="fees"):
        fees.curve(listing(fees="novel"))
