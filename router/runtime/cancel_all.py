"""Takes every resting order of a scope off the books: all accounts and venues at once, in five seconds."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum

import msgspec
import structlog

from router.core.model import AccountId
from router.runtime.accounts import Account
from router.runtime.hands import Tools
from router.runtime.reconcile import LISTINGS_PER_CALL, both_ways
from venues.base.contract import Venue
from venues.base.http import Unavailable
from venues.base.listing import Listing
from venues.base.orders import Standing

CANCEL_MS_MAX = 5_000
"""After this time whatever has not answered is told as unknown."""
AGAIN_MS = 500
"""Between two tries of one cancel: the venue may not have allowed another call at that moment."""
AT_ONCE_MAX = 16
"""Cancels under way, per account and venue: fewer than the transport has room for."""

log = structlog.get_logger(__name__)


class Fate(Enum):
    """What became of one try."""

    CANCELLED = "cancelled"
    """The venue said that it took the order off its book."""
    REFUSED = "refused"
    """It did not say so, as often as it was asked: the order may have been done already."""
    UNKNOWN = "unknown"
    """It has not answered in time."""


class Tried(msgspec.Struct, frozen=True, rename="camel"):
    """One resting order."""

    account: AccountId
    venue: str
    order_id: str
    """The venue's own id."""
    fate: Fate


class Unread(msgspec.Struct, frozen=True, rename="camel"):
    """Orders of an account at a venue that could not be listed, or not all of them."""

    account: AccountId
    venue: str
    reason: str


class Outcome(msgspec.Struct, frozen=True):
    """All that was tried."""

    orders: tuple[Tried, ...]
    unread: tuple[Unread, ...]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Whose orders where. None: of all."""

    account: AccountId | None = None
    venue: str | None = None
    books: Collection[tuple[str, str]] | None = None
    """(venue, native)"""


def _books(listing: Listing) -> set[tuple[str, str]]:
    """A listing's book and its mirror, where it has one."""
    return {(listing.venue, listing.native), (listing.venue, listing.mirror or listing.native)}


class CancelAll:
    """Cancels are never halted, and never wait for new orders: these are not sent any more."""

    def __init__(
        self,
        tools: Tools,
        accounts: Mapping[AccountId, Account],
        listings: Callable[[str], Sequence[Listing]],
    ) -> None:
        """`listings` are those of a venue in the registry."""
        self._tools, self._accounts, self._listings = tools, accounts, listings

    async def run(self, wanted: Wanted) -> Outcome:
        """Every order that rests there is tried, whoever placed it; takes CANCEL_MS_MAX or a moment more."""
        end_ms = self._tools.clock.monotonic_ms() + CANCEL_MS_MAX
        jobs = [
            self._account(account, self._tools.venues[venue], wanted, end_ms)
            for account in self._accounts.values()
            if wanted.account in (None, account.account_id)
            for venue in account.signers
            if venue in self._tools.venues and wanted.venue in (None, venue)
        ]
        parts = await asyncio.gather(*jobs)
        outcome = Outcome(
            tuple(tried for orders, _ in parts for tried in orders),
            tuple(unread for _, gaps in parts for unread in gaps),
        )
        fates = [tried.fate.value for tried in outcome.orders]
        counts = {fate.value: fates.count(fate.value) for fate in Fate}
        log.warning("orders.cancelled", **counts, unread=len(outcome.unread))
        return outcome

    async def _account(
        self, account: Account, venue: Venue, wanted: Wanted, end_ms: int
    ) -> tuple[list[Tried], list[Unread]]:
        rows: dict[str, Standing] = {}
        gaps: list[Unread] = []
        listings = self._wanted_listings(account, venue, wanted)
        pages = [listings[at : at + LISTINGS_PER_CALL] for at in range(0, len(listings), LISTINGS_PER_CALL)]
        for got in await asyncio.gather(*(self._listed(account, venue, page, end_ms) for page in pages)):
            if isinstance(got, Unavailable):
                gaps.append(Unread(account.account_id, venue.name, got.reason))
            else:
                rows |= {row.venue_order_id: row for row in got if row.open}
        room = asyncio.Semaphore(AT_ONCE_MAX)

        async def take_off(row: Standing) -> Tried:
            async with room:
                return await self._take_off(account, venue, row, end_ms)

        return list(await asyncio.gather(*(take_off(row) for row in rows.values()))), gaps

    def _wanted_listings(self, account: Account, venue: Venue, wanted: Wanted) -> list[Listing]:
        """Of the registry, and of orders under way: these may be of a registry before."""
        live = [o.listing for o in self._tools.ledger.open(account.account_id)]
        known = [*self._listings(venue.name), *(each for each in live if each.venue == venue.name)]
        books = wanted.books
        return both_ways([each for each in known if books is None or not _books(each).isdisjoint(books)])

    async def _listed(
        self, account: Account, venue: Venue, listings: Sequence[Listing], end_ms: int
    ) -> Sequence[Standing] | Unavailable:
        signer = account.signers[venue.name]
        left_ms = max(1, end_ms - self._tools.clock.monotonic_ms())
        talk = venue.orders.open_orders(signer, listings)
        return await self._tools.transport.perform(
            venue, talk, signer=signer, deadline_ms=left_ms, urgent=True
        )

    async def _take_off(self, account: Account, venue: Venue, row: Standing, end_ms: int) -> Tried:
        signer = account.signers[venue.name]
        left_ms = max(1, end_ms - self._tools.clock.monotonic_ms())
        fate = Fate.UNKNOWN
        try:
            async with asyncio.timeout(left_ms / 1_000):
                while fate is not Fate.CANCELLED:
                    talk = venue.orders.withdraw(signer, row)
                    taken = await self._tools.transport.perform(
                        venue, talk, signer=signer, deadline_ms=left_ms, urgent=True
                    )
                    if taken:
                        fate = Fate.CANCELLED
                    else:
                        fate = Fate.REFUSED
                        await self._tools.clock.sleep(AGAIN_MS)
        except TimeoutError:
            log.warning("order.not_cancelled", venue=venue.name, venue_order=row.venue_order_id)
        return Tried(account.account_id, venue.name, row.venue_order_id, fate)
