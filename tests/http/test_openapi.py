"""The description of the interface says what the router does: its routes, words, statuses and bodies."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from html.parser import HTMLParser
from typing import Any, cast

import jsonschema_rs
import msgspec
import pytest

from router.http import body as body_module
from router.http import manual
from router.http.app import make_app
from router.http.openapi import describe
from router.http.page import page
from router.http.predexon import read
from router.http.words import ANYWHERE, NOWHERE
from router.runtime import lanes
from router.runtime.keys import KeyRing
from router.runtime.metrics import Metrics
from router.service import Router
from tests.http.description import Description, ours
from tests.http.test_access import ROUTES
from tests.http.test_app import ORDER, PATH, Server, answer_of, server, until
from tests.http.test_docs import DIALECT, KNOWN
from venues.base.units import ONE, Price, Size

__all__ = ["server"]

Json = dict[str, Any]
PLACE = ("POST", "/api/accounts/{accountId}/router/orders")


async def get(server: Server, path: str) -> tuple[int, dict[str, str], bytes]:
    return answer_of(await server.say(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()))


async def described(server: Server) -> Description:
    status, headers, body = await get(server, "/openapi.json")
    assert (status, headers["content-type"]) == (200, "application/json; charset=utf-8")
    return Description(msgspec.json.decode(body))


def served() -> set[tuple[str, str]]:
    """Every route of the application, as its paths are written in the description."""
    app = make_app(cast("Router", None), KeyRing([], lambda: 0), Metrics())
    routes = [(r.method, r.resource.canonical) for r in app.router.routes() if r.resource is not None]
    names = re.compile(r"_([a-z])")
    return {(method, names.sub(lambda found: found[1].upper(), path)) for method, path in routes}


# --- the document ---


async def test_what_is_served_is_the_description_of_every_surface(server: Server) -> None:
    assert (await described(server)).document == ours().document


async def test_every_route_is_described_and_every_described_route_is_there(server: Server) -> None:
    assert set((await described(server)).operations()) == served()


async def test_the_scope_a_route_needs_is_described(server: Server) -> None:
    operations = (await described(server)).operations()
    for (method, path), scope in ROUTES.items():
        operation = operations[method, path.replace("account_id", "accountId")]
        assert operation.get("x-scope") == (scope.value if scope else None)
        assert ("security" in operation) is (scope is not None)


def codes(response: Json) -> set[str]:
    """Every errorCode that a response may have."""
    schema = response["content"]["application/json"]["schema"]
    kinds = schema.get("anyOf", [schema])
    return {
        code for kind in kinds for code in kind.get("properties", {}).get("errorCode", {}).get("enum", [])
    }


async def test_every_word_of_a_dialect_is_described_at_its_status(server: Server) -> None:
    responses = (await described(server)).operations()[PLACE]["responses"]
    for word in DIALECT:
        assert word.code in codes(responses[str(word.status)]), word
        assert f"`{word.code}`" in responses[str(word.status)]["description"], word


async def test_what_any_route_may_say_is_described_for_each_and_the_rest_beside_them(server: Server) -> None:
    description = await described(server)
    for key, operation in description.operations().items():
        if key[0] != "HEAD":
            for word, _ in ANYWHERE:
                assert word.code in codes(operation["responses"][str(word.status)]), (key, word)
    elsewhere = description.document["components"]["responses"]
    assert {word.code for word, _ in NOWHERE} == set(elsewhere)
    assert all(codes(response) == {name} for name, response in elsewhere.items())


async def test_the_document_is_well_made(server: Server) -> None:
    """What a generator of clients needs: valid schemas, references that lead somewhere, distinct ids."""
    description = await described(server)
    document = description.document
    assert document["openapi"] == "3.1.0"
    for schema in description.schemas.values():
        jsonschema_rs.validator_for(schema | {"components": document["components"]})
    references = re.findall(r'"\$ref":"#/components/schemas/([^"]+)"', msgspec.json.encode(document).decode())
    assert set(references) == set(description.schemas)
    ids = [operation["operationId"] for operation in description.operations().values()]
    assert len(ids) == len(set(ids))
    for (_, path), operation in description.operations().items():
        inside = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert inside == set(re.findall(r"\{(\w+)\}", path))


async def test_the_example_of_a_request_is_one(server: Server) -> None:
    description = await described(server)
    content = description.operations()[PLACE]["requestBody"]["content"]["application/json"]
    assert description.misfits(content["schema"], content["example"]) == []
    read.asked(msgspec.json.encode(content["example"]))


PLAIN = ("5.00", 5, 0.25, "0005", "5." + "0" * 18)
CURIOUS = (
    *("1e1", "-5", "+5", " 5", "5 ", "5.", ".5", "5_0", "0x5", "", "\u0665", "\uff15", "5\n", "5\x00", "NaN"),
    *("Infinity", "5,0", "1" * 19, "0." + "1" * 19, -5, True, [5], {"a": 5}),
)


@pytest.mark.parametrize(
    ("body", "well"),
    [
        *(({"amount": amount}, True) for amount in PLAIN),
        *(({"amount": amount}, False) for amount in CURIOUS),
        ({"price": 1}, False), ({"price": None}, True), ({"type": "limit"}, False),
        ({"type": "market"}, True),
        ({"bridgeEnabled": True}, False), ({"bridgeEnabled": False}, True), ({"clientOrderId": "a b"}, False),
        ({"side": "hold"}, False), ({"predexonId": "px-UPPER-CASE"}, False), ({"predexonId": 5}, False),
        ({"else": {"a": 1}}, True),
    ],
)  # fmt: skip
async def test_the_described_request_is_the_one_that_is_read(server: Server, body: Json, well: bool) -> None:
    description = await described(server)
    schema = description.schemas["SeedRequest"]
    asked = msgspec.json.decode(ORDER) | body
    whole = {"components": description.document["components"], **schema}
    assert jsonschema_rs.is_valid(whole, asked) is well
    status, _, _ = answer_of(await server.say(server.post(msgspec.json.encode(asked))))
    assert (status == 201) is well


# --- the responses ---

Scene = Callable[[Server, pytest.MonkeyPatch], Awaitable[bytes]]


def says(**how: Any) -> Scene:
    """One POST and what comes back."""

    async def play(server: Server, _: pytest.MonkeyPatch) -> bytes:
        return await server.say(server.post(**how))

    return play


async def late_body(server: Server, patch: pytest.MonkeyPatch) -> bytes:
    patch.setattr(body_module, "MS_MAX", 50)
    return await server.say(server.post()[:-10])


async def bug(server: Server, patch: pytest.MonkeyPatch) -> bytes:
    patch.setattr(read, "asked", lambda _: 1 // 0)
    return await server.say(server.post())


async def under_way(server: Server, _: pytest.MonkeyPatch) -> bytes:
    server.world.network.latency_ms = 300
    key = "Idempotency-Key: one\r\n"
    first = asyncio.create_task(server.say(server.post(extra=key), wait_s=10))
    await until(lambda: len(server.router._lanes) > 0)
    second = await server.say(server.post(extra=key))
    await first
    return second


async def key_of_another(server: Server, _: pytest.MonkeyPatch) -> bytes:
    key = "Idempotency-Key: one\r\n"
    await server.say(server.post(extra=key))
    return await server.say(server.post(ORDER.replace(b"5.00", b"6.00"), extra=key))


async def repeated(server: Server, _: pytest.MonkeyPatch) -> bytes:
    key = "Idempotency-Key: one\r\n"
    await server.say(server.post(extra=key))
    return await server.say(server.post(extra=key))


async def too_busy(server: Server, patch: pytest.MonkeyPatch) -> bytes:
    patch.setattr(lanes, "WAITING_MAX", 0)
    server.world.network.latency_ms = 300
    first = asyncio.create_task(server.say(server.post(), wait_s=10))
    await until(lambda: len(server.router._lanes) > 0)
    second = await server.say(server.post(ORDER.replace(b"5.00", b"6.00")))
    await first
    return second


async def no_registry(server: Server, _: pytest.MonkeyPatch) -> bytes:
    server.router._registry = None
    return await server.say(server.post())


async def no_disk(server: Server, _: pytest.MonkeyPatch) -> bytes:
    server.world.store.failing = "no space left on device"
    return await server.say(server.post())


async def stopping(server: Server, _: pytest.MonkeyPatch) -> bytes:
    await server.router.stop(0)
    return await server.say(server.post())


async def every_venue_fails(server: Server, _: pytest.MonkeyPatch) -> bytes:
    server.world.network.misdeed = lambda _venue, request: (
        "refused" if request.purpose.name == "ORDER" else ""
    )
    return await server.say(server.post(), wait_s=10)


async def sold(server: Server, _: pytest.MonkeyPatch) -> bytes:
    await server.say(server.post())
    world, name = server.world, min(server.world.natives)
    bids = [(Price(430_000), Size(1_000 * ONE))]
    world.simulators[name].exchange.set_book(world.natives[name][0], bids, [], world.clock.now_ms())
    world.pump()
    return await server.say(server.post(SELL.replace(b"5.00", b"1")))


SELL = ORDER.replace(b"buy", b"sell").replace(b"amount", b"size")
SCENES: list[tuple[int, str | None, Scene]] = [
    (201, None, says()),
    (201, None, repeated),
    (201, None, sold),
    (400, "parse_error", says(body=b"{}")),
    (400, "insufficient_balance", says(body=ORDER.replace(b"5.00", b"9000"))),
    (400, "invalid_request", says(extra="Host: localhost\r\n")),
    (401, "unauthorized", says(key="")),
    (401, "invalid_api_key", says(key="sor_live_wrong")),
    (403, "origin_not_allowed", says(extra="Origin: https://evil.example\r\n")),
    (404, "predexon_not_routable", says(body=ORDER.replace(b"yes", b"yez"))),
    (404, "account_not_found", says(path=PATH.replace("acct-1", "nobody"))),
    (408, "request_timeout", late_body),
    (409, "in_progress", under_way),
    (413, "payload_too_large", says(body=b" " * 70_000)),
    (415, "unsupported_media_type", says(extra="Content-Type: text/plain\r\n")),
    (417, "expectation_failed", says(extra="Expect: tea\r\n")),
    (422, "idempotency_key_reused", key_of_another),
    (429, "rate_limited", too_busy),
    (500, "internal_error", bug),
    (502, "no_allocations", says(body=SELL)),
    (502, "all_venues_failed", every_venue_fails),
    (503, "registry_unavailable", no_registry),
    (503, "store_unavailable", no_disk),
    (503, "shutting_down", stopping),
]


@pytest.mark.parametrize(("status", "code", "play"), SCENES)
async def test_a_real_response_is_one_that_is_described(
    server: Server, monkeypatch: pytest.MonkeyPatch, status: int, code: str | None, play: Scene
) -> None:
    description = await described(server)
    seen, headers, body = answer_of(await play(server, monkeypatch))
    assert (seen, msgspec.json.decode(body).get("errorCode")) == (status, code)
    assert description.faults("POST", PATH, status=seen, headers=headers, body=body) == []
    named = set(description.operations()[PLACE]["responses"][str(seen)]["headers"])
    assert {"retry-after", "idempotent-replayed"} & set(headers) <= {name.lower() for name in named}


async def test_the_stranger_to_a_name_is_answered_as_described(server: Server) -> None:
    heard = answer_of(await server.say(server.post().replace(b"localhost", b"evil.example")))
    status, headers, body = heard
    assert status == 421
    description = await described(server)
    assert description.faults("POST", PATH, status=status, headers=headers, body=body) == []


async def test_every_status_that_is_described_was_seen(server: Server) -> None:
    responses = (await described(server)).operations()[PLACE]["responses"]
    assert {int(status) for status in responses} == {status for status, _, _ in SCENES} | {421}


@pytest.mark.parametrize("path", sorted({path for method, path in served() if method == "GET"}))
async def test_what_is_read_is_as_described(server: Server, path: str) -> None:
    description = await described(server)
    status, headers, body = await get(server, path.replace("{accountId}", "acct-1"))
    assert status == (200 if ROUTES["GET", path.replace("accountId", "account_id")] is None else 401)
    assert description.faults("GET", path, status=status, headers=headers, body=body) == []


async def test_a_router_that_is_not_ready_says_so_as_described(server: Server) -> None:
    server.router._registry = None
    status, headers, body = await get(server, "/ready")
    assert status == 503
    description = await described(server)
    assert description.faults("GET", "/ready", status=status, headers=headers, body=body) == []


# --- the page ---


class Seen(HTMLParser):
    """What a browser would load, run and link to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "src" or (tag == "link" and name == "href"):
                self.loads.append(value or "")
            elif name == "href":
                self.links.append(value or "")
            elif name == "id":
                self.ids.append(value or "")
            elif name == "style" or name.startswith("on"):
                self.handlers.append(name)


async def test_the_page_needs_no_script_and_nothing_from_elsewhere(server: Server) -> None:
    status, headers, body = await get(server, "/docs")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert headers["content-security-policy"] == manual.POLICY
    assert "script" not in manual.POLICY, "default-src 'none' forbids it"
    seen = Seen()
    seen.feed(body.decode())
    assert not seen.tags & {"script", "style", "img", "iframe", "form", "object", "base"}
    assert (seen.loads, seen.handlers) == (["docs/style.css"], [])
    assert b"url(" not in (await get(server, "/docs/style.css"))[2]
    assert b"@import" not in (await get(server, "/docs/style.css"))[2]


async def test_every_link_of_the_page_leads_somewhere_and_everything_described_is_on_it(
    server: Server,
) -> None:
    document = (await described(server)).document
    text = (await get(server, "/docs"))[2].decode()
    seen = Seen()
    seen.feed(text)
    assert len(seen.ids) == len(set(seen.ids))
    for link in seen.links:
        if link.startswith("#"):
            assert link[1:] in seen.ids
        else:
            assert (await get(server, f"/{link}"))[0] == 200
    methods = [op for ops in document["paths"].values() for m, op in ops.items() if m != "head"]
    assert set(seen.ids) == {op["operationId"] for op in methods} | set(document["components"]["schemas"])
    for word in KNOWN:
        assert f"<code>{word.code}</code>" in text


def test_a_text_of_a_route_cannot_become_a_tag() -> None:
    made = manual.routes(())
    evil = msgspec.structs.replace(made[0], title="<script>x</script>", text="<b onclick=x> & `<i>`")
    text = page(describe([evil]))
    assert "<script" not in text
    assert "&lt;b onclick=x&gt; &amp; <code>&lt;i&gt;</code>" in text
