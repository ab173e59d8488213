"""Bad days of callers who repeat themselves: at most one route per key, and one answer, whatever dies.

The days are those of `tests/simulation/test_chaos.py`; here orders have keys and are sent several times: at
once, later, after the router was killed, now and then with another order under the same key.
"""

import asyncio
from collections import defaultdict

import pytest

from router.core.errors import InProgress, KeyReused, Refusal
from router.core.model import Key, MarketOrder
from router.core.records import Planned, Record, Released, Replied, decode
from router.http.predexon.show_seed import show
from router.service import Router
from tests.simulation.test_chaos import Day
from tests.virtual_time import VirtualLoop, run
from tests.world import NO, YES, buy, sell
from venues.base.units import ONE

SEEDS, FAST = 60, 2
"""Days, and how many of them `make check` lives through."""
KEYS = 12
"""So few that keys come again on the same day, and after the router died."""


class RepeatingDay(Day):
    """A day on which every order comes several times."""

    def __init__(self, loop: VirtualLoop, seed: int) -> None:
        super().__init__(loop, seed)
        self.wished: dict[Key, MarketOrder] = {}
        self.ran: dict[Key, MarketOrder] = {}
        self.told: defaultdict[Key, list[Replied]] = defaultdict(list)
        self.unkept: set[str] = set()
        """Routes whose answer the disk did not take at once."""
        self.refused: defaultdict[type[Refusal], int] = defaultdict(int)

    def _disk(self, record: Record) -> str:
        word = super()._disk(record)
        if word == "down" and isinstance(record, Replied):
            self.unkept.add(record.route_id)
        return word

    def _wish(self, key: Key) -> MarketOrder:
        outcome, quantity = self.luck.choice((YES, NO)), self.luck.randrange(1, 40) * ONE
        wish = buy(quantity, outcome) if self.luck.random() < 0.6 else sell(quantity, outcome)
        return self.wished.setdefault(key, wish)

    async def _call(self, router: Router) -> None:
        key = Key("orders", f"k{self.luck.randrange(KEYS)}")
        wish = self._wish(key)
        await asyncio.gather(*(self._ask(router, key, wish) for _ in range(self.luck.randrange(1, 4))))
        if self.luck.random() < 0.2:
            await self._ask(router, key, buy(wish.amount + wish.size + 1))

    async def _ask(self, router: Router, key: Key, asked: MarketOrder) -> None:
        asking = router.route_once(self.world.account, asked, key, request_id="chaos", show=show)
        try:
            kept = await asking
        except Refusal as refusal:
            self.refused[type(refusal)] += 1
        except asyncio.CancelledError:
            pass
        else:
            self.told[key].append(kept.reply)
            self.ran.setdefault(key, asked)
            assert self.ran[key] == asked, "an order was told what became of another"

    async def live(self) -> None:
        """When all is quiet each key is told what it was told before."""
        await super().live()
        for key, before in self.told.items():
            asking = self.last.route_once(
                self.world.account, self.ran[key], key, request_id="late", show=show
            )
            kept = await asking
            firm = {reply.body for reply in before if reply.route_id not in self.unkept}
            assert kept.replayed
            assert firm <= {kept.reply.body}, "a key was given two answers"
            assert {reply.route_id for reply in before} == {kept.reply.route_id}, "a key ran twice"

    # --- the audit ---

    def audit(self, router: Router) -> None:
        """Also: of the routes of a key all but one were never sent."""
        super().audit(router)
        self.last = router
        assert len(router._once._claims) == 0, "a claim was left behind"
        records = [decode(line) for line in self.world.store.lines]
        void = {record.route_id for record in records if isinstance(record, Released)}
        sent: defaultdict[Key, list[str]] = defaultdict(list)
        for record in records:
            if isinstance(record, Planned) and record.route_id not in void:
                assert record.key is not None
                sent[record.key].append(record.route_id)
        assert all(len(routes) == 1 for routes in sent.values()), "a key stands for two routes"
        stored = self.world.store.stored()
        assert all(not stored[route_id].planned.orders for route_id in void)


@pytest.mark.parametrize(
    "seed", [*range(FAST), *(pytest.param(n, marks=pytest.mark.slow) for n in range(FAST, SEEDS))]
)
def test_after_a_bad_day_of_repeats_no_key_ran_twice(seed: int) -> None:
    print(f"repeat with: pytest tests/simulation/test_repeats.py -k '[{seed}]'")
    loop = VirtualLoop()
    run(loop, RepeatingDay(loop, seed).live())


@pytest.mark.slow
def test_the_days_have_repeats_of_every_kind() -> None:
    """What the days above are about does happen in them."""
    seen: defaultdict[type[Refusal], int] = defaultdict(int)
    replays = kills = 0
    for seed in range(2):
        loop = VirtualLoop()
        day = RepeatingDay(loop, seed)
        run(loop, day.live())
        for kind, count in day.refused.items():
            seen[kind] += count
        replays += sum(len(told) - 1 for told in day.told.values())
        kills += day.kills
    assert seen[InProgress] > 5
    assert seen[KeyReused] > 5
    assert (replays > 20, kills > 5) == (True, True)
