"""A route as data: what the application serves and what its description says are made from the same entry.

Each surface has `routes(…)`, which returns its entries; `make_app` serves them and describes them.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Literal, TypeVar

import msgspec
from aiohttp import web

from router.http.words import Word
from router.runtime.keys import Scope

JSON = "application/json"

PARTS: web.RequestKey[Mapping[str, str]] = web.RequestKey("parts", Mapping[str, str])
"""Where the aiohttp request keeps the named parts of its path."""

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
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
    """Parts that differ are named in braces: {account_id}."""
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


class Table:
    """Finds the routes of a path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._plain: dict[str, dict[str, Handler]] = {}
        """Handlers by method, by path."""
        self._patterns: dict[re.Pattern[str], dict[str, Handler]] = {}
        for route in routes:
            if "{" in route.path:
                handlers = self._patterns.setdefault(_pattern(route.path), {})
            else:
                handlers = self._plain.setdefault(route.path, {})
            for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
                assert method not in handlers, f"{method} {route.path} is there already"
                handlers[method] = route.handler

    def find(self, path: str) -> tuple[Mapping[str, Handler], Mapping[str, str]]:
        """Its handlers by method, none where there is no such path; and its PARTS.

        `path` is as a URL has it, but for what need not be percent-encoded: a slash inside a part is.
        """
        plain = self._plain.get(path)
        if plain is not None:
            return plain, {}
        for pattern, handlers in self._patterns.items():
            match = pattern.fullmatch(path)
            if match:
                parts = match.groupdict()
                if "%" in path:
                    parts = {name: _plain(text) for name, text in parts.items()}
                return handlers, parts
        return {}, {}


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^{}/]+)", re.escape(path)))


def _plain(text: str) -> str:
    return text.replace("%2F", "/").replace("%25", "%")


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
