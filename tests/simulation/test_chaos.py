"""A bad network, a failing disk and a router that is killed at any moment: afterwards the books agree.

Each seed is one day: its own market, orders, misdeeds and kills. Whatever happened, once all is quiet the
store says of every order what the venue's own ledger says, nothing ran twice, and no money is held back.
"""

import asyncio
import random
from collections import Counter

import pytest

from router.core.errors import Refusal
from router.core.records import Record
from router.core.report import Report
from router.service import Router
from tests.virtual_time import VirtualLoop, run
from tests.world import ACCOUNT, NO, YES, World, buy, sell
from venues.base.http import Purpose, Request
from venues.base.orders import Charge, Filled, Order, Rejected
from venues.base.units import ONE, Cash, Price, Size
from venues.sim.model import HOUSE

SEEDS, FAST = 200, 4
"""Days, and how many of them `make check` lives through."""
DAY_MS = 20_000
"""How long orders come and things go wrong."""
QUIET_MS = 400_000
"""Longer than any venue lets an order stay in doubt once it answers again."""
FEE_EXCESS_MAX = 20_000
"""Books jump by any number of cents here; past two, a fee on top may pass the amount: docs/money.md."""
BEFORE_ARRIVAL = ("refused", "lost", "busy")
AFTER_ARRIVAL = ("doubled", "silent", "error_after", "limited_after", "garbled")


class Day:
    """One seed's world and what goes wrong in it."""

    def __init__(self, loop: VirtualLoop, seed: int) -> None:
        self.seed, self.luck = seed, random.Random(seed)
        self.world = World(loop, seed, balance="500", shares="100")
        self.quiet = False
        self.asked: dict[str, Order] = {}
        self.reports: list[Report] = []
        self.kills = 0
        harm = self.luck.choice((0.05, 0.2, 0.5))
        self._harm = {purpose: harm * self.luck.random() for purpose in Purpose}
        self._disk_harm = self.luck.choice((0.0, 0.0, 0.1, 0.3))
        self.world.network.misdeed = self._misdeed
        self.world.mishear = self._mishear
        self.world.store.misdeed = self._disk

    def _misdeed(self, _venue: str, request: Request) -> str:
        if self.quiet or self.luck.random() >= self._harm[request.purpose]:
            return ""
        return self.luck.choice(BEFORE_ARRIVAL + AFTER_ARRIVAL)

    def _mishear(self) -> str:
        if self.quiet or self.luck.random() >= self._harm[Purpose.ACCOUNT]:
            return ""
        return self.luck.choice(("lost", "twice"))

    def _disk(self, _record: Record) -> str:
        if self.quiet or self.luck.random() >= self._disk_harm:
            return ""
        return self.luck.choice(("down", "unsure"))

    def move_books(self) -> None:
        """New books everywhere, on whole cents."""
        for name, natives in self.world.natives.items():
            middle = self.luck.randrange(20, 80)
            asks = [(Price((middle + 1 + n) * 10_000), self._size()) for n in range(self.luck.randrange(4))]
            bids = [(Price((middle - 1 - n) * 10_000), self._size()) for n in range(self.luck.randrange(4))]
            exchange = self.world.simulators[name].exchange
            exchange.set_book(natives[0], bids, asks, self.world.clock.now_ms())
        self.world.pump()

    def _size(self) -> Size:
        return Size(self.luck.randrange(1, 60) * ONE)

    async def live(self) -> None:
        """Orders, misdeeds and kills; then quiet; then the audit."""
        router = await self._start()
        callers: set[asyncio.Task[None]] = set()
        end_ms = self.world.clock.monotonic_ms() + DAY_MS
        while self.world.clock.monotonic_ms() < end_ms:
            self.move_books()
            callers.add(asyncio.create_task(self._call(router)))
            await self.world.clock.sleep(self.luck.randrange(1, self.luck.choice((30, 4_000))))
            if self.luck.random() < 0.3:
                await self._kill(router)
                router = await self._start()
        self.quiet = True
        for _ in range(QUIET_MS // 2_000):
            self.world.pump()
            await self.world.clock.sleep(2_000)
        await asyncio.gather(*callers)
        self.audit(router)

    async def _start(self) -> Router:
        """A router needs the listings' metadata to start; reading it goes well."""
        quiet, self.quiet = self.quiet, True
        router = await self.world.start(answer_ms=self.luck.choice((500, 3_000)))
        self.quiet = quiet
        return router

    async def _kill(self, router: Router) -> None:
        """The process is gone between two steps of the loop: nothing of it runs any more."""
        self.kills += 1
        for task in router._tasks.running:
            task.cancel()
        await asyncio.gather(*router._tasks.running, return_exceptions=True)

    async def _call(self, router: Router) -> None:
        outcome = self.luck.choice((YES, NO))
        quantity = self.luck.randrange(1, 80) * ONE
        asked = buy(quantity, outcome) if self.luck.random() < 0.6 else sell(quantity, outcome)
        try:
            self.reports.append(await router.route(self.world.account, asked, request_id="chaos"))
        except (Refusal, asyncio.CancelledError):
            return

    # --- the audit ---

    def audit(self, router: Router) -> None:
        """Everything that was promised, compared with the venues' own ledgers."""
        stored = self.world.store.stored()
        assert all(route.finished for route in stored.values()), "a route never ended"
        assert router._tools.ledger.open(ACCOUNT) == [], "money is still held back"
        assert len(asyncio.all_tasks()) == 1, "something still runs"
        last: dict[str, Filled | Rejected] = {}
        orders = {order.order_id: order for route in stored.values() for order in route.planned.orders}
        for route in stored.values():
            for answer in route.answers:
                if isinstance(answer, Filled | Rejected):
                    last.setdefault(answer.order_id, answer)
        assert set(last) == set(orders), "an order has no last word"
        for venue in self.world.venues:
            mine = [last[o] for o, order in orders.items() if order.listing.venue == venue]
            self._compare(venue, [answer for answer in mine if isinstance(answer, Filled) and answer.size])
        for simulator in self.world.simulators.values():
            simulator.exchange.audit()
        for report in self.reports:
            for line in report.fills:
                known = last.get(line.order_id)
                if line.size and isinstance(known, Filled):
                    assert line.size <= known.size, "more was reported than done"
            spent = sum(line.cash + (line.fee.cash if line.fee else 0) for line in report.fills)
            bound = report.asked.amount * (ONE + FEE_EXCESS_MAX) // ONE
            assert spent <= bound or report.asked.size, "a buy cost more than its amount"

    def _compare(self, venue: str, told: list[Filled]) -> None:
        """Each order that filled at the venue is one of ours with the same size, cash and fee; no other.

        A venue may keep an order of one outcome as the opposite order of the other: at one minus the price.
        """
        done: Counter[tuple[int, ...]] = Counter()
        for order in self.world.simulators[venue].exchange.orders.values():
            if order.account != HOUSE and order.fills:
                kept = sum(fill.kept for fill in order.fills)
                done[_key(order.filled, order.value, Charge(order.fees, Size(kept)))] += 1
        of = [_key(answer.size, answer.cash, Charge(answer.fee.cash, answer.fee.shares)) for answer in told]
        assert done == Counter(of), venue


def _key(size: Size, cash: Cash, fee: Charge) -> tuple[int, ...]:
    return size, min(cash, size - cash), fee.cash, fee.shares


@pytest.mark.parametrize(
    "seed", [*range(FAST), *(pytest.param(n, marks=pytest.mark.slow) for n in range(FAST, SEEDS))]
)
def test_after_a_bad_day_the_store_equals_the_venues(seed: int) -> None:
    print(f"repeat with: pytest tests/simulation/test_chaos.py -k '[{seed}]'")
    loop = VirtualLoop()
    run(loop, Day(loop, seed).live())
