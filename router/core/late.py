"""A last word that was not the last: a fill that shows up afterwards is booked, never dropped."""

from venues.base.orders import Answer, Filled, Pending, Rejected, Unknown, Working
from venues.base.units import Size

NOT_EXECUTED = "not_executed"
"""The code of every venue's `Rejected` for an order that it shows nowhere after the time its card gives."""


def traded(answer: Answer | None) -> Size:
    """How much of the order traded, as far as this says."""
    return answer.size if isinstance(answer, Filled | Working | Pending) else Size(0)


def refutes(before: Filled | Rejected, after: Answer) -> bool:
    """Whether a last word is replaced by this one: it is a last word too, and more was traded than before."""
    return isinstance(after, Filled) and after.size > traded(before)


def casts_doubt(before: Filled | Rejected, after: Answer) -> bool:
    """Whether the order must be looked up although it had its last word."""
    return not isinstance(after, Rejected | Unknown) and traded(after) > traded(before)


def unproven(last: Filled | Rejected) -> bool:
    """Whether this last word rests on nothing but the venue's not showing the order."""
    return isinstance(last, Rejected) and last.code == NOT_EXECUTED
