"""What the transport does for a venue in trouble, over real sockets: it waits, signs anew, or holds back."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate

import pytest
from msgspec import structs

from router.runtime import transport as module
from router.runtime.clock import SystemClock
from router.runtime.metrics import Metrics
from router.runtime.transport import Transport
from tests.runtime.acme import AcmeSigner, acme
from tests.runtime.misbehaving import Peer, reply, rude
from venues.base.contract import Pace
from venues.base.http import Purpose, Request, Response, Silence

AHEAD_MS = 300_000
READ = Request(method="GET", path="/balance", purpose=Purpose.ACCOUNT, private=True)
ORDER = Request(method="POST", path="/orders", purpose=Purpose.ORDER, private=True, body=b"{}")
CANCEL = Request(method="DELETE", path="/orders/1", purpose=Purpose.ORDER, private=True)


@asynccontextmanager
async def door(metrics: Metrics | None = None) -> AsyncIterator[Transport]:
    transport = Transport(SystemClock(), metrics or Metrics())
    await transport.start()
    try:
        yield transport
    finally:
        await transport.close()


def signed_ms(request: bytes) -> int:
    found = re.search(rb"x-signed: (\d+)", request, re.IGNORECASE)
    assert found
    return int(found[1])


async def strict_about_time(peer: Peer) -> None:
    """A venue whose clock is five minutes ahead, and who takes a signature for ten seconds."""
    while True:
        request = await peer.request()
        now_ms = SystemClock().now_ms() + AHEAD_MS
        date = f"Date: {formatdate(now_ms // 1_000, usegmt=True)}"
        fresh = abs(signed_ms(request) - now_ms) <= 10_000
        await peer.say(reply(b"{}", "200 OK" if fresh else "401 Unauthorized", date))


async def test_a_read_that_was_refused_for_its_time_is_signed_anew_and_sent_once_more() -> None:
    metrics = Metrics()
    async with rude(strict_about_time) as server, door(metrics) as transport:
        venue = acme(server.url)
        first = await transport.send(venue, READ, signer=AcmeSigner(), deadline_ms=2_000)
        second = await transport.send(venue, READ, signer=AcmeSigner(), deadline_ms=2_000)
    assert isinstance(first, Response)
    assert isinstance(second, Response)
    assert (first.status, second.status, len(server.requests)) == (200, 200, 3)
    labels = {"venue": "acme", "reason": "clock"}
    assert metrics.registry.get_sample_value("crossbook_transport_repeats_total", labels) == 1


async def test_an_order_that_was_refused_for_its_time_is_not_sent_again_but_the_next_one_is_right() -> None:
    async with rude(strict_about_time) as server, door() as transport:
        venue, statuses = acme(server.url), []
        for _ in range(2):
            found = await transport.send(venue, ORDER, signer=AcmeSigner(), deadline_ms=2_000)
            assert isinstance(found, Response)
            statuses.append(found.status)
        assert (statuses, len(server.requests)) == ([401, 200], 2)


async def test_a_401_that_has_nothing_to_do_with_time_is_not_repeated() -> None:
    async def refuses(peer: Peer) -> None:
        while True:
            await peer.request()
            date = formatdate(SystemClock().now_ms() // 1_000, usegmt=True)
            await peer.say(reply(b"{}", "401 Unauthorized", f"Date: {date}"))

    async with rude(refuses) as server, door() as transport:
        await transport.send(acme(server.url), READ, signer=AcmeSigner(), deadline_ms=2_000)
        assert len(server.requests) == 1


async def test_a_venue_that_lies_about_the_time_is_asked_again_for_a_tenth_of_the_reads_at_most() -> None:
    """Its clock jumps with every reply, so that every read looks as if it were refused for its time."""
    jumps = iter(range(10_000))

    async def lies(peer: Peer) -> None:
        while True:
            await peer.request()
            date = formatdate(SystemClock().now_ms() // 1_000 + 100 * next(jumps) + 100, usegmt=True)
            await peer.say(reply(b"{}", "401 Unauthorized", f"Date: {date}"))

    async with rude(lies) as server, door() as transport:
        for _ in range(100):
            await transport.send(acme(server.url), READ, signer=AcmeSigner(), deadline_ms=2_000)
        assert len(server.requests) <= 100 + 1 + 11


async def test_an_open_breaker_keeps_bytes_from_the_venue_but_for_what_is_urgent() -> None:
    async def fails(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.say(reply(b"{}", "500 Internal Server Error"))

    async with rude(fails) as server, door() as transport:
        venue = acme(server.url)
        found = [await transport.send(venue, ORDER, signer=AcmeSigner(), deadline_ms=2_000) for _ in range(9)]
        assert found[5:] == [Silence("breaker", sent=False)] * 4
        assert len(server.requests) == 5
        await transport.send(venue, CANCEL, signer=AcmeSigner(), deadline_ms=2_000, urgent=True)
        assert len(server.requests) == 6


async def test_a_cancel_goes_while_orders_fill_every_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IN_FLIGHT_MAX", 3)
    monkeypatch.setattr(module, "WAITING_MAX", 2)
    release = asyncio.Event()

    async def holds_orders(peer: Peer) -> None:
        while True:
            if (await peer.request()).startswith(b"POST"):
                await release.wait()
            await peer.say(reply())

    async with rude(holds_orders) as server, door() as transport:
        venue, signer = acme(server.url), AcmeSigner()
        flood = [
            asyncio.create_task(transport.send(venue, ORDER, signer=signer, deadline_ms=9_000))
            for _ in range(50)
        ]
        while sum(task.done() for task in flood) < 45:  # what finds no room is told at once
            await asyncio.sleep(0.01)
        assert all(task.result() == Silence("busy", sent=False) for task in flood if task.done())
        cancelled = await transport.send(venue, CANCEL, signer=signer, deadline_ms=9_000, urgent=True)
        assert isinstance(cancelled, Response)
        assert sum(task.done() for task in flood) == 45
        release.set()
        replies = await asyncio.gather(*flood)
        assert sum(isinstance(each, Response) for each in replies) == 5


@pytest.mark.parametrize("urgent", [False, True])
async def test_what_is_urgent_waits_for_the_pace_where_an_order_gives_up(urgent: bool) -> None:
    async def answers(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.say(reply())

    async with rude(answers) as server, door() as transport:
        card = acme(server.url)
        slow = (Pace((Purpose.ORDER,), 1, 800),)
        venue = structs.replace(card, limits=structs.replace(card.limits, paces=slow))
        signer = AcmeSigner()
        await transport.send(venue, ORDER, signer=signer, deadline_ms=5_000)
        found = await transport.send(venue, CANCEL, signer=signer, deadline_ms=5_000, urgent=urgent)
        assert isinstance(found, Response) if urgent else found == Silence("paced", sent=False)
