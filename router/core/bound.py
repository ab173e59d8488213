"""From a plan to orders that cannot cost more than was planned, whatever the books do meanwhile.

A buy that names shares fills at any price up to its limit: if its cheap levels are gone when it arrives,
all of it may trade at the worst one. So it is cut to the shares whose cost at the limit fits what was
planned for it. A buy that names cash may spend all of it at one price, from its best level to its limit. So
it is cut to the cash that fits with the fee at the price where a dollar pays most. The venue's least fee
counts in both.
What is held back is planned anew, on fresh books, once the order is done. A sale is bounded by itself.
"""

from collections.abc import Mapping, Sequence

import msgspec

from router.core.model import PlannedOrder, Terms
from venues.base.listing import ListingKey
from venues.base.orders import Side
from venues.base.units import Cash, Price, Size, affordable, cost, floor_to

STRIDE = 10_000
"""Prices that are asked for their fee are at most a cent apart: a reserve covers fills that much better."""


class Bounded(msgspec.Struct, frozen=True):
    """What to send, and whether a part of the plan was held back."""

    orders: tuple[PlannedOrder, ...]
    held_back: bool


def bound(orders: Sequence[PlannedOrder], terms: Mapping[ListingKey, Terms]) -> Bounded:
    """The orders of a plan, each cut to what it can cost at worst."""
    cut = [_cut(order, terms[order.listing.key]) for order in orders]
    kept = tuple([order for order in cut if order is not None])
    size = sum([order.size for order in orders])
    return Bounded(kept, held_back=sum([order.size for order in kept]) < size)


def _cut(order: PlannedOrder, terms: Terms) -> PlannedOrder | None:
    if order.side is Side.SELL or len(order.parts) == 1:
        return order
    return _cut_cash(order, terms) if terms.traits.buys_in_cash else _cut_shares(order, terms)


def _cut_cash(order: PlannedOrder, terms: Terms) -> PlannedOrder | None:
    between = map(Price, range(order.parts[0][0], order.limit, STRIDE))
    prices = dict.fromkeys([price for price, _ in order.parts] + list(between))
    fees = [terms.curve.reserve(order.side, price, affordable(price, order.cash)) for price in prices]
    dearest_fee = Cash(max(*fees, terms.curve.minimum(order.side)) + terms.curve.fixed(order.side))
    budget = order.cash + order.fee_reserve
    cash = Cash(floor_to(min(order.cash, budget - dearest_fee), terms.traits.cash_lot))
    parts = _bought(order.parts, cash)
    size = Size(sum(size for _, size in parts))
    if cash < max(terms.listing.minimum_cash, 1) or size < max(terms.listing.minimum_size, 1):
        return None
    return msgspec.structs.replace(
        order, limit=parts[-1][0], size=size, cash=cash, fee_reserve=dearest_fee, parts=tuple(parts)
    )


def _cut_shares(order: PlannedOrder, terms: Terms) -> PlannedOrder | None:
    lot, curve = Size(terms.listing.lot), terms.curve
    least, fixed = curve.minimum(order.side), curve.fixed(order.side)
    budget = order.cash + order.fee_reserve
    best, depth, dearest = _Cut(Price(0), Size(0), 0), 0, 0
    for price, size in order.parts:
        depth += size
        raw = cost(price, lot)
        dearest = max(dearest, raw + curve.reserve(order.side, price, lot))
        lots = min(depth // lot, (budget - fixed) // dearest, (budget - fixed - least) // raw)
        if lots * lot > best.size:
            best = _Cut(price, Size(lots * lot), max(lots * dearest, lots * raw + least) + fixed)
    small = best.size < max(terms.listing.minimum_size, 1)
    if small or cost(order.parts[0][0], best.size) < terms.listing.minimum_cash:
        return None
    parts = tuple(_first(order.parts, best.size))
    assert best.worst <= budget, "a cut order costs no more than was planned"
    cash = Cash(sum(cost(price, size) for price, size in parts))
    return msgspec.structs.replace(
        order, limit=best.limit, size=best.size, cash=cash, fee_reserve=Cash(best.worst - cash), parts=parts
    )


class _Cut(msgspec.Struct, frozen=True):
    limit: Price
    size: Size
    worst: int


def _bought(parts: Sequence[tuple[Price, Size]], cash: Cash) -> list[tuple[Price, Size]]:
    """What this much cash buys of the levels, best first."""
    taken: list[tuple[Price, Size]] = []
    for price, offered in parts:
        size = min(offered, affordable(price, cash))
        if size > 0:
            taken.append((price, size))
            cash = Cash(cash - cost(price, size))
    return taken


def _first(parts: Sequence[tuple[Price, Size]], size: int) -> list[tuple[Price, Size]]:
    """The best levels that hold `size`."""
    taken: list[tuple[Price, Size]] = []
    for price, offered in parts:
        if size > 0:
            taken.append((price, Size(min(offered, size))))
            size -= offered
    return taken
