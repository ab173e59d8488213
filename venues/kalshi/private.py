"""The account's own stream: where its orders stand, and their fills (card §6).

One subscription to each channel without markets, which means all of them. The messages carry no numbers, so
a lost one is not noticed, and after a reconnect nothing is told again: look-ups find what was missed.
"""

from collections.abc import Sequence

import msgspec

from venues.base.contract import PrivateEvent, Signer
from venues.base.events import Refused, Say
from venues.base.http import Purpose, Request, Talk, Unavailable
from venues.base.listing import Native
from venues.base.orders import News
from venues.kalshi import wire
from venues.kalshi.feed import DEAD, RENEWALS_MAX, SOCKET_PATH
from venues.kit.body import read

CHANNELS = ("user_orders", "fill")


class KalshiPrivate:
    """One connection: its two subscriptions."""

    def __init__(self, signer: Signer) -> None:
        """The handshake alone is signed."""
        self._channels: dict[int, str] = {}
        self._commands = 0

    def prepare(self, now_ms: int) -> Talk[Unavailable | None]:
        """Nothing has to be fetched."""
        yield from ()
        return None

    def handshake(self) -> Request:
        """The same address as of the books."""
        return Request(method="GET", path=SOCKET_PATH, purpose=Purpose.ACCOUNT, host="socket", private=True)

    def opening(self) -> list[PrivateEvent]:
        """Both channels in one command."""
        return [self._subscribe(CHANNELS)]

    def watch(self, natives: Sequence[Native]) -> list[PrivateEvent]:
        """Nothing: the stream tells of all markets."""
        return []

    def receive(self, frame: str | bytes, now_ms: int) -> list[PrivateEvent]:
        """Orders and fills as news. Types that are not ours are ignored; ours must be readable."""
        if read(wire.typed, frame).type not in wire.PRIVATE_TYPES:
            return []
        message: wire.PrivateFrame = read(wire.private_frames, frame)
        match message:
            case wire.UserOrder(msg=body):
                told = {"status": body.status, "filled": body.fill_count_fp}
                about = {"ticker": body.ticker, "book_side": body.book_side}
                return [News(venue_order_id=body.order_id, client_id=body.client_order_id, told=told | about)]
            case wire.UserFill(msg=body):
                told = {"trade": body.trade_id, "yes_price": body.yes_price_dollars}
                told |= {"count": body.count_fp, "fee": body.fee_cost}
                about = {"ticker": body.market_ticker, "book_side": body.book_side}
                return [News(venue_order_id=body.order_id, client_id=body.client_order_id, told=told | about)]
            case wire.Subscribed(msg=body):
                self._channels[body.sid] = body.channel
                return []
            case wire.Unsubscribed(sid=sid):
                return self._ended(sid, "unsubscribed")
            case wire.Error(msg=error, sid=sid):
                reason = f"error {error.code}: {error.msg}"
                if sid is not None and error.code in DEAD:
                    return self._ended(sid, reason)
                return [Refused(reason, fatal=True)]

    def tick(self, now_ms: int) -> list[PrivateEvent]:
        """Nothing: the venue pings every 10 s and the WebSocket library answers."""
        return []

    def _ended(self, sid: int | None, reason: str) -> list[PrivateEvent]:
        """A subscription that died is made again; a connection on which they keep dying is not kept."""
        channel = self._channels.pop(sid, "") if sid is not None else ""
        if not channel:
            return []
        if self._commands > RENEWALS_MAX:
            return [Refused(f"more than {RENEWALS_MAX} subscriptions ended: {reason}", fatal=True)]
        return [self._subscribe((channel,))]

    def _subscribe(self, channels: Sequence[str]) -> Say:
        self._commands += 1
        body = {"id": self._commands, "cmd": "subscribe", "params": {"channels": channels}}
        return Say(msgspec.json.encode(body).decode())
