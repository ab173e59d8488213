"""Where the simulated venue takes orders: its checks, refusals and replies (card sections 5 and 8).

What is wrong with a request is a 400; what the exchange does not like is accepted, and told as an execution
of type REJECTED. Where the card is unsure: an order that cannot be filled whole (FILL_OR_KILL) ends CANCELED;
cash orders do not include fees; a changed order keeps its id and loses its place in the queue; a tolerance
in `bips` is of the current price.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from venues.base.orders import Charge, Side, TimeInForce
from venues.base.units import ONE, Cash, Price, Size, floor_to, half_even
from venues.polymarket_us.sim_board import Board
from venues.polymarket_us.sim_rules import INTENTS, MAKER, TIMES, fee_of, read_moment, ulid_of
from venues.polymarket_us.sim_wire import (
    FINAL,
    ChangeBody,
    CloseBody,
    Customer,
    Facts,
    OrderBody,
    PreviewBody,
    Refusal,
    Row,
    SlugsBody,
    Ticket,
    dollars,
    long_price,
    order_row,
    read,
    shares,
)
from venues.sim.engine import (
    FOK_UNFILLABLE,
    INSUFFICIENT_BALANCE,
    INSUFFICIENT_POSITION,
    NOT_TRADING,
    POST_ONLY_CROSSES,
    EngineError,
)
from venues.sim.model import SimOrder

T = TypeVar("T")
BATCH_MAX = 20
REASONS = {
    NOT_TRADING: "ORD_REJECT_REASON_EXCHANGE_CLOSED",
    INSUFFICIENT_BALANCE: "ORD_REJECT_REASON_INSUFFICIENT_FUNDS",
    INSUFFICIENT_POSITION: "ORD_REJECT_REASON_INSUFFICIENT_POSITION",
    POST_ONLY_CROSSES: "ORD_REJECT_REASON_PARTICIPATE_DONT_INITIATE",
}
"""Made up after the pattern of the card, which lists none."""
TOO_BUSY = "Global Rate Limit Exceeded"
RESTING = (TimeInForce.GTC, TimeInForce.GTD)


class Desk:
    """Takes, changes, cancels and charges orders."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._exchange = board.exchange

    def fee(self, order: SimOrder, price: Price, size: Size, taker: bool) -> Charge:
        """The engine's fee rule."""
        facts = self._board.facts[order.market.market_id]
        return Charge(Cash(fee_of(facts.coefficient if taker else MAKER, price, size)))

    # --- new orders ---

    def create(self, customer: Customer, body: bytes, now_ms: int) -> Row:
        """`POST /v1/orders`."""
        wanted = read(body, OrderBody)
        ticket = self._place(self._ticket(customer, wanted, now_ms), now_ms)
        return self._reply(ticket, waits=wanted.synchronous_execution)

    def close(self, customer: Customer, body: bytes, now_ms: int) -> Row:
        """`POST /v1/order/close-position`: sell all that is held and not promised."""
        wanted = read(body, CloseBody)
        facts = self._facts(wanted.market_slug)
        account = self._exchange.accounts[customer.name]
        free = [self._exchange.free_shares(account, facts.market, outcome) for outcome in (0, 1)]
        if not any(free):
            raise Refusal(400, "no position to close")
        order = OrderBody(
            market_slug=facts.slug,
            intent="ORDER_INTENT_SELL_LONG" if free[0] else "ORDER_INTENT_SELL_SHORT",
            type="ORDER_TYPE_MARKET",
            tif="TIME_IN_FORCE_IMMEDIATE_OR_CANCEL",
            slippage_tolerance=wanted.slippage_tolerance,
        )
        price = self._bound(order, facts)
        ticket = self._new(customer, facts, order, price=price, size=free[0] or free[1], now_ms=now_ms)
        return self._reply(self._place(ticket, now_ms), waits=wanted.synchronous_execution)

    def create_batch(self, customer: Customer, bodies: list[bytes], now_ms: int) -> Row:
        """`POST /v1/orders/batched`: all are well formed, or none is taken."""
        tickets = [self._ticket(customer, read(body, OrderBody), now_ms) for body in _few(bodies)]
        return {"createdOrderIds": [self._place(ticket, now_ms).order_id for ticket in tickets]}

    def preview(self, customer: Customer, body: bytes, now_ms: int) -> Row:
        """`POST /v1/order/preview`: what the book would give now."""
        ticket = self._ticket(customer, read(body, PreviewBody).request, now_ms)
        bids, asks = self._exchange.levels(ticket.facts.slug)
        side, outcome = INTENTS[ticket.body.intent]
        buys = (side is Side.BUY) == (outcome == 0)
        bound = ticket.price if ticket.price is not None else (ONE - 1 if buys else 1)
        cash = self._cash(ticket.body)
        for price, size in asks if buys else bids:
            own = long_price(price, outcome)
            step = ticket.facts.market.size_step
            room = ticket.quantity - ticket.filled if cash is None else floor_to(cash * ONE // own, step)
            if (price > bound if buys else price < bound) or room <= 0:
                break
            part = min(size, room)
            ticket.filled += part
            ticket.value += price * part
            ticket.fees += fee_of(ticket.facts.coefficient, price, part)
            cash = None if cash is None else Cash(cash - own * part // ONE)
        ticket.state = "FILLED" if ticket.filled == ticket.quantity else "NEW"
        return {"order": order_row(ticket)}

    def _facts(self, slug: str) -> Facts:
        facts = self._board.facts.get(slug)
        if facts is None:
            raise Refusal(404, f"marketSlug: no market {slug!r}")
        return facts

    def _ticket(self, customer: Customer, body: OrderBody, now_ms: int) -> Ticket:
        """A well-formed order; refused with field and rule where it is none."""
        facts = self._facts(body.market_slug)
        size = self._size(body, facts)
        if body.type == "ORDER_TYPE_LIMIT":
            if body.price is None or body.cash_order_qty or body.slippage_tolerance:
                raise Refusal(400, "a limit order has price and quantity, no cash and no tolerance")
            price: int | None = self._price(dollars("price", body.price), facts)
        elif body.price is not None or body.participate_dont_initiate:
            raise Refusal(400, "price, participateDontInitiate: only for limit orders")
        else:
            price = self._bound(body, facts)
        return self._new(customer, facts, body, price=price, size=size, now_ms=now_ms)

    def _new(
        self, customer: Customer, facts: Facts, body: OrderBody, *, price: int | None, size: int, now_ms: int
    ) -> Ticket:
        default = "GOOD_TILL_CANCEL" if body.type == "ORDER_TYPE_LIMIT" else "IMMEDIATE_OR_CANCEL"
        named = _tif(body, f"TIME_IN_FORCE_{default}")
        expires_ms = _expiry(named, now_ms)
        lifetime = TIMES[named.tif or ""]
        if body.type == "ORDER_TYPE_MARKET" and lifetime in RESTING:
            raise Refusal(400, "tif: a market order is IMMEDIATE_OR_CANCEL or FILL_OR_KILL")
        if body.participate_dont_initiate and lifetime not in RESTING:
            raise Refusal(400, "participateDontInitiate: only for orders that may rest")
        order_id = ulid_of(self._board.seed, self._exchange.new_id("order"))
        return Ticket(order_id, customer, facts, named, price, size, now_ms, expires_ms)

    def _size(self, body: OrderBody, facts: Facts) -> int:
        if (body.quantity is None) == (body.cash_order_qty is None):
            raise Refusal(400, "quantity, cashOrderQty: exactly one of them")
        if body.quantity is None:
            if INTENTS[body.intent][0] is not Side.BUY or not self._cash(body):
                raise Refusal(400, "cashOrderQty: only for purchases, and above zero")
            return 0
        size = shares("quantity", body.quantity)
        if size <= 0 or size % facts.market.size_step:
            raise Refusal(400, "quantity: a multiple of the market's minimumTradeQty above zero")
        return size

    def _cash(self, body: OrderBody) -> Cash | None:
        return None if body.cash_order_qty is None else Cash(dollars("cashOrderQty", body.cash_order_qty))

    def _price(self, price: int, facts: Facts) -> int:
        grid = facts.market.grid
        assert grid is not None
        if not (0 < price < ONE and grid.valid(Price(price))):
            raise Refusal(400, "price: not a multiple of the market's orderPriceMinTickSize")
        return price

    def _bound(self, body: OrderBody, facts: Facts) -> int | None:
        """The worst long price of a market order; None where it named no tolerance."""
        tolerance = body.slippage_tolerance
        if tolerance is None:
            return None
        if (tolerance.bips is None) == (tolerance.ticks is None):
            raise Refusal(400, "slippageTolerance: either bips or ticks")
        current = dollars("slippageTolerance.currentPrice", tolerance.current_price)
        bips = half_even(current * (tolerance.bips or 0), 10_000)
        reach = bips if tolerance.ticks is None else tolerance.ticks * facts.tick
        side, outcome = INTENTS[body.intent]
        buys = (side is Side.BUY) == (outcome == 0)
        return max(1, min(ONE - 1, current + reach if buys else current - reach))

    def _place(self, ticket: Ticket, now_ms: int, *, size: int | None = None) -> Ticket:
        """Hand it to the exchange; whatever becomes of it is in the ticket."""
        ticket.customer.tickets[ticket.order_id] = ticket
        body, facts = ticket.body, ticket.facts
        side, outcome = INTENTS[body.intent]
        bound = ticket.price
        if bound is None:
            bound = ONE - 1 if (side is Side.BUY) == (outcome == 0) else 1
        cash = self._cash(body)
        engine_id = f"{ticket.order_id}.{ticket.changes}" if ticket.changes else ticket.order_id
        wanted = size if size is not None else ticket.quantity
        ticket.engine = SimOrder(
            order_id=engine_id,
            account=ticket.customer.name,
            market=facts.market,
            outcome=outcome,
            side=side,
            price=Price(long_price(Price(bound), outcome)),
            size=Size(wanted if cash is None else cash * ONE),
            cash=cash,
            time_in_force=TIMES[body.tif or ""],
            created_ms=now_ms,
            expires_ms=ticket.expires_ms,
        )
        self._board.tickets[engine_id] = ticket
        if self._board.busy():
            return self._rejected(ticket, "ORD_REJECT_REASON_EXCHANGE_OPTION", TOO_BUSY, now_ms)
        try:
            self._exchange.place(ticket.engine, now_ms, post_only=body.participate_dont_initiate)
        except EngineError as error:
            if error.code == FOK_UNFILLABLE:
                self._board.announce(ticket, now_ms)
                self._board.execution(ticket, "CANCELED", now_ms)
                return ticket
            return self._rejected(ticket, REASONS[error.code], error.code.replace("_", " "), now_ms)
        self._board.absorb(now_ms)
        return ticket

    def _rejected(self, ticket: Ticket, reason: str, text: str, now_ms: int) -> Ticket:
        self._board.execution(ticket, "REJECTED", now_ms, {"orderRejectReason": reason, "text": text})
        return ticket

    def _reply(self, ticket: Ticket, *, waits: bool) -> Row:
        """With executions where they were waited for; a knob cuts the waiting short."""
        if not waits:
            return {"id": ticket.order_id}
        cut = {"complete": None, "partial": -1, "none": 0}[self._board.knobs["sync"]]
        return {"id": ticket.order_id, "executions": ticket.executions[:cut]}

    # --- orders that rest ---

    def cancel(self, customer: Customer, order_id: str, body: bytes, now_ms: int) -> None:
        """`POST /v1/order/{id}/cancel`; the reply is empty."""
        ticket = self._resting(customer, order_id, read(body, ChangeBody).market_slug)
        assert ticket.engine is not None
        self._exchange.cancel(ticket.engine, "requested", now_ms)
        self._board.absorb(now_ms)

    def modify(self, customer: Customer, order_id: str, body: bytes, now_ms: int) -> None:
        """`POST /v1/order/{id}/modify`: price, quantity in all, lifetime; the reply is empty."""
        change = read(body, ChangeBody)
        ticket = self._resting(customer, order_id, change.market_slug)
        old = ticket.body
        if change.price is not None:
            ticket_price: int | None = self._price(dollars("price", change.price), ticket.facts)
        else:
            ticket_price = ticket.price
        size = ticket.quantity if change.quantity is None else shares("quantity", change.quantity)
        if size <= ticket.filled or size % ticket.facts.market.size_step:
            raise Refusal(400, "quantity: a multiple of minimumTradeQty above what is filled")
        wanted = OrderBody(
            market_slug=old.market_slug,
            intent=old.intent,
            type=old.type,
            tif=change.tif or old.tif,
            good_till_time=change.good_till_time or old.good_till_time,
            participate_dont_initiate=old.participate_dont_initiate,
        )
        expires_ms = _expiry(wanted, now_ms)
        assert ticket.engine is not None
        self._exchange.cancel(ticket.engine, "changed", now_ms)
        self._board.absorb(now_ms)
        ticket.body, ticket.price, ticket.quantity, ticket.expires_ms = wanted, ticket_price, size, expires_ms
        ticket.changes += 1
        self._board.execution(ticket, "REPLACE", now_ms)
        self._place(ticket, now_ms, size=size - ticket.filled)

    def cancel_all(self, customer: Customer, body: bytes, now_ms: int) -> Row:
        """`POST /v1/orders/open/cancel`."""
        slugs = read(body, SlugsBody).slugs
        found = [
            ticket
            for ticket in customer.tickets.values()
            if ticket.state not in FINAL and (not slugs or ticket.facts.slug in slugs)
        ]
        for ticket in found:
            assert ticket.engine is not None
            self._exchange.cancel(ticket.engine, "requested", now_ms)
        self._board.absorb(now_ms)
        return {"canceledOrderIds": [ticket.order_id for ticket in found]}

    def each(self, bodies: list[bytes], act: Callable[[str, bytes], None], word: str) -> Row:
        """A batch of changes: taken for processing, whether or not they succeed."""
        ids = [read(body, ChangeBody).order_id for body in _few(bodies)]
        for order_id, body in zip(ids, bodies, strict=True):
            try:
                act(order_id, body)
            except Refusal:
                continue
        return {word: ids}

    def _resting(self, customer: Customer, order_id: str, slug: str) -> Ticket:
        ticket = customer.tickets.get(order_id)
        if ticket is None:
            raise Refusal(404, f"no order {order_id!r}")
        if ticket.facts.slug != slug:
            raise Refusal(400, "marketSlug: the order is on another market")
        if ticket.state in FINAL:
            raise Refusal(400, f"the order is {ticket.state.lower()}")
        return ticket


def _few(items: list[T]) -> list[T]:
    if len(items) > BATCH_MAX:
        raise Refusal(400, f"orders: at most {BATCH_MAX}")
    return items


def _tif(body: OrderBody, default: str) -> OrderBody:
    """The order with its lifetime named."""
    return body if body.tif else msgspec.structs.replace(body, tif=default)


def _expiry(body: OrderBody, now_ms: int) -> int | None:
    if body.tif != "TIME_IN_FORCE_GOOD_TILL_DATE":
        return None
    try:
        expires_ms = read_moment(body.good_till_time or "")
    except ValueError as error:
        raise Refusal(400, f"goodTillTime: {error}") from error
    if expires_ms <= now_ms:
        raise Refusal(400, "goodTillTime: must lie ahead")
    return expires_ms
