"""Merged sides made from plain numbers, and orders on them by the slow, obvious arithmetic."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from registry.model import OutcomeId
from router.core.merge import Merged, Offer
from router.core.model import MarketOrder, Means, PlannedOrder, Terms
from venues.base.listing import ListingKey
from venues.base.orders import Side
from venues.base.units import ONE, Cash, Price, Size, cost, down, proceeds, up

OUTCOME = OutcomeId("px-k3v7q2mzt5wd")
Levels = Sequence[tuple[int, int]]
PLENTY = 10**15


class Shop(NamedTuple):
    """One listing and the levels it offers, best price first."""

    terms: Terms
    levels: Levels


def merged(side: Side, shops: Sequence[Shop]) -> Merged:
    """What a `MergedSide` over these levels would read, by the formula."""
    offers: list[Offer] = []
    tops: list[Offer | None] = []
    for index, (terms, levels) in enumerate(shops):
        mine: list[Offer] = []
        for at, shares in levels:
            price, size = Price(at), Size(shares)
            rank = terms.curve.rank(side, price)
            fee = terms.curve.reserve(side, price, size)
            if side is Side.BUY:
                net = Size(size - terms.curve.kept(side, price, size))
                if net > 0:
                    mine.append((rank, index, price, size, Cash(cost(price, size) + fee), net))
            elif proceeds(price, size) > fee and rank > 0:
                mine.append((-rank, index, price, size, Cash(proceeds(price, size) - fee), size))
        offers += mine
        tops.append(mine[0] if mine else None)
    return Merged(side, tuple(shop.terms for shop in shops), sorted(offers), tuple(tops), {})


def buy(amount: int, **limits: object) -> MarketOrder:
    plain = MarketOrder(outcome=OUTCOME, side=Side.BUY, amount=Cash(amount))
    return _with(plain, limits)


def sell(size: int, **limits: object) -> MarketOrder:
    plain = MarketOrder(outcome=OUTCOME, side=Side.SELL, size=Size(size))
    return _with(plain, limits)


def _with(plain: MarketOrder, limits: dict[str, object]) -> MarketOrder:
    return msgspec.structs.replace(plain, **limits)


def means(
    shops: Sequence[Shop],
    funds: dict[tuple[str, str], int] | None = None,
    held: dict[ListingKey, int] | None = None,
) -> Means:
    """Plenty of everything, unless said otherwise."""
    listings = [shop.terms.listing for shop in shops]
    all_funds = {(one.venue, one.pool): Cash(PLENTY) for one in listings}
    all_held = {one.key: Size(PLENTY) for one in listings}
    return Means(
        funds=all_funds | {name: Cash(cash) for name, cash in (funds or {}).items()},
        holdings=all_held | {key: Size(size) for key, size in (held or {}).items()},
    )


class Slow(NamedTuple):
    """One order, reckoned part by part."""

    use: int
    gain: int
    size: int
    cash: int


def slow_order(shop: Shop, side: Side, count: int) -> Slow | None:
    """An order of `count` steps; None when the levels do not reach or the venue's minimum is not met."""
    listing, curve, traits = shop.terms.listing, shop.terms.curve, shop.terms.traits
    in_cash = side is Side.BUY and traits.buys_in_cash
    want = count * traits.cash_lot * ONE if in_cash else count * listing.lot
    size = paid = fee = exact = kept = 0
    for price, offered in shop.levels:
        part = min(offered, down(want - exact, price) if in_cash else want - size)
        if part <= 0:
            break
        size, exact = size + part, exact + part * price
        each = cost if side is Side.BUY else proceeds
        paid += each(Price(price), Size(part))
        fee += curve.reserve(side, Price(price), Size(part))
        kept += curve.kept(side, Price(price), Size(part))
    if in_cash:
        deepest = sum(price * offered for price, offered in shop.levels)
        if deepest < want:
            return None
        paid = count * traits.cash_lot
    elif size < want:
        return None
    cash = paid if in_cash else (up if side is Side.BUY else down)(exact, ONE)
    least = listing.minimum_cash if side is Side.BUY else listing.minimum_sale_cash
    if size < listing.minimum_size or (cash if in_cash else down(exact, ONE)) < least:
        return None
    fee = max(fee, curve.minimum(side)) + curve.fixed(side)
    return (
        Slow(paid + fee, size - kept, size, cash) if side is Side.BUY else Slow(size, paid - fee, size, cash)
    )


def gained(shops: Sequence[Shop], order: PlannedOrder) -> int:
    """Shares that arrive at least, or cash."""
    if order.side is Side.SELL:
        return order.cash - order.fee_reserve
    [curve] = [shop.terms.curve for shop in shops if shop.terms.listing.key == order.listing.key]
    return order.size - sum(curve.kept(order.side, *part) for part in order.parts)
