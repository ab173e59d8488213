"""A running demo: every venue simulated, a router, and a caller."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from router.cli.demo import Demo, DemoFacts
from router.core.model import AccountId
from router.runtime.logs import Redactor
from venues import discover
from venues.base.listing import Native

Json = dict[str, Any]


class Running:
    """The demo and the calls a test makes."""

    def __init__(self, demo: Demo, facts: DemoFacts, session: aiohttp.ClientSession) -> None:
        self.demo, self.facts, self.session = demo, facts, session
        self.outcome = facts.outcomes[0].predexon_id

    async def order(self, **body: str) -> tuple[int, Json, "aiohttp.ClientResponse"]:
        """POST an order as the demo account; status, body, response."""
        asked = {"predexonId": self.outcome} | body
        return await self.post(msgspec.json.encode(asked))

    async def post(
        self, body: bytes, *, account: str | None = None, **headers: str
    ) -> tuple[int, Json, "aiohttp.ClientResponse"]:
        """POST bytes to the order route; a header given as "" is left out."""
        url = f"{self.facts.base_url}/api/accounts/{account or self.facts.account_id}/router/orders"
        sent = {"x-api-key": self.facts.api_key, "content-type": "application/json"} | {
            k.replace("_", "-"): v for k, v in headers.items()
        }
        kept = {name: value for name, value in sent.items() if value}
        async with self.session.post(url, data=body, headers=kept) as response:
            return response.status, msgspec.json.decode(await response.read()), response

    async def faults(self, venue: str, *rules: Json) -> None:
        """Put these faults in force at a venue, and no others."""
        url = f"{self.facts.venues[venue].control}/faults"
        async with self.session.put(url, json=list(rules)) as response:
            assert response.status == 200, await response.text()

    async def ledger(self, venue: str) -> Json:
        """A venue's own books of its customers."""
        async with self.session.get(f"{self.facts.venues[venue].control}/ledger") as response:
            return msgspec.json.decode(await response.read())  # type: ignore[no-any-return]  # the venue's JSON

    def shorten_answers(self, answer_ms: int) -> None:
        """Let callers be answered after this time."""
        assert self.demo.instance is not None
        self.demo.instance.router.answer_ms = answer_ms

    def without_asks(self, venue: str, native: Native) -> bool:
        """Whether the router knows that a book has no asks."""
        assert self.demo.instance is not None
        return self.demo.instance.market.books[venue, native].best_ask() is None

    def held(self, venue: str) -> int:
        """Cash held back for orders of the demo account at a venue."""
        assert self.demo.instance is not None
        orders = self.demo.instance.tools.ledger.open(AccountId(self.facts.account_id))
        return sum(order.cash + order.reserve for order in orders if order.listing.venue == venue)

    async def stop_venue(self, venue: str) -> None:
        """The venue goes down: its port is closed."""
        await self.demo.servers[venue].stop()

    async def until(self, true: Callable[[], bool], wait_s: float = 5) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(wait_s):
            while not true():
                await asyncio.sleep(0.01)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    """The demo, started and stopped around a test."""
    demo = Demo(discover(), tmp_path, Redactor(), seed=7, port=0)
    try:
        facts = await demo.start()
        async with aiohttp.ClientSession() as session:
            yield Running(demo, facts, session)
    finally:
        await demo.stop()
