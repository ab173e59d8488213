"""Metadata becomes listings that are tradable only where every number needed is there and understood."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.kalshi.examples import TICKER, reply, talk_through
from venues.base.contract import Page
from venues.base.http import Reply, Request, Response, Silence, Unavailable
from venues.base.listing import Listing, Native
from venues.kalshi import VENUE
from venues.kalshi.fees import Curve
from venues.kalshi.listings import TICKERS_PER_CALL, KalshiListings

CENTS = [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}]
EVENT = "KXHIGHNY-26DEC02"
LISTINGS = KalshiListings()


def market(**fields: Any) -> dict[str, Any]:
    return {
        "ticker": TICKER, "event_ticker": EVENT, "status": "active", "market_type": "binary",
        "price_ranges": CENTS, "notional_value_dollars": "1.0000", "exchange_index": 2,
        "title": "High in NYC?", "yes_sub_title": "64", "close_time": "2026-12-03T04:59:00Z", **fields,
    }  # fmt: skip


def markets(*rows: dict[str, Any], cursor: str = "") -> Response:
    return reply(200, {"markets": rows, "cursor": cursor})


def event(**fields: Any) -> Response:
    return reply(
        200, {"event": {"event_ticker": EVENT, "series_ticker": "KXHIGHNY", **fields}, "markets": []}
    )


def series(kind: str = "quadratic", multiplier: object = 1) -> Response:
    return reply(200, {"series": {"ticker": "KXHIGHNY", "fee_type": kind, "fee_multiplier": multiplier}})


def fetched(*replies: Reply, natives: list[Native] | None = None) -> list[Listing]:
    found, _ = talk_through(VENUE.listings.fetch(natives or [TICKER]), list(replies))
    assert isinstance(found, list)
    return found


def test_a_market_becomes_a_listing_of_yes() -> None:
    (listing,) = fetched(markets(market()), event(), series(multiplier=0.5))
    assert (listing.venue, listing.native, listing.inverted) == ("kalshi", TICKER, False)
    assert (listing.lot, listing.minimum_size, listing.minimum_cash) == (10_000, 0, 0)
    assert (listing.pool, listing.tradable, listing.title) == ("2", True, "High in NYC? · 64")
    assert VENUE.fees.curve(listing) == Curve(500_000)


def test_an_event_overrides_its_series() -> None:
    replies = (markets(market()), event(fee_multiplier_override=2), series(multiplier=0.5))
    assert VENUE.fees.curve(fetched(*replies)[0]) == Curve(2_000_000)
    (listing,) = fetched(markets(market()), event(fee_type_override="flat"), series())
    assert not listing.tradable


def test_a_series_of_two_events_is_read_once() -> None:
    other = Native("KXHIGHNY-26DEC03-T64")
    rows = markets(market(), market(ticker=other, event_ticker="KXHIGHNY-26DEC03"))
    asked: list[Request]
    found, asked = talk_through(VENUE.listings.fetch([TICKER, other]), [rows, event(), event(), series()])
    assert isinstance(found, list)
    assert len(found) == 2
    assert [request.path.rpartition("/v2")[2] for request in asked] == [
        "/markets", f"/events/{EVENT}", "/events/KXHIGHNY-26DEC03", "/series/KXHIGHNY",
    ]  # fmt: skip
    assert not any(request.private for request in asked)


def test_pages_and_calls_are_bounded() -> None:
    natives = [Native(f"M{number}") for number in range(TICKERS_PER_CALL + 1)]
    found, asked = talk_through(VENUE.listings.fetch(natives), [markets(), markets()])
    assert found == []
    assert [dict(request.query)["tickers"].count(",") for request in asked] == [TICKERS_PER_CALL - 1, 0]
    endless, asked = talk_through(VENUE.listings.fetch([TICKER]), [markets(cursor="x")] * 1_000)
    assert isinstance(endless, Unavailable)
    assert len(asked) < 100


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "inactive"}, {"status": "finalized"}, {"market_type": "scalar"},
        {"notional_value_dollars": "10.0000"}, {"notional_value_dollars": "one"}, {"price_ranges": []},
        {"price_ranges": [{"start": "0", "end": "1", "step": "0.00001"}]},
        {"price_ranges": [{"start": "0", "end": "1", "step": "x"}]},
    ],
)  # fmt: skip
def test_a_market_that_is_not_for_us_is_not_tradable_and_says_why(fields: dict[str, Any]) -> None:
    (listing,) = fetched(markets(market(**fields)), event(), series())
    assert not listing.tradable
    assert listing.details["refused"]


@pytest.mark.parametrize(
    ("kind", "multiplier"),
    [("flat", 1), ("novelty", 1), ("quadratic", 11), ("quadratic", -1), ("quadratic", 0.0000001)],
)
def test_a_fee_without_a_rule_that_we_know_is_not_tradable(kind: str, multiplier: float) -> None:
    (listing,) = fetched(markets(market()), event(), series(kind, multiplier))
    assert not listing.tradable


def test_an_unknown_market_is_left_out_and_an_unknown_series_is_not_tradable() -> None:
    assert fetched(markets()) == []
    (listing,) = fetched(markets(market()), reply(404, {}), reply(404, {}))
    assert not listing.tradable
    assert listing.details["series"] == "KXHIGHNY"


# --- discovery ---


def events(*rows: dict[str, Any], cursor: str = "") -> Response:
    return reply(200, {"events": rows, "cursor": cursor})


def nested(*markets: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"event_ticker": EVENT, "series_ticker": "KXHIGHNY", "markets": markets, **fields}


def test_a_page_is_the_active_markets_of_open_events_with_their_fees() -> None:
    odd = nested(market(ticker="C", event_ticker="E2"), event_ticker="E2", fee_multiplier_override=2)
    rows = [nested(market(), market(ticker="B", status="closed")), odd, nested(event_ticker="E3")]
    found, asked = talk_through(LISTINGS.discover(""), [events(*rows, cursor="n"), series(multiplier=0.5)])
    assert isinstance(found, Page)
    assert [(listing.native, listing.tradable) for listing in found.listings] == [(TICKER, True), ("C", True)]
    assert [VENUE.fees.curve(listing) for listing in found.listings] == [Curve(500_000), Curve(2_000_000)]
    assert found.cursor == "n"
    assert asked[0].query == (("limit", "50"), ("status", "open"), ("with_nested_markets", "true"))
    assert [request.path.rpartition("/v2")[2] for request in asked] == ["/events", "/series/KXHIGHNY"]
    assert not any(request.private for request in asked)


def test_the_cursor_leads_on_until_there_is_none() -> None:
    found, [asked] = talk_through(LISTINGS.discover("n"), [events()])
    assert asked.query[-1] == ("cursor", "n")
    assert isinstance(found, Page)
    assert (found.listings, found.cursor) == ((), None)


def test_a_market_that_is_not_for_us_is_discovered_with_the_reason() -> None:
    replies: list[Reply] = [events(nested(market(market_type="scalar"))), series()]
    found, _ = talk_through(LISTINGS.discover(""), replies)
    assert isinstance(found, Page)
    [listing] = found.listings
    assert not listing.tradable
    assert listing.details["refused"]


@pytest.mark.parametrize(
    "replies",
    [[reply(503, {})], [reply(404, {})], [reply(200, b"{}")], [events(nested(market())), reply(500, {})], []],
)
def test_a_page_that_cannot_be_read_is_unavailable(replies: list[Reply]) -> None:
    assert isinstance(talk_through(LISTINGS.discover(""), replies)[0], Unavailable)


@given(
    st.lists(
        st.one_of(
            st.sampled_from([markets(market()), event(), series(), Silence("cut", sent=True)]),
            st.builds(Response, st.sampled_from([200, 404, 429, 500]), st.binary(max_size=40)),
        ),
        max_size=4,
    )
)
def test_whatever_comes_back_it_ends_in_listings_or_unavailable(replies: list[Reply]) -> None:
    found, _ = talk_through(VENUE.listings.fetch([TICKER]), replies)
    assert isinstance(found, list | Unavailable)
