"""What an account has, what time it is, and which orders the venue lists."""

import json

import pytest

from tests.venues.limitless.examples import (
    ADDRESS,
    CREATED_MS,
    NO,
    SLUG,
    listing,
    reply,
    signer,
    talk_through,
)
from tests.venues.limitless.replies import HALF, MISSING, found, item, listed, on_chain, portfolio, position
from venues.base.http import Reply, Response, Silence, Unavailable
from venues.base.listing import Native
from venues.base.orders import Side
from venues.base.units import ONE
from venues.limitless.orders import LimitlessOrders

ORDERS = LimitlessOrders()


# --- the account ---


def test_funds_are_the_wallet_on_the_chain_less_what_is_locked() -> None:
    rows = portfolio(position(locked="1000000"), position("b", locked=500_000), position("c"))
    money, asked = talk_through(ORDERS.funds(signer()), [rows, on_chain(9_000_000)])
    assert money == {"": 7_500_000}
    assert [(each.host, each.private) for each in asked] == [("rest", True), ("rpc", False)]
    assert ADDRESS[2:].lower() in asked[1].body.decode()
    assert talk_through(ORDERS.funds(signer()), [rows, on_chain(1)])[0] == {"": 0}


def test_holdings_are_whole_lots_of_the_own_token() -> None:
    rows = portfolio(position(yes="19588999", no=999), position("b", yes="5000"))
    yes, no, other = listing(), listing(inverted=True), listing(Native("z"))
    held, _ = talk_through(ORDERS.holdings(signer(), [yes, no, other]), [rows])
    assert held == {yes.key: 19_588_000, no.key: 0, other.key: 0}


def test_what_another_wallet_of_the_profile_has_is_not_ours() -> None:
    foreign = position(yes="7000000", locked="8000000") | {"makerAddress": "0x" + "ab" * 20}
    rows = portfolio(foreign, position(yes="1000000", locked="500000") | {"makerAddress": ADDRESS.lower()})
    held, _ = talk_through(ORDERS.holdings(signer(), [listing()]), [rows])
    assert held == {listing().key: ONE}
    assert talk_through(ORDERS.funds(signer()), [rows, on_chain(ONE)])[0] == {"": 500_000}


def test_money_that_cannot_be_read_is_unavailable() -> None:
    wrong: list[Reply] = [
        reply(500, {}),
        reply(200, b"{}"),
        portfolio(position(yes="-1", locked="-1")),
        Silence("x", sent=True),
    ]
    for bad in wrong:
        assert isinstance(talk_through(ORDERS.funds(signer()), [bad, on_chain(1)])[0], Unavailable)
        assert isinstance(talk_through(ORDERS.holdings(signer(), []), [bad])[0], Unavailable)
    for bad in (reply(200, {"result": "0x"}), reply(500, {}), Silence("x", sent=True)):
        assert isinstance(talk_through(ORDERS.funds(signer()), [portfolio(), bad])[0], Unavailable)


def test_the_clock_is_the_middle_of_the_second_in_the_date_header() -> None:
    dated = Response(200, b"", {"date": "Fri, 20 Nov 2026 12:34:56 GMT"})
    assert talk_through(ORDERS.clock(), [dated])[0] == CREATED_MS // 1000 * 1000 + 500
    for text in ("", "yesterday", "Fri, 99 Nov 2026 14:00:00 GMT"):
        assert isinstance(talk_through(ORDERS.clock(), [Response(200, b"", {"date": text})])[0], Unavailable)
    assert isinstance(talk_through(ORDERS.clock(), [])[0], Unavailable)


# --- lists of orders ---


def test_open_orders_are_listed_with_their_fills() -> None:
    replies: list[Reply] = [listed("v1"), found("MINED", HALF)]
    rows, asked = talk_through(ORDERS.open_orders(signer(), [listing()]), replies)
    assert not isinstance(rows, Unavailable)
    [row] = rows
    assert (row.venue_order_id, row.client_id, row.side, row.open) == ("v1", "sor-000001", Side.BUY, True)
    assert (row.price, row.size, row.filled, row.cash) == (420_000, 10 * ONE, 5 * ONE, 2_100_000)
    assert row.created_ms == CREATED_MS
    assert asked[0].target == f"/markets/{SLUG}/user-orders?statuses=LIVE&limit=200"
    assert json.loads(asked[1].body) == {"items": [{"orderId": "v1"}]}


def test_orders_of_the_other_outcome_belong_to_the_inverted_listing() -> None:
    both = [listing(), listing(inverted=True)]
    rows, asked = talk_through(
        ORDERS.open_orders(signer(), both), [listed("v1", tokenId=NO), found("UNMATCHED")]
    )
    assert not isinstance(rows, Unavailable)
    assert [row.inverted for row in rows] == [True]
    assert len(asked) == 2, "one book is asked once"
    nobody, asked = talk_through(ORDERS.open_orders(signer(), both), [listed("v1", tokenId="99")])
    assert (nobody, len(asked)) == ([], 1)


def test_finished_orders_come_newest_first() -> None:
    older = listed("v2", createdAt="2026-11-19T00:00:00.000Z", side="SELL", price=0.5)
    items = reply(200, {"results": [item("MINED", orderId="v2"), item("CANCELED", orderId="v3")]})
    replies: list[Reply] = [older, listed("v3"), listed(), items]
    rows, asked = talk_through(ORDERS.history(signer(), [listing()]), replies)
    assert not isinstance(rows, Unavailable)
    assert [(row.venue_order_id, row.open) for row in rows] == [("v3", False), ("v2", False)]
    assert [dict(each.query)["statuses"] for each in asked[:3]] == ["MATCHED", "CANCELED", "UNMATCHED"]


@pytest.mark.parametrize(
    "replies",
    [
        [], [reply(500, {})], [reply(200, {"orders": 1})], [listed("v1"), reply(500, {})],
        [listed("v1"), MISSING, MISSING], [listed("v1", side=7), found("MINED")],
        [listed("v1", price="x"), found("MINED")], [listed("v1", createdAt="x"), found("MINED")],
        [listed("v1", makerAmount="-1", side=1), found("MINED")], [listed(""), found("MINED")],
    ],
)  # fmt: skip
def test_lists_that_cannot_be_read_are_unavailable(replies: list[Reply]) -> None:
    assert isinstance(talk_through(ORDERS.open_orders(signer(), [listing()]), replies)[0], Unavailable)
