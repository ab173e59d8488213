"""What the venue's words prove about an order (card 6, 7): exact, refused, or not known yet; never guessed.

A match is not yet a trade: it may fail on the chain, and then the venue takes it back. So `MATCHED` is an
answer that is pending, with the shares and cash matched so far, and only `MINED` or `CONFIRMED` is a fill.
Until then the order keeps its hold, as the chain still shows the money that was spent.
"""

import msgspec

from venues.base.http import Reply, Response, Silence
from venues.base.orders import (
    SHARES,
    Answer,
    Fee,
    Filled,
    Order,
    Pending,
    Rejected,
    Side,
    TimeInForce,
    Unknown,
    Working,
)
from venues.base.units import Cash, Size
from venues.kit.body import read
from venues.limitless import wire

COLLATERAL = "USDC"
IMMEDIATE = frozenset({TimeInForce.IOC, TimeInForce.FOK})
SETTLED = frozenset({"MINED", "CONFIRMED"})
UNSETTLED = frozenset({"MATCHED", "RETRYING"})
STOPPED = frozenset({"UNMATCHED", "CANCELED"})
"""Of an order's rest: these say nothing of whether the trades before it are on the chain."""
ENDED = frozenset({"CANCELED", "CANCELLED"})
"""The states of an order, not of its settlement, that surely mean that it rests no longer."""
REFUSING = {
    400: "invalid",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    422: "unprocessable",
    425: "too_early_or_late",
}
"""With a readable error these prove that nothing was placed; our word where the body has none (card 7)."""
MAINTENANCE = frozenset({"post_only_mode", "cancel_only_mode", "trading_disabled"})
"""The only refusals that come as 503; any other 503 proves nothing."""
CONFLICT = 409
KNOWN_ALREADY = "the venue knows this order already"
FEE_RATE_MISMATCH = "FEE_RATE_MISMATCH"

_placed = msgspec.json.Decoder(wire.PostReply)
_refusal = msgspec.json.Decoder(wire.Refusal)


class Done(msgspec.Struct, frozen=True):
    """What an order traded, and what it was charged."""

    size: Size = Size(0)
    cash: Cash = Cash(0)
    fee: Fee = Fee(0, COLLATERAL)


def fee_of(shares: int, cash: int) -> Fee:
    """Either unit, never both: ValueError then."""
    if shares and cash:
        raise ValueError("a fee both in shares and in money")
    return Fee(shares, SHARES) if shares else Fee(cash, COLLATERAL)


def done_of(order: Order, execution: wire.Execution) -> Done:
    """The totals of an order, checked against it; ValueError where they cannot be its own."""
    said = execution.totals_raw
    if said is None:
        return Done()
    size, cash = wire.units(said.contracts_gross), wire.units(said.usd_gross)
    kept = wire.units(said.contracts_fee)
    if wire.units(said.contracts_net) != size - kept:
        raise ValueError("contracts do not add up")
    return checked(order, Done(Size(size), Cash(cash), fee_of(kept, wire.units(said.usd_fee))))


def checked(order: Order, done: Done) -> Done:
    """What was done, if it can be what this order did.

    A buy at better prices may bring more shares than were asked for (UNCONFIRMED); it spends no more.
    """
    if bool(done.size) != bool(done.cash):
        raise ValueError("shares without cash, or cash without shares")
    if done.fee.shares and (order.side is Side.SELL or done.fee.shares >= done.size):
        raise ValueError("a fee in shares that were not bought")
    if order.side is Side.SELL and done.size > order.size:
        raise ValueError(f"{done.size} sold of {order.size}")
    if order.side is Side.BUY and done.cash > spendable(order):
        raise ValueError(f"{done.cash} spent of {spendable(order)}")
    return done


def spendable(order: Order) -> int:
    """What a buy may spend at most, fee not included: exact, since price and size are on their grids."""
    return amounts(order)[1]


def amounts(order: Order) -> tuple[int, int]:
    """(shares, cash at the limit) in base units, exact: lots and ticks are thousandths (card 6)."""
    lots, milli = order.size // 1000, order.limit // 1000
    return lots * 1000, lots * milli


def answer_of(
    order: Order, order_id: str, execution: wire.Execution, state: str, *, late: bool = False
) -> Answer:
    """What an order's execution proves. `state` is the order's own ("LIVE", ...), "" where it is not said.

    `late`: so long after the order was made that a trade of it is settled, where nothing says it is not.
    """
    status = execution.settlement_status.upper()
    try:
        done = done_of(order, execution)
    except ValueError as error:
        return Pending(order.order_id, order_id, Size(0), Cash(0), f"{status}: {error}")
    resting = order.time_in_force not in IMMEDIATE and state.upper() not in ENDED
    if status in SETTLED and done.size:
        return _settled(order, order_id, done, resting)
    if status in STOPPED and done.size and not (execution.tx_hash or late):
        reason = f"{status}, and what was traded before is not known to be settled"
        return Pending(order.order_id, order_id, done.size, done.cash, reason)
    if status == "UNMATCHED":
        return _settled(order, order_id, done, resting)
    if status == "CANCELED":
        if not done.size and order.time_in_force in IMMEDIATE:
            return Rejected(order.order_id, "canceled", execution.reason or "canceled by the venue")
        return _settled(order, order_id, done, resting=False)
    if status == "FAILED" and (order.time_in_force in IMMEDIATE or not (resting or done.size)):
        return Rejected(order.order_id, "settlement_failed", "the trade failed on the chain", undone=True)
    told = done if status in UNSETTLED else Done()
    return Pending(order.order_id, order_id, told.size, told.cash, f"{status}, not settled yet")


def _settled(order: Order, order_id: str, done: Done, resting: bool) -> Filled | Working:
    kind = Working if resting and done.size < amounts(order)[0] else Filled
    return kind(order.order_id, order_id, done.size, done.cash, done.fee)


def placed(order: Order, reply: Reply) -> Answer:
    """What the reply to POST /orders proves."""
    if isinstance(reply, Silence):
        if reply.sent:
            return Unknown(order.order_id, reply.reason)
        return Rejected(order.order_id, "not_sent", reply.reason)
    try:
        return _accepted(order, reply) if reply.status in (200, 201) else _refused(order, reply)
    except ValueError as error:
        return Unknown(order.order_id, f"http {reply.status}, unreadable: {error}")


def _accepted(order: Order, response: Response) -> Answer:
    said = read(_placed, response.body)
    execution = said.execution
    if not said.order.id:
        return Unknown(order.order_id, "the reply has no order id")
    if execution is None:
        return Pending(order.order_id, said.order.id, Size(0), Cash(0), "accepted, not decided yet")
    if execution.client_order_id not in (None, "", order.order_id):
        return Unknown(order.order_id, f"the reply is about another order: {execution.client_order_id!r}")
    return answer_of(order, said.order.id, execution, "")


def _refused(order: Order, response: Response) -> Answer:
    if response.status == CONFLICT:
        return Pending(order.order_id, "", Size(0), Cash(0), KNOWN_ALREADY)
    said = read(_refusal, response.body)
    if response.status in REFUSING:
        return Rejected(order.order_id, said.code or REFUSING[response.status], said.text)
    if response.status == 503 and said.code in MAINTENANCE:
        return Rejected(order.order_id, said.code, said.text)
    return Unknown(order.order_id, f"http {response.status}: {said.text}")


def wrong_fee_rate(answer: Answer) -> bool:
    """Whether the venue refused the fee rate that was signed: then the profile must be read anew."""
    return isinstance(answer, Rejected) and FEE_RATE_MISMATCH in (answer.code + " " + answer.message)
