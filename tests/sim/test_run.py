"""`crossbook sim`: every venue there is, each on its port, with what a client needs in one line."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest

from router.cli.sim import BALANCE, TITLES, run_simulators
from router.config import ConfigError
from venues import discover
from venues.sim.server import MAKER_TICKS, TICK_MS

NOW = 1_795_183_200_000


@asynccontextmanager
async def running(names: Sequence[str] = (), port: int | None = None) -> AsyncIterator[list[Any]]:
    lines: list[Any] = []
    stop = asyncio.Event()

    def emit(line: str) -> None:
        lines.append(msgspec.json.decode(line))

    work = run_simulators(names, port=port, seed=1, emit=emit, clock=lambda: NOW, stop=stop)
    task = asyncio.create_task(work)
    while len(lines) < len(set(names) or discover()) and not task.done():
        await asyncio.sleep(0.01)
    try:
        yield lines
    finally:
        stop.set()
        await task


async def asked(client: aiohttp.ClientSession, url: str) -> Any:
    async with client.get(url) as reply:
        assert reply.status == 200
        return await reply.json()


@pytest.mark.slow
async def test_each_venue_has_live_books_and_a_funded_account() -> None:
    async with running() as lines, aiohttp.ClientSession() as client:
        assert [line["venue"] for line in lines] == sorted(discover())
        first = [await books(client, line) for line in lines]
        await asyncio.sleep(6 * MAKER_TICKS * TICK_MS / 1000)
        second = [await books(client, line) for line in lines]
        for line, before, after in zip(lines, first, second, strict=True):
            assert before != after, "the books do not move"
            assert all(book["bids"] and book["asks"] for book in before)
            assert {listing["title"] for listing in line["listings"]} >= set(TITLES)
            venue = discover()[line["venue"]]
            required = {secret.name for secret in venue.secrets if secret.required}
            assert required <= set(line["credentials"])
            venue.signer(line["credentials"])
            ledger = await asked(client, f"{line['control']}/ledger")
            assert BALANCE in [account["balance"] for account in ledger["accounts"]]


async def books(client: aiohttp.ClientSession, line: Any) -> list[Any]:
    return [await asked(client, f"{line['control']}/books/{each['native']}") for each in line["listings"]]


async def test_a_port_is_the_first_of_consecutive_ones_and_a_name_chooses() -> None:
    name = max(discover())
    async with running() as [free, *_]:
        port = int(free["control"].split(":")[2].split("/")[0])
    async with running([name, name], port) as lines:
        assert [line["venue"] for line in lines] == [name]
        assert lines[0]["control"] == f"http://127.0.0.1:{port}/_sim"
        with pytest.raises(OSError, match="address already in use"):
            async with running([name], port):
                pass


@pytest.mark.parametrize(("names", "port"), [(1, 65_536), (1, 99_999), (1, -1), (2, 65_535)])
async def test_a_port_that_there_is_not_is_refused_and_not_wrapped(names: int, port: int) -> None:
    chosen = sorted(discover())[:names]
    with pytest.raises(ConfigError, match="--port: "):
        await run_simulators(chosen, port=port, seed=1, emit=print, clock=lambda: NOW, stop=asyncio.Event())


async def test_an_unknown_venue_is_named_together_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="no venue called nowhere; there are"):
        await run_simulators(
            ["nowhere"], port=None, seed=1, emit=print, clock=lambda: NOW, stop=asyncio.Event()
        )
