"""Reading the same decimals over and over: exact, and remembered.

A hot loop looks into the plain dicts itself, which is the fastest look-up there is, and on a KeyError asks
the memo that they belong to.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from venues.base.units import ONE, micros, signed_micros

Value = TypeVar("Value")

MEMO_ENTRIES_MAX = 65_536
"""A venue has fewer than 10,000 prices; sizes repeat. Past this a memo starts anew."""
MEMO_TEXT_MAX = 32
"""Longer texts are read each time: no venue writes them, and a full memo stays below 10 MB."""


class Memo(Generic[Value]):
    """`memo[text]` is `read(text)`, computed once. A text that `read` refuses raises ValueError each time."""

    __slots__ = ("_read", "known")

    def __init__(self, read: Callable[[str], Value]) -> None:
        self._read = read
        self.known: dict[str, Value] = {}
        """What was read so far: always the same dict."""

    def __getitem__(self, text: str) -> Value:
        try:
            return self.known[text]
        except KeyError:
            value = self._read(text)
        _remember(self.known, text, value)
        return value


class Halves:
    """`halves[text]` is `micros(text)`; the digits before and behind the dot are remembered apart.

    Sizes repeat less than prices, but their halves nearly always. Where both halves are known, the value is
    the sum of theirs.
    """

    __slots__ = ("fractions", "wholes")

    def __init__(self) -> None:
        self.wholes: dict[str, int] = {}
        """By the digits before the dot. "" is never among them: "" and "." are no decimals."""
        self.fractions: dict[str, int] = {}
        """By the digits behind the dot; "" for none."""

    def __getitem__(self, text: str) -> int:
        whole, _, fraction = text.partition(".")
        try:
            return self.wholes[whole] + self.fractions[fraction]
        except KeyError:
            value = micros(text)
        if whole:
            before = int(whole) * ONE
            _remember(self.wholes, whole, before)
            _remember(self.fractions, fraction, value - before)
        return value


def _remember(known: dict[str, Value], text: str, value: Value) -> None:
    if len(known) >= MEMO_ENTRIES_MAX:
        known.clear()
    if len(text) <= MEMO_TEXT_MAX:
        known[text] = value


def micros_memo() -> Memo[int]:
    """A memo of non-negative decimals in millionths."""
    return Memo(micros)


def signed_micros_memo() -> Memo[int]:
    """A memo of decimals in millionths that may be negative."""
    return Memo(signed_micros)
