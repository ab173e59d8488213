"""Waiting until a venue allows another call: the shell around `router.core.pace`."""

from router.core.pace import Budget
from router.runtime.clock import Clock
from router.runtime.metrics import Metrics
from venues.base.contract import Signer, Venue
from venues.base.http import Purpose

ORDER_PACED_MS_MAX = 500
"""Longest wait of an order for its venue's pace: after that the plan it belongs to is stale."""


class Paces:
    """The budgets of calls, by venue and signer: whose calls a venue counts together."""

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        self._clock, self._metrics = clock, metrics
        self._budgets: dict[tuple[str, int], Budget] = {}

    def inherit(self, venue: str, before: Signer, after: Signer) -> None:
        """What was spent with one signer of an account counts for the one that took its place."""
        budget = self._budgets.pop((venue, id(before)), None)
        if budget is not None:
            self._budgets[venue, id(after)] = budget

    async def wait(
        self,
        venue: Venue,
        purpose: Purpose,
        signer: Signer | None,
        *,
        end_ms: int,
        urgent: bool = False,
    ) -> bool:
        """Until the venue's paces allow a call, which is then spent; False when that would be too late.

        `end_ms` is on the clock's monotonic scale. What is `urgent`, such as a cancel, may wait until then.
        """
        if not venue.limits.paces:
            return True
        budget = self._budgets.setdefault((venue.name, id(signer)), Budget(venue.limits.paces))
        latest_ms = end_ms
        if purpose is Purpose.ORDER and not urgent:
            latest_ms = min(end_ms, self._clock.monotonic_ms() + ORDER_PACED_MS_MAX)
        while wait_ms := budget.wait_ms(purpose, now_ms := self._clock.monotonic_ms()):
            if now_ms + wait_ms > latest_ms:
                return False
            self._metrics.paced.labels(venue.name, purpose.value).inc()
            await self._clock.sleep(wait_ms)
        budget.spend(purpose, now_ms)
        return True
