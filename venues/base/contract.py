"""What a venue must provide. First file for a venue author; then read one sibling's README and its files.

Everything here is pure: a venue never opens a socket, reads a clock or rolls dice. Time, ids and salts
arrive in the values, replies arrive through conversations (`Talk`), frames through `Feed.receive`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

from venues.base.events import FeedEvent, Refused, Say
from venues.base.http import Purpose, Request, Response, Talk, Unavailable
from venues.base.listing import Listing, ListingKey, Native
from venues.base.orders import Answer, Charge, News, Order, Side, Standing
from venues.base.units import Cash, Nanos, Price, Size

if TYPE_CHECKING:
    from venues.sim.contract import Simulator


class Signer(Protocol):
    """An account's keys at one venue, parsed once. Its `repr` shows no secret."""

    def sign(self, request: Request, now_ms: int) -> Request:
        """The same request with the venue's authentication headers. Called just before sending."""
        ...


@runtime_checkable
class Heir(Protocol):
    """A signer that learns of its account what the next one, with newer keys of the account, must know."""

    def inherit(self, before: Signer) -> None:
        """Take over what this signer of the same account knows."""
        ...


class FeeCurve(Protocol):
    """The fee of one listing. Equal parameters make equal, hashable curves: tables are kept per curve.

    A fill's fee may depend on how the venue cuts an order into fills, which no feed publishes. So there
    are several questions, each with its own rounding.
    """

    def rank(self, side: Side, price: Price) -> Nanos:
        """Fee-inclusive price per share, rounded against the venue. It only ranks offers."""
        ...

    def reserve(self, side: Side, price: Price, size: Size) -> Cash:
        """The most the venue may charge for `size` at `price`, however it cuts it into fills.

        Monotone in `size`, and never less than linear: reserve(a) + reserve(b) >= reserve(a + b) - 1.
        """
        ...

    def fixed(self, side: Side) -> Cash:
        """The most that rounding or a flat charge may add once per order."""
        ...

    def minimum(self, side: Side) -> Cash:
        """The least an order is charged that trades at all: where its reserves come to less, this counts."""
        ...

    def kept(self, side: Side, price: Price, size: Size) -> Size:
        """The most shares of a buy of `size` at `price` that the venue may keep as its fee.

        Monotone in `size` and never less than linear, as `reserve` is; 0 for sales.
        """
        ...

    def charged(self, side: Side, fills: Sequence[tuple[Price, Size]]) -> Charge:
        """The exact fee of an order filled in these fills, in this order, by the published rule."""
        ...


class CashFee:
    """For curves whose fee is paid in money and has no least amount."""

    __slots__ = ()

    def minimum(self, side: Side) -> Cash:
        """None."""
        return Cash(0)

    def kept(self, side: Side, price: Price, size: Size) -> Size:
        """None."""
        return Size(0)


class Fees(Protocol):
    """The venue's published fee rules."""

    def curve(self, listing: Listing) -> FeeCurve:
        """The taker's curve for this listing, from its `details`."""
        ...


class Feed(Protocol):
    """The protocol state of one market-data connection. A new connection starts with a new Feed."""

    def handshake(self) -> Request:
        """Path, query and headers of the WebSocket upgrade. `private` when it must be signed."""
        ...

    def subscribe(self, natives: Sequence[Native]) -> list[FeedEvent]:
        """What to say to start receiving these books, each beginning with a snapshot."""
        ...

    def unsubscribe(self, natives: Sequence[Native]) -> list[FeedEvent]:
        """What to say to stop receiving these books."""
        ...

    def resync(self, native: Native, now_ms: int) -> list[FeedEvent]:
        """What to say or fetch to get a fresh snapshot of one book whose state is in doubt."""
        ...

    def receive(self, frame: str | bytes, now_ms: int) -> list[FeedEvent]:
        """Translate one text frame. An unreadable frame raises ValueError; the connection is then remade."""
        ...

    def fetched(self, native: Native, response: Response, now_ms: int) -> list[FeedEvent]:
        """Translate the response to an `Ask`. Unreadable raises ValueError."""
        ...

    def tick(self, now_ms: int) -> list[FeedEvent]:
        """Called at least once a second: heartbeats that are due."""
        ...


class Page(msgspec.Struct, frozen=True):
    """One page of what a venue lists."""

    listings: tuple[Listing, ...]
    cursor: str | None
    """Of the next page; None after the last."""


class Listings(Protocol):
    """Metadata of what the venue lists."""

    def fetch(self, natives: Sequence[Native]) -> Talk[list[Listing] | Unavailable]:
        """The listings of these books, not inverted. One that the venue does not know is left out."""
        ...

    def discover(self, cursor: str) -> Talk[Page | Unavailable]:
        """One page of all that the venue lists and trades now; "" asks for the first."""
        ...


class Orders(Protocol):
    """Orders and money. Each conversation ends in a value; none raises for what the venue did."""

    def place(self, order: Order, signer: Signer) -> Talk[Answer]:
        """Send one order, once. Only the venue's closed list of refusals ends in Rejected."""
        ...

    def look_up(self, order: Order, signer: Signer, answer: Answer, now_ms: int) -> Talk[Answer]:
        """Find out what became of an order by the best means the venue has.

        `answer` is the last thing known about it. "Not found" becomes a last word only after the
        time the venue's card gives (`now_ms` against `order.created_ms`), until then Unknown.
        """
        ...

    def heard(self, order: Order, answer: Answer | None, news: Sequence[News]) -> Answer | None:
        """What the account's own stream proves about an order; None: no more than is known.

        `news` is all it said about the order so far, oldest first, perhaps some of it twice. Never says
        more than `look_up` would. ValueError when it cannot be read.
        """
        ...

    def cancel(self, order: Order, signer: Signer, answer: Answer) -> Talk[Answer]:
        """Take a resting order off the book; ends in what `look_up` would say afterwards."""
        ...

    def withdraw(self, signer: Signer, standing: Standing) -> Talk[bool]:
        """Take an order off the book that the venue lists as open, whoever placed it.

        Whether the venue said that it did: what became of the order its lists tell.
        """
        ...

    def open_orders(
        self, signer: Signer, listings: Sequence[Listing]
    ) -> Talk[Sequence[Standing] | Unavailable]:
        """The account's orders that rest on these listings, whoever placed them."""
        ...

    def history(self, signer: Signer, listings: Sequence[Listing]) -> Talk[Sequence[Standing] | Unavailable]:
        """The account's orders on these listings that ended lately, newest first, one page."""
        ...

    def funds(self, signer: Signer) -> Talk[Mapping[str, Cash] | Unavailable]:
        """Cash free to spend, by pool (`Listing.pool`)."""
        ...

    def holdings(
        self, signer: Signer, listings: Sequence[Listing]
    ) -> Talk[Mapping[ListingKey, Size] | Unavailable]:
        """Settled shares free to sell, for each of these listings."""
        ...

    def clock(self) -> Talk[int | Unavailable]:
        """The venue's time in Unix milliseconds. No order goes to a venue before it has told it."""
        ...


PrivateEvent = News | Say | Refused
"""What an account's own stream can tell us."""


class PrivateFeed(Protocol):
    """The protocol state of one connection to an account's own stream. A new connection, a new PrivateFeed.

    What it says only ever shortens a wait: `Orders.look_up` finds out the same without it.
    """

    def prepare(self, now_ms: int) -> Talk[Unavailable | None]:
        """What must be fetched before connecting, such as a session token."""
        ...

    def handshake(self) -> Request:
        """Path, query and headers of the WebSocket upgrade; signed by the account's signer when `private`."""
        ...

    def opening(self) -> list[PrivateEvent]:
        """What to say first on a new connection."""
        ...

    def watch(self, natives: Sequence[Native]) -> list[PrivateEvent]:
        """What to say to hear about orders on these books, where the stream does not tell of all."""
        ...

    def receive(self, frame: str | bytes, now_ms: int) -> list[PrivateEvent]:
        """Translate one text frame. An unreadable frame raises ValueError; the connection is then remade."""
        ...

    def tick(self, now_ms: int) -> list[PrivateEvent]:
        """Called at least once a second: heartbeats that are due."""
        ...


class NoStream:
    """For the orders of a venue whose card names no `private` stream: nothing is ever heard."""

    def heard(self, order: Order, answer: Answer | None, news: Sequence[News]) -> Answer | None:
        """Nothing."""
        return None


class Secret(msgspec.Struct, frozen=True):
    """One credential an account needs. Its name is a key in the configuration and in the vault."""

    name: str
    where: str
    """Where the user finds it."""
    required: bool = True
    secret: bool = True
    """False for ids and addresses that may be shown."""
    rotates: bool = False
    """It only proves who asks: another may take its place while orders of the account are open."""
    wallet: bool = False
    """The private key of an EOA in hexadecimal, which the router may make itself."""


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """Where the router must choose. Every default leaves the other venues as they are."""

    buys_in_cash: bool = False
    """A marketable buy names the cash to spend, not the shares to get."""
    cash_lot: int = 1
    """With `buys_in_cash`: the notional of a buy is a multiple of this many millionths."""
    slow_signature: bool = False
    """Signing takes more than 100 microseconds: it runs in a worker thread."""
    needs_stream: bool = False
    """No order goes to it while the account's own stream is down: only the stream tells of its end."""
    restarts_425: bool = False
    """It answers 425 while its matching engine restarts; afterwards it takes no orders that take."""
    shut_codes: Collection[str] = ()
    """Codes of a `Rejected` by which it says that this one market is not traded now."""
    phase_codes: Collection[str] = ()
    """Codes of a `Rejected` by which it says that it takes no orders that take, on any market."""


class Pace(msgspec.Struct, frozen=True):
    """At most `calls` within any `within_ms`, counted together for these purposes, per account."""

    purposes: tuple[Purpose, ...]
    calls: int
    within_ms: int
    per_address: bool = False
    """The venue counts by the caller's address: all accounts of the router together."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The venue's own numbers, from its card."""

    listings_per_connection: int
    silent_ms_max: int
    """Without a frame or heartbeat for this long, a connection is dead."""
    frame_bytes_max: int = 4 * 1024 * 1024
    order_ms_max: int = 3_000
    """How long to wait for the reply to an order."""
    phase_ms: int = 120_000
    """How long a venue that takes no orders, or restarts, is left alone before one is tried again. The only
    card that names a time has two minutes after a restart."""
    levels_max: int = 10_000
    paces: tuple[Pace, ...] = ()
    """What the venue allows; a call that would break one waits, or is refused before it is sent."""
    tiers: Mapping[str, tuple[Pace, ...]] = {}
    """The paces of accounts that the venue allows more, by its own word for them."""


class Venue(msgspec.Struct, frozen=True, kw_only=True):
    """The card: all the router sees of a venue."""

    name: str
    title: str
    collateral: str
    """The name of the money it settles in; one unit counts as one dollar."""
    hosts: Mapping[str, str]
    """Base URLs without a trailing slash; "rest" and "socket" are always there."""
    secrets: tuple[Secret, ...]
    traits: Traits
    limits: Limits
    feed: Callable[[], Feed]
    listings: Listings
    orders: Orders
    fees: Fees
    signer: Callable[[Mapping[str, str]], Signer]
    """Parses an account's credentials. A bad one raises ValueError that names the secret and the rule."""
    simulator: "Callable[[int], Simulator]"
    """The other end of the wire, from a seed."""
    private: Callable[[Signer], PrivateFeed] | None = None
    """An account's own stream, where the venue has one."""
