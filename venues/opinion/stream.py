"""The account's own stream (card 8, 10): what it says about orders, and what that proves.

It goes over the same kind of socket as market data, market by market.
"""

from collections.abc import Sequence

import msgspec

from venues.base.contract import PrivateEvent, Signer
from venues.base.events import Refused, Say
from venues.base.http import Purpose, Request, Talk, Unavailable
from venues.base.listing import Native
from venues.base.orders import (
    Answer,
    Fee,
    Filled,
    News,
    Order,
    Pending,
    Rejected,
    TimeInForce,
    Working,
)
from venues.base.units import Size
from venues.kit.body import read
from venues.opinion import wire
from venues.opinion.amounts import base_units, whole
from venues.opinion.feed import HEARTBEAT_MS
from venues.opinion.listings import COLLATERAL
from venues.opinion.trades import FINISHED, Match, Tally, is_possible, is_whole, tally

CHANNELS = ("trade.order.update", "trade.record.new")
SUBSCRIPTIONS_MAX = 100
"""Of one connection. Not published: assumed (card 4)."""
WEI_ABOVE = 1_000_000_000
"""A fee that is a whole number above this is in base units (guard, UNCONFIRMED, card 8)."""

_frame = msgspec.json.Decoder(wire.Frame)
_update = msgspec.json.Decoder(wire.OrderUpdate)
_record = msgspec.json.Decoder(wire.TradeRecord)


class OpinionStream:
    """One connection to the account's own channels."""

    def __init__(self, signer: Signer) -> None:
        self._watched: set[Native] = set()
        self._beat_ms: int | None = None

    def prepare(self, now_ms: int) -> Talk[Unavailable | None]:
        """Nothing: the API key is enough."""
        yield from ()
        return None

    def handshake(self) -> Request:
        """The signer adds the API key to the query."""
        return Request(method="GET", path="/", purpose=Purpose.DATA, host="socket", private=True)

    def opening(self) -> list[PrivateEvent]:
        """Nothing: it is subscribed market by market."""
        return []

    def watch(self, natives: Sequence[Native]) -> list[PrivateEvent]:
        """Two subscriptions a market. Past the venue's limit orders are followed by look-ups alone."""
        events: list[PrivateEvent] = []
        for native in dict.fromkeys(natives):
            if native in self._watched:
                continue
            if (len(self._watched) + 1) * len(CHANNELS) > SUBSCRIPTIONS_MAX:
                events.append(Refused(f"more than {SUBSCRIPTIONS_MAX} subscriptions", fatal=False))
                break
            self._watched.add(native)
            events += [_say("SUBSCRIBE", channel, native) for channel in CHANNELS]
        return events

    def receive(self, frame: str | bytes, now_ms: int) -> list[PrivateEvent]:
        """One message is news of one order at most. What has no `msgType` is an acknowledgement."""
        text = frame if isinstance(frame, str) else frame.decode()
        if '"msgType"' not in text:
            return []
        kind = read(_frame, text).msg_type
        if kind == CHANNELS[0]:
            update = read(_update, text)
            told = {"status": str(update.status), "filled": update.filled_shares or "0"}
            return [News(venue_order_id=str(update.order_id), told=told)]
        if kind == CHANNELS[1]:
            record = read(_record, text)
            if not record.order_id:
                return []
            told = {
                "trade": record.trade_no,
                "status": str(record.status),
                "price": record.price,
                "shares": record.shares,
                "fee": _whole_units(record.fee),
            }
            return [News(venue_order_id=str(record.order_id), told=told)]
        return []

    def tick(self, now_ms: int) -> list[PrivateEvent]:
        """The heartbeat."""
        if self._beat_ms is not None and now_ms - self._beat_ms < HEARTBEAT_MS:
            return []
        self._beat_ms = now_ms
        return [Say(msgspec.json.encode({"action": "HEARTBEAT"}).decode())]


def heard(order: Order, answer: Answer | None, news: Sequence[News]) -> Answer | None:
    """What everything that was said about the order proves; None where it proves nothing new.

    Settled matches are on the chain and count at once. Final is only an order that the venue calls finished
    and whose matches make up what it says was filled, and all that was asked for: what leaves a rest is left
    to the look-up, which has a clock.
    """
    if not news or isinstance(answer, Filled | Rejected):
        return None
    known = news[0].venue_order_id
    if isinstance(answer, Working | Pending) and answer.venue_order_id not in ("", known):
        return None
    told = [each.told for each in news if each.venue_order_id == known]
    try:
        sums = tally(
            [
                Match(t["trade"], int(t["status"]), t["price"], t["shares"], t["fee"])
                for t in told
                if "trade" in t
            ],
            order.side,
        )
        ended = [base_units(t["filled"]) for t in told if "filled" in t and int(t["status"]) == FINISHED]
    except ValueError:
        return None
    if not is_possible(order, sums):
        return None
    told_whole = ended and 0 < max(ended) <= sums.shares and not sums.waiting
    if told_whole and is_whole(order, sums):
        return Filled(order.order_id, known, sums.size, sums.cash, Fee(sums.fee, COLLATERAL))
    return _going_on(order, answer, known, sums=sums)


def _going_on(order: Order, answer: Answer | None, known: str, *, sums: Tally) -> Answer | None:
    """The matches so far, where they are more than was known, or where nothing was."""
    if isinstance(answer, Working | Pending) and sums.size <= answer.size:
        return None
    if order.time_in_force is TimeInForce.IOC:
        return Pending(order.order_id, known, sums.size, sums.cash, "told by the account's stream")
    return Working(order.order_id, known, Size(sums.size), sums.cash, Fee(sums.fee, COLLATERAL))


def _say(action: str, channel: str, native: Native) -> Say:
    message = {"action": action, "channel": channel, "marketId": int(native)}
    return Say(msgspec.json.encode(message).decode())


def _whole_units(fee: str) -> str:
    """A fee in base units as decimal text of whole units; others as they are."""
    if not (fee.isascii() and fee.isdecimal()) or int(fee) <= WEI_ABOVE:
        return fee
    return whole(fee)
