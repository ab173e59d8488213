"""Open orders as the venue lists them; finished ones put together from its trades."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.venues.polymarket import world
from venues.base.http import Reply, Request, Response, Silence, Talk, Unavailable
from venues.base.listing import Listing
from venues.base.orders import Side, Standing
from venues.base.units import Price, Size
from venues.polymarket.orders import PolymarketOrders

SIGNER = world.signer()
ORDERS = PolymarketOrders()
OWN = world.SECRETS["api_key"]
YES = world.listing()
NO = world.listing(native=world.SIBLING, details={"sibling": world.TOKEN, "outcome": "No"})
OPEN = {
    "id": "0xAB", "status": "LIVE", "owner": OWN, "maker_address": SIGNER.maker, "market": world.CONDITION,
    "asset_id": world.TOKEN, "side": "BUY", "original_size": "20", "size_matched": "7.5", "price": "0.45",
    "outcome": "Yes", "expiration": "0", "order_type": "GTC", "created_at": 1795000000,
}  # fmt: skip


def maker(order_id: str, size: str, price: str, token: str = world.TOKEN, **wish: str) -> dict[str, str]:
    usual = {"order_id": order_id, "owner": "another", "maker_address": "0x1", "side": "SELL"}
    return usual | {"matched_amount": size, "price": price, "asset_id": token} | wish


def trade(trade_id: str, *makers: dict[str, str], at: str = "1795000000", **wish: str) -> dict[str, Any]:
    usual = {
        "id": trade_id, "taker_order_id": "0xT1", "market": world.CONDITION, "asset_id": world.TOKEN,
        "side": "BUY", "size": "1", "price": "0.5", "status": "CONFIRMED", "match_time": at, "owner": OWN,
        "maker_address": SIGNER.maker, "trader_side": "TAKER",
    }  # fmt: skip
    return usual | wish | {"maker_orders": list(makers)}


def page(*rows: dict[str, Any], cursor: str = "LTE=") -> Response:
    return Response(200, json.dumps({"data": rows, "next_cursor": cursor}).encode())


def ask(
    talk: Talk[Sequence[Standing] | Unavailable], answer: Callable[[Request], Reply]
) -> Sequence[Standing] | Unavailable:
    try:
        request = next(talk)
        while True:
            assert request.private
            request = talk.send(answer(request))
    except StopIteration as stop:
        found: Sequence[Standing] | Unavailable = stop.value
        return found


def open_orders(*replies: Reply, listings: Sequence[Listing] = (YES, NO)) -> Sequence[Standing] | Unavailable:
    left = list(replies)
    return ask(ORDERS.open_orders(SIGNER, listings), lambda _: left.pop(0))


def history(
    trades: Reply, resting: Reply | None = None, listings: Sequence[Listing] = (YES, NO)
) -> Sequence[Standing] | Unavailable:
    replies = {"/data/orders": resting or page(), "/data/trades": trades}
    return ask(ORDERS.history(SIGNER, listings), lambda request: replies[request.path])


def test_an_open_order_is_in_the_terms_of_its_token() -> None:
    assert open_orders(page(OPEN)) == [
        Standing(
            venue_order_id="0xab", native=world.TOKEN, side=Side.BUY, price=Price(450_000),
            size=Size(20_000_000), filled=Size(7_500_000), cash=None, open=True, created_ms=1_795_000_000_000,
        )
    ]  # fmt: skip


def test_an_open_order_is_listed_once_as_what_was_asked_for_first() -> None:
    """No, inverted, is the same claim as Yes."""
    for listings in ((YES, NO.opposite()), (NO.opposite(), YES), (NO.opposite(), NO)):
        found = open_orders(page(OPEN), listings=listings)
        assert not isinstance(found, Unavailable)
        [row] = found
        wanted = next(each for each in listings if each in (YES, NO.opposite()))
        assert (row.native, row.inverted) == (wanted.native, wanted.inverted)
    assert open_orders(page(OPEN), listings=[NO]) == []


def test_all_pages_are_read_and_asked_for_one_market_where_there_is_one() -> None:
    asked: list[dict[str, str]] = []

    def venue(request: Request) -> Reply:
        asked.append(dict(request.query))
        return page(OPEN | {"id": f"0x{len(asked)}"}, cursor="Mg==" if len(asked) == 1 else "LTE=")

    other = world.listing(native="77", details={"condition_id": "0xother"})
    for listings in ([YES, NO], [YES, other]):
        asked.clear()
        found = ask(ORDERS.open_orders(SIGNER, listings), venue)
        assert not isinstance(found, Unavailable)
        assert [row.venue_order_id for row in found] == ["0x1", "0x2"]
        assert [query["next_cursor"] for query in asked] == ["MA==", "Mg=="]
        assert asked[0].get("market") == (None if other in listings else world.CONDITION)
    assert isinstance(ask(ORDERS.open_orders(SIGNER, [YES]), lambda _: page(cursor="Mg==")), Unavailable)


def test_finished_orders_are_trades_by_order_newest_first() -> None:
    """0.333333 at 0.52 and 1 of the sibling's maker at 0.4, so 0.6: 0.17333316 + 0.6, rounded up."""
    bought = [
        trade("a", maker("0x1", "0.333333", "0.52")),
        trade("b", maker("0x2", "1", "0.4", world.SIBLING), at="1795000009"),
    ]
    rested = maker("0xR", "2", "0.7", owner=OWN)
    others = {"taker_order_id": "0xother", "owner": "x", "maker_address": "0x9", "trader_side": "MAKER"}
    made = trade("c", rested, at="1795000005", **others)
    found = history(page(made, *bought))
    assert not isinstance(found, Unavailable)
    assert [(row.venue_order_id, row.side, row.filled, row.cash, row.price, row.open) for row in found] == [
        ("0xr", Side.SELL, 2_000_000, 1_400_000, 700_000, False),
        ("0xt1", Side.BUY, 1_333_333, 773_334, None, False),
    ]
    assert [row.created_ms for row in found] == [1_795_000_005_000, 1_795_000_000_000]
    assert {row.size for row in found} == {None}


def test_neither_open_orders_nor_other_peoples_nor_other_books_are_history() -> None:
    mine = trade("a", maker("0x1", "1", "0.5"))
    assert history(page(mine)) != []
    assert history(page(mine), page(OPEN | {"id": "0xt1"})) == []
    assert history(page(mine | {"owner": "x", "maker_address": "0x9", "trader_side": None})) == []
    assert history(page(mine), listings=[NO]) == []


def test_the_side_of_a_maker_follows_from_the_takers_where_it_is_not_said() -> None:
    """A maker of the same token trades against the taker; one of the other token, beside it."""
    others = {"owner": "x", "maker_address": "0x9", "trader_side": "MAKER"}
    for token, side in ((world.TOKEN, Side.SELL), (world.SIBLING, Side.BUY)):
        met = maker("0xR", "1", "0.5", token, owner=OWN, side="")
        found = history(page(trade("a", met, **others)))
        assert not isinstance(found, Unavailable)
        assert [(row.venue_order_id, row.side) for row in found] == [("0xr", side)]


def test_the_takers_order_is_ours_only_where_we_took() -> None:
    """The owner of a row may be whoever it is told to."""
    rested = maker("0xR", "1", "0.5", owner=OWN)
    for said, ids in (("MAKER", ["0xr"]), ("TAKER", ["0xt1", "0xr"])):
        found = history(page(trade("a", rested, trader_side=said)))
        assert not isinstance(found, Unavailable)
        assert [row.venue_order_id for row in found] == ids


def test_a_trade_that_failed_filled_nothing() -> None:
    found = history(page(trade("a", maker("0x1", "1", "0.5"), status="TRADE_STATUS_FAILED")))
    assert not isinstance(found, Unavailable)
    [row] = found
    assert (row.filled, row.cash) == (0, 0)
    made = trade("a", maker("0xR", "1", "0.5", owner=OWN), status="FAILED", trader_side="MAKER")
    found = history(page(made))
    assert not isinstance(found, Unavailable)
    assert [(row.filled, row.cash) for row in found] == [(0, 0)]


@pytest.mark.parametrize(
    "reply",
    [Response(500, b"{}"), Response(200, b"[]"), Silence("late", sent=True),
     page(OPEN | {"side": "HOLD"}, trade("a", maker("0x1", "1", "0.5"), side="HOLD")),
     page(OPEN | {"price": "low"}, trade("a", maker("0x1", "1", "1.5")))],
)  # fmt: skip
def test_a_list_that_cannot_be_read_is_unavailable(reply: Reply) -> None:
    assert isinstance(open_orders(reply), Unavailable)
    assert isinstance(history(reply), Unavailable)
    assert isinstance(history(page(), reply), Unavailable)
