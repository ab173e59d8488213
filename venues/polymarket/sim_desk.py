"""Where the simulated venue takes orders, matches, settles and tells: between the wire and the engine."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from venues.base.events import BookSide
from venues.base.orders import Charge, Side, TimeInForce
from venues.base.units import ONE, Price, Size, affordable, complement, plain
from venues.polymarket import sim_rows as rows
from venues.polymarket import sim_rules as rules
from venues.polymarket.sim_accounts import ApiKey, new_uuid
from venues.polymarket.sim_lines import MarketLine, UserLine
from venues.polymarket.sim_rows import Json, Trade
from venues.polymarket.sim_rules import RefusedError, Terms, Ticket
from venues.sim import engine
from venues.sim.engine import EngineError, Exchange
from venues.sim.model import (
    Account,
    BookChange,
    MarketChanged,
    OrderMoved,
    SimOrder,
    Status,
    TradeDone,
    notional,
)
from venues.sim.unwinding import can_unwind

FOK_KILLED = "order couldn't be fully filled. FOK orders are fully filled or killed."
FAK_KILLED = (
    "no orders found to match with FAK order. FAK orders are partially filled or killed if no match is found."
)
NO_MONEY = "not enough balance / allowance"
REFUSALS = {
    engine.INSUFFICIENT_BALANCE: NO_MONEY,
    engine.INSUFFICIENT_POSITION: NO_MONEY,
    engine.NOT_TRADING: "the market is not yet ready to process new orders",
    engine.POST_ONLY_CROSSES: "invalid post-only order: order crosses book",
    engine.FOK_UNFILLABLE: FOK_KILLED,
}
AFTER_DELAY = {FAK_KILLED: "UNMATCHED", NO_MONEY: "CANCELED_NOT_ENOUGH_BALANCE"}
"""Status of an order that was held and then could not be matched; any other is CANCELED_ and the text."""
MARKETABLE_BUY_MIN = ONE
FINE_TICK, COARSE_TICK = 1_000, 10_000
FINE_ABOVE, FINE_BELOW = 960_000, 40_000


class Desk:
    """Orders and trades of one venue, and the connections that hear of them."""

    def __init__(self, luck: Random, chain_id: int, knobs: dict[str, int]) -> None:
        self._luck = luck
        self._chain_id = chain_id
        self._knobs = knobs
        self.exchange = Exchange(self._fee, nets_positions=False)
        self.terms: dict[str, Terms] = {}
        self.orders: dict[str, SimOrder] = {}
        """Accepted orders of customers by hash, also those that are held."""
        self.trades: list[Trade] = []
        self.lines: list[MarketLine | UserLine] = []
        self._held: list[tuple[int, SimOrder]] = []
        self._unsettled: list[Trade] = []

    def token(self, token: str) -> tuple[Terms, int]:
        """The market and outcome of an asset id, or the venue's 404."""
        if token not in self.exchange.by_native:
            raise RefusedError(404, "No orderbook exists for the requested token id")
        market, outcome = self.exchange.by_native[token]
        return self.terms[market.market_id], outcome

    def book(self, token: str, now_ms: int) -> Json:
        """The row of GET /book."""
        terms, outcome = self.token(token)
        return rows.book_row(terms, outcome, self.exchange.levels(token), now_ms)

    # --- orders ---

    def post(self, key: ApiKey, payload: Any, now_ms: int) -> Json:
        """One signed order: its reply, or `RefusedError` with the venue's text."""
        self.exchange.expire(now_ms)
        ticket = rules.read_ticket(payload)
        terms, outcome = self.token(ticket.token)
        self._check_parties(key, ticket, terms)
        order_id = "0x" + rules.order_hash(ticket, terms, self._chain_id).hex()
        if order_id in self.orders:
            raise RefusedError(400, f"order {order_id} is invalid. Duplicated.")
        if not terms.market.trading:
            raise RefusedError(400, REFUSALS[engine.NOT_TRADING])
        order = _order(order_id, ticket, terms, outcome=outcome, now_ms=now_ms, account=key.customer.account)
        crosses = order.crosses
        if crosses and order.side is Side.BUY and ticket.maker_amount < MARKETABLE_BUY_MIN:
            shown = plain(ticket.maker_amount)
            raise RefusedError(400, f"invalid amount for a marketable BUY order (${shown}), min size: $1")
        if self._settled(order) < ticket.maker_amount:
            raise RefusedError(400, NO_MONEY)
        if crosses and terms.delay_ms and not ticket.post_only:
            order.notes["state"] = "DELAYED"
            self._held.append((now_ms + terms.delay_ms, order))
        else:
            self._enter(order, now_ms)
        self.orders[order_id] = order
        self.publish(now_ms)
        return _reply(order)

    def cancel(self, order_ids: Iterable[str], account: Account, now_ms: int) -> Json:
        """The reply of every DELETE: what is cancelled now, and why the rest is not."""
        canceled: list[str] = []
        refused: dict[str, str] = {}
        for order_id in order_ids:
            order = self.orders.get(order_id)
            if order is None or order.account != account.name:
                refused[order_id] = "order can't be found - already canceled or matched"
            elif "state" not in order.notes and self.exchange.cancel(order, "canceled", now_ms):
                canceled.append(order_id)
            else:
                refused[order_id] = f"order is not live: {rows.status_of(order)}"
        self.publish(now_ms)
        return {"canceled": canceled, "not_canceled": refused}

    def _check_parties(self, key: ApiKey, ticket: Ticket, terms: Terms) -> None:
        """The order belongs to the API key, to its wallet, and is signed by its owner."""
        customer = key.customer
        wallet = customer.account.name
        if ticket.owner != key.api_key:
            raise RefusedError(400, "the order owner has to be the owner of the API KEY")
        if ticket.signature_type != customer.signature_type or ticket.maker != wallet:
            raise RefusedError(400, "the order maker address has to be a wallet of the owner of the API KEY")
        if ticket.signer != (wallet if ticket.signature_type == 3 else customer.address):
            raise RefusedError(400, "the order signer address has to be the address of the API KEY")
        if rules.order_signer(ticket, terms, self._chain_id) != customer.address:
            raise RefusedError(400, "invalid signature")

    def _settled(self, order: SimOrder) -> int:
        """What the account may give for an order: neither promised to another nor still on its way."""
        account = self.exchange.accounts[order.account]
        if order.side is Side.BUY:
            return account.free - self.unsettled(account.name, None)
        free = self.exchange.free_shares(account, order.market, order.outcome)
        return free - self.unsettled(account.name, order.market.natives[order.outcome])

    def _enter(self, order: SimOrder, now_ms: int) -> None:
        """Match and rest. A killed order is told to the user stream and then refused."""
        ticket = order.notes["ticket"]
        assert isinstance(ticket, Ticket)
        refusal = FAK_KILLED if order.time_in_force is TimeInForce.IOC and not order.crosses else ""
        if not refusal:
            try:
                self.exchange.place(order, now_ms, post_only=ticket.post_only)
            except EngineError as error:
                refusal = REFUSALS[error.code]
        if refusal in (FAK_KILLED, FOK_KILLED) and "state" not in order.notes:
            account = self.exchange.accounts[order.account]
            self._tell(order, rows.killed_event(order, account, refusal, now_ms))
        if refusal:
            raise RefusedError(400, refusal)

    def _release(self, order: SimOrder, now_ms: int) -> None:
        """A held order comes to the book at last."""
        try:
            self._enter(order, now_ms)
            del order.notes["state"]
        except RefusedError as refusal:
            order.status = Status.CANCELLED
            order.notes["state"] = AFTER_DELAY.get(refusal.text, f"CANCELED_{refusal.text}")
            self._tell(order, rows.order_event(order, self.exchange.accounts[order.account], now_ms))

    def _fee(self, order: SimOrder, price: Price, size: Size, taker: bool) -> Charge:
        return Charge(self.terms[order.market.market_id].fee(price, size)) if taker else Charge()

    # --- time ---

    def tick(self, now_ms: int) -> None:
        """Expiry, held orders, settlement."""
        self.exchange.expire(now_ms)
        due = [order for due_ms, order in self._held if due_ms <= now_ms]
        self._held = [entry for entry in self._held if entry[0] > now_ms]
        for order in due:
            self._release(order, now_ms)
        self.publish(now_ms)
        for trade in list(self._unsettled):
            self._settle(trade, now_ms)
        self.publish(now_ms)

    def _settle(self, trade: Trade, now_ms: int) -> None:
        """One or two steps on the way to CONFIRMED or FAILED, each told to its accounts."""
        if trade.waits and now_ms - trade.changed_ms >= self._knobs["mined_ms"]:
            if trade.doomed and can_unwind(self.exchange, trade.parties):
                for order, fill in trade.parties:
                    self.exchange.unwind(order, fill, now_ms)
                self._step(trade, "FAILED", now_ms)
            elif trade.status == "MATCHED" and self._knobs["retry_trades"]:
                self._knobs["retry_trades"] -= 1
                self._step(trade, "RETRYING", now_ms)
            else:
                trade.transaction = f"0x{self._luck.getrandbits(256):064x}"
                self._step(trade, "MINED", now_ms)
        if trade.status == "MINED" and now_ms - trade.at_ms >= self._knobs["confirmed_ms"]:
            self._step(trade, "CONFIRMED", now_ms)
        if trade.status in ("CONFIRMED", "FAILED"):
            self._unsettled.remove(trade)

    def unsettled(self, account: str, token: str | None) -> int:
        """What trades that are not on the chain yet will bring an account: of a token, or of money."""
        brought = 0
        for order, fill in (party for trade in self._unsettled if trade.waits for party in trade.parties):
            if order.account != account:
                continue
            if order.side is Side.SELL and token is None:
                brought += notional(order.side, fill.price, fill.size) - fill.fee
            elif order.side is Side.BUY and token == order.market.natives[order.outcome]:
                brought += fill.size
        return brought

    def _step(self, trade: Trade, status: str, now_ms: int) -> None:
        trade.status, trade.changed_ms = status, now_ms
        for order in reversed({order.account: order for order, _ in trade.parties[::-1]}.values()):
            owner, _ = rows.owner_of(order)
            self._tell(order, rows.trade_event(trade, order.account, owner))

    # --- telling ---

    def publish(self, now_ms: int) -> None:
        """Turn what happened in the engine into trades and frames."""
        changes: dict[str, dict[tuple[BookSide, Price], BookChange]] = {}
        traded: dict[str, list[Trade]] = {}
        moved: dict[str, SimOrder] = {}
        for event in self.exchange.take_events():
            match event:
                case BookChange():
                    _merge(changes.setdefault(event.market.market_id, {}), event)
                case TradeDone():
                    traded.setdefault(event.market.market_id, []).extend(self._record(event))
                case OrderMoved(order=order):
                    moved[order.order_id] = order
                case MarketChanged():
                    self._announce(self.terms[event.market.market_id], event.what, now_ms)
        for market_id in dict.fromkeys([*changes, *traded]):
            moves = [change for change in changes.get(market_id, {}).values() if change.delta]
            self._show(self.terms[market_id], moves, traded.get(market_id, []), now_ms)
        for trade in (trade for trades in traded.values() for trade in trades):
            self._step(trade, "MATCHED", now_ms)
        for order in moved.values():
            if "ticket" in order.notes:
                self._tell(order, rows.order_event(order, self.exchange.accounts[order.account], now_ms))
        if self.exchange.events:
            self.publish(now_ms)

    def _record(self, done: TradeDone) -> list[Trade]:
        """A match as trades: one, or several when the knob cuts it."""
        count = len(done.fills)
        most = self._knobs["makers_per_trade"] or count
        trades = []
        for start in range(0, count, most):
            doomed = self._knobs["fail_trades"] > 0
            self._knobs["fail_trades"] -= doomed
            trade = Trade(
                trade_id=new_uuid(self._luck),
                terms=self.terms[done.market.market_id],
                taker=done.taker,
                fills=done.fills[start : start + most],
                makers=done.makers[start : start + most],
                at_ms=done.at_ms,
                changed_ms=done.at_ms,
                doomed=doomed,
            )
            for order, _ in trade.parties:
                if trade.trade_id not in rows.trades_of(order):
                    rows.trades_of(order).append(trade.trade_id)
            last = trade.fills[-1].price
            trade.terms.last = last if done.taker.outcome == 0 else complement(last)
            trades.append(trade)
        self.trades += trades
        self._unsettled += trades
        return trades

    def _show(self, terms: Terms, moves: Sequence[BookChange], trades: Sequence[Trade], now_ms: int) -> None:
        """Moved levels, then trades and the books after them, then the best prices."""
        top = rows.best(self.exchange.levels(terms.market.natives[0]))
        turned, terms.top = top != terms.top, top
        lines = self._watching(terms)
        if not lines:
            return
        books = [self.book(token, now_ms) for token in terms.market.natives]
        if moves:
            frame = rows.price_change(terms, moves, now_ms, [book["hash"] for book in books])
            for line in lines:
                line.say(frame)
        for trade in trades:
            self._show_asset(lines, rows.last_trade(trade, now_ms))
        for outcome, book in enumerate(books):
            if trades:
                self._show_asset(lines, {"event_type": "book", **book})
            if turned:
                custom = [line for line in lines if line.custom]
                self._show_asset(custom, rows.best_bid_ask(terms, outcome, now_ms))
        if self._knobs["tick_follows_price"] and terms.tick == COARSE_TICK:
            bids, asks = self.exchange.levels(terms.market.natives[0])
            if (bids and bids[0][0] > FINE_ABOVE) or (asks and asks[0][0] < FINE_BELOW):
                self.change_tick(terms, FINE_TICK, now_ms)

    def change_tick(self, terms: Terms, tick: int, now_ms: int) -> None:
        """The market takes other prices from now on; its books are sent anew."""
        old, terms.tick = terms.tick, tick
        for token in terms.market.natives:
            frame = rows.tick_size_change(terms, token, old, now_ms)
            self._show_asset(self._watching(terms), frame)
            self._show_asset(self._watching(terms), {"event_type": "book", **self.book(token, now_ms)})

    def _announce(self, terms: Terms, what: str, now_ms: int) -> None:
        """`resolved:0` and `resolved:1` end a market; other halts are not told on the WebSocket."""
        kind, _, winner = what.partition(":")
        if kind == "resolved":
            terms.winner = int(winner)
            for order in self.exchange.resting(terms.market):
                self.exchange.cancel(order, "resolved", now_ms)
            self.to_custom(rows.market_resolved(terms, now_ms))

    def to_custom(self, frame: Json) -> None:
        """A frame for every connection with custom_feature_enabled."""
        for line in self.lines:
            if isinstance(line, MarketLine) and line.custom:
                line.say(frame)

    def _watching(self, terms: Terms) -> list[MarketLine]:
        tokens = terms.market.natives
        lines = [line for line in self.lines if isinstance(line, MarketLine)]
        return [line for line in lines if not line.assets.isdisjoint(tokens)]

    def _show_asset(self, lines: Iterable[MarketLine], frame: Json) -> None:
        for line in lines:
            if frame["asset_id"] in line.assets:
                line.say(frame)

    def _tell(self, order: SimOrder, frame: Json) -> None:
        for line in self.lines:
            if isinstance(line, UserLine) and line.wants(order.account, order.market.market_id):
                line.say(frame)


def _order(
    order_id: str, ticket: Ticket, terms: Terms, *, outcome: int, now_ms: int, account: Account
) -> SimOrder:
    """The engine's form of a signed order."""
    price, cash = rules.read_amounts(ticket, terms, now_ms)
    size = ticket.shares if cash is None else affordable(Price(terms.tick), cash)
    end_s = ticket.expiration - rules.EXPIRY_EARLY_S
    return SimOrder(
        order_id=order_id,
        account=account.name,
        market=terms.market,
        outcome=outcome,
        side=ticket.side,
        price=price,
        size=size,
        cash=cash,
        time_in_force=rules.LIFETIMES[ticket.lifetime],
        created_ms=now_ms,
        expires_ms=end_s * 1_000 if ticket.expiration else None,
        notes={"ticket": ticket},
    )


def _reply(order: SimOrder) -> Json:
    """The answer to POST /order (section 5.6)."""
    status = rows.status_of(order).lower()
    given, taken = (order.value, order.filled) if order.side is Side.BUY else (order.filled, order.value)
    return rows.order_reply() | {
        "orderID": order.order_id,
        "status": status,
        "makingAmount": plain(given) if order.fills else "",
        "takingAmount": plain(taken) if order.fills else "",
        "tradeIDs": rows.trades_of(order),
    }


def _merge(changes: dict[tuple[BookSide, Price], BookChange], event: BookChange) -> None:
    """Keep one change per level: its last total, and the sum of its moves."""
    known = changes.get((event.side, event.price))
    moved = event.delta + (known.delta if known else 0)
    changes[event.side, event.price] = replace(event, delta=moved)
