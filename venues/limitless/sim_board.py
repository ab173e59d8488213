"""What the simulated venue knows and tells: markets, trades on their way to the chain, events and books."""

from random import Random
from typing import Any

from venues.base.orders import Charge, TimeInForce
from venues.base.units import Cash, Price, Size
from venues.limitless import sim_rows as rows
from venues.limitless.sim_accounts import Accounts
from venues.limitless.sim_lines import Line
from venues.limitless.sim_rows import Json, Trade
from venues.limitless.sim_rules import RefusedError, Terms
from venues.sim.engine import Exchange
from venues.sim.ids import new_uuid
from venues.sim.model import BookChange, Fill, MarketChanged, OrderMoved, SimOrder, Status, TradeDone
from venues.sim.times import iso
from venues.sim.unwinding import can_unwind

RESOLVED_TIMES = 3
"""The venue was seen to say so three times (section 5)."""


class Board:
    """The engine of one venue, and the connections that hear of what happens in it."""

    def __init__(self, luck: Random, knobs: dict[str, Any]) -> None:
        self.knobs = knobs
        self.exchange = Exchange(self._fee, nets_positions=False)
        self.accounts = Accounts(self.exchange, luck, knobs)
        self.accounts.waiting = self._waiting
        self.terms: dict[str, Terms] = {}
        """By slug."""
        self.trades: list[Trade] = []
        self.lines: list[Line] = []
        self._luck = luck
        self._unsettled: list[Trade] = []
        self._version = luck.randrange(1, 1_000_000)
        self._serial = 0

    def market(self, slug: str) -> Terms:
        """The market of this slug, or the venue's 404."""
        if slug not in self.terms:
            raise RefusedError(404, f"Market {slug} not found")
        return self.terms[slug]

    def book(self, terms: Terms, *, texts: bool) -> Json:
        """The YES book, every order in it."""
        return rows.book_rows(terms, self.exchange.levels(terms.slug), texts=texts)

    def _fee(self, order: SimOrder, price: Price, size: Size, taker: bool) -> Charge:
        """What this fill adds to the fee of its order, which has one rate for all its fills (section 4)."""
        if not taker:
            return Charge()
        terms, mode = self.terms[order.market.market_id], self.knobs["fee_price"]
        if mode == "fill":
            return terms.charge(order, [(price, size)], at_limit=False)
        at_limit = mode == "limit" and order.cash is None
        done = [(fill.price, fill.size) for fill in order.fills]
        before = terms.charge(order, done, at_limit)
        after = terms.charge(order, [*done, (price, size)], at_limit)
        return Charge(Cash(after.cash - before.cash), Size(after.shares - before.shares))

    # --- settlement ---

    def settle(self, now_ms: int) -> None:
        """Every trade takes the steps that are due, and each is told."""
        self.publish(now_ms)
        for trade in list(self._unsettled):
            self._settle(trade, now_ms)
        self.publish(now_ms)

    def _settle(self, trade: Trade, now_ms: int) -> None:
        """The steps that are due on the way to CONFIRMED or FAILED."""
        age = now_ms - trade.at_ms
        if trade.status == "MATCHED" and age >= self.knobs["mined_ms"]:
            if trade.doomed:
                trade.status = "RETRYING"
            else:
                self._mine(trade, now_ms)
        if trade.status == "RETRYING" and age >= self.knobs["confirmed_ms"]:
            if can_unwind(self.exchange, trade.fills_by_party()):
                for order, fill in trade.fills_by_party():
                    self.exchange.unwind(order, fill, now_ms)
                self._step(trade, "FAILED", now_ms)
            else:
                self._mine(trade, now_ms)
        if trade.status == "MINED" and age >= self.knobs["confirmed_ms"]:
            trade.status = "CONFIRMED"
        if trade.status in rows.FINAL:
            self._unsettled.remove(trade)

    def _mine(self, trade: Trade, now_ms: int) -> None:
        trade.transaction = f"0x{self._luck.getrandbits(256):064x}"
        self._step(trade, "MINED", now_ms)

    def _waiting(self, address: str) -> list[tuple[SimOrder, Fill]]:
        """Fills of an account that the chain does not know yet, when the knob lets it lag."""
        trades = [t for t in self._unsettled if t.status != "MINED"] if self.knobs["chain_lag"] else []
        return [pair for trade in trades for pair in trade.fills_by_party() if pair[0].account == address]

    # --- telling ---

    def publish(self, now_ms: int) -> None:
        """Turn what happened in the engine into trades and frames."""
        touched: dict[str, Terms] = {}
        traded: list[Trade] = []
        moved: dict[str, SimOrder] = {}
        for event in self.exchange.take_events():
            match event:
                case BookChange():
                    touched[event.market.market_id] = self.terms[event.market.market_id]
                case TradeDone():
                    traded.append(self._record(event))
                case OrderMoved(order=order):
                    moved[order.order_id] = order
                case MarketChanged():
                    self._announce(self.terms[event.market.market_id], event.what, now_ms)
        for terms in touched.values():
            self._show_book(terms, now_ms)
        for trade in traded:
            self._step(trade, "MATCHED", now_ms)
        for order in moved.values():
            self._show_order(order, now_ms)
        if self.exchange.events:
            self.publish(now_ms)

    def _record(self, done: TradeDone) -> Trade:
        doomed = self.knobs["fail_trades"] > 0
        self.knobs["fail_trades"] -= doomed
        trade = Trade(
            trade_id=new_uuid(self._luck), terms=self.terms[done.market.market_id], taker=done.taker,
            fills=done.fills, makers=done.makers, match_ids=[new_uuid(self._luck) for _ in done.makers],
            at_ms=done.at_ms, doomed=doomed, totals=rows.totals(done.taker.side, done.fills),
        )  # fmt: skip
        for order, _ in trade.parties():
            rows.trades_of(order).append(trade)
        trade.terms.last = rows.yes_price(done.taker, done.fills[-1].price)
        self.trades.append(trade)
        self._unsettled.append(trade)
        return trade

    def _step(self, trade: Trade, status: str, now_ms: int) -> None:
        """Tell every customer in it: of the order, and once it is decided of the chain and the balances."""
        trade.status = status
        for order, fills in trade.parties():
            if not rows.theirs(order):
                continue
            row = rows.settlement_event(trade, order, fills, now_ms)
            for _ in range(2 if self.knobs["double_events"] else 1):
                self._tell(order, "order_events", "orderEvent", row)
            if status != "MATCHED":
                self._tell(order, "transactions", "tx", rows.tx_event(trade, order, fills, now_ms))
                self._tell(order, "positions", "positions", self._held_row(order))

    def _held_row(self, order: SimOrder) -> Json:
        """The event `positions`: both tokens of the order's market."""
        terms, customer = self.terms[order.market.market_id], self.accounts.by_address[order.account]
        balances = [
            {"tokenId": token, "balance": str(self.accounts.shares(customer, (terms.slug, outcome)))}
            for outcome, token in enumerate(terms.tokens)
        ]
        return {"account": customer.address, "marketSlug": terms.slug, "positions": balances}

    def _show_order(self, order: SimOrder, now_ms: int) -> None:
        """The matching engine's events: a life in steps for a resting order, only its end for others."""
        if not rows.theirs(order):
            return
        kinds = ["EXECUTION"]
        told = order.notes.get("told")
        if order.time_in_force is TimeInForce.GTC:
            kinds = ["PLACEMENT"] if told is None else []
            kinds += ["UPDATE"] if order.filled != (told or 0) else []
            kinds += ["CANCELLATION"] if order.status is Status.CANCELLED else []
        elif told is not None:
            return
        order.notes["told"] = order.filled
        for kind in kinds:
            self._serial += 1
            row = rows.order_event(order, self.terms[order.market.market_id], kind, now_ms)
            own = {} if kind == "EXECUTION" else {"eventId": self._serial}
            self._tell(order, "order_events", "orderEvent", row | own)

    def _tell(self, order: SimOrder, channel: str, event: str, row: Json) -> None:
        for line in self.lines:
            if line.account == order.account and line.hears(channel, order.market.market_id):
                line.say(event, row)

    def _show_book(self, terms: Terms, now_ms: int) -> None:
        """A whole book with the next version, to everybody who watches it."""
        self._version += 1
        for line in self.lines:
            if line.hears("market_prices", terms.slug):
                line.say("orderbookUpdate", self.book_event(terms, now_ms))

    def book_event(self, terms: Terms, now_ms: int) -> Json:
        """The payload of orderbookUpdate."""
        book = self.book(terms, texts=False)
        stamp = iso(now_ms)
        return {"marketSlug": terms.slug, "orderbook": book, "version": self._version, "timestamp": stamp}

    def _announce(self, terms: Terms, what: str, now_ms: int) -> None:
        """`resolved:0` and `resolved:1` end a market; other halts are not told on the socket."""
        kind, _, winner = what.partition(":")
        if kind != "resolved":
            return
        terms.winner = int(winner)
        for order in self.exchange.resting(terms.market):
            self.exchange.cancel(order, "MARKET_RESOLVED", now_ms)
        row = {
            "slug": terms.slug, "type": "CLOB", "winningOutcome": rows.TOKENS[terms.winner],
            "winningIndex": terms.winner, "resolutionDate": iso(now_ms),
        }  # fmt: skip
        for _ in range(RESOLVED_TIMES):
            self.to_lifecycle("marketResolved", row)

    def to_lifecycle(self, event: str, row: Json) -> None:
        """A frame for everybody who asked for the lives of markets."""
        for line in self.lines:
            if line.hears("market_lifecycle", ""):
                line.say(event, row)
