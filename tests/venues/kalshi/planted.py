"""Faults of this venue's dialect."""

from tests.planted import Fault

FAULTS = (
    Fault(
        "a gap in the numbers is ignored",
        "venues/kalshi/feed.py",
        'lost = [Lost(native, f"expected {expected}, was {seq}") for native in sorted(stream.markets)]',
        "lost: list[FeedEvent] = []",
        "tests/venues/kalshi/test_feed.py",
    ),
    Fault(
        '"not there" is believed at once',
        "venues/kalshi/orders.py",
        "LATE_MS = 70_000",
        "LATE_MS = 0",
        "tests/venues/kalshi/test_orders.py",
    ),
    Fault(
        "a fee is rounded in our favour",
        "venues/kalshi/fees.py",
        "trade = up(self._scaled(price, size), _SCALE)",
        "trade = self._scaled(price, size) // _SCALE",
        "tests/venues/kalshi/test_fees.py",
    ),
    Fault(
        "a reply that cannot be read is a rejection",
        "venues/kalshi/orders.py",
        '            return Unknown(order.order_id, f"unreadable: {error}")\n',
        '            return Rejected(order.order_id, "unreadable", str(error))\n',
        "tests/venues/test_conformance_mutations.py",
    ),
)
