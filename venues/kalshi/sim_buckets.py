"""What calls cost at the simulated venue: two buckets of tokens per customer, always refilling (card 9)."""

COST = 10
CHEAP = 2
CHEAP_CALLS = (
    ("GET", "/portfolio/orders/{order_id}"),
    ("DELETE", "/portfolio/events/orders/{order_id}"),
    ("DELETE", "/portfolio/events/orders/batched"),
    ("DELETE", "/portfolio/events/orders"),
)
PER_S = {"read": 200, "write": 100}
"""Of the lowest tier, and as many as a bucket holds."""
_CHEAP = frozenset(f"{method} {path.replace('{order_id}', '{}')}" for method, path in CHEAP_CALLS)


class Buckets:
    """How much everybody has left."""

    def __init__(self) -> None:
        self._left: dict[tuple[str, str], tuple[int, int]] = {}
        """Thousandths of a token by customer and kind, and since when."""

    def take(self, who: str, template: str, now_ms: int, *, items: int = 1) -> bool:
        """Pay for a call; false when there is not enough left for it. A batch pays for each of its items."""
        kind = "read" if template.startswith("GET ") else "write"
        price = (CHEAP if template in _CHEAP else COST) * items * 1_000
        most = PER_S[kind] * 1_000
        left, since_ms = self._left.get((who, kind), (most, now_ms))
        left = min(most, left + max(0, now_ms - since_ms) * PER_S[kind])
        self._left[who, kind] = left - price if price <= left else left, now_ms
        return price <= left
