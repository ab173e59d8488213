"""The simulated venue, judged by the card, by the golden vectors, by hand computation and by conservation.

Signatures are made here with `cryptography` directly and books are kept in plain dicts, so that nothing
of the venue's client side takes part.
"""

import base64
import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

import venues
from tests.examples import examples
from venues.base.http import Response
from venues.base.units import ONE, Price, Size, micros
from venues.kalshi.sim import KalshiSimulator
from venues.kalshi.sim_rules import charge, grid_of, trade_fee, verifies
from venues.kalshi.sim_socket import KalshiSocket
from venues.sim.contract import Call

NOW = 1_795_183_200_000
API = "/trade-api/v2"
ORDERS = "/portfolio/events/orders"
VECTORS = json.loads((Path(venues.__file__).parent / "kalshi" / "vectors" / "kalshi.json").read_text())
T = "KXA-26-T1"
Json = dict[str, Any]


@cache
def load(pem: str) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


class Client:
    """A customer with a pencil: signs by the card's formula and reads JSON."""

    def __init__(self, sim: KalshiSimulator, **wish: object) -> None:
        self.sim = sim
        given_keys = sim.open_account({"balance": "1000", **wish}, NOW)
        self.account = next(name for name in reversed(sim.exchange.accounts) if "/" not in name)
        self.key_id = given_keys["key_id"]
        self.key = load(given_keys["private_key"])
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

    def body(self, side: str, count: str, price: str, /, **fields: object) -> Json:
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

    def order(self, side: str, count: str, price: str, /, **fields: object) -> tuple[int, Json]:
        return self.send("POST", ORDERS, self.body(side, count, price, **fields))

    def rest(self, side: str, count: str, price: str, /, **fields: object) -> Json:
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
        ({"count": "5000", "time_in_force": "good_till_canceled"}, (400, "insufficient_balance")),
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
    assert (client.free(), client.position()) == (Decimal(1000), "0.00")
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
    assert reply["average_fee_paid"] == "0.016917"  # 0.2030 / 12 = 0.01691666…
    order = client.get(f"/portfolio/orders/{reply['order_id']}")["order"]
    assert order["taker_fill_cost_dollars"] == "7.100000"
    assert (order["outcome_side"], order["book_side"], order["yes_price_dollars"]) == ("no", "ask", "0.4000")
    # Fees: 0.07 x 10 x 0.41 x 0.59 = 0.16933 -> 0.1694 with 0.00007 carried; 0.07 x 2 x 0.24 = 0.0336.
    assert order["taker_fees_dollars"] == "0.203000"
    assert client.free() == Decimal(1000) - Decimal("7.1") - Decimal("0.2030")
    assert client.position() == "-12.00"


@pytest.mark.parametrize(("member", "step"), [("direct", "0.0001"), ("non_direct", "0.01")])
@pytest.mark.parametrize("case", VECTORS["fee_sequences"], ids=lambda c: c["id"])
def test_an_order_in_many_fills_is_charged_as_in_the_vectors(case: Json, member: str, step: str) -> None:
    fills = case["by_member_type"][member]["fills"]
    assert len({(fill["outcome"], fill["action"]) for fill in fills}) == 1
    side = "bid" if (fills[0]["outcome"] == "yes") == (fills[0]["action"] == "buy") else "ask"
    sim = KalshiSimulator(1)
    fine = "center_centi_edge_centi_cent"
    rate = {"fee_type": case["fee_type"], "fee_multiplier": case["fee_multiplier"]}
    sim.list_market({"ticker": T, "structure": fine, **rate})
    client = Client(sim, account_precision=step, positions={T: "50"} if side == "ask" else {})
    taken = [(fill["yes_price"], fill["count"]) for fill in fills if fill["role"] == "taker"]
    book = levels(*taken)
    sim.exchange.set_book(T, *(([], book) if side == "bid" else (book, [])), NOW)
    total = sum(Decimal(fill["count"]) for fill in fills)
    limit = fills[-1]["yes_price"]
    client.order(side, f"{total:.2f}", f"{Decimal(limit):.4f}", time_in_force="good_till_canceled")
    for fill in fills[len(taken) :]:
        assert side == "bid"
        sim.exchange.set_book(T, [], levels((fill["yes_price"], fill["count"])), NOW)
    told = list(reversed(client.get("/portfolio/fills")["fills"]))
    assert [Decimal(fill["fee_cost"]) for fill in told] == [Decimal(fill["net_fee"]) for fill in fills]
    moved = sum(Decimal(fill["balance_change"]) for fill in fills)
    assert sim.exchange.accounts[client.account].cash == (1000 + moved) * ONE


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
    assert (able.free(), able.position()) == (Decimal(0), "-4.00")


def test_a_sale_may_rest_without_any_cash(sim: KalshiSimulator) -> None:
    holder = Client(sim, balance="0", positions={T: "6"})
    holder.rest("ask", "6.00", "0.6000")
    beyond = holder.body("ask", "0.01", "0.6000", time_in_force="good_till_canceled")
    assert code(holder.send("POST", ORDERS, beyond)) == (400, "insufficient_balance")


def test_a_resting_sale_reserves_cash_once_its_position_is_gone(sim: KalshiSimulator) -> None:
    holder = Client(sim, balance="10", positions={T: "6"})
    holder.rest("ask", "6.00", "0.6000")
    holder.order("ask", "4.00", "0.4100")
    # 4 x 0.41 - 0.067732 = 1.572268 arrive as 1.5722; 4 of the 6 at rest would now buy NO at 0.40.
    assert holder.free() == Decimal(10) + Decimal("1.5722") - Decimal("1.6")


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
    assert (client.free(), client.position()) == (Decimal(1000), "0.00")
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


# --- the WebSocket ---


def subscribe(*channels: str, number: int = 1, **params: object) -> Json:
    params = {"market_tickers": [T], "use_yes_price": False} | params
    return {"id": number, "cmd": "subscribe", "params": {"channels": list(channels), **params}}


def update(action: str, *tickers: str, sid: int = 1, number: int = 5) -> Json:
    params = {"sids": [sid], "action": action, "market_tickers": list(tickers)}
    return {"id": number, "cmd": "update_subscription", "params": params}


def test_a_subscription_begins_with_an_acknowledgement_and_a_snapshot(client: Client) -> None:
    ack, snapshot = frames(client.connect(subscribe("orderbook_delta")))
    assert ack == {"id": 1, "type": "subscribed", "msg": {"channel": "orderbook_delta", "sid": 1}}
    assert (snapshot["type"], snapshot["sid"], snapshot["seq"]) == ("orderbook_snapshot", 1, 1)
    assert snapshot["msg"]["yes_dollars_fp"] == [["0.4000", "25.50"], ["0.4100", "10.00"]]
    assert snapshot["msg"]["no_dollars_fp"] == [["0.5500", "7.00"], ["0.5600", "12.00"]]


def test_no_prices_come_in_the_yes_leg_on_demand(client: Client) -> None:
    socket = client.connect(subscribe("orderbook_delta", use_yes_price=True))
    _, snapshot = frames(socket)
    assert snapshot["msg"]["no_dollars_fp"] == [["0.4400", "12.00"], ["0.4500", "7.00"]]
    client.order("bid", "2.00", "0.4400")
    [delta] = frames(socket)
    assert (delta["msg"]["side"], delta["msg"]["price_dollars"]) == ("no", "0.4400")


def test_an_empty_side_has_no_key(client: Client) -> None:
    client.sim.exchange.set_book(T, [], levels(("0.44", "12")), NOW)
    _, snapshot = frames(client.connect(subscribe("orderbook_delta")))
    assert set(snapshot["msg"]) == {"market_ticker", "market_id", "no_dollars_fp"}


def test_one_order_is_told_on_every_channel(client: Client) -> None:
    public = subscribe("orderbook_delta", "ticker", "trade")
    private = {
        "id": 2,
        "cmd": "subscribe",
        "params": {"channels": ["user_orders", "fill", "market_positions"]},
    }
    socket, stranger = client.connect(public, private), Client(client.sim).connect(public, private)
    frames(socket)
    frames(stranger)
    client.now = NOW + 7
    client.order("bid", "15.00", "0.4500", client_order_id="mine")
    seen = frames(socket)
    kinds = [frame["type"] for frame in seen]
    assert kinds == ["orderbook_delta"] * 2 + ["trade", "fill", "market_position"] * 2 + [
        "user_order",
        "ticker",
    ]
    deltas = [frame["msg"] for frame in seen if frame["type"] == "orderbook_delta"]
    assert [(d["side"], d["price_dollars"], d["delta_fp"]) for d in deltas] == [
        ("no", "0.5600", "-12.00"),
        ("no", "0.5500", "-3.00"),
    ]
    assert {(d["ts_ms"], d["client_order_id"]) for d in deltas} == {(NOW + 7, "mine")}
    fills = [frame["msg"] for frame in seen if frame["type"] == "fill"]
    assert [(f["count_fp"], f["post_position_fp"]) for f in fills] == [("12.00", "12.00"), ("3.00", "15.00")]
    assert [f["fee_cost"] for f in fills] == [
        f["fee_cost"] for f in reversed(client.get("/portfolio/fills")["fills"])
    ]
    assert all(
        "seq" not in frame for frame in seen if frame["type"] in ("fill", "user_order", "market_position")
    )
    order = seen[-2]["msg"]
    assert (order["status"], order["fill_count_fp"], order["client_order_id"]) == (
        "executed",
        "15.00",
        "mine",
    )
    ticker = seen[-1]["msg"]
    assert (ticker["yes_ask_dollars"], ticker["yes_ask_size_fp"], ticker["volume_fp"]) == (
        "0.4500",
        "4.00",
        "15.00",
    )
    told = frames(stranger)
    assert [frame["type"] for frame in told] == ["orderbook_delta"] * 2 + ["trade"] * 2 + ["ticker"]
    assert all("client_order_id" not in frame["msg"] for frame in told)


def test_seq_counts_replies_and_all_markets_of_a_sid(client: Client) -> None:
    client.sim.list_market({"ticker": "KXB-26-T1", "series": "KXB"})
    socket = client.connect(subscribe("orderbook_delta"), update("add_markets", "KXB-26-T1"))
    client.rest("bid", "1.00", "0.4200")
    client.rest("bid", "1.00", "0.4200", ticker="KXB-26-T1")
    socket.receive(json.dumps(update("get_snapshot", T, "KXB-26-T1", number=6)), NOW)
    socket.receive(json.dumps(update("delete_markets", T, number=7)), NOW)
    client.rest("bid", "1.00", "0.4200")
    socket.receive(json.dumps({"id": 8, "cmd": "unsubscribe", "params": {"sids": [1]}}), NOW)
    seen = frames(socket)[1:]
    assert [frame["seq"] for frame in seen] == list(range(1, 10))
    assert [(frame["type"], frame.get("id")) for frame in seen] == [
        ("orderbook_snapshot", None),
        ("ok", 5),
        ("orderbook_snapshot", None),
        ("orderbook_delta", None),
        ("orderbook_delta", None),
        ("orderbook_snapshot", 6),
        ("orderbook_snapshot", 6),
        ("ok", 7),
        ("unsubscribed", 8),
    ]
    assert seen[1]["msg"] == {"market_tickers": [T, "KXB-26-T1"]}
    assert seen[7]["msg"] == {"market_tickers": ["KXB-26-T1"]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", 1),
        ('{"cmd":"list_subscriptions"}', 1),
        ('{"id":0,"cmd":"list_subscriptions"}', 1),
        ('{"id":3,"cmd":"shout","params":{}}', 5),
        ('{"id":3,"cmd":"subscribe"}', 2),
        ('{"id":3,"cmd":"subscribe","params":{}}', 3),
        ('{"id":3,"cmd":"subscribe","params":{"channels":["nothing"]}}', 8),
        ('{"id":3,"cmd":"subscribe","params":{"channels":["orderbook_delta"]}}', 14),
        ('{"id":3,"cmd":"subscribe","params":{"channels":["trade"],"market_tickers":"A"}}', 11),
        ('{"id":3,"cmd":"unsubscribe","params":{}}', 4),
        ('{"id":3,"cmd":"unsubscribe","params":{"sids":[9]}}', 7),
        ('{"id":3,"cmd":"update_subscription","params":{"sids":[1,2]}}', 12),
        ('{"id":3,"cmd":"update_subscription","params":{"sids":[1]}}', 15),
        ('{"id":3,"cmd":"update_subscription","params":{"sid":1,"action":"dance"}}', 13),
        ('{"id":3,"cmd":"update_subscription","params":{"sid":1,"action":"add_markets"}}', 14),
    ],
)
def test_a_wrong_command_is_answered_with_its_code(client: Client, text: str, expected: int) -> None:
    socket = client.connect(subscribe("orderbook_delta", "trade"))
    frames(socket)
    socket.receive(text, NOW)
    [reply] = frames(socket)
    assert (reply["type"], reply["msg"]["code"]) == ("error", expected)
    assert reply.get("id") == (3 if '"id":3' in text else None)


def test_an_unknown_channel_leaves_the_others_subscribed(client: Client) -> None:
    socket = client.connect(subscribe("nothing", "trade"), {"id": 2, "cmd": "list_subscriptions"})
    error, ack, listed = frames(socket)
    assert (error["type"], ack["msg"]["channel"]) == ("error", "trade")
    assert listed == {"id": 2, "type": "ok", "msg": [{"channel": "trade", "sid": 1}]}


def test_the_gap_knob_loses_numbered_frames(client: Client) -> None:
    socket = client.connect(subscribe("orderbook_delta"))
    client.sim.knobs["skip_seq"] = 1
    for _ in range(2):
        client.rest("bid", "1.00", "0.4200")
    assert [frame["seq"] for frame in frames(socket)[1:]] == [1, 3]
    assert client.sim.knobs["skip_seq"] == 0


def test_the_overflow_knob_ends_every_subscription(client: Client) -> None:
    socket = client.connect(subscribe("orderbook_delta", "fill"))
    frames(socket)
    client.sim.knobs["overflow"] = True
    client.sim.tick(NOW)
    dead = frames(socket)
    assert [(f["type"], f["sid"], f["msg"]["code"]) for f in dead] == [("error", 1, 25), ("error", 2, 25)]
    assert dead[0]["seq"] == 2
    client.rest("bid", "1.00", "0.4200")
    assert frames(socket) == []
    assert client.sim.knobs["overflow"] is False


def test_the_private_knob_loses_what_only_the_owner_is_told(client: Client) -> None:
    socket = client.connect(subscribe("fill", "user_orders", "trade"))
    frames(socket)
    client.sim.knobs["skip_private"] = 1
    client.order("bid", "1.00", "0.4400")
    client.order("bid", "1.00", "0.4400")
    kinds = [frame["type"] for frame in frames(socket)]
    assert kinds == ["trade", "user_order", "trade", "fill", "user_order"]
    assert client.sim.knobs["skip_private"] == 0


def test_a_maker_is_told_of_each_fill_and_of_the_end_of_his_order(client: Client) -> None:
    made = client.rest("bid", "8.00", "0.4300")
    socket, other = client.connect(subscribe("user_orders", "fill")), Client(client.sim)
    frames(socket)
    for count in ("2.00", "6.00"):
        other.order("ask", count, "0.4300")
    seen = [frame["msg"] for frame in frames(socket)]
    fills = [(msg["count_fp"], msg["is_taker"]) for msg in seen if "trade_id" in msg]
    assert fills == [("2.00", False), ("6.00", False)]
    states = [(m["status"], m["fill_count_fp"], m["last_update_reason"]) for m in seen if "status" in m]
    assert states == [("resting", "2.00", "Trade"), ("executed", "8.00", "Trade")]
    assert {msg["order_id"] for msg in seen} == {made["order_id"]}


# --- rate limits ---


def test_a_bucket_empties_and_refills_and_says_only_that_it_was_too_much(client: Client) -> None:
    client.sim.knobs["rate_limits"] = True
    for _ in range(10):
        assert client.order("bid", "0.01", "0.4400")[0] == 201
    assert client.order("bid", "0.01", "0.4400") == (429, {"error": "too many requests"})
    assert client.get("/account/limits")["write"] == {"refill_rate": 100, "bucket_capacity": 100}
    client.now += 99
    assert client.order("bid", "0.01", "0.4400")[0] == 429
    client.now += 1
    assert client.order("bid", "0.01", "0.4400")[0] == 201
    assert client.order("bid", "0.01", "0.4400")[0] == 429
    assert client.position() == "0.11", "what was refused was not placed"


def test_cheap_calls_cost_a_fifth_and_batches_each_of_their_items(client: Client) -> None:
    made = client.rest("bid", "1.00", "0.4000")
    client.sim.knobs["rate_limits"] = True
    batch = {"orders": [client.body("bid", "0.01", "0.4400") for _ in range(9)]}
    assert client.send("POST", f"{ORDERS}/batched", batch)[0] == 201
    for expected in (200, 404, 404, 404, 404, 429):
        path = f"{ORDERS}/{made['order_id']}"
        assert client.send("DELETE", path, market_ticker=T)[0] == expected
    for _ in range(100):
        client.get(f"/portfolio/orders/{made['order_id']}")
    assert client.send("GET", f"/portfolio/orders/{made['order_id']}")[0] == 429
    other = Client(client.sim)
    assert other.order("bid", "0.01", "0.4400")[0] == 201, "everybody has buckets of his own"


def test_a_disconnected_socket_is_told_nothing(client: Client) -> None:
    socket = client.connect(subscribe("orderbook_delta"))
    frames(socket)
    client.sim.disconnect(socket)
    client.rest("bid", "1.00", "0.4200")
    assert socket.outbox == []


def test_a_pause_and_a_new_market_are_told_on_the_lifecycle_channel(client: Client) -> None:
    command = {"id": 1, "cmd": "subscribe", "params": {"channels": ["market_lifecycle_v2"]}}
    socket = client.connect(command)
    frames(socket)
    client.sim.list_market({"ticker": "KXB-26-T1", "series": "KXB", "structure": "deci_cent"})
    client.sim.exchange.halt(client.sim.exchange.markets[T], "deactivated", NOW)
    client.sim.tick(NOW)
    created, paused = frames(socket)
    assert (created["seq"], created["msg"]["event_type"], created["msg"]["market_ticker"]) == (
        1,
        "created",
        "KXB-26-T1",
    )
    assert created["msg"]["price_ranges"][0]["step"] == "0.0010"
    assert (paused["seq"], paused["msg"]["event_type"]) == (2, "deactivated")


def test_events_are_filtered_by_the_state_of_their_markets_and_come_with_all_of_them(client: Client) -> None:
    sim = client.sim
    for ticker, event in (("KXA-26-T2", "KXA-26"), ("KXA-27-T1", "KXA-27")):
        sim.list_market({"ticker": ticker, "event": event, "series": "KXA"})
    for ticker in (T, "KXA-27-T1"):
        sim.exchange.halt(sim.exchange.markets[ticker], "closed", NOW)
    sim.tick(NOW)
    [event] = client.get("/events", status="open", with_nested_markets="true")["events"]
    assert [(m["ticker"], m["status"]) for m in event["markets"]] == [(T, "closed"), ("KXA-26-T2", "active")]
    assert len(client.get("/events", status="closed")["events"]) == 2
    assert code(client.send("GET", "/events", status="alive")) == (400, "invalid_parameters")


def test_orders_are_listed_by_subaccount_and_shard(sim: KalshiSimulator) -> None:
    client = Client(sim, subaccount=3)
    client.rest("bid", "1.00", "0.4200")
    for number, found in (("3", 1), ("0", 0)):
        assert len(client.get("/portfolio/orders", subaccount=number)["orders"]) == found
    assert client.get("/portfolio/orders", exchange_index="1")["orders"] == []


# --- any stream of orders ---

TICKERS = (T, "KXS-26-T1")
COUNTS = st.integers(1, 900).map(lambda cents: f"{cents // 100}.{cents % 100:02d}")
PRICES = st.integers(30, 55).map(lambda cents: f"0.{cents}")
STEP = st.fixed_dictionaries(
    {
        "who": st.integers(0, 2),
        "ticker": st.sampled_from(TICKERS),
        "side": st.sampled_from(["bid", "ask"]),
        "count": COUNTS,
        "price": PRICES,
        "time_in_force": st.sampled_from(["immediate_or_cancel", "fill_or_kill", "good_till_canceled"]),
        "self_trade_prevention_type": st.sampled_from(["taker_at_cross", "maker"]),
        "flag": st.sampled_from(["", "", "", "reduce_only", "post_only", "cancel", "reset"]),
    }
)


class Reader:
    """A consumer as simple as can be: plain dicts, and the numbers in order."""

    def __init__(self, socket: KalshiSocket, *, yes_price: bool) -> None:
        self.socket = socket
        self.yes_price = yes_price
        self.books: dict[str, dict[str, dict[Decimal, Decimal]]] = {}
        self.seq: dict[int, int] = {}

    def read(self) -> None:
        for frame in frames(self.socket):
            if "seq" in frame:
                assert frame["seq"] == self.seq.get(frame["sid"], 0) + 1
                self.seq[frame["sid"]] = frame["seq"]
            if frame["type"] == "orderbook_snapshot":
                msg = frame["msg"]
                self.books[msg["market_ticker"]] = {
                    side: {Decimal(p): Decimal(c) for p, c in msg.get(f"{side}_dollars_fp", [])}
                    for side in ("yes", "no")
                }
            elif frame["type"] == "orderbook_delta":
                msg = frame["msg"]
                book = self.books[msg["market_ticker"]][msg["side"]]
                price = Decimal(msg["price_dollars"])
                book[price] = book.get(price, Decimal(0)) + Decimal(msg["delta_fp"])
                assert book[price] >= 0
                if book[price] == 0:
                    del book[price]

    def check(self, sim: KalshiSimulator) -> None:
        for ticker, book in self.books.items():
            bids, asks = sim.exchange.levels(ticker)
            assert book["yes"] == {Decimal(p) / ONE: Decimal(s) / ONE for p, s in bids}
            asked = {(p if self.yes_price else 1 - p): size for p, size in book["no"].items()}
            assert asked == {Decimal(p) / ONE: Decimal(s) / ONE for p, s in asks}


def play(sim: KalshiSimulator, clients: list[Client], step: Json) -> None:
    client = clients[step["who"]]
    fields = {k: v for k, v in step.items() if k not in ("who", "flag", "side", "count", "price")}
    if step["flag"] == "cancel":
        for row in client.get("/portfolio/orders", status="resting", limit="1")["orders"]:
            path = f"{ORDERS}/{row['order_id']}"
            assert client.send("DELETE", path, market_ticker=row["ticker"])[0] == 200
        return
    if step["flag"] == "reset":
        # Only where nobody's order stands in the way of the new levels.
        if not [
            o for o in sim.exchange.resting(sim.exchange.markets[step["ticker"]]) if o.account != "house"
        ]:
            sim.exchange.set_book(step["ticker"], levels(("0.40", "9")), levels(("0.46", "9")), client.now)
        return
    if step["flag"]:
        fields[step["flag"]] = True
    status, reply = client.order(step["side"], step["count"], step["price"], **fields)
    assert status in (201, 400, 409), reply


@settings(max_examples=examples(60), deadline=None)
@given(steps=st.lists(STEP, max_size=30), step=st.sampled_from(["0.0001", "0.01"]))
def test_any_stream_of_orders_conserves_money_and_is_told_completely(steps: list[Json], step: str) -> None:
    sim = KalshiSimulator(3)
    sim.list_market({"ticker": T, "series": "KXA", "fee_type": "quadratic_with_maker_fees"})
    sim.list_market({"ticker": "KXS-26-T1", "series": "KXS", "fee_multiplier": "0.5"})
    for ticker in TICKERS:
        sim.exchange.set_book(
            ticker, levels(("0.40", "9"), ("0.38", "9")), levels(("0.46", "9"), ("0.5", "9")), NOW
        )
    held = {T: "5", "KXS-26-T1:inverted": "3.25"}
    clients = [
        Client(sim, balance="6", positions=held, account_precision=step),
        Client(sim, balance="20"),
        Client(sim, balance="100"),
    ]
    private = {"id": 2, "cmd": "subscribe", "params": {"channels": ["fill", "trade"]}}
    readers = [
        Reader(
            clients[0].connect(subscribe("orderbook_delta", market_tickers=list(TICKERS)), private),
            yes_price=False,
        ),
        Reader(
            clients[1].connect(
                subscribe("orderbook_delta", market_tickers=list(TICKERS), use_yes_price=True)
            ),
            yes_price=True,
        ),
    ]
    for number, made in enumerate(steps):
        for client in clients:
            client.now = NOW + number
        play(sim, clients, made)
        sim.tick(NOW + number)
        sim.exchange.audit()
        for reader in readers:
            reader.read()
            reader.check(sim)
    for client in clients:
        check_account(sim, client)


def check_account(sim: KalshiSimulator, client: Client) -> None:
    """What the reads say is what the ledger says, and nobody holds both outcomes of a market."""
    account = sim.exchange.accounts[client.account]
    assert account.free >= -micros("0.05"), "makers' fees are the only thing not reserved"
    assert client.free() * ONE == account.free
    fills = client.get("/portfolio/fills", limit="1000")["fills"]
    for ticker in TICKERS:
        yes, no = (account.positions.get((ticker, outcome), 0) for outcome in (0, 1))
        assert min(yes, no) == 0
        assert Decimal(client.position(ticker)) * ONE == yes - no
    paid = sum(Decimal(fill["fee_cost"]) for fill in fills)
    orders = client.get("/portfolio/orders", limit="1000")["orders"]
    assert paid == sum(Decimal(o["taker_fees_dollars"]) + Decimal(o["maker_fees_dollars"]) for o in orders)
    counts = {order["order_id"]: Decimal(order["fill_count_fp"]) for order in orders}
    for fill in fills:
        counts[fill["order_id"]] -= Decimal(fill["count_fp"])
    assert not any(counts.values())


@pytest.mark.parametrize("cursor", ["-1", "next", "9" * 5_000])
def test_a_cursor_that_is_no_number_is_refused(client: Client, cursor: str) -> None:
    assert code(client.send("GET", "/markets", cursor=cursor)) == (400, "invalid_parameters")
