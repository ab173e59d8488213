"""Market-data frames in, feed events out (card 7, 8). No clock, no socket.

The venue sends changes only, and numbers nothing. A book is seeded by REST: subscribe, keep what comes, read
the book, drop what is not newer. What is lost on the way cannot be seen, so every book is read again once
a minute, and at once when it crosses or when the mirrored book of the NO token disagrees with it. Nor does
the stream say that a market stops trading: when a book has emptied, the market itself is asked.
"""

from collections.abc import Mapping, Sequence

import msgspec

from venues.base.events import (
    Ask,
    BookSide,
    FeedEvent,
    Halted,
    Level,
    Lost,
    Resumed,
    Say,
    Snapshot,
    Touch,
    Update,
)
from venues.base.http import Purpose, Request, Response
from venues.base.listing import Native
from venues.base.units import ONE, Price, Size, complement, micros
from venues.kit.body import read
from venues.kit.decimals import Memo
from venues.opinion import wire
from venues.opinion.amounts import given
from venues.opinion.listings import ACTIVATED
from venues.opinion.reads import API

HEARTBEAT_MS = 25_000
"""The venue wants one every 30 s and closes idle connections (card 8)."""
REREAD_MS = 60_000
"""Every book is read again this often: a lost change is invisible (card 8)."""
REREADS_AT_ONCE = 2
"""Books read again per tick, two ticks a second: 100 books in a minute are 1.7 of the 5 reads a second."""
DISAGREE_MS = 2_000
"""How long the NO token's book may differ from ours before ours is read again: both tell the same change."""
DOUBT_MS = 5_000
"""And this soon after a reading that differed: the venue may have dropped the subscription, which no message
says, so it is said again too."""
SOON_MS = 1_000
"""Wait before a book is read again that is in doubt: what is on its way arrives."""
ANSWER_MS = 15_000
"""A reading that has not come back in this time is not waited for any more."""
REPLAY_MAX = 2_000
"""Changes kept per book while it is read, minutes of a busy market; then it is asked for anew."""
ID_DIGITS_MAX = 18
"""No market id is written longer: they are 64-bit numbers."""
ODDS_MAX = 100
"""Differing levels remembered per book: one is enough to have it read again."""
CHANNEL = "market.depth.diff"

_frame = msgspec.json.Decoder(wire.Frame)
_diff = msgspec.json.Decoder(wire.Diff)
_market = msgspec.json.Decoder(wire.MarketData)
_book = msgspec.json.Decoder(wire.Book)


def _price(text: str) -> Price:
    price = micros(text)
    if not 0 < price < ONE:
        raise ValueError(f"not a price: {text!r}")
    return Price(price)


_prices = Memo(_price)
_sizes = Memo(given)
"""Offered sizes have 18 digits: rounded down to millionths, so that no more is counted on than there is."""
_SIDES = {"bids": BookSide.BID, "asks": BookSide.ASK}

Levels = dict[Price, int]


class _Change:
    """One message about one level of the YES book."""

    __slots__ = ("ms", "touch")

    def __init__(self, ms: int | None, touch: Touch) -> None:
        self.ms = ms
        self.touch = touch


class _Kept:
    """What the feed remembers of one market."""

    __slots__ = (
        "asked_market", "asked_ms", "before_ms", "bids_asks", "book_ms", "due_ms", "halted", "native", "no",
        "odds", "replay", "seen_ms", "suspect", "yes",
    )  # fmt: skip

    def __init__(self, native: Native) -> None:
        self.native = native
        self.yes = self.no = ""
        """Token ids, once the market has been read."""
        self.suspect = True
        """Whether the market is to be asked for before its book: at first, and when it may have stopped."""
        self.asked_market = False
        """Whether it was the market that was asked for last, not its book."""
        self.halted = False
        self.bids_asks: Mapping[BookSide, Levels] | None = None
        """The YES book as it should be; None until it is seeded, and after it was lost."""
        self.book_ms = 0
        """The venue's time of the last book that was read: what is not newer is in it."""
        self.seen_ms = 0
        """The venue's time of the newest change that was applied."""
        self.replay: list[tuple[str, _Change]] | None = []
        """What came, by token, since a reading was asked for, while it is awaited."""
        self.asked_ms = 0
        """Our time of that."""
        self.before_ms = 0
        """The venue's time of what was known then: an older reading would undo changes."""
        self.due_ms = 0
        """Our time of the next reading, once seeded."""
        self.odds: dict[tuple[BookSide, Price], int] = {}
        """Levels at which the NO token's book differs, and our time since when."""


class OpinionFeed:
    """One connection to the market channels."""

    def __init__(self) -> None:
        self._kept: dict[int | None, _Kept] = {}
        self._beat_ms: int | None = None

    def handshake(self) -> Request:
        """The one socket for everything. The signer adds the API key to the query (card 3)."""
        return Request(method="GET", path="/", purpose=Purpose.DATA, host="socket", private=True)

    def subscribe(self, natives: Sequence[Native]) -> list[FeedEvent]:
        """One subscription per market; then the market, whose tokens name the books, is asked for.

        What is not written as a market id names no market here: nothing is said, and its book stays empty.
        """
        events: list[FeedEvent] = []
        for native in dict.fromkeys(natives):
            number = _number(native)
            if number is not None and number not in self._kept:
                self._kept[number] = kept = _Kept(native)
                events += [_say("SUBSCRIBE", number), _ask(kept)]
        return events

    def unsubscribe(self, natives: Sequence[Native]) -> list[FeedEvent]:
        """Messages about these markets that are still under way are ignored."""
        old = [number for native in natives if (number := _number(native)) is not None]
        return [_say("UNSUBSCRIBE", number) for number in old if self._kept.pop(number, None) is not None]

    def resync(self, native: Native, now_ms: int) -> list[FeedEvent]:
        """Read the book; what changes meanwhile is kept and applied after it."""
        kept = self._kept.get(_number(native))
        if kept is None:
            return []
        kept.bids_asks = None
        return [_read(kept, now_ms)]

    def receive(self, frame: str | bytes, now_ms: int) -> list[FeedEvent]:
        """Translate one message. What has no `msgType` is no data; other types are about no book."""
        text = frame if isinstance(frame, str) else frame.decode()
        if _is_chatter(text) or read(_frame, text).msg_type != CHANNEL:
            return []
        diff = read(_diff, text)
        kept = self._kept.get(diff.market_id)
        if kept is None:
            return []
        if diff.side not in _SIDES:
            raise ValueError(f"side {diff.side!r}")
        change = _Change(diff.timestamp, (_SIDES[diff.side], _prices[diff.price], _sizes[diff.size]))
        if kept.replay is not None:
            kept.replay.append((diff.token_id, change))
            if len(kept.replay) > REPLAY_MAX and kept.bids_asks is None:
                return [_read(kept, now_ms)]
            if len(kept.replay) > REPLAY_MAX:
                kept.replay, kept.due_ms = None, now_ms + REREAD_MS
        if kept.bids_asks is None:
            return []
        if diff.token_id == kept.no:
            _compare(kept, change, now_ms)
        return self._apply(kept, change, now_ms) if diff.token_id == kept.yes else []

    def fetched(self, native: Native, response: Response, now_ms: int) -> list[FeedEvent]:
        """The market, after which its book is asked for; or the book, which seeds or proves ours."""
        kept = self._kept.get(_number(native))
        if kept is None or kept.replay is None:
            return []
        if kept.asked_market:
            return _know(kept, response, now_ms)
        book = wire.expect(response, _book)
        if book.token_id != kept.yes:
            raise ValueError(f"orderbook: of another token: {book.token_id}")
        if book.timestamp < kept.before_ms:
            if kept.bids_asks is not None:
                kept.replay, kept.due_ms = None, now_ms + SOON_MS
            raise ValueError("orderbook: older than what was known when it was asked for")
        return _take(kept, book, now_ms)

    def tick(self, now_ms: int) -> list[FeedEvent]:
        """The heartbeat, and the books whose turn it is to be read again."""
        events: list[FeedEvent] = []
        if self._beat_ms is None or now_ms - self._beat_ms >= HEARTBEAT_MS:
            self._beat_ms = now_ms
            events.append(Say(msgspec.json.encode({"action": "HEARTBEAT"}).decode()))
        due = [kept for kept in self._kept.values() if _is_due(kept, now_ms)]
        due.sort(key=lambda kept: kept.due_ms)
        events += [_read(kept, now_ms) for kept in due[:REREADS_AT_ONCE]]
        return events

    def _apply(self, kept: _Kept, change: _Change, now_ms: int) -> list[FeedEvent]:
        """A change of the YES token of a seeded book."""
        assert kept.bids_asks is not None
        if change.ms is not None and change.ms <= kept.book_ms:
            return []
        kept.seen_ms = max(kept.seen_ms, change.ms or 0)
        _set(kept.bids_asks, change.touch)
        kept.odds.pop(change.touch[:2], None)
        events: list[FeedEvent] = [Update(kept.native, [change.touch], False, change.ms)]
        empty = not any(kept.bids_asks.values())
        kept.suspect |= empty
        if kept.replay is None and (empty or _crossed(kept.bids_asks)):
            if now_ms - kept.asked_ms >= SOON_MS:
                events.append(_read(kept, now_ms))
            else:
                kept.due_ms = min(kept.due_ms, now_ms + SOON_MS)
        return events


def _number(native: Native) -> int | None:
    """The market id; None for text that is none."""
    return int(native) if native.isascii() and native.isdecimal() and len(native) <= ID_DIGITS_MAX else None


def _is_chatter(text: str) -> bool:
    """Acknowledgements and echoes have no documented shape (card 8): what names no type is not read."""
    return '"msgType"' not in text


def _say(action: str, market_id: int) -> Say:
    message = {"action": action, "channel": CHANNEL, "marketId": market_id}
    return Say(msgspec.json.encode(message).decode())


def _ask(kept: _Kept) -> Ask:
    """The market where it is in question, else its YES book."""
    kept.asked_market = kept.suspect
    if kept.suspect:
        return Ask(kept.native, _get(f"{API}/market/{kept.native}"))
    return Ask(kept.native, _get(f"{API}/token/orderbook", ("token_id", kept.yes)))


def _get(path: str, *query: tuple[str, str]) -> Request:
    """With the key: it allows three times the calls (card 4)."""
    return Request(method="GET", path=path, query=query, purpose=Purpose.DATA, private=True)


def _read(kept: _Kept, now_ms: int) -> Ask:
    """Ask, and from now on keep what comes."""
    kept.replay, kept.asked_ms, kept.before_ms = [], now_ms, max(kept.book_ms, kept.seen_ms)
    return _ask(kept)


def _know(kept: _Kept, response: Response, now_ms: int) -> list[FeedEvent]:
    """Whether the market trades, and its tokens; then its book is asked for. What was kept stays kept."""
    got = wire.read(response, _market)
    if isinstance(got, wire.Errno):
        if got.number != wire.UNKNOWN_MARKET:
            raise got.error()
        return _halt(kept, "the venue does not know this market", now_ms)
    if str(got.data.market_id) != kept.native:
        raise ValueError(f"market: the answer is about {got.data.market_id}")
    if not (got.data.yes_token_id and got.data.no_token_id):
        return _halt(kept, "not a market with a book of its own", now_ms)
    if got.data.status != ACTIVATED:
        return _halt(kept, f"status {got.data.status}", now_ms)
    kept.yes, kept.no, kept.asked_ms = got.data.yes_token_id, got.data.no_token_id, now_ms
    kept.suspect, resumed = False, [Resumed(kept.native)] if kept.halted else []
    kept.halted = False
    return [*resumed, _ask(kept)]


def _halt(kept: _Kept, reason: str, now_ms: int) -> list[FeedEvent]:
    """Out of routing, until the market is asked again and trades."""
    told, kept.halted = kept.halted, True
    kept.bids_asks, kept.replay, kept.due_ms = None, None, now_ms + REREAD_MS
    return [] if told else [Halted(kept.native, reason)]


def _take(kept: _Kept, book: wire.Book, now_ms: int) -> list[FeedEvent]:
    """The book that was read and all that is newer: it seeds ours, proves it, or shows that it was wrong."""
    assert kept.replay is not None
    read_book = {BookSide.BID: _levels(book.bids), BookSide.ASK: _levels(book.asks)}
    newer = [c for token, c in kept.replay if token == kept.yes and (c.ms is None or c.ms > book.timestamp)]
    for change in newer:
        _set(read_book, change.touch)
    was, kept.bids_asks = kept.bids_asks, read_book
    kept.suspect |= was is not None and any(was.values()) and not any(read_book.values())
    unsure = kept.suspect or any(change.ms is None for change in newer) or _crossed(read_book)
    kept.book_ms, kept.replay = book.timestamp, None
    kept.odds.clear()
    kept.seen_ms = max(kept.seen_ms, *(change.ms or 0 for change in newer), 0)
    differs = was is not None and was != read_book
    kept.due_ms = now_ms + (SOON_MS if unsure else DOUBT_MS if differs else REREAD_MS)
    if was == read_book:
        return []
    bids, asks = (_listed(read_book[side]) for side in (BookSide.BID, BookSide.ASK))
    snapshot = Snapshot(kept.native, bids, asks, max(book.timestamp, kept.seen_ms))
    if not differs:
        return [snapshot]
    again = _say("SUBSCRIBE", int(kept.native))
    return [again, Lost(kept.native, "the book read again differs"), snapshot]


def _levels(levels: Sequence[wire.Level] | None) -> Levels:
    """Levels in any order; what is less than a millionth of a share is none."""
    found = {_prices[level.price]: _sizes[level.size] for level in levels or ()}
    return {price: size for price, size in found.items() if size}


def _listed(levels: Levels) -> list[Level]:
    return [(price, Size(size)) for price, size in levels.items()]


def _set(book: Mapping[BookSide, Levels], touch: Touch) -> None:
    side, price, size = touch
    if size:
        book[side][price] = size
    else:
        book[side].pop(price, None)


def _crossed(book: Mapping[BookSide, Levels]) -> bool:
    bids, asks = book[BookSide.BID], book[BookSide.ASK]
    return bool(bids and asks) and max(bids) >= min(asks)


def _compare(kept: _Kept, change: _Change, now_ms: int) -> None:
    """A change of the NO token's book, which mirrors ours. Alone it proves nothing: ours may be late."""
    assert kept.bids_asks is not None
    side, price, size = change.touch
    level = side.other, complement(price)
    if kept.bids_asks[level[0]].get(level[1], 0) == size or len(kept.odds) >= ODDS_MAX:
        kept.odds.pop(level, None)
    else:
        kept.odds.setdefault(level, now_ms)


def _is_due(kept: _Kept, now_ms: int) -> bool:
    """Only seeded books and halted ones: whoever waits for a snapshot asks again by `resync`."""
    if kept.bids_asks is None and not kept.halted:
        return False
    if kept.replay is not None:
        return now_ms - kept.asked_ms >= ANSWER_MS
    return now_ms >= kept.due_ms or any(now_ms - since >= DISAGREE_MS for since in kept.odds.values())
