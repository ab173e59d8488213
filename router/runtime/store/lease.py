"""How long this process may act for the store it owns without asking it again."""

import time
from collections.abc import Callable

BEATS = 5
"""Renewals within one lease: four may fail before it runs out."""
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while the process is stopped, and where the system has it, while the machine sleeps."""


def running_ms() -> int:
    """Milliseconds of a clock that nothing stops, from an arbitrary start."""
    return time.clock_gettime_ns(_CLOCK) // 1_000_000


class Lease:
    """One epoch's right to write and to send. The writer's thread renews it; any thread may ask."""

    def __init__(
        self, epoch: int, lasts_ms: int, *, from_ms: int, clock: Callable[[], int] = running_ms
    ) -> None:
        """`from_ms` is a moment before the epoch began, by `clock`."""
        self.epoch, self.lasts_ms = epoch, lasts_ms
        self.lost: str | None = None
        """Why it is over for good."""
        self._clock = clock
        self._from_ms = from_ms

    @property
    def held(self) -> bool:
        """Whether nobody else can be the owner at this moment."""
        return self.lost is None and self._clock() - self._from_ms < self.lasts_ms

    @property
    def beat_ms(self) -> int:
        """Until it should be renewed; 0 when that is due."""
        return max(0, self._from_ms + self.lasts_ms // BEATS - self._clock())

    def now_ms(self) -> int:
        """The moment to renew from: read before the store is told, not after."""
        return self._clock()

    def renew(self, from_ms: int) -> None:
        """The store was told at `from_ms` or later that its owner lives."""
        self._from_ms = max(self._from_ms, from_ms)

    def lose(self, reason: str) -> None:
        """Another owner has taken over."""
        if self.lost is None:
            self.lost = reason
