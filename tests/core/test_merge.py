"""The kept ladder is always what a slow merge of the books would give."""

from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from router.core.book import JOURNAL_MAX, Book, BookEvent, Pulse
from router.core.merge import PRICES_MAX, TABLES_MAX, MergedSide, Offer, RankTables, Source
from router.core.model import Terms
from tests.core.curves import FREE, FlatFee, QuadraticFee, ShareFee, terms
from tests.examples import examples
from venues.base.contract import FeeCurve
from venues.base.events import BookSide, Halted, Lost, Regrid, Resumed, Snapshot, Top, Update
from venues.base.listing import Band, Grid, ListingKey, Native
from venues.base.orders import Side
from venues.base.units import ONE, Price, Size

NOW = 10_000
SILENT_MS = 500
CURVES: tuple[FeeCurve, ...] = (
    FREE, FlatFee(bps=150), QuadraticFee(70_000), QuadraticFee(20_000, lot=ONE), ShareFee(bps=300),
)  # fmt: skip
COARSE = Grid(
    (Band(Price(0), Price(500_000), Price(50_000)), Band(Price(500_000), Price(ONE), Price(100_000)))
)
GRIDS = (Grid.uniform(10_000), Grid.uniform(50_000), COARSE)


class World(NamedTuple):
    books: list[Book]
    pulses: list[Pulse]
    sources: list[Source]


def world(*all_terms: Terms) -> World:
    books = [Book(t.listing.native, levels_max=1_000) for t in all_terms]
    pulses = [Pulse(NOW) for _ in books]
    for book, pulse in zip(books, pulses, strict=True):
        book.attach(pulse)
    sources = [Source(t, b, SILENT_MS) for t, b in zip(all_terms, books, strict=True)]
    return World(books, pulses, sources)


def fill(book: Book, bids: dict[int, int], asks: dict[int, int]) -> None:
    book.apply(
        Snapshot(
            book.native,
            [(Price(p), Size(s)) for p, s in bids.items()],
            [(Price(p), Size(s)) for p, s in asks.items()],
        ),
        NOW,
    )


def slow_merge(sources: list[Source], side: Side, now_ms: int) -> list[tuple[int, ...]]:
    """Everything anew, by the formula: what a person would write first."""
    rows: list[tuple[int, ...]] = []
    for index, source in enumerate(sources):
        listing, book = source.terms.listing, source.book
        if book.why_unusable(now_ms, source.silent_ms_max) or not listing.tradable:
            continue
        buying = side is Side.BUY
        half = book.asks if buying is not listing.inverted else book.bids
        grid = book.grid or listing.grid
        for at, size in dict(half.levels).items():
            price = Price(ONE - at) if listing.inverted else Price(at)
            if grid.floor(Price(at)) != at:
                continue
            rank = source.terms.curve.rank(side, price)
            fee = source.terms.curve.reserve(side, price, size)
            if buying:
                net = size - source.terms.curve.kept(side, price, size)
                if net > 0:
                    rows.append((rank, index, price, size, -(-price * size // ONE) + fee, net))
            elif rank > 0 and price * size // ONE - fee > 0:
                rows.append((-rank, index, price, size, price * size // ONE - fee, size))
    return sorted(rows)


def test_offers_are_ranked_by_the_price_with_the_fee_in_it() -> None:
    dear = terms("acme", curve=FlatFee(bps=500))
    plain = terms("bolt", curve=FREE)
    w = world(dear, plain)
    fill(w.books[0], {}, {500_000: 2_000_000})
    fill(w.books[1], {}, {510_000: 1_000_000, 530_000: 1_000_000})
    merged = MergedSide(w.sources, Side.BUY, RankTables()).read(NOW)
    assert list(merged.offers) == [
        (510_000_000, 1, 510_000, 1_000_000, 510_000, 1_000_000),
        (525_000_000, 0, 500_000, 2_000_000, 1_050_000, 2_000_000),
        (530_000_000, 1, 530_000, 1_000_000, 530_000, 1_000_000),
    ]
    assert merged.tops == (merged.offers[1], merged.offers[0])


def test_shares_that_the_venue_keeps_are_in_the_rank_and_in_the_net() -> None:
    w = world(terms("acme", curve=ShareFee(bps=2_000)))
    fill(w.books[0], {300_000: 1_000_000}, {400_000: 1_000_000})
    [ask] = MergedSide(w.sources, Side.BUY, RankTables()).read(NOW).offers
    [bid] = MergedSide(w.sources, Side.SELL, RankTables()).read(NOW).offers
    assert ask == (500_000_000, 0, 400_000, 1_000_000, 400_000, 800_000), "0.40 for 0.8 shares: 0.50 each"
    assert bid == (-240_000_000, 0, 300_000, 1_000_000, 240_000, 1_000_000), "a sale pays in money"


def test_a_level_of_which_nothing_would_arrive_is_not_offered() -> None:
    w = world(terms("acme", curve=ShareFee(bps=2_000)))
    fill(w.books[0], {}, {400_000: 1})
    assert not MergedSide(w.sources, Side.BUY, RankTables()).read(NOW).offers


def test_an_inverted_listing_offers_the_complement_of_the_other_side() -> None:
    w = world(terms("acme", inverted=True))
    fill(w.books[0], {300_000: 4_000_000}, {350_000: 6_000_000})
    [ask] = MergedSide(w.sources, Side.BUY, RankTables()).read(NOW).offers
    [bid] = MergedSide(w.sources, Side.SELL, RankTables()).read(NOW).offers
    assert ask[2:] == (700_000, 4_000_000, 2_800_000, 4_000_000)
    assert bid[2:] == (650_000, 6_000_000, 3_900_000, 6_000_000)


def test_a_price_touched_often_between_readings_is_taken_over_once_and_right() -> None:
    w = world(terms())
    fill(w.books[0], {}, {500_000: 1})
    side = MergedSide(w.sources, Side.BUY, RankTables())
    side.read(NOW)
    for size in range(1, JOURNAL_MAX):
        w.books[0].apply(Update(Native("M1"), [(BookSide.ASK, Price(500_000), size)]), NOW)
    assert [offer[3] for offer in side.read(NOW).offers] == [JOURNAL_MAX - 1]


def test_crossed_gapped_and_stale_books_offer_nothing_and_say_why() -> None:
    w = world(terms("acme"), terms("bolt"), terms("coil"), terms("dusk"), terms("echo", tradable=False))
    for book in w.books:
        fill(book, {400_000: 1}, {500_000: 1})
    side = MergedSide(w.sources, Side.BUY, RankTables())
    assert len(side.read(NOW).offers) == 4
    w.books[0].apply(Update(Native("M1"), [(BookSide.BID, Price(500_000), 1)]), NOW)
    w.books[1].apply(Lost(Native("M1"), "expected 2, was 4"), NOW)
    w.pulses[2].heard_ms = NOW - SILENT_MS - 1
    merged = side.read(NOW)
    assert [offer[1] for offer in merged.offers] == [3]
    assert merged.tops[:3] == (None, None, None)
    key = {venue: ListingKey(venue, Native("M1"), False) for venue in ("acme", "bolt", "coil", "echo")}
    assert merged.unusable == {
        key["acme"]: "crossed",
        key["bolt"]: "lost:expected 2, was 4",
        key["coil"]: "stale",
        key["echo"]: "not_tradable",
    }


def test_a_sale_that_would_bring_nothing_is_no_offer() -> None:
    w = world(terms(curve=FlatFee(bps=10, unit=10_000)))
    fill(w.books[0], {1_000: 9_000_000, 2_000: 6_000_000}, {})
    merged = MergedSide(w.sources, Side.SELL, RankTables()).read(NOW)
    assert [offer[2] for offer in merged.offers] == [2_000]


def test_a_level_off_the_present_grid_is_no_offer() -> None:
    w = world(terms())
    side = MergedSide(w.sources, Side.BUY, RankTables())
    fill(w.books[0], {}, {501_000: 1, 510_000: 1})
    assert len(side.read(NOW).offers) == 2
    w.books[0].apply(Regrid(Native("M1"), Grid.uniform(10_000)), NOW)
    fill(w.books[0], {}, {501_000: 1, 510_000: 1})
    merged = side.read(NOW)
    assert [offer[2] for offer in merged.offers] == [510_000]
    assert merged.terms[0].listing.grid == Grid.uniform(10_000)


def test_curves_with_equal_parameters_share_a_table_and_tables_are_bounded() -> None:
    tables = RankTables()
    one = tables.of(terms("acme", curve=FlatFee(bps=7)), Side.BUY)
    assert tables.of(terms("bolt", curve=FlatFee(bps=7)), Side.BUY) is one
    assert tables.of(terms("bolt", curve=FlatFee(bps=7)), Side.SELL) is not one
    for bps in range(2 * TABLES_MAX):
        tables.of(terms(curve=FlatFee(bps=bps)), Side.BUY)
    assert len(tables._tables) <= TABLES_MAX
    fine = tables.of(terms(grid=Grid.uniform(10)), Side.BUY)
    for price in range(10, 300_000, 10):
        assert fine[Price(price)] == price * 1_000
    assert len(fine) <= PRICES_MAX


class Markets(RuleBasedStateMachine):
    """Random frames over four listings, two of them on one venue, one inverted; two readers each way."""

    @initialize(curves=st.tuples(*[st.sampled_from(CURVES)] * 4), tick=st.sampled_from(GRIDS))
    def open(self, curves: tuple[FeeCurve, ...], tick: Grid) -> None:
        self.now = NOW
        self.world = world(
            terms("acme", "A", curve=curves[0], grid=tick),
            terms("acme", "B", curve=curves[1], grid=tick, inverted=True),
            terms("bolt", "C", curve=curves[2], grid=GRIDS[0]),
            terms("coil", "D", curve=curves[3], grid=GRIDS[0], inverted=True),
        )
        tables = RankTables()
        self.sides = {side: MergedSide(self.world.sources, side, tables) for side in Side}
        self.late = MergedSide(self.world.sources, Side.BUY, tables)

    which = st.integers(0, 3)
    levels = st.dictionaries(st.integers(1, 99).map(lambda c: c * 10_000), st.integers(1, 10**9), max_size=6)

    @rule(which=which, low=levels, high=levels, locked=st.booleans())
    def snapshot(self, which: int, low: dict[int, int], high: dict[int, int], locked: bool) -> None:
        middle = 500_000 - 1 + locked
        bids = {p: s for p, s in low.items() if p <= middle}
        fill(self.world.books[which], bids, {p: s for p, s in high.items() if p > 490_000})

    @rule(
        which=which,
        touches=st.lists(
            st.tuples(
                st.sampled_from(BookSide),
                st.integers(1, 99).map(lambda c: Price(c * 10_000)),
                st.integers(0, 9),
            ),
            max_size=5,
        ),
    )
    def update(self, which: int, touches: list[tuple[BookSide, Price, int]]) -> None:
        book = self.world.books[which]
        book.apply(Update(book.native, [(s, p, z * 500_001) for s, p, z in touches]), self.now)

    @rule(which=which, times=st.integers(1, 2 * JOURNAL_MAX), price=st.integers(51, 99))
    def storm(self, which: int, times: int, price: int) -> None:
        book = self.world.books[which]
        for size in range(times):
            book.apply(Update(book.native, [(BookSide.ASK, Price(price * 10_000), size + 1)]), self.now)

    @rule(which=which, change=st.integers(-3, 3))
    def relative(self, which: int, change: int) -> None:
        book = self.world.books[which]
        price = book.best_bid() or Price(10_000)
        book.apply(Update(book.native, [(BookSide.BID, price, change)], relative=True), self.now)

    @rule(which=which, event=st.sampled_from(["lost", "halted", "resumed", "top"]))
    def trouble(self, which: int, event: str) -> None:
        book = self.world.books[which]
        events: dict[str, BookEvent] = {
            "lost": Lost(book.native, "gap"),
            "halted": Halted(book.native, "paused"),
            "resumed": Resumed(book.native),
            "top": Top(book.native, None, None, exact=True),
        }
        book.apply(events[event], self.now)

    @rule(which=which, grid=st.sampled_from(GRIDS))
    def regrid(self, which: int, grid: Grid) -> None:
        book = self.world.books[which]
        book.apply(Regrid(book.native, grid), self.now)

    @rule(ms=st.integers(0, SILENT_MS), heard=st.sets(which))
    def pass_time(self, ms: int, heard: set[int]) -> None:
        self.now += ms
        for index in heard:
            self.world.pulses[index].heard_ms = self.now

    def check(self, merged_side: MergedSide, side: Side) -> None:
        merged = merged_side.read(self.now)
        wanted = slow_merge(self.world.sources, side, self.now)
        assert list(merged.offers) == wanted
        for index, top in enumerate(merged.tops):
            mine: list[Offer] = [offer for offer in merged.offers if offer[1] == index]
            best = min(mine, key=lambda o: o[2] if side is Side.BUY else -o[2], default=None)
            assert top == best

    @rule()
    @precondition(lambda self: hasattr(self, "late"))
    def read_late(self) -> None:
        self.check(self.late, Side.BUY)

    @invariant()
    def the_kept_ladder_is_the_slow_one(self) -> None:
        for side, merged_side in getattr(self, "sides", {}).items():
            self.check(merged_side, side)


TestMarkets = pytest.mark.slow(Markets.TestCase)
TestMarkets.settings = settings(max_examples=examples(150), stateful_step_count=40, deadline=None)
