"""Memory per watched listing: its book, what the feed keeps of it, its metadata, its merged books.

    python -m benchmarks.memory [--listings 200]

Every venue's simulator fills its books with all the prices of a cent grid, 50 bids and 49 asks. What it says
is kept, the simulator is dropped, and then the router's own structures are built from it: only they are
counted, by `tracemalloc`. Per venue, `book` is feed and book, `listing` the metadata, `ladders` the merged
books of both sides over this venue alone. `all` is one outcome on every venue, merged over all of them.
"""

import argparse
import asyncio
import gc
import tracemalloc
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import msgspec

from benchmarks.record import note, record
from registry.model import Outcome, OutcomeId
from router.core.book import Books, Pulse
from router.runtime.catalog import Catalog
from router.runtime.clock import SystemClock
from router.runtime.door import Guard
from router.runtime.ladders import Ladders
from venues import discover
from venues.base.contract import Feed, Signer, Venue
from venues.base.events import Ask, FeedEvent, Refused, Say
from venues.base.http import Reply, Request, Response, Talk
from venues.base.listing import ListingKey, Native
from venues.base.orders import Side
from venues.base.units import ONE, Price, Size
from venues.sim.contract import Call

T = TypeVar("T")
BIDS, ASKS = range(50, 0, -1), range(51, 100)
"""Cents: every price of the grid."""
NOW = 1_795_000_000_000
APART_MS = 1_000
ROUNDS_MAX = 10
"""Of questions and answers until a book has come: subscribe, market, book."""
STATED = 2_000
"""Outcomes on every venue that the figures are stated for."""


class Heard(msgspec.Struct):
    """What one venue said while its books were subscribed: the whole other end, as values."""

    natives: list[Native]
    rounds: list[tuple[list[str], list[tuple[Native, Response]]]]
    """Frames, and replies to what was asked, in the order in which they came."""
    catalogue: list[Reply]
    """Replies about the listings' metadata, one after the other."""


class Far:
    """A venue's simulator with full books. As a `Door` it answers conversations and keeps the replies."""

    def __init__(self, venue: Venue, listings: int) -> None:
        self.simulator = venue.simulator(1)
        self.signer = venue.signer(self.simulator.open_account({"balance": "1"}, NOW))
        self.replies: list[Reply] = []
        self.now_ms = NOW
        titles = [f"Question {n}" for n in range(listings)]
        self.natives = [Native(self.simulator.list_market({"title": title})[0]) for title in titles]
        for n, native in enumerate(self.natives):
            sizes = [Size((1 + (n * 7 + cent * 13) % 500) * ONE) for cent in range(100)]
            bids, asks = ([(Price(cent * 10_000), sizes[cent]) for cent in side] for side in (BIDS, ASKS))
            self.simulator.exchange.set_book(native, bids, asks, NOW)

    async def perform(
        self,
        venue: Venue,
        talk: Talk[T],
        *,
        signer: Signer | None = None,
        deadline_ms: int,
        guard: Guard | None = None,
        urgent: bool = False,
    ) -> T:
        """See `Door`."""
        return through(talk, self._answer_and_keep)

    def _answer_and_keep(self, request: Request) -> Response:
        reply = self.answer(request)
        self.replies.append(reply)
        return reply

    def answer(self, request: Request) -> Response:
        """One request, long enough after the one before for any venue's pace."""
        self.now_ms += APART_MS
        return self.simulator.answer(self.call(request), self.now_ms)

    def call(self, request: Request) -> Call:
        """A request, or the handshake of a connection, as the simulator's server would receive it."""
        if request.private:
            request = self.signer.sign(request, self.now_ms)
        base = "" if request.host == "socket" else self.simulator.hosts("", "").get(request.host, "")
        headers = {name.lower(): value for name, value in request.headers.items()}
        query: dict[str, str] = {}
        for name, value in request.query:
            query[name] = f"{query[name]},{value}" if name in query else value
        return Call(
            method=request.method,
            path=base + request.path,
            query=query,
            headers=headers,
            body=request.body,
        )


class Tape:
    """A `Door` that answers conversations with kept replies."""

    def __init__(self, heard: Mapping[str, Heard]) -> None:
        self._replies = {name: iter(each.catalogue) for name, each in heard.items()}

    async def perform(
        self,
        venue: Venue,
        talk: Talk[T],
        *,
        signer: Signer | None = None,
        deadline_ms: int,
        guard: Guard | None = None,
        urgent: bool = False,
    ) -> T:
        """See `Door`."""
        return through(talk, lambda _: next(self._replies[venue.name]))


def through(talk: Talk[T], answer: Callable[[Request], Reply]) -> T:
    """Hold a conversation to its end."""
    reply: Reply | None = None
    while True:
        try:
            reply = answer(talk.send(reply) if reply is not None else next(talk))
        except StopIteration as stop:
            value: T = stop.value
            return value


def listen(venue: Venue, listings: int) -> Heard:
    """Subscribe to so many full books at the venue's simulator and keep what comes."""
    far = Far(venue, listings)
    asyncio.run(metadata({venue.name: venue}, far, {venue.name: far.natives}))
    heard = Heard(far.natives, [], far.replies)
    feed = venue.feed()
    socket = far.simulator.connect(far.call(feed.handshake()), far.now_ms)
    assert not isinstance(socket, Response), socket
    events = feed.subscribe(far.natives)
    for _ in range(ROUNDS_MAX):
        for event in events:
            if isinstance(event, Say):
                socket.receive(event.text, far.now_ms)
        replies = [(e.native, far.answer(e.request)) for e in events if isinstance(e, Ask)]
        far.simulator.tick(far.now_ms)
        frames, socket.outbox[:] = list(socket.outbox), []
        heard.rounds.append((frames, replies))
        events = [event for frame in frames for event in feed.receive(frame, NOW)]
        events += [event for native, reply in replies for event in feed.fetched(native, reply, NOW)]
    return heard


async def metadata(venues: Mapping[str, Venue], door: Far | Tape, of: Mapping[str, list[Native]]) -> Catalog:
    """The listings' metadata, read once."""
    catalog = Catalog(venues, door, SystemClock(), refresh_ms=60_000)
    for name, natives in of.items():
        catalog.watch(name, natives)
    assert await catalog.refresh() == {}, "every venue answers"
    return catalog


class Router:
    """The structures that a router keeps of these venues, built from what was heard of them."""

    def __init__(self, heard: Mapping[str, Heard]) -> None:
        self._heard, self._clock = heard, SystemClock()
        self._venues = {name: discover()[name] for name in heard}
        self._books = Books({name: venue.limits for name, venue in self._venues.items()})
        self._pulse = Pulse(0)
        self._feeds: list[Feed] = []
        self._catalog: Catalog | None = None
        self._ladders: Ladders | None = None

    def fill_books(self) -> None:
        """Feeds and books, as the frames and replies make them."""
        for name, heard in self._heard.items():
            feed = self._venues[name].feed()
            self._feeds.append(feed)
            for native in heard.natives:
                self._books.open(name, native).attach(self._pulse)
            feed.subscribe(heard.natives)
            for frames, replies in heard.rounds:
                for frame in frames:
                    self._apply(name, feed.receive(frame, NOW))
                for native, reply in replies:
                    self._apply(name, feed.fetched(native, reply, NOW))

    def read_listings(self) -> None:
        """The metadata."""
        natives = {name: heard.natives for name, heard in self._heard.items()}
        self._catalog = asyncio.run(metadata(self._venues, Tape(self._heard), natives))

    def merge(self) -> None:
        """The merged books: one outcome per rank, listed on every venue here, both sides read."""
        assert self._catalog is not None
        self._ladders = Ladders(self._venues, self._books, self._catalog, self._clock, silent_ms=60_000)
        self._pulse.heard_ms = self._clock.monotonic_ms()
        ranks = zip(
            *(
                [ListingKey(name, native, inverted=False) for native in heard.natives]
                for name, heard in self._heard.items()
            ),
            strict=True,
        )
        for rank, keys in enumerate(ranks):
            outcome = Outcome(outcome_id=OutcomeId(f"px-{rank:08}"), title="Q", label="Yes", listings=keys)
            for side, levels in ((Side.BUY, len(ASKS)), (Side.SELL, len(BIDS))):
                read = self._ladders.read(outcome, side, frozenset(self._heard))
                assert len(list(read.takes.offers)) == levels * len(keys), "every level is on offer"

    def _apply(self, name: str, events: Iterable[FeedEvent]) -> None:
        for event in events:
            if not isinstance(event, Say | Ask | Refused):
                self._books.open(name, event.native).apply(event, NOW)


def kept(heard: Mapping[str, Heard], listings: int) -> dict[str, int]:
    """Bytes per outcome that each part of a router keeps, once it has settled."""
    gc.collect()
    tracemalloc.start()
    router, figures, before = Router(heard), {}, tracemalloc.get_traced_memory()[0]
    steps = {"book": router.fill_books, "listing": router.read_listings, "ladders": router.merge}
    for name, step in steps.items():
        step()
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
        figures[name], before = round((after - before) / listings), after
    tracemalloc.stop()
    return figures | {"in_all": sum(figures.values())}


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listings", type=int, default=200)
    asked = parser.parse_args()
    heard = {name: listen(venue, asked.listings) for name, venue in sorted(discover().items())}
    kept(heard, asked.listings)  # what is remembered for all, once
    figures: dict[str, object] = {"listings": asked.listings, "levels": len(BIDS) + len(ASKS)}
    figures |= {name: kept({name: each}, asked.listings) for name, each in heard.items()}
    figures["all"] = everything = kept(heard, asked.listings)
    figures["mib_of_2000_outcomes"] = round(everything["in_all"] * STATED / 2**20)
    note(str(figures))
    record("memory", figures)


if __name__ == "__main__":
    main()
