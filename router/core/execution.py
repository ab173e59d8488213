"""One routed order, from plan to last word: a state machine that performs nothing itself.

Every method returns effects. Whoever runs them owes one promise: strictly in order, and nothing after
a Write starts until that Write is on disk. The store is therefore always ahead of the venues, and
recovery needs nothing but the store: it builds the machine again and calls `resume`.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from router.core.late import refutes
from router.core.records import Answered, Extended, Finished, Planned, Record
from venues.base.orders import Answer, Filled, Order, OrderId, Pending, Rejected, Unknown, Working

LOOK_UP_FIRST_MS = 50
"""Wait before the first look-up: most venues show an order within this time."""
ROUNDS_MAX = 4
"""Plans per route. Each leaves a few percent of the one before, so that more would move dust."""
LOOK_UP_LAST_MS = 5_000
"""Waits double up to this; an order without a last word is asked about for ever."""


class Write(msgspec.Struct, frozen=True):
    """Make this record durable before anything that follows."""

    record: Record


class Send(msgspec.Struct, frozen=True):
    """Place this order, once."""

    order: Order


class LookUp(msgspec.Struct, frozen=True):
    """Ask the venue about this order, after a wait."""

    order: Order
    answer: Answer
    """The best that is known about it."""
    after_ms: int


class Extend(msgspec.Struct, frozen=True):
    """The orders so far have their last words and a part was held back: hand more to `extended`."""


class Reply(msgspec.Struct, frozen=True):
    """The caller can be answered from `Execution.known` now. Comes exactly once."""


class Done(msgspec.Struct, frozen=True):
    """Nothing is open any more. The last effect."""


Effect = Write | Send | LookUp | Extend | Reply | Done

_LAST_WORDS, _OPEN_WORDS = (Filled, Rejected), (Working, Pending)


class Execution:
    """The state of one route."""

    def __init__(self, planned: Planned, answers: Iterable[Answer] = (), *, held_back: bool = False) -> None:
        """`held_back` says that the plan left a part for a further round."""
        assert planned.orders, "a route without orders is refused before it becomes an execution"
        self.planned = planned
        self.orders: dict[OrderId, Order] = {order.order_id: order for order in planned.orders}
        assert len(self.orders) == len(planned.orders), "order ids are unique"
        self._open = dict(self.orders)
        """Orders without a last word, in plan order."""
        self._known: dict[OrderId, Answer] = {}
        self._asked: dict[OrderId, int] = dict.fromkeys(self.orders, 0)
        self._replied = False
        self._held_back = held_back
        self._rounds = 1
        for answer in answers:
            self._learn(answer)

    @property
    def known(self) -> Mapping[OrderId, Answer]:
        """The best knowledge of each order; one that nothing is known about is missing."""
        return self._known

    @property
    def replied(self) -> bool:
        """Whether the caller has been answered, or is gone: nothing further is sent for him then."""
        return self._replied

    @property
    def open_orders(self) -> list[Order]:
        """Orders without a last word, in plan order. Their holds stay."""
        return list(self._open.values())

    def start(self) -> list[Effect]:
        """The plan is on disk before any order leaves."""
        assert not self._known, "an execution that knows anything is resumed, not started"
        return [Write(self.planned), *[Send(order) for order in self.orders.values()]]

    def resume(self, now_ms: int) -> list[Effect]:
        """After a restart: ask about every order that has no last word. Never send again."""
        self._replied = True  # whoever asked is gone
        return [*(self._ask(order) for order in self.open_orders), *self._finish(now_ms)]

    def answered(self, answer: Answer, now_ms: int, *, asking: bool = False) -> list[Effect]:
        """Late and repeated answers are welcome; the first final one counts, until a later one shows more.

        `asking`: a look-up of the order goes on, so that no other one is wanted.
        """
        order_id = answer.order_id
        effects: list[Effect] = []
        ended = order_id not in self._open
        if self._learn(answer):
            route_id = self.planned.route_id
            effects.append(Write(Answered(route_id=route_id, answer=answer, at_ms=now_ms)))
        if ended:
            return effects
        if order_id in self._open:
            return effects if asking else [*effects, self._ask(self._open[order_id])]
        return [*effects, *self._finish(now_ms)]

    def extended(self, orders: Sequence[Order], *, held_back: bool, now_ms: int) -> list[Effect]:
        """The answer to `Extend`: a further round, or none. It too is on disk before it leaves."""
        assert not self._open, "a round ends before the next begins"
        assert not (orders and self._replied), "whoever was answered holds no lane any more"
        self._held_back, self._rounds = held_back, self._rounds + 1
        if not orders:
            return self._finish(now_ms)
        for order in orders:
            assert order.order_id not in self.orders, "order ids are unique"
            self.orders[order.order_id] = self._open[order.order_id] = order
            self._asked[order.order_id] = 0
        self.planned = msgspec.structs.replace(self.planned, orders=tuple(self.orders.values()))
        record = Extended(route_id=self.planned.route_id, orders=tuple(orders), at_ms=now_ms)
        return [Write(record), *(Send(order) for order in orders)]

    def withdrawn(self, orders: Sequence[Order], now_ms: int) -> list[Effect]:
        """The further round could not be written, so none of it leaves; the route ends with what it has."""
        for order in orders:
            assert order.order_id not in self._known, "only orders that never left are withdrawn"
            del self.orders[order.order_id], self._open[order.order_id]
        self.planned = msgspec.structs.replace(self.planned, orders=tuple(self.orders.values()))
        self._held_back = False
        return self._finish(now_ms)

    def corrected(self, last: Filled) -> None:
        """More of an order traded than its last word said: found out, and written down, beside this run."""
        before = self._known.get(last.order_id)
        if isinstance(before, _LAST_WORDS) and refutes(before, last):
            self._known[last.order_id] = last

    def overdue(self) -> list[Effect]:
        """The caller has waited long enough: answer with what is known. Look-ups go on."""
        if self._replied:
            return []
        self._replied = True
        return [Reply()]

    def _learn(self, answer: Answer) -> bool:
        """Keep what is new. True when it is worth remembering across a restart."""
        assert answer.order_id in self.orders, "an answer belongs to an order of the route"
        before = self._known.get(answer.order_id)
        if isinstance(before, _LAST_WORDS) and not refutes(before, answer):
            return False
        match answer:
            case Filled():
                pass
            case Rejected():
                if isinstance(before, _OPEN_WORDS) and before.size > 0 and not answer.undone:
                    return False  # it traded: "never arrived" contradicts what the venue said before
            case Working() | Pending():
                if answer == before or (isinstance(before, _OPEN_WORDS) and answer.size < before.size):
                    return False
            case Unknown():
                if before is None:
                    self._known[answer.order_id] = answer
                return False
        self._known[answer.order_id] = answer
        if isinstance(answer, _LAST_WORDS):
            self._open.pop(answer.order_id, None)
        return True

    def _ask(self, order: Order) -> LookUp:
        known = self._known.get(order.order_id) or Unknown(order.order_id, "not answered before a restart")
        attempt = self._asked[order.order_id]
        self._asked[order.order_id] = attempt + 1
        wait = min(LOOK_UP_LAST_MS, LOOK_UP_FIRST_MS << min(attempt, 16))
        return LookUp(order, known, wait)

    def _finish(self, now_ms: int) -> list[Effect]:
        if self._open:
            return []
        if self._held_back and self._rounds < ROUNDS_MAX and not self._replied:
            self._held_back = False
            return [Extend()]
        finished = Write(Finished(route_id=self.planned.route_id, at_ms=now_ms))
        return [finished, *self.overdue(), Done()]
