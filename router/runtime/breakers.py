"""The breakers of every venue, one per kind of request, fed by what comes back from it.

A venue's word on when to ask again (`Retry-After`) is kept here as well: until then nothing is sent.
"""

from collections import defaultdict
from typing import NamedTuple

import structlog

from router.core.breaker import LUCK_MAX, Breaker, Repeats, State
from router.runtime.clock import Clock
from router.runtime.metrics import Metrics
from router.runtime.times import retry_after_ms
from venues.base.contract import Venue
from venues.base.http import Purpose, Reply, Response, Silence

FAILING = frozenset({408, 429})
"""With every 5xx: the venue is in trouble, or says that we ask too often."""
RESTARTING = 425
"""Of a venue whose card says so: its matching engine restarts."""
ASKED_LATER = frozenset({425, 429, 503})
"""The statuses whose `Retry-After` is obeyed."""
RETRY_AFTER_MS_MAX = 300_000
"""Longer is not believed: the breaker's own longest opening."""
LEVELS = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}

BREAKER_OPEN = "breaker_open"
RATE_LIMITED = "rate_limited"
RESTARTS = "venue_restarting"

log = structlog.get_logger(__name__)


class _Wait(NamedTuple):
    """Until when a venue wants to be left alone, and the word for why."""

    until_ms: int
    why: str = RATE_LIMITED


_NO_WAIT = _Wait(0)


class Breakers:
    """Asked before each request, told after each."""

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        self._clock, self._metrics = clock, metrics
        self._breakers: dict[tuple[str, Purpose], Breaker] = {}
        self._waits: dict[tuple[str, Purpose], _Wait] = {}
        self._repeats: defaultdict[str, Repeats] = defaultdict(Repeats)
        self._phases: dict[str, _Wait] = {}
        """Until when a venue takes no orders that take. Cancels go on."""
        self._troubled: set[str] = set()
        """Venues with a breaker that is not closed, or a wait or a phase that was not seen to end: usually
        none, and `why_closed` is asked of every venue before every order."""

    def refusal(self, venue: str, purpose: Purpose, *, urgent: bool) -> Silence | None:
        """Why a request may not go now, or None.

        What is `urgent` passes a breaker, but does not go before the time that the venue itself has named.
        """
        now_ms = self._clock.monotonic_ms()
        if now_ms < self._waits.get((venue, purpose), _NO_WAIT).until_ms:
            return Silence("retry_after", sent=False)
        breaker = self._of(venue, purpose)
        if breaker.state(now_ms) is State.CLOSED or urgent:
            return None
        if purpose is not Purpose.ORDER and breaker.take_probe(now_ms):
            return None
        return Silence("breaker", sent=False)

    def saw(self, venue: Venue, purpose: Purpose, reply: Reply) -> None:
        """What came of a request that `refusal` let pass."""
        self._obey(venue, purpose, reply)
        success = _success(venue, reply)
        if success is None:
            return
        luck = 0 if success else self._clock.jitter(LUCK_MAX)
        self._count(venue.name, purpose, success=success, luck=luck, own=True)
        if purpose is Purpose.ACCOUNT:  # an order is never a probe: the account's reads decide for it
            self._count(venue.name, Purpose.ORDER, success=success, luck=luck, own=False)

    def why_closed(self, venue: str) -> str | None:
        """Why no order may go to the venue, or None: a breaker that is not closed, or its own wish."""
        if venue not in self._troubled:
            return None
        now_ms = self._clock.monotonic_ms()
        for until_ms, why in (
            self._phases.get(venue, _NO_WAIT),
            self._waits.get((venue, Purpose.ORDER), _NO_WAIT),
            self._waits.get((venue, Purpose.ACCOUNT), _NO_WAIT),
        ):
            if now_ms < until_ms:
                return why
        if any(self._of(venue, purpose).state(now_ms) is not State.CLOSED for purpose in Purpose):
            return BREAKER_OPEN
        self._troubled.discard(venue)
        return None

    def pause(self, venue: str, ms: int, why: str) -> None:
        """No orders for this long: the venue said that it takes none."""
        until_ms = self._clock.monotonic_ms() + ms
        if until_ms > self._phases.get(venue, _NO_WAIT).until_ms:
            self._phases[venue] = _Wait(until_ms, why)
            self._troubled.add(venue)

    def sent(self, venue: str) -> None:
        """A request leaves for the first time."""
        self._repeats[venue].sent()

    def may_repeat(self, venue: str, reason: str) -> bool:
        """Whether one more read may be sent to the venue a second time; it then counts."""
        if not self._repeats[venue].take():
            return False
        self._metrics.repeats.labels(venue, reason).inc()
        return True

    def due(self, venue: str) -> list[Purpose]:
        """The kinds that are half open and wait for a read to decide."""
        now_ms = self._clock.monotonic_ms()
        return [p for p in Purpose if self._of(venue, p).state(now_ms) is State.HALF_OPEN]

    def _count(self, venue: str, purpose: Purpose, *, success: bool, luck: int, own: bool) -> None:
        """Into the breaker of this kind, and say so where that changes what may pass."""
        breaker, now_ms = self._of(venue, purpose), self._clock.monotonic_ms()
        before = breaker.state(now_ms)
        if before is State.CLOSED and own:
            breaker.saw(success, now_ms, luck)
            if success:  # it stays closed
                return
        elif before is State.HALF_OPEN and not (own and purpose is Purpose.ORDER):
            breaker.probed(success, now_ms, luck)
        else:
            return
        after = breaker.state(now_ms)
        if after is not State.CLOSED:
            self._troubled.add(venue)
        if breaker.until_ms and (before is State.CLOSED or not success):
            self._metrics.breaker_openings.labels(venue, purpose.value).inc()
            log.warning("breaker.opened", venue=venue, purpose=purpose.value, ms=breaker.until_ms - now_ms)
        elif before is not State.CLOSED and after is State.CLOSED:
            log.info("breaker.closed", venue=venue, purpose=purpose.value)

    def _obey(self, venue: Venue, purpose: Purpose, reply: Reply) -> None:
        if not isinstance(reply, Response) or reply.status not in ASKED_LATER:
            return
        asked_ms = min(retry_after_ms(reply, self._clock.now_ms()) or 0, RETRY_AFTER_MS_MAX)
        if reply.status == RESTARTING and venue.traits.restarts_425:
            self.pause(venue.name, asked_ms + venue.limits.phase_ms, RESTARTS)
        if asked_ms:
            self._waits[venue.name, purpose] = _Wait(self._clock.monotonic_ms() + asked_ms)
            self._troubled.add(venue.name)

    def _of(self, venue: str, purpose: Purpose) -> Breaker:
        breaker = self._breakers.get((venue, purpose))
        if breaker is None:
            breaker = self._breakers[venue, purpose] = Breaker()
            gauge = self._metrics.breaker_state.labels(venue, purpose.value)
            gauge.set_function(lambda: LEVELS[breaker.state(self._clock.monotonic_ms())])
        return breaker


def _success(venue: Venue, reply: Reply) -> bool | None:
    """Whether the venue did its work; None when it was never asked, which says nothing about it."""
    if isinstance(reply, Silence):
        return False if reply.sent or reply.reason.startswith("connect") else None
    if reply.status == RESTARTING:
        return not venue.traits.restarts_425
    return reply.status < 500 and reply.status not in FAILING
