"""One market-data connection while it lives: frames in, books kept, subscriptions and heartbeats out."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence

import msgspec
import structlog

from router.core.book import Book, Books, Pulse
from router.runtime.clock import Clock
from router.runtime.metrics import Metrics
from router.runtime.sockets import Closed, Ping, Pong, Socket, SocketLost
from router.runtime.transport import Transport
from venues.base.contract import Feed, Signer, Venue
from venues.base.events import (
    Ask,
    FeedEvent,
    Halted,
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
from venues.base.http import Silence
from venues.base.listing import Native

BEAT_MS = 500
"""How often what is due is looked at; a feed's `tick` is promised once a second."""
PING_EVERY_MS = 2_000
"""Twice within the 5 s after which a silent book is stale, so that one lost ping harms nothing."""
SEND_MS_MAX = 5_000
"""A frame that cannot be handed over in this time never will be."""
OUTBOX_MAX = 1_000
"""Frames waiting to be sent: more than one for every book of the largest connection."""
FETCHES_AT_ONCE = 8
"""Snapshots fetched by HTTP at the same time, per connection."""
FETCH_MS_MAX = 5_000
RESYNC_MS_MIN = 500
"""First wait before a book is asked for again; it doubles each time."""
RESYNC_MS_MAX = 30_000
FIRST_MS_MAX = 5_000
"""How long the first snapshot after subscribing may take before it is asked for again."""
SEED_MS_MAX = 20_000
"""A connection that has not delivered one snapshot in this time is made anew."""
SHOWN_MAX = 200
"""Characters of an unreadable frame that are logged."""

log = structlog.stdlib.get_logger("crossbook.feeds")


class Hooks:
    """Who else wants to know what a feed says. Each may be set at any time; a hook must not block."""

    def __init__(self) -> None:
        self.on_frame: Callable[[str, int, str | bytes, int], None] | None = None
        """Every frame before it is read: venue, number of the socket, frame, Unix milliseconds.

        No two sockets have the same number, of whatever venue: a reconnect shows as a new one.
        """
        self.on_event: Callable[[str, Halted | Resumed | Regrid | Trade], None] | None = None
        """What concerns more than the book: venue, event. Called after the book has taken it in."""


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """What all connections of a venue have in common."""

    venue: Venue
    signers: Mapping[str, Signer]
    """Whose keys open each venue's connection; another may take a place while it is open."""
    books: Books
    transport: Transport
    clock: Clock
    metrics: Metrics
    hooks: Hooks
    numbers: Iterator[int]
    """Of dials, one after the other over all venues."""
    dialling: asyncio.Semaphore

    @property
    def signer(self) -> Signer | None:
        """For the next handshake or request, where the venue demands keys."""
        return self.signers.get(self.venue.name)


class Doubt(msgspec.Struct):
    """A book that waits for a snapshot: when to ask again, and how long to wait after that."""

    due_ms: int
    wait_ms: int


class Session:
    """One open socket and the venue's `Feed` behind it. It ends once, with a reason."""

    def __init__(self, shared: Shared, number: int, feed: Feed, socket: Socket) -> None:
        clock = shared.clock
        self.pulse = Pulse(clock.monotonic_ms())
        self._shared = shared
        self._number = number
        self._feed = feed
        self._socket = socket
        self._books: dict[Native, Book] = {}
        self._doubts: dict[Native, Doubt] = {}
        self._asked_ms: dict[Native, int] = {}
        self._seeded = False
        self._opened_ms = self._pinged_ms = clock.monotonic_ms()
        self._frames = 0
        self._outbox: asyncio.Queue[str] = asyncio.Queue(OUTBOX_MAX)
        self._fetching = asyncio.Semaphore(FETCHES_AT_ONCE)
        self._fetches: dict[Native, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def live(self) -> str:
        """Work until the connection ends; returns why. Raises what a bug in the feed raises.

        The books are lost the moment it ends, before the socket is closed.
        """
        self._spawn(self._receive())
        self._spawn(self._send())
        self._spawn(self._beat())
        try:
            return await self._over
        finally:
            self._lose_all()
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._count_frames()
            await self._socket.close()

    def subscribe(self, natives: Sequence[Native]) -> None:
        """Start to receive these books."""
        now_ms = self._shared.clock.monotonic_ms()
        for native in natives:
            book = self._books[native] = self._shared.books.open(self._shared.venue.name, native)
            book.attach(self.pulse)
            self._doubts[native] = Doubt(now_ms + FIRST_MS_MAX, FIRST_MS_MAX)
        self._do(self._feed.subscribe(natives))

    def unsubscribe(self, natives: Sequence[Native]) -> None:
        """Stop to receive these books."""
        for native in natives:
            self._books.pop(native, None)
            self._doubts.pop(native, None)
            self._asked_ms.pop(native, None)
            fetch = self._fetches.pop(native, None)
            if fetch is not None:
                fetch.cancel()
        self._do(self._feed.unsubscribe(natives))

    # --- the three tasks ---

    async def _receive(self) -> None:
        clock, socket = self._shared.clock, self._socket
        while not self._over.done():
            got = await socket.receive()
            if isinstance(got, Closed):
                self._end(f"closed: {got.reason}")
                return
            self.pulse.heard_ms = clock.monotonic_ms()
            if not isinstance(got, Ping | Pong):
                self._read(got)

    async def _send(self) -> None:
        while True:
            text = await self._outbox.get()
            if not await self._handed_over(self._socket.send(text)):
                return

    async def _beat(self) -> None:
        clock = self._shared.clock
        while True:
            await clock.sleep(BEAT_MS)
            now_ms = clock.monotonic_ms()
            self._count_frames()
            if now_ms - self.pulse.heard_ms > self._shared.venue.limits.silent_ms_max:
                self._end("silent")
            elif self._barren and now_ms - self._opened_ms > SEED_MS_MAX:
                self._end("no_snapshot")
            else:
                self._do(self._feed.tick(clock.now_ms()))
                self._ask_again(now_ms)
            if now_ms - self._pinged_ms >= PING_EVERY_MS:
                self._pinged_ms = now_ms
                if not await self._handed_over(self._socket.ping()):
                    return

    @property
    def _barren(self) -> bool:
        """Nothing came of what was subscribed, and no fetch that waits for its pace may yet bring it."""
        return bool(self._books) and not self._seeded and not self._fetches

    async def _handed_over(self, sending: Coroutine[object, object, None]) -> bool:
        try:
            async with asyncio.timeout(SEND_MS_MAX / 1000):
                await sending
        except (SocketLost, TimeoutError) as error:
            self._end(f"send: {type(error).__name__}")
            return False
        return True

    # --- what the feed says ---

    def _read(self, frame: str | bytes) -> None:
        shared = self._shared
        now_ms = shared.clock.now_ms()
        self._frames += 1
        if shared.hooks.on_frame is not None:
            shared.hooks.on_frame(shared.venue.name, self._number, frame, now_ms)
        try:
            events = self._feed.receive(frame, now_ms)
        except ValueError as error:
            self._unreadable("feed.unreadable", error, frame)
            self._end("unreadable")
            return
        self._do(events)

    def _do(self, events: Iterable[FeedEvent]) -> None:
        for event in events:
            if isinstance(event, Update):  # nearly every event; those of a lost book change nothing
                book = self._books.get(event.native)
                if book is not None and book.update(event, self.pulse.heard_ms):
                    self._contradicted(event.native)
                continue
            match event:
                case Snapshot() | Top() | Lost() | Trade() | Halted() | Resumed() | Regrid():
                    if event.native in self._books:
                        self._apply(event)
                case Say(text):
                    self._say(text)
                case Ask():
                    self._fetch(event)
                case Refused(reason, fatal):
                    log.warning("feed.refused", venue=self._shared.venue.name, reason=reason, fatal=fatal)
                    if fatal:
                        self._end(f"refused: {reason}")

    def _apply(self, event: Snapshot | Top | Lost | Trade | Halted | Resumed | Regrid) -> None:
        if self._over.done():
            return  # the books are lost, and nothing may revive them
        native = event.native
        if self._books[native].apply(event, self.pulse.heard_ms):
            self._contradicted(native)
            return
        match event:
            case Snapshot():
                self._seeded = True
                self._doubts.pop(native, None)
            case Lost(reason=reason):
                self._lost(native, reason)
                self._expect(native)
            case Halted():
                self._doubts.pop(native, None)
                self._tell(event)
            case Resumed() | Regrid():
                self._expect(native)
                self._tell(event)
            case Trade():
                self._tell(event)
            case Top():
                pass

    def _contradicted(self, native: Native) -> None:
        """The content of the book has proven wrong, and the feed does not know."""
        self._lost(native, "contradicted")
        self._resync(native)

    def _tell(self, event: Halted | Resumed | Regrid | Trade) -> None:
        hooks = self._shared.hooks
        if hooks.on_event is not None:
            hooks.on_event(self._shared.venue.name, event)

    def _lost(self, native: Native, reason: str) -> None:
        venue = self._shared.venue.name
        self._shared.metrics.gaps.labels(venue).inc()
        log.warning("feed.lost", venue=venue, native=native, reason=reason)

    # --- books in doubt ---

    def _expect(self, native: Native) -> None:
        """The feed has asked for a snapshot by itself; ask again if it does not come."""
        if native not in self._doubts:
            due_ms = self._shared.clock.monotonic_ms() + RESYNC_MS_MIN
            self._doubts[native] = Doubt(due_ms, RESYNC_MS_MIN)

    def _resync(self, native: Native) -> None:
        """Ask for a snapshot now, unless that was done just before; then when it is due."""
        if native in self._doubts:
            return
        self._expect(native)
        asked_ms = self._asked_ms.get(native)
        if asked_ms is None or self._shared.clock.monotonic_ms() - asked_ms >= RESYNC_MS_MIN:
            self._ask(native)

    def _ask(self, native: Native) -> None:
        self._asked_ms[native] = self._shared.clock.monotonic_ms()
        self._shared.metrics.resyncs.labels(self._shared.venue.name).inc()
        self._do(self._feed.resync(native, self._shared.clock.now_ms()))

    def _ask_again(self, now_ms: int) -> None:
        for native, doubt in list(self._doubts.items()):
            if doubt.due_ms <= now_ms:
                doubt.wait_ms = min(2 * doubt.wait_ms, RESYNC_MS_MAX)
                doubt.due_ms = now_ms + doubt.wait_ms
                self._ask(native)

    def _fetch(self, ask: Ask) -> None:
        """A newer question replaces an older one: its answer might be from before the gap."""
        older = self._fetches.pop(ask.native, None)
        if older is not None:
            older.cancel()
        self._fetches[ask.native] = self._spawn(self._fetched(ask))

    async def _fetched(self, ask: Ask) -> None:
        """A failure is not repeated here: the book stays in doubt and is asked for again when due."""
        shared = self._shared
        async with self._fetching:
            reply = await shared.transport.send(
                shared.venue, ask.request, signer=shared.signer, deadline_ms=FETCH_MS_MAX
            )
        self._fetches.pop(ask.native, None)
        if isinstance(reply, Silence):
            return
        try:
            events = self._feed.fetched(ask.native, reply, shared.clock.now_ms())
        except ValueError as error:
            self._unreadable("feed.unreadable_snapshot", error, reply.body)
            return
        self._do(events)

    # --- the rest ---

    def _say(self, text: str) -> None:
        try:
            self._outbox.put_nowait(text)
        except asyncio.QueueFull:
            self._end("outbox_full")

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._over.done():
            self._over.set_exception(error)
            self._lose_all()

    def _end(self, reason: str) -> None:
        """From this moment on no book is usable, however long closing takes."""
        if not self._over.done():
            self._over.set_result(reason)
            self._lose_all()

    def _lose_all(self) -> None:
        for book in self._books.values():
            book.lose("disconnected")

    def _unreadable(self, event: str, error: ValueError, data: str | bytes) -> None:
        shown = data[:SHOWN_MAX]
        log.warning(event, venue=self._shared.venue.name, reason=str(error)[:SHOWN_MAX], begins=repr(shown))

    def _count_frames(self) -> None:
        frames, self._frames = self._frames, 0
        if frames:
            self._shared.metrics.frames.labels(self._shared.venue.name).inc(frames)
