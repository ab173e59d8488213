"""A market becomes a listing with its own grid, lot and fee, or one that says why it cannot be traded."""

from typing import Any

import pytest

from tests.venues.polymarket_us.examples import SLUG, reply, talk_through
from venues.base.contract import Page
from venues.base.http import Response, Silence, Unavailable
from venues.base.listing import Grid, Listing, Native
from venues.polymarket_us import VENUE
from venues.polymarket_us.listings import PAGE_ROWS, PolymarketUsListings


def market(**more: object) -> dict[str, Any]:
    return {
        "id": 7, "slug": SLUG, "question": "Home or away?", "active": True, "closed": False,
        "ep3Status": "OPEN", "orderPriceMinTickSize": 0.005, "minimumTradeQty": "0.01",
        "feeCoefficient": "0.0695",
        "marketSides": [{"long": False, "description": "Away"}, {"long": True, "description": "Home"}],
    } | more  # fmt: skip


def fetched(*markets: dict[str, Any]) -> list[Listing]:
    found, _ = talk_through(VENUE.listings.fetch([SLUG]), [reply(200, {"markets": markets})])
    assert not isinstance(found, Unavailable)
    return found


def test_a_market_is_read_with_its_own_numbers() -> None:
    [listing] = fetched(market())
    assert (listing.key.native, listing.inverted, listing.tradable) == (SLUG, False, True)
    assert listing.title == "Home or away? · Home"
    assert (listing.grid, listing.lot, listing.minimum_size) == (Grid.uniform(5_000), 10_000, 10_000)
    assert listing.details["fee_coefficient"] == "0.0695"
    assert listing.details["short"] == "Away"


def test_a_market_without_a_coefficient_is_charged_the_venues_own() -> None:
    assert fetched(market(feeCoefficient=None))[0].details["fee_coefficient"] == "0.0695"
    assert fetched(market(feeCoefficient=0.05))[0].details["fee_coefficient"] == "0.05"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"active": False}, "not active"),
        ({"closed": True}, "closed"),
        ({"orderPriceMinTickSize": None}, "orderPriceMinTickSize: missing"),
        ({"orderPriceMinTickSize": "0.007"}, "orderPriceMinTickSize: not a step"),
        ({"orderPriceMinTickSize": "0"}, "orderPriceMinTickSize: not a step"),
        ({"orderPriceMinTickSize": 1}, "orderPriceMinTickSize: not a step"),
        ({"minimumTradeQty": None}, "minimumTradeQty: missing"),
        ({"minimumTradeQty": "-1"}, "minimumTradeQty"),
        ({"minimumTradeQty": "0.0000001"}, "minimumTradeQty"),
        ({"feeCoefficient": "0.21"}, "feeCoefficient: above 0.2"),
        ({"feeCoefficient": "-0.01"}, "feeCoefficient"),
    ],
)
def test_a_market_that_cannot_be_traded_says_why(change: dict[str, object], why: str) -> None:
    [listing] = fetched(market(**change))
    assert not listing.tradable
    assert why in listing.details["refused"]
    VENUE.fees.curve(listing)


def test_markets_that_were_not_asked_for_are_left_out() -> None:
    assert fetched(market(slug="other")) == []


def test_many_slugs_are_asked_for_in_several_calls() -> None:
    natives = [Native(f"m-{n}") for n in range(120)]
    replies = [reply(200, {"markets": [market(slug=native) for native in natives]})] * 3
    found, asked = talk_through(VENUE.listings.fetch([*natives, natives[0]]), replies)
    assert [len([1 for name, _ in request.query if name == "slug"]) for request in asked] == [50, 50, 20]
    assert not isinstance(found, Unavailable)
    assert [listing.native for listing in found] == natives
    assert {(request.host, request.private) for request in asked} == {("gateway", False)}


def test_all_markets_are_found_page_by_page() -> None:
    listings = PolymarketUsListings()
    full = reply(200, {"markets": [market(slug=f"m-{n}") for n in range(PAGE_ROWS)]})
    first, [asked] = talk_through(listings.discover(""), [full])
    assert isinstance(first, Page)
    assert (len(first.listings), first.cursor) == (PAGE_ROWS, "100")
    assert dict(asked.query) == {"limit": "100", "offset": "0", "active": "true", "closed": "false"}
    last, [asked] = talk_through(listings.discover("100"), [reply(200, {"markets": [market()]})])
    assert isinstance(last, Page)
    assert (len(last.listings), last.cursor, dict(asked.query)["offset"]) == (1, None, "100")


@pytest.mark.parametrize(
    "bad", [reply(500, {}), reply(404, {}), reply(200, b"[]"), Silence("cut", sent=True)]
)
def test_markets_that_cannot_be_read_are_unavailable(bad: Response | Silence) -> None:
    listings = PolymarketUsListings()
    assert isinstance(talk_through(listings.fetch([SLUG]), [bad])[0], Unavailable)
    assert isinstance(talk_through(listings.discover(""), [bad])[0], Unavailable)
    assert isinstance(talk_through(listings.discover("x"), [])[0], Unavailable)
