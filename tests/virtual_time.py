"""An asyncio loop whose time jumps to the next timer as soon as nothing else is to be done."""

import asyncio
import heapq
import itertools
import random
from collections import deque
from collections.abc import Coroutine
from typing import Any, TypeVar

from router.core.model import RouteId
from router.runtime.clock import SALT_MAX

T = TypeVar("T")
EPOCH_MS = 1_795_000_000_000
SPREAD = 5_566_755_282_872_655
"""The golden section of `SALT_MAX`, odd: its multiples lie far from each other (Fibonacci hashing)."""


class StuckError(RuntimeError):
    """Nothing can ever happen any more."""


class NumberedTask(asyncio.Task[Any]):
    """One whose place in a set follows from when it was made, not from where it lies in memory."""

    def __init__(self, *arguments: Any, number: int, **options: Any) -> None:
        self.number = number
        super().__init__(*arguments, **options)

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class NumberedFuture(asyncio.Future[Any]):
    """The same for futures."""

    def __init__(self, number: int, loop: asyncio.AbstractEventLoop) -> None:
        self.number = number
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class VirtualLoop(asyncio.SelectorEventLoop):
    """Waits take no time at all; sockets and threads are of no use on it.

    With `luck` whatever could run now runs in an order of its choosing, as on a machine whose sockets and
    threads make things ready in any order. Without it the order is asyncio's own: first come, first run.
    """

    def __init__(self, luck: random.Random | None = None) -> None:
        super().__init__()
        self._virtual = 0.0
        self._luck = luck
        self._ready: deque[asyncio.Handle]
        self._scheduled: list[asyncio.TimerHandle]
        """Both are private to asyncio, whose other methods fill them."""
        self._numbers = itertools.count()
        self.set_task_factory(self._numbered)

    def create_future(self) -> asyncio.Future[Any]:
        return NumberedFuture(next(self._numbers), self)

    def _numbered(self, loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        return NumberedTask(work, loop=loop, number=next(self._numbers), **options)

    def time(self) -> float:
        return self._virtual

    def suspend(self, ms: int) -> None:
        """The machine sleeps for this long: every timer until then is late."""
        self._virtual += ms / 1000

    def _run_once(self) -> None:
        """Run one callback; when there is none, be at the time of the next timer."""
        ready = self._ready
        if not ready:
            self._virtual = max(self._virtual, self._next_timer())
        timers = self._scheduled
        while timers and timers[0].when() <= self._virtual:
            timer = heapq.heappop(timers)
            timer._scheduled = False  # type: ignore[attr-defined]  # private to asyncio
            if not timer.cancelled():
                ready.append(timer)
        if self._luck is not None and len(ready) > 1:
            ready.rotate(-int(self._luck.random() * len(ready)))
        handle = ready.popleft()
        if not handle.cancelled():
            handle._run()

    def _next_timer(self) -> float:
        timers = self._scheduled
        while timers and timers[0].cancelled():
            heapq.heappop(timers)._scheduled = False  # type: ignore[attr-defined]  # private to asyncio
        if not timers:
            raise StuckError("every task waits and no timer is set")
        return timers[0].when()


class VirtualClock:
    """`router.runtime.clock.Clock` on a virtual loop. Ids are counted; salts are counted and then spread over
    their whole range, as random ones are: a venue may tell orders apart by them, through rounded numbers."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._ids = 0

    def now_ms(self) -> int:
        return EPOCH_MS + self.monotonic_ms()

    def monotonic_ms(self) -> int:
        return round(self._loop.time() * 1000)

    async def sleep(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000)

    def suspend(self, ms: int) -> None:
        """See `VirtualLoop`: a week in which nothing is done takes no week's work."""
        self._loop.suspend(ms)

    def jitter(self, ms_max: int) -> int:
        return ms_max

    def new_id(self) -> str:
        self._ids += 1
        return f"00000000-0000-4000-8000-{self._ids:012d}"

    def new_route_id(self) -> RouteId:
        return RouteId(f"rord-{self.new_id()}")

    def new_salt(self) -> int:
        self._ids += 1
        return 1 + self._ids * SPREAD % SALT_MAX


class OwnClock(VirtualClock):
    """The clock of the machine the router runs on, which somebody may set wrong."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__(loop)
        self.shift_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.shift_ms


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
