"""Faults of this venue's dialect."""

from tests.planted import Fault

FAULTS = (
    Fault(
        "the token of the other outcome is traded",
        "venues/predict/listings.py",
        'return listing.details["second_token" if listing.inverted else "first_token"]',
        'return listing.details["first_token"]',
        "tests/venues/predict/test_orders.py",
    ),
    Fault(
        '"not there" is believed at once',
        "venues/predict/orders.py",
        "FORGOTTEN_MS = (MARKET_LIFE_S + 30) * 1_000",
        "FORGOTTEN_MS = 0",
        "tests/venues/predict/test_orders.py",
    ),
    Fault(
        "a buy's fee is said to be money",
        "venues/predict/fees.py",
        "return Charge(shares=Size(fee)) if side is Side.BUY else Charge(cash=Cash(fee))",
        "return Charge(cash=Cash(fee))",
        "tests/venues/predict/test_fees.py",
    ),
)
