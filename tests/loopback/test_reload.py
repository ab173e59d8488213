"""A changed registry takes force while the router runs, whole or not at all."""

from pathlib import Path

from registry.index import Registry
from registry.model import Outcome, OutcomeId
from registry.text import dump
from router.cli.serve import reload
from tests.loopback.conftest import Running
from venues.base.listing import ListingKey, Native
from venues.base.units import ONE, Price, Size

NEW = OutcomeId("px-newnewnewnew")


async def test_an_outcome_that_is_added_can_be_traded_at_once_and_the_others_go_on(running: Running) -> None:
    instance = running.demo.instance
    assert instance is not None
    venue, server = min(running.demo.servers.items())
    [native, *_] = [Native(name) for name in server.simulator.list_market({"title": "Another?"})]
    asks = [(Price(400_000), Size(100 * ONE))]
    server.simulator.exchange.set_book(native, [], asks, server.clock.now())
    added = Outcome(
        outcome_id=NEW, title="Another?", label="Yes", listings=(ListingKey(venue, native, False),)
    )
    assert (await running.order(predexonId=NEW, side="buy", amount="5.00"))[0] == 404
    file = Path(instance.config.registry.file)
    file.write_text(dump(Registry([*running.demo.registry, added])))
    await reload(instance)
    assert instance.router.waiting_for() != []
    await running.until(lambda: instance.router.waiting_for() == [])
    for outcome in (NEW, running.outcome):
        status, body, _ = await running.order(predexonId=outcome, side="buy", amount="5.00")
        assert (status, body["summary"]["venuesFailed"]) == (201, 0)


async def test_a_broken_registry_leaves_the_old_one_in_force(running: Running) -> None:
    instance = running.demo.instance
    assert instance is not None
    Path(instance.config.registry.file).write_text("outcomes: [")
    await reload(instance)
    assert instance.router.waiting_for() == []
    assert (await running.order(side="buy", amount="5.00"))[0] == 201
