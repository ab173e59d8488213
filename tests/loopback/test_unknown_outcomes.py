"""A venue that answers 500, 429, garbage or nothing leaves an order unknown until it is looked up."""

from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from tests.loopback.conftest import Json, Running
from venues import discover
from venues.base.orders import SHARES

pytestmark = pytest.mark.slow
ORDER_CALL = "POST .*order"
"""Every venue places orders by a POST to a path with that word."""

HIDES_THE_ANSWER: dict[str, Json] = {
    "500 after executing": {"fault": "error5xx", "when": "after", "status": 500},
    "503 after executing": {"fault": "error5xx", "when": "after", "status": 503},
    "garbled answer": {"fault": "garbled"},
    "connection torn after executing": {"fault": "disconnect", "when": "after"},
    "no answer after executing": {"fault": "executed_then_lost", "delay_ms": 200},
}
NEVER_ARRIVES: dict[str, Json] = {
    "500 before executing": {"fault": "error5xx", "when": "before", "status": 500},
    "foreign 429": {"fault": "refused", "status": 429, "body": "<html>slow down</html>"},
    "connection torn before executing": {"fault": "disconnect", "when": "before"},
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits at the end for orders that stay open."""
    monkeypatch.setattr("router.assembly.STOP_MS_MAX", 100)


async def only(running: Running, venue: str) -> None:
    """Empty every other venue's book, so that the whole order goes to this one."""
    for name in running.facts.venues:
        if name != venue:
            server = running.demo.servers[name]
            native = running.demo.registry.natives(name)[0]
            server.simulator.exchange.set_book(native, [], [], server.clock.now())
            await running.until(partial(running.without_asks, name, native))


async def fills_at(running: Running, venue: str) -> tuple[Decimal, dict[str, Decimal], int]:
    """Shares, fees by unit and number of orders of the customers' fills, by the venue's ledger."""
    ledger: Any = await running.ledger(venue)
    fills = [fill for fill in ledger["fills"] if fill["account"] != "house" and fill["taker"]]
    orders = {fill["order_id"] for fill in fills}
    return (
        sum((Decimal(f["size"]) for f in fills), Decimal(0)),
        {unit: sum((Decimal(f[unit]) for f in fills), Decimal(0)) for unit in ("fee", "fee_shares")},
        len(orders),
    )


@pytest.mark.parametrize("fault", HIDES_THE_ANSWER)
@pytest.mark.parametrize("venue", sorted(discover()))
async def test_an_order_whose_answer_was_lost_is_found_and_reported(
    running: Running, venue: str, fault: str
) -> None:
    await only(running, venue)
    await running.faults(venue, {"call": ORDER_CALL, "times": 1} | HIDES_THE_ANSWER[fault])
    status, body, _ = await running.order(side="buy", amount="8.00")
    size, fee, orders = await fills_at(running, venue)
    assert status == 201, body
    [fill] = body["fills"]
    assert (fill["venue"], fill["status"]) == (venue, "filled")
    assert Decimal(fill["size"]) == size > 0
    assert Decimal(fill["fee"]["amount"]) == fee["fee_shares" if fill["fee"]["unit"] == SHARES else "fee"]
    assert orders == 1, "it was sent again"


@pytest.mark.parametrize("fault", NEVER_ARRIVES)
@pytest.mark.parametrize("venue", sorted(discover()))
async def test_an_order_that_may_never_have_arrived_is_open_until_there_is_proof(
    running: Running, venue: str, fault: str
) -> None:
    await only(running, venue)
    running.shorten_answers(700)
    await running.faults(venue, {"call": ORDER_CALL, "times": 1} | NEVER_ARRIVES[fault])
    status, body, _ = await running.order(side="buy", amount="8.00")
    [fill] = body["fills"]
    assert (status, fill["status"], fill["size"]) == (201, "open", "0.000000")
    assert "error" not in fill
    assert (await fills_at(running, venue))[2] == 0
    assert running.held(venue) > 0, "money of an unknown order must stay reserved"


@pytest.mark.parametrize("venue", sorted(discover()))
async def test_a_venue_that_refuses_with_proof_fails_at_once_with_the_whole_body(
    running: Running, venue: str
) -> None:
    await only(running, venue)
    await running.stop_venue(venue)
    status, body, _ = await running.order(side="buy", amount="8.00")
    assert status == 502
    assert body["errorCode"] in ("no_allocations", "all_venues_failed")


async def test_one_venue_going_silent_does_not_keep_the_others_from_filling(running: Running) -> None:
    _, planned, _ = await running.order(side="buy", amount="25.00")
    silent = planned["fills"][0]["venue"]
    running.shorten_answers(1_500)
    await running.faults(silent, {"call": ORDER_CALL, "fault": "lost", "delay_ms": 30_000})
    status, body, _ = await running.order(side="buy", amount="25.00")
    by_venue = {fill["venue"]: fill["status"] for fill in body["fills"]}
    assert status == 201
    assert by_venue[silent] == "open"
    assert "filled" in {status for venue, status in by_venue.items() if venue != silent}
