"""`/native/limits` over HTTP: an admin's word stands over the settings and is on the trail."""

import pytest

from router.core.errors import RiskLimit
from router.core.model import AccountId
from router.runtime.control_settings import AccountControls, overrides
from tests.http.test_halts import ORDER, PLACE, Ops, ops
from tests.world import ACCOUNT, buy
from venues import discover
from venues.base.units import ONE

__all__ = ["ops"]

SOMEWHERE = min(discover())
PATH = f"/native/limits/{ACCOUNT}"


async def test_limits_set_by_an_admin_are_in_force_at_once_and_after_a_restart(ops: Ops) -> None:
    status, told = await ops.ask("PUT", PATH, {"limits": {"order_usd": "4.99"}, "why": "ticket 12"})
    assert (status, told["cash"]["order"], told["override"]["order_usd"]) == (200, "4.990000", "4.99")
    assert (await ops.ask("GET", PATH))[1] == told
    status, told = await ops.ask("POST", PLACE, ORDER, key=ops.trader)
    assert (status, told) == (
        400,
        {"error": "order_usd: 5; the limit is 4.99", "errorCode": "risk_limit"},
    )
    again = await ops.world.start()
    ops.books()
    with pytest.raises(RiskLimit):
        await ops.world.route(again, buy(5 * ONE))
    await again.stop(1_000)
    [change] = (await ops.world.store.trail()).changes
    assert (change.by, change.what, change.subject, change.why) == (
        "key ops",
        "limits",
        f"account:{ACCOUNT}",
        "ticket 12",
    )


async def test_the_last_word_counts_whole_and_an_empty_one_gives_the_settings_back(ops: Ops) -> None:
    before = (await ops.ask("GET", PATH))[1]
    await ops.ask("PUT", PATH, {"limits": {"order_usd": "1", "venues": {SOMEWHERE: {"open_usd": "2"}}}})
    told = (await ops.ask("PUT", PATH, {"limits": {"minute_usd": "3"}}))[1]
    assert (told["cash"]["order"], told["cash"]["minute"]) == (before["cash"]["order"], "3.000000")
    assert told["at"] == {}
    assert (await ops.ask("PUT", PATH, {"limits": {}}))[1] == before
    found = overrides(await ops.world.store.trail())
    assert found == {AccountId(ACCOUNT): AccountControls()}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"limits": {"order_usd": 5}},
        {"limits": {"order_usd": "-5"}},
        {"limits": {"depth_percent": 101}},
        {"limits": {"total_per_second": 5}},
        {"limits": {"venues": {"nowhere": {"open_usd": "2"}}}},
        {"limits": {}, "more": 1},
    ],
)
async def test_what_is_no_limit_is_refused_and_changes_nothing(ops: Ops, body: object) -> None:
    status, told = await ops.ask("PUT", PATH, body)
    assert (status, told["errorCode"]) == (400, "parse_error")
    assert (await ops.world.store.trail()).changes == ()


async def test_limits_that_cannot_be_recorded_are_not_in_force(ops: Ops) -> None:
    ops.world.store.failing = "the disk is full"
    status, told = await ops.ask("PUT", PATH, {"limits": {"order_usd": "1"}})
    assert (status, told["errorCode"]) == (503, "store_unavailable")
    ops.world.store.failing = None
    assert (await ops.ask("GET", PATH))[1]["override"]["order_usd"] is None
