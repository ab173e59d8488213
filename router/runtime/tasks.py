"""Work that goes on though nobody waits for it: the event loop alone holds tasks weakly."""

import asyncio
from collections.abc import Coroutine
from functools import cached_property
from typing import Any, TypeVar

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
