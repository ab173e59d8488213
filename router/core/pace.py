"""How many calls a venue takes in a stretch of time, and how long the next one has to wait. Arithmetic only.

A pace is kept exactly: within any `within_ms` there are never more than `calls`. Reads leave a part of each
shared pace to orders, so that looking things up never keeps an order from leaving.
"""

from collections import deque
from collections.abc import Iterable

from venues.base.contract import Pace
from venues.base.http import Purpose

KEPT_FOR_ORDERS = 4
"""One call in so many is for orders alone, where a pace is shared."""


class Budget:
    """What one account (or, for public data, one address) has used of a venue's paces."""

    def __init__(self, paces: Iterable[Pace]) -> None:
        self._windows = [_Window(pace) for pace in paces]

    def wait_ms(self, purpose: Purpose, now_ms: int) -> int:
        """How long a call for this purpose must wait from now; 0 when it may go."""
        return max([window.wait_ms(purpose, now_ms) for window in self._windows], default=0)

    def spend(self, purpose: Purpose, now_ms: int) -> None:
        """A call goes out now. `wait_ms` was 0."""
        for window in self._windows:
            window.spend(purpose, now_ms)


class _Window:
    """The calls of one pace that still count, oldest first."""

    def __init__(self, pace: Pace) -> None:
        assert pace.calls > 0
        assert pace.within_ms > 0
        self._pace = pace
        self._calls: deque[int] = deque()
        shared = Purpose.ORDER in pace.purposes and len(pace.purposes) > 1
        self._for_reads = max(1, pace.calls - pace.calls // KEPT_FOR_ORDERS) if shared else pace.calls

    def wait_ms(self, purpose: Purpose, now_ms: int) -> int:
        if purpose not in self._pace.purposes:
            return 0
        calls = self._calls
        while calls and calls[0] <= now_ms - self._pace.within_ms:
            calls.popleft()
        allowed = self._pace.calls if purpose is Purpose.ORDER else self._for_reads
        if len(calls) < allowed:
            return 0
        return calls[len(calls) - allowed] + self._pace.within_ms - now_ms

    def spend(self, purpose: Purpose, now_ms: int) -> None:
        if purpose in self._pace.purposes:
            self._calls.append(now_ms)
