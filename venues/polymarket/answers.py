"""What is known of an order, put together: its state, its trades, the time since it was made (card 5.6, 11).

A match is no fill yet: until its trades are mined the order is `Pending` with what was matched so far, and
its hold stays. The venue does not say how long that may take, so time alone never ends it.
"""

from venues.base.orders import Answer, Fee, Filled, Order, Pending, Rejected, Side, Unknown, Working
from venues.base.units import Size
from venues.polymarket.amounts import IMMEDIATE, given_and_wanted
from venues.polymarket.trades import COLLATERAL, DUST, Tally

FORGOTTEN_MS = 30_000
"""An order unknown to the venue this long after it was made was not executed (card 11)."""
HAIR = 10
"""Statements about the same trades differ by their last digits at most; more than this is a trade we lack."""
MATCHED = "matched"
"""Why an order is pending whose trades are all known and not all mined. Of an immediate order `size` is then
everything that it will ever have matched."""
CANCELLED = "cancelled; not yet seen by reads"
LIVE, UNMATCHED = "LIVE", "UNMATCHED"
_UNDECIDED = frozenset({"DELAYED", UNMATCHED})


def is_closing(status: str) -> bool:
    """Whether an order of this status trades no more. Reasons of a cancellation are free text."""
    return status in ("MATCHED", "INVALID") or status.startswith("CANCELED")


def matched_in_all(order: Order, answer: Answer | None) -> Size | None:
    """All that an immediate order has matched, where the venue has said so."""
    told = isinstance(answer, Pending) and answer.reason == MATCHED and order.time_in_force in IMMEDIATE
    return answer.size if told and isinstance(answer, Pending) and answer.size else None


def short(sums: Tally, told: int, late: bool = False) -> bool:
    """Whether trades of what the venue told are missing. Only later is dust taken for a rounding."""
    return sums.named + (DUST if late else HAIR) < told or (told > 0 and not sums.named)


def from_order(
    order: Order, order_hash: str, sums: Tally, *, status: str, matched: Size | None, late: bool
) -> Answer:
    """The venue still keeps the order: its own count of matched shares must be covered by trades.

    The count may be missing (card 5.6); then an order is closed only when its trades had time to show.
    """
    word = status.upper()
    given_up = word == UNMATCHED and late and order.time_in_force in IMMEDIATE and not sums.named
    if short(sums, matched or 0, late) or (word in _UNDECIDED and not given_up):
        return pending(order, order_hash, sums, status)
    if word == LIVE:
        return working(order, order_hash, sums)
    if (matched is None and not late) or (word == "MATCHED" and not sums.named):
        return pending(order, order_hash, sums, "its trades may not be shown yet")
    if is_closing(word) or given_up:
        return closed(order, order_hash, sums, status)
    return Unknown(order.order_id, f"order status {status!r}")


def from_trades(order: Order, order_hash: str, sums: Tally, *, total: Size | None, late: bool) -> Answer:
    """The venue keeps no such order: it is closed, or never came. Time and trades tell which."""
    whole = _whole(order, sums) or (total is not None and not short(sums, total))
    if late or (sums.named and whole):
        return closed(order, order_hash, sums, "not_executed")
    if sums.size:
        return pending(order, order_hash, sums, "more trades may follow")
    return Unknown(order.order_id, "the venue does not know the order yet")


def pending(order: Order, order_hash: str, sums: Tally, reason: str) -> Pending:
    """Not over yet; what was matched so far."""
    return Pending(order.order_id, order_hash, sums.size, sums.cash, reason)


def working(order: Order, order_hash: str, sums: Tally) -> Working | Pending:
    """An order that rests; pending while one of its trades is not mined."""
    if sums.waiting:
        return pending(order, order_hash, sums, "live, and a trade is not mined yet")
    return Working(order.order_id, order_hash, sums.size, sums.cash, Fee(sums.fee, COLLATERAL))


def closed(order: Order, order_hash: str, sums: Tally, word: str) -> Answer:
    """An order that trades no more: its last word, once every trade is mined or has failed.

    An immediate order that did nothing was refused; a resting one filled nothing.
    """
    if sums.waiting:
        return pending(order, order_hash, sums, MATCHED)
    if sums.named and not sums.size:
        why = "every trade of the order failed to settle"
        return Rejected(order.order_id, "settlement_failed", why, undone=True)
    if not sums.size and (order.time_in_force in IMMEDIATE or word == "not_executed"):
        return Rejected(order.order_id, word.split(" ", maxsplit=1)[0].lower(), word)
    return Filled(order.order_id, order_hash, sums.size, sums.cash, Fee(sums.fee, COLLATERAL))


def _whole(order: Order, sums: Tally) -> bool:
    """Nothing is left of the order."""
    given, wanted = given_and_wanted(order)
    if order.side is Side.SELL:
        return _agree(sums.size, given)
    if order.time_in_force in IMMEDIATE:
        return _agree(sums.cash, given)
    return _agree(sums.size, wanted)


def _agree(one: int, other: int) -> bool:
    return abs(one - other) <= DUST
