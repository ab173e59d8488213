"""Every venue's market data, whole and over a bad line: a book is the venue's own or it is not used.

Names no venue. Frames come from the simulators' own sockets, of random markets; what goes wrong is chosen by
seed. `make streams` and `make faults` try 10,000 streams over a bad line per venue, CROSSBOOK_STREAMS
any other number.
"""

import os
import random

import pytest

from tests.venues.conformance_streams import FAULTS, Line
from venues import discover
from venues.base.events import Say
from venues.base.listing import Native

VENUES = sorted(discover())
WHOLE = bool(os.environ.get("CROSSBOOK_FAULTS"))
STREAMS = int(os.environ.get("CROSSBOOK_STREAMS", "10000" if WHOLE else "240"))
BLOCK = 40
"""Streams with one simulator, one after the other."""
QUIET_MOVES, ROUGH_MOVES = 3, 12
USABLE_MIN = BLOCK * 19 // 20
"""A feed that distrusts everything is never wrong, and of no use: after a calm minute its books are used."""
BLOCKS = [
    pytest.param(number, marks=pytest.mark.slow if number else []) for number in range(-(-STREAMS // BLOCK))
]


@pytest.mark.parametrize("venue", VENUES)
def test_over_a_good_line_the_book_is_the_venues_own_after_every_move(venue: str) -> None:
    for seed in range(5):
        card = discover()[venue]
        line = Line(card, card.simulator(seed), random.Random(seed))
        line.begin()
        line.beat()
        for _ in range(40):
            line.move()
            line.beat()
            assert line.usable
            assert line.differing() == {}


@pytest.mark.faults
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("venue", VENUES)
def test_over_a_bad_line_a_book_ends_as_the_venues_own_or_is_not_used(venue: str, block: int) -> None:
    luck, card = random.Random(block), discover()[venue]
    line = Line(card, card.simulator(block), luck)
    usable = 0
    for number in range(BLOCK):
        line.begin()
        for _ in range(QUIET_MOVES):
            line.move()
        line.rough = True
        for _ in range(ROUGH_MOVES):
            line.move()
            if luck.random() < 0.15:
                line.beat()
        line.calm()
        line.end()
        assert line.differing() == {}, f"stream {number} of block {block}"
        usable += line.usable
    assert usable >= USABLE_MIN
    assert all(line.done[fault] for fault in FAULTS), line.done


@pytest.mark.parametrize("venue", VENUES)
def test_a_listing_that_nobody_has_harms_no_other(venue: str) -> None:
    card = discover()[venue]
    line = Line(card, card.simulator(1), random.Random(1))
    line.natives += [Native(name) for name in ("0x18b1", "no-such-book", "-1", "\u0661", "9" * 400)]
    line.begin()
    for _ in range(3):
        line.beat()
    known = line.natives[0]
    assert line.books[known].why_unusable(line.now_ms, card.limits.silent_ms_max) is None
    assert line.differing() == {}


@pytest.mark.parametrize("venue", VENUES)
def test_what_has_been_unsubscribed_is_not_told_any_more(venue: str) -> None:
    card = discover()[venue]
    line = Line(card, card.simulator(2), random.Random(2))
    line.begin()
    line.beat()
    for event in line.feed.unsubscribe(line.natives):
        assert isinstance(event, Say), event
        assert line.socket is not None
        line.socket.receive(event.text, line.now_ms)
    before = {native: book.updates for native, book in line.books.items()}
    for _ in range(10):
        line.move()
        line.beat()
    assert before == {native: book.updates for native, book in line.books.items()}
