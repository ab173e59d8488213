"""Faults of this venue's dialect."""

from tests.planted import Fault

FAULTS = (
    Fault(
        "a book is not compared with its hash",
        "venues/polymarket/feed.py",
        "return book_hash(body) == body.hash",
        'return book_hash(body) != ""',
        "tests/venues/polymarket/test_feed.py",
    ),
    Fault(
        "the token of the other outcome is traded",
        "venues/polymarket/reads.py",
        'return listing.details["sibling"] if listing.inverted else listing.native',
        "return listing.native",
        "tests/venues/polymarket/test_orders.py",
    ),
    Fault(
        "settled trades that were undone count",
        "venues/polymarket/answers.py",
        'return Rejected(order.order_id, "settlement_failed", why, undone=True)',
        'return Rejected(order.order_id, "settlement_failed", why)',
        "tests/venues/polymarket/test_orders.py",
    ),
)
