"""Bounded concurrency: some may go, some may wait, the rest are told so at once."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class SlotsFull(Exception):
    """As many are waiting as may wait."""


class Slots:
    """At most `running_max` at a time, first come first served; at most `waiting_max` wait."""

    def __init__(self, running_max: int, waiting_max: int) -> None:
        self.running = 0
        self._running_max = running_max
        self._waiting_max = waiting_max
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold one slot. Raises SlotsFull at once when the queue is full."""
        await self.take()
        try:
            yield
        finally:
            self.give()

    def take_free(self) -> bool:
        """Take a slot and owe it to `give`, if one is free."""
        if self.running >= self._running_max:
            return False  # below it nobody waits: a slot given back is handed over
        self.running += 1
        return True

    async def take(self) -> None:
        """Take a slot and owe it to `give`. Raises SlotsFull at once when the queue is full."""
        if self.take_free():
            return
        if len(self._waiting) >= self._waiting_max:
            raise SlotsFull
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give()  # the slot was handed over in the same moment
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def give(self) -> None:
        """Hand the slot to the first who waits, or free it."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.running -= 1
