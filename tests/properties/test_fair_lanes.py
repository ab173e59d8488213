"""Whoever comes when, stays how long, gives up how soon: lanes are fair within an account, apart between."""

import asyncio
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from router.core.model import AccountId
from router.runtime.lanes import WAITING_MAX, LaneFull, Lanes
from router.runtime.metrics import Metrics
from tests.virtual_time import VirtualLoop, run

GRID_MS = 1_000
ACCOUNTS = tuple(AccountId(name) for name in ("alice", "bob", "carol"))


class Route(NamedTuple):
    """One route as it comes."""

    account: AccountId
    at_ms: int
    lasts_ms: int
    patience_ms: int


class Seen(NamedTuple):
    """What became of it: when it had its turn and when that ended, or when it was told to come again."""

    number: int
    began_ms: int | None
    over_ms: int
    full: bool = False

    @property
    def waited_to_ms(self) -> int:
        """The end of its wait."""
        return self.over_ms if self.began_ms is None else self.began_ms


@st.composite
def days(draw: st.DrawFn) -> list[Route]:
    """Many routes of few accounts; no two things of one account happen in the same millisecond."""
    few = st.sampled_from(ACCOUNTS[: draw(st.integers(1, len(ACCOUNTS)))])
    wish = st.tuples(few, st.integers(0, 2), st.integers(0, 60), st.integers(0, 60))
    wishes = draw(st.lists(wish, min_size=draw(st.sampled_from((0, 40))), max_size=70))
    return [
        Route(
            account,
            at_ms=(at * 70 + number) * GRID_MS,
            lasts_ms=lasts * GRID_MS + 3 + number,
            patience_ms=40 * patience * GRID_MS + 501 + number,
        )
        for number, (account, at, lasts, patience) in enumerate(wishes)
    ]


def lived(routes: list[Route]) -> dict[int, Seen]:
    """What the lanes make of these routes."""
    loop = VirtualLoop()
    seen: dict[int, Seen] = {}

    def now_ms() -> int:
        return round(loop.time() * 1_000)

    async def live() -> None:
        lanes = Lanes(Metrics())

        async def go(number: int, route: Route) -> None:
            await asyncio.sleep(route.at_ms / 1_000)
            try:
                if not lanes.take_free(route.account):
                    async with asyncio.timeout(route.patience_ms / 1_000):
                        await lanes.take(route.account)
            except LaneFull:
                seen[number] = Seen(number, None, now_ms(), full=True)
                return
            except TimeoutError:
                seen[number] = Seen(number, None, now_ms())
                return
            began_ms = now_ms()
            try:
                await asyncio.sleep(route.lasts_ms / 1_000)
            finally:
                lanes.give(route.account)
            seen[number] = Seen(number, began_ms, now_ms())

        await asyncio.gather(*(go(number, route) for number, route in enumerate(routes)))
        assert len(lanes) == 0, "nobody is left"

    run(loop, live())
    return seen


@given(days())
def test_within_an_account_first_come_is_first_served_and_nobody_waits_for_a_free_lane(
    routes: list[Route],
) -> None:
    seen = lived(routes)
    assert set(seen) == set(range(len(routes)))
    for account in ACCOUNTS:
        mine = [number for number, route in enumerate(routes) if route.account == account]
        mine.sort(key=lambda number: routes[number].at_ms)
        free_ms = 0
        for number in mine:
            began_ms = seen[number].began_ms
            if began_ms is not None:
                assert began_ms == max(routes[number].at_ms, free_ms), (
                    "in the order of coming, without a pause"
                )
                free_ms = seen[number].over_ms


@given(days())
def test_every_wait_is_bounded_and_only_a_full_lane_refuses_at_once(routes: list[Route]) -> None:
    seen = lived(routes)
    for number, route in enumerate(routes):
        waited_ms = seen[number].waited_to_ms - route.at_ms
        assert 0 <= waited_ms <= route.patience_ms
        if seen[number].full:
            waiting = [
                other
                for other, each in enumerate(routes)
                if each.account == route.account
                and each.at_ms < route.at_ms
                and not seen[other].full
                and route.at_ms < seen[other].waited_to_ms
            ]
            assert (waited_ms, len(waiting)) == (0, WAITING_MAX)
        elif seen[number].began_ms is None:
            assert waited_ms == route.patience_ms, "nobody is told to come again before his time is over"


@given(days())
def test_what_one_account_does_changes_nothing_for_another(routes: list[Route]) -> None:
    together = lived(routes)
    for account in ACCOUNTS:
        numbers = [number for number, route in enumerate(routes) if route.account == account]
        alone = lived([routes[number] for number in numbers])
        for place, number in enumerate(numbers):
            assert alone[place][1:] == together[number][1:]
