"""Carries out one execution's effects, strictly in order. All decisions are the execution's."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Protocol

from router.core.execution import Done, Effect, Execution, Extend, LookUp, Reply, Send, Write
from router.core.records import Extended, Planned, Record
from router.runtime.store.protocol import StoreDown
from venues.base.orders import Answer, Order, Unknown

OWED_RETRY_MS = 1_000
"""Between two tries to give a store that failed what it missed: it probes its disk twice in this time."""


class Hands(Protocol):
    """What a runner needs done. None of it raises for what a venue did."""

    async def append(self, record: Record) -> None:
        """Returns when the record is durable; StoreDown when it cannot be."""
        ...

    async def place(self, order: Order) -> Answer:
        """Send the order, once, and wait for its reply or for the end of the venue's time."""
        ...

    async def look_up(self, order: Order, answer: Answer) -> Answer:
        """Ask the venue what became of the order."""
        ...

    async def wait(self, after_ms: int) -> None:
        """Let this much time pass."""
        ...

    def now_ms(self) -> int:
        """Unix milliseconds."""
        ...

    async def extend(self, execution: Execution) -> Sequence[Effect]:
        """Plan a further round; what `Execution.extended` says about it."""
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
        self.inbox: asyncio.Queue[Answer | _Overdue] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._owed: list[Record] = []
        """What the store has not taken yet, oldest first. At most a few for each order."""

    def ask(self, work: Coroutine[None, None, None]) -> None:
        """Let it run beside everything else; it ends by putting something into the inbox."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """Nothing more is wanted."""
        for task in self._tasks:
            task.cancel()

    async def perform(self, effects: Sequence[Effect]) -> bool:
        """Carry out a batch; True when nothing more will come."""
        for effect in effects:
            match effect:
                case Write(record):
                    written = await self._append(record)
                    if isinstance(record, Extended) and not written:
                        withdrawn = self.execution.withdrawn(record.orders, self.hands.now_ms())
                        return await self.perform(withdrawn)
                case Send(order):
                    self.ask(self._place(order))
                case LookUp():
                    self.ask(self._look_up(effect))
                case Extend():
                    return await self.perform(await self.hands.extend(self.execution))
                case Reply():
                    self.hands.reply(self.execution)
                case Done():
                    return True
        return False

    async def remind(self, after_ms: int) -> None:
        """Put the alarm into the inbox when it is time."""
        await self.hands.wait(after_ms)
        self.inbox.put_nowait(_Overdue())

    async def _append(self, record: Record) -> bool:
        """Make a record durable, after everything owed; False when the store does not take it now.

        Without its intent nothing may be sent. What is learnt later is better reported than lost with
        the store: it is owed, so that the store never skips a fill and goes on to say "finished".
        """
        if isinstance(record, Planned):
            await self.hands.append(record)
            return True
        self._owed.append(record)
        failure = await self._pay()
        if failure is None:
            return True
        self.hands.not_recorded(record, failure)
        if isinstance(record, Extended):
            self._owed.remove(record)
        return False

    async def _pay(self) -> StoreDown | None:
        """Write what is owed, in order, until nothing is or the store fails."""
        while self._owed:
            try:
                await self.hands.append(self._owed[0])
            except StoreDown as failure:
                return failure
            del self._owed[0]
        return None

    async def settle(self) -> None:
        """Return when the store has everything."""
        while await self._pay() is not None:
            await self.hands.wait(OWED_RETRY_MS)

    async def _place(self, order: Order) -> None:
        await self._answer(order, self.hands.place(order))

    async def _look_up(self, effect: LookUp) -> None:
        await self.hands.wait(effect.after_ms)
        await self._answer(effect.order, self.hands.look_up(effect.order, effect.answer))

    async def _answer(self, order: Order, question: Coroutine[None, None, Answer]) -> None:
        """The answer, or Unknown where our own code failed: bytes may have left before it did."""
        task = asyncio.get_running_loop().create_task(question)
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
        if task.cancelled():
            self.inbox.put_nowait(Unknown(order.order_id, "cancelled"))
        elif bug := task.exception():
            self.hands.crashed(order, bug)
            self.inbox.put_nowait(Unknown(order.order_id, f"internal error: {type(bug).__name__}"))
        else:
            self.inbox.put_nowait(task.result())


async def run(execution: Execution, effects: Sequence[Effect], hands: Hands, *, reply_ms: int) -> None:
    """Orders leave together; answers queue up and are dealt with one at a time.

    Returns when the store has everything. Raises StoreDown if the intent itself cannot be written: then
    nothing was sent.
    """
    runner = _Runner(execution, hands)
    runner.ask(runner.remind(reply_ms))
    try:
        while not await runner.perform(effects):
            match await runner.inbox.get():
                case _Overdue():
                    effects = execution.overdue()
                case answer:
                    effects = execution.answered(answer, hands.now_ms())
                    hands.settled(execution, answer)
        await runner.settle()
    finally:
        runner.stop()
