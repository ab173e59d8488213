"""What each account has at each venue: read in parallel, remembered for a moment, debited by our own fills.

Only reading adds money or shares: a fill takes what it cost at once, what it brought counts once the venue
shows it. So the picture errs on the side of too little, and the venue's own check is the last guard.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from router.core.model import AccountId
from router.runtime.accounts import Account
from router.runtime.clock import Clock
from router.runtime.door import Door
from venues.base.contract import Venue
from venues.base.http import Unavailable
from venues.base.listing import Listing, ListingKey
from venues.base.orders import Filled, Order, Pending, Side, Working
from venues.base.units import Cash, Size

R = TypeVar("R")
READ_MS_MAX = 2_000
"""Longest wait for one balance or position read."""
STRAGGLE_MS_MAX = 500
"""Longest wait for the other venues once one has answered: one that is slow keeps no order waiting."""
SLOW = "slow"
"""Why a venue counts as unread that has not answered by then. Its answer is taken when it comes."""


class _Purse:
    """One account's money at one venue."""

    def __init__(self) -> None:
        self.funds: dict[str, Cash] = {}
        self.read_ms: int | None = None
        self.spent: dict[str, int] = {}
        """All that was ever debited, by pool, so that a read that overlapped a debit can be corrected."""


class Balances:
    """The purses of all accounts."""

    def __init__(self, venues: Mapping[str, Venue], transport: Door, clock: Clock, *, age_ms: int) -> None:
        self._venues, self._transport, self._clock, self._age_ms = venues, transport, clock, age_ms
        self._purses: dict[tuple[AccountId, str], _Purse] = {}
        self._reading: dict[tuple[AccountId, str], asyncio.Task[Mapping[str, Cash] | Unavailable]] = {}
        """Reads of funds under way: nobody asks for the same twice at a time."""
        self.keep: Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]] = asyncio.ensure_future
        """Runs a read that may outlive the plan it is for; it ends by READ_MS_MAX."""

    def remembered(self, account: Account, venues: Sequence[str]) -> dict[tuple[str, str], Cash] | None:
        """Cash by (venue, pool) where all of it was read lately; None where a venue has to be asked."""
        now_ms = self._clock.monotonic_ms()
        cash: dict[tuple[str, str], Cash] = {}
        for venue in venues:
            purse = self._fresh(account, venue, now_ms)
            if purse is None:
                return None
            for pool, amount in purse.funds.items():
                cash[venue, pool] = amount
        return cash

    async def funds(
        self, account: Account, venues: Sequence[str]
    ) -> tuple[dict[tuple[str, str], Cash], dict[str, str]]:
        """Cash by (venue, pool), and the venues that could not be read with the reason."""
        now_ms = self._clock.monotonic_ms()
        old = [venue for venue in venues if self._fresh(account, venue, now_ms) is None]
        read = dict(zip(old, await self._read_all(account, old), strict=True)) if old else {}
        cash: dict[tuple[str, str], Cash] = {}
        unread: dict[str, str] = {}
        for venue in venues:
            result = read[venue] if venue in read else self._purses[account.account_id, venue].funds
            if isinstance(result, Unavailable):
                unread[venue] = result.reason
            else:
                cash.update({(venue, pool): amount for pool, amount in result.items()})
        return cash, unread

    async def holdings(
        self, account: Account, listings: Sequence[Listing]
    ) -> tuple[dict[ListingKey, Size], dict[str, str]]:
        """Shares free to sell by listing, read now, and the venues that could not be read."""
        by_venue: dict[str, list[Listing]] = {}
        for listing in listings:
            by_venue.setdefault(listing.venue, []).append(listing)
        asking = [self.keep(self._held(account, v, group)) for v, group in by_venue.items()]
        results = await self._in_time(asking)
        shares: dict[ListingKey, Size] = {}
        unread: dict[str, str] = {}
        for venue, result in zip(by_venue, results, strict=True):
            if isinstance(result, Unavailable):
                unread[venue] = result.reason
            else:
                shares.update(result)
        return shares, unread

    def debit(self, account: AccountId, order: Order, answer: Filled | Working | Pending) -> None:
        """An order of ours traded: what it cost is gone, whatever the last read said."""
        purse = self._purses.get((account, order.listing.venue))
        if purse is None or order.side is Side.SELL:
            return
        fee = answer.fee.cash if isinstance(answer, Filled | Working) else 0
        pool, paid = order.listing.pool, answer.cash + fee
        purse.spent[pool] = purse.spent.get(pool, 0) + paid
        if pool in purse.funds:
            purse.funds[pool] = Cash(max(0, purse.funds[pool] - paid))

    def distrust(self, account: AccountId, venue: str) -> None:
        """The venue contradicted us: read again before the next order."""
        if purse := self._purses.get((account, venue)):
            purse.read_ms = None

    def _fresh(self, account: Account, venue: str, now_ms: int) -> _Purse | None:
        """What was read lately."""
        purse = self._purses.get((account.account_id, venue))
        if purse is None or purse.read_ms is None or now_ms - purse.read_ms > self._age_ms:
            return None
        return purse

    async def _read_all(
        self, account: Account, venues: Sequence[str]
    ) -> list[Mapping[str, Cash] | Unavailable]:
        asking = []
        for venue in venues:
            key = account.account_id, venue
            reading = self._reading.get(key)
            if reading is None:
                reading = self._reading[key] = self.keep(self._read(account, venue))
                reading.add_done_callback(partial(self._read_ended, key))
            asking.append(reading)
        return await self._in_time(asking)

    def _read_ended(self, key: tuple[AccountId, str], _: object) -> None:
        del self._reading[key]

    async def _in_time(self, asking: Sequence[asyncio.Task[R]]) -> list[R | Unavailable]:
        """What each read found, as far as it came in time."""
        if len(asking) == 1:
            return [await asking[0]]
        if asking:
            await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait(asking, timeout=STRAGGLE_MS_MAX / 1_000)
        return [task.result() if task.done() else Unavailable(SLOW) for task in asking]

    async def _read(self, account: Account, venue: str) -> Mapping[str, Cash] | Unavailable:
        purse = self._purses.setdefault((account.account_id, venue), _Purse())
        now = self._clock.monotonic_ms()
        before = dict(purse.spent)
        signer = account.signers[venue]
        talk = self._venues[venue].orders.funds(signer)
        read = await self._transport.perform(
            self._venues[venue], talk, signer=signer, deadline_ms=READ_MS_MAX
        )
        if isinstance(read, Unavailable):
            return read
        if purse.spent != before:  # whether the venue had counted that yet, nobody knows
            purse.read_ms = None
            return {
                pool: Cash(max(0, cash - purse.spent.get(pool, 0) + before.get(pool, 0)))
                for pool, cash in read.items()
            }
        purse.funds = dict(read)
        purse.read_ms = now
        return purse.funds

    async def _held(
        self, account: Account, venue: str, listings: Sequence[Listing]
    ) -> Mapping[ListingKey, Size] | Unavailable:
        signer = account.signers[venue]
        talk = self._venues[venue].orders.holdings(signer, listings)
        return await self._transport.perform(
            self._venues[venue], talk, signer=signer, deadline_ms=READ_MS_MAX
        )
