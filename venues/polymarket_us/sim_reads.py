"""The simulated venue's read endpoints (card sections 3 and 5.3). Those of orders and trades may lag."""

from collections.abc import Mapping

import msgspec

from venues.base.units import ONE, plain
from venues.polymarket_us.sim_board import Board
from venues.polymarket_us.sim_wire import FINAL, Customer, Facts, Refusal, Row, as_of, money
from venues.sim.numeral import numeral

PAGE_MAX = 1_000
LATEST_MS = 2**53
STATE_WORD = "ORDER_STATE_"


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One request, understood."""

    args: tuple[str, ...]
    """What stood in the path's placeholders."""
    query: Mapping[str, str]
    """A name that came several times has its values joined by commas."""
    body: bytes
    now_ms: int
    caller: Customer | None

    @property
    def customer(self) -> Customer:
        """Who signed it; only private endpoints ask."""
        assert self.caller is not None
        return self.caller

    def number(self, name: str, default: int, *, most: int = 2**53) -> int:
        """A number of the query."""
        number = numeral(self.query.get(name) or str(default), most)
        if number is None:
            raise Refusal(400, f"{name}: takes a number up to {most}")
        return number

    def words(self, name: str) -> list[str]:
        """A parameter that may be repeated."""
        return [word for word in self.query.get(name, "").split(",") if word]


class Reads:
    """Answers to GET requests."""

    def __init__(self, board: Board) -> None:
        self._board = board

    # --- public ---

    def _facts(self, slug: str) -> Facts:
        facts = self._board.facts.get(slug)
        if facts is None:
            raise Refusal(404, f"no market {slug!r}")
        return facts

    def markets(self, ask: Ask) -> object:
        """Markets by slug or id, open or closed."""
        slugs, ids = ask.words("slug"), ask.words("id")
        rows = [
            row
            for facts in self._board.facts.values()
            if (not slugs or facts.slug in slugs) and (not ids or str(facts.number) in ids)
            for row in [self._market(facts)]
            if all(
                str(row[name]).lower() == ask.query[name]
                for name in ("active", "closed")
                if name in ask.query
            )
        ]
        start = ask.number("offset", 0)
        return {"markets": rows[start : start + (ask.number("limit", 100, most=PAGE_MAX) or 100)]}

    def market_by_slug(self, ask: Ask) -> object:
        """One market."""
        return {"market": self._market(self._facts(ask.args[0]))}

    def market_by_id(self, ask: Ask) -> object:
        """One market."""
        found = [facts for facts in self._board.facts.values() if str(facts.number) == ask.args[0]]
        if not found:
            raise Refusal(404, f"no market {ask.args[0]!r}")
        return {"market": self._market(found[0])}

    def events(self, ask: Ask) -> object:
        """Every market is an event of its own."""
        return {"events": [self._event(facts) for facts in self._board.facts.values()]}

    def event(self, ask: Ask) -> object:
        """One of them, by id or by slug."""
        found = [f for f in self._board.facts.values() if ask.args[-1] in (str(f.number), f.slug)]
        if not found:
            raise Refusal(404, f"no event {ask.args[-1]!r}")
        return {"event": self._event(found[0])}

    def book(self, ask: Ask) -> object:
        """A whole book."""
        return {"marketData": self._board.book_row(self._facts(ask.args[0]), ask.now_ms)}

    def best(self, ask: Ask) -> object:
        """Best prices."""
        return {"marketData": self._board.lite_row(self._facts(ask.args[0]))}

    def settlement(self, ask: Ask) -> object:
        """The price at the end; none of these markets has come to its end."""
        facts = self._facts(ask.args[0])
        raise Refusal(404, f"{facts.slug} is not settled")

    def _event(self, facts: Facts) -> Row:
        return {
            "id": facts.number, "slug": facts.slug, "title": facts.title, "active": True, "closed": False,
            "markets": [self._market(facts)],
        }  # fmt: skip

    def _market(self, facts: Facts) -> Row:
        bids, asks = self._board.exchange.levels(facts.slug)
        closed = facts.state in ("MARKET_STATE_CLOSED", "MARKET_STATE_EXPIRED", "MARKET_STATE_TERMINATED")
        last = facts.last_price or ONE // 2
        sides = [
            {"id": f"{facts.number}-{n}", "marketSideType": "MARKET_SIDE_TYPE_INDIVIDUAL", "long": n == 0,
             "description": word, "price": plain(ONE - last if n else last)}
            for n, word in enumerate(("Yes", "No"))
        ]  # fmt: skip
        return {
            "id": facts.number, "slug": facts.slug, "question": facts.title, "title": facts.title,
            "active": not closed, "closed": closed, "ep3Status": facts.state.removeprefix("MARKET_STATE_"),
            "orderPriceMinTickSize": msgspec.Raw(plain(facts.tick).encode()),
            "minimumTradeQty": plain(facts.market.size_step), "feeCoefficient": str(facts.coefficient),
            "marketSides": sides, "tags": [],
            "bestBidQuote": money(bids[0][0]) if bids else None,
            "bestAskQuote": money(asks[0][0]) if asks else None,
        }  # fmt: skip

    # --- private ---

    def _then(self, ask: Ask) -> int:
        lag: int = self._board.knobs["read_lag_ms"]
        return ask.now_ms - lag if lag else LATEST_MS

    def balances(self, ask: Ask) -> object:
        """Money."""
        return {"balances": [self._board.balance_row(ask.customer)]}

    def order(self, ask: Ask) -> object:
        """One order."""
        ticket = ask.customer.tickets.get(ask.args[0])
        row = as_of(ticket.versions, self._then(ask)) if ticket else None
        if row is None:
            raise Refusal(404, f"no order {ask.args[0]!r}")
        return {"order": row}

    def open_orders(self, ask: Ask) -> object:
        """Orders that can still trade."""
        slugs = ask.words("slugs")
        rows = [as_of(ticket.versions, self._then(ask)) for ticket in ask.customer.tickets.values()]
        return {
            "orders": [
                row
                for row in rows
                if row is not None
                and row["state"].removeprefix(STATE_WORD) not in FINAL
                and (not slugs or row["marketSlug"] in slugs)
            ]
        }

    def positions(self, ask: Ask) -> object:
        """Positions by slug, in pages."""
        only = ask.query.get("market", "")
        rows = {
            facts.slug: self._board.position_row(ask.customer, facts)
            for facts in self._board.facts.values()
            if only in ("", facts.slug)
        }
        held = [(slug, row) for slug, row in rows.items() if row["netPositionDecimal"] != "0"]
        start, limit = ask.number("cursor", 0), ask.number("limit", 100, most=PAGE_MAX) or 100
        page = dict(held[start : start + limit])
        return {"positions": page} | _following(start + limit, len(held))

    def activities(self, ask: Ask) -> object:
        """Trades, in pages."""
        then, slug, kinds = self._then(ask), ask.query.get("marketSlug", ""), ask.words("types")
        rows = [
            row
            for at_ms, row in ask.customer.trades
            if at_ms <= then
            and slug in ("", row["trade"]["marketSlug"])
            and (not kinds or row["type"] in kinds)
        ]
        if ask.query.get("sortOrder") != "SORT_ORDER_ASCENDING":
            rows.reverse()
        start, limit = ask.number("cursor", 0), ask.number("limit", 100, most=PAGE_MAX) or 100
        return {"activities": rows[start : start + limit]} | _following(start + limit, len(rows))


def _following(end: int, count: int) -> Row:
    return {"nextCursor": str(end) if end < count else "", "eof": end >= count}
