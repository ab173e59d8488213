"""Compares each account's orders at each venue with the store: at start, when a stream is back, regularly.

Orders that the venue lists and no route knows, orders that rest although they had their last word, and fills
that were never booked: each is counted and logged, fills are booked, and what rests is cancelled where the
settings say so.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TypeGuard

import msgspec
import structlog

from router.core.execution import Execution
from router.core.invariants import Alarm
from router.core.late import traded, unproven
from router.core.model import AccountId
from router.runtime.accounts import Account
from router.runtime.ended import ENDED_MS, Ended
from router.runtime.hands import Tools
from router.runtime.late import LateFills
from router.runtime.store.protocol import ROUTES_MAX, StoreFault
from router.runtime.tasks import steady
from venues.base.contract import Signer, Venue
from venues.base.http import Talk, Unavailable
from venues.base.listing import Listing
from venues.base.orders import Answer, Filled, Order, OrderId, Pending, Rejected, Standing, Working

PASSES_MAX = 4
"""Accounts compared at the same time, so that a start with many accounts leaves the venues to orders."""
LISTINGS_PER_CALL = 50
"""Some venues list orders by market, with several requests for each: fewer than a conversation may hold."""
LISTED_EVERY_MS, LISTED_LOOKS_MAX = 500, 60
"""At start listings and time are read from the venues first; after half a minute it begins without."""
READ_MS_MAX = 10_000
LISTED_LAG_MS = 5_000
"""What ended less than this before a venue was asked may rest in its list: it ends while lists are read, and
lists lag. The next comparison tells."""
UNPROVEN_MAX = 20
"""Orders that were given up for not being shown, looked up again in one pass; the latest of them."""

WHOLE_EVERY_MS = 60_000
"""A stream that comes and goes does not have every listing asked about each time."""
TOLD_MAX = 10_000
"""Orders remembered so that each is logged once."""

log = structlog.get_logger(__name__)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What one comparison found."""

    strays: tuple[Standing, ...] = ()
    """Resting orders that no route knows: made by hand, by another program, or from a lost store."""
    undead: tuple[Standing, ...] = ()
    """Orders of ours that rest although they had their last word."""
    booked: int = 0
    """Fills that were not known."""
    unread: str = ""
    """Why the venue could not be read, or only in part."""


class Reconciler:
    """The comparisons of all accounts."""

    def __init__(
        self,
        tools: Tools,
        accounts: Mapping[AccountId, Account],
        late: LateFills,
        *,
        listings: Callable[[str], Sequence[Listing]],
        every_ms: int,
        cancel: bool,
    ) -> None:
        """`listings` are those of a venue in the registry; `cancel` takes what is found off the book."""
        self._tools, self._accounts, self._late = tools, accounts, late
        self._listings, self._every_ms, self._cancel = listings, every_ms, cancel
        self._told: dict[tuple[AccountId, str, str], None] = {}
        """What was logged, the longest ago first."""
        self._room = asyncio.Semaphore(PASSES_MAX)
        self._tasks: set[asyncio.Task[None]] = set()
        self._due: set[tuple[AccountId, str]] = set()
        """Comparisons that have not begun yet."""
        self._whole_ms: dict[tuple[AccountId, str], int] = {}
        """When the last whole one was asked for."""

    def start(self) -> None:
        """Compare everything now, and from now on whenever there is reason to."""
        self._tools.desks.on_back = self.nudge
        for account in self._accounts.values():
            for venue in account.signers:
                self._begin(account.account_id, venue, whole=True)
        clock, metrics = self._tools.clock, self._tools.metrics
        self._keep(asyncio.create_task(steady("reconcile", self._regularly, clock=clock, metrics=metrics)))

    async def stop(self) -> None:
        """Compare no more."""
        self._tools.desks.on_back = lambda *_: None
        while self._tasks:  # one that was about to begin a comparison may do so before it ends
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def nudge(self, account: AccountId, venue: str) -> None:
        """The account's stream at this venue may have missed something."""
        now_ms, last_ms = self._tools.clock.monotonic_ms(), self._whole_ms.get((account, venue))
        whole = last_ms is None or now_ms - last_ms >= WHOLE_EVERY_MS
        self._begin(account, venue, whole=whole)

    async def compare(self, account_id: AccountId, name: str, *, whole: bool) -> Found:
        """One comparison: with every listing of the registry if `whole`, else of orders known here."""
        venue, signer = self._tools.venues[name], self._accounts[account_id].signers[name]
        if whole:
            await self._recall(account_id, name)
        asked_ms = self._tools.clock.monotonic_ms()
        ended = self._tools.desks.ended.of(account_id, name)
        orders = [*(each.order for each in ended), *self._open(account_id, name)]
        own = [order.listing for order in orders]
        wanted = both_ways([*own, *(self._listings(name) if whole else ())])
        resting = await self._read(venue, signer, wanted, venue.orders.open_orders)
        over = await self._read(venue, signer, both_ways(own), venue.orders.history)
        strays, undead = self._judged(account_id, name, resting[0], asked_ms)
        booked = await self._catch_up(account_id, name, [*resting[0], *over[0]], ended)
        found = Found(strays=strays, undead=undead, booked=booked, unread=resting[1] or over[1])
        await self._act(account_id, venue, found)
        return found

    # --- when ---

    def _begin(self, account: AccountId, venue: str, *, whole: bool) -> None:
        if (account, venue) not in self._due and venue in self._tools.venues:
            if whole:
                self._whole_ms[account, venue] = self._tools.clock.monotonic_ms()
            self._due.add((account, venue))
            self._keep(asyncio.create_task(self._pass(account, venue, whole=whole)))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pass(self, account: AccountId, venue: str, *, whole: bool) -> None:
        for _ in range(LISTED_LOOKS_MAX if whole else 0):
            if self._listings(venue) and self._tools.times.known(venue):
                break
            await self._tools.clock.sleep(LISTED_EVERY_MS)
        async with self._room:
            self._due.discard((account, venue))
            try:
                await self.compare(account, venue, whole=whole)
            except StoreFault as fault:
                log.warning("reconcile.store", account=account, venue=venue, reason=str(fault))

    async def _regularly(self) -> None:
        while True:
            await self._tools.clock.sleep(self._every_ms)
            for account in self._accounts.values():
                for venue in account.signers:
                    if self._tools.desks.ended.of(account.account_id, venue):
                        self._begin(account.account_id, venue, whole=False)

    # --- what ---

    def _open(self, account: AccountId, venue: str) -> list[Order]:
        return [order for order in self._tools.ledger.open(account) if order.listing.venue == venue]

    async def _recall(self, account: AccountId, venue: str) -> None:
        """After a restart: the orders that ended in the last hour, by the venue's clock."""
        known = {each.order.order_id for each in self._tools.desks.ended.of(account, venue)}
        now_ms, at_ms = self._tools.times.now_ms(venue), self._tools.clock.monotonic_ms()
        lately = await self._tools.store.routes(account, ROUTES_MAX, since_ms=now_ms - ENDED_MS)
        for route in reversed(lately):
            planned = route.planned
            if not planned.orders:
                continue
            execution = Execution(planned, route.answers)
            ended_ms = at_ms - max(0, now_ms - planned.at_ms)  # at the earliest
            for order_id, last in execution.known.items():
                order = execution.orders[order_id]
                new = order.listing.venue == venue and order_id not in known
                if new and isinstance(last, Filled | Rejected):
                    named = [a.venue_order_id for a in route.answers if _names(a, order_id)]
                    ended = Ended(planned.route_id, order, last, at_ms=ended_ms, venue_ids=named)
                    self._tools.desks.ended.add(account, ended)

    async def _read(
        self,
        venue: Venue,
        signer: Signer,
        listings: Sequence[Listing],
        ask: Callable[[Signer, Sequence[Listing]], Talk[Sequence[Standing] | Unavailable]],
    ) -> tuple[list[Standing], str]:
        """The venue's list, and why some of it is missing."""
        rows: dict[str, Standing] = {}
        unread = ""
        for start in range(0, len(listings), LISTINGS_PER_CALL):
            talk = ask(signer, listings[start : start + LISTINGS_PER_CALL])
            got = await self._tools.transport.perform(venue, talk, signer=signer, deadline_ms=READ_MS_MAX)
            if isinstance(got, Unavailable):
                unread = got.reason
                log.warning("reconcile.unread", venue=venue.name, reason=got.reason)
            else:
                rows |= {row.venue_order_id: row for row in got}
        return list(rows.values()), unread

    def _judged(
        self, account: AccountId, venue: str, rows: Sequence[Standing], asked_ms: int
    ) -> tuple[tuple[Standing, ...], tuple[Standing, ...]]:
        """The strays and the undead among what rested when the venue was asked."""
        strays: list[Standing] = []
        undead: list[Standing] = []
        find = self._tools.desks.ended.find
        for row in rows:
            if row.open and not self._under_way(account, venue, row):
                ended = find(account, venue, client_id=row.client_id, venue_order_id=row.venue_order_id)
                if ended is None:
                    strays.append(row)
                elif asked_ms - ended.at_ms >= LISTED_LAG_MS:
                    undead.append(row)
        return tuple(strays), tuple(undead)

    def _under_way(self, account: AccountId, venue: str, row: Standing) -> bool:
        """Whether the row is, or may be, an order that is being looked up anyway."""
        ours = self._tools.desks.venue_ids(account, venue)
        for order in self._open(account, venue):
            if order.order_id in (row.client_id, ours.get(row.venue_order_id)):
                return True
            alike = order.listing.native == row.native and not row.client_id
            if alike and order.order_id not in ours.values():
                return True
        return False

    async def _catch_up(
        self, account: AccountId, venue: str, rows: Sequence[Standing], ended: Sequence[Ended]
    ) -> int:
        """Look up again what traded more than was booked, and what was given up for not being shown.

        What a look-up does not settle at once is asked on about, where the list itself says that more traded.
        """
        find = self._tools.desks.ended.find
        given_up = [each for each in ended if unproven(each.last)][-UNPROVEN_MAX:]
        doubtful = {each.order.order_id: each for each in given_up}
        listed: list[Ended] = []
        for row in rows:
            of = find(account, venue, client_id=row.client_id, venue_order_id=row.venue_order_id)
            if of is not None and row.filled > traded(of.last):
                doubtful[of.order.order_id] = of
                listed.append(of)
        booked = sum([await self._late.look_again(account, each) for each in doubtful.values()])
        for each in listed:
            if each.seen is not None:
                self._late.doubted(account, each)
        return booked

    async def _act(self, account: AccountId, venue: Venue, found: Found) -> None:
        """Count, say once, and take off the book where that is wanted."""
        self._tools.metrics.strays.labels(account, venue.name).set(len(found.strays))
        for row in found.strays:
            self._say("order.stray", account, venue, row)
        for row in found.undead:
            self._tools.metrics.violations.labels(Alarm.RESTING_AFTER_END.value).inc()
            self._say("order.resting_after_end", account, venue, row)
        for row in (*found.strays, *found.undead) if self._cancel else ():
            await self._take_off(account, venue, row)

    def _say(self, event: str, account: AccountId, venue: Venue, row: Standing) -> None:
        key = (account, venue.name, row.venue_order_id)
        if key not in self._told:
            self._told[key] = None
            order, native = row.venue_order_id, row.native
            log.warning(event, account=account, venue=venue.name, venue_order=order, native=native)
        if len(self._told) > TOLD_MAX:
            del self._told[next(iter(self._told))]

    async def _take_off(self, account: AccountId, venue: Venue, row: Standing) -> None:
        signer, order = self._accounts[account].signers[venue.name], row.venue_order_id
        talk = venue.orders.withdraw(signer, row)
        taken = await self._tools.transport.perform(
            venue, talk, signer=signer, deadline_ms=READ_MS_MAX, urgent=True
        )
        log.warning("order.taken_off", account=account, venue=venue.name, venue_order=order, taken=taken)


def _names(answer: Answer, order_id: OrderId) -> TypeGuard[Working | Pending]:
    """Whether the answer says what the venue calls this order while it is open."""
    return answer.order_id == order_id and isinstance(answer, Working | Pending)


def both_ways(listings: Sequence[Listing]) -> list[Listing]:
    """Each book's two outcomes, each once: a venue lists an order by the one it was made for."""
    found = {listing.key: listing for listing in listings}
    for listing in listings:
        other = listing.opposite()
        found.setdefault(other.key, other)
    return list(found.values())
