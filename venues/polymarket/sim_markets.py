"""The public half of the simulated venue's REST face, and the shapes of its markets (card, section 3)."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from venues.base.units import down, plain, up
from venues.polymarket.sim_accounts import Accounts
from venues.polymarket.sim_desk import Desk
from venues.polymarket.sim_private import last_segment, read_json
from venues.polymarket.sim_rows import OUTCOMES, Json, encode, last_price
from venues.polymarket.sim_rules import RefusedError, Terms
from venues.sim.contract import Call
from venues.sim.pages import page

LEGACY_FEE_BPS = 1_000
BUILDER_FEES = {"builder_maker_fee_rate_bps": 0, "builder_taker_fee_rate_bps": 0}
HELD_LONG_MS = 1_000
"""From here on the delay shows as seconds_delay, below as `itode` (section 6)."""
BOOKS_MAX = 500
Handler = Callable[[Call, int], Any]


class PublicFace:
    """What anyone may ask for, and the two calls that prove a wallet. All take the call and the time."""

    def __init__(self, desk: Desk, accounts: Accounts) -> None:
        self._desk = desk
        self.routes: dict[str, Handler] = {
            "GET /ok": lambda *_: "OK",
            "GET /version": lambda *_: {"version": 2},
            "GET /time": lambda _, now_ms: down(now_ms, 1_000),
            "POST /auth/api-key": accounts.create,
            "GET /auth/derive-api-key": accounts.derive,
            "GET /markets-by-token/*": self._market_of_token,
            "GET /clob-markets/*": lambda call, _: clob_market(self._market(call)),
            "GET /markets/*": lambda call, _: full_market(self._market(call)),
            "GET /gamma/markets": self._gamma_markets,
            "GET /gamma/markets/keyset": self._gamma_keyset,
            "GET /tick-size": self._tick_size,
            "GET /neg-risk": lambda call, _: {"neg_risk": self._asked(call).neg_risk},
            "GET /fee-rate": self._fee_rate,
            "GET /fees/builder-fees/*": lambda *_: BUILDER_FEES,
            "GET /book": lambda call, now_ms: desk.book(call.query.get("token_id", ""), now_ms),
            "POST /books": self._books,
        }

    def _market_of_token(self, call: Call, now_ms: int) -> Json:
        return {"condition_id": self._desk.token(last_segment(call))[0].market.market_id}

    def _gamma_markets(self, call: Call, now_ms: int) -> list[Json]:
        """By clob_token_ids or condition_ids, each a list with commas."""
        tokens = call.query.get("clob_token_ids", "").split(",")
        conditions = call.query.get("condition_ids", "").split(",")
        return [
            gamma_market(terms)
            for terms in self._desk.terms.values()
            if terms.market.market_id in conditions or not set(terms.market.natives).isdisjoint(tokens)
        ]

    def _gamma_keyset(self, call: Call, now_ms: int) -> Json:
        """All markets, page by page; the last page has no cursor."""
        closed = call.query.get("closed")
        listed = [gamma_market(terms) for terms in self._desk.terms.values()]
        found = [row for row in listed if closed in (None, encode(row["closed"]).decode())]
        query = {"first": call.query.get("limit", "20"), "after": call.query.get("after_cursor", "")}
        try:
            rows, cursor = page(query, found, lambda row: row["conditionId"], usual=20, most=100)
        except ValueError as error:
            raise RefusedError(422, str(error)) from None
        return {"markets": rows} | ({"next_cursor": cursor} if cursor else {})

    def _tick_size(self, call: Call, now_ms: int) -> Json:
        return {"minimum_tick_size": Decimal(plain(self._asked(call).tick))}

    def _fee_rate(self, call: Call, now_ms: int) -> Json:
        return {"base_fee": LEGACY_FEE_BPS if self._asked(call).fee_rate else 0}

    def _books(self, call: Call, now_ms: int) -> list[Json]:
        """Unknown tokens are left out."""
        wishes = read_json(call, list)
        if len(wishes) > BOOKS_MAX or not all(isinstance(wish, dict) for wish in wishes):
            raise RefusedError(400, "Invalid payload")
        tokens = [str(wish.get("token_id")) for wish in wishes]
        return [self._desk.book(token, now_ms) for token in tokens if token in self._desk.exchange.by_native]

    def _asked(self, call: Call) -> Terms:
        return self._desk.token(call.query.get("token_id", ""))[0]

    def _market(self, call: Call) -> Terms:
        terms = self._desk.terms.get(last_segment(call))
        if terms is None:
            raise RefusedError(404, "market not found")
        return terms


def clob_market(terms: Terms) -> Json:
    """GET /clob-markets/{condition_id}."""
    row: Json = {
        "c": terms.market.market_id,
        "t": [
            {"t": token, "o": outcome} for token, outcome in zip(terms.market.natives, OUTCOMES, strict=True)
        ],
        "mts": Decimal(plain(terms.tick)),
        "mos": Decimal(plain(terms.minimum)),
        "mbf": LEGACY_FEE_BPS,
        "tbf": LEGACY_FEE_BPS,
        "ao": terms.market.trading,
        "itode": 0 < terms.delay_ms < HELD_LONG_MS,
    }
    if terms.neg_risk:
        row["nr"] = True
    if terms.fee_rate:
        row["fd"] = {"r": Decimal(plain(terms.fee_rate)), "e": terms.fee_exponent, "to": True}
    return row


def full_market(terms: Terms) -> Json:
    """GET /markets/{condition_id}."""
    return {
        "condition_id": terms.market.market_id,
        "question_id": terms.market.market_id,
        "question": terms.title,
        "market_slug": _slug(terms),
        "tokens": [
            {
                "token_id": token,
                "outcome": OUTCOMES[outcome],
                "price": Decimal(last_price(terms, outcome) or "0.5"),
                "winner": terms.winner == outcome,
            }
            for outcome, token in enumerate(terms.market.natives)
        ],
        "minimum_tick_size": Decimal(plain(terms.tick)),
        "minimum_order_size": Decimal(plain(terms.minimum)),
        "neg_risk": terms.neg_risk,
        "enable_order_book": True,
        "active": True,
        "closed": terms.winner is not None,
        "accepting_orders": terms.market.trading,
        "seconds_delay": _seconds_delay(terms),
    }


def gamma_market(terms: Terms) -> Json:
    """One element of Gamma's GET /markets: lists are JSON inside strings."""
    prices = [last_price(terms, outcome) or "0.5" for outcome in range(len(OUTCOMES))]
    return {
        "id": _slug(terms),
        "slug": _slug(terms),
        "question": terms.title,
        "conditionId": terms.market.market_id,
        "clobTokenIds": encode(list(terms.market.natives)).decode(),
        "outcomes": encode(list(OUTCOMES)).decode(),
        "outcomePrices": encode(prices).decode(),
        "orderPriceMinTickSize": Decimal(plain(terms.tick)),
        "orderMinSize": Decimal(plain(terms.minimum)),
        "negRisk": terms.neg_risk,
        "enableOrderBook": True,
        "acceptingOrders": terms.market.trading,
        "active": True,
        "closed": terms.winner is not None,
        "feesEnabled": terms.fee_rate > 0,
        "feeSchedule": {
            "rate": Decimal(plain(terms.fee_rate)),
            "exponent": terms.fee_exponent,
            "takerOnly": True,
            "rebateRate": 0,
        },
        "secondsDelay": _seconds_delay(terms),
    }


def new_market(terms: Terms, now_ms: int) -> Json:
    """The event of a new listing."""
    market = terms.market
    return {
        "event_type": "new_market",
        "id": _slug(terms),
        "question": terms.title,
        "slug": _slug(terms),
        "market": market.market_id,
        "condition_id": market.market_id,
        "assets_ids": list(market.natives),
        "clob_token_ids": list(market.natives),
        "outcomes": list(OUTCOMES),
        "tags": [],
        "active": True,
        "order_price_min_tick_size": plain(terms.tick),
        "taker_base_fee": str(LEGACY_FEE_BPS),
        "fees_enabled": terms.fee_rate > 0,
        "fee_schedule": {
            "rate": plain(terms.fee_rate),
            "exponent": str(terms.fee_exponent),
            "taker_only": True,
            "rebate_rate": "0",
        },
        "timestamp": str(now_ms),
    }


def _slug(terms: Terms) -> str:
    return terms.market.market_id[2:12]


def _seconds_delay(terms: Terms) -> int:
    return up(terms.delay_ms, 1_000) if terms.delay_ms >= HELD_LONG_MS else 0
