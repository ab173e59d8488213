"""Where the simulated venue takes orders, holds and cancels them: between the wire and the engine."""

from random import Random

from venues.base.events import BookSide
from venues.base.orders import Side, TimeInForce
from venues.base.units import plain
from venues.limitless import sim_rows as rows
from venues.limitless import sim_rules as rules
from venues.limitless.sim_accounts import Customer
from venues.limitless.sim_board import Board
from venues.limitless.sim_rows import Json
from venues.limitless.sim_rules import NewOrder, RefusedError, Terms, Ticket
from venues.sim import engine
from venues.sim.engine import EngineError
from venues.sim.ids import new_uuid
from venues.sim.model import OrderMoved, SimOrder, Status, notional
from venues.sim.times import iso

REFUSALS = {
    engine.INSUFFICIENT_BALANCE: "Insufficient collateral balance",
    engine.INSUFFICIENT_POSITION: "Insufficient conditional token balance",
    engine.NOT_TRADING: "Market is not active",
    engine.POST_ONLY_CROSSES: "Post-only order would match immediately",
}
NOT_LIVE = "Order not found or already canceled"
STP_MAKER, STP_TAKER = "STP_MAKER_CANCELLED", "STP_TAKER_CANCELLED"


class Desk:
    """Orders of the venue's customers."""

    def __init__(self, board: Board, luck: Random) -> None:
        self._board = board
        self._exchange = board.exchange
        self._accounts = board.accounts
        self._knobs = board.knobs
        self._luck = luck
        self.orders: dict[str, SimOrder] = {}
        """Accepted orders by id, oldest first, also those that are held."""
        self._by_client: dict[tuple[str, str], SimOrder] = {}
        """By account and client order id."""
        self._hashes: set[bytes] = set()
        self._held: list[tuple[int, SimOrder]] = []
        """When they come to the book, and the orders."""

    def post(self, customer: Customer, body: NewOrder, now_ms: int) -> Json:
        """One signed order: its reply, or RefusedError with the venue's status and text."""
        self._check_mode(post_only=bool(body.post_only), cancel=False)
        self._check_window(body, now_ms)
        terms = self._board.market(body.market_slug)
        ticket = rules.read_ticket(body, terms)
        known = ticket.client_id and (customer.address, ticket.client_id) in self._by_client
        if known or ticket.hash in self._hashes:
            raise RefusedError(409, "Order with this clientOrderId or hash already exists")
        self._check_parties(customer, ticket, terms)
        order = self._order(customer, ticket, terms, now_ms)
        takes = ticket.lifetime is not TimeInForce.GTC or order.crosses
        if not terms.market.trading:
            raise RefusedError(400, REFUSALS[engine.NOT_TRADING])
        if terms.delay_ms and takes and not ticket.post_only:
            due_ms = now_ms + terms.delay_ms
            order.notes |= {"state": "DELAYED", "eligibleAt": iso(due_ms)}
            self._held.append((due_ms, order))
        else:
            self._enter(order, ticket, now_ms)
        self._hashes.add(ticket.hash)
        self.orders[order.order_id] = order
        if ticket.client_id:
            self._by_client[customer.address, ticket.client_id] = order
        self._board.publish(now_ms)
        return self.reply(order)

    def reply(self, order: SimOrder) -> Json:
        """What POST /orders answers, and what look-ups show later."""
        terms = self._board.terms[order.market.market_id]
        row = rows.order_row(order, terms, texts=bool(self._knobs["text_amounts"]))
        return {"order": row, "makerMatches": rows.matches(order), "execution": rows.execution(order)}

    def find(self, customer: Customer, order_id: str | None, client_id: str | None) -> SimOrder | None:
        """The customer's order of this id or client order id."""
        if order_id is not None:
            order = self.orders.get(order_id)
            return order if order is not None and order.account == customer.address else None
        return self._by_client.get((customer.address, client_id or ""))

    def cancel(self, order: SimOrder | None, now_ms: int) -> SimOrder:
        """Take an order off the book, or RefusedError: 404 for none, 400 for one that is not on it."""
        self._check_mode(post_only=False, cancel=True)
        if order is None:
            raise RefusedError(404, NOT_LIVE)
        if "state" in order.notes or not self._exchange.cancel(order, "", now_ms):
            raise RefusedError(400, NOT_LIVE)
        self._board.publish(now_ms)
        return order

    def _check_mode(self, *, post_only: bool, cancel: bool) -> None:
        """Maintenance (section 7): the knob holds the code of the mode that is on."""
        mode = self._knobs["maintenance"]
        shut = {"post_only_mode": not (post_only or cancel), "cancel_only_mode": not cancel}
        if shut.get(mode, mode == "trading_disabled"):
            raise RefusedError(self._knobs["maintenance_status"], "Trading is restricted: maintenance", mode)

    def _check_window(self, body: NewOrder, now_ms: int) -> None:
        """Too late is refused with 425 (section 6)."""
        window = rules.RECV_WINDOW_MS if body.recv_window is None else body.recv_window
        if not 1 <= window <= 2 * rules.RECV_WINDOW_MS:
            raise RefusedError(400, "recvWindow must be between 1 and 10000")
        if body.timestamp is not None and now_ms > body.timestamp + window:
            raise RefusedError(425, "Request arrived outside of its recvWindow")

    def _check_parties(self, customer: Customer, ticket: Ticket, terms: Terms) -> None:
        """The order belongs to the caller, is for this market and signed by the caller's wallet."""
        body, signed = ticket.body, ticket.body.order
        if {body.owner_id, body.on_behalf_of or body.owner_id} != {customer.profile}:
            raise RefusedError(403, "ownerId does not match the authenticated profile")
        if signed.token_id not in terms.tokens or terms.amm:
            raise RefusedError(400, "Invalid token ID for this market")
        if signed.maker != customer.address or signed.signer != customer.address:
            raise RefusedError(400, "Signer does not match with correct address")
        if rules.signer_of(ticket) != customer.address:
            raise RefusedError(400, "Invalid signature")
        if signed.fee_rate_bps != (0 if terms.fee_module else customer.fee_bps):
            raise RefusedError(400, "feeRateBps does not match the market", "FEE_RATE_MISMATCH")
        value = ticket.cash if ticket.cash is not None else notional(ticket.side, ticket.price, ticket.size)
        if ticket.lifetime is not TimeInForce.FOK and value < terms.minimum:
            raise RefusedError(400, f"Order value must be at least {plain(terms.minimum)} USDC")
        if ticket.side is Side.BUY and customer.account.free < ticket.given:
            raise RefusedError(400, REFUSALS[engine.INSUFFICIENT_BALANCE])
        self._accounts.check_approvals(customer, terms, ticket.side, post_only=ticket.post_only)

    def _order(self, customer: Customer, ticket: Ticket, terms: Terms, now_ms: int) -> SimOrder:
        return SimOrder(
            order_id=new_uuid(self._luck), account=customer.address, market=terms.market,
            outcome=terms.tokens.index(ticket.body.order.token_id), side=ticket.side, price=ticket.price,
            size=ticket.size, cash=ticket.cash, time_in_force=ticket.lifetime, created_ms=now_ms,
            client_id=ticket.client_id, notes={"ticket": ticket},
        )  # fmt: skip

    def _enter(self, order: SimOrder, ticket: Ticket, now_ms: int) -> None:
        """Match and rest. RefusedError 400 when the venue does not take it; what cannot fill just ends."""
        if self._stopped_by_own(order, ticket, now_ms):
            order.status = Status.CANCELLED
            order.notes |= {"state": "CANCELED", "reason": STP_TAKER}
            self._exchange.events.append(OrderMoved(order, now_ms))
            return
        try:
            self._exchange.place(order, now_ms, post_only=ticket.post_only)
        except EngineError as error:
            if error.code != engine.FOK_UNFILLABLE:
                raise RefusedError(400, REFUSALS[error.code]) from None
            if self._knobs["unmatched_refused"]:
                raise RefusedError(400, f"Market order unmatched: order {order.order_id}") from None
            order.status, order.reason = Status.CANCELLED, "immediate_or_cancel"
            self._exchange.events.append(OrderMoved(order, now_ms))

    def _stopped_by_own(self, order: SimOrder, ticket: Ticket, now_ms: int) -> bool:
        """Self-trade prevention: own resting orders within the limit are cancelled, or stop the new one."""
        buys = order.book_side is BookSide.BID
        own = [
            other
            for other in self._exchange.resting(order.market)
            if other.account == order.account
            and other.book_side is order.book_side.other
            and (other.book_price <= order.book_price if buys else other.book_price >= order.book_price)
        ]
        if not own or ticket.post_only:
            return False
        policy = ticket.body.stp_policy or self._knobs["stp_policy"]
        if policy != "cancel_taker":
            for other in own:
                self._exchange.cancel(other, STP_MAKER, now_ms)
            order.notes["stpMakerCancels"] = [other.order_id for other in own]
        return bool(policy != "cancel_maker")

    # --- time ---

    def tick(self, now_ms: int) -> None:
        """Held orders that are due come to the book; maintenance postpones them."""
        if not self._knobs["maintenance"]:
            due = [order for due_ms, order in self._held if due_ms <= now_ms]
            self._held = [entry for entry in self._held if entry[0] > now_ms]
            for order in due:
                self._release(order, now_ms)
        self._board.publish(now_ms)

    def _release(self, order: SimOrder, now_ms: int) -> None:
        """A held order comes to the book at last."""
        del order.notes["state"], order.notes["eligibleAt"]
        try:
            self._enter(order, rows.ticket_of(order), now_ms)
        except RefusedError as refusal:
            order.status = Status.CANCELLED
            order.notes |= {"state": "CANCELED", "reason": refusal.text}
            self._exchange.events.append(OrderMoved(order, now_ms))
