"""Which words after the last one are believed: those that show more, and no others."""

import itertools

import pytest

from router.core.execution import Execution, Write
from router.core.late import NOT_EXECUTED, casts_doubt, refutes, unproven
from router.core.records import Answered
from tests.core.samples import NOW_MS, order, planned
from venues.base.orders import Answer, Fee, Filled, OrderId, Pending, Rejected, Unknown, Working
from venues.base.units import ONE, Cash, Size

ID = OrderId("o1")
PLAN = planned(order("o1"), order("o2"))
REJECTED = Rejected(ID, NOT_EXECUTED, "not shown")


def filled(shares: int) -> Filled:
    return Filled(ID, "v1", Size(shares * ONE), Cash(shares * ONE // 2), Fee(0, "USD"))


def pending(shares: int) -> Pending:
    return Pending(ID, "v1", Size(shares * ONE), Cash(0), "settling")


def working(shares: int) -> Working:
    return Working(ID, "v1", Size(shares * ONE), Cash(0), Fee(0, "USD"))


@pytest.mark.parametrize(
    ("before", "after", "replaced", "doubted"),
    [
        (REJECTED, filled(1), True, True),
        (REJECTED, filled(0), False, False),
        (REJECTED, pending(1), False, True),
        (REJECTED, working(1), False, True),
        (REJECTED, working(0), False, False),
        (REJECTED, REJECTED, False, False),
        (REJECTED, Unknown(ID, "x"), False, False),
        (filled(3), filled(4), True, True),
        (filled(3), filled(3), False, False),
        (filled(3), filled(2), False, False),
        (filled(3), pending(4), False, True),
        (filled(3), REJECTED, False, False),
        (filled(0), filled(1), True, True),
    ],
)
def test_a_last_word_is_replaced_only_by_one_that_shows_more(
    before: Filled | Rejected, after: Answer, replaced: bool, doubted: bool
) -> None:
    assert (refutes(before, after), casts_doubt(before, after)) == (replaced, doubted)


def test_only_absence_proves_less_than_a_refusal() -> None:
    assert unproven(REJECTED)
    assert not unproven(Rejected(ID, "insufficient_funds", "no"))
    assert not unproven(filled(0))


def test_a_fill_after_the_last_word_is_written_and_counts() -> None:
    execution = Execution(PLAN)
    execution.start()
    execution.answered(REJECTED, NOW_MS)
    late = execution.answered(filled(4), NOW_MS)
    assert late == [Write(Answered(route_id=PLAN.route_id, answer=filled(4), at_ms=NOW_MS))]
    assert execution.known[ID] == filled(4)
    assert [each.order_id for each in execution.open_orders] == ["o2"], "it is still over"
    assert execution.answered(filled(4), NOW_MS) == [], "and written once"


def test_a_stored_route_tells_the_most_that_was_ever_proven_in_any_order_of_its_answers() -> None:
    words: list[Answer] = [REJECTED, filled(3), filled(4), Unknown(ID, "x")]
    for answers in itertools.permutations(words):
        assert Execution(PLAN, answers).known[ID] == filled(4), answers
