"""Orders through HTTP against the venues' own ledgers, and books under a bad network."""

import asyncio
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from tests.loopback.conftest import Running
from venues.base.listing import Native
from venues.base.orders import SHARES
from venues.base.units import Size
from venues.sim.server import SimServer


async def takers(running: Running) -> dict[str, tuple[Decimal, Decimal]]:
    """Shares and notional of the customers' fills, by venue."""
    found = {}
    for venue in running.facts.venues:
        ledger: Any = await running.ledger(venue)
        fills = [fill for fill in ledger["fills"] if fill["account"] != "house"]
        size = sum((Decimal(f["size"]) for f in fills), Decimal(0))
        found[venue] = (size, sum((Decimal(f["size"]) * Decimal(f["price"]) for f in fills), Decimal(0)))
    return found


async def test_a_bought_position_can_be_sold_and_the_venues_agree_with_every_number(running: Running) -> None:
    status, bought, response = await running.order(side="buy", amount="25.00")
    assert status == 201
    assert response.headers["x-request-id"]
    at_venues = await takers(running)
    for fill in bought["fills"]:
        size, notional = at_venues[fill["venue"]]
        assert Decimal(fill["size"]) == size
        assert abs(Decimal(fill["amount"]) - notional) < Decimal("0.000001"), "beyond the last digit"
    spent = Decimal(bought["summary"]["totalAmount"])
    fees = [fill["fee"] for fill in bought["fills"]]
    kept = sum(Decimal(fee["amount"]) for fee in fees if fee["unit"] == SHARES)
    assert Decimal("24.5") < spent + sum(Decimal(f["amount"]) for f in fees if f["unit"] != SHARES) <= 25
    total = bought["summary"]["totalSize"]
    status, sold, _ = await running.order(side="sell", size=total)
    assert status == 201
    left = Decimal(total) - kept - Decimal(sold["summary"]["totalSize"])
    assert 0 <= left < Decimal("0.02") * len(fees), "of each venue less than one lot"


async def test_a_sale_of_nothing_held_says_so_for_each_venue(running: Running) -> None:
    status, body, _ = await running.order(side="sell", size="10")
    assert status == 502
    assert body["errorCode"] == "no_allocations"
    assert all(f"{venue}: no position" in body["error"] for venue in running.facts.venues)


async def test_a_venue_whose_shares_cannot_be_read_is_not_said_to_hold_none(running: Running) -> None:
    silent, *others = sorted(running.facts.venues)
    await running.faults(silent, {"fault": "error5xx", "call": "(GET|POST) .*"})
    status, body, _ = await running.order(side="sell", size="10")
    assert (status, body["errorCode"]) == (502, "no_allocations")
    assert f"{silent}: balance unread (" in body["error"]
    assert f"{silent}: no position" not in body["error"]
    assert all(f"{venue}: no position" in body["error"] for venue in others)


async def test_an_order_for_more_than_the_account_has_is_refused_before_anything_is_sent(
    running: Running,
) -> None:
    status, body, _ = await running.order(side="buy", amount="100000")
    assert (status, body["errorCode"]) == (400, "insufficient_balance")
    assert all(size == 0 for size, _ in (await takers(running)).values())


async def test_a_venue_that_stops_sending_is_left_out_and_the_order_fills_elsewhere(running: Running) -> None:
    gone, *stay = sorted(running.facts.venues)
    await running.stop_venue(gone)
    status, body, _ = await running.order(side="buy", amount="5")
    assert status == 201
    assert {fill["venue"] for fill in body["fills"]} <= set(stay)
    assert sorted(entry["venue"] for entry in body["_routing"]["considered"]) == stay


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["lost", "doubled", "reordered", "garbled", "late", "disconnect"])
async def test_after_a_bad_network_the_books_equal_the_venues_again(running: Running, fault: str) -> None:
    rule: dict[str, Any] = {"fault": fault, "call": "ws .*", "probability": "0.1"}
    if fault in ("late", "reordered"):
        rule["delay_ms"] = 20
    for venue, server in running.demo.servers.items():
        await running.faults(venue, rule)
        for market in server.simulator.exchange.markets.values():
            for step in range(30):
                move(server, Native(market.natives[0]), step)
                await asyncio.sleep(0.005)
    for venue, server in running.demo.servers.items():
        await running.faults(venue)
        for native in running.demo.registry.natives(venue):
            move(server, native, 100)
            await running.until(partial(agrees, running, server, native), wait_s=20)


def move(server: SimServer, native: Native, step: int) -> None:
    """Somebody changes the size of the best levels."""
    bids, asks = server.simulator.exchange.levels(native)
    size = Size(bids[0][1] + 10_000 * (step % 7 + 1))
    changed = [(price, size if n == 0 else s) for n, (price, s) in enumerate(bids)]
    server.simulator.exchange.set_book(native, changed, asks, server.clock.now())


def agrees(running: Running, server: SimServer, native: Native) -> bool:
    """Whether the router's book is usable and equal to the venue's."""
    assert running.demo.instance is not None
    market = running.demo.instance.market
    book = market.books[server.simulator.name, native]
    bids, asks = server.simulator.exchange.levels(native)
    usable = book.why_unusable(market.clock.monotonic_ms(), 5_000) is None
    return usable and dict(bids) == dict(book.bids.levels) and dict(asks) == dict(book.asks.levels)
