"""Replies and frames that are torn, garbled, extended or huge (G11). Names no venue.

An order was executed and the venue's ledger says so. Whatever is done to a reply about it, nobody may be
told that nothing was done, nor other figures; a reply with more in it says the same. What may be another
truth must be readable. `make faults` tries 50,000 per venue.
"""

import os
import random
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from router.core.book import Book
from tests.venues.conformance_scene import BEGIN_MS, Scene
from tests.venues.conformance_streams import Line, Reply
from tests.venues.mutations import DAMAGE, GROWTH, OTHERS, Mutation
from tests.world import call_of
from venues import discover
from venues.base.contract import PrivateFeed
from venues.base.events import Ask, Refused, Say
from venues.base.http import Purpose, Request, Response, Talk
from venues.base.orders import Answer, Filled, News, Order, Pending, Rejected, Side, Unknown, Working

VENUES = sorted(discover())
WHOLE = bool(os.environ.get("CROSSBOOK_FAULTS"))
TRIES = 50_000 if WHOLE else 500
REPLIES = TRIES * 3 // 5
TURNS = 8
"""Seconds in which a stream says what it has to say of an order."""
pytestmark = [pytest.mark.slow, pytest.mark.faults]


class Told:
    """An executed order, and everything the venue says about it from now on, from a record."""

    def __init__(self, venue: str, side: Side) -> None:
        self.scene = Scene(venue)
        self.order: Order = self.scene.planned(side)
        self.first = self.scene.place(self.order)
        [self.placed] = [sent[2] for sent in self.scene.sent if sent[0].purpose is Purpose.ORDER][:1]
        self.last = self.scene.settle(self.order, self.first)
        assert isinstance(self.last, Filled)
        assert self.last.size > 0
        self.now_ms = self.scene.now_ms
        self._known: dict[tuple[object, ...], Response] = {}
        self.replies = 0
        """In the last talk."""

    def ask(self, *, placing: bool, spoil: Callable[[int, Response], Response]) -> Answer:
        """Place it again on paper, or look it up; `spoil` is given each reply with its number."""
        orders, signer = self.scene.card.orders, self.scene.signer
        talk: Talk[Answer]
        if placing:
            talk = orders.place(self.order, signer)
        else:
            talk = orders.look_up(self.order, signer, self.first, self.now_ms)
        request, self.replies = next(talk), 0
        while True:
            reply = spoil(self.replies, self._reply(request))
            self.replies += 1
            try:
                request = talk.send(reply)
            except StopIteration as stop:
                answer: Answer = stop.value
                return answer

    def _reply(self, request: Request) -> Response:
        if request.purpose is Purpose.ORDER:
            return self.placed
        key = (request.method, request.host, request.path, tuple(request.query), request.body)
        if key not in self._known:
            self.scene.now_ms = self.now_ms
            self._known[key] = self.scene.answer(request)
        return self._known[key]


def wrong(told: Told, whole: Answer, answer: Answer, mutation: Mutation) -> str | None:
    """What is wrong about believing this, if anything."""
    assert isinstance(answer, Filled | Working | Pending | Rejected | Unknown)
    if mutation in OTHERS:
        return None
    if mutation in GROWTH:
        return None if answer == whole else "what was added changed the answer"
    if isinstance(answer, Rejected):
        return "it was executed"
    if isinstance(answer, Filled) and answer != told.last:
        return "other figures"
    return None


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("venue", VENUES)
def test_no_spoilt_reply_makes_an_executed_order_another(venue: str, side: Side) -> None:
    told, luck = Told(venue, side), random.Random(f"{venue}/{side}")
    whole: dict[bool, tuple[Answer, int]] = {}
    for placing in (True, False):
        answer = told.ask(placing=placing, spoil=lambda _, reply: reply)
        assert isinstance(answer, Filled | Working | Pending), answer
        whole[placing] = answer, told.replies
    assert whole[False][0] == told.last, "nothing is learnt from whole replies either"
    found: dict[str, str] = {}
    for _ in range(REPLIES // 2):
        placing, mutation = luck.random() < 0.5, luck.choice(DAMAGE + GROWTH + OTHERS)
        at = luck.randrange(whole[placing][1])

        def spoil(number: int, reply: Response, at: int = at, mutation: Mutation = mutation) -> Response:
            return replace(reply, body=mutation(luck, reply.body)) if number == at else reply

        answer = told.ask(placing=placing, spoil=spoil)
        why = wrong(told, whole[placing][0], answer, mutation)
        if why:
            name = f"{'place' if placing else 'look up'}, reply {at}, {mutation.__name__}: {why}"
            found.setdefault(name, f"{answer}")
    assert found == {}


@pytest.mark.parametrize("venue", VENUES)
def test_no_spoilt_frame_breaks_a_feed(venue: str) -> None:
    """A frame that cannot be read is a ValueError, as the connection expects; books stay books."""
    luck = random.Random(venue)
    card = discover()[venue]
    line = Line(card, card.simulator(1), luck)
    line.begin()
    frames: list[str] = []
    put = line._put

    def listen(item: str | Reply) -> None:
        if isinstance(item, str):
            frames.append(item)
        put(item)

    line._put = listen  # type: ignore[method-assign]  # listens in
    for _ in range(30):
        line.move()
        line.beat()
    assert frames
    tries = TRIES - REPLIES
    for number in range(tries):
        if number % 200 == 0:
            feed = card.feed()
            feed.subscribe(line.natives)
            books = {native: Book(native, card.limits.levels_max) for native in line.natives}
        mutation = luck.choice(DAMAGE + GROWTH + OTHERS)
        text = mutation(luck, luck.choice(frames).encode()).decode(errors="replace")
        try:
            events = feed.receive(text, BEGIN_MS + number)
        except ValueError:
            continue
        for event in events:
            if not isinstance(event, Say | Ask | Refused) and event.native in books:
                books[event.native].apply(event, number)


class Overheard:
    """What an account's own stream says of an order that is executed."""

    def __init__(self, venue: str) -> None:
        self.scene = Scene(venue)
        self.card = self.scene.card
        feed = self.fresh()
        request = feed.handshake()
        request = self.scene.signer.sign(request, BEGIN_MS) if request.private else request
        socket = self.scene.sim.connect(call_of(request), self.scene.now_ms)
        assert not isinstance(socket, Response), socket
        frames: list[str] = []
        events = [*feed.opening(), *feed.watch(self.scene.natives)]
        self.order = self.scene.planned()
        for turn in range(TURNS):
            for event in events:
                if isinstance(event, Say):
                    socket.receive(event.text, self.scene.now_ms)
            self.scene.wait(1_000)
            events = [event for frame in socket.outbox for event in feed.receive(frame, self.scene.now_ms)]
            events += feed.tick(self.scene.now_ms)
            frames += socket.outbox
            socket.outbox.clear()
            if turn == 0:
                self.first = self.scene.place(self.order)
        self.frames = frames
        self.last = self.scene.settle(self.order, self.first)

    def fresh(self) -> PrivateFeed:
        """A stream that was prepared and heard nothing yet."""
        assert self.card.private is not None
        feed = self.card.private(self.scene.signer)
        assert self.scene.hold(feed.prepare(self.scene.now_ms)) is None
        feed.opening()
        feed.watch(self.scene.natives)
        return feed


@pytest.mark.parametrize("venue", [name for name in VENUES if discover()[name].private is not None])
def test_no_spoilt_frame_of_an_accounts_own_stream_makes_its_order_another(venue: str) -> None:
    """News of several frames may each be damaged; nobody concludes from them that nothing was done."""
    overheard, luck = Overheard(venue), random.Random(venue)
    assert overheard.frames
    orders, last = overheard.card.orders, overheard.last
    assert isinstance(last, Filled)
    found: dict[str, str] = {}
    for number in range(TRIES - REPLIES):
        if number % 500 == 0:
            feed = overheard.fresh()
        mutation = luck.choice(DAMAGE + GROWTH + OTHERS)
        text = mutation(luck, luck.choice(overheard.frames).encode()).decode(errors="replace")
        try:
            events = feed.receive(text, overheard.scene.now_ms)
            news = [event for event in events if isinstance(event, News)]
            answer = orders.heard(overheard.order, overheard.first, news) if news else None
        except ValueError:
            continue
        refuted = isinstance(answer, Rejected) or (isinstance(answer, Filled) and answer.size > last.size)
        if refuted and mutation not in OTHERS:
            found.setdefault(mutation.__name__, f"{answer}")
    assert found == {}
