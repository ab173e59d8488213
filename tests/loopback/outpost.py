"""Routers in processes of their own that share a store, simulated venues here, a tap on each wire between."""

import asyncio
import json
import re
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
import tomli_w

from registry.index import Registry
from registry.model import Outcome, OutcomeId
from registry.text import dump
from router.runtime.clock import SystemClock
from router.runtime.keys import digest, new_key
from router.runtime.store.sqlite_file import FILE_NAME
from tests.limits import WIDE_SETTINGS
from tests.simulation.auditor import Auditor
from venues import discover
from venues.base.listing import ListingKey, Native
from venues.base.units import ONE, Price, Size
from venues.sim.model import HOUSE
from venues.sim.server import SimServer

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
OUTCOME = OutcomeId("px-aaaaaaaaaaaa")
RUN = "from router.main import main; main()"
"""The command, from this tree."""
WAIT_S = 60
"""How long to wait for what takes a second on a quiet machine."""
ANSWER_MS = 3_000
"""When a caller is answered, whatever a venue has not said by then."""
ORDERING = re.compile(rb"(?:POST|DELETE) [^ ]*order")
"""What places, cancels or asks about an order; every venue's path has that word."""


class Tap:
    """Passes bytes on between one router and one venue, and remembers when it sent what."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.sent: list[tuple[float, bytes]] = []
        """Moments, monotonic, and first lines of requests about orders."""
        self.heard = 0.0
        """When the venue's last bytes were passed on, monotonic."""
        self._armed = False
        self._passing = asyncio.Event()
        self._passing.set()
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()

    async def open(self) -> int:
        """Listen; the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Cut everything."""
        if self._server is not None:
            self._server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def hold_at_order(self) -> None:
        """Pass nothing on, either way, from the next request about an order on, and keep all connections: the
        line is dead.
        """
        self._armed = True

    def release(self) -> None:
        """Pass on what was held, and all that follows."""
        self._armed = False
        self._passing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pumps.add(task)
        try:
            with suppress(OSError):
                there, back = await asyncio.open_connection("127.0.0.1", self._target)
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pump(reader, back, self._leaving))
                    group.create_task(self._pump(there, writer, self._coming))
        except asyncio.CancelledError:
            writer.close()
        finally:
            self._pumps.discard(task)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, through: Any) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                await through(data)
                sink.write(data)
                await sink.drain()
        sink.close()

    async def _leaving(self, data: bytes) -> None:
        if ORDERING.match(data):
            self.sent.append((time.monotonic(), data.split(b"\r\n", 1)[0]))
            if self._armed:
                self._passing.clear()
        await self._passing.wait()

    async def _coming(self, _: bytes) -> None:
        await self._passing.wait()
        self.heard = time.monotonic()


class Process:
    """One router in its process."""

    def __init__(self, settings: Path, taps: Mapping[str, Tap], process: asyncio.subprocess.Process) -> None:
        self.settings, self.taps, self.process = settings, taps, process
        self.events: list[Json] = []
        self.url = ""
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            with suppress(ValueError):
                self.events.append(json.loads(line))

    def said(self, event: str) -> list[Json]:
        """Log lines of this kind."""
        return [line for line in self.events if line.get("event") == event]

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end; its exit code."""
        async with asyncio.timeout(WAIT_S):
            code = await self.process.wait()
            await self._reading
        return code

    def sent_since(self, moment: float) -> list[bytes]:
        """First lines of what it asked venues about orders after this moment."""
        return [line for tap in self.taps.values() for at, line in tap.sent if at > moment]


class Outpost:
    """All venues, accounts on all of them, one store, and any number of routers on it."""

    def __init__(self, folder: Path, session: aiohttp.ClientSession, accounts: int) -> None:
        self.folder, self.session, self.key, self.admin = folder, session, new_key(), new_key()
        self.controls = dict(WIDE_SETTINGS)
        """What routers that are started from now on let pass."""
        self.venues = discover()
        self.accounts = [f"a{number}" for number in range(accounts)]
        self._servers: dict[str, SimServer] = {}
        self._natives: dict[str, list[Native]] = {}
        self._credentials: dict[str, dict[str, Mapping[str, str]]] = {name: {} for name in self.accounts}
        self._opening: dict[str, Json] = {}
        self.routers: list[Process] = []
        self.told: Counter[int] = Counter()
        """Answers to callers, by status."""

    async def open(self) -> None:
        """Start the venues, each with a deep book."""
        clock = SystemClock()
        for name, venue in self.venues.items():
            server = self._servers[name] = SimServer(venue.simulator(5), clock=clock.now_ms, seed=5)
            await server.start()
            simulator, now_ms = server.simulator, clock.now_ms()
            self._natives[name] = [Native(n) for n in simulator.list_market({"title": "A question"})]
            self.offer(name, [(Price((45 + n) * 10_000), Size(100_000 * ONE)) for n in range(3)])
            for account in self.accounts:
                opened = dict(simulator.open_account({"balance": "100000"}, now_ms))
                self._credentials[account][name] = opened
        self._opening = await self.ledgers()
        keys = tuple(ListingKey(name, natives[0], False) for name, natives in self._natives.items())
        outcome = Outcome(outcome_id=OUTCOME, title="A question", label="Yes", listings=keys)
        (self.folder / "registry.yaml").write_text(dump(Registry([outcome])))

    def offer(self, venue: str, asks: Sequence[tuple[Price, Size]]) -> None:
        """Sell exactly this there."""
        server, native = self._servers[venue], self._natives[venue][0]
        server.simulator.exchange.set_book(native, [], asks, server.clock.now())

    async def close(self) -> None:
        """End everything that was started."""
        for router in self.routers:
            if router.process.returncode is None:
                router.tell(signal.SIGCONT)
                router.process.kill()
                await router.ended()
            for tap in router.taps.values():
                await tap.close()
        for server in self._servers.values():
            await server.stop()

    async def start(self, **store: Any) -> Process:
        """A router on the store, with these settings of it; returns when it listens."""
        taps, tables = {}, {}
        for name, server in self._servers.items():
            port = urlsplit(server.origin).port
            assert port is not None
            taps[name] = Tap(port)
            tapped = await taps[name].open()
            tables[name] = {
                "hosts": {h: u.replace(f":{port}", f":{tapped}") for h, u in server.hosts.items()}
            }
        settings = self.folder / f"{len(self.routers)}.toml"
        settings.touch(mode=0o600)
        settings.write_text(tomli_w.dumps(self._settings(tables, store)))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", RUN, "serve", "--config", str(settings)),
            cwd=ROOT,
            stderr=asyncio.subprocess.PIPE,
        )
        router = Process(settings, taps, process)
        self.routers.append(router)
        await self.until(lambda: bool(router.said("router.listening")) or process.returncode is not None)
        for line in router.said("router.listening"):
            router.url = f"http://127.0.0.1:{line['port']}"
        return router

    def _settings(self, venues: Json, store: Json) -> Json:
        return {
            "server": {"port": 0},
            "store": {"directory": "data"} | store,
            "registry": {"file": "registry.yaml"},
            "controls": self.controls,
            "routing": {"answer_ms": ANSWER_MS, "duplicate_ms": 0},
            "venues": venues,
            "keys": {
                "k": {"sha256": digest(self.key), "accounts": self.accounts},
                "ops": {"sha256": digest(self.admin), "accounts": [], "scopes": ["admin"]},
            },
            "accounts": {n: {"venues": list(c), "credentials": c} for n, c in self._credentials.items()},
        }

    # --- calls ---

    async def waiting_for(self, router: Process) -> list[str]:
        """What /ready says is missing; empty when orders are taken."""
        async with self.session.get(f"{router.url}/ready") as response:
            return list(msgspec.json.decode(await response.read())["waiting_for"])

    async def ready(self, router: Process) -> None:
        """Wait until it takes orders."""
        async with asyncio.timeout(WAIT_S):
            while await self.waiting_for(router):
                await asyncio.sleep(0.05)

    async def order(self, router: Process, account: str) -> tuple[int, Json]:
        """One buy; status 0 when no whole reply came."""
        url = f"{router.url}/api/accounts/{account}/router/orders"
        asked = {"predexonId": OUTCOME, "side": "buy", "amount": "12.00"}
        status, said = 0, b"{}"
        with suppress(aiohttp.ClientError, TimeoutError):
            async with self.session.post(url, json=asked, headers={"x-api-key": self.key}) as response:
                status, said = response.status, await response.read()
        self.told[status] += 1
        return status, msgspec.json.decode(said)

    async def load(self, router: Process) -> None:
        """Every account buys as fast as it can, until it is refused or cut off."""

        async def trade(account: str) -> None:
            while (await self.order(router, account))[0] in (201, 502):
                pass

        await asyncio.gather(*(trade(account) for account in self.accounts))

    async def until(self, true: Any) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(WAIT_S):
            while not true():
                await asyncio.sleep(0.02)

    # --- the truth ---

    async def ledgers(self) -> dict[str, Json]:
        """What each venue says of all customers."""
        found = {}
        for name, server in self._servers.items():
            async with self.session.get(f"{server.origin}/_sim/ledger") as response:
                ledger: Json = msgspec.json.decode(await response.read())
            found[name] = {
                kind: [row for row in rows if row.get("account", row.get("name")) != HOUSE]
                for kind, rows in ledger.items()
                if isinstance(rows, list)
            }
        return found

    def rows(self, query: str) -> list[Any]:
        """What is durable, read beside the routers."""
        path = self.folder / "data" / FILE_NAME
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()

    async def faults(self) -> list[str]:
        """The records against the venues' ledgers."""
        pairs = {
            name: [(natives[0], natives[1] if len(natives) > 1 else f"{natives[0]}:inverted")]
            for name, natives in self._natives.items()
        }
        records = [bytes(body) for (body,) in self.rows("SELECT body FROM records ORDER BY seq")]
        return Auditor(pairs, self._opening).audit(records, await self.ledgers())

    async def equal(self) -> None:
        """Wait until both sides have the same books. What never reached its venue may still be open."""
        wrong: list[str] = []
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            still = (": no last word", ": never finished")
            wrong = [fault for fault in await self.faults() if not fault.endswith(still)]
            if not wrong:
                return
            await asyncio.sleep(0.3)
        raise AssertionError("\n".join(wrong))


@asynccontextmanager
async def outpost(folder: Path, *, accounts: int = 4) -> AsyncIterator[Outpost]:
    """Running venues; what is started on them ends with it."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(WAIT_S)) as session:
        made = Outpost(folder, session, accounts)
        try:
            await made.open()
            yield made
        finally:
            await made.close()
