"""Requests and their replies as values: nothing under `venues` opens a socket."""

from collections.abc import Generator
from enum import Enum
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec


class Purpose(Enum):
    """What a request is for. Deadlines, budgets and breakers are kept per purpose."""

    __hash__ = object.__hash__  # each is one object; Enum's own is a call in Python
    DATA = "data"
    """Public market data and metadata."""
    ACCOUNT = "account"
    """Balances, positions, order look-ups: private, and harmless to repeat."""
    ORDER = "order"
    """Places or cancels an order: never repeated by the transport."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request to a venue."""

    method: str
    path: str
    """From the root of `host`, percent-encoded, without the query; "" is the base URL itself."""
    purpose: Purpose
    host: str = "rest"
    """Which of the venue's base URLs: a key of `Venue.hosts`."""
    query: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    headers: dict[str, str] = {}
    private: bool = False
    """The runtime passes it through the account's `Signer` just before sending."""

    @property
    def target(self) -> str:
        """Path and query as sent."""
        return f"{self.path}?{urlencode(self.query, quote_via=quote)}" if self.query else self.path


class Response(msgspec.Struct, frozen=True):
    """A complete answer of the venue, whatever its status."""

    status: int
    body: bytes
    headers: dict[str, str] = {}
    """Names in lower case."""


class Silence(msgspec.Struct, frozen=True):
    """No complete answer came back. With `sent` false it is proven that nothing reached the venue."""

    reason: str
    sent: bool


Reply = Response | Silence


class Unavailable(msgspec.Struct, frozen=True):
    """A read that gave no usable answer, and why."""

    reason: str


T = TypeVar("T")
Talk = Generator[Request, Reply, T]
"""A conversation without a socket: yields requests, is sent their replies, returns what it learnt."""


def converse(talk: "Talk[T]", replies: "dict[str, Reply]") -> T:
    """Run a conversation against canned replies, keyed by "METHOD path". For tests and tools."""
    reply: Reply | None = None
    while True:
        try:
            request = talk.send(reply) if reply is not None else next(talk)
        except StopIteration as stop:
            done: T = stop.value
            return done
        reply = replies[f"{request.method} {request.path}"]
