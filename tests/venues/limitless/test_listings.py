"""Markets become listings, and what cannot be traded says why. The market below is the card's, section 3."""

import json
from typing import Any

import pytest

from tests.venues.limitless.examples import EXCHANGE, NO, SLUG, USDC, YES, Json, market, reply, talk_through
from venues.base.contract import Page
from venues.base.http import Reply, Response, Silence, Unavailable
from venues.base.listing import Listing, Native
from venues.base.orders import Side, minimum_cash
from venues.base.units import ONE, Price
from venues.limitless.fees import COLLATERAL, LEGACY
from venues.limitless.listings import LimitlessListings

OPEN = reply(200, {"active": [], "scheduled": [{"target": "trading", "mode": "disabled"}]})


def fetched(*replies: Reply, status: Reply = OPEN, natives: tuple[str, ...] = (SLUG,)) -> list[Listing]:
    talk = LimitlessListings().fetch([Native(native) for native in natives])
    found, _ = talk_through(talk, [status, *replies])
    assert not isinstance(found, Unavailable), found
    return found


def one(**fields: Any) -> Listing:
    [found] = fetched(reply(200, market(**fields)))
    return found


def test_a_market_is_one_yes_book_with_all_that_orders_need() -> None:
    found = one()
    assert (found.native, found.inverted, found.tradable, found.mirror) == (SLUG, False, True, "")
    assert [found.details[name] for name in ("token_yes", "token_no", "exchange", "fees", "refused")] == [
        YES, NO, EXCHANGE, LEGACY, "",
    ]  # fmt: skip
    assert found.title == "BTC above 100k?"


def test_prices_and_sizes_are_thousandths() -> None:
    found = one()
    assert found.valid_price(Price(1_000))
    assert found.valid_price(Price(999_000))
    assert not found.valid_price(Price(1_500))
    assert found.lot == 1_000


def test_the_least_order_is_a_dollar_and_not_the_size_that_earns_rewards() -> None:
    found = one()
    assert found.minimum_size == 0
    assert [minimum_cash(found, side) for side in Side] == [ONE, ONE]


def test_a_fee_module_takes_fees_in_money() -> None:
    contracts = {"exchange": EXCHANGE, "feeModule": USDC, "feeModuleType": "COLLATERAL"}
    found = one(venue=contracts)
    assert (found.tradable, found.details["fees"], found.details["fee_module"]) == (True, COLLATERAL, USDC)


def test_the_delay_of_taking_orders_is_kept() -> None:
    assert one(settings={"minSize": "1", "takerDelayMs": 3_000}).details["taker_delay_ms"] == "3000"
    assert one(settings=None).details["taker_delay_ms"] == "0"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"status": "LOCKED"}, "status"), ({"status": "RESOLVED"}, "status"),
        ({"status": "FUNDED_FLAGGED"}, "status"), ({"status": "DRAFT"}, "status"), ({"status": ""}, "status"),
        ({"tradeType": "amm"}, "trade type"), ({"tokens": None}, "tokens"),
        ({"tokens": {"yes": "1", "no": "1"}}, "tokens"), ({"tokens": {"yes": "0", "no": "1"}}, "tokens"),
        ({"tokens": {"yes": "0x1", "no": "1"}}, "tokens"),
        ({"tokens": {"yes": str(1 << 256), "no": "1"}}, "tokens"),
        ({"venue": None}, "exchange"), ({"venue": {"exchange": "0x12"}}, "exchange"),
        ({"venue": {"exchange": "0x" + "0" * 40}}, "exchange"),
        ({"venue": {"exchange": EXCHANGE, "feeModuleType": "SHARES"}}, "module"),
        ({"venue": {"exchange": EXCHANGE, "feeModule": USDC}}, "module"),
        ({"collateralToken": {"address": EXCHANGE, "decimals": 6, "symbol": "WETH"}}, "WETH"),
        ({"collateralToken": {"address": USDC, "decimals": 18, "symbol": "USDC"}}, "USDC"),
        ({"collateralToken": None}, "unknown token"),
    ],
)  # fmt: skip
def test_a_market_that_cannot_be_traded_says_why(fields: Json, why: str) -> None:
    found = one(**fields)
    assert not found.tradable
    assert why in found.details["refused"]


@pytest.mark.parametrize(
    "active",
    [
        [{"target": "trading", "mode": "cancel_only"}],
        [{"target": "trading", "mode": "post_only_mode"}],
        [{"title": "Upgrade", "effects": [{"target": "trading", "mode": "disabled"}]}],
        [{"target": "website", "mode": "disabled"}, {"mode": "disabled"}],
    ],
)
def test_nothing_is_traded_while_the_venue_is_maintained(active: list[Json]) -> None:
    [found] = fetched(
        reply(200, market()), status=reply(200, {"active": active, "scheduled": []}), natives=(SLUG,)
    )
    assert not found.tradable
    assert "maintenance" in found.details["refused"]


@pytest.mark.parametrize(
    "status",
    [
        reply(200, {"active": [{"target": "website", "mode": "disabled"}]}),
        reply(200, {"active": [{"target": "trading", "mode": "normal"}]}),
        reply(404, {}), reply(200, b"x"), Silence("cut", sent=True),
    ],
)  # fmt: skip
def test_a_maintenance_that_does_not_concern_trading_or_cannot_be_read_stops_nothing(status: Reply) -> None:
    """The venue refuses orders itself while it is maintained."""
    [found] = fetched(reply(200, market()), status=status)
    assert found.tradable


def test_a_market_the_venue_does_not_know_is_left_out_and_asked_once() -> None:
    found = fetched(reply(404, {}), reply(200, market("b")), natives=("a", "b", "a"))
    assert [listing.native for listing in found] == ["b"]


@pytest.mark.parametrize(
    "bad",
    [
        Response(200, b"{"),
        reply(500, {}),
        reply(200, {}),
        reply(200, market("other")),
        Silence("x", sent=True),
    ],
)
def test_metadata_that_cannot_be_read_is_unavailable(bad: Reply) -> None:
    found, _ = talk_through(LimitlessListings().fetch([SLUG]), [OPEN, bad])
    assert isinstance(found, Unavailable)


def test_slugs_are_encoded_into_the_path() -> None:
    _, asked = talk_through(LimitlessListings().fetch([Native("a/../b c")]), [OPEN])
    assert asked[1].path == "/markets/a%2F..%2Fb%20c"


def page(*markets: Json) -> Reply:
    return reply(200, {"data": list(markets), "totalMarketsCount": 9})


def discovered(cursor: str, answer: Reply) -> tuple[Page | Unavailable, str]:
    found, asked = talk_through(LimitlessListings().discover(cursor), [answer])
    return found, asked[0].target


def test_all_markets_are_walked_page_by_page_until_one_is_empty() -> None:
    found, target = discovered("", page(market("a"), market("amm", tradeType="amm", tokens=None)))
    assert target == "/markets/active?page=1&limit=25"
    assert isinstance(found, Page)
    assert ([listing.native for listing in found.listings], found.cursor) == (["a"], "2")
    last, target = discovered("2", page())
    assert target == "/markets/active?page=2&limit=25"
    assert last == Page((), None)


def test_a_group_is_listed_as_its_legs_with_the_contracts_of_the_group() -> None:
    leg = {key: value for key, value in market("leg").items() if key not in ("venue", "collateralToken")}
    group = market("group", marketType="group", tokens=None, title="Who?", markets=[leg])
    found, _ = discovered("", page(group))
    assert isinstance(found, Page)
    [listing] = found.listings
    assert (listing.native, listing.title, listing.tradable) == ("leg", "Who? · BTC above 100k?", True)
    assert listing.details["exchange"] == EXCHANGE


def test_a_page_may_be_a_bare_array_and_one_that_cannot_be_read_is_unavailable() -> None:
    found, _ = discovered("", reply(200, [market()]))
    assert isinstance(found, Page)
    assert len(found.listings) == 1
    for bad in (reply(500, {}), reply(200, json.dumps({"data": 1}).encode()), Silence("x", sent=True)):
        assert isinstance(discovered("", bad)[0], Unavailable)
