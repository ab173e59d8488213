"""The merged books in use: one per outcome and set of venues, kept while their listings' terms last."""

from collections import OrderedDict
from collections.abc import Mapping

import msgspec

from registry.model import Outcome, OutcomeId
from router.core.book import Books, State
from router.core.merge import Merged, MergedSide, RankTables, Source
from router.runtime.catalog import Catalog
from router.runtime.clock import Clock
from venues.base.contract import Venue
from venues.base.listing import Listing, ListingKey
from venues.base.orders import Side

LADDERS_MAX = 2_048
"""Outcomes whose merged books are kept, both sides of each; past this the one unused longest is dropped and
built again at need."""

_UNSEEDED = frozenset({State.EMPTY.value, "not_connected"})
_Key = tuple[OutcomeId, frozenset[str]]
_BUY = Side.BUY


class _Kept(msgspec.Struct, frozen=True):
    """Both sides of an outcome, and what they were built from."""

    version: int
    outcome: Outcome
    buys: MergedSide
    sales: MergedSide


class Sides(msgspec.Struct, frozen=True):
    """What is on offer of an outcome, on both sides at one moment."""

    takes: Merged
    """The side that was asked for."""
    gives: Merged
    """The other one."""
    read_ms: int
    """When the books were read, by the clock that only grows."""


class Ladders:
    """Reads an outcome's offers over the venues an account uses."""

    def __init__(
        self, venues: Mapping[str, Venue], books: Books, catalog: Catalog, clock: Clock, *, silent_ms: int
    ) -> None:
        self._venues, self._books, self._catalog, self._clock = venues, books, catalog, clock
        self._silent_ms = silent_ms
        self._tables = RankTables()
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()

    def read(self, outcome: Outcome, side: Side, venues: frozenset[str]) -> Sides:
        """The offers of an outcome on both sides, without listings that have no metadata yet."""
        kept, now_ms = self._of(outcome, venues), self._clock.monotonic_ms()
        buys, sales = kept.buys.read(now_ms), kept.sales.read(now_ms)
        return Sides(buys, sales, now_ms) if side is _BUY else Sides(sales, buys, now_ms)

    def heard_ms(self, listing: Listing) -> int | None:
        """When a listing's live book was last heard of; None where it has none."""
        book = self._books.get((listing.venue, listing.native))
        return book.heard_ms if book is not None else None

    def silent_ms_max(self, venue: str) -> int:
        """For how long a venue's books may be silent and still be used."""
        return min(self._silent_ms, self._venues[venue].limits.silent_ms_max)

    def listings(self, venue: str) -> list[Listing]:
        """What is known of a venue's books in the registry."""
        return self._catalog.listings(venue)

    def missing(self, key: ListingKey) -> str | None:
        """What a listing still needs before anything of it was ever on offer; None when nothing, or never."""
        if key.venue not in self._venues or self._catalog.unlisted(key):
            return None
        terms = self._catalog.terms(key)
        if terms is None:
            return f"metadata of {key}"
        if not terms.listing.tradable:
            return None
        book = self._books.get((key.venue, key.native))
        why = book.why_unusable(self._clock.monotonic_ms(), self._silent_ms) if book else State.EMPTY.value
        return f"the book of {key}: {why}" if why in _UNSEEDED else None

    def _of(self, outcome: Outcome, venues: frozenset[str]) -> _Kept:
        key, version = (outcome.outcome_id, venues), self._catalog.version
        kept = self._kept.get(key)
        if kept is None or kept.version != version or kept.outcome is not outcome:
            sources = self._sources(outcome, venues)
            buys, sales = (MergedSide(sources, side, self._tables) for side in (Side.BUY, Side.SELL))
            kept = self._kept[key] = _Kept(version, outcome, buys, sales)
            if len(self._kept) > LADDERS_MAX:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return kept

    def _sources(self, outcome: Outcome, venues: frozenset[str]) -> list[Source]:
        sources: list[Source] = []
        named: set[ListingKey] = set()
        for listing in outcome.listings:
            terms = self._catalog.terms(listing) if listing.venue in venues else None
            if terms is not None and _mirrored(terms.listing) not in named:
                named.add(listing)
                book = self._books.open(listing.venue, listing.native)
                sources.append(Source(terms, book, self.silent_ms_max(listing.venue)))
        return sources


def _mirrored(listing: Listing) -> ListingKey | None:
    """The key under which the same levels may be listed once more."""
    return ListingKey(listing.venue, listing.mirror, not listing.inverted) if listing.mirror else None
