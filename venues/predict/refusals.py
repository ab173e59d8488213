"""What the venue's words mean for an order: the closed list of refusals (card 4)."""

from venues.base.http import Response
from venues.base.orders import Answer, Order, Pending, Rejected, Unknown
from venues.base.units import Cash, Size
from venues.predict import wire

KNOWN_ALREADY = "create_order_duplicate_order"
SLUGS = {
    400: frozenset({
        "bad_request",
        "create_order_hash_mismatch",
        "create_order_insufficient_collateral_allowance",
        "create_order_insufficient_collateral_balance",
        "create_order_insufficient_shares_allowance",
        "create_order_insufficient_shares_balance",
        "create_order_min_order_value_not_met",
        "create_order_price_out_of_range",
        "create_order_market_not_trading",
        "create_order_fee_rate_too_low",
        "create_order_fill_or_kill_not_supported",
        "create_order_invalid_decimal_value",
        "create_order_price_field_zero",
    }),
    401: frozenset({"unauthorized"}),
    403: frozenset({"forbidden"}),
    404: frozenset({"not_found"}),
}  # fmt: skip
"""The venue's own words, by status: the card's, and the shares balance, which users of the live venue
met. Not on it, and so looked up: 429, every 5xx, and every other word."""


def refused(order: Order, order_hash: str, response: Response, said: wire.Refusal) -> Answer:
    """The meaning of a readable refusal that came with this status."""
    if response.status == 400 and said.error == KNOWN_ALREADY:
        reason = "the venue has this order already"
        return Pending(order.order_id, order_hash, Size(0), Cash(0), reason)
    if said.error in SLUGS.get(response.status, ()):
        return Rejected(order.order_id, said.error, said.message)
    return Unknown(order.order_id, f"http {response.status}: {said.error}")
