"""Orders at Opinion (card 9 to 12).

There is no immediate-or-cancel: a marketable order is a limit order at its bound, whose rest `look_up` takes
off the book. A match is final only once it is on the chain, seconds later: until then an order is pending.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

import msgspec

from venues.base.contract import Signer
from venues.base.http import Reply, Request, Silence, Talk, Unavailable
from venues.base.listing import Listing, ListingKey
from venues.base.orders import (
    Answer,
    Fee,
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
from venues.opinion import account, stream, wire
from venues.opinion.amounts import base_units
from venues.opinion.finding import concerns, find
from venues.opinion.listings import COLLATERAL
from venues.opinion.reads import fetch, post
from venues.opinion.signer import OpinionSigner
from venues.opinion.trades import FAILED, FINAL, FINISHED, Match, Tally, is_possible, is_whole, tally

FORGOTTEN_MS = 120_000
"""The card knows no proof that an order never arrived: after 10 s without a trace it is unknown. Ours, and
UNCONFIRMED: where the lists of the account's orders, all read to their end, lack it after two minutes."""
SETTLE_MS = 6_000
"""An order that ended with a rest counts as final only this long after its last match may have been. By the
card a match that waits for the chain keeps an order open; should a cancelled one not be kept open
(UNCONFIRMED), this is the time for its match to show. The chain takes "some seconds": 1.9 in the frames."""
ENDED = "ended with a rest; a match may be on its way to the chain, since "
"""And our time: of the order's making, or of a resting order from when it was first seen to have ended."""
KNOWN_ALREADY = ("duplicate", "already")
"""Words of a refusal that may be about the second arrival of one order. Whether the venue knows doubles at
all, and what it calls them, is UNCONFIRMED (card 9)."""
FAILED_ITSELF = (
    "internal",
    "timeout",
    "timed out",
    "time out",
    "unavailable",
    "busy",
    "try again",
    "unknown error",
)
"""Words of a refusal that is none: the venue failed, and does not say at which step."""
_UNSUPPORTED = {
    TimeInForce.FOK: "the venue has no fill-or-kill",
    TimeInForce.GTD: "the venue has no expiring orders",
}

_placed = msgspec.json.Decoder(wire.PlacedData)
_order = msgspec.json.Decoder(wire.OrderData)
_cancelled = msgspec.json.Decoder(wire.Cancelled)


class OpinionOrders:
    """Places, looks up and cancels orders; reads what the account has."""

    def place(self, order: Order, signer: Signer) -> Talk[Answer]:
        """POST /order. Its answer never tells fills: even a marketable order is open at first."""
        if order.time_in_force in _UNSUPPORTED:
            return Rejected(order.order_id, "not_supported", _UNSUPPORTED[order.time_in_force])
        assert isinstance(signer, OpinionSigner)
        reply = yield post("/order", signer.signed(order))
        return _accepted(order, reply)

    def look_up(self, order: Order, signer: Signer, answer: Answer, now_ms: int) -> Talk[Answer]:
        """The order by its id, else by its amounts. What is left of a marketable one is cancelled first."""
        known = _venue_order_id(answer)
        if not known:
            found = yield from find(order)
            if isinstance(found, Unavailable):
                return Unknown(order.order_id, found.reason)
            if found is None:
                return _absent(order, now_ms)
            known = str(found.order_id)
        row = yield from _detail(known)
        cancelled = False
        if isinstance(row, wire.Order) and row.status not in FINAL and order.time_in_force is TimeInForce.IOC:
            yield _cancellation(known)
            row, cancelled = (yield from _detail(known)), True
        since_ms = _since_ms(order, answer, now_ms)
        settled = not cancelled and now_ms - since_ms >= SETTLE_MS
        return _judged(order, answer, row, not_yet="" if settled else f"{ENDED}{since_ms}")

    def cancel(self, order: Order, signer: Signer, answer: Answer) -> Talk[Answer]:
        """Cancel, whatever that says, and read the order. A cancelled rest stays pending for a look-up."""
        known = _venue_order_id(answer)
        if not known:
            found = yield from find(order)
            if not isinstance(found, wire.Order):
                reason = "the venue does not show the order" if found is None else found.reason
                return Unknown(order.order_id, reason)
            known = str(found.order_id)
        yield _cancellation(known)
        row = yield from _detail(known)
        return _judged(order, answer, row, not_yet=ENDED)

    def withdraw(self, signer: Signer, standing: Standing) -> Talk[bool]:
        """By the venue's id. False may mean that it was gone already (card 12)."""
        reply = yield _cancellation(standing.venue_order_id)
        try:
            said = wire.read(reply, _cancelled)
        except ValueError:
            return False
        return isinstance(said, wire.Cancelled) and said.result

    def open_orders(
        self, signer: Signer, listings: Sequence[Listing]
    ) -> Talk[Sequence[Standing] | Unavailable]:
        """See `account.open_orders`."""
        return account.open_orders(listings)

    def history(self, signer: Signer, listings: Sequence[Listing]) -> Talk[Sequence[Standing] | Unavailable]:
        """See `account.history`."""
        return account.history(listings)

    def heard(self, order: Order, answer: Answer | None, news: Sequence[News]) -> Answer | None:
        """See `stream.heard`."""
        return stream.heard(order, answer, news)

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


def _venue_order_id(answer: Answer) -> str:
    return answer.venue_order_id if isinstance(answer, Filled | Working | Pending) else ""


def _since_ms(order: Order, answer: Answer, now_ms: int) -> int:
    """Since when the order cannot have matched any more. A look-up has no memory but the answer before it."""
    if order.time_in_force is TimeInForce.IOC:
        return order.created_ms
    said = answer.reason if isinstance(answer, Pending) else ""
    stamp = said.removeprefix(ENDED)
    return int(stamp) if said.startswith(ENDED) and stamp.isdecimal() else now_ms


def _cancellation(known: str) -> Request:
    return post("/order/cancel", {"orderId": known})


def _detail(known: str) -> Talk[wire.Order | Unavailable]:
    """The order with its matches; one that the venue denies is as good as unread (card 4: 10607)."""
    path = f"/order/{quote(known, safe='')}"
    got = yield from fetch(_order, path)
    if isinstance(got, wire.Errno):
        return Unavailable(f"{path}: {got.error()}")
    if isinstance(got, Unavailable):
        return got
    row = got.order_data
    return row if str(row.order_id) == known else Unavailable(f"{path}: the answer is about {row.order_id}")


def _accepted(order: Order, reply: Reply) -> Answer:
    """What the reply to POST /order proves. A whole envelope with an errno alone is a refusal (card 4).

    Not so the words for an order that is there already, whose first may have traded, or for a failure.
    """
    if isinstance(reply, Silence):
        if reply.sent:
            return Unknown(order.order_id, reply.reason)
        return Rejected(order.order_id, "not_sent", reply.reason)
    try:
        said = wire.read(reply, _placed)
    except ValueError as error:
        return Unknown(order.order_id, str(error))
    if isinstance(said, wire.Errno):
        if not said.bare or any(word in said.text.lower() for word in KNOWN_ALREADY + FAILED_ITSELF):
            return Unknown(order.order_id, str(said.error()))
        return Rejected(order.order_id, str(said.number), said.text)
    known = str(said.order_data.order_id)
    if not known:
        return Unknown(order.order_id, "accepted without an order id")
    if order.time_in_force is TimeInForce.IOC:
        return Pending(order.order_id, known, Size(0), Cash(0), "accepted")
    return Working(order.order_id, known, Size(0), Cash(0), Fee(0, COLLATERAL))


def _absent(order: Order, now_ms: int) -> Answer:
    absent_ms = now_ms - order.created_ms
    if absent_ms < FORGOTTEN_MS:
        return Unknown(order.order_id, "not among the account's orders yet")
    return Rejected(order.order_id, "not_executed", f"not among the account's orders after {absent_ms} ms")


def _judged(order: Order, answer: Answer, row: wire.Order | Unavailable, *, not_yet: str) -> Answer:
    """What the venue's own view of an order proves. `not_yet`: why a rest would not be final; "" if it is."""
    if isinstance(row, Unavailable):
        return Unknown(order.order_id, row.reason)
    if not concerns(row, order):
        return Unknown(order.order_id, f"order {row.order_id} is not ours")
    try:
        matches = [Match(t.trade_no, t.status, t.price, t.shares, t.fee_text) for t in row.trades or ()]
        sums, filled = tally(matches, order.side), base_units(row.filled_shares or "0")
    except ValueError as error:
        return Unknown(order.order_id, f"order {row.order_id}: {error}")
    if not is_possible(order, sums):
        return Unknown(order.order_id, f"order {row.order_id}: its matches are more than it signed")
    known, fee = str(row.order_id), Fee(sums.fee, COLLATERAL)
    told = answer.size if isinstance(answer, Pending | Working) else 0
    doubt = _doubt(row, sums, filled=filled, told=told)
    if doubt:
        return Pending(order.order_id, known, Size(max(told, sums.size)), sums.cash, doubt)
    if row.status not in FINAL:
        if order.time_in_force is TimeInForce.IOC:
            return Pending(order.order_id, known, sums.size, sums.cash, "open, or on its way to the chain")
        return Working(order.order_id, known, sums.size, sums.cash, fee)
    if not_yet and not is_whole(order, sums):
        return Pending(order.order_id, known, sums.size, sums.cash, not_yet)
    if not sums.size and (sums.void or row.status == FAILED):
        return Rejected(order.order_id, "settlement_failed", f"status {row.status}, no match settled")
    return Filled(order.order_id, known, sums.size, sums.cash, fee)


def _doubt(row: wire.Order, sums: Tally, *, filled: int, told: int) -> str:
    """Why the matches shown are not all there is; "" when nothing says so."""
    if sums.waiting:
        return "a match waits for the chain"
    if sums.shares < filled or sums.size < told:
        return "matches are missing"
    if row.status == FINISHED and not sums.shares and not sums.void:
        return "finished, but no match is shown"
    return ""
