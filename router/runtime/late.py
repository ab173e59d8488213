"""Fills that show up after an order had its last word: looked up, booked, counted and logged."""

from collections.abc import Mapping

import structlog

from router.core.execution import Execution
from router.core.late import refutes
from router.core.model import AccountId, RouteId
from router.core.records import Answered
from router.runtime.accounts import Account
from router.runtime.ended import Ended
from router.runtime.hands import LOOK_UP_MS_MAX, Tools, counted_late
from router.runtime.runner import OWED_RETRY_MS
from router.runtime.store.protocol import StoreDown
from router.runtime.tasks import Tasks
from venues.base.orders import Filled, Pending, Unknown, Working
from venues.base.units import Cash, Size

LOOKS_MAX = 10
"""Look-ups after one doubt: with a second in between they outlast any venue's settlement."""
LOOK_EVERY_MS = 1_000
LOOKING_MAX = 64
"""Orders in doubt at a time; another doubt about them comes with the next reconciliation."""

log = structlog.get_logger(__name__)


class LateFills:
    """What one router does about them."""

    def __init__(
        self,
        tools: Tools,
        accounts: Mapping[AccountId, Account],
        tasks: Tasks,
        *,
        live: Mapping[RouteId, Execution],
    ) -> None:
        """`live` are the routes that still run: they must know before they plan and tell more."""
        self._tools, self._accounts, self._tasks, self._live = tools, accounts, tasks, live
        self._looking: set[str] = set()
        tools.desks.on_doubt = self.doubted

    def doubted(self, account: AccountId, ended: Ended) -> None:
        """Something says that more of the order traded than we have booked: find out."""
        order_id = ended.order.order_id
        if order_id not in self._looking and len(self._looking) < LOOKING_MAX:
            self._looking.add(order_id)
            looking = self._tasks.keep(self._look(account, ended))
            looking.add_done_callback(lambda _: self._looking.discard(order_id))

    async def look_again(self, account_id: AccountId, ended: Ended) -> bool:
        """Ask the venue once more about an order that has ended; book what is new. Whether anything was."""
        order, account = ended.order, self._accounts.get(account_id)
        venue = self._tools.venues.get(order.listing.venue)
        signer = account.signers.get(order.listing.venue) if account else None
        if venue is None or signer is None:
            return False
        known = ended.seen or _as_known(ended)
        now_ms = self._tools.times.surely_ms(venue.name, order.created_ms)
        talk = venue.orders.look_up(order, signer, known, now_ms)
        found = await self._tools.transport.perform(venue, talk, signer=signer, deadline_ms=LOOK_UP_MS_MAX)
        if not isinstance(found, Unknown):
            ended.seen = found if isinstance(found, Pending | Working) else None
        if not refutes(ended.last, found):
            return False
        assert isinstance(found, Filled), "only a last word replaces one"
        await self._book(account_id, ended, found)
        return True

    async def _look(self, account: AccountId, ended: Ended) -> None:
        for _ in range(LOOKS_MAX):
            if await self.look_again(account, ended):
                return
            await self._tools.clock.sleep(LOOK_EVERY_MS)

    async def _book(self, account: AccountId, ended: Ended, found: Filled) -> None:
        """The stored route tells the truth from now on, also where its caller was told something else."""
        before, ended.last = ended.last, found
        running = self._live.get(ended.route_id)
        if running is not None:
            running.corrected(found)
        counted_late(self._tools, account, ended, before)
        self._tools.checks.traded(account, ended.order, found)
        while not await self._written(ended, found):
            await self._tools.clock.sleep(OWED_RETRY_MS)

    async def _written(self, ended: Ended, found: Filled) -> bool:
        record = Answered(route_id=ended.route_id, answer=found, at_ms=self._tools.clock.now_ms())
        failure: StoreDown | None = None
        try:
            await self._tools.store.append(record)
        except StoreDown as down:
            failure = down
        if failure is not None:
            log.error("store.not_recorded", record="Answered", route=ended.route_id, reason=str(failure))
        return failure is None


def _as_known(ended: Ended) -> Pending | Unknown:
    """What may be said to a venue about an order in doubt: its id, if it had one, and no fills."""
    last, order_id = ended.last, ended.order.order_id
    named = last.venue_order_id if isinstance(last, Filled) else next(iter(ended.venue_ids), "")
    if named:
        return Pending(order_id, named, Size(0), Cash(0), "looked up again")
    return Unknown(order_id, "looked up again")
