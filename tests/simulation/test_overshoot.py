"""No plan passes what was asked or what the account may do, if every order without a last word had filled.

Whatever venues do to the orders of one round, the next is planned with what is surely left, under new ids.
The auditor reads the store's records only, in their order, and has books of its own.
"""

import os
import random

import pytest

from router.core.controls import AccountLimits, CashLimits
from router.core.errors import Refusal
from router.core.records import Answered, Extended, Planned, Record, decode
from router.runtime.control_settings import LimitBook
from tests.virtual_time import VirtualLoop, run
from tests.world import NO, YES, World, buy, sell
from venues.base.orders import Answer, Filled, Order, OrderId, Rejected, Side
from venues.base.units import ONE, Cash, Price, Size

SEEDS = 600 if os.environ.get("CROSSBOOK_FAULTS") else 12
"""`make faults` makes ten thousand plans and more."""
ORDERS = 25
MINUTE_MS = 60_000
LIMITS = AccountLimits(
    cash=CashLimits(order=Cash(90 * ONE), minute=Cash(260 * ONE), open=Cash(300 * ONE)),
    depth_bps=9_000,
    orders_per_second=50,
    usual_times=1_000,
)
HARM = ("refused", "lost", "silent", "error_after", "limited_after", "garbled")


class Book:
    """What the auditor knows of one order."""

    def __init__(self, order: Order, at_ms: int) -> None:
        self.order, self.at_ms = order, at_ms
        self.last: Answer | None = None

    @property
    def cash(self) -> int:
        """What it moved; as much as it may have moved while nobody knows."""
        if isinstance(self.last, Filled):
            return self.last.cash + (self.last.fee.cash if self.order.side is Side.BUY else 0)
        if isinstance(self.last, Rejected):
            return 0
        return self.order.cash + (self.order.reserve if self.order.side is Side.BUY else 0)

    @property
    def size(self) -> int:
        if isinstance(self.last, Filled):
            return self.last.size
        return 0 if isinstance(self.last, Rejected) else self.order.size

    @property
    def open(self) -> bool:
        return not isinstance(self.last, Filled | Rejected)


class Auditor:
    """Reads records one by one; every plan is held against what was asked and against the limits."""

    def __init__(self) -> None:
        self.books: dict[OrderId, Book] = {}
        self.routes: dict[str, tuple[Planned, list[Book]]] = {}
        self.plans = 0

    def read(self, record: Record) -> None:
        match record:
            case Planned():
                self.routes[record.route_id] = record, []
                self._planned(record.route_id, record.orders, record.at_ms)
            case Extended():
                assert not any(book.open for book in self.routes[record.route_id][1]), "planned on a guess"
                self._planned(record.route_id, record.orders, record.at_ms)
            case Answered(answer=Filled() | Rejected() as answer):
                if self.books[answer.order_id].open:
                    self.books[answer.order_id].last = answer
            case _:
                pass

    def _planned(self, route_id: str, orders: tuple[Order, ...], at_ms: int) -> None:
        self.plans += 1
        planned, mine = self.routes[route_id]
        for order in orders:
            assert order.order_id not in self.books, "an id is used once"
            self.books[order.order_id] = Book(order, at_ms)
            mine.append(self.books[order.order_id])
        asked = planned.asked
        if asked.side is Side.BUY:
            assert sum(book.cash for book in mine) <= asked.amount
        else:
            assert sum(book.size for book in mine) <= asked.size
        live = sum(book.cash for book in self.books.values() if book.open)
        minute = sum(book.cash for book in self.books.values() if book.at_ms > at_ms - MINUTE_MS)
        assert sum(order.cash for order in orders) <= LIMITS.cash.order
        assert live <= LIMITS.cash.open
        assert minute <= LIMITS.cash.minute


async def day(world: World, luck: random.Random) -> Auditor:
    """Orders one after the other while books move and venues misbehave."""
    harm = luck.choice((0.0, 0.1, 0.3))
    router = await world.start(answer_ms=luck.choice((300, 3_000)))
    world.network.misdeed = lambda _venue, _request: luck.choice(HARM) if luck.random() < harm else ""
    for _ in range(ORDERS):
        move(world, luck)
        outcome, quantity = luck.choice((YES, NO)), luck.randrange(5, 95) * ONE
        asked = buy(quantity, outcome) if luck.random() < 0.7 else sell(quantity, outcome)
        try:
            await world.route(router, asked)
        except Refusal:
            await world.clock.sleep(luck.choice((1_000, 20_000)))
        await world.clock.sleep(luck.choice((50, 2_000, 30_000)))
    auditor = Auditor()
    for line in world.store.lines:
        auditor.read(decode(line))
    return auditor


def move(world: World, luck: random.Random) -> None:
    """New books: a few cheap levels and dear ones behind them, so that much is held back for later rounds."""
    for name, natives in world.natives.items():
        middle = luck.randrange(44, 56)
        asks = [(Price((middle + 1 + n) * 10_000), size(luck)) for n in range(luck.randrange(1, 5))]
        bids = [(Price((middle - 1 - n) * 10_000), size(luck)) for n in range(luck.randrange(1, 5))]
        world.simulators[name].exchange.set_book(natives[0], bids, asks, world.clock.now_ms())
    world.pump()


def size(luck: random.Random) -> Size:
    return Size(luck.randrange(5, 60) * ONE)


@pytest.mark.faults
@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, SEEDS))])
def test_no_plan_overshoots_though_every_unknown_order_may_have_filled(seed: int) -> None:
    loop = VirtualLoop()

    async def live() -> int:
        world = World(loop, seed, shares="500")
        world.limits = LimitBook(default=LIMITS, by_account={}, total_per_second=1_000)
        return (await day(world, random.Random(seed))).plans

    assert run(loop, live()) > ORDERS // 3, "most orders are planned"
