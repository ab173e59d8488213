"""Every venue's own fee curves keep what the allocator relies on: on every kind of market its tests name."""

import itertools
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.listed import kinds, listed
from venues import discover
from venues.base.contract import FeeCurve
from venues.base.listing import Listing
from venues.base.orders import Side
from venues.base.units import ONE, Price, Size, cost, proceeds

SHARES_MAX = 100_000
pytestmark = pytest.mark.parametrize("venue", sorted(discover()))
sides = st.sampled_from(Side)


@cache
def cases(venue: str) -> tuple[tuple[FeeCurve, Listing, list[Price]], ...]:
    """Every curve there is with a listing it goes with, and all prices an order may carry, ascending."""
    found = {}
    for kind in kinds(venue):
        for one in listed(venue, kind):
            listing = one.listing
            name = (one.curve, listing.grid, listing.lot, listing.inverted)
            if listing.tradable and name not in found:
                prices = [Price(p) for p in range(100, ONE, 100) if listing.valid_price(Price(p))]
                found[name] = (one.curve, listing, prices)
    return tuple(found.values())


def worst(curve: FeeCurve, side: Side, price: Price, size: Size) -> int:
    """What a level costs at most, or brings at least."""
    reserve = curve.reserve(side, price, size)
    return cost(price, size) + reserve if side is Side.BUY else proceeds(price, size) - reserve


def net(curve: FeeCurve, side: Side, price: Price, size: Size) -> int:
    """The shares of a level that arrive at least, or leave."""
    return size - curve.kept(side, price, size)


def test_a_better_price_ranks_better(venue: str) -> None:
    for curve, _, grid in cases(venue):
        for side in Side:
            ranks = [curve.rank(side, price) for price in grid]
            assert all(low < high for low, high in itertools.pairwise(ranks)), side


def test_a_better_price_costs_less_or_brings_more_in_the_worst_case(venue: str) -> None:
    for curve, listing, grid in cases(venue):
        for side in Side:
            for size in (Size(listing.lot), Size(100 * listing.lot), Size(1_000 * ONE)):
                cash = [worst(curve, side, price, size) for price in grid]
                assert all(low <= high for low, high in itertools.pairwise(cash)), (side, size)
                per_net = [(worst(curve, side, p, size), net(curve, side, p, size)) for p in grid]
                for (less, many), (more, few) in itertools.pairwise(per_net):
                    assert less * few <= more * many + 2 * ONE, (side, size)


def test_what_is_charged_once_is_the_same_for_every_order(venue: str) -> None:
    for curve, listing, _ in cases(venue):
        again = discover()[venue].fees.curve(listing)
        assert (curve, hash(curve)) == (again, hash(again))
        for side in Side:
            assert curve.fixed(side) == again.fixed(side) >= 0
            assert curve.minimum(side) == again.minimum(side) >= 0


@given(data=st.data(), side=sides)
def test_a_reserve_grows_with_the_size_and_is_linear_but_for_rounding(
    venue: str, data: st.DataObject, side: Side
) -> None:
    curve, listing, grid = data.draw(st.sampled_from(cases(venue)))
    price = data.draw(st.sampled_from(grid))
    lots = st.integers(1, SHARES_MAX * ONE // listing.lot)
    exact = data.draw(st.booleans())
    a, b = (Size(data.draw(lots) * listing.lot - (0 if exact else 1)) for _ in range(2))
    both = curve.reserve(side, price, Size(a + b))
    parts = curve.reserve(side, price, a), curve.reserve(side, price, b)
    assert 0 <= max(parts) <= both
    assert sum(parts) >= both - 1
    unit = curve.reserve(side, price, Size(1)) + 2
    assert abs(parts[0] * (a + b) - both * a) <= unit * (a + b)


@given(data=st.data())
def test_what_is_kept_grows_with_a_buy_and_never_eats_up_what_a_lot_adds(
    venue: str, data: st.DataObject
) -> None:
    curve, listing, grid = data.draw(st.sampled_from(cases(venue)))
    price = data.draw(st.sampled_from(grid))
    lots = st.integers(1, SHARES_MAX * ONE // listing.lot)
    a, b = (Size(data.draw(lots) * listing.lot) for _ in range(2))
    kept = curve.kept(Side.BUY, price, Size(a + b))
    parts = [curve.kept(Side.BUY, price, size) for size in (a, b)]
    assert 0 <= max(parts) <= kept
    assert kept - 1 <= sum(parts)
    unit = curve.kept(Side.BUY, price, Size(1)) + 2
    assert abs(parts[0] * (a + b) - kept * a) <= unit * (a + b)
    assert net(curve, Side.BUY, price, Size(a + listing.lot)) >= net(curve, Side.BUY, price, a)
    assert curve.kept(Side.SELL, price, a) == 0


@given(data=st.data(), side=sides)
def test_no_reserve_is_below_the_fee_that_ranks(venue: str, data: st.DataObject, side: Side) -> None:
    curve, listing, grid = data.draw(st.sampled_from(cases(venue)))
    price = data.draw(st.sampled_from(grid))
    size = Size(data.draw(st.integers(1, SHARES_MAX * ONE // listing.lot)) * listing.lot)
    cash, rank = worst(curve, side, price, size), curve.rank(side, price)
    if side is Side.BUY:
        assert cash * 10**9 >= (rank - 1) * net(curve, side, price, size)
    else:
        assert cash * 10**9 <= (rank + 1) * size
