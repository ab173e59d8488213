"""The simulated venue: trade-api v2 from the other end of the wire, over a real matching engine.

Written from the card alone; it shares no code with the client side. This module holds the accounts,
the markets, the signatures and the routes; orders are in `sim_desk`, reads in `sim_reads`, frames in
`sim_board` and `sim_socket`, shapes in `sim_wire`, arithmetic in `sim_rules`.
"""

from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote

import msgspec

from venues.base.http import Response
from venues.base.orders import Charge
from venues.base.units import Cash, Price, Size, micros
from venues.kalshi.sim_board import Board
from venues.kalshi.sim_buckets import Buckets
from venues.kalshi.sim_desk import Batch, Cancel, Desk, Refusal, read
from venues.kalshi.sim_reads import Ask, Reads
from venues.kalshi.sim_rules import CLOCK_PAST_MS_MAX, FEE_TYPES, grid_of, private_key, public_key, verifies
from venues.kalshi.sim_socket import KalshiSocket
from venues.kalshi.sim_wire import (
    Customer,
    Facts,
    Holding,
    read_iso,
    remember,
    uuid_of,
)
from venues.sim.contract import Call, Socket
from venues.sim.engine import Exchange
from venues.sim.model import Market, SimOrder
from venues.sim.numeral import numeral
from venues.sim.wish import amount, check_keys, positions

SIZE_STEP = 10_000
"""Counts are multiples of 0.01."""
END_OF_TIME_MS = 4_102_444_800_000
"""2100: the close of a market that was listed without one."""
ACCOUNT_KEYS = frozenset({"balance", "shards", "positions", "credentials", "subaccount", "account_precision"})
MARKET_KEYS = frozenset({"title", "ticker", "series", "event", "structure", "fee_type", "fee_multiplier",
                         "exchange_index", "open_time", "close_time"})  # fmt: skip
STAMP_MS_MAX = 10**16 - 1
"""The next 300,000 years."""
PUBLIC, READ, CREATED, EMPTY = 0, 200, 201, 204
"""What kind of endpoint it is: unsigned, or signed with the status of its success."""
LIMITED = 429
"""Too many requests; the reply does not say when to come again."""
_encode = msgspec.json.Encoder(decimal_format="number").encode


class KalshiSimulator:
    """The venue from a seed. `prefix` is part of what clients sign: calls come with their whole path."""

    name = "kalshi"
    prefix = "/trade-api/v2"
    socket_path = "/trade-api/ws/v2"
    ping_ms: int | None = 10_000

    def __init__(self, seed: int) -> None:
        self.knobs: dict[str, Any] = {
            "read_lag_ms": 0, "skip_seq": 0, "skip_private": 0, "overflow": False, "rate_limits": False,
        }  # fmt: skip
        """`read_lag_ms`: how far balance, orders, fills and positions lag behind the engine (0 to 60,000).
        `skip_seq`: how many of the next numbered frames are lost on the way, so that a gap shows.
        `skip_private`: how many of the next orders, fills and positions told to their owners are lost.
        `overflow`: true ends every subscription with error 25 at the next tick.
        `rate_limits`: true refuses what goes beyond the lowest tier's buckets."""
        self.exchange = Exchange(self._fee, nets_positions=True)
        self._board = Board(self.exchange, self.knobs, seed)
        self._desk = Desk(self._board)
        self._buckets = Buckets()
        self._keys: dict[str, Customer] = {}
        reads = Reads(self._board)
        self._routes: tuple[tuple[str, int, Callable[[Ask], object]], ...] = (
            ("GET /exchange/status", PUBLIC, reads.status),
            ("GET /exchange/user_data_timestamp", PUBLIC, reads.as_of_time),
            ("GET /markets", PUBLIC, reads.markets),
            ("GET /markets/orderbooks", PUBLIC, reads.books),
            ("GET /markets/{}", PUBLIC, reads.market),
            ("GET /markets/{}/orderbook", PUBLIC, reads.book),
            ("GET /events", PUBLIC, reads.all_events),
            ("GET /events/{}", PUBLIC, reads.event),
            ("GET /series", PUBLIC, reads.all_series),
            ("GET /series/{}", PUBLIC, reads.one_series),
            ("GET /portfolio/balance", READ, reads.balance),
            ("GET /portfolio/orders", READ, reads.orders),
            ("GET /portfolio/orders/{}", READ, reads.order),
            ("GET /portfolio/fills", READ, reads.fills),
            ("GET /portfolio/positions", READ, reads.positions),
            ("GET /account/limits", READ, reads.limits),
            ("GET /account/endpoint_costs", READ, reads.costs),
            ("POST /portfolio/events/orders", CREATED, self._create),
            ("POST /portfolio/events/orders/batched", CREATED, self._create_batch),
            ("DELETE /portfolio/events/orders/batched", READ, self._cancel_batch),
            ("DELETE /portfolio/events/orders/{}", READ, self._cancel),
            ("DELETE /portfolio/events/orders", EMPTY, self._cancel_all),
        )

    def hosts(self, origin: str, socket_origin: str) -> Mapping[str, str]:
        """Both faces start at the root: the paths of requests and of the handshake are whole."""
        return {"rest": origin, "socket": socket_origin}

    # --- setting the scene ---

    def open_account(self, wish: Mapping[str, Any], now_ms: int) -> Mapping[str, str]:
        """A customer. Beside the keys of the contract: `shards` (cash by exchange_index above 0, decimal
        text), `subaccount` (the number its key is locked to), `account_precision` ("0.0001" or "0.01")."""
        check_keys("account", wish, ACCOUNT_KEYS)
        number = len(self._keys)
        named = wish.get("credentials", {})
        key_id = str(named.get("key_id", uuid_of(self._board.seed, "key", number)))
        pem = str(named.get("private_key", private_key(number)))
        precision = str(wish.get("account_precision", "0.0001"))
        if key_id in self._keys:
            raise ValueError(f"credentials.key_id: {key_id!r} is taken")
        if precision not in ("0.0001", "0.01"):
            raise ValueError(f'account_precision: takes "0.0001" or "0.01", was {precision!r}')
        customer = Customer(
            name=f"customer-{number + 1}",
            user_id=uuid_of(self._board.seed, "user", number),
            key_id=key_id,
            key=public_key(pem),
            step=micros(precision),
            subaccount=int(wish.get("subaccount", 0)),
        )
        grants = positions(self.exchange, wish.get("positions", {}))
        if len({market.market_id for market, _, _ in grants}) < len(grants):
            raise ValueError("positions: YES and NO of one market never coexist")
        cash = {0: amount("balance", wish.get("balance", "0"))}
        cash |= {
            int(shard): amount(f"shards[{shard!r}]", text) for shard, text in wish.get("shards", {}).items()
        }
        for shard, free in sorted(cash.items()):
            self._board.open_pot(customer, shard, Cash(free))
        held: dict[str, Holding] = {}
        for market, outcome, size in grants:
            shard = self._board.facts[market.market_id].exchange_index
            self.exchange.grant(
                self.exchange.accounts[self._board.pot(customer, shard)], market, outcome, size
            )
            held[market.market_id] = Holding(net=size if outcome == 0 else -size, at_ms=now_ms)
        self._keys[key_id] = customer
        remember(customer.holdings, 0, held)
        self._board.note_cash(customer, 0)
        given = {"key_id": key_id, "private_key": pem}
        return given | {key: str(wish[key]) for key in ("subaccount", "account_precision") if key in wish}

    def list_market(self, wish: Mapping[str, Any]) -> list[str]:
        """A market, open at once. Keys: `title`, `ticker`, `series`, `event`, `structure` (a
        price_level_structure of the card), `fee_type` and `fee_multiplier` (decimal text) of its series,
        `exchange_index`, `open_time` and `close_time` ("2026-11-20T14:00:00Z")."""
        check_keys("market", wish, MARKET_KEYS)
        number = len(self._board.facts) + 1
        series = str(wish.get("series", "KXSIM"))
        event = str(wish.get("event", f"{series}-26"))
        ticker = str(wish.get("ticker", f"{event}-T{number}"))
        structure = str(wish.get("structure", "linear_cent"))
        facts = Facts(
            market=Market(ticker, (ticker,), size_step=SIZE_STEP, grid=grid_of(structure)),
            uuid=uuid_of(self._board.seed, "market", ticker),
            title=str(wish.get("title", f"Simulated market {number}")),
            series=series,
            event=event,
            structure=structure,
            rate=_rate(wish, self._board.series.get(series)),
            exchange_index=int(wish.get("exchange_index", 0)),
            open_ms=read_iso("open_time", wish["open_time"]) if "open_time" in wish else 0,
            close_ms=read_iso("close_time", wish["close_time"]) if "close_time" in wish else END_OF_TIME_MS,
        )
        siblings = [other.series for other in self._board.facts.values() if other.event == event]
        if siblings and siblings[0] != series:
            raise ValueError(f"event: {event} belongs to series {siblings[0]}")
        if ticker in self._board.facts:
            raise ValueError(f"ticker: {ticker} is listed already")
        self._board.series[series] = facts.rate
        self.exchange.add_market(facts.market)
        self._board.facts[ticker] = facts
        self._board.announce(facts)
        return [ticker]

    # --- time ---

    def tick(self, now_ms: int) -> None:
        """Expire orders, close markets, tell everybody."""
        self.exchange.expire(now_ms)
        for facts in self._board.facts.values():
            if facts.market.trading and facts.close_ms <= now_ms:
                self.exchange.halt(facts.market, "closed", now_ms)
        self._board.absorb(now_ms)
        if self.knobs["overflow"]:
            self.knobs["overflow"] = False
            for socket in self._board.sockets:
                socket.overflow()

    def _fee(self, order: SimOrder, price: Price, size: Size, taker: bool) -> Charge:
        return self._desk.fee(order, price, size, taker=taker)

    # --- the wire ---

    def answer(self, call: Call, now_ms: int) -> Response:
        """One request. Every reply tells the time, in whole seconds."""
        self.tick(now_ms)
        try:
            status, reply = self._route(call, now_ms)
        except Refusal as refusal:
            said = "too many requests" if refusal.status == LIMITED else refusal.row
            status, reply = refusal.status, {"error": said}
        self._board.absorb(now_ms)
        headers = {"date": formatdate(now_ms // 1_000, usegmt=True)}
        if status == EMPTY:
            return Response(status, b"", headers)
        return Response(status, _encode(reply), headers | {"content-type": "application/json"})

    def connect(self, call: Call, now_ms: int) -> KalshiSocket | Response:
        """A handshake must be signed, also for public channels."""
        self.tick(now_ms)
        try:
            customer = self._signer(call, now_ms)
        except Refusal as refusal:
            headers = {"date": formatdate(now_ms // 1_000, usegmt=True), "content-type": "application/json"}
            return Response(refusal.status, _encode({"error": refusal.row}), headers)
        socket = KalshiSocket(self._board, customer, self.tick)
        self._board.sockets.append(socket)
        return socket

    def disconnect(self, socket: Socket) -> None:
        """Forget a connection."""
        self._board.sockets = [other for other in self._board.sockets if other is not socket]

    def _route(self, call: Call, now_ms: int) -> tuple[int, object]:
        _, _, path = call.path.partition(self.prefix)
        parts = [unquote(part) for part in f"{call.method} {path}".split("/")]
        for template, kind, handler in self._routes:
            pattern = template.split("/")
            if len(pattern) == len(parts) and all(
                p in ("{}", q) for p, q in zip(pattern, parts, strict=True)
            ):
                args = tuple(q for p, q in zip(pattern, parts, strict=True) if p == "{}")
                caller = None if kind == PUBLIC else self._signer(call, now_ms)
                self._bill(caller, template, call.body, now_ms)
                ask = Ask(args=args, query=call.query, body=call.body, now_ms=now_ms, caller=caller)
                return (200 if kind in (PUBLIC, READ) else kind), handler(ask)
        raise Refusal(404, "not_found", f"no {call.method} {call.path}")

    def _bill(self, caller: Customer | None, template: str, body: bytes, now_ms: int) -> None:
        """Refuse what there are no tokens left for. Public calls have a bucket of their own."""
        items = len(read(body, Batch).orders) if template.endswith("/batched") else 1
        who = caller.name if caller is not None else ""
        if self.knobs["rate_limits"] and not self._buckets.take(who, template, now_ms, items=items):
            raise Refusal(LIMITED, "too_many_requests")

    def _signer(self, call: Call, now_ms: int) -> Customer:
        """Who signed a request over timestamp, method and path without query."""
        key_id, stamp, signature = (
            call.headers.get(f"kalshi-access-{name}", "") for name in ("key", "timestamp", "signature")
        )
        customer, signed_ms = self._keys.get(key_id), numeral(stamp, STAMP_MS_MAX)
        if customer is None or signed_ms is None:
            raise Refusal(401, "token_authentication_failure")
        if not verifies(customer.key, signature, f"{stamp}{call.method}{call.path}"):
            raise Refusal(401, "token_authentication_failure")
        if signed_ms <= now_ms - CLOCK_PAST_MS_MAX:
            raise Refusal(401, "header_timestamp_expired")
        return customer

    # --- orders ---

    def _create(self, ask: Ask) -> object:
        return self._desk.create(ask.customer, ask.body, ask.now_ms)

    def _create_batch(self, ask: Ask) -> object:
        return self._desk.create_batch(ask.customer, ask.body, ask.now_ms)

    def _cancel(self, ask: Ask) -> object:
        shard = ask.number("exchange_index", 0)
        wanted = Cancel(ask.args[0], ask.query.get("market_ticker"), shard)
        return self._desk.cancel(ask.customer, wanted, ask.now_ms)

    def _cancel_batch(self, ask: Ask) -> object:
        return self._desk.cancel_batch(ask.customer, ask.body, ask.now_ms)

    def _cancel_all(self, ask: Ask) -> None:
        self._desk.cancel_all(ask.customer, ask.now_ms)


def _rate(wish: Mapping[str, Any], series: tuple[str, str] | None) -> tuple[str, str]:
    """Fee type and multiplier of the market's series: what it has already, or what is wished for."""
    kind, multiplier = series or ("quadratic", "1")
    rate = str(wish.get("fee_type", kind)), str(wish.get("fee_multiplier", multiplier))
    if rate[0] not in FEE_TYPES:
        raise ValueError(f"fee_type: takes one of {sorted(FEE_TYPES)}, was {rate[0]!r}")
    micros(rate[1])
    if series is not None and rate != series:
        raise ValueError(f"fee_type, fee_multiplier: the series has {series} already")
    return rate
