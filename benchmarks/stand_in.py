"""A made-up venue that answers at once, so that what is measured is the router and not a venue.

Its adapter keeps the venue contract like any other; `benchmarks.stand_in_server` is the other end of the
wire, where only the matching is missing: what is asked is filled.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TypeVar

import msgspec

from venues.base.contract import CashFee, FeeCurve, Limits, Page, Secret, Signer, Traits, Venue
from venues.base.events import FeedEvent, Say, Snapshot
from venues.base.http import Purpose, Reply, Request, Response, Talk, Unavailable
from venues.base.listing import Grid, Listing, ListingKey, Native
from venues.base.orders import Answer, Charge, Fee, Filled, News, Order, Side, Standing, Unknown
from venues.base.units import NANOS_PER_MICRO, ONE, Cash, Nanos, Price, Size, up
from venues.sim.contract import Simulator

NAMES = tuple(f"standin{number}" for number in range(6))
BOOK = Native("BOOK")
FEE = 10_000
"""One percent of the notional, in millionths."""


class Placed(msgspec.Struct, rename="camel"):
    """The body of POST /orders."""

    client_id: str
    book: str
    side: str
    price: int
    size: int
    cash: int
    salt: int
    kind: str = "immediate_or_cancel"
    self_trade: str = "cancel_resting"


class Done(msgspec.Struct, rename="camel"):
    """The reply to it."""

    order_id: str
    client_id: str
    status: str
    size: int
    cash: int
    fee: int


class Curve(CashFee, msgspec.Struct, frozen=True):
    """A flat percentage, rounded up per part."""

    def rank(self, side: Side, price: Price) -> Nanos:
        fee = up(price * FEE, NANOS_PER_MICRO)
        return Nanos(price * NANOS_PER_MICRO + (fee if side is Side.BUY else -fee))

    def reserve(self, side: Side, price: Price, size: Size) -> Cash:
        return Cash(up(price * size * FEE, ONE * ONE))

    def fixed(self, side: Side) -> Cash:
        return Cash(0)

    def charged(self, side: Side, fills: Sequence[tuple[Price, Size]]) -> Charge:
        return Charge(Cash(sum(self.reserve(side, price, size) for price, size in fills)))


class StandInFees:
    """The same for every listing."""

    def curve(self, listing: Listing) -> FeeCurve:
        return Curve()


class StandInSigner:
    """One secret; the signature is a plain digest."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secret = secrets["secret"].encode()

    def sign(self, request: Request, now_ms: int) -> Request:
        text = b"%d%b%b" % (now_ms, self._secret, request.body)
        headers = {"X-Time": str(now_ms), "X-Signature": sha256(text).hexdigest()}
        return msgspec.structs.replace(request, headers=headers)


class StandInFeed:
    """One snapshot per book, then silence but for the transport's pings."""

    def handshake(self) -> Request:
        return Request(method="GET", path="/feed", purpose=Purpose.DATA, host="socket")

    def subscribe(self, natives: Sequence[Native]) -> list[FeedEvent]:
        return [Say(native) for native in natives]

    def unsubscribe(self, natives: Sequence[Native]) -> list[FeedEvent]:
        return []

    def resync(self, native: Native, now_ms: int) -> list[FeedEvent]:
        return [Say(native)]

    def receive(self, frame: str | bytes, now_ms: int) -> list[FeedEvent]:
        return [msgspec.json.decode(frame, type=Snapshot)]

    def fetched(self, native: Native, response: Response, now_ms: int) -> list[FeedEvent]:
        return []

    def tick(self, now_ms: int) -> list[FeedEvent]:
        return []


class StandInListings:
    """Every book is listed; nothing is asked."""

    def __init__(self, name: str) -> None:
        self._name = name

    def fetch(self, natives: Sequence[Native]) -> Talk[list[Listing] | Unavailable]:
        yield from ()
        grid = Grid.uniform(10_000)
        return [Listing(venue=self._name, native=native, grid=grid, lot=10_000) for native in natives]

    def discover(self, cursor: str) -> Talk[Page | Unavailable]:
        yield from ()
        return Page(listings=(), cursor=None)


class StandInOrders:
    """POST /orders; GET /funds."""

    def place(self, order: Order, signer: Signer) -> Talk[Answer]:
        body = Placed(
            client_id=order.order_id,
            book=order.listing.native,
            side=order.side.value,
            price=order.limit,
            size=order.size,
            cash=order.cash,
            salt=order.salt,
        )
        encoded = msgspec.json.encode(body)
        reply = yield Request(
            method="POST", path="/orders", purpose=Purpose.ORDER, body=encoded, private=True
        )
        try:
            done = _read(reply, Done)
        except ValueError as error:
            return Unknown(order.order_id, str(error))
        return Filled(order.order_id, done.order_id, Size(done.size), Cash(done.cash), Fee(done.fee, "USD"))

    def look_up(self, order: Order, signer: Signer, answer: Answer, now_ms: int) -> Talk[Answer]:
        yield from ()
        return Unknown(order.order_id, "the stand-in remembers nothing")

    def heard(self, order: Order, answer: Answer | None, news: Sequence[News]) -> Answer | None:
        return None

    def cancel(self, order: Order, signer: Signer, answer: Answer) -> Talk[Answer]:
        yield from ()
        return answer

    def withdraw(self, signer: Signer, standing: Standing) -> Talk[bool]:
        yield from ()
        return False

    def open_orders(
        self, signer: Signer, listings: Sequence[Listing]
    ) -> Talk[Sequence[Standing] | Unavailable]:
        yield from ()
        return ()

    def history(self, signer: Signer, listings: Sequence[Listing]) -> Talk[Sequence[Standing] | Unavailable]:
        yield from ()
        return ()

    def funds(self, signer: Signer) -> Talk[Mapping[str, Cash] | Unavailable]:
        reply = yield Request(method="GET", path="/funds", purpose=Purpose.ACCOUNT, private=True)
        try:
            return {"": Cash(_read(reply, int))}
        except ValueError as error:
            return Unavailable(str(error))

    def holdings(
        self, signer: Signer, listings: Sequence[Listing]
    ) -> Talk[Mapping[ListingKey, Size] | Unavailable]:
        yield from ()
        return Unavailable("only buys are measured")

    def clock(self) -> Talk[int | Unavailable]:
        reply = yield Request(method="GET", path="/time", purpose=Purpose.DATA)
        try:
            return _read(reply, int)
        except ValueError as error:
            return Unavailable(str(error))


T = TypeVar("T")


def _read(reply: Reply, kind: type[T]) -> T:
    if not isinstance(reply, Response) or reply.status != 200:
        raise ValueError(f"no answer: {reply}")
    return msgspec.json.decode(reply.body, type=kind)


def _simulator(_: int) -> Simulator:
    raise NotImplementedError("the stand-in has no matching engine")


def venue(name: str) -> Venue:
    """One of the six."""
    return Venue(
        name=name,
        title=name,
        collateral="USD",
        hosts={"rest": "http://127.0.0.1", "socket": "ws://127.0.0.1"},
        secrets=(Secret("secret", "made up"),),
        traits=Traits(),
        limits=Limits(listings_per_connection=100, silent_ms_max=30_000),
        feed=StandInFeed,
        listings=StandInListings(name),
        orders=StandInOrders(),
        fees=StandInFees(),
        signer=StandInSigner,
        simulator=_simulator,
    )
