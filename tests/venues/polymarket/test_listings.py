"""Market metadata as listings: what is unknown is left out, what is strange is not traded."""

import json
from typing import Any

import pytest

from tests.venues.polymarket import world
from venues.base.contract import Page
from venues.base.http import Reply, Request, Response, Silence, Unavailable, converse
from venues.base.listing import Listing
from venues.polymarket.fees import PolymarketFees
from venues.polymarket.listings import PolymarketListings

MARKET: dict[str, Any] = {
    "c": world.CONDITION, "t": [{"t": world.TOKEN, "o": "Yes"}, {"t": world.SIBLING, "o": "No"}],
    "mts": 0.001, "mos": 5, "nr": True, "fd": {"r": 0.0725, "e": 1, "to": True}, "ao": True, "itode": True,
    "mbf": 1000, "tbf": 1000,
}  # fmt: skip
CONDITION = Response(200, json.dumps({"condition_id": world.CONDITION}).encode())


def fetch(market: Reply, condition: Reply = CONDITION) -> list[Listing] | Unavailable:
    replies: dict[str, Reply] = {
        f"GET /markets-by-token/{world.TOKEN}": condition,
        f"GET /clob-markets/{world.CONDITION}": market,
    }
    return converse(PolymarketListings().fetch([world.TOKEN]), replies)


def listed(**wish: Any) -> Listing:
    found = fetch(Response(200, json.dumps(MARKET | wish).encode()))
    assert isinstance(found, list)
    return found[0]


def test_a_listing_carries_the_markets_terms_exactly() -> None:
    listing = listed()
    assert (listing.venue, listing.native, listing.inverted, listing.tradable) == (
        "polymarket",
        world.TOKEN,
        False,
        True,
    )
    assert listing.grid.bands[0].step == 1_000
    assert (listing.lot, listing.minimum_size) == (10_000, 0)
    assert (listing.minimum_cash, listing.minimum_sale_cash) == (1_000_000, 0), "a sale may be of any worth"
    assert listing.details == {
        "condition_id": world.CONDITION, "outcome": "Yes", "sibling": world.SIBLING, "neg_risk": "true",
        "fee_rate": "72500", "fee_exponent": "1", "fee_taker_only": "true",
        "minimum_resting_size": "5000000", "taker_delay_ms": "250",
    }  # fmt: skip


def test_without_a_fee_schedule_nothing_is_charged_and_flags_left_out_are_false() -> None:
    market = {name: value for name, value in MARKET.items() if name not in ("fd", "nr", "itode", "ao")}
    found = fetch(Response(200, json.dumps(market).encode()))
    assert isinstance(found, list)
    [listing] = found
    assert PolymarketFees().curve(listing).rate == 0
    assert (listing.details["neg_risk"], listing.details["taker_delay_ms"]) == ("false", "0")
    assert not listing.tradable


@pytest.mark.parametrize(
    "wish",
    [
        {"mts": 0.003},
        {"fd": {"r": 0.05, "e": 1.5}},
        {"fd": {"r": 0.05, "e": 0}},
        {"fd": {"r": 1.05, "e": 1}},
        {"t": [{"t": world.TOKEN, "o": "A"}, {"t": "2", "o": "B"}, {"t": "3", "o": "C"}]},
    ],
)
def test_a_market_of_an_unknown_kind_is_shown_and_not_traded(wish: dict[str, Any]) -> None:
    listing = listed(**wish)
    assert not listing.tradable
    assert listing.details["strange"]
    PolymarketFees().curve(listing)


def test_a_token_the_venue_does_not_know_is_left_out() -> None:
    assert fetch(CONDITION, Response(404, b'{"error":"not found"}')) == []
    assert fetch(Response(404, b"{}")) == []


@pytest.mark.parametrize(
    "reply", [Response(500, b"{}"), Response(200, b"[]"), Response(200, b"{}"), Silence("late", sent=True)]
)
def test_metadata_that_cannot_be_read_is_unavailable(reply: Reply) -> None:
    assert isinstance(fetch(reply), Unavailable)
    assert isinstance(fetch(CONDITION, reply), Unavailable)


def test_a_market_that_does_not_name_the_token_is_unavailable() -> None:
    other = MARKET | {"t": [{"t": "1", "o": "Yes"}, {"t": "2", "o": "No"}]}
    assert isinstance(fetch(Response(200, json.dumps(other).encode())), Unavailable)


# --- the catalogue ---

GAMMA: dict[str, Any] = {
    "id": "1", "conditionId": world.CONDITION, "question": "Will it rain?", "outcomes": '["Yes", "No"]',
    "clobTokenIds": json.dumps([world.TOKEN, world.SIBLING]), "orderPriceMinTickSize": 0.001,
    "orderMinSize": 5, "negRisk": True, "enableOrderBook": True, "acceptingOrders": True, "active": True,
    "closed": False, "feesEnabled": True,
    "feeSchedule": {"rate": 0.0725, "exponent": 1, "takerOnly": True, "rebateRate": 0.25},
}  # fmt: skip


def discover(*markets: dict[str, Any] | None, cursor: str | None = None) -> Page | Unavailable:
    body = {"markets": markets} | ({"next_cursor": cursor} if cursor else {})
    replies: dict[str, Reply] = {"GET /markets/keyset": Response(200, json.dumps(body).encode())}
    return converse(PolymarketListings().discover(""), replies)


def catalogued(**wish: Any) -> tuple[Listing, ...]:
    page = discover(GAMMA | wish)
    assert isinstance(page, Page)
    return page.listings


def test_the_catalogue_says_of_a_market_what_the_clob_says_but_for_its_delay() -> None:
    yes, no = catalogued()
    clob = listed(itode=False)
    assert yes.title == "Will it rain? · Yes"
    assert (yes.details, yes.grid, yes.mirror, yes.key) == (clob.details, clob.grid, clob.mirror, clob.key)
    assert (no.native, no.mirror, no.title) == (world.SIBLING, world.TOKEN, "Will it rain? · No")
    assert yes.tradable
    assert no.tradable


def test_a_page_of_the_catalogue_is_asked_for_behind_its_cursor() -> None:
    for cursor in ("", "abc=="):
        request = next(PolymarketListings().discover(cursor))
        assert isinstance(request, Request)
        assert (request.host, request.path, request.private) == ("gamma", "/markets/keyset", False)
        after = {"after_cursor": cursor} if cursor else {}
        assert dict(request.query) == {"limit": "100", "active": "true", "closed": "false", **after}
    assert discover(cursor="next") == Page((), "next")
    assert discover() == Page((), None)


@pytest.mark.parametrize(
    "wish",
    [
        {"enableOrderBook": False},
        {"conditionId": None},
        {"clobTokenIds": None},
        {"clobTokenIds": "x"},
        {"outcomes": '["Yes"]'},
    ],
)
def test_what_has_no_order_book_or_no_ids_is_left_out(wish: dict[str, Any]) -> None:
    assert catalogued(**wish) == ()


@pytest.mark.parametrize(
    ("wish", "strange"),
    [
        ({"feeSchedule": None}, "fee rate 2"),
        ({"orderPriceMinTickSize": None}, "tick size 0"),
        ({"acceptingOrders": False}, None),
        ({"acceptingOrders": None}, None),
        ({"active": False}, None),
        ({"closed": True}, None),
    ],
)
def test_a_market_of_the_catalogue_that_lacks_something_is_shown_and_not_traded(
    wish: dict[str, Any], strange: str | None
) -> None:
    for listing in catalogued(**wish):
        assert not listing.tradable
        assert listing.details.get("strange") == strange


def test_a_market_without_fees_needs_no_schedule() -> None:
    for listing in catalogued(feesEnabled=False, feeSchedule=None):
        assert listing.tradable
        assert PolymarketFees().curve(listing).rate == 0


@pytest.mark.parametrize("reply", [Response(500, b"{}"), Response(200, b"[]"), Silence("late", sent=True)])
def test_a_catalogue_that_cannot_be_read_is_unavailable(reply: Reply) -> None:
    replies = {"GET /markets/keyset": reply}
    assert isinstance(converse(PolymarketListings().discover(""), replies), Unavailable)
