"""What the venue's words mean for an order: the closed list of refusals (card 9 and 11)."""

from venues.base.http import Response
from venues.base.orders import Answer, Order, Pending, Rejected, Unknown
from venues.base.units import Cash, Size
from venues.polymarket import wire

REFUSING = frozenset({401, 403, 404})
"""Whatever the words: the order did not pass the door (card 11)."""
RATE_LIMITED, RATE_HEADER = 429, "poly-ratelimit-remaining"
"""The order was not processed, if the header is there (card 9): a 429 without it may come from anywhere."""
CLOSED, CLOSED_CODES = 503, ("post_only_mode", "trading is currently disabled", "cancel-only")
"""The only refusals that come as 503, as code or text; any other 503 proves nothing."""
JUDGING = frozenset({200, 400})
"""The words decide; 200 comes with success false. With any other status nothing is proven."""

SHUT, PHASES = ("market_not_ready", "no_orderbook"), ("post_only_mode", "trading_disabled")
"""Our codes for a market that is not traded now, and for a venue that takes no orders that take (card 9)."""
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
    ("invalid l1 request headers", "unauthorized"),
)
"""The venue's texts, lower case, by substring: the closed list of what a 400 may refuse.

Not on it, and so looked up: texts the card does not know, and those that leave the outcome open ("order match
delayed", "order timed out", "could not insert order").
"""


def refused(order: Order, order_hash: str, response: Response, said: wire.Refusal) -> Answer:
    """The meaning of a readable refusal that came with this status."""
    text, words = said.error, said.error.lower()
    code = next((code for phrase, code in CODES if phrase in words), None)
    if response.status in REFUSING:
        return Rejected(order.order_id, code or "refused", text)
    if response.status in JUDGING and KNOWN_ALREADY in words:
        return Pending(order.order_id, order_hash, Size(0), Cash(0), "the venue knows this order already")
    if response.status in JUDGING and code is not None:
        return Rejected(order.order_id, code, text)
    if response.status == RATE_LIMITED and RATE_HEADER in response.headers:
        return Rejected(order.order_id, "rate_limited", text)
    if response.status == CLOSED and any(word in f"{said.code} {words}" for word in CLOSED_CODES):
        return Rejected(order.order_id, said.code or "trading_disabled", text)
    return Unknown(order.order_id, f"http {response.status}: {text}")
