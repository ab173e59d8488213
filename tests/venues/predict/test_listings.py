"""Markets become listings; what the card does not know is shown and not traded."""

from typing import Any

import pytest

from tests.venues.predict import world
from venues.base.contract import Page
from venues.base.http import Reply, Request, Response, Unavailable
from venues.base.listing import Listing, Native
from venues.base.units import ONE, Price
from venues.predict.listings import PredictListings

LISTINGS = PredictListings()


def market(**wish: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "id": 88123,
        "title": "Sample question?",
        "question": "Sample question?",
        "categorySlug": "sample-category",
        "decimalPrecision": 3,
        "feeRateBps": 150,
        "isNegRisk": True,
        "isYieldBearing": False,
        "tradingStatus": "OPEN",
        "status": "REGISTERED",
        "outcomes": [
            {"indexSet": 2, "name": "No", "onChainId": world.NO, "status": None, "bestBid": None},
            {"indexSet": 1, "name": "Yes", "onChainId": world.YES, "status": None},
        ],
        "unheard": {"of": [1]},
    }
    return usual | wish


def fetch(reply: Reply, native: str = "88123") -> list[Listing] | Unavailable:
    def venue(request: Request) -> Reply:
        assert (request.path, request.private) == (f"/v1/markets/{native}", True)
        return reply

    return world.hold(LISTINGS.fetch([Native(native)]), venue)


def one(**wish: Any) -> Listing:
    found = fetch(world.said(market(**wish)))
    assert isinstance(found, list)
    [listing] = found
    return listing


def test_a_market_is_one_listing_in_the_price_of_its_first_outcome() -> None:
    listing = one()
    assert (listing.venue, listing.native, listing.title) == ("predict", "88123", "Sample question?")
    assert listing.tradable
    assert listing.grid.valid(Price(1_000))
    assert not listing.grid.valid(Price(500))
    assert (listing.lot, listing.minimum_size) == (10_000, 10_000)
    assert listing.minimum_cash == listing.minimum_sale_cash == ONE
    details = listing.details
    assert (details["first_token"], details["second_token"]) == (world.YES, world.NO)
    assert (details["neg_risk"], details["yield_bearing"], details["fee_rate_bps"]) == (
        "true",
        "false",
        "150",
    )


def test_two_decimals_are_a_tick_of_a_cent() -> None:
    grid = one(decimalPrecision=2).grid
    assert grid.valid(Price(990_000))
    assert not grid.valid(Price(995_000))


@pytest.mark.parametrize(
    "wish",
    [
        {"decimalPrecision": 4},
        {"feeRateBps": 2_001},
        {"feeRateBps": -1},
        {"tradingStatus": "CLOSED"},
        {"tradingStatus": ""},
        {"outcomes": [{"indexSet": 1, "onChainId": world.YES}]},
        {"outcomes": [{"indexSet": 1, "onChainId": world.YES}, {"indexSet": 1, "onChainId": world.NO}]},
        {"outcomes": [{"indexSet": 1, "onChainId": world.YES}, {"indexSet": 2, "onChainId": world.YES}]},
        {"outcomes": [{"indexSet": 1, "onChainId": world.YES}, {"indexSet": 2, "onChainId": "0x1"}]},
        {"outcomes": [{"indexSet": 1, "onChainId": world.YES}, {"indexSet": 2}]},
        {"outcomes": [{"indexSet": i, "onChainId": str(i)} for i in (1, 2, 4)]},
    ],
)
def test_a_market_of_an_unknown_kind_is_not_tradable(wish: dict[str, Any]) -> None:
    listing = one(**wish)
    assert not listing.tradable
    assert listing.details["refused"]


@pytest.mark.parametrize(
    "reply",
    [
        world.silent(sent=True),
        Response(503, b""),
        Response(401, b'{"success":false,"error":"unauthorized"}'),
        Response(200, b"<html>"),
        world.said(market(id=88124)),
        Response(200, b'{"success":false,"data":null}'),
    ],
)
def test_what_cannot_be_read_is_unavailable_and_not_left_out(reply: Reply) -> None:
    assert isinstance(fetch(reply), Unavailable)


def test_an_unknown_market_is_left_out() -> None:
    assert fetch(world.refusal("not_found", 404)) == []


def test_what_is_no_market_id_is_never_asked_for() -> None:
    def venue(request: Request) -> Reply:
        raise AssertionError(request.path)

    assert world.hold(LISTINGS.fetch([Native("../auth"), Native("x"), Native("")]), venue) == []


def test_discovery_follows_the_cursor_to_its_end() -> None:
    pages = {
        None: world.said([market(id=1), market(id=2)], cursor="c1"),
        "c1": world.said([market(id=3)], cursor="c2"),
        "c2": world.said([], cursor="c2"),
    }

    def venue(request: Request) -> Reply:
        query = dict(request.query)
        assert (request.path, query["status"], request.private) == ("/v1/markets", "OPEN", True)
        return pages[query.get("after")]

    cursor: str | None = ""
    natives: list[str] = []
    while cursor is not None:
        page = world.hold(LISTINGS.discover(cursor), venue)
        assert isinstance(page, Page)
        natives += [listing.native for listing in page.listings]
        cursor = page.cursor
    assert natives == ["1", "2", "3"]


def test_a_page_that_names_itself_as_the_next_is_the_last() -> None:
    page = world.hold(LISTINGS.discover("c1"), lambda _: world.said([market(id=3)], cursor="c1"))
    assert isinstance(page, Page)
    assert (len(page.listings), page.cursor) == (1, None)


def test_a_page_that_cannot_be_read_is_unavailable() -> None:
    assert isinstance(world.hold(LISTINGS.discover(""), lambda _: Response(500, b"")), Unavailable)
