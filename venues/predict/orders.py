"""Orders at Predict.fun (card 8-11): signed, sent once, and followed until settlements account for them.

The order's hash is the venue's id and known before sending. The reply to an order never speaks of fills; a
taker is held for about 200 ms, then matched, then settled on chain within seconds, and a settlement can fail.
So an order is `Filled` when what the venue calls settled and its list of matches agree, and not before.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec

from venues.base.contract import Signer
from venues.base.http import Purpose, Reply, Request, Response, Silence, Talk, Unavailable
from venues.base.listing import Listing, ListingKey
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
from venues.base.units import Cash, Size
from venues.kit.body import read
from venues.kit.ctf_order import BUY, SELL
from venues.predict import account, wire
from venues.predict.amounts import amounts, sendable
from venues.predict.calls import get, own, post, rows, with_token
from venues.predict.fills import COLLATERAL, Fills, from_matches, from_news
from venues.predict.listings import is_neg_risk, is_yield_bearing, token_of
from venues.predict.refusals import refused
from venues.predict.signer import Draft, PredictSigner
from venues.predict.wire import WEI_PER_MICRO, wei

MARKET_LIFE_S = 300
"""A market order cannot come alive after this (card 8 and 10)."""
FORGOTTEN_MS = (MARKET_LIFE_S + 30) * 1_000
"""An order that the venue does not know by then never comes; half a minute for clocks and for lag."""
LAG_MS = 3_000
"""State and settled amount lag the execution by up to more than 2 s (card 9). So a closed order that is not
filled completely is believed this long after it was first seen closed, with the fills it still has."""
YOUNG_MS = 2 * LAG_MS
"""Nor is it believed before it is this old: seen closed at once, it was seen while all that tells of its
execution may lag."""
NEVER_S = 4_102_444_800
"""The expiration of an order without one: 2100-01-01, as the venue's clients have it."""
DUST_WEI = WEI_PER_MICRO
"""Two statements about one order agree within a millionth of a share."""
_IMMEDIATE = frozenset({TimeInForce.IOC, TimeInForce.FOK})
_CLOSED = frozenset({"FILLED", "EXPIRED", "CANCELLED", "INVALIDATED"})
_SINCE = re.compile(r"since (\d{1,16})$")
_ACCEPTED, _NOT_ACCEPTED = "orderAccepted", "orderNotAccepted"

_acknowledged = msgspec.json.Decoder(wire.Told[wire.Accepted])
_refusal = msgspec.json.Decoder(wire.Refusal)
_state = msgspec.json.Decoder(wire.Told[wire.OrderState])
_removed = msgspec.json.Decoder(wire.Removed)
_matches = msgspec.json.Decoder(wire.Told[list[wire.Match]])


def draft_of(order: Order) -> Draft:
    """What is signed for this order: a pure function of it, so that its hash can be found again.

    A limit order and a market order have the same amounts: the size and the limit. See the README for why.
    """
    asked = amounts(order.side, order.limit, order.size)
    if order.time_in_force in _IMMEDIATE:
        expiration_s = order.created_ms // 1000 + MARKET_LIFE_S
    else:
        expiration_s = order.expires_s or NEVER_S
    return Draft(
        token_id=int(token_of(order.listing)),
        maker_amount=asked.maker,
        taker_amount=asked.taker,
        expiration_s=expiration_s,
        fee_rate_bps=int(order.listing.details["fee_rate_bps"]),
        side=BUY if order.side is Side.BUY else SELL,
        salt=order.salt,
        neg_risk=is_neg_risk(order),
        yield_bearing=is_yield_bearing(order),
    )


def new_order(order: Order, signer: PredictSigner) -> wire.NewOrder:
    """The body of POST /v1/orders. A marketable order is a market order whose worst price is the limit."""
    signed, price = signer.signed(draft_of(order)), str(order.limit * WEI_PER_MICRO)
    if order.time_in_force in _IMMEDIATE:
        whole = order.time_in_force is TimeInForce.FOK
        return wire.NewOrder(signed, price, "MARKET", slippage_bps="0", is_fill_or_kill=whole)
    post_only = True if order.post_only else msgspec.UNSET
    return wire.NewOrder(signed, price, "LIMIT", is_post_only=post_only)


class PredictOrders:
    """Places, looks up and cancels orders; reads balances."""

    def place(self, order: Order, signer: Signer) -> Talk[Answer]:
        """POST /v1/orders. At best the order is accepted: what it did is for the look-ups."""
        if order.time_in_force is TimeInForce.FOK and sendable(order.size) != order.size:
            return Rejected(
                order.order_id, "size_too_fine", "all or nothing, of a size the venue cannot take"
            )
        if order.expires_s is not None and order.expires_s * 1000 <= order.created_ms:
            return Rejected(order.order_id, "expired", "expires_s: over before the order was made")
        account_signer = own(signer)
        body = new_order(order, account_signer)
        request = post("/v1/orders", {"data": body}, purpose=Purpose.ORDER)
        reply = yield from with_token(request, account_signer, order.created_ms)
        return _placed(order, body.order.hash, reply)

    def look_up(self, order: Order, signer: Signer, answer: Answer, now_ms: int) -> Talk[Answer]:
        """The order by its hash, then its matches: the first tells the state, the second what was traded."""
        account_signer = own(signer)
        order_hash = account_signer.order_hash(draft_of(order))
        reply = yield from with_token(get(f"/v1/orders/{order_hash}"), account_signer, now_ms)
        try:
            state = _known(reply, order_hash)
            settled_wei = wei(state.amount_filled) if state else 0
            fills = yield from _fills(order, order_hash, account_signer, settled_wei)
            if state is None:
                return _absent(order, order_hash, answer, fills=fills, now_ms=now_ms)
            return _present(order, order_hash, answer, fills=fills, state=state, now_ms=now_ms)
        except ValueError as error:
            return Unknown(order.order_id, f"look-up: {error}")

    def cancel(self, order: Order, signer: Signer, answer: Answer) -> Talk[Answer]:
        """Take it off the venue's book; whatever that says, the look-up decides.

        A 401 may only mean that it is too early (card 11), so it is no word on the session token: whether
        that is good the look-up finds out, and renews it; then the order is taken off again. The signature
        stays valid on chain until the order expires (card 11): the venue alone can use it.
        """
        account_signer = own(signer)
        order_hash = account_signer.order_hash(draft_of(order))
        request = _removal(order_hash)
        for _ in range(2):
            if account_signer.fresh(account_signer.seen_ms):
                yield request
            token = account_signer.wallet_topic
            done = yield from self.look_up(order, signer, answer, account_signer.seen_ms)
            if isinstance(done, Filled | Rejected) or account_signer.wallet_topic == token:
                return done
        return done

    def withdraw(self, signer: Signer, standing: Standing) -> Talk[bool]:
        """By the order's hash, with the session token of the list that showed it."""
        account_signer = own(signer)
        if not account_signer.fresh(account_signer.seen_ms):
            return False
        reply = yield _removal(standing.venue_order_id)
        try:
            removed = read(_removed, reply.body).removed if isinstance(reply, Response) else ()
        except ValueError:
            return False
        return standing.venue_order_id in removed

    def open_orders(
        self, signer: Signer, listings: Sequence[Listing]
    ) -> Talk[Sequence[Standing] | Unavailable]:
        """See `account.open_orders`."""
        return account.open_orders(signer, listings)

    def history(self, signer: Signer, listings: Sequence[Listing]) -> Talk[Sequence[Standing] | Unavailable]:
        """See `account.history`."""
        return account.history(signer, listings)

    def heard(self, order: Order, answer: Answer | None, news: Sequence[News]) -> Answer | None:
        """What the wallet's events prove. Final are: an order not accepted, and one settled completely.

        Everything else final is left to the look-up: no event says that no further settlement will come.
        """
        if isinstance(answer, Filled | Rejected) or not news:
            return None
        told = from_news(news, order)
        if told is None:
            return None
        try:
            return _heard(order, answer, news, settled=told.settled, settling=told.settling)
        except ValueError:
            return None

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


def _removal(order_hash: str) -> Request:
    body = {"data": {"hashes": [order_hash]}}
    return post("/v1/orders/remove-by-hash", body, purpose=Purpose.ORDER)


# --- what the reply to POST /v1/orders proves ---


def _placed(order: Order, order_hash: str, reply: Reply) -> Answer:
    if isinstance(reply, Silence):
        if reply.sent:
            return Unknown(order.order_id, reply.reason)
        return Rejected(order.order_id, "not_sent", reply.reason)
    try:
        if reply.status not in (200, 201):
            return refused(order, order_hash, reply, read(_refusal, reply.body))
        said = wire.read(reply, _acknowledged).data
    except ValueError as error:
        return Unknown(order.order_id, f"http {reply.status}, unreadable: {error}")
    if said.code != "OK" or said.order_hash.lower() != order_hash:
        return Unknown(order.order_id, f"the reply is not about this order: {said.code} {said.order_hash!r}")
    if order.time_in_force in _IMMEDIATE or said.removal_locked_until is not None:
        return Pending(order.order_id, order_hash, Size(0), Cash(0), "accepted")
    return _working(order, order_hash, Fills(order.side))


# --- what a look-up proves ---


def _known(reply: Reply, order_hash: str) -> wire.OrderState | None:
    """The order as the venue keeps it, or None."""
    if wire.missing(reply):
        return None
    state = wire.read(reply, _state).data
    if state.order.hash.lower() != order_hash:
        raise ValueError("the reply is about another order")
    return state


def _fills(order: Order, order_hash: str, signer: PredictSigner, settled_wei: int) -> Talk[Fills]:
    """The order's matches: pages, newest first, until they make up what has settled."""

    def enough(found: list[wire.Match]) -> bool:
        return from_matches(found, order, order_hash).wei + DUST_WEI >= settled_wei

    query = (("marketId", str(order.listing.native)), ("signerAddress", signer.address))
    found = yield from rows(account.MATCHES, query, _matches, signer=signer, enough=enough)
    fills = from_matches(found, order, order_hash)
    _check_size(order, fills)
    return fills


def _absent(order: Order, order_hash: str, answer: Answer, *, fills: Fills, now_ms: int) -> Answer:
    """The venue does not know the order. One without a trace never comes once its time is over.

    A resting order that was here before may still be: its signature lives on.
    """
    here = isinstance(answer, Working | Pending)
    traded = fills.wei or (isinstance(answer, Working | Pending) and answer.size)
    gone = order.time_in_force in _IMMEDIATE or not here
    if not traded and gone and now_ms - order.created_ms >= FORGOTTEN_MS:
        return Rejected(order.order_id, "not_executed", "the venue does not know the order")
    if traded or here:
        return _pending(order, order_hash, answer, fills=fills, reason="the venue does not show the order")
    return Unknown(order.order_id, "the venue does not know the order yet")


def _present(
    order: Order, order_hash: str, answer: Answer, *, fills: Fills, state: wire.OrderState, now_ms: int
) -> Answer:
    """The state, the settled amount and the matches together; where they disagree, time will tell."""
    settled = abs(wei(state.amount_filled) - fills.wei) <= DUST_WEI
    if state.status == "OPEN":
        if settled and order.time_in_force not in _IMMEDIATE:
            return _working(order, order_hash, fills)
        return _pending(order, order_hash, answer, fills=fills, reason="matching")
    if state.status not in _CLOSED:
        raise ValueError(f"order status {state.status!r}")
    if settled and _whole(order, fills):
        return _filled(order, order_hash, fills)
    told = answer.size if isinstance(answer, Working | Pending) else 0
    since = _closed_since(answer, fills)
    patience_ms = LAG_MS if fills.size >= told else FORGOTTEN_MS
    if settled and since is not None and now_ms >= max(since + patience_ms, order.created_ms + YOUNG_MS):
        if fills.wei or (order.time_in_force not in _IMMEDIATE and not told):
            return _filled(order, order_hash, fills)
        if state.status != "FILLED":
            why = "every settlement failed" if told else "nothing was filled"
            return Rejected(order.order_id, state.status.lower(), why, undone=told > 0)
    reason = f"{state.status}, settling since {now_ms if since is None else since}"
    return _pending(order, order_hash, answer, fills=fills, reason=reason)


def _closed_since(answer: Answer, fills: Fills) -> int | None:
    """When an earlier look-up first saw the order closed, with these fills: it said so in its answer."""
    since = _SINCE.search(answer.reason) if isinstance(answer, Pending) else None
    grown = isinstance(answer, Pending) and fills.size > answer.size
    return None if since is None or grown else int(since[1])


def _whole(order: Order, fills: Fills) -> bool:
    """Nothing is left of what was sent."""
    return fills.wei + DUST_WEI >= sendable(order.size) * WEI_PER_MICRO


def _check_size(order: Order, fills: Fills) -> None:
    """ValueError where more is told than was signed for: something was counted twice."""
    if fills.wei > sendable(order.size) * WEI_PER_MICRO + DUST_WEI:
        raise ValueError(f"fills of {fills.size} in an order of {order.size}")


def _pending(order: Order, order_hash: str, answer: Answer, *, fills: Fills, reason: str) -> Pending:
    """What was matched so far; never less than was said before."""
    size, cash = fills.size, fills.cash
    if isinstance(answer, Working | Pending) and answer.size > size:
        size, cash = answer.size, answer.cash
    return Pending(order.order_id, order_hash, size, cash, reason)


def _working(order: Order, order_hash: str, fills: Fills) -> Working:
    return Working(order.order_id, order_hash, fills.size, fills.cash, fills.fee)


def _filled(order: Order, order_hash: str, fills: Fills) -> Filled:
    return Filled(order.order_id, order_hash, fills.size, fills.cash, fills.fee)


# --- what the wallet's events prove ---


def _heard(
    order: Order, answer: Answer | None, news: Sequence[News], *, settled: Fills, settling: Fills
) -> Answer | None:
    order_hash = news[0].venue_order_id
    _check_size(order, Fills(order.side, settled.rows + settling.rows))
    if not settling.rows and _whole(order, settled):
        return _filled(order, order_hash, settled)
    matched = Fills(order.side, settled.rows + settling.rows)
    known = answer.size if isinstance(answer, Working | Pending) else 0
    if not matched.wei and not known:
        kinds = {item.told.get("type", ""): item.told.get("reason", "") for item in news}
        if _NOT_ACCEPTED in kinds and _ACCEPTED not in kinds:
            return Rejected(order.order_id, "not_accepted", kinds[_NOT_ACCEPTED])
        return None
    if matched.size <= known:
        return None
    if settling.rows or order.time_in_force in _IMMEDIATE:
        return Pending(order.order_id, order_hash, matched.size, matched.cash, "settling")
    return _working(order, order_hash, matched)


__all__ = ["COLLATERAL", "PredictOrders", "draft_of", "new_order"]
