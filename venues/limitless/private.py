"""The account's own stream: order events over an authenticated connection (card 5).

It tells of all markets. Events come from the matching engine and from settlement, in no order between them.
"""

from collections.abc import Sequence

import msgspec

from venues.base.contract import PrivateEvent, Signer
from venues.base.events import Refused
from venues.base.http import Request, Talk, Unavailable
from venues.base.listing import Native
from venues.base.orders import News
from venues.kit.body import read
from venues.limitless import wire
from venues.limitless.link import Event, Joined, Link, emit, handshake

_event = msgspec.json.Decoder(wire.OrderEvent)
_exception = msgspec.json.Decoder(wire.Exceptional)


class LimitlessPrivate:
    """One connection. It sends one command only, so an exception there means that nothing will be heard."""

    def __init__(self, signer: Signer) -> None:
        """The handshake alone is signed, anew for each connection."""
        self._link = Link()

    def prepare(self, now_ms: int) -> Talk[Unavailable | None]:
        """Nothing has to be fetched."""
        yield from ()
        return None

    def handshake(self) -> Request:
        """The path is signed with its query, as it is sent."""
        return handshake(private=True)

    def opening(self) -> list[PrivateEvent]:
        """Nothing: the venue speaks first."""
        return []

    def watch(self, natives: Sequence[Native]) -> list[PrivateEvent]:
        """Nothing: the stream tells of all markets."""
        return []

    def receive(self, frame: str | bytes, now_ms: int) -> list[PrivateEvent]:
        """Order events as news; all else but refusals and heartbeats means nothing."""
        events: list[PrivateEvent] = []
        for heard in self._link.receive(frame, now_ms):
            match heard:
                case Joined():
                    events.append(emit("subscribe_order_events", {}))
                case Event(name="orderEvent"):
                    events.append(_news(read(_event, bytes(heard.body))))
                case Event(name="exception"):
                    events.append(Refused(read(_exception, bytes(heard.body)).message, fatal=True))
                case Event():
                    pass
                case _:
                    events.append(heard)
        return events

    def tick(self, now_ms: int) -> list[PrivateEvent]:
        """Whether the connection still lives."""
        return [*self._link.tick(now_ms)]


def _news(event: wire.OrderEvent) -> News:
    values = {name: getattr(event, name) for name in wire.OrderEvent.__struct_fields__}
    told = {name: str(value) for name, value in values.items() if value is not None}
    return News(venue_order_id=event.order_id, client_id=event.client_order_id or "", told=told)
