"""Times as this venue writes them: RFC 3339, with up to nine digits behind the second."""

from calendar import monthrange, timegm
from re import ASCII
from re import compile as pattern

_MOMENT = pattern(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))", ASCII
)


def moment_ms(text: str) -> int:
    """An RFC 3339 time in Unix milliseconds, rounded down; anything else raises ValueError."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 time: {text!r}")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    if not (
        1 <= month <= 12
        and 1 <= day <= monthrange(year, month)[1]
        and hour < 24
        and minute < 60
        and second <= 60
    ):
        raise ValueError(f"no such time: {text!r}")
    thousandths = int((match[7] or "0").ljust(3, "0")[:3])
    offset_s = (int(match[9]) * 60 + int(match[10])) * 60 if match[8] else 0
    seconds = timegm((year, month, day, hour, minute, second))
    return (seconds - (-offset_s if match[8] == "-" else offset_s)) * 1000 + thousandths
