"""Market metadata as listings: what is unknown is left out, what is strange is not traded."""

import json
from typing import Any

import pytest

from tests.venues.polymarket import world
from venues.base.http import Reply, Response, Silence, Unavailable, converse
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
