"""What an order gives and wants: exactly at its price, never more than asked, and like no other order."""

from fractions import Fraction

import pytest
from hypothesis import given as such
from hypothesis import strategies as st

from tests.venues.opinion import examples
from venues.base.orders import Order, Side, TimeInForce
from venues.base.units import ONE, Cash, Price, Size
from venues.opinion.amounts import WEI, base_units, given, limit_amounts

prices = st.integers(1, 999).map(lambda milli: Price(milli * 1_000))


@st.composite
def orders(draw: st.DrawFn) -> Order:
    return examples.order(
        side=draw(st.sampled_from(Side)),
        limit=draw(prices),
        size=Size(draw(st.integers(1, 10**6)) * 10_000),
        cash=Cash(draw(st.integers(501, 10**6)) * 10_000),
        reserve=Cash(draw(st.integers(0, 10**9))),
        time_in_force=draw(st.sampled_from([TimeInForce.IOC, TimeInForce.GTC])),
        salt=draw(st.integers(1, 2**53 - 1)),
    )


@such(orders())
def test_the_ratio_is_the_limit_price_and_nothing_more_is_given_than_asked(order: Order) -> None:
    maker, taker = limit_amounts(order)
    cash, shares = (maker, taker) if order.side is Side.BUY else (taker, maker)
    assert Fraction(cash, shares) == Fraction(order.limit, ONE)
    if order.side is Side.BUY and order.time_in_force is TimeInForce.IOC:
        budget = (order.cash + order.reserve) * WEI
        assert budget - WEI - ONE < cash <= budget
    else:
        assert order.size * WEI - WEI - ONE < shares <= order.size * WEI


@such(orders(), st.integers(1, 10**6))
def test_another_salt_makes_other_amounts(order: Order, distance: int) -> None:
    """A thousand million different ones before they repeat, at the venue's own ticks."""
    other = examples.order(
        side=order.side,
        limit=order.limit,
        size=order.size,
        cash=order.cash,
        reserve=order.reserve,
        time_in_force=order.time_in_force,
        salt=order.salt + distance,
    )
    ours, theirs = limit_amounts(order), limit_amounts(other)
    assert ours.maker != theirs.maker
    assert ours.taker != theirs.taker


def test_a_marketable_buy_gives_its_cash_and_reserve_and_a_resting_one_buys_its_size() -> None:
    ioc = examples.order(salt=0)
    assert limit_amounts(ioc).maker == 10_250_000 * WEI // 21 * 21
    gtc = examples.order(salt=0, time_in_force=TimeInForce.GTC)
    assert limit_amounts(gtc) == (9_996_000 * WEI, 23_800_000 * WEI)


def test_a_six_decimal_token_has_no_digits_to_spare() -> None:
    sale = examples.order(side=Side.SELL, limit=Price(500_000), size=Size(7_000_000), salt=1)
    assert limit_amounts(sale, 6) == (7_000_000, 3_500_000)


@pytest.mark.parametrize(
    ("text", "exact", "down"),
    [
        ("57.827102803738317757", 57_827_102_803_738_317_757, 57_827_102),
        ("0.150000000000000000", 150_000 * WEI, 150_000),
        ("0.000000999999999999", WEI - 1, 0),
        ("12", 12 * ONE * WEI, 12_000_000),
        (".5", 500_000 * WEI, 500_000),
        ("3.", 3 * ONE * WEI, 3_000_000),
        ("1.0000000000000000000", ONE * WEI, 1_000_000),
    ],
)
def test_eighteen_digits_are_read_exactly_and_what_is_given_counts_down(
    text: str, exact: int, down: int
) -> None:
    assert (base_units(text), given(text)) == (exact, down)


@pytest.mark.parametrize("text", ["", ".", "-1", "1e3", "1,5", "٣", "0x1", "1.0000000000000000001", "1" * 61])
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a plain decimal"):
        base_units(text)
