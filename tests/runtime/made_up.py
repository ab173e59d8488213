"""A venue of no folder, for tests of what keeps listings and books: its metadata is what the test says."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import msgspec

from router.runtime.door import Guard
from tests.core.curves import FlatFee
from tests.core.samples import listing
from venues import discover
from venues.base.contract import FeeCurve, Signer, Venue
from venues.base.http import Talk, Unavailable
from venues.base.listing import Listing, Native

T = TypeVar("T")
Says = Callable[[Sequence[Native]], list[Listing] | Unavailable]


def knows(names: Iterable[str]) -> Says:
    """A venue that lists these books and no others."""
    return lambda natives: [listing(native=native) for native in natives if native in names]


class Listings:
    """Answers without a request."""

    def __init__(self) -> None:
        self.says: Says = knows(())
        self.asked: list[tuple[Native, ...]] = []

    def fetch(self, natives: Sequence[Native]) -> Talk[list[Listing] | Unavailable]:
        self.asked.append(tuple(natives))
        yield from ()
        return self.says(natives)


class Fees:
    def curve(self, listing: Listing) -> FeeCurve:
        return FlatFee()


class Door:
    """Holds conversations that ask for nothing."""

    async def perform(
        self,
        venue: Venue,
        talk: Talk[T],
        *,
        signer: Signer | None = None,
        deadline_ms: int,
        guard: Guard | None = None,
        urgent: bool = False,
    ) -> T:
        try:
            next(talk)
        except StopIteration as stop:
            told: T = stop.value
            return told
        raise AssertionError("it asked for something")


def north(listings: Listings) -> Venue:
    """The venue "north"."""
    return msgspec.structs.replace(
        next(iter(discover().values())), name="north", listings=listings, fees=Fees()
    )
