"""Money and shares at the venues move by exactly what the reports say, for thousands of random orders."""

import importlib
import random
from collections.abc import Iterator
from itertools import islice

import pytest

from router.core.errors import Refusal
from router.core.report import FillLine, FillStatus, Report
from router.service import Router
from tests.virtual_time import VirtualLoop, run
from tests.world import NO, YES, Kind, World, buy, sell
from venues import discover
from venues.base.listing import Grid, ListingKey
from venues.base.orders import Side
from venues.base.units import ONE, Price, Size

WORLDS, ORDERS = 100, 100
"""Ten thousand orders: each world has its own books, account and history."""
ATTEMPTS = 800
"""Many random orders are refused, for want of cash, shares or offers; only those routed count."""
CENT = 10_000
PRICES = 100
"""A side of a book has at most so many prices to choose from."""
STANDARD = 0.2
"""Part of the markets that are of their venue's standard kind."""
IMPROVEMENT_CENTS = 2
"""How far a book may improve between plan and fill for the promise to hold: docs/money.md."""

FINAL_MS = 150_000
"""Longer than any venue takes to make a trade final when nothing goes wrong."""

Picture = dict[str, tuple[int, int, int]]


def picture(world: World) -> Picture:
    """Cash and both outcomes' shares by venue."""
    return {name: (world.cash(name), *world.shares(name)) for name in world.venues}


def expected(
    world: World, venue: str, before: tuple[int, int, int], lines: list[FillLine], report: Report
) -> tuple[int, int, int]:
    """The picture of one venue after these fills; a venue that nets turns pairs into dollars."""
    cash, first, second = before
    sign = 1 if report.asked.side is Side.BUY else -1
    for line in lines:
        kept = line.fee.shares if line.fee else 0
        cash -= sign * line.cash + (line.fee.cash if line.fee else 0)
        if report.asked.outcome == YES:
            first += sign * line.size - kept
        else:
            second += sign * line.size - kept
    if world.simulators[venue].exchange.nets_positions:
        pairs = max(0, min(first, second))
        cash, first, second = cash + pairs, first - pairs, second - pairs
    return cash, first, second


def kinds(seed: int) -> dict[str, Kind]:
    """What each venue's market and account are in this world: its own tests name the kinds there are."""
    luck = random.Random(f"kinds {seed}")
    found = {}
    for name in discover():
        known: dict[str, Kind] = importlib.import_module(f"tests.venues.{name}.markets").KINDS
        found[name] = known["standard"] if luck.random() < STANDARD else luck.choice(list(known.values()))
    return found


def grid(world: World, venue: str) -> Grid:
    """The prices this venue takes."""
    terms = world.catalog.terms(ListingKey(venue, world.natives[venue][0], inverted=False))
    assert terms is not None
    return terms.listing.grid


def random_books(world: World, luck: random.Random) -> None:
    """New books everywhere: thin, deep, gapped, one-sided or empty, on cents or the venue's ticks."""
    for name, natives in world.natives.items():
        middle = Price(luck.randrange(4, 96) * CENT)
        step = max(CENT, world.simulators[name].exchange.by_native[natives[0]][0].size_step)
        stride = luck.choice((1, CENT))
        bids = levels(luck, downwards(grid(world, name), middle - 1, stride), step)
        asks = levels(luck, upwards(grid(world, name), middle + 1, stride), step)
        world.simulators[name].exchange.set_book(natives[0], bids, asks, world.clock.now_ms())


def downwards(grid: Grid, start: int, stride: int) -> Iterator[Price]:
    """Valid prices from here down, this far apart or more."""
    price = grid.floor(Price(start))
    while price is not None:
        yield price
        price = grid.floor(Price(price - stride))


def upwards(grid: Grid, start: int, stride: int) -> Iterator[Price]:
    """Valid prices from here up, this far apart or more."""
    price = grid.ceil(Price(start))
    while price is not None:
        yield price
        price = grid.ceil(Price(price + stride))


def levels(luck: random.Random, prices: Iterator[Price], step: int) -> list[tuple[Price, Size]]:
    found: list[tuple[Price, Size]] = []
    for price in islice(prices, PRICES):
        if len(found) < luck.choice((0, 1, 3, 12)) and luck.random() < 0.7:
            units = max(1, int(luck.lognormvariate(3, 2) * ONE) // step)
            found.append((price, Size(units * step)))
    return found


def move_market(world: World, venue: str, luck: random.Random) -> None:
    """Somebody was faster: the venue's book changes before our order gets there."""
    if luck.random() < 0.3:
        exchange, native = world.simulators[venue].exchange, world.natives[venue][0]
        bids, asks = exchange.levels(native)
        shift = luck.randrange(-IMPROVEMENT_CENTS, 6) * CENT
        ticks = grid(world, venue)
        moved_asks = [(ticks.ceil(Price(max(p + shift, 1))), s) for p, s in asks]
        moved_bids = [(ticks.floor(Price(min(p - shift, ONE - 1))), s) for p, s in bids]
        kept_asks = [(p, s) for p, s in moved_asks if p is not None][luck.randrange(2) :]
        kept_bids = [(p, s) for p, s in moved_bids if p is not None][luck.randrange(2) :]
        kept_asks, kept_bids = (filled_in(ticks, kept, luck) for kept in (kept_asks, kept_bids))
        if not (kept_asks and kept_bids and kept_asks[0][0] <= kept_bids[0][0]):
            exchange.set_book(native, kept_bids, kept_asks, world.clock.now_ms())


def filled_in(ticks: Grid, kept: list[tuple[Price, Size]], luck: random.Random) -> list[tuple[Price, Size]]:
    """Somebody may have offered between the levels, too: where a dollar can pay more fee than at either."""
    if len(kept) > 1 and luck.random() < 0.5:
        low, high = sorted((kept[0][0], kept[-1][0]))
        price = ticks.floor(Price(luck.randrange(low, high + 1)))
        if price is not None and price >= low and price not in dict(kept):
            kept = sorted([*kept, (price, kept[0][1])], reverse=kept[0][0] > kept[-1][0])
    return kept


async def trade(world: World, router: Router, luck: random.Random) -> Report | None:
    """One random order and every check on it."""
    outcome = luck.choice((YES, NO))
    quantity = max(1, int(luck.lognormvariate(2.5, 2) * ONE))
    asked = buy(quantity, outcome) if luck.random() < 0.6 else sell(quantity, outcome)
    before = picture(world)
    try:
        report = await world.route(router, asked)
    except Refusal:
        assert picture(world) == before, "a refused order moved something"
        return None
    after = picture(world)
    for venue in world.venues:
        lines = [line for line in report.fills if line.venue == venue]
        assert after[venue] == expected(world, venue, before[venue], lines, report), venue
    spent = sum(line.cash + (line.fee.cash if line.fee else 0) for line in report.fills)
    if asked.side is Side.BUY:
        assert spent <= asked.amount, "a buy cost more than its amount"
    else:
        assert report.size <= asked.size, "a sale sold more than its size"
    assert all(line.status is not FillStatus.OPEN for line in report.fills)
    for simulator in world.simulators.values():
        simulator.exchange.audit()
    return report


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(WORLDS))
def test_what_is_reported_is_what_moved(seed: int) -> None:
    loop = VirtualLoop()
    luck = random.Random(seed)

    async def live() -> int:
        world = World(
            loop, seed, balance=luck.choice(("3000", "10000", "100000")), shares="500", kinds=kinds(seed)
        )
        router = await world.start(answer_ms=FINAL_MS)
        world.network.before_order = lambda venue: move_market(world, venue, luck)
        done = 0
        for _ in range(ATTEMPTS):
            random_books(world, luck)
            done += await trade(world, router, luck) is not None
            if done == ORDERS:
                break
        return done

    assert run(loop, live()) == ORDERS
