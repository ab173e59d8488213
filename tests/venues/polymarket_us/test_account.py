"""Money, positions, clock, open orders and history, as the venue lists them."""

from typing import Any

import pytest

from tests.venues.polymarket_us.examples import (
    CREATED_MS,
    SIGNER,
    SLUG,
    execution,
    listing,
    reply,
    resting,
    row,
    talk_through,
    trade,
    trades,
    usd,
)
from venues.base.http import Response, Silence, Unavailable
from venues.base.listing import Native
from venues.base.orders import Side, Standing
from venues.base.units import Cash, Price, Size
from venues.polymarket_us.orders import PolymarketUsOrders

ORDERS = PolymarketUsOrders()
LONG, SHORT = listing(), listing(inverted=True)


def balances(power: object, currency: str = "USD") -> Response:
    return reply(
        200,
        {"balances": [{"currency": "EUR", "buyingPower": 7}, {"currency": currency, "buyingPower": power}]},
    )


@pytest.mark.parametrize(
    ("power", "cash"),
    [(123.45, 123_450_000), (0.1, 100_000), (12.3400000000000016, 12_340_000), (-3, 0),
     ("5.1234569", 5_123_456), (None, 0)],
)  # fmt: skip
def test_funds_are_the_buying_power_rounded_down(power: object, cash: int) -> None:
    found, [asked] = talk_through(ORDERS.funds(SIGNER), [balances(power)])
    assert found == {"": cash}
    assert asked.private


def held(**position: object) -> Response:
    return reply(200, {"positions": {SLUG: position}, "eof": True})


@pytest.mark.parametrize(
    ("position", "long", "short"),
    [
        ({"netPosition": "12", "netPositionDecimal": "12.345"}, 12_340_000, 0),
        ({"netPosition": "-4"}, 0, 4_000_000),
        ({"netPositionDecimal": "-4.5", "qtyAvailableDecimal": "1.25"}, 0, 1_250_000),
        ({"netPositionDecimal": "-4.5", "qtyAvailableDecimal": "-1.25"}, 0, 1_250_000),
        ({"netPositionDecimal": "2", "qtyAvailable": "9"}, 2_000_000, 0),
        ({}, 0, 0),
    ],
)
def test_a_position_is_long_above_zero_and_short_below(
    position: dict[str, Any], long: int, short: int
) -> None:
    other = listing(Native("other"))
    found, _ = talk_through(ORDERS.holdings(SIGNER, [LONG, SHORT, other]), [held(**position)])
    assert found == {LONG.key: long, SHORT.key: short, other.key: 0}


def test_positions_are_read_to_the_last_page() -> None:
    first = reply(200, {"positions": {"other": {"netPosition": "1"}}, "nextCursor": "c"})
    found, asked = talk_through(ORDERS.holdings(SIGNER, [LONG]), [first, held(netPosition="3")])
    assert found == {LONG.key: 3_000_000}
    assert ("cursor", "c") in asked[1].query


@pytest.mark.parametrize(
    "bad",
    [reply(200, b"[]"), reply(500, {}), reply(404, {}), Silence("cut", sent=True), balances(5, "GBP"),
     held(netPosition="many"), reply(200, {"balances": [{"currency": "USD", "buyingPower": "NaN"}]})],
)  # fmt: skip
def test_money_that_cannot_be_read_is_unavailable(bad: Response | Silence) -> None:
    if not (isinstance(bad, Response) and b"netPosition" in bad.body):
        assert isinstance(talk_through(ORDERS.funds(SIGNER), [bad])[0], Unavailable)
    if not (isinstance(bad, Response) and b"balances" in bad.body):
        assert isinstance(talk_through(ORDERS.holdings(SIGNER, [LONG]), [bad])[0], Unavailable)
    assert isinstance(talk_through(ORDERS.clock(), [bad])[0], Unavailable)


def test_the_clock_is_the_middle_of_the_second_in_the_date_header() -> None:
    dated = Response(200, b"", {"date": "Fri, 20 Nov 2026 14:00:00 GMT"})
    assert talk_through(ORDERS.clock(), [dated])[0] == CREATED_MS + 500
    for text in ("", "yesterday", "Fri, 99 Nov 2026 14:00:00 GMT"):
        assert isinstance(talk_through(ORDERS.clock(), [Response(200, b"", {"date": text})])[0], Unavailable)


RESTS = row(id="R", intent="ORDER_INTENT_SELL_SHORT", state="ORDER_STATE_PARTIALLY_FILLED", price=usd("0.45"),
            quantity=12.5, cumQuantity="2.5", avgPx=usd("0.44"))  # fmt: skip


def test_open_orders_are_in_the_terms_of_the_outcome_traded() -> None:
    found, [asked] = talk_through(ORDERS.open_orders(SIGNER, [LONG, SHORT]), [resting(RESTS)])
    assert found == [
        Standing(
            venue_order_id="R", native=SLUG, inverted=True, side=Side.SELL, price=Price(550_000),
            size=Size(12_500_000), filled=Size(2_500_000), cash=Cash(1_400_000), open=True,
            created_ms=CREATED_MS + 250,
        )
    ]  # fmt: skip
    assert asked.query == (("slugs", SLUG),)
    assert talk_through(ORDERS.open_orders(SIGNER, [LONG]), [resting(RESTS)])[0] == []
    assert talk_through(ORDERS.open_orders(SIGNER, []), []) == ([], [])


def test_history_is_the_trades_by_order_without_those_that_are_open() -> None:
    done, older = row(id="D", avgPx=usd("0.5600")), row(id="O", state="ORDER_STATE_CANCELED", price=None)
    rows = trades(
        trade(execution(RESTS)), trade(execution(done)), trade(execution(done)), trade(execution(older)),
        trade(aggressorExecution=None),
    )  # fmt: skip
    found, asked = talk_through(ORDERS.history(SIGNER, [LONG, SHORT]), [resting(RESTS), rows])
    assert not isinstance(found, Unavailable)
    assert [(s.venue_order_id, s.open, s.price, s.cash) for s in found] == [
        ("D", False, 560_000, 5_600_000),
        ("O", False, None, None),
    ]
    assert ("marketSlug", SLUG) in asked[1].query


@pytest.mark.parametrize(
    "bad", [reply(500, {}), reply(404, {}), resting(row(quantity="x")), Silence("cut", sent=True)]
)
def test_orders_that_cannot_be_read_are_unavailable(bad: Response | Silence) -> None:
    assert isinstance(talk_through(ORDERS.open_orders(SIGNER, [LONG]), [bad])[0], Unavailable)
    if isinstance(bad, Response) and bad.status == 200:
        bad = trades(trade(execution(row(quantity="x"))))
    assert isinstance(talk_through(ORDERS.history(SIGNER, [LONG]), [resting(), bad])[0], Unavailable)
