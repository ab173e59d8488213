"""The execution: what it asks for, in what order, and what it believes."""

import pytest

from router.core.execution import Done, Execution, LookUp, Reply, Send, Write
from router.core.records import Answered, Extended, Finished
from tests.core.samples import NOW_MS, order, planned
from venues.base.orders import Answer, Fee, Filled, OrderId, Pending, Rejected, Unknown, Working
from venues.base.units import ONE, Cash, Size

ONE_ORDER = planned(order("o1"))
TWO_ORDERS = planned(order("o1"), order("o2"))


def filled(order_id: str = "o1", size: int = 10 * ONE) -> Filled:
    return Filled(OrderId(order_id), "v1", Size(size), Cash(size // 2), Fee(0, "USD"))


def unknown(order_id: str = "o1") -> Unknown:
    return Unknown(OrderId(order_id), "timeout")


def pending(order_id: str = "o1", size: int = 0) -> Pending:
    return Pending(OrderId(order_id), "v1", Size(size), Cash(size // 2), "delayed")


def rejected(order_id: str = "o1") -> Rejected:
    return Rejected(OrderId(order_id), "no", "no")


def test_the_intent_is_written_before_any_order_leaves() -> None:
    effects = Execution(TWO_ORDERS).start()
    assert effects == [Write(TWO_ORDERS), *(Send(o) for o in TWO_ORDERS.orders)]


def test_an_answer_is_written_before_the_caller_hears_of_it() -> None:
    execution = Execution(ONE_ORDER)
    execution.start()
    answered = Write(Answered(route_id=ONE_ORDER.route_id, answer=filled(), at_ms=NOW_MS))
    finished = Write(Finished(route_id=ONE_ORDER.route_id, at_ms=NOW_MS))
    assert execution.answered(filled(), NOW_MS) == [answered, finished, Reply(), Done()]


def test_the_caller_waits_for_every_order() -> None:
    execution = Execution(TWO_ORDERS)
    execution.start()
    assert Reply() not in execution.answered(filled("o1"), NOW_MS)
    assert execution.answered(rejected("o2"), NOW_MS)[-2:] == [Reply(), Done()]


def test_an_unknown_outcome_is_looked_up_and_never_sent_again() -> None:
    execution = Execution(ONE_ORDER)
    execution.start()
    [effect] = execution.answered(unknown(), NOW_MS)
    assert isinstance(effect, LookUp)
    for _ in range(100):
        [effect] = execution.answered(unknown(), NOW_MS)
        assert isinstance(effect, LookUp)
    assert [o.order_id for o in execution.open_orders] == ["o1"]
    assert execution.known == {"o1": unknown()}


def test_look_ups_come_less_and_less_often_up_to_a_limit() -> None:
    execution = Execution(ONE_ORDER)
    execution.start()
    waits = [
        effect.after_ms
        for _ in range(30)
        for effect in execution.answered(unknown(), NOW_MS)
        if isinstance(effect, LookUp)
    ]
    assert waits == sorted(waits)
    assert waits[0] == 50
    assert waits[-1] == 5_000


def test_a_repeated_last_word_changes_nothing() -> None:
    execution = Execution(ONE_ORDER)
    execution.start()
    execution.answered(filled(size=4 * ONE), NOW_MS)
    for late in (filled(size=3 * ONE), rejected(), unknown(), pending(size=9 * ONE)):
        assert execution.answered(late, NOW_MS) == []
        assert execution.known[OrderId("o1")] == filled(size=4 * ONE)


@pytest.mark.parametrize("last", [rejected(), filled(), filled(size=0)])
@pytest.mark.parametrize("late", [unknown(), pending(), rejected(), filled(size=0), filled(size=5 * ONE)])
def test_a_last_word_stays_unless_more_was_traded(last: Answer, late: Answer) -> None:
    execution = Execution(TWO_ORDERS)
    execution.start()
    execution.answered(last, NOW_MS)
    told = last.size if isinstance(last, Filled) else 0
    more = isinstance(late, Filled) and late.size > told
    assert (execution.answered(late, NOW_MS) != []) is more
    assert execution.known[OrderId("o1")] is (late if more else last)


def test_a_further_round_is_written_before_any_of_it_leaves() -> None:
    execution = Execution(ONE_ORDER, held_back=True)
    execution.start()
    execution.answered(filled(), NOW_MS)
    more = [order("o2"), order("o3")]
    effects = execution.extended(more, held_back=False, now_ms=NOW_MS)
    written = Extended(route_id=ONE_ORDER.route_id, orders=tuple(more), at_ms=NOW_MS)
    assert effects == [Write(written), *(Send(each) for each in more)]


def test_never_arrived_is_not_believed_of_an_order_that_traded() -> None:
    execution = Execution(ONE_ORDER)
    execution.start()
    execution.answered(pending(size=3 * ONE), NOW_MS)
    [effect] = execution.answered(rejected(), NOW_MS)
    assert isinstance(effect, LookUp)
    assert effect.answer == pending(size=3 * ONE)
    assert execution.open_orders


def test_trades_that_the_venue_took_back_end_the_order() -> None:
    execution = Execution(ONE_ORDER)
    execution.start()
    execution.answered(pending(size=3 * ONE), NOW_MS)
    undone = Rejected(OrderId("o1"), "settlement_failed", "no", undone=True)
    assert execution.answered(undone, NOW_MS)[-1] == Done()
    assert execution.known[OrderId("o1")] == undone
    assert not execution.open_orders


def test_what_a_venue_said_is_not_forgotten_over_a_timeout() -> None:
    execution = Execution(ONE_ORDER)
    execution.start()
    execution.answered(pending(size=3 * ONE), NOW_MS)
    [effect] = execution.answered(unknown(), NOW_MS)
    assert isinstance(effect, LookUp)
    assert effect.answer == pending(size=3 * ONE)


def test_fills_only_grow_while_an_order_is_open() -> None:
    execution = Execution(ONE_ORDER)
    execution.start()
    grown: Answer = Working(OrderId("o1"), "v1", Size(5 * ONE), Cash(ONE), Fee(0, "USD"))
    execution.answered(grown, NOW_MS)
    execution.answered(pending(size=3 * ONE), NOW_MS)
    assert execution.known[OrderId("o1")] == grown


def test_an_interim_answer_is_written_once() -> None:
    execution = Execution(ONE_ORDER)
    execution.start()
    assert [type(e) for e in execution.answered(pending(), NOW_MS)] == [Write, LookUp]
    assert [type(e) for e in execution.answered(pending(), NOW_MS)] == [LookUp]


def test_an_impatient_caller_is_answered_once_and_the_asking_goes_on() -> None:
    execution = Execution(ONE_ORDER)
    execution.start()
    execution.answered(unknown(), NOW_MS)
    assert execution.overdue() == [Reply()]
    assert execution.overdue() == []
    last = execution.answered(filled(), NOW_MS)
    assert Reply() not in last
    assert last[-1] == Done()


def test_recovery_asks_only_about_orders_without_a_last_word() -> None:
    execution = Execution(TWO_ORDERS, [filled("o1")])
    [effect] = execution.resume(NOW_MS)
    assert isinstance(effect, LookUp)
    assert effect.order.order_id == "o2"
    assert isinstance(effect.answer, Unknown)


def test_recovery_finishes_a_route_whose_answers_are_all_there() -> None:
    execution = Execution(TWO_ORDERS, [filled("o1"), rejected("o2")])
    finished = Write(Finished(route_id=TWO_ORDERS.route_id, at_ms=NOW_MS))
    assert execution.resume(NOW_MS) == [finished, Done()]
