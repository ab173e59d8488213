"""Grids: a price is rounded to the nearest one that the venue takes, by trying all of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venues.base.listing import Band, Grid, Listing, ListingKey, Native
from venues.base.units import ONE, Price

FINE = Grid((Band(Price(0), Price(100_000), Price(1_000)), Band(Price(100_000), Price(ONE), Price(10_000))))
GRIDS = [
    Grid.uniform(10_000),
    Grid.uniform(1_000),
    FINE,
    Grid((Band(Price(0), Price(ONE), Price(10_000)),)),
    Grid(
        (
            Band(Price(5_000), Price(95_000), Price(10_000)),
            Band(Price(200_000), Price(890_000), Price(70_000)),
        )
    ),
]


def accepted(grid: Grid) -> list[int]:
    """Every price of the grid, spelled out."""
    listed = {p for band in grid.bands for p in range(band.start, band.end + 1, band.step)}
    return sorted(p for p in listed if 0 < p < ONE)


LISTED = [accepted(grid) for grid in GRIDS]


@given(st.integers(0, len(GRIDS) - 1), st.integers(0, ONE).map(Price))
def test_floor_and_ceil_find_the_nearest_listed_price(which: int, price: Price) -> None:
    grid, listed = GRIDS[which], LISTED[which]
    assert grid.floor(price) == max((p for p in listed if p <= price), default=None)
    assert grid.ceil(price) == min((p for p in listed if p >= price), default=None)
    assert grid.valid(price) == (price in listed)


@pytest.mark.parametrize("which", range(len(GRIDS)))
def test_every_listed_price_is_valid_and_certainty_is_not(which: int) -> None:
    assert all(GRIDS[which].valid(Price(p)) for p in LISTED[which])
    assert not GRIDS[which].valid(Price(0))
    assert not GRIDS[which].valid(Price(ONE))


@pytest.mark.parametrize(
    "bands",
    [
        (),
        (Band(Price(10), Price(10), Price(1)),),
        (Band(Price(0), Price(ONE + 1), Price(1)),),
        (Band(Price(0), Price(ONE), Price(0)),),
        (Band(Price(0), Price(20), Price(1)), Band(Price(10), Price(30), Price(1))),
    ],
)
def test_what_is_no_grid_is_refused(bands: tuple[Band, ...]) -> None:
    with pytest.raises(ValueError, match="band"):
        Grid(bands)


def test_an_inverted_listing_reads_the_book_the_other_way_round() -> None:
    listing = Listing(venue="acme", native=Native("A"), grid=FINE, lot=1)
    other = listing.opposite()
    assert other.opposite() == listing
    assert other.key == ListingKey("acme", Native("A"), inverted=True)
    assert str(other.key) == "acme:A:inverted"
    assert other.book_price(Price(985_000)) == 15_000
    assert other.valid_price(Price(985_000)), "0.015 is on the fine band"
    assert not listing.valid_price(Price(985_000)), "0.985 is not on the coarse one"
