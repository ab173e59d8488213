"""What an order's matches amount to, and which of its states are the last (card 10)."""

from collections.abc import Iterable

import msgspec

from venues.base.orders import Order, Side
from venues.base.units import ONE, Cash, Size, down, up
from venues.opinion.amounts import WEI, base_units, limit_amounts

OPEN, FINISHED, CANCELED, EXPIRED, FAILED = range(1, 6)
"""Values of an order's `status`. OPEN also stands for matched and waiting for the chain."""
FINAL = frozenset({FINISHED, CANCELED, EXPIRED, FAILED})
_SETTLED = 2
_VOID = frozenset({3, 5, 6})
"""A match's `status`: 2 is on the chain; cancelled, failed and reverted ones never will be."""
DUST: int = 10_000 * WEI
"""An order counts as done where less than this is left: a hundredth of a share, or a cent."""
_NOTIONAL = ONE * WEI * WEI
"""Price times shares, both in base units, by the millionths of money they make."""


class Match(msgspec.Struct, frozen=True):
    """One match of an order. `fee` is decimal text in whole units."""

    trade_no: str
    status: int
    price: str
    shares: str
    fee: str


class Tally(msgspec.Struct, frozen=True):
    """The settled matches of one order, added up."""

    size: Size
    cash: Cash
    fee: Cash
    shares: int
    """The same size in base units, exact."""
    waiting: bool
    """Some match is neither settled nor void."""
    void: bool
    """Some match was void."""


def tally(matches: Iterable[Match], side: Side) -> Tally:
    """Add up what has settled; a match named twice counts once. ValueError where a number is none.

    Money is price times shares, fee apart: whether the venue's own amount has the fee in it is not known
    (card 10). For each match a buyer pays the fraction of a millionth and a seller does without.
    """
    rounded = up if side is Side.BUY else down
    cash = fee = shares = 0
    waiting = void = False
    for match in {match.trade_no: match for match in matches}.values():
        if match.status != _SETTLED:
            void, waiting = void or match.status in _VOID, waiting or match.status not in _VOID
            continue
        price, amount = base_units(match.price), base_units(match.shares)
        if not 0 < price < ONE * WEI:
            raise ValueError(f"not a price of a match: {match.price!r}")
        shares += amount
        cash += rounded(price * amount, _NOTIONAL)
        fee += base_units(match.fee)
    size = (down if side is Side.BUY else up)(shares, WEI)
    return Tally(Size(size), Cash(cash), Cash(up(fee, WEI)), shares, waiting, void)


def is_possible(order: Order, sums: Tally) -> bool:
    """Whether an order that signed these amounts can have traded this much: the contract takes no more."""
    maker, _ = limit_amounts(order)
    return sums.shares <= maker if order.side is Side.SELL else sums.cash * WEI < maker + DUST


def is_whole(order: Order, sums: Tally) -> bool:
    """Whether nothing worth trading is left of the order: its shares are done, or its money spent."""
    maker, taker = limit_amounts(order)
    if order.side is Side.SELL:
        return sums.shares + DUST > maker
    return sums.shares + DUST > taker or (sums.cash + sums.fee) * WEI + DUST > maker
