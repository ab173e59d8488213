"""Where one listing can take part, the plan is its best order: no count of lots gains more.

The right answer comes from reckoning every count by the slow arithmetic of `tests.core.markets`.
"""

from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from router.core.allocate import Market, allocate
from router.core.model import MarketOrder
from router.core.single import single
from tests.core.curves import FREE, FlatFee, LeastFee, QuadraticFee, ShareFee, terms
from tests.core.markets import Shop, buy, gained, means, merged, sell, slow_order
from tests.examples import examples
from venues.base.contract import FeeCurve, Traits
from venues.base.listing import Grid
from venues.base.orders import Side
from venues.base.units import ONE

TICK = 1_000

curves: st.SearchStrategy[FeeCurve] = st.one_of(
    st.just(FREE),
    st.builds(
        FlatFee,
        bps=st.sampled_from([0, 50, 333]),
        unit=st.sampled_from([1, 100, 10_000]),
        charge=st.sampled_from([0, 0, 10_000]),
    ),
    st.builds(QuadraticFee, rate=st.sampled_from([20_000, 70_000]), unit=st.sampled_from([1, 100])),
    st.builds(
        ShareFee,
        bps=st.sampled_from([100, 1_000]),
        lesser=st.booleans(),
        unit=st.sampled_from([1, 100, 10_000]),
    ),
    st.builds(LeastFee, bps=st.sampled_from([100, 500]), least=st.sampled_from([0, 100, 50_000])),
)


class Case(NamedTuple):
    """One listing, an order, and the little it may use."""

    shop: Shop
    asked: MarketOrder
    room: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Fine and coarse lots, levels down to dust, minimums, funds below what is asked or just enough."""
    side = draw(st.sampled_from(Side))
    lot = draw(st.sampled_from([10_000, 100_000, ONE]))
    in_cash = side is Side.BUY and draw(st.booleans())
    prices = draw(st.lists(st.integers(100, 900), min_size=1, max_size=4, unique=True))
    sizes = st.one_of(st.integers(1, 20).map(lambda n: n * lot), st.integers(1, 20 * lot))
    levels = [(price * TICK, draw(sizes)) for price in sorted(prices, reverse=side is Side.SELL)]
    listed = terms(
        curve=draw(curves),
        traits=Traits(buys_in_cash=in_cash, cash_lot=lot >> 1),
        grid=Grid.uniform(TICK),
        lot=lot,
        minimum_size=draw(st.sampled_from([0, 0, 5 * lot])),
        minimum_cash=draw(st.sampled_from([0, 0, 2 * lot])),
        minimum_sale_cash=draw(st.sampled_from([0, 0, 2 * lot])),
    )
    shares = sum(size for _, size in levels)
    whole = shares if side is Side.SELL else sum(price * size for price, size in levels) // ONE
    total = whole * draw(st.integers(1, 110)) // 100
    exact = slow_order(Shop(listed, levels), side, draw(st.integers(1, 40)))
    if exact is not None and draw(st.booleans()):
        total = exact.use
    total = max(1, total + draw(st.integers(-2, 2)))
    room = draw(st.sampled_from([total, total, 2 * total, max(1, total // 2)]))
    return Case(Shop(listed, levels), buy(total) if side is Side.BUY else sell(total), room)


def best(case: Case) -> int:
    """The most that any count of lots gains within the room; nothing where each costs more than it brings."""
    listing, traits = case.shop.terms.listing, case.shop.terms.traits
    kept = merged(case.asked.side, [case.shop])  # sales that bring nothing are no offers
    shop = case.shop._replace(levels=[(o[2], o[3]) for o in kept.offers])
    total = min(case.room, case.asked.amount or case.asked.size)
    counts = sum(size for _, size in shop.levels) // listing.lot
    if case.asked.side is Side.BUY and traits.buys_in_cash:
        counts = sum(price * size for price, size in shop.levels) // (traits.cash_lot * ONE)
    orders = [slow_order(shop, case.asked.side, count) for count in range(1, counts + 1)]
    return max([0, *[order.gain for order in orders if order is not None and order.use <= total]])


@pytest.mark.slow
@settings(max_examples=examples(400), deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_no_count_of_lots_gains_more_where_one_listing_takes_part(case: Case) -> None:
    shops, listing = [case.shop], case.shop.terms.listing
    have = means(shops, {(listing.venue, ""): case.room}, {listing.key: case.room})
    book = merged(case.asked.side, shops)
    market = Market(book, case.asked, have)
    plan = allocate(book, case.asked, have)
    gain = sum(gained(shops, order) for order in plan.orders)
    split = single(market.bounds(), market.offers()) if len(market.allowed) == 1 else None
    event("the short way" if split is not None else "the general ways")
    most = best(case)
    assert gain <= most
    if split is not None:
        assert plan.exact
        assert gain == most


def test_what_pays_for_a_lot_exactly_buys_it() -> None:
    """Of the level only its rounded cost is known: by that, ten dollars pay for a millionth less."""
    shop = Shop(terms(lot=10_000), [(400_000, 40 * ONE + 1)])
    [order] = allocate(merged(Side.BUY, [shop]), buy(10 * ONE), means([shop])).orders
    assert order.size == 25 * ONE


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("amount", [3 * ONE, 3 * ONE + 1, 3 * ONE - 1, 17 * ONE + 123])
def test_an_order_that_ends_just_before_a_lot_is_decided_at_once(side: Side, amount: int) -> None:
    """Nothing but the last lot is left over: that is no reason for a search."""
    prices = [400_000, 410_000, 420_000]
    levels = [(price, 15 * ONE) for price in sorted(prices, reverse=side is Side.SELL)]
    shop = Shop(terms(curve=QuadraticFee(rate=70_000), lot=ONE), levels)
    asked = buy(amount) if side is Side.BUY else sell(amount)
    market = Market(merged(side, [shop]), asked, means([shop]))
    split = single(market.bounds(), market.offers())
    assert split is not None
    assert split.exact


def test_a_sale_whose_fee_is_rounded_by_more_than_a_lot_brings_is_left_to_the_others() -> None:
    """A hundredth of a share brings four tenths of a cent, and may cost a whole one."""
    dear = terms(curve=FlatFee(bps=50, unit=10_000), lot=10_000)
    shop = Shop(dear, [(400_000, 100 * ONE)])
    market = Market(merged(Side.SELL, [shop]), sell(7 * ONE), means([shop]))
    assert single(market.bounds(), market.offers()) is None
    [order] = allocate(market.merged, market.asked, means([shop])).orders
    assert order.size <= 7 * ONE


def test_less_than_the_venue_takes_is_known_to_be_nothing() -> None:
    shop = Shop(terms(minimum_cash=5 * ONE), [(400_000, 100 * ONE)])
    market = Market(merged(Side.BUY, [shop]), buy(4 * ONE), means([shop]))
    split = single(market.bounds(), market.offers())
    assert split is not None
    assert not split.portions
    plan = allocate(market.merged, market.asked, means([shop]))
    assert (plan.orders, plan.unfilled, plan.exact) == ((), 4 * ONE, True)
