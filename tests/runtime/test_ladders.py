"""The merged books in use, and what a listing needs before it can be on offer."""

import msgspec
import pytest

from registry.model import Outcome, OutcomeId
from router.core.book import Books, Pulse
from router.core.merge import Merged
from router.runtime import ladders as module
from router.runtime.catalog import Catalog
from router.runtime.ladders import Ladders
from tests.core.samples import listing
from tests.runtime.clocks import FastClock
from tests.runtime.made_up import Door, Listings, knows, north
from tests.virtual_time import VirtualLoop, run
from venues.base.events import Snapshot
from venues.base.listing import ListingKey, Native
from venues.base.orders import Side
from venues.base.units import ONE, Price, Size

N1 = Native("N1")
KEY = ListingKey("north", N1, False)
NORTH = frozenset({"north"})


class Rig:
    """One outcome with one listing."""

    def __init__(self) -> None:
        self.clock = FastClock()
        self.listings = Listings()
        venues = {"north": north(self.listings)}
        self.books = Books({"north": venues["north"].limits})
        self.catalog = Catalog(venues, Door(), self.clock, refresh_ms=60_000)
        self.ladders = Ladders(venues, self.books, self.catalog, self.clock, silent_ms=5_000)

    def outcome(self, name: str = "px-aaaaaaaa") -> Outcome:
        return Outcome(outcome_id=OutcomeId(name), title="t", label="l", listings=(KEY,))

    def offered(self, outcome: Outcome, venues: frozenset[str] = NORTH) -> Merged:
        """What a buyer can take."""
        read = self.ladders.read(outcome, Side.BUY, venues)
        assert (read.takes.side, read.gives.side) == (Side.BUY, Side.SELL)
        return read.takes

    def read_metadata(self) -> None:
        self.catalog.watch("north", [N1])
        run(VirtualLoop(), self.catalog.refresh())

    def seed(self) -> None:
        book = self.books.open("north", N1)
        book.attach(Pulse(self.clock.monotonic_ms()))
        book.apply(Snapshot(N1, [], [(Price(400_000), Size(ONE))]), self.clock.monotonic_ms())


def test_a_listing_needs_its_metadata_and_then_its_book() -> None:
    rig = Rig()
    assert rig.ladders.missing(KEY) == f"metadata of {KEY}"
    rig.listings.says = knows(["N1"])
    rig.read_metadata()
    assert rig.ladders.missing(KEY) == f"the book of {KEY}: not_seeded"
    assert len(rig.books) == 0, "looking makes no book"
    rig.seed()
    assert rig.ladders.missing(KEY) is None


def test_nothing_is_missing_where_nothing_will_come() -> None:
    rig = Rig()
    assert rig.ladders.missing(ListingKey("south", N1, False)) is None, "not a venue we trade"
    rig.read_metadata()
    assert rig.ladders.missing(KEY) is None, "the venue does not know it"
    rig.listings.says = lambda _: [msgspec.structs.replace(listing(), tradable=False)]
    rig.read_metadata()
    assert rig.ladders.missing(KEY) is None, "closed"


def test_a_merged_book_is_kept_until_its_terms_or_its_outcome_change() -> None:
    rig = Rig()
    rig.listings.says = knows(["N1"])
    outcome = rig.outcome()
    assert rig.offered(outcome).terms == ()
    rig.read_metadata()
    rig.seed()
    merged = rig.offered(outcome)
    assert [offer[2] for offer in merged.offers] == [400_000]
    assert rig.offered(outcome).offers is merged.offers
    assert rig.offered(rig.outcome()).offers is not merged.offers
    assert rig.offered(outcome, frozenset()).terms == ()


def test_no_more_merged_books_are_kept_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LADDERS_MAX", 3)
    rig = Rig()
    rig.listings.says = knows(["N1"])
    rig.read_metadata()
    rig.seed()
    outcomes = [rig.outcome(f"px-aaaaaaa{n}") for n in range(5)]
    kept = [rig.offered(outcome).offers for outcome in outcomes]
    assert rig.offered(outcomes[4]).offers is kept[4]
    assert rig.offered(outcomes[0]).offers is not kept[0], "unused longest: dropped"
