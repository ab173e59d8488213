"""What must be true of every order whatever happens, judged from values alone.

Each function looks at one promise and says in a few words what breaks it, or None. It shares no code with
what keeps the promise: a bug there must not hide itself here. Words name ids and figures, never a secret.
"""

from collections.abc import Collection, Iterable
from enum import Enum

from router.core.model import MarketOrder
from router.core.records import Answered, Extended, Finished, Planned, Record
from venues.base.orders import Answer, Filled, Order, OrderId, Pending, Rejected, Side, Unknown, Working
from venues.base.units import plain


class Invariant(Enum):
    """Promises. One found broken closes the account's gate until an operator has looked."""

    OVERFILLED = "overfilled"
    """A venue says that an order traded more than was ordered."""
    OVER_REQUEST = "over_request"
    """The orders of a route together may take more than its caller asked for."""
    UNRECORDED_SEND = "unrecorded_send"
    """An order was to leave whose intent is not on the disk."""
    SENT_TWICE = "sent_twice"
    """An order was to leave a second time, or after a restart."""
    BACKWARDS = "backwards"
    """What was known of an order was taken back."""
    FILL_TWICE = "fill_twice"
    """One order at a venue is counted for two of ours."""
    MISHELD = "misheld"
    """What is held back is not what open and unknown orders may take."""
    STALE_BOOK = "stale_book"
    """An order was planned on a book that is not live or was silent for longer than its limit."""
    OUT_OF_ORDER = "out_of_order"
    """Records of a route were about to be written in another order than its life's."""


class Alarm(Enum):
    """Bugs and surprises that break no promise: what follows is as careful as after a crash."""

    OVER_BUDGET = "over_budget"
    """A buy cost more than was set aside for it, by its fee: the venue filled far better than the book."""
    LATE_FILL = "late_fill"
    """An order traded more than the venue's last word on it had said."""
    INTERNAL_ERROR = "internal_error"
    """Our own code failed in the middle of a route."""
    ORPHANED_ROUTE = "orphaned_route"
    """A route without a last word belongs to an account that the settings no longer have."""
    FEED_CRASHED = "feed_crashed"
    """Our own code failed on a market-data frame."""
    STREAM_CRASHED = "stream_crashed"
    """Our own code failed on a frame of an account's own stream."""
    RESTING_AFTER_END = "resting_after_end"
    """An order rests at its venue though it had its last word."""
    TRAIL_BROKEN = "trail_broken"
    """The trail is not what was written; all trading is halted."""
    CHANGES_CRASHED = "changes_crashed"
    """Our own code failed while changed keys were read; it is tried again."""
    TASK_CRASHED = "task_crashed"
    """Our own code failed in work that goes on beside the orders; it has begun again."""


_FINAL, _WITH_FEE, _SILENT = (Filled, Rejected), (Filled, Working), (Rejected, Unknown)
"""Tuples: a union costs more to ask about than all else here."""
_AFTER_INTENT = (Answered, Extended, Finished)
_RANK = {Unknown: 0, Pending: 1, Working: 1, Filled: 2, Rejected: 2}


def overfilled(order: Order, answer: Answer, *, buys_in_cash: bool) -> str | None:
    """Filled at most ordered: a sale its shares, a buy its money; better prices may bring it more shares.

    `buys_in_cash`: see `Traits`. Other buys may also need their reserve: for prices up to the limit, or for
    the shares that the venue then keeps as its fee.
    """
    if isinstance(answer, _SILENT):
        return None
    if order.side is Side.SELL:
        more = answer.size > order.size
        return f"{plain(answer.size)} shares traded of {plain(order.size)}" if more else None
    most = order.cash if buys_in_cash else order.cash + order.reserve
    return f"{plain(answer.cash)} spent of {plain(most)}" if answer.cash > most else None


def over_budget(order: Order, answer: Answer) -> str | None:
    """With its fee, a buy costs at most what is held for it."""
    if order.side is Side.SELL or not isinstance(answer, _WITH_FEE):
        return None
    paid, held = answer.cash + answer.fee.cash, order.cash + order.reserve
    return f"{plain(paid)} paid of {plain(held)}" if paid > held else None


def over_request(asked: MarketOrder, known: Iterable[Answer], orders: Iterable[Order]) -> str | None:
    """What traded and what is about to leave is at most what was asked for, fees and reserves counted."""
    done = [answer for answer in known if isinstance(answer, Filled)]
    if asked.side is Side.SELL:
        size = sum([answer.size for answer in done]) + sum([order.size for order in orders])
        return f"{plain(size)} shares of {plain(asked.size)}" if size > asked.size else None
    cash = sum([order.cash + order.reserve for order in orders])
    if not cash:
        return None
    cash += sum([answer.cash + answer.fee.cash for answer in done])
    return f"{plain(cash)} of {plain(asked.amount)}" if cash > asked.amount else None


def backwards(before: Answer | None, after: Answer) -> str | None:
    """An order goes from unknown over open to its last word; what has traded never shrinks.

    A last word is replaced only by a fill of more: one that was found late.
    """
    if before is None or after == before:
        return None
    was, now = type(before).__name__, type(after).__name__
    if isinstance(before, _FINAL):
        told = before.size if isinstance(before, Filled) else 0
        return None if isinstance(after, Filled) and after.size > told else f"{was} became {now}"
    if _RANK[type(after)] < _RANK[type(before)]:
        return f"{was} became {now}"
    if isinstance(before, Unknown) or isinstance(after, Unknown):
        return None
    if isinstance(after, Rejected):
        return f"{was} with trades became {now}" if before.size and not after.undone else None
    less = isinstance(after, Working | Pending) and after.size < before.size
    return f"{plain(before.size)} traded shares became {plain(after.size)}" if less else None


def misheld(order_id: OrderId, answer: Answer | None, *, held: bool) -> str | None:
    """An order is held exactly as long as it has no last word."""
    if isinstance(answer, _FINAL):
        return f"{order_id} has its last word and is held" if held else None
    return None if held else f"{order_id} has no last word and is not held"


def stale(heard_ms: int | None, now_ms: int, limit_ms: int) -> str | None:
    """A book is live, and heard of within its limit. `heard_ms` is None where it is not live."""
    if heard_ms is None:
        return "the book is not live"
    age_ms = now_ms - heard_ms
    return f"nothing heard for {age_ms} ms of at most {limit_ms}" if age_ms > limit_ms else None


def out_of_order(record: Record, recorded: Collection[OrderId], *, ended: bool) -> str | None:
    """A route's records: its intent once and first, answers to orders that are recorded, its end last."""
    if isinstance(record, Planned):
        return "a second intent" if recorded else None
    if isinstance(record, _AFTER_INTENT):
        if ended:
            return f"{type(record).__name__} after the end"
        if not recorded:
            return f"{type(record).__name__} before the intent"
        if isinstance(record, Answered) and record.answer.order_id not in recorded:
            return f"an answer to {record.answer.order_id}, which is not recorded"
    return None
