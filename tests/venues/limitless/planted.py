"""Faults of this venue's dialect."""

from tests.planted import Fault

FAULTS = (
    Fault(
        "the token of the other outcome is traded",
        "venues/limitless/reads.py",
        'return listing.details["token_no" if listing.inverted else "token_yes"]',
        'return listing.details["token_yes" if listing.inverted else "token_no"]',
        "tests/venues/limitless/test_orders.py",
    ),
    Fault(
        '"not there" is believed at once',
        "venues/limitless/orders.py",
        "ABSENT_MS = RECV_WINDOW_MS + 35_000",
        "ABSENT_MS = 0",
        "tests/venues/limitless/test_orders.py",
    ),
)
