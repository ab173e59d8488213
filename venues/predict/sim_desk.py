"""Orders of the simulated venue from their acceptance to the chain (card, sections 9 and 11).

An order that will take is held a moment, then matched; what traded settles seconds later, or fails and is
taken back. Everybody who listens is told in that order.
"""

from random import Random

from venues.base.events import BookSide, Level
from venues.base.orders import Charge, Side, TimeInForce
from venues.base.units import Price, Size
from venues.predict import sim_rows as rows
from venues.predict import sim_rules as rules
from venues.predict.sim_accounts import Customer
from venues.predict.sim_rows import Json, Match, ticket_of
from venues.predict.sim_rules import STEP, Terms, Ticket, bad_request, not_created
from venues.predict.sim_settlement import Settlements
from venues.predict.sim_socket import SocketLine
from venues.sim import engine
from venues.sim.engine import EngineError, Exchange
from venues.sim.model import HOUSE, BookChange, Market, MarketChanged, OrderMoved, SimOrder, Status, TradeDone
from venues.sim.times import iso

NEVER_S = 4_102_444_800
"""The expiration of an order without one (section 8)."""
READABLE_MS = (11, 17)
"""How long after its 201 an order cannot be read yet (section 9)."""
FIRST_ORDER = 415_600
REASONS = {
    engine.INSUFFICIENT_BALANCE: "insufficient balance",
    engine.INSUFFICIENT_POSITION: "insufficient balance",
    engine.NOT_TRADING: "market is not trading",
    engine.FOK_UNFILLABLE: "fill or kill order could not be filled completely",
    engine.POST_ONLY_CROSSES: "post-only order would match",
    "immediate_or_cancel": "no match within slippage",
}
"""Why an order that was accepted did not live, by the engine's word."""
SELF_TRADE = "self-trade prevention"


class Desk:
    """All orders of one venue, and what happens to them."""

    def __init__(self, luck: Random, chain_id: int, knobs: dict[str, int]) -> None:
        self.exchange = Exchange(self._fee, nets_positions=False)
        self.terms: dict[str, Terms] = {}
        """By market id."""
        self.tokens: dict[str, tuple[Terms, int]] = {}
        """Market and outcome of a token id."""
        self.customers: dict[str, Customer] = {}
        """By wallet; the accounts put them here."""
        self.orders: dict[str, SimOrder] = {}
        """Every order that was accepted, by hash, oldest first."""
        self.hash_of: dict[str, str] = {}
        """Hashes by the venue's own order id."""
        self.settlements = Settlements(self.exchange, luck, knobs)
        self.lines: list[SocketLine] = []
        self._luck = luck
        self._chain_id = chain_id
        self._knobs = knobs
        self._held: list[tuple[int, SimOrder]] = []

    # --- placing ---

    def place(self, customer: Customer, ticket: Ticket, now_ms: int) -> Json:
        """One signed order: the acknowledgement, or RefusedError. What trades is told later."""
        terms, outcome = self._check(customer, ticket, now_ms)
        price, size, cash = rules.read_amounts(ticket, terms)
        self._check_means(customer, ticket, terms, outcome)
        order = SimOrder(
            order_id=ticket.hash.lower(),
            account=customer.wallet,
            market=terms.market,
            outcome=outcome,
            side=ticket.side,
            price=price,
            size=size,
            cash=cash,
            time_in_force=_lifetime(ticket),
            created_ms=now_ms,
            expires_ms=ticket.expiration * 1_000 if ticket.expiration < NEVER_S else None,
            notes={"ticket": ticket, "readable_ms": now_ms + self._luck.randint(*READABLE_MS)},
        )
        number = order.notes["number"] = str(FIRST_ORDER + len(self.orders) + 1)
        self.orders[order.order_id], self.hash_of[number] = order, order.order_id
        self._accept(order, now_ms)
        held = order.notes.get("held_until")
        locked = iso(held) if isinstance(held, int) else None
        return {"code": "OK", "orderId": number, "orderHash": order.order_id, "removalLockedUntil": locked}

    def _check(self, customer: Customer, ticket: Ticket, now_ms: int) -> tuple[Terms, int]:
        """Fee rate, then hash, then signature (section 4); a repeat before anything that may have changed."""
        rules.check_form(ticket)
        if str(ticket.token_id) not in self.tokens:
            raise bad_request("order.tokenId: no such outcome")
        terms, outcome = self.tokens[str(ticket.token_id)]
        if ticket.fee_rate_bps < terms.fee_bps:
            raise not_created("fee_rate_too_low", f"The fee rate must be at least {terms.fee_bps}")
        digest = ticket.digest(terms, self._chain_id)
        if "0x" + digest.hex() != ticket.hash.lower():
            raise not_created("hash_mismatch", "The order hash does not match the order")
        if ticket.maker != customer.wallet:
            raise bad_request("order.maker: must be the wallet of the token")
        if not customer.signed(digest, ticket.proof, self._chain_id):
            raise bad_request("order.signature: invalid signature")
        if ticket.hash.lower() in self.orders:
            raise not_created("duplicate_order", "An order with this hash already exists")
        if ticket.expiration * 1_000 <= now_ms:
            raise bad_request("order.expiration: must be in the future")
        if not terms.market.trading:
            raise not_created("market_not_trading", "The market is not open for trading")
        return terms, outcome

    def _check_means(self, customer: Customer, ticket: Ticket, terms: Terms, outcome: int) -> None:
        """Can the wallet deliver all that the order was signed for?"""
        kind = "collateral" if ticket.side is Side.BUY else "shares"
        if not customer.approved:
            raise not_created(f"insufficient_{kind}_allowance", f"Insufficient {kind} allowance")
        account = customer.account
        if ticket.side is Side.SELL:
            free: int = self.exchange.free_shares(account, terms.market, outcome)
        else:
            free = account.cash if ticket.skips_reserves else account.free
        if free * STEP < ticket.maker_amount:
            raise not_created(f"insufficient_{kind}_balance", f"Insufficient {kind} balance")
        limit, own = self._knobs["open_orders_max"], self.resting(customer.wallet, terms.market)
        if limit and not ticket.market and len(own) >= limit:
            raise bad_request(f"At most {limit} open orders per market")

    def _accept(self, order: SimOrder, now_ms: int) -> None:
        """To the book at once, or held if it will take. A post-only order that would take never lives."""
        ticket, terms = ticket_of(order), self.terms[order.market.market_id]
        self.exchange.expire(now_ms)
        if ticket.is_post_only and order.crosses:
            self._end(order, REASONS[engine.POST_ONLY_CROSSES])
            self._tell(rows.wallet_event("orderNotAccepted", order, terms, now_ms), order.reason)
            self.publish(now_ms)
            return
        self._tell(rows.wallet_event("orderAccepted", order, terms, now_ms))
        if ticket.market or order.crosses:
            due_ms = now_ms + self._luck.randint(self._knobs["hold_ms_min"], self._knobs["hold_ms_max"])
            order.notes["held_until"] = due_ms
            self._held.append((due_ms, order))
        else:
            self._enter(order, now_ms)
        self.publish(now_ms)

    def _enter(self, order: SimOrder, now_ms: int) -> None:
        """Match it, rest it, or end it with the reason."""
        if order.crosses and self._prevented(order, now_ms):
            refusal = SELF_TRADE
        else:
            self._free_means(order, now_ms)
            try:
                self.exchange.place(order, now_ms)
                refusal = ""
            except EngineError as error:
                refusal = REASONS[error.code]
        if refusal:
            self._end(order, refusal)
            self.exchange.events.append(OrderMoved(order, now_ms))
        if order.status is not Status.RESTING:
            self._lag(order, now_ms)
            misled = self._luck.randint(1, 100) <= self._knobs["misleading_percent"]
            order.notes["misleading"] = misled and ticket_of(order).market

    def _lag(self, order: SimOrder, now_ms: int) -> None:
        """What happened to it shows only later."""
        order.notes["shown_ms"] = now_ms + self._luck.randint(0, self._knobs["status_lag_ms"])

    def _prevented(self, order: SimOrder, now_ms: int) -> bool:
        """Whether the order ends because it would meet its own wallet's; those may be cancelled for it."""
        against = [own for own in self.resting(order.account, order.market) if _meet(order, own)]
        mode = ticket_of(order).self_trade_prevention
        if against and mode != "CANCEL_TAKER":
            for own in against:
                self.exchange.cancel(own, SELF_TRADE, now_ms)
        return bool(against) and mode != "CANCEL_MAKER"

    def _free_means(self, order: SimOrder, now_ms: int) -> None:
        """An order that skips the reserves takes the collateral of resting orders, the newest first."""
        ticket = ticket_of(order)
        if ticket.side is Side.SELL or not ticket.skips_reserves:
            return
        account = self.exchange.accounts[order.account]
        buys = [own for own in self.resting_all(order.account) if own.side is Side.BUY]
        while buys and account.free * STEP < ticket.maker_amount:
            self.exchange.cancel(buys.pop(), "insufficient balance", now_ms)

    def _end(self, order: SimOrder, reason: str) -> None:
        order.status, order.reason = Status.CANCELLED, reason

    # --- taking off ---

    def remove(self, customer: Customer, order: SimOrder | None, now_ms: int) -> str:
        """What becomes of an order that is to be removed: removed, noop, rejected; or locked."""
        if order is None or order.account != customer.wallet:
            return "rejected"
        if "held_until" in order.notes:
            return "locked"
        if not self.exchange.cancel(order, "", now_ms):
            return "noop"
        order.notes["shown_ms"] = 0
        self.publish(now_ms)
        return "removed"

    def resting(self, wallet: str, market: Market) -> list[SimOrder]:
        """A wallet's orders on a book."""
        return [order for order in self.exchange.resting(market) if order.account == wallet]

    def resting_all(self, wallet: str) -> list[SimOrder]:
        """A wallet's orders on all books, oldest first."""
        own = [order for market in self.exchange.markets.values() for order in self.resting(wallet, market)]
        return sorted(own, key=lambda order: int(rows.number_of(order)))

    # --- time ---

    def tick(self, now_ms: int) -> None:
        """Expiry, held orders, settlement, and the frames of whatever the tests did to the engine."""
        self.exchange.expire(now_ms)
        due = sorted((entry for entry in self._held if entry[0] <= now_ms), key=lambda entry: entry[0])
        self._held = [entry for entry in self._held if entry[0] > now_ms]
        for _, order in due:
            del order.notes["held_until"]
            self._enter(order, now_ms)
        self.publish(now_ms)
        for match in self.settlements.due(now_ms):
            kind = "Success" if self.settlements.settle(match, now_ms) else "Failed"
            self._tell_fills(f"orderTransaction{kind}", match, now_ms)
            self._show(match.terms, now_ms)
        self.publish(now_ms)

    # --- telling ---

    def publish(self, now_ms: int) -> None:
        """Turn what happened in the engine into matches, books and events."""
        touched: dict[str, Terms] = {}
        traded: list[Match] = []
        ended: dict[str, SimOrder] = {}
        for event in self.exchange.take_events():
            match event:
                case BookChange() | MarketChanged():
                    touched[event.market.market_id] = self.terms[event.market.market_id]
                case TradeDone():
                    traded += self.settlements.record(event, self.terms[event.market.market_id])
                    for maker, _ in event.makers:
                        self._lag(maker, now_ms)
                case OrderMoved(order=order):
                    if order.account != HOUSE and order.status is Status.CANCELLED:
                        ended[order.order_id] = order
        for found in traded:
            if found.taker.account != HOUSE and ticket_of(found.taker).market:
                self._tell(rows.plan_event(found.taker, found.terms, now_ms))
            self._tell_fills("orderTransactionSubmitted", found, now_ms)
        for order in ended.values():
            self._tell_end(order, now_ms)
        for terms in touched.values():
            self._show(terms, now_ms)

    def book(self, terms: Terms, now_ms: int) -> Json:
        """A book as the WebSocket shows it."""
        pending = rows.pending_row(self.settlements.pending(terms))
        resting = self.exchange.resting(terms.market)
        row = rows.book_row(terms, self.levels(terms), now_ms)
        return {**row, "orderCount": len(resting), "version": 1, "settlementsPending": pending}

    def levels(self, terms: Terms) -> tuple[list[Level], list[Level]]:
        """Bids and asks of the first outcome."""
        return self.exchange.levels(terms.market.natives[0])

    def _show(self, terms: Terms, now_ms: int) -> None:
        terms.updated_ms = max(terms.updated_ms, now_ms)
        if self.lines:
            data = self.book(terms, now_ms)
            for line in self.lines:
                line.show_book(terms.market_id, data)

    def _tell_fills(self, kind: str, match: Match, now_ms: int) -> None:
        for part in match.orders():
            if part[0].account != HOUSE:
                self._tell(rows.fill_event(kind, match, part, now_ms))

    def _tell_end(self, order: SimOrder, now_ms: int) -> None:
        """Once. A market order that traded is FILLED; one whose settlement failed was told so."""
        if rows.status_of(order) in ("CANCELLED", "EXPIRED") and not order.notes.get("told"):
            order.notes["told"] = True
            kind = "orderExpired" if order.reason == "expired" else "orderCancelled"
            reason = REASONS.get(order.reason, order.reason)
            self._tell(rows.wallet_event(kind, order, self.terms[order.market.market_id], now_ms), reason)

    def _tell(self, event: Json, reason: str = "") -> None:
        told = {**event, "reason": reason} if reason and reason != "expired" else event
        for line in self.lines:
            line.tell(event["walletAddress"], told)

    def _fee(self, order: SimOrder, price: Price, size: Size, taker: bool) -> Charge:
        if not taker:
            return Charge()
        terms = self.terms[order.market.market_id]
        return rules.charge(terms, order, price, size, discount=self.customers[order.account].discount)


def _lifetime(ticket: Ticket) -> TimeInForce:
    if ticket.market:
        return TimeInForce.FOK if ticket.is_fill_or_kill else TimeInForce.IOC
    return TimeInForce.GTC if ticket.expiration >= NEVER_S else TimeInForce.GTD


def _meet(order: SimOrder, resting: SimOrder) -> bool:
    """Whether an order that comes to the book could trade with this one."""
    if resting.book_side is order.book_side:
        return False
    buys = order.book_side is BookSide.BID
    low, high = (resting, order) if buys else (order, resting)
    return low.book_price <= high.book_price
