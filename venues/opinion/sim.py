"""The other end of Opinion's wire: REST, WebSocket and chain as its card says, with a ledger to read.

Start here. `sim_reads` is the REST face, `sim_accounts` says who may call, `sim_rules` what an order must be;
`sim_desk` matches, settles and tells, `sim_fees` charges, `sim_pending` keeps what waits for the chain,
`sim_rows` has the JSON, `sim_line` the WebSocket, `sim_chain` the contracts.

The native id of a market is its marketId as text; "ID:inverted" is its NO, whose book is the mirror of YES.
"""

from collections.abc import Mapping
from random import Random
from typing import Any

from venues.base.http import Response
from venues.base.listing import Grid
from venues.base.units import ONE, Cash, plain
from venues.opinion import sim_rows as rows
from venues.opinion.sim_accounts import Accounts, TooManyError
from venues.opinion.sim_chain import Contracts
from venues.opinion.sim_desk import REFUSE, Desk
from venues.opinion.sim_fees import BPS, Rate
from venues.opinion.sim_line import Line
from venues.opinion.sim_reads import Reads
from venues.opinion.sim_rows import Parent, Terms
from venues.opinion.sim_rules import RefusedError
from venues.sim.contract import Call, Socket
from venues.sim.model import Market
from venues.sim.wish import amount, check_keys, whole

PREFIX = "/openapi"
FIRST_ID = 5_120
ID_MAX = 10**9
FEE_BPS = 400
MARKET_WISHES = {
    "title", "market_id", "token_ids", "condition_id", "tick", "minimum", "fee_bps", "fee_enabled",
    "parent_id", "parent_title",
}  # fmt: skip


class OpinionSimulator:
    """A `venues.sim.contract.Simulator`. The same seed and the same calls give the same bytes."""

    name = "opinion"
    prefix = PREFIX
    socket_path = ""
    ping_ms: int | None = None

    def __init__(self, seed: int) -> None:
        self._luck = Random(seed)  # noqa: S311 - a simulation must be repeatable
        self.knobs: dict[str, int] = {
            "confirm_ms": 1_000,  # from the match to the chain's decision
            "fail_trades": 0,  # so many of the next matches fail on chain (status 6) and are taken back
            "duplicates": REFUSE,  # of a salt: 0 executes it again, 1 refuses, 2 shows the first order
            "cancel_at_once": 0,  # 1: a cancelled order reads 3 while matches of it still wait for the chain
            "cancel_market_rest": 0,  # 1: a market order that was not filled whole ends 3, not 2
            "amount_with_fee": 0,  # 1: amounts of trades and fills include the fee
            "fee_in_wei": 0,  # 1: the fee of trade.record.new is an integer with 18 decimals
            "keyed_calls_per_s": 15,  # per API key; 0 for no limit
            "keyless_calls_per_s": 0,  # of all calls without a key together; 5 on the real venue
            "silent_ms": 60_000,  # hang up on a WebSocket client without a heartbeat for longer; 0 for never
        }
        self._desk = Desk(self._luck, self.knobs)
        self.exchange = self._desk.exchange
        self._accounts = Accounts(self.exchange, self._luck, self.knobs)
        self._reads = Reads(self._desk, self._accounts, self.knobs)
        self._contracts = Contracts(self._desk, self._accounts)
        self._now_ms = 0

    # --- the contract ---

    def answer(self, call: Call, now_ms: int) -> Response:
        """One HTTP request, fully processed. A refusal is an errno under status 200 (section 4)."""
        self.tick(now_ms)
        path = call.path.removeprefix(PREFIX)
        if call.method == "POST" and path in ("", "/rpc"):
            return self._contracts.chain.answer(call.body)
        name, stem = f"{call.method} {path}", f"{call.method} {path.rpartition('/')[0]}/*"
        try:
            self._accounts.count(call, now_ms)
            public = self._reads.public.get(name) or self._reads.public.get(stem)
            private = self._reads.private.get(name) or self._reads.private.get(stem)
            if public is not None:
                return _response({"errno": 0, "errmsg": "", "result": public(call, now_ms)})
            if private is not None:
                customer = self._accounts.of_call(call)
                return _response({"errno": 0, "errmsg": "", "result": private(customer, call, now_ms)})
        except RefusedError as refusal:
            return _response({"errno": refusal.errno, "errmsg": refusal.text, "result": None})
        except TooManyError:
            return Response(429, b"Too Many Requests", {"content-type": "text/plain"})
        return Response(404, b"404 page not found", {"content-type": "text/plain"})

    def connect(self, call: Call, now_ms: int) -> Socket | Response:
        """A WebSocket upgrade at the root, with the API key in the query."""
        if call.path not in ("", "/"):
            return Response(404, b"404 page not found", {"content-type": "text/plain"})
        customer = self._accounts.of_socket(call)
        if customer is None:
            return Response(401, b"invalid api key", {"content-type": "text/plain"})
        line = Line(customer.safe, now_ms, self.knobs, self._known)
        self._desk.lines.append(line)
        return line

    def disconnect(self, socket: Socket) -> None:
        """The connection is gone; nothing more is put into its outbox."""
        self._desk.lines = [line for line in self._desk.lines if line is not socket]

    def tick(self, now_ms: int) -> None:
        """The chain's decisions, and the frames of whatever the tests did to the engine."""
        self._now_ms = max(self._now_ms, now_ms)
        self._desk.tick(now_ms)

    def hosts(self, origin: str, socket_origin: str) -> Mapping[str, str]:
        """`Venue.hosts` for a server at these origins. Paths are taken with and without the prefix."""
        return {"rest": origin, "socket": socket_origin, "rpc": f"{origin}{PREFIX}/rpc"}

    def open_account(self, wish: Mapping[str, Any], now_ms: int) -> Mapping[str, str]:
        """A customer with an EOA, a Safe and an API key; returns `api_key`, `private_key` and `safe`.

        The engine knows the account by its Safe. Every allowance and approval is given.
        """
        opened = self._accounts.open(wish)
        self._contracts.add_safe(self._accounts.named(opened["safe"]))
        return opened

    def list_market(self, wish: Mapping[str, Any]) -> list[str]:
        """A binary market; returns [marketId as text]. ValueError names a wrong wish.

        Keys, all optional: `title`; `tick` ("0.001"); `minimum` ("5" USDT per order); `fee_bps` (400: at
        most 1 % of the notional) and `fee_enabled` (true); `market_id`, `token_ids` (YES and NO) and
        `condition_id` (without 0x) fix the identity; `parent_id` makes it a child of that categorical
        market, which is made with `parent_title` when it is new.
        """
        check_keys("market", wish, MARKET_WISHES)
        tick = amount("tick", wish.get("tick", "0.001"))
        if not 0 < tick < ONE or ONE % tick:
            raise ValueError(f"tick: a part of 1, was {plain(tick)}")
        bps = whole("fee_bps", wish.get("fee_bps", FEE_BPS), BPS)
        minimum = Cash(amount("minimum", wish.get("minimum", "5")))
        market_id = whole("market_id", wish.get("market_id", self._next_id()), ID_MAX)
        tokens = tuple(str(token) for token in wish.get("token_ids") or self._token_ids())
        if len(tokens) != 2 or tokens[0] == tokens[1] or not all(token.isdecimal() for token in tokens):
            raise ValueError(f"token_ids: two token ids in decimal, were {tokens}")
        if not market_id or market_id in self._taken() or not self._desk.by_token.keys().isdisjoint(tokens):
            raise ValueError(f"market_id, token_ids: {market_id} is listed already")
        terms = Terms(
            market=Market(str(market_id), (str(market_id),), grid=Grid.uniform(tick)),
            market_id=market_id,
            title=str(wish.get("title", "Will it happen?")),
            tokens=(tokens[0], tokens[1]),
            condition=str(wish.get("condition_id") or f"{self._luck.getrandbits(256):064x}"),
            rate=Rate(bps, enabled=bool(wish.get("fee_enabled", True))),
            minimum=minimum,
            created_ms=self._now_ms,
            parent=self._parent(wish, market_id),
        )
        self._desk.add_market(terms)
        return [str(market_id)]

    def resolve(self, native: str, outcome: int, now_ms: int) -> None:
        """This outcome has won: trading ends and resting orders are cancelled."""
        market, _ = self.exchange.by_native[native]
        self.exchange.halt(market, f"resolved:{outcome}", now_ms)
        self._desk.publish(now_ms)

    # --- inside ---

    def _parent(self, wish: Mapping[str, Any], market_id: int) -> Parent | None:
        if not wish.get("parent_id"):
            return None
        number = whole("parent_id", wish["parent_id"], ID_MAX)
        if number in self._desk.terms or number == market_id:
            raise ValueError(f"parent_id: {number} is a binary market")
        fresh = Parent(number, str(wish.get("parent_title", "Which one?")), self._now_ms)
        return self._reads.parents.setdefault(number, fresh)

    def _taken(self) -> set[int]:
        return {*self._desk.terms, *self._reads.parents}

    def _next_id(self) -> int:
        return max(self._taken(), default=FIRST_ID - 1) + 1

    def _token_ids(self) -> list[str]:
        return [str(self._luck.getrandbits(256)) for _ in range(2)]

    def _known(self, name: str, number: int) -> bool:
        return number in (self._desk.terms if name == "marketId" else self._reads.parents)


def _response(value: rows.Json) -> Response:
    return Response(200, rows.encode(value), {"content-type": "application/json"})
