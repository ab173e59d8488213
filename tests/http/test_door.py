"""Who is let in: names in `Host`, pages in `Origin`, and what every response says to a browser."""

import asyncio

import msgspec
import pytest

from router.http.door import SAFE_HEADERS, Door
from router.sections import ServerConfig
from tests.http.test_app import Server, answer_of, refused, serving

DOOR = Door.of(
    ServerConfig(
        host="router.internal", allowed_hosts=["Router.Example"], allowed_origins=["https://console.example"]
    )
)


async def ask(
    server: Server, *headers: str, line: str = "GET /health HTTP/1.1"
) -> tuple[int, dict[str, str]]:
    """One request with exactly these headers: status and JSON."""
    said = "".join(f"{header}\r\n" for header in headers)
    status, _, body = answer_of(await server.say(f"{line}\r\n{said}\r\n".encode()))
    return status, msgspec.json.decode(body)


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "localhost:8080", "LOCALHOST", "localhost.", "tenant.localhost", "127.0.0.1",
        "127.0.0.1:1", "[::1]", "[::1]:8080", "10.1.2.3:8080", "router.example", "ROUTER.example:443",
        "router.internal:8080",
    ],
)  # fmt: skip
async def test_a_name_of_ours_is_let_in(host: str) -> None:
    async with serving(door=DOOR) as server:
        assert await ask(server, f"Host: {host}") == (200, {"status": "ok"})


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8080", "localhost.evil.example", "evillocalhost",
        "127.0.0.1.evil.example", "router.example.evil.example", "127.0.0.1@evil.example",
        "evil.example/router.example", "", "localhost:x", "a b", "localhost, evil.example", "[evil.example]",
        "xn--lcalhost-54a",
    ],
)  # fmt: skip
async def test_a_name_that_a_page_could_point_at_us_is_not_let_in(host: str) -> None:
    async with serving(door=DOOR) as server:
        status, told = await ask(server, f"Host: {host}")
        assert (status, told["errorCode"], told["message"][:6]) == (421, "host_not_allowed", "host: ")
        assert refused(server) == {"host_not_allowed": 1}


async def test_who_is_not_let_in_is_told_so_and_loses_the_connection() -> None:
    async with serving(door=DOOR) as server:
        reader, writer = await server.connect()
        writer.write(b"GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        heard = await asyncio.wait_for(reader.read(), 5)
        assert heard.startswith(b"HTTP/1.1 421 ")
        writer.close()


@pytest.mark.parametrize(
    ("headers", "line", "status"),
    [
        ((), "GET /health HTTP/1.1", 400),
        (("Host: localhost", "Host: localhost"), "GET /health HTTP/1.1", 400),
        (("Host: localhost", "Host: evil.example"), "GET /health HTTP/1.1", 400),
        ((), "GET /health HTTP/1.0", 200),
        (("Host: evil.example",), "GET /health HTTP/1.0", 421),
    ],
)
async def test_a_request_names_its_host_once(headers: tuple[str, ...], line: str, status: int) -> None:
    """Probes of HTTP/1.0 may leave it out; no browser does."""
    async with serving(door=DOOR) as server:
        assert (await ask(server, *headers, line=line))[0] == status


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8080", "http://localhost:8080"),
        ("localhost", "http://localhost"),
        ("localhost:80", "http://localhost"),
        ("router.example", "https://router.example"),
        ("router.example:443", "https://Router.example"),
        ("localhost:8080", "https://console.example"),
    ],
)
async def test_a_page_of_ours_or_one_that_was_named_is_let_in(host: str, origin: str) -> None:
    async with serving(door=DOOR) as server:
        assert (await ask(server, f"Host: {host}", f"Origin: {origin}"))[0] == 200


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8080", "https://evil.example"),
        ("localhost:8080", "http://localhost:3000"),
        ("localhost:8080", "http://localhost"),
        ("127.0.0.1:8080", "http://localhost:8080"),
        ("localhost:8080", "null"),
        ("localhost:8080", ""),
        ("localhost:8080", "http://localhost:8080.evil.example"),
        ("localhost:8080", "http://localhost:8080@evil.example"),
        ("localhost:8080", "https://console.example.evil.example"),
        ("localhost:8080", "http://console.example"),
        ("router.example", "http://router.example:443"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_a_page_from_elsewhere_is_not_let_in(host: str, origin: str, method: str) -> None:
    async with serving(door=DOOR) as server:
        line = f"{method} /health HTTP/1.1"
        status, told = await ask(server, f"Host: {host}", f"Origin: {origin}", line=line)
        assert (status, told["errorCode"], told["message"][:8]) == (403, "origin_not_allowed", "origin: ")


async def test_an_order_from_a_foreign_page_places_nothing() -> None:
    async with serving(door=DOOR) as server:
        heard = await server.say(server.post(extra="Origin: https://evil.example\r\n"))
        assert answer_of(heard)[0] == 403
        assert server.world.store.lines == []


@pytest.mark.parametrize(
    "request_line",
    ["GET /health HTTP/1.1", "GET /nowhere HTTP/1.1", "GET /metrics HTTP/1.1", "GET / HTTP/9.9"],
)
async def test_every_response_is_safe_in_a_browser_and_none_speaks_of_cors(request_line: str) -> None:
    async with serving() as server:
        heard = await server.say(f"{request_line}\r\nHost: localhost\r\n\r\n".encode())
        headers = answer_of(heard)[1]
        for name, value in SAFE_HEADERS.items():
            assert headers[name.lower()] == value
        assert not [name for name in headers if name.startswith("access-control")]
