"""Order-book frames in, feed events out (card 7). No clock, no socket.

Every frame is the whole book of a market, in the price of its first outcome; nothing is numbered, and a quiet
market sends nothing. What protects a book is that each frame replaces it, that an older one is ignored, and
that the venue's heartbeats prove the connection.
"""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

import msgspec

from venues.base.events import Ask, FeedEvent, Halted, Level, Lost, Refused, Resumed, Say, Snapshot
from venues.base.http import Purpose, Request, Response
from venues.base.listing import Native
from venues.base.units import DIGITS, ONE, Price, Size
from venues.kit.body import read
from venues.kit.decimals import Memo
from venues.predict import wire
from venues.predict.calls import get

BOOK_TOPIC, HEARTBEAT = "predictOrderbook/", "heartbeat"
REPLY, PUSH = "R", "M"
SUBSCRIBE = "subscribe"
FIRST_BOOK_MS = 2_000
"""A book normally follows its subscription at once; after this long it is read by REST (card 7)."""
NUMBER_CHARS_MAX = 48
"""No number of a book is written longer."""
_WAITING_MAX = 1_024
"""Requests remembered while unanswered."""

_frames = msgspec.json.Decoder(wire.Frame)
_book = msgspec.json.Decoder(wire.Book)
_rest_book = msgspec.json.Decoder(wire.Told[wire.Book])


def _decimal(text: str) -> Decimal:
    """A JSON number as it is written; ValueError for what is none, or below zero."""
    try:
        number = Decimal(text) if len(text) <= NUMBER_CHARS_MAX else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if (
        not number.is_finite()
        or number.is_signed()
        or not -NUMBER_CHARS_MAX <= number.adjusted() < DIGITS * 3
    ):
        raise ValueError(f"not a number of a book: {text[:NUMBER_CHARS_MAX]!r}")
    return number


def _millionths(text: str) -> tuple[int, bool]:
    """Whole millionths of a decimal, and whether nothing was cut off."""
    _, digits, exponent = _decimal(text).as_tuple()
    assert isinstance(exponent, int), "finite"
    value, places = int("".join(map(str, digits))), exponent + DIGITS
    if places >= 0:
        return int(value * 10**places), True
    whole, rest = divmod(value, 10**-places)
    return whole, not rest


def _price(text: str) -> Price:
    price, exact = _millionths(text)
    if not (exact and 0 < price < ONE):
        raise ValueError(f"not a price between 0 and 1: {text!r}")
    return Price(price)


_prices = Memo(_price)
_sizes = Memo(lambda text: Size(_millionths(text)[0]))
"""Rounded down: a book never offers more than there is. Sizes come with up to thirteen decimals."""


class PredictFeed:
    """One connection to the order-book topics."""

    def __init__(self) -> None:
        self._book_ms: dict[Native, int] = {}
        """What is subscribed, with the venue's time of its newest book; 0 before the first."""
        self._due_ms: dict[Native, int | None] = {}
        """Without a book yet: when it will be read by REST; None until the first tick."""
        self._asked: dict[int, tuple[str, Native]] = {}
        """Requests without a reply yet."""
        self._unproven: set[Native] = set()
        """Subscribed, and the stream has neither said so nor sent a book: changes may never come."""
        self._refused: set[Native] = set()
        """Wanted, and not subscribed, because the venue refused it."""
        self._bookless: set[Native] = set()
        """Halted, because the venue said that it has no book of it."""
        self._requests = 0

    def handshake(self) -> Request:
        """The upgrade takes the API key as a header (card 2)."""
        return Request(method="GET", path="/ws", purpose=Purpose.DATA, host="socket", private=True)

    def subscribe(self, natives: Sequence[Native]) -> list[FeedEvent]:
        """One request per book: the venue reads only the first topic of each."""
        new = [native for native in dict.fromkeys(natives) if native not in self._book_ms]
        for native in new:
            self._book_ms[native], self._due_ms[native] = 0, None
        self._unproven.update(new)
        self._refused.difference_update(new)
        return [self._request(SUBSCRIBE, native) for native in new]

    def unsubscribe(self, natives: Sequence[Native]) -> list[FeedEvent]:
        """Frames of these books that are still under way are ignored."""
        gone = [native for native in dict.fromkeys(natives) if self._book_ms.pop(native, None) is not None]
        for native in gone:
            self._due_ms.pop(native, None)
        self._unproven.difference_update(natives)
        self._refused.difference_update(natives)
        self._bookless.difference_update(natives)
        return [self._request("unsubscribe", native) for native in gone]

    def resync(self, native: Native, now_ms: int) -> list[FeedEvent]:
        """Read the whole book by REST; one whose subscription was refused is subscribed again instead."""
        if native in self._refused:
            return self.subscribe([native])
        return [_fetch(native)] if native in self._book_ms else []

    def receive(self, frame: str | bytes, now_ms: int) -> list[FeedEvent]:
        """Translate one frame. Topics that are not ours are ignored; ours must be readable."""
        message = read(_frames, frame)
        if message.type == REPLY:
            return self._replied(message)
        if message.type != PUSH:
            return []
        if message.topic == HEARTBEAT:
            return [heartbeat(message)]
        topic, _, native = message.topic.partition("/")
        if topic + "/" != BOOK_TOPIC or native not in self._book_ms:
            return []
        self._unproven.discard(Native(native))
        return self._books(Native(native), read(_book, bytes(message.data)))

    def fetched(self, native: Native, response: Response, now_ms: int) -> list[FeedEvent]:
        """The book that was asked for by REST. One that is older than what the stream said is no use.

        Nor is one of a market whose subscription is not proven: nothing would ever change it.
        """
        if native not in self._book_ms:
            return []
        if wire.missing(response):
            self._due_ms.pop(native, None)
            self._bookless.add(native)
            return [Halted(native, "the venue has no order book for it")]
        if native in self._unproven:
            raise ValueError("the stream has not taken the subscription yet")
        book = wire.read(response, _rest_book).data
        if book.update_timestamp_ms < self._book_ms[native]:
            raise ValueError("the order book is older than what the stream said before")
        events = self._books(native, book)
        for event in events:
            if isinstance(event, Lost):
                raise ValueError(event.reason)  # noqa: TRY004 - what the venue wrote, not what we passed
        return events

    def tick(self, now_ms: int) -> list[FeedEvent]:
        """Read by REST, once, what the stream has not sent in time; from then on the runtime asks again."""
        late: list[Native] = []
        for native, due_ms in self._due_ms.items():
            if due_ms is None:
                self._due_ms[native] = now_ms + FIRST_BOOK_MS
            elif due_ms <= now_ms:
                late.append(native)
        for native in late:
            del self._due_ms[native]
        return [_fetch(native) for native in late]

    def _books(self, native: Native, book: wire.Book) -> list[FeedEvent]:
        if str(book.market_id) != native:
            raise ValueError(f"the book of {native} says that it is of {book.market_id}")
        if book.update_timestamp_ms < self._book_ms[native]:
            return []
        self._book_ms[native] = book.update_timestamp_ms
        self._due_ms.pop(native, None)
        try:
            bids, asks = _levels(book.bids), _levels(book.asks)
        except ValueError as error:
            return [Lost(native, str(error))]
        resumed = [Resumed(native)] if native in self._bookless else []
        self._bookless.discard(native)
        return [*resumed, Snapshot(native, bids, asks, book.update_timestamp_ms)]

    def _replied(self, message: wire.Frame) -> list[FeedEvent]:
        """A refused book is lost, whatever was read of it by REST; the others of the connection go on."""
        method, native = self._asked.pop(message.request_id or 0, ("", Native("")))
        if message.success:
            self._unproven.discard(native)
        if message.success or not native:
            return []
        refused = Refused(f"{native}: {reason(message)}", fatal=False)
        if method != SUBSCRIBE or self._book_ms.pop(native, None) is None:
            return [refused]
        self._due_ms.pop(native, None)
        self._unproven.discard(native)
        self._refused.add(native)
        return [refused, Lost(native, "the venue refused the subscription")]

    def _request(self, method: str, native: Native) -> Say:
        self._requests += 1
        self._asked[self._requests] = method, native
        if len(self._asked) > _WAITING_MAX:
            del self._asked[next(iter(self._asked))]
        return request(method, self._requests, BOOK_TOPIC + native)


def request(method: str, number: int, topic: str) -> Say:
    """Subscribe to a topic, or leave it."""
    return Say(msgspec.json.encode({"method": method, "requestId": number, "params": [topic]}).decode())


def heartbeat(message: wire.Frame) -> Say:
    """The venue's number goes back as it came, or it drops the connection at its next probe."""
    number = read(_number, bytes(message.data))
    return Say(msgspec.json.encode({"method": HEARTBEAT, "data": number}).decode())


def reason(message: wire.Frame) -> str:
    """Why a request was refused, in the venue's words."""
    error = message.error or wire.Refused()
    return f"{error.code or 'refused'}: {error.message}"


_number = msgspec.json.Decoder(int)


def _fetch(native: Native) -> Ask:
    return Ask(native, get(f"/v1/markets/{native}/orderbook", purpose=Purpose.DATA))


def _levels(rows: list[tuple[msgspec.Raw, msgspec.Raw]]) -> list[Level]:
    found: list[Level] = []
    for price, size in rows:
        shares = _sizes[bytes(size).decode()]
        if shares:
            found.append((_prices[bytes(price).decode()], shares))
    return found
