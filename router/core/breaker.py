"""When to leave a venue that fails alone, and when to try it again: a state machine, and a budget of repeats.

Time and luck come in as arguments. What counts as a failure is the caller's to say: no answer, or an answer
that shows a venue in trouble; never a refusal by rule.
"""

from collections import deque
from enum import Enum

FAILURES_MAX = 5
"""Failures in a row that open it."""
SAMPLE_MIN = 10
SUCCESS_PERCENT_MIN = 80
WINDOW_MS = 30_000
"""Below this share of successes among at least SAMPLE_MIN outcomes of this long, it opens too."""
SAMPLE_MAX = 1_024
"""Outcomes kept: of a busier half minute the newest count."""
OPEN_FIRST_MS, OPEN_LAST_MS = 5_000, 300_000
"""The longest it stays open at first; doubles each time it fails again."""
PROBE_MS_MAX = 15_000
"""A probe without an outcome for this long was lost: another may go. No request takes longer."""
LUCK_MAX = 1_000_000
"""Luck is a whole number up to this: it cuts the time a breaker stays open, so that nobody knocks in step."""

REPEATS_PERCENT_MAX = 10
REPEATS_SAVED_MAX = 10
"""Repeats that may come at once after a time of need for none."""


class State(Enum):
    """What may pass."""

    CLOSED = "closed"
    """Everything."""
    OPEN = "open"
    """Nothing but look-ups of orders in doubt."""
    HALF_OPEN = "half_open"
    """One read, which decides; never an order."""


class Breaker:
    """One venue and one kind of request."""

    def __init__(self) -> None:
        self._outcomes: deque[tuple[int, bool]] = deque(maxlen=SAMPLE_MAX)
        """When each request ended and whether well, oldest first; since it was last closed."""
        self._in_a_row = 0
        self._span_ms = 0
        """The longest this opening may last; 0 while it was never open."""
        self._until_ms: int | None = None
        """When it half opens; None while it is closed."""
        self._closed_ms = 0
        self._worked = False
        """Whether anything succeeded since it was last closed."""
        self._probed_ms: int | None = None
        """When the probe that is out left."""

    def state(self, now_ms: int) -> State:
        """What may pass now."""
        if self._until_ms is None:
            return State.CLOSED
        return State.OPEN if now_ms < self._until_ms else State.HALF_OPEN

    @property
    def until_ms(self) -> int:
        """When it half opens or did; 0 while it is closed."""
        return self._until_ms or 0

    def take_probe(self, now_ms: int) -> bool:
        """Whether a read may go now as the one that decides; it is then out until `probed` or too long."""
        if self.state(now_ms) is not State.HALF_OPEN:
            return False
        if self._probed_ms is not None and now_ms - self._probed_ms < PROBE_MS_MAX:
            return False
        self._probed_ms = now_ms
        return True

    def saw(self, success: bool, now_ms: int, luck: int) -> None:
        """A request of its kind ended. It counts while the breaker is closed."""
        if self._until_ms is not None:
            return
        self._outcomes.append((now_ms, success))
        self._in_a_row = 0 if success else self._in_a_row + 1
        self._worked = self._worked or success
        while self._outcomes[0][0] <= now_ms - WINDOW_MS:
            self._outcomes.popleft()
        if not success and self._bad():
            recovered = self._worked and now_ms - self._closed_ms >= WINDOW_MS
            self._open(0 if recovered else self._span_ms, now_ms, luck)

    def probed(self, success: bool, now_ms: int, luck: int) -> None:
        """A read ended. It counts while the breaker is half open: then it decides."""
        if self.state(now_ms) is not State.HALF_OPEN:
            return
        if not success:
            self._open(self._span_ms, now_ms, luck)
            return
        self._until_ms = self._probed_ms = None
        self._closed_ms, self._worked = now_ms, False
        self._in_a_row = 0
        self._outcomes.clear()

    def _bad(self) -> bool:
        if self._in_a_row >= FAILURES_MAX:
            return True
        sample = len(self._outcomes)
        if sample < SAMPLE_MIN:
            return False
        successes = sum(success for _, success in self._outcomes)
        return successes * 100 < SUCCESS_PERCENT_MIN * sample

    def _open(self, span_ms: int, now_ms: int, luck: int) -> None:
        assert 0 <= luck <= LUCK_MAX
        self._span_ms = min(max(OPEN_FIRST_MS, 2 * span_ms), OPEN_LAST_MS)
        self._until_ms = now_ms + self._span_ms * luck // LUCK_MAX
        self._probed_ms = None


class Repeats:
    """How many requests to a venue may be sent again: one, and a tenth of those sent a first time."""

    def __init__(self) -> None:
        self._saved = 100
        """In hundredths of a repeat."""

    def sent(self) -> None:
        """A request leaves for the first time."""
        self._saved = min(self._saved + REPEATS_PERCENT_MAX, 100 * REPEATS_SAVED_MAX)

    def take(self) -> bool:
        """Whether one may be sent again; it then counts."""
        if self._saved < 100:
            return False
        self._saved -= 100
        return True
