"""The wallet's own events (card 9): one connection, one topic, which is named by the session token."""

from collections.abc import Sequence

import msgspec

from venues.base.contract import PrivateEvent, Signer
from venues.base.events import Refused
from venues.base.http import Purpose, Request, Talk, Unavailable
from venues.base.listing import Native
from venues.base.orders import News
from venues.kit.body import read
from venues.predict import wire
from venues.predict.calls import log_in, own
from venues.predict.feed import HEARTBEAT, PUSH, REPLY, heartbeat, reason, request

WALLET_TOPIC = "predictWalletEvents/"
_REQUEST = 1
"""The only request of a connection."""

_frames = msgspec.json.Decoder(wire.Frame)
_event = msgspec.json.Decoder(wire.WalletEvent)


class PredictPrivateFeed:
    """Tells of all orders of the wallet. Nothing is sent on subscribing: what happened before is not told."""

    def __init__(self, signer: Signer) -> None:
        self._signer = own(signer)
        self._topic = ""

    def prepare(self, now_ms: int) -> Talk[Unavailable | None]:
        """Fetch a session token where there is none that lasts."""
        if self._signer.fresh(now_ms):
            return None
        return (yield from log_in(self._signer))

    def handshake(self) -> Request:
        """As of the order books."""
        return Request(method="GET", path="/ws", purpose=Purpose.ACCOUNT, host="socket", private=True)

    def opening(self) -> list[PrivateEvent]:
        """The subscription. Its text holds the session token."""
        self._topic = self._signer.wallet_topic
        return [request("subscribe", _REQUEST, self._topic)]

    def watch(self, natives: Sequence[Native]) -> list[PrivateEvent]:
        """Nothing: the topic tells of all markets."""
        return []

    def receive(self, frame: str | bytes, now_ms: int) -> list[PrivateEvent]:
        """Translate one frame. A refused subscription ends the connection; the next one logs in anew."""
        message = read(_frames, frame)
        if message.type == REPLY and not message.success and message.request_id in (_REQUEST, None):
            self._signer.forget()
            return [Refused(self._without_token(reason(message)), fatal=True)]
        if message.type != PUSH:
            return []
        if message.topic == HEARTBEAT:
            return [heartbeat(message)]
        if not message.topic.startswith(WALLET_TOPIC):
            return []
        event = read(_event, bytes(message.data))
        return [_news(event, event.order_hash)] if event.order_hash else []

    def tick(self, now_ms: int) -> list[PrivateEvent]:
        """The topic is named by the token: once that is old or replaced, the connection is made anew."""
        if self._signer.fresh(now_ms) and self._topic == self._signer.wallet_topic:
            return []
        return [Refused("the session token is old", fatal=True)]

    def _without_token(self, text: str) -> str:
        """The venue may repeat the topic that it refuses, and what it says is logged."""
        token = self._topic.removeprefix(WALLET_TOPIC)
        return text.replace(token, "...") if token else text


def _news(event: wire.WalletEvent, order_hash: str) -> News:
    told = {"type": event.type, "settlement": event.settlement_id or "", "reason": event.reason or ""}
    if event.fill is not None:
        told["price"] = event.fill.executed_price_wei
        told["size"] = event.fill.executed_size_wei
    if event.fee is not None:
        told["fee"], told["fee_type"] = event.fee.amount_wei, event.fee.kind
    return News(venue_order_id=order_hash.lower(), told=told)
