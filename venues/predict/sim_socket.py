"""The connections to the simulated venue's WebSocket (card, section 7)."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from venues.predict.sim_rows import Json, encode

BOOK = re.compile(r"predictOrderbook/([0-9]{1,18})")
WALLET = re.compile(r"predictWalletEvents/(\S{1,4096})")
OTHER = re.compile(r"(?:assetPriceUpdate|polymarketChance|kalshiChance)/\S{1,64}")
"""Topics that are accepted and stay silent: nothing here has such prices."""
TOPICS_MAX = 1_000
"""On one connection; the card knows no limit, and clients shard above a hundred."""


class SocketLine:
    """One connection: its topics, and the heartbeats it has to return."""

    def __init__(
        self,
        now_ms: int,
        knobs: Mapping[str, int],
        book: Callable[[int], Json | None],
        wallet: Callable[[str, int], str | None],
    ) -> None:
        """`book` shows a market, None for none; `wallet` is whose token this is, None when it is no good."""
        self.outbox: list[str] = []
        self.closed = False
        self._knobs = knobs
        self._book = book
        self._wallet = wallet
        self._topics: dict[str, str] = {}
        """Topic to the wallet it is about, "" for public ones."""
        self._probe_ms = now_ms + knobs["heartbeat_ms"]
        self._owed: int | None = None
        """The heartbeat that has not come back."""

    def receive(self, text: str, now_ms: int) -> None:
        """A text frame from the client: subscribe, unsubscribe or a heartbeat."""
        try:
            wish = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            wish = None
        wish = wish if isinstance(wish, dict) else {}
        method, number = wish.get("method"), wish.get("requestId")
        if method == "heartbeat":
            if wish.get("data") == self._owed:
                self._owed = None
            return
        if type(number) is not int or number < 0:
            self._refuse(None, "invalid_request", "requestId: must be a non-negative integer")
            return
        params = wish.get("params")
        topic = params[0] if isinstance(params, list) and params else None
        if method not in ("subscribe", "unsubscribe") or not isinstance(topic, str):
            self._refuse(
                number, "invalid_request", "method, params: a subscribe or unsubscribe with one topic"
            )
        elif method == "unsubscribe":
            self._topics.pop(topic, None)
            self._accept(number)
        else:
            self._subscribe(number, topic, now_ms)

    def _subscribe(self, number: int, topic: str, now_ms: int) -> None:
        """A book follows the reply at once; of a wallet nothing is sent until something happens."""
        book, wallet = BOOK.fullmatch(topic), WALLET.fullmatch(topic)
        shown = self._book(int(book[1])) if book else None
        owner = self._wallet(wallet[1], now_ms) if wallet else ""
        if owner is None:
            self._refuse(number, "invalid_credentials", "token not accepted")
        elif shown is None and not wallet and not OTHER.fullmatch(topic):
            self._refuse(number, "invalid_topic", "unknown topic")
        elif len(self._topics) >= TOPICS_MAX:
            self._refuse(number, "too_many_subscriptions", f"at most {TOPICS_MAX} topics")
        else:
            self._topics[topic] = owner
            self._accept(number)
            if shown is not None:
                self._push(topic, shown)

    def tick(self, now_ms: int) -> None:
        """Probe the client now and then; who has not returned the last probe is dropped."""
        if now_ms >= self._probe_ms:
            self.closed = self.closed or self._owed is not None
            self._owed = now_ms
            self._probe_ms = now_ms + self._knobs["heartbeat_ms"]
            self._push("heartbeat", now_ms)

    def show_book(self, market_id: int, data: Json) -> None:
        """A book, if this connection follows it."""
        topic = f"predictOrderbook/{market_id}"
        if topic in self._topics:
            self._push(topic, data)

    def tell(self, wallet: str, data: Json) -> None:
        """An event of a wallet, once for each topic that follows it."""
        for topic, owner in self._topics.items():
            if owner == wallet:
                self._push(topic, data)

    def _push(self, topic: str, data: Any) -> None:
        self._say({"type": "M", "topic": topic, "data": data})

    def _accept(self, number: int) -> None:
        self._say({"type": "R", "requestId": number, "success": True, "data": None})

    def _refuse(self, number: int | None, code: str, message: str) -> None:
        error = {"code": code, "message": message}
        self._say({"type": "R", "requestId": number, "success": False, "error": error})

    def _say(self, frame: Json) -> None:
        if not self.closed:
            self.outbox.append(encode(frame).decode())
