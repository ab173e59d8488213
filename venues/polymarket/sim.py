"""The other end of Polymarket's wire: CLOB V2 as its card describes it, with a ledger that tests can read.

Start here. `sim_markets` and `sim_private` are the REST face, `sim_accounts` says who may call, `sim_rules`
what an order must be; `sim_desk` matches and settles, `sim_rows` has the JSON, `sim_lines` the WebSockets.
"""

from collections.abc import Mapping
from random import Random
from typing import Any

from venues.base.http import Response
from venues.base.units import micros, plain
from venues.polymarket import sim_rows as rows
from venues.polymarket import sim_rules as rules
from venues.polymarket.sim_accounts import Accounts
from venues.polymarket.sim_desk import Desk
from venues.polymarket.sim_lines import MarketLine, UserLine
from venues.polymarket.sim_markets import PublicFace, new_market
from venues.polymarket.sim_private import PrivateFace
from venues.polymarket.sim_rows import Json
from venues.polymarket.sim_rules import RefusedError, Terms
from venues.sim.contract import Call, Socket
from venues.sim.model import Market
from venues.sim.wish import amount, check_keys, whole

NO_PAGE = "404 page not found"
FEE_EXPONENT_MAX = 4
TAKER_DELAY_MS_MAX = 60_000
MARKET_WISHES = {
    "title", "ids", "condition_id", "tick", "neg_risk", "fee_rate", "fee_exponent", "minimum_size",
    "taker_delay_ms", "protocol_v2",
}  # fmt: skip


class PolymarketSimulator:
    """A `venues.sim.contract.Simulator`. The same seed and the same calls give the same bytes."""

    name = "polymarket"
    prefix = ""
    socket_path = "/ws/market"
    ping_ms: int | None = None

    def __init__(self, seed: int, chain_id: int = 137) -> None:
        self._luck = Random(seed)  # noqa: S311 - a simulation must be repeatable
        self.knobs: dict[str, int] = {
            "clock_tolerance_s": 10,  # how old or early a signed timestamp may be
            "mined_ms": 500,  # from match to MINED
            "confirmed_ms": 2_000,  # from match to CONFIRMED
            "fail_trades": 0,  # so many of the next trades end FAILED and are taken back
            "retry_trades": 0,  # so many of the next trades are RETRYING once before they are mined
            "makers_per_trade": 0,  # cut a match into trades of at most so many makers; 0 for never
            "data_lag_ms": 0,  # /data/… shows only what is older than this
            "page_size": 100,
            "hide_closed": 0,  # 1: GET /data/order/{id} answers null once an order is no longer open
            "soft_refusals": 0,  # 1: a refused order answers 200 with success false
            "silent_ms": 0,  # hang up on a WebSocket client that says nothing for so long; 0 for never
            "tick_follows_price": 0,  # 1: the tick goes from 0.01 to 0.001 above 0.96 and below 0.04
        }
        self._desk = Desk(self._luck, chain_id, self.knobs)
        self.exchange = self._desk.exchange
        self._accounts = Accounts(self.exchange, self._luck, chain_id, self.knobs)
        spenders = (rules.EXCHANGE, rules.NEG_RISK_EXCHANGE, rules.EXCHANGE_V3[chain_id])
        self._public = PublicFace(self._desk, self._accounts)
        self._private = PrivateFace(self._desk, self._accounts, spenders, self.knobs)
        self._unannounced: list[Terms] = []

    # --- the contract ---

    def answer(self, call: Call, now_ms: int) -> Response:
        """One HTTP request, fully processed; a refusal is {"error": text} (section 9)."""
        public, private = _route(self._public.routes, call), _route(self._private.routes, call)
        try:
            if public is not None:
                return _response(200, public(call, now_ms))
            if private is not None:
                return _response(200, private(self._accounts.authorize(call, now_ms), call, now_ms))
        except RefusedError as refusal:
            return _response(refusal.status, {"error": refusal.text})
        return _response(404, {"error": NO_PAGE})

    def connect(self, call: Call, now_ms: int) -> Socket | Response:
        """A WebSocket upgrade at /ws/market or /ws/user."""
        line: MarketLine | UserLine
        if call.path == "/ws/market":
            line = MarketLine(now_ms, self.knobs, self._snapshot)
        elif call.path == "/ws/user":
            line = UserLine(now_ms, self.knobs, self._accounts.log_in)
        else:
            return _response(404, {"error": NO_PAGE})
        self._desk.lines.append(line)
        return line

    def disconnect(self, socket: Socket) -> None:
        """The connection is gone; nothing more is put into its outbox."""
        self._desk.lines = [line for line in self._desk.lines if line is not socket]

    def tick(self, now_ms: int) -> None:
        """Held orders, settlement, expiry, and the frames of whatever the tests did to the engine."""
        for terms in self._unannounced:
            self._desk.to_custom(new_market(terms, now_ms))
        self._unannounced.clear()
        self._desk.tick(now_ms)

    def hosts(self, origin: str, socket_origin: str) -> Mapping[str, str]:
        """`Venue.hosts` for a server at these origins."""
        return {"rest": origin, "gamma": f"{origin}/gamma", "socket": socket_origin}

    def open_account(self, wish: Mapping[str, Any], now_ms: int) -> Mapping[str, str]:
        """A customer with an EOA and API credentials; `wish` as in `sim_accounts.Accounts.open`.

        The engine knows the account by its wallet's address, which is `funder` in the result.
        """
        return self._accounts.open(wish)

    def list_market(self, wish: Mapping[str, Any]) -> list[str]:
        """A binary market; returns [yes token, no token]. ValueError names a wrong wish.

        Keys, all optional: `title`; `tick` ("0.01"); `neg_risk` (false); `fee_rate` ("0.05") and
        `fee_exponent` (1); `minimum_size` ("5" shares); `taker_delay_ms` (0): marketable orders answer
        "delayed" and match later; `protocol_v2` (false): ids of Exchange V3; `ids` (two token ids) and
        `condition_id` fix the identity.
        """
        check_keys("market", wish, MARKET_WISHES)
        tick = amount("tick", wish.get("tick", "0.01"))
        if tick not in rules.TICKS:
            raise ValueError(f"tick: one of {[plain(t) for t in rules.TICKS]}, was {wish['tick']!r}")
        exponent = whole("fee_exponent", wish.get("fee_exponent", 1), FEE_EXPONENT_MAX)
        delay_ms = whole("taker_delay_ms", wish.get("taker_delay_ms", 0), TAKER_DELAY_MS_MAX)
        condition = str(wish.get("condition_id") or f"0x{self._luck.getrandbits(256):064x}")
        ids = tuple(str(token) for token in wish.get("ids") or self._token_ids(bool(wish.get("protocol_v2"))))
        if len(ids) != 2 or not all(token.isdecimal() for token in ids):
            raise ValueError(f"ids: two token ids in decimal, were {ids}")
        if condition in self._desk.terms or not self.exchange.by_native.keys().isdisjoint(ids):
            raise ValueError("ids, condition_id: listed already")
        market = Market(condition, ids)
        self.exchange.add_market(market)
        terms = self._desk.terms[condition] = Terms(
            market=market,
            title=str(wish.get("title", "Will it happen?")),
            tick=tick,
            neg_risk=bool(wish.get("neg_risk", False)),
            fee_rate=amount("fee_rate", wish.get("fee_rate", "0.05")),
            fee_exponent=exponent,
            minimum=amount("minimum_size", wish.get("minimum_size", "5")),
            delay_ms=delay_ms,
        )
        self._unannounced.append(terms)
        return list(ids)

    def change_tick(self, token: str, tick: str, now_ms: int) -> None:
        """The market of this token takes prices on another grid from now on (tick_size_change)."""
        self._desk.change_tick(self._desk.token(token)[0], micros(tick), now_ms)

    def resolve(self, token: str, now_ms: int) -> None:
        """This outcome has won: trading ends, resting orders are cancelled (market_resolved)."""
        market, outcome = self.exchange.by_native[token]
        self.exchange.halt(market, f"resolved:{outcome}", now_ms)
        self._desk.publish(now_ms)

    # --- public data ---

    def _token_ids(self, protocol_v2: bool) -> list[str]:
        if not protocol_v2:
            return [str(self._luck.getrandbits(255) | 1 << 50) for _ in range(2)]
        stem = (self._luck.getrandbits(143) | 1 << 142) << 104 | self._luck.getrandbits(32) << 8
        return [str(stem), str(stem | 1)]

    def _snapshot(self, token: str, now_ms: int) -> Json | None:
        self._desk.publish(now_ms)
        return self._desk.book(token, now_ms) if token in self.exchange.by_native else None


def _route(routes: Mapping[str, Any], call: Call) -> Any:
    stem = call.path.rpartition("/")[0]
    return routes.get(f"{call.method} {call.path}") or routes.get(f"{call.method} {stem}/*")


def _response(status: int, value: Any) -> Response:
    return Response(status, rows.encode(value), {"content-type": "application/json"})
