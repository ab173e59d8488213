"""Times as this venue writes them: RFC 3339, with up to nine digits behind the second."""

from calendar import monthrange, timegm
from email.utils import formatdate, parsedate
from re import ASCII
from re import compile as pattern

NANOS_PER_MS = 1_000_000
_MOMENT = pattern(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", ASCII)


def nanos(text: str) -> int:
    """Unix time in billionths of a second; anything but an RFC 3339 time raises ValueError."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 time: {text!r}")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    exists = 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]
    if not (exists and hour < 24 and minute < 60 and second <= 60):
        raise ValueError(f"no such time: {text!r}")
    zone = match[8]
    ahead_s = 0 if zone == "Z" else (int(zone[1:3]) * 60 + int(zone[4:6])) * (-60 if zone[0] == "-" else 60)
    seconds = timegm((year, month, day, hour, minute, second)) - ahead_s
    return seconds * 1_000_000_000 + int((match[7] or "0").ljust(9, "0"))


def millis(text: str) -> int:
    """The same in Unix milliseconds, rounded down."""
    return nanos(text) // NANOS_PER_MS


def written(seconds: int) -> str:
    """Unix seconds as 2026-12-01T18:30:00Z."""
    parts = parsedate(formatdate(seconds, usegmt=True))
    assert parts is not None
    year, month, day, hour, minute, second = parts[:6]
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
