"""What the simulated venue answers to any API key: login, markets, matches (card, sections 3 to 9)."""

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from venues.base.units import ONE, down, micros, plain
from venues.predict import sim_proofs as proofs
from venues.predict import sim_rows as rows
from venues.predict.sim_accounts import Accounts
from venues.predict.sim_chain import chain_shares
from venues.predict.sim_desk import Desk
from venues.predict.sim_rows import Json, Match
from venues.predict.sim_rules import WEI, RefusedError, Terms, bad_request
from venues.sim import pages
from venues.sim.contract import Call
from venues.sim.numeral import numeral

PAGE = 100
"""Rows of a list when `first` is not given."""
PAGE_MAX = 500
NUMBER_MAX = 10**18
Item = TypeVar("Item")
Handler = Callable[[Call, int], Json]


class PublicFace:
    """The calls without a token. All take the call and the time, and return the reply's fields."""

    def __init__(self, desk: Desk, accounts: Accounts) -> None:
        self._desk = desk
        self.routes: dict[str, Handler] = {
            "GET /v1/auth/message": lambda call, now_ms: {"data": accounts.message(call, now_ms)},
            "POST /v1/auth": lambda call, now_ms: {"data": accounts.log_in(read_json(call), now_ms)},
            "GET /v1/markets": self._markets,
            "GET /v1/markets/*": lambda call, _: {"data": self._shown(self._market(last_segment(call)))},
            "GET /v1/markets/*/orderbook": self._orderbook,
            "GET /v1/categories": self._categories,
            "GET /v1/categories/*": self._category,
            "GET /v1/orders/matches": self._matches,
            "GET /v1/positions/*": self._positions,
        }

    # --- markets ---

    def _shown(self, terms: Terms) -> Json:
        return rows.market_row(terms, self._desk.levels(terms))

    def _market(self, number: str) -> Terms:
        terms = self._desk.terms.get(number)
        if terms is None:
            raise RefusedError(404, "not_found", f"market not found: {number}")
        return terms

    def _markets(self, call: Call, now_ms: int) -> Json:
        """By `status`: OPEN for those that trade."""
        wanted = call.query.get("status")
        found = [t for t in self._desk.terms.values() if not wanted or wanted in rows.market_states(t)]
        return page(call, found, lambda terms: terms.market.market_id, self._shown)

    def _orderbook(self, call: Call, now_ms: int) -> Json:
        terms = self._market(call.path.split("/")[-2])
        return {"data": rows.book_row(terms, self._desk.levels(terms), now_ms)}

    def _grouped(self) -> dict[str, Json]:
        slugs = dict.fromkeys(terms.category for terms in self._desk.terms.values())
        every = list(self._desk.terms.values())
        return {
            slug: rows.category_row(slug, [self._shown(terms) for terms in every if terms.category == slug])
            for slug in slugs
        }

    def _categories(self, call: Call, now_ms: int) -> Json:
        wanted = call.query.get("status")
        found = [row for row in self._grouped().values() if wanted in (None, "", row["status"])]
        return page(call, found, lambda row: str(row["slug"]), lambda row: row)

    def _category(self, call: Call, now_ms: int) -> Json:
        row = self._grouped().get(last_segment(call))
        if row is None:
            raise RefusedError(404, "not_found", "category not found")
        return {"data": row}

    # --- executions and positions ---

    def _matches(self, call: Call, now_ms: int) -> Json:
        """Newest first; by marketId, signerAddress with isSignerMaker, minValueUsdtWei."""
        chosen = [match for match in reversed(self._desk.settlements.matches) if _wanted(match, call.query)]
        return self.matches(call, chosen)

    def matches(self, call: Call, chosen: Sequence[Match]) -> Json:
        """A page of these. A market is described once, however many of them are its own."""
        markets: dict[int, Json] = {}

        def row(match: Match) -> Json:
            number = match.terms.market_id
            if number not in markets:
                markets[number] = rows.market_row(match.terms, self._desk.levels(match.terms))
            return rows.match_row(match, markets[number])

        return page(call, chosen, lambda match: match.settlement_id, row)

    def _positions(self, call: Call, now_ms: int) -> Json:
        try:
            wallet = proofs.address(last_segment(call))
        except ValueError as error:
            raise bad_request(f"address: {error}") from None
        return self.positions(call, wallet)

    def positions(self, call: Call, wallet: str) -> Json:
        """What a wallet holds on chain, shares above zero only; by marketId and isResolved."""
        number, resolved = call.query.get("marketId"), call.query.get("isResolved")
        found: list[Json] = []
        for terms in self._desk.terms.values():
            done = "true" if terms.winner is not None else "false"
            if number in (None, terms.market.market_id) and resolved in (None, done):
                found += self._held(wallet, terms)
        return page(call, found, lambda row: str(row["id"]), lambda row: row)

    def _held(self, wallet: str, terms: Terms) -> list[Json]:
        held: list[Json] = []
        levels = self._desk.levels(terms)
        for outcome in range(2):
            size = chain_shares(self._desk, wallet, terms, outcome)
            row = rows.outcome_row(terms, outcome, levels)
            bid = micros(str(row["bestBid"]["price"])) if row["bestBid"] else 0
            if size > 0:
                held.append(
                    {
                        "id": pages.cursor(f"{terms.market_id}/{outcome}"),
                        "amount": rows.wei(size),
                        "averageBuyPriceUsd": "0",
                        "pnlUsd": 0,
                        "valueUsd": Decimal(plain(down(bid * size, ONE))),
                        "market": rows.market_row(terms, levels),
                        "outcome": row,
                    }
                )
        return held


def _wanted(match: Match, query: Any) -> bool:
    """Whether a match is what the query asks for, where it does."""
    if query.get("marketId") not in (None, match.terms.market.market_id):
        return False
    least = numeral(query.get("minValueUsdtWei", "0"), NUMBER_MAX * WEI)
    if least is None:
        raise bad_request("minValueUsdtWei: must be a whole number")
    if match.price * match.size * (WEI // ONE) < least * ONE:
        return False
    signer, role = query.get("signerAddress", "").lower(), query.get("isSignerMaker")
    takes, makes = (
        match.taker.account.lower() == signer,
        signer in {m.account.lower() for m, _ in match.makers},
    )
    return not signer or {"true": makes, "false": takes}.get(role or "", takes or makes)


def page(call: Call, found: Sequence[Item], key: Callable[[Item], str], row: Callable[[Item], Json]) -> Json:
    """A page of a list as the venue shows it."""
    try:
        items, cursor = pages.page(call.query, found, key, usual=PAGE, most=PAGE_MAX)
    except ValueError as error:
        raise bad_request(str(error)) from None
    return {"cursor": cursor, "data": [row(item) for item in items]}


def last_segment(call: Call) -> str:
    """The id at the end of a path."""
    return call.path.rpartition("/")[2]


def read_json(call: Call) -> Any:
    """The body as JSON: the last of two equal keys counts, numbers keep all their digits."""
    try:
        return json.loads(call.body)
    except (ValueError, RecursionError):
        raise bad_request("The body is not JSON") from None
