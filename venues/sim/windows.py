"""How many calls a client of a simulated venue has left: fixed windows of time, several at once."""

from collections.abc import Mapping
from typing import NamedTuple

from venues.base.units import down, up

CLIENTS_MAX = 10_000
"""Clients counted at a time; past this all counts begin anew."""


class Left(NamedTuple):
    """One window after a call: what it allows, what is left, when it begins anew, if it was too many."""

    most: int
    calls: int
    reset_s: int
    exceeded: bool


class Windows:
    """Calls per client in windows that begin at full multiples of their length."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[int, tuple[int, int]]] = {}
        """By client and length of the window: the number of the window, and the calls in it."""

    def count(self, client: str, now_ms: int, most: Mapping[int, int]) -> list[Left]:
        """One more call; `most` is how many each length in ms allows. One Left per length, in its order."""
        if client not in self._counts and len(self._counts) >= CLIENTS_MAX:
            self._counts.clear()
        counts = self._counts.setdefault(client, {})
        left: list[Left] = []
        for length_ms, allowed in most.items():
            window = down(now_ms, length_ms)
            known, calls = counts.get(length_ms, (window, 0))
            calls = calls + 1 if known == window else 1
            counts[length_ms] = window, calls
            reset_s = up((window + 1) * length_ms - now_ms, 1_000)
            left.append(Left(allowed, max(0, allowed - calls), reset_s, calls > allowed))
        return left
