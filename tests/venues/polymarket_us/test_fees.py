"""What `reserve` promises holds against the published rule, however an order is cut. Fees: the vectors."""

from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.polymarket_us.examples import listing
from venues.base.orders import Side
from venues.base.units import ONE, Price, Size
from venues.polymarket_us.fees import COEFFICIENT_MAX, HALF_CENT, Curve, PolymarketUsFees

CENT = 10_000
COEFFICIENTS = st.sampled_from([0, 1, 40_000, 50_000, 60_000, 69_500, COEFFICIENT_MAX])
LOTS = st.sampled_from([CENT, 5 * CENT, ONE, 10 * ONE])
TICKS = st.sampled_from([1_000, 5_000, CENT])
Fills = list[tuple[Price, Size]]


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    return Curve(draw(COEFFICIENTS), draw(LOTS), draw(TICKS))


def prices(curve: Curve) -> st.SearchStrategy[Price]:
    return st.integers(1, ONE // curve.tick - 1).map(lambda ticks: Price(ticks * curve.tick))


def cuts(curve: Curve) -> st.SearchStrategy[Fills]:
    sizes = st.one_of(st.integers(1, 40), st.integers(1, 5_000)).map(lambda lots: Size(lots * curve.lot))
    return st.lists(st.tuples(prices(curve), sizes), min_size=1, max_size=40)


def slow_fee(curve: Curve, price: int, size: int) -> int:
    """The formula of the venue's page in decimals."""
    p = Decimal(price) / ONE
    exact = Decimal(curve.coefficient) / ONE * Decimal(size) / ONE * p * (1 - p)
    return int(exact.quantize(Decimal("0.01"), ROUND_HALF_EVEN) * ONE)


@cache
def slow_worst(curve: Curve, price: Price, lots: int) -> int:
    """The dearest cut of so many lots at one price, by trying every one."""
    if lots == 0:
        return 0
    return max(
        slow_fee(curve, price, first * curve.lot) + slow_worst(curve, price, lots - first)
        for first in range(1, lots + 1)
    )


@given(st.data(), curves(), st.sampled_from(Side))
def test_no_cut_costs_more_than_was_reserved(data: st.DataObject, curve: Curve, side: Side) -> None:
    fills = data.draw(cuts(curve))
    assert 0 <= curve.charged(side, fills).cash == sum(slow_fee(curve, p, s) for p, s in fills)
    assert curve.charged(side, fills).cash <= sum(curve.reserve(side, p, s) for p, s in fills)


@given(st.data(), curves(), st.sampled_from(Side), st.integers(1, 60))
def test_the_dearest_cut_of_all_is_covered(data: st.DataObject, curve: Curve, side: Side, lots: int) -> None:
    price = data.draw(prices(curve))
    worst, reserved = slow_worst(curve, price, lots), curve.reserve(side, price, Size(lots * curve.lot))
    assert worst <= reserved


@pytest.mark.parametrize(
    ("lot", "price", "shares", "reserved"),
    [
        (ONE, 500_000, 100, 2_000_000),  # 1.7375 cents a share: each share alone is charged 2
        (ONE, 100_000, 100, 1_000_000),  # 0.6255 cents: each share alone is charged 1
        (CENT, 500_000, 100, 3_448_276),  # 0.29 shares are the fewest that are charged a cent
        (ONE, 10_000, 8, 10_000),  # 0.0688 cents: 8 shares are the fewest
        (10 * ONE, 500_000, 1_000, 18_397_100),  # beyond 8 cents a lot: 18/17 of the formula
    ],
)
def test_the_reserve_is_the_dearest_piece_times_their_number(
    lot: int, price: int, shares: int, reserved: int
) -> None:
    curve = Curve(69_500, lot, CENT)
    assert curve.reserve(Side.BUY, Price(price), Size(shares * ONE)) == reserved


def test_half_a_cent_above_an_odd_number_is_rounded_up_to_the_even_one() -> None:
    """Half a cent a lot: two lots are charged 1, three are charged 2, and two thirds is the highest ratio."""
    curve = Curve(40_000, ONE // 2, CENT)
    assert curve.reserve(Side.BUY, Price(500_000), Size(3 * ONE // 2)) == 20_000


@pytest.mark.parametrize("side", Side)
def test_a_better_price_that_is_charged_a_cent_a_share_is_foreseen(side: Side) -> None:
    """Around 0.9221 a single share's fee passes half a cent: below it is charged a cent, above nothing."""
    curve = Curve(69_500, ONE, 1_000)
    for ticks in range(900, 950):
        for saved in range(30):
            limit, price = (
                Price(t * 1_000 if side is Side.BUY else ONE - t * 1_000) for t in (ticks, ticks - saved)
            )
            for shares in (1, 2, 3):
                fee, size = curve.charged(side, [(price, Size(shares * ONE))]).cash, Size(shares * ONE)
                assert fee - saved * 1_000 * shares <= curve.reserve(side, limit, size)


@given(st.data(), curves(), st.sampled_from(Side))
def test_better_prices_never_cost_more_than_was_reserved_at_the_limit(
    data: st.DataObject, curve: Curve, side: Side
) -> None:
    limit, fills = data.draw(prices(curve)), data.draw(cuts(curve))
    better = min if side is Side.BUY else max
    got = [(better(price, limit), size) for price, size in fills]
    size = Size(sum(size for _, size in got))
    money = sum(price * size for price, size in got) // ONE
    most, fee = curve.reserve(side, limit, size), curve.charged(side, got).cash
    if side is Side.BUY:
        assert money + fee <= limit * size // ONE + most
    else:
        assert money - fee >= limit * size // ONE - most - 1


@given(st.data(), curves(), st.sampled_from(Side))
def test_a_fee_rounded_once_per_order_is_covered_too(data: st.DataObject, curve: Curve, side: Side) -> None:
    """Which of the two the venue does is not confirmed."""
    fills = data.draw(cuts(curve))
    exact = sum(Decimal(curve.coefficient * p * s * (ONE - p)) for p, s in fills) / Decimal(ONE) ** 4
    once = int(exact.quantize(Decimal("0.01"), ROUND_HALF_EVEN) * ONE)
    assert once <= sum(curve.reserve(side, p, s) for p, s in fills) + curve.fixed(side)


@given(st.data(), curves(), st.sampled_from(Side), st.integers(1, 10**9), st.integers(1, 10**9))
def test_a_reserve_is_linear_but_for_a_millionth(
    data: st.DataObject, curve: Curve, side: Side, first: int, second: int
) -> None:
    price = data.draw(prices(curve))
    one, two, both = (curve.reserve(side, price, Size(s)) for s in (first, second, first + second))
    assert max(one, two) <= both <= one + two <= both + 1


@given(st.data(), curves(), st.sampled_from(Side))
def test_a_rank_is_the_formula_rounded_against_the_venue(
    data: st.DataObject, curve: Curve, side: Side
) -> None:
    price = data.draw(prices(curve))
    p = Decimal(price) / ONE
    fee = Decimal(curve.coefficient) / ONE * p * (1 - p) * 10**9
    nanos = int(fee.to_integral_value(ROUND_CEILING))
    assert curve.rank(side, price) == price * 1_000 + (nanos if side is Side.BUY else -nanos)


def test_a_market_without_fees_reserves_nothing() -> None:
    curve = Curve(0)
    assert (curve.fixed(Side.BUY), curve.reserve(Side.BUY, Price(CENT), Size(ONE))) == (0, 0)
    assert (Curve(1).fixed(Side.SELL), Curve(1).minimum(Side.BUY)) == (HALF_CENT, 0)


def test_the_curve_is_the_markets_own() -> None:
    fees = PolymarketUsFees()
    assert fees.curve(listing(tick=5_000, lot=ONE)) == Curve(69_500, ONE, 5_000)
    assert fees.curve(listing()) == fees.curve(listing(inverted=True))
