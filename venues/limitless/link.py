"""Socket.IO over one WebSocket, as far as the venue needs it: two handshakes, heartbeats, events (card 5).

Engine.IO 4 wraps Socket.IO 4. A packet is a digit and a payload: `0` opened, `1` closed, `2` ping, `3` pong,
`4` Socket.IO: `40` connected to a namespace, `41` left it, `42` an event, `44` refused. Time comes in.
"""

import msgspec

from venues.base.events import Refused, Say
from venues.base.http import Purpose, Request
from venues.kit.body import read

NAMESPACE = "/markets"
SILENT_MS = 85_000
"""Ping interval plus ping timeout as the venue states them; its own numbers replace this when it opens."""
SILENT_MS_MAX = 600_000
"""A venue that promised less than one ping in ten minutes would not be heard dying."""
JOIN_MS_MAX = 10_000
"""Both handshakes take two round trips; a connection without them after this long is made anew."""
QUERY = (("EIO", "4"), ("transport", "websocket"))
"""In this order it is what the venue's documents sign."""


class _Opened(msgspec.Struct, rename="camel"):
    ping_interval: int = 25_000
    ping_timeout: int = 60_000


class _Refusal(msgspec.Struct):
    message: str = ""


class Joined(msgspec.Struct, frozen=True):
    """The namespace is open: subscriptions may be sent."""


class Event(msgspec.Struct, frozen=True):
    """One event of the namespace; `body` is its first argument as JSON, "null" for none."""

    name: str
    body: msgspec.Raw


Heard = Say | Refused | Joined | Event

_opened = msgspec.json.Decoder(_Opened)
_refusal = msgspec.json.Decoder(_Refusal)
_parts = msgspec.json.Decoder(list[msgspec.Raw])
_name = msgspec.json.Decoder(str)
_NULL = msgspec.Raw(b"null")


def handshake(*, private: bool) -> Request:
    """The WebSocket upgrade."""
    return Request(
        method="GET",
        path="/socket.io/",
        query=QUERY,
        purpose=Purpose.ACCOUNT if private else Purpose.DATA,
        host="socket",
        private=private,
    )


def emit(name: str, *body: object) -> Say:
    """An event to the venue, with its argument or without any."""
    return Say(f"42{NAMESPACE}," + msgspec.json.encode([name, *body]).decode())


class Link:
    """The state of one connection below its events."""

    __slots__ = ("_heard_ms", "_opened_ms", "_silent_ms", "joined")

    def __init__(self) -> None:
        self.joined = False
        self._silent_ms = SILENT_MS
        self._opened_ms: int | None = None
        self._heard_ms = 0

    def receive(self, frame: str | bytes, now_ms: int) -> list[Heard]:
        """What a frame means. Unreadable raises ValueError; packets of other namespaces mean nothing."""
        text = frame if isinstance(frame, str) else frame.decode()
        self._start(now_ms)
        self._heard_ms = now_ms
        match text[:1]:
            case "4":
                return self._socket_packet(text[1:2], text[2:])
            case "2":
                return [Say("3")]
            case "0":
                opened = read(_opened, text[1:])
                self._silent_ms = min(max(opened.ping_interval + opened.ping_timeout, 1_000), SILENT_MS_MAX)
                return [Say(f"40{NAMESPACE},")]
            case "1":
                return [Refused("the venue closed the connection", fatal=True)]
            case "3" | "6":
                return []
            case kind:
                raise ValueError(f"no packet of Engine.IO begins with {kind!r}")

    def tick(self, now_ms: int) -> list[Refused]:
        """A connection without any packet for so long, or without a namespace, is dead."""
        opened_ms = self._start(now_ms)
        if now_ms - self._heard_ms > self._silent_ms:
            return [Refused(f"no packet for {now_ms - self._heard_ms} ms", fatal=True)]
        if not self.joined and now_ms - opened_ms > JOIN_MS_MAX:
            return [Refused("the namespace did not open", fatal=True)]
        return []

    def _start(self, now_ms: int) -> int:
        if self._opened_ms is None:
            self._opened_ms = self._heard_ms = now_ms
        return self._opened_ms

    def _socket_packet(self, kind: str, rest: str) -> list[Heard]:
        name, _, payload = rest.partition(",")
        if name != NAMESPACE:
            if not kind.isdecimal():
                raise ValueError(f"no packet of Socket.IO begins with {kind!r}")
            return []
        match kind:
            case "2":
                return [_event(payload)]
            case "0":
                self.joined = True
                return [Joined()]
            case "1":
                return [Refused("the venue closed the namespace", fatal=True)]
            case "4":
                said = read(_refusal, payload) if payload else _Refusal()
                return [Refused(f"the namespace is refused: {said.message}", fatal=True)]
            case _:
                raise ValueError(f"a packet of Socket.IO that is not expected: {kind!r}")


def _event(payload: str) -> Event:
    parts = read(_parts, payload)
    if not parts:
        raise ValueError("an event without a name")
    return Event(_name.decode(parts[0]), parts[1] if len(parts) > 1 else _NULL)
