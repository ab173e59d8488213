"""The simulators' server over real sockets: what each fault does to a client, and what the venue did."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from yarl import URL

from tests.sim.acme import AcmeSimulator, book_after
from venues.sim import server as server_module
from venues.sim.server import SimServer

NOW = 1_795_183_200_000
BOOK = {"bids": [["0.4", "100"]], "asks": [["0.6", "100"], ["0.61", "50"]]}
ORDER = {"id": "o1", "market": "M", "side": "buy", "price": "0.6", "size": "10"}


class Bench:
    """A server with one market, one account and a client."""

    def __init__(self, server: SimServer, client: aiohttp.ClientSession) -> None:
        self.server, self.client = server, client
        self.sim: AcmeSimulator = server.simulator  # type: ignore[assignment]  # made below

    async def control(self, method: str, path: str, wish: object = None) -> Any:
        body = None if wish is None else msgspec.json.encode(wish)
        async with self.client.request(method, f"{self.server.origin}/_sim/{path}", data=body) as reply:
            return reply.status, await reply.json()

    async def faults(self, *rules: dict[str, object]) -> None:
        assert (await self.control("PUT", "faults", list(rules)))[0] == 200

    async def order(self, order_id: str = "o1", timeout_s: float = 5) -> tuple[int, bytes]:
        body = msgspec.json.encode(ORDER | {"id": order_id})
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        url = f"{self.server.origin}/v1/orders"
        async with self.client.post(url, data=body, headers={"x-key": "ann"}, timeout=timeout) as reply:
            return reply.status, await reply.read()

    async def executed(self) -> list[str]:
        return [fill["order_id"] for fill in (await self.control("GET", "ledger"))[1]["fills"]]

    def stream(self) -> Any:
        return self.client.ws_connect(self.server.hosts["socket"], autoping=False)


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    sim = AcmeSimulator()
    sim.ping_ms = None
    async with SimServer(sim, clock=lambda: NOW, seed=1) as server, aiohttp.ClientSession() as client:
        bench = Bench(server, client)
        assert (await bench.control("POST", "markets", {"name": "M"}))[0] == 200
        assert (await bench.control("PUT", "books/M", BOOK))[0] == 200
        wish = {"balance": "1000", "credentials": {"key": "ann"}}
        assert (await bench.control("POST", "accounts", wish))[0] == 200
        yield bench
        sim.exchange.audit()


async def heard(stream: aiohttp.ClientWebSocketResponse, count: int) -> list[Any]:
    return [msgspec.json.decode((await stream.receive(timeout=3)).data) for _ in range(count)]


async def quiet(stream: aiohttp.ClientWebSocketResponse) -> object:
    try:
        return await stream.receive(timeout=0.3)
    except TimeoutError as silence:
        return silence


async def test_a_call_reaches_the_venue_as_it_was_sent(bench: Bench) -> None:
    url = f"{bench.server.origin}/v1/a%2Fb?x=1&x=2&y=a%20b&z="
    async with bench.client.put(URL(url, encoded=True), data=b"{}", headers={"X-Key": "k"}) as reply:
        assert reply.status == 404
    call = bench.sim.calls[-1]
    assert (call.method, call.path, call.body) == ("PUT", "/v1/a%2Fb", b"{}")
    assert call.query == {"x": "1,2", "y": "a b", "z": ""}
    assert call.query_text == "x=1&x=2&y=a%20b&z="
    assert call.headers["x-key"] == "k"


async def test_an_order_is_executed_and_stands_in_the_ledger(bench: Bench) -> None:
    assert await bench.order() == (201, b'{"filled":"10","fee":"0.06"}')
    [account] = (await bench.control("GET", "ledger?account=ann"))[1]["accounts"]
    assert account == {
        "account": "ann",
        "balance": "993.94",
        "reserved": "0",
        "positions": {"M": "10"},
    }


@pytest.mark.parametrize(
    ("rule", "executed"),
    [
        ({"fault": "disconnect"}, []),
        ({"fault": "disconnect", "when": "after"}, ["o1"]),
        ({"fault": "lost", "delay_ms": 50}, []),
        ({"fault": "lost", "when": "after", "delay_ms": 50}, ["o1"]),
        ({"fault": "executed_then_lost", "delay_ms": 50}, ["o1"]),
    ],
)
async def test_no_byte_comes_back_and_only_the_ledger_knows(
    bench: Bench, rule: dict[str, object], executed: list[str]
) -> None:
    await bench.faults(rule | {"call": "POST /v1/orders$"})
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await bench.order()
    assert await bench.executed() == executed


@pytest.mark.parametrize(
    ("rule", "status", "executed"),
    [
        ({"fault": "error5xx"}, 503, []),
        ({"fault": "error5xx", "status": 500, "when": "after"}, 500, ["o1"]),
        ({"fault": "refused"}, 429, []),
        ({"fault": "refused", "status": 400, "body": "no"}, 400, []),
    ],
)
async def test_a_canned_reply_says_nothing_of_what_the_venue_did(
    bench: Bench, rule: dict[str, object], status: int, executed: list[str]
) -> None:
    await bench.faults(rule | {"call": "POST"})
    reply = await bench.order()
    assert reply[0] == status
    assert reply[1] == b"no" or b"by a fault rule" in reply[1]
    assert await bench.executed() == executed


async def test_a_lost_call_keeps_its_client_waiting(bench: Bench) -> None:
    await bench.faults({"fault": "lost", "call": "POST"})
    with pytest.raises(TimeoutError):
        await bench.order(timeout_s=0.1)
    assert await bench.executed() == []


async def test_a_late_call_is_executed_although_its_client_gave_up(bench: Bench) -> None:
    await bench.faults({"fault": "late", "call": "POST", "when": "before", "delay_ms": 200})
    with pytest.raises(TimeoutError):
        await bench.order(timeout_s=0.05)
    assert await bench.executed() == []
    await asyncio.sleep(0.3)
    assert await bench.executed() == ["o1"]


async def test_a_late_answer_is_to_a_call_already_executed(bench: Bench) -> None:
    await bench.faults({"fault": "late", "call": "POST", "delay_ms": 150})
    before = time.monotonic()
    waiting = asyncio.create_task(bench.order())
    await asyncio.sleep(0.05)
    assert await bench.executed() == ["o1"]
    assert (await waiting)[0] == 201
    assert time.monotonic() - before >= 0.15


async def test_a_doubled_order_gets_the_answer_to_its_repeat(bench: Bench) -> None:
    await bench.faults({"fault": "doubled", "call": "POST"})
    assert await bench.order() == (409, b'{"error":"repeated"}')
    assert await bench.executed() == ["o1"]


async def test_a_reordered_call_is_processed_after_the_next(bench: Bench) -> None:
    await bench.faults({"fault": "reordered", "call": "POST", "times": 1, "delay_ms": 60_000})
    first = asyncio.create_task(bench.order("first"))
    await asyncio.sleep(0.05)
    await bench.order("second")
    assert (await first)[0] == 201
    assert await bench.executed() == ["second", "first"]


async def test_a_reordered_call_without_a_next_one_only_waits(bench: Bench) -> None:
    await bench.faults({"fault": "reordered", "call": "POST", "delay_ms": 50})
    assert (await bench.order())[0] == 201


async def test_a_garbled_answer_is_unreadable_and_the_order_executed(bench: Bench) -> None:
    await bench.faults({"fault": "garbled", "call": "POST"})
    status, body = await bench.order()
    assert status == 201
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(body)
    assert await bench.executed() == ["o1"]


async def test_the_feed_follows_every_change_of_the_book(bench: Bench) -> None:
    async with bench.stream() as stream:
        await stream.send_str('{"subscribe":"M"}')
        frames = await heard(stream, 1)
        await bench.order()
        frames += await heard(stream, 1)
        await bench.control("PUT", "books/M", {"bids": [], "asks": [["0.7", "5"]]})
        frames += await heard(stream, 4)
    assert book_after(frames) == {"bid": {}, "ask": {"0.7": "5"}}


@pytest.mark.parametrize(
    ("rule", "sequence"),
    [
        ({"fault": "lost", "times": 1, "skip": 1}, [0, 2, 3, 4]),
        ({"fault": "doubled", "times": 1, "skip": 1}, [0, 1, 1, 2, 3, 4]),
        ({"fault": "reordered", "times": 1, "skip": 1}, [0, 2, 1, 3, 4]),
        ({"fault": "reordered"}, [1, 0, 3, 2, 4]),
        ({"fault": "late", "delay_ms": 20}, [0, 1, 2, 3, 4]),
    ],
)
async def test_frames_are_lost_doubled_swapped_and_held_up(
    bench: Bench, rule: dict[str, object], sequence: list[int]
) -> None:
    await bench.faults(rule | {"call": "ws "} | ({"delay_ms": 300} if rule["fault"] == "reordered" else {}))
    async with bench.stream() as stream:
        await stream.send_str('{"subscribe":"M"}')
        for number in range(4):
            await bench.order(f"o{number}")
        assert [frame["seq"] for frame in await heard(stream, len(sequence))] == sequence


async def test_a_garbled_frame_is_unreadable_and_the_next_one_is_not(bench: Bench) -> None:
    await bench.faults({"fault": "garbled", "call": "ws", "times": 1})
    async with bench.stream() as stream:
        await stream.send_str('{"subscribe":"M"}')
        with pytest.raises(msgspec.DecodeError):
            await heard(stream, 1)
        await stream.send_str('{"subscribe":"M"}')
        assert (await heard(stream, 1))[0]["type"] == "book"


@pytest.mark.parametrize(("fault", "code"), [("disconnect", None), ("refused", 1008), ("error5xx", 1011)])
@pytest.mark.parametrize("direction", ["ws", "say"])
async def test_a_frame_can_end_its_connection(
    bench: Bench, fault: str, code: int | None, direction: str
) -> None:
    await bench.faults({"fault": fault, "call": f"{direction} /v1/stream"})
    async with bench.stream() as stream:
        await stream.send_str("ping")
        end = await stream.receive(timeout=3)
        assert end.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        assert code is None or end.data == code
    await asyncio.sleep(0.05)
    assert bench.sim.sockets == []


@pytest.mark.parametrize(
    ("rule", "arrived"),
    [
        ({"fault": "lost", "skip": 1, "times": 1}, ["a", "c"]),
        ({"fault": "doubled", "skip": 1, "times": 1}, ["a", "b", "b", "c"]),
        ({"fault": "reordered", "skip": 1, "times": 1}, ["a", "c", "b"]),
        ({"fault": "reordered", "delay_ms": 50, "skip": 2}, ["a", "b", "c"]),
        ({"fault": "late", "delay_ms": 20}, ["a", "b", "c"]),
    ],
)
async def test_what_a_client_says_can_go_wrong_as_well(
    bench: Bench, rule: dict[str, object], arrived: list[str]
) -> None:
    await bench.faults(rule | {"call": "say"})
    async with bench.stream() as stream:
        for text in "abc":
            await stream.send_str(text)
        await asyncio.sleep(0.2)
        assert bench.sim.sockets[0].heard == arrived


@pytest.mark.parametrize(
    ("rule", "status"),
    [({"fault": "refused", "status": 403}, 403), ({"fault": "error5xx"}, 503)],
)
async def test_an_upgrade_is_refused_like_any_call(
    bench: Bench, rule: dict[str, object], status: int
) -> None:
    await bench.faults(rule | {"call": "GET /v1/stream"})
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await bench.client.ws_connect(bench.server.hosts["socket"])
    assert refusal.value.status == status
    assert bench.sim.sockets == []


async def test_the_venue_may_refuse_a_connection_and_end_one(bench: Bench) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await bench.client.ws_connect(f"{bench.server.socket_origin}/nowhere")
    async with bench.stream() as stream:
        await stream.send_str('{"subscribe":"close"}')
        assert (await stream.receive(timeout=3)).type is aiohttp.WSMsgType.CLOSE


async def test_a_client_that_does_not_read_is_cut_off(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "OUTBOX_CHARS_MAX", 20_000_000)
    async with bench.stream() as stream:
        await stream.send_str('{"subscribe":"flood"}')
        await asyncio.sleep(0.2)
        async with asyncio.timeout(5):
            while bench.sim.sockets:
                await asyncio.sleep(0.01)
        assert stream.closed or (await stream.receive(timeout=3)).type is not None


@pytest.mark.slow
async def test_pings_come_as_often_as_the_venue_says_until_a_fault_swallows_them(bench: Bench) -> None:
    bench.sim.ping_ms = 50
    async with bench.stream() as stream:
        message = await stream.receive(timeout=1)
        assert (message.type, message.data) == (aiohttp.WSMsgType.PING, b"heartbeat")
        await stream.ping(b"mine")
        answers = [await stream.receive(timeout=1) for _ in range(2)]
        assert aiohttp.WSMsgType.PONG in [answer.type for answer in answers]
        await bench.faults({"fault": "lost", "call": "(ws|ping) "})
        await asyncio.sleep(0.15)
        heard_late = [await quiet(stream) for _ in range(5)]
        assert isinstance(heard_late[-1], TimeoutError), "pings went on"


async def test_the_venues_clock_can_be_moved_and_stopped(bench: Bench) -> None:
    async def told() -> tuple[int, str]:
        async with bench.client.get(f"{bench.server.origin}/v1/time") as reply:
            return (await reply.json())["now"], reply.headers["date"]

    assert await told() == (NOW, "Fri, 20 Nov 2026 14:00:00 GMT")
    for wish, now in (
        ({"offset_ms": -300_000}, NOW - 300_000),
        ({"advance_ms": 5}, NOW - 299_995),
        ({"fixed_ms": 5_000}, 5_000),
        ({"advance_ms": 5}, 5_005),
        ({}, NOW),
    ):
        assert (await bench.control("POST", "clock", wish))[1] == {"now_ms": now, "real_ms": NOW}
        assert (await told())[0] == now
        assert bench.sim.ticked_ms[-1] == now


async def test_a_bug_in_a_simulator_is_a_500_and_not_a_silence(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench.client.get(f"{bench.server.origin}/v1/bug") as reply:
        assert reply.status == 500
    assert "a bug in the simulator" in caplog.text


async def test_a_stopped_server_leaves_no_task_and_can_start_again(bench: Bench) -> None:
    await bench.faults({"fault": "lost", "call": "POST", "delay_ms": 60_000})
    waiting = asyncio.create_task(bench.order())
    stream = await bench.stream()
    await asyncio.sleep(0.05)
    before = time.monotonic()
    closing = asyncio.create_task(stream.receive())
    await bench.server.stop()
    assert time.monotonic() - before < 2
    assert (await closing).data == 1001
    with pytest.raises(aiohttp.ClientConnectionError):
        await waiting
    await stream.close()
    assert bench.sim.sockets == []
    port = int(bench.server.origin.rsplit(":", 1)[1])
    await bench.server.start(port=port)
    assert await bench.executed() == []
    await bench.faults()
    assert (await bench.order())[0] == 201


async def test_a_taken_port_is_said_so() -> None:
    async with SimServer(AcmeSimulator(), clock=lambda: NOW, seed=1) as server:
        other = SimServer(AcmeSimulator(), clock=lambda: NOW, seed=1)
        with pytest.raises(OSError, match="address already in use"):
            await other.start(port=int(server.origin.rsplit(":", 1)[1]))
        await other.stop()
