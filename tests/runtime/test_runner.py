"""The runner: effects strictly in order, a store that fails at any write, code that fails at any question."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from router.core.execution import LOOK_UP_LAST_MS, Effect, Execution
from router.core.late import NOT_EXECUTED
from router.core.records import Answered, Extended, Finished, Planned, Record, assemble
from router.runtime.runner import OWED_RETRY_MS, run
from router.runtime.store.protocol import StoreDown
from tests.core.samples import NOW_MS, order, planned
from tests.virtual_time import VirtualLoop
from tests.virtual_time import run as run_virtually
from venues.base.orders import Answer, Fee, Filled, Order, OrderId, Pending, Rejected, Unknown
from venues.base.units import ONE, Cash, Size

Said = Answer | Exception
TWO = planned(order("o1"), order("o2"))
FURTHER = order("o3")


def filled(order_id: str) -> Filled:
    return Filled(OrderId(order_id), f"v-{order_id}", Size(10 * ONE), Cash(5 * ONE), Fee(0, "USD"))


def unknown(order_id: str) -> Unknown:
    return Unknown(OrderId(order_id), "timeout")


class Bench:
    """Hands whose venue says what the script has, and whose store fails when asked to."""

    def __init__(self, loop: VirtualLoop, **script: Sequence[Said]) -> None:
        self.loop = loop
        self.script = {name: list(words) for name, words in script.items()}
        self.log: list[str] = []
        self.records: list[Record] = []
        self.store_fails: Callable[[Record], bool] = lambda _record: False
        self.further: Sequence[Order] = ()
        self.planning_ms = 0
        """How long a further round takes to be planned."""
        self.silent_ms = 0
        """How long the venue takes to answer an order."""

    def listen(self, hear: Callable[[Answer], None]) -> None:
        self.hear = hear

    async def append(self, *records: Record) -> None:
        failing = [record for record in records if self.store_fails(record)]
        for record in failing or records:
            self.log.append(f"{'failed' if failing else 'wrote'} {type(record).__name__}")
        if failing:
            raise StoreDown("full")
        self.records += records

    async def place(self, order: Order) -> Answer:
        self.log.append(f"sent {order.order_id}")
        await self.wait(self.silent_ms)
        return self._say(order)

    async def look_up(self, order: Order, answer: Answer) -> Answer:
        self.log.append(f"asked {order.order_id}")
        return self._say(order)

    def _say(self, order: Order) -> Answer:
        words = self.script.get(order.order_id, [])
        said = words.pop(0) if words else filled(order.order_id)
        if isinstance(said, Exception):
            raise said
        return said

    async def wait_to_ask(self, order: Order, after_ms: int) -> None:
        await self.wait(after_ms)

    async def wait(self, after_ms: int) -> None:
        await asyncio.sleep(after_ms / 1000)

    def now_ms(self) -> int:
        return NOW_MS + round(self.loop.time() * 1000)

    async def extend(self, execution: Execution) -> Sequence[Effect]:
        await self.wait(self.planning_ms)
        further, self.further = () if execution.replied else self.further, ()
        return execution.extended(further, held_back=False, now_ms=self.now_ms())

    def reply(self, execution: Execution) -> None:
        self.log.append(f"replied at {round(self.loop.time() * 1000)}")

    def settled(self, execution: Execution, answer: Answer) -> None:
        self.log.append(f"settled {answer.order_id}")

    def crashed(self, order: Order, bug: BaseException) -> None:
        self.log.append(f"crashed {order.order_id} {bug}")

    def not_recorded(self, record: Record, error: StoreDown) -> None:
        self.log.append(f"owed {type(record).__name__}")

    def words(self, *beginnings: str) -> list[str]:
        """The log's entries that begin like this."""
        return [entry for entry in self.log if entry.startswith(beginnings)]


def perform(
    bench: Bench, intent: Planned = TWO, *, held_back: bool = False, reply_ms: int = 10_000
) -> Execution:
    """Run a route to its end."""
    execution = Execution(intent, held_back=held_back)
    work: Coroutine[Any, Any, None] = run(execution, execution.start(), bench, reply_ms=reply_ms)
    run_virtually(bench.loop, work)
    return execution


def failing(*kinds: type, until_s: float = 1e9, loop: VirtualLoop) -> Callable[[Record], bool]:
    """A store that takes no record of these kinds until then."""
    return lambda record: isinstance(record, kinds) and loop.time() < until_s


def test_orders_leave_together_once_the_intent_is_on_disk() -> None:
    bench = Bench(VirtualLoop())
    perform(bench)
    assert bench.log[0] == "wrote Planned"
    assert set(bench.log[1:3]) == {"sent o1", "sent o2"}


def test_an_intent_that_cannot_be_written_sends_nothing() -> None:
    bench = Bench(VirtualLoop())
    bench.store_fails = failing(Planned, loop=bench.loop)
    with pytest.raises(StoreDown):
        perform(bench)
    assert bench.log == ["failed Planned"]


def test_a_fill_that_could_not_be_written_is_reported_and_written_before_the_route_ends() -> None:
    bench = Bench(VirtualLoop())
    bench.store_fails = failing(Answered, until_s=5, loop=bench.loop)
    execution = perform(bench)
    assert bench.words("replied") == ["replied at 0"], "the caller does not wait for the disk"
    kinds = [type(record) for record in bench.records]
    assert kinds == [Planned, Answered, Answered, Finished]
    assert {a.order_id: a for a in assemble(bench.records).answers} == execution.known


def test_a_store_that_fails_once_does_not_lose_the_answer_in_between() -> None:
    bench = Bench(VirtualLoop())
    tries: list[Record] = []

    def first_answer_fails(record: Record) -> bool:
        tries.append(record)
        return isinstance(record, Answered) and sum(isinstance(r, Answered) for r in tries) == 1

    bench.store_fails = first_answer_fails
    perform(bench)
    assert [type(record) for record in bench.records] == [Planned, Answered, Answered, Finished]
    assert [a.order_id for a in assemble(bench.records).answers] == ["o1", "o2"]


def test_the_end_is_written_when_the_store_comes_back() -> None:
    bench = Bench(VirtualLoop())
    bench.store_fails = failing(Finished, until_s=3 * OWED_RETRY_MS / 1000, loop=bench.loop)
    perform(bench)
    assert isinstance(bench.records[-1], Finished)
    assert bench.words("owed").count("owed Finished") == 1, "one line in the log, not one a try"


def test_what_is_learnt_together_is_written_together() -> None:
    appended: list[int] = []

    class Counting(Bench):
        async def append(self, *records: Record) -> None:
            appended.append(len(records))
            await super().append(*records)

    perform(Counting(VirtualLoop()))
    assert appended == [1, 3], "the intent, then both answers and the end"


def test_a_further_round_that_cannot_be_written_does_not_leave() -> None:
    bench = Bench(VirtualLoop())
    bench.further = (FURTHER,)
    bench.store_fails = failing(Extended, loop=bench.loop)
    execution = perform(bench, held_back=True)
    assert bench.words("sent") == ["sent o1", "sent o2"]
    assert bench.words("owed") == ["owed Extended"]
    assert list(execution.orders) == ["o1", "o2"]
    assert isinstance(bench.records[-1], Finished)


def test_a_further_round_does_not_leave_while_an_earlier_answer_is_owed() -> None:
    bench = Bench(VirtualLoop())
    bench.further = (FURTHER,)
    bench.store_fails = failing(Answered, until_s=60, loop=bench.loop)
    perform(bench, held_back=True)
    assert "sent o3" not in bench.log
    assert [type(record) for record in bench.records] == [Planned, Answered, Answered, Finished]


def test_a_further_round_is_written_then_sent_then_answered() -> None:
    bench = Bench(VirtualLoop())
    bench.further = (FURTHER,)
    execution = perform(bench, held_back=True)
    assert bench.log.index("wrote Extended") < bench.log.index("sent o3")
    assert set(execution.known) == {"o1", "o2", "o3"}
    assert len(bench.words("replied")) == 1


@pytest.mark.parametrize("bug", [KeyError("fees"), AssertionError("no"), ValueError("price")])
def test_a_bug_while_placing_leaves_the_order_open_until_it_is_looked_up(bug: Exception) -> None:
    bench = Bench(VirtualLoop(), o1=[bug, unknown("o1"), filled("o1")])
    execution = perform(bench)
    assert bench.words("sent o1") == ["sent o1"], "it may have left: it is not sent again"
    assert bench.words("asked o1") == ["asked o1", "asked o1"]
    assert bench.words("crashed") == [f"crashed o1 {bug}"]
    assert execution.known[OrderId("o1")] == filled("o1")


def test_a_bug_while_looking_up_is_asked_past() -> None:
    bench = Bench(VirtualLoop(), o1=[unknown("o1"), KeyError("x"), Rejected(OrderId("o1"), "no", "")])
    execution = perform(bench)
    assert bench.words("asked o1") == ["asked o1", "asked o1"]
    assert isinstance(execution.known[OrderId("o1")], Rejected)


def test_a_question_that_was_cancelled_is_asked_again() -> None:
    class Cancelling(Bench):
        async def place(self, order: Order) -> Answer:
            if order.order_id == "o1":
                raise asyncio.CancelledError
            return await super().place(order)

    bench = Cancelling(VirtualLoop())
    execution = perform(bench)
    assert bench.words("asked o1") == ["asked o1"]
    assert execution.known[OrderId("o1")] == filled("o1")


def test_a_silent_venue_does_not_keep_the_caller_longer_than_the_deadline() -> None:
    bench = Bench(VirtualLoop())
    bench.silent_ms = 30_000
    execution = perform(bench, reply_ms=2_000)
    assert bench.words("replied") == ["replied at 2000"]
    assert set(execution.known) == {"o1", "o2"}, "the asking went on"


def test_after_the_deadline_no_further_round_is_planned() -> None:
    bench = Bench(VirtualLoop())
    bench.silent_ms, bench.further = 3_000, (FURTHER,)
    perform(bench, held_back=True, reply_ms=2_000)
    assert "sent o3" not in bench.log


def test_a_round_that_takes_long_to_plan_keeps_the_caller_no_longer_and_is_not_sent() -> None:
    bench = Bench(VirtualLoop())
    bench.planning_ms, bench.further = 3_000, (FURTHER,)
    perform(bench, held_back=True, reply_ms=2_000)
    assert bench.words("replied") == ["replied at 2000"]
    assert "sent o3" not in bench.log
    assert [type(record) for record in bench.records] == [Planned, Answered, Answered, Finished]


def test_a_resumed_route_asks_and_never_sends() -> None:
    bench = Bench(VirtualLoop(), o2=[unknown("o2"), filled("o2")])
    execution = Execution(TWO, [filled("o1")])
    run_virtually(bench.loop, run(execution, execution.resume(NOW_MS), bench, reply_ms=1_000))
    assert bench.words("sent", "asked", "replied") == ["asked o2", "asked o2"]
    assert isinstance(bench.records[-1], Finished)


def pending(shares: int) -> Pending:
    return Pending(OrderId("o1"), "v-o1", Size(shares * ONE), Cash(shares * ONE // 2), "matched")


def test_news_of_an_order_adds_no_look_ups_to_the_one_that_goes_on() -> None:
    """An order that fills in fifty parts within a second, and settles a minute later."""
    bench = Bench(VirtualLoop(), o1=[pending(0)] + [pending(50)] * 5_000)
    one = planned(order("o1"))

    async def day() -> None:
        execution = Execution(one)
        running = asyncio.ensure_future(run(execution, execution.start(), bench, reply_ms=10_000))
        for shares in range(1, 51):
            await asyncio.sleep(0.02)
            bench.hear(pending(shares))
        await asyncio.sleep(60)
        bench.script["o1"] = []
        await running

    run_virtually(bench.loop, day())
    doubling = 7
    assert len(bench.words("asked o1")) <= doubling + 61_000 // LOOK_UP_LAST_MS + 1


def test_not_shown_is_no_last_word_where_the_venue_tells_of_the_order_while_it_is_looked_for() -> None:
    absent = Rejected(OrderId("o1"), NOT_EXECUTED, "not shown")
    bench = Bench(VirtualLoop(), o1=[unknown("o1"), absent, filled("o1")])
    asked = bench.look_up

    async def look_up(order: Order, answer: Answer) -> Answer:
        found = await asked(order, answer)
        if found == absent:
            bench.hear(pending(0))
        return found

    bench.look_up = look_up  # type: ignore[method-assign]  # the moment is chosen
    execution = perform(bench, planned(order("o1")))
    assert execution.known == {"o1": filled("o1")}
    assert bench.words("asked") == ["asked o1"] * 2
