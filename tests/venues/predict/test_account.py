"""Balances are those of the chain and of settled positions; lists of orders are whole or not at all."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.venues.predict import world
from venues.base.http import Reply, Request, Response, Unavailable
from venues.base.listing import Native
from venues.base.orders import Side, Standing
from venues.base.units import Cash, Price, Size
from venues.predict.calls import PAGES_MAX
from venues.predict.orders import PredictOrders

ORDERS, SIGNER = PredictOrders(), world.signer()
YES, NO = world.listing(), world.listing(inverted=True)


def balance(units: int) -> Response:
    return Response(200, json.dumps({"jsonrpc": "2.0", "id": 1, "result": f"0x{units:064x}"}).encode())


def funds(reply: Reply, account: str = "", chain_id: str = "56") -> Any:
    def venue(request: Request) -> Reply:
        assert (request.host, request.path, request.private) == ("rpc", "", False)
        seen.append(json.loads(request.body)["params"][0])
        return reply

    seen: list[dict[str, str]] = []
    return world.hold(ORDERS.funds(world.signer(account=account, chain_id=chain_id)), venue), seen


def test_funds_are_the_accounts_usdt_on_its_chain_rounded_down() -> None:
    account = "0xF5b4563514bB2F010dB2dC48f90636D2eF7b5318"
    found, [call] = funds(balance(12_345_678_999_999_999_999))
    assert found == {"": 12_345_678}
    assert call["to"] == "0x55d398326f99059fF775485246999027B3197955"
    assert call["data"].endswith(SIGNER.address[2:].lower())
    _, [call] = funds(balance(0), account=account, chain_id="97")
    assert call["to"] == "0xB32171ecD878607FFc4F8FC0bCcE6852BB3149E0"
    assert call["data"].endswith(account[2:].lower())


@pytest.mark.parametrize(
    "reply", [world.silent(sent=True), Response(500, b""), Response(200, b'{"error":{}}')]
)
def test_funds_that_cannot_be_read_are_unavailable(reply: Reply) -> None:
    found, _ = funds(reply)
    assert isinstance(found, Unavailable)


def position(token: str, amount: str) -> dict[str, Any]:
    return {"id": "x", "amount": amount, "market": {"id": 88123}, "outcome": {"onChainId": token}}


def test_holdings_are_settled_shares_of_each_outcomes_own_token_over_all_pages() -> None:
    pages = {
        None: world.said([position(world.NO, "1999999999999"), position("5", "9")], cursor="c"),
        "c": world.said([position(world.YES, world.wei(7_000_000))], cursor=None),
    }

    def venue(request: Request) -> Reply:
        query = dict(request.query)
        assert (request.path, query["marketId"]) == ("/v1/positions", "88123")
        return pages[query.get("after")]

    assert world.hold(ORDERS.holdings(SIGNER, [YES, NO]), venue) == {YES.key: 7_000_000, NO.key: 1}
    assert world.hold(ORDERS.holdings(SIGNER, []), venue) == {}


@pytest.mark.parametrize(
    "reply",
    [
        world.silent(sent=True),
        Response(500, b""),
        world.said([position(world.YES, "1.5")], cursor=None),
        world.said([position(world.YES, "-1")], cursor=None),
        world.said([position(world.YES, "1")], cursor="again"),
    ],
)
def test_holdings_that_cannot_be_read_whole_are_unavailable(reply: Reply) -> None:
    calls = 0

    def venue(_: Request) -> Reply:
        nonlocal calls
        calls += 1
        return reply

    assert isinstance(world.hold(ORDERS.holdings(SIGNER, [YES]), venue), Unavailable)
    assert calls <= PAGES_MAX


def row(order_hash: str, token: str, side: int = 0, **wish: Any) -> dict[str, Any]:
    maker, taker = (world.wei(4_300_000), world.wei(10_000_000))
    contract = {
        "hash": order_hash,
        "tokenId": token,
        "side": side,
        "makerAmount": taker if side else maker,
        "takerAmount": maker if side else taker,
    }
    usual = {
        "marketId": 88123,
        "amount": world.wei(10_000_000),
        "amountFilled": world.wei(2_500_000),
        "status": "OPEN",
        "strategy": "LIMIT",
        "order": contract,
    }
    return usual | wish


def venue_with(orders: list[Any], matches: Sequence[Any] = ()) -> Any:
    def venue(request: Request) -> Reply:
        if request.path == "/v1/orders/matches":
            assert dict(request.query)["signerAddress"] == SIGNER.address
            return world.said(list(matches), cursor="more")
        assert (request.path, dict(request.query)["status"]) == ("/v1/orders", "OPEN")
        return world.said(orders, cursor=None)

    return venue


def test_open_orders_are_those_on_the_listings_asked_about_in_their_outcomes_terms() -> None:
    orders = [row("0xAA", world.YES), row("0xbb", world.NO, side=1), row("0xcc", "77")]
    found = world.hold(ORDERS.open_orders(SIGNER, [YES, NO]), venue_with(orders))
    assert not isinstance(found, Unavailable)
    assert [(s.venue_order_id, s.inverted, s.side) for s in found] == [
        ("0xaa", False, Side.BUY),
        ("0xbb", True, Side.SELL),
    ]
    for standing in found:
        assert (standing.price, standing.size, standing.filled) == (430_000, 10_000_000, 2_500_000)
        assert (standing.native, standing.cash, standing.open) == (Native("88123"), None, True)
    assert world.hold(ORDERS.open_orders(SIGNER, [YES]), venue_with(orders[1:])) == []


def test_what_lists_show_finer_than_a_millionth_is_cut() -> None:
    fine = {"hash": "0xaa", "tokenId": world.YES, "side": 0, "makerAmount": "2", "takerAmount": "3"}
    order = row("0xaa", world.YES, order=fine, amountFilled="1999999999999")
    found = world.hold(ORDERS.open_orders(SIGNER, [YES]), venue_with([order]))
    assert not isinstance(found, Unavailable)
    [standing] = found
    assert (standing.price, standing.size, standing.filled) == (666_666, 0, 1)
    party = world.party("0xbb", price="430000999999999999")
    found = world.hold(ORDERS.history(SIGNER, [YES]), venue_with([], [world.match(party)]))
    assert not isinstance(found, Unavailable)
    assert [standing.price for standing in found] == [430_000]


def test_history_is_the_matches_by_order_without_what_still_rests() -> None:
    mine = world.party("0xAA", amount=world.wei(1_000_000))
    more = world.party("0xaa", amount=world.wei(2_000_000))
    resting = world.party("0xdd", quoteType="Ask", price=world.wei(500_000))
    stranger = world.party("0xee", signer="0x" + "11" * 20)
    matches = [
        world.match(more, settlementId="s2", makers=[resting]),
        world.match(mine, priceExecuted=world.wei(420_000)),
        world.match(stranger),
        world.match(world.party("0xff", outcome={"onChainId": "77"})),
    ]
    found = world.hold(ORDERS.history(SIGNER, [YES]), venue_with([row("0xdd", world.YES, side=1)], matches))
    assert found == [
        Standing(
            venue_order_id="0xaa",
            native=Native("88123"),
            side=Side.BUY,
            price=Price(430_000),
            size=None,
            filled=Size(3_000_000),
            cash=Cash(860_000 + 420_000),
            open=False,
        )
    ]


@pytest.mark.parametrize("bad", [world.silent(sent=True), Response(500, b""), Response(200, b"{}")])
def test_lists_that_cannot_be_read_are_unavailable(bad: Reply) -> None:
    for talk in (ORDERS.open_orders(SIGNER, [YES]), ORDERS.history(SIGNER, [YES])):
        assert isinstance(world.hold(talk, lambda _: bad), Unavailable)
    odd = venue_with([row("0xaa", world.YES, side=7)])
    assert isinstance(world.hold(ORDERS.open_orders(SIGNER, [YES]), odd), Unavailable)


@pytest.mark.parametrize("status", [200, 401])
def test_the_clock_is_the_date_of_any_reply_to_half_a_second(status: int) -> None:
    dated = Response(status, b"", {"date": "Mon, 21 Sep 2026 14:13:21 GMT"})
    assert world.hold(ORDERS.clock(), lambda _: dated) == 1_790_000_001_500


@pytest.mark.parametrize(
    "date", ["", "yesterday", "Tue, 21 Sep 2026 14:13:21 GMT", "Mon, 21 Sep 2026 14:13:21 +0200"]
)
def test_a_date_that_is_none_is_unavailable(date: str) -> None:
    assert isinstance(world.hold(ORDERS.clock(), lambda _: Response(200, b"", {"date": date})), Unavailable)
