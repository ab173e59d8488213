"""Work that goes on though nobody waits for it: the event loop alone holds tasks weakly."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import cached_property
from typing import Any, TypeVar

import structlog

from router.core.invariants import Alarm
from router.runtime.clock import Clock
from router.runtime.metrics import Metrics

AGAIN_MS = 1_000
"""Before work that our own code failed in begins again."""

log = structlog.get_logger(__name__)
T = TypeVar("T")


class Tasks:
    """What one router has under way."""

    def __init__(self) -> None:
        self.running: set[asyncio.Task[Any]] = set()

    @cached_property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The one loop that all of it runs on: asking which one runs costs a system call each time."""
        return asyncio.get_running_loop()

    def keep(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start it, and hold it until it ends."""
        task = self.loop.create_task(work)
        self.running.add(task)
        task.add_done_callback(self.running.discard)
        return task

    async def end(self) -> None:
        """Cancel what still runs, and wait for it."""
        for task in self.running:
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)


async def steady(
    name: str, work: Callable[[], Coroutine[Any, Any, None]], *, clock: Clock, metrics: Metrics
) -> None:
    """Do work that is to go on for ever; where our own code fails in it, say so loudly and begin it again."""
    while True:
        running = asyncio.ensure_future(work())
        try:
            await asyncio.wait({running})
        finally:
            if not running.done():
                running.cancel()
                await asyncio.wait({running})
        metrics.violations.labels(Alarm.TASK_CRASHED.value).inc()
        log.error("task.crashed", task=name, exc_info=running.exception())
        await clock.sleep(AGAIN_MS)
