"""How many calls an API key of the simulated venue has left (card, section 4)."""

from collections.abc import Mapping

from venues.base.units import down, up

WINDOWS = (("calls_per_minute", "1min", 60_000), ("calls_per_second", "1sec", 1_000))
"""The knob, the name in the header, and the length in ms."""
KEYS_MAX = 10_000
"""API keys counted at a time; past this all counts begin anew."""


class RateLimits:
    """Calls per key in fixed windows."""

    def __init__(self, knobs: Mapping[str, int]) -> None:
        self._knobs = knobs
        self._counts: dict[tuple[str, str], tuple[int, int]] = {}
        """By key and knob: the number of the window, and the calls in it."""

    def count(self, key: str, now_ms: int) -> dict[str, str]:
        """One more call; returns the `ratelimit` header: `r` calls are left for `t` seconds."""
        if len(self._counts) >= KEYS_MAX:
            self._counts.clear()
        said = []
        for knob, name, length_ms in WINDOWS:
            window = down(now_ms, length_ms)
            known, calls = self._counts.get((key, knob), (window, 0))
            calls = calls + 1 if known == window else 1
            self._counts[key, knob] = window, calls
            left = max(0, self._knobs[knob] - calls)
            reset_s = up((window + 1) * length_ms - now_ms, 1_000)
            said.append(f'"{self._knobs[knob]}-in-{name}"; r={left}; t={reset_s}')
        return {"ratelimit": ", ".join(said)}

    def exceeded(self, key: str) -> bool:
        """Whether the call that was just counted was one too many, and the knob says that it matters."""
        used = ((self._counts[key, knob][1], self._knobs[knob]) for knob, _, _ in WINDOWS)
        return bool(self._knobs["refuse_calls"]) and any(calls > most for calls, most in used)
