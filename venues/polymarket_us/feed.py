"""Polymarket US frames in, book events out (card 6). Every update is a whole book of the long side.

Nothing is numbered: frames are put in order by the venue's time, and an older one is dropped. The state
inside each frame says whether the market trades; only OPEN does.
"""

from collections.abc import Iterable, Sequence
from urllib.parse import quote

import msgspec

from venues.base.events import (
    Ask,
    FeedEvent,
    Halted,
    Level,
    Lost,
    Refused,
    Resumed,
    Say,
    Snapshot,
    Top,
    Trade,
)
from venues.base.http import Purpose, Request, Response
from venues.base.listing import Native
from venues.base.units import ONE, Price, Size, micros
from venues.kit.body import read
from venues.kit.decimals import Halves, Memo
from venues.polymarket_us import wire
from venues.polymarket_us.moments import NANOS_PER_MS, millis, nanos
from venues.polymarket_us.reads import public

SOCKET_PATH = "/v1/ws/markets"
BOOKS = "SUBSCRIPTION_TYPE_MARKET_DATA"
SLUGS_PER_SUBSCRIPTION = 100
"""The venue's own limit."""
OPEN = "MARKET_STATE_OPEN"

_book = msgspec.json.Decoder(wire.BookReply)


def _price(text: str) -> Price:
    price = micros(text)
    if not 0 < price < ONE:
        raise ValueError(f"not a price between 0 and 1: {text!r}")
    return Price(price)


_prices = Memo(_price)
_sizes = Halves()


class PolymarketUsFeed:
    """One connection: its subscriptions, and per market the time and state of the last book."""

    def __init__(self) -> None:
        self._groups: dict[str, list[Native]] = {}
        """By request id: the markets of one subscription. No market is in two, which the venue refuses."""
        self._as_of: dict[Native, int] = {}
        """The venue's time of the newest book, in nanoseconds."""
        self._halted: dict[Native, str] = {}
        """Markets that do not trade, and their state."""
        self._streamed: set[Native] = set()
        """Markets of which their subscription has sent a book: nothing else proves that changes will come."""
        self._barred: set[Native] = set()
        """Markets that are wanted, and whose subscription the venue refused."""
        self._requests = 0

    def handshake(self) -> Request:
        """The upgrade must be signed, also for public data."""
        return Request(method="GET", path=SOCKET_PATH, purpose=Purpose.DATA, host="socket", private=True)

    def subscribe(self, natives: Sequence[Native]) -> list[FeedEvent]:
        """Whole books in groups of `SLUGS_PER_SUBSCRIPTION`."""
        known = {native for group in self._groups.values() for native in group}
        new = [native for native in dict.fromkeys(natives) if native not in known]
        step = SLUGS_PER_SUBSCRIPTION
        return [self._subscribe(new[start : start + step]) for start in range(0, len(new), step)]

    def unsubscribe(self, natives: Sequence[Native]) -> list[FeedEvent]:
        """A subscription ends as a whole: what stays of it is subscribed anew, lost until it comes."""
        gone, events = set(natives), list[FeedEvent]()
        for request_id, group in list(self._groups.items()):
            if gone.isdisjoint(group):
                continue
            del self._groups[request_id]
            events.append(_say({"unsubscribe": {"requestId": request_id}}))
            stay = [native for native in group if native not in gone]
            if stay:
                events += [*(Lost(native, "subscribed anew") for native in stay), self._subscribe(stay)]
        for native in gone:
            self._as_of.pop(native, None)
            self._halted.pop(native, None)
        self._streamed -= gone
        self._barred -= gone
        return events

    def resync(self, native: Native, now_ms: int) -> list[FeedEvent]:
        """The socket repeats a book only when it changes, so it is fetched; times tell which is newer.

        One whose subscription was refused is subscribed again instead.
        """
        if native in self._barred:
            return [self._subscribe([native])]
        return [Ask(native, public(f"/v1/markets/{quote(native, safe='')}/book"))]

    def receive(self, frame: str | bytes, now_ms: int) -> list[FeedEvent]:
        """Translate one frame. Kinds that are not ours are ignored; ours must be readable."""
        message = read(wire.frames, frame)
        if message.market_data is not None:
            if message.request_id in self._groups or not message.request_id:
                self._streamed.add(message.market_data.market_slug)
            return self._replaced(message.market_data)
        if message.error is not None:
            return self._refused(message.request_id, message.error)
        if message.trade is not None:
            return [_trade(message.trade)]
        if message.market_data_lite is not None:
            lite = message.market_data_lite
            return [Top(lite.market_slug, _best(lite.best_bid), _best(lite.best_ask), exact=False)]
        return []

    def fetched(self, native: Native, response: Response, now_ms: int) -> list[FeedEvent]:
        """The book by HTTP, of the same shape as in a frame.

        It is no use where the stream has sent none: nothing would ever change it.
        """
        if native not in self._streamed:
            raise ValueError(f"book of {native}: the stream has sent none")
        if response.status != 200:
            raise ValueError(f"book of {native}: http {response.status}")
        book = read(_book, response.body).market_data
        if book.market_slug != native:
            raise ValueError(f"book of {native}: another market's: {book.market_slug!r}")
        if book.transact_time is None:
            raise ValueError(f"book of {native}: without a time it may be older than the stream's")
        return self._replaced(book)

    def tick(self, now_ms: int) -> list[FeedEvent]:
        """Nothing: the venue sends heartbeats and expects none."""
        return []

    def _replaced(self, book: wire.Book) -> list[FeedEvent]:
        """The events of one whole book, in the order: state, then levels."""
        native = book.market_slug
        if not native:
            raise ValueError("marketSlug: missing")
        at = nanos(book.transact_time) if book.transact_time else None
        if at is not None:
            if at < self._as_of.get(native, 0):
                return []
            self._as_of[native] = at
        bids, asks = _levels(book.bids), _levels(book.offers)
        events = self._moved(native, book.state)
        if native not in self._halted:
            venue_ms = None if at is None else at // NANOS_PER_MS
            events.append(Snapshot(native, bids, asks, venue_ms))
        return events

    def _moved(self, native: Native, state: str) -> list[FeedEvent]:
        """What a change of state means; the book of a market that stands still is not shown."""
        before = self._halted.get(native)
        if state == OPEN:
            return [] if self._halted.pop(native, None) is None else [Resumed(native)]
        self._halted[native] = state
        return [] if before == state else [Halted(native, state or "state missing")]

    def _refused(self, request_id: str, reason: str) -> list[FeedEvent]:
        """One bad slug spoils a subscription: it is halved until the bad one stands alone.

        Where books of it have come already, only the repetition was refused and it goes on.
        """
        refused = Refused(f"{request_id}: {reason}", fatal=False)
        group = self._groups.get(request_id, [])
        if not group or not self._streamed.isdisjoint(group):
            return [refused]
        del self._groups[request_id]
        if len(group) == 1:
            self._barred.update(group)
            return [refused, Lost(group[0], reason)]
        half = (len(group) + 1) >> 1
        return [refused, self._subscribe(group[:half]), self._subscribe(group[half:])]

    def _subscribe(self, natives: list[Native]) -> Say:
        self._requests += 1
        request_id = f"md-{self._requests}"
        self._groups[request_id] = natives
        self._streamed.difference_update(natives)
        self._barred.difference_update(natives)
        body = {"requestId": request_id, "subscriptionType": BOOKS, "marketSlugs": natives}
        return _say({"subscribe": body})


def _say(body: object) -> Say:
    return Say(msgspec.json.encode(body).decode())


def _levels(rows: Iterable[wire.Level] | None) -> list[Level]:
    return [(_prices[row.px.value], Size(_sizes[row.qty])) for row in rows or () if _sizes[row.qty]]


def _best(amount: wire.Amount | None) -> Price | None:
    """A best price; nothing, zero and one mean that there is none."""
    price = micros(amount.value) if amount is not None else 0
    return Price(price) if 0 < price < ONE else None


def _trade(body: wire.PublicTrade) -> Trade:
    at_ms = millis(body.trade_time) if body.trade_time else None
    return Trade(body.market_slug, _prices[body.price.value], Size(micros(body.quantity.value)), at_ms)
