"""Say of every venue with a usable book why it was used or not."""

from collections.abc import Container, Mapping, Sequence
from functools import lru_cache

from msgspec.structs import replace

from router.core.merge import Merged, Offer
from router.core.model import Considered, PlannedOrder
from venues.base.units import NANOS_PER_MICRO, ONE, Price, half_even

ZERO_DEPTH = "zero_depth"
NO_POSITION = "no_position"
INSUFFICIENT_BALANCE = "insufficient_balance"
BALANCE_UNREAD = "balance_unread"
"""The venue did not say in time what the account has there: it may have anything, and none of it counts."""
WORSE_PRICE = "worse_price"
MIN_ORDER_SIZE = "min_order_size"
EXCLUDED = "excluded"
MAX_VENUES = "max_venues"

FEES_MAX = 4_096
"""Fees at a top that are remembered: the best prices of a few hundred books."""


def considered(
    merged: Merged, orders: Sequence[PlannedOrder], dropped: Mapping[int, str]
) -> tuple[Considered, ...]:
    """One entry per venue, in the order of its first listing. `dropped` gives a reason per listing index.

    A venue with several listings shows its best top; it is dropped for the reason of that listing.
    """
    best: dict[str, tuple[Offer | None, int]] = {}
    for index, terms in enumerate(merged.terms):
        listing, top = terms.listing, merged.tops[index]
        if merged.unusable and listing.key in merged.unusable:
            continue
        known = best.get(listing.venue)
        if known is None or (top is not None and (known[0] is None or top < known[0])):
            best[listing.venue] = top, index
    used: dict[str, tuple[int, int]] = {}
    for order in orders:
        size, cash = used.get(order.listing.venue, (0, 0))
        used[order.listing.venue] = size + order.size, cash + order.cash
    return tuple(
        [
            Considered(
                venue=venue,
                average=_average(*used[venue]) if venue in used else None,
                top=top[2] if top is not None else None,
                dropped=None if venue in used else dropped.get(index, WORSE_PRICE),
                fee_bps_at_top_e4=_fee_bps_e4(top[0], top[2]) if top is not None else 0,
            )
            for venue, (top, index) in best.items()
        ]
    )


def owned_up(entries: Sequence[Considered], unread: Container[str]) -> tuple[Considered, ...]:
    """The same entries, but nobody is told to have no money or shares where that could not be read."""
    return tuple(
        replace(entry, dropped=BALANCE_UNREAD)
        if entry.venue in unread and entry.dropped in (INSUFFICIENT_BALANCE, NO_POSITION)
        else entry
        for entry in entries
    )


def _average(size: int, cash: int) -> Price:
    return Price(half_even(cash * ONE, size))


@lru_cache(FEES_MAX)
def _fee_bps_e4(key: int, price: Price) -> int:
    """Fee per share over price, in ten-thousandths of a basis point, from an offer's key and price."""
    price_nanos = price * NANOS_PER_MICRO
    return half_even(abs(abs(key) - price_nanos) * 10_000 * 10_000, price_nanos)
