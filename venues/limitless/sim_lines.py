"""The connections to the simulated venue's WebSocket: Engine.IO 4 and Socket.IO 4 in text (card, section 5).

One namespace, /markets. A connection may be nobody's; a proof on the upgrade that does not hold is refused
when the namespace is joined.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from venues.limitless.sim_rows import Json, encode

NAMESPACE = "/markets"
PING_MS, PONG_MS = 25_000, 60_000
PAYLOAD_MAX = 1_000_000
PRIVATE = ("order_events", "positions", "transactions")
CONFIRMED = {
    "order_events": "order events", "transactions": "transaction events",
    "market_lifecycle": "market lifecycle events",
}  # fmt: skip
LISTED = {"market_prices": "market price updates", "positions": "position updates"}
"""Channels of everything and channels of named markets, with the words that confirm a subscription."""
EVENT = re.compile(r"42/markets,(\d{0,9})(\[.*\])", re.DOTALL)
JOIN = re.compile(r"40(/[^,?]*)?(?:\?[^,]*)?,?(\{.*\})?", re.DOTALL)
Books = Callable[[list[str], int], list[Json]]
"""The payloads of orderbookUpdate for these slugs, at a time."""


class Line:
    """One connection, from its upgrade on."""

    def __init__(self, now_ms: int, sid: str, knobs: Mapping[str, Any], books: Books) -> None:
        self.account: str | None = None
        """Whose events it gets, by the account's name."""
        self.refusal = ""
        """Why it may not join; "" if it may."""
        self.outbox: list[str] = []
        self.closed = False
        self.joined = False
        self.channels: set[str] = set()
        """Names of `CONFIRMED` that it asked for."""
        self.markets: dict[str, list[str]] = {}
        """The slugs it named last, by channel of `LISTED`."""
        self._sid = sid
        self._knobs = knobs
        self._books = books
        self._ping_due = now_ms + PING_MS
        self._heard_ms = now_ms
        self._books_due: int | None = None
        opening = {"sid": sid, "upgrades": [], "pingInterval": PING_MS, "pingTimeout": PONG_MS}
        self.outbox.append("0" + encode(opening | {"maxPayload": PAYLOAD_MAX}).decode())

    # --- packets ---

    def receive(self, text: str, now_ms: int) -> None:
        """One packet of the client. What is none of Engine.IO's ends the connection."""
        self._heard_ms = now_ms
        kind = text[:1]
        if kind == "4":
            self._message(text, now_ms)
        elif kind not in ("3", "6") or len(text) > PAYLOAD_MAX:
            self.closed = True

    def tick(self, now_ms: int) -> None:
        """The ping, the end of a client that does not answer it, and books that are due."""
        if now_ms - self._heard_ms > PING_MS + PONG_MS:
            self.closed = True
        if now_ms >= self._ping_due and not self.closed:
            self._ping_due = now_ms + PING_MS
            self.outbox.append("2")
        if self._books_due is not None and now_ms >= self._books_due:
            self._books_due = None
            for row in self._books(self.markets.get("market_prices", []), now_ms):
                self.say("orderbookUpdate", row)

    def say(self, event: str, *payload: Json) -> None:
        """An event of the namespace, once it is joined."""
        if self.joined and not self.closed:
            self.outbox.append(f"42{NAMESPACE}," + encode([event, *payload]).decode())

    def hears(self, channel: str, slug: str) -> bool:
        """Whether it asked for this channel and, where one names its markets, for this one."""
        return channel in self.channels or slug in self.markets.get(channel, ())

    def _message(self, text: str, now_ms: int) -> None:
        event = EVENT.fullmatch(text)
        if event and self.joined:
            self._hear(event[1], event[2], now_ms)
        elif text.startswith(f"41{NAMESPACE}"):
            self.joined = False
            self.channels, self.markets = set(), {}
        elif join := JOIN.fullmatch(text):
            self._join(join[1] or "/")
        else:
            self.closed = True

    def _join(self, namespace: str) -> None:
        shown = "" if namespace == "/" else f"{namespace},"
        if namespace != NAMESPACE:
            self.outbox.append(f"44{shown}" + encode({"message": "Invalid namespace"}).decode())
        elif self.refusal:
            self.outbox.append(f"44{shown}" + encode({"message": self.refusal}).decode())
        else:
            self.joined = True
            self.outbox.append(f"40{shown}" + encode({"sid": f"{self._sid}-ns"}).decode())
            self.say("system", {"message": "Successfully registered connection"})
            if self.account is not None:
                self.say("authenticated", {"message": "Authenticated successfully"})

    # --- events ---

    def _hear(self, number: str, body: str, now_ms: int) -> None:
        try:
            wish = msgspec.json.decode(body, type=list[Any])
        except (msgspec.DecodeError, RecursionError):
            self.closed = True
            return
        name = wish[0] if wish else None
        options = wish[1] if len(wish) > 1 and isinstance(wish[1], dict) else {}
        if not isinstance(name, str):
            self.closed = True
        elif name.removeprefix("subscribe_") in PRIVATE and self.account is None:
            self.say("exception", {"status": "error", "message": "Unauthorized"})
        else:
            self._obey(name, options, now_ms)
        if number and not self.closed:
            self.outbox.append(f"43{NAMESPACE},{number}" + encode([{"success": True}]).decode())

    def _obey(self, name: str, options: Json, now_ms: int) -> None:
        """A new list of markets replaces the old one; every book of it comes whole, after the confirmation.

        `unsubscribe` names the channel as it was subscribed to. Other words mean nothing here.
        """
        if not name.startswith(("subscribe_", "unsubscribe")):
            return
        leaves = name.startswith("unsubscribe")
        channel = str(options.get("channel", "")) if name == "unsubscribe" else name
        channel = channel.removeprefix("un").removeprefix("subscribe_")
        words = f"Successfully {'un' * leaves}subscribed {'from' if leaves else 'to'}"
        if channel in LISTED:
            slugs = self.markets[channel] = [] if leaves else _slugs(options)
            self.say("system", {"message": f"{words} {LISTED[channel]}", "markets": slugs})
        elif channel in CONFIRMED:
            (self.channels.discard if leaves else self.channels.add)(channel)
            self.say("system", {"message": f"{words} {CONFIRMED[channel]}"})
        if channel == "market_prices":
            self._books_due = now_ms + self._knobs["first_book_ms"]
            self.tick(now_ms)


def _slugs(options: Json) -> list[str]:
    """The slugs of a subscription, each once, in the order of the client."""
    named = options.get("marketSlugs")
    one = options.get("marketSlug")
    found = named if isinstance(named, list) else [one]
    return list(dict.fromkeys(slug for slug in found if isinstance(slug, str)))
