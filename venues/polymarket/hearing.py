"""What the account's own stream proves about one order (card 5.6, 8): never more than a look-up would.

Messages come once per step of a trade, in any order, perhaps twice, and none says that it was the last. So
the last word needs what the venue calls the whole of the order: the count of a closed order, or the amounts
in its reply to an immediate one.
"""

from collections.abc import Iterable, Sequence

import msgspec

from venues.base.orders import Answer, Filled, News, Order, Pending, Rejected, Working
from venues.base.units import Size
from venues.kit.body import read
from venues.polymarket import answers, wire
from venues.polymarket.amounts import IMMEDIATE
from venues.polymarket.trades import DUST, FAILED, Tally, state_of, tally

_order = msgspec.json.Decoder(wire.OrderState)
_trade = msgspec.json.Decoder(wire.Trade)


def heard(order: Order, answer: Answer | None, news: Sequence[News]) -> Answer | None:
    """The answer that all of this proves together; None where it adds nothing to `answer`.

    ValueError where a message cannot be read or contradicts another.
    """
    if isinstance(answer, Filled | Rejected) or not news:
        return None
    order_hash = answer.venue_order_id if isinstance(answer, Pending | Working) else news[0].venue_order_id
    told = [item.told for item in news if item.venue_order_id == order_hash]
    states = [read(_order, each["order"]) for each in told if "order" in each]
    trades = [read(_trade, each["trade"]) for each in told if "trade" in each]
    sums = tally(latest(trades), order, order_hash)
    total, word = _in_all(order, answer, states)
    if total is not None and not sums.waiting and _covers(sums, total):
        return answers.closed(order, order_hash, sums, word)
    return _going_on(order, answer, order_hash, sums=sums, states=states)


def _covers(sums: Tally, total: Size) -> bool:
    """Whether the trades make up this much. A fill of dust needs a trade like any other."""
    return abs(sums.named - total) <= answers.HAIR and (sums.named > 0 or not total)


def latest(trades: Iterable[wire.Trade]) -> list[wire.Trade]:
    """Each trade once, in the state that everything said about it proves.

    Only CONFIRMED and FAILED are the venue's last words; MINED counts unless the trade had to be tried again.
    """
    steps: dict[str, tuple[wire.Trade, set[str]]] = {}
    for trade in trades:
        steps.setdefault(trade.id, (trade, set()))[1].add(state_of(trade))
    return [msgspec.structs.replace(trade, status=_state(words)) for trade, words in steps.values()]


def _state(words: set[str]) -> str:
    if "CONFIRMED" in words:
        return "CONTRADICTED" if FAILED in words else "CONFIRMED"
    if FAILED in words:
        return FAILED
    return "MINED" if "MINED" in words and "RETRYING" not in words else "MATCHED"


def _in_all(
    order: Order, answer: Answer | None, states: Sequence[wire.OrderState]
) -> tuple[Size | None, str]:
    """All that the order has matched, once that is certain; and the venue's word for its end."""
    total, word = answers.matched_in_all(order, answer), "matched"
    for state in states:
        status, matched = state.status or "", state.matched
        if answers.is_closing(status.upper()) and matched is not None:
            total, word = max(total or Size(0), matched), status
    return total, word


def _going_on(
    order: Order,
    answer: Answer | None,
    order_hash: str,
    *,
    sums: Tally,
    states: Sequence[wire.OrderState],
) -> Answer | None:
    """The matches so far, where they are more than was known, or that the order rests."""
    before = answer.size if isinstance(answer, Pending | Working) else Size(0)
    counts = [state.matched for state in states if (state.status or "").upper() == answers.LIVE]
    rests = order.time_in_force not in IMMEDIATE and len(counts) == len(states) > 0
    if rests and sums.named == max(count or 0 for count in counts) and sums.size >= before:
        found = answers.working(order, order_hash, sums)
        grown = sums.size > before or not isinstance(answer, Working | Pending)
        settled = (
            isinstance(found, Working) and isinstance(answer, Pending) and answer.reason != answers.CANCELLED
        )
        return found if grown or settled else None
    known = before + (DUST if answers.matched_in_all(order, answer) is not None else 0)
    if sums.size > known:
        return answers.pending(order, order_hash, sums, "told by the account's stream")
    return None
