"""The two servers that `benchmarks.http` compares, each a process of its own.

    python -m benchmarks.http_servers router HOSTS FOLDER     the router, as `crossbook serve` runs it
    python -m benchmarks.http_servers bare HOSTS ANSWERS      what no router can do without, and nothing else
    python -m benchmarks.http_servers durable HOSTS ANSWERS   the same with its intents on the disk: the store
        of the router keeps each before its orders leave, and what came of them before the caller is told;
        orders leave over the router's own connections, which cost less than aiohttp's client

HOSTS is what the stand-in venue printed. Each prints one JSON line when it listens and serves until killed.
"""

import asyncio
import json
import sys
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec
import uvloop
from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web

from benchmarks.processes import FOLDER, SERVER_CPU, pin
from benchmarks.stand_in import NAMES, Done, Placed, venue
from benchmarks.store import intent
from registry.index import Registry
from registry.model import Outcome, OutcomeId
from registry.text import dump
from router.assembly import Instance
from router.cli.client import wait_until_ready
from router.cli.serve import settle_memory
from router.config import parse
from router.core.records import Answered, Finished
from router.runtime.aside import Aside
from router.runtime.clock import SystemClock
from router.runtime.http1 import IDLE_MAX, Base, Lines
from router.runtime.keys import digest, new_key
from router.runtime.logs import Redactor, configure
from router.runtime.metrics import Metrics
from router.runtime.store.protocol import Store
from router.runtime.store.sqlite import SqliteStore
from venues.base.http import Purpose, Request
from venues.base.listing import ListingKey, Native
from venues.base.orders import Fee, Filled
from venues.base.units import Cash, Size

ACCOUNTS = 64
"""An account's routes queue up behind each other: with as many as connections none waits."""
READY_MS_MAX = 20_000
CONTROLS: Mapping[str, object] = {
    "order_usd": "1000000000",
    "minute_usd": "1000000000",
    "open_usd": "1000000000",
    "depth_percent": 100,
    "orders_per_second": 100_000,
    "total_per_second": 100_000,
}
"""Every control is asked, none binds: more load is measured than the defaults let in."""
OUTCOMES = {1: OutcomeId("px-benchmarkone"), 6: OutcomeId("px-benchmarksix")}
"""By the number of venues that list it."""
HEADERS = {"Content-Type": "application/json", "X-Time": "0" * 13, "X-Signature": "0" * 64}
"""As many as the router's orders carry."""


async def router(hosts: Mapping[str, str], folder: Path) -> None:
    """A whole router on its own settings: SQLite on the disk, info logs, balances read as they age."""
    key, names = new_key(), [f"acct-{number}" for number in range(ACCOUNTS)]
    registry = Registry(
        Outcome(
            outcome_id=outcome_id,
            title="Benchmark",
            label="Yes",
            listings=tuple(ListingKey(name, Native(f"BOOK-{legs}"), False) for name in NAMES[:legs]),
        )
        for legs, outcome_id in OUTCOMES.items()
    )
    (folder / "registry.yaml").write_text(dump(registry))
    accounts = {
        account: {"venues": NAMES, "credentials": {name: {"secret": str(uuid.uuid4())} for name in NAMES}}
        for account in names
    }
    tree: dict[str, object] = {
        "server": {"port": 0},
        "store": {"directory": str(folder / "data")},
        "registry": {"file": str(folder / "registry.yaml")},
        "venues": {
            name: {"hosts": {"rest": hosts["rest"], "socket": f"{hosts['socket']}/{name}"}} for name in NAMES
        },
        "keys": {"benchmark": {"sha256": digest(key), "accounts": names}},
        "accounts": accounts,
        "controls": dict(CONTROLS),
    }
    venues = {name: venue(name) for name in NAMES}
    redactor = Redactor()
    configure(redactor, level="info", stream=Aside(sys.stderr.fileno()))
    instance = Instance(parse(json.loads(json.dumps(tree)), "benchmark", venues), venues, redactor)
    await instance.start()
    await wait_until_ready(instance.url, READY_MS_MAX)
    settle_memory()
    print(json.dumps({"port": instance.listener.port, "key": key, "accounts": names}), flush=True)
    await asyncio.Event().wait()


class Asked(msgspec.Struct, rename="camel"):
    """The caller's body."""

    predexon_id: str
    side: str
    amount: str


async def bare(hosts: Mapping[str, str], answers: Mapping[str, object]) -> None:
    """Decode the same body, post as many orders at once, decode the replies, encode an equal answer."""
    session = ClientSession(connector=TCPConnector(limit=0), cookie_jar=DummyCookieJar())

    async def post(body: bytes) -> bytes:
        async with session.post(f"{hosts['rest']}/orders", data=body, headers=HEADERS) as response:
            return await response.read()

    await _serve({legs: _sender(post, legs) for legs in OUTCOMES}, answers)


async def durable(hosts: Mapping[str, str], answers: Mapping[str, object], folder: Path) -> None:
    """The same, on a store in this folder and over the router's own connections."""
    store, clock, lines, base = (
        SqliteStore(folder, Metrics()),
        SystemClock(),
        Lines(None),
        Base(hosts["rest"]),
    )
    await store.open()

    room = asyncio.Semaphore(IDLE_MAX)
    """For as many at once as are kept: else hundreds would be opened and closed all the time."""

    async def post(body: bytes) -> bytes:
        request = Request(method="POST", path="/orders", purpose=Purpose.ORDER, body=body, headers=HEADERS)
        async with room:
            line = lines.idle(base.origin, clock.monotonic_ms()) or await lines.connect(base.origin)
            reply = await line.ask(base.render(request))
            lines.keep(base.origin, line, clock.monotonic_ms())
        return reply.body

    acts = {legs: partial(_kept, store, clock, send=_sender(post, legs), legs=legs) for legs in OUTCOMES}
    await _serve(acts, answers)


async def _serve(acts: Mapping[int, Callable[[], Awaitable[object]]], answers: Mapping[str, object]) -> None:
    app = web.Application()
    for legs, act in acts.items():
        app.router.add_post(f"/{legs}", _handler(act, answers[str(legs)]))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    assert runner.server is not None
    server = await asyncio.get_running_loop().create_server(runner.server, "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await asyncio.Event().wait()


def _handler(
    act: Callable[[], Awaitable[object]], answer: object
) -> Callable[[web.Request], Awaitable[web.Response]]:
    asked, encode = msgspec.json.Decoder(Asked), msgspec.json.Encoder().encode

    async def handle(request: web.Request) -> web.Response:
        asked.decode(await request.read())
        await act()
        return web.Response(status=201, body=encode(answer), content_type="application/json")

    return handle


def _sender(post: Callable[[bytes], Awaitable[bytes]], legs: int) -> Callable[[], Awaitable[Sequence[Done]]]:
    done, encode = msgspec.json.Decoder(Done), msgspec.json.Encoder().encode

    async def place() -> Done:
        placed = Placed(
            str(uuid.uuid4()), "BOOK-1", "buy", price=410_000, size=20_000_000, cash=8_200_000, salt=1
        )
        return done.decode(await post(encode(placed)))

    async def send() -> Sequence[Done]:
        return [await place()] if legs == 1 else await asyncio.gather(*(place() for _ in range(legs)))

    return send


async def _kept(
    store: Store, clock: SystemClock, *, send: Callable[[], Awaitable[Sequence[Done]]], legs: int
) -> None:
    """Send with the intent on the disk before and the answers after."""
    planned = intent(clock, legs)
    await store.append(planned)
    replies, now_ms = await send(), clock.now_ms()
    answers = [
        Answered(
            route_id=planned.route_id,
            answer=Filled(
                order.order_id, done.order_id, Size(done.size), Cash(done.cash), Fee(done.fee, "USD")
            ),
            at_ms=now_ms,
        )
        for order, done in zip(planned.orders, replies, strict=True)
    ]
    await store.append(*answers, Finished(route_id=planned.route_id, at_ms=now_ms))


def main(arguments: Sequence[str]) -> None:
    """Which server, where the venue is, and its own argument."""
    kind, hosts, rest = arguments
    pin(SERVER_CPU)
    if kind == "router":
        uvloop.run(router(json.loads(hosts), Path(rest)))
    elif kind == "bare":
        uvloop.run(bare(json.loads(hosts), json.loads(rest)))
    else:
        with tempfile.TemporaryDirectory(prefix="bench-durable-", dir=FOLDER) as folder:
            uvloop.run(durable(json.loads(hosts), json.loads(rest), Path(folder)))


if __name__ == "__main__":
    main(sys.argv[1:])
