"""What is written durably comes back as it was, and a route is put together from what there is of it."""

import pytest

from router.core.records import Answered, Extended, Finished, Planned, Record, assemble, decode, encode
from tests.core.samples import NOW_MS, order, planned
from venues.base.orders import Answer, Fee, Filled, OrderId, Pending, Rejected, Unknown, Working
from venues.base.units import ONE, Cash, Size

ROUTE = planned(order("o1"), order("o2"))
BIG = 999_999_999_999_999_999 * ONE


def answered(answer: Answer) -> Answered:
    return Answered(route_id=ROUTE.route_id, answer=answer, at_ms=NOW_MS)


def filled(order_id: str) -> Filled:
    return Filled(OrderId(order_id), "v", Size(BIG), Cash(BIG), Fee(BIG, "shares"))


def extended(*ids: str) -> Extended:
    return Extended(route_id=ROUTE.route_id, orders=tuple(map(order, ids)), at_ms=NOW_MS)


FINISHED = Finished(route_id=ROUTE.route_id, at_ms=NOW_MS)
ANSWERS: list[Answer] = [
    filled("o1"),
    Working(OrderId("o1"), "v", Size(1), Cash(2), Fee(3, "USD")),
    Pending(OrderId("o1"), "v", Size(1), Cash(2), "delayed"),
    Rejected(OrderId("o1"), "no", "w\u00f6rds \U0001f4b8", undone=True),
    Unknown(OrderId("o1"), "timeout"),
]


@pytest.mark.parametrize("record", [ROUTE, extended("o3"), FINISHED, *map(answered, ANSWERS)])
def test_a_record_comes_back_as_it_was(record: Record) -> None:
    assert decode(encode(record)) == record


@pytest.mark.parametrize("text", [b"", b"{}", b'{"type":"sent"}', b"[]", encode(ROUTE)[:-1]])
def test_what_is_no_record_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the decoder says
        decode(text)


@pytest.mark.parametrize("records", [[], [FINISHED], [answered(filled("o1")), ROUTE]])
def test_a_route_begins_with_its_intent(records: list[Record]) -> None:
    with pytest.raises(ValueError, match="does not begin with its intent"):
        assemble(records)


def ids(*records: Record) -> list[str]:
    return [each.order_id for each in assemble(records).planned.orders]


def test_a_route_has_the_orders_of_all_its_rounds_in_order() -> None:
    assert ids(ROUTE, extended("o3"), extended("o4", "o5")) == ["o1", "o2", "o3", "o4", "o5"]
    assert assemble([ROUTE]).planned == ROUTE


def test_a_round_that_was_written_twice_counts_once() -> None:
    assert ids(ROUTE, extended("o3"), extended("o3")) == ["o1", "o2", "o3"]


def test_while_a_route_is_open_every_order_of_it_may_have_left() -> None:
    route = assemble([ROUTE, answered(filled("o1")), extended("o3")])
    assert not route.finished
    assert [each.order_id for each in route.planned.orders] == ["o1", "o2", "o3"]


def test_an_order_of_a_finished_route_without_an_answer_never_left() -> None:
    told: list[Record] = [answered(filled("o1")), answered(filled("o2"))]
    assert ids(ROUTE, *told, extended("o3"), FINISHED) == ["o1", "o2"]
    assert ids(ROUTE, FINISHED) == []


def test_answers_come_back_oldest_first() -> None:
    route = assemble([ROUTE, *map(answered, reversed(ANSWERS)), FINISHED])
    assert route.answers == tuple(reversed(ANSWERS))
    assert route.finished


def test_an_intent_names_everything_that_recovery_needs() -> None:
    back = decode(encode(ROUTE))
    assert isinstance(back, Planned)
    assert back.orders[0].listing == ROUTE.orders[0].listing
