"""What the account's own stream proves about one order (card 5). It never says more than a look-up would.

Fills are counted from settlement events of the order as taker: each trade is `MATCHED`, then `MINED` or
`FAILED`, in any order and more than once. They are the order's last word only when they make up all of it:
how many trades an order has is not said.
"""

from collections.abc import Iterable, Sequence

import msgspec

from venues.base.orders import Answer, Filled, News, Order, Pending, Rejected, Unknown
from venues.base.units import Cash, Size
from venues.limitless import wire
from venues.limitless.answers import IMMEDIATE, Done, amounts, checked, fee_of


class _Trade(msgspec.Struct):
    """One trade of the order: which words were said about it, and the amounts of the most certain of them."""

    words: set[str]
    told: Sequence[int]
    """Shares, cash, fee in shares, fee in money."""

    @property
    def mined(self) -> bool:
        """It is on the chain, and nothing contradicts it."""
        return "MINED" in self.words and "FAILED" not in self.words

    @property
    def failed(self) -> bool:
        """It never will be."""
        return "FAILED" in self.words and "MINED" not in self.words


def heard(order: Order, answer: Answer | None, news: Sequence[News]) -> Answer | None:
    """The answer that all of this proves together; None where it adds nothing to `answer`."""
    if isinstance(answer, Filled | Rejected):
        return None
    mine, order_id = _own(order, answer, news)
    if not mine:
        return None
    try:
        trades, whole = _trades(mine)
        found = _proven(order, order_id, trades) if whole else None
        so_far = _sum(order, (trade for trade in trades if not trade.failed))
    except ValueError:
        return None
    if found is not None:
        return found
    if answer is None or isinstance(answer, Unknown) or so_far.size > answer.size:
        return Pending(order.order_id, order_id, so_far.size, so_far.cash, "heard of; not settled yet")
    return None


def _own(order: Order, answer: Answer | None, news: Sequence[News]) -> tuple[list[News], str]:
    """The news of this order, each event once, and the venue's id of it."""
    known = "" if answer is None or isinstance(answer, Unknown | Rejected) else answer.venue_order_id
    named = (item.venue_order_id for item in news if item.client_id == order.order_id)
    order_id = known or next(filter(None, named), "")
    mine: dict[tuple[str, str], News] = {}
    for item in news:
        ours = item.client_id == order.order_id or (not item.client_id and item.venue_order_id == order_id)
        if ours and order_id:
            mine.setdefault((item.told.get("event_id", ""), item.told.get("type", "")), item)
    return list(mine.values()), order_id


def _trades(mine: Sequence[News]) -> tuple[list[_Trade], bool]:
    """The order's trades as taker, and whether there are no others: of those as maker no amounts are told."""
    trades: dict[str, _Trade] = {}
    whole = True
    for item in mine:
        told = item.told
        if told.get("source") != "SETTLEMENT":
            continue
        if told.get("taker_order_id") != told.get("order_id"):
            whole = False
            continue
        numbers = [wire.units(told.get(name, "")) for name in wire.TRADED]
        trade = trades.setdefault(told.get("trade_event_id", ""), _Trade(set(), numbers))
        trade.words.add(told.get("type", ""))
        if told.get("type") == "MINED":
            trade.told = numbers
    return list(trades.values()), whole


def _sum(order: Order, trades: Iterable[_Trade]) -> Done:
    size, cash, kept, paid = (
        sum(column) for column in zip((0, 0, 0, 0), *(t.told for t in trades), strict=True)
    )
    return checked(order, Done(Size(size), Cash(cash), fee_of(kept, paid)))


def _proven(order: Order, order_id: str, trades: Sequence[_Trade]) -> Answer | None:
    """The last word: every share of the order is in a trade that is mined or failed.

    What failed of a resting order may trade again: that is left to the look-up.
    """
    ended = all(trade.mined or trade.failed for trade in trades)
    if not ended or (order.time_in_force not in IMMEDIATE and any(trade.failed for trade in trades)):
        return None
    if sum(trade.told[0] for trade in trades) != amounts(order)[0]:
        return None
    done = _sum(order, (trade for trade in trades if trade.mined))
    if not done.size:
        return Rejected(order.order_id, "settlement_failed", "every trade failed on the chain", undone=True)
    return Filled(order.order_id, order_id, done.size, done.cash, done.fee)
