"""An order of a plan is cut to what it can cost at worst, wherever its levels have gone when it arrives."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from router.core.bound import Bounded, bound
from router.core.model import PlannedOrder, Terms
from tests.core.curves import FlatFee, HumpedFee, LeastFee, QuadraticFee, ShareFee
from tests.core.samples import listing
from venues.base.contract import FeeCurve, Traits
from venues.base.orders import Side
from venues.base.units import ONE, Cash, Price, Size, affordable, cost

CENT = 10_000
LOT = 10_000
Parts = Sequence[tuple[int, int]]


def terms(curve: FeeCurve, *, cash: bool = False, **given: object) -> Terms:
    return Terms(
        listing=listing(lot=LOT, **given), curve=curve, traits=Traits(buys_in_cash=cash, cash_lot=CENT)
    )


def plan(parts: Parts, known: Terms, side: Side = Side.BUY) -> PlannedOrder:
    """What the allocator plans for these levels: prices in cents, sizes in lots, best first."""
    levels = tuple((Price(cents * CENT), Size(lots * LOT)) for cents, lots in parts)
    reserves = sum(known.curve.reserve(side, *level) for level in levels)
    reserve = max(known.curve.minimum(side), reserves) + known.curve.fixed(side)
    return PlannedOrder(
        listing=known.listing,
        side=side,
        limit=levels[-1][0],
        size=Size(sum(size for _, size in levels)),
        cash=Cash(sum(cost(*level) for level in levels)),
        fee_reserve=Cash(reserve),
        parts=levels,
    )


def cut(order: PlannedOrder, known: Terms) -> Bounded:
    return bound([order], {known.listing.key: known})


PARTS = st.lists(
    st.tuples(st.integers(1, 99), st.integers(1, 5_000)), min_size=1, max_size=6, unique_by=lambda p: p[0]
).map(sorted)
CURVES = st.sampled_from(
    [
        FlatFee(),
        FlatFee(bps=200),
        FlatFee(charge=30_000),
        QuadraticFee(rate=70_000),
        ShareFee(bps=300),
        LeastFee(bps=200, least=250_000),
        LeastFee(bps=0, least=250_000, charge=30_000),
    ]
)


@given(PARTS, CURVES)
def test_all_of_it_at_its_limit_costs_no_more_than_was_planned(parts: Parts, curve: FeeCurve) -> None:
    known = terms(curve)
    planned = plan(parts, known)
    for order in cut(planned, known).orders:
        lots, lot = order.size // LOT, Size(LOT)
        fee = max(lots * curve.reserve(Side.BUY, order.limit, lot), curve.minimum(Side.BUY))
        at_limit = lots * cost(order.limit, lot) + fee + curve.fixed(Side.BUY)
        assert at_limit <= planned.cash + planned.fee_reserve
        assert order.fee_reserve >= curve.minimum(Side.BUY) + curve.fixed(Side.BUY)
        assert order.cash + order.fee_reserve <= planned.cash + planned.fee_reserve
        assert order.size <= planned.size
        assert order.limit <= planned.limit


@given(PARTS, CURVES)
def test_all_of_its_cash_at_any_of_its_levels_costs_no_more_than_was_planned(
    parts: Parts, curve: FeeCurve
) -> None:
    known = terms(curve, cash=True)
    planned = plan(parts, known)
    for order in cut(planned, known).orders:
        fees = [curve.reserve(Side.BUY, price, affordable(price, order.cash)) for price, _ in order.parts]
        dearest = max(*fees, curve.minimum(Side.BUY)) + curve.fixed(Side.BUY)
        if len(planned.parts) > 1:
            assert order.cash % CENT == 0
            assert order.cash + dearest <= planned.cash + planned.fee_reserve
            assert order.fee_reserve >= dearest
        assert order.cash <= planned.cash


@given(PARTS, CURVES, st.booleans())
def test_what_is_held_back_is_said(parts: Parts, curve: FeeCurve, cash: bool) -> None:
    known = terms(curve, cash=cash)
    planned = plan(parts, known)
    done = cut(planned, known)
    assert done.held_back == (sum(order.size for order in done.orders) < planned.size)


@given(PARTS, CURVES)
def test_a_sale_and_an_order_of_one_level_are_left_alone(parts: Parts, curve: FeeCurve) -> None:
    known = terms(curve)
    sale = plan(parts[::-1], known, Side.SELL)
    single = plan(parts[:1], known)
    assert cut(sale, known) == Bounded((sale,), held_back=False)
    assert cut(single, known) == Bounded((single,), held_back=False)


def test_an_order_that_would_fall_below_the_minimum_is_held_back_whole() -> None:
    for known in (
        terms(FlatFee(), minimum_size=Size(10 * ONE)),
        terms(FlatFee(), minimum_cash=Cash(5 * ONE)),
    ):
        planned = plan([(10, 500), (90, 500)], known)
        assert cut(planned, known) == Bounded((), held_back=True)


def test_a_dollar_may_pay_the_highest_fee_on_a_dearer_level_than_the_cheapest() -> None:
    known = terms(HumpedFee(rate=1_000_000), cash=True)
    planned = plan([(10, 100), (50, 5_000)], known)
    [order] = cut(planned, known).orders
    at_half = known.curve.reserve(Side.BUY, Price(50 * CENT), affordable(Price(50 * CENT), order.cash))
    assert order.fee_reserve >= at_half
    assert order.cash + at_half <= planned.cash + planned.fee_reserve


def test_the_larger_of_the_possible_cuts_is_taken() -> None:
    known = terms(FlatFee())
    [order] = cut(plan([(50, 1_000), (51, 1_000)], known), known).orders
    assert (order.limit, order.size) == (51 * CENT, 1_980 * LOT), "10.10 dollars at 0.51"
    [order] = cut(plan([(10, 1_000), (99, 100)], known), known).orders
    assert (order.limit, order.size) == (10 * CENT, 1_000 * LOT), "the cheap level alone"
