"""How many examples Hypothesis tries: few in `make check`, more in `make test`, very many on request."""

from collections.abc import Mapping
from types import MappingProxyType

from hypothesis import settings

PROFILES: Mapping[str, int] = MappingProxyType({"quick": 20, "default": 100, "thorough": 5_000})
"""Where a test says nothing else, by the name that HYPOTHESIS_PROFILE takes."""


def examples(usual: int) -> int:
    """For a test that needs more or fewer than others: this many by default, else in proportion."""
    return max(1, usual * settings().max_examples // PROFILES["default"])
