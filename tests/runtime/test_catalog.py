"""The catalog: what the venues say about the registry's listings, whatever part of it can be read."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from router.runtime.catalog import BATCH, FAILURES_MAX, RETRY_MS, Catalog
from tests.core.samples import listing
from tests.runtime.clocks import FastClock
from tests.runtime.made_up import Door, Listings, knows, north
from tests.virtual_time import VirtualClock, VirtualLoop, run
from venues.base.events import Regrid
from venues.base.http import Unavailable
from venues.base.listing import Grid, Listing, ListingKey, Native
from venues.base.units import Price

N1, N2 = Native("N1"), Native("N2")
K1, K2 = ListingKey("north", N1, False), ListingKey("north", N2, False)
FINE = Grid.uniform(1_000)


def catalog(listings: Listings, natives: Sequence[str] = ("N1", "N2")) -> Catalog:
    made = Catalog({"north": north(listings)}, Door(), FastClock(), refresh_ms=60_000)
    made.watch("north", [Native(name) for name in natives])
    return made


def refresh(kept: Catalog) -> dict[str, str]:
    return run(VirtualLoop(), kept.refresh())


def test_nothing_is_known_before_the_first_read() -> None:
    kept = catalog(Listings())
    assert kept.terms(K1) is None
    assert not kept.unlisted(K1)


def test_what_was_read_is_known_in_both_orientations() -> None:
    listings = Listings()
    listings.says = knows(["N1"])
    kept = catalog(listings)
    assert refresh(kept) == {}
    straight, inverted = kept.terms(K1), kept.terms(ListingKey("north", N1, True))
    assert straight
    assert inverted
    assert (straight.listing.inverted, inverted.listing.inverted) == (False, True)


def test_a_listing_that_the_venue_does_not_know_is_told_apart_until_it_does() -> None:
    listings = Listings()
    listings.says = knows(["N1"])
    kept = catalog(listings)
    refresh(kept)
    assert (kept.unlisted(K1), kept.unlisted(K2)) == (False, True)
    listings.says = knows(["N1", "N2"])
    refresh(kept)
    assert not kept.unlisted(K2)
    assert kept.terms(K2)


def test_a_refresh_that_brings_nothing_new_leaves_the_version() -> None:
    listings = Listings()
    listings.says = knows(["N1"])
    kept = catalog(listings)
    refresh(kept)
    before = kept.version
    refresh(kept)
    assert kept.version == before, "every merged book would be built again"


def test_a_venue_that_cannot_be_read_keeps_what_it_said_last() -> None:
    listings = Listings()
    listings.says = knows(["N1"])
    kept = catalog(listings)
    refresh(kept)
    listings.says = lambda _: Unavailable("http 503")
    assert refresh(kept) == {"north": "http 503"}
    assert kept.terms(K1)
    assert not kept.unlisted(K1)


def test_a_batch_that_cannot_be_read_does_not_hide_the_next() -> None:
    names = [f"M{n:04}" for n in range((FAILURES_MAX + 2) * BATCH)]

    def says(natives: Sequence[Native]) -> list[Listing] | Unavailable:
        return Unavailable("damaged") if names[0] in natives else knows(names)(natives)

    listings = Listings()
    listings.says = says
    kept = catalog(listings, names)
    assert refresh(kept) == {"north": "damaged"}
    assert kept.terms(ListingKey("north", Native(names[0]), False)) is None
    assert kept.terms(ListingKey("north", Native(names[-1]), False))


def test_a_venue_that_is_down_is_not_asked_for_every_batch() -> None:
    listings = Listings()
    listings.says = lambda _: Unavailable("refused")
    kept = catalog(listings, [f"M{n:04}" for n in range(20 * BATCH)])
    refresh(kept)
    assert len(listings.asked) == FAILURES_MAX


def test_what_is_no_longer_watched_is_forgotten() -> None:
    listings = Listings()
    listings.says = knows(["N1", "N2"])
    kept = catalog(listings)
    refresh(kept)
    before = kept.version
    kept.watch("north", [N2])
    assert kept.terms(K1) is None
    assert kept.terms(K2)
    assert kept.version > before


def test_a_new_grid_is_in_force_at_once() -> None:
    listings = Listings()
    listings.says = knows(["N1"])
    kept = catalog(listings)
    refresh(kept)
    kept.regrid("north", Regrid(N1, FINE))
    terms = kept.terms(K1)
    assert terms
    assert terms.listing.valid_price(Price(123_000))
    assert terms.listing == msgspec.structs.replace(listing(native=N1), grid=FINE)


def test_it_asks_again_sooner_while_a_venue_cannot_be_read() -> None:
    loop = VirtualLoop()
    listings = Listings()
    listings.says = lambda _: Unavailable("refused")
    kept = Catalog({"north": north(listings)}, Door(), VirtualClock(loop), refresh_ms=60_000)
    kept.watch("north", [N1])

    async def live() -> None:
        running = asyncio.create_task(kept.run())
        await asyncio.sleep(2.5 * RETRY_MS / 1000)
        assert len(listings.asked) == 3
        listings.says = knows(["N1"])
        await asyncio.sleep(59)
        assert len(listings.asked) == 4
        running.cancel()

    run(loop, live())


@pytest.mark.parametrize("trouble", ["down", "bug"])
def test_one_venue_that_cannot_be_read_has_no_other_asked_more_often(trouble: str) -> None:
    loop = VirtualLoop()
    well, ill = Listings(), Listings()
    well.says = knows(["N1"])

    def says(_: Sequence[Native]) -> Unavailable:
        if trouble == "bug":
            raise KeyError("bug")
        return Unavailable("refused")

    ill.says = says
    venues = {"north": north(well), "south": msgspec.structs.replace(north(ill), name="south")}
    kept = Catalog(venues, Door(), VirtualClock(loop), refresh_ms=60_000)
    for name in venues:
        kept.watch(name, [N1])

    async def live() -> None:
        running = asyncio.create_task(kept.run())
        await asyncio.sleep(59)
        assert (len(well.asked), len(ill.asked)) == (1, 30)
        await asyncio.sleep(60)
        assert len(well.asked) == 2
        running.cancel()

    run(loop, live())
