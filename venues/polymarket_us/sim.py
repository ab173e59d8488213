"""The simulated venue: Polymarket US from the other end of the wire, over a real matching engine.

Written from the card alone; it shares no code with the client side. This module holds the accounts, the
markets, the signatures and the routes; orders are in `sim_desk`, reads in `sim_reads`, messages in
`sim_board` and `sim_socket`, shapes in `sim_wire`, arithmetic in `sim_rules`.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from email.utils import formatdate
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

import msgspec

from venues.base.http import Response
from venues.base.listing import Grid
from venues.base.orders import Charge
from venues.base.units import ONE, Cash, Price, Size
from venues.polymarket_us.sim_board import Board
from venues.polymarket_us.sim_desk import Desk
from venues.polymarket_us.sim_reads import Ask, Reads
from venues.polymarket_us.sim_rules import STATES, WINDOW_MS, public_key, secret_of, uuid_of, verifies
from venues.polymarket_us.sim_socket import MARKETS, PRIVATE, PolymarketUsSocket
from venues.polymarket_us.sim_wire import Customer, Facts, Holding, Refusal, read
from venues.sim.contract import Call, Socket
from venues.sim.engine import Exchange
from venues.sim.model import Market, MarketChanged, SimOrder
from venues.sim.numeral import numeral
from venues.sim.wish import amount, check_keys, positions

ACCOUNT_KEYS = frozenset({"balance", "positions", "credentials"})
MARKET_KEYS = frozenset({"title", "slug", "tick", "minimum", "fee_coefficient", "state"})
STAMP_MS_MAX = 10**16 - 1
"""The next 300,000 years."""
SECOND_MS = 1_000
PUBLIC, SIGNED = False, True
Handler = Callable[[Ask], object]
_encode = msgspec.json.Encoder(decimal_format="number").encode


class Batch(msgspec.Struct):
    """The body of a batch: each item is judged alone."""

    orders: list[msgspec.Raw]


class PolymarketUsSimulator:
    """The venue from a seed. Gateway and API are one server here; their paths do not meet."""

    name = "polymarket_us"
    prefix = ""
    socket_path = MARKETS
    ping_ms: int | None = None

    def __init__(self, seed: int) -> None:
        self.knobs: dict[str, Any] = {
            "sync": "complete",
            "updates_later": False,
            "read_lag_ms": 0,
            "busy": 0,
            "rate_limit": 0,
            "maintenance": False,
            "replays": False,
            "trade_executions": True,
            "states": {},
        }
        """See the table in the README."""
        self.exchange = Exchange(self._fee, nets_positions=True)
        self._board = Board(self.exchange, self.knobs, seed)
        self._desk = Desk(self._board)
        self._seen: dict[bytes, int] = {}
        """Signed orders of the last `WINDOW_MS`, and when they came."""
        self._routes = self._all_routes(Reads(self._board))

    def _all_routes(self, reads: Reads) -> tuple[tuple[str, bool, Handler], ...]:
        return (
            ("GET /v1/markets", PUBLIC, reads.markets),
            ("GET /v1/market/slug/{}", PUBLIC, reads.market_by_slug),
            ("GET /v1/market/id/{}", PUBLIC, reads.market_by_id),
            ("GET /v1/markets/{}/book", PUBLIC, reads.book),
            ("GET /v1/markets/{}/bbo", PUBLIC, reads.best),
            ("GET /v1/markets/{}/settlement", PUBLIC, reads.settlement),
            ("GET /v1/events", PUBLIC, reads.events),
            ("GET /v1/events/{}", PUBLIC, reads.event),
            ("GET /v1/events/slug/{}", PUBLIC, reads.event),
            ("GET /v1/account/balances", SIGNED, reads.balances),
            ("GET /v1/portfolio/positions", SIGNED, reads.positions),
            ("GET /v1/portfolio/activities", SIGNED, reads.activities),
            ("GET /v1/order/{}", SIGNED, reads.order),
            ("GET /v1/orders/open", SIGNED, reads.open_orders),
            ("POST /v1/orders", SIGNED, self._create),
            ("POST /v1/order/preview", SIGNED, self._preview),
            ("POST /v1/order/close-position", SIGNED, self._close),
            ("POST /v1/order/{}/cancel", SIGNED, self._cancel),
            ("POST /v1/order/{}/modify", SIGNED, self._modify),
            ("POST /v1/orders/open/cancel", SIGNED, self._cancel_all),
            ("POST /v1/orders/batched", SIGNED, self._create_batch),
            ("POST /v1/orders/batched/cancel", SIGNED, self._cancel_batch),
            ("POST /v1/orders/batched/modify", SIGNED, self._modify_batch),
        )

    def hosts(self, origin: str, socket_origin: str) -> Mapping[str, str]:
        """Three names for one server."""
        return {"rest": origin, "gateway": origin, "socket": socket_origin}

    # --- setting the scene ---

    def open_account(self, wish: Mapping[str, Any], now_ms: int) -> Mapping[str, str]:
        """A customer. No keys beside those of the contract; credentials are `key_id` and `secret_key`."""
        check_keys("account", wish, ACCOUNT_KEYS)
        number = len(self._board.customers)
        named = wish.get("credentials", {})
        key_id = str(named.get("key_id", uuid_of(self._board.seed, "key", number)))
        secret = str(named.get("secret_key", secret_of(self._board.seed, number)))
        if key_id in self._board.customers:
            raise ValueError(f"credentials.key_id: {key_id!r} is taken")
        customer = Customer(f"customer-{number + 1}", key_id, public_key(secret))
        grants = positions(self.exchange, wish.get("positions", {}))
        if len({market.market_id for market, _, _ in grants}) < len(grants):
            raise ValueError("positions: a market is held long or short, never both")
        account = self.exchange.open_account(customer.name, Cash(amount("balance", wish.get("balance", "0"))))
        for market, outcome, size in grants:
            self.exchange.grant(account, market, outcome, size)
            customer.holdings[market.market_id] = Holding(net=-size if outcome else size)
        self._board.customers[key_id] = customer
        return {"key_id": key_id, "secret_key": secret}

    def list_market(self, wish: Mapping[str, Any]) -> list[str]:
        """A market, open at once. Keys: `title`, `slug`, `tick` ("0.01"), `minimum` (the quantity step,
        "0.01"), `fee_coefficient` ("0.0695"), `state` (without its prefix, "OPEN")."""
        check_keys("market", wish, MARKET_KEYS)
        number = len(self._board.facts) + 1
        slug = str(wish.get("slug", f"sim-market-{number}"))
        tick = amount("tick", wish.get("tick", "0.01"))
        step = amount("minimum", wish.get("minimum", "0.01"))
        state = str(wish.get("state", "OPEN"))
        coefficient = str(wish.get("fee_coefficient", "0.0695"))
        amount("fee_coefficient", coefficient)
        if slug in self._board.facts or "," in slug or not slug:
            raise ValueError(f"slug: {slug!r} is taken or no slug")
        if not tick or ONE % tick or not step:
            raise ValueError("tick, minimum: above zero, and a dollar is a multiple of the tick")
        market = Market(slug, (slug,), size_step=step, grid=Grid.uniform(tick))
        title = str(wish.get("title", f"Simulated market {number}"))
        facts = Facts(market, number, title, tick, Decimal(coefficient))
        self._set_state(facts, state, 0)
        self.exchange.add_market(market)
        self._board.facts[slug] = facts
        return [slug]

    def _set_state(self, facts: Facts, state: str, now_ms: int) -> None:
        if state not in STATES:
            raise ValueError(f"state: takes one of {sorted(STATES)}, was {state!r}")
        if facts.state == f"MARKET_STATE_{state}":
            return
        facts.market.trading = state == "OPEN"
        facts.halted = "" if state == "OPEN" else state
        self.exchange.events.append(MarketChanged(facts.market, state, now_ms))

    # --- time ---

    def tick(self, now_ms: int) -> None:
        """Expire orders, change states, send what was held back; during maintenance drop everybody."""
        for slug, state in self.knobs["states"].items():
            if slug in self._board.facts and state in STATES:
                self._set_state(self._board.facts[slug], state, now_ms)
        self.exchange.expire(now_ms)
        self._board.absorb(now_ms)
        self._board.release()
        if self.knobs["maintenance"]:
            for socket in self._board.sockets:
                socket.closed = True

    def _fee(self, order: SimOrder, price: Price, size: Size, taker: bool) -> Charge:
        return self._desk.fee(order, price, size, taker)

    # --- the wire ---

    def answer(self, call: Call, now_ms: int) -> Response:
        """One request."""
        self.tick(now_ms)
        try:
            status, reply = 200, self._route(call, now_ms)
        except Refusal as refusal:
            status, reply = refusal.status, {"message": str(refusal)}
        self._board.absorb(now_ms)
        body = b"" if reply is None else _encode(reply)
        headers = {"date": formatdate(now_ms // 1_000, usegmt=True), "content-type": "application/json"}
        return Response(status, body, headers)

    def connect(self, call: Call, now_ms: int) -> PolymarketUsSocket | Response:
        """A handshake must be signed, also for public data."""
        self.tick(now_ms)
        try:
            customer = self._listener(call, now_ms)
        except Refusal as refusal:
            return Response(refusal.status, _encode({"message": str(refusal)}))
        socket = PolymarketUsSocket(self._board, customer, call.path, now_ms=now_ms, tick=self.tick)
        self._board.sockets.append(socket)
        return socket

    def _listener(self, call: Call, now_ms: int) -> Customer:
        if self.knobs["maintenance"]:
            raise Refusal(503, "scheduled maintenance")
        if call.path not in (MARKETS, PRIVATE):
            raise Refusal(404, f"no {call.path}")
        return self._signer(call, now_ms)

    def disconnect(self, socket: Socket) -> None:
        """Forget a connection."""
        self._board.sockets = [other for other in self._board.sockets if other is not socket]

    def _route(self, call: Call, now_ms: int) -> object:
        if self.knobs["maintenance"]:
            raise Refusal(503, "scheduled maintenance")
        parts = [unquote(part) for part in f"{call.method} {call.path}".split("/")]
        for template, signed, handler in self._routes:
            pattern = template.split("/")
            if len(pattern) == len(parts) and all(
                p in ("{}", q) for p, q in zip(pattern, parts, strict=True)
            ):
                args = tuple(q for p, q in zip(pattern, parts, strict=True) if p == "{}")
                caller = self._signer(call, now_ms) if signed else None
                if caller is not None:
                    self._pace(caller, now_ms)
                    self._once(call, now_ms)
                return handler(Ask(args=args, query=call.query, body=call.body, now_ms=now_ms, caller=caller))
        raise Refusal(404, f"no {call.method} {call.path}")

    def _signer(self, call: Call, now_ms: int) -> Customer:
        """Who signed a request over timestamp, method and path without query."""
        key_id, stamp, signature = (
            call.headers.get(f"x-pm-{name}", "") for name in ("access-key", "timestamp", "signature")
        )
        customer, signed_ms = self._board.customers.get(key_id), numeral(stamp, STAMP_MS_MAX)
        if customer is None or signed_ms is None:
            raise Refusal(401, "unknown API key")
        if not verifies(customer.key, signature, f"{stamp}{call.method}{call.path}"):
            raise Refusal(401, "invalid signature")
        if abs(signed_ms - now_ms) > WINDOW_MS:
            raise Refusal(401, "timestamp outside the window")
        return customer

    def _pace(self, customer: Customer, now_ms: int) -> None:
        """Too many calls within a second, where the knob sets a limit."""
        limit: int = self.knobs["rate_limit"]
        customer.calls = [at for at in customer.calls if at > now_ms - SECOND_MS]
        if limit and len(customer.calls) >= limit:
            raise Refusal(429, "rate limit exceeded")
        customer.calls.append(now_ms)

    def _once(self, call: Call, now_ms: int) -> None:
        """A new order that is the same to the last byte and millisecond as an earlier one was repeated by
        something in between. Whether the venue notices is not known: see the README."""
        if self.knobs["replays"] or call.method != "POST" or call.path != "/v1/orders":
            return
        signature = call.headers.get("x-pm-signature", "")
        print_ = sha256(signature.encode() + call.body).digest()
        self._seen = {known: at for known, at in self._seen.items() if at > now_ms - 2 * WINDOW_MS}
        if print_ in self._seen:
            raise Refusal(409, "duplicate request")
        self._seen[print_] = now_ms

    # --- orders ---

    def _create(self, ask: Ask) -> object:
        return self._desk.create(ask.customer, ask.body, ask.now_ms)

    def _preview(self, ask: Ask) -> object:
        return self._desk.preview(ask.customer, ask.body, ask.now_ms)

    def _close(self, ask: Ask) -> object:
        return self._desk.close(ask.customer, ask.body, ask.now_ms)

    def _cancel(self, ask: Ask) -> None:
        self._desk.cancel(ask.customer, ask.args[0], ask.body, ask.now_ms)

    def _modify(self, ask: Ask) -> None:
        self._desk.modify(ask.customer, ask.args[0], ask.body, ask.now_ms)

    def _cancel_all(self, ask: Ask) -> object:
        return self._desk.cancel_all(ask.customer, ask.body, ask.now_ms)

    def _create_batch(self, ask: Ask) -> object:
        return self._desk.create_batch(ask.customer, _items(ask), ask.now_ms)

    def _cancel_batch(self, ask: Ask) -> object:
        def act(order_id: str, body: bytes) -> None:
            self._desk.cancel(ask.customer, order_id, body, ask.now_ms)

        return self._desk.each(_items(ask), act, "canceledOrderIds")

    def _modify_batch(self, ask: Ask) -> object:
        def act(order_id: str, body: bytes) -> None:
            self._desk.modify(ask.customer, order_id, body, ask.now_ms)

        return self._desk.each(_items(ask), act, "modifiedOrderIds")


def _items(ask: Ask) -> list[bytes]:
    return [bytes(item) for item in read(ask.body, Batch).orders]
