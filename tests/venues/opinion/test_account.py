"""Money, shares, orders and the clock, as the account's own lists tell them."""

from typing import Any

import msgspec
import pytest

from tests.venues.opinion import examples
from tests.venues.opinion.examples import NO_TOKEN, USDT, Venue, ok, refusal, row
from venues.base.http import Reply, Response, Silence, Unavailable
from venues.base.listing import Native
from venues.base.orders import Side
from venues.opinion.orders import OpinionOrders

ORDERS = OpinionOrders()
YES, NO = examples.listing(), examples.listing(inverted=True)
BAD: list[Reply] = [
    Response(429, b""), Response(200, b"[]"), refusal(11_002), Silence("deadline", sent=True), ok([1]),
]  # fmt: skip


def balance(text: str) -> Response:
    rows = [{"quoteToken": USDT, "tokenDecimals": 18, "totalBalance": "9", "availableBalance": text}]
    return ok({"walletAddress": "0x", "multiSignAddress": "0x", "chainId": "56", "balances": rows})


def test_what_is_free_is_rounded_down_and_kept_by_quote_token() -> None:
    venue = Venue().on("GET /openapi/user/balance", balance("12.345678999999999999"))
    assert venue.run(ORDERS.funds(examples.signer())) == {YES.pool: 12_345_678}
    assert venue.asked[0].query == (("chain_id", "56"),)


def position(outcome: int, owned: str, frozen: str, market: int = 5120) -> dict[str, Any]:
    return {
        "marketId": market, "outcomeSide": outcome, "sharesOwned": owned, "sharesFrozen": frozen,
        "tokenId": NO_TOKEN, "avgEntryPrice": "0.4",
    }  # fmt: skip


def test_frozen_shares_are_not_free_and_each_outcome_has_its_own() -> None:
    rows = [position(1, "57.827102803738317757", "10"), position(2, "3", "5"), position(1, "9", "0", 7)]
    venue = Venue().on("GET /openapi/positions", ok({"list": rows, "total": 3}))
    held = venue.run(ORDERS.holdings(examples.signer(), [YES, NO]))
    assert held == {YES.key: 47_827_102, NO.key: 0}
    assert dict(venue.asked[0].query)["marketId"] == "5120"


def test_holdings_of_several_markets_are_one_list_read_to_its_end() -> None:
    other = msgspec.structs.replace(YES, native=Native("7"))
    full = [position(1, "1", "0", 100 + number) for number in range(20)]
    pages = [ok({"list": full, "total": 21}), ok({"list": [position(1, "2.5", "")]})]
    venue = Venue().on("GET /openapi/positions", pages)
    assert venue.run(ORDERS.holdings(examples.signer(), [YES, other])) == {YES.key: 2_500_000, other.key: 0}
    assert [dict(request.query)["page"] for request in venue.asked] == ["1", "2"]
    assert "marketId" not in dict(venue.asked[0].query)


def orders(*rows: dict[str, Any]) -> Response:
    return ok({"list": list(rows), "total": len(rows)})


def test_open_orders_are_those_on_the_listings_asked_for() -> None:
    resting = examples.order(listing=NO, side=Side.SELL)
    rows = [
        row(
            resting,
            orderShares="40",
            filledShares="1.5",
            createdAt=1_795_187_003,
            price="0.150000000000000000",
        ),
        row(examples.order(), orderId=77, marketId=7),
        row(examples.order(), orderId="market", price="0", orderShares="0"),
    ]
    venue = Venue().on("GET /openapi/order", orders(*rows))
    found = venue.run(ORDERS.open_orders(examples.signer(), [YES, NO]))
    assert not isinstance(found, Unavailable)
    assert [standing.venue_order_id for standing in found] == ["o-1", "market"]
    sale = found[0]
    assert (sale.native, sale.inverted, sale.side, sale.price) == ("5120", True, Side.SELL, 150_000)
    assert (sale.size, sale.filled, sale.cash, sale.open) == (40_000_000, 1_500_000, None, True)
    assert sale.created_ms == 1_795_187_003_000
    assert (found[1].price, found[1].size) == (None, None)
    assert dict(venue.asked[0].query)["status"] == "1"


def test_history_is_one_page_of_what_ended_newest_first() -> None:
    rows = [
        row(examples.order(), orderId=f"o-{number}", status=2 + number % 4, createdAt=number)
        for number in range(1, 21)
    ]
    venue = Venue().on("GET /openapi/order", orders(*rows))
    found = venue.run(ORDERS.history(examples.signer(), [YES]))
    assert not isinstance(found, Unavailable)
    assert [standing.venue_order_id for standing in found] == [f"o-{number}" for number in range(20, 0, -1)]
    assert not any(standing.open for standing in found)
    assert len(venue.asked) == 1
    assert dict(venue.asked[0].query)["status"] == "2,3,4,5"


@pytest.mark.parametrize("reply", BAD)
def test_what_cannot_be_read_is_unavailable(reply: Reply) -> None:
    venue = Venue()
    for path in ("user/balance", "positions", "order"):
        venue.on(f"GET /openapi/{path}", reply)
    signer = examples.signer()
    assert isinstance(venue.run(ORDERS.funds(signer)), Unavailable)
    assert isinstance(venue.run(ORDERS.holdings(signer, [YES])), Unavailable)
    assert isinstance(venue.run(ORDERS.open_orders(signer, [YES])), Unavailable)
    assert isinstance(venue.run(ORDERS.history(signer, [YES])), Unavailable)


def test_a_number_that_is_none_is_unavailable() -> None:
    signer, venue = examples.signer(), Venue().on("GET /openapi/user/balance", balance("-1"))
    venue.on("GET /openapi/positions", ok({"list": [position(1, "x", "0")]}))
    venue.on("GET /openapi/order", orders(row(examples.order(), filledShares="-")))
    assert isinstance(venue.run(ORDERS.funds(signer)), Unavailable)
    assert isinstance(venue.run(ORDERS.holdings(signer, [YES])), Unavailable)
    assert isinstance(venue.run(ORDERS.open_orders(signer, [YES])), Unavailable)
    venue.on("GET /openapi/order", orders(row(examples.order(), side=3)))
    assert isinstance(venue.run(ORDERS.history(signer, [YES])), Unavailable)


def test_the_clock_is_the_date_of_a_small_read() -> None:
    def at(date: str) -> int | Unavailable:
        headers = {"date": date} if date else {}
        return Venue().on("GET /openapi/quoteToken", Response(200, b"", headers)).run(ORDERS.clock())

    assert at("Sat, 21 Nov 2026 12:00:00 GMT") == 1_795_262_400_500
    for text in ("", "yesterday", "Sat, 21 Nov 2026 12:00:00 +0100", "Sun, 21 Nov 2026 12:00:00 GMT"):
        assert isinstance(at(text), Unavailable)
    silent = Venue().on("GET /openapi/quoteToken", Silence("deadline", sent=True))
    assert isinstance(silent.run(ORDERS.clock()), Unavailable)
