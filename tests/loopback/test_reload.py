"""A changed registry takes force while the router runs, whole or not at all."""

import ssl
from pathlib import Path

import msgspec

from registry.index import Registry
from registry.model import Outcome, OutcomeId
from registry.text import dump
from router.assembly import Instance
from router.cli.serve import reload, renew
from router.runtime.logs import Redactor
from router.sections import ServerConfig, StoreConfig
from tests.http.test_tls import Files, ask_port
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


async def test_a_router_with_a_certificate_is_called_over_tls_and_shows_a_new_one_when_told(
    running: Running, tmp_path: Path
) -> None:
    assert running.demo.instance is not None
    files = Files(tmp_path)
    server = ServerConfig(port=0, tls_certificate=str(files.chain), tls_key=str(files.key))
    config = msgspec.structs.replace(
        running.demo.instance.config, server=server, store=StoreConfig(directory=str(tmp_path / "other"))
    )
    instance = Instance(config, running.demo.instance.venues, Redactor())
    await instance.start()
    try:
        assert instance.url.startswith("https://127.0.0.1:")
        assert await shown(instance, files) == files.chain.read_text()
        old = files.chain.read_text()
        files.issue()
        assert await shown(instance, files) == old
        renew(instance)
        assert await shown(instance, files) == files.chain.read_text() != old
        files.key.write_text("broken")
        renew(instance)
        assert await shown(instance, files) == files.chain.read_text()
    finally:
        await instance.stop()


async def shown(instance: Instance, files: Files) -> str:
    """The certificate that a new caller is shown, and answered under."""
    status, spoken = await ask_port(instance.listener.port, files.trust())
    found = spoken.getpeercert(binary_form=True)
    assert status == 200
    assert found is not None
    return ssl.DER_cert_to_PEM_cert(found)


async def test_a_router_acts_only_while_it_certainly_owns_its_store(running: Running) -> None:
    instance = running.demo.instance
    assert instance is not None
    assert instance.market.transport.may_act()
    lease = instance.store._lease
    assert lease is not None
    lease.lose("another process owns the store now")
    assert not instance.market.transport.may_act()
    status, body, _ = await running.order(side="buy", amount="8.00")
    assert (status, body["errorCode"]) == (503, "store_unavailable")
    assert any("another process owns" in reason for reason in instance.router.waiting_for())
