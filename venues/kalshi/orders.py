"""Orders to requests, replies to answers (card §7, §9). Nothing is guessed: exact, refused, or unknown."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

import msgspec

from venues.base.contract import Signer
from venues.base.events import BookSide
from venues.base.http import Purpose, Request, Response, Talk, Unavailable
from venues.base.listing import Listing, ListingKey, Native
from venues.base.orders import (
    Answer,
    Filled,
    News,
    Order,
    Pending,
    Rejected,
    Side,
    Standing,
    TimeInForce,
    Unknown,
    Working,
)
from venues.base.units import ONE, Cash, Size, micros, places
from venues.kalshi import account, hearing, standings, wire
from venues.kalshi.moments import moment_ms
from venues.kalshi.reads import API, fetch, fetch_all, of_account, subaccount
from venues.kalshi.refusals import not_placed
from venues.kalshi.tally import IMMEDIATE, State, added, answer_of, checked, count, fill_of, state_of
from venues.kalshi.totals import Totals, book_side, from_averages
from venues.kit.body import read

ORDERS = "/portfolio/events/orders"
LATE_MS = 70_000
"""An order not there this long after it was made can no longer arrive: it is signed within 5 s, the venue
refuses a signature 60 s old (card §2), and clocks are kept within 5 s of each other."""
REMEMBERED_MS = 24 * 3_600_000
"""After a day "not there" proves nothing: finished orders move to a history at a time not published."""
EARLY_S = 60
"""Orders are listed from this long before ours was made, for clocks that disagree."""

_TIME_IN_FORCE = {
    TimeInForce.IOC: "immediate_or_cancel",
    TimeInForce.FOK: "fill_or_kill",
    TimeInForce.GTC: "good_till_canceled",
    TimeInForce.GTD: "good_till_canceled",
}
_created = msgspec.json.Decoder(wire.Created)
_order = msgspec.json.Decoder(wire.OrderReply)
_orders = msgspec.json.Decoder(wire.OrderPage)
_fills = msgspec.json.Decoder(wire.FillPage)
_as_of = msgspec.json.Decoder(wire.AsOf)


class KalshiOrders:
    """Our order id is the `client_order_id`: the venue takes none twice, so a repeat cannot execute twice."""

    def place(self, order: Order, signer: Signer) -> Talk[Answer]:
        """Send one order. Totals come from the averages where these prove them, else from the fills."""
        reply = yield _new_order(order, signer)
        if not isinstance(reply, Response) or reply.status not in (200, 201):
            return not_placed(order, reply)
        try:
            created = read(_created, reply.body)
            resting = order.time_in_force not in IMMEDIATE and micros(created.remaining_count) > 0
            state = State(created.order_id, count(created.fill_count), resting)
            checked(order, state, created.client_order_id)
            totals = _proven(order, created, state.filled)
        except ValueError as error:
            return Unknown(order.order_id, f"unreadable: {error}")
        return (yield from _told(order, signer, state, totals=totals))

    def look_up(self, order: Order, signer: Signer, answer: Answer, now_ms: int) -> Talk[Answer]:
        """By the venue's id, or by ours among the account's orders. "Not there" counts after `LATE_MS`."""
        known = _venue_order_id(answer)
        if known:
            found = yield from _by_id(order, signer, known)
            return (yield from _heard(order, signer, answer, found=found))
        as_of_ms = yield from _data_ms()
        found = yield from _by_our_id(order, signer)
        absent_for_ms = min(as_of_ms, now_ms) - order.created_ms
        repeated = isinstance(answer, Pending) and order.time_in_force is not TimeInForce.FOK
        if (
            found is None
            and not repeated
            and absent_for_ms > LATE_MS
            and now_ms - order.created_ms < REMEMBERED_MS
        ):
            return Rejected(order.order_id, "not_executed", f"unknown to the venue after {absent_for_ms} ms")
        return (yield from _heard(order, signer, answer, found=found))

    def cancel(self, order: Order, signer: Signer, answer: Answer) -> Talk[Answer]:
        """Cancel, then read what became of it: the reply to a cancel says nothing of fills."""
        found: State | Unavailable | None
        known = _venue_order_id(answer)
        if not known:
            found = yield from _by_our_id(order, signer)
            if not isinstance(found, State):
                return (yield from _heard(order, signer, answer, found=found))
            known = found.venue_order_id
        reply = yield _cancellation(signer, order.listing.native, known)
        found = yield from _by_id(order, signer, known)
        if isinstance(found, State) and found.resting and isinstance(reply, Response) and reply.status == 200:
            return Pending(order.order_id, known, found.filled, Cash(0), "cancelled; not yet seen by reads")
        return (yield from _heard(order, signer, answer, found=found))

    def withdraw(self, signer: Signer, standing: Standing) -> Talk[bool]:
        """By the venue's id and its market."""
        reply = yield _cancellation(signer, standing.native, standing.venue_order_id)
        return isinstance(reply, Response) and reply.status == 200

    def heard(self, order: Order, answer: Answer | None, news: Sequence[News]) -> Answer | None:
        """See `hearing.heard`."""
        return hearing.heard(order, answer, news)

    def open_orders(
        self, signer: Signer, listings: Sequence[Listing]
    ) -> Talk[Sequence[Standing] | Unavailable]:
        """See `standings.open_orders`."""
        return standings.open_orders(signer, listings)

    def history(self, signer: Signer, listings: Sequence[Listing]) -> Talk[Sequence[Standing] | Unavailable]:
        """See `standings.history`."""
        return standings.history(signer, listings)

    def funds(self, signer: Signer) -> Talk[Mapping[str, Cash] | Unavailable]:
        """See `account.funds`."""
        return account.funds(signer)

    def holdings(
        self, signer: Signer, listings: Sequence[Listing]
    ) -> Talk[Mapping[ListingKey, Size] | Unavailable]:
        """See `account.holdings`."""
        return account.holdings(signer, listings)

    def clock(self) -> Talk[int | Unavailable]:
        """See `account.clock`."""
        return account.clock()


def _new_order(order: Order, signer: Signer) -> Request:
    """There is one YES book: buying NO is an ask, and every price is a YES price.

    A sale only ever reduces the position where the venue can be told so, which is with IOC alone (card §7).
    """
    body = wire.NewOrder(
        ticker=order.listing.native,
        client_order_id=order.order_id,
        side="bid" if book_side(order) is BookSide.BID else "ask",
        count=places(order.size, 2),
        price=places(order.listing.book_price(order.limit), 4),
        time_in_force=_TIME_IN_FORCE[order.time_in_force],
        self_trade_prevention_type="taker_at_cross",
        expiration_time=order.expires_s if order.time_in_force is TimeInForce.GTD else None,
        post_only=order.post_only,
        reduce_only=order.side is Side.SELL and order.time_in_force is TimeInForce.IOC,
        subaccount=subaccount(signer),
    )
    return Request(
        method="POST",
        path=API + ORDERS,
        purpose=Purpose.ORDER,
        body=msgspec.json.encode(body),
        headers={"Content-Type": "application/json"},
        private=True,
    )


def _cancellation(signer: Signer, native: Native, known: str) -> Request:
    return Request(
        method="DELETE",
        path=f"{API}{ORDERS}/{quote(known, safe='')}",
        query=(("market_ticker", native), *of_account(signer)),
        purpose=Purpose.ORDER,
        private=True,
    )


def _proven(order: Order, created: wire.Created, filled: Size) -> Totals | None:
    if not filled:
        return Totals(Size(0), Cash(0), Cash(0))
    if created.average_fill_price is None or created.average_fee_paid is None:
        return None
    price, fee = micros(created.average_fill_price), micros(created.average_fee_paid)
    return from_averages(order, filled, price=price, fee=fee)


def _venue_order_id(answer: Answer) -> str:
    return answer.venue_order_id if isinstance(answer, Filled | Working | Pending) else ""


def _read_state(order: Order, row: wire.OrderState) -> State:
    return state_of(
        order,
        row.order_id,
        status=row.status,
        filled=row.fill_count_fp,
        client_order_id=row.client_order_id,
    )


def _by_id(order: Order, signer: Signer, known: str) -> Talk[State | Unavailable | None]:
    path = f"/portfolio/orders/{quote(known, safe='')}"
    reply = yield from fetch(_order, path, of_account(signer), private=True)
    if reply is None or isinstance(reply, Unavailable):
        return reply
    if reply.order.order_id != known:
        return Unavailable(f"order_id: another order's: {reply.order.order_id!r}")
    try:
        return _read_state(order, reply.order)
    except ValueError as error:
        return Unavailable(f"unreadable: {error}")


def _by_our_id(order: Order, signer: Signer) -> Talk[State | Unavailable | None]:
    """None only when every order of the time was read and none is ours."""
    query = (
        ("ticker", order.listing.native),
        ("min_ts", str(order.created_ms // 1000 - EARLY_S)),
        ("limit", "200"),
        *of_account(signer),
    )
    rows = yield from fetch_all(
        _orders, "/portfolio/orders", query, rows=lambda page: page.orders, private=True
    )
    if isinstance(rows, Unavailable):
        return rows
    try:
        states = [_read_state(order, row) for row in rows if row.client_order_id == order.order_id]
    except ValueError as error:
        return Unavailable(f"unreadable: {error}")
    return states[0] if states else None


def _data_ms() -> Talk[int]:
    """Up to when the read endpoints know everything; the beginning of time if they do not say."""
    reply = yield from fetch(_as_of, "/exchange/user_data_timestamp", private=True)
    try:
        return moment_ms(reply.as_of_time) if isinstance(reply, wire.AsOf) else 0
    except ValueError:
        return 0


def _heard(
    order: Order, signer: Signer, answer: Answer, *, found: State | Unavailable | None
) -> Talk[Answer]:
    """What a look-up makes of what it found; with nothing new, the last answer stands."""
    said = answer.size if isinstance(answer, Filled | Working | Pending) else 0
    if isinstance(found, State) and found.filled >= said:
        return (yield from _told(order, signer, found, totals=None))
    if isinstance(answer, Working | Pending):
        return answer
    reason = found.reason if isinstance(found, Unavailable) else "not among the account's orders yet"
    return Unknown(order.order_id, reason)


def _told(order: Order, signer: Signer, state: State, *, totals: Totals | None) -> Talk[Answer]:
    """The answer for a state, its money exact or not given."""
    if totals is None and not (state.resting and order.time_in_force in IMMEDIATE):
        totals = yield from _from_fills(order, signer, state)
    return answer_of(order, state, totals)


def _from_fills(order: Order, signer: Signer, state: State) -> Talk[Totals | None]:
    """Add up the fills; None unless they are all there and make up exactly what the order says."""
    if not state.filled:
        return Totals(Size(0), Cash(0), Cash(0))
    query = (("order_id", state.venue_order_id), ("limit", "200"), *of_account(signer))
    rows = yield from fetch_all(_fills, "/portfolio/fills", query, rows=lambda page: page.fills, private=True)
    if isinstance(rows, Unavailable):
        return None
    try:
        fills = {(row.fill_id or row.trade_id): _fill(order, row, state) for row in rows}
    except ValueError:
        return None
    totals = added(fills.values())
    return totals if totals.size == state.filled else None


def _fill(order: Order, row: wire.Fill, state: State) -> Totals:
    """One fill of this order; ValueError where it is another's."""
    if (
        row.order_id != state.venue_order_id
        or micros(row.yes_price_dollars) + micros(row.no_price_dollars) != ONE
    ):
        raise ValueError("not a fill of this order")
    return fill_of(order, yes_price=row.yes_price_dollars, size=row.count_fp, fee=row.fee_cost)
