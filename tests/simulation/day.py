"""A simulated day: orders, repeats of them, a bad network, a bad disk, and a router that is killed.

Each seed is one day. Everything in it follows from the seed: what the books are, which orders come, what goes
wrong, when the router dies, and in which order whatever could run at the same instant does run. When all is
quiet again the auditor compares the router's records with the venues' ledgers.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from router.core.errors import InProgress, KeyReused, Refusal
from router.core.invariants import Alarm
from router.core.model import Key, MarketOrder
from router.core.records import Replied
from router.http.predexon.show_seed import show
from router.runtime.metrics import Metrics
from router.runtime.store.protocol import Store
from router.service import Router
from tests.simulation.auditor import Auditor, Journal
from tests.simulation.disk import Session
from tests.simulation.network import Wild
from tests.simulation.trace import Trace
from tests.virtual_time import VirtualLoop, run
from tests.world import ACCOUNT, NO, YES, World, buy, sell
from venues.base.http import Purpose, Request
from venues.base.units import ONE, Price, Size
from venues.sim.ledger import ledger, listing_key
from venues.sim.model import HOUSE

QUIET_MS = 600_000
"""Longer than any venue lets an order stay in doubt once it answers again."""
BEAT_MS = 2_000
LINGER_MS = 36_000
"""Longer than a late request is on its way: nothing of the day can still arrive."""
IDENTITIES = 4
"""Different sets of the venues' own ids and keys: to make new ones for each day would take longer than it."""
KEYS = 6
"""So few that keys come again on the same day, and after the router died."""


class Length(NamedTuple):
    """How much happens in a day."""

    orders: tuple[int, int]
    """At least this many, fewer than that many."""
    pauses_ms: tuple[int, ...]
    """Between two orders at most one of these, chosen anew each time."""
    kill: float
    """The chance that the router dies after an order."""


SHORT = Length(orders=(1, 4), pauses_ms=(10, 100, 1_000, 5_000), kill=0.3)
LONG = Length(orders=(10, 30), pauses_ms=(30, 300, 4_000), kill=0.3)


@cache
def _metrics() -> Metrics:
    """One for all days: to make them takes a third of a short day."""
    return Metrics()


def violations(metrics: Metrics) -> int:
    """How often the router found that it broke a promise.

    Fees that pass their reserve are none: books jump by tens of cents here (docs/money.md).
    """
    return round(
        sum(
            s.value
            for family in metrics.violations.collect()
            for s in family.samples
            if s.name.endswith("_total") and s.labels["invariant"] != Alarm.OVER_BUDGET.value
        )
    )


class DayWorld(World):
    """The world on a disk that each router opens anew."""

    make_metrics = staticmethod(_metrics)
    beat_ms = 4_000
    session: Session
    late: Callable[[], bool] = staticmethod(bool)
    """Whether a book's connection is silent now."""

    def disk(self) -> Store:
        return self.session

    def pump(self) -> None:
        """Some connections are late with what they have to say."""
        for ear in self.ears.values():
            ear.pump()
        for line in self.lines:
            if not self.late():
                line.pump()


class Day:
    """One seed's world and what happens in it."""

    def __init__(self, seed: int, length: Length = SHORT, *, keep_trace: bool = False) -> None:
        self.seed, self.length = seed, length
        self.luck = random.Random(f"{seed}/day")
        self._wire_luck, self._disk_luck = random.Random(f"{seed}/wire"), random.Random(f"{seed}/disk")
        self.loop = VirtualLoop(random.Random(f"{seed}/order"))
        self.world = DayWorld(self.loop, seed % IDENTITIES, balance="500", shares="100")
        self._violations = violations(self.world.metrics)
        self.trace = Trace(keep=keep_trace)
        self.quiet = False
        self.seen: Counter[str] = Counter()
        """How often what the day is about came about."""
        self.faults: list[str] = []
        self._auditor = Auditor({name: [self._pair(name)] for name in self.world.venues}, self._ledgers())
        self._intended: Counter[str] = Counter()
        self._dead: set[Router] = set()
        self._harm = self._rates()
        self._disk_harm = self.luck.choice((0.0, 0.0, 0.1, 0.3))
        self._deaf = self.luck.choice((0.0, 0.0, 0.5))
        self.world.mishear, self.world.late = self._mishear, self._late
        names = sorted(self.world.venues)
        self._traded = (
            names if self.luck.random() < 0.4 else self.luck.sample(names, self.luck.randrange(1, 4))
        )
        self._wished: dict[Key, MarketOrder] = {}
        self._ran: dict[Key, MarketOrder] = {}
        self._told: defaultdict[Key, list[Replied]] = defaultdict(list)
        self._bodies: list[bytes] = []

    def _rates(self) -> dict[Purpose, float]:
        harm = self.luck.choice((0.0, 0.1, 0.3, 0.6))
        return {purpose: harm * self.luck.random() for purpose in Purpose}

    # --- the run ---

    def live(self) -> list[str]:
        """The whole day; what is wrong after it, be it a bug that ended it."""
        run(self.loop, self._lived())
        return self.faults

    async def _lived(self) -> None:
        [bug] = await asyncio.gather(self._live(), return_exceptions=True)
        if bug is not None:
            self.faults.append(f"{type(bug).__name__}: {bug}")

    async def _live(self) -> None:
        router = await self._start()
        callers: list[asyncio.Task[None]] = []
        for _ in range(self.luck.randrange(*self.length.orders)):
            self._move_books()
            callers.append(asyncio.create_task(self._call(router)))
            await self.world.clock.sleep(self.luck.randrange(1, self.luck.choice(self.length.pauses_ms)))
            if self.luck.random() < self.length.kill:
                router = await self._restart(router)
        self.quiet = True
        if self.luck.random() < self.length.kill:
            router = await self._restart(router)
        await self._settle(router)
        await asyncio.gather(*callers)
        await self._ask_again(router)
        await self.world.rest()
        self._audit(router)

    async def _settle(self, router: Router) -> None:
        """Until nothing is under way, and a while longer."""
        clock = self.world.clock
        end_ms, calm_ms = clock.monotonic_ms() + QUIET_MS, 0
        while calm_ms < LINGER_MS and clock.monotonic_ms() < end_ms:
            await clock.sleep(BEAT_MS)
            self.world.pump()
            calm_ms = 0 if router._tasks.running else calm_ms + BEAT_MS

    async def _start(self) -> Router:
        """A router on what the last one left behind. Its holds stand before it does anything."""
        quiet, self.quiet = self.quiet, True
        world = self.world
        self._session = Session(world.store, self._disk_luck, wrong=self._disk_wrong, on_line=self._durable)
        self._wire = Wild(
            world.simulators,
            world.clock,
            world.metrics,
            world.own,
            luck=self._wire_luck,
            harm=self._chance,
            trace=self.trace,
        )
        self._wire.on_order = self._sent
        self._wire.after = world.network.after
        world.network, world.session = self._wire, self._session
        answer_ms = self.luck.choice((500, 3_000, 10_000))
        router = await world.start(answer_ms=answer_ms, venues=self._traded, duplicate_ms=2_000)
        held = {order.order_id for order in router._tools.ledger.open(ACCOUNT)}
        if held != (due := Journal(self.world.store.lines).open()):
            self.faults.append(f"after a restart {sorted(held)} is held back, {sorted(due)} is open")
        self.quiet = quiet
        self.trace.note(world.clock.monotonic_ms(), "router started")
        return router

    async def _restart(self, router: Router) -> Router:
        """The process is gone between two steps of the loop: nothing of it runs any more."""
        self.trace.note(self.world.clock.monotonic_ms(), "router killed")
        self.seen["kills"] += 1
        self.seen["killed at work"] += bool(router._tasks.running)
        await self.world.rest()
        while router._tasks.running:
            dying = list(router._tasks.running)
            for task in dying:
                task.cancel()
            await asyncio.gather(*dying, return_exceptions=True)
        self._wire.dead = True
        self._dead.add(router)
        await self._session.crash()
        return await self._start()

    # --- orders ---

    async def _call(self, router: Router) -> None:
        """An order as callers send it: without a key, or with one and then perhaps several times at once."""
        if self.luck.random() < 0.4:
            await self._ask(router, self._wish())
            return
        key = Key("orders", f"k{self.luck.randrange(KEYS)}")
        wish = self._wished.setdefault(key, self._wish())
        times = self.luck.choice((1, 1, 2, 3))
        await asyncio.gather(*(self._ask(router, wish, key) for _ in range(times)))
        if self.luck.random() < 0.15:
            await self._ask(router, buy(wish.amount + wish.size + 1), key)

    def _wish(self) -> MarketOrder:
        outcome, quantity = self.luck.choice((YES, NO)), self.luck.randrange(1, 80) * ONE
        return buy(quantity, outcome) if self.luck.random() < 0.6 else sell(quantity, outcome)

    async def _ask(self, router: Router, asked: MarketOrder, key: Key | None = None) -> None:
        if router in self._dead:
            return
        self.seen["asked"] += 1
        try:
            if key is None:
                body = show(await router.route(self.world.account, asked, request_id="day"))[1]
            else:
                body = await self._ask_once(router, asked, key)
        except (InProgress, KeyReused) as refusal:
            self.seen[type(refusal).__name__] += 1
        except Refusal as refusal:
            self.seen["refused"] += 1
            self.trace.note(self.world.clock.monotonic_ms(), f"refused {type(refusal).__name__}")
        except asyncio.CancelledError:
            self.seen["hung up on"] += 1
        else:
            self.seen["answered"] += 1
            self._bodies.append(body)
            self.trace.note(self.world.clock.monotonic_ms(), "told", body)

    async def _ask_once(self, router: Router, asked: MarketOrder, key: Key) -> bytes:
        kept = await router.route_once(self.world.account, asked, key, request_id="day", show=show)
        self.seen["replayed"] += kept.replayed
        if self._ran.setdefault(key, asked) != asked:
            self.faults.append(f"{key.text}: an order was told what became of another")
        self._told[key].append(kept.reply)
        return kept.reply.body.encode()

    async def _ask_again(self, router: Router) -> None:
        """When all is quiet each key is told of the same route as before, and ran once."""
        for key, before in list(self._told.items()):
            kept = await router.route_once(
                self.world.account, self._ran[key], key, request_id="late", show=show
            )
            routes = {reply.route_id for reply in before} | {kept.reply.route_id}
            if not kept.replayed or len(routes) > 1:
                self.faults.append(f"{key.text}: ran more than once, as {sorted(routes)}")

    # --- the world ---

    def _move_books(self) -> None:
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

    def _chance(self, request: Request) -> float:
        return 0.0 if self.quiet else self._harm[request.purpose]

    def _mishear(self) -> str:
        """What becomes of a frame of the account's own stream."""
        if self.quiet or self._wire_luck.random() >= self._harm[Purpose.ACCOUNT]:
            return ""
        return self._wire_luck.choice(("lost", "twice"))

    def _late(self) -> bool:
        return not self.quiet and self._wire_luck.random() < self._deaf

    def _disk_wrong(self) -> str:
        if self.quiet or self._disk_luck.random() >= self._disk_harm:
            return ""
        self.seen["disk failed"] += 1
        return self._disk_luck.choice(("down", "unsure"))

    def _durable(self, line: bytes) -> None:
        self.trace.note(self.world.clock.monotonic_ms(), "durable", line)
        for order in Journal([line]).orders.values():
            self._intended[order["listing"]["venue"]] += 1

    def _sent(self, venue: str) -> None:
        """No venue ever has more orders of ours than there are intents on the disk."""
        self.seen["orders sent"] += 1
        orders = self.world.simulators[venue].exchange.orders.values()
        done = sum(order.account != HOUSE for order in orders)
        if done > self._intended[venue]:
            self.faults.append(f"{venue}: has {done} orders, the disk has {self._intended[venue]} intents")

    def _pair(self, venue: str) -> tuple[str, str]:
        [market] = self.world.simulators[venue].exchange.markets.values()
        return listing_key(market, 0), listing_key(market, 1)

    def _ledgers(self) -> dict[str, dict[str, object]]:
        return {name: ledger(sim.exchange, None) for name, sim in self.world.simulators.items()}

    # --- the audit ---

    def _audit(self, router: Router) -> None:
        """Everything that was promised, compared with the venues' own ledgers."""
        records = self.world.store.lines
        self.faults += self._auditor.audit(records, self._ledgers())
        self.faults += self._auditor.audit_told(records, self._bodies)
        if held := router._tools.ledger.open(ACCOUNT):
            self.faults.append(f"money is still held back for {[order.order_id for order in held]}")
        if len(asyncio.all_tasks()) > 2:  # the day, and who waits for its end
            self.faults.append("something still runs")
        if broken := violations(self.world.metrics) - self._violations:
            self.faults.append(f"the router itself counts {broken} violations")
        if len(router._once._claims):
            self.faults.append("a claim was left behind")
        for simulator in self.world.simulators.values():
            simulator.exchange.audit()
