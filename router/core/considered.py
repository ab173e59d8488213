"""Say of every venue with a usable book why it was used or not."""

from collections.abc import Mapping, Sequence

from router.core.merge import Merged, Offer
from router.core.model import Considered, PlannedOrder
from venues.base.units import NANOS_PER_MICRO, ONE, Price, half_even

ZERO_DEPTH = "zero_depth"
NO_POSITION = "no_position"
INSUFFICIENT_BALANCE = "insufficient_balance"
WORSE_PRICE = "worse_price"
MIN_ORDER_SIZE = "min_order_size"
EXCLUDED = "excluded"
MAX_VENUES = "max_venues"


def considered(
    merged: Merged, orders: Sequence[PlannedOrder], dropped: Mapping[int, str]
) -> tuple[Considered, ...]:
    """One entry per venue, in the order of its first listing. `dropped` gives a reason per listing index.

    A venue with several listings shows its best top; it is dropped for the reason of that listing.
    """
    indexes: dict[str, list[int]] = {}
    for index, terms in enumerate(merged.terms):
        if not merged.unusable or terms.listing.key not in merged.unusable:
            indexes.setdefault(terms.listing.venue, []).append(index)
    used: dict[str, list[PlannedOrder]] = {}
    for order in orders:
        used.setdefault(order.listing.venue, []).append(order)
    return tuple(
        _entry(venue, mine, used.get(venue, []), merged=merged, dropped=dropped)
        for venue, mine in indexes.items()
    )


def _entry(
    venue: str,
    indexes: Sequence[int],
    orders: Sequence[PlannedOrder],
    *,
    merged: Merged,
    dropped: Mapping[int, str],
) -> Considered:
    tops = [top for index in indexes if (top := merged.tops[index]) is not None]
    top = min(tops) if len(tops) > 1 else (tops[0] if tops else None)
    spoken_for = top[1] if top is not None else indexes[0]
    return Considered(
        venue=venue,
        average=_average(orders),
        top=top[2] if top is not None else None,
        dropped=None if orders else dropped.get(spoken_for, WORSE_PRICE),
        fee_bps_at_top_e4=_fee_bps_e4(top) if top is not None else 0,
    )


def _average(orders: Sequence[PlannedOrder]) -> Price | None:
    size = sum(order.size for order in orders)
    return Price(half_even(sum(order.cash for order in orders) * ONE, size)) if size else None


def _fee_bps_e4(top: Offer) -> int:
    """Fee per share over price, in ten-thousandths of a basis point."""
    price_nanos = top[2] * NANOS_PER_MICRO
    return half_even(abs(abs(top[0]) - price_nanos) * 10_000 * 10_000, price_nanos)
