"""Faults of this venue's dialect."""

from tests.planted import Fault

FAULTS = (
    Fault(
        "an inverted order keeps its intent",
        "venues/polymarket_us/orders.py",
        "intent=INTENTS[order.side, order.listing.inverted]",
        "intent=INTENTS[order.side, False]",
        "tests/venues/polymarket_us/test_orders.py",
    ),
    Fault(
        "a fee is rounded down",
        "venues/polymarket_us/fees.py",
        "return Cash(half_even(self.coefficient * size * price * (ONE - price), _SCALE * CENT) * CENT)",
        "return Cash(self.coefficient * size * price * (ONE - price) // (_SCALE * CENT) * CENT)",
        "tests/venues/polymarket_us/test_fees.py",
    ),
    Fault(
        '"not there" is believed at once',
        "venues/polymarket_us/orders.py",
        "ABSENT_MS = LATE_MS",
        "ABSENT_MS = 0",
        "tests/venues/polymarket_us/test_orders.py",
    ),
)
