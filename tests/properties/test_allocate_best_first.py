"""On books as they are, one pass over the offers gains all but less than a lot.

The right answer is a linear program: levels in any fraction and any order, so never less than any plan gains.
"""

import os
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from router.core.allocate import Market, allocate
from router.core.best_first import BestFirst, Split, best_first
from router.core.merge import Merged
from router.core.model import MarketOrder, Means
from tests.core.curves import FlatFee, LeastFee, QuadraticFee, ShareFee, terms
from tests.core.markets import PLENTY, Shop, buy, means, merged, sell, slow_order
from venues.base.contract import FeeCurve, Traits
from venues.base.listing import Grid, ListingKey
from venues.base.orders import Side
from venues.base.units import ONE

CASES = int(os.environ.get("ALLOCATE_PASSES", "400"))
TICK = 1_000
ROUNDING = 2_000
"""Millionths by which rounded fees can make parts of levels cheaper."""

curves: st.SearchStrategy[FeeCurve] = st.one_of(
    st.builds(FlatFee, bps=st.sampled_from([0, 0, 50, 200]), charge=st.sampled_from([0, 0, 100])),
    st.builds(
        QuadraticFee,
        rate=st.sampled_from([20_000, 70_000]),
        unit=st.sampled_from([1, 1, 100]),
        charge=st.sampled_from([0, 100]),
    ),
    st.builds(ShareFee, bps=st.sampled_from([100, 300]), lesser=st.booleans()),
    st.builds(LeastFee, bps=st.sampled_from([100, 200]), least=st.sampled_from([0, 10_000, 250_000])),
)


@st.composite
def shop(draw: st.DrawFn, index: int, side: Side) -> Shop:
    """Up to twenty levels of fine lots from a price near the others' on."""
    in_cash = side is Side.BUY and draw(st.booleans())
    lot = draw(st.sampled_from([1_000, 10_000, 10_000]))
    steps = draw(st.lists(st.integers(1, 20), min_size=1, max_size=20))
    quantum = draw(st.sampled_from([lot, lot, 1_234]))
    price, levels = 400_000, []
    for step in steps:
        price += step * TICK if side is Side.BUY else -step * TICK
        if not 0 < price < ONE:
            break
        levels.append((price, draw(st.integers(1, 10**9 // quantum)) * quantum))
    listed = terms(
        f"venue{index}",
        curve=draw(curves),
        traits=Traits(buys_in_cash=in_cash, cash_lot=draw(st.sampled_from([1, 100, 10_000]))),
        grid=Grid.uniform(TICK),
        lot=lot,
    )
    return Shop(listed, levels)


@st.composite
def questions(draw: st.DrawFn) -> tuple[list[Shop], MarketOrder, Means]:
    """Between one and six venues; at some of them little to spend or sell."""
    side = draw(st.sampled_from(Side))
    shops = [draw(shop(index, side)) for index in range(draw(st.integers(1, 6)))]
    parts = [size if side is Side.SELL else price * size // ONE for s in shops for price, size in s.levels]
    total = max(ONE, sum(parts) * draw(st.integers(1, 120)) // 100 + draw(st.integers(0, 20_000)))
    short = [draw(st.integers(0, 5)) == 5 for _ in shops]
    if side is Side.BUY:
        names = [(s.terms.listing.venue, "") for s in shops]
        funds = {n: draw(st.integers(ONE, total)) for n, few in zip(names, short, strict=True) if few}
        return shops, buy(total), means(shops, funds=funds)
    keys: list[ListingKey] = [s.terms.listing.key for s in shops]
    held = {k: draw(st.integers(ONE, total)) for k, few in zip(keys, short, strict=True) if few}
    return shops, sell(total), means(shops, held=held)


def program(book: Merged, market: Market) -> float:
    """The most that levels in any fraction gain."""
    from scipy.optimize import linprog  # noqa: PLC0415  takes long to import

    offers = list(market.offers())
    buying = book.side is Side.BUY
    use = np.array([o[4] if buying else o[3] for o in offers], dtype=float)
    gain = np.array([o[5] if buying else o[4] for o in offers], dtype=float)
    rows, limits = [use], [float(market.total)]
    for pool, limit in enumerate(market.limits):
        if limit < market.total:
            rows.append(use * np.array([market.pools[o[1]] == pool for o in offers]))
            limits.append(float(limit))
    result: Any = linprog(-gain, A_ub=np.array(rows) / ONE, b_ub=np.array(limits) / ONE, bounds=(0, 1))
    assert result.success, result.message
    return float(-result.fun)


def gained(split: Split) -> int:
    return sum(each.gain for each in split.portions.values())


def lots(shops: list[Shop], side: Side) -> list[int]:
    """What a lot of each listing gains at its best price."""
    found = []
    for each in shops:
        listing, traits, price = each.terms.listing, each.terms.traits, each.levels[0][0]
        if side is Side.SELL:
            found.append(price * listing.lot // ONE)
        else:
            found.append(traits.cash_lot * ONE // price if traits.buys_in_cash else listing.lot)
    return found


def topped_up(shops: list[Shop], split: Split) -> int:
    """What least fees are charged beyond the reserves: the program knows nothing of them."""
    short = 0
    for index, each in split.portions.items():
        curve, order = shops[index].terms.curve, each.order()
        short += max(0, curve.minimum(order.side) - sum(curve.reserve(order.side, *p) for p in order.parts))
    return short


def allowance(shops: list[Shop], market: Market, split: Split) -> int:
    """A lot of the finest listing or a basis point; where more than the total runs out, a lot of each.

    Where all is taken that there are means for, a least fee has to be paid; else it is reason for a search.
    """
    fineness = lots(shops, market.asked.side)
    column = 4 if market.buying else 3
    reach = [0] * len(market.limits)
    for offer in market.offers():
        pool = market.pools[offer[1]]
        reach[pool] = min(market.limits[pool], reach[pool] + offer[column])
    runs_out = market.total < sum(reach)
    point = max(market.total, gained(split)) // 10_000
    proven = max(1_000, min(10_000, max(min(fineness), point)))
    if runs_out and min(market.limits) >= market.total:
        return proven + ROUNDING
    return max(proven, sum(fineness)) + ROUNDING + (0 if runs_out else topped_up(shops, split))


@pytest.mark.slow
@settings(max_examples=CASES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(questions())
def test_one_pass_is_enough_for_fine_lots(case: tuple[list[Shop], MarketOrder, Means]) -> None:
    shops, asked, have = case
    book = merged(asked.side, shops)
    market = Market(book, asked, have)
    assume(market.allowed)
    split = best_first(market.bounds(), market.offers)
    assume(split is not None)  # the health check sees to it that this is rare
    assert split is not None
    assert gained(split) >= program(book, market) * (1 - 1e-9) - allowance(shops, market, split)


def test_offers_that_cost_far_more_at_worst_than_their_rank_says_need_no_search() -> None:
    """Each lot's fee may be rounded up by a cent a share: what ranks second is worth more than the first."""
    rounded = terms("venue0", curve=QuadraticFee(rate=1_000, unit=100), lot=10_000)
    plain = terms("venue1", curve=FlatFee(bps=100), lot=10_000)
    levels = [(500_000, 30 * ONE), (501_000, 30 * ONE)]
    shops = [Shop(rounded, levels), Shop(plain, levels)]
    book = merged(Side.BUY, shops)
    assert [offer[1] for offer in book.offers[:2]] == [0, 0]
    market = Market(book, buy(20 * ONE), means(shops))
    split = best_first(market.bounds(), market.offers)
    assert split is not None
    assert set(split.portions) == {1}


def test_a_level_that_rounding_makes_dear_does_not_hide_the_cheap_one_behind_it() -> None:
    """A hundredth of a share with a cent of fee is worth least of all; what comes next is worth most."""
    uneven = terms("venue0", curve=FlatFee(bps=100, unit=10_000), lot=10_000)
    shops = [
        Shop(uneven, [(400_000, 10_000), (410_000, 100 * ONE)]),
        Shop(terms("venue1", lot=10_000), [(500_000 + 1_000 * step, ONE) for step in range(40)]),
    ]
    book = merged(Side.BUY, shops)
    for found in (allocate(book, buy(5 * ONE), means(shops), limited=limited) for limited in (True, False)):
        [order] = found.orders
        assert order.listing.venue == "venue0"
        assert order.parts[0] == (400_000, 10_000)


def test_by_worth_a_listing_is_still_taken_from_its_best_price_on() -> None:
    """A thousandth of a share with a millionth of fee comes last, and behind it the best that there is."""
    uneven = terms("venue0", curve=FlatFee(bps=1), lot=1_000, grid=Grid.uniform(10))
    plain = terms("venue1", lot=1_000, grid=Grid.uniform(10))
    cheap = [(500_000, 1_000), (500_100, 1_000 * ONE)]
    shops = [Shop(uneven, cheap), Shop(plain, [(500_160 + 20 * step, ONE) for step in range(40)])]
    book = merged(Side.BUY, shops)
    market = Market(book, buy(5 * ONE), means(shops))
    split = BestFirst(market.bounds(), by_worth=True).split(market.offers())
    assert split is None, "taken one by one the others come first, and the bound knows of something better"


@pytest.mark.slow
@settings(max_examples=CASES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(questions())
def test_every_order_costs_what_the_slow_arithmetic_says(
    case: tuple[list[Shop], MarketOrder, Means],
) -> None:
    shops, asked, have = case
    plan = allocate(merged(asked.side, shops), asked, have)
    for order in plan.orders:
        [one] = [s for s in shops if s.terms.listing.key == order.listing.key]
        in_cash = asked.side is Side.BUY and one.terms.traits.buys_in_cash
        count = order.cash // one.terms.traits.cash_lot if in_cash else order.size // order.listing.lot
        slow = slow_order(one, asked.side, count)
        assert slow is not None
        assert (order.size, order.cash) == (slow.size, slow.cash)
        fee = slow.use - slow.cash if asked.side is Side.BUY else slow.cash - slow.gain
        assert order.fee_reserve == fee
        room = have.funds[order.listing.venue, ""] if asked.side is Side.BUY else PLENTY
        assert order.cash + order.fee_reserve <= room or asked.side is Side.SELL
