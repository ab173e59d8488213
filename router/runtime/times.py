"""What time it is at each venue. Steps of this machine's clock change nothing once it has started.

Orders are stamped and signed with the venue's time, and looked up by it: whether an order may still arrive
is decided by how long ago it was made, on one and the same clock.
"""

from email.utils import formatdate, mktime_tz, parsedate_tz

from router.runtime.clock import Clock
from venues.base.http import Response

OFFSET_MS_MAX = 2_000
"""Our clock and a venue's may differ by this: more, and no order goes there."""
ROUND_TRIP_MS_MAX = 2_000
"""A reply that took longer says too little about the time."""
SECONDS_DIGITS_MAX = 6
"""Eleven days in seconds: a venue that asks for more is believed as little."""
RESOLUTION_MS = 1_000
"""Venues tell whole seconds: what differs by less is our own clock, which is finer."""


class VenueTimes:
    """The venues' clocks, each as a distance from our monotonic one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began_ms = clock.monotonic_ms()
        self._ours = clock.now_ms() - self._began_ms
        self._known: dict[str, int] = {}
        """Distance by venue."""
        self._doubted: dict[str, int] = {}
        """One that contradicts what is known, until it is measured again."""

    def now_ms(self, venue: str) -> int:
        """Unix milliseconds at the venue; by our clock as it was at the start while none was measured."""
        return self._clock.monotonic_ms() + self._known.get(venue, self._ours)

    def taken_over(self) -> None:
        """Orders of another process are to be judged: none of them was made later than now."""
        self._began_ms = self._clock.monotonic_ms()

    def surely_ms(self, venue: str, made_ms: int) -> int:
        """The same, for judging what became of an order made at `made_ms` by the venue's clock.

        While none was measured no more time went by since than this process has owned the orders: this
        machine's own clock may have been set wrong between the process that made them and this one.
        """
        now_ms = self.now_ms(venue)
        if venue in self._known:
            return now_ms
        return min(now_ms, made_ms + self._clock.monotonic_ms() - self._began_ms)

    def offset_ms(self, venue: str) -> int:
        """How far the venue is ahead of this machine's clock now; a measurement in doubt counts."""
        known = self._doubted if venue in self._doubted else self._known
        distance = known.get(venue, self._ours)
        return self._clock.monotonic_ms() + distance - self._clock.now_ms()

    def sure(self, venue: str) -> bool:
        """Whether its time was measured, and the last measurement confirmed."""
        return venue in self._known and venue not in self._doubted

    def known(self, venue: str) -> bool:
        """Whether the venue's time was measured, and confirmed where it differed from ours: before, `now_ms`
        is no more than what this machine's clock was at the start."""
        return venue in self._known

    def near(self, venue: str) -> bool:
        """Whether both clocks agree well enough to trade."""
        return -OFFSET_MS_MAX <= self.offset_ms(venue) <= OFFSET_MS_MAX

    def measured(self, venue: str, venue_ms: int, *, before_ms: int, sure: bool = False) -> bool:
        """The venue told its time in a request sent at `before_ms`, monotonic. False: measure again.

        A time far from what was known is believed when a second measurement confirms it, or when it is
        `sure`: then the venue has refused a signature for its time.
        """
        after_ms = self._clock.monotonic_ms()
        if after_ms - before_ms > ROUND_TRIP_MS_MAX:
            return False
        distance = venue_ms - (before_ms + after_ms) // 2
        ours = self._clock.now_ms() - after_ms
        if abs(distance - ours) <= RESOLUTION_MS:
            distance = ours
        before = self._doubted.pop(venue, self._known.get(venue, ours))
        if abs(distance - before) > OFFSET_MS_MAX and not sure:
            self._doubted[venue] = distance
            return False
        self._known[venue] = distance
        return True


def retry_after_ms(response: Response, now_ms: int) -> int | None:
    """How long a venue wants to be left alone by its `Retry-After`; None where it says nothing readable.

    Seconds, or a moment by its own clock: that of its `Date`, else `now_ms`, our own. RFC 9110, 10.2.3.
    """
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return int(text[:SECONDS_DIGITS_MAX]) * 1_000
    until_s = _moment(text)
    if until_s is None:
        return None
    date_s = _moment(response.headers.get("date", ""))
    return max(0, until_s * 1_000 - (now_ms if date_s is None else date_s * 1_000))


def _moment(text: str) -> int | None:
    """An HTTP date, its two old forms included, as Unix seconds."""
    parsed = parsedate_tz(text)
    try:
        return mktime_tz((*parsed[:9], parsed[9] or 0)) if parsed else None
    except (ValueError, OverflowError):
        return None


def date_of(response: Response) -> int | None:
    """The `Date` of a reply as Unix milliseconds, the middle of its second; None where there is none."""
    text = response.headers.get("date", "")
    parsed = parsedate_tz(text)
    try:
        seconds = int(mktime_tz(parsed)) if parsed else 0
        if formatdate(seconds, usegmt=True) != text:
            return None
    except (ValueError, OverflowError):
        return None
    return seconds * 1_000 + 500
