"""Faults of this venue's dialect."""

from tests.planted import Fault

FAULTS = (
    Fault(
        "the token of the other outcome is traded",
        "venues/opinion/signer.py",
        'token=listing.details["no_token" if listing.inverted else "yes_token"]',
        'token=listing.details["yes_token" if listing.inverted else "no_token"]',
        "tests/venues/opinion/test_signer.py",
    ),
    Fault(
        '"not there" is believed at once',
        "venues/opinion/orders.py",
        "FORGOTTEN_MS = 120_000",
        "FORGOTTEN_MS = 0",
        "tests/venues/opinion/test_orders.py",
    ),
    Fault(
        "the fee of a fill is dropped",
        "venues/opinion/orders.py",
        "known, fee = str(row.order_id), Fee(sums.fee, COLLATERAL)",
        "known, fee = str(row.order_id), Fee(0, COLLATERAL)",
        "tests/venues/opinion/test_orders.py",
    ),
)
