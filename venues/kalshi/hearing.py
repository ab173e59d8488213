"""What the account's own stream proves about one order (card §6). It never says more than a look-up would.

Nothing is guaranteed about the order of messages between channels, and any may be missing or come twice.
So an order is final only when its end was heard and fills that make up exactly what was filled until then.
"""

from collections.abc import Sequence

from venues.base.orders import Answer, Filled, News, Order, Pending, Rejected, Working
from venues.kalshi.tally import FINISHED, RESTING, State, added, answer_of, fill_of, state_of
from venues.kalshi.totals import Totals, book_side


def heard(order: Order, answer: Answer | None, news: Sequence[News]) -> Answer | None:
    """The answer that all of this proves together; None where it adds nothing to `answer`.

    While the reply to the order is awaited only its end is told: all else the reply says itself. ValueError
    where the news cannot be of this order, or cannot be read.
    """
    if isinstance(answer, Filled | Rejected):
        return None
    known = _venue_order_id(order, answer, news)
    mine = [item for item in news if item.venue_order_id == known]
    state = _furthest(order, known, mine)
    said = answer.size if isinstance(answer, Working | Pending) else 0
    if state is None or state.filled < said:
        return None
    fills = {item.told["trade"]: item for item in mine if "trade" in item.told}
    totals = added(_fill(order, item) for item in fills.values())
    found = answer_of(order, state, totals if totals.size == state.filled else None)
    if isinstance(found, Filled):
        return found
    return found if answer is not None and _says_more(found, answer) else None


def _venue_order_id(order: Order, answer: Answer | None, news: Sequence[News]) -> str:
    """The venue's id of the order: known, or told together with ours."""
    if isinstance(answer, Working | Pending) and answer.venue_order_id:
        return answer.venue_order_id
    return next((item.venue_order_id for item in news if item.client_id == order.order_id), "")


def _furthest(order: Order, known: str, mine: Sequence[News]) -> State | None:
    """The state with the most filled; of several the finished one. Words that are not known say nothing."""
    furthest: State | None = None
    for item in mine:
        told = item.told
        if told.get("status", "") != RESTING and told.get("status", "") not in FINISHED:
            continue
        _check(order, item)
        state = state_of(
            order, known, status=told["status"], filled=told["filled"], client_order_id=item.client_id
        )
        if furthest is None or (state.filled, not state.resting) > (furthest.filled, not furthest.resting):
            furthest = state
    return furthest


def _fill(order: Order, item: News) -> Totals:
    _check(order, item)
    told = item.told
    return fill_of(order, yes_price=told["yes_price"], size=told["count"], fee=told["fee"])


def _check(order: Order, item: News) -> None:
    wanted = order.listing.native, book_side(order).value
    if (item.told["ticker"], item.told["book_side"]) != wanted:
        raise ValueError(f"order {item.venue_order_id}: not on {wanted}: {dict(item.told)}")


def _says_more(found: Answer, answer: Answer) -> bool:
    """Whether an answer that is not the last is worth telling."""
    if isinstance(found, Working):
        return not isinstance(answer, Working) or found.size > answer.size
    return not (isinstance(answer, Working | Pending) and answer.venue_order_id)
