"""Every route, every scope, every account: what a key is not for is refused, in the dialect's words."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import msgspec
import pytest

from router.core.model import AccountId
from router.http.app import Listener, make_app
from router.http.predexon.refusals import ACCESS_WORDS
from router.runtime.keys import ApiKey, KeyId, KeyRing, Scope, digest, networks, new_key
from router.runtime.metrics import Metrics
from router.service import Router
from tests.http.description import ours
from tests.http.test_app import answer_of
from tests.virtual_time import VirtualLoop
from tests.world import ACCOUNT, World

ROUTES: dict[tuple[str, str], Scope | None] = {
    ("POST", "/api/accounts/{account_id}/router/orders"): Scope.TRADE,
    ("POST", "/native/halts"): Scope.ADMIN,
    ("GET", "/native/halts"): Scope.ADMIN,
    ("DELETE", "/native/halts"): Scope.ADMIN,
    ("GET", "/native/limits/{account_id}"): Scope.ADMIN,
    ("PUT", "/native/limits/{account_id}"): Scope.ADMIN,
    ("GET", "/health"): None,
    ("GET", "/ready"): None,
    ("GET", "/metrics"): None,
    ("GET", "/openapi.json"): None,
    ("GET", "/docs"): None,
    ("GET", "/docs/style.css"): None,
}
"""Method and path to what a key must be for; None: the route asks for no key. A new route is a new row."""
OWN, FOREIGN, NOBODY = ACCOUNT, AccountId("acct-2"), AccountId("nobody")
NOW_MS = 1_790_000_000_000
DENIALS = {word.code for word in ACCESS_WORDS.values()}


class Door:
    """A router with two accounts and a key of each scope, each owning the first account only."""

    def __init__(self) -> None:
        self.port, self.now_ms = 0, NOW_MS
        self.texts = {scope: new_key() for scope in Scope}
        self.special = {"late": new_key(), "far": new_key(), "near": new_key(), "all": new_key()}

    def ring(self) -> KeyRing:
        made = [
            ApiKey(name=KeyId(f"only-{scope.value}"), sha256=digest(text), accounts=frozenset({OWN}),
                   scopes=frozenset({scope}))
            for scope, text in self.texts.items()
        ]  # fmt: skip
        limits: dict[str, dict[str, object]] = {
            "late": {"expires_ms": NOW_MS},
            "far": {"networks": networks(["10.0.0.0/8", "2001:db8::/32"])},
            "near": {"networks": networks(["127.0.0.1"]), "expires_ms": NOW_MS + 1},
            "all": {},
        }
        for name, text in self.special.items():
            key = ApiKey(
                name=KeyId(name), sha256=digest(text), accounts=frozenset({OWN}), scopes=frozenset(Scope)
            )
            made.append(msgspec.structs.replace(key, **limits[name]))
        return KeyRing(made, lambda: self.now_ms)

    async def ask(self, method: str, path: str, key: str | None) -> tuple[int, str]:
        """Status, and the code of the error if it is one."""
        given = f"x-api-key: {key}\r\n" if key is not None else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{given}"
        length = "Content-Length: 2\r\n\r\n{}" if method != "GET" else "\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write((head + length).encode())
        status, headers, body = answer_of(await asyncio.wait_for(reader.read(), 10))
        writer.close()
        assert ours().faults(method, path, status=status, headers=headers, body=body) == []
        told = msgspec.json.decode(body) if "json" in headers["content-type"] else {}
        return status, told.get("errorCode", "")


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    made, metrics = Door(), Metrics()
    world = World(cast("VirtualLoop", asyncio.get_running_loop()), 1)
    router = await world.start(accounts=(OWN, FOREIGN))
    listener = Listener(make_app(router, made.ring(), metrics), metrics)
    await listener.start("127.0.0.1", 0)
    made.port = listener.port
    try:
        yield made
    finally:
        await router.stop(1_000)
        await listener.stop()


def test_every_route_is_in_the_table() -> None:
    app = make_app(cast("Router", None), KeyRing([], lambda: 0), Metrics())
    routes = {(r.method, r.resource.canonical) for r in app.router.routes() if r.resource is not None}
    assert {(method, path) for method, path in routes if method != "HEAD"} == set(ROUTES)


async def test_a_key_may_do_what_it_is_for_with_its_own_accounts_and_nothing_else(door: Door) -> None:
    for (method, path), needed in ROUTES.items():
        for scope, key in door.texts.items():
            for account in (OWN, FOREIGN, NOBODY):
                status, code = await door.ask(method, path.format(account_id=account), key)
                seen = (status, code) if code in DENIALS else None
                assert seen == denial(needed, scope, account, own="{account_id}" in path), (
                    f"{method} {path} with {scope} on {account}: {status} {code}"
                )


def denial(needed: Scope | None, scope: Scope, account: str, *, own: bool) -> tuple[int, str] | None:
    """The rule, written once more."""
    if needed is None:
        return None
    if scope is not needed:
        return 403, "scope_missing"
    if own and account == NOBODY:
        return 404, "account_not_found"
    if own and account == FOREIGN:
        return 403, "account_not_owned"
    return None


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("late", (401, "api_key_expired")),
        ("far", (403, "address_not_allowed")),
        ("near", None),
        ("all", None),
        ("unknown", (401, "invalid_api_key")),
        ("none", (401, "unauthorized")),
    ],
)
async def test_a_key_is_taken_until_it_ends_and_from_its_addresses(
    door: Door, name: str, answer: tuple[int, str] | None
) -> None:
    key = None if name == "none" else door.special.get(name, new_key())
    for (method, path), needed in ROUTES.items():
        status, code = await door.ask(method, path.format(account_id=OWN), key)
        assert ((status, code) if code in DENIALS else None) == (answer if needed else None), path
    door.now_ms += 1
    if name == "near":
        assert await door.ask("POST", f"/api/accounts/{OWN}/router/orders", key) == (401, "api_key_expired")
