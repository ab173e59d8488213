"""What `reserve` promises holds against the published rule, however an order is cut. Fees: the vectors."""

from decimal import ROUND_CEILING, Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.venues.kalshi.examples import listing
from venues.base.orders import Side
from venues.base.units import ONE, Price, Size
from venues.kalshi.fees import BROKERED, LOT, TAKER, Curve, KalshiFees

PRICES = st.one_of(st.integers(1, 9_999), st.integers(1, 99).map(lambda cents: cents * 100)).map(
    lambda tenths: Price(tenths * 100)
)
MULTIPLIERS = st.sampled_from([0, 1, ONE // 2, ONE, 2 * ONE, 10 * ONE])
LOTS = st.one_of(st.integers(1, 5), st.integers(1, 2_000))
CUTS = st.lists(st.tuples(PRICES, LOTS), min_size=1, max_size=60)
Fills = list[tuple[Price, Size]]


def fills_of(cuts: list[tuple[Price, int]], unit: int = LOT) -> Fills:
    return [(price, Size(number * unit)) for price, number in cuts]


def reserved(curve: Curve, side: Side, fills: Fills) -> int:
    return sum(curve.reserve(side, price, size) for price, size in fills) + curve.fixed(side)


@given(MULTIPLIERS, st.sampled_from(Side), CUTS)
def test_no_cut_costs_more_than_was_reserved(
    multiplier: int, side: Side, cuts: list[tuple[Price, int]]
) -> None:
    curve, fills = Curve(multiplier), fills_of(cuts)
    assert 0 <= curve.charged(side, fills).cash <= reserved(curve, side, fills)


@given(MULTIPLIERS, st.sampled_from(Side), PRICES, st.integers(1, 3), st.integers(1, 400))
def test_no_cut_into_equal_pieces_costs_more_than_was_reserved(
    multiplier: int, side: Side, price: Price, lots: int, pieces: int
) -> None:
    """The worst case: pieces so small that nothing is ever given back."""
    curve, fills = Curve(multiplier), [(price, Size(lots * LOT))] * pieces
    assert curve.charged(side, fills).cash <= (
        curve.reserve(side, price, Size(lots * LOT * pieces)) + curve.fixed(side)
    )


@given(MULTIPLIERS, st.sampled_from(Side), PRICES, CUTS)
def test_better_prices_never_cost_more_than_was_reserved_at_the_limit(
    multiplier: int, side: Side, limit: Price, cuts: list[tuple[Price, int]]
) -> None:
    curve = Curve(multiplier)
    better = min if side is Side.BUY else max
    fills = fills_of([(better(price, limit), lots) for price, lots in cuts])
    size = Size(sum(size for _, size in fills))
    money = sum(price * size for price, size in fills) // ONE
    at_limit = limit * size // ONE
    most = curve.reserve(side, limit, size) + curve.fixed(side)
    if side is Side.BUY:
        assert money + curve.charged(side, fills).cash <= at_limit + most
    else:
        assert money - curve.charged(side, fills).cash >= at_limit - most


@given(MULTIPLIERS, st.sampled_from(Side), CUTS, st.integers(0, 99))
def test_through_a_broker_whole_contracts_and_one_broken_piece_are_covered(
    multiplier: int, side: Side, cuts: list[tuple[Price, int]], broken: int
) -> None:
    curve, fills = Curve(multiplier, TAKER, BROKERED), fills_of(cuts, ONE)
    if broken:
        fills.insert(len(fills) // 2, (cuts[0][0], Size(broken * LOT)))
    assert curve.charged(side, fills).cash <= reserved(curve, side, fills)


@given(MULTIPLIERS, st.sampled_from(Side), PRICES, LOTS, LOTS)
def test_a_reserve_is_linear(multiplier: int, side: Side, price: Price, first: int, second: int) -> None:
    curve = Curve(multiplier)
    one, two = (curve.reserve(side, price, Size(lots * LOT)) for lots in (first, second))
    assert one + two == curve.reserve(side, price, Size((first + second) * LOT))


@given(MULTIPLIERS, st.sampled_from(Side), PRICES)
def test_a_rank_is_the_formula_rounded_against_the_venue(multiplier: int, side: Side, price: Price) -> None:
    p = Decimal(price) / ONE
    fee = Decimal(multiplier) / ONE * Decimal("0.07") * p * (1 - p)
    nanos = int((fee * 10**9).quantize(Decimal(1), rounding=ROUND_CEILING))
    own = price * 1_000
    assert Curve(multiplier).rank(side, price) == (own + nanos if side is Side.BUY else own - nanos)


def test_reserve_is_close_where_a_fee_per_lot_is_above_the_precision() -> None:
    """At 0.50 a lot pays 0.000175: nothing is added but what rounds."""
    assert Curve(ONE).reserve(Side.BUY, Price(ONE // 2), Size(100 * ONE)) == 1_750_000


def test_equal_parameters_make_equal_curves() -> None:
    fees = KalshiFees()
    assert fees.curve(listing()) == fees.curve(listing(inverted=True)) == Curve(ONE)
    assert len({fees.curve(listing()), Curve(ONE)}) == 1
