"""Which requests are let in: by the name they call us, and by the page that sends them.

A page on the web may make its reader's browser call a router that only this machine can reach. It comes
with the page's own address in `Origin`; or, once the page has pointed its own name at 127.0.0.1 (DNS
rebinding), with that name in `Host`. Keys are in a header no such page knows, and this is the second lock.
"""

import re
from functools import lru_cache
from typing import NamedTuple

import msgspec
from aiohttp import web

from router.http.reaper import Limits
from router.http.words import HOST_NOT_ALLOWED, INVALID_REQUEST, ORIGIN_NOT_ALLOWED, Word
from router.runtime.addresses import is_address, is_local_name
from router.sections import ServerConfig

SEEN_MAX = 256
"""Names and pages whose verdict is remembered; a caller sends the same one each time."""
DEFAULT_PORTS = {"http": "80", "https": "443"}

SAFE_HEADERS = {
    "Server": "crossbook",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""What every response says to browsers and caches, unless its handler says otherwise."""

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?", re.ASCII)
_ORIGIN = re.compile(r"(https?)://(.+)", re.ASCII)


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """The rules, from the settings."""

    limits: Limits = Limits()
    hosts: frozenset[str] = frozenset()
    """Names in lower case that we are called by, beside localhost and addresses."""
    origins: frozenset[str] = frozenset()
    """Pages that may call although they come from elsewhere, as browsers write them: scheme://host[:port]."""

    @classmethod
    def of(cls, server: ServerConfig) -> "Door":
        """The rules of a settings file. The name it listens on is one of its names."""
        return cls(
            limits=Limits(connections=server.connections_max, per_address=server.connections_per_address_max),
            hosts=frozenset(name.lower() for name in (*server.allowed_hosts, server.host)),
            origins=frozenset(origin.lower() for origin in server.allowed_origins),
        )


class Turned(NamedTuple):
    """Why a request is not let in: the word for it, and header and rule."""

    word: Word
    message: str


class Guard:
    """Looks at every request before its handler does."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._judged = lru_cache(SEEN_MAX)(self._judge)

    def why_not(self, request: web.Request) -> Turned | None:
        """None when it may come in."""
        host = request.headers.get("Host")  # aiohttp lets no second one through
        if host is None and request.version >= (1, 1):
            return Turned(INVALID_REQUEST, "host: a request of HTTP/1.1 has it")
        return self._judged(host, request.headers.get("Origin"))

    def _judge(self, host: str | None, origin: str | None) -> Turned | None:
        if host is not None and not self._ours(host):
            return Turned(
                HOST_NOT_ALLOWED,
                "host: not a name of this router; the setting server.allowed_hosts lists its names",
            )
        if origin is not None and not self._welcome(origin.lower(), host):
            return Turned(
                ORIGIN_NOT_ALLOWED,
                "origin: pages from elsewhere may not call; the setting server.allowed_origins lists others",
            )
        return None

    def _ours(self, host: str) -> bool:
        """Nobody can point an address elsewhere: only names can be lent to another's page."""
        parsed = _HOST.fullmatch(host.lower())
        if parsed is None:
            return False
        name = parsed[1].strip("[]").removesuffix(".")
        return is_address(name) or is_local_name(name) or name in self._door.hosts

    def _welcome(self, origin: str, host: str | None) -> bool:
        """A page that came from us: from the same name and port. Its scheme may have been a proxy's."""
        if origin in self._door.origins:
            return True
        parsed = _ORIGIN.fullmatch(origin)
        if parsed is None or host is None:
            return False
        scheme, place = parsed[1], parsed[2]
        return _with_port(place, scheme) == _with_port(host.lower(), scheme)


def _with_port(place: str, scheme: str) -> tuple[str, str]:
    parsed = _HOST.fullmatch(place)
    if parsed is None:
        return place, ""
    return parsed[1], parsed[2] or DEFAULT_PORTS[scheme]


def make_safe(response: web.StreamResponse) -> None:
    """Add SAFE_HEADERS where the handler has not set them."""
    headers = response.headers
    for name, value in SAFE_HEADERS.items():
        if name not in headers or name == "Server":
            headers[name] = value
