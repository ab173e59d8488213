"""One connection to the simulated venue's WebSocket (card, section 8).

The shapes of acknowledgements are not documented: they have no `msgType`, which is all a client may use.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from venues.opinion.sim_rows import Json, Terms, encode

DEPTH = "market.depth.diff"
PUBLIC = frozenset({DEPTH, "market.last.price", "market.last.trade"})
PRIVATE = frozenset({"trade.order.update", "trade.record.new"})
SUBSCRIPTIONS_MAX = 1_000
"""Per connection. The venue publishes no number; a client that stays below 100 stays below this."""


class Line:
    """An authenticated connection: market channels, and the account's own."""

    def __init__(
        self, account: str, now_ms: int, knobs: Mapping[str, int], known: Callable[[str, int], bool]
    ) -> None:
        """`known` says whether there is a market of this id, by the name of the id's field."""
        self.outbox: list[str] = []
        self.closed = False
        self.account = account
        self._knobs = knobs
        self._known = known
        self._heartbeat_ms = now_ms
        self._subscriptions: set[tuple[str, str, int]] = set()

    def receive(self, text: str, now_ms: int) -> None:
        """A text frame from the client."""
        try:
            wish = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            wish = None
        if not isinstance(wish, dict):
            self._reply({"code": 400, "message": "invalid message"})
        elif wish.get("action") == "HEARTBEAT":
            self._heartbeat_ms = now_ms
            self._reply({"action": "HEARTBEAT", "code": 0})
        elif wish.get("action") in ("SUBSCRIBE", "UNSUBSCRIBE"):
            self._reply({**wish, "code": 0 if self._obey(wish) else 400})
        else:
            self._reply({"code": 400, "message": "invalid action"})

    def tick(self, now_ms: int) -> None:
        """Hang up on a client without a heartbeat for longer than the knob `silent_ms` allows."""
        allowed = self._knobs["silent_ms"]
        if allowed and now_ms - self._heartbeat_ms > allowed:
            self.closed = True

    def wants(self, channel: str, terms: Terms) -> bool:
        """Whether messages of this channel about this market go here."""
        own, root = (channel, "marketId", terms.market_id), (channel, "rootMarketId", terms.root_id)
        return own in self._subscriptions or root in self._subscriptions

    def say(self, frame: Json) -> None:
        """Put a frame into the outbox."""
        if not self.closed:
            self.outbox.append(encode(frame).decode())

    def _reply(self, frame: Mapping[str, Any]) -> None:
        self.say({name: value for name, value in frame.items() if name != "msgType"})

    def _obey(self, wish: Json) -> bool:
        """Carry out a subscription or the end of one; False if it makes no sense."""
        channel = wish.get("channel")
        fields = [name for name in ("marketId", "rootMarketId") if wish.get(name) is not None]
        if not isinstance(channel, str) or channel not in PUBLIC | PRIVATE or len(fields) != 1:
            return False
        if channel == DEPTH and fields != ["marketId"]:
            return False
        number = wish[fields[0]]
        if type(number) is not int or not self._known(fields[0], number):
            return False
        key = (channel, fields[0], number)
        if wish["action"] == "UNSUBSCRIBE":
            self._subscriptions.discard(key)
            return True
        if len(self._subscriptions) >= SUBSCRIPTIONS_MAX:
            return False
        self._subscriptions.add(key)
        return True
