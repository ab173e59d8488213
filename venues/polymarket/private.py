"""The account's own stream (card 8): its orders as they change, its trades on their way to the chain.

It tells of all markets, replays nothing after a break, and is kept alive as the market channel is.
"""

from collections.abc import Sequence

import msgspec

from venues.base.contract import PrivateEvent, Signer
from venues.base.events import Say
from venues.base.http import Purpose, Request, Talk, Unavailable
from venues.base.listing import Native
from venues.base.orders import News
from venues.kit.body import read
from venues.polymarket import wire
from venues.polymarket.feed import CHATTER, PING_MS
from venues.polymarket.reads import own
from venues.polymarket.standings import parts_of

_frames = msgspec.json.Decoder(list[msgspec.Raw])
_name = msgspec.json.Decoder(wire.AnyFrame)
_order = msgspec.json.Decoder(wire.OrderState)
_trade = msgspec.json.Decoder(wire.Trade)


class PolymarketPrivate:
    """One connection to the user channel."""

    def __init__(self, signer: Signer) -> None:
        self._signer = own(signer)
        self._pinged_ms: int | None = None

    def prepare(self, now_ms: int) -> Talk[Unavailable | None]:
        """Nothing has to be fetched."""
        yield from ()
        return None

    def handshake(self) -> Request:
        """Not signed: the first message proves who we are."""
        return Request(method="GET", path="/ws/user", purpose=Purpose.ACCOUNT, host="socket")

    def opening(self) -> list[PrivateEvent]:
        """The login, for all markets. Wrong credentials end the connection without a word."""
        return [Say(msgspec.json.encode({"type": "user", "auth": self._signer.login()}).decode())]

    def watch(self, natives: Sequence[Native]) -> list[PrivateEvent]:
        """Nothing: the stream tells of all markets."""
        return []

    def receive(self, frame: str | bytes, now_ms: int) -> list[PrivateEvent]:
        """Translate one frame: an object, an array of objects, or a word. Other events mean nothing."""
        text = (frame if isinstance(frame, str) else frame.decode()).strip()
        if text in CHATTER:
            return []
        parts = read(_frames, text) if text.startswith("[") else [msgspec.Raw(text.encode())]
        return [news for part in parts for news in self._news(bytes(part))]

    def tick(self, now_ms: int) -> list[PrivateEvent]:
        """The heartbeat."""
        if self._pinged_ms is not None and now_ms - self._pinged_ms < PING_MS:
            return []
        self._pinged_ms = now_ms
        return [Say("PING")]

    def _news(self, part: bytes) -> list[News]:
        """An order event is about one order; a trade about each of ours in it, as taker or maker."""
        kind = read(_name, part).event_type
        if kind == "order":
            order = read(_order, part)
            return [_told(order.id.lower(), kind, order)]
        if kind == "trade":
            trade = read(_trade, part)
            return [_told(own_part.order_id, kind, trade) for own_part in parts_of(trade, self._signer)]
        return []


def _told(order_id: str, kind: str, body: wire.OrderState | wire.Trade) -> News:
    return News(venue_order_id=order_id, told={kind: msgspec.json.encode(body).decode()})
