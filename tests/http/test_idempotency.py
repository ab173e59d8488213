"""Repeats over real sockets: one execution per key, the first answer byte for byte, and what is refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import msgspec
import pytest

from router.core.model import Key
from router.core.records import Planned, Record, Replied
from router.http.app import Listener, make_app
from router.runtime.keys import ApiKey, KeyId, KeyRing, digest
from router.runtime.metrics import Metrics
from router.runtime.store.sqlite import SqliteStore
from tests.http.test_app import KEY, ORDER, Server, answer_of, refused, server
from tests.virtual_time import VirtualLoop
from tests.world import ACCOUNT, YES, World
from venues.base.units import ONE, Price, Size

__all__ = ["server"]

KEYED = "Idempotency-Key: order-1\r\n"
OTHER = ORDER.replace(b"5.00", b"6.00")


async def post(server: Server, body: bytes = ORDER, extra: str = KEYED) -> tuple[int, dict[str, str], bytes]:
    return answer_of(await server.say(server.post(body, extra=extra), wait_s=20))


def executed(server: Server) -> int:
    """Customers' orders at the venues."""
    simulators = server.world.simulators.values()
    return sum(o.account != "house" for s in simulators for o in s.exchange.orders.values())


def with_id(text: str) -> bytes:
    return msgspec.json.encode({"predexonId": YES, "side": "buy", "amount": "5.00", "clientOrderId": text})


async def test_a_repeat_is_told_the_first_answer_and_nothing_is_sent(server: Server) -> None:
    status, headers, body = await post(server)
    again_status, again, repeated = await post(server)
    assert (status, again_status, executed(server)) == (201, 201, 1)
    assert repeated == body
    assert "idempotent-replayed" not in headers
    assert again["idempotent-replayed"] == "true"
    assert again["content-type"] == headers["content-type"]
    assert again["x-request-id"] != headers["x-request-id"]
    assert refused(server) == {}


async def test_header_and_client_order_id_are_one_key(server: Server) -> None:
    _, _, first = await post(server)
    for body, extra in ((with_id("order-1"), ""), (with_id("order-1"), KEYED)):
        status, headers, repeated = await post(server, body, extra)
        assert (status, repeated, headers["idempotent-replayed"]) == (201, first, "true")
    assert executed(server) == 1


async def test_other_keys_are_other_orders(server: Server) -> None:
    answers = {(await post(server, with_id(text), ""))[2] for text in ("a", "A", "b")}
    assert (len(answers), executed(server)) == (3, 3)


async def test_a_key_belongs_to_its_order(server: Server) -> None:
    _, _, first = await post(server)
    status, headers, body = await post(server, OTHER)
    assert (status, msgspec.json.decode(body)["errorCode"]) == (422, "idempotency_key_reused")
    assert list(msgspec.json.decode(body)) == ["error", "errorCode"]
    assert "retry-after" not in headers
    assert (await post(server))[2] == first
    assert executed(server) == 1


async def test_the_same_order_in_other_words_is_a_repeat(server: Server) -> None:
    _, _, first = await post(server)
    words = b'{"amount": 5, "side":"buy" , "note":[1], "predexonId":"' + YES.encode() + b'"}'
    assert (await post(server, words))[::2] == (201, first)


async def test_a_repeat_of_an_order_under_way_is_told_which_and_when_to_ask_again(server: Server) -> None:
    server.world.network.latency_ms = 300
    first = asyncio.create_task(post(server))
    while not server.world.store.lines:
        await asyncio.sleep(0.005)
    status, headers, body = await post(server)
    told = msgspec.json.decode(body)
    other, _, refusal = await post(server, OTHER)
    done = await first
    assert (status, told["errorCode"], headers["retry-after"]) == (409, "in_progress", "1")
    assert told["routerOrderId"] == msgspec.json.decode(done[2])["routerOrderId"]
    assert (other, msgspec.json.decode(refusal)["errorCode"]) == (422, "idempotency_key_reused")
    assert (done[0], executed(server)) == (201, 1)
    assert (await post(server))[2] == done[2]


async def test_a_hundred_at_once_are_one_execution(server: Server) -> None:
    answers = await asyncio.gather(*(post(server) for _ in range(100)))
    bodies = {body for status, _, body in answers if status == 201}
    assert {status for status, _, _ in answers} <= {201, 409}
    assert (len(bodies), executed(server)) == (1, 1)
    assert (await post(server))[2] in bodies


@pytest.mark.parametrize("cancelling", [False, True])
async def test_a_caller_who_hangs_up_is_told_when_he_asks_again(server: Server, cancelling: bool) -> None:
    web = server.listener._runner.server
    assert web is not None
    web.handler_cancellation = cancelling
    server.world.network.latency_ms = 50
    _, writer = await server.connect()
    writer.write(server.post(extra=KEYED))
    await writer.drain()
    while not server.world.store.lines:
        await asyncio.sleep(0.005)
    writer.transport.abort()
    status, body = 409, b""
    while status == 409:
        status, _, body = await post(server)
    assert (status, executed(server)) == (201, 1)
    assert (await post(server))[2] == body


@pytest.mark.parametrize(
    ("body", "extra", "field"),
    [
        (ORDER, "Idempotency-Key: \r\n", "idempotency-key: must be 1 to 255"),
        (ORDER, f"Idempotency-Key: {'k' * 256}\r\n", "idempotency-key: must be 1 to 255"),
        (ORDER, "Idempotency-Key: a b\r\n", "idempotency-key: must be 1 to 255"),
        (ORDER, "Idempotency-Key: \u00e9\r\n", "idempotency-key: must be 1 to 255"),
        (ORDER, KEYED + KEYED, "idempotency-key: given more than once"),
        (with_id("order-2"), KEYED, "clientOrderId: must equal"),
        (with_id(""), "", "clientOrderId: must be 1 to 255"),
    ],
)
async def test_what_is_no_key_is_refused_before_anything_is_done(
    server: Server, body: bytes, extra: str, field: str
) -> None:
    status, _, told = await post(server, body, extra)
    assert (status, msgspec.json.decode(told)["errorCode"]) == (400, "parse_error")
    assert msgspec.json.decode(told)["error"].startswith(field)
    assert server.world.store.lines == []


async def test_a_refusal_does_not_use_the_key_up(server: Server) -> None:
    dear = ORDER.replace(b"5.00", b"9000")
    for _ in range(2):
        status, headers, body = await post(server, dear)
        assert (status, msgspec.json.decode(body)["errorCode"]) == (400, "insufficient_balance")
        assert "idempotent-replayed" not in headers
    assert (await post(server))[0] == 201
    assert executed(server) == 1


async def test_a_failure_that_was_sent_is_the_answer_too(server: Server) -> None:
    server.world.network.misdeed = lambda _venue, request: (
        "refused" if request.purpose.value == "order" else ""
    )
    status, _, first = await post(server)
    server.world.network.misdeed = lambda _venue, _request: ""
    assert (status, msgspec.json.decode(first)["errorCode"]) == (502, "all_venues_failed")
    again, headers, repeated = await post(server)
    assert (again, repeated, headers["idempotent-replayed"]) == (502, first, "true")
    assert executed(server) == 0


async def test_the_answer_is_on_the_disk_before_it_is_told(server: Server) -> None:
    _, _, body = await post(server)
    kept = await server.world.store.keyed(ACCOUNT, Key("router/orders", "order-1"))
    assert kept is not None
    assert kept.reply is not None
    assert (kept.reply.status, kept.reply.body.encode()) == (201, body)


@pytest.mark.slow
async def test_an_answer_that_the_disk_does_not_take_is_told_and_told_again(server: Server) -> None:
    down = True

    def misdeed(record: Record) -> str:
        return "down" if down and isinstance(record, Replied) else ""

    server.world.store.misdeed = misdeed
    status, _, first = await post(server)
    assert (status, (await post(server))[2]) == (201, first)
    assert server.world.store._replies == {}
    down = False
    async with asyncio.timeout(5):
        while not server.world.store._replies:
            await asyncio.sleep(0.02)
    assert ((await post(server))[2], executed(server)) == (first, 1)


@pytest.mark.slow
async def test_an_order_that_could_not_be_recorded_can_be_sent_again_under_its_key(server: Server) -> None:
    server.world.store.misdeed = lambda record: "unsure" if isinstance(record, Planned) else ""
    for _ in range(2):
        status, _, body = await post(server)
        assert (status, msgspec.json.decode(body)["errorCode"]) == (503, "store_unavailable")
    server.world.store.misdeed = lambda _record: ""
    async with asyncio.timeout(5):
        while (answer := await post(server))[0] == 503:
            await asyncio.sleep(0.05)
    assert (answer[0], executed(server)) == (201, 1)
    assert (await post(server))[2] == answer[2]


async def test_a_twin_without_a_key_is_refused_while_the_first_is_under_way(server: Server) -> None:
    server.router._once._claims._duplicate_ms = 2_000
    server.world.network.latency_ms = 100
    twins = await asyncio.gather(*(post(server, extra="") for _ in range(5)))
    assert sorted(status for status, _, _ in twins) == [201, 409, 409, 409, 409]
    assert {h.get("retry-after") for status, h, _ in twins if status == 409} == {"1"}
    assert (await post(server, extra=""))[0] == 201
    assert executed(server) == 2


@asynccontextmanager
async def serving(world: World, directory: Path) -> AsyncIterator[Server]:
    """A router on this disk; when it ends nothing of it is left in memory."""
    store, metrics = SqliteStore(directory, Metrics()), Metrics()
    await store.open()
    world.store = store  # type: ignore[assignment]  # the real disk
    router = await world.start()
    partner = ApiKey(name=KeyId("partner"), sha256=digest(KEY), accounts=frozenset({ACCOUNT}))
    keys = KeyRing([partner], world.clock.now_ms)
    listener = Listener(make_app(router, keys, metrics), metrics)
    await listener.start("127.0.0.1", 0)
    try:
        yield Server(world, router, listener, metrics=metrics)
    finally:
        await router.stop(100)
        await listener.stop()
        await store.close()


@pytest.mark.slow
async def test_on_a_real_disk_a_key_outlives_the_router(tmp_path: Path) -> None:
    world = World(cast("VirtualLoop", asyncio.get_running_loop()), 1)
    name = min(world.natives)
    asks = [(Price(440_000), Size(1_000 * ONE))]
    async with serving(world, tmp_path) as server:
        world.simulators[name].exchange.set_book(world.natives[name][0], [], asks, world.clock.now_ms())
        world.pump()
        answers = await asyncio.gather(*(post(server) for _ in range(20)))
        bodies = {body for status, _, body in answers if status == 201}
        assert {status for status, _, _ in answers} <= {201, 409}
    for _ in range(2):
        async with serving(world, tmp_path) as server:
            status, headers, body = await post(server)
            assert (status, headers["idempotent-replayed"], {body}) == (201, "true", bodies)
            assert (await post(server, OTHER))[0] == 422
    assert executed(server) == 1
