"""Real time, real ids and real luck: the only ones in the program."""

import asyncio
import os
import random
import time
from io import BytesIO
from typing import Protocol

from router.core.model import RouteId

POOL_BYTES = 4_096
SALT_MAX = 2**53 - 1
"""Salts stay exact when a venue reads them as a JSON number."""


class Clock(Protocol):
    """Where time, waiting, ids and randomness come from. Tests turn one by hand."""

    def now_ms(self) -> int:
        """Unix milliseconds. It may jump; never subtract two of them to get a duration."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds that only ever grow, from an arbitrary start. For ages and durations."""
        ...

    async def sleep(self, ms: int) -> None:
        """Return after `ms` milliseconds."""
        ...

    def jitter(self, ms_max: int) -> int:
        """A uniform random number of milliseconds, 0 <= n <= ms_max."""
        ...

    def new_id(self) -> str:
        """A fresh random UUID as text."""
        ...

    def new_route_id(self) -> RouteId:
        """A fresh route id."""
        ...

    def new_salt(self) -> int:
        """A fresh random number, 0 < n <= SALT_MAX."""
        ...


class SystemClock:
    """The operating system's clocks and its random generator."""

    def __init__(self) -> None:
        self._luck = random.SystemRandom()
        self._pool = BytesIO()

    def now_ms(self) -> int:
        """See `Clock`."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """See `Clock`."""
        return time.monotonic_ns() // 1_000_000

    async def sleep(self, ms: int) -> None:
        """See `Clock`."""
        await asyncio.sleep(ms / 1000)

    def jitter(self, ms_max: int) -> int:
        """See `Clock`."""
        return self._luck.randint(0, ms_max)

    def new_id(self) -> str:
        """See `Clock`."""
        return uuid4_of(self._draw(16))

    def new_route_id(self) -> RouteId:
        """See `Clock`."""
        return RouteId(f"rord-{self.new_id()}")

    def new_salt(self) -> int:
        """See `Clock`."""
        return 1 + int.from_bytes(self._draw(8)) % SALT_MAX

    def _draw(self, count: int) -> bytes:
        """Random bytes, asked of the system a page at a time: one call costs more than a hundred ids."""
        luck = self._pool.read(count)
        if len(luck) < count:
            self._pool = BytesIO(os.urandom(POOL_BYTES))
            luck = self._pool.read(count)
        return luck


def uuid4_of(luck: bytes) -> str:
    """Sixteen random bytes as a UUID of version 4: the standard library's text, without its object."""
    text = luck.hex()
    variant = "89ab"[luck[8] >> 4 & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"
