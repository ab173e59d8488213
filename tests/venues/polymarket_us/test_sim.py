"""The simulated venue keeps the card: signatures, order types, states, both sockets, and its faults by knob.

The venue's official clients for Python and Node were run against it unchanged; what they did is repeated here
with requests made by hand.
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.venues.polymarket_us.examples import usd
from venues.base.http import Response
from venues.base.units import ONE, Price, Size, micros
from venues.polymarket_us.sim import PolymarketUsSimulator
from venues.polymarket_us.sim_socket import PolymarketUsSocket
from venues.sim.contract import Call

NOW = 1_795_183_200_000
SEED = bytes([7]) * 32
CREDENTIALS = {"key_id": "key-1", "secret_key": b64encode(SEED).decode()}
Json = dict[str, Any]


class Trader:
    """A venue with one market, and a customer who signs by hand."""

    def __init__(
        self, balance: str = "1000", *, positions: Mapping[str, str] | None = None, **market: str
    ) -> None:
        self.sim = PolymarketUsSimulator(1)
        self.now = NOW
        [self.slug] = self.sim.list_market({"slug": "m", **market})
        wish = {"balance": balance, "credentials": CREDENTIALS, "positions": positions or {}}
        self.sim.open_account(wish, NOW)
        self.book(bids=[("0.54", "120"), ("0.53", "400.5")], asks=[("0.56", "75"), ("0.57", "250")])

    def book(self, bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> None:
        below, above = ([(Price(micros(p)), Size(micros(s))) for p, s in side] for side in (bids, asks))
        self.sim.exchange.set_book(self.slug, below, above, self.now)

    def headers(self, method: str, path: str, *, stamp: int | None = None) -> dict[str, str]:
        at = self.now if stamp is None else stamp
        signature = Ed25519PrivateKey.from_private_bytes(SEED).sign(f"{at}{method}{path}".encode())
        return {
            "x-pm-access-key": "key-1",
            "x-pm-timestamp": str(at),
            "x-pm-signature": b64encode(signature).decode(),
        }

    def raw(self, method: str, path: str, body: object = None, **query: str) -> Response:
        self.now += 1
        data = b"" if body is None else json.dumps(body).encode()
        call = Call(method=method, path=path, query=query, headers=self.headers(method, path), body=data)
        return self.sim.answer(call, self.now)

    def get(self, path: str, **query: str) -> Json:
        response = self.raw("GET", path, **query)
        assert response.status == 200, response.body
        return json.loads(response.body)  # type: ignore[no-any-return]  # the venue's JSON

    def post(self, path: str, body: object) -> Json:
        response = self.raw("POST", path, body)
        assert response.status == 200, response.body
        return json.loads(response.body) if response.body else {}

    def order(
        self, intent: str, price: str, size: float, *, tif: str = "IMMEDIATE_OR_CANCEL", **more: object
    ) -> Json:
        """A limit order that is waited for."""
        return self.post("/v1/orders", self.limit(intent, price, size, tif=tif, **more))

    def limit(
        self, intent: str, price: str, size: float, *, tif: str = "IMMEDIATE_OR_CANCEL", **more: object
    ) -> Json:
        return {
            "marketSlug": self.slug, "intent": f"ORDER_INTENT_{intent}", "type": "ORDER_TYPE_LIMIT",
            "price": usd(price), "quantity": size, "tif": f"TIME_IN_FORCE_{tif}",
            "synchronousExecution": True, "maxBlockTime": "5",
        } | more  # fmt: skip

    def state(self, order_id: str) -> Json:
        return self.get(f"/v1/order/{order_id}")["order"]  # type: ignore[no-any-return]  # the venue's JSON

    def net(self) -> str:
        held = self.get("/v1/portfolio/positions")["positions"]
        return held[self.slug]["netPositionDecimal"] if self.slug in held else "0"

    def cash(self) -> Decimal:
        return Decimal(str(self.get("/v1/account/balances")["balances"][0]["currentBalance"]))

    def connect(self, path: str) -> PolymarketUsSocket:
        socket = self.sim.connect(Call(method="GET", path=path, headers=self.headers("GET", path)), self.now)
        assert isinstance(socket, PolymarketUsSocket)
        return socket

    def subscribe(self, path: str, kind: str, **more: object) -> PolymarketUsSocket:
        socket = self.connect(path)
        said = {"requestId": "r", "subscriptionType": f"SUBSCRIPTION_TYPE_{kind}", **more}
        socket.receive(json.dumps({"subscribe": said}), self.now)
        return socket


def taken(socket: PolymarketUsSocket) -> list[Json]:
    frames, socket.outbox[:] = [json.loads(text) for text in socket.outbox], []
    return frames


def kinds(reply: Json) -> list[str]:
    return [e["type"].removeprefix("EXECUTION_TYPE_") for e in reply["executions"]]


def last(reply: Json) -> Json:
    return reply["executions"][-1]["order"]  # type: ignore[no-any-return]  # the venue's JSON


def refused(response: Response, status: int, word: str = "") -> None:
    assert response.status == status, response.body
    assert word in json.loads(response.body)["message"]


# --- signatures ---


def test_a_signature_holds_for_its_time_method_and_path() -> None:
    trader, path = Trader(), "/v1/account/balances"

    def asked(headers: dict[str, str], *, method: str = "GET", at: str = path) -> int:
        return trader.sim.answer(Call(method=method, path=at, headers=headers), NOW).status

    good = trader.headers("GET", path)
    assert asked(good) == 200
    assert asked(trader.headers("GET", path, stamp=NOW - 30_000)) == 200
    assert asked(trader.headers("GET", path, stamp=NOW + 30_000)) == 200
    bad = [
        trader.headers("GET", path, stamp=NOW - 30_001), trader.headers("GET", path, stamp=NOW + 30_001),
        trader.headers("POST", path), trader.headers("GET", path + "?a=1"), {},
        good | {"x-pm-access-key": "other"}, good | {"x-pm-timestamp": "soon"},
        good | {"x-pm-signature": "AAAA"},
    ]  # fmt: skip
    assert [asked(headers) for headers in bad] == [401] * len(bad)
    assert asked(good, at="/v1/orders/open") == 401


def test_both_sockets_need_a_signature_and_public_reads_none() -> None:
    trader = Trader()
    for path in ("/v1/ws/markets", "/v1/ws/private"):
        answer = trader.sim.connect(Call(method="GET", path=path), NOW)
        assert isinstance(answer, Response)
        assert answer.status == 401
        trader.connect(path)
    for path in ("/v1/markets", "/v1/market/slug/m", "/v1/market/id/1", "/v1/markets/m/book",
                 "/v1/markets/m/bbo", "/v1/events", "/v1/events/1", "/v1/events/slug/m"):  # fmt: skip
        assert trader.sim.answer(Call(method="GET", path=path), NOW).status == 200
    for path in ("/v1/market/slug/x", "/v1/market/id/9", "/v1/markets/x/book", "/v1/nothing", "/v1/events/x",
                 "/v1/markets/m/settlement"):  # fmt: skip
        refused(trader.sim.answer(Call(method="GET", path=path), NOW), 404)


# --- immediate orders ---


def test_an_immediate_order_has_an_execution_per_level_and_a_fee_for_each() -> None:
    trader = Trader()
    reply = trader.order("BUY_LONG", "0.57", 100)
    assert kinds(reply) == ["NEW", "PARTIAL_FILL", "FILL"]
    fills = [
        (e["lastShares"], e["lastPx"]["value"], e["commissionNotionalCollected"]["value"])
        for e in reply["executions"][1:]
    ]
    assert fills == [("75", "0.56", "1.28"), ("25", "0.57", "0.43")]
    row = last(reply)
    assert (row["state"], row["cumQuantity"], row["leavesQuantity"]) == ("ORDER_STATE_FILLED", 100, 0)
    assert (row["avgPx"]["value"], row["commissionNotionalTotalCollected"]["value"]) == ("0.5625", "1.71")
    assert trader.state(reply["id"]) == row
    assert (trader.net(), trader.cash()) == ("100", Decimal(1000) - Decimal("56.25") - Decimal("1.71"))


def test_what_is_left_of_an_immediate_order_is_cancelled_and_fill_or_kill_does_nothing() -> None:
    trader = Trader()
    assert kinds(trader.order("BUY_LONG", "0.56", 100)) == ["NEW", "PARTIAL_FILL", "CANCELED"]
    killed = trader.order("BUY_LONG", "0.57", 251, tif="FILL_OR_KILL")
    assert (kinds(killed), last(killed)["cumQuantity"]) == (["NEW", "CANCELED"], 0)
    assert last(trader.order("BUY_LONG", "0.57", 250, tif="FILL_OR_KILL"))["state"] == "ORDER_STATE_FILLED"


@pytest.mark.parametrize(
    ("intent", "side", "price", "net", "positions"),
    [
        ("BUY_LONG", "BUY", "0.56", "10", {}),
        ("BUY_SHORT", "SELL", "0.54", "-10", {}),
        ("SELL_LONG", "SELL", "0.54", "20", {"m": "30"}),
        ("SELL_SHORT", "BUY", "0.56", "-20", {"m:inverted": "30"}),
    ],
)
def test_every_intent_trades_at_the_long_price(
    intent: str, side: str, price: str, net: str, positions: dict[str, str]
) -> None:
    trader = Trader(positions=positions)
    before = trader.cash()
    row = last(trader.order(intent, price, 10))
    assert (row["side"], row["avgPx"]["value"], trader.net()) == (f"ORDER_SIDE_{side}", price, net)
    paid = Decimal(price) if intent.endswith("LONG") else 1 - Decimal(price)
    sign = -1 if intent.startswith("BUY") else 1
    assert trader.cash() == before + sign * 10 * paid - Decimal(
        row["commissionNotionalTotalCollected"]["value"]
    )
    trader.sim.exchange.audit()


def test_a_position_is_one_signed_number_and_crossing_it_pays_out_the_pairs() -> None:
    trader = Trader(positions={"m": "30"})
    before = trader.cash()
    trader.order("BUY_SHORT", "0.54", 40)
    assert trader.net() == "-10"
    assert trader.cash() == before + 30 - 40 * Decimal("0.46") - Decimal("0.69")


@given(st.sampled_from(["BUY_LONG", "BUY_SHORT"]), st.integers(1, 50_000), st.integers(1, 99))
@settings(max_examples=examples(30))
def test_fees_are_the_formula_in_half_even_cents(intent: str, hundredths: int, cents: int) -> None:
    trader = Trader(balance="1000000")
    price = f"0.{cents:02}"
    trader.book(
        bids=[(price, "10000")] if "SHORT" in intent else [],
        asks=[] if "SHORT" in intent else [(price, "10000")],
    )
    size, p = Decimal(hundredths) / 100, Decimal(cents) / 100
    row = last(trader.order(intent, price, float(size)))
    exact = Decimal("0.0695") * size * p * (1 - p)
    charged = Decimal(row["commissionNotionalTotalCollected"]["value"])
    assert charged == exact.quantize(Decimal("0.01"), ROUND_HALF_EVEN)


def test_half_a_cent_goes_to_the_even_one() -> None:
    trader = Trader(fee_coefficient="0.05")
    trader.book(bids=[], asks=[("0.50", "10")])
    assert last(trader.order("BUY_LONG", "0.50", 10))["commissionNotionalTotalCollected"] == usd("0.12")


def test_a_market_order_spends_cash_within_its_tolerance() -> None:
    trader = Trader()
    market = {"marketSlug": "m", "intent": "ORDER_INTENT_BUY_LONG", "type": "ORDER_TYPE_MARKET",
              "tif": "TIME_IN_FORCE_IMMEDIATE_OR_CANCEL", "cashOrderQty": usd("50.00"),
              "synchronousExecution": True}  # fmt: skip
    near = trader.post(
        "/v1/orders", market | {"slippageTolerance": {"currentPrice": usd("0.55"), "ticks": 1}}
    )
    assert (kinds(near), last(near)["cumQuantity"]) == (["NEW", "PARTIAL_FILL", "CANCELED"], 75)
    far = trader.post(
        "/v1/orders", market | {"slippageTolerance": {"currentPrice": usd("0.55"), "bips": 400}}
    )
    assert (last(far)["state"], last(far)["cumQuantity"]) == ("ORDER_STATE_FILLED", 87.71)
    free = trader.post("/v1/orders", market | {"cashOrderQty": usd("10")})
    assert last(free)["cashOrderQty"] == usd("10")


def test_a_market_sale_names_shares_and_a_position_is_closed_whole() -> None:
    trader = Trader(positions={"m:inverted": "30"})
    sale = {"marketSlug": "m", "intent": "ORDER_INTENT_SELL_SHORT", "type": "ORDER_TYPE_MARKET",
            "quantity": 10, "synchronousExecution": True}  # fmt: skip
    assert last(trader.post("/v1/orders", sale))["state"] == "ORDER_STATE_FILLED"
    closed = trader.post("/v1/order/close-position", {"marketSlug": "m", "synchronousExecution": True})
    assert (last(closed)["cumQuantity"], last(closed)["intent"]) == (20, "ORDER_INTENT_SELL_SHORT")
    refused(trader.raw("POST", "/v1/order/close-position", {"marketSlug": "m"}), 400, "no position")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"marketSlug": "x"}, "no market"),
        ({"price": usd("0.555")}, "price"),
        ({"price": usd("1.00")}, "price"),
        ({"price": None}, "limit order"),
        ({"quantity": 0}, "quantity"),
        ({"quantity": 0.001}, "quantity"),
        ({"quantity": None}, "exactly one"),
        ({"cashOrderQty": usd("5")}, "exactly one"),
        ({"intent": "BUY"}, "intent"),
        ({"tif": "TIME_IN_FORCE_DAY"}, "tif"),
        ({"tif": "TIME_IN_FORCE_GOOD_TILL_DATE"}, "goodTillTime"),
        ({"tif": "TIME_IN_FORCE_GOOD_TILL_DATE", "goodTillTime": "2020-01-01T00:00:00Z"}, "ahead"),
        ({"participateDontInitiate": True}, "participateDontInitiate"),
        ({"slippageTolerance": {"currentPrice": usd("0.5"), "ticks": 1}}, "tolerance"),
        ({"type": "ORDER_TYPE_MARKET"}, "only for limit"),
        ({"type": "ORDER_TYPE_MARKET", "price": None, "tif": "TIME_IN_FORCE_GOOD_TILL_CANCEL"},
         "market order"),
        ({"type": "ORDER_TYPE_MARKET", "price": None, "quantity": None, "cashOrderQty": usd("5"),
          "intent": "ORDER_INTENT_SELL_LONG"}, "cashOrderQty"),
        ({"type": "ORDER_TYPE_MARKET", "price": None, "slippageTolerance": {"currentPrice": usd("0.5")}},
         "either"),
    ],
)  # fmt: skip
def test_a_malformed_order_is_refused_by_name_and_changes_nothing(change: Json, word: str) -> None:
    trader = Trader()
    status = 404 if "marketSlug" in change else 400
    body = {k: v for k, v in (trader.limit("BUY_LONG", "0.57", 10) | change).items() if v is not None}
    refused(trader.raw("POST", "/v1/orders", body), status, word)
    assert trader.get("/v1/orders/open") == {"orders": []}
    assert trader.cash() == 1_000


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (("BUY_LONG", "0.57", 50), "INSUFFICIENT_FUNDS"),
        (("SELL_LONG", "0.54", 1), "INSUFFICIENT_POSITION"),
    ],
)
def test_what_the_account_cannot_do_is_accepted_and_rejected(
    order: tuple[str, str, int], reason: str
) -> None:
    trader = Trader(balance="28.20")
    reply = trader.order(*order)
    assert (kinds(reply), last(reply)["state"]) == (["REJECTED"], "ORDER_STATE_REJECTED")
    assert reply["executions"][0]["orderRejectReason"] == f"ORD_REJECT_REASON_{reason}"
    assert trader.cash() == Decimal("28.20")


def test_a_market_that_stands_still_takes_no_orders() -> None:
    trader = Trader()
    trader.sim.knobs["states"] = {"m": "SUSPENDED"}
    reply = trader.order("BUY_LONG", "0.57", 1)
    assert reply["executions"][0]["orderRejectReason"] == "ORD_REJECT_REASON_EXCHANGE_CLOSED"
    assert trader.get("/v1/markets/m/book")["marketData"]["state"] == "MARKET_STATE_SUSPENDED"
    trader.sim.knobs["states"] = {"m": "OPEN"}
    assert kinds(trader.order("BUY_LONG", "0.57", 1)) == ["NEW", "FILL"]


# --- orders that rest ---


def test_a_resting_order_is_listed_filled_and_paid_its_rebate() -> None:
    trader = Trader()
    rests = trader.order("BUY_LONG", "0.55", 100, tif="GOOD_TILL_CANCEL", participateDontInitiate=True)
    assert kinds(rests) == ["NEW"]
    assert [row["id"] for row in trader.get("/v1/orders/open", slugs="m,x")["orders"]] == [rests["id"]]
    assert trader.get("/v1/orders/open", slugs="x") == {"orders": []}
    trader.sim.exchange.set_book("m", [], [(Price(550_000), Size(40 * ONE))], trader.now)
    row = trader.state(rests["id"])
    assert (row["state"], row["cumQuantity"], row["leavesQuantity"]) == (
        "ORDER_STATE_PARTIALLY_FILLED",
        40,
        60,
    )
    assert row["commissionNotionalTotalCollected"] == usd("-0.12")
    assert trader.cash() == 1_000 - 22 + Decimal("0.12")


def test_a_post_only_order_that_would_trade_is_rejected() -> None:
    reply = Trader().order("BUY_LONG", "0.56", 1, tif="GOOD_TILL_CANCEL", participateDontInitiate=True)
    assert kinds(reply) == ["REJECTED"]


def test_an_order_lives_until_its_time() -> None:
    trader = Trader()
    ends = {"goodTillTime": "2026-11-20T14:00:10.000Z"}
    rests = trader.order("BUY_SHORT", "0.60", 5, tif="GOOD_TILL_DATE", **ends)
    assert trader.state(rests["id"])["goodTillTime"] == "2026-11-20T14:00:10.000000000Z"
    trader.now = NOW + 10_000
    assert trader.state(rests["id"])["state"] == "ORDER_STATE_EXPIRED"


def test_a_cancelled_order_is_gone_and_cannot_be_cancelled_again() -> None:
    trader = Trader()
    order_id = trader.order("BUY_LONG", "0.40", 5, tif="GOOD_TILL_CANCEL")["id"]
    refused(trader.raw("POST", f"/v1/order/{order_id}/cancel", {"marketSlug": "x"}), 400, "marketSlug")
    assert trader.raw("POST", f"/v1/order/{order_id}/cancel", {"marketSlug": "m"}).body == b""
    assert trader.state(order_id)["state"] == "ORDER_STATE_CANCELED"
    refused(trader.raw("POST", f"/v1/order/{order_id}/cancel", {"marketSlug": "m"}), 400, "canceled")
    refused(trader.raw("POST", "/v1/order/none/cancel", {"marketSlug": "m"}), 404)


def test_a_changed_order_keeps_its_id_and_its_fills() -> None:
    trader = Trader()
    order_id = trader.order("BUY_LONG", "0.55", 10, tif="GOOD_TILL_CANCEL")["id"]
    trader.sim.exchange.set_book("m", [], [(Price(550_000), Size(4 * ONE))], trader.now)
    refused(
        trader.raw("POST", f"/v1/order/{order_id}/modify", {"marketSlug": "m", "quantity": 4}),
        400,
        "quantity",
    )
    trader.post(f"/v1/order/{order_id}/modify", {"marketSlug": "m", "price": usd("0.52"), "quantity": 12})
    row = trader.state(order_id)
    assert (row["price"], row["quantity"], row["cumQuantity"], row["state"]) == (
        usd("0.52"), 12, 4, "ORDER_STATE_PARTIALLY_FILLED",
    )  # fmt: skip
    trader.sim.exchange.set_book("m", [], [(Price(520_000), Size(8 * ONE))], trader.now)
    assert trader.state(order_id)["state"] == "ORDER_STATE_FILLED"
    assert trader.net() == "12"
    trader.sim.exchange.audit()


def test_orders_are_cancelled_all_at_once_or_by_market() -> None:
    trader = Trader()
    trader.sim.list_market({"slug": "n"})
    ids = [trader.order("BUY_LONG", "0.40", n, tif="GOOD_TILL_CANCEL")["id"] for n in (1, 2)]
    other = trader.order("BUY_LONG", "0.40", 1, tif="GOOD_TILL_CANCEL", marketSlug="n")["id"]
    assert trader.post("/v1/orders/open/cancel", {"slugs": ["m"]}) == {"canceledOrderIds": ids}
    assert trader.post("/v1/orders/open/cancel", {}) == {"canceledOrderIds": [other]}


def test_batches_are_taken_for_processing() -> None:
    trader = Trader()
    bodies = [trader.limit("BUY_LONG", price, 1, tif="GOOD_TILL_CANCEL") for price in ("0.40", "0.41")]
    ids = trader.post("/v1/orders/batched", {"orders": bodies})["createdOrderIds"]
    change = {"orderId": ids[0], "marketSlug": "m", "price": usd("0.42")}
    assert trader.post("/v1/orders/batched/modify", {"orders": [change]}) == {"modifiedOrderIds": ids[:1]}
    assert trader.state(ids[0])["price"] == usd("0.42")
    gone = [{"orderId": order_id, "marketSlug": "m"} for order_id in (*ids, "none")]
    assert trader.post("/v1/orders/batched/cancel", {"orders": gone}) == {"canceledOrderIds": [*ids, "none"]}
    assert trader.get("/v1/orders/open") == {"orders": []}
    refused(trader.raw("POST", "/v1/orders/batched", {"orders": bodies * 11}), 400, "at most 20")
    refused(trader.raw("POST", "/v1/orders/batched", {"orders": [*bodies, {}]}), 400)
    assert trader.get("/v1/orders/open") == {"orders": []}


def test_a_preview_is_what_the_order_would_do() -> None:
    for body in ({"quantity": 100, "price": usd("0.57"), "type": "ORDER_TYPE_LIMIT"},
                 {"cashOrderQty": usd("60"), "type": "ORDER_TYPE_MARKET"}):  # fmt: skip
        trader = Trader()
        order = {
            "marketSlug": "m",
            "intent": "ORDER_INTENT_BUY_LONG",
            "tif": "TIME_IN_FORCE_IMMEDIATE_OR_CANCEL",
            **body,
        }
        seen = trader.post("/v1/order/preview", {"request": order})["order"]
        assert trader.net() == "0"
        done = last(trader.post("/v1/orders", order | {"synchronousExecution": True}))
        for name in ("cumQuantity", "avgPx", "commissionNotionalTotalCollected"):
            assert seen[name] == done[name]


# --- what the account sees ---


def test_activities_are_the_trades_with_both_executions() -> None:
    trader = Trader()
    reply = trader.order("BUY_LONG", "0.57", 100)
    page = trader.get("/v1/portfolio/activities", types="ACTIVITY_TYPE_TRADE", marketSlug="m", limit="1",
                      sortOrder="SORT_ORDER_DESCENDING")  # fmt: skip
    assert (page["eof"], len(page["activities"])) == (False, 1)
    trade = page["activities"][0]["trade"]
    assert trade["aggressorExecution"] == reply["executions"][-1]
    assert trade["passiveExecution"]["order"]["intent"] == "ORDER_INTENT_UNDEFINED"
    following = trader.get("/v1/portfolio/activities", cursor=page["nextCursor"])
    assert (following["eof"], following["activities"][0]["trade"]["qtyDecimal"]) == (True, "75")
    trader.sim.knobs["trade_executions"] = False
    trader.order("BUY_LONG", "0.57", 1)
    assert "aggressorExecution" not in trader.get("/v1/portfolio/activities")["activities"][0]["trade"]


def test_a_position_knows_what_it_cost_and_brought() -> None:
    trader = Trader()
    trader.order("BUY_LONG", "0.56", 50)
    trader.order("SELL_LONG", "0.54", 20)
    trader.order("SELL_LONG", "0.60", 10, tif="GOOD_TILL_CANCEL")
    row = trader.get("/v1/portfolio/positions", market="m")["positions"]["m"]
    assert (row["netPosition"], row["netPositionDecimal"], row["qtyAvailableDecimal"]) == ("30", "30", "20")
    assert (row["cost"], row["realized"], row["qtySold"]) == (usd("16.80"), usd("-0.40"), "20")


# --- sockets ---


def test_a_book_comes_whole_after_every_change() -> None:
    trader = Trader()
    socket = trader.subscribe("/v1/ws/markets", "MARKET_DATA", marketSlugs=["m"])
    [first] = taken(socket)
    assert first["marketData"]["offers"][0] == {"px": usd("0.56"), "qty": "75"}
    trader.order("BUY_LONG", "0.57", 80)
    [second] = taken(socket)
    assert second["marketData"]["offers"] == [{"px": usd("0.57"), "qty": "245"}]
    assert second["marketData"]["transactTime"] > first["marketData"]["transactTime"]


def test_trades_and_best_prices_have_subscriptions_of_their_own() -> None:
    trader = Trader()
    trades = trader.subscribe("/v1/ws/markets", "TRADE", marketSlugs=["m"])
    lite = trader.subscribe("/v1/ws/markets", "MARKET_DATA_LITE", marketSlugs=["m"])
    trader.order("BUY_SHORT", "0.54", 20)
    [trade] = taken(trades)
    assert trade["trade"]["taker"] == {"side": "ORDER_SIDE_SELL", "intent": "ORDER_INTENT_BUY_SHORT"}
    assert (trade["trade"]["price"], trade["trade"]["quantity"]) == (usd("0.54"), usd("20"))
    assert [f["marketDataLite"]["bestBid"] for f in taken(lite)] == [usd("0.54")] * 2
    trades.receive('{"unsubscribe":{"requestId":"r"}}', NOW)
    trader.order("BUY_SHORT", "0.54", 20)
    assert taken(trades) == []


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({"requestId": "r"}, "already"),
        ({"requestId": "x"}, "already"),
        ({"requestId": "x", "marketSlugs": []}, "missing"),
        ({"requestId": "x", "marketSlugs": ["nope"]}, "not found: nope"),
        ({"requestId": "x", "marketSlugs": ["m"] * 101}, "at most 100"),
        ({"requestId": "x", "subscriptionType": "SUBSCRIPTION_TYPE_ORDER"}, "unknown"),
    ],
)
def test_a_bad_subscription_is_refused_whole_and_the_others_go_on(said: Json, word: str) -> None:
    trader = Trader()
    socket = trader.subscribe("/v1/ws/markets", "MARKET_DATA", marketSlugs=["m"])
    taken(socket)
    body = {"subscriptionType": "SUBSCRIPTION_TYPE_MARKET_DATA", "marketSlugs": ["m"]} | said
    socket.receive(json.dumps({"subscribe": body}), NOW)
    [error] = taken(socket)
    assert word in error["error"]
    assert error["requestId"] == said["requestId"]
    trader.order("BUY_LONG", "0.57", 1)
    assert len(taken(socket)) == 1
    socket.receive("[", NOW)
    assert "error" in taken(socket)[0]


def test_orders_are_heard_and_those_that_rest_are_listed() -> None:
    trader = Trader()
    rests = trader.order("BUY_LONG", "0.40", 5, tif="GOOD_TILL_CANCEL")["id"]
    orders = trader.subscribe("/v1/ws/private", "ORDER")
    [snapshot] = taken(trader.subscribe("/v1/ws/private", "ORDER_SNAPSHOT"))
    assert snapshot["orderSubscriptionSnapshot"]["eof"] is True
    assert [row["id"] for row in snapshot["orderSubscriptionSnapshot"]["orders"]] == [rests]
    reply = trader.order("BUY_LONG", "0.57", 80)
    assert [f["orderSubscriptionUpdate"]["execution"] for f in taken(orders)] == reply["executions"]


def test_positions_and_balances_are_heard() -> None:
    trader = Trader()
    positions = trader.subscribe("/v1/ws/private", "POSITION", marketSlugs=["m"])
    money = trader.subscribe("/v1/ws/private", "ACCOUNT_BALANCE")
    assert taken(money)[0]["accountBalancesSnapshot"]["balances"][0]["buyingPower"] == 1000
    trader.order("BUY_LONG", "0.56", 10)
    moved = taken(positions)[-1]["positionSubscription"]
    assert (moved["beforePosition"]["netPosition"], moved["afterPosition"]["netPosition"]) == ("10", "10")
    change = taken(money)[-1]["accountBalancesUpdate"]["balanceChange"]
    assert Decimal(str(change["afterBalance"]["currentBalance"])) == trader.cash()


def test_a_heartbeat_comes_every_thirty_seconds() -> None:
    trader = Trader()
    socket = trader.connect("/v1/ws/markets")
    for after, beats in ((29_999, 0), (30_000, 1), (30_001, 0), (60_000, 1)):
        socket.tick(trader.now + after)
        assert taken(socket) == [{"heartbeat": {}}] * beats


# --- knobs ---


def test_a_reply_may_come_without_the_end() -> None:
    trader = Trader()
    trader.sim.knobs["sync"] = "partial"
    assert kinds(trader.order("BUY_LONG", "0.57", 80)) == ["NEW", "PARTIAL_FILL"]
    trader.sim.knobs["sync"] = "none"
    assert trader.order("BUY_LONG", "0.57", 1)["executions"] == []


def test_updates_may_come_after_the_reply() -> None:
    trader = Trader()
    trader.sim.knobs["updates_later"] = True
    orders = trader.subscribe("/v1/ws/private", "ORDER")
    trader.order("BUY_LONG", "0.57", 1)
    assert taken(orders) == []
    trader.sim.tick(trader.now)
    assert len(taken(orders)) == 2


def test_reads_may_lag() -> None:
    trader = Trader()
    trader.sim.knobs["read_lag_ms"] = 1_000
    order_id = trader.order("BUY_LONG", "0.57", 1)["id"]
    assert trader.raw("GET", f"/v1/order/{order_id}").status == 404
    assert trader.get("/v1/portfolio/activities")["activities"] == []
    trader.now += 1_000
    assert trader.state(order_id)["state"] == "ORDER_STATE_FILLED"
    assert len(trader.get("/v1/portfolio/activities")["activities"]) == 1


def test_the_exchange_may_be_too_busy() -> None:
    trader = Trader()
    trader.sim.knobs["busy"] = 1
    reply = trader.order("BUY_LONG", "0.57", 1)
    assert (kinds(reply), reply["executions"][0]["text"]) == (["REJECTED"], "Global Rate Limit Exceeded")
    assert kinds(trader.order("BUY_LONG", "0.57", 1)) == ["NEW", "FILL"]


def test_calls_may_be_too_many() -> None:
    trader = Trader()
    trader.sim.knobs["rate_limit"] = 20
    statuses = [trader.raw("GET", "/v1/account/balances").status for _ in range(21)]
    assert statuses == [200] * 20 + [429]
    trader.now += 1_000
    assert trader.raw("GET", "/v1/account/balances").status == 200


def test_maintenance_answers_nothing_and_drops_everybody() -> None:
    trader = Trader()
    socket = trader.connect("/v1/ws/private")
    trader.sim.knobs["maintenance"] = True
    refused(trader.raw("POST", "/v1/orders", trader.limit("BUY_LONG", "0.57", 1)), 503)
    assert socket.closed
    assert isinstance(trader.sim.connect(Call(method="GET", path="/v1/ws/private"), NOW), Response)


def test_an_order_repeated_to_the_last_byte_is_taken_once_and_a_new_signature_twice() -> None:
    trader = Trader()
    body = json.dumps(trader.limit("BUY_LONG", "0.57", 10)).encode()

    def send(stamp: int) -> int:
        headers = trader.headers("POST", "/v1/orders", stamp=stamp)
        return trader.sim.answer(
            Call(method="POST", path="/v1/orders", headers=headers, body=body), NOW
        ).status

    assert [send(NOW), send(NOW), send(NOW + 1)] == [200, 409, 200]
    assert trader.net() == "20"
    trader.sim.knobs["replays"] = True
    assert send(NOW + 1) == 200


@pytest.mark.parametrize(
    ("wish", "word"),
    [({"slug": "m"}, "taken"), ({"slug": "a,b"}, "slug"), ({"tick": "0.03"}, "tick"),
     ({"minimum": "0"}, "minimum"), ({"state": "SHUT"}, "state"),
     ({"fee_coefficient": "x"}, "fee_coefficient"), ({"colour": "red"}, "colour")],
)  # fmt: skip
def test_a_market_that_cannot_be_is_refused_by_name(wish: Json, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Trader().sim.list_market(wish)


@pytest.mark.parametrize(
    ("wish", "word"),
    [({"credentials": CREDENTIALS}, "key_id"), ({"credentials": {"secret_key": "AAAA"}}, "secret_key"),
     ({"positions": {"m": "1", "m:inverted": "1"}}, "never both"), ({"colour": "red"}, "colour")],
)  # fmt: skip
def test_an_account_that_cannot_be_is_refused_by_name(wish: Json, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Trader().sim.open_account(wish, NOW)
