"""What an error says, and what it proves about an order: the closed list of refusals (card §9)."""

import msgspec

from venues.base.http import Reply, Response, Silence
from venues.base.orders import Answer, Order, Pending, Rejected, Unknown
from venues.base.units import Cash, Size
from venues.kit.body import read

REFUSING = frozenset({400, 401, 403, 404})
"""With a readable error these prove that nothing was placed."""
CONFLICTS = frozenset({"fill_or_kill_insufficient_resting_volume", "insufficient_balance"})
"""The refusals that come as 409; any other 409 proves nothing."""
REPEATED = "order_already_exists"
"""An earlier order has this id: what became of that one counts."""


class Refusal(msgspec.Struct):
    """What an error says. Both shapes are in use: flat, and inside `error`."""

    code: str
    message: str = ""


class _Wrapped(msgspec.Struct):
    error: Refusal


class _Plain(msgspec.Struct):
    error: str


_refusals = msgspec.json.Decoder(Refusal)
_wrapped = msgspec.json.Decoder(_Wrapped)
_plain = msgspec.json.Decoder(_Plain)


def not_placed(order: Order, reply: Reply) -> Answer:
    """What a reply without an order means. Whatever is not on the list may have been executed."""
    if isinstance(reply, Silence):
        if reply.sent:
            return Unknown(order.order_id, reply.reason)
        return Rejected(order.order_id, "not_sent", reply.reason)
    if _rate_limited(reply):
        return Rejected(order.order_id, "rate_limited", "too many requests")
    said = _refusal(reply)
    if said is not None and said.code == REPEATED:
        if reply.status == 409:
            return Pending(order.order_id, "", Size(0), Cash(0), REPEATED)
    elif said is not None and (reply.status in REFUSING or (reply.status == 409 and said.code in CONFLICTS)):
        return Rejected(order.order_id, said.code, said.message)
    return Unknown(order.order_id, f"http {reply.status}: {said.code if said else 'no readable error'}")


def _refusal(response: Response) -> Refusal | None:
    """The venue's own words in an error reply, or None when there are none that can be read."""
    try:
        found = read(_wrapped, response.body).error
    except ValueError:
        try:
            found = read(_refusals, response.body)
        except ValueError:
            return None
    return found if found.code else None


def _rate_limited(response: Response) -> bool:
    """Whether this is the venue's own 429, which proves that nothing was placed."""
    try:
        return response.status == 429 and read(_plain, response.body).error == "too many requests"
    except ValueError:
        return False
