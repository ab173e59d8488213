"""Finding an order whose id never arrived, among the account's orders (card 11).

There is no client order id and no look-up by salt. But the amounts of each of our orders are its own, down to
the last base unit (`amounts.limit_amounts`): side, outcome and amounts together name it.
"""

import msgspec

from venues.base.http import Talk, Unavailable
from venues.base.orders import Order, Side
from venues.opinion import wire
from venues.opinion.amounts import WEI, base_units, limit_amounts
from venues.opinion.reads import fetch_all
from venues.opinion.signer import LIMIT
from venues.opinion.trades import DUST

EARLY_S = 5
"""Our clock may be ahead of the venue's by this much (card 11)."""
LATE_S = 300
"""An order that the venue made later than this after ours cannot be ours: the wait for a reply is seconds."""
DIGITS_LOST_MAX = 12
"""Digits behind the millionths, which alone tell orders of one size apart."""
FLOAT_BITS = 46
"""What went through binary fractions is right to this many bits at least."""
STATES = ("1", "2,3,4,5")
"""Open ones first: an order that ends between the two readings is in the second."""

_orders = msgspec.json.Decoder(wire.OrderList)


def find(order: Order) -> Talk[wire.Order | Unavailable | None]:
    """The order as the venue lists it; None only when every order since was read and none is ours."""
    first_s = order.created_ms // 1000 - EARLY_S

    def enough(rows: list[wire.Order]) -> bool:
        """Ours is there, or the list runs from new to old and has passed our time."""
        times = [row.created_at for row in rows]
        passed = times == sorted(times, reverse=True) and 0 < times[-1] < first_s
        return passed or any(_is_ours(row, order, first_s) for row in rows)

    for states in STATES:
        query = (("marketId", order.listing.native), ("status", states))
        rows = yield from fetch_all(_orders, "/order", query, rows=lambda page: page.rows, enough=enough)
        if isinstance(rows, Unavailable):
            return rows
        ours = {str(row.order_id): row for row in rows if _is_ours(row, order, first_s)}
        like = [str(row.order_id) for row in rows if _may_be_ours(row, order, first_s)]
        if len(ours) > 1 or (like and not ours):
            return Unavailable(f"orders {', '.join([*ours, *like])} are like ours")
        if ours:
            return next(iter(ours.values()))
    return None


def concerns(row: wire.Order, order: Order) -> bool:
    """Whether the row is about this order's market, outcome and side."""
    return (
        str(row.market_id) == order.listing.native
        and row.side == (wire.BUY if order.side is Side.BUY else wire.SELL)
        and row.outcome_side == (wire.NO if order.listing.inverted else wire.YES)
    )


def _is_ours(row: wire.Order, order: Order, first_s: int) -> bool:
    """Either amount is its own down to the last base unit; a list may state one of the two only."""
    stated = [pair for pair in _amounts(row, order) if pair[0] is not None]
    same = bool(stated) and all(said == own for said, own in stated)
    return same and _is_candidate(row, order, first_s) and concerns(row, order)


def _may_be_ours(row: wire.Order, order: Order, first_s: int) -> bool:
    """Whether this may be our order with amounts that are rounded, unreadable or not stated, or without some
    of its fields: then nothing proves its absence."""
    alike = all(said is None or _is_near(said, own) for said, own in _amounts(row, order))
    return alike and _is_candidate(row, order, first_s)


def _is_near(said: int, own: int) -> bool:
    """Whether `own` with fewer digits, or through binary fractions, may have become `said`."""
    digit = DUST if said % WEI == 0 else max(10**n for n in range(DIGITS_LOST_MAX) if said % 10**n == 0)
    return abs(said - own) < max(digit, own >> FLOAT_BITS)


def _is_candidate(row: wire.Order, order: Order, first_s: int) -> bool:
    """Nothing that is stated makes it another order's row."""
    side = wire.BUY if order.side is Side.BUY else wire.SELL
    outcome_side = wire.NO if order.listing.inverted else wire.YES
    return (
        row.trading_method in (0, LIMIT)
        and row.side in (0, side)
        and row.outcome_side in (0, outcome_side)
        and str(row.market_id) in ("0", order.listing.native)
        and (not row.created_at or first_s <= row.created_at <= first_s + LATE_S)
    )


def _amounts(row: wire.Order, order: Order) -> tuple[tuple[int | None, int], ...]:
    """Shares and money: as the list states them, and as signed."""
    maker, taker = limit_amounts(order)
    shares, cash = (taker, maker) if order.side is Side.BUY else (maker, taker)
    return (_stated(row.order_shares), shares), (_stated(row.order_amount), cash)


def _stated(text: str) -> int | None:
    """A number of the list in base units; None where it is unreadable, or the 0 of what is not stated."""
    try:
        return base_units(text) or None
    except ValueError:
        return None
