"""Where the simulated venue takes orders: its checks, refusals and replies (card sections 7 and 9).

Every customer order is a purchase for the engine: a bid buys YES at p, an ask buys NO at 1 - p, and what
pairs with a position turns into a dollar at once, which is the same money as a sale (`venues.sim.means`).

Where the card is unsure: an IOC without a fill is a 201 with "0.00"; a refused order leaves its
`client_order_id` free, except that a killed FOK uses it up; `reduce_only` is for IOC only, `post_only` for
orders that may rest; an expiry must lie ahead; a paused market answers 400 `market_inactive`, an ended
one 400 `market_closed`.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from venues.base.orders import Charge, Side, TimeInForce
from venues.base.units import ONE, Cash, Price, Size, decimal
from venues.kalshi.sim_board import ENDED, Board
from venues.kalshi.sim_rules import charge, trade_fee
from venues.kalshi.sim_wire import Customer, Facts, OrderBody, Row, body_of, count2, uuid_of
from venues.sim.engine import FOK_UNFILLABLE, INSUFFICIENT_BALANCE, EngineError
from venues.sim.model import OrderMoved, SimOrder, Status

T = TypeVar("T")

LIFETIMES = {
    "immediate_or_cancel": TimeInForce.IOC,
    "fill_or_kill": TimeInForce.FOK,
    "good_till_canceled": TimeInForce.GTC,
}
BATCH_MAX = 20
"""Orders of one batch; the venue's own limit follows from the tier's bucket."""
KILLED = "fill_or_kill_insufficient_resting_volume"


class Refusal(Exception):
    """The venue says no. `code` is its word, `details` names field and rule."""

    def __init__(self, status: int, code: str, details: str = "") -> None:
        super().__init__(details or code)
        self.status = status
        self.code = code
        self.details = details

    @property
    def row(self) -> Row:
        """What is under "error" in the reply."""
        row = {"code": self.code, "message": self.code.replace("_", " ")}
        return row | {"details": self.details} if self.details else row


class Batch(msgspec.Struct):
    """The body of a batch: each item is judged alone."""

    orders: list[msgspec.Raw]


class Cancel(msgspec.Struct):
    """One item of a batch of cancellations."""

    order_id: str
    market_ticker: str | None = None
    exchange_index: int | None = None


def read(body: bytes | msgspec.Raw, kind: type[T]) -> T:
    """A JSON body as a value of this kind; refused with the name of the field that is wrong."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise Refusal(400, "invalid_parameters", str(error)) from error


class Desk:
    """Takes, cancels and charges orders."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._exchange = board.exchange

    def fee(self, order: SimOrder, price: Price, size: Size, taker: bool) -> Charge:
        """The engine's fee rule: per fill, with what rounding cost the order so far."""
        step, carry = self._exchange.accounts[order.account].notes["step"], order.notes.get("carry", 0)
        assert isinstance(step, int)
        assert isinstance(carry, int)
        rate = self._board.facts[order.market.market_id].rate
        trade = trade_fee(rate, price, size, taker=taker)
        fee, order.notes["carry"] = charge(-(price * size // ONE), trade, step=step, carry=carry)
        return Charge(Cash(fee))

    def create(self, customer: Customer, body: bytes | msgspec.Raw, now_ms: int) -> Row:
        """Place an order; the reply of `POST /portfolio/events/orders`."""
        wanted = read(body, OrderBody)
        facts = self._board.facts.get(wanted.ticker)
        if facts is None:
            raise Refusal(404, "not_found", f"ticker: no market {wanted.ticker!r}")
        self._check(customer, wanted, facts, now_ms)
        wanted = msgspec.structs.replace(wanted, subaccount=customer.subaccount)
        order = self._order(customer, wanted, facts, now_ms)
        self._fit(customer, order, now_ms)
        if order.size > 0:
            self._place(customer, order, now_ms)
        else:
            order.status = Status.CANCELLED
            self._exchange.orders[order.order_id] = order
            self._exchange.events.append(OrderMoved(order, now_ms))
        if order.filled < wanted.size and order.status is Status.FILLED:
            order.status = Status.CANCELLED
        customer.used_ids.add(wanted.client_order_id)
        return _reply(order, now_ms)

    def _check(self, customer: Customer, body: OrderBody, facts: Facts, now_ms: int) -> None:
        """Everything that does not depend on the book or the money."""
        rests = body.time_in_force == "good_till_canceled"
        if body.expiration_time is not None and not (rests and body.expiration_time * 1_000 > now_ms):
            raise Refusal(
                400, "invalid_parameters", "expiration_time: only with good_till_canceled, and ahead"
            )
        if body.reduce_only and body.time_in_force != "immediate_or_cancel":
            raise Refusal(400, "invalid_parameters", "reduce_only: only with immediate_or_cancel")
        if body.post_only and not rests:
            raise Refusal(400, "invalid_parameters", "post_only: only with good_till_canceled")
        if body.subaccount not in (0, customer.subaccount):
            raise Refusal(403, "forbidden", "subaccount: the key belongs to another")
        if body.exchange_index not in (-1, facts.exchange_index):
            raise Refusal(400, "invalid_parameters", "exchange_index: the market is on another")
        if body.client_order_id and body.client_order_id in customer.used_ids:
            raise Refusal(409, "order_already_exists")
        if not facts.market.trading:
            ended = facts.status in ENDED
            raise Refusal(400, "market_closed" if ended else "market_inactive", f"market is {facts.status}")
        if body.size == 0:
            raise Refusal(400, "invalid_parameters", "count: above zero")
        grid = facts.market.grid
        assert grid is not None
        if not (0 < body.yes_price < ONE and grid.valid(body.yes_price)):
            raise Refusal(400, "invalid_price", f"price: {body.price} is not in the market's price_ranges")

    def _order(self, customer: Customer, body: OrderBody, facts: Facts, now_ms: int) -> SimOrder:
        is_bid = body.side == "bid"
        lifetime = LIFETIMES[body.time_in_force]
        return SimOrder(
            order_id=uuid_of(self._board.seed, self._exchange.new_id("order")),
            account=self._board.pot(customer, facts.exchange_index),
            market=facts.market,
            outcome=0 if is_bid else 1,
            side=Side.BUY,
            price=body.yes_price if is_bid else Price(ONE - body.yes_price),
            size=body.size,
            cash=None,
            time_in_force=lifetime if body.expiration_time is None else TimeInForce.GTD,
            created_ms=now_ms,
            client_id=body.client_order_id,
            expires_ms=None if body.expiration_time is None else body.expiration_time * 1_000,
            notes={"body": body},
        )

    def _fit(self, customer: Customer, order: SimOrder, now_ms: int) -> None:
        """Cut the order to the position it may close, and keep it from meeting its owner's own orders."""
        body = body_of(order)
        if body.reduce_only:
            positions = self._exchange.accounts[order.account].positions
            held = positions.get((order.market.market_id, 1 - order.outcome), Size(0))
            if held < order.size:
                order.size, order.reason = held, "reduce_only"
        ahead, others, own = self._reach(order)
        if body.post_only and order.crosses:
            raise Refusal(400, "invalid_order", "post only cross")
        keeps = body.self_trade_prevention_type == "maker"
        if order.time_in_force is TimeInForce.FOK and (others if keeps else ahead) < order.size:
            raise self._kill(customer, order)
        if keeps:
            for resting in own:
                self._exchange.cancel(resting, "self_trade", now_ms)
        elif own and ahead < order.size:
            order.size, order.reason = Size(ahead), "self_trade"

    def _reach(self, order: SimOrder) -> tuple[int, int, list[SimOrder]]:
        """What stands in the order's way: contracts of others before the first own order, contracts of
        others in all (no more than it wants), and the own orders among them."""
        is_bid = order.outcome == 0
        queues = order.market.asks if is_bid else order.market.bids
        ahead, others, own = 0, 0, list[SimOrder]()
        for price in iter(queues) if is_bid else reversed(queues):
            if price > order.book_price if is_bid else price < order.book_price:
                break
            for maker in queues[price].values():
                if others >= order.size:
                    return ahead, others, own
                if maker.account == order.account:
                    own.append(maker)
                    continue
                others += maker.remaining
                ahead = ahead if own else others
        return ahead, others, own

    def _place(self, customer: Customer, order: SimOrder, now_ms: int) -> None:
        reason = order.reason
        try:
            self._exchange.place(order, now_ms)
        except EngineError as error:
            if error.code == INSUFFICIENT_BALANCE:
                raise Refusal(400, error.code) from error
            if error.code == FOK_UNFILLABLE:
                raise self._kill(customer, order) from error
            raise
        order.reason = reason or order.reason

    def _kill(self, customer: Customer, order: SimOrder) -> Refusal:
        customer.used_ids.add(order.client_id)
        return Refusal(409, KILLED)

    def cancel(self, customer: Customer, wanted: Cancel, now_ms: int) -> Row:
        """Cancel a resting order. Without a ticker or an index it is looked for on shard 0."""
        order = self._exchange.orders.get(wanted.order_id)
        facts = self._board.facts.get(wanted.market_ticker or "")
        shard = wanted.exchange_index or 0
        if facts is not None:
            shard = facts.exchange_index
        if order is None or order.account != customer.pots.get(shard) or order.status is not Status.RESTING:
            raise Refusal(404, "not_found", f"order_id: no resting order {wanted.order_id!r} here")
        remaining = order.remaining
        self._exchange.cancel(order, "requested", now_ms)
        return _named(order) | {"reduced_by": count2(remaining), "ts_ms": now_ms}

    def cancel_all(self, customer: Customer, now_ms: int) -> None:
        """Cancel every resting order of the customer."""
        for facts in self._board.facts.values():
            for order in self._exchange.resting(facts.market):
                if order.account in customer.pots.values():
                    self._exchange.cancel(order, "requested", now_ms)

    def create_batch(self, customer: Customer, body: bytes, now_ms: int) -> Row:
        """Place orders one after the other; each has its own reply or error."""
        replies: list[Row] = []
        for item in _items(body):
            try:
                replies.append(self.create(customer, item, now_ms))
            except Refusal as refusal:
                replies.append({"error": refusal.row})
        return {"orders": replies}

    def cancel_batch(self, customer: Customer, body: bytes, now_ms: int) -> Row:
        """Cancel orders one after the other; each has its own reply or error."""
        replies: list[Row] = []
        for item in _items(body):
            wanted = read(item, Cancel)
            try:
                replies.append(self.cancel(customer, wanted, now_ms))
            except Refusal as refusal:
                failed: Row = {"order_id": wanted.order_id, "reduced_by": count2(0), "error": refusal.row}
                replies.append(failed)
        return {"orders": replies}


def _items(body: bytes) -> list[msgspec.Raw]:
    batch = read(body, Batch)
    if len(batch.orders) > BATCH_MAX:
        raise Refusal(400, "invalid_parameters", f"orders: at most {BATCH_MAX}")
    return batch.orders


def _named(order: SimOrder) -> Row:
    return {"order_id": order.order_id} | ({"client_order_id": order.client_id} if order.client_id else {})


def _reply(order: SimOrder, now_ms: int) -> Row:
    """Averages are per contract, rounded half up to six decimals, and only there after a fill."""
    resting = order.remaining if order.status is Status.RESTING else 0
    row = _named(order) | {
        "fill_count": count2(order.filled), "remaining_count": count2(resting), "ts_ms": now_ms,
    }  # fmt: skip
    if not order.filled:
        return row
    yes_value = sum((f.price if order.outcome == 0 else ONE - f.price) * f.size for f in order.fills)
    averages: Mapping[str, int] = {
        "average_fill_price": _half_up(yes_value, order.filled),
        "average_fee_paid": _half_up(order.fees * ONE, order.filled),
    }
    return row | {name: decimal(value) for name, value in averages.items()}


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)
