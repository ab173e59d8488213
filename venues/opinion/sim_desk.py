"""Where the simulated venue takes orders, matches, waits for the chain and tells: between wire and engine.

A match is final only when its transaction is on chain (`sim_pending`); until then its order is pending.
"""

from collections.abc import Iterator
from random import Random

from venues.base.events import BookSide
from venues.base.orders import Charge, Side, TimeInForce
from venues.base.units import Price, Size, affordable, complement, proceeds, up
from venues.opinion import sim_rows as rows
from venues.opinion import sim_rules as rules
from venues.opinion.sim_accounts import Customer, new_uuid
from venues.opinion.sim_fees import reach
from venues.opinion.sim_line import Line
from venues.opinion.sim_pending import Match, Pending
from venues.opinion.sim_rows import Json, LastTrade, Record, Terms
from venues.opinion.sim_rules import RefusedError, Ticket
from venues.sim import engine
from venues.sim.engine import EngineError, Exchange
from venues.sim.model import (
    HOUSE,
    Account,
    BookChange,
    MarketChanged,
    OrderMoved,
    SimOrder,
    TradeDone,
)

EXECUTE, REFUSE, REPEAT = 0, 1, 2
"""Values of the knob `duplicates`."""
REFUSALS = {
    engine.INSUFFICIENT_BALANCE: rules.NO_FUNDS,
    engine.INSUFFICIENT_POSITION: rules.NO_FUNDS,
    engine.NOT_TRADING: "market is not activated",
    engine.POST_ONLY_CROSSES: "post only order would match",
}


class Desk:
    """Orders and trades of the venue, and the connections that hear of them."""

    def __init__(self, luck: Random, knobs: dict[str, int]) -> None:
        self._luck = luck
        self._knobs = knobs
        self.exchange = Exchange(self._fee, nets_positions=False)
        self.terms: dict[int, Terms] = {}
        self.by_token: dict[str, tuple[Terms, int]] = {}
        self.orders: dict[str, SimOrder] = {}
        """Accepted orders of customers, oldest first."""
        self.records: list[Record] = []
        self.lines: list[Line] = []
        self.pending = Pending(self.exchange)
        self._shown_ms = 0
        """The latest stamp of a book that was read; a later diff has a later one."""
        self._told_ms = 0

    def add_market(self, terms: Terms) -> None:
        """List a market. Its ids must be new."""
        self.exchange.add_market(terms.market)
        self.terms[terms.market_id] = terms
        self.by_token |= {token: (terms, outcome) for outcome, token in enumerate(terms.tokens)}
        if terms.parent:
            terms.parent.children.append(terms)

    def token(self, token: str) -> tuple[Terms, int]:
        """The market and outcome of a token, or the venue's refusal."""
        if token not in self.by_token:
            raise RefusedError(rules.UNKNOWN_MARKET, "topic not found")
        return self.by_token[token]

    def book(self, token: str, now_ms: int) -> Json:
        """GET /token/orderbook. Its stamp is not before that of any diff it contains."""
        terms, outcome = self.token(token)
        levels = self.exchange.levels(terms.market.market_id)
        self._shown_ms = max(now_ms, self._shown_ms, self._told_ms)
        return rows.book_row(terms, outcome, rows.mirrored(levels) if outcome else levels, self._shown_ms)

    # --- orders ---

    def post(self, customer: Customer, body: bytes, now_ms: int) -> Json:
        """POST /order: the order's row, pending even when it has matched; or `RefusedError`."""
        ticket = rules.read_ticket(body)
        terms = self._check(customer, ticket)
        known = customer.salts.get(ticket.salt)
        if known is not None and self._knobs["duplicates"] == REFUSE:
            raise RefusedError(rules.UNPUBLISHED, "duplicate order")
        if known is not None and self._knobs["duplicates"] == REPEAT:
            return rows.order_row(self.orders[known], terms, self._knobs)
        order = self._order(customer, ticket, terms, now_ms)
        self._check_means(customer.account, order, ticket)
        try:
            self.exchange.place(order, now_ms, post_only=ticket.post_only)
        except EngineError as error:
            raise RefusedError(rules.UNPUBLISHED, REFUSALS[error.code]) from error
        self.orders[order.order_id] = order
        customer.salts[ticket.salt] = order.order_id
        reply = rows.order_row(order, terms, self._knobs)
        self._tell(order, rows.order_frame("orderNew", reply, now_ms))
        self.publish(now_ms)
        return reply

    def cancel(self, customer: Customer, order_id: str, now_ms: int) -> bool:
        """POST /order/cancel. False if the order is no longer on the book."""
        done = self.exchange.cancel(self.own(customer, order_id), rows.BY_CUSTOMER, now_ms)
        self.publish(now_ms)
        return done

    def own(self, customer: Customer, order_id: str) -> SimOrder:
        """An order of this customer, or the venue's refusal."""
        order = self.orders.get(order_id)
        if order is None or order.account != customer.safe:
            raise RefusedError(rules.UNKNOWN_ORDER, "order not found")
        return order

    def _check(self, customer: Customer, ticket: Ticket) -> Terms:
        """The order is for a market that trades, belongs to the key, and its owner signed it."""
        terms = self.terms.get(ticket.market_id)
        if terms is None:
            raise RefusedError(rules.UNKNOWN_MARKET, "topic not found")
        if ticket.token not in terms.tokens:
            raise rules.invalid("tokenId", "is of another market")
        if ticket.currency.lower() != rules.USDT.lower():
            raise rules.invalid("currencyAddress", "is not the market's quote token")
        if ticket.maker != customer.safe:
            raise RefusedError(rules.UNPUBLISHED, rules.NOT_THE_SAFE)
        if ticket.signer != customer.address:
            raise rules.invalid("signer", "is not the wallet of the api key")
        if rules.recover(rules.order_hash(ticket), ticket.signature) != customer.address:
            raise RefusedError(rules.UNPUBLISHED, "invalid signature")
        if terms.status != 2:
            raise RefusedError(rules.UNPUBLISHED, REFUSALS[engine.NOT_TRADING])
        grid = terms.market.grid
        if ticket.price is not None and grid is not None and not grid.valid(ticket.price):
            raise rules.invalid("price", f"{ticket.price_text} is not on the market's grid")
        rules.check_amounts(ticket)
        return terms

    def _order(self, customer: Customer, ticket: Ticket, terms: Terms, now_ms: int) -> SimOrder:
        """The engine's form of a signed order: only as many shares as its money buys, fee included."""
        outcome = terms.tokens.index(ticket.token)
        order = SimOrder(
            order_id=new_uuid(self._luck),
            account=customer.safe,
            market=terms.market,
            outcome=outcome,
            side=ticket.side,
            price=ticket.price or Price(1),
            size=ticket.shares,
            cash=None,
            time_in_force=TimeInForce.IOC if ticket.by_market else TimeInForce.GTC,
            created_ms=now_ms,
            notes={"ticket": ticket},
        )
        offers = list(_offers(order, ticket.price))
        if ticket.by_market and not offers:
            raise RefusedError(rules.NOT_ENOUGH_DEPTH, "depth not enough")
        value = ticket.cash if ticket.cash_wei else proceeds(offers[0][0], ticket.shares)
        if value < terms.minimum:
            raise RefusedError(rules.UNPUBLISHED, rules.TOO_SMALL)
        if ticket.side is Side.SELL:
            order.price = ticket.price or offers[-1][0]
        else:
            _fit(order, ticket, offers, terms)
        if order.size == 0:
            raise RefusedError(rules.UNPUBLISHED, rules.TOO_SMALL)
        return order

    def _check_means(self, account: Account, order: SimOrder, ticket: Ticket) -> None:
        """The account has the whole of what the order gives, on chain and not promised."""
        if order.side is Side.BUY:
            enough = self.pending.free_cash(account) >= up(ticket.maker_amount, rules.WEI)
        else:
            enough = self.pending.free_shares(account, order.market, order.outcome) >= order.size
        if not enough:
            raise RefusedError(rules.UNPUBLISHED, rules.NO_FUNDS)

    def _fee(self, order: SimOrder, price: Price, size: Size, taker: bool) -> Charge:
        """The engine's fee rule: only takers pay."""
        return self.terms[int(order.market.market_id)].rate.charge(order, price, size) if taker else Charge()

    # --- time ---

    def tick(self, now_ms: int) -> None:
        """Tell what happened, then let the chain decide about the matches that are due."""
        self.publish(now_ms)
        for match in self.pending.take_due(now_ms):
            self._settle(match, now_ms)
        self.publish(now_ms)

    def _settle(self, match: Match, now_ms: int) -> None:
        """A transaction is on chain, or failed there: then both sides are undone."""
        tx_hash = f"0x{self._luck.getrandbits(256):064x}"
        status = rows.FAILED_ON_CHAIN if match.doomed else rows.FINISHED
        for order, fill in match.parties:
            if match.doomed:
                self.exchange.unwind(order, fill, now_ms)
            if order.account != HOUSE:
                trade_no = self.exchange.new_id("t")
                record = Record(trade_no, order, fill, tx_hash, status, now_ms)
                rows.records_of(order).append(record)
                self.records.append(record)
        orders = {order.order_id: order for order, _ in match.parties if order.account != HOUSE}
        for order in orders.values():
            settled = [r for r in rows.records_of(order) if any(r.fill is fill for _, fill in match.parties)]
            self._tell_settled(order, settled, now_ms)

    def _tell_settled(self, order: SimOrder, settled: list[Record], now_ms: int) -> None:
        """The order's own news of a transaction: first the order, then one record per match."""
        terms = self.terms[int(order.market.market_id)]
        if settled[0].status == rows.FINISHED:
            self._update(order, "orderConfirm", now_ms)
        elif rows.status_of(order, self._knobs) != rows.PENDING:
            self._update(order, "orderCancel", now_ms)
        for record in settled:
            row = rows.trade_row(record, terms, self._knobs)
            frame = rows.record_frame(row, now_ms, fee_in_wei=bool(self._knobs["fee_in_wei"]))
            self._tell(order, frame)

    # --- telling ---

    def publish(self, now_ms: int) -> None:
        """Turn what happened in the engine into frames and pending matches."""
        changes: dict[tuple[int, BookSide, Price], BookChange] = {}
        for event in self.exchange.take_events():
            match event:
                case BookChange():
                    changes[int(event.market.market_id), event.side, event.price] = event
                case TradeDone():
                    self._matched(event, now_ms)
                case OrderMoved(order=order) if order.reason == rows.BY_CUSTOMER and order.account != HOUSE:
                    self._update(order, "orderCancel", now_ms)
                case MarketChanged():
                    self._halted(self.terms[int(event.market.market_id)], event.what, now_ms)
                case _:
                    pass
        for (market_id, side, price), change in changes.items():
            self._show(self.terms[market_id], side, (price, change.total), now_ms)
        if self.exchange.events:
            self.publish(now_ms)

    def _matched(self, done: TradeDone, now_ms: int) -> None:
        """A trade is public at once; the customers in it wait for the chain."""
        terms, taker = self.terms[int(done.market.market_id)], done.taker
        size = Size(sum(fill.size for fill in done.fills))
        terms.last = LastTrade(taker.outcome, taker.side, done.fills[-1].price, size, now_ms)
        for frame in rows.last_frames(terms, now_ms):
            self._publish(terms, frame)
        parties = [*((taker, fill) for fill in done.fills), *done.makers]
        customers = {order.order_id: order for order, _ in parties if order.account != HOUSE}
        if not customers:
            return
        doomed = self._knobs["fail_trades"] > 0
        self._knobs["fail_trades"] -= doomed
        self.pending.matches.append(Match(parties, done.at_ms + self._knobs["confirm_ms"], doomed))
        for order in customers.values():
            self._update(order, "orderFill", now_ms)

    def _show(self, terms: Terms, side: BookSide, level: tuple[Price, Size], now_ms: int) -> None:
        """A level's new size, in both books, with a stamp later than that of any book that was read."""
        self._told_ms = max(now_ms, self._told_ms, self._shown_ms + 1)
        for frame in rows.depth_diffs(terms, side, level, self._told_ms):
            self._publish(terms, frame)

    def _halted(self, terms: Terms, what: str, now_ms: int) -> None:
        """`resolved:0` and `resolved:1` end a market and its orders; it is never told on the WebSocket."""
        kind, _, winner = what.partition(":")
        if kind == "resolved":
            terms.winner = int(winner)
            for order in self.exchange.resting(terms.market):
                self.exchange.cancel(order, rows.BY_CUSTOMER, now_ms)

    def _publish(self, terms: Terms, frame: Json) -> None:
        for line in self.lines:
            if line.wants(frame["msgType"], terms):
                line.say(frame)

    def _update(self, order: SimOrder, kind: str, now_ms: int) -> None:
        terms = self.terms[int(order.market.market_id)]
        self._tell(order, rows.order_frame(kind, rows.order_row(order, terms, self._knobs), now_ms))

    def _tell(self, order: SimOrder, frame: Json) -> None:
        """A frame for the order's owner alone."""
        terms = self.terms[int(order.market.market_id)]
        for line in self.lines:
            if line.account == order.account and line.wants(frame["msgType"], terms):
                line.say(frame)


def _offers(order: SimOrder, limit: Price | None) -> Iterator[tuple[Price, Size]]:
    """What the order may trade with, best first: price in its own terms and size of each resting order."""
    buys_book = order.book_side is BookSide.BID
    queues = order.market.asks if buys_book else order.market.bids
    for book_price in iter(queues) if buys_book else reversed(queues):
        price = book_price if order.outcome == 0 else complement(book_price)
        if limit is not None and (price > limit if order.side is Side.BUY else price < limit):
            break
        for maker in queues[book_price].values():
            yield price, maker.remaining


def _fit(order: SimOrder, ticket: Ticket, offers: list[tuple[Price, Size]], terms: Terms) -> None:
    """Cut a purchase to what its signed money pays for, fee included; a limit order rests with the rest."""
    got = reach(offers, None if ticket.by_market else ticket.shares, ticket.cash, terms.rate)
    order.price = ticket.price or got.worst
    rest = 0
    if not got.stopped and ticket.price is None:
        rest = 1  # there is no more: the engine shall see a rest, and cancel it
    elif not got.stopped:
        rest = min(ticket.shares - got.size, affordable(order.price, got.left))
    order.size = Size(got.size + rest)
