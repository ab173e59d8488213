"""A pace is a promise about every stretch of time: checked against all calls that ever went out."""

from hypothesis import given
from hypothesis import strategies as st

from router.core.pace import Budget
from venues.base.contract import Pace
from venues.base.http import Purpose

EVERYTHING = (Purpose.DATA, Purpose.ACCOUNT, Purpose.ORDER)

paces = st.builds(
    Pace,
    st.lists(st.sampled_from(EVERYTHING), min_size=1, max_size=3, unique=True).map(tuple),
    st.integers(1, 12),
    st.integers(1, 3_000),
)
calls = st.lists(st.tuples(st.sampled_from(EVERYTHING), st.integers(0, 400)), min_size=1, max_size=80)


@given(st.lists(paces, min_size=1, max_size=3), calls)
def test_no_stretch_of_time_ever_holds_more_calls_than_allowed(
    known: list[Pace], wanted: list[tuple[Purpose, int]]
) -> None:
    budget, now, sent = Budget(known), 0, []
    for purpose, pause in wanted:
        now += pause
        wait = budget.wait_ms(purpose, now)
        assert wait >= 0
        now += wait
        assert budget.wait_ms(purpose, now) == 0, "after the wait it may go"
        budget.spend(purpose, now)
        sent.append((purpose, now))
    for pace in known:
        times = [at for purpose, at in sent if purpose in pace.purposes]
        for first in times:
            assert sum(first <= at < first + pace.within_ms for at in times) <= pace.calls


@given(st.integers(1, 12), st.integers(1, 3_000), st.integers(0, 40))
def test_a_call_waits_no_longer_than_it_must(allowed: int, within_ms: int, gap: int) -> None:
    budget, now = Budget([Pace((Purpose.ORDER,), allowed, within_ms)]), 0
    sent: list[int] = []
    for _ in range(3 * allowed):
        now += gap
        wait = budget.wait_ms(Purpose.ORDER, now)
        if wait:
            held = [at for at in sent if at > now + wait - 1 - within_ms]
            assert len(held) >= allowed, "a millisecond earlier it would have been one too many"
        now += wait
        budget.spend(Purpose.ORDER, now)
        sent.append(now)


def test_reads_leave_a_part_of_a_shared_pace_to_orders() -> None:
    budget = Budget([Pace(EVERYTHING, 20, 1_000)])
    reads = 0
    while not budget.wait_ms(Purpose.ACCOUNT, 0):
        budget.spend(Purpose.ACCOUNT, 0)
        reads += 1
    assert reads == 15
    orders = 0
    while not budget.wait_ms(Purpose.ORDER, 0):
        budget.spend(Purpose.ORDER, 0)
        orders += 1
    assert orders == 5
    assert budget.wait_ms(Purpose.ORDER, 0) == 1_000


def test_a_purpose_that_no_pace_names_never_waits() -> None:
    budget = Budget([Pace((Purpose.ORDER,), 1, 1_000)])
    budget.spend(Purpose.ORDER, 0)
    assert budget.wait_ms(Purpose.DATA, 0) == 0
    assert budget.wait_ms(Purpose.ORDER, 1) == 999
