"""Takes every resting order of a scope off the books: all accounts and venues at once.

Whoever asks is told after five seconds what has come of it. A venue may allow fewer cancels in that time than
orders rest there: these are tried on, each as listed then, so that no later order is ever taken for one.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum

import msgspec
import structlog

from router.core.invariants import Alarm
from router.core.model import AccountId
from router.runtime.accounts import Account
from router.runtime.hands import Tools
from router.runtime.reconcile import LISTINGS_PER_CALL, both_ways
from router.runtime.tasks import Tasks
from venues.base.contract import Venue
from venues.base.http import Response, Talk, Unavailable
from venues.base.listing import Listing
from venues.base.orders import Standing

CANCEL_MS_MAX = 5_000
"""After this time it is told what has become of each order. One try takes no longer either."""
ON_MS_MAX = 120_000
"""So long after that what still rests is tried: the slowest pace of a venue takes 480 cancels in it."""
AGAIN_MS, AGAIN_MS_MAX = 500, 8_000
"""Between two tries of one cancel, doubling: the venue may not have allowed another call at that moment."""
TOO_MANY = 429
"""What asks to come again later says nothing of the order."""
AT_ONCE_MAX = 16
"""Cancels under way, per account and venue: fewer than the transport has room for."""

log = structlog.get_logger(__name__)


class Fate(Enum):
    """What became of one try."""

    CANCELLED = "cancelled"
    """The venue said that it took the order off its book."""
    REFUSED = "refused"
    """It answered, and did not say so: the order may have been done already. Tried on."""
    UNKNOWN = "unknown"
    """It has not answered, or could not be asked yet for its pace. Tried on."""


class Tried(msgspec.Struct, frozen=True, rename="camel"):
    """One resting order."""

    account: AccountId
    venue: str
    order_id: str
    """The venue's own id."""
    fate: Fate


class _Try:
    """One resting order on its way off the book."""

    def __init__(self, row: Standing) -> None:
        self.row, self.fate = row, Fate.UNKNOWN

    def heard(self, talk: Talk[bool]) -> Talk[bool]:
        """The same conversation, listened to: an answer that does not say that it is off is a refusal."""
        try:
            request = next(talk)
            while True:
                reply = yield request
                if isinstance(reply, Response) and reply.status < 500 and reply.status != TOO_MANY:
                    self.fate = Fate.REFUSED
                request = talk.send(reply)
        except StopIteration as done:
            if done.value is True:
                self.fate = Fate.CANCELLED
            return self.fate is Fate.CANCELLED


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
        tasks: Tasks,
    ) -> None:
        """`listings` are those of a venue in the registry; `tasks` keep what is tried on."""
        self._tools, self._accounts, self._listings, self._tasks = tools, accounts, listings, tasks
        self._tries: dict[tuple[AccountId, str, str], tuple[_Try, asyncio.Task[None]]] = {}
        """Under way, by account, venue and the venue's order: whoever asks again waits for the same try."""

    async def run(self, wanted: Wanted) -> Outcome:
        """Every order that rests there is tried, whoever placed it; takes CANCEL_MS_MAX or a moment more.

        What is not off the book by then is tried for ON_MS_MAX more, while nobody waits for it.
        """
        end_ms = self._tools.clock.monotonic_ms() + CANCEL_MS_MAX
        places = [
            (account, self._tools.venues[venue])
            for account in self._accounts.values()
            if wanted.account in (None, account.account_id)
            for venue in account.signers
            if venue in self._tools.venues and wanted.venue in (None, venue)
        ]
        jobs = [self._account(account, venue, wanted, end_ms) for account, venue in places]
        told = await asyncio.gather(*jobs, return_exceptions=True)
        parts = [
            self._crashed(*place, part) if isinstance(part, BaseException) else part
            for place, part in zip(places, told, strict=True)
        ]
        outcome = Outcome(
            tuple(tried for orders, _ in parts for tried in orders),
            tuple(unread for _, gaps in parts for unread in gaps),
        )
        fates = [tried.fate.value for tried in outcome.orders]
        counts = {fate.value: fates.count(fate.value) for fate in Fate}
        log.warning("orders.cancelled", **counts, unread=len(outcome.unread))
        return outcome

    def _crashed(
        self, account: Account, venue: Venue, bug: BaseException
    ) -> tuple[list[Tried], list[Unread]]:
        """Our own code failed at one venue: the others' orders were tried all the same."""
        self._tools.metrics.violations.labels(Alarm.INTERNAL_ERROR.value).inc()
        log.error("orders.cancel_crashed", account=account.account_id, venue=venue.name, exc_info=bug)
        return [], [Unread(account.account_id, venue.name, f"internal error: {type(bug).__name__}")]

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
        tries = [self._begin(account, venue, row, room) for row in rows.values()]
        if tries:
            left_ms = max(1, end_ms - self._tools.clock.monotonic_ms())
            await asyncio.wait([task for _, task in tries], timeout=left_ms / 1_000)
        name, at = account.account_id, venue.name
        return [Tried(name, at, each.row.venue_order_id, each.fate) for each, _ in tries], gaps

    def _begin(
        self, account: Account, venue: Venue, row: Standing, room: asyncio.Semaphore
    ) -> tuple[_Try, asyncio.Task[None]]:
        key = (account.account_id, venue.name, row.venue_order_id)
        if key not in self._tries:
            each = _Try(row)
            task = self._tasks.keep(self._take_off(account, venue, each, room))
            self._tries[key] = each, task
            task.add_done_callback(lambda _: self._tries.pop(key, None))
        return self._tries[key]

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

    async def _take_off(self, account: Account, venue: Venue, each: _Try, room: asyncio.Semaphore) -> None:
        """Again and again until it is off, or for as long as anything is tried."""
        clock, signer, wait_ms = self._tools.clock, account.signers[venue.name], AGAIN_MS
        end_ms = clock.monotonic_ms() + CANCEL_MS_MAX + ON_MS_MAX
        while clock.monotonic_ms() < end_ms:
            async with room:
                talk = each.heard(venue.orders.withdraw(signer, each.row))
                await self._tools.transport.perform(
                    venue, talk, signer=signer, deadline_ms=CANCEL_MS_MAX, urgent=True
                )
            if each.fate is Fate.CANCELLED:
                return
            await clock.sleep(wait_ms)
            wait_ms = min(2 * wait_ms, AGAIN_MS_MAX)
        log.warning(
            "order.not_cancelled",
            account=account.account_id,
            venue=venue.name,
            venue_order=each.row.venue_order_id,
            fate=each.fate.value,
        )
