"""Times as the venue writes them: ISO 8601 in UTC with milliseconds (card 2, 5)."""

from calendar import monthrange, timegm
from email.utils import formatdate, parsedate
from re import ASCII
from re import compile as pattern

_MOMENT = pattern(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z", ASCII)


def moment(ms: int) -> str:
    """Unix milliseconds as text: 1795178096789 is "2026-11-20T12:34:56.789Z"."""
    seconds, thousandths = divmod(ms, 1000)
    parts = parsedate(formatdate(seconds, usegmt=True))
    assert parts is not None
    year, month, day, hour, minute, second = parts[:6]
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{thousandths:03}Z"


def moment_ms(text: str) -> int:
    """The reverse, rounded down to a millisecond; ValueError for anything that is no such time."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError(f"not a time in UTC: {text!r}")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    exists = 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]
    if not (exists and hour < 24 and minute < 60 and second <= 60):
        raise ValueError(f"no such time: {text!r}")
    thousandths = int((match[7] or "0").ljust(3, "0")[:3])
    return timegm((year, month, day, hour, minute, second)) * 1000 + thousandths
