"""Real routers in processes of their own, simulated venues in another, and an auditor over both."""

import asyncio
import json
import os
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import tomli_w

from registry.index import Registry
from registry.model import Outcome, OutcomeId
from registry.text import dump
from router.runtime.keys import digest, new_key
from router.runtime.store.sqlite_file import FILE_NAME
from tests.faults.mortal import Life
from tests.limits import WIDE_SETTINGS
from tests.simulation.auditor import Auditor
from venues.base.listing import ListingKey, Native

Json = dict[str, Any]
Rows = list[tuple[str, str]]
ROOT = Path(__file__).parents[2]
WAIT_S = 90
"""How long to wait for what should take a second, on a machine that does other things as well."""
OUTAGE_MS = 400_000
"""How long the machine is down before the last start: no venue leaves an order in doubt for longer."""


def answered(body: Json) -> bool:
    """Whether a caller was told what became of an order, and not that there is none: then its key is free."""
    return "fills" in body


class Running:
    """A router in its process."""

    def __init__(self, life: Life, began: float) -> None:
        loop = asyncio.get_running_loop()
        self.life, self.began = life, began
        self.port: asyncio.Future[int] = loop.create_future()
        self.pid: asyncio.Future[int] = loop.create_future()
        self.ended: asyncio.Future[int] = loop.create_future()

    def log(self) -> str:
        """The end of what it wrote, for a failure's message."""
        path = Path(self.life.log)
        return path.read_text()[-2_000:] if path.exists() else ""


@dataclass
class Case:
    """One account with its own markets, store and settings; nobody else trades there."""

    name: str
    folder: Path
    outcome: str
    key: str = field(default_factory=new_key)
    natives: dict[str, list[Native]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """By venue: what it calls the account."""
    credentials: dict[str, Mapping[str, str]] = field(default_factory=dict)
    opening: dict[str, Json] = field(default_factory=dict)
    told: list[bytes] = field(default_factory=list)

    @property
    def database(self) -> Path:
        """The store's file."""
        return self.folder / "data" / FILE_NAME

    def records(self) -> list[bytes]:
        """All that is durable, read beside the router."""
        if not self.database.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT body FROM records ORDER BY seq").fetchall()
        return [bytes(body) for (body,) in rows]

    def unfinished(self) -> int:
        """Routes without an end."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            [(count,)] = connection.execute("SELECT count(*) FROM routes WHERE finished_ms IS NULL")
        return int(count)

    def tear(self) -> None:
        """Cut off the end of what was written last, as when the power fails in the middle of it."""
        journal = Path(f"{self.database}-wal")
        os.truncate(journal, journal.stat().st_size - 100)


class Stage:
    """Simulated venues, a nursery for routers, and the calls a test makes."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.venues: dict[str, Json] = {}
        self.offset_ms = 0
        self._lives: dict[int, Running] = {}
        self._nursery: asyncio.subprocess.Process | None = None
        self._simulators: asyncio.subprocess.Process | None = None
        self._hearing: asyncio.Task[None] | None = None

    # --- processes ---

    async def open(self, names: Sequence[str]) -> None:
        """Start the venues and the nursery."""
        self._simulators = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from router.main import main; main()", "sim", *names),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        self._nursery = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.faults.nursery"),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._simulators.stdout is not None
        for _ in names:
            facts = json.loads(await self._simulators.stdout.readline())
            self.venues[facts["venue"]] = facts
        self._hearing = asyncio.create_task(self._hear())

    async def close(self) -> None:
        """End everything that was started."""
        if self._nursery is not None and self._nursery.stdin is not None:
            self._nursery.stdin.close()
            await self._nursery.wait()
        if self._hearing is not None:
            await self._hearing
        if self._simulators is not None and self._simulators.returncode is None:
            self._simulators.terminate()
            await self._simulators.wait()

    async def _hear(self) -> None:
        assert self._nursery is not None
        assert self._nursery.stdout is not None
        async for line in self._nursery.stdout:
            said = json.loads(line)
            running = self._lives[said.pop("number")]
            for name, value in said.items():
                future = {"port": running.port, "pid": running.pid, "status": running.ended}[name]
                if not future.done():
                    future.set_result(value)

    def start(
        self, case: Case, *, point: str = "", venue: str = "", side: str = "", config: str = "crossbook"
    ) -> Running:
        """Start a router on the case's store; with a point it dies there."""
        assert self._nursery is not None
        assert self._nursery.stdin is not None
        number = len(self._lives)
        life = Life(
            number=number,
            config=str(case.folder / f"{config}.toml"),
            log=str(case.folder / f"{number}.log"),
            offset_ms=self.offset_ms,
            point=point,
            venue=venue,
            side=side,
        )
        running = self._lives[number] = Running(life, time.monotonic())
        self._nursery.stdin.write(msgspec.json.encode(life) + b"\n")
        return running

    async def ready(self, running: Running) -> str:
        """Wait until it takes orders; its address."""
        async with asyncio.timeout(WAIT_S):
            while not running.port.done():
                assert not running.ended.done(), f"{running.life.point}: ended early\n{running.log()}"
                await asyncio.sleep(0.01)
            url = f"http://127.0.0.1:{running.port.result()}"
            while True:
                try:
                    async with self.session.get(f"{url}/ready") as response:
                        if response.status == 200:
                            return url
                except aiohttp.ClientError:
                    assert not running.ended.done(), running.log()
                await asyncio.sleep(0.02)

    async def death(self, running: Running) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        async with asyncio.timeout(WAIT_S):
            return await running.ended

    async def stop(self, running: Running, number: int) -> int:
        """Send it a signal and wait for its end."""
        os.kill(await running.pid, number)
        return await self.death(running)

    async def outage(self) -> None:
        """Time passes everywhere while no router runs."""
        self.offset_ms += OUTAGE_MS
        for venue in self.venues:
            await self.control(venue, "POST", "clock", {"offset_ms": self.offset_ms})

    # --- venues ---

    async def control(self, venue: str, method: str, path: str, body: object = None) -> Json:
        """One call to a venue's control face."""
        data = None if body is None else msgspec.json.encode(body)
        url = f"{self.venues[venue]['control']}/{path}"
        async with self.session.request(method, url, data=data) as response:
            assert response.status == 200, await response.text()
            return msgspec.json.decode(await response.read())  # type: ignore[no-any-return]  # its JSON

    async def case(
        self, name: str, folder: Path, books: Mapping[str, tuple[Rows, Rows]], **settings: Json
    ) -> Case:
        """A market and an account at each of these venues, with bids and asks, and a router's settings."""
        folder.mkdir(parents=True)
        case = Case(name, folder, OutcomeId(f"px-{name.lower():a<12}"[:15]))
        keys = []
        for venue, (bids, asks) in books.items():
            listings = (await self.control(venue, "POST", "markets", {"title": name}))["listings"]
            case.natives[venue] = [Native(native) for native in listings]
            first = listings[0]
            await self.control(venue, "PUT", f"books/{first}", {"bids": bids, "asks": asks})
            wish = {"balance": "100000", "positions": {first: "100000"}}
            opened = await self.control(venue, "POST", "accounts", wish)
            case.credentials[venue], case.names[venue] = opened["credentials"], opened["account"]
            keys.append(ListingKey(venue, Native(first), inverted=False))
        case.opening = await self.ledgers(case)
        outcome = Outcome(outcome_id=OutcomeId(case.outcome), title=name, label="Yes", listings=tuple(keys))
        (folder / "registry.yaml").write_text(dump(Registry([outcome])))
        self.configure(case, "crossbook", **settings)
        return case

    def configure(self, case: Case, name: str, **settings: Json) -> None:
        """A settings file of the case."""
        tree: Json = {
            "server": {"port": 0, "connections_per_address_max": 500},
            "store": {"directory": "data"},
            "registry": {"file": "registry.yaml"},
            "log": {"level": "error"},
            "controls": dict(WIDE_SETTINGS),
            "venues": {venue: {"hosts": self.venues[venue]["hosts"]} for venue in case.natives},
            "keys": {"k": {"sha256": digest(case.key), "accounts": ["a"]}},
            "accounts": {"a": {"venues": list(case.natives), "credentials": case.credentials}},
        }
        for table, values in settings.items():
            tree[table] = tree.get(table, {}) | values
        path = case.folder / f"{name}.toml"
        path.write_text(tomli_w.dumps(tree))
        path.chmod(0o600)

    async def ledgers(self, case: Case) -> dict[str, Json]:
        """What the venues say of the case's account."""
        return {
            venue: await self.control(venue, "GET", f"ledger?account={name}")
            for venue, name in case.names.items()
        }

    # --- orders ---

    async def order(self, url: str, case: Case, key: str | None, **body: str) -> tuple[int, Json]:
        """POST one order. Status 0 when no whole reply came."""
        headers = {"x-api-key": case.key} | ({"idempotency-key": key} if key else {})
        try:
            async with self.session.post(
                f"{url}/api/accounts/a/router/orders",
                json={"predexonId": case.outcome} | body,
                headers=headers,
            ) as response:
                raw = await response.read()
                said: Json = msgspec.json.decode(raw)
                if answered(said):
                    case.told.append(raw)
                return response.status, said
        except (aiohttp.ClientError, ConnectionError):
            return 0, {}

    async def settled(self, case: Case, running: Running) -> float:
        """Wait until every route has its end; seconds since the router was started."""
        async with asyncio.timeout(WAIT_S):
            while case.unfinished():
                assert not running.ended.done(), running.log()
                await asyncio.sleep(0.05)
        return time.monotonic() - running.began

    async def booked(self, case: Case, running: Running) -> float:
        """Wait until all that the venues did is in the records; seconds since the router was started."""
        async with asyncio.timeout(WAIT_S):
            while await self._done(case) - self._known(case):
                assert not running.ended.done(), running.log()
                await asyncio.sleep(0.05)
        return time.monotonic() - running.began

    async def _done(self, case: Case) -> set[str]:
        ledgers = await self.ledgers(case)
        return {
            order["order_id"] for led in ledgers.values() for order in led["orders"] if order["filled"] != "0"
        }

    def _known(self, case: Case) -> set[str]:
        answers = [msgspec.json.decode(record).get("answer", {}) for record in case.records()]
        return {answer["venue_order_id"] for answer in answers if answer.get("type") == "Filled"}

    async def audit(self, case: Case) -> list[str]:
        """The router's records against the venues' ledgers."""
        pairs = {
            venue: [(natives[0], natives[1] if len(natives) > 1 else f"{natives[0]}:inverted")]
            for venue, natives in case.natives.items()
        }
        auditor, records = Auditor(pairs, case.opening), case.records()
        return auditor.audit(records, await self.ledgers(case)) + auditor.audit_told(records, case.told)


@asynccontextmanager
async def stage(*names: str) -> AsyncIterator[Stage]:
    """Running venues, and routers on demand; all ended afterwards."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(WAIT_S)) as session:
        made = Stage(session)
        try:
            await made.open(names)
            yield made
        finally:
            await made.close()
