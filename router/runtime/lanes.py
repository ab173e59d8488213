"""One route at a time per account, first come first served: balances read for one are true until it ends."""

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

    def take_free(self, account_id: AccountId) -> bool:
        """Take the account's lane and owe it to `give`, if nobody uses it. LaneFull without room for one."""
        return self._lane(account_id).take_free()

    async def take(self, account_id: AccountId) -> None:
        """Wait for the account's lane; owe it to `give`. Raises LaneFull at once without room to wait."""
        lane = self._lane(account_id)
        try:
            with self._waiting.track_inprogress():
                await lane.take()
        except SlotsFull:
            raise LaneFull(f"{WAITING_MAX} routes of this account are waiting") from None
        finally:
            self._forget_if_unused(account_id)

    def give(self, account_id: AccountId) -> None:
        """Hand the lane to whoever waits for it."""
        self._lanes[account_id].give()
        self._forget_if_unused(account_id)

    def _forget_if_unused(self, account_id: AccountId) -> None:
        lane = self._lanes.get(account_id)
        if lane is not None and lane.running == 0:
            del self._lanes[account_id]

    def _lane(self, account_id: AccountId) -> Slots:
        lane = self._lanes.get(account_id)
        if lane is None:
            if len(self._lanes) >= LANES_MAX:
                raise LaneFull("too many accounts are trading")
            lane = self._lanes[account_id] = Slots(1, WAITING_MAX)
        return lane
