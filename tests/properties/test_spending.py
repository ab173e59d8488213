"""No route costs more than its amount, whatever the books do between plan and fill.

An adversary fills every order at prices of its own up to the limit, in pieces. What is then left of the
amount is planned again on new books, as `router.runtime.rounds` does. Fees are what the rule says of the
fills, not what was reserved for them.
"""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.core.allocate import allocate
from router.core.bound import STRIDE, bound
from router.core.model import PlannedOrder, Terms
from tests.core.curves import FlatFee, HumpedFee, LeastFee, QuadraticFee, ShareFee, terms
from tests.core.markets import Shop, buy, means, merged
from venues.base.contract import FeeCurve, Traits
from venues.base.listing import Grid
from venues.base.orders import Side
from venues.base.units import ONE, Cash, Price, Size, affordable, cost, floor_to, up

CASES = int(os.environ.get("SPENDING_CASES", "400"))
CENT = LOT = 10_000
ROUNDS_MAX = 4
PIECES_MAX = 4

Fills = list[tuple[Price, Size]]

in_shares: st.SearchStrategy[FeeCurve] = st.one_of(
    st.builds(QuadraticFee, rate=st.sampled_from([20_000, 70_000]), charge=st.sampled_from([0, 100])),
    st.builds(ShareFee, bps=st.sampled_from([100, 300]), lesser=st.booleans()),
    st.builds(LeastFee, bps=st.sampled_from([0, 200]), least=st.sampled_from([0, 250_000])),
)
in_cash: st.SearchStrategy[FeeCurve] = st.one_of(
    st.builds(FlatFee, bps=st.sampled_from([0, 100, 500])),
    st.builds(HumpedFee, rate=st.sampled_from([70_000, ONE])),
    st.builds(LeastFee, bps=st.sampled_from([0, 200]), least=st.sampled_from([0, 250_000])),
)


@st.composite
def listed(draw: st.DrawFn, index: int) -> Terms:
    """A venue that takes shares or cash, on a coarse or a fine grid."""
    named_in_cash = draw(st.booleans())
    return terms(
        f"venue{index}",
        curve=draw(in_cash if named_in_cash else in_shares),
        traits=Traits(buys_in_cash=named_in_cash, cash_lot=CENT if named_in_cash else 1),
        grid=Grid.uniform(draw(st.sampled_from([CENT, CENT, 1_000]))),
        lot=LOT,
        minimum_cash=draw(st.sampled_from([0, 0, ONE])),
    )


@st.composite
def books(draw: st.DrawFn, known: list[Terms]) -> list[Shop]:
    """A few levels each, near each other or far apart."""
    shops = []
    for one in known:
        tick = one.listing.grid.bands[0].step
        prices = draw(st.lists(st.integers(1, ONE // tick - 1), min_size=1, max_size=5, unique=True))
        sizes = [draw(st.integers(1, 20_000)) * LOT for _ in prices]
        shops.append(
            Shop(one, [(price * tick, size) for price, size in zip(sorted(prices), sizes, strict=True)])
        )
    return shops


@st.composite
def filled(draw: st.DrawFn, order: PlannedOrder, named_in_cash: bool) -> Fills:
    """The worst the venue may do with it: all of what the order names or less, at any prices it allows.

    A buy that names cash may be filled up to a cent better than its best level: docs/money.md.
    """
    tick = order.listing.grid.bands[0].step
    lowest = max(tick, order.parts[0][0] - STRIDE if named_in_cash else tick)
    left: int = order.cash if named_in_cash else order.size
    fills = Fills()
    for _ in range(draw(st.integers(1, PIECES_MAX))):
        price = Price(draw(st.integers(up(lowest, tick), order.limit // tick)) * tick)
        part = left if draw(st.booleans()) else draw(st.integers(0, left))
        size = affordable(price, Cash(part)) if named_in_cash else Size(floor_to(part, LOT))
        left -= int(cost(price, size)) if named_in_cash else size
        if size:
            fills.append((price, size))
    return fills


def charged(curve: FeeCurve, fills: Fills) -> int:
    """By the rule over the whole order: the curves of `tests.core.curves` that round fill by fill do not."""
    if not fills:
        return 0
    if isinstance(curve, FlatFee | LeastFee):
        least = curve.least if isinstance(curve, LeastFee) else 0
        exact = sum(price * size * curve.bps for price, size in fills)
        return max(least, up(exact, 10_000 * ONE)) + curve.charge
    return curve.charged(Side.BUY, fills).cash


@pytest.mark.slow
@settings(max_examples=CASES, deadline=None)
@given(st.data())
def test_no_rounds_of_a_buy_cost_more_than_its_amount(data: st.DataObject) -> None:
    known = [data.draw(listed(index)) for index in range(data.draw(st.integers(1, 3)))]
    terms_of = {one.listing.key: one for one in known}
    amount = left = data.draw(st.integers(1, 5_000)) * CENT + data.draw(st.sampled_from([0, 1, 9_999]))
    for _ in range(ROUNDS_MAX):
        if left <= 0:
            break
        shops = data.draw(books(known))
        plan = allocate(merged(Side.BUY, shops), buy(left), means(shops))
        for order in bound(plan.orders, terms_of).orders:
            mine = terms_of[order.listing.key]
            fills = data.draw(filled(order, mine.traits.buys_in_cash))
            left -= up(sum(price * size for price, size in fills), ONE) + charged(mine.curve, fills)
        assert left >= 0, f"{amount - left} of {amount}"
