"""The simulated venue, judged by the card, by the golden vectors, by hand computation and by conservation.

Signatures are made here with `cryptography` directly and books are kept in plain dicts, so that nothing
of the venue's client side takes part.
"""

import base64
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from venues.base.http import Response
from venues.base.units import ONE, Price, Size, micros
from venues.kalshi.sim import KalshiSimulator
from venues.kalshi.sim_rules import charge, grid_of, trade_fee, verifies
from venues.kalshi.sim_socket import KalshiSocket
from venues.sim.contract import Call

NOW = 1_795_183_200_000
API = "/trade-api/v2"
ORDERS = "/portfolio/events/orders"
VECTORS = json.loads((Path("venues") / "kalshi" / "vectors" / "kalshi.json").read_text())
T = "KXA-26-T1"
Json = dict[str, Any]


class Client:
    """A customer with a pencil: signs by the card's formula and reads JSON."""

    def __init__(self, sim: KalshiSimulator, **wish: object) -> None:
        self.sim = sim
        given_keys = sim.open_account({"balance": "1000", **wish}, NOW)
        self.key_id = given_keys["key_id"]
        key = serialization.load_pem_private_key(given_keys["private_key"].encode(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        self.key = key
        self.now = NOW
        self.ids = 0

    def headers(self, method: str, path: str, stamp: int | None = None) -> dict[str, str]:
        text = str(self.now if stamp is None else stamp)
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
        signature = self.key.sign(f"{text}{method}{path}".encode(), pss, hashes.SHA256())
        return {
            "kalshi-access-key": self.key_id,
            "kalshi-access-timestamp": text,
            "kalshi-access-signature": base64.b64encode(signature).decode(),
        }

    def send(self, method: str, path: str, body: object = None, **query: str) -> tuple[int, Json]:
        call = Call(
            method=method,
            path=API + path,
            query=query,
            headers=self.headers(method, API + path),
            body=b"" if body is None else json.dumps(body).encode(),
        )
        reply = self.sim.answer(call, self.now)
        return reply.status, json.loads(reply.body) if reply.body else {}

    def get(self, path: str, **query: str) -> Json:
        status, reply = self.send("GET", path, **query)
        assert status == 200, reply
        return reply

    def body(self, side: str, count: str, price: str, **fields: object) -> Json:
        self.ids += 1
        return {
            "ticker": T,
            "client_order_id": f"{self.key_id}-{self.ids}",
            "side": side,
            "count": count,
            "price": price,
            "time_in_force": "immediate_or_cancel",
            "self_trade_prevention_type": "taker_at_cross",
        } | fields

    def order(self, side: str, count: str, price: str, **fields: object) -> tuple[int, Json]:
        return self.send("POST", ORDERS, self.body(side, count, price, **fields))

    def rest(self, side: str, count: str, price: str, **fields: object) -> Json:
        status, reply = self.order(side, count, price, time_in_force="good_till_canceled", **fields)
        assert status == 201, reply
        return reply

    def free(self) -> Decimal:
        return Decimal(self.get("/portfolio/balance")["balance_dollars"])

    def position(self, ticker: str = T) -> str:
        rows = self.get("/portfolio/positions", ticker=ticker)["market_positions"]
        return str(rows[0]["position_fp"]) if rows else "0.00"

    def connect(self, *commands: Json) -> KalshiSocket:
        path = self.sim.socket_path
        call = Call(method="GET", path=path, headers=self.headers("GET", path))
        socket = self.sim.connect(call, self.now)
        assert isinstance(socket, KalshiSocket)
        for command in commands:
            socket.receive(json.dumps(command), self.now)
        return socket


def frames(socket: KalshiSocket) -> list[Json]:
    taken = [json.loads(text) for text in socket.outbox]
    socket.outbox.clear()
    return taken


def levels(*pairs: tuple[str, str]) -> list[tuple[Price, Size]]:
    return [(Price(micros(price)), Size(micros(size))) for price, size in pairs]


def code(reply: tuple[int, Json]) -> tuple[int, str]:
    return reply[0], str(reply[1]["error"]["code"])


@pytest.fixture
def sim() -> KalshiSimulator:
    """YES bids 0.41x10, 0.40x25.5; YES asks 0.44x12, 0.45x7: the card's example book."""
    sim = KalshiSimulator(7)
    sim.list_market({"ticker": T, "series": "KXA", "event": "KXA-26"})
    set_book(sim)
    return sim


def set_book(sim: KalshiSimulator) -> None:
    bids, asks = levels(("0.41", "10"), ("0.40", "25.5")), levels(("0.44", "12"), ("0.45", "7"))
    sim.exchange.set_book(T, bids, asks, NOW)


@pytest.fixture
def client(sim: KalshiSimulator) -> Client:
    return Client(sim)


# --- signatures ---


@pytest.mark.parametrize(
    "case", VECTORS["auth"] + VECTORS["orders"] + VECTORS["calls"], ids=lambda c: c["id"]
)
def test_what_official_clients_signed_is_accepted(case: Json) -> None:
    sim = KalshiSimulator(1)
    key = next(key for key in VECTORS["keys"] if key["id"] == case["key"])
    wish = {"key_id": key["key_id"], "private_key": key["private_key_pem"]}
    sim.open_account({"credentials": wish}, NOW)
    request = case.get("request", case)
    headers = {name.lower(): value for name, value in request["headers"].items() if value is not None}
    path = request["target"].partition("?")[0]
    socket = path.endswith("/ws/v2")
    call = Call(
        method=request["method"], path=path, headers=headers, body=(request.get("body_raw") or "").encode()
    )
    at = case["timestamp_ms"]
    reply = sim.connect(call, at) if socket else sim.answer(call, at)
    assert not isinstance(reply, Response) or reply.status != 401


@pytest.mark.parametrize("case", VECTORS["auth_negative"], ids=lambda c: c["id"])
def test_what_must_not_verify_does_not(case: Json) -> None:
    key = next(key for key in VECTORS["keys"] if key["id"] == case["key"])
    public = serialization.load_pem_public_key(key["public_key_pem"].encode())
    assert isinstance(public, rsa.RSAPublicKey)
    assert verifies(public, case["signature"], case["canonical_string"]) is case["signature_verifies"]


@pytest.mark.parametrize("name", ["key", "timestamp", "signature"])
def test_a_request_with_a_tampered_header_is_refused(client: Client, name: str) -> None:
    path = f"{API}/portfolio/balance"
    headers = client.headers("GET", path)
    value = headers[f"kalshi-access-{name}"]
    headers[f"kalshi-access-{name}"] = ("1" if value[0] != "1" else "2") + value[1:]
    reply = client.sim.answer(Call(method="GET", path=path, headers=headers), NOW)
    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (401, "token_authentication_failure")
    del headers[f"kalshi-access-{name}"]
    assert client.sim.answer(Call(method="GET", path=path, headers=headers), NOW).status == 401


def test_the_query_is_not_signed_and_the_method_and_path_are(client: Client) -> None:
    path = f"{API}/portfolio/orders"
    headers = client.headers("GET", path)
    assert (
        client.sim.answer(Call(method="GET", path=path, query={"limit": "5"}, headers=headers), NOW).status
        == 200
    )
    assert (
        client.sim.answer(Call(method="GET", path=f"{API}/portfolio/fills", headers=headers), NOW).status
        == 401
    )
    assert client.sim.answer(Call(method="DELETE", path=f"{API}{ORDERS}", headers=headers), NOW).status == 401


@pytest.mark.parametrize(("age_ms", "status"), [(0, 200), (10_000, 200), (60_000, 401), (-60_000, 200)])
def test_a_stale_clock_is_refused_and_a_fast_one_is_not(client: Client, age_ms: int, status: int) -> None:
    path = f"{API}/portfolio/balance"
    call = Call(method="GET", path=path, headers=client.headers("GET", path, NOW - age_ms))
    reply = client.sim.answer(call, NOW)
    assert reply.status == status
    if status == 401:
        assert json.loads(reply.body)["error"]["code"] == "header_timestamp_expired"


def test_every_reply_tells_the_time_in_seconds(client: Client) -> None:
    for path in ("/exchange/status", "/nothing/here", "/portfolio/balance"):
        reply = client.sim.answer(Call(method="GET", path=API + path), NOW + 900)
        assert reply.headers["date"] == "Fri, 20 Nov 2026 14:00:00 GMT"


def test_a_handshake_without_a_signature_is_refused(sim: KalshiSimulator) -> None:
    reply = sim.connect(Call(method="GET", path=sim.socket_path), NOW)
    assert isinstance(reply, Response)
    assert reply.status == 401


def test_two_customers_may_share_a_key_but_never_an_id(sim: KalshiSimulator) -> None:
    clients = [Client(sim) for _ in range(5)]
    assert len({client.key_id for client in clients}) == 5
    named = {"key_id": clients[0].key_id}
    with pytest.raises(ValueError, match=r"credentials\.key_id"):
        Client(sim, credentials=named)


# --- fees, against the golden vectors ---


def fill_charge(fill: Json, rate: tuple[str, str], step: int, carry: int) -> tuple[int, int]:
    yes_price, size = micros(fill["yes_price"]), micros(fill["count"])
    own = yes_price if fill["outcome"] == "yes" else ONE - yes_price
    revenue = own * size // ONE * (1 if fill["action"] == "sell" else -1)
    trade = trade_fee(rate, own, size, taker=fill["role"] == "taker")
    assert Decimal(trade) / ONE == Decimal(fill["trade_fee"])
    return charge(revenue, trade, step=step, carry=carry)


MEMBERS = [("direct", 100), ("non_direct", 10_000)]


@pytest.mark.parametrize(("member", "step"), MEMBERS)
@pytest.mark.parametrize("case", VECTORS["fees"], ids=lambda c: c["id"])
def test_fees_equal_the_vectors(case: Json, member: str, step: int) -> None:
    fill = case["by_member_type"][member]
    fee, carry = fill_charge(fill, (case["fee_type"], case["fee_multiplier"]), step, 0)
    assert Decimal(fee) / ONE == Decimal(fill["net_fee"])
    assert Decimal(carry) / ONE == Decimal(fill["accumulator_after"])


@pytest.mark.parametrize(("member", "step"), MEMBERS)
@pytest.mark.parametrize("case", VECTORS["fee_sequences"], ids=lambda c: c["id"])
def test_fees_of_one_order_carry_over_as_in_the_vectors(case: Json, member: str, step: int) -> None:
    carry = total = 0
    for fill in case["by_member_type"][member]["fills"]:
        fee, carry = fill_charge(fill, (case["fee_type"], case["fee_multiplier"]), step, carry)
        assert Decimal(fee) / ONE == Decimal(fill["net_fee"])
        assert Decimal(carry) / ONE == Decimal(fill["accumulator_after"])
        total += fee
    assert Decimal(total) / ONE == Decimal(case["by_member_type"][member]["total_net_fee"])


@pytest.mark.parametrize("name", VECTORS["price_structures"])
def test_price_structures_equal_the_vectors(name: str) -> None:
    sim = KalshiSimulator(1)
    sim.list_market({"ticker": T, "structure": name})
    market = Client(sim).get(f"/markets/{T}")["market"]
    assert market["price_ranges"] == VECTORS["price_structures"][name]
    for case in VECTORS["price_grid"]:
        if case["structure"] == name:
            assert grid_of(name).valid(Price(micros(case["price"]))) is case["on_grid"]


# --- what is refused ---


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"price": "0.4450"}, (400, "invalid_price")),
        ({"price": "1.00"}, (400, "invalid_price")),
        ({"price": "0.00"}, (400, "invalid_price")),
        ({"price": "0.4"}, (400, "invalid_parameters")),
        ({"price": "0.44000"}, (400, "invalid_parameters")),
        ({"price": 0.44}, (400, "invalid_parameters")),
        ({"count": "1.005"}, (400, "invalid_parameters")),
        ({"count": "0"}, (400, "invalid_parameters")),
        ({"count": "-1"}, (400, "invalid_parameters")),
        ({"count": 1}, (400, "invalid_parameters")),
        ({"side": "yes"}, (400, "invalid_parameters")),
        ({"time_in_force": "day"}, (400, "invalid_parameters")),
        ({"self_trade_prevention_type": "none"}, (400, "invalid_parameters")),
        ({"expiration_time": NOW // 1_000 + 60}, (400, "invalid_parameters")),
        ({"post_only": True}, (400, "invalid_parameters")),
        ({"reduce_only": True, "time_in_force": "good_till_canceled"}, (400, "invalid_parameters")),
        ({"subaccount": 3}, (403, "forbidden")),
        ({"exchange_index": 1}, (400, "invalid_parameters")),
        ({"ticker": "KXNONE"}, (404, "not_found")),
        ({"count": "5000", "price": "0.45", "time_in_force": "good_till_canceled"}, (400, "insufficient_balance")),
    ],
    ids=str,
)  # fmt: skip
def test_a_bad_order_is_refused_and_changes_nothing(client: Client, fields: Json, expected: Any) -> None:
    before = client.sim.exchange.levels(T)
    assert code(client.order("bid", "1.00", "0.4400", **fields)) == expected
    assert client.free() == 1000
    assert client.get("/portfolio/orders")["orders"] == []
    assert client.sim.exchange.levels(T) == before


@pytest.mark.parametrize(
    "name", ["ticker", "side", "count", "price", "time_in_force", "self_trade_prevention_type"]
)
def test_a_missing_field_is_refused_by_name(client: Client, name: str) -> None:
    body = client.body("bid", "1.00", "0.4400")
    del body[name]
    status, reply = client.send("POST", ORDERS, body)
    assert status == 400
    assert name in reply["error"]["details"]


def test_a_client_order_id_is_used_up_by_an_order(client: Client) -> None:
    body = client.body("bid", "1.00", "0.4400")
    assert client.send("POST", ORDERS, body)[0] == 201
    assert code(client.send("POST", ORDERS, body)) == (409, "order_already_exists")
    assert client.position() == "1.00"


def test_a_client_order_id_is_used_up_by_a_killed_fok(client: Client) -> None:
    body = client.body("bid", "12.01", "0.4400", time_in_force="fill_or_kill")
    assert code(client.send("POST", ORDERS, body)) == (409, "fill_or_kill_insufficient_resting_volume")
    assert (client.free(), client.position()) == (1000, "0.00")
    assert code(client.send("POST", ORDERS, body | {"count": "1.00"})) == (409, "order_already_exists")
    assert client.order("bid", "12.00", "0.4400", time_in_force="fill_or_kill")[1]["fill_count"] == "12.00"


def test_a_client_order_id_is_used_up_by_an_ioc_without_a_fill(client: Client) -> None:
    body = client.body("bid", "1.00", "0.4300")
    status, reply = client.send("POST", ORDERS, body)
    assert (status, reply["fill_count"], reply["remaining_count"]) == (201, "0.00", "0.00")
    assert "average_fill_price" not in reply
    assert client.get(f"/portfolio/orders/{reply['order_id']}")["order"]["status"] == "canceled"
    assert code(client.send("POST", ORDERS, body)) == (409, "order_already_exists")


def test_a_client_order_id_stays_free_after_a_refusal(client: Client) -> None:
    body = client.body("bid", "1.00", "0.4450")
    assert code(client.send("POST", ORDERS, body)) == (400, "invalid_price")
    assert client.send("POST", ORDERS, body | {"price": "0.4400"})[0] == 201


def test_ids_of_other_customers_do_not_matter(sim: KalshiSimulator) -> None:
    replies = [Client(sim).order("bid", "1.00", "0.4400", client_order_id="same") for _ in range(2)]
    assert [status for status, _ in replies] == [201, 201]


def test_a_market_that_ended_takes_no_orders_and_an_empty_snapshot_says_so(client: Client) -> None:
    client.sim.list_market({"ticker": "KXB-26-T1", "close_time": "2026-11-20T14:00:10Z"})
    client.sim.exchange.set_book("KXB-26-T1", levels(("0.40", "5")), [], NOW)
    client.rest("bid", "2.00", "0.3900", ticker="KXB-26-T1")
    subscribe = {"channels": ["orderbook_delta"], "market_ticker": "KXB-26-T1", "use_yes_price": False}
    socket = client.connect({"id": 1, "cmd": "subscribe", "params": subscribe})
    frames(socket)
    client.now = NOW + 10_000
    assert code(client.order("bid", "1.00", "0.4400", ticker="KXB-26-T1")) == (400, "market_closed")
    seen = frames(socket)
    assert [frame["type"] for frame in seen] == ["orderbook_delta", "orderbook_delta", "orderbook_snapshot"]
    assert {frame["msg"].get("ts_ms", client.now) for frame in seen} == {client.now}
    assert set(seen[-1]["msg"]) == {"market_ticker", "market_id"}
    [order] = client.get("/portfolio/orders")["orders"]
    assert (order["status"], order["last_update_reason"]) == ("canceled", "CloseCancel")
    assert client.free() == 1000


# --- money by hand ---


def test_an_ioc_takes_what_is_there_and_pays_by_hand_computation(client: Client) -> None:
    status, reply = client.order("bid", "15.00", "0.4400")
    assert (status, reply["fill_count"], reply["remaining_count"]) == (201, "12.00", "0.00")
    # 0.07 x 12 x 0.44 x 0.56 = 0.206976; 5.28 + 0.206976 aligned to 0.0001 is 5.4870.
    assert client.free() == Decimal(1000) - Decimal("5.4870")
    assert reply["average_fill_price"] == "0.440000"
    assert reply["average_fee_paid"] == "0.017250"  # 0.2070 / 12
    order = client.get(f"/portfolio/orders/{reply['order_id']}")["order"]
    assert order["taker_fill_cost_dollars"] == "5.280000"
    assert order["taker_fees_dollars"] == "0.207000"
    assert (order["status"], order["initial_count_fp"], order["fill_count_fp"]) == (
        "canceled",
        "15.00",
        "12.00",
    )
    [fill] = client.get("/portfolio/fills", order_id=reply["order_id"])["fills"]
    assert (fill["yes_price_dollars"], fill["no_price_dollars"]) == ("0.4400", "0.5600")
    assert (fill["count_fp"], fill["fee_cost"], fill["is_taker"]) == ("12.00", "0.207000", True)
    assert client.position() == "12.00"


def test_no_is_bought_through_the_yes_book(client: Client) -> None:
    reply = client.order("ask", "12.00", "0.4000")[1]
    assert reply["fill_count"] == "12.00"
    # 10 at YES 0.41 (NO 0.59) and 2 at YES 0.40 (NO 0.60): 5.90 + 1.20.
    assert reply["average_fill_price"] == "0.408333"
    order = client.get(f"/portfolio/orders/{reply['order_id']}")["order"]
    assert order["taker_fill_cost_dollars"] == "7.100000"
    assert (order["outcome_side"], order["book_side"], order["yes_price_dollars"]) == ("no", "ask", "0.4000")
    # Fees: 0.07 x 10 x 0.41 x 0.59 = 0.16933 -> 0.1694 with 0.00007 carried; 0.07 x 2 x 0.24 = 0.0336.
    assert order["taker_fees_dollars"] == "0.203000"
    assert client.free() == Decimal(1000) - Decimal("7.1") - Decimal("0.2030")
    assert client.position() == "-12.00"


def test_an_account_through_a_broker_moves_in_whole_cents(sim: KalshiSimulator) -> None:
    broker = Client(sim, account_precision="0.01")
    broker.order("bid", "1.00", "0.4400")
    assert broker.free() == Decimal(1000) - Decimal("0.46")  # 0.44 + 0.017248, up to the cent


def test_selling_returns_the_proceeds_less_the_fee(sim: KalshiSimulator) -> None:
    seller = Client(sim, balance="0", positions={T: "10"})
    status, reply = seller.order("ask", "10.00", "0.4100", reduce_only=True)
    assert (status, reply["fill_count"]) == (201, "10.00")
    # 4.10 - 0.16933 = 3.93067, aligned down to 3.9306.
    assert (seller.free(), seller.position()) == (Decimal("3.9306"), "0.00")


def test_selling_no_closes_it(sim: KalshiSimulator) -> None:
    seller = Client(sim, balance="0", positions={f"{T}:inverted": "5"})
    assert seller.position() == "-5.00"
    reply = seller.order("bid", "5.00", "0.4400", reduce_only=True)[1]
    assert (reply["fill_count"], seller.position()) == ("5.00", "0.00")
    # 5 x 0.56 = 2.80; fee 0.07 x 5 x 0.44 x 0.56 = 0.08624; 2.71376 down to 2.7137.
    assert seller.free() == Decimal("2.7137")


def test_reduce_only_never_flips_a_position(sim: KalshiSimulator) -> None:
    seller = Client(sim, balance="100", positions={T: "3"})
    reply = seller.order("ask", "8.00", "0.4000", reduce_only=True)[1]
    assert (reply["fill_count"], reply["remaining_count"]) == ("3.00", "0.00")
    assert seller.position() == "0.00"
    order = seller.get(f"/portfolio/orders/{reply['order_id']}")["order"]
    assert (order["status"], order["last_update_reason"]) == ("canceled", "ReduceOnlyCancel")
    nothing = seller.order("ask", "8.00", "0.4000", reduce_only=True)[1]
    assert (nothing["fill_count"], seller.position()) == ("0.00", "0.00")


def test_closing_to_opening_needs_cash_only_for_the_opening_part(sim: KalshiSimulator) -> None:
    # Sells 6 YES at 0.41 (2.46) and buys 4 NO at 0.59 (2.36); the fee of 10 at 0.41 is 0.1694.
    needed = Decimal("2.36") - Decimal("2.46") + Decimal("0.1694")
    poor = Client(sim, balance=str(needed - Decimal("0.0001")), positions={T: "6"})
    assert code(poor.order("ask", "10.00", "0.4100")) == (400, "insufficient_balance")
    assert poor.position() == "6.00"
    able = Client(sim, balance=str(needed), positions={T: "6"})
    assert able.order("ask", "10.00", "0.4100")[1]["fill_count"] == "10.00"
    assert (able.free(), able.position()) == (0, "-4.00")


def test_a_resting_sale_reserves_nothing_and_the_part_beyond_the_position_does(sim: KalshiSimulator) -> None:
    holder = Client(sim, balance="10", positions={T: "6"})
    holder.rest("ask", "6.00", "0.6000")
    assert holder.free() == 10
    second = holder.rest("ask", "5.00", "0.7000")  # 5 NO at 0.30, all beyond the position
    assert holder.free() == Decimal("8.5")
    assert code(holder.order("ask", "30.00", "0.7000", time_in_force="good_till_canceled")) == (
        400,
        "insufficient_balance",
    )
    taker = Client(sim)
    sim.exchange.set_book(T, [], [], NOW)
    taker.order("bid", "6.00", "0.6000")
    assert (holder.free(), holder.position()) == (Decimal("8.5") + Decimal("3.6"), "0.00")
    taker.order("bid", "5.00", "0.7000")
    assert (holder.free(), holder.position()) == (Decimal("8.5") + Decimal("3.6"), "-5.00")
    assert holder.get(f"/portfolio/orders/{second['order_id']}")["order"]["status"] == "executed"
    sim.exchange.audit()


def test_a_maker_pays_by_the_type_of_the_series(sim: KalshiSimulator) -> None:
    sim.list_market({"ticker": "KXM-26-T1", "series": "KXM", "fee_type": "quadratic_with_maker_fees"})
    maker, taker = Client(sim), Client(sim)
    resting = maker.rest("bid", "10.00", "0.5000", ticker="KXM-26-T1")
    assert maker.free() == 995
    taker.order("ask", "10.00", "0.5000", ticker="KXM-26-T1")
    assert maker.free() == Decimal(995) - Decimal("0.0438")  # 0.0175 x 10 x 0.25 = 0.04375
    assert taker.free() == Decimal(995) - Decimal("0.1750")
    row = maker.get(f"/portfolio/orders/{resting['order_id']}")["order"]
    assert (row["maker_fees_dollars"], row["taker_fees_dollars"]) == ("0.043800", "0.000000")
    assert (row["maker_fill_cost_dollars"], row["status"]) == ("5.000000", "executed")


# --- resting orders ---


def test_an_order_rests_is_listed_and_is_cancelled(client: Client) -> None:
    reply = client.rest("bid", "8.00", "0.4200", post_only=True)
    assert (reply["fill_count"], reply["remaining_count"]) == ("0.00", "8.00")
    assert client.free() == Decimal(1000) - Decimal("3.36")
    [listed] = client.get("/portfolio/orders", status="resting", ticker=T)["orders"]
    assert listed["order_id"] == reply["order_id"]
    path = f"{ORDERS}/{reply['order_id']}"
    status, cancelled = client.send("DELETE", path, market_ticker=T)
    assert (status, cancelled["reduced_by"], cancelled["client_order_id"]) == (
        200,
        "8.00",
        listed["client_order_id"],
    )
    assert client.free() == 1000
    assert client.send("DELETE", path, market_ticker=T)[0] == 404
    assert client.get("/portfolio/orders", status="resting")["orders"] == []


def test_nobody_cancels_or_sees_the_order_of_another(client: Client) -> None:
    reply = client.rest("bid", "8.00", "0.4200")
    stranger = Client(client.sim)
    assert stranger.send("DELETE", f"{ORDERS}/{reply['order_id']}", market_ticker=T)[0] == 404
    assert stranger.send("GET", f"/portfolio/orders/{reply['order_id']}")[0] == 404
    assert stranger.send("DELETE", ORDERS)[0] == 204
    assert len(client.get("/portfolio/orders", status="resting")["orders"]) == 1


def test_post_only_does_not_cross(client: Client) -> None:
    status, reply = client.order("bid", "1.00", "0.4400", post_only=True, time_in_force="good_till_canceled")
    assert (status, reply["error"]["code"]) == (400, "invalid_order")
    assert reply["error"]["details"] == "post only cross"


def test_an_order_expires_at_its_second(client: Client) -> None:
    client.rest("bid", "8.00", "0.4200", expiration_time=NOW // 1_000 + 5)
    client.now = NOW + 4_999
    assert len(client.get("/portfolio/orders", status="resting")["orders"]) == 1
    client.now = NOW + 5_000
    [order] = client.get("/portfolio/orders")["orders"]
    assert (order["status"], order["last_update_reason"]) == ("canceled", "ExpiryCancel")
    assert client.free() == 1000


def test_taker_at_cross_stops_the_incoming_order_at_the_own_one(client: Client) -> None:
    client.rest("ask", "2.00", "0.4400")
    client.sim.exchange.set_book(T, [], levels(("0.43", "3"), ("0.45", "7")), NOW)
    reply = client.rest("bid", "9.00", "0.4500")
    assert (reply["fill_count"], reply["remaining_count"]) == ("3.00", "0.00")
    row = client.get(f"/portfolio/orders/{reply['order_id']}")["order"]
    assert (row["status"], row["last_update_reason"]) == ("canceled", "SelfTradeCancel")
    assert len(client.get("/portfolio/orders", status="resting")["orders"]) == 1


def test_maker_prevention_cancels_the_resting_one(client: Client) -> None:
    mine = client.rest("ask", "2.00", "0.4400")
    client.sim.exchange.set_book(T, [], levels(("0.43", "3"), ("0.45", "7")), NOW)
    reply = client.order("bid", "9.00", "0.4500", self_trade_prevention_type="maker")[1]
    assert reply["fill_count"] == "9.00"
    row = client.get(f"/portfolio/orders/{mine['order_id']}")["order"]
    assert (row["status"], row["last_update_reason"]) == ("canceled", "SelfTradeCancel")


def test_a_batch_judges_each_order_alone(client: Client) -> None:
    bodies = [
        client.body("bid", "1.00", price, time_in_force="good_till_canceled") for price in ("0.40", "0.405")
    ]
    status, reply = client.send("POST", f"{ORDERS}/batched", {"orders": bodies})
    assert status == 201
    good, bad = reply["orders"]
    assert bad["error"]["code"] == "invalid_price"
    items = [{"order_id": good["order_id"]}, {"order_id": "nothing"}]
    status, reply = client.send("DELETE", f"{ORDERS}/batched", {"orders": items})
    assert [item["reduced_by"] for item in reply["orders"]] == ["1.00", "0.00"]
    assert "error" in reply["orders"][1]


# --- reads ---


def test_the_book_shows_bids_of_both_sides_best_last(client: Client) -> None:
    book = client.get(f"/markets/{T}/orderbook")["orderbook_fp"]
    assert book["yes_dollars"] == [["0.4000", "25.50"], ["0.4100", "10.00"]]
    assert book["no_dollars"] == [["0.5500", "7.00"], ["0.5600", "12.00"]]
    best = client.get(f"/markets/{T}/orderbook", depth="1")["orderbook_fp"]
    assert best == {"yes_dollars": [["0.4100", "10.00"]], "no_dollars": [["0.5600", "12.00"]]}
    [item] = client.get("/markets/orderbooks", tickers=T)["orderbooks"]
    assert item == {"ticker": T, "orderbook_fp": book}


def test_markets_are_filtered_and_paged(client: Client) -> None:
    for number in range(3):
        client.sim.list_market({"ticker": f"KXB-26-T{number}", "series": "KXB", "event": "KXB-26"})
    assert len(client.get("/markets")["markets"]) == 4
    seen, cursor = [], ""
    while True:
        page = client.get("/markets", limit="3", cursor=cursor)
        seen += [market["ticker"] for market in page["markets"]]
        cursor = page["cursor"]
        if not cursor:
            break
    assert sorted(seen) == sorted([T, "KXB-26-T0", "KXB-26-T1", "KXB-26-T2"])
    assert len(client.get("/markets", series_ticker="KXB")["markets"]) == 3
    assert [m["ticker"] for m in client.get("/markets", tickers=f"{T},KXX")["markets"]] == [T]
    client.sim.exchange.halt(client.sim.exchange.markets["KXB-26-T0"], "deactivated", NOW)
    assert [m["status"] for m in client.get("/markets", status="paused")["markets"]] == ["inactive"]
    assert code(client.order("bid", "1.00", "0.44", ticker="KXB-26-T0")) == (400, "market_inactive")
    event = client.get("/events/KXB-26", with_nested_markets="true")
    assert len(event["event"]["markets"]) == len(event["markets"]) == 3
    assert client.get("/series/KXB")["series"]["fee_multiplier"] == 1


def test_cash_is_kept_per_shard(sim: KalshiSimulator) -> None:
    sim.list_market({"ticker": "KXS-26-T1", "series": "KXS", "exchange_index": 2})
    client = Client(sim, balance="10", shards={"2": "5"})
    assert client.get("/portfolio/balance")["balance_breakdown"] == [
        {"exchange_index": 0, "balance": "10.000000"},
        {"exchange_index": 2, "balance": "5.000000"},
    ]
    late = {"ticker": "KXS-26-T1", "time_in_force": "good_till_canceled"}
    assert code(client.order("bid", "20.00", "0.3000", **late)) == (400, "insufficient_balance")
    reply = client.order("bid", "10.00", "0.3000", **late)[1]
    assert client.get("/portfolio/balance")["balance_breakdown"][1]["balance"] == "2.000000"
    path = f"{ORDERS}/{reply['order_id']}"
    assert client.send("DELETE", path)[0] == 404, "without a ticker it is looked for on shard 0"
    assert client.send("DELETE", path, exchange_index="2")[0] == 200


def test_reads_lag_behind_the_engine_by_the_knob(client: Client) -> None:
    client.sim.knobs["read_lag_ms"] = 2_000
    client.now = NOW + 5_000
    reply = client.order("bid", "1.00", "0.4400")[1]
    path = f"/portfolio/orders/{reply['order_id']}"
    client.now += 1_999
    assert client.send("GET", path)[0] == 404
    assert (client.free(), client.position()) == (1000, "0.00")
    assert client.get("/portfolio/fills")["fills"] == []
    assert client.get("/exchange/user_data_timestamp")["as_of_time"] == "2026-11-20T14:00:04.999Z"
    client.now += 1
    assert client.send("GET", path)[0] == 200
    assert (client.position(), len(client.get("/portfolio/fills")["fills"])) == ("1.00", 1)
    assert client.free() < 1000


def test_a_lagging_read_shows_an_order_as_it_was(client: Client) -> None:
    client.sim.knobs["read_lag_ms"] = 1_000
    reply = client.rest("bid", "1.00", "0.4200")
    client.now = NOW + 1_500
    client.send("DELETE", f"{ORDERS}/{reply['order_id']}", market_ticker=T)
    assert client.get("/portfolio/orders", status="resting")["orders"] != []
    client.now = NOW + 2_500
    assert client.get("/portfolio/orders", status="resting")["orders"] == []
