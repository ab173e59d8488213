"""Carries out one execution's effects, strictly in order. All decisions are the execution's."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Protocol

from router.core.execution import Done, Effect, Execution, Extend, LookUp, Reply, Send, Write
from router.core.late import unproven
from router.core.records import Extended, Planned, Record
from router.runtime.store.protocol import StoreDown
from venues.base.orders import Answer, Order, OrderId, Rejected, Unknown

OWED_RETRY_MS = 1_000
"""Between two tries to give a store that failed what it missed: it probes its disk twice in this time."""


class Hands(Protocol):
    """What a runner needs done. None of it raises for what a venue did."""

    def listen(self, hear: Callable[[Answer], None]) -> None:
        """Call `hear` with every answer that comes by itself, from an account's own stream."""
        ...

    async def append(self, *records: Record) -> None:
        """Returns when all of them are durable; StoreDown when that cannot be."""
        ...

    async def place(self, order: Order) -> Answer:
        """Send the order, once, and wait for its reply or for the end of the venue's time."""
        ...

    async def look_up(self, order: Order, answer: Answer) -> Answer:
        """Ask the venue what became of the order."""
        ...

    async def wait_to_ask(self, order: Order, after_ms: int) -> None:
        """Let this much time pass before a look-up; less when there is reason to ask now."""
        ...

    async def wait(self, after_ms: int) -> None:
        """Let this much time pass."""
        ...

    def now_ms(self) -> int:
        """Unix milliseconds."""
        ...

    async def extend(self, execution: Execution) -> Sequence[Effect]:
        """Plan a further round, none for whoever was answered; what `Execution.extended` says about it."""
        ...

    def reply(self, execution: Execution) -> None:
        """The caller can be answered."""
        ...

    def settled(self, execution: Execution, answer: Answer) -> None:
        """An answer was dealt with; holds of orders that are no longer open can go."""
        ...

    def crashed(self, order: Order, bug: BaseException) -> None:
        """Our own code failed while an order was placed or looked up. What the venue did is unknown."""
        ...

    def not_recorded(self, record: Record, error: StoreDown) -> None:
        """A record after the intent is not durable yet; the orders of an `Extended` will never leave."""
        ...


class _Overdue:
    """The caller has waited long enough."""


class _Runner:
    """One run: the inbox and the questions that are out."""

    def __init__(self, execution: Execution, hands: Hands) -> None:
        self.execution, self.hands = execution, hands
        self.loop = asyncio.get_running_loop()
        self._inbox: deque[Answer | _Overdue] = deque()
        """What came and was not dealt with, oldest first: at most a few for each order."""
        self._coming: asyncio.Future[None] | None = None
        """Done when something is in the inbox; None while nobody waits for that."""
        self._tasks: set[asyncio.Task[Answer]] = set()
        self._asking: set[OrderId] = set()
        """Orders with a look-up on its way: news of an order must not add another each time."""
        self._told: set[OrderId] = set()
        """Orders of which anything was told since their last look-up began."""
        self._planning = False
        """Whether a further round is being planned: then nothing is written and nothing is dealt with."""
        self._owed: list[Record] = []
        """What the store has not taken yet, oldest first. At most a few for each order."""

    def hear(self, item: Answer | _Overdue) -> None:
        """Put it into the inbox."""
        self._inbox.append(item)
        if not isinstance(item, _Overdue | Unknown):
            self._told.add(item.order_id)
        if self._coming is not None and not self._coming.done():
            self._coming.set_result(None)

    def overdue(self) -> None:
        """The caller has waited long enough; a further round that is being planned keeps him no longer."""
        if not self._planning:
            self.hear(_Overdue())
        elif self.execution.overdue():
            self.hands.reply(self.execution)

    def stop(self) -> None:
        """Nothing more is wanted."""
        for task in self._tasks:
            task.cancel()

    async def perform(self, effects: Sequence[Effect]) -> bool:
        """Carry out a batch; True when nothing more will come."""
        at = 0
        while at < len(effects):
            effect, at = effects[at], at + 1
            match effect:
                case Write():
                    records = [effect.record]
                    while at < len(effects) and isinstance(following := effects[at], Write):
                        records.append(following.record)
                        at += 1
                    if not await self._append(records) and isinstance(effect.record, Extended):
                        withdrawn = self.execution.withdrawn(effect.record.orders, self.hands.now_ms())
                        return await self.perform(withdrawn)
                case Send():
                    self._ask(effect.order, self.hands.place(effect.order))
                case Reply():
                    self.hands.reply(self.execution)
                case Done():
                    return True
                case LookUp():
                    self._asking.add(effect.order.order_id)
                    self._ask(effect.order, self._look_up(effect))
                case Extend():
                    return await self.perform(await self._extended())
        return False

    async def _extended(self) -> Sequence[Effect]:
        self._planning = True
        try:
            return await self.hands.extend(self.execution)
        finally:
            self._planning = False

    async def heard(self) -> list[Effect]:
        """Wait for something in the inbox; what follows from all that is in it."""
        if not self._inbox:
            self._coming = self.loop.create_future()
            await self._coming
        effects = self._deal_with(self._inbox.popleft())
        while self._inbox and not (effects and isinstance(effects[-1], Extend | Done)):
            effects += self._deal_with(self._inbox.popleft())
        return effects

    def _deal_with(self, item: Answer | _Overdue) -> list[Effect]:
        if isinstance(item, _Overdue):
            return self.execution.overdue()
        asking = item.order_id in self._asking
        effects = self.execution.answered(item, self.hands.now_ms(), asking=asking)
        if effects and isinstance(effects[-1], LookUp):
            self._asking.add(item.order_id)
        self.hands.settled(self.execution, item)
        return effects

    async def _append(self, records: Sequence[Record]) -> bool:
        """Make records durable, after everything owed; False when the store does not take them now.

        Without its intent nothing may be sent. What is learnt later is better reported than lost with
        the store: it is owed, so that the store never skips a fill and goes on to say "finished".
        """
        if isinstance(records[0], Planned):
            await self.hands.append(*records)
            return True
        self._owed += records
        failure = await self._pay()
        if failure is None:
            return True
        for record in records:
            self.hands.not_recorded(record, failure)
            if isinstance(record, Extended):
                self._owed.remove(record)
        return False

    async def _pay(self) -> StoreDown | None:
        """Write what is owed, in order; why the store does not take it, if it does not."""
        try:
            await self.hands.append(*self._owed)
        except StoreDown as failure:
            return failure
        self._owed.clear()
        return None

    async def settle(self) -> None:
        """Return when the store has everything."""
        while self._owed and await self._pay() is not None:
            await self.hands.wait(OWED_RETRY_MS)

    async def _look_up(self, effect: LookUp) -> Answer:
        """With the best that is known when it begins. That nothing is shown proves nothing where the venue
        itself told of the order meanwhile: its lists lag."""
        order, order_id = effect.order, effect.order.order_id
        try:
            await self.hands.wait_to_ask(order, effect.after_ms)
            self._told.discard(order_id)
            found = await self.hands.look_up(order, self.execution.known.get(order_id, effect.answer))
        finally:
            self._asking.discard(order_id)
        if order_id in self._told and isinstance(found, Rejected) and unproven(found):
            return Unknown(order_id, "told of while it was looked for")
        return found

    def _ask(self, order: Order, question: Coroutine[None, None, Answer]) -> None:
        """Let it run beside everything else; what comes of it goes into the inbox."""
        task = self.loop.create_task(question)
        self._tasks.add(task)
        task.add_done_callback(partial(self._answered, order))

    def _answered(self, order: Order, task: asyncio.Task[Answer]) -> None:
        """The answer, or Unknown where our own code failed: bytes may have left before it did."""
        self._tasks.discard(task)
        if task.cancelled():
            answer: Answer = Unknown(order.order_id, "cancelled")
        elif bug := task.exception():
            self.hands.crashed(order, bug)
            answer = Unknown(order.order_id, f"internal error: {type(bug).__name__}")
        else:
            answer = task.result()
        self.hear(answer)


async def run(execution: Execution, effects: Sequence[Effect], hands: Hands, *, reply_ms: int) -> None:
    """Orders leave together; answers queue up and are dealt with in their order.

    Returns when the store has everything. Raises StoreDown if the intent itself cannot be written: then
    nothing was sent.
    """
    runner = _Runner(execution, hands)
    hands.listen(runner.hear)
    alarm = runner.loop.call_later(reply_ms / 1000, runner.overdue)
    try:
        while not await runner.perform(effects):
            effects = await runner.heard()
        await runner.settle()
    finally:
        alarm.cancel()
        runner.stop()
        hands.listen(deaf)  # two that hold each other would keep all of the route until the next collection


def deaf(_: Answer) -> None:
    """Nobody runs: before it nothing was sent, and after it nothing more is wanted."""
