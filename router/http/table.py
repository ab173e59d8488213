"""A route as data: what the application serves and what its description says are made from the same entry.

Each surface has `routes(…)`, which returns its entries; `make_app` mounts them and describes them.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Literal, TypeVar

import msgspec
from aiohttp import web

from router.http.responses import expectation
from router.http.words import Word
from router.runtime.keys import Scope

JSON = "application/json"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
E = TypeVar("E", bound=Exception)
Schema = Mapping[str, object]
"""JSON Schema, draft 2020-12."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One way a route answers."""

    status: int
    when: str
    """One sentence, in Markdown."""
    body: object = None
    """The msgspec type that is encoded; None where it is no JSON."""
    code: str | None = None
    """The value of `errorCode`, where the body has one."""
    media: str = JSON
    headers: tuple[str, ...] = ()
    """Those that only this reply carries."""


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """What a request says outside its body."""

    name: str
    place: Literal["header", "path", "query"]
    text: str
    schema: Schema = msgspec.field(default_factory=lambda: {"type": "string"})
    required: bool = False


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path. A route of GET answers HEAD as well."""

    method: str
    path: str
    """As aiohttp writes it: {account_id}."""
    handler: Handler
    name: str
    """The operation's id: what generated clients call it."""
    title: str
    text: str
    surface: str
    """Under which heading it is described."""
    replies: tuple[Reply, ...]
    scope: Scope | None = None
    """What the caller's key must be allowed to do; None: no key is needed."""
    body: object = None
    """The msgspec type that the handler decodes."""
    example: Mapping[str, object] | None = None
    """A body that is well."""
    parameters: tuple[Parameter, ...] = ()


def mount(app: web.Application, routes: Iterable[Route]) -> None:
    """Put the routes on the application."""
    for route in routes:
        if route.method == "GET":
            app.router.add_get(route.path, route.handler, expect_handler=expectation)
        else:
            app.router.add_route(route.method, route.path, route.handler, expect_handler=expectation)


def refusals(
    words: Mapping[type[E], Word], body: object, *, headers: Mapping[type, tuple[str, ...]] | None = None
) -> tuple[Reply, ...]:
    """A reply for each error of a dialect's table: when, says the error's own docstring."""
    return tuple(
        Reply(
            status=word.status,
            code=word.code,
            body=body,
            when=_first_sentence(error),
            headers=(headers or {}).get(error, ()),
        )
        for error, word in words.items()
    )


def _first_sentence(error: type[Exception]) -> str:
    assert error.__doc__, f"{error.__name__} says what it means"
    return " ".join(error.__doc__.split("\n\n")[0].split())
