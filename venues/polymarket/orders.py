"""Orders at Polymarket (card 5, 9, 11).

There is no client order id: the hash of the signed order is the venue's id, and known before it is sent.
An order is final only when the venue's trades account for it and are mined.
"""

import msgspec

from venues.base.contract import Signer
from venues.base.http import Reply, Request, Response, Silence, Talk, Unavailable
from venues.base.orders import Answer, Fee, Order, Pending, Rejected, Side, TimeInForce, Unknown, Working
from venues.base.units import ONE, Cash, Size, micros
from venues.kit.body import read
from venues.polymarket import account, hearing, standings, wire
from venues.polymarket.amounts import IMMEDIATE, given_and_wanted
from venues.polymarket.answers import CANCELLED, FORGOTTEN_MS, from_order, from_trades, matched_in_all, short
from venues.polymarket.reads import all_rows, get, one_market, own, send, token_of
from venues.polymarket.refusals import refused
from venues.polymarket.signer import Draft, PolymarketSigner
from venues.polymarket.trades import COLLATERAL, DUST, Tally, tally

LOOK_BACK_S = 5
"""Trades are read from this long before the order was made: the clocks may differ."""
GTD_LEAD_S = 60
"""The venue ends an order this long before its expiration (card 5.5)."""
_ORDER_TYPES = {each: each.name for each in TimeInForce} | {TimeInForce.IOC: "FAK"}

_post_reply = msgspec.json.Decoder(wire.PostReply)
_refusal = msgspec.json.Decoder(wire.Refusal)
_order: msgspec.json.Decoder[wire.OrderState | None] = msgspec.json.Decoder(wire.OrderState | None)
_orders = msgspec.json.Decoder(wire.Rows[wire.OrderState])
_trades = msgspec.json.Decoder(wire.Rows[wire.Trade])


def draft_of(order: Order) -> Draft:
    """What is signed for this order: a pure function of it, so that its hash can be found again."""
    maker, taker = given_and_wanted(order)
    return Draft(
        token=token_of(order.listing),
        side=order.side,
        maker_amount=maker,
        taker_amount=taker,
        salt=order.salt,
        timestamp_ms=order.created_ms,
        neg_risk=order.listing.details["neg_risk"] == "true",
    )


def order_post(order: Order, signer: PolymarketSigner) -> tuple[str, wire.OrderPost]:
    """The order's hash, and the body that POST /order takes alone and POST /orders in an array."""
    expires_s = 0 if order.expires_s is None else order.expires_s + GTD_LEAD_S
    order_hash, signed = signer.signed(draft_of(order), expires_s)
    kind = _ORDER_TYPES[order.time_in_force]
    return order_hash, wire.OrderPost(signed, signer.api_key, kind, post_only=order.post_only)


def post(path: str, body: wire.OrderPost | list[wire.OrderPost]) -> Request:
    """POST /order with one body, or POST /orders with 1 to 15 of them."""
    return send("POST", path, msgspec.json.encode(body))


class PolymarketOrders:
    """Places, looks up and cancels orders; the rest is done by the modules named."""

    def place(self, order: Order, signer: Signer) -> Talk[Answer]:
        """POST /order. A match is pending until its trades are mined."""
        order_hash, body = order_post(order, own(signer))
        reply = yield post("/order", body)
        return _placed(order, order_hash, body.order, reply)

    def look_up(self, order: Order, signer: Signer, answer: Answer, now_ms: int) -> Talk[Answer]:
        """The order by its hash, then its trades."""
        order_hash = own(signer).order_hash(draft_of(order))
        reply = yield get(f"/data/order/{order_hash}")
        try:
            known = _known_order(reply, order_hash)
            if known is None and order.time_in_force not in IMMEDIATE:
                known = yield from _resting(order, order_hash)
            matched = None if known is None else known.matched
        except ValueError as error:
            return Unknown(order.order_id, f"order look-up: {error}")
        sums = yield from _tally(order, order_hash)
        if isinstance(sums, Unavailable):
            return Unknown(order.order_id, f"trades look-up: {sums.reason}")
        late = now_ms - order.created_ms >= FORGOTTEN_MS
        if isinstance(answer, Pending | Working) and short(sums, answer.size, late=late):
            reason = answer.reason if isinstance(answer, Pending) else "trades are missing"
            return Pending(order.order_id, order_hash, answer.size, answer.cash, reason)
        if known is None:
            total = matched_in_all(order, answer)
            return from_trades(order, order_hash, sums, total=total, late=late)
        return from_order(order, order_hash, sums, status=known.status or "", matched=matched, late=late)

    def cancel(self, order: Order, signer: Signer, answer: Answer) -> Talk[Answer]:
        """DELETE /order; whatever it says, the look-up decides. Without a clock "not found" stays Unknown."""
        order_hash = own(signer).order_hash(draft_of(order))
        taken_off = yield from standings.take_off(order_hash)
        found = yield from self.look_up(order, signer, answer, order.created_ms)
        if isinstance(found, Working) and taken_off:
            return Pending(order.order_id, order_hash, found.size, found.cash, CANCELLED)
        return found

    heard = staticmethod(hearing.heard)
    withdraw = staticmethod(standings.withdraw)
    open_orders = staticmethod(standings.open_orders)
    history = staticmethod(standings.history)
    funds = staticmethod(account.funds)
    holdings = staticmethod(account.holdings)
    clock = staticmethod(account.clock)


# --- what the reply to POST /order proves ---


def _placed(order: Order, order_hash: str, signed: wire.SignedOrder, reply: Reply) -> Answer:
    if isinstance(reply, Silence):
        if reply.sent:
            return Unknown(order.order_id, reply.reason)
        return Rejected(order.order_id, "not_sent", reply.reason)
    try:
        if reply.status == 200:
            return _accepted(order, order_hash, signed, reply)
        return refused(order, order_hash, reply, read(_refusal, reply.body))
    except ValueError as error:
        return Unknown(order.order_id, f"http {reply.status}, unreadable: {error}")


def _accepted(order: Order, order_hash: str, signed: wire.SignedOrder, response: Response) -> Answer:
    said = read(_post_reply, response.body)
    if not said.success or said.error:
        if not said.error:
            return Unknown(order.order_id, "not successful, without a reason")
        return refused(order, order_hash, response, wire.Refusal(said.error))
    if said.order_id.lower() != order_hash:
        return Unknown(order.order_id, f"the reply is about another order: {said.order_id!r}")
    making, taking = _reply_amounts(said, int(signed.maker_amount))
    cash, size = (making, taking) if order.side is Side.BUY else (taking, making)
    if said.status == "live" and not size and order.time_in_force not in IMMEDIATE:
        return Working(order.order_id, order_hash, Size(0), Cash(0), Fee(0, COLLATERAL))
    return Pending(order.order_id, order_hash, Size(size), Cash(cash), said.status or "accepted")


def _reply_amounts(said: wire.PostReply, signed_making: int) -> tuple[int, int]:
    """What was given and received, in millionths; ValueError when more was given than signed.

    The unit on the wire is UNCONFIRMED (card 5.6): plain decimals, or base units when the first reading
    is half as much again as was offered.
    """
    making, taking = (micros(text) if text else 0 for text in (said.making, said.taking))
    if 2 * making > 3 * signed_making:
        making, taking = making // ONE, taking // ONE
    if making > signed_making + DUST:
        raise ValueError("more was given than was signed")
    return making, taking


# --- what a look-up proves ---


def _known_order(reply: Reply, order_hash: str) -> wire.OrderState | None:
    """The order as the venue keeps it; None when it keeps none, as it may for one that is closed."""
    if isinstance(reply, Response) and reply.status == 404:
        return None
    known = wire.read(reply, _order)
    if known is not None and known.id.lower() != order_hash:
        raise ValueError("the reply is about another order")
    return known


def _resting(order: Order, order_hash: str) -> Talk[wire.OrderState | None]:
    """The order among the open ones: that one may be on the book is not refuted by a single empty reply.

    ValueError where they cannot be read.
    """
    found = yield from all_rows("/data/orders", one_market([order.listing]), _orders)
    if isinstance(found, Unavailable):
        raise ValueError(found.reason)  # noqa: TRY004 - it says what the venue did
    return next((row for row in found if row.id.lower() == order_hash), None)


def _tally(order: Order, order_hash: str) -> Talk[Tally | Unavailable]:
    """All trades of the order. One that may rest can be the maker of a trade of the other outcome's token."""
    where = ("asset_id", token_of(order.listing))
    if order.time_in_force not in IMMEDIATE:
        where = ("market", order.listing.details["condition_id"])
    after = ("after", str(order.created_ms // 1000 - LOOK_BACK_S))
    found = yield from all_rows("/data/trades", (where, after), _trades)
    try:
        return found if isinstance(found, Unavailable) else tally(found, order, order_hash)
    except ValueError as error:
        return Unavailable(str(error))
