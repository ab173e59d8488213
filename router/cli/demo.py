"""`crossbook demo`: a router and every venue simulated, in one process, and one routed order through HTTP."""

import asyncio
import random
import signal
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec
import tomli_w

from registry.index import Registry
from registry.model import Outcome, mint
from registry.text import dump
from router.assembly import Instance
from router.cli import client
from router.cli.scenario import Scenario, everywhere, load
from router.cli.signals import INTERRUPTED, interrupted
from router.config import parse
from router.runtime.aside import Aside
from router.runtime.clock import SystemClock
from router.runtime.keys import digest, new_key
from router.runtime.logs import Redactor
from router.sections import Config
from venues import discover
from venues.base.contract import Venue
from venues.base.listing import ListingKey, Native
from venues.sim.server import SimServer

ACCOUNT = "acct-demo"
BALANCE = "1000"
"""Dollars at each venue."""
READY_MS_MAX = 20_000
"""Long enough for a slow machine to connect to its own loopback."""
CONTROLS: Mapping[str, object] = MappingProxyType(
    {
        "order_usd": "1000000",
        "minute_usd": "1000000",
        "open_usd": "1000000",
        "depth_percent": 100,
        "orders_per_second": 1000,
        "total_per_second": 1000,
    }
)
"""Wider than the defaults: the money is not real, the books are thin, and trying things out is the point."""
LABELS = ("Yes", "No")
ID_BYTES = 8


class DemoVenue(msgspec.Struct, frozen=True, rename="camel"):
    """Where a simulated venue can be reached."""

    rest: str
    ws: str
    control: str


class DemoOutcome(msgspec.Struct, frozen=True, rename="camel"):
    """One outcome that can be traded."""

    predexon_id: str
    title: str
    venues: list[str]


class DemoFacts(msgspec.Struct, frozen=True, rename="camel"):
    """The first line of the demo's output: everything needed to use it."""

    base_url: str
    api_key: str
    account_id: str
    config: str
    outcomes: list[DemoOutcome]
    venues: dict[str, DemoVenue]


class Demo:
    """The simulated venues, the settings made for them, and the router that runs on both."""

    def __init__(
        self,
        venues: Mapping[str, Venue],
        folder: Path,
        redactor: Redactor,
        *,
        seed: int,
        port: int,
        scenario: Scenario | None = None,
    ) -> None:
        """Without a scenario: one question on all of these venues."""
        self.scenario = scenario or everywhere(list(venues))
        self._venues = {name: venues[name] for name in self.scenario.venues}
        self._folder, self._redactor = folder, redactor
        self._seed, self._port = seed, port
        self.servers: dict[str, SimServer] = {}
        self.api_key = new_key()
        self.registry = Registry(())
        self.instance: Instance | None = None

    async def start(self) -> DemoFacts:
        """Start everything and wait until the books are there. TimeoutError if they do not come."""
        clock = SystemClock()
        for name, venue in self._venues.items():
            server = SimServer(venue.simulator(self._seed), clock=clock.now_ms, seed=self._seed)
            await server.start()
            self.servers[name] = server
        self.registry = self._list_outcomes(clock.now_ms())
        credentials = {
            name: dict(server.simulator.open_account({"balance": BALANCE}, clock.now_ms()))
            for name, server in self.servers.items()
        }
        self.instance = Instance(self._write_settings(credentials), self._venues, self._redactor)
        await self.instance.start()
        await client.wait_until_ready(self.instance.url, READY_MS_MAX)
        return self._facts(self.instance)

    async def stop(self) -> None:
        """Stop everything that runs."""
        if self.instance is not None:
            await self.instance.stop()
        for server in self.servers.values():
            await server.stop()

    def _list_outcomes(self, now_ms: int) -> Registry:
        """Both sides of the scenario's question, listed on its venues, with its books."""
        question = self.scenario.question
        sides: tuple[list[ListingKey], list[ListingKey]] = ([], [])
        for name, server in self.servers.items():
            scene = self.scenario.venues[name]
            wish = {"title": question} | scene.market
            natives = [Native(native) for native in server.simulator.list_market(wish)]
            other = (
                ListingKey(name, natives[1], False)
                if len(natives) > 1
                else ListingKey(name, natives[0], True)
            )
            sides[0].append(ListingKey(name, natives[0], False))
            sides[1].append(other)
            server.simulator.exchange.set_book(natives[0], *scene.levels(), now_ms)
        ids = [mint(random.Random(f"{self._seed}/{label}").randbytes(ID_BYTES)) for label in LABELS]  # noqa: S311
        ids[0] = self.scenario.predexon_id or ids[0]
        return Registry(
            Outcome(outcome_id=outcome_id, title=question, label=label, listings=tuple(keys))
            for outcome_id, label, keys in zip(ids, LABELS, sides, strict=True)
        )

    def _write_settings(self, credentials: Mapping[str, Mapping[str, str]]) -> Config:
        """Registry and settings as files, so that every other command can be tried on the running demo."""
        registry = self._folder / "registry.yaml"
        registry.write_text(dump(self.registry))
        tree: dict[str, object] = {
            "server": {"port": self._port},
            "store": {"directory": str(self._folder / "data")},
            "registry": {"file": str(registry)},
            "log": {"level": "warning"},
            "controls": dict(CONTROLS),
            "venues": {name: {"hosts": dict(server.hosts)} for name, server in self.servers.items()},
            "keys": {"demo": {"sha256": digest(self.api_key), "accounts": [ACCOUNT]}},
            "accounts": {ACCOUNT: {"venues": list(self.servers), "credentials": credentials}},
        }
        settings = self._folder / "crossbook.toml"
        settings.touch(mode=0o600)
        settings.write_text(tomli_w.dumps(tree))
        return parse(tree, str(settings), self._venues)

    def _facts(self, instance: Instance) -> DemoFacts:
        return DemoFacts(
            base_url=instance.url,
            api_key=self.api_key,
            account_id=ACCOUNT,
            config=str(self._folder / "crossbook.toml"),
            outcomes=[
                DemoOutcome(o.outcome_id, f"{o.title} {o.label}", sorted({key.venue for key in o.listings}))
                for o in self.registry
            ],
            venues={name: _addresses(server) for name, server in self.servers.items()},
        )


def _addresses(server: SimServer) -> DemoVenue:
    """As `crossbook sim` names them: what the venue's own client takes."""
    simulator = server.simulator
    return DemoVenue(
        server.origin + simulator.prefix,
        server.socket_origin + simulator.socket_path,
        f"{server.origin}/_sim",
    )


async def demo(
    redactor: Redactor,
    emit: Callable[[str], None],
    errors: Aside,
    *,
    once: bool,
    order: bool,
    port: int,
    seed: int,
    scenario: str | None,
) -> int:
    """Run the demo; the exit code. With `order` it places one, with `once` it then ends.

    NoScenario if there is none of this name.
    """
    venues = discover()
    chosen = load(scenario, venues) if scenario else None
    stop = interrupted()
    with tempfile.TemporaryDirectory(prefix="crossbook-demo-") as folder:
        running = Demo(venues, Path(folder), redactor, seed=seed, port=port, scenario=chosen)
        shown = asyncio.create_task(_show(running, emit, errors, order=order))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({shown, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not shown.done():
                return INTERRUPTED
            code = shown.result()
            if not once:
                emit("Router and simulated venues keep running; Ctrl-C ends them.")
                await stopping
            return code
        finally:
            shown.cancel()
            stopping.cancel()
            await asyncio.gather(shown, stopping, return_exceptions=True)
            await running.stop()


async def _show(running: Demo, emit: Callable[[str], None], errors: Aside, *, order: bool) -> int:
    facts = await running.start()
    assert running.instance is not None, "it has started"
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, running.instance.switch.signalled)
    errors.count_dropped(running.instance.market.metrics.log_lines_dropped.inc)
    emit(msgspec.json.encode(facts).decode())
    return await _order(facts, running.scenario.amount, emit) if order else 0


async def _order(facts: DemoFacts, amount: str, emit: Callable[[str], None]) -> int:
    asked = {"predexonId": facts.outcomes[0].predexon_id, "side": "buy", "amount": amount}
    answered = await client.place(facts.base_url, facts.api_key, facts.account_id, asked)
    emit(f"POST {facts.base_url}/api/accounts/{facts.account_id}/router/orders")
    emit(f"{msgspec.json.encode(asked).decode()}\n\n{answered.status}")
    emit(_pretty(answered.body))
    return 0 if answered.status == 201 else 1


def _pretty(body: bytes) -> str:
    try:
        return msgspec.json.format(body, indent=2).decode()
    except msgspec.DecodeError:
        return body.decode(errors="replace")
