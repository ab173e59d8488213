"""The HTTP face over real sockets: ids on every response, deadlines, limits, errors, callers who hang up."""

import asyncio
import gc
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast

import msgspec
import pytest
import structlog

from router.core.errors import Refusal
from router.http import body as body_module
from router.http import protocol
from router.http.app import Listener, make_app
from router.http.door import Door
from router.http.predexon import read, show_seed
from router.http.reaper import Limits
from router.http.tls import Certificate
from router.runtime.keys import ApiKey, KeyId, KeyRing, Scope, digest, new_key
from router.runtime.logs import merged
from router.runtime.metrics import Metrics
from router.service import Router
from tests.virtual_time import VirtualLoop
from tests.world import ACCOUNT, YES, World
from venues.base.units import ONE, Price, Size

HEAD_MS = 150
REFILL_S = 0.05
PATH = f"/api/accounts/{ACCOUNT}/router/orders"
ORDER = msgspec.json.encode({"predexonId": YES, "side": "buy", "amount": "5.00"})
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Server:
    """A router on a real socket, on simulated venues without sockets."""

    def __init__(self, world: World, router: Router, listener: Listener, *, metrics: Metrics) -> None:
        self.world, self.router, self.listener, self.metrics = world, router, listener, metrics
        self.key, self.stranger, self.admin = KEY, STRANGER, ADMIN

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.listener.port)

    async def say(self, *chunks: bytes, wait_s: float = 2.0) -> bytes:
        """Send bytes and return all that comes back until the connection is closed or quiet."""
        reader, writer = await self.connect()
        heard = b""
        try:
            for chunk in chunks:
                writer.write(chunk)
                await writer.drain()
                await asyncio.sleep(0.02)
            async with asyncio.timeout(wait_s):
                while more := await reader.read(65_536):
                    heard += more
                    if b"\r\n\r\n" in heard and _whole(heard):
                        break
        except (TimeoutError, ConnectionError):
            pass
        finally:
            writer.close()
        return heard

    def post(
        self, body: bytes = ORDER, *, key: str | None = None, extra: str = "", path: str = PATH
    ) -> bytes:
        """A POST as bytes."""
        auth = f"x-api-key: {key if key is not None else self.key}\r\n" if key != "" else ""
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{auth}{extra}Content-Length: {len(body)}\r\n\r\n"
        return head.encode() + body


def _whole(heard: bytes) -> bool:
    length = re.search(rb"(?i)content-length: (\d+)", heard)
    return length is not None and len(heard.split(b"\r\n\r\n", 1)[1]) >= int(length[1])


def answer_of(heard: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers in lower case, body."""
    head, _, body = heard.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(first.split(" ")[1]), headers, body


KEY, STRANGER, ADMIN = new_key(), new_key(), new_key()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        yield running


@asynccontextmanager
async def serving(
    *,
    door: Door = Door(hosts=frozenset({"x"})),  # noqa: B008  a frozen value
    limits: Limits = Limits(head_ms=HEAD_MS),  # noqa: B008  a frozen value
    certificate: Certificate | None = None,
) -> AsyncIterator[Server]:
    loop = cast("VirtualLoop", asyncio.get_running_loop())  # only its time and timers are used
    world = World(loop, 1)
    router = await world.start()
    name = min(world.natives)  # one venue is enough, and not all say at once what became of an order
    asks = [(Price(440_000), Size(1_000 * ONE))]
    world.simulators[name].exchange.set_book(world.natives[name][0], [], asks, world.clock.now_ms())
    world.pump()
    metrics = Metrics()
    partner = ApiKey(name=KeyId("partner"), sha256=digest(KEY), accounts=frozenset({ACCOUNT}))
    other = ApiKey(name=KeyId("other"), sha256=digest(STRANGER), accounts=frozenset())
    admin = ApiKey(
        name=KeyId("admin"), sha256=digest(ADMIN), accounts=frozenset(), scopes=frozenset({Scope.ADMIN})
    )
    keys = KeyRing([partner, other, admin], world.clock.now_ms)
    app = make_app(router, keys, metrics, door=door)
    listener = Listener(app, metrics, limits=limits, certificate=certificate)
    await listener.start("127.0.0.1", 0)
    try:
        yield Server(world, router, listener, metrics=metrics)
    finally:
        world.network.latency_ms = 0
        await router.stop(2_000)
        await listener.stop()


@asynccontextmanager
async def offering(server: Server) -> AsyncIterator[None]:
    """Somebody always offers something, however much is bought."""

    async def refill() -> None:
        world, name = server.world, min(server.world.natives)
        asks = [(Price(440_000), Size(1_000 * ONE))]
        while True:
            world.simulators[name].exchange.set_book(world.natives[name][0], [], asks, world.clock.now_ms())
            world.pump()
            await asyncio.sleep(REFILL_S)

    refilling = asyncio.create_task(refill())
    try:
        yield
    finally:
        refilling.cancel()
        with suppress(asyncio.CancelledError):
            await refilling


async def until(true: Callable[[], bool] | Callable[[], Awaitable[bool]], wait_s: float = 3.0) -> None:
    async with asyncio.timeout(wait_s):
        while not true():
            await asyncio.sleep(0.01)


def reaped(server: Server) -> float:
    return server.metrics.registry.get_sample_value("crossbook_http_connections_reaped_total") or 0


def refused(server: Server) -> dict[str, float]:
    """How many requests were answered with an error, by code."""
    metrics = server.metrics.registry.collect()
    [family] = [family for family in metrics if family.name == "crossbook_http_refusals"]
    return {s.labels["code"]: s.value for s in family.samples if s.name.endswith("_total")}


# --- answers ---


async def test_an_order_is_placed_and_its_id_echoed(server: Server) -> None:
    status, headers, body = answer_of(await server.say(server.post(extra="x-request-id: abc-1\r\n")))
    assert (status, headers["x-request-id"]) == (201, "abc-1")
    assert refused(server) == {}
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert list(msgspec.json.decode(body)) == [
        *("routerOrderId", "predexonId", "side", "type", "requestedAmount", "requestedSize"),
        *("fills", "summary", "_routing"),
    ]


def refusals() -> list[object]:
    """Those that live."""
    return [thing for thing in gc.get_objects() if issubclass(type(thing), Refusal)]


@pytest.mark.parametrize("extra", ["", "Idempotency-Key: k\r\n"])
async def test_a_refusal_is_gone_before_any_collection_of_cycles(server: Server, extra: str) -> None:
    gc.collect()
    others = refusals()  # that something of another test still holds
    gc.disable()
    try:
        status, _, _ = answer_of(await server.say(server.post(ORDER.replace(b"5.00", b"9000"), extra=extra)))
        left = [type(each) for each in refusals() if not any(each is other for other in others)]
    finally:
        gc.enable()
    assert (status, left) == (400, [])


@pytest.mark.parametrize(
    ("make", "status", "code"),
    [
        (lambda s: s.post(key=""), 401, "unauthorized"),
        (lambda s: s.post(key="sor_live_wrong"), 401, "invalid_api_key"),
        (lambda s: s.post(key=s.stranger), 403, "account_not_owned"),
        (lambda s: s.post(path="/api/accounts/nobody/router/orders"), 404, "account_not_found"),
        (lambda s: s.post(b"{}"), 400, "parse_error"),
        (lambda s: s.post(b"\xff"), 400, "parse_error"),
        (lambda s: s.post(b"x" * 70_000), 413, "payload_too_large"),
        (lambda s: s.post(ORDER.replace(b"5.00", b"9000")), 400, "insufficient_balance"),
        (lambda s: s.post(ORDER.replace(b"yes", b"yez")), 404, "predexon_not_routable"),
        (lambda s: s.post(ORDER.replace(b"buy", b"sell").replace(b"amount", b"size")), 502, "no_allocations"),
    ],
)
async def test_a_refusal_has_its_status_its_code_and_nothing_else(
    server: Server, make: Callable[[Server], bytes], status: int, code: str
) -> None:
    with structlog.testing.capture_logs() as logs:
        seen, headers, body = answer_of(await server.say(make(server)))
    told = msgspec.json.decode(body)
    assert (seen, told["errorCode"]) == (status, code)
    assert list(told) == ["error", "errorCode"]
    assert refused(server) == {code: 1}
    [line] = [entry for entry in logs if entry["event"] in ("route.refused", "request.refused")]
    assert (line["why"], line.get("code", code)) == (told["error"], code)
    assert UUID.fullmatch(headers["x-request-id"])


@pytest.mark.parametrize(
    ("request_line", "status", "code"),
    [
        ("GET /nowhere HTTP/1.1", 404, "endpoint_not_found"),
        ("PUT /health HTTP/1.1", 405, "method_not_allowed"),
        (f"GET {PATH} HTTP/1.1", 405, "method_not_allowed"),
        ("GET /health HTTP/9.9", 400, "invalid_request"),
        ("\x16\x03\x01 TLS HTTP/1.1", 400, "invalid_request"),
        (f"GET /{'a' * 9_000} HTTP/1.1", 400, "invalid_request"),
        (f"GET /health HTTP/1.1\r\na: {'b' * 9_000}", 400, "invalid_request"),
        ("POST /health HTTP/1.1\r\nContent-Length: abc", 400, "invalid_request"),
        ("POST /x HTTP/1.1\r\nContent-Type: a/b\r\nContent-Type: a/c", 400, "invalid_request"),
        ("POST /x HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked", 400, "invalid_request"),
    ],
)
async def test_what_is_no_request_of_ours_is_answered_in_the_same_words(
    server: Server, request_line: str, status: int, code: str
) -> None:
    seen, headers, body = answer_of(await server.say(f"{request_line}\r\nHost: x\r\n\r\n".encode()))
    told = msgspec.json.decode(body)
    assert (seen, told["errorCode"], told["error"]) == (status, code, code)
    assert refused(server) == {code: 1}
    assert told["requestId"] == headers["x-request-id"]
    assert ("allow" in headers) is (status == 405)


@pytest.mark.parametrize(
    ("request_line", "rule"),
    [
        ("GET /api/accounts/a/router/quote HTTP/1.1", "GET /openapi.json has them all"),
        (f"GET {PATH} HTTP/1.1", "this path takes POST"),
        ("POST /x HTTP/1.1\r\nContent-Type: a/b\r\nContent-Type: a/c", "came twice that stands once"),
        ("hello", "it does not begin with a method"),
    ],
)
async def test_what_cannot_be_answered_says_what_could(server: Server, request_line: str, rule: str) -> None:
    _, _, body = answer_of(await server.say(f"{request_line}\r\nHost: x\r\n\r\n".encode()))
    assert rule in msgspec.json.decode(body)["message"]


@pytest.mark.parametrize("given", ["", "x" * 129, "\u00e9", "a\tb"])
async def test_an_id_that_cannot_be_echoed_is_replaced(server: Server, given: str) -> None:
    heard = await server.say(f"GET /health HTTP/1.1\r\nHost: x\r\nx-request-id: {given}\r\n\r\n".encode())
    assert UUID.fullmatch(answer_of(heard)[1]["x-request-id"])


async def test_an_expectation_that_is_refused_carries_an_id_too(server: Server) -> None:
    extra = "Expect: tea\r\nx-request-id: abc\r\n"
    status, headers, body = answer_of(await server.say(server.post(extra=extra)))
    assert (status, headers["x-request-id"]) == (417, "abc")
    told = msgspec.json.decode(body)
    assert (told["errorCode"], told["requestId"]) == ("expectation_failed", "abc")
    assert refused(server) == {"expectation_failed": 1}


async def test_a_client_that_waits_for_leave_gets_it_and_then_its_answer(server: Server) -> None:
    head, _, body = server.post(extra="Expect: 100-continue\r\n").partition(b"\r\n\r\n")
    reader, writer = await server.connect()
    writer.write(head + b"\r\n\r\n")
    assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 3) == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert (await asyncio.wait_for(reader.readline(), 3)).startswith(b"HTTP/1.1 201 ")
    writer.close()


@pytest.mark.parametrize(
    ("extra", "key", "status"),
    [
        ("", "sor_live_wrong", 401),
        ("Content-Type: text/plain\r\n", None, 415),
        ("Content-Encoding: gzip\r\n", None, 415),
    ],
)
async def test_a_client_that_waits_for_leave_is_told_at_once_when_its_body_is_not_wanted(
    server: Server, extra: str, key: str | None, status: int
) -> None:
    asked = server.post(extra=f"Expect: 100-continue\r\n{extra}", key=key)
    seen, headers, _ = answer_of(await server.say(asked.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"))
    assert (seen, headers["connection"]) == (status, "close")


async def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(server: Server) -> None:
    head = server.post(extra="Expect: 100-continue\r\n").partition(b"\r\n\r\n")[0]
    head = re.sub(rb"Content-Length: \d+", b"Content-Length: 65537", head)
    assert answer_of(await server.say(head + b"\r\n\r\n"))[0] == 413


async def test_a_header_that_cannot_be_read_is_neither_quoted_nor_logged(server: Server) -> None:
    with structlog.testing.capture_logs() as logs:
        heard = await server.say(server.post(key=f"{server.key}\x00"))
    assert answer_of(heard)[0] == 400
    assert server.key.encode() not in heard
    assert server.key not in str(logs)
    assert [entry["event"] for entry in logs if entry["event"].startswith("http.")] == ["http.malformed"]


async def test_a_bug_is_answered_with_an_id_and_without_details(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(_body: bytes) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(read, "asked", bug)
    status, headers, body = answer_of(await server.say(server.post()))
    assert (status, msgspec.json.decode(body)["errorCode"]) == (500, "internal_error")
    assert refused(server) == {"internal_error": 1}
    assert msgspec.json.decode(body)["requestId"] == headers["x-request-id"]
    assert b"secret" not in body


@pytest.mark.parametrize("chunks", [1, 4])
@pytest.mark.parametrize(("length", "status"), [(65_536, 201), (65_537, 413)])
async def test_a_body_that_does_not_say_how_large_it_is_may_be_no_larger(
    server: Server, length: int, status: int, chunks: int
) -> None:
    """At once or in pieces."""
    head = server.post(extra="Transfer-Encoding: chunked\r\n").partition(b"\r\n\r\n")[0]
    head = re.sub(rb"Content-Length: \d+", b"x-y: z", head) + b"\r\n\r\n"
    body = ORDER.ljust(length)
    step = -(-length // chunks)
    pieces = [body[at : at + step] for at in range(0, length, step)]
    framed = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    said = [head + framed[0], *framed[1:-1], *([framed[-1]] if chunks > 1 else [])]
    said[-1] += b"0\r\n\r\n"
    assert answer_of(await server.say(*said))[0] == status


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("Content-Encoding: gzip", "content-encoding: "),
        ("Content-Encoding: \u00ff", "content-encoding: "),
        ("Content-Type: text/plain", "content-type: "),
        ("Content-Type: application/x-www-form-urlencoded", "content-type: "),
        ("Content-Type: application/json; charset=latin-1", "content-type: "),
        ("Content-Type: ", "content-type: "),
    ],
)
async def test_a_body_that_is_said_to_be_something_else_is_not_read(
    server: Server, header: str, said: str
) -> None:
    """Also when it could be: whoever unpacks it on the way might read another order."""
    status, _, body = answer_of(await server.say(server.post(extra=f"{header}\r\n")))
    told = msgspec.json.decode(body)
    assert (status, told["errorCode"]) == (415, "unsupported_media_type")
    assert told["error"].startswith(said)
    assert server.world.store.lines == []


@pytest.mark.parametrize(
    "header",
    [
        "Content-Type: application/json",
        "Content-Type: Application/JSON;charset=UTF-8",
        "Content-Encoding: Identity",
    ],
)
async def test_a_body_that_is_said_to_be_what_it_is_is_read(server: Server, header: str) -> None:
    assert answer_of(await server.say(server.post(extra=f"{header}\r\n")))[0] == 201


async def test_an_amount_given_twice_trades_neither(server: Server) -> None:
    twice = ORDER.replace(b'"amount":"5.00"', b'"amount":"5.00","\\u0061mount":"50.00"')
    status, _, body = answer_of(await server.say(server.post(twice)))
    told = msgspec.json.decode(body)
    assert (status, told) == (400, {"error": "amount: given more than once", "errorCode": "parse_error"})
    assert server.world.store.lines == []


async def test_the_lines_of_a_request_carry_its_id_and_those_of_the_next_one_its_own(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = await server.connect()
    with structlog.testing.capture_logs([merged]) as logs:
        writer.write(server.post(extra="x-request-id: first\r\n"))
        body = (await reader.readuntil(b"}]")).partition(b"\r\n\r\n")[2]
        monkeypatch.setattr(read, "asked", lambda _body: 1 // 0)
        writer.write(server.post(extra="x-request-id: second\r\n"))
        await reader.readuntil(b'"requestId":"second"')
        monkeypatch.undo()
        monkeypatch.setattr(show_seed, "show", lambda _report: 1 // 0)
        writer.write(server.post(extra="x-request-id: third\r\n"))
        await reader.readuntil(b'"requestId":"third"')
    writer.close()
    route = re.search(rb'"routerOrderId":"([^"]+)"', body)
    assert route is not None
    ended = [entry for entry in logs if entry["event"] == "route.ended"]
    assert [entry["request"] for entry in ended] == ["first", "third"]
    assert ended[0]["route"] == route[1].decode()
    assert {entry["route"] for entry in logs if entry.get("request") == "first"} == {route[1].decode()}
    crashed = [entry for entry in logs if entry["event"] == "http.internal_error"]
    assert [(entry["request"], entry.get("route")) for entry in crashed] == [
        ("second", None),
        ("third", ended[1]["route"]),
    ]
    assert server.key not in str(logs)


# --- deadlines and limits ---


@pytest.mark.parametrize("head", [b"", b"G", b"GET /health HTTP/1.1\r\nHost: x\r\n"])
async def test_a_head_that_does_not_come_is_reaped(server: Server, head: bytes) -> None:
    started = asyncio.get_running_loop().time()
    assert await server.say(head) == b""
    assert HEAD_MS / 1000 * 0.9 < asyncio.get_running_loop().time() - started < 1.5
    assert reaped(server) == 1


async def test_a_head_that_trickles_is_reaped(server: Server) -> None:
    head = b"GET /health HTTP/1.1\r\nHost: x\r\n"
    assert await server.say(*(head[n : n + 1] for n in range(len(head)))) == b""
    assert reaped(server) == 1


async def test_a_slow_head_after_a_whole_request_is_reaped(server: Server) -> None:
    reader, writer = await server.connect()
    writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b'"ok"}')
    writer.write(b"GET /hea")
    with suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 3) == b""
    writer.close()
    assert reaped(server) == 1


async def test_a_head_that_came_in_time_is_answered_by_a_loop_that_was_held_up(server: Server) -> None:
    reader, writer = await server.connect()
    await asyncio.sleep(HEAD_MS / 1000 / 4)
    writer.write(server.post())
    time.sleep(2 * HEAD_MS / 1000)  # whatever holds the loop up
    status, _, _ = answer_of(await reader.readuntil(b"\r\n\r\n"))
    assert (status, reaped(server)) == (201, 0)
    writer.close()


async def test_a_request_whose_answer_takes_longer_than_a_head_may_is_not_reaped(server: Server) -> None:
    server.world.network.latency_ms = HEAD_MS
    assert answer_of(await server.say(server.post()))[0] == 201
    assert reaped(server) == 0


async def test_an_idle_connection_is_closed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "KEEP_IDLE_S", 0.2)
    reader, writer = await server.connect()
    writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b'"ok"}')
    with suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 3) == b""
    writer.close()


async def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    reader, writer = await server.connect()
    for number in range(20):
        writer.write(f"GET /health HTTP/1.1\r\nHost: x\r\nx-request-id: n{number}\r\n\r\n".encode())
    heard = b""
    while heard.count(b'{"status":"ok"}') < 20:
        heard += await asyncio.wait_for(reader.read(65_536), 3)
    ids = re.findall(rb"x-request-id: (n\d+)", heard)
    assert ids == [f"n{number}".encode() for number in range(20)]
    writer.close()


async def test_a_body_that_does_not_come_is_a_408(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "MS_MAX", 100)
    status, headers, body = answer_of(await server.say(server.post()[:-10]))
    assert (status, msgspec.json.decode(body)["errorCode"]) == (408, "request_timeout")
    assert UUID.fullmatch(headers["x-request-id"])


@pytest.mark.slow
async def test_a_client_that_is_told_of_its_late_body_is_closed_soon_after(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_module, "MS_MAX", 100)
    reader, writer = await server.connect()
    writer.write(server.post()[:-10])
    heard = await asyncio.wait_for(reader.read(), 6)  # aiohttp would wait ten seconds for the rest
    assert answer_of(heard)[0] == 408
    writer.close()


async def test_a_caller_who_hangs_up_in_the_body_is_no_error_of_ours(server: Server) -> None:
    with structlog.testing.capture_logs() as logs:
        _, writer = await server.connect()
        writer.write(server.post()[:-10])
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()
        await asyncio.sleep(0.05)
    assert [entry for entry in logs if entry["log_level"] in ("error", "warning")] == []


# --- callers who hang up, and shutdown ---


@pytest.mark.parametrize("cancelling", [False, True])
async def test_an_order_goes_on_when_its_caller_hangs_up(server: Server, cancelling: bool) -> None:
    web = server.listener._runner.server
    assert web is not None
    web.handler_cancellation = cancelling
    server.world.network.latency_ms = 50
    _, writer = await server.connect()
    writer.write(server.post())
    await writer.drain()
    await asyncio.sleep(0.03)
    assert server.world.store.lines == [], "it is still being planned"
    writer.close()
    await until(lambda: any(route.finished for route in server.world.store.stored().values()))
    [route] = server.world.store.stored().values()
    assert route.answers


async def test_a_caller_is_answered_when_the_router_stops_under_an_order(server: Server) -> None:
    server.world.network.latency_ms = 200
    asking = asyncio.create_task(server.say(server.post(), wait_s=5))
    await until(lambda: bool(server.world.store.lines))
    await server.router.stop(0)
    status, _, body = answer_of(await asking)
    assert status == 201
    assert {fill["status"] for fill in msgspec.json.decode(body)["fills"]} == {"open"}
    assert answer_of(await server.say(server.post()))[0] == 503
    status, _, body = answer_of(await server.say(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n"))
    assert (status, msgspec.json.decode(body)["ready"]) == (503, False)


async def test_the_end_lets_a_request_finish_and_closes_every_connection(server: Server) -> None:
    server.world.network.latency_ms = 200
    reader, writer = await server.connect()
    idle, idle_writer = await server.connect()
    writer.write(server.post())
    await until(lambda: bool(server.world.store.lines))
    await server.listener.stop()
    assert all(route.finished for route in server.world.store.stored().values()), "it was waited for"
    assert answer_of(await reader.read())[0] == 201
    assert await idle.read() == b""
    for each in (writer, idle_writer):
        each.close()
