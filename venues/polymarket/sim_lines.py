"""The connections to the simulated venue's two WebSockets (card, sections 7 and 8)."""

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

import msgspec

from venues.polymarket.sim_rows import Json, encode


class Line:
    """What both kinds of connection have in common: an outbox, PING and the silence after it."""

    def __init__(self, now_ms: int, knobs: Mapping[str, int]) -> None:
        self.outbox: list[str] = []
        self.closed = False
        self._heard_ms = now_ms
        self._knobs = knobs

    def receive(self, text: str, now_ms: int) -> None:
        """A text frame from the client: PING, or one JSON object."""
        self._heard_ms = now_ms
        if text == "PING":
            self.outbox.append("PONG")
            return
        try:
            wish = msgspec.json.decode(text)
        except msgspec.DecodeError:
            wish = None
        if not isinstance(wish, dict) or not self.obey(wish, now_ms):
            self.outbox.append("INVALID OPERATION")

    def obey(self, wish: Json, now_ms: int) -> bool:
        """Carry out one message; False if it makes no sense."""
        raise NotImplementedError

    def tick(self, now_ms: int) -> None:
        """Hang up on a client that has been silent for longer than the knob `silent_ms` allows."""
        allowed = self._knobs["silent_ms"]
        if allowed and now_ms - self._heard_ms > allowed:
            self.closed = True

    def say(self, *rows: Json) -> None:
        """Put a frame of one event, or an array of several, into the outbox."""
        if rows and not self.closed:
            self.outbox.append(encode(rows[0] if len(rows) == 1 else rows).decode())


class MarketLine(Line):
    """A connection to /ws/market."""

    def __init__(
        self, now_ms: int, knobs: Mapping[str, int], snapshot: Callable[[str, int], Json | None]
    ) -> None:
        super().__init__(now_ms, knobs)
        self._snapshot = snapshot
        self.assets: set[str] = set()
        self.custom = False
        """Whether best_bid_ask, new_market and market_resolved are wanted."""

    def obey(self, wish: Json, now_ms: int) -> bool:
        """The first object, or subscribe and unsubscribe later. Unknown assets are passed over."""
        assets = wish.get("assets_ids")
        operation = wish.get("operation", "subscribe" if wish.get("type") == "market" else None)
        if operation not in ("subscribe", "unsubscribe") or not _names(assets):
            return False
        if operation == "unsubscribe":
            self.assets.difference_update(assets)
            return True
        self.custom = wish.get("custom_feature_enabled", self.custom) is True
        fresh = [asset for asset in dict.fromkeys(assets) if asset not in self.assets]
        rows = [row for asset in fresh if (row := self._snapshot(asset, now_ms))]
        self.assets.update(row["asset_id"] for row in rows)
        if assets and not fresh:
            self.outbox.append("NO NEW ASSETS")
        if rows and wish.get("initial_dump", True) is True:
            frames = [{"event_type": "book", **row} for row in rows]
            self.outbox.append(encode(frames).decode())
        return True


class UserLine(Line):
    """A connection to /ws/user."""

    def __init__(self, now_ms: int, knobs: Mapping[str, int], login: Callable[[Any], str | None]) -> None:
        super().__init__(now_ms, knobs)
        self._login = login
        self.account: str | None = None
        """Whose events it gets; None until the first message has proven it."""
        self.markets: set[str] | None = None
        """None for all of them."""

    def obey(self, wish: Json, now_ms: int) -> bool:
        """The first object with the credentials (wrong ones end the connection), or a change of markets."""
        markets = wish.get("markets")
        if wish.get("type") == "user" and (markets is None or _names(markets)):
            self.account = self._login(wish.get("auth"))
            self.closed = self.account is None
            self.markets = set(markets) if markets else None
            return True
        if wish.get("operation") not in ("subscribe", "unsubscribe") or not _names(markets):
            return False
        if wish["operation"] == "subscribe":
            self.markets = (self.markets or set()) | set(markets)
        else:
            self.markets = (self.markets or set()) - set(markets)
        return True

    def wants(self, account: str, market: str) -> bool:
        """Whether an event of this account and market goes here."""
        return self.account == account and (self.markets is None or market in self.markets)


def _names(value: Any) -> TypeGuard[list[str]]:
    """Whether it is a list of ids."""
    return isinstance(value, list) and all(isinstance(name, str) for name in value)
