"""The control face: what it shows, what it sets, and that every refusal names field and rule."""

import random
from typing import Any

import msgspec
import pytest

from tests.sim.acme import AcmeSimulator
from venues.sim.clock import SimClock
from venues.sim.contract import Call
from venues.sim.control import Control
from venues.sim.faults import Faults
from venues.sim.model import Market

BOOK = {"bids": [["0.4", "10"], ["0.39", "5"]], "asks": [["0.6", "20"]]}


class Desk:
    def __init__(self) -> None:
        self.sim = AcmeSimulator()
        self.released: list[str] = []
        faults = Faults(random.Random)
        self.control = Control(self.sim, faults, SimClock(lambda: 1_000), released=self.note)
        self.ask("POST", "markets", {"name": "M"})
        self.ask("POST", "accounts", {"balance": "100", "credentials": {"key": "ann"}})

    def note(self, market: Market) -> None:
        self.released.append(market.market_id)

    def ask(self, method: str, path: str, wish: object = None, **query: str) -> tuple[int, Any]:
        body = wish if isinstance(wish, bytes) else msgspec.json.encode(wish)
        call = Call(method=method, path=f"/_sim/{path}", query=query, body=body)
        response = self.control.answer(call)
        return response.status, msgspec.json.decode(response.body)

    def trade(self) -> None:
        self.ask("PUT", "books/M", BOOK)
        wish = {"id": "o1", "market": "M", "side": "buy", "price": "0.61", "size": "2", "tif": "gtc"}
        call = Call(
            method="POST", path="/v1/orders", headers={"x-key": "ann"}, body=msgspec.json.encode(wish)
        )
        assert self.sim.answer(call, 1_000).status == 201


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_the_ledger_shows_orders_fills_fees_balances_and_positions(desk: Desk) -> None:
    desk.trade()
    assert desk.ask("GET", "ledger") == (
        200,
        {
            "accounts": [{"account": "ann", "balance": "98.788", "reserved": "0", "positions": {"M": "2"}}],
            "orders": [
                {
                    "order_id": "o1",
                    "client_id": "o1",
                    "account": "ann",
                    "listing": "M",
                    "side": "buy",
                    "price": "0.61",
                    "size": "2",
                    "cash": None,
                    "time_in_force": "good_till_cancelled",
                    "status": "filled",
                    "reason": "",
                    "filled": "2",
                    "value": "1.2",
                    "fees": "0.012",
                    "created_ms": 1_000,
                    "expires_ms": None,
                }
            ],
            "fills": [
                {
                    "trade_id": 4,
                    "order_id": "o1",
                    "client_id": "o1",
                    "account": "ann",
                    "listing": "M",
                    "side": "buy",
                    "price": "0.6",
                    "size": "2",
                    "fee": "0.012",
                    "fee_shares": "0",
                    "taker": True,
                    "at_ms": 1_000,
                }
            ],
            "fees_collected": "0.012",
        },
    )


def test_the_ledger_of_one_account_is_only_its_own(desk: Desk) -> None:
    desk.trade()
    desk.ask("POST", "accounts", {"credentials": {"key": "bob"}})
    ledger = desk.ask("GET", "ledger", account="bob")[1]
    assert [account["account"] for account in ledger["accounts"]] == ["bob"]
    assert (ledger["orders"], ledger["fills"]) == ([], [])
    house = desk.ask("GET", "ledger", account="house")[1]
    assert [order["price"] for order in house["orders"]] == ["0.4", "0.39", "0.6"]
    assert desk.ask("GET", "ledger", account="eve")[0] == 404


def test_a_book_is_set_exactly_and_its_maker_is_told_to_stop(desk: Desk) -> None:
    assert desk.ask("PUT", "books/M", BOOK) == (200, BOOK)
    assert desk.ask("GET", "books/M") == (200, BOOK)
    assert desk.ask("PUT", "books/M", {"bids": [], "asks": []}) == (200, {"bids": [], "asks": []})
    assert desk.released == ["M", "M"]


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"bids": [["0.6", "1"]], "asks": [["0.6", "1"]]}, "bids, asks: crossed"),
        ({"bids": [["0.405", "1"]], "asks": []}, "bids[0] price: 0.405 is not on the listing's grid"),
        ({"bids": [], "asks": [["0.6", "1"], ["0.60", "1"]]}, "asks[1] price: 0.60 appears twice"),
        ({"bids": [["0", "1"]], "asks": []}, "bids[0] price: must be above 0"),
        ({"bids": [], "asks": [["1", "1"]]}, "asks[0] price: must be above 0 and below 1"),
        ({"bids": [["0.4", "0"]], "asks": []}, "bids[0] size: must be a positive multiple of 0.01"),
        ({"bids": [["0.4", "0.005"]], "asks": []}, "bids[0] size: must be a positive multiple of 0.01"),
        ({"bids": [["-0.4", "1"]], "asks": []}, "bids[0] price: not a plain decimal"),
        ({"bids": [["0.4", "1e3"]], "asks": []}, "bids[0] size: not a plain decimal"),
        ({"bids": [[0.4, 1]], "asks": []}, "$.bids[0][0]"),
        ({"bids": [["0.4"]], "asks": []}, "$.bids[0]"),
        ({"bids": []}, "asks"),
        ({"bids": [], "asks": [], "as": []}, "as"),
        (b"garbage", "JSON"),
        (b"", "truncated"),
    ],
)
def test_a_book_that_cannot_be_is_refused_and_nothing_changes(desk: Desk, wish: object, told: str) -> None:
    desk.ask("PUT", "books/M", BOOK)
    status, reply = desk.ask("PUT", "books/M", wish)
    assert status == 400
    assert told in reply["error"]
    assert desk.ask("GET", "books/M")[1] == BOOK


def test_a_halted_listings_book_is_left_as_it_is(desk: Desk) -> None:
    desk.ask("PUT", "books/M", BOOK)
    desk.sim.exchange.halt(desk.sim.exchange.markets["M"], "closed", 0)
    assert desk.ask("PUT", "books/M", BOOK)[0] == 400
    assert desk.ask("GET", "books/M")[1] == BOOK


def test_an_account_comes_with_credentials_money_and_shares(desk: Desk) -> None:
    wish = {"balance": "12.5", "positions": {"M": "3", "M:inverted": "4"}}
    status, opened = desk.ask("POST", "accounts", wish)
    assert status == 200
    assert opened["credentials"] == {"key": opened["account"]}
    [account] = desk.ask("GET", "ledger", account=opened["account"])[1]["accounts"]
    assert (account["balance"], account["positions"]) == ("12.5", {"M": "3", "M:inverted": "4"})


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"balance": 5}, "$.balance"),
        ({"balance": "-5"}, "balance: not a plain decimal"),
        ({"positions": {"X": "1"}}, "positions: no listing 'X'"),
        ({"positions": {"M": "1.0000001"}}, "positions['M']: not an exact count"),
        ({"credentials": {"key": "ann"}}, "credentials.key: 'ann' is taken"),
        ([], "object"),
    ],
)
def test_a_wrong_wish_for_an_account_opens_none(desk: Desk, wish: object, told: str) -> None:
    status, reply = desk.ask("POST", "accounts", wish)
    assert status == 400
    assert told in reply["error"]
    assert len(desk.ask("GET", "ledger")[1]["accounts"]) == 1


def test_a_market_can_be_listed_once(desk: Desk) -> None:
    assert desk.ask("POST", "markets", {"name": "N"}) == (200, {"listings": ["N"]})
    status, reply = desk.ask("POST", "markets", {"name": "N"})
    assert (status, reply["error"]) == (400, "name: 'N' is listed already")


def test_faults_are_set_shown_and_cleared(desk: Desk) -> None:
    wish = {"fault": "late", "call": "POST", "times": 3}
    shown = {"faults": [wish | {"seen": 0, "applied": 0}]}
    assert desk.ask("PUT", "faults", wish) == (200, shown)
    assert desk.ask("PUT", "faults", {"fault": "late"})[0] == 400
    assert desk.ask("GET", "faults") == (200, shown)
    assert desk.ask("PUT", "faults", {}) == (200, {"faults": []})


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"offset_ms": 1, "fixed_ms": 2}, "offset_ms, fixed_ms: give one"),
        ({"offset_ms": "1"}, "$.offset_ms"),
        ({"offset_ms": 10**15}, "$.offset_ms"),
        ({"advance_ms": -1}, "$.advance_ms"),
        ({"offset": 1}, "offset"),
    ],
)
def test_a_wrong_time_is_refused(desk: Desk, wish: object, told: str) -> None:
    status, reply = desk.ask("POST", "clock", wish)
    assert status == 400
    assert told in reply["error"]
    assert desk.ask("GET", "clock")[1] == {"now_ms": 1_000, "real_ms": 1_000}


def test_knobs_keep_their_names_and_types(desk: Desk) -> None:
    assert desk.ask("POST", "knobs", {"delay_ms": 5}) == (200, {"knobs": {"polite": True, "delay_ms": 5}})
    for wish, told in (({"delay": 5}, "delay: no such knob"), ({"polite": 1}, "polite: takes bool, was 1")):
        status, reply = desk.ask("POST", "knobs", {"delay_ms": 9} | wish)
        assert status == 400
        assert told in reply["error"]
    assert desk.ask("GET", "knobs")[1]["knobs"]["delay_ms"] == 5
    del desk.sim.knobs
    assert desk.ask("GET", "knobs")[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "", 404),
        ("GET", "nothing", 404),
        ("GET", "books/X", 404),
        ("PUT", "books/X", 404),
        ("DELETE", "ledger", 405),
        ("POST", "faults", 405),
    ],
)
def test_what_is_not_there_is_said_so(desk: Desk, method: str, path: str, status: int) -> None:
    found, reply = desk.ask(method, path, {"bids": [], "asks": []})
    assert found == status
    assert reply["error"]


def test_a_call_written_as_in_the_documents_works_behind_the_printed_url_too(desk: Desk) -> None:
    assert desk.ask("GET", "_sim/ledger") == desk.ask("GET", "ledger")
    assert desk.ask("PUT", "_sim/books/M", BOOK)[0] == 200
    assert desk.ask("GET", "_sim/_sim/ledger")[0] == 404
