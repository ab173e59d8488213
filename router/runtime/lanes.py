"""One route at a time per account, first come first served: balances read for one are true until it ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from router.core.model import AccountId
from router.runtime.metrics import Metrics
from router.runtime.slots import Slots, SlotsFull

WAITING_MAX = 16
"""Routes waiting for one account. A route takes about a second; who waits longer than this has given up."""
LANES_MAX = 4_096
"""Accounts with a route under way, each with at most 17 routes: more than any store or venue takes."""


class LaneFull(Exception):
    """Too many routes of this account are waiting, or too many accounts are trading."""


class Lanes:
    """The lanes in use. One that nobody uses or waits for takes no memory."""

    def __init__(self, metrics: Metrics) -> None:
        self._lanes: dict[AccountId, Slots] = {}
        self._waiting = metrics.lanes_waiting

    def __len__(self) -> int:
        return len(self._lanes)

    @asynccontextmanager
    async def turn(self, account_id: AccountId) -> AsyncIterator[None]:
        """Hold the account's lane. Raises LaneFull at once when there is no room to wait."""
        lane = self._lanes.get(account_id)
        if lane is None:
            if len(self._lanes) >= LANES_MAX:
                raise LaneFull("too many accounts are trading")
            lane = self._lanes[account_id] = Slots(1, WAITING_MAX)
        try:
            with self._waiting.track_inprogress():
                await lane.take()
            try:
                yield
            finally:
                lane.give()
        except SlotsFull:
            raise LaneFull(f"{WAITING_MAX} routes of this account are waiting") from None
        finally:
            if lane.running == 0 and self._lanes.get(account_id) is lane:
                del self._lanes[account_id]
