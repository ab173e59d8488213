"""Clocks for tests: real ones that run fast, so that back-off and silence are tested in milliseconds."""

import asyncio
import time

from router.core.model import RouteId


class FastClock:
    """Runs `speed` times as fast as the wall. Luck is a counter; jitter is always the maximum."""

    def __init__(self, speed: int = 1) -> None:
        self.speed = speed
        self.slept: list[int] = []
        self._ids = 0

    def now_ms(self) -> int:
        return 1_800_000_000_000 + self.monotonic_ms()

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() * self.speed // 1_000_000

    async def sleep(self, ms: int) -> None:
        self.slept.append(ms)
        await asyncio.sleep(ms / 1000 / self.speed)

    def jitter(self, ms_max: int) -> int:
        return ms_max

    def new_id(self) -> str:
        self._ids += 1
        return f"00000000-0000-4000-8000-{self._ids:012d}"

    def new_route_id(self) -> RouteId:
        return RouteId(f"rord-{self.new_id()}")

    def new_salt(self) -> int:
        self._ids += 1
        return self._ids
