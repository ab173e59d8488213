"""What the other end of the wire must provide. `venues.sim.server` is its only caller with a socket.

A simulator is pure: requests and frames in, replies and frames out, time and seed as arguments. It is
written from the venue's card and shares no code with the venue's `orders.py`, `feed.py` and `signer.py`.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from venues.base.http import Response
from venues.sim.engine import Exchange


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request, or the upgrade request of a WebSocket, as the simulator's server received it."""

    method: str
    path: str
    """As received, percent-encoded, without the query."""
    query: Mapping[str, str] = {}
    query_text: str | None = None
    """The query as received, for venues that sign it; None when the call came over no wire."""
    headers: Mapping[str, str] = {}
    """Names in lower case."""
    body: bytes = b""


class Socket(Protocol):
    """One WebSocket connection as the venue keeps it."""

    outbox: list[str]
    """Frames to send, oldest first. The server empties it after every call into the simulator."""
    closed: bool
    """The venue wants this connection closed."""

    def receive(self, text: str, now_ms: int) -> None:
        """A text frame from the client."""
        ...

    def tick(self, now_ms: int) -> None:
        """Called at least once a second: heartbeats and delayed work."""
        ...


class Simulator(Protocol):
    """A venue. Its `exchange` is the ledger that tests compare with."""

    name: str
    exchange: Exchange
    prefix: str
    """Path that the server mounts the REST face under, as in production, e.g. "/trade-api/v2" or ""."""
    socket_path: str
    """Path of the market-data WebSocket from the server's root; the base of `Venue.hosts["socket"]`."""
    ping_ms: int | None
    """How often the server sends a WebSocket ping control frame; None for never."""

    def answer(self, call: Call, now_ms: int) -> Response:
        """One HTTP request, fully processed."""
        ...

    def connect(self, call: Call, now_ms: int) -> Socket | Response:
        """A WebSocket upgrade: the new connection, or the refusal of it."""
        ...

    def disconnect(self, socket: Socket) -> None:
        """The connection is gone; nothing more is put into its outbox."""
        ...

    def tick(self, now_ms: int) -> None:
        """Called at least every 100 ms: delayed matching, settlement, expiry."""
        ...

    def hosts(self, origin: str, socket_origin: str) -> Mapping[str, str]:
        """`Venue.hosts` for a server at these origins ("http://127.0.0.1:1", "ws://127.0.0.1:1")."""
        ...

    def open_account(self, wish: Mapping[str, Any], now_ms: int) -> Mapping[str, str]:
        """A new account; returns its credentials, named as in `Venue.secrets`.

        `wish["balance"]` is decimal text; `wish["positions"]` maps listing keys without the venue
        ("TICKER" or "TICKER:inverted") to decimal text; `wish["credentials"]` fixes the credentials.
        """
        ...

    def list_market(self, wish: Mapping[str, Any]) -> list[str]:
        """A new market from `wish` (the venue documents its keys; {} gives a default binary market).
        Returns the natives of its books, the first outcome first."""
        ...
