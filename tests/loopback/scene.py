"""Any set of markets, accounts and keys: venues set through their control faces, orders through HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from registry.index import Registry
from registry.model import Outcome, OutcomeId
from registry.text import dump
from router.assembly import Instance
from router.config import parse
from router.core.model import AccountId
from router.runtime.clock import SystemClock
from router.runtime.keys import digest, new_key
from router.runtime.logs import Redactor
from router.runtime.store.beside import administer
from router.runtime.vault.master import new_master_key, opener, write
from router.runtime.vault.vault import Vault, begin
from tests.limits import WIDE_SETTINGS
from venues import discover
from venues.base.listing import ListingKey, Native
from venues.base.units import micros
from venues.sim.server import SimServer

Json = dict[str, Any]
Rows = list[tuple[str, str]]
WAIT_S = 10


class Scene:
    """Every venue simulated. Markets, books and accounts first, then `route` until the end."""

    def __init__(self, folder: Path, session: aiohttp.ClientSession) -> None:
        self._folder, self._session = folder, session
        self.venues = discover()
        self.servers: dict[str, SimServer] = {}
        self.outcomes: list[Outcome] = []
        self.accounts: dict[str, dict[str, Mapping[str, str]]] = {}
        self.keys: dict[str, list[str]] = {}
        """Names of keys to the accounts they own."""
        self.scopes: dict[str, list[str]] = {}
        """Of keys that may do something else than usual."""
        self._secrets: dict[str, str] = {}
        self.names: dict[tuple[str, str], str] = {}
        """(account, venue) to what the venue calls the account."""
        self.instance: Instance | None = None
        self.controls: dict[str, object] = dict(WIDE_SETTINGS)
        self.sealed = False
        """Whether the accounts' credentials are in the vault instead of the settings."""

    async def open(self) -> None:
        """Start the venues."""
        for name, venue in self.venues.items():
            server = SimServer(venue.simulator(3), clock=SystemClock().now_ms, seed=3)
            await server.start()
            self.servers[name] = server

    async def close(self) -> None:
        """Stop everything."""
        if self.instance is not None:
            await self.instance.stop()
        for server in self.servers.values():
            await server.stop()

    async def control(self, venue: str, method: str, path: str, body: object = None) -> Json:
        """One call to a venue's control face."""
        url = f"{self.servers[venue].origin}/_sim/{path}"
        data = None if body is None else msgspec.json.encode(body)
        async with self._session.request(method, url, data=data) as response:
            assert response.status == 200, await response.text()
            return msgspec.json.decode(await response.read())  # type: ignore[no-any-return]  # its JSON

    async def market(self, venue: str, **wish: object) -> list[Native]:
        """A new market; its books."""
        return [Native(n) for n in (await self.control(venue, "POST", "markets", wish))["listings"]]

    async def book(self, venue: str, native: Native, bids: Rows, asks: Rows) -> None:
        """Exactly these levels; waits until a running router has them."""
        await self.control(venue, "PUT", f"books/{native}", {"bids": bids, "asks": asks})
        if self.instance is not None:
            await self.until(lambda: self.has(venue, native, bids, asks))

    def has(self, venue: str, native: Native, bids: Rows, asks: Rows) -> bool:
        """Whether the router's book of this listing is usable and has these levels."""
        assert self.instance is not None
        market = self.instance.market
        book = market.books.get((venue, native))
        if book is None or book.why_unusable(market.clock.monotonic_ms(), 5_000) is not None:
            return False
        wanted = [{micros(price): micros(size) for price, size in side} for side in (bids, asks)]
        return [dict(book.bids.levels), dict(book.asks.levels)] == wanted

    def outcome(self, name: str, *listings: tuple[str, Native, bool]) -> str:
        """An outcome on these listings (venue, native, inverted); its id."""
        outcome_id = OutcomeId(f"px-{name:a<12}")
        keys = tuple(ListingKey(*listing) for listing in listings)
        self.outcomes.append(Outcome(outcome_id=outcome_id, title=name, label="Yes", listings=keys))
        return outcome_id

    async def account(self, name: str, **wishes: Mapping[str, object]) -> None:
        """An account at the venues named, opened there as wished for."""
        self.accounts[name] = {}
        for venue, wish in wishes.items():
            opened = await self.control(venue, "POST", "accounts", wish)
            self.accounts[name][venue] = opened["credentials"]
            self.names[name, venue] = opened["account"]

    async def route(self, **venues: Mapping[str, object]) -> None:
        """Start the router; further settings of venues by name."""
        registry = self._folder / "registry.yaml"
        registry.write_text(dump(Registry(self.outcomes)))
        tables = {n: {"hosts": dict(s.hosts)} | dict(venues.get(n, {})) for n, s in self.servers.items()}
        tree: dict[str, object] = {
            "server": {"port": 0},
            "store": {"directory": str(self._folder / "data")},
            "registry": {"file": str(registry)},
            "controls": self.controls,
            "venues": tables,
            "keys": {
                k: {"sha256": digest(self.secret(k)), "accounts": o, **self._scoped(k)}
                for k, o in self.keys.items()
            },
            "accounts": {
                a: {"venues": list(c), "credentials": {} if self.sealed else c}
                for a, c in self.accounts.items()
            },
        }
        if self.sealed:
            tree["vault"] = {"master": f"file:{self._folder / 'master.key'}"}
            self.seal()
        self.instance = Instance(parse(tree, "scene", self.venues), self.venues, Redactor())
        await self.instance.start()
        router = self.instance.router
        await self.until(lambda: not router.waiting_for())

    def seal(self) -> None:
        """Make a vault with what the accounts have."""
        write(self._folder / "master.key", new_master_key())
        with closing(administer(self._folder / "data")) as connection:
            begin(connection, opener(f"file:{self._folder / 'master.key'}"), SystemClock().now_ms())
        for account, places in self.accounts.items():
            for venue, credentials in places.items():
                self.put(account, venue, credentials)

    def put(self, account: str, venue: str, credentials: Mapping[str, str]) -> None:
        """Keep these in the vault from now on."""
        with closing(administer(self._folder / "data")) as connection:
            vault = Vault(connection, opener(f"file:{self._folder / 'master.key'}"), Redactor())
            place = (AccountId(account), venue)
            vault.keep(vault.draft(place, self.venues[venue], credentials, SystemClock().now_ms()))

    def _scoped(self, key: str) -> dict[str, list[str]]:
        return {"scopes": self.scopes[key]} if key in self.scopes else {}

    async def native(
        self, method: str, path: str, body: object = None, *, key: str = "ops"
    ) -> tuple[int, Json]:
        """One call to the native surface: status and body."""
        assert self.instance is not None
        headers = {"x-api-key": self.secret(key)}
        url = f"{self.instance.url}{path}"
        async with self._session.request(method, url, json=body, headers=headers) as response:
            return response.status, msgspec.json.decode(await response.read())

    def secret(self, key: str) -> str:
        """The text of the key with this name."""
        return self._secrets.setdefault(key, new_key())

    async def order(
        self, outcome: str, *, account: str = "a", key: str = "k", **body: str
    ) -> tuple[int, Json]:
        """POST one order: status and body."""
        assert self.instance is not None
        url = f"{self.instance.url}/api/accounts/{account}/router/orders"
        headers = {"x-api-key": self.secret(key)}
        async with self._session.post(url, json={"predexonId": outcome} | body, headers=headers) as response:
            return response.status, msgspec.json.decode(await response.read())

    async def ledger(self, venue: str, account: str = "a") -> Json:
        """The venue's own books of an account."""
        return await self.control(venue, "GET", f"ledger?account={self.names[account, venue]}")

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(WAIT_S):
            while not true():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    """A scene with running venues."""
    async with aiohttp.ClientSession() as session:
        made = Scene(folder, session)
        try:
            await made.open()
            yield made
        finally:
            await made.close()
