"""Orders to requests, replies to answers (card 5, 8, 10). Nothing is guessed: exact, refused, or unknown."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

import msgspec

from venues.base.contract import Signer
from venues.base.http import Purpose, Reply, Request, Response, Silence, Talk, Unavailable
from venues.base.listing import Listing, ListingKey, Native
from venues.base.orders import (
    Answer,
    Filled,
    News,
    Order,
    Pending,
    Rejected,
    Standing,
    TimeInForce,
    Unknown,
    Working,
)
from venues.base.units import Cash, Size
from venues.kit.body import read
from venues.polymarket_us import account, standings, wire
from venues.polymarket_us.claims import Claims
from venues.polymarket_us.moments import written
from venues.polymarket_us.private import hearing
from venues.polymarket_us.reads import fetch
from venues.polymarket_us.signer import PolymarketUsSigner
from venues.polymarket_us.standings import ORDERS, own_trades
from venues.polymarket_us.tally import (
    IMMEDIATE,
    INTENTS,
    LATE_MS,
    TIMES,
    Totals,
    added,
    answer_of,
    fill_of,
    fills_in,
    looks_like,
    made_ms,
    newest,
    state_of,
    why_rejected,
)

REFUSALS: Mapping[int, str] = {400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found"}
"""With a readable error these prove that nothing was placed (card 8)."""
BLOCK_S = "5"
"""How long the venue may hold back its reply to an immediate order, waiting for its end (card 5.1)."""
ABSENT_MS = LATE_MS
"""An order that shows nowhere this long after it was made was not executed and never will be: its signature
is no longer taken, and the ten seconds of card 10 have passed since."""
REMEMBERED_MS = 7 * 86_400_000
"""Executions are kept for seven days (card 5.3): after that "not there" proves nothing."""

_placed = msgspec.json.Decoder(wire.Placed)
_order = msgspec.json.Decoder(wire.OrderReply)


class PolymarketUsOrders:
    """The venue takes no id of ours: nothing is sent twice, and an order without a reply is looked for."""

    def place(self, order: Order, signer: Signer) -> Talk[Answer]:
        """Send one order. An immediate one is answered with its executions, a resting one is read once."""
        claims = _claims(signer)
        with claims.leaving(order):
            reply = yield _new_order(order)
            if not isinstance(reply, Response) or reply.status not in (200, 201):
                return _not_placed(order, reply)
            try:
                placed = read(_placed, reply.body)
            except ValueError as error:
                return Unknown(order.order_id, f"unreadable: {error}")
            if not placed.id:
                return Unknown(order.order_id, "unreadable: id: missing")
            claims.own(order, placed.id)
        answer = _executed(order, placed)
        if isinstance(answer, Pending):
            return (yield from _read(order, placed.id, answer))
        return answer

    def look_up(self, order: Order, signer: Signer, answer: Answer, now_ms: int) -> Talk[Answer]:
        """By the venue's id, or by everything else among the account's orders and trades."""
        known = _venue_order_id(answer) or (yield from _search(order, _claims(signer)))
        if isinstance(known, Unavailable):
            return answer if isinstance(answer, Pending) else Unknown(order.order_id, known.reason)
        if known:
            return (yield from _read(order, known, answer))
        absent_ms = now_ms - order.created_ms
        if ABSENT_MS < absent_ms < REMEMBERED_MS:
            return Rejected(order.order_id, "not_executed", f"shows nowhere after {absent_ms} ms")
        return Unknown(order.order_id, "not among the account's orders and trades yet")

    def cancel(self, order: Order, signer: Signer, answer: Answer) -> Talk[Answer]:
        """Cancel, then read what became of it: the reply to a cancel says nothing of fills."""
        known = _venue_order_id(answer) or (yield from _search(order, _claims(signer)))
        if not known or isinstance(known, Unavailable):
            reason = known.reason if isinstance(known, Unavailable) else "not among the account's orders"
            return Unknown(order.order_id, reason)
        reply = yield _cancellation(order.listing.native, known)
        found = yield from _read(order, known, answer)
        if isinstance(found, Working) and isinstance(reply, Response) and reply.status == 200:
            return Pending(order.order_id, known, found.size, found.cash, "cancelled; not yet seen by reads")
        return found

    def withdraw(self, signer: Signer, standing: Standing) -> Talk[bool]:
        """By the venue's id and its market."""
        reply = yield _cancellation(standing.native, standing.venue_order_id)
        return isinstance(reply, Response) and reply.status == 200

    def heard(self, order: Order, answer: Answer | None, news: Sequence[News]) -> Answer | None:
        """What the stream proves of an order whose id is known: that it rests, or its end with all fills.

        An order without an id is left to `look_up`: what looks like it may be another's.
        """
        if not isinstance(answer, Working | Pending) or not answer.venue_order_id:
            return None
        return _heard(order, answer, *hearing(answer.venue_order_id, news))

    def open_orders(
        self, signer: Signer, listings: Sequence[Listing]
    ) -> Talk[Sequence[Standing] | Unavailable]:
        """See `standings.open_orders`."""
        return standings.open_orders(listings)

    def history(self, signer: Signer, listings: Sequence[Listing]) -> Talk[Sequence[Standing] | Unavailable]:
        """See `standings.history`."""
        return standings.history(listings)

    def funds(self, signer: Signer) -> Talk[Mapping[str, Cash] | Unavailable]:
        """See `account.funds`."""
        return account.funds()

    def holdings(
        self, signer: Signer, listings: Sequence[Listing]
    ) -> Talk[Mapping[ListingKey, Size] | Unavailable]:
        """See `account.holdings`."""
        return account.holdings(listings)

    def clock(self) -> Talk[int | Unavailable]:
        """See `account.clock`."""
        return account.clock()


def _new_order(order: Order) -> Request:
    """Always a limit order: its bound is exact, whichever intent it has. Every price is the long price."""
    waits = order.time_in_force in IMMEDIATE
    expires_s = order.expires_s if order.time_in_force is TimeInForce.GTD else None
    body = wire.NewOrder(
        market_slug=order.listing.native,
        intent=INTENTS[order.side, order.listing.inverted],
        type="ORDER_TYPE_LIMIT",
        price=wire.amount(order.listing.book_price(order.limit)),
        quantity=wire.number(order.size),
        tif=TIMES[order.time_in_force],
        good_till_time=None if expires_s is None else written(expires_s),
        participate_dont_initiate=True if order.post_only else None,
        manual_order_indicator="MANUAL_ORDER_INDICATOR_AUTOMATIC",
        synchronous_execution=True if waits else None,
        max_block_time=BLOCK_S if waits else None,
    )
    return _post(ORDERS, wire.encoded(body))


def _cancellation(native: Native, venue_order_id: str) -> Request:
    path = f"/v1/order/{quote(venue_order_id, safe='')}/cancel"
    return _post(path, wire.encoded(wire.Slugged(native)))


def _post(path: str, body: bytes) -> Request:
    headers = {"Content-Type": "application/json"}
    return Request(method="POST", path=path, purpose=Purpose.ORDER, body=body, headers=headers, private=True)


def _not_placed(order: Order, reply: Reply) -> Answer:
    """The closed list of refusals; whatever is not on it may have been executed."""
    if isinstance(reply, Silence):
        if reply.sent:
            return Unknown(order.order_id, reply.reason)
        return Rejected(order.order_id, "not_sent", reply.reason)
    said = wire.refusal(reply)
    if said and reply.status in REFUSALS:
        return Rejected(order.order_id, REFUSALS[reply.status], said)
    return Unknown(order.order_id, f"http {reply.status}: {said or 'no readable error'}")


def _executed(order: Order, placed: wire.Placed) -> Answer:
    """What the reply to an order proves; pending where it does not tell the end."""
    accepted = Pending(order.order_id, placed.id, Size(0), Cash(0), "accepted; its end is not told")
    executions = placed.executions or []
    try:
        rows = [execution.order for execution in executions if execution.order is not None]
        state = newest(order, rows, placed.id)
        if state is None:
            return accepted
        return answer_of(order, state, fills_in(order, executions), why_rejected(executions))
    except ValueError as error:
        return msgspec.structs.replace(accepted, reason=f"unreadable: {error}")


def _claims(signer: Signer) -> Claims:
    assert isinstance(signer, PolymarketUsSigner)
    return signer.claims


def _venue_order_id(answer: Answer) -> str:
    return answer.venue_order_id if isinstance(answer, Filled | Working | Pending) else ""


def _read(order: Order, known: str, answer: Answer) -> Talk[Answer]:
    """The order by its venue id, its fills from the trades; with nothing new the last answer stands."""
    reply = yield from fetch(_order, standings.order_by_id(known))
    said = answer.size if isinstance(answer, Filled | Working | Pending) else 0
    stands = answer if isinstance(answer, Filled | Working | Pending) else None
    if reply is None or isinstance(reply, Unavailable):
        reason = reply.reason if reply else "the venue does not show the order yet"
        return stands or Pending(order.order_id, known, Size(0), Cash(0), reason)
    try:
        state = state_of(order, reply.order, known)
    except ValueError as error:
        return stands or Pending(order.order_id, known, Size(0), Cash(0), f"unreadable: {error}")
    if state.filled < said:
        assert stands is not None, "only a standing answer says that something was filled"
        return stands
    totals = (yield from _traded(order, known)) if state.filled else Totals()
    return answer_of(order, state, totals)


def _traded(order: Order, known: str) -> Talk[Totals]:
    """The fills of an order among the account's trades; none where they cannot be read."""
    trades = yield from own_trades(order.listing.native, order.created_ms)
    if isinstance(trades, Unavailable):
        return Totals()
    try:
        return added(
            {
                trade.id: fill_of(order, trade.own)
                for trade in trades
                if trade.own is not None and trade.own.order is not None and trade.own.order.id == known
            }.values()
        )
    except ValueError:
        return Totals()


def _search(order: Order, claims: Claims) -> Talk[str | Unavailable]:
    """The id of the order that looks like this one and is no other's; "" where there is none.

    Of several the one made closest to the time ours was. A trade that does not name its order proves nothing,
    nor does anything while another of the kind is on its way.
    """
    resting = yield from standings.resting([order.listing.native])
    if isinstance(resting, Unavailable):
        return resting
    trades = yield from own_trades(order.listing.native, order.created_ms)
    if isinstance(trades, Unavailable):
        return trades
    rows = list(resting)
    for trade in trades:
        if trade.own is None or trade.own.order is None or not trade.own.order.id:
            return Unavailable(f"trade {trade.id} does not name its order")
        rows.append(trade.own.order)
    if claims.contested(order):
        return Unavailable("another order like this one is on its way")
    try:
        found = [row for row in rows if looks_like(order, row) and claims.free(order, row.id)]
        found.sort(key=lambda row: (abs(made_ms(order, row) - order.created_ms), row.id))
    except ValueError as error:
        return Unavailable(f"unreadable: {error}")
    if not found:
        return ""
    claims.own(order, found[0].id)
    return found[0].id


def _heard(
    order: Order,
    answer: Working | Pending,
    rows: Sequence[wire.OrderState],
    executions: Sequence[wire.Execution],
) -> Answer | None:
    """The answer for what was heard of one order; None unless it says more than the last one."""
    state = newest(order, rows, answer.venue_order_id)
    if state is None or state.filled < answer.size:
        return None
    found = answer_of(order, state, fills_in(order, executions), why_rejected(executions))
    if isinstance(found, Filled | Rejected):
        return found
    grown = state.filled > answer.size or not isinstance(answer, Working)
    return found if isinstance(found, Working) and grown else None
