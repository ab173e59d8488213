"""What the venue says of an order, checked, and added up in the terms of its own outcome (card 5.2).

The venue speaks of prices of the long side. A short order's own price is the complement.
"""

from collections.abc import Iterable, Mapping

import msgspec

from venues.base.orders import (
    Answer,
    Fee,
    Filled,
    Order,
    Pending,
    Rejected,
    Side,
    TimeInForce,
    Working,
)
from venues.base.units import Cash, Price, Size, complement, cost, proceeds
from venues.polymarket_us import wire
from venues.polymarket_us.moments import millis

COLLATERAL = wire.CURRENCY
INTENTS: Mapping[tuple[Side, bool], str] = {
    (Side.BUY, False): "ORDER_INTENT_BUY_LONG",
    (Side.SELL, False): "ORDER_INTENT_SELL_LONG",
    (Side.BUY, True): "ORDER_INTENT_BUY_SHORT",
    (Side.SELL, True): "ORDER_INTENT_SELL_SHORT",
}
"""By side and whether the listing is inverted."""
TIMES: Mapping[TimeInForce, str] = {
    TimeInForce.IOC: "TIME_IN_FORCE_IMMEDIATE_OR_CANCEL",
    TimeInForce.FOK: "TIME_IN_FORCE_FILL_OR_KILL",
    TimeInForce.GTC: "TIME_IN_FORCE_GOOD_TILL_CANCEL",
    TimeInForce.GTD: "TIME_IN_FORCE_GOOD_TILL_DATE",
}
IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)
FINAL = frozenset({"FILLED", "CANCELED", "REJECTED", "EXPIRED"})
LIVE = frozenset({"NEW", "PARTIALLY_FILLED", "PENDING_CANCEL", "PENDING_REPLACE"})
"""States in which an order is on the book; the others say that it is not there yet, or not any more."""
FILLS = frozenset({"EXECUTION_TYPE_PARTIAL_FILL", "EXECUTION_TYPE_FILL"})
EARLY_MS, LATE_MS = 5_000, 50_000
"""An order of ours was made at the venue this long before to this long after we made it: 5 s for clocks that
disagree; and up to 9 s until it is signed (the pace, and the 8 s that its reply is waited for), 30 s while
the venue takes the signature wherever it was held up (card 2), 5 s for clocks, 5 s until the exchange gets to
it (card 8), a second to spare."""


class State(msgspec.Struct, frozen=True):
    """Where an order stands."""

    venue_order_id: str
    word: str
    """The venue's, without its prefix."""
    filled: Size
    fee: Cash | None
    """What the venue has charged in all; None where it does not say."""

    @property
    def final(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.word in FINAL


class Totals(msgspec.Struct, frozen=True):
    """What fills amount to."""

    size: Size = Size(0)
    cash: Cash = Cash(0)
    fee: Cash | None = Cash(0)
    """None where some fill does not say what was charged for it."""


def looks_like(order: Order, row: wire.OrderState) -> bool:
    """Whether this could be the order: the venue keeps no id of ours, so everything else must agree."""
    if row.price is None or row.quantity is None:
        return False
    price, size = wire.exact(row.price.value), wire.exact(row.quantity)
    return (
        row.market_slug == order.listing.native
        and row.intent == INTENTS[order.side, order.listing.inverted]
        and row.tif in ("", TIMES[order.time_in_force])
        and (price, size) == (order.listing.book_price(order.limit), order.size)
        and -EARLY_MS <= made_ms(order, row) - order.created_ms <= LATE_MS
    )


def made_ms(order: Order, row: wire.OrderState) -> int:
    """When the venue made an order; the time of ours where it does not say."""
    made = row.create_time or row.insert_time
    return millis(made) if made else order.created_ms


def state_of(order: Order, row: wire.OrderState, venue_order_id: str) -> State:
    """The state, or ValueError where it cannot be that of this order."""
    if row.id != venue_order_id:
        raise ValueError(f"id: another order's: {row.id!r}")
    if row.market_slug not in ("", order.listing.native):
        raise ValueError(f"marketSlug: another market's: {row.market_slug!r}")
    if row.intent not in ("", INTENTS[order.side, order.listing.inverted]):
        raise ValueError(f"intent: another order's: {row.intent!r}")
    filled = Size(wire.exact(row.cum_quantity) if row.cum_quantity is not None else 0)
    if filled > order.size:
        raise ValueError(f"cumQuantity: {filled} of {order.size} asked")
    charged = row.commission_notional_total_collected
    fee = None if charged is None else Cash(wire.signed(charged.value))
    return State(venue_order_id, row.state.removeprefix("ORDER_STATE_"), filled, fee)


def fill_of(order: Order, execution: wire.Execution) -> Totals:
    """One fill; ValueError where it is none, or at a price that the order forbids: then it is another's."""
    if execution.last_shares is None or execution.last_px is None:
        raise ValueError("lastShares, lastPx: missing")
    size = Size(wire.exact(execution.last_shares))
    long = wire.long_price(execution.last_px)
    price: Price = complement(long) if order.listing.inverted else long
    if price > order.limit if order.side is Side.BUY else price < order.limit:
        raise ValueError(f"lastPx: {price}, worse than the limit of {order.limit}")
    cash = cost(price, size) if order.side is Side.BUY else proceeds(price, size)
    charged = execution.commission_notional_collected
    return Totals(size, cash, None if charged is None else Cash(wire.signed(charged.value)))


def added(fills: Iterable[Totals]) -> Totals:
    """Their sum."""
    parts = list(fills)
    fees = [part.fee for part in parts if part.fee is not None]
    fee = Cash(sum(fees)) if len(fees) == len(parts) else None
    return Totals(Size(sum(p.size for p in parts)), Cash(sum(p.cash for p in parts)), fee)


def fills_in(order: Order, executions: Iterable[wire.Execution]) -> Totals:
    """The fills among these executions, each counted once."""
    fills = [e for e in executions if e.type in FILLS]
    return added({e.id or e.trade_id: fill_of(order, e) for e in fills}.values())


def newest(order: Order, rows: Iterable[wire.OrderState], venue_order_id: str) -> State | None:
    """The furthest of these states: a final one, else the one with the most filled, else the last."""
    states = [state_of(order, row, venue_order_id) for row in rows]
    furthest: State | None = None
    for state in states:
        if furthest is None or (state.final, state.filled) >= (furthest.final, furthest.filled):
            furthest = state
    return furthest


def answer_of(order: Order, state: State, totals: Totals, why: str = "") -> Answer:
    """The answer for a state. Only what adds up to it exactly is final; `why` goes with a rejection."""
    fee = totals.fee if state.fee is None else state.fee
    known = state.venue_order_id
    if totals.size != state.filled or (fee is None and state.filled):
        reason = "the fills cannot be read yet"
        return Pending(order.order_id, known, state.filled, Cash(0), reason)
    if state.word == "REJECTED" and not state.filled:
        code, _, text = why.partition("\n")
        return Rejected(order.order_id, code or "rejected", text)
    paid = Fee(fee or Cash(0), COLLATERAL)
    if state.final:
        return Filled(order.order_id, known, state.filled, totals.cash, paid)
    if state.word in LIVE and order.time_in_force not in IMMEDIATE:
        return Working(order.order_id, known, state.filled, totals.cash, paid)
    return Pending(order.order_id, known, state.filled, totals.cash, f"state: {state.word or 'missing'}")


def why_rejected(executions: Iterable[wire.Execution]) -> str:
    """Reason and text of a rejection, in two lines; "" where there is none."""
    for execution in executions:
        if execution.type == "EXECUTION_TYPE_REJECTED":
            return f"{execution.order_reject_reason}\n{execution.text}"
    return ""
