"""An asyncio loop whose time jumps to the next timer as soon as nothing else is to be done."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from router.core.model import RouteId

T = TypeVar("T")
EPOCH_MS = 1_795_000_000_000


class StuckError(RuntimeError):
    """Nothing can ever happen any more."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Waits take no time at all; sockets and threads are of no use on it."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual = 0.0

    def time(self) -> float:
        return self._virtual

    def _run_once(self) -> None:
        if not self._ready:  # type: ignore[attr-defined]  # private to asyncio
            timers = [handle for handle in self._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]  # private to asyncio
            if not timers:
                raise StuckError("every task waits and no timer is set")
            self._virtual = max(self._virtual, min(handle.when() for handle in timers))
        super()._run_once()  # type: ignore[misc]  # private to asyncio


class VirtualClock:
    """`router.runtime.clock.Clock` on a virtual loop. Ids and salts are counted."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._ids = 0

    def now_ms(self) -> int:
        return EPOCH_MS + self.monotonic_ms()

    def monotonic_ms(self) -> int:
        return round(self._loop.time() * 1000)

    async def sleep(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000)

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


def run(loop: VirtualLoop, work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, as `asyncio.run` does."""
    try:
        return loop.run_until_complete(work)
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(_settled(asyncio.all_tasks(loop)))
        loop.close()


async def _settled(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
