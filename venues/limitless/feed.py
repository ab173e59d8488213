"""Market-data frames in, feed events out (card 5). No clock, no socket.

Every book comes whole, so there are no gaps to find. What protects a book is the life of the connection
(pings, not updates: a quiet market says nothing for hours), and that no older book replaces a newer one.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from venues.base.events import FeedEvent, Halted, Level, Refused, Snapshot
from venues.base.http import Request, Response
from venues.base.listing import Native
from venues.base.units import ONE, Price, Size
from venues.kit.body import read
from venues.kit.decimals import Memo
from venues.limitless import wire
from venues.limitless.link import Event, Joined, Link, emit, handshake
from venues.limitless.moments import moment_ms

TICK = 1_000
"""Prices are multiples of a thousandth."""
NOISE = Decimal("0.000000001")
"""How far a number may be from a multiple of the tick: what arithmetic in binary fractions leaves behind."""
CONFIRM_MS_MAX = 5_000
"""A subscription that the venue has not confirmed by then is lost, and the connection made anew (card 5)."""
RESUBSCRIBE_MS = 2_000
"""A list is not repeated sooner: books in doubt ask one by one, and every list brings them all."""

_update = msgspec.json.Decoder(wire.OrderbookUpdate)
_system = msgspec.json.Decoder(wire.System)
_resolved = msgspec.json.Decoder(wire.Resolved)
_exception = msgspec.json.Decoder(wire.Exceptional)


def price_of(text: str) -> Price:
    """A price as the venue writes it; ValueError unless it is a multiple of the tick, but for NOISE."""
    value = Decimal(text) if len(text) <= 32 and text[:1].isdecimal() else Decimal("nan")
    if not value.is_finite() or not 0 < value < 1:
        raise ValueError(f"not a price: {text!r}")
    milli = int((value * 1000).to_integral_value())
    if abs(value - Decimal(milli).scaleb(-3)) > NOISE or not 0 < milli * TICK < ONE:
        raise ValueError(f"not a multiple of 0.001: {text!r}")
    return Price(milli * TICK)


_prices = Memo(price_of)


class _Kept:
    """What the feed remembers of one book."""

    __slots__ = ("halted", "venue_ms", "version")

    def __init__(self) -> None:
        self.version: int | None = None
        self.venue_ms: int | None = None
        self.halted = False


class LimitlessFeed:
    """One connection. Each subscription names all of its books, since it replaces the one before."""

    def __init__(self) -> None:
        self._link = Link()
        self._kept: dict[str, _Kept] = {}
        self._unconfirmed = 0
        self._said_ms: int | None = None
        """When the last list was said; None until the next tick or frame tells the time."""

    def handshake(self) -> Request:
        """Prices need no credentials."""
        return handshake(private=False)

    def subscribe(self, natives: Sequence[Native]) -> list[FeedEvent]:
        """All books of the connection, once it is open; until then they are remembered."""
        new = [native for native in natives if native not in self._kept]
        self._kept.update((native, _Kept()) for native in new)
        return self._say_list() if new and self._link.joined else []

    def unsubscribe(self, natives: Sequence[Native]) -> list[FeedEvent]:
        """The shorter list. Books that are still under way are ignored."""
        old = [native for native in natives if self._kept.pop(native, None) is not None]
        return self._say_list() if old and self._link.joined else []

    def resync(self, native: Native, now_ms: int) -> list[FeedEvent]:
        """The list again: the venue answers it with every book, in order with the stream.

        A book fetched by HTTP has neither version nor time, and might be older than what the stream said.
        """
        waiting = self._unconfirmed or self._said_ms is None or now_ms - self._said_ms < RESUBSCRIBE_MS
        if native not in self._kept or not self._link.joined or waiting:
            return []
        return self._say_list()

    def receive(self, frame: str | bytes, now_ms: int) -> list[FeedEvent]:
        """Translate one frame."""
        events: list[FeedEvent] = []
        for heard in self._link.receive(frame, now_ms):
            match heard:
                case Event():
                    events += self._event(heard)
                case Joined():
                    events += self._open()
                case _:
                    events.append(heard)
        self._start_clock(now_ms)
        return events

    def fetched(self, native: Native, response: Response, now_ms: int) -> list[FeedEvent]:
        """Nothing is asked by HTTP."""
        raise ValueError(f"{native}: nothing was asked for")

    def tick(self, now_ms: int) -> list[FeedEvent]:
        """Whether the connection still lives."""
        events: list[FeedEvent] = [*self._link.tick(now_ms)]
        if now_ms - self._start_clock(now_ms) > CONFIRM_MS_MAX and self._unconfirmed:
            events.append(Refused("the subscription was not confirmed", fatal=True))
        return events

    def _open(self) -> list[FeedEvent]:
        """Lifecycle too: only it says that a market is resolved."""
        lifecycle = emit("subscribe_market_lifecycle")
        return [lifecycle, *(self._say_list() if self._kept else [])]

    def _say_list(self) -> list[FeedEvent]:
        self._said_ms = None
        self._unconfirmed += 1
        return [emit("subscribe_market_prices", {"marketSlugs": [*self._kept], "marketAddresses": []})]

    def _start_clock(self, now_ms: int) -> int:
        if self._said_ms is None:
            self._said_ms = now_ms
        return self._said_ms

    def _event(self, event: Event) -> list[FeedEvent]:
        match event.name:
            case "orderbookUpdate":
                return self._book(read(_update, bytes(event.body)))
            case "system":
                if _list_confirmed(event.body):
                    self._unconfirmed = max(0, self._unconfirmed - 1)
            case "marketResolved":
                return self._ended(read(_resolved, bytes(event.body)).slug)
            case "exception":
                return [Refused(read(_exception, bytes(event.body)).message, fatal=False)]
            case _:
                pass  # prices of AMM markets and oracles, new markets, and what the card does not know
        return []

    def _ended(self, slug: str) -> list[FeedEvent]:
        """The venue says it several times."""
        kept = self._kept.get(slug)
        if kept is None or kept.halted:
            return []
        kept.halted = True
        return [Halted(Native(slug), "resolved")]

    def _book(self, update: wire.OrderbookUpdate) -> list[FeedEvent]:
        kept = self._kept.get(update.market_slug)
        if kept is None:
            return []
        venue_ms = moment_ms(update.timestamp) if update.timestamp else None
        if update.version is not None and kept.version is not None and update.version < kept.version:
            return self._went_back(kept, venue_ms)
        kept.version, kept.venue_ms = update.version, venue_ms
        bids, asks = _levels(update.orderbook.bids), _levels(update.orderbook.asks)
        return [Snapshot(Native(update.market_slug), bids, asks, venue_ms)]

    def _went_back(self, kept: _Kept, venue_ms: int | None) -> list[FeedEvent]:
        """An older book is dropped. One that is older by its version and newer by its time proves that the
        counter began anew: then nothing on this connection can be told apart any more."""
        if kept.venue_ms is None or venue_ms is None or venue_ms > kept.venue_ms:
            return [Refused("the version of a book went back", fatal=True)]
        return []


def _list_confirmed(body: msgspec.Raw) -> bool:
    """Whether a system event is about a list of prices. Others are plain text, or have no markets."""
    try:
        return read(_system, bytes(body)).markets is not None
    except msgspec.ValidationError:
        return False


def _levels(levels: list[wire.Level]) -> list[Level]:
    known = _prices.known
    found: list[Level] = []
    for level in levels:
        text = str(level.price, "ascii")
        try:
            price = known[text]
        except KeyError:
            price = _prices[text]
        if level.size > 0:
            found.append((price, Size(level.size)))
        elif level.size < 0:
            raise ValueError(f"size below zero: {level.size}")
    return found
