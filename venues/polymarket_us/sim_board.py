"""What the simulated venue publishes: the engine's events as executions, trades, positions and frames.

Written from the card alone (sections 5 to 7). Books go out whole, once per market and call.
"""

from typing import TYPE_CHECKING, Any

import msgspec

from venues.base.orders import Side
from venues.base.units import ONE, Cash, plain
from venues.polymarket_us.sim_rules import INTENTS, moment, ulid_of
from venues.polymarket_us.sim_wire import (
    FINAL,
    Customer,
    Facts,
    Holding,
    Row,
    Ticket,
    levels,
    long_price,
    money,
    order_row,
    remember,
)
from venues.sim.engine import Exchange
from venues.sim.model import BookChange, Fill, MarketChanged, OrderMoved, SimOrder, Status, TradeDone

if TYPE_CHECKING:
    from venues.polymarket_us.sim_socket import PolymarketUsSocket

ENDED = {"expired": "EXPIRED"}
"""State by the reason of the engine's cancellation; all others are CANCELED."""


class Board:
    """Customers, markets and connections, and what they are told."""

    def __init__(self, exchange: Exchange, knobs: dict[str, Any], seed: int) -> None:
        self.exchange = exchange
        self.knobs = knobs
        self.seed = seed
        self.facts: dict[str, Facts] = {}
        self.customers: dict[str, Customer] = {}
        """By key id."""
        self.tickets: dict[str, Ticket] = {}
        """By the engine's order id."""
        self.sockets: list[PolymarketUsSocket] = []
        self._nanos = 0
        self._later: list[tuple[Customer, str, str, Row]] = []
        """Private messages that the knob holds back until the next tick."""

    def moment(self, at_ms: int) -> str:
        """A time that no other message has."""
        self._nanos += 1
        return moment(at_ms, self._nanos)

    def busy(self) -> bool:
        """Whether the exchange does not get to this order; a knob says how many more."""
        left: int = self.knobs["busy"]
        if left > 0:
            self.knobs["busy"] = left - 1
        return left > 0

    # --- what happened ---

    def absorb(self, now_ms: int) -> None:
        """Turn the engine's events into messages."""
        touched: dict[str, Facts] = {}
        for event in self.exchange.take_events():
            match event:
                case BookChange(market=market) | MarketChanged(market=market):
                    touched[market.market_id] = self.facts[market.market_id]
                case TradeDone():
                    self._traded(event, now_ms)
                case OrderMoved(order=order):
                    self._moved(order, now_ms)
        for facts in touched.values():
            self.show_book(facts, now_ms)

    def release(self) -> None:
        """Send the private messages that were held back."""
        held, self._later = self._later, []
        for customer, slug, kind, body in held:
            self._send(customer, slug, kind, body)

    def execution(self, ticket: Ticket, kind: str, now_ms: int, more: Row | None = None) -> Row:
        """Something happened to an order: note it, and tell its owner. `kind` is without its prefix."""
        state = {"NEW": "NEW", "PARTIAL_FILL": "PARTIALLY_FILLED", "FILL": "FILLED", "REPLACE": "NEW"}
        ticket.state = state.get(kind, kind)
        if kind == "REPLACE" and ticket.filled:
            ticket.state = "PARTIALLY_FILLED"
        row: Row = {
            "id": ulid_of(self.seed, ticket.order_id, len(ticket.executions)),
            "order": order_row(ticket),
            "type": f"EXECUTION_TYPE_{kind}",
            "lastShares": "0",
            "transactTime": self.moment(now_ms),
        } | (more or {})
        ticket.executions.append(row)
        remember(ticket.versions, now_ms, row["order"])
        self.tell(
            ticket.customer, ticket.facts.slug, "ORDER", {"orderSubscriptionUpdate": {"execution": row}}
        )
        return row

    def tell(self, customer: Customer, slug: str, kind: str, body: Row) -> None:
        """A private message, at once or at the next tick."""
        if self.knobs["updates_later"]:
            self._later.append((customer, slug, kind, body))
        else:
            self._send(customer, slug, kind, body)

    def _send(self, customer: Customer, slug: str, kind: str, body: Row) -> None:
        for socket in self.sockets:
            if socket.customer is customer:
                socket.publish(f"SUBSCRIPTION_TYPE_{kind}", slug, body)

    def _traded(self, event: TradeDone, now_ms: int) -> None:
        facts = self.facts[event.market.market_id]
        for number, (fill, (maker, made)) in enumerate(zip(event.fills, event.makers, strict=True)):
            facts.last_price = long_price(fill.price, event.taker.outcome)
            facts.volume += fill.size
            last = number == len(event.fills) - 1 and event.taker.status is Status.FILLED
            trade_id = ulid_of(self.seed, "trade", fill.trade_id)
            sides = [
                (self.tickets.get(event.taker.order_id), event.taker, fill, last),
                (self.tickets.get(maker.order_id), maker, made, False),
            ]
            rows = [
                self._filled(ticket, own, trade_id, ends=ends, now_ms=now_ms) if ticket else None
                for ticket, _, own, ends in sides
            ]
            for (ticket, _, own, _), mine, theirs in zip(sides, rows, reversed(rows), strict=True):
                if ticket is not None and mine is not None:
                    other = theirs or _stranger(mine, own)
                    self._note_trade(ticket, own, (mine, other), now_ms)
            self._public_trade(facts, (event.taker, maker), fill, now_ms)

    def _filled(self, ticket: Ticket, fill: Fill, trade_id: str, *, ends: bool, now_ms: int) -> Row:
        self.announce(ticket, now_ms)
        price = long_price(fill.price, ticket.outcome)
        ticket.filled += fill.size
        ticket.value += price * fill.size
        ticket.fees += fill.fee
        whole = ends or ticket.filled == ticket.quantity
        more = {
            "lastShares": plain(fill.size),
            "lastPx": money(price),
            "tradeId": trade_id,
            "aggressor": fill.taker,
            "commissionNotionalCollected": money(fill.fee),
        }
        return self.execution(ticket, "FILL" if whole else "PARTIAL_FILL", now_ms, more)

    def announce(self, ticket: Ticket, now_ms: int) -> None:
        """The exchange has taken the order; said once, before anything else about it."""
        if not ticket.executions:
            self.execution(ticket, "NEW", now_ms)

    def _moved(self, order: SimOrder, now_ms: int) -> None:
        ticket = self.tickets.get(order.order_id)
        if ticket is None or ticket.engine is not order:
            return
        self.announce(ticket, now_ms)
        if order.status is Status.CANCELLED and order.reason != "changed" and ticket.state not in FINAL:
            self.execution(ticket, ENDED.get(order.reason, "CANCELED"), now_ms)
        self.tell_balance(ticket.customer, now_ms)

    # --- what the account has ---

    def _note_trade(self, ticket: Ticket, fill: Fill, rows: tuple[Row, Row], now_ms: int) -> None:
        customer, facts = ticket.customer, ticket.facts
        before = self.position_row(customer, facts)
        holding = customer.holdings.setdefault(facts.slug, Holding())
        gained = _book(holding, ticket, fill)
        mine, other = rows
        trade = {
            "id": mine["tradeId"], "marketSlug": facts.slug, "state": "TRADE_STATE_NEW",
            "createTime": mine["transactTime"], "updateTime": mine["transactTime"],
            "price": mine["lastPx"], "qty": str(fill.size // ONE), "qtyDecimal": plain(fill.size),
            "isAggressor": fill.taker, "costBasis": money(holding.cost), "realizedPnl": money(gained),
        }  # fmt: skip
        if self.knobs["trade_executions"]:
            trade["aggressorExecution"] = mine if fill.taker else other
            trade["passiveExecution"] = other if fill.taker else mine
        customer.trades.append((now_ms, {"type": "ACTIVITY_TYPE_TRADE", "trade": trade}))
        moved = {
            "beforePosition": before, "afterPosition": self.position_row(customer, facts),
            "updateTime": mine["transactTime"], "entryType": "LEDGER_ENTRY_TYPE_ORDER_EXECUTION",
            "tradeId": mine["tradeId"], "description": "",
        }  # fmt: skip
        self.tell(customer, facts.slug, "POSITION", {"positionSubscription": moved})

    def position_row(self, customer: Customer, facts: Facts) -> Row:
        """A position, long above zero."""
        account, market = self.exchange.accounts[customer.name], facts.market
        long, short = (account.positions.get((facts.slug, outcome), 0) for outcome in (0, 1))
        net = long - short
        free = max(0, min(abs(net), self.exchange.free_shares(account, market, 0 if net > 0 else 1)))
        own = customer.holdings.get(facts.slug, Holding())
        sizes = {"netPosition": net, "qtyBought": own.bought, "qtySold": own.sold, "qtyAvailable": free}
        whole = {name: str(abs(size) // ONE * (1 if size >= 0 else -1)) for name, size in sizes.items()}
        row: Row = whole | {f"{name}Decimal": plain(size) for name, size in sizes.items()}
        worth, word = (facts.last_price, "Yes") if net > 0 else (ONE - facts.last_price, "No")
        return row | {
            "cost": money(own.cost), "realized": money(own.realized), "fees": money(own.fees),
            "cashValue": money(abs(net) * worth // ONE), "bodPosition": "0", "expired": False,
            "avgPx": money(own.cost * ONE // abs(net)) if net else None,
            "marketMetadata": {"slug": facts.slug, "title": facts.title, "outcome": word},
        }  # fmt: skip

    def balance_row(self, customer: Customer) -> Row:
        """Money, as floating numbers."""
        account = self.exchange.accounts[customer.name]
        return {
            "currency": "USD", "currentBalance": _number(account.cash), "buyingPower": _number(account.free),
            "openOrders": _number(account.reserved), "unsettledFunds": 0, "assetNotional": 0,
            "assetAvailable": 0, "pendingCredit": 0, "marginRequirement": 0, "pendingWithdrawals": [],
        }  # fmt: skip

    def tell_balance(self, customer: Customer, now_ms: int) -> None:
        """The balance may have changed."""
        change = {
            "beforeBalance": None, "afterBalance": self.balance_row(customer), "description": "",
            "entryType": "LEDGER_ENTRY_TYPE_ORDER_EXECUTION", "updateTime": self.moment(now_ms),
        }  # fmt: skip
        self.tell(customer, "", "ACCOUNT_BALANCE", {"accountBalancesUpdate": {"balanceChange": change}})

    # --- what everybody sees ---

    def book_row(self, facts: Facts, now_ms: int) -> Row:
        """A whole book."""
        bids, asks = self.exchange.levels(facts.slug)
        last = money(facts.last_price) if facts.last_price else None
        stats = {"lastTradePx": last, "sharesTraded": plain(facts.volume), "openInterest": "0"}
        return {
            "marketSlug": facts.slug, "bids": levels(bids), "offers": levels(asks), "state": facts.state,
            "stats": stats, "transactTime": self.moment(now_ms),
        }  # fmt: skip

    def lite_row(self, facts: Facts) -> Row:
        """Best prices; no price where there is none."""
        bids, asks = self.exchange.levels(facts.slug)
        row: Row = {
            "marketSlug": facts.slug, "bidDepth": len(bids), "askDepth": len(asks),
            "bestBid": money(bids[0][0]) if bids else None, "bestAsk": money(asks[0][0]) if asks else None,
            "sharesTraded": plain(facts.volume), "openInterest": "0",
        }  # fmt: skip
        if facts.last_price:
            row["lastTradePx"] = money(facts.last_price)
        return row

    def show_book(self, facts: Facts, now_ms: int) -> None:
        """Send a market's book to whoever listens."""
        for socket in self.sockets:
            socket.show(facts, now_ms)

    def _public_trade(
        self, facts: Facts, parties: tuple[SimOrder, SimOrder], fill: Fill, now_ms: int
    ) -> None:
        trade = {
            "marketSlug": facts.slug, "price": money(facts.last_price),
            "quantity": {"value": plain(fill.size), "currency": "USD"}, "tradeTime": self.moment(now_ms),
            "taker": _party(parties[0]), "maker": _party(parties[1]),
        }  # fmt: skip
        for socket in self.sockets:
            socket.publish("SUBSCRIPTION_TYPE_TRADE", facts.slug, {"trade": trade})


def _party(order: SimOrder) -> Row:
    intent = next(word for word, kind in INTENTS.items() if kind == (order.side, order.outcome))
    buys_book = (order.side is Side.BUY) == (order.outcome == 0)
    return {"side": "ORDER_SIDE_BUY" if buys_book else "ORDER_SIDE_SELL", "intent": intent}


def _stranger(mine: Row, fill: Fill) -> Row:
    """The other side of a trade, of which one is told no more than size and price."""
    order = {"id": f"X{fill.trade_id}", "intent": "ORDER_INTENT_UNDEFINED"}
    return {"order": order, "lastShares": mine["lastShares"], "lastPx": mine["lastPx"]}


def _book(holding: Holding, ticket: Ticket, fill: Fill) -> int:
    """Enter a fill into what the position cost and brought, at the average cost; what was gained by it."""
    side, outcome = INTENTS[ticket.body.intent]
    long = long_price(fill.price, outcome)
    change = fill.size if (side is Side.BUY) == (outcome == 0) else -fill.size
    own = long if holding.net > 0 else ONE - long
    closing = min(abs(holding.net), fill.size) if holding.net * change < 0 else 0
    released = holding.cost * closing // abs(holding.net) if closing else 0
    gained = closing * own // ONE - released
    opening = fill.size - closing
    holding.cost += opening * (long if change > 0 else ONE - long) // ONE - released
    holding.net += change
    holding.realized += gained
    holding.fees += fill.fee
    if change > 0:
        holding.bought += change
    else:
        holding.sold -= change
    return gained


def _number(cash: Cash) -> msgspec.Raw:
    return msgspec.Raw(plain(cash).encode())
