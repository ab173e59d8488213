"""The account's own stream: what happens to its orders (card 7).

Updates first, then the snapshot of what rests, so that nothing falls between the two. Messages go on as they
are, by the venue's id of the order; `hearing` reads them again.
"""

from collections.abc import Sequence

import msgspec

from venues.base.contract import PrivateEvent, Signer
from venues.base.events import Refused, Say
from venues.base.http import Purpose, Request, Talk, Unavailable
from venues.base.listing import Native
from venues.base.orders import News
from venues.kit.body import read
from venues.polymarket_us import wire

SOCKET_PATH = "/v1/ws/private"
UPDATES, SNAPSHOT = "orders-1", "resting-1"
_SUBSCRIPTIONS = ((UPDATES, "SUBSCRIPTION_TYPE_ORDER"), (SNAPSHOT, "SUBSCRIPTION_TYPE_ORDER_SNAPSHOT"))

_execution = msgspec.json.Decoder(wire.Execution)
_row = msgspec.json.Decoder(wire.OrderState)


class PolymarketUsPrivate:
    """One connection to the private socket."""

    def __init__(self, signer: Signer) -> None:
        """The handshake alone is signed."""

    def prepare(self, now_ms: int) -> Talk[Unavailable | None]:
        """Nothing has to be fetched."""
        yield from ()
        return None

    def handshake(self) -> Request:
        """The upgrade is signed like any request."""
        return Request(method="GET", path=SOCKET_PATH, purpose=Purpose.ACCOUNT, host="socket", private=True)

    def opening(self) -> list[PrivateEvent]:
        """All orders of the account, on all its markets."""
        bodies = [{"requestId": name, "subscriptionType": kind} for name, kind in _SUBSCRIPTIONS]
        return [Say(msgspec.json.encode({"subscribe": body}).decode()) for body in bodies]

    def watch(self, natives: Sequence[Native]) -> list[PrivateEvent]:
        """Nothing: the stream tells of all markets."""
        return []

    def receive(self, frame: str | bytes, now_ms: int) -> list[PrivateEvent]:
        """Executions and resting orders as news; a refused subscription needs a new connection."""
        message = read(wire.frames, frame)
        if message.error is not None:
            return [Refused(f"{message.request_id}: {message.error}", fatal=message.request_id == UPDATES)]
        update, snapshot = message.order_subscription_update, message.order_subscription_snapshot
        if update is not None and update.execution is not None and update.execution.order is not None:
            return [_news(update.execution.order.id, "execution", update.execution)]
        if snapshot is not None:
            return [_news(row.id, "order", row) for row in snapshot.orders or ()]
        return []

    def tick(self, now_ms: int) -> list[PrivateEvent]:
        """Nothing: the venue sends heartbeats and expects none."""
        return []


def _news(venue_order_id: str, kind: str, body: wire.Execution | wire.OrderState) -> News:
    return News(venue_order_id=venue_order_id, told={kind: msgspec.json.encode(body).decode()})


def hearing(venue_order_id: str, news: Sequence[News]) -> tuple[list[wire.OrderState], list[wire.Execution]]:
    """The states and executions heard of one order, oldest first. ValueError where one cannot be read."""
    mine = [item.told for item in news if item.venue_order_id == venue_order_id]
    executions = [read(_execution, told["execution"]) for told in mine if "execution" in told]
    rows = [read(_row, told["order"]) for told in mine if "order" in told]
    return [*rows, *(e.order for e in executions if e.order is not None)], executions
