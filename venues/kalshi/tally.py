"""What the venue says of an order, checked, and added up in the terms of its own outcome (card §6, §7).

The same words come from the read endpoints and from the account's own stream, and mean the same.
"""

from collections.abc import Iterable

import msgspec

from venues.base.orders import Answer, Fee, Filled, Order, Pending, TimeInForce, Working
from venues.base.units import ONE, Cash, Price, Size, complement, micros
from venues.kalshi.totals import Totals

COLLATERAL = "USD"
IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)
RESTING = "resting"
FINISHED = frozenset({"canceled", "executed"})


class State(msgspec.Struct, frozen=True):
    """Where an order stands. Not resting is finished: nothing more will happen to it."""

    venue_order_id: str
    filled: Size
    resting: bool


def count(text: str) -> Size:
    """A count of contracts; at most two decimals are meant, more are kept."""
    return Size(micros(text))


def checked(order: Order, state: State, client_order_id: str) -> State:
    """The state itself, or ValueError where it cannot be the state of this order."""
    if client_order_id not in ("", order.order_id):
        raise ValueError(f"client_order_id: another order's: {client_order_id!r}")
    if not state.venue_order_id:
        raise ValueError("order_id: empty")
    if state.filled > order.size:
        raise ValueError(f"fill_count: {state.filled} of {order.size} asked")
    return state


def state_of(
    order: Order, venue_order_id: str, *, status: str, filled: str, client_order_id: str = ""
) -> State:
    """A row of the venue as a state; ValueError for words that are not known, or another order's."""
    if status != RESTING and status not in FINISHED:
        raise ValueError(f"status: {status!r}")
    return checked(order, State(venue_order_id, count(filled), status == RESTING), client_order_id)


def fill_of(order: Order, *, yes_price: str, size: str, fee: str) -> Totals:
    """One fill; ValueError where its money is not a whole number of millionths."""
    yes, traded = Price(micros(yes_price)), count(size)
    if not 0 < yes < ONE:
        raise ValueError(f"yes_price_dollars: {yes_price!r}")
    cash, rest = divmod((complement(yes) if order.listing.inverted else yes) * traded, ONE)
    if rest:
        raise ValueError(f"{size} contracts at {yes_price} are no whole millionths")
    return Totals(traded, Cash(cash), Cash(micros(fee)))


def added(fills: Iterable[Totals]) -> Totals:
    """Their sum."""
    parts = list(fills)
    cash, fee = sum(part.cash for part in parts), sum(part.fee for part in parts)
    return Totals(Size(sum(part.size for part in parts)), Cash(cash), Cash(fee))


def answer_of(order: Order, state: State, totals: Totals | None) -> Answer:
    """The answer for a state; `totals` are None unless they are exactly what the state says was filled."""
    if state.resting and order.time_in_force in IMMEDIATE:
        return Pending(order.order_id, state.venue_order_id, state.filled, Cash(0), "still matching")
    if totals is None:
        reason = "the fills cannot be read yet"
        return Pending(order.order_id, state.venue_order_id, state.filled, Cash(0), reason)
    assert totals.size == state.filled, "totals of other fills than the state's"
    answer = Working if state.resting else Filled
    fee = Fee(totals.fee, COLLATERAL)
    return answer(order.order_id, state.venue_order_id, totals.size, totals.cash, fee)
