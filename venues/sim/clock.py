"""A venue's clock: the server's own, moved or stopped by a test."""

from collections.abc import Callable

SKEW_MS_MAX = 10 * 366 * 86_400_000
"""Ten years either way: past any market's end, and still a date that every client can print."""


class SimClock:
    """The venue's idea of the time. Real time comes in as an argument."""

    def __init__(self, real: Callable[[], int]) -> None:
        self.real = real
        """The server's own clock, in Unix milliseconds."""
        self.offset_ms = 0
        self.fixed_ms: int | None = None

    def now(self) -> int:
        """The venue's time in Unix milliseconds."""
        return self.fixed_ms if self.fixed_ms is not None else self.real() + self.offset_ms

    def run(self, offset_ms: int = 0) -> None:
        """Run with real time, this far ahead of it (or behind)."""
        self.offset_ms, self.fixed_ms = offset_ms, None

    def fix(self, now_ms: int) -> None:
        """Stand still at this time."""
        self.fixed_ms = now_ms

    def advance(self, by_ms: int) -> None:
        """Jump ahead: a running clock goes on from there, a stopped one stands there."""
        if self.fixed_ms is not None:
            self.fixed_ms += by_ms
        else:
            self.offset_ms += by_ms
