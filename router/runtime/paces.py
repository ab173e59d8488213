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
        self._shared: dict[str, Budget] = {}
        """By venue: what it counts by address, whoever signs."""

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
        own, shared = self._of(venue, signer)
        latest_ms = end_ms
        if purpose is Purpose.ORDER and not urgent:
            latest_ms = min(end_ms, self._clock.monotonic_ms() + ORDER_PACED_MS_MAX)
        while True:
            now_ms = self._clock.monotonic_ms()
            wait_ms = max(own.wait_ms(purpose, now_ms), shared.wait_ms(purpose, now_ms))
            if not wait_ms:
                break
            if now_ms + wait_ms > latest_ms:
                return False
            self._metrics.paced.labels(venue.name, purpose.value).inc()
            await self._clock.sleep(wait_ms)
        own.spend(purpose, now_ms)
        shared.spend(purpose, now_ms)
        return True

    def _of(self, venue: Venue, signer: Signer | None) -> tuple[Budget, Budget]:
        """What is the signer's own, and what all share because the venue counts by address."""
        paces, place = venue.limits.paces, (venue.name, id(signer))
        if place not in self._budgets:
            self._budgets[place] = Budget(pace for pace in paces if not pace.per_address)
        if venue.name not in self._shared:
            self._shared[venue.name] = Budget(pace for pace in paces if pace.per_address)
        return self._budgets[place], self._shared[venue.name]
