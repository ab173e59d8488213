"""Markets, their money and their fees as listings."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.venues.opinion.examples import EXCHANGE, QUOTE_TOKEN, USDT, Venue, ok, refusal
from venues.base.contract import Page
from venues.base.http import Reply, Request, Response, Silence, Unavailable
from venues.base.listing import Listing, Native
from venues.base.orders import Side
from venues.kit.eip712 import keccak
from venues.opinion.chain import FEE_MANAGER, SELECTOR, TOKENS_PER_CALL
from venues.opinion.fees import BPS, OpinionFees
from venues.opinion.listings import MINIMUM_CASH, OpinionListings

LISTINGS = OpinionListings()


def market(number: int, **wish: Any) -> dict[str, Any]:
    usual = {
        "marketId": number, "marketTitle": f"Question {number}", "marketType": 0, "status": 2,
        "statusEnum": "Activated", "yesTokenId": str(number * 10), "noTokenId": str(number * 10 + 1),
        "quoteToken": USDT, "chainId": "56", "conditionId": "ab", "cutoffAt": 0, "childMarkets": None,
    }  # fmt: skip
    return usual | wish


def words(*numbers: int) -> str:
    return "0x" + "".join(f"{number:064x}" for number in numbers)


def node(**results: str | None) -> Any:
    """A chain's node: fee settings by token id ("t10"), 400 bps and no minimum for all others."""

    def answer(request: Request) -> Reply:
        replies = []
        for call in reversed(json.loads(request.body)):
            [target, block] = call["params"]
            assert (call["method"], target["to"], block) == ("eth_call", FEE_MANAGER, "latest")
            token = int(target["data"].removeprefix("0x" + SELECTOR), 16)
            replies.append({"id": call["id"], "result": results.get(f"t{token}", words(0, 400, 1, 0))})
        return Response(200, json.dumps(replies).encode())

    return answer


def venue(*markets: dict[str, Any], money: Sequence[dict[str, Any]] = (QUOTE_TOKEN,), **fees: Any) -> Venue:
    made = (
        Venue().on("GET /openapi/quoteToken", ok({"list": list(money), "total": 1})).on("POST ", node(**fees))
    )
    for each in markets:
        made.on(f"GET /openapi/market/{each['marketId']}", ok({"data": each}))
    return made


def fetched(made: Venue, *natives: str) -> list[Listing]:
    found = made.run(LISTINGS.fetch([Native(native) for native in natives]))
    assert not isinstance(found, Unavailable), found
    return found


def test_the_selector_is_the_functions_hash() -> None:
    assert keccak(b"getFeeRateSettings(uint256)")[:4].hex() == SELECTOR


def test_a_market_becomes_one_listing_with_its_money_and_its_fee() -> None:
    made = venue(market(4101), t41010=words(0, 800, 1, 0))
    [listing] = fetched(made, "4101")
    assert (listing.native, listing.title, listing.inverted, listing.tradable) == (
        "4101", "Question 4101", False, True,
    )  # fmt: skip
    assert listing.valid_price(listing.grid.bands[0].start)
    assert [listing.grid.bands[0].start, listing.grid.bands[0].end] == [1_000, 999_000]
    assert listing.pool == USDT.lower()
    assert listing.minimum_cash == listing.minimum_sale_cash == MINIMUM_CASH > 5_000_000
    assert (listing.details["exchange"], listing.details["quote_token"]) == (EXCHANGE, USDT)
    assert (listing.details["yes_token"], listing.details["no_token"]) == ("41010", "41011")
    curve = OpinionFees().curve(listing)
    assert (curve.rate_bps, curve.minimum(Side.BUY)) == (800, 250_000)
    rpc = made.asked[-1]
    assert (rpc.host, rpc.private) == ("rpc", False)
    assert not any(request.private for request in made.asked)


@pytest.mark.parametrize(
    ("settings", "rate", "least"),
    [
        (words(0, 400, 1, 0), 400, 250_000),
        (words(0, 400, 1, 3 * 10**17 + 1), 400, 300_001),
        (words(0, 400, 0, 10**18), 0, 0),
        (words(0, 0, 1, 10**18), 0, 0),
        (words(0, BPS, 1, 0), BPS, 250_000),
    ],
)
def test_the_greater_minimum_counts_and_no_rate_or_a_switch_means_no_fee(
    settings: str, rate: int, least: int
) -> None:
    [listing] = fetched(venue(market(1), t10=settings), "1")
    assert listing.tradable
    assert (listing.details["taker_fee_bps"], listing.details["minimum_fee"]) == (str(rate), str(least))


@pytest.mark.parametrize(
    "settings",
    [
        None,
        "0x",
        words(0, 400, 1),
        words(0, BPS + 1, 1, 0),
        words(0, 400, 2, 0),
        "0x" + "zz" * 128,
        "zz" * 129,
    ],
)
def test_a_market_without_readable_fees_is_shown_dearest_and_not_traded(settings: str | None) -> None:
    good, bad = fetched(venue(market(1), market(2), t20=settings), "1", "2")
    assert (good.tradable, bad.tradable) == (True, False)
    assert bad.details["taker_fee_bps"] == str(BPS)


@pytest.mark.parametrize(
    ("wish", "money"),
    [
        ({"status": 1}, QUOTE_TOKEN),
        ({"status": 3}, QUOTE_TOKEN),
        ({"status": 4}, QUOTE_TOKEN),
        ({"chainId": "8453"}, QUOTE_TOKEN),
        ({"quoteToken": "0x" + "22" * 20}, QUOTE_TOKEN),
        ({}, QUOTE_TOKEN | {"decimal": 6}),
        ({}, QUOTE_TOKEN | {"symbol": "XYZ"}),
        ({}, QUOTE_TOKEN | {"ctfExchangeAddress": ""}),
    ],
)
def test_a_market_that_cannot_be_traded_is_shown_as_such(wish: dict[str, Any], money: dict[str, Any]) -> None:
    [listing] = fetched(venue(market(1, **wish), money=[money]), "1")
    assert not listing.tradable
    OpinionFees().curve(listing)


def test_what_is_unknown_a_parent_or_no_id_is_left_out() -> None:
    parent = market(3, yesTokenId="", noTokenId="", marketType=1)
    made = venue(market(1), parent).on("GET /openapi/market/2", refusal(10_200))
    assert [listing.native for listing in fetched(made, "1", "2", "3", "KX-1", "01", "٣")] == ["1"]
    assert made.calls.count("GET /openapi/quoteToken") == 1
    assert fetched(venue(parent), "3") == []


@pytest.mark.parametrize(
    ("what", "reply"),
    [
        ("GET /openapi/market/1", Silence("deadline", sent=True)),
        ("GET /openapi/market/1", Response(429, b"")),
        ("GET /openapi/market/1", refusal(10_403)),
        ("GET /openapi/market/1", ok({"data": market(2)})),
        ("GET /openapi/quoteToken", refusal(1)),
        ("GET /openapi/quoteToken", Response(502, b"")),
        ("POST ", Response(429, b"")),
        ("POST ", Silence("deadline", sent=True)),
        ("POST ", Response(200, b'{"error":{}}')),
    ],
)
def test_an_answer_that_cannot_be_used_is_no_listing(what: str, reply: Reply) -> None:
    made = venue(market(1)).on(what, reply)
    assert isinstance(made.run(LISTINGS.fetch([Native("1")])), Unavailable)


def test_fees_of_many_markets_are_asked_for_in_batches() -> None:
    count = TOKENS_PER_CALL + 1
    made = venue(*(market(number) for number in range(1, count + 1)))
    found = fetched(made, *(str(number) for number in range(1, count + 1)))
    assert (len(found), made.calls.count("POST ")) == (count, 2)


def page(total: int, *rows: dict[str, Any]) -> Response:
    return ok({"list": list(rows), "total": total})


def test_discovery_goes_page_by_page_and_lists_the_children_of_a_parent() -> None:
    parent = market(412, yesTokenId="", noTokenId="", marketType=1, marketTitle="Which one?")
    inline = market(500, yesTokenId="", noTokenId="", marketType=1, childMarkets=[market(501)])
    made = venue().on("GET /openapi/market", [page(41, market(1), parent), page(41, inline), page(41)])
    made.on(
        "GET /openapi/market/categorical/412",
        ok({"data": {**parent, "childMarkets": [market(7731), market(7732)]}}),
    )
    first = made.run(LISTINGS.discover(""))
    assert isinstance(first, Page)
    assert [listing.native for listing in first.listings] == ["1", "7731", "7732"]
    assert first.listings[1].title == "Which one?: Question 7731"
    assert dict(made.asked[0].query) == {
        "page": "1", "limit": "20", "status": "activated", "marketType": "2", "chainId": "56", "sortBy": "1",
    }  # fmt: skip
    assert first.cursor == "2"
    second = made.run(LISTINGS.discover(first.cursor))
    assert isinstance(second, Page)
    assert [listing.native for listing in second.listings] == ["501"]
    assert second.cursor == "3"
    last = made.run(LISTINGS.discover("3"))
    assert last == Page((), None)


def test_discovery_without_an_answer_is_unavailable() -> None:
    assert isinstance(venue().on("GET /openapi/market", refusal(1)).run(LISTINGS.discover("")), Unavailable)
    down = venue().on("GET /openapi/market", page(1, market(1))).on("POST ", Response(500, b""))
    assert isinstance(down.run(LISTINGS.discover("")), Unavailable)
