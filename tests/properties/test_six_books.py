"""$10,000 over a book of fifty levels on every venue there is: as an integer program would, and never more.

Listings, grids, lots, minimums and fees are the venues' own, of every kind of market their tests name. The
program does not round cost and fees, so it may gain a little more.
"""

import os
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.core.allocate import allocate
from router.core.bound import bound
from router.core.model import PlannedOrder, Terms
from tests.core.listed import kinds, listed
from tests.core.markets import Shop, buy, gained, means, merged
from venues import discover
from venues.base.orders import Side
from venues.base.units import ONE, Price, Size, cost

CASES = int(os.environ.get("SIX_BOOKS_CASES", "20"))
AMOUNT = 10_000 * ONE
LEVELS = 50
LOWEST, HIGHEST = 300_000, 600_000
"""Where best prices lie: near each other, so that most venues take part."""
ROUNDING = 3 * LEVELS
"""Millionths of a share by venue: the cost, the fee and the shares kept of each level are rounded."""

NEGLIGIBLE = 10_000
"""Millionths of a share: a hundredth of one, of some twenty thousand."""
GAP = 1e-8
"""Of the program: a fraction of a thousandth of a share."""


def book(terms: Terms, luck: random.Random) -> Shop:
    """Fifty levels from a price near the others' on, or as many as this grid has, with gaps."""
    listing, size_max = terms.listing, luck.choice((50, 500, 5_000))
    every = [Price(p) for p in range(100, ONE, 100) if listing.valid_price(Price(p))]
    first = luck.randrange(LOWEST, HIGHEST)
    prices = [price for price in every if price >= first and luck.random() < 0.7][:LEVELS]
    lots = [luck.randrange(ONE, size_max * ONE) // listing.lot for _ in prices]
    return Shop(terms, [(price, count * listing.lot) for price, count in zip(prices, lots, strict=True)])


@st.composite
def markets(draw: st.DrawFn) -> list[Shop]:
    """One listing of every venue, mostly of its standard kind, with a book."""
    luck = random.Random(draw(st.integers(0, 2**32)))
    shops = []
    for venue in sorted(discover()):
        known = kinds(venue)
        kind = luck.choice(("standard", luck.choice(sorted(known))))
        shops.append(book(luck.choice(listed(venue, kind)), luck))
    return [shop for shop in shops if shop.terms.listing.tradable and shop.levels]


def program(shops: list[Shop]) -> float:
    """The most shares that arrive for the amount, in millionths.

    Variables: the size of every level, then for every venue whether it is used, its fee, and its whole lots.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415  takes long to import

    levels = [(at, price, size) for at, shop in enumerate(shops) for price, size in shop.levels]
    curves = [shop.terms.curve for shop in shops]
    n, m = len(levels), len(shops)
    mine = np.array([[float(at == v) for at, _, _ in levels] for v in range(m)])
    price = np.array([p / ONE for _, p, _ in levels])
    rate = np.array([curves[at].reserve(Side.BUY, Price(p), Size(s)) / s for at, p, s in levels])
    kept = np.array([curves[at].kept(Side.BUY, Price(p), Size(s)) / s for at, p, s in levels])
    sizes = np.array([s / ONE for _, _, s in levels])
    fixed = np.array([curve.fixed(Side.BUY) / ONE for curve in curves])
    least = np.array([curve.minimum(Side.BUY) / ONE for curve in curves])
    smallest = np.array([shop.terms.listing.minimum_size / ONE for shop in shops])
    cheapest = np.array([shop.terms.listing.minimum_cash / ONE for shop in shops])
    in_cash = np.array([float(shop.terms.traits.buys_in_cash) for shop in shops])
    lots = np.array([_step(shop.terms) / ONE for shop in shops])
    one, none = np.eye(m), np.zeros((m, m))
    named = mine * (np.outer(in_cash, price) + np.outer(1 - in_cash, np.ones(n)))
    rows = [
        (
            np.block([price[None, :], fixed[None, :], np.ones((1, m)), np.zeros((1, m))]),
            -np.inf,
            AMOUNT / ONE,
        ),
        (np.block([mine, -np.diag(mine @ sizes), none, none]), -np.inf, 0),
        (np.block([mine, -np.diag(smallest), none, none]), 0, np.inf),
        (np.block([mine * price, -np.diag(cheapest), none, none]), 0, np.inf),
        (np.block([mine * rate, none, -one, none]), -np.inf, 0),
        (np.block([np.zeros((m, n)), np.diag(least), -one, none]), -np.inf, 0),
        (np.block([named, none, none, -np.diag(lots)]), 0, 0),
    ]
    result: Any = milp(
        np.concatenate([kept - 1, np.zeros(3 * m)]),
        constraints=[LinearConstraint(matrix, low, high) for matrix, low, high in rows],
        integrality=np.concatenate([np.zeros(n), np.ones(m), np.zeros(m), np.ones(m)]),
        bounds=Bounds(0, np.concatenate([sizes, np.ones(m), np.full(2 * m, np.inf)])),
        options={"mip_rel_gap": GAP},
    )
    assert result.success, result.message
    return -float(result.fun) * ONE


def _step(terms: Terms) -> int:
    return terms.traits.cash_lot if terms.traits.buys_in_cash else terms.listing.lot


def obeys(order: PlannedOrder, terms: Terms) -> None:
    """Tick, lot and minimums of its venue."""
    listing, traits = terms.listing, terms.traits
    assert all(listing.valid_price(price) for price, _ in order.parts)
    assert order.limit == max(price for price, _ in order.parts)
    assert order.size == sum(size for _, size in order.parts)
    if traits.buys_in_cash:
        assert order.cash % traits.cash_lot == 0
        assert sum(cost(*part) for part in order.parts) <= order.cash + len(order.parts)
    else:
        assert order.size % listing.lot == 0
    assert order.size >= listing.minimum_size
    assert order.cash >= listing.minimum_cash


@pytest.mark.slow
@settings(max_examples=CASES, deadline=None)
@given(markets())
def test_ten_thousand_dollars_are_split_as_an_integer_program_would(shops: list[Shop]) -> None:
    plan = allocate(merged(Side.BUY, shops), buy(AMOUNT), means(shops))
    terms = {shop.terms.listing.key: shop.terms for shop in shops}
    sent = bound(plan.orders, terms).orders
    for order in (*plan.orders, *sent):
        obeys(order, terms[order.listing.key])
    for order in sent:
        curve = terms[order.listing.key].curve
        assert order.fee_reserve >= curve.charged(Side.BUY, order.parts).cash, "filled as planned"
    assert sum(order.cash + order.fee_reserve for order in plan.orders) == AMOUNT - plan.unfilled <= AMOUNT
    gain, best = sum(gained(shops, order) for order in plan.orders), program(shops)
    assert gain <= best * (1 + 1e-9) + ROUNDING * len(shops)
    assert gain > best * (1 - 1e-9) - NEGLIGIBLE - ROUNDING * len(shops)
