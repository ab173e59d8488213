"""The book maker: its books stay books, on any grid, and a seed makes them again."""

import random

import pytest

from tests.sim.acme import acme_fee
from venues.base.listing import Band, Grid, Native
from venues.base.orders import Side, TimeInForce
from venues.base.units import ONE, Cash, Price, Size
from venues.sim.book_maker import DEPTH_MAX, BookMaker, maker_of
from venues.sim.engine import Exchange
from venues.sim.model import HOUSE, Market, SimOrder, TradeDone

CENTS = Grid.uniform(10_000)
TENTHS = Grid.uniform(100_000)
TAPERED = Grid(
    (
        Band(Price(1_000), Price(100_000), Price(1_000)),
        Band(Price(100_000), Price(900_000), Price(10_000)),
        Band(Price(900_000), Price(999_000), Price(1_000)),
    )
)


def made(grid: Grid, *, seed: int, native: str = "YES", lot: int = 10_000) -> tuple[Exchange, BookMaker]:
    exchange = Exchange(acme_fee, nets_positions=False)
    exchange.add_market(Market("M", ("YES", "NO"), size_step=lot))
    return exchange, BookMaker(exchange, [Native(native)], random.Random(seed), grid=grid, lot=lot)


def check(exchange: Exchange, native: str, grid: Grid, lot: int) -> None:
    bids, asks = exchange.levels(native)
    assert not (bids and asks) or bids[0][0] < asks[0][0], "crossed"
    for side in (bids, asks):
        assert len(side) <= DEPTH_MAX
        for price, size in side:
            assert grid.valid(price)
            assert size > 0
            assert size % lot == 0


@pytest.mark.parametrize("grid", [CENTS, TENTHS, TAPERED])
@pytest.mark.parametrize("native", ["YES", "NO"])
@pytest.mark.parametrize(("seed", "lot"), [(1, 10_000), (2, ONE), (3, 1)])
def test_a_book_stays_a_book_on_any_grid(grid: Grid, native: str, seed: int, lot: int) -> None:
    exchange, maker = made(grid, seed=seed, native=native, lot=lot)
    maker.open(0)
    lively = set()
    for now_ms in range(1_000):
        maker.step(now_ms)
        check(exchange, native, grid, lot)
        bids, asks = exchange.levels(native)
        lively.add((bids[0] if bids else None, asks[0] if asks else None))
    exchange.audit()
    assert len(lively) > 50, "the best prices hardly ever moved"
    assert any(isinstance(event, TradeDone) for event in exchange.events)
    assert len(exchange.orders) <= 2 * DEPTH_MAX


@pytest.mark.parametrize("middle", [1_000, 10_000, 500_000, 990_000, 999_000])
def test_a_middle_at_the_edge_leaves_one_side_short_and_no_more(middle: int) -> None:
    exchange, maker = made(TAPERED, seed=1)
    maker.open(0, middle=Price(middle))
    check(exchange, "YES", TAPERED, 10_000)
    for now_ms in range(300):
        maker.step(now_ms)
        check(exchange, "YES", TAPERED, 10_000)


def test_the_same_dice_make_the_same_books() -> None:
    def history(seed: int) -> list[object]:
        exchange, maker = made(CENTS, seed=seed)
        maker.open(0)
        books: list[object] = []
        for now_ms in range(100):
            maker.step(now_ms)
            books.append(exchange.levels("YES"))
        return books

    assert history(1) == history(1)
    assert history(1) != history(2)


def test_a_new_level_never_takes_a_customers_order() -> None:
    exchange, maker = made(CENTS, seed=4)
    maker.open(0, middle=Price(500_000))
    exchange.open_account("ann", Cash(10_000 * ONE))
    exchange.take_events()
    for now_ms in range(500):
        _, asks = exchange.levels("YES")
        if now_ms % 10 == 0 and asks and asks[0][0] > 20_000:
            market, price = exchange.markets["M"], Price(asks[0][0] - 10_000)
            order_id = exchange.new_id("o")
            order = SimOrder(
                order_id, "ann", market, 0, Side.BUY, price, Size(ONE), None, TimeInForce.GTC, now_ms
            )
            exchange.place(order, now_ms)
        maker.step(now_ms)
        check_priority(exchange)
    exchange.audit()


def check_priority(exchange: Exchange) -> None:
    for event in exchange.take_events():
        if isinstance(event, TradeDone) and event.taker.account == HOUSE:
            assert event.taker.time_in_force is TimeInForce.IOC, "a level that was to rest has traded"


def test_a_halted_market_is_left_alone() -> None:
    exchange, maker = made(CENTS, seed=1)
    maker.open(0)
    exchange.halt(exchange.markets["M"], "closed", 0)
    before = exchange.levels("YES")
    for now_ms in range(20):
        maker.step(now_ms)
    assert exchange.levels("YES") == before


def test_a_markets_own_grid_is_used() -> None:
    exchange = Exchange(acme_fee, nets_positions=False)
    exchange.add_market(Market("M", ("YES",), size_step=ONE, grid=TENTHS))
    maker_of(exchange, Native("YES"), random.Random(1)).open(0)
    check(exchange, "YES", TENTHS, ONE)


@pytest.mark.parametrize("price", [10_000, 990_000])
def test_a_side_with_no_room_left_gets_no_level(price: int) -> None:
    exchange, maker = made(CENTS, seed=1)
    wall = [(Price(price), Size(10**15))]
    low = price < ONE // 2
    exchange.set_book("YES", [] if low else wall, wall if low else [], 0)
    for now_ms in range(200):
        maker.step(now_ms)
        check_priority(exchange)
        bids, asks = exchange.levels("YES")
        assert not (bids if low else asks)
