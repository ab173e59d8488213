"""A buy over several levels of one venue spends its amount, whatever words the venue has for an order."""

import pytest

from router.core.report import FillStatus, Report
from tests.virtual_time import VirtualLoop, run
from tests.world import World, buy
from venues import discover
from venues.base.units import ONE, Price, Size

AMOUNT = 30 * ONE
UNSPENT_MOST = AMOUNT // 20
"""Five percent: what the dearest worst case of a fee holds back (cents per execution) in the last round."""


@pytest.mark.parametrize("venue", sorted(discover()))
@pytest.mark.parametrize("prices", [(440_000, 490_000), (440_000, 450_000, 470_000), (300_000, 600_000)])
def test_a_buy_through_several_levels_spends_its_amount_and_is_called_filled(
    venue: str, prices: tuple[int, ...]
) -> None:
    loop = VirtualLoop()
    world = World(loop, seed=5)
    asks = [(Price(price), Size(30 * ONE)) for price in prices[:-1]] + [(Price(prices[-1]), Size(500 * ONE))]
    world.simulators[venue].exchange.set_book(
        world.natives[venue][0], [(Price(200_000), Size(500 * ONE))], asks, world.clock.now_ms()
    )

    async def day() -> Report:
        router = await world.start(venues=[venue])
        done = await world.route(router, buy(AMOUNT))
        await router.stop(1_000)
        return done

    done = run(loop, day())
    assert {line.status for line in done.fills} == {FillStatus.FILLED}
    spent = done.cash + sum(line.fee.cash for line in done.fills if line.fee)
    assert AMOUNT - UNSPENT_MOST <= spent <= AMOUNT
