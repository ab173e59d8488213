"""The simulated venue's two WebSockets: subscriptions, first messages, heartbeats (card sections 6 and 7)."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from venues.polymarket_us.sim_board import Board
from venues.polymarket_us.sim_wire import FINAL, Customer, Facts, Row, order_row

MARKETS, PRIVATE = "/v1/ws/markets", "/v1/ws/private"
SLUGS_MAX = 100
SUBSCRIPTIONS_MAX = 1_000
"""Per connection; the venue has a limit too, and publishes none."""
HEARTBEAT_MS = 30_000
SNAPSHOT_ROWS = 100
FULL, LITE = "SUBSCRIPTION_TYPE_MARKET_DATA", "SUBSCRIPTION_TYPE_MARKET_DATA_LITE"
KINDS = {
    MARKETS: frozenset({FULL, LITE, "SUBSCRIPTION_TYPE_TRADE"}),
    PRIVATE: frozenset(
        f"SUBSCRIPTION_TYPE_{kind}"
        for kind in ("ORDER", "ORDER_SNAPSHOT", "POSITION", "ACCOUNT_BALANCE", "RFQ")
    ),
}


@dataclass(slots=True)
class Subscription:
    """What one request asked for."""

    request_id: str
    kind: str
    slugs: list[str]
    """Empty for all, which only the private socket takes."""

    def wants(self, slug: str) -> bool:
        """Whether a message about this market belongs to it; "" is about none."""
        return not self.slugs or not slug or slug in self.slugs


class Wish(msgspec.Struct, frozen=True, rename="camel"):
    """A subscription or the end of one."""

    request_id: str
    subscription_type: str = ""
    market_slugs: list[str] = []
    responses_debounced: bool = False


class Command(msgspec.Struct, frozen=True):
    """What a client sends."""

    subscribe: Wish | None = None
    unsubscribe: Wish | None = None


class PolymarketUsSocket:
    """One authenticated connection. Frames to the client gather in `outbox`."""

    def __init__(
        self, board: Board, customer: Customer, path: str, *, now_ms: int, tick: Callable[[int], None]
    ) -> None:
        self.outbox: list[str] = []
        self.closed = False
        self.customer = customer
        self.path = path
        self._board = board
        self._tick = tick
        self._beat_ms = now_ms
        self._subscriptions: dict[str, Subscription] = {}

    def tick(self, now_ms: int) -> None:
        """A heartbeat when it is due."""
        if now_ms - self._beat_ms >= HEARTBEAT_MS:
            self._beat_ms = now_ms
            self._put({"heartbeat": {}})

    def receive(self, text: str, now_ms: int) -> None:
        """Carry out one command."""
        self._tick(now_ms)
        try:
            command = msgspec.json.decode(text, type=Command)
        except msgspec.DecodeError as error:
            self._put({"requestId": "", "error": str(error), "subscriptionType": ""})
            return
        if command.unsubscribe is not None:
            self._subscriptions.pop(command.unsubscribe.request_id, None)
        if command.subscribe is not None:
            self._subscribe(command.subscribe, now_ms)

    def publish(self, kind: str, slug: str, body: Row) -> None:
        """Send a message to the subscriptions that want it."""
        for subscription in self._subscriptions.values():
            if subscription.kind == kind and subscription.wants(slug):
                self._say(subscription, body)

    def show(self, facts: Facts, now_ms: int) -> None:
        """Send a market's book, whole or its best prices."""
        for subscription in self._subscriptions.values():
            if subscription.kind in (FULL, LITE) and subscription.wants(facts.slug):
                self._book(subscription, facts, now_ms)

    def _subscribe(self, wish: Wish, now_ms: int) -> None:
        refusal = self._why_not(wish)
        if refusal:
            named = {"requestId": wish.request_id, "subscriptionType": wish.subscription_type}
            self._put(named | {"error": refusal})
            return
        subscription = Subscription(wish.request_id, wish.subscription_type, wish.market_slugs)
        self._subscriptions[wish.request_id] = subscription
        self._begin(subscription, now_ms)

    def _why_not(self, wish: Wish) -> str:
        """Why a subscription is refused as a whole, or ""."""
        unknown = [slug for slug in wish.market_slugs if slug not in self._board.facts]
        taken = {
            slug
            for other in self._subscriptions.values()
            if other.kind == wish.subscription_type
            for slug in other.slugs
        }
        rules = (
            (wish.subscription_type not in KINDS[self.path], "unknown subscription type"),
            (not wish.request_id or wish.request_id in self._subscriptions, "already subscribed"),
            (len(self._subscriptions) >= SUBSCRIPTIONS_MAX, "too many subscriptions"),
            (len(wish.market_slugs) > SLUGS_MAX, f"at most {SLUGS_MAX} markets"),
            (self.path == MARKETS and not wish.market_slugs, "marketSlugs are missing"),
            (bool(unknown), f"market not found: {', '.join(unknown)}"),
            (self.path == MARKETS and bool(taken & set(wish.market_slugs)), "already subscribed"),
        )
        return next((text for broken, text in rules if broken), "")

    def _begin(self, subscription: Subscription, now_ms: int) -> None:
        match subscription.kind.removeprefix("SUBSCRIPTION_TYPE_"):
            case "MARKET_DATA" | "MARKET_DATA_LITE":
                for slug in subscription.slugs:
                    self._book(subscription, self._board.facts[slug], now_ms)
            case "ORDER_SNAPSHOT":
                self._resting(subscription)
            case "ACCOUNT_BALANCE":
                balances = [self._board.balance_row(self.customer)]
                self._say(subscription, {"accountBalancesSnapshot": {"balances": balances}})
            case _:
                pass

    def _resting(self, subscription: Subscription) -> None:
        rows = [
            order_row(ticket)
            for ticket in self.customer.tickets.values()
            if ticket.state not in FINAL and subscription.wants(ticket.facts.slug)
        ]
        for start in range(0, max(1, len(rows)), SNAPSHOT_ROWS):
            end = start + SNAPSHOT_ROWS
            page = {"orders": rows[start:end], "eof": end >= len(rows)}
            self._say(subscription, {"orderSubscriptionSnapshot": page})
        del self._subscriptions[subscription.request_id]

    def _book(self, subscription: Subscription, facts: Facts, now_ms: int) -> None:
        if subscription.kind == FULL:
            self._say(subscription, {"marketData": self._board.book_row(facts, now_ms)})
        else:
            self._say(subscription, {"marketDataLite": self._board.lite_row(facts)})

    def _say(self, subscription: Subscription, body: Row) -> None:
        self._put({"requestId": subscription.request_id, "subscriptionType": subscription.kind} | body)

    def _put(self, frame: Row) -> None:
        self.outbox.append(msgspec.json.Encoder(decimal_format="number").encode(frame).decode())
