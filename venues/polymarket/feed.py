"""Market-data frames in, feed events out (card 7). No clock, no socket.

The venue numbers nothing. What protects a book is its time, which never goes back, the best prices that come
with every change, the hash of complete snapshots, and the replay of what arrived while one was being fetched.
"""

from collections.abc import Sequence
from hashlib import sha1
from typing import cast

import msgspec

from venues.base.events import (
    Ask,
    BookSide,
    FeedEvent,
    Halted,
    Level,
    Lost,
    Regrid,
    Say,
    Snapshot,
    Top,
    Touch,
    Trade,
    Update,
)
from venues.base.http import Purpose, Request, Response
from venues.base.listing import Grid, Native
from venues.base.units import ONE, Price, Size, micros
from venues.kit.body import read
from venues.kit.decimals import Halves, Memo
from venues.polymarket import wire
from venues.polymarket.amounts import TICKS

PING_MS = 10_000
"""The venue wants a text PING this often (card 7)."""
REPLAY_MAX = 2_000
"""Changes kept per book while its snapshot is fetched, minutes of a busy market; then it is asked anew."""
CHATTER = ("PONG", "NO NEW ASSETS")
LATE = "older than what the stream said before"
"""Frames that come out of order prove nothing: the book is read anew. Recordings show none."""

_TAIL = '"event_type":"price_change"}'
"""How the venue ends nearly every frame: known by it, the frame is read in one pass. A union looks for the
name of the type first, and that stands at the very end."""
_TAIL_BYTES = _TAIL.encode()

_decode = msgspec.json.Decoder(wire.Frame | list[wire.Frame], strict=False).decode
_decode_change = msgspec.json.Decoder(wire.PriceChange, strict=False).decode
_array_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_name_decoder = msgspec.json.Decoder(wire.AnyFrame)
_frame_decoder = msgspec.json.Decoder(wire.Frame, strict=False)
_book_decoder = msgspec.json.Decoder(wire.BookBody)
_KNOWN = frozenset({
    "book", "price_change", "last_trade_price", "tick_size_change", "best_bid_ask", "new_market",
    "market_resolved",
})  # fmt: skip
_BID, _ASK = BookSide.BID, BookSide.ASK


def _best(text: str) -> Price | None:
    price = micros(text) if text else 0
    return Price(price) if 0 < price < ONE else None


_prices = Memo(lambda text: Price(micros(text)))
_sizes = Halves()
_bests = Memo(_best)
"""A best price; an empty side is "0", "1", "" or missing."""
_known_prices, _known_bests = _prices.known, _bests.known
_wholes, _fractions = _sizes.wholes, _sizes.fractions


class _Kept:
    """What the feed remembers of one book."""

    __slots__ = ("asked_ms", "book_ms", "last", "native", "replay", "seen_ms", "tick", "touches")

    def __init__(self, native: Native) -> None:
        self.native = native
        self.book_ms = 0
        """The venue's time of the last snapshot."""
        self.seen_ms = 0
        """The venue's time of the last change."""
        self.asked_ms = 0
        """`seen_ms` when a snapshot was last asked for: an older one would undo changes."""
        self.tick = 0
        self.replay: list[tuple[int, list[Touch]]] | None = None
        """The changes since a snapshot was asked for, while it is awaited."""
        self.touches: list[Touch] = []
        """What the last frame that named the book changed."""
        self.last: wire.Change
        """The last of these changes: it has the best prices after all of them."""

    def changed(self, venue_ms: int) -> list[FeedEvent]:
        """What was collected from one frame, unless the book is newer."""
        if venue_ms < self.book_ms:
            return []
        if venue_ms < self.seen_ms:
            return [Lost(self.native, LATE), _fetch(self)]
        self.seen_ms = venue_ms
        bid, ask = self.last.best_bid, self.last.best_ask
        if bid is None or ask is None:
            top = None if bid is None and ask is None else (_bests[bid or ""], _bests[ask or ""])
        else:
            try:
                top = _known_bests[bid], _known_bests[ask]
            except KeyError:
                top = _bests[bid], _bests[ask]
        update = Update(self.native, self.touches, False, venue_ms, top)
        if self.replay is None:
            return [update]
        self.replay.append((venue_ms, self.touches))
        return [_fetch(self), update] if len(self.replay) > REPLAY_MAX else [update]


class PolymarketFeed:
    """One connection to the market channel."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._opened = False
        self._pinged_ms: int | None = None

    def handshake(self) -> Request:
        """The public market channel."""
        return Request(method="GET", path="/ws/market", purpose=Purpose.DATA, host="socket")

    def subscribe(self, natives: Sequence[Native]) -> list[FeedEvent]:
        """The first call opens the subscription, later ones extend it; naming an asset twice is refused."""
        new = [native for native in dict.fromkeys(natives) if native not in self._kept]
        if not new:
            return []
        self._kept.update((native, _Kept(native)) for native in new)
        if self._opened:
            return [_say({"operation": "subscribe", "assets_ids": new, "custom_feature_enabled": True})]
        self._opened = True
        opening = {"custom_feature_enabled": True, "initial_dump": True, "level": 2}
        return [_say({"type": "market", "assets_ids": new, **opening})]

    def unsubscribe(self, natives: Sequence[Native]) -> list[FeedEvent]:
        """Frames of these books that are still under way are ignored."""
        old = [native for native in natives if self._kept.pop(native, None) is not None]
        return [_say({"operation": "unsubscribe", "assets_ids": old})] if old else []

    def resync(self, native: Native, now_ms: int) -> list[FeedEvent]:
        """Fetch the book; what changes meanwhile is kept and applied after it."""
        kept = self._kept.get(native)
        return [] if kept is None else [_fetch(kept)]

    def receive(self, frame: str | bytes, now_ms: int) -> list[FeedEvent]:
        """Translate one frame: an object, an array of objects, or a word."""
        try:
            if frame.endswith(_TAIL) if isinstance(frame, str) else frame.endswith(_TAIL_BYTES):
                return self._changed(_decode_change(frame))
            decoded = _decode(frame)
        except msgspec.DecodeError as error:
            decoded = _known_parts(frame, error)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        events: list[FeedEvent] = []
        for part in decoded if isinstance(decoded, list) else (decoded,):
            self._translate(part, events)
        return events

    def fetched(self, native: Native, response: Response, now_ms: int) -> list[FeedEvent]:
        """The book asked for by `resync`. Not needed any more if one came through the socket meanwhile."""
        kept = self._kept.get(native)
        if kept is None or kept.replay is None:
            return []
        if response.status == 404:
            kept.replay = None
            return [Halted(native, "the venue has no order book for it")]
        if response.status != 200:
            raise ValueError(f"GET /book: http {response.status}")
        body = read(_book_decoder, response.body)
        if body.asset_id != native or not _authentic(body):
            raise ValueError("GET /book: asset id or hash is wrong")
        if int(body.timestamp) < kept.asked_ms:
            raise ValueError("GET /book: older than what the stream said before")
        missed = [(ms, touches) for ms, touches in kept.replay if ms >= int(body.timestamp)]
        events = self._seed(kept, body)
        events += [Update(native, touches, venue_ms=ms) for ms, touches in missed]
        return events

    def tick(self, now_ms: int) -> list[FeedEvent]:
        """The heartbeat."""
        if self._pinged_ms is not None and now_ms - self._pinged_ms < PING_MS:
            return []
        self._pinged_ms = now_ms
        return [Say("PING")]

    def _changed(self, frame: wire.PriceChange) -> list[FeedEvent]:
        """One Update per book the frame touches. The hot path: no call that can be spared."""
        prices, wholes, fractions = _known_prices, _wholes, _fractions
        touched: list[_Kept] = []
        touches: list[Touch] = []
        kept: _Kept | None = None
        asset: str | None = None
        text: str | None = None
        size = 0
        for change in frame.price_changes:
            if change.asset_id != asset:
                asset = change.asset_id
                kept = self._kept.get(asset)
                if kept is not None:
                    if kept not in touched:
                        kept.touches = []
                        touched.append(kept)
                    touches = kept.touches
            if kept is None:
                continue
            kept.last = change
            try:
                if change.size != text:  # the mirrored entry of the other outcome has the same size
                    text = change.size
                    whole, _, fraction = text.partition(".")
                    size = wholes[whole] + fractions[fraction]
                price = prices[change.price]
            except KeyError:
                size, price = _sizes[change.size], _prices[change.price]
            touches.append((_BID if change.side == "BUY" else _ASK, price, size))
        if len(touched) == 1:
            return touched[0].changed(frame.timestamp)
        return [event for kept in touched for event in kept.changed(frame.timestamp)]

    def _translate(self, part: wire.Frame, events: list[FeedEvent]) -> None:
        match part:
            case wire.PriceChange():
                events += self._changed(part)
            case wire.Book(asset_id=asset) if asset in self._kept:
                kept, native = self._kept[asset], Native(asset)
                late = int(part.timestamp) < max(kept.book_ms, kept.seen_ms)
                if _authentic(part) and not late:
                    events += self._seed(kept, part)
                else:
                    events += [Lost(native, LATE if late else "book hash differs"), _fetch(kept)]
            case wire.LastTrade(asset_id=asset) if asset in self._kept:
                size, ms = Size(_sizes[part.size]), _ms(part.timestamp)
                events.append(Trade(Native(asset), _prices[part.price], size, ms))
            case wire.TickSizeChange(asset_id=asset) if asset in self._kept:
                kept, native = self._kept[asset], Native(asset)
                events += [*_regrid(kept, part.new_tick_size), _fetch(kept)]
            case wire.BestBidAsk(asset_id=asset) if asset in self._kept:
                bid, ask = _bests[part.best_bid or ""], _bests[part.best_ask or ""]
                events.append(Top(Native(asset), bid, ask, False, _ms(part.timestamp)))
            case wire.MarketResolved():
                held = [asset for asset in part.assets_ids if asset in self._kept]
                events += [Halted(Native(asset), "resolved") for asset in held]
            case _:
                pass

    def _seed(self, kept: _Kept, body: wire.BookBody) -> list[FeedEvent]:
        kept.replay = None
        kept.book_ms = int(body.timestamp)
        events = _regrid(kept, body.tick_size) if body.tick_size else []
        return [*events, Snapshot(kept.native, _levels(body.bids), _levels(body.asks), kept.book_ms)]


def _known_parts(frame: str | bytes, error: msgspec.DecodeError) -> list[wire.Frame]:
    """The slow way: leave out words and messages of types that the card does not know."""
    text = frame if isinstance(frame, str) else frame.decode()
    if text.strip() in CHATTER:
        return []
    parts = read(_array_decoder, text) if text.lstrip().startswith("[") else [msgspec.Raw(text.encode())]
    known = [part for part in parts if read(_name_decoder, bytes(part)).event_type in _KNOWN]
    if len(known) == len(parts):
        raise error
    return [read(_frame_decoder, bytes(part)) for part in known]


def _fetch(kept: _Kept) -> Ask:
    kept.replay, kept.asked_ms = [], kept.seen_ms
    query = (("token_id", str(kept.native)),)
    return Ask(kept.native, Request(method="GET", path="/book", query=query, purpose=Purpose.DATA))


def _regrid(kept: _Kept, text: str) -> list[FeedEvent]:
    """The event of a tick size that is new to this connection."""
    tick = micros(text)
    if tick == kept.tick:
        return []
    kept.tick = tick
    if tick not in TICKS:
        return [Halted(kept.native, f"unknown tick size {text}")]
    return [Regrid(kept.native, Grid.uniform(tick))]


def _authentic(body: wire.BookBody) -> bool:
    """Whether the book has the hash it states, by the rule of the official clients (card 3).

    True where nothing can be checked: some frames lack the hash or fields that it covers.
    """
    covered = (body.min_order_size, body.tick_size, body.neg_risk, body.last_trade_price)
    if not body.hash or any(field is None for field in covered):
        return True
    return book_hash(body) == body.hash


def book_hash(body: wire.BookBody) -> str:
    """SHA-1 of the compact JSON of a book whose `hash` is empty, keys in the venue's order."""
    blank = {name: "" if name == "hash" else getattr(body, name) for name in wire.BookBody.__struct_fields__}
    return sha1(msgspec.json.encode(blank), usedforsecurity=False).hexdigest()


def _levels(levels: list[wire.Level]) -> list[Level]:
    prices, wholes, fractions = _prices.known, _sizes.wholes, _sizes.fractions
    found: list[tuple[Price, int]] = []
    for level in levels:
        whole, _, fraction = level.size.partition(".")
        try:
            price, size = prices[level.price], wholes[whole] + fractions[fraction]
        except KeyError:
            price, size = _prices[level.price], _sizes[level.size]
        if size:
            found.append((price, size))
    return cast("list[Level]", found)


def _ms(text: str) -> int | None:
    return int(text) if text else None


def _say(message: dict[str, object]) -> Say:
    return Say(msgspec.json.encode(message).decode())
