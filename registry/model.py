"""An outcome: one tradeable claim, and the listings on which it can be traded."""

import re
from base64 import b32encode
from typing import NewType

import msgspec

from venues.base.listing import ListingKey

OutcomeId = NewType("OutcomeId", str)
"""A predexonId: opaque, never parsed."""

OUTCOME_ID = re.compile(r"px-[a-z0-9]{8,32}")
"""What we accept. What we mint is `px-` and twelve letters of a-z2-7."""

ID_BYTES = 8
"""Twelve letters carry sixty bits: with a million outcomes a new id repeats one once in 10**12."""


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


def mint(random_bytes: bytes) -> OutcomeId:
    """A new id: `px-` and sixty bits of at least eight random bytes as twelve letters of a-z2-7."""
    assert len(random_bytes) >= ID_BYTES, "too little luck for an id"
    return OutcomeId("px-" + b32encode(random_bytes[:ID_BYTES]).decode().lower()[:12])
