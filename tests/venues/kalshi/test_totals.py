"""Totals out of averages are the true ones, or there are none, however the venue rounds."""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.venues.kalshi.examples import VECTORS, listing, order
from venues.base.listing import Grid
from venues.base.orders import Order, Side
from venues.base.units import ONE, Cash, Price, Size, micros
from venues.kalshi import wire
from venues.kalshi.fees import LOT, Curve
from venues.kalshi.listings import grid
from venues.kalshi.totals import Totals, from_averages

GRIDS = [grid([wire.PriceRange(**b) for b in bands]) for bands in VECTORS["price_structures"].values()]
ROUNDINGS = [ROUND_HALF_UP, ROUND_HALF_EVEN, ROUND_FLOOR, ROUND_CEILING]


def average(total: int, size: int, rounding: str) -> int:
    """Six decimals of dollars per contract, as the venue may have rounded them."""
    each = Decimal(total) / Decimal(size)
    return int(each.quantize(Decimal("0.000001"), rounding=rounding) * ONE)


def yes_average(of: Order, cash: int, rounding: str) -> int:
    size = of.size
    return average(size - cash if of.listing.inverted else cash, size, rounding)


@st.composite
def filled_orders(draw: st.DrawFn) -> tuple[Order, list[tuple[Price, Size]]]:
    """An order with the fills it got: on the grid and never worse than its limit, in its own terms."""
    prices = draw(st.sampled_from(GRIDS))
    side, inverted = draw(st.sampled_from(Side)), draw(st.booleans())
    raw = draw(st.lists(st.integers(1, ONE - 1), min_size=1, max_size=4))
    yes = [p for p in (prices.floor(Price(number)) for number in raw) if p is not None]
    assume(yes)
    own = [Price(ONE - p) if inverted else p for p in yes]
    sizes = draw(st.lists(st.integers(1, 6_000), min_size=len(own), max_size=len(own)))
    fills = [(price, Size(lots * LOT)) for price, lots in zip(own, sizes, strict=True)]
    limit = max(own) if side is Side.BUY else min(own)
    of = order(
        listing(inverted=inverted, grid=prices), side=side, limit=limit, size=sum(size for _, size in fills)
    )
    return of, fills


@given(filled_orders(), st.sampled_from([0, ONE // 2, ONE, 2 * ONE]), st.sampled_from(ROUNDINGS))
def test_recovered_totals_are_the_true_ones(
    made: tuple[Order, list[tuple[Price, Size]]], multiplier: int, rounding: str
) -> None:
    of, fills = made
    cash = sum(price * size for price, size in fills) // ONE
    fee = Curve(multiplier).charged(of.side, fills).cash
    price = yes_average(of, cash, rounding)
    found = from_averages(of, of.size, price=price, fee=average(fee, of.size, rounding))
    assert found in (None, Totals(of.size, Cash(cash), fee))


@given(st.integers(1, 4_900), st.integers(1, 99), st.sampled_from(ROUNDINGS))
@example(lots=4_900, cents=99, rounding=ROUND_FLOOR)
def test_below_fifty_contracts_on_cents_every_bid_is_proven(lots: int, cents: int, rounding: str) -> None:
    size, price = lots * LOT, cents * LOT
    fee = Curve(ONE).charged(Side.BUY, [(Price(price), Size(size))]).cash
    averages = (average(price * size // ONE, size, rounding), average(fee, size, rounding))
    found = from_averages(order(limit=price, size=size), Size(size), price=averages[0], fee=averages[1])
    assert found == Totals(Size(size), Cash(price * size // ONE), fee)


@given(filled_orders(), st.integers(1, ONE - 1), st.integers(0, ONE))
def test_any_averages_give_totals_that_the_venue_could_have_charged(
    made: tuple[Order, list[tuple[Price, Size]]], price: int, fee: int
) -> None:
    of, _ = made
    found = from_averages(of, of.size, price=price, fee=fee)
    if found is not None:
        change = (-found.cash if of.side is Side.BUY else found.cash) - found.fee
        assert change % 100 == 0
        assert 0 <= found.cash <= of.size


@pytest.mark.parametrize(("side", "inverted"), [(Side.BUY, True), (Side.SELL, False)])
def test_an_ask_whose_average_may_be_the_no_price_is_not_believed(side: Side, inverted: bool) -> None:
    """Sold YES at 0.48 or better, average 0.52: NO at 0.48 would be possible too."""
    of = order(listing(inverted=inverted), side=side, limit=520_000 if inverted else 480_000, size=ONE)
    assert from_averages(of, of.size, price=520_000, fee=17_500) is None
    sure = order(listing(inverted=inverted), side=side, limit=440_000 if inverted else 560_000, size=ONE)
    assert from_averages(sure, sure.size, price=600_000, fee=16_800) is not None


def test_an_average_worse_than_the_limit_proves_nothing() -> None:
    assert from_averages(order(limit=560_000, size=ONE), Size(ONE), price=570_000, fee=17_000) is None


def test_the_published_example_is_exact() -> None:
    """Ten contracts at two prices: one solution."""
    of = order(limit=450_000)
    found = from_averages(of, of.size, price=micros("0.445000"), fee=micros("0.017290"))
    assert found == Totals(of.size, Cash(4_450_000), Cash(172_900))


def test_a_large_order_on_a_fine_grid_is_not_guessed() -> None:
    of = order(listing(grid=Grid.uniform(100)), limit=560_000, size=100 * ONE)
    assert from_averages(of, of.size, price=555_500, fee=17_284) is None


@pytest.mark.parametrize("side", Side)
def test_the_fee_aligns_the_cash_of_a_purchase_up_and_of_a_sale_down(side: Side) -> None:
    """1.03 contracts at 0.951 are 0.979530: a buyer pays 0.003370 on top, a seller 0.003430."""
    price, size = Price(951_000), Size(103 * LOT)
    of = order(listing(grid=Grid.uniform(1_000)), side=side, limit=price, size=size)
    fee = Curve(ONE).charged(side, [(price, size)]).cash
    assert fee == (3_370 if side is Side.BUY else 3_430)
    averages = {"price": price, "fee": average(fee, size, ROUND_HALF_UP)}
    assert from_averages(of, size, **averages) == Totals(size, Cash(979_530), fee)
