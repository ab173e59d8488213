"""Orders and money at Polymarket (card 5, 9, 11).

There is no client order id: the hash of the signed order is the venue's id, and known before it is sent.
An order is final only when the venue's trades account for it.
"""

from collections.abc import Mapping, Sequence

import msgspec

from venues.base.contract import NoStream, Signer
from venues.base.http import Purpose, Reply, Request, Response, Silence, Talk, Unavailable
from venues.base.listing import Listing, ListingKey
from venues.base.orders import (
    Answer,
    Fee,
    Filled,
    Order,
    Pending,
    Rejected,
    Side,
    TimeInForce,
    Unknown,
    Working,
)
from venues.base.units import ONE, Cash, Size, micros
from venues.kit.body import read
from venues.polymarket import amounts, wire
from venues.polymarket.refusals import refused
from venues.polymarket.signer import Draft, PolymarketSigner, is_protocol_v2
from venues.polymarket.trades import DUST, Tally, tally, token_of

COLLATERAL = "pUSD"
FORGOTTEN_MS = 30_000
"""An order unknown to the venue this long after it was made was not executed (card 11)."""
LOOK_BACK_S = 5
"""Trades are read from this long before the order was made: the clocks may differ."""
PAGES_MAX = 20
"""Pages of trades read for one order; an account with more of them since the order looks again later."""
GTD_LEAD_S = 60
"""The venue ends an order this long before its expiration (card 5.5)."""
_FIRST_PAGE, _LAST_PAGE = "MA==", ("LTE=", "")
_ORDER_TYPES = {
    TimeInForce.IOC: "FAK",
    TimeInForce.FOK: "FOK",
    TimeInForce.GTC: "GTC",
    TimeInForce.GTD: "GTD",
}
_IMMEDIATE = frozenset({TimeInForce.IOC, TimeInForce.FOK})
_UNDECIDED = frozenset({"DELAYED", "UNMATCHED"})
_MATCHED = "matched"

_time = msgspec.json.Decoder(int)
_post_reply = msgspec.json.Decoder(wire.PostReply)
_refusal = msgspec.json.Decoder(wire.Refusal)
_order: msgspec.json.Decoder[wire.OpenOrder | None] = msgspec.json.Decoder(wire.OpenOrder | None)
_trades = msgspec.json.Decoder(wire.TradePage)
_balances = msgspec.json.Decoder(wire.Balance)


def draft_of(order: Order) -> Draft:
    """What is signed for this order: a pure function of it, so that its hash can be found again."""
    listing = order.listing
    tick = listing.grid.bands[0].step
    if order.time_in_force not in _IMMEDIATE:
        size, cash = amounts.limit(order.size, order.limit, tick)
        maker, taker = (cash, size) if order.side is Side.BUY else (size, cash)
    elif order.side is Side.BUY:
        maker, taker = amounts.market_buy(order.cash, order.limit, tick)
    else:
        maker, taker = amounts.market_sell(order.size, order.limit, tick)
    return Draft(
        token=token_of(listing),
        side=order.side,
        maker_amount=maker,
        taker_amount=taker,
        salt=order.salt,
        timestamp_ms=order.created_ms,
        neg_risk=listing.details["neg_risk"] == "true",
    )


def order_post(order: Order, signer: PolymarketSigner) -> tuple[str, wire.OrderPost]:
    """The order's hash, and the body that POST /order takes alone and POST /orders in an array."""
    expires_s = 0 if order.expires_s is None else order.expires_s + GTD_LEAD_S
    order_hash, signed = signer.signed(draft_of(order), expires_s)
    kind = _ORDER_TYPES[order.time_in_force]
    return order_hash, wire.OrderPost(signed, signer.api_key, kind, post_only=order.post_only)


def post(path: str, body: wire.OrderPost | list[wire.OrderPost]) -> Request:
    """POST /order with one body, or POST /orders with 1 to 15 of them."""
    encoded = msgspec.json.encode(body)
    headers = {"Content-Type": "application/json"}
    return Request(
        method="POST", path=path, purpose=Purpose.ORDER, body=encoded, headers=headers, private=True
    )


class PolymarketOrders(NoStream):
    """Places, looks up and cancels orders; reads balances."""

    def place(self, order: Order, signer: Signer) -> Talk[Answer]:
        """POST /order, and for a match the trades behind it: only they tell the exact fills and fee."""
        own = _own(signer)
        order_hash, body = order_post(order, own)
        reply = yield post("/order", body)
        answer = _placed(order, order_hash, body.order, reply)
        if not (isinstance(answer, Pending) and answer.size and answer.reason == _MATCHED):
            return answer
        sums = yield from _tally(order, order_hash)
        if isinstance(sums, Tally) and _cover(sums, answer):
            fee = Fee(sums.fee, COLLATERAL)
            kind = Filled if order.time_in_force in _IMMEDIATE else Working
            return kind(order.order_id, order_hash, answer.size, answer.cash, fee)
        return answer

    def look_up(self, order: Order, signer: Signer, answer: Answer, now_ms: int) -> Talk[Answer]:
        """The order by its hash, then its trades."""
        order_hash = _own(signer).order_hash(draft_of(order))
        reply = yield _read(f"/data/order/{order_hash}")
        try:
            known = _known_order(reply, order_hash)
        except ValueError as error:
            return Unknown(order.order_id, f"order look-up: {error}")
        sums = yield from _tally(order, order_hash)
        if isinstance(sums, Unavailable):
            return Unknown(order.order_id, f"trades look-up: {sums.reason}")
        told = answer.size if isinstance(answer, Pending | Working) else Size(0)
        if _short(sums, told):
            return Pending(order.order_id, order_hash, told, sums.cash, "trades are missing")
        late = now_ms - order.created_ms >= FORGOTTEN_MS
        if known is None:
            return _from_trades(order, order_hash, sums, late)
        return _from_order(order, order_hash, sums, known=known, late=late)

    def cancel(self, order: Order, signer: Signer, answer: Answer) -> Talk[Answer]:
        """DELETE /order; whatever it says, the look-up decides. Without a clock "not found" stays Unknown."""
        order_hash = _own(signer).order_hash(draft_of(order))
        body = msgspec.json.encode({"orderID": order_hash})
        headers = {"Content-Type": "application/json"}
        yield Request(
            method="DELETE", path="/order", purpose=Purpose.ORDER, body=body, headers=headers, private=True
        )
        done = yield from self.look_up(order, signer, answer, order.created_ms)
        return done

    def funds(self, signer: Signer) -> Talk[Mapping[str, Cash] | Unavailable]:
        """The wallet's pUSD. What open orders of other programs reserve is not subtracted by the venue."""
        balance = yield from _balance(_own(signer), "COLLATERAL", "")
        return balance if isinstance(balance, Unavailable) else {"": Cash(balance)}

    def holdings(
        self, signer: Signer, listings: Sequence[Listing]
    ) -> Talk[Mapping[ListingKey, Size] | Unavailable]:
        """Shares of each listing's own token: for an inverted listing those of the sibling."""
        held: dict[ListingKey, Size] = {}
        for listing in listings:
            token = token_of(listing)
            kind = "CONDITIONAL-V2" if is_protocol_v2(token) else "CONDITIONAL"
            balance = yield from _balance(_own(signer), kind, token)
            if isinstance(balance, Unavailable):
                return balance
            held[listing.key] = Size(balance)
        return held

    def clock(self) -> Talk[int | Unavailable]:
        """GET /time has whole seconds."""
        reply = yield Request(method="GET", path="/time", purpose=Purpose.DATA)
        try:
            return wire.read(reply, _time) * 1000
        except ValueError as error:
            return Unavailable(f"clock: {error}")


def _own(signer: Signer) -> PolymarketSigner:
    assert isinstance(signer, PolymarketSigner)
    return signer


def _read(path: str, *query: tuple[str, str]) -> Request:
    return Request(method="GET", path=path, query=query, purpose=Purpose.ACCOUNT, private=True)


def _agree(one: int, other: int) -> bool:
    return abs(one - other) <= DUST


def _cover(sums: Tally, answer: Pending) -> bool:
    """Whether the trades make up what the reply said. A fill of dust needs a trade like any other."""
    return sums.size > 0 and _agree(sums.size, answer.size) and _agree(sums.cash, answer.cash)


def _short(sums: Tally, told: int) -> bool:
    """Whether trades of what the venue told are missing."""
    return sums.named + DUST < told or (told > 0 and not sums.named)


# --- what the reply to POST /order proves ---


def _placed(order: Order, order_hash: str, signed: wire.SignedOrder, reply: Reply) -> Answer:
    if isinstance(reply, Silence):
        if reply.sent:
            return Unknown(order.order_id, reply.reason)
        return Rejected(order.order_id, "not_sent", reply.reason)
    try:
        if reply.status == 200:
            return _accepted(order, order_hash, signed, reply)
        refusal = read(_refusal, reply.body)
        return refused(order, order_hash, reply, refusal.error)
    except ValueError as error:
        return Unknown(order.order_id, f"http {reply.status}, unreadable: {error}")


def _accepted(order: Order, order_hash: str, signed: wire.SignedOrder, response: Response) -> Answer:
    said = read(_post_reply, response.body)
    if not said.success or said.error:
        if not said.error:
            return Unknown(order.order_id, "not successful, without a reason")
        return refused(order, order_hash, response, said.error)
    if said.order_id.lower() != order_hash:
        return Unknown(order.order_id, f"the reply is about another order: {said.order_id!r}")
    making, taking = _reply_amounts(said, int(signed.maker_amount))
    cash, size = (making, taking) if order.side is Side.BUY else (taking, making)
    if said.status == "live" and not size and order.time_in_force not in _IMMEDIATE:
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


def _known_order(reply: Reply, order_hash: str) -> wire.OpenOrder | None:
    """The order as the venue keeps it; None when it keeps none, as it may for one that is closed."""
    if isinstance(reply, Response) and reply.status == 404:
        return None
    known = wire.read(reply, _order)
    if known is not None and known.id.lower() != order_hash:
        raise ValueError("the reply is about another order")
    return known


def _tally(order: Order, order_hash: str) -> Talk[Tally | Unavailable]:
    """All trades of the order. One that may rest can be the maker of a trade of the other outcome's token."""
    details = order.listing.details
    where = ("asset_id", token_of(order.listing))
    if order.time_in_force not in _IMMEDIATE:
        where = ("market", details["condition_id"])
    after = ("after", str(order.created_ms // 1000 - LOOK_BACK_S))
    trades: list[wire.Trade] = []
    cursor = _FIRST_PAGE
    try:
        for _ in range(PAGES_MAX):
            reply = yield _read("/data/trades", where, after, ("next_cursor", cursor))
            page = wire.read(reply, _trades)
            trades += page.data
            cursor = page.next_cursor
            if cursor in _LAST_PAGE:
                return tally(trades, order, order_hash)
    except ValueError as error:
        return Unavailable(str(error))
    return Unavailable("too many trades since the order")


def _from_order(order: Order, order_hash: str, sums: Tally, *, known: wire.OpenOrder, late: bool) -> Answer:
    """The venue still keeps the order: its own count of matched shares must be covered by trades.

    The count may be missing (card 5.6); then an order is closed only when its trades had time to show.
    """
    status = known.status.upper()
    fee = Fee(sums.fee, COLLATERAL)
    try:
        matched = micros(known.size_matched or "0")
    except ValueError:
        return Unknown(order.order_id, f"matched size is unreadable: {known.size_matched!r}")
    if _short(sums, matched) or status in _UNDECIDED:
        return Pending(order.order_id, order_hash, sums.size, sums.cash, known.status)
    if status == "LIVE":
        return Working(order.order_id, order_hash, sums.size, sums.cash, fee)
    if not (known.size_matched or late) or (status == "MATCHED" and not sums.named):
        return Pending(order.order_id, order_hash, sums.size, sums.cash, "its trades may not be shown yet")
    if status == "MATCHED" or status.startswith("CANCELED") or status == "INVALID":
        return _closed(order, order_hash, sums, known.status)
    return Unknown(order.order_id, f"order status {known.status!r}")


def _from_trades(order: Order, order_hash: str, sums: Tally, late: bool) -> Answer:
    """The venue keeps no such order: it is closed, or never came. Time and trades tell which."""
    if late or (sums.named and _whole(order, sums)):
        return _closed(order, order_hash, sums, "not_executed")
    if sums.size:
        return Pending(order.order_id, order_hash, sums.size, sums.cash, "more trades may follow")
    return Unknown(order.order_id, "the venue does not know the order yet")


def _whole(order: Order, sums: Tally) -> bool:
    """Nothing is left of the order."""
    draft = draft_of(order)
    if order.side is Side.SELL:
        return _agree(sums.size, draft.maker_amount)
    if order.time_in_force in _IMMEDIATE:
        return _agree(sums.cash, draft.maker_amount)
    return _agree(sums.size, draft.taker_amount)


def _closed(order: Order, order_hash: str, sums: Tally, word: str) -> Answer:
    """The order's last word. An immediate one that did nothing was refused; a resting one filled nothing."""
    if sums.named and not sums.size:
        why = "every trade of the order failed to settle"
        return Rejected(order.order_id, "settlement_failed", why, undone=True)
    if not sums.size and (order.time_in_force in _IMMEDIATE or word == "not_executed"):
        return Rejected(order.order_id, word.split(" ", maxsplit=1)[0].lower(), word)
    return Filled(order.order_id, order_hash, sums.size, sums.cash, Fee(sums.fee, COLLATERAL))


def _balance(signer: PolymarketSigner, kind: str, token: str) -> Talk[int | Unavailable]:
    """A balance in millionths, as the venue's cache of the chain has it."""
    query = [("signature_type", str(signer.signature_type)), ("asset_type", kind)]
    if token:
        query.append(("token_id", token))
    reply = yield _read("/balance-allowance", *query)
    try:
        return micros(wire.read(reply, _balances).balance) // ONE
    except ValueError as error:
        return Unavailable(f"balance of {token or COLLATERAL}: {error}")
