"""Times as the venue writes them: ISO 8601 in UTC with milliseconds (card 2, 5)."""

from calendar import monthrange, timegm
from re import ASCII
from re import compile as pattern

_MOMENT = pattern(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z", ASCII)
_DAY_S = 86_400
_EPOCH_YEAR = 1970


def moment(ms: int) -> str:
    """Unix milliseconds as text: 1795178096789 is "2026-11-20T12:34:56.789Z"."""
    seconds, thousandths = divmod(ms, 1000)
    days, second_of_day = divmod(seconds, _DAY_S)
    year, month, day = _date(days)
    minute_of_day, second = divmod(second_of_day, 60)
    hour, minute = divmod(minute_of_day, 60)
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}.{thousandths:03d}Z"


def moment_ms(text: str) -> int:
    """The reverse, rounded down to a millisecond; ValueError for anything that is no such time."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError(f"not a time in UTC: {text!r}")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    if not (
        year >= _EPOCH_YEAR
        and 1 <= month <= 12
        and 1 <= day <= monthrange(year, month)[1]
        and hour < 24
        and minute < 60
        and second <= 60
    ):
        raise ValueError(f"no such time: {text!r}")
    thousandths = int((match[7] or "0").ljust(3, "0")[:3])
    return timegm((year, month, day, hour, minute, second)) * 1000 + thousandths


def _date(days: int) -> tuple[int, int, int]:
    """The date so many days after 1970-01-01, by the Gregorian rule counted from a first of March."""
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_index = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_index + 2) // 5 + 1
    month = month_index + 3 if month_index < 10 else month_index - 9
    return year_of_era + era * 400 + (month <= 2), month, day
