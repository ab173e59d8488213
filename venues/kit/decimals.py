"""Reading the same decimals over and over: exact, and remembered."""

from collections.abc import Callable

from venues.base.units import micros, signed_micros

MEMO_ENTRIES_MAX = 65_536
"""A venue has fewer than 10,000 prices; sizes repeat. Past this the memo starts anew."""


class Memo(dict[str, int]):
    """`memo[text]` is `read(text)`, computed once. A text that `read` refuses raises ValueError each time."""

    def __init__(self, read: Callable[[str], int]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: str) -> int:
        value = self._read(text)
        if len(self) >= MEMO_ENTRIES_MAX:
            self.clear()
        self[text] = value
        return value


def micros_memo() -> Memo:
    """A memo of non-negative decimals in millionths."""
    return Memo(micros)


def signed_micros_memo() -> Memo:
    """A memo of decimals in millionths that may be negative."""
    return Memo(signed_micros)
