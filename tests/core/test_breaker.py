"""The breaker against a slow one that keeps every outcome there ever was and counts anew each time."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from router.core.breaker import LUCK_MAX, Breaker, Repeats, State
from tests.examples import examples

FULL = LUCK_MAX
"""No luck at all: it stays open as long as it may."""


@dataclass
class Slow:
    """What the text says, from the whole history: 5 in a row, or below 80 % of at least 10 in 30 s."""

    history: list[tuple[int, bool]] = field(default_factory=list)
    spans: list[int] = field(default_factory=list)
    opened: tuple[int, int] | None = None
    closed_at: int = 0
    probe_at: int | None = None

    def state(self, now: int) -> str:
        if self.opened is None:
            return "closed"
        return "half_open" if now >= self.opened[1] else "open"

    def open(self, now: int, luck: int) -> None:
        span = 5_000
        for _ in self.spans:
            span = min(2 * span, 300_000)
        self.spans.append(span)
        self.opened = now, now + span * luck // 1_000_000
        self.probe_at = None

    def saw(self, good: bool, now: int, luck: int) -> None:
        if self.opened is not None:
            return
        self.history.append((now, good))
        recent = [g for at, g in self.history if now - at < 30_000]
        last = [g for _, g in self.history][-5:]
        five = len(last) == 5 and not any(last)
        poor = len(recent) >= 10 and sum(recent) / len(recent) < 0.8
        if not good and (five or poor):
            if any(g for _, g in self.history) and now - self.closed_at >= 30_000:
                self.spans.clear()
            self.open(now, luck)

    def probe(self, now: int) -> bool:
        free = self.probe_at is None or now - self.probe_at >= 15_000
        if self.state(now) == "half_open" and free:
            self.probe_at = now
            return True
        return False

    def probed(self, good: bool, now: int, luck: int) -> None:
        if self.state(now) != "half_open":
            return
        if good:
            self.opened, self.probe_at, self.closed_at = None, None, now
            self.history.clear()
        else:
            self.open(now, luck)


lucks = st.sampled_from((0, 1, 250_000, 999_999, FULL))
pauses = st.one_of(
    st.integers(0, 3_000),
    st.sampled_from((2_500, 4_999, 5_000, 14_999, 15_000, 29_999, 30_000, 30_001, 300_000)),
)


class Versus(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now, self.fast, self.slow = 1_000, Breaker(), Slow()

    @rule(pause=pauses)
    def wait(self, pause: int) -> None:
        self.now += pause

    @rule(
        outcomes=st.lists(st.tuples(st.booleans(), st.integers(0, 4_000)), min_size=1, max_size=8), luck=lucks
    )
    def see(self, outcomes: list[tuple[bool, int]], luck: int) -> None:
        for good, pause in outcomes:
            self.now += pause
            self.fast.saw(good, self.now, luck)
            self.slow.saw(good, self.now, luck)
            self.agree()

    @rule(good=st.booleans(), count=st.integers(1, 12), luck=lucks)
    def see_many(self, good: bool, count: int, luck: int) -> None:
        self.see([(good, 0)] * count, luck)

    @rule(good=st.booleans(), luck=lucks)
    def probe(self, good: bool, luck: int) -> None:
        may = self.fast.take_probe(self.now)
        assert may == self.slow.probe(self.now)
        if may:
            self.fast.probed(good, self.now, luck)
            self.slow.probed(good, self.now, luck)

    @rule()
    def send_a_probe_that_never_returns(self) -> None:
        assert self.fast.take_probe(self.now) == self.slow.probe(self.now)

    @rule(good=st.booleans(), luck=lucks)
    def read_without_asking(self, good: bool, luck: int) -> None:
        """A look-up of an order in doubt: it goes in every state, and counts when a probe would."""
        self.fast.probed(good, self.now, luck)
        self.slow.probed(good, self.now, luck)

    @invariant()
    def agree(self) -> None:
        assert self.fast.state(self.now).value == self.slow.state(self.now)
        for later in (0, 1, 4_999, 5_000, 9_999, 10_000, 299_999, 300_000):
            assert self.fast.state(self.now + later).value == self.slow.state(self.now + later)


Versus.TestCase.settings = settings(max_examples=examples(300), stateful_step_count=40, deadline=None)
TestAgainstTheSlowOne = Versus.TestCase


def opened(luck: int = FULL) -> Breaker:
    breaker = Breaker()
    for _ in range(5):
        breaker.saw(False, 0, luck)
    return breaker


def test_five_failures_in_a_row_open_it_and_four_do_not() -> None:
    breaker = Breaker()
    for _ in range(4):
        breaker.saw(False, 0, FULL)
    assert breaker.state(0) is State.CLOSED
    breaker.saw(False, 0, FULL)
    assert breaker.state(0) is State.OPEN


def test_seven_of_ten_open_it_and_eight_of_ten_do_not() -> None:
    for failures, state in ((2, State.CLOSED), (3, State.OPEN)):
        breaker = Breaker()
        for good in [True] * (10 - failures) + [False] * failures:
            breaker.saw(good, 0, FULL)
        assert breaker.state(0) is state


def test_what_is_thirty_seconds_old_no_longer_counts() -> None:
    for age_ms, state in ((29_999, State.OPEN), (30_000, State.CLOSED)):
        breaker = Breaker()
        for good in [False, True] * 4:
            breaker.saw(good, 0, FULL)
        for good in (True, False):
            breaker.saw(good, age_ms, FULL)
        assert breaker.state(age_ms) is state


def test_openings_last_five_seconds_then_double_up_to_five_minutes() -> None:
    breaker, now, spans = opened(), 0, []
    for _ in range(8):
        spans.append(breaker.until_ms - now)
        now = breaker.until_ms
        assert breaker.state(now - 1) is State.OPEN
        assert breaker.take_probe(now)
        breaker.probed(False, now, FULL)
    assert spans == [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]


@given(st.integers(0, FULL))
def test_luck_cuts_an_opening_to_any_part_of_it(luck: int) -> None:
    assert opened(luck).until_ms == 5_000 * luck // FULL


def test_a_venue_that_fails_right_after_it_was_tried_again_is_left_alone_for_longer() -> None:
    breaker = opened()
    breaker.probed(True, 5_000, FULL)
    assert breaker.state(5_000) is State.CLOSED
    for _ in range(5):
        breaker.saw(False, 6_000, FULL)
    assert breaker.until_ms == 16_000


def test_only_one_probe_is_out_at_a_time() -> None:
    breaker = opened()
    assert [breaker.take_probe(at) for at in (4_999, 5_000, 5_001, 19_999, 20_000)] == [
        False,
        True,
        False,
        False,
        True,
    ]


@given(st.lists(st.booleans(), max_size=400))
def test_repeats_are_one_and_never_more_than_a_tenth_of_what_was_sent(wanted: list[bool]) -> None:
    budget, sent, repeated = Repeats(), 0, 0
    for again in wanted:
        if again:
            repeated += budget.take()
        else:
            budget.sent()
            sent += 1
        assert (repeated - 1) * 10 <= sent


def test_repeats_are_saved_up_only_so_far() -> None:
    budget = Repeats()
    for _ in range(10_000):
        budget.sent()
    assert sum(budget.take() for _ in range(100)) == 10
