"""Lists in pages: so many rows behind a cursor that means nothing to clients."""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from venues.sim.numeral import numeral

FIRST_MAX = 10**9
Item = TypeVar("Item")


def page(
    query: Mapping[str, str], found: Sequence[Item], key: Callable[[Item], str], *, usual: int, most: int
) -> tuple[list[Item], str | None]:
    """`query["first"]` items behind the one that `query["after"]` names, and the cursor of the next page.

    `usual` and `most` are how many make a page when `first` is missing or larger. ValueError names the
    parameter that is wrong. `key` names an item; two never have the same.
    """
    first = numeral(query.get("first", str(usual)), FIRST_MAX)
    if not first:
        raise ValueError("first: must be a positive whole number")
    start, after = 0, query.get("after")
    if after:
        place = next((place for place, item in enumerate(found) if cursor(key(item)) == after), None)
        if place is None:
            raise ValueError("after: no such cursor")
        start = place + 1
    end = start + min(first, most)
    return list(found[start:end]), cursor(key(found[end - 1])) if end < len(found) else None


def cursor(name: str) -> str:
    """The cursor behind the item of this name."""
    return b64encode(name.encode()).decode()
