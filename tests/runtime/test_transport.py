"""What each failure proves, against a server that misbehaves on purpose."""

import asyncio
import gzip
import random
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msgspec import structs

from router.runtime import transport as module
from router.runtime import wire
from router.runtime.clock import SystemClock
from router.runtime.metrics import Metrics
from router.runtime.transport import EndlessTalkError, Transport
from tests.runtime.acme import AcmeSigner, acme
from tests.runtime.misbehaving import Peer, Script, reply, rude
from venues.base.contract import Pace, Signer, Venue
from venues.base.http import Purpose, Reply, Request, Response, Silence

GET = Request(method="GET", path="/x", purpose=Purpose.DATA)
POST = Request(method="POST", path="/orders", purpose=Purpose.ORDER, body=b'{"size":"1"}')
DELETE = Request(method="DELETE", path="/orders/1", purpose=Purpose.ORDER)


@asynccontextmanager
async def door() -> AsyncIterator[Transport]:
    transport = Transport(SystemClock(), Metrics())
    await transport.start()
    try:
        yield transport
    finally:
        await transport.close()


async def ask(
    script: Script, request: Request = POST, *, signer: Signer | None = None, deadline_ms: int = 2_000
) -> Reply:
    """One request to a fresh server that follows this script."""
    async with rude(script) as server, door() as transport:
        return await transport.send(acme(server.url), request, signer=signer, deadline_ms=deadline_ms)


def says(data: bytes, *, then_reset: bool = False) -> Script:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(data)
        if then_reset:
            peer.reset()

    return script


async def hangs(peer: Peer) -> None:
    await peer.request()
    await asyncio.sleep(60)


async def silent(_: Peer) -> None:
    """Says nothing at all: a TLS handshake never ends."""
    await asyncio.sleep(60)


# --- what arrives -------------------------------------------------------------------------------


async def test_a_reply_arrives_whole_with_lower_case_header_names() -> None:
    found = await ask(says(reply(b'{"a":1}', "418 Teapot", "X-Venue: 7", "X-Twice: a", "X-Twice: b")))
    assert isinstance(found, Response)
    assert (found.status, found.body) == (418, b'{"a":1}')
    assert found.headers["x-venue"] == "7"
    assert found.headers["x-twice"] == "a, b"


async def test_the_bytes_on_the_wire_are_the_venues_own() -> None:
    """A signature covers path and query: they must not be tidied up on the way."""
    request = Request(
        method="POST",
        path="/a%2Fb/%7Ec/..;/d",
        purpose=Purpose.ORDER,
        query=(("q", "a b/c+d"), ("empty", "")),
        body=b'{"z": 1}',
        headers={"X-Key": "k"},
    )
    async with rude(says(reply())) as server, door() as transport:
        await transport.send(acme(server.url + "/base"), request, signer=None, deadline_ms=2_000)
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /base/a%2Fb/%7Ec/..;/d?q=a%20b%2Fc%2Bd&empty= HTTP/1.1\r\n")
    assert b"X-Key: k" in head
    assert b"Content-Type: application/json" in head
    assert body == b'{"z": 1}'


@pytest.mark.parametrize("purpose", Purpose)
async def test_whoever_lost_the_store_sends_nothing_of_an_account(purpose: Purpose) -> None:
    request = Request(method="POST", path="/x", purpose=purpose, body=b"{}")
    async with rude(says(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")) as server, door() as transport:
        transport.may_act = lambda: False
        reply = await transport.send(acme(server.url), request, signer=None, deadline_ms=2_000)
    if purpose is Purpose.DATA:
        assert isinstance(reply, Response)
    else:
        assert reply == Silence("not_owner", sent=False)


@pytest.mark.parametrize(("base", "target"), [("", "/"), ("/rpc/key", "/rpc/key"), ("/rpc/", "/rpc/")])
async def test_a_request_without_a_path_goes_to_the_base_url_itself(base: str, target: str) -> None:
    request = Request(method="POST", path="", purpose=Purpose.ACCOUNT, body=b"{}")
    async with rude(says(reply())) as server, door() as transport:
        await transport.send(acme(server.url + base), request, signer=None, deadline_ms=2_000)
    assert server.requests[0].startswith(f"POST {target} HTTP/1.1\r\n".encode())


async def test_a_get_carries_no_body_and_no_content_type() -> None:
    async with rude(says(reply())) as server, door() as transport:
        await transport.send(acme(server.url), GET, signer=None, deadline_ms=2_000)
    assert b"content-type" not in server.requests[0].lower()


async def test_configured_hosts_replace_the_cards() -> None:
    async with rude(says(reply())) as server:
        transport = Transport(SystemClock(), Metrics(), hosts={"acme": {"rest": server.url}})
        await transport.start()
        found = await transport.send(acme(), GET, signer=None, deadline_ms=2_000)
        await transport.close()
    assert isinstance(found, Response)


async def test_a_redirect_is_a_reply_and_is_not_followed() -> None:
    async with rude(says(reply(b"", "302 Found", "Location: /elsewhere"))) as server, door() as transport:
        found = await transport.send(acme(server.url), GET, signer=None, deadline_ms=2_000)
    assert isinstance(found, Response)
    assert found.status == 302
    assert len(server.requests) == 1


async def test_a_compressed_reply_is_unpacked() -> None:
    found = await ask(says(reply(gzip.compress(b"[1]"), "200 OK", "Content-Encoding: gzip")))
    assert isinstance(found, Response)
    assert found.body == b"[1]"


async def test_a_reply_without_length_ends_with_the_connection() -> None:
    found = await ask(says(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc"))
    assert isinstance(found, Response)
    assert found.body == b"abc"


# --- what a failure proves ----------------------------------------------------------------------


async def test_a_refused_connection_proves_that_nothing_was_sent() -> None:
    async with rude(hangs) as server:
        pass
    async with door() as transport:
        found = await transport.send(acme(server.url), POST, signer=None, deadline_ms=2_000)
    assert found == Silence("connect: ConnectionRefusedError", sent=False)


async def test_an_unknown_name_proves_that_nothing_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_such_name(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", no_such_name)
    async with door() as transport:
        found = await transport.send(acme("http://acme.invalid"), POST, signer=None, deadline_ms=2_000)
    assert isinstance(found, Silence)
    assert found.reason.startswith("connect")
    assert not found.sent


async def test_tls_to_a_server_that_speaks_none_proves_that_nothing_was_sent() -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.read(10)
        await peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with rude(script) as server, door() as transport:
        url = server.url.replace("http", "https")
        found = await transport.send(acme(url), POST, signer=None, deadline_ms=2_000)
    assert isinstance(found, Silence)
    assert found.reason.startswith("connect")
    assert not found.sent


async def test_a_certificate_nobody_vouches_for_proves_that_nothing_was_sent(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    cert = (
        builder.not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = cert.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "pem")

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    async with server, door() as transport:
        url = f"https://localhost:{port}"
        found = await transport.send(acme(url), POST, signer=None, deadline_ms=2_000)
    assert isinstance(found, Silence)
    assert found.reason.startswith("connect")
    assert not found.sent


async def test_a_deadline_while_connecting_proves_that_nothing_was_sent() -> None:
    async with rude(silent) as server, door() as transport:
        url = server.url.replace("http", "https")
        found = await transport.send(acme(url), POST, signer=None, deadline_ms=150)
    assert found == Silence("deadline", sent=False)


@pytest.mark.slow
async def test_a_connection_that_takes_too_long_proves_that_nothing_was_sent() -> None:
    async with rude(silent) as server, door() as transport:
        url = server.url.replace("http", "https")
        found = await transport.send(acme(url), POST, signer=None, deadline_ms=5_000)
    assert found == Silence("connect: ConnectionTimeoutError", sent=False)


async def test_a_deadline_after_connecting_proves_nothing() -> None:
    assert await ask(hangs, deadline_ms=500) == Silence("deadline", sent=True)


async def test_a_reply_that_stops_half_way_ends_at_the_deadline() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        while True:
            await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nab")
            await asyncio.sleep(60)

    started = time.monotonic()
    assert await ask(script, deadline_ms=500) == Silence("deadline", sent=True)
    assert time.monotonic() - started < 5


UNREADABLE: dict[str, bytes] = {
    "no reply at all": b"",
    "not http": b"hello, world\r\n\r\n",
    "binary": bytes(range(256)),
    "half a status line": b"HTTP/1.1 20",
    "half the headers": b"HTTP/1.1 200 OK\r\nContent-Le",
    "status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "header without a name": b"HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 0\r\n\r\n",
    "header with a blank in its name": b"HTTP/1.1 200 OK\r\nA B: x\r\nContent-Length: 0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: gzip\r\n\r\nxx",
    "short body": b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"id":"1"}',
    "garbled chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nabc\r\n",
    "chunk longer than said": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n0\r\n\r\n",
    "no last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
    "not gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
    "half a gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\n"
    + gzip.compress(b"x" * 100)[:12],
    "huge header": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "thousands of headers": b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 5_000 + b"\r\n",
}


@pytest.mark.parametrize("request_", [POST, DELETE, GET], ids=["post", "delete", "get"])
@pytest.mark.parametrize("name", UNREADABLE)
async def test_an_unreadable_reply_proves_nothing(name: str, request_: Request) -> None:
    found = await ask(says(UNREADABLE[name]), request_)
    assert isinstance(found, Silence), f"{name} was believed: {found}"
    assert found.sent


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"])
async def test_a_reset_connection_proves_nothing(data: bytes) -> None:
    found = await ask(says(data, then_reset=True))
    assert isinstance(found, Silence)
    assert found.sent


async def test_random_damage_to_a_reply_never_raises() -> None:
    luck = random.Random(7)
    good = reply(b'{"id":"1","filled":"2.50"}', "201 Created", "Content-Type: application/json")
    damaged = [mutate(good, luck) for _ in range(300)]

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(damaged[peer.server.connections - 1])

    async with rude(script) as server, door() as transport:
        for _ in damaged:
            venue = acme(server.url)
            found = await transport.send(venue, POST, signer=None, deadline_ms=2_000, urgent=True)
            assert isinstance(found, Response) or found.sent


def mutate(data: bytes, luck: random.Random) -> bytes:
    at = luck.randrange(len(data))
    match luck.randrange(4):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + bytes([luck.randrange(256)]) + data[at + 1 :]
        case 2:
            return data[:at] + luck.randbytes(luck.randrange(1, 20)) + data[at:]
        case _:
            return data[:at] + data[luck.randrange(len(data)) :]


async def test_a_reply_longer_than_we_believe_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "REPLY_BYTES_MAX", 1_000)
    assert isinstance(await ask(says(reply(b"x" * 1_000))), Response)
    assert await ask(says(reply(b"x" * 1_001))) == Silence("too_large", sent=True)


async def test_a_small_reply_that_unpacks_to_a_huge_one_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire, "REPLY_BYTES_MAX", 1_000_000)
    bomb = gzip.compress(b"0" * 50_000_000)
    found = await ask(says(reply(bomb, "200 OK", "Content-Encoding: gzip")))
    assert found == Silence("too_large", sent=True)


# --- once ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", [POST, DELETE], ids=["post", "delete"])
async def test_an_order_is_never_repeated_on_a_dead_connection(request_: Request) -> None:
    """The client would send a DELETE again by itself when a pooled connection breaks."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(reply())
        await peer.request()  # and close without a word

    async with rude(script) as server, door() as transport:
        venue = acme(server.url)
        first = await transport.send(venue, GET, signer=None, deadline_ms=2_000)
        second = await transport.send(venue, request_, signer=None, deadline_ms=2_000)
    assert isinstance(first, Response)
    assert second == Silence("torn: ServerDisconnectedError", sent=True)
    assert len(server.requests) == 2


@pytest.mark.parametrize("purpose", [Purpose.ORDER, Purpose.ACCOUNT])
async def test_whoever_may_not_act_any_more_sends_nothing_but_asks_for_public_data(purpose: Purpose) -> None:
    asked: list[bool] = []

    def may_act() -> bool:
        asked.append(True)
        return False

    async with rude(says(reply())) as server, door() as transport:
        transport.may_act = may_act
        private = structs.replace(GET, purpose=purpose)
        found = await transport.send(acme(server.url), private, signer=None, deadline_ms=2_000)
        assert (found, server.requests) == (Silence("not_owner", sent=False), [])
        assert isinstance(
            await transport.send(acme(server.url), GET, signer=None, deadline_ms=2_000), Response
        )
    assert asked == [True]


async def test_a_reply_nobody_asked_for_is_not_taken_for_the_next_one() -> None:
    """A late or doubled reply on a pooled connection would otherwise answer somebody else's order."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(reply(b"first"))
        if peer.server.connections == 1:
            await asyncio.sleep(0.05)
            await peer.say(reply(b"stale"))
        await peer.request()
        await peer.say(reply(b"second"))

    async with rude(script) as server, door() as transport:
        venue = acme(server.url)
        await transport.send(venue, GET, signer=None, deadline_ms=2_000)
        await asyncio.sleep(0.15)
        found = await transport.send(venue, POST, signer=None, deadline_ms=2_000)
    assert isinstance(found, Response)
    assert found.body != b"stale"


async def test_a_doubled_reply_in_one_piece_is_not_taken_for_the_next_one() -> None:
    async def script(peer: Peer) -> None:
        number = peer.server.connections
        await peer.request()
        await peer.say(reply(b"%d" % number) * 2)
        await peer.request()
        await peer.say(reply(b"late"))

    async with rude(script) as server, door() as transport:
        venue = acme(server.url)
        await transport.send(venue, GET, signer=None, deadline_ms=2_000)
        found = await transport.send(venue, POST, signer=None, deadline_ms=2_000)
    assert isinstance(found, Response)
    assert found.body == b"2"


# --- limits -------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_more_than_may_wait_are_told_at_once_that_nothing_was_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "IN_FLIGHT_MAX", 2)
    monkeypatch.setattr(module, "WAITING_MAX", 3)
    async with rude(hangs) as server, door() as transport:
        venue = acme(server.url)
        deadlines = [1_500] * 2 + [400] * 5  # who waits gives up long before a slot is free
        sends = [transport.send(venue, GET, signer=None, deadline_ms=ms) for ms in deadlines]
        found = await asyncio.gather(*sends)
    assert found.count(Silence("busy", sent=False)) == 2
    assert found.count(Silence("deadline", sent=False)) == 3, "those who waited reached nobody"
    assert found.count(Silence("deadline", sent=True)) == 2
    assert server.connections == 2


async def test_an_order_does_not_wait_behind_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IN_FLIGHT_MAX", 1)

    async def script(peer: Peer) -> None:
        if (await peer.request()).startswith(b"GET"):
            await asyncio.sleep(60)
        await peer.say(reply())

    async with rude(script) as server, door() as transport:
        venue = acme(server.url)
        data = [
            asyncio.create_task(transport.send(venue, GET, signer=None, deadline_ms=500)) for _ in range(5)
        ]
        await asyncio.sleep(0.05)
        found = await transport.send(venue, POST, signer=None, deadline_ms=300)
        await asyncio.gather(*data)
    assert isinstance(found, Response)


# --- signing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("slow", [False, True])
async def test_a_private_request_is_signed_just_before_it_is_sent(slow: bool) -> None:
    threads: list[str] = []
    signer = AcmeSigner(on_sign=lambda: threads.append(threading.current_thread().name))
    private = Request(method="POST", path="/o", purpose=Purpose.ORDER, private=True)
    async with rude(says(reply())) as server, door() as transport:
        venue = acme(server.url, slow_signature=slow)
        found = await transport.send(venue, private, signer=signer, deadline_ms=2_000)
    assert isinstance(found, Response)
    assert b"x-signed: " in server.requests[0].lower()
    [thread] = threads
    assert thread.startswith("sign") is slow


@pytest.mark.parametrize("signer", [None, AcmeSigner(failing=True)], ids=["none", "failing"])
async def test_what_cannot_be_signed_is_not_sent(signer: Signer | None) -> None:
    private = Request(method="POST", path="/o", purpose=Purpose.ORDER, private=True)
    async with rude(says(reply())) as server, door() as transport:
        found = await transport.send(acme(server.url), private, signer=signer, deadline_ms=2_000)
    assert isinstance(found, Silence)
    assert found.reason.startswith("unsigned")
    assert "canary" not in found.reason
    assert not found.sent
    assert server.connections == 0


async def test_a_deadline_while_signing_proves_that_nothing_was_sent() -> None:
    signer = AcmeSigner(on_sign=lambda: time.sleep(0.3))
    private = Request(method="POST", path="/o", purpose=Purpose.ORDER, private=True)
    async with rude(says(reply())) as server, door() as transport:
        venue = acme(server.url, slow_signature=True)
        found = await transport.send(venue, private, signer=signer, deadline_ms=100)
        await asyncio.sleep(0.3)
    assert found == Silence("deadline", sent=False)
    assert server.connections == 0


@pytest.mark.parametrize(
    "bad",
    [
        Request(method="GET /evil HTTP/1.1\r\nX:", path="/", purpose=Purpose.DATA),
        Request(method="GET", path="@evil.example/", purpose=Purpose.DATA),
        Request(method="GET", path="/a b", purpose=Purpose.DATA),
        Request(method="GET", path="/a\r\nX: y", purpose=Purpose.DATA),
        Request(method="GET", path="/a#b", purpose=Purpose.DATA),
        Request(method="GET", path="/", purpose=Purpose.DATA, headers={"X": "a\r\nY: b"}),
        Request(method="GET", path="/", purpose=Purpose.DATA, headers={"X": "a\n"}),
        Request(method="GET", path="/", purpose=Purpose.DATA, headers={"X:": "a"}),
    ],
)
async def test_what_http_cannot_carry_is_not_sent(bad: Request) -> None:
    async with rude(says(reply())) as server, door() as transport:
        found = await transport.send(acme(server.url), bad, signer=None, deadline_ms=2_000)
    assert isinstance(found, Silence)
    assert found.reason.startswith("unsendable")
    assert not found.sent
    assert server.connections == 0


# --- cancellation, closing ----------------------------------------------------------------------


async def test_our_own_cancellation_is_no_answer() -> None:
    async with rude(hangs) as server, door() as transport:
        task = asyncio.create_task(transport.send(acme(server.url), POST, signer=None, deadline_ms=5_000))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_closing_ends_what_is_under_way_in_silence() -> None:
    async with rude(hangs) as server, door() as transport:
        task = asyncio.create_task(transport.send(acme(server.url), POST, signer=None, deadline_ms=5_000))
        await asyncio.sleep(0.1)
        await transport.close()
        found = await task
        later = await transport.send(acme(server.url), POST, signer=None, deadline_ms=5_000)
    assert isinstance(found, Silence)
    assert found.sent
    assert later == Silence("closed", sent=False)


# --- conversations ------------------------------------------------------------------------------


def two_steps(seen: list[Reply]) -> Generator[Request, Reply, str]:
    seen.append((yield GET))
    seen.append((yield POST))
    return "done"


async def test_a_conversation_is_held_to_its_end() -> None:
    seen: list[Reply] = []

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.say(reply(b"%d" % len(peer.server.requests)))

    async with rude(script) as server, door() as transport:
        assert await transport.perform(acme(server.url), two_steps(seen), deadline_ms=2_000) == "done"
    assert [found.body for found in seen if isinstance(found, Response)] == [b"1", b"2"]


async def test_the_deadline_is_for_the_whole_conversation() -> None:
    seen: list[Reply] = []
    started = time.monotonic()
    async with rude(hangs) as server, door() as transport:
        assert await transport.perform(acme(server.url), two_steps(seen), deadline_ms=500) == "done"
        assert len(server.requests) == 1, "nothing is sent after the deadline"
    assert seen == [Silence("deadline", sent=True), Silence("deadline", sent=False)]
    assert time.monotonic() - started < 5


async def test_a_conversation_without_end_is_a_bug_and_is_stopped() -> None:
    def endless() -> Generator[Request, Reply, None]:
        while True:
            yield GET

    async with door() as transport:
        with pytest.raises(EndlessTalkError):
            await transport.perform(acme(), endless(), deadline_ms=0)


# --- what is told -------------------------------------------------------------------------------


async def test_each_failure_is_logged_and_counted_without_secrets() -> None:
    metrics = Metrics()
    transport = Transport(SystemClock(), metrics)
    await transport.start()
    canary = Request(
        method="POST",
        path="/orders",
        purpose=Purpose.ORDER,
        query=(("key", "canary1"),),
        body=b"canary2",
        headers={"x-key": "canary3"},
    )
    async with rude(says(b"canary4 garbage\r\n\r\n")) as server:
        with structlog.testing.capture_logs() as lines:
            found = await transport.send(acme(server.url), canary, signer=None, deadline_ms=2_000)
    await transport.close()
    assert isinstance(found, Silence)
    [line] = lines
    assert line["event"] == "transport.silence"
    assert (line["venue"], line["purpose"], line["sent"]) == ("acme", "order", True)
    assert "canary" not in str(lines) + found.reason
    count = metrics.registry.get_sample_value(
        "crossbook_transport_requests_total",
        {"venue": "acme", "purpose": "order", "outcome": "garbled"},
    )
    assert count == 1


async def test_a_reply_is_counted_by_its_class() -> None:
    metrics = Metrics()
    transport = Transport(SystemClock(), metrics)
    await transport.start()
    async with rude(says(reply(b"", "503 Busy"))) as server:
        venue = acme(server.url)
        await transport.send(venue, GET, signer=None, deadline_ms=2_000)
    await transport.close()
    labels = {"venue": "acme", "purpose": "data", "outcome": "5xx"}
    assert metrics.registry.get_sample_value("crossbook_transport_requests_total", labels) == 1


# --- connections kept ---------------------------------------------------------------------------


async def test_a_read_is_asked_once_more_when_a_kept_connection_turns_out_dead() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(reply(b"%d" % peer.server.connections))
        if peer.server.connections == 1:
            await peer.request()  # and close without a word
            return
        await asyncio.sleep(60)

    async with rude(script) as server, door() as transport:
        venue = acme(server.url)
        await transport.send(venue, GET, signer=None, deadline_ms=2_000)
        found = await transport.send(venue, GET, signer=None, deadline_ms=2_000)
    assert isinstance(found, Response)
    assert found.body == b"2"
    assert len(server.requests) == 3


async def test_an_interim_reply_is_not_the_reply() -> None:
    found = await ask(says(b"HTTP/1.1 100 Continue\r\n\r\n" + reply(b"real")))
    assert isinstance(found, Response)
    assert (found.status, found.body) == (200, b"real")


async def test_a_connection_the_venue_wants_closed_is_not_used_again() -> None:
    async with rude(says(reply(b"{}", "200 OK", "Connection: close"))) as server, door() as transport:
        venue = acme(server.url)
        for _ in range(2):
            assert isinstance(await transport.send(venue, POST, signer=None, deadline_ms=2_000), Response)
    assert server.connections == 2


# --- pace ---------------------------------------------------------------------------------------


def paced(url: str, *paces: Pace) -> Venue:
    venue = acme(url)
    return structs.replace(venue, limits=structs.replace(venue.limits, paces=paces))


async def answers(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.say(reply())


async def test_a_call_waits_until_the_venue_allows_it() -> None:
    async with rude(answers) as server, door() as transport:
        venue = paced(server.url, Pace((Purpose.DATA,), 2, 300))
        started = time.monotonic()
        found = [await transport.send(venue, GET, signer=None, deadline_ms=2_000) for _ in range(3)]
    assert time.monotonic() - started >= 0.29
    assert all(isinstance(each, Response) for each in found)


async def test_a_call_that_would_wait_too_long_is_not_sent() -> None:
    async with rude(answers) as server, door() as transport:
        venue = paced(server.url, Pace((Purpose.ORDER,), 1, 60_000))
        first = await transport.send(venue, POST, signer=None, deadline_ms=5_000)
        second = await transport.send(venue, POST, signer=None, deadline_ms=5_000)
    assert isinstance(first, Response)
    assert second == Silence("paced", sent=False)
    assert len(server.requests) == 1


async def test_accounts_have_paces_of_their_own() -> None:
    async with rude(answers) as server, door() as transport:
        venue = paced(server.url, Pace((Purpose.ORDER,), 1, 60_000))
        for signer in (AcmeSigner(), AcmeSigner()):
            found = await transport.send(venue, POST, signer=signer, deadline_ms=5_000)
            assert isinstance(found, Response)


async def test_what_a_venue_counts_by_address_all_accounts_share() -> None:
    async with rude(answers) as server, door() as transport:
        shared = Pace((Purpose.ORDER,), 2, 60_000, per_address=True)
        venue = paced(server.url, Pace((Purpose.ORDER,), 1, 60_000), shared)
        signers = [AcmeSigner() for _ in range(4)]
        found = [await transport.send(venue, POST, signer=each, deadline_ms=5_000) for each in signers]
    assert [isinstance(each, Response) for each in found] == [True, True, False, False]
    assert found[2:] == [Silence("paced", sent=False)] * 2
    assert len(server.requests) == 2


async def test_an_order_that_is_forbidden_while_it_waits_never_leaves_and_the_connection_serves_on() -> None:
    """Asked once the connection stands: for a new one and for one that was kept."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.say(reply(b"{}"))

    why: str | None = "halted"
    async with rude(script) as server, door() as transport:
        venue = acme(server.url)

        async def send(request: Request) -> Reply:
            return await transport.send(venue, request, signer=None, deadline_ms=2_000, guard=lambda: why)

        assert await send(POST) == Silence("halted", sent=False)
        assert server.requests == []
        assert isinstance(await send(GET), Response), "reads are not asked about"
        assert await send(DELETE) == Silence("halted", sent=False)
        why = None
        assert isinstance(await send(POST), Response)
        assert [request.split(b" ")[0] for request in server.requests] == [b"GET", b"POST"]


async def test_an_order_that_waits_for_its_venues_pace_is_asked_about_after_it() -> None:
    halted = False

    def guard() -> str | None:
        return "halted" if halted else None

    async with rude(says(reply(b"{}"))) as server, door() as transport:
        pace = Pace((Purpose.ORDER,), 1, 300)
        venue = acme(server.url)
        venue = structs.replace(venue, limits=structs.replace(venue.limits, paces=(pace,)))
        await transport.send(venue, POST, signer=None, deadline_ms=2_000, guard=guard)
        waiting = asyncio.create_task(
            transport.send(venue, POST, signer=None, deadline_ms=2_000, guard=guard)
        )
        await asyncio.sleep(0.05)
        halted = True
        assert await waiting == Silence("halted", sent=False)
        assert len(server.requests) == 1
