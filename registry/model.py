"""An outcome: one tradeable claim, and the listings on which it can be traded."""

import re
from base64 import b32encode
from collections.abc import Collection
from enum import StrEnum
from typing import NewType

import msgspec

from venues.base.listing import ListingKey

OutcomeId = NewType("OutcomeId", str)
"""A predexonId: opaque, never parsed."""

OUTCOME_ID = re.compile(r"px-[a-z0-9]{8,32}")
"""What we accept. What we mint is `px-` and twelve letters of a-z2-7."""

ID_BYTES = 8
"""Twelve letters carry sixty bits: with a million outcomes a new id repeats one once in 10**12."""


class Match(StrEnum):
    """How sure it is that a listing pays like its outcome in every case."""

    EXACT = "exact"
    """A person has read its rules."""
    ORDINARY = "ordinary"
    """Equal in every ordinary result; what happens to a postponed or void event may differ."""
    BASIS = "basis"
    """Another index, source or boundary: it can settle differently."""
    BLOCKED = "blocked"
    """It is known or suspected to be another claim."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One claim with one id, shared by every venue that lists it."""

    outcome_id: OutcomeId
    title: str
    """The question, e.g. "Highest temperature in New York on Nov 21?"."""
    label: str
    """The side of it that pays, e.g. "Yes" or a team."""
    listings: tuple[ListingKey, ...]
    """Every listing, each with its orientation. A venue may appear more than once."""
    category: str = ""
    matches: tuple[Match, ...] = ()
    """How each of the listings matches, in their order; empty: all of them ordinarily."""

    def __post_init__(self) -> None:
        """ValueError where not every listing has its match."""
        if self.matches and len(self.matches) != len(self.listings):
            raise ValueError(f"{len(self.listings)} listings have {len(self.matches)} matches")

    def unlike(self, allowed: Collection[Match]) -> dict[ListingKey, Match]:
        """The listings that match in none of these ways, and how they do."""
        matches = self.matches or (Match.ORDINARY,) * len(self.listings)
        pairs = zip(self.listings, matches, strict=True)
        return {key: match for key, match in pairs if match not in allowed}


def mint(random_bytes: bytes) -> OutcomeId:
    """A new id: `px-` and sixty bits of at least eight random bytes as twelve letters of a-z2-7."""
    assert len(random_bytes) >= ID_BYTES, "too little luck for an id"
    return OutcomeId("px-" + b32encode(random_bytes[:ID_BYTES]).decode().lower()[:12])
