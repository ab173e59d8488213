"""Which venues are looked at beside the orders: those where somebody trades or of which books are read."""

from typing import cast

import pytest
from msgspec.structs import replace

from router.core.model import AccountId
from router.runtime.accounts import Account
from router.runtime.breakers import Breakers
from router.runtime.metrics import Metrics
from router.runtime.times import VenueTimes
from router.runtime.venue_gates import Means, VenueGates
from router.runtime.watch import Watch
from tests.runtime.clocks import FastClock
from tests.runtime.made_up import Door
from venues import discover
from venues.base.contract import Orders, Signer, Venue
from venues.base.http import Talk


class Clock:
    """What a venue says of its time, and that it was asked."""

    def __init__(self, venue: str, asked: set[str]) -> None:
        self._venue, self._asked = venue, asked

    def clock(self) -> Talk[int]:
        self._asked.add(self._venue)
        yield from ()
        return 1_800_000_000_000


def venue(name: str, asked: set[str]) -> Venue:
    some = next(iter(discover().values()))
    return replace(some, name=name, orders=cast("Orders", Clock(name, asked)))


@pytest.mark.parametrize(
    ("trades", "followed", "expected"),
    [
        ((), set(), set()),
        (("north",), set(), {"north"}),
        ((), {"south"}, {"south"}),
        (("north",), {"south"}, {"north", "south"}),
    ],
)
async def test_a_venue_that_nobody_uses_is_not_even_called(
    trades: tuple[str, ...], followed: set[str], expected: set[str]
) -> None:
    asked: set[str] = set()
    clock, metrics = FastClock(1_000), Metrics()
    venues = {name: venue(name, asked) for name in ("north", "south")}
    means = Means(Breakers(clock, metrics), VenueTimes(clock), clock, metrics)
    account = Account(account_id=AccountId("a"), signers=dict.fromkeys(trades, cast("Signer", None)))
    watch = Watch(
        *(venues, Door(), means),
        gates=VenueGates(venues, means),
        accounts=[account],
        followed=lambda name: name in followed,
    )
    await watch.start()
    assert asked == expected
    asked.clear()
    slept = len(clock.slept) + 200
    while len(clock.slept) < slept:
        await clock.sleep(1_000)
    await watch.stop()
    assert asked == expected, "later neither"
    followed |= {"north", "south"}
    await watch.look(venues["south"])
    assert "south" in asked, "one that a new registry names is measured at the first look"
