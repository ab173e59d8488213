"""What the venues say about the registry's listings: ticks, lots, minimums, fees, status; kept fresh."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import structlog

from router.core.model import Terms
from router.runtime.clock import Clock
from router.runtime.door import Door
from venues.base.contract import Signer, Venue
from venues.base.events import Regrid
from venues.base.http import Unavailable
from venues.base.listing import Listing, ListingKey, Native

FETCH_MS_MAX = 10_000
"""Longest wait for the metadata of one batch."""
RETRY_MS = 2_000
"""Wait before asking again while a venue could not be read."""
BATCH = 50
"""Listings asked for in one conversation."""
FAILURES_MAX = 3
"""Batches in a row that could not be read: the venue is down, and the rest waits for the next refresh."""

log = structlog.get_logger(__name__)


class Catalog:
    """Metadata of every listing the registry names. A venue that cannot be read keeps what it said last."""

    def __init__(
        self,
        venues: Mapping[str, Venue],
        transport: Door,
        clock: Clock,
        *,
        refresh_ms: int,
        signers: Mapping[str, Signer] | None = None,
    ) -> None:
        """`signers` are for the venues that show their listings only to a key, by venue name."""
        self._signers = signers if signers is not None else {}
        self._venues, self._transport, self._clock, self._refresh_ms = venues, transport, clock, refresh_ms
        self._natives: dict[str, set[Native]] = {}
        self._listings: dict[tuple[str, Native], Listing] = {}
        self._terms: dict[ListingKey, Terms] = {}
        self._unlisted: set[tuple[str, Native]] = set()
        self.version = 0
        """Grows whenever any listing's terms change; whoever keeps something built from them compares it."""

    def watch(self, venue: str, natives: Iterable[Native]) -> None:
        """From the next refresh on, read exactly these books of the venue; what is known of others goes."""
        watched = self._natives[venue] = set(natives)
        for of, native in [*self._listings, *self._unlisted]:
            if of == venue and native not in watched:
                self._unlisted.discard((of, native))
                self._forget(of, native)

    def follows(self, venue: str) -> bool:
        """Whether any book of the venue is read."""
        return bool(self._natives.get(venue))

    def terms(self, key: ListingKey) -> Terms | None:
        """What is known of a listing in this orientation; None while nothing is."""
        if key in self._terms:
            return self._terms[key]
        listing = self._listings.get((key.venue, key.native))
        if listing is None:
            return None
        venue = self._venues[key.venue]
        oriented = listing.opposite() if key.inverted else listing
        terms = Terms(listing=oriented, curve=venue.fees.curve(oriented), traits=venue.traits)
        self._terms[key] = terms
        return terms

    def listings(self, venue: str) -> list[Listing]:
        """What is known of a venue's watched books, not inverted."""
        return [listing for (of, _), listing in self._listings.items() if of == venue]

    def unlisted(self, key: ListingKey) -> bool:
        """Whether the venue was asked for this book last and does not know it."""
        return (key.venue, key.native) in self._unlisted

    def regrid(self, venue: str, event: Regrid) -> None:
        """The feed says that a book's ticks changed; no need to wait for the next refresh."""
        listing = self._listings.get((venue, event.native))
        if listing is not None and listing.grid != event.grid:
            self._keep(msgspec.structs.replace(listing, grid=event.grid))

    def shut(self, key: ListingKey) -> None:
        """The venue said that it takes no orders for this listing: left out until it is read again."""
        listing = self._listings.get((key.venue, key.native))
        if listing is not None and listing.tradable:
            log.warning("catalog.shut", venue=key.venue, native=key.native)
            self._keep(msgspec.structs.replace(listing, tradable=False))

    async def refresh(self) -> dict[str, str]:
        """Read everything anew. Returns the venues that could not be read, with the reason."""
        return await self._refresh(list(self._natives))

    async def run(self) -> None:
        """Refresh for ever; a venue that could not be read sooner, and it alone."""
        due: dict[str, int] = {}
        while True:
            names = [name for name in self._natives if due.get(name, 0) <= self._clock.monotonic_ms()]
            unread, now_ms = await self._refresh(names), self._clock.monotonic_ms()
            for name in names:
                wait_ms = min(RETRY_MS, self._refresh_ms) if name in unread else self._refresh_ms
                due[name] = now_ms + wait_ms
            await self._clock.sleep(max(1, min(due.values(), default=now_ms + self._refresh_ms) - now_ms))

    async def _refresh(self, names: Sequence[str]) -> dict[str, str]:
        """Those that could not be read, with the reason. Our own code failing at one harms no other."""
        reads = [self._read(name, sorted(self._natives[name])) for name in names]
        unread: dict[str, str] = {}
        for name, told in zip(names, await asyncio.gather(*reads, return_exceptions=True), strict=True):
            if isinstance(told, BaseException):
                log.error("catalog.crashed", venue=name, exc_info=told)
                unread[name] = f"internal error: {type(told).__name__}"
            elif told:
                unread[name] = told
        return unread

    async def _read(self, name: str, natives: list[Native]) -> str:
        """Batch by batch; one that cannot be read does not keep the next from being read."""
        reason, failures = "", 0
        for start in range(0, len(natives), BATCH):
            why = await self._read_batch(self._venues[name], natives[start : start + BATCH])
            reason, failures = why or reason, failures + 1 if why else 0
            if failures >= FAILURES_MAX:
                break
        return reason

    async def _read_batch(self, venue: Venue, batch: list[Native]) -> str:
        talk = venue.listings.fetch(batch)
        signer = self._signers.get(venue.name)
        found = await self._transport.perform(venue, talk, signer=signer, deadline_ms=FETCH_MS_MAX)
        if isinstance(found, Unavailable):
            log.warning("catalog.unavailable", venue=venue.name, reason=found.reason)
            return found.reason
        watched = self._natives[venue.name]
        for listing in found:
            if listing.native in watched:
                self._keep(listing)
        for missing in set(batch) - {listing.native for listing in found}:
            if (venue.name, missing) not in self._unlisted:
                log.warning("catalog.unknown_listing", venue=venue.name, native=missing)
                self._unlisted.add((venue.name, missing))
                self._forget(venue.name, missing)
        return ""

    def _keep(self, listing: Listing) -> None:
        if self._listings.get((listing.venue, listing.native)) == listing:
            return
        self._forget(listing.venue, listing.native)
        self._unlisted.discard((listing.venue, listing.native))
        self._listings[listing.venue, listing.native] = listing

    def _forget(self, venue: str, native: Native) -> None:
        self._listings.pop((venue, native), None)
        for inverted in (False, True):
            self._terms.pop(ListingKey(venue, native, inverted), None)
        self.version += 1
