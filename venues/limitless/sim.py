"""The other end of Limitless's wire, as its card describes it, with a ledger that tests can read.

Start here. `sim_faces` is the REST face, `sim_accounts` says who may call and what the chain shows,
`sim_rules` what an order must be; `sim_desk` takes orders, `sim_board` settles and tells, `sim_rows` has the
JSON and `sim_lines` the Socket.IO connections.
"""

from collections.abc import Mapping
from random import Random
from typing import Any

from venues.base.http import Response
from venues.base.listing import Grid
from venues.kit.eip712 import checksummed, unhex
from venues.limitless import sim_rows as rows
from venues.limitless import sim_rules as rules
from venues.limitless.sim_board import Board
from venues.limitless.sim_desk import Desk
from venues.limitless.sim_faces import Answer, PrivateFace, PublicFace
from venues.limitless.sim_lines import Line
from venues.limitless.sim_rows import Json
from venues.limitless.sim_rules import RefusedError, Terms
from venues.sim.contract import Call, Socket
from venues.sim.ids import new_uuid
from venues.sim.model import Market
from venues.sim.times import iso
from venues.sim.wish import amount, check_keys, whole

SOCKET_PATH = "/socket.io/"
RPC_PATH = "/rpc"
NODE_PATHS = (RPC_PATH, "")
"""A base URL of its own has no path: that is how calls come that go over no wire."""
EXCHANGE = "0xa4409D988CA2218d956BeEFD3874100F444f0DC3"
NEG_RISK_EXCHANGE = "0xE247eE8Bb79AA5A17c4cc94dEaD4710C64a25F63"
COLLATERAL_EXCHANGE = "0xB48128B87C3D8c10f778aC636fAe2D66889C4f19"
ADAPTER = "0x7ED7E122a3ba5f2493B8042BE315933EA5825BE4"
FEE_MODULE = "0xFFDeB907Fc00955561bec76a4a2FAD11de061dC6"
TAKER_DELAY_MS_MAX = 60_000
LIFE_MS = 30 * 24 * 3_600_000
"""From listing to expiry, on the clock of the first tick."""
FEES = ("legacy", "collateral")
TRADE_TYPES = ("clob", "amm")
MARKET_WISHES = {
    "title", "slug", "ids", "condition_id", "fee", "neg_risk", "group", "taker_delay_ms", "minimum_value",
    "trade_type", "exchange",
}  # fmt: skip
BARRED_CLIENT = "python-urllib"


class LimitlessSimulator:
    """A `venues.sim.contract.Simulator`. The same seed and the same calls give the same bytes."""

    name = "limitless"
    prefix = ""
    socket_path = SOCKET_PATH
    ping_ms: int | None = None

    def __init__(self, seed: int) -> None:
        self._luck = Random(seed)  # noqa: S311 - a simulation must be repeatable
        self.knobs: dict[str, Any] = {
            "clock_tolerance_ms": 30_000,  # how old or early a signed timestamp may be
            "mined_ms": 500,  # from match to MINED, or to RETRYING for a trade that will fail
            "confirmed_ms": 2_000,  # from match to CONFIRMED, or to FAILED
            "fail_trades": 0,  # so many of the next trades end FAILED and are taken back
            "chain_lag": 0,  # 1: balances and positions show only what is mined
            "double_events": 0,  # 1: every SETTLEMENT event comes twice
            "first_book_ms": 0,  # from a subscription to its first books
            "status_lag_ms": 0,  # look-ups find only orders that are older than this
            "text_amounts": 0,  # 1: amounts of orders are text in replies
            "unmatched_refused": 0,  # 1: a FOK order that cannot fill is a 400 instead of UNMATCHED
            "fee_price": "average",  # the price a fee rate is of: "average", "limit" or "fill"
            "stp_policy": "cancel_maker",  # for orders that name none
            "maintenance": "",  # "post_only_mode", "cancel_only_mode", "trading_disabled"
            "maintenance_status": 425,  # of refusals during maintenance; the documentation has 503 as well
        }
        self._board = Board(self._luck, self.knobs)
        self.exchange = self._board.exchange
        self._accounts = self._board.accounts
        self._desk = Desk(self._board, self._luck)
        self._public = PublicFace(self._board)
        self._private = PrivateFace(self._board, self._desk)
        self._unannounced: list[Terms] = []

    # --- the contract ---

    def answer(self, call: Call, now_ms: int) -> Response:
        """One HTTP request, fully processed; a refusal is {"message", "statusCode", "error"} (section 7)."""
        self.tick(now_ms)
        if call.path in NODE_PATHS:
            return self._accounts.rpc(call)
        if call.path == SOCKET_PATH:
            return _response(400, {"code": 0, "message": "Transport unknown"})
        try:
            return _response(*self._route(call, now_ms))
        except RefusedError as refusal:
            row: Json = {"message": refusal.text, "statusCode": refusal.status}
            return _response(refusal.status, row | ({"code": refusal.code} if refusal.code else {}))

    def connect(self, call: Call, now_ms: int) -> Socket | Response:
        """A WebSocket upgrade. A proof that does not hold is refused when the namespace is joined."""
        if call.path != SOCKET_PATH or call.query.get("transport") != "websocket":
            return _response(400, {"code": 0, "message": "Transport unknown"})
        if call.query.get("EIO") != "4":
            return _response(400, {"code": 5, "message": "Unsupported protocol version"})
        line = Line(now_ms, new_uuid(self._luck), self.knobs, self._books)
        if "lmts-api-key" in call.headers or "x-api-key" in call.headers:
            try:
                line.account = self._accounts.authorize(call, now_ms).address
            except RefusedError as refusal:
                line.refusal = refusal.text
        self._board.lines.append(line)
        return line

    def disconnect(self, socket: Socket) -> None:
        """The connection is gone; nothing more is put into its outbox."""
        self._board.lines = [line for line in self._board.lines if line is not socket]

    def tick(self, now_ms: int) -> None:
        """Held orders, settlement, and the frames of whatever the tests did to the engine."""
        for terms in self._unannounced:
            terms.expires_ms = terms.expires_ms or now_ms + LIFE_MS
            self._board.to_lifecycle("marketCreated", _created(terms, now_ms))
        self._unannounced.clear()
        self._desk.tick(now_ms)
        self._board.settle(now_ms)
        for line in self._board.lines:
            line.tick(now_ms)

    def hosts(self, origin: str, socket_origin: str) -> Mapping[str, str]:
        """`Venue.hosts` for a server at these origins: all at the root, for clients sign whole paths."""
        return {"rest": origin, "socket": socket_origin, "rpc": origin + RPC_PATH}

    def open_account(self, wish: Mapping[str, Any], now_ms: int) -> Mapping[str, str]:
        """A customer with an EOA and a token; the engine knows the account by the wallet's address.

        Beside the keys of the contract: `profile_id`; `fee_rate_bps` (300), what legacy orders must sign;
        `scopes` of the token (["trading"]); `unapproved`, a list of what the wallet has not approved for any
        market, of "exchange", "adapter", "fee_module". `credentials` may fix token_id, token_secret (base64),
        private_key, and api_key: the older key, which the account has only then.
        """
        return self._accounts.open(wish)

    def list_market(self, wish: Mapping[str, Any]) -> list[str]:
        """A binary market; returns [slug], the name of its YES book. ValueError names a wrong wish.

        Keys, all optional: `title`; `slug`; `fee` "legacy" (a buy pays in shares) or "collateral" (in USDC,
        on top); `neg_risk` (false): another exchange, and an adapter; `group`: slug of a parent that lists it
        among its legs; `taker_delay_ms` (0): taking orders answer DELAYED and match later; `minimum_value`
        ("0"): smallest notional of an order with a price; `trade_type` "clob" or "amm" (cannot be traded);
        `exchange`: the verifying contract; `ids` (two token ids) and `condition_id` fix the identity.
        """
        check_keys("market", wish, MARKET_WISHES)
        number = len(self._board.terms) + 1
        slug = str(wish.get("slug", f"simulated-market-{number}"))
        tokens = tuple(str(token) for token in wish.get("ids") or self._tokens())
        if len(tokens) != 2 or not all(t.isdecimal() and int(t) <= rules.UINT_MAX for t in tokens):
            raise ValueError(f"ids: two token ids in decimal, were {tokens}")
        groups = {terms.group for terms in self._board.terms.values()}
        known = {token for terms in self._board.terms.values() for token in terms.tokens}
        if slug in self._board.terms or slug in groups or not known.isdisjoint(tokens):
            raise ValueError("slug, ids: listed already")
        collateral = _word("fee", wish.get("fee", FEES[0]), FEES) == "collateral"
        neg_risk = wish.get("neg_risk", False) is True
        usual = NEG_RISK_EXCHANGE if neg_risk else COLLATERAL_EXCHANGE if collateral else EXCHANGE
        terms = Terms(
            market=Market(slug, (slug,), size_step=rules.TICK, grid=Grid.uniform(rules.TICK)),
            number=number, title=str(wish.get("title", "Will it happen?")), tokens=(tokens[0], tokens[1]),
            condition=str(wish.get("condition_id") or f"0x{self._luck.getrandbits(256):064x}"),
            exchange=_contract("exchange", str(wish.get("exchange", usual))),
            adapter=ADAPTER if neg_risk else None, fee_module=FEE_MODULE if collateral else None,
            group=str(wish["group"]) if wish.get("group") else None,
            delay_ms=whole("taker_delay_ms", wish.get("taker_delay_ms", 0), TAKER_DELAY_MS_MAX),
            minimum=amount("minimum_value", wish.get("minimum_value", "0")), expires_ms=0,
            amm=_word("trade_type", wish.get("trade_type", "clob"), TRADE_TYPES) == "amm",
        )  # fmt: skip
        if terms.group in self._board.terms:
            raise ValueError(f"group: {terms.group} is the slug of a market")
        self._list(terms)
        return [slug]

    # --- what happens to markets ---

    def lock(self, slug: str, now_ms: int) -> None:
        """Trading is suspended: the market is LOCKED."""
        self.exchange.halt(self._board.terms[slug].market, "locked", now_ms)
        self._board.publish(now_ms)

    def resolve(self, slug: str, outcome: int, now_ms: int) -> None:
        """This outcome has won: trading ends, resting orders are cancelled (marketResolved)."""
        self.exchange.halt(self._board.terms[slug].market, f"resolved:{outcome}", now_ms)
        self._board.publish(now_ms)

    # --- inside ---

    def _list(self, terms: Terms) -> None:
        self.exchange.add_market(terms.market)
        self._board.terms[terms.slug] = terms
        contracts = {"exchange": terms.exchange, "adapter": terms.adapter, "fee_module": terms.fee_module}
        self._accounts.spenders |= {address: name for name, address in contracts.items() if address}
        for outcome, token in enumerate(terms.tokens):
            self._accounts.tokens[int(token)] = (terms.slug, outcome)
        self._unannounced.append(terms)

    def _route(self, call: Call, now_ms: int) -> Answer:
        if call.headers.get("user-agent", "").lower().startswith(BARRED_CLIENT):
            raise RefusedError(403, "Forbidden")
        asked = f"{call.method} {call.path}".split("/")
        for template, public in self._public.routes.items():
            if (parts := _fits(template, asked)) is not None:
                return public(call, parts, now_ms)
        for routes, prove in (
            (self._private.reads, self._accounts.authorize),
            (self._private.trades, self._accounts.trader),
        ):
            for template, private in routes.items():
                if (parts := _fits(template, asked)) is not None:
                    return private(prove(call, now_ms), call, parts, now_ms)
        raise RefusedError(404, f"Cannot {call.method} {call.path}")

    def _books(self, slugs: list[str], now_ms: int) -> list[Json]:
        terms = [self._board.terms[slug] for slug in slugs if slug in self._board.terms]
        return [self._board.book_event(t, now_ms) for t in terms if not t.amm]

    def _tokens(self) -> list[str]:
        return [str(self._luck.getrandbits(255) | 1 << 250) for _ in range(2)]


def _fits(template: str, asked: list[str]) -> list[str] | None:
    """The variable parts of a path, where {} stands in its template; None if it is another."""
    pattern = template.split("/")
    if len(pattern) != len(asked) or any(p not in ("{}", a) for p, a in zip(pattern, asked, strict=True)):
        return None
    return [a for p, a in zip(pattern, asked, strict=True) if p == "{}"]


def _created(terms: Terms, now_ms: int) -> Json:
    kind = "AMM" if terms.amm else "CLOB"
    row: Json = {"slug": terms.slug, "title": terms.title, "type": kind, "categoryIds": [1]}
    return row | {"groupSlug": terms.group, "createdAt": iso(now_ms)}


def _word(name: str, value: object, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"{name}: one of {list(known)}, was {value!r}")
    return str(value)


def _contract(name: str, text: str) -> str:
    try:
        return checksummed(unhex(text, 20))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _response(status: int, value: Any) -> Response:
    return Response(status, rows.encode(value), {"content-type": "application/json"})
