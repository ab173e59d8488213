"""Times as venues write them in JSON: ISO 8601 in UTC, with milliseconds."""

from calendar import timegm
from email.utils import formatdate, parsedate
from functools import lru_cache

from venues.base.units import down

SHAPE = "0000-00-00T00:00:00.000Z"


@lru_cache(maxsize=1_024)
def iso(at_ms: int) -> str:
    """2026-11-20T12:34:56.789Z, from Unix milliseconds."""
    parts = parsedate(formatdate(down(at_ms, 1_000), usegmt=True))
    assert parts is not None
    year, month, day, hour, minute, second = parts[:6]
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{at_ms % 1_000:03}Z"


def read_iso(text: str) -> int | None:
    """Unix milliseconds of a time written exactly so; None for anything else, 30 February included."""
    if not text.isascii() or "".join("0" if c.isdecimal() else c for c in text) != SHAPE:
        return None
    numbers = [int(text[at : at + 2]) for at in (5, 8, 11, 14, 17)]
    if int(text[:4]) < 1970 or not (1 <= numbers[0] <= 12 and 1 <= numbers[1] <= 31):
        return None
    at_ms = timegm((int(text[:4]), *numbers)) * 1_000 + int(text[20:23])
    return at_ms if iso(at_ms) == text else None
