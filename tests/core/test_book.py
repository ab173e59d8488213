"""A book takes in what the feed says and knows when it may not be used."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core.book import JOURNAL_MAX, Book, Books, Pulse, State
from venues.base.contract import Limits
from venues.base.events import (
    BookSide,
    Halted,
    Level,
    Lost,
    Regrid,
    Resumed,
    Snapshot,
    Top,
    Touch,
    Trade,
    Update,
)
from venues.base.listing import Grid, Native
from venues.base.units import Price, Size

N = Native("M1")
BID, ASK = BookSide.BID, BookSide.ASK
SILENT_MS = 1_000
NOW = 50_000


def level(price: int, size: int) -> Level:
    return Price(price), Size(size)


def touch(side: BookSide, price: int, size: int) -> Touch:
    return side, Price(price), size


def snapshot(bids: dict[int, int], asks: dict[int, int], venue_ms: int | None = None) -> Snapshot:
    return Snapshot(
        N, [level(p, s) for p, s in bids.items()], [level(p, s) for p, s in asks.items()], venue_ms
    )


def live(bids: dict[int, int] | None = None, asks: dict[int, int] | None = None) -> Book:
    book = Book(N, levels_max=100)
    book.attach(Pulse(NOW))
    book.apply(snapshot(bids or {400_000: 5}, asks or {420_000: 7}), NOW)
    return book


def contents(book: Book) -> tuple[dict[Price, Size], dict[Price, Size]]:
    return book.bids.levels, book.asks.levels


def why(book: Book, now_ms: int = NOW) -> str | None:
    return book.why_unusable(now_ms, SILENT_MS)


def test_a_book_without_a_snapshot_is_not_usable_and_ignores_updates() -> None:
    book = Book(N, levels_max=100)
    book.attach(Pulse(NOW))
    assert not book.apply(Update(N, [touch(BID, 400_000, 5)]), NOW)
    assert contents(book) == ({}, {})
    assert why(book) == "not_seeded"


def test_a_snapshot_makes_it_usable_and_replaces_everything() -> None:
    book = live({400_000: 5, 390_000: 1}, {420_000: 7})
    assert why(book) is None
    book.apply(snapshot({410_000: 2}, {430_000: 3}, venue_ms=77), NOW + 1)
    assert contents(book) == ({410_000: 2}, {430_000: 3})
    assert (book.venue_ms, book.applied_ms, book.updates, book.resyncs) == (77, NOW + 1, 2, 0)


def test_an_absolute_touch_sets_and_zero_removes() -> None:
    book = live({400_000: 5, 390_000: 1}, {420_000: 7})
    book.apply(
        Update(N, [touch(BID, 400_000, 9), touch(BID, 390_000, 0), touch(ASK, 430_000, 4)], venue_ms=3), NOW
    )
    assert contents(book) == ({400_000: 9}, {420_000: 7, 430_000: 4})
    assert book.venue_ms == 3


def test_removing_a_level_that_is_not_there_changes_nothing() -> None:
    book = live()
    assert not book.apply(Update(N, [touch(BID, 111_000, 0)]), NOW)
    assert why(book) is None


def test_a_relative_touch_adds_and_a_level_at_zero_disappears() -> None:
    book = live({400_000: 5}, {420_000: 7})
    touches = [touch(BID, 400_000, -5), touch(ASK, 420_000, -2), touch(BID, 399_000, 8)]
    assert not book.apply(Update(N, touches, relative=True), NOW)
    assert contents(book) == ({399_000: 8}, {420_000: 5})


@pytest.mark.parametrize(
    ("bad", "relative", "reason"),
    [
        (touch(BID, 400_000, -6), True, "negative_level"),
        (touch(BID, 333_000, -1), True, "negative_level"),
        (touch(BID, 400_000, -1), False, "negative_level"),
        (touch(BID, 333_000, -1), False, "negative_level"),
        (touch(ASK, 1_000_000, 1), False, "bad_price"),
        (touch(BID, 0, 1), True, "bad_price"),
    ],
)
def test_an_impossible_level_loses_the_book_and_asks_for_a_resync(
    bad: Touch, relative: bool, reason: str
) -> None:
    book = live({400_000: 5}, {420_000: 7})
    assert book.apply(Update(N, [bad], relative=relative), NOW)
    assert why(book) == f"lost:{reason}"
    assert all(size > 0 for half in contents(book) for size in half.values())


@pytest.mark.parametrize("bids", [{0: 1}, {1_000_000: 1}, {400_000: 0}, {400_000: -1}])
def test_an_impossible_snapshot_loses_the_book(bids: dict[int, int]) -> None:
    book = live()
    assert book.apply(snapshot(bids, {}), NOW)
    assert why(book) == "lost:bad_snapshot"


def test_more_levels_than_the_limit_lose_the_book() -> None:
    book = live()
    for side in (BID, ASK):
        book = live()
        touches = [touch(side, 430_000 + i, 1) for i in range(100)]
        assert not book.apply(Update(N, touches[1:]), NOW)
        assert book.apply(Update(N, touches[:1]), NOW)
        assert why(book) == "lost:too_many_levels"
    assert book.apply(snapshot({1_000 + i: 1 for i in range(101)}, {}), NOW)
    assert why(book) == "lost:too_many_levels"


def test_a_gap_loses_the_book_until_the_next_snapshot() -> None:
    book = live()
    assert not book.apply(Lost(N, "expected 8, was 9"), NOW)
    assert why(book) == "lost:expected 8, was 9"
    book.apply(Update(N, [touch(BID, 400_000, 99)]), NOW)
    assert book.bids.levels[Price(400_000)] == 5
    book.apply(snapshot({400_000: 6}, {}), NOW)
    assert why(book) is None
    assert (book.gaps, book.resyncs) == (1, 1)


def test_a_lost_connection_loses_the_book() -> None:
    book = live()
    book.lose("disconnected")
    assert why(book) == "lost:disconnected"


def test_the_venues_exact_top_confirms_or_condemns() -> None:
    book = live({400_000: 5}, {420_000: 7})
    assert not book.apply(Top(N, Price(400_000), Price(420_000), exact=True), NOW)
    assert why(book) is None
    assert book.apply(Top(N, Price(400_000), None, exact=True), NOW)
    assert (book.state, why(book)) == (State.SUSPECT, "suspect:top_differs")


def test_the_best_prices_in_an_update_are_those_after_it() -> None:
    book = live({400_000: 5}, {420_000: 7})
    moved = [touch(BID, 400_000, 0), touch(BID, 410_000, 1)]
    assert not book.apply(Update(N, moved, top=(Price(410_000), Price(420_000))), NOW)
    assert why(book) is None
    gone = [touch(ASK, 420_000, 0)]
    assert not book.apply(Update(N, gone, top=(Price(410_000), None)), NOW)
    assert book.apply(Update(N, [touch(ASK, 430_000, 1)], top=(Price(410_000), None)), NOW)
    assert (book.state, why(book), book.gaps) == (State.SUSPECT, "suspect:top_differs", 1)
    assert not book.apply(Update(N, [], top=(None, None)), NOW), "nothing is asked of a book in doubt"


def test_of_many_levels_the_best_prices_are_the_highest_bid_and_the_lowest_ask() -> None:
    book = live({400_000: 5, 380_000: 1, 390_000: 2}, {430_000: 1, 420_000: 7, 440_000: 2})
    best = (Price(400_000), Price(420_000))
    assert not book.apply(Update(N, [touch(BID, 370_000, 1), touch(ASK, 450_000, 1)], top=best), NOW)
    assert why(book) is None
    for other in ((380_000, 420_000), (400_000, 440_000), (420_000, 400_000)):
        book = live({400_000: 5, 380_000: 1}, {420_000: 7, 440_000: 2})
        assert book.apply(Update(N, [], top=(Price(other[0]), Price(other[1]))), NOW)


def test_an_impossible_level_is_the_reason_even_where_the_best_prices_differ_too() -> None:
    book = live()
    assert book.apply(Update(N, [touch(BID, 400_000, -1)], top=(None, None)), NOW)
    assert why(book) == "lost:negative_level"


def test_a_snapshot_with_an_impossible_level_below_a_good_one_of_the_same_price_is_refused() -> None:
    book = live()
    assert book.apply(Snapshot(N, [level(400_000, 0), level(400_000, 5)], []), NOW)
    assert why(book) == "lost:bad_snapshot"


def test_what_a_reader_is_given_is_its_own() -> None:
    book = live({400_000: 5}, {420_000: 7})
    book.bids.levels.clear()
    assert (book.bids.get(Price(400_000)), book.bids.get(Price(410_000))) == (5, None)
    assert (book.bids.best(), book.asks.best()) == (400_000, 420_000)


def test_an_exact_top_of_an_empty_side_agrees_with_an_empty_side() -> None:
    book = Book(N, levels_max=100)
    book.attach(Pulse(NOW))
    book.apply(snapshot({}, {}), NOW)
    assert not book.apply(Top(N, None, None, exact=True), NOW)
    assert why(book) is None


def test_an_asynchronous_top_proves_nothing() -> None:
    book = live()
    assert not book.apply(Top(N, Price(1), Price(2), exact=False), NOW)
    assert why(book) is None


def test_a_halt_outlasts_gaps_and_snapshots_but_not_its_end() -> None:
    book = live()
    book.apply(Halted(N, "paused"), NOW)
    book.apply(Lost(N, "gap"), NOW)
    book.apply(snapshot({400_000: 6}, {}), NOW)
    book.apply(Regrid(N, Grid.uniform(1_000)), NOW)
    assert why(book) == "halted:paused"
    book.apply(Resumed(N), NOW)
    assert why(book) == "lost:resumed"
    book.apply(snapshot({400_000: 6}, {}), NOW)
    assert why(book) is None


def test_a_disconnect_ends_a_halt_because_its_end_may_be_missed() -> None:
    book = live()
    book.apply(Halted(N, "paused"), NOW)
    book.lose("disconnected")
    book.apply(snapshot({400_000: 6}, {}), NOW)
    assert why(book) is None


def test_a_new_grid_makes_it_unusable_until_the_next_snapshot() -> None:
    book = live()
    book.apply(Regrid(N, Grid.uniform(1_000)), NOW)
    assert why(book) == "lost:regrid"


def test_a_trade_changes_nothing() -> None:
    book = live()
    before = contents(book)
    assert not book.apply(Trade(N, Price(420_000), Size(7)), NOW)
    assert contents(book) == before
    assert why(book) is None


@pytest.mark.parametrize(("bid", "ask", "usable"), [(410_000, 420_000, True), (420_000, 420_000, False),
                                                    (430_000, 420_000, False)])  # fmt: skip
def test_locked_and_crossed_books_are_not_usable(bid: int, ask: int, usable: bool) -> None:
    book = live({bid: 5}, {ask: 7})
    assert why(book) == (None if usable else "crossed")


def test_a_book_with_one_empty_side_is_usable() -> None:
    book = live()
    book.apply(snapshot({}, {420_000: 1}), NOW)
    assert why(book) is None


def test_a_silent_connection_makes_all_its_books_stale_and_a_beat_revives_them() -> None:
    book, pulse = live(), Pulse(NOW)
    book.attach(pulse)
    assert why(book, NOW + SILENT_MS) is None
    assert why(book, NOW + SILENT_MS + 1) == "stale"
    pulse.heard_ms = NOW + SILENT_MS + 1
    assert why(book, NOW + SILENT_MS + 1) is None


def test_a_book_that_no_connection_feeds_is_not_usable() -> None:
    book = Book(N, levels_max=100)
    book.apply(snapshot({400_000: 5}, {}), NOW)
    assert why(book) == "not_connected"


@pytest.mark.parametrize("side", BookSide)
def test_the_journal_is_bounded_and_a_late_reader_is_told_to_compare(side: BookSide) -> None:
    book = live()
    half = book.half(side)
    early = half.cursor
    book.apply(Update(N, [touch(side, 410_000, 1)]), NOW)
    assert half.since(early) == [410_000]
    for size in range(2 * JOURNAL_MAX):
        book.apply(Update(N, [touch(side, 410_000, size + 1)]), NOW)
        assert len(half.journal) <= JOURNAL_MAX
    assert half.since(early) is None
    assert half.since(half.cursor) == []


def test_a_snapshot_tells_every_reader_to_compare() -> None:
    book = live()
    seen = book.asks.cursor
    book.apply(snapshot({}, {430_000: 1}), NOW)
    assert book.asks.since(seen) is None


def test_books_are_made_once_and_forgotten_books_are_lost() -> None:
    books = Books({"acme": Limits(listings_per_connection=1, silent_ms_max=1, levels_max=3)})
    book = books.open("acme", N)
    book.attach(Pulse(NOW))
    book.apply(snapshot({400_000: 5}, {}), NOW)
    assert books.open("acme", N) is book
    assert (list(books), book.levels_max) == ([("acme", N)], 3)
    books.forget("acme", N)
    assert (len(books), why(book)) == (0, "lost:forgotten")
    with pytest.raises(KeyError):
        books.open("nobody", N)


sides = st.sampled_from([BID, ASK])
prices = st.integers(1, 12).map(lambda tick: tick * 1_000)
absolute = st.lists(st.tuples(sides, prices, st.integers(0, 3)), max_size=6)


@given(st.lists(absolute, max_size=60))
def test_the_content_and_the_journal_follow_a_naive_book(
    frames: list[list[tuple[BookSide, int, int]]],
) -> None:
    """The naive book is two dicts; the naive reader recomputes what the journal must have named."""
    book = live({1_000: 1}, {12_000: 1})
    naive: dict[BookSide, dict[int, int]] = {BID: {1_000: 1}, ASK: {12_000: 1}}
    for frame in frames:
        before = {side: dict(levels) for side, levels in naive.items()}
        cursors = {side: book.half(side).cursor for side in (BID, ASK)}
        for side, price, size in frame:
            naive[side].pop(price, None)
            if size:
                naive[side][price] = size
        assert not book.apply(Update(N, [touch(*t) for t in frame]), NOW)
        assert contents(book) == (naive[BID], naive[ASK])
        assert list(book.bids.levels) == sorted(naive[BID])
        assert list(book.asks.levels) == sorted(naive[ASK])
        assert (book.best_bid(), book.best_ask()) == (
            max(naive[BID], default=None),
            min(naive[ASK], default=None),
        )
        for side in (BID, ASK):
            named = book.half(side).since(cursors[side])
            changed = {p for p in {*before[side], *naive[side]} if before[side].get(p) != naive[side].get(p)}
            assert named is None or changed <= set(named)
