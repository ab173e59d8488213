"""Kalshi frames in, book events out (card §6). The book is the YES book: NO bids become asks here.

Numbers run per subscription (`sid`) over all its markets. A jump means that any of them may be wrong.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from venues.base.events import (
    BookSide,
    FeedEvent,
    Halted,
    Level,
    Lost,
    Refused,
    Regrid,
    Resumed,
    Say,
    Snapshot,
    Top,
    Update,
)
from venues.base.http import Purpose, Request, Response
from venues.base.listing import Native
from venues.base.units import ONE, Price, Size, complement, micros
from venues.kalshi import wire
from venues.kalshi.listings import grid
from venues.kit.body import read
from venues.kit.decimals import Memo, micros_memo, signed_micros_memo

SOCKET_PATH = "/trade-api/ws/v2"
MARKETS_PER_SID = 200
"""One gap stales a whole subscription, so subscriptions are kept small (card §6)."""
BOOKS, TICKER, LIFECYCLE = "orderbook_delta", "ticker", "market_lifecycle_v2"
DEAD = frozenset({10, 25})
"""Channel error and buffer overflow: the subscription has ended and must be made again."""
RENEWALS_MAX = 100
"""Subscriptions made again on one connection: what keeps dying is made anew with it, after a wait."""
WAITING_MAX = 1_024
"""Commands remembered while unanswered; the venue leaves some without a reply of their own."""
ENDED = frozenset({"deactivated", "determined", "settled"})

_BID, _ASK = BookSide.BID, BookSide.ASK


def _price(text: str) -> Price:
    price = Price(micros(text))
    if not 0 < price < ONE:
        raise ValueError(f"not a price between 0 and 1: {text!r}")
    return price


_yes = Memo(_price)
_no = Memo(lambda text: complement(_price(text)))
"""A NO price as the YES price it stands for."""
_changes = signed_micros_memo()
"""Of the recorded changes, 93 to 99 in a hundred had come before."""
_sizes = micros_memo()


class _Stream:
    """One order-book subscription of this connection."""

    __slots__ = ("expected", "live", "markets")

    def __init__(self) -> None:
        self.markets: set[Native] = set()
        self.live: set[Native] = set()
        """Markets with a snapshot and nothing missing since."""
        self.expected: int | None = None
        """The next number; None until the first one, which is the base."""


class KalshiFeed:
    """One connection: its subscriptions, what they are waiting for, and their numbers."""

    def __init__(self) -> None:
        self._streams: dict[int, _Stream] = {}
        self._ended: set[int] = set()
        """Subscriptions that were given up: what still arrives of them is dropped."""
        self._channels: dict[int, str] = {}
        """The channel of every subscription that the venue has acknowledged."""
        self._waiting: dict[int, tuple[str, tuple[Native, ...]]] = {}
        """Commands without a reply yet: what they were for and the markets they name."""
        self._wanted: set[Native] = set()
        self._commands = self._renewals = 0
        self._hears_lifecycle = False

    def handshake(self) -> Request:
        """The upgrade must be signed, also for public channels."""
        return Request(method="GET", path=SOCKET_PATH, purpose=Purpose.DATA, host="socket", private=True)

    def subscribe(self, natives: Sequence[Native]) -> list[FeedEvent]:
        """Books and tickers in groups of `MARKETS_PER_SID`; the lifecycle of all markets once."""
        new = [native for native in dict.fromkeys(natives) if native not in self._wanted]
        self._wanted.update(new)
        events: list[FeedEvent] = []
        for start in range(0, len(new), MARKETS_PER_SID):
            markets = tuple(new[start : start + MARKETS_PER_SID])
            events += [self._subscribe(BOOKS, markets), self._subscribe(TICKER, markets)]
        if new and not self._hears_lifecycle:
            self._hears_lifecycle = True
            events.append(self._subscribe(LIFECYCLE, ()))
        return events

    def unsubscribe(self, natives: Sequence[Native]) -> list[FeedEvent]:
        """Take markets out of their subscriptions; one that becomes empty is ended."""
        gone = set(natives) & self._wanted
        self._wanted -= gone
        events: list[FeedEvent] = []
        for sid, stream in list(self._streams.items()):
            leaving = stream.markets & gone
            if leaving:
                events += self._leave(sid, leaving)
        return events

    def resync(self, native: Native, now_ms: int) -> list[FeedEvent]:
        """Ask for a snapshot on the subscription that carries the book; its changes wait for it."""
        sid = self._carrier(native)
        if sid is None:
            coming = any(purpose == BOOKS and native in names for purpose, names in self._waiting.values())
            return [] if coming or native not in self._wanted else [self._subscribe(BOOKS, (native,))]
        self._streams[sid].live.discard(native)
        return [self._update(sid, "get_snapshot", {native})]

    def receive(self, frame: str | bytes, now_ms: int) -> list[FeedEvent]:
        """Translate one frame. Types that are not ours are ignored; ours must be readable."""
        try:
            message = wire.frames.decode(frame)
        except (msgspec.ValidationError, RecursionError):
            if read(wire.typed, frame).type in wire.FRAME_TYPES:
                raise
            return []
        if type(message) is wire.Delta:
            return self._delta(message)
        return self._rare(message, now_ms)

    def fetched(self, native: Native, response: Response, now_ms: int) -> list[FeedEvent]:
        """Never called: this feed asks for nothing by HTTP, whose books have no sequence number."""
        raise ValueError(f"nothing was asked for {native}")

    def tick(self, now_ms: int) -> list[FeedEvent]:
        """Nothing: the venue pings every 10 s and the WebSocket library answers."""
        return []

    # --- books ---

    def _delta(self, message: wire.Delta) -> list[FeedEvent]:
        """The path that nearly every frame takes."""
        stream = self._streams.get(message.sid)
        seq = message.seq
        events: list[FeedEvent] | None = None
        if stream is None or stream.expected != seq:
            events = self._numbered(message.sid, seq)
            stream = self._streams.get(message.sid)
            if stream is None:
                return events
        else:
            stream.expected = seq + 1
        body = message.msg
        if body.market_ticker not in stream.live:
            return events or []
        side, prices = (_BID, _yes) if body.side == "yes" else (_ASK, _no)
        try:
            price, change = prices.known[body.price_dollars], _changes.known[body.delta_fp]
        except KeyError:
            price, change = prices[body.price_dollars], _changes[body.delta_fp]
        update = Update(body.market_ticker, [(side, price, change)], True, body.ts_ms)
        return [*events, update] if events else [update]

    def _snapshot(self, message: wire.Snapshot) -> list[FeedEvent]:
        known = self._streams.get(message.sid)
        late = known is not None and known.expected is not None and message.seq < known.expected
        events = self._numbered(message.sid, message.seq)
        stream = self._streams.get(message.sid)
        self._waiting.pop(message.id, None)
        if stream is None or late:
            return events
        body = message.msg
        native = body.market_ticker
        if native not in stream.markets:
            if not self._ours(native) or self._carrier(native) is not None:
                return events
            stream.markets.add(native)
        stream.live.add(native)
        asks = _levels(_no, body.no_dollars_fp)
        return [*events, Snapshot(native, _levels(_yes, body.yes_dollars_fp), asks)]

    def _numbered(self, sid: int, seq: int) -> list[FeedEvent]:
        """Check a number. Only the very next one is right; after any other every book of the sid is lost.

        The count never goes back: what comes behind its turn may be older than what was already seen.
        """
        stream = self._streams.get(sid)
        if stream is None:
            if sid in self._ended or self._channels.get(sid, BOOKS) != BOOKS:
                return []
            stream = self._streams[sid] = _Stream()
        expected = stream.expected
        late = expected is not None and seq < expected
        if not late:
            stream.expected = seq + 1
        if expected in (None, seq) or not (stream.live if late else stream.markets):
            return []
        stream.live.clear()
        lost = [Lost(native, f"expected {expected}, was {seq}") for native in sorted(stream.markets)]
        return [*lost, self._update(sid, "get_snapshot", stream.markets)]

    def _ours(self, native: Native) -> bool:
        """Subscribed, or anything at all while nothing was ever subscribed: a recording is replayed."""
        return native in self._wanted or not self._commands

    def _carrier(self, native: Native) -> int | None:
        return next((sid for sid, stream in self._streams.items() if native in stream.markets), None)

    def _give_up(self, sid: int) -> None:
        self._streams.pop(sid, None)
        self._channels.pop(sid, None)
        self._ended.add(sid)

    # --- everything but deltas ---

    def _rare(self, message: wire.Frame, now_ms: int) -> list[FeedEvent]:
        match message:
            case wire.Snapshot():
                return self._snapshot(message)
            case wire.Ticker(msg=body):
                return self._top(body)
            case wire.Lifecycle(msg=body):
                return self._lifecycle(body, now_ms)
            case wire.Subscribed():
                return self._subscribed(message)
            case wire.Ok(id=command):
                self._waiting.pop(command, None)
                return self._acknowledged(message)
            case wire.Unsubscribed(sid=sid) if sid in self._streams:
                return self._made_again(sid, "unsubscribed")
            case wire.Unsubscribed():
                return []
            case wire.Error():
                return self._error(message)
            case wire.Delta():
                return self._delta(message)

    def _top(self, body: wire.TickerBody) -> list[FeedEvent]:
        if not self._ours(body.market_ticker):
            return []
        bid, ask = _quote(body.yes_bid_dollars), _quote(body.yes_ask_dollars)
        return [Top(body.market_ticker, bid, ask, exact=False, venue_ms=body.ts_ms)]

    def _lifecycle(self, body: wire.LifecycleBody, now_ms: int) -> list[FeedEvent]:
        """Of all markets of the exchange, only those subscribed matter. Books are asked for anew."""
        native = body.market_ticker
        if not self._ours(native):
            return []
        if body.event_type in ENDED:
            return [Halted(native, body.event_type)]
        if body.event_type == "close_date_updated" and (body.close_ts or 0) * 1000 <= now_ms:
            return [Halted(native, "closed")] if body.close_ts is not None else []
        if body.event_type == "activated":
            return [Resumed(native), *self.resync(native, now_ms)]
        if body.event_type == "price_level_structure_updated":
            try:
                return [Regrid(native, grid(body.price_ranges)), *self.resync(native, now_ms)]
            except ValueError as error:
                return [Halted(native, f"price_ranges: {error}")]
        return []

    def _subscribed(self, message: wire.Subscribed) -> list[FeedEvent]:
        sid, channel = message.msg.sid, message.msg.channel
        self._channels[sid] = channel
        self._ended.discard(sid)
        purpose, markets = self._waiting.get(message.id, ("", ()))
        if purpose == channel:
            del self._waiting[message.id]
        if channel != BOOKS:
            return []
        named = set(markets) if purpose == BOOKS else set()
        stream = self._streams.setdefault(sid, _Stream())
        mine = {native for native in named & self._wanted if self._carrier(native) is None}
        stream.markets |= mine
        left = named - stream.markets
        return self._leave(sid, left) if left else []

    def _leave(self, sid: int, markets: set[Native]) -> list[FeedEvent]:
        """Take these out of a subscription; one that is then empty is ended."""
        stream = self._streams[sid]
        stream.markets -= markets
        stream.live -= markets
        if stream.markets:
            return [self._update(sid, "delete_markets", markets)]
        self._give_up(sid)
        return [self._command("unsubscribe", {"sids": [sid]}, "unsubscribe")]

    def _acknowledged(self, message: wire.Ok | wire.Error) -> list[FeedEvent]:
        """Replies to commands on a subscription use up one of its numbers."""
        if message.sid is None or message.seq is None or message.sid not in self._streams:
            return []
        return self._numbered(message.sid, message.seq)

    def _error(self, message: wire.Error) -> list[FeedEvent]:
        """A subscription that died is made again; a command on which books depend needs a new connection."""
        code, sid = message.msg.code, message.sid
        reason = f"error {code}: {message.msg.msg}"
        purpose, _ = self._waiting.pop(message.id, ("", ()))
        if sid is not None and code in DEAD:
            return self._made_again(sid, reason)
        fatal = purpose in (BOOKS, "get_snapshot") or (not purpose and sid in self._streams)
        return [*self._acknowledged(message), Refused(f"{purpose or 'unasked'}: {reason}", fatal)]

    def _made_again(self, sid: int, reason: str) -> list[FeedEvent]:
        channel = self._channels.get(sid, "")
        stream = self._streams.get(sid)
        self._give_up(sid)
        markets = tuple(sorted(stream.markets)) if stream is not None else ()
        lost: list[FeedEvent] = [Lost(native, reason) for native in markets]
        self._renewals += 1
        if self._renewals > RENEWALS_MAX:
            return [*lost, Refused(f"more than {RENEWALS_MAX} subscriptions ended: {reason}", fatal=True)]
        if markets:
            return [*lost, self._subscribe(BOOKS, markets)]
        if channel == TICKER:
            return [self._subscribe(TICKER, tuple(sorted(self._wanted)))]
        return [self._subscribe(LIFECYCLE, ())] if channel == LIFECYCLE else []

    # --- commands ---

    def _subscribe(self, channel: str, markets: tuple[Native, ...]) -> Say:
        params: dict[str, object] = {"channels": [channel]}
        if markets:
            params["market_tickers"] = markets
        if channel == BOOKS:
            params["use_yes_price"] = False
        return self._command("subscribe", params, channel, markets)

    def _update(self, sid: int, action: str, markets: Iterable[Native]) -> Say:
        params = {"sids": [sid], "action": action, "market_tickers": sorted(markets)}
        return self._command("update_subscription", params, action)

    def _command(
        self, cmd: str, params: Mapping[str, object], purpose: str, markets: tuple[Native, ...] = ()
    ) -> Say:
        self._commands += 1
        self._waiting[self._commands] = (purpose, markets)
        if len(self._waiting) > WAITING_MAX:
            del self._waiting[next(iter(self._waiting))]
        body = {"id": self._commands, "cmd": cmd, "params": params}
        return Say(msgspec.json.encode(body).decode())


def _levels(prices: Memo[Price], rows: wire.Rows) -> list[Level]:
    return [(prices[price], Size(_sizes[size])) for price, size in rows if _sizes[size]]


def _quote(text: str) -> Price | None:
    """A best price; nothing, zero and one mean that there is none."""
    price = micros(text) if text else 0
    return Price(price) if 0 < price < ONE else None
