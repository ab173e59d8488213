"""The account's orders as the venue lists them, in the terms of the outcomes asked about."""

from typing import Any

import pytest

from tests.venues.kalshi.examples import CREATED_MS, TICKER, listing, reply, signer, talk_through
from venues.base.http import Response, Silence, Unavailable
from venues.base.listing import Listing, Native
from venues.base.orders import Side, Standing
from venues.base.units import ONE, Cash, Price, Size
from venues.kalshi.orders import KalshiOrders
from venues.kalshi.reads import PAGES_MAX

ORDERS = KalshiOrders()
SIGNER = signer()
YES, NO, OTHER = listing(), listing(inverted=True), listing(Native("OTHER"))


def row(**fields: Any) -> dict[str, Any]:
    """A bid for ten YES at 56 cents of which two and a half were filled at 54."""
    return {
        "order_id": "v1", "user_id": "u", "client_order_id": "sor-1", "ticker": TICKER, "status": "resting",
        "book_side": "bid", "outcome_side": "yes", "type": "limit", "yes_price_dollars": "0.5600",
        "no_price_dollars": "0.4400", "initial_count_fp": "10.00", "fill_count_fp": "2.50",
        "remaining_count_fp": "7.50", "taker_fill_cost_dollars": "1.080000",
        "maker_fill_cost_dollars": "0.270000", "created_time": "2026-11-20T14:00:00.25Z", **fields,
    }  # fmt: skip


def listed(*rows: dict[str, Any], cursor: str = "") -> Response:
    return reply(200, {"orders": rows, "cursor": cursor})


def rests(*listings: Listing, rows: Any) -> list[Standing]:
    found, _ = talk_through(ORDERS.open_orders(SIGNER, listings), [listed(*rows)])
    assert not isinstance(found, Unavailable), found
    return list(found)


def test_a_bid_is_a_purchase_of_yes() -> None:
    assert rests(YES, NO, rows=[row()]) == [
        Standing(
            venue_order_id="v1", client_id="sor-1", native=TICKER, side=Side.BUY, price=Price(560_000),
            size=Size(10 * ONE), filled=Size(2_500_000), cash=Cash(1_350_000), open=True,
            created_ms=CREATED_MS + 250,
        )
    ]  # fmt: skip


def test_an_order_is_told_in_the_terms_of_the_outcome_asked_about() -> None:
    bid = row(taker_fill_cost_dollars="1.350000", maker_fill_cost_dollars="0.000000")
    ask = row(book_side="ask", taker_fill_cost_dollars="1.000000", maker_fill_cost_dollars="0.000000")

    def terms(of: list[Listing], listed: dict[str, Any]) -> tuple[object, ...]:
        [found] = rests(*of, rows=[listed])
        return found.side, found.inverted, found.price, found.cash

    assert terms([YES], bid) == (Side.BUY, False, 560_000, 1_350_000)
    assert terms([NO], bid) == (Side.SELL, True, 440_000, 1_150_000)
    assert terms([NO], ask) == terms([YES, NO], ask) == (Side.BUY, True, 440_000, 1_000_000)
    assert terms([YES], ask) == (Side.SELL, False, 560_000, 1_500_000)


@pytest.mark.parametrize(
    ("side", "price", "cost", "believed"),
    [
        ("bid", "0.5600", "1.400000", True),
        ("bid", "0.5600", "1.400001", False),
        ("ask", "0.5600", "1.100000", True),
        ("ask", "0.5600", "1.100001", False),
        ("ask", "0.4400", "1.099999", True),
        ("ask", "0.4400", "1.100000", False),
        ("ask", "0.4400", "1.400000", False),
    ],
)
def test_the_money_of_fills_is_told_where_it_can_mean_one_thing_only(
    side: str, price: str, cost: str, believed: bool
) -> None:
    more = {"book_side": side, "yes_price_dollars": price, "maker_fill_cost_dollars": "0"}
    [found] = rests(YES, NO, rows=[row(taker_fill_cost_dollars=cost, **more)])
    assert (found.cash is not None) is believed


def test_an_order_without_fills_has_cost_nothing_and_one_without_a_price_has_none() -> None:
    zero = {"fill_count_fp": "0.00", "taker_fill_cost_dollars": "0", "maker_fill_cost_dollars": "0.000000"}
    bid, ask = rests(YES, NO, rows=[row(**zero), row(order_id="v2", book_side="ask", **zero)])
    assert (bid.cash, ask.cash) == (0, 0)
    [market] = rests(YES, rows=[row(yes_price_dollars="0.0000", **zero)])
    assert market.price is None


def test_open_orders_are_all_pages_of_what_rests_and_of_these_books_only() -> None:
    replies = [
        listed(row(), row(order_id="v2", ticker="ELSE"), cursor="n"),
        listed(row(), row(order_id="v3")),
    ]
    found, asked = talk_through(ORDERS.open_orders(SIGNER, [YES, OTHER]), [*replies])
    assert not isinstance(found, Unavailable)
    assert [standing.venue_order_id for standing in found] == ["v1", "v3"]
    assert [request.query for request in asked] == [
        (("status", "resting"), ("limit", "200")),
        (("status", "resting"), ("limit", "200"), ("cursor", "n")),
    ]
    assert all(request.private for request in asked)
    assert rests(YES, rows=[row(status="canceled")]) == []


def test_one_book_is_asked_for_by_name_and_none_is_not_asked_for() -> None:
    mine = signer(subaccount="3")
    for talk, status in (
        (ORDERS.open_orders(mine, [YES, NO]), [("status", "resting")]),
        (ORDERS.history(mine, [YES]), []),
    ):
        _, [asked] = talk_through(talk, [listed()])
        assert asked.query == (*status, ("limit", "200"), ("ticker", TICKER), ("subaccount", "3"))
    assert talk_through(ORDERS.open_orders(mine, []), []) == ([], [])
    assert talk_through(ORDERS.history(mine, []), []) == ([], [])


def test_history_is_one_page_of_what_ended_newest_first() -> None:
    rows = [
        row(order_id="old", status="canceled", created_time="2026-11-20T13:00:00Z"),
        row(order_id="rests"),
        row(order_id="new", status="executed"),
        row(order_id="undated", status="executed", created_time=None),
        row(order_id="else", status="executed", ticker="ELSE"),
        row(order_id="odd", status="novelty"),
    ]
    found, asked = talk_through(ORDERS.history(SIGNER, [YES, OTHER]), [listed(*rows, cursor="n")])
    assert not isinstance(found, Unavailable)
    assert [(s.venue_order_id, s.open) for s in found] == [("new", False), ("old", False), ("undated", False)]
    assert [request.query for request in asked] == [(("limit", "200"),)]


@pytest.mark.parametrize(
    "bad",
    [
        reply(500, {}), reply(404, {}), reply(401, {}), reply(429, {"error": "too many requests"}),
        reply(200, b"{}"), reply(200, b"[" * 99_999), Silence("cut", sent=True),
        *(listed(row(status=status, **wrong)) for status in ("resting", "executed") for wrong in (
            {"book_side": "yes"}, {"initial_count_fp": "x"}, {"fill_count_fp": "1e3"},
            {"yes_price_dollars": ""}, {"created_time": "soon"}, {"maker_fill_cost_dollars": "-1"},
        )),
    ],
)  # fmt: skip
def test_orders_that_cannot_be_read_are_unavailable(bad: Response | Silence) -> None:
    found = [talk_through(lists(SIGNER, [YES]), [bad])[0] for lists in (ORDERS.open_orders, ORDERS.history)]
    if isinstance(bad, Response) and bad.status == 200 and b'"orders"' in bad.body:
        assert sum(isinstance(each, Unavailable) for each in found) == 1, "the other one leaves it out"
    else:
        assert all(isinstance(each, Unavailable) for each in found)


def test_more_pages_than_are_read_are_no_answer() -> None:
    endless = [listed(row(), cursor="n")] * (PAGES_MAX + 1)
    found, asked = talk_through(ORDERS.open_orders(SIGNER, [YES]), [*endless])
    assert isinstance(found, Unavailable)
    assert len(asked) == PAGES_MAX
