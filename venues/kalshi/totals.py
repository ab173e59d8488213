"""Exact totals out of an order's rounded averages, or nothing at all (card §4, §7).

The reply to an order gives price and fee per contract, rounded to millionths by a rule that is not
published. What was really paid lies within one millionth per contract of average times count, is a whole
number of grid steps, and moves the account's cash by whole units of its precision. Where these leave one
value, it is the true one; where they leave several, the fills must be read.
"""

from math import gcd

import msgspec

from venues.base.events import BookSide
from venues.base.listing import Grid
from venues.base.orders import Order, Side
from venues.base.units import ONE, Cash, Price, Size, ceil_to, complement, down, up
from venues.kalshi.fees import DIRECT, LOT


class Totals(msgspec.Struct, frozen=True):
    """What an order's fills amount to, in the terms of its own outcome."""

    size: Size
    cash: Cash
    fee: Cash


def book_side(order: Order) -> BookSide:
    """Where the order goes in the one YES book: buying NO is selling YES."""
    buys_yes = (order.side is Side.BUY) != order.listing.inverted
    return BookSide.BID if buys_yes else BookSide.ASK


def from_averages(order: Order, size: Size, *, price: int, fee: int) -> Totals | None:
    """The totals behind an average YES-leg price and an average fee, if nothing else fits."""
    if not _must_be_yes_leg(order, price):
        return None
    yes_cash = _only(price, size, step=_cash_step(order.listing.grid), rest=0)
    if yes_cash is None:
        return None
    cash = size - yes_cash if order.listing.inverted else yes_cash
    change = -cash if order.side is Side.BUY else cash
    paid = _only(fee, size, step=DIRECT, rest=change % DIRECT)
    return None if paid is None or paid < 0 else Totals(size, Cash(cash), Cash(paid))


def _must_be_yes_leg(order: Order, price: int) -> bool:
    """UNCONFIRMED for asks: the average is the YES price. Believed only where it cannot be the NO price."""
    limit = order.listing.book_price(order.limit)
    if book_side(order) is BookSide.BID:
        return price <= limit + 1
    return price >= limit - 1 and complement(Price(price)) < limit - 1


def _cash_step(grid: Grid) -> int:
    """What a lot's notional is always a multiple of."""
    step = gcd(*(number for band in grid.bands for number in (band.start, band.step)))
    return max(1, down(step * LOT, ONE))


def _only(average: int, size: Size, *, step: int, rest: int) -> int | None:
    """The one number that is `rest` above a multiple of `step` and rounds to this average; else None."""
    low = up((average - 1) * size, ONE)
    high = down((average + 1) * size, ONE)
    first = ceil_to(low - rest, step) + rest
    return first if first <= high < first + step else None
