"""Orders at Limitless (card 6, 7): signed for the market's own exchange contract, known by our order id.

Every order carries the time it was made and a window: one that arrives later is refused by the venue, so
that "not found" after the window is a last word.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from venues.base.contract import Signer
from venues.base.http import Purpose, Response, Talk, Unavailable
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
from venues.base.units import Cash, Size, plain
from venues.kit.ctf_order import BUY, SELL, CtfOrder
from venues.kit.eip712 import checksummed
from venues.limitless import account, hearing, standings, wire
from venues.limitless.answers import SETTLED, amounts, answer_of, placed, wrong_fee_rate
from venues.limitless.fees import COLLATERAL as COLLATERAL_FEES
from venues.limitless.reads import look_up, own, post, token_of
from venues.limitless.signer import LimitlessSigner, Profile

RECV_WINDOW_MS = 5_000
"""How long after `Order.created_ms` the venue still takes an order; it allows up to 10,000."""
ABSENT_MS = RECV_WINDOW_MS + 35_000
"""An order not there this long after it was made never will be: the window, five seconds for clocks that
disagree, and thirty for the venue's own reads to show what it took (how far they lag is UNCONFIRMED)."""
REMEMBERED_MS = 24 * 3_600_000
"""How long "not found" proves anything: how long the venue remembers its orders is not published."""
LATE_MS = 60_000
"""Where a killed or canceled order shows trades and no word on their settlement, they count as settled this
long after it was made: many times what the chain and the venue's retries need (UNCONFIRMED)."""
HELD_MS = 2_000
"""Beyond the market's own delay: a held order whose look-up shows no match may not have had its turn yet."""
_ORDER_TYPES = {TimeInForce.IOC: "FAK", TimeInForce.GTC: "GTC"}
CANCELED = "CANCELED"
_ZERO = checksummed(bytes(20))

_encoder = msgspec.json.Encoder(decimal_format="number")


def draft_of(order: Order, signer: LimitlessSigner, fee_rate_bps: int) -> CtfOrder:
    """What is signed for this order. On markets that take fees in money the signed rate must be 0."""
    shares, cash = amounts(order)
    maker, taker = (cash, shares) if order.side is Side.BUY else (shares, cash)
    collateral = order.listing.details["fees"] == COLLATERAL_FEES
    return CtfOrder(
        salt=order.salt,
        maker=signer.owner,
        signer=signer.owner,
        token_id=int(token_of(order.listing)),
        maker_amount=maker,
        taker_amount=taker,
        fee_rate_bps=0 if collateral else fee_rate_bps,
        side=BUY if order.side is Side.BUY else SELL,
    )


def order_post(order: Order, signer: LimitlessSigner, profile: Profile) -> wire.OrderPost:
    """The body of POST /orders."""
    draft = draft_of(order, signer, profile.fee_rate_bps)
    signed = wire.SignedOrder(
        salt=draft.salt,
        maker=signer.address,
        signer=signer.address,
        taker=_ZERO,
        token_id=str(draft.token_id),
        maker_amount=draft.maker_amount,
        taker_amount=draft.taker_amount,
        expiration=str(draft.expiration),
        nonce=draft.nonce,
        fee_rate_bps=draft.fee_rate_bps,
        side=draft.side,
        signature_type=draft.signature_type,
        price=Decimal(plain(order.limit)),
        signature=signer.order_signature(draft, order.listing.details["exchange"]),
    )
    return wire.OrderPost(
        order=signed,
        owner_id=profile.id,
        order_type=_ORDER_TYPES[order.time_in_force],
        market_slug=order.listing.native,
        post_only=order.post_only,
        client_order_id=order.order_id,
        timestamp=order.created_ms,
        recv_window=RECV_WINDOW_MS,
    )


class LimitlessOrders:
    """The venue takes no client order id and no signed order twice, so a repeat cannot execute twice."""

    def place(self, order: Order, signer: Signer) -> Talk[Answer]:
        """Send one order, once; before the first one of an account, read its profile."""
        mine = own(signer)
        if order.time_in_force not in _ORDER_TYPES:
            word = order.time_in_force.value
            return Rejected(order.order_id, "unsupported", f"the venue has no {word} with a limit price")
        profile = yield from account.profile(mine)
        if isinstance(profile, Unavailable):
            return Rejected(order.order_id, "not_sent", profile.reason)
        body = _encoder.encode(order_post(order, mine, profile))
        reply = yield post("/orders", body, Purpose.ORDER)
        answer = placed(order, reply)
        if wrong_fee_rate(answer):
            mine.profile = None
        return answer

    def look_up(self, order: Order, signer: Signer, answer: Answer, now_ms: int) -> Talk[Answer]:
        """By our order id. "Not found" counts only after `ABSENT_MS`, never against the venue's own word."""
        items = yield from look_up(own(signer), "clientOrderId", [order.order_id])
        if isinstance(items, Unavailable):
            return Unknown(order.order_id, items.reason)
        item = items[0]
        if item.client_order_id not in (None, "", order.order_id):
            return Unknown(order.order_id, f"the look-up is about another order: {item.client_order_id!r}")
        if item.status == "not_found":
            return _absent(order, answer, now_ms)
        late = now_ms - order.created_ms > LATE_MS
        found = _found(order, item, answer, item.state, late=late)
        if isinstance(found, Working) and not item.state and (yield from _was_canceled(order, found)):
            found = _found(order, item, answer, CANCELED, late=late)
        return _not_before_its_turn(order, _not_less(found, answer, item), now_ms)

    def cancel(self, order: Order, signer: Signer, answer: Answer) -> Talk[Answer]:
        """Cancel, then read what became of it: the reply to a cancel says nothing of fills."""
        body = msgspec.json.encode({"clientOrderId": order.order_id})
        reply = yield post("/orders/cancel", body, Purpose.ORDER)
        found = yield from self.look_up(order, signer, answer, order.created_ms)
        if isinstance(found, Working) and isinstance(reply, Response) and reply.status in (200, 201):
            reason = "cancelled; not yet seen by reads"
            return Pending(order.order_id, found.venue_order_id, found.size, found.cash, reason)
        return found

    def withdraw(self, signer: Signer, standing: Standing) -> Talk[bool]:
        """By the venue's id."""
        body = msgspec.json.encode({"orderId": standing.venue_order_id})
        reply = yield post("/orders/cancel", body, Purpose.ORDER)
        return isinstance(reply, Response) and reply.status in (200, 201)

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


def _found(order: Order, item: wire.StatusItem, answer: Answer, state: str, *, late: bool) -> Answer:
    """What one look-up proves of an order that the venue knows, in this state of its own."""
    execution = item.execution_found
    if item.status != "found" or execution is None:
        return Unknown(order.order_id, f"order look-up: {item.status!r}, without an execution")
    said = answer.venue_order_id if isinstance(answer, Pending | Working) else ""
    return answer_of(order, item.found_id or said, execution, state, late=late)


def _was_canceled(order: Order, found: Working) -> Talk[bool]:
    """Whether the order is among the canceled ones: a look-up need not say whether it still rests."""
    rows = yield from standings.rows_of(order.listing.native, CANCELED)
    if isinstance(rows, Unavailable):
        return False
    return any(standings.id_of(row) == found.venue_order_id for row in rows)


def _not_less(found: Answer, answer: Answer, item: wire.StatusItem) -> Answer:
    """A read may lag behind what the venue said before. Only its chain has the last word on a match."""
    if not (isinstance(answer, Pending | Working) and isinstance(found, Filled | Working | Pending)):
        return found
    execution = item.execution_found
    settled = execution is not None and execution.settlement_status.upper() in SETTLED
    return found if found.size >= answer.size or settled else answer


def _not_before_its_turn(order: Order, found: Answer, now_ms: int) -> Answer:
    """Markets with a delay hold taking orders back: read as unmatched, one may only not be matched yet."""
    delay_ms = int(order.listing.details.get("taker_delay_ms", "0"))
    if not (delay_ms and isinstance(found, Filled) and not found.size):
        return found
    if now_ms - order.created_ms > RECV_WINDOW_MS + delay_ms + HELD_MS:
        return found
    return Pending(order.order_id, found.venue_order_id, found.size, found.cash, "it may be held back still")


def _absent(order: Order, answer: Answer, now_ms: int) -> Answer:
    """An order that the venue does not know. What it once said about it is not taken back."""
    if isinstance(answer, Pending | Working):
        return answer
    if ABSENT_MS < now_ms - order.created_ms < REMEMBERED_MS:
        return Rejected(order.order_id, "not_executed", "the venue never took the order")
    return Unknown(order.order_id, "the venue does not know the order yet")
