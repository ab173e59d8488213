"""Listings of a class that the account may not trade: neither planned nor sent to, and part of no price."""

import pytest
from msgspec.structs import replace

from registry.index import Registry
from registry.model import Match, Outcome
from router.core.controls import AccountLimits
from router.core.errors import NotTradable
from router.core.model import MarketOrder
from router.core.records import Planned, Record
from router.core.report import FillStatus
from router.service import Router
from tests.limits import WIDE
from tests.runtime.test_controls import controls_of, executed, scene
from tests.world import YES, World, buy, sell
from venues.base.units import ONE, Price, Size

ALL = frozenset({Match.EXACT, Match.ORDINARY, Match.BASIS})


def matched(world: World, **matches: Match) -> Registry:
    """The world's registry with listings of YES at these venues matched so, all others ordinarily."""

    def changed(outcome: Outcome) -> Outcome:
        if not matches or outcome.outcome_id != YES:
            return outcome
        found = tuple(matches.get(key.venue, Match.ORDINARY) for key in outcome.listings)
        return replace(outcome, matches=found)

    return Registry(changed(outcome) for outcome in world.registry)


def books(world: World, cheap: str) -> None:
    """Asks at 46 cents on every venue; at this one at 30."""
    for name, natives in world.natives.items():
        price, size = 300_000 if name == cheap else 460_000, Size(1_000 * ONE)
        bids = [(Price(price - 20_000), size)]
        world.simulators[name].exchange.set_book(
            natives[0], bids, [(Price(price), size)], world.clock.now_ms()
        )
    world.pump()


async def started(world: World, cheap: str, **matches: Match) -> Router:
    router = await world.start()
    router.use(matched(world, **matches))
    books(world, cheap)
    return router


@pytest.mark.parametrize("match", [Match.BASIS, Match.BLOCKED])
def test_a_listing_of_another_class_is_left_out_though_it_is_the_cheapest(match: Match) -> None:
    async def live(world: World) -> None:
        cheap = min(world.natives)
        router = await started(world, cheap, **{cheap: match})
        done = await world.route(router, buy(5 * ONE))
        assert {fill.venue for fill in done.fills}.isdisjoint({cheap})
        assert [(entry.venue, entry.reason) for entry in done.left_out] == [(cheap, "class_not_allowed")]
        assert f"{cheap} (class not allowed)" in done.reasoning

    scene(live, WIDE)


def test_who_may_trade_the_class_trades_it_but_never_what_is_blocked() -> None:
    async def live(world: World) -> None:
        cheap, other = sorted(world.natives)[:2]
        router = await started(world, cheap, **{cheap: Match.BASIS, other: Match.BLOCKED})
        done = await world.route(router, buy(5 * ONE))
        assert [fill.venue for fill in done.fills] == [cheap]
        assert [entry.venue for entry in done.left_out] == [other]

    scene(live, replace(WIDE, default=replace(WIDE.default, matches=ALL)))


@pytest.mark.parametrize("asked", [buy(5 * ONE), sell(5 * ONE)])
def test_where_no_listing_is_of_an_allowed_class_the_order_is_refused(asked: MarketOrder) -> None:
    async def live(world: World) -> None:
        router = await started(world, min(world.natives), **dict.fromkeys(world.natives, Match.BASIS))
        with pytest.raises(NotTradable, match="classes: basis; the limit is exact, ordinary"):
            await world.route(router, asked)
        assert executed(world) == 0
        assert controls_of(router, "classes") == 1

    scene(live, WIDE, shares="100")


def test_the_prices_of_what_is_left_out_move_no_collar() -> None:
    """The middle with the cheap listing would be 38 cents, and 46 out of the collar."""

    async def live(world: World) -> None:
        cheap = min(world.natives)
        router = await started(world, cheap, **{cheap: Match.BLOCKED})
        done = await world.route(router, buy(5 * ONE))
        assert done.size > 0

    limits = AccountLimits(collar=Price(50_000))
    scene(live, replace(WIDE, default=limits))


def test_what_is_asked_on_a_listing_left_out_loosens_no_collar_of_a_sale() -> None:
    async def live(world: World) -> None:
        cheap = min(world.natives)
        router = await started(world, cheap, **{cheap: Match.BLOCKED})
        for name, natives in world.natives.items():
            if name != cheap:
                bids = [(Price(440_000), Size(5 * ONE)), (Price(350_000), Size(1_000 * ONE))]
                asks = [(Price(460_000), Size(1_000 * ONE))]
                world.simulators[name].exchange.set_book(natives[0], bids, asks, world.clock.now_ms())
        world.pump()
        done = await world.route(router, sell(90 * ONE))
        assert 0 < done.size <= 5 * ONE * (len(world.natives) - 1), "nothing below 40 cents"

    scene(live, replace(WIDE, default=replace(WIDE.default, collar=Price(50_000))), shares="1000")


@pytest.mark.parametrize("gone", [False, True])
def test_a_registry_that_changes_before_an_order_leaves_keeps_it_back(gone: bool) -> None:
    async def live(world: World) -> None:
        cheap = min(world.natives)
        router = await started(world, cheap)

        def reload(record: Record) -> str:
            if isinstance(record, Planned):
                router.use(Registry() if gone else matched(world, **{cheap: Match.BLOCKED}))
            return ""

        world.store.misdeed = reload
        done = await world.route(router, buy(5 * ONE))
        assert executed(world) == 0
        [fill] = done.fills
        assert fill.status is FillStatus.FAILED
        word = "not_in_registry" if gone else "class_not_allowed"
        assert fill.error == f"market_not_tradable: book: {word}; the limit is usable"

    scene(live, WIDE)
