"""The simulated venue's read endpoints (card sections 1, 3, 5, 7, 8). Private ones lag as the knob says."""

from collections.abc import Mapping

import msgspec

from venues.base.units import ONE, decimal
from venues.kalshi.sim_board import Board
from venues.kalshi.sim_buckets import CHEAP, CHEAP_CALLS, COST, PER_S
from venues.kalshi.sim_desk import Refusal
from venues.kalshi.sim_wire import (
    Customer,
    Facts,
    Row,
    as_of,
    book_rows,
    event_positions,
    event_row,
    iso,
    market_row,
    position_row,
    series_row,
)
from venues.sim.numeral import numeral

CENT = 10_000
PAGE_MAX = 1_000
BOOKS_MAX = 100
LATEST_MS = 2**53
STATUS_FILTERS = {
    "unopened": {"initialized"},
    "open": {"active"},
    "paused": {"inactive"},
    "closed": {"closed"},
    "settled": {"determined", "finalized"},
}


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One request, understood."""

    args: tuple[str, ...]
    """What stood in the path's placeholders."""
    query: Mapping[str, str]
    body: bytes
    now_ms: int
    caller: Customer | None

    @property
    def customer(self) -> Customer:
        """Who signed it; only private endpoints ask."""
        assert self.caller is not None
        return self.caller

    @property
    def statuses(self) -> set[str] | None:
        """What the filter by status lets through; None for everything."""
        word = self.query.get("status", "")
        if word and word not in STATUS_FILTERS:
            raise Refusal(400, "invalid_parameters", f"status: takes one of {sorted(STATUS_FILTERS)}")
        return STATUS_FILTERS[word] if word else None

    def number(self, name: str, default: int, *, most: int = 2**53) -> int:
        """A number of the query."""
        number = numeral(self.query.get(name) or str(default), most)
        if number is None:
            raise Refusal(400, "invalid_parameters", f"{name}: takes a number up to {most}")
        return number


def _page(name: str, rows: list[Row], ask: Ask) -> Row:
    """One page of a list. The cursor says where the next begins; empty on the last."""
    start, limit = ask.number("cursor", 0), ask.number("limit", 100, most=PAGE_MAX) or 100
    more = start + limit < len(rows)
    return {name: rows[start : start + limit], "cursor": str(start + limit) if more else ""}


class Reads:
    """Answers to GET requests."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._exchange = board.exchange

    # --- public reads ---

    def _facts(self, ticker: str) -> Facts:
        facts = self._board.facts.get(ticker)
        if facts is None:
            raise Refusal(404, "not_found", f"ticker: no market {ticker!r}")
        return facts

    def status(self, ask: Ask) -> object:
        """Whether trading is on, for each shard."""
        shards = sorted({0, *(facts.exchange_index for facts in self._board.facts.values())})
        on: Row = {"exchange_active": True, "trading_active": True, "intra_exchange_transfers_active": True}
        each = [{"exchange_index": shard, "description": f"shard {shard}"} | on for shard in shards]
        return on | {"exchange_estimated_resume_time": None, "exchange_index_statuses": each}

    def as_of_time(self, ask: Ask) -> object:
        """How far the private reads have come."""
        return {"as_of_time": iso(ask.now_ms - self._board.knobs["read_lag_ms"])}

    def markets(self, ask: Ask) -> object:
        """Markets, filtered."""
        query, wanted = ask.query, ask.statuses
        tickers = query["tickers"].split(",") if query.get("tickers") else None
        rows = [
            market_row(self._exchange, facts)
            for facts in self._board.facts.values()
            if (tickers is None or facts.ticker in tickers)
            and (wanted is None or facts.status in wanted)
            and query.get("event_ticker") in (None, "", facts.event)
            and query.get("series_ticker") in (None, "", facts.series)
        ]
        return _page("markets", rows, ask)

    def market(self, ask: Ask) -> object:
        """One market."""
        return {"market": market_row(self._exchange, self._facts(ask.args[0]))}

    def book(self, ask: Ask) -> object:
        """The bids of one market."""
        facts = self._facts(ask.args[0])
        yes, no = book_rows(self._exchange, facts.ticker, depth=ask.number("depth", 0, most=100))
        return {"orderbook_fp": {"yes_dollars": yes, "no_dollars": no}}

    def books(self, ask: Ask) -> object:
        """The bids of several markets."""
        tickers = [ticker for ticker in ask.query.get("tickers", "").split(",") if ticker]
        if not 0 < len(tickers) <= BOOKS_MAX:
            raise Refusal(400, "invalid_parameters", f"tickers: takes 1 to {BOOKS_MAX}")
        found = [(ticker, book_rows(self._exchange, self._facts(ticker).ticker)) for ticker in tickers]
        return {
            "orderbooks": [
                {"ticker": ticker, "orderbook_fp": {"yes_dollars": yes, "no_dollars": no}}
                for ticker, (yes, no) in found
            ]
        }

    def _event_rows(self, *, nested: bool, statuses: set[str] | None = None) -> dict[str, Row]:
        """Events by ticker; those with a market in one of these states, but with all their markets."""
        listed = self._board.facts.values()
        events = {facts.event for facts in listed if statuses is None or facts.status in statuses}
        rows: dict[str, Row] = {}
        for facts in [facts for facts in listed if facts.event in events]:
            row = rows.setdefault(facts.event, event_row(facts))
            if nested:
                row.setdefault("markets", []).append(market_row(self._exchange, facts))
        return rows

    def all_events(self, ask: Ask) -> object:
        """Events, of one series or all."""
        nested = ask.query.get("with_nested_markets") == "true"
        rows = self._event_rows(nested=nested, statuses=ask.statuses)
        wanted = ask.query.get("series_ticker")
        return _page("events", [row for row in rows.values() if wanted in (None, row["series_ticker"])], ask)

    def event(self, ask: Ask) -> object:
        """One event and its markets."""
        row = self._event_rows(nested=True).get(ask.args[0])
        if row is None:
            raise Refusal(404, "not_found", f"event_ticker: no event {ask.args[0]!r}")
        markets = row["markets"]
        if ask.query.get("with_nested_markets") != "true":
            del row["markets"]
        return {"event": row, "markets": markets}

    def all_series(self, ask: Ask) -> object:
        """All series."""
        return {"series": [series_row(ticker, rate) for ticker, rate in self._board.series.items()]}

    def one_series(self, ask: Ask) -> object:
        """One series, with its fee parameters."""
        ticker = ask.args[0]
        if ticker not in self._board.series:
            raise Refusal(404, "not_found", f"series_ticker: no series {ticker!r}")
        return {"series": series_row(ticker, self._board.series[ticker])}

    # --- private reads: they lag behind the engine as far as the knob says ---

    def _then(self, ask: Ask) -> int:
        lag: int = self._board.knobs["read_lag_ms"]
        return ask.now_ms - lag if lag else LATEST_MS

    def balance(self, ask: Ask) -> object:
        """Cash free to spend, in all and per shard."""
        pots = as_of(ask.customer.cash, self._then(ask)) or {}
        cash, held = sum(pots.values()), as_of(ask.customer.holdings, self._then(ask)) or {}
        value = 0
        for ticker, holding in held.items():
            bids, asks = self._exchange.levels(ticker)
            best = (bids[0][0] if bids else 0) if holding.net > 0 else (ONE - asks[0][0] if asks else 0)
            value += abs(holding.net) * best // ONE
        return {
            "balance": cash // CENT,
            "balance_dollars": decimal(cash),
            "portfolio_value": value // CENT,
            "updated_ts": ask.now_ms // 1_000,
            "balance_breakdown": [
                {"exchange_index": shard, "balance": decimal(free)} for shard, free in sorted(pots.items())
            ],
        }

    def orders(self, ask: Ask) -> object:
        """The customer's orders, newest first."""
        query, then = ask.query, self._then(ask)
        first, last = ask.number("min_ts", 0) * 1_000, ask.number("max_ts", LATEST_MS) * 1_000
        events = query["event_ticker"].split(",") if query.get("event_ticker") else None
        rows = [
            row
            for versions in reversed(ask.customer.orders.values())
            if (row := as_of(versions, then)) is not None
            and first <= self._exchange.orders[row["order_id"]].created_ms <= last
            and query.get("ticker") in (None, "", row["ticker"])
            and query.get("status") in (None, "", row["status"])
            and query.get("subaccount") in (None, "", str(row["subaccount_number"]))
            and query.get("exchange_index") in (None, "", str(row["exchange_index"]))
            and (events is None or self._facts(row["ticker"]).event in events)
        ]
        return _page("orders", rows, ask)

    def order(self, ask: Ask) -> object:
        """One order."""
        row = as_of(ask.customer.orders.get(ask.args[0], []), self._then(ask))
        if row is None:
            raise Refusal(404, "not_found", f"order_id: no order {ask.args[0]!r}")
        return {"order": row}

    def fills(self, ask: Ask) -> object:
        """The customer's fills, newest first."""
        query, then = ask.query, self._then(ask)
        first, last = ask.number("min_ts", 0) * 1_000, ask.number("max_ts", LATEST_MS) * 1_000
        rows = [
            row
            for at_ms, row in reversed(ask.customer.fills)
            if at_ms <= then
            and first <= at_ms <= last
            and query.get("order_id") in (None, "", row["order_id"])
            and query.get("ticker") in (None, "", row["ticker"])
        ]
        return _page("fills", rows, ask)

    def positions(self, ask: Ask) -> object:
        """The customer's positions."""
        query, held = ask.query, as_of(ask.customer.holdings, self._then(ask)) or {}
        pairs = [
            (self._facts(ticker), holding)
            for ticker, holding in held.items()
            if query.get("ticker") in (None, "", ticker)
            and query.get("event_ticker") in (None, "", self._facts(ticker).event)
            and (holding.net or query.get("count_filter") != "position")
        ]
        page = _page("market_positions", [position_row(facts, holding) for facts, holding in pairs], ask)
        return page | {"event_positions": event_positions(pairs)}

    def limits(self, ask: Ask) -> object:
        """The buckets of the lowest tier."""
        buckets = {kind: {"refill_rate": rate, "bucket_capacity": rate} for kind, rate in PER_S.items()}
        return {"usage_tier": "basic", **buckets, "grants": []}

    def costs(self, ask: Ask) -> object:
        """What requests cost of a bucket."""
        cheap = [{"method": method, "path": path, "cost": CHEAP} for method, path in CHEAP_CALLS]
        return {"default_cost": COST, "endpoint_costs": cheap}
