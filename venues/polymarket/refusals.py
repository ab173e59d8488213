"""What the venue's words mean for an order: the closed list of refusals (card 9 and 11)."""

from venues.base.http import Response
from venues.base.orders import Answer, Order, Pending, Rejected, Unknown
from venues.base.units import Cash, Size

REFUSING = frozenset({401, 403, 404})
"""Whatever the words: the order did not pass the door (card 11)."""
JUDGING = frozenset({200, 400})
"""The words decide; 200 comes with success false. With any other status nothing is proven."""

KNOWN_ALREADY = "duplicated"
CODES = (
    ("no orders found to match with fak", "no_match"),
    ("fok orders are fully filled or killed", "fok_killed"),
    ("not enough balance", "not_enough_balance"),
    ("breaks minimum tick size", "bad_tick"),
    ("lower than the minimum", "below_minimum"),
    ("min size", "below_minimum"),
    ("invalid expiration", "bad_expiration"),
    ("order_version_mismatch", "order_version_mismatch"),
    ("order crosses book", "post_only_crosses"),
    ("invalid order payload", "invalid_payload"),
    ("invalid amount", "invalid_amount"),
    ("invalid signature", "invalid_signature"),
    ("invalid nonce", "invalid_nonce"),
    ("invalid post-only order", "post_only_invalid"),
    ("post-only mode", "post_only_mode"),
    ("not yet ready to process", "market_not_ready"),
    ("of the api key", "wrong_api_key"),
    ("address banned", "banned"),
    ("closed only", "closed_only"),
    ("too many orders", "too_many_orders"),
    ("no orderbook exists", "no_orderbook"),
    ("unauthorized", "unauthorized"),
    ("invalid api key", "unauthorized"),
)
"""The venue's texts, lower case, by substring: the closed list of what a 400 may refuse.

Not on it, and so looked up: texts the card does not know, and those that leave the outcome open ("order match
delayed", "order timed out", "could not insert order").
"""


def refused(order: Order, order_hash: str, response: Response, text: str) -> Answer:
    """The meaning of a readable refusal that came with this status."""
    words = text.lower()
    code = next((code for phrase, code in CODES if phrase in words), None)
    if response.status in REFUSING:
        return Rejected(order.order_id, code or "refused", text)
    if response.status in JUDGING and KNOWN_ALREADY in words:
        return Pending(order.order_id, order_hash, Size(0), Cash(0), "the venue knows this order already")
    if response.status in JUDGING and code is not None:
        return Rejected(order.order_id, code, text)
    return Unknown(order.order_id, f"http {response.status}: {text}")
