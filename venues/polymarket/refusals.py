"""What the venue's words mean for an order: the closed list of refusals (card 9 and 11)."""

from venues.base.http import Response
from venues.base.orders import Answer, Order, Pending, Rejected, Unknown
from venues.base.units import Cash, Size

REFUSING = frozenset({400, 401, 403, 404})
"""Only with these statuses, or with 200 and success false, is a readable error a refusal (card 11)."""

KNOWN_ALREADY = "duplicated"
AMBIGUOUS = (
    "order match delayed",
    "delaying the order",
    "timed out",
    "could not insert order",
    "there are no matching orders",
    "rounding issues",
)
"""Words that do not prove that nothing was done or will be, whatever the status."""
CODES = (
    ("no orders found to match with fak", "no_match"),
    ("fok orders are fully filled or killed", "fok_killed"),
    ("not enough balance", "not_enough_balance"),
    ("breaks minimum tick size", "bad_tick"),
    ("lower than the minimum", "below_minimum"),
    ("min size", "below_minimum"),
    ("invalid expiration", "bad_expiration"),
    ("order_version_mismatch", "order_version_mismatch"),
    ("invalid order payload", "invalid_payload"),
    ("order crosses book", "post_only_crosses"),
    ("not yet ready to process", "market_not_ready"),
    ("of the api key", "wrong_api_key"),
    ("address banned", "banned"),
    ("closed only", "closed_only"),
    ("too many orders", "too_many_orders"),
    ("no orderbook exists", "no_orderbook"),
    ("unauthorized", "unauthorized"),
    ("invalid api key", "unauthorized"),
)
"""The venue's texts, lower case, by substring; another text keeps the code "refused"."""


def refused(order: Order, order_hash: str, response: Response, text: str) -> Answer:
    """The meaning of a readable refusal that came with this status (200 stands for success false)."""
    words = text.lower()
    if response.status not in REFUSING | {200} or any(phrase in words for phrase in AMBIGUOUS):
        return Unknown(order.order_id, f"http {response.status}: {text}")
    if KNOWN_ALREADY in words:
        return Pending(order.order_id, order_hash, Size(0), Cash(0), "the venue knows this order already")
    code = next((code for phrase, code in CODES if phrase in words), "refused")
    return Rejected(order.order_id, code, text)
