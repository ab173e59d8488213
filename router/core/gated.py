"""A merged book without what may not be traded now, and what to say of the venues that fell out."""

from collections.abc import Mapping

from router.core.merge import Merged
from router.core.model import LeftOut, MarketOrder
from venues.base.listing import ListingKey

REFUSED_BEFORE = "refused_before"
"""The venue has refused an order on this listing, earlier in the same route."""


def without(merged: Merged, reasons: Mapping[ListingKey, str]) -> Merged:
    """The same side of the outcome without the offers of these listings; why stands in its `unusable`."""
    if not reasons:
        return merged
    keys = [terms.listing.key for terms in merged.terms]
    out = {index: reasons[key] for index, key in enumerate(keys) if key in reasons}
    if not out:
        return merged
    return Merged(
        merged.side,
        merged.terms,
        [offer for offer in merged.offers if offer[1] not in out],
        tuple(None if index in out else top for index, top in enumerate(merged.tops)),
        {**merged.unusable, **{keys[index]: reason for index, reason in out.items()}},
    )


def left_out(merged: Merged, asked: MarketOrder) -> tuple[LeftOut, ...]:
    """The venues the caller would use of which nothing can be used, in the order of their first listing."""
    if not merged.unusable:
        return ()
    usable = {t.listing.venue for t in merged.terms if t.listing.key not in merged.unusable}
    found: dict[str, str] = {}
    for terms in merged.terms:
        key = terms.listing.key
        if key.venue not in usable and asked.wants(key.venue):
            found.setdefault(key.venue, merged.unusable[key])
    return tuple(LeftOut(venue=venue, reason=reason) for venue, reason in found.items())


def spoken(entry: LeftOut) -> str:
    """As a person reads it."""
    return f"{entry.venue} ({entry.reason.replace('_', ' ')})"
