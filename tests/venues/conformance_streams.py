"""A venue's market data over a bad line, from its simulator's own sockets: for tests over all venues.

No socket, no task: what `router.runtime.session` does with frames, replies and silence, one step after the
other. While the line is rough, frames and replies come twice, late, in another order, damaged, or never.
"""

import random
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple, ParamSpec

from msgspec.structs import replace

from router.core.book import Book, Pulse
from router.runtime.session import RESYNC_MS_MIN, SEED_MS_MAX
from tests.world import call_of
from venues.base.contract import Signer, Venue
from venues.base.events import (
    Ask,
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
    Trade,
    Update,
)
from venues.base.http import Response
from venues.base.listing import Native
from venues.base.orders import Side, TimeInForce
from venues.sim.book_maker import maker_of
from venues.sim.contract import Simulator, Socket
from venues.sim.model import HOUSE, SimOrder

P = ParamSpec("P")
BEGIN_MS = 1_795_183_200_000
BEAT_MS = 1_000
"""The longest wait between two calls of `Feed.tick`."""
CALM_S = 65
"""Longer than any venue leaves a book unread where it numbers nothing: a minute."""
QUIET_S = 3
"""Longer than any venue takes to tell of a trade."""
HARM = (0.05, 0.15, 0.4)
"""Part of the frames that something happens to while the line is rough; each stream has one of these."""
REACH = 3
"""How many places a reordered frame may move."""
FAULTS = ("doubled", "late", "reordered", "missing", "damaged")


class Ended(Exception):
    """The connection is of no use any more."""


class Reply(NamedTuple):
    """The response to an `Ask`, on its way."""

    ask: Ask
    response: Response


class Line:
    """One venue's feed, its simulator, and a line between them that can be rough."""

    def __init__(
        self, venue: Venue, simulator: Simulator, luck: random.Random, faults: Sequence[str] = FAULTS
    ) -> None:
        self.venue, self.simulator, self.luck, self.faults = venue, simulator, luck, faults
        self.natives = [Native(native) for native in simulator.list_market({})]
        self.signer: Signer = venue.signer(simulator.open_account({}, BEGIN_MS))
        self.maker = maker_of(simulator.exchange, self.natives[0], luck)
        self.now_ms = BEGIN_MS
        self.rough = False
        self.done: dict[str, int] = dict.fromkeys(faults, 0)
        """How often each fault was done."""
        self.socket: Socket | None = None

    # --- the course of one stream ---

    def begin(self) -> None:
        """New books and a new connection."""
        self.maker.open(self.now_ms)
        self.books = {native: Book(native, self.venue.limits.levels_max) for native in self.natives}
        self.rough, self.harm = False, self.luck.choice(HARM)
        self.connect()
        self.beat()

    def move(self) -> None:
        """The market moves, and tells; what is on the line may stay there for a while."""
        self.now_ms += self.luck.choice((0, 1, 40, 400))
        self.maker.step(self.now_ms)
        self.collect()
        if not self.rough or self.luck.random() < 0.7:
            self.deliver()

    def beat(self) -> None:
        """A second passes."""
        self.now_ms += BEAT_MS
        self.collect()
        self._guarded(self._beat)
        self.deliver()

    def calm(self) -> None:
        """Nothing more goes wrong, a minute passes, and each side of the book is traded in.

        A venue that does not number its frames shows only by its next word that one was lost: a whole book,
        one that is read again, or the one it sends after a trade.
        """
        self.rough = False
        for second in range(CALM_S):
            if second % 5 == 0:
                self.move()
            self.beat()
        for side in Side:
            self.now_ms += BEAT_MS
            self.trade(side)
            self.beat()
        for _ in range(QUIET_S):
            self.beat()

    def end(self) -> None:
        """What was held back arrives last of all; the feed may ask again."""
        self.queue.extend(self.held)
        self.held.clear()
        for _ in range(6):
            self.beat()

    def trade(self, side: Side) -> None:
        """Somebody takes a part of the best level."""
        exchange, native = self.simulator.exchange, self.natives[0]
        market, outcome = exchange.by_native[native]
        bids, asks = exchange.levels(native)
        for price, size in (asks if side is Side.BUY else bids)[:1]:
            order = SimOrder(
                order_id=exchange.new_id(HOUSE),
                account=HOUSE,
                market=market,
                outcome=outcome,
                side=side,
                price=price,
                size=size,
                cash=None,
                time_in_force=TimeInForce.IOC,
                created_ms=self.now_ms,
            )
            exchange.place(order, self.now_ms)

    def differing(self) -> dict[Native, str]:
        """Books that pass for good and are not the simulator's."""
        wrong = {}
        for native, book in self.books.items():
            if book.why_unusable(self.now_ms, self.venue.limits.silent_ms_max) is None:
                bids, asks = (levels(side) for side in self.simulator.exchange.levels(native))
                if (book.bids.levels, book.asks.levels) != (bids, asks):
                    wrong[native] = f"{book.bids.levels} {book.asks.levels} is not {bids} {asks}"
        return wrong

    @property
    def usable(self) -> bool:
        """Whether every book may be traded on."""
        silent_ms = self.venue.limits.silent_ms_max
        return all(book.why_unusable(self.now_ms, silent_ms) is None for book in self.books.values())

    # --- the connection ---

    def connect(self) -> None:
        """Make the connection anew: all that was on its way is gone."""
        if self.socket is not None:
            self.simulator.disconnect(self.socket)
        for book in self.books.values():
            book.lose("disconnected")
        self.queue: deque[str | Reply] = deque()
        self.held: list[str | Reply] = []
        self.asked: dict[Native, Ask] = {}
        self.doubts = dict.fromkeys(self.natives, self.now_ms + 5_000)
        self.pulse, self.opened_ms, self.seeded = Pulse(self.now_ms), self.now_ms, False
        self.feed = self.venue.feed()
        request = self.feed.handshake()
        request = self.signer.sign(request, self.now_ms) if request.private else request
        socket = self.simulator.connect(call_of(request), self.now_ms)
        assert not isinstance(socket, Response), socket
        self.socket = socket
        for book in self.books.values():
            book.attach(self.pulse)
        self._do(self.feed.subscribe(self.natives))

    def collect(self) -> None:
        """Put what the venue has to say on the line."""
        assert self.socket is not None
        self.simulator.tick(self.now_ms)
        self.socket.tick(self.now_ms)
        for frame in self.socket.outbox:
            self._put(frame)
        self.socket.outbox.clear()

    def deliver(self) -> None:
        """All that is on the line arrives, and what it causes."""
        assert self.socket is not None
        while self.queue:
            self._guarded(self._take, self.queue.popleft())
            self.collect()

    def _guarded(self, step: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Whatever ends the connection while this is done, it is made anew."""
        try:
            step(*args, **kwargs)
            if self.socket is not None and self.socket.closed:
                self.connect()
        except Ended:
            self.connect()

    def _beat(self) -> None:
        self._do(self.feed.tick(self.now_ms))
        if self.now_ms - self.pulse.heard_ms > self.venue.limits.silent_ms_max:
            raise Ended("silent")
        if not self.seeded and self.now_ms - self.opened_ms > SEED_MS_MAX:
            raise Ended("no snapshot")
        for native, due_ms in list(self.doubts.items()):
            if due_ms <= self.now_ms:
                self.doubts[native] = self.now_ms + RESYNC_MS_MIN
                self._do(self.feed.resync(native, self.now_ms))

    def _put(self, item: str | Reply) -> None:
        fault = self.luck.choice(self.faults) if self.rough and self.luck.random() < self.harm else ""
        if not fault:
            self.queue.append(item)
            return
        self.done[fault] += 1
        if fault == "doubled":
            self.queue.extend((item, item))
        elif fault == "late":
            self.held.append(item)
        elif fault == "reordered":
            self.queue.insert(max(0, len(self.queue) - self.luck.randrange(1, REACH + 1)), item)
        elif fault == "damaged":
            self.queue.append(self._damaged(item))

    def _damaged(self, item: str | Reply) -> str | Reply:
        """Cut short, or with a character in it that belongs nowhere.

        A digit that turned into another one could be seen by nobody: the socket's own checksums are for that.
        """
        if isinstance(item, Reply):
            body = item.response.body
            return item._replace(response=replace(item.response, body=body[: len(body) // 2]))
        at = self.luck.randrange(len(item)) if item else 0
        return item[:at] if self.luck.random() < 0.5 else f"{item[:at]}\x00{item[at + 1 :]}"

    def _take(self, item: str | Reply) -> None:
        if isinstance(item, str):
            self.pulse.heard_ms = self.now_ms
            try:
                events = self.feed.receive(item, self.now_ms)
            except ValueError as error:
                raise Ended("unreadable") from error
            self._do(events)
        elif self.asked.get(item.ask.native) is item.ask:
            del self.asked[item.ask.native]
            events = []
            with suppress(ValueError):  # asked for again when due
                events = self.feed.fetched(item.ask.native, item.response, self.now_ms)
            self._do(events)

    def _do(self, events: Sequence[FeedEvent]) -> None:
        assert self.socket is not None
        for event in events:
            match event:
                case Say(text):
                    self.socket.receive(text, self.now_ms)
                case Ask():
                    self._ask(event)
                case Refused(reason, fatal):
                    if fatal:
                        raise Ended(reason)
                case _ if self.books[event.native].apply(event, self.now_ms):
                    self.doubts[event.native] = self.now_ms + RESYNC_MS_MIN
                    self._do(self.feed.resync(event.native, self.now_ms))
                case Snapshot(native=native):
                    self.seeded = True
                    self.doubts.pop(native, None)
                case Lost() | Resumed() | Regrid():
                    self.doubts.setdefault(event.native, self.now_ms + RESYNC_MS_MIN)
                case Halted(native=native):
                    self.doubts.pop(native, None)
                case Update() | Top() | Trade():
                    pass

    def _ask(self, ask: Ask) -> None:
        """A newer question replaces an older one, as in the session."""
        request = self.signer.sign(ask.request, self.now_ms) if ask.request.private else ask.request
        self.simulator.tick(self.now_ms)
        base = self.simulator.hosts("", "").get(request.host, "")
        call = call_of(replace(request, path=base + request.path))
        self.asked[ask.native] = ask
        self._put(Reply(ask, self.simulator.answer(call, self.now_ms)))


def levels(side: Sequence[Level]) -> dict[int, int]:
    """By price, as a book keeps them."""
    return {price: size for price, size in side if size}
