"""The other end of Predict.fun's wire as its card describes it, with a ledger that tests can read.

Start here. `sim_public` and `sim_private` are the REST face, `sim_chain` the contracts behind `/rpc`;
`sim_accounts` says who may call, `sim_rules` what an order must be and `sim_proofs` who signed it;
`sim_desk` matches, `sim_settlement` brings what traded to the chain, `sim_rows` has the JSON and
`sim_socket` the WebSocket.

The ledger counts millionths and so does the wire, in wei: sizes are whole millionths, a fee is the
published formula in wei over the fills of an order, rounded up to a millionth once for the whole order.
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from venues.base.http import Response
from venues.base.listing import Grid
from venues.predict import sim_rows as rows
from venues.predict.sim_accounts import Accounts
from venues.predict.sim_chain import node_of
from venues.predict.sim_desk import Desk
from venues.predict.sim_private import PrivateFace
from venues.predict.sim_public import PublicFace
from venues.predict.sim_rows import Json
from venues.predict.sim_rules import RefusedError, Terms
from venues.predict.sim_socket import SocketLine
from venues.sim.contract import Call, Socket
from venues.sim.model import Market
from venues.sim.windows import Left, Windows
from venues.sim.wish import check_keys, whole

CHAIN = 56
NODE_PATHS = ("/rpc", "")
"""A node has no paths of its own: "" is what is left of a call when its host is not looked at."""
FIRST_MARKET = 88_123
LIMITS = ((60_000, "calls_per_minute"), (1_000, "calls_per_second"))
"""Windows of the rate limit: length in ms, and the knob with what it allows (section 4)."""
NAMES = ("1min", "1sec")
MARKET_ID_MAX = 10**9
FEE_BPS_MAX = 1_000
SIZE_STEP = 1_000
"""A thousandth of a share: at any price of the venue it costs whole millionths."""
PRECISIONS = (2, 3)
MARKET_WISHES = {
    "title", "id", "condition_id", "tokens", "outcomes", "categorySlug", "decimalPrecision", "feeRateBps",
    "isNegRisk", "isYieldBearing",
}  # fmt: skip


class PredictSimulator:
    """A `venues.sim.contract.Simulator`. The same seed and the same calls give the same bytes."""

    name = "predict"
    prefix = ""
    socket_path = "/ws"
    ping_ms: int | None = None

    def __init__(self, seed: int, chain_id: int = CHAIN) -> None:
        self._luck = Random(seed)  # noqa: S311 - a simulation must be repeatable
        self.knobs: dict[str, int] = {
            "hold_ms_min": 165,  # an order that will take is held at least so long,
            "hold_ms_max": 195,  # and at most so long
            "status_lag_ms": 2_000,  # an order's status tells of an execution at most so much later
            "misleading_percent": 25,  # so many market orders say CANCELLED until then
            "settle_ms": 2_000,  # from match to the chain
            "fail_settlements": 0,  # so many of the next matches fail on chain and are taken back
            "early_401_percent": 50,  # so many removals before removalLockedUntil get the odd 401
            "heartbeat_ms": 15_000,
            "open_orders_max": 0,  # limit orders on a book per wallet; 0 for any number
            "region_blocked": 0,  # 1: orders get a 403
            "calls_per_minute": 500,  # what the ratelimit header says,
            "calls_per_second": 40,  # for each API key
            "refuse_calls": 0,  # 1: more calls than that get a 429
        }
        self._desk = Desk(self._luck, chain_id, self.knobs)
        self.exchange = self._desk.exchange
        self._accounts = Accounts(self.exchange, self._luck, chain_id)
        self._desk.customers = self._accounts.customers
        self._windows = Windows()
        self._node = node_of(self._desk, chain_id)
        public = PublicFace(self._desk, self._accounts)
        self._public = public.routes
        self._private = PrivateFace(self._desk, public, self._luck, self.knobs).routes

    # --- the contract ---

    def answer(self, call: Call, now_ms: int) -> Response:
        """One HTTP request, fully processed."""
        self._desk.tick(now_ms)
        if call.path in NODE_PATHS and call.method == "POST":
            return self._node.answer(call.body)
        try:
            key = self._accounts.admit(call)
        except RefusedError as error:
            return self._refused(error, now_ms, {})
        left = self._windows.count(key, now_ms, {length: self.knobs[knob] for length, knob in LIMITS})
        said = (f'"{w.most}-in-{n}"; r={w.calls}; t={w.reset_s}' for n, w in zip(NAMES, left, strict=True))
        headers = {"ratelimit": ", ".join(said)}
        try:
            if self.knobs["refuse_calls"]:
                check_pace(left)
            status, reply = self._route(call, now_ms)
        except RefusedError as error:
            return self._refused(error, now_ms, headers)
        return _response(status, {"success": True, **reply}, headers)

    def _route(self, call: Call, now_ms: int) -> tuple[int, Json]:
        public = _find(self._public, call)
        if public is not None:
            return 200, public(call, now_ms)
        private = _find(self._private, call)
        if private is None:
            raise RefusedError(404, "not_found", f"Cannot {call.method} {call.path}")
        reply = private(self._accounts.authorize(call, now_ms), call, now_ms)
        return 201 if (call.method, call.path) == ("POST", "/v1/orders") else 200, reply

    def _refused(self, error: RefusedError, now_ms: int, headers: Mapping[str, str]) -> Response:
        trace = f"{self._luck.getrandbits(128):032x}"
        return _response(error.status, rows.refusal(error, now_ms, trace), headers)

    def connect(self, call: Call, now_ms: int) -> Socket | Response:
        """A WebSocket upgrade at /ws with the API key in the query or as a header."""
        if call.path != self.socket_path:
            return self._refused(RefusedError(404, "not_found", "Not found"), now_ms, {})
        try:
            self._accounts.admit(call)
        except RefusedError as error:
            return self._refused(error, now_ms, {})
        line = SocketLine(now_ms, self.knobs, self._book(now_ms), self._wallet)
        self._desk.lines.append(line)
        return line

    def disconnect(self, socket: Socket) -> None:
        """The connection is gone; nothing more is put into its outbox."""
        self._desk.lines = [line for line in self._desk.lines if line is not socket]

    def tick(self, now_ms: int) -> None:
        """Held orders, settlement, expiry, and the frames of whatever the tests did to the engine."""
        self._desk.tick(now_ms)

    def hosts(self, origin: str, socket_origin: str) -> Mapping[str, str]:
        """`Venue.hosts` for a server at these origins; "rpc" is the node of the chain."""
        return {"rest": origin, "socket": socket_origin, "rpc": f"{origin}/rpc"}

    def open_account(self, wish: Mapping[str, Any], now_ms: int) -> Mapping[str, str]:
        """A customer: `api_key`, `private_key` and, for a Predict account, its address `account`.

        `wish` as in `sim_accounts.Accounts.open`. The engine knows the account by its wallet's address.
        """
        return self._accounts.open(wish)

    def list_market(self, wish: Mapping[str, Any]) -> list[str]:
        """A binary market; returns [market id]. ValueError names a wrong wish.

        Keys, all optional: `title`; `categorySlug` (markets with the same one belong together); `outcomes`
        (two names); `decimalPrecision` (3: prices in thousandths; or 2); `feeRateBps` (200); `isNegRisk` and
        `isYieldBearing` (false), which choose the exchange; `id`, `tokens` (two token ids) and
        `condition_id` fix the identity. The book's listing keys are "88123" and "88123:inverted".
        """
        check_keys("market", wish, MARKET_WISHES)
        number = whole("id", wish.get("id", FIRST_MARKET + len(self._desk.terms)), MARKET_ID_MAX)
        precision = whole("decimalPrecision", wish.get("decimalPrecision", 3), max(PRECISIONS))
        fee_bps = whole("feeRateBps", wish.get("feeRateBps", 200), FEE_BPS_MAX)
        if precision not in PRECISIONS:
            raise ValueError(f"decimalPrecision: one of {PRECISIONS}, was {precision}")
        tokens = _pair("tokens", wish.get("tokens") or [str(self._luck.getrandbits(256)) for _ in range(2)])
        if not all(token.isdecimal() for token in tokens) or not self._desk.tokens.keys().isdisjoint(tokens):
            raise ValueError(f"tokens: two new token ids in decimal, were {tokens}")
        if str(number) in self._desk.terms:
            raise ValueError(f"id: {number} is listed already")
        grid = Grid.uniform(int(10 ** (6 - precision)))
        market = Market(str(number), (str(number),), size_step=SIZE_STEP, grid=grid)
        self.exchange.add_market(market)
        terms = Terms(
            market=market,
            title=str(wish.get("title", "Will it happen?")),
            tokens=tokens,
            names=_pair("outcomes", wish.get("outcomes") or ["Yes", "No"]),
            condition_id=str(wish.get("condition_id") or f"0x{self._luck.getrandbits(256):064x}"),
            category=str(wish.get("categorySlug") or f"market-{number}"),
            precision=precision,
            fee_bps=fee_bps,
            neg_risk=wish.get("isNegRisk", False) is True,
            yield_bearing=wish.get("isYieldBearing", False) is True,
        )
        self._desk.terms[market.market_id] = terms
        for outcome, token in enumerate(tokens):
            self._desk.tokens[token] = terms, outcome
        return list(market.natives)

    def resolve(self, native: str, outcome: int, now_ms: int) -> None:
        """This outcome has won: trading ends, resting orders are cancelled."""
        market, _ = self.exchange.by_native[native]
        self._desk.terms[market.market_id].winner = outcome
        self.exchange.halt(market, f"resolved:{outcome}", now_ms)
        for order in self.exchange.resting(market):
            self.exchange.cancel(order, "market resolved", now_ms)
        self._desk.publish(now_ms)

    # --- for the WebSocket ---

    def _book(self, now_ms: int) -> Any:
        """Shows a market's book as it is when asked."""

        def show(number: int) -> Json | None:
            terms = self._desk.terms.get(str(number))
            return None if terms is None else self._desk.book(terms, now_ms)

        return show

    def _wallet(self, token: str, now_ms: int) -> str | None:
        customer = self._accounts.holder(token, now_ms)
        return None if customer is None else customer.wallet


def check_pace(left: Sequence[Left]) -> None:
    """RefusedError 429 when the call was one too many in any window."""
    if any(window.exceeded for window in left):
        raise RefusedError(429, "too_many_requests", "Too many requests")


def _find(routes: Mapping[str, Any], call: Call) -> Any:
    """The handler of a path; "*" stands for one segment, at the end or before it."""
    parts = call.path.split("/")
    last = "/".join([*parts[:-1], "*"])
    before = "/".join([*parts[:-2], "*", parts[-1]]) if len(parts) > 2 else last
    found = (routes.get(f"{call.method} {path}") for path in (call.path, last, before))
    return next((handler for handler in found if handler is not None), None)


def _pair(name: str, values: Any) -> tuple[str, str]:
    if not isinstance(values, list | tuple) or len(set(values)) != 2 or len(values) != 2:
        raise ValueError(f"{name}: two different texts, were {values!r}")
    return str(values[0]), str(values[1])


def _response(status: int, value: Any, headers: Mapping[str, str]) -> Response:
    return Response(status, rows.encode(value), {"content-type": "application/json", **headers})
