"""What the simulated venue lets in: the official clients' own bytes, and nothing that was tampered with."""

import json
from pathlib import Path
from typing import Any

import pytest

import venues.polymarket
from tests.venues.polymarket.sim_trader import NOW, Trader, levels, refused, scene
from venues.base.units import ONE, Price, Size, micros
from venues.polymarket.sim import PolymarketSimulator
from venues.polymarket.sim_rules import Terms, wallet_of
from venues.sim.contract import Call
from venues.sim.model import Market

VECTORS = Path(venues.polymarket.__file__).parent / "vectors" / "polymarket.json"
CASES = json.loads(VECTORS.read_text())["cases"]
CURVE = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
ORDERS = [case for case in CASES if case["kind"] == "order"]


# --- the official clients' own bytes ---


def vector_sim(case: dict[str, Any]) -> PolymarketSimulator:
    """A venue that lists the token of an order case and knows its customer, with enough of everything."""
    wish = case["input"]
    sim = PolymarketSimulator(0, wish.get("chain_id", 137))
    sim.list_market(
        {
            "ids": [wish["token_id"], "7"],
            "tick": wish["tick_size"],
            "neg_risk": wish["neg_risk"],
        }
    )
    own = {"private_key": wish["private_key"], "signature_type": str(wish["signature_type"])}
    own["funder"] = case["expected"]["maker_address"]
    credentials = {**own, **wish["api_creds"]}
    account = {"balance": "1000", "positions": {wish["token_id"]: "1000"}, "credentials": credentials}
    assert sim.open_account(account, NOW)["funder"] == case["expected"]["maker_address"]
    price = micros(wish["price"])
    around = [(Price(price), Size(500 * ONE))]
    if wish["order_kind"] == "market":
        buys = wish["side"] == "BUY"
        sim.exchange.set_book(wish["token_id"], [] if buys else around, around if buys else [], NOW)
    return sim


def send(sim: PolymarketSimulator, request: dict[str, Any], body: str | None = None) -> tuple[int, Any]:
    head = {name.lower(): value for name, value in request["headers"].items()}
    content = request["body"] if body is None else body
    call = Call(method=request["method"], path=request["path"], headers=head, body=content.encode())
    response = sim.answer(call, 1_000 * int(head["poly_timestamp"]))
    return response.status, json.loads(response.body)


@pytest.mark.parametrize("case", ORDERS, ids=lambda case: case["id"])
@pytest.mark.parametrize("which", ["request", "alternative_request"])
def test_an_order_of_an_official_client_is_taken_under_its_hash(case: dict[str, Any], which: str) -> None:
    if which not in case["expected"]:
        pytest.skip("the case has no request of a second client")
    sim = vector_sim(case)
    if case["id"] == "A16":
        sim.exchange.set_book(case["input"]["token_id"], [], [(Price(550_000), Size(ONE * 50))], NOW)
    status, reply = send(sim, case["expected"][which])
    assert (status, reply.get("error")) == (200, None)
    assert reply["orderID"] == case["expected"]["order_hash"]
    assert reply["status"] == ("live" if case["input"]["order_type"] in ("GTC", "GTD") else "matched")


@pytest.mark.parametrize("case", ORDERS, ids=lambda case: case["id"])
@pytest.mark.parametrize("field", ["takerAmount", "salt", "timestamp", "signature", "side"])
def test_an_order_changed_after_signing_is_refused(case: dict[str, Any], field: str) -> None:
    sim = vector_sim(case)
    trader = Trader.of(sim, case["input"])
    payload = json.loads(case["expected"]["request"]["body"])
    order = payload["order"]
    match field:
        case "takerAmount" | "timestamp":
            order[field] = str(int(order[field]) + 1)
        case "salt":
            order["salt"] -= 1
        case "side":
            order["side"] = "SELL" if order["side"] == "BUY" else "BUY"
        case _:
            order["signature"] = order["signature"][:10] + "00" + order["signature"][12:]
    assert refused(trader.call("POST", "/order", payload)) == "invalid signature"


@pytest.mark.parametrize("case", ORDERS, ids=lambda case: case["id"])
def test_an_order_signed_for_another_exchange_is_refused(case: dict[str, Any]) -> None:
    """Neg-risk is a property of the market; positions of Exchange V3 ignore it (section 5.3)."""
    other = {**case, "input": {**case["input"], "neg_risk": not case["input"]["neg_risk"]}}
    status, reply = send(vector_sim(other), case["expected"]["request"])
    if case["input"].get("exchange_version") == 3:
        assert status == 200
    else:
        assert (status, reply) == (400, {"error": "invalid signature"})


@pytest.mark.parametrize("case", [c for c in CASES if c["kind"] == "wallet_addresses"], ids=lambda c: c["id"])
def test_wallets_are_derived_as_on_chain(case: dict[str, Any]) -> None:
    wanted = case["expected"]
    names = ("eoa", "poly_proxy", "gnosis_safe", "deposit_wallet_beacon")
    assert [wallet_of(wanted["eoa"], kind) for kind in range(4)] == [wanted[name] for name in names]


@pytest.mark.parametrize("case", [c for c in CASES if c["kind"] == "taker_fee"], ids=lambda c: c["id"])
def test_the_fee_is_the_documented_one(case: dict[str, Any]) -> None:
    asked = case["input"]
    rate, exponent = micros(asked["rate"]), int(asked["exponent"])
    terms = Terms(
        Market("m", ("1", "2")),
        "",
        10_000,
        neg_risk=False,
        fee_rate=rate,
        fee_exponent=exponent,
        minimum=0,
        delay_ms=0,
    )
    fee = terms.fee(Price(micros(asked["price"])), Size(micros(asked["shares"])))
    assert fee == micros(case["expected"]["fee_floor_5dp"])


def test_wallet_proofs_make_and_find_api_keys() -> None:
    case = next(c for c in CASES if c["kind"] == "l1_headers" and c["input"]["chain_id"] == 137)
    sim = PolymarketSimulator(0)
    request = {"method": "POST", "path": "/auth/api-key", "body": "", "headers": case["expected"]["headers"]}
    derive = {**request, "method": "GET", "path": "/auth/derive-api-key"}
    assert send(sim, derive)[0] == 400
    status, made = send(sim, request)
    assert (status, set(made)) == (200, {"apiKey", "secret", "passphrase"})
    assert send(sim, request) == (400, {"error": "Could not create api key"})
    assert send(sim, derive) == (200, made)
    forged = {**request["headers"], "POLY_NONCE": "1"}
    assert send(sim, {**request, "headers": forged}) == (401, {"error": "Invalid L1 Request headers"})


def public(sim: PolymarketSimulator, path: str, **query: str) -> Any:
    return json.loads(sim.answer(Call(method="GET", path=path, query=query), NOW).body)


# --- who may call ---


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("poly_signature", "AAAA"),
        ("poly_timestamp", str(NOW // 1_000 - 60)),
        ("poly_timestamp", str(NOW // 1_000 + 60)),
        ("poly_timestamp", "soon"),
        ("poly_api_key", "00000000-0000-4000-8000-000000000000"),
        ("poly_passphrase", "guess"),
        ("poly_address", "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"),
    ],
)
def test_a_wrong_l2_header_is_unauthorized(header: str, value: str) -> None:
    _, trader, _, _ = scene()
    assert trader.call("GET", "/data/orders")[0] == 200
    assert trader.call("GET", "/data/orders", headers={header: value}) == (
        401,
        {"error": "Unauthorized/Invalid api key"},
    )


def test_a_stale_clock_is_unauthorized_even_when_signed() -> None:
    _, trader, _, _ = scene()
    assert trader.call("GET", "/data/orders", stamp_s=NOW // 1_000 - 11)[0] == 401
    assert trader.call("GET", "/data/orders", stamp_s=NOW // 1_000 + 11)[0] == 401
    assert trader.call("GET", "/data/orders", stamp_s=NOW // 1_000 - 9)[0] == 200


def test_the_body_that_arrived_is_the_body_that_was_signed() -> None:
    _, trader, yes, _ = scene()
    payload = trader.order(yes, "BUY", 10_000_000, 19_230_700)
    assert trader.call("POST", "/order", payload, sent=json.dumps(payload) + " ")[0] == 401


def test_an_order_belongs_to_the_key_that_sends_it() -> None:
    sim, trader, yes, _ = scene()
    other = Trader(sim, sim.open_account({"balance": "100"}, NOW))
    payload = trader.order(yes, "BUY", 10_000_000, 19_230_700)
    assert "owner has to be" in refused(trader.call("POST", "/order", {**payload, "owner": other.api_key}))
    stolen = {**payload, "owner": other.api_key}
    assert "has to be a wallet of" in refused(other.call("POST", "/order", stolen))


# --- what an order must be ---


@pytest.mark.parametrize(
    ("given", "wanted", "lifetime", "text"),
    [
        (10_000_000, 19_047_600, "FAK", "breaks minimum tick size rule: 0.01"),  # 0.525
        (5_000_000, 10_000_000, "GTC", None),
        (5_050_000, 10_000_000, "GTC", "breaks minimum tick size rule: 0.01"),  # 0.505
        (10_000_000, 10_000_000, "GTC", "breaks minimum tick size rule"),  # 1
        (990_000, 1_903_800, "FAK", "min size: $1"),
        (2_080_000, 4_000_000, "GTC", "lower than the minimum: 5"),
        (10_001_000, 19_232_600, "FAK", "max accuracy of 2 decimals"),
        (10_000_000, 19_230_769, "FAK", "max accuracy of 2 decimals"),
        (0, 10_000_000, "GTC", "invalid amounts"),
        (60_000_000, 100_000_000, "GTC", None),
        (101_000_000, 198_039_200, "FAK", "not enough balance / allowance"),
        (20_000_000, 40_000_000, "IOC", "Invalid order payload"),
    ],
)
def test_a_buy_keeps_the_venues_rules(given: int, wanted: int, lifetime: str, text: str | None) -> None:
    _, trader, yes, _ = scene()
    status, reply = trader.post(yes, "BUY", given, wanted, lifetime=lifetime)
    assert (status == 200) if text is None else (text in refused((status, reply))), reply


@pytest.mark.parametrize(
    ("given", "wanted", "text"),
    [
        (12_340_000, 5_923_200, None),  # 0.48
        (12_340_000, 5_923_300, "breaks minimum tick size rule: 0.01"),
        (10_000_000, 4_750_000, "breaks minimum tick size rule: 0.01"),  # 0.475
        (10_000_000, 10_000_000, "breaks minimum tick size rule: 0.01"),
        (12_345_000, 5_925_600, "max accuracy of 2 decimals"),
        (41_000_000, 19_680_000, "not enough balance / allowance"),
    ],
)
def test_a_sell_keeps_the_venues_rules(given: int, wanted: int, text: str | None) -> None:
    _, trader, yes, _ = scene()
    status, reply = trader.post(yes, "SELL", given, wanted)
    assert (status == 200) if text is None else (text in refused((status, reply))), reply


def test_a_signature_has_one_form_only() -> None:
    """The same key can make others for the same order; the contract refuses them."""
    _, trader, yes, _ = scene()
    payload = trader.order(yes, "BUY", 10_000_000, 19_230_700)
    text = payload["order"]["signature"][2:]
    flipped = CURVE - int(text[64:128], 16)
    others = (
        text[:128] + f"{int(text[128:], 16) - 27:02x}",
        text[:64] + f"{flipped:064x}" + ("1c" if text[128:] == "1b" else "1b"),
        text + "00",
    )
    for other in others:
        payload["order"]["signature"] = "0x" + other
        assert refused(trader.call("POST", "/order", payload)) == "invalid signature"


@pytest.mark.parametrize(
    "case", [c for c in ORDERS if c["input"]["signature_type"] == 3], ids=lambda c: c["id"]
)
def test_a_wrapped_signature_is_checked_to_its_end(case: dict[str, Any]) -> None:
    sim = vector_sim(case)
    trader = Trader.of(sim, case["input"])
    payload = json.loads(case["expected"]["request"]["body"])
    whole = payload["order"]["signature"]
    for changed in (whole[:-1] + "b", whole[:140] + "00" + whole[142:], whole[:132]):
        payload["order"]["signature"] = changed
        assert refused(trader.call("POST", "/order", payload)) == "invalid signature"


def test_metadata_says_what_the_market_was_listed_with() -> None:
    sim, _, yes, no = scene(tick="0.001", neg_risk=True, fee_rate="0.04", minimum_size="15")
    market = public(sim, f"/markets-by-token/{no}")["condition_id"]
    row = public(sim, f"/clob-markets/{market}")
    assert row["t"] == [{"t": yes, "o": "Yes"}, {"t": no, "o": "No"}]
    assert (row["mts"], row["mos"], row["nr"], row["ao"]) == (0.001, 15, True, True)
    assert row["fd"] == {"r": 0.04, "e": 1, "to": True}
    assert public(sim, "/neg-risk", token_id=yes) == {"neg_risk": True}
    assert public(sim, f"/markets/{market}")["minimum_tick_size"] == 0.001
    [gamma] = public(sim, "/gamma/markets", clob_token_ids=f"{no},5")
    assert json.loads(gamma["clobTokenIds"]) == [yes, no]
    assert public(sim, "/book", token_id="5") == {"error": "No orderbook exists for the requested token id"}
    plain = public(
        sim, f"/clob-markets/{sim.exchange.by_native[sim.list_market({'fee_rate': '0'})[0]][0].market_id}"
    )
    assert "nr" not in plain
    assert "fd" not in plain


def test_the_catalogue_comes_in_pages_behind_cursors_and_the_last_has_none() -> None:
    sim, _, yes, _ = scene(title="Q0")
    for number in range(1, 5):
        sim.list_market({"title": f"Q{number}"})
    pages: list[list[str]] = []
    cursor: str | None = ""
    while cursor is not None and len(pages) < 9:
        page = public(sim, "/gamma/markets/keyset", limit="2", after_cursor=cursor)
        pages.append([row["question"] for row in page["markets"]])
        cursor = page.get("next_cursor")
    assert pages == [["Q0", "Q1"], ["Q2", "Q3"], ["Q4"]]
    sim.resolve(yes, NOW)
    for closed, count in (("true", 1), ("false", 4)):
        assert len(public(sim, "/gamma/markets/keyset", closed=closed)["markets"]) == count
    assert "error" in public(sim, "/gamma/markets/keyset", after_cursor="nonsense")
    assert "error" in public(sim, "/gamma/markets/keyset", limit="none")


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        ({"tick": "0.02"}, "tick: one of"),
        ({"fee_rate": "5%"}, "fee_rate: not a plain decimal"),
        ({"taker_delay_ms": "1s"}, "taker_delay_ms: a whole number"),
        ({"ids": ["1"]}, "ids: two token ids"),
        ({"colour": "red"}, r"no such fields \['colour'\]"),
    ],
)
def test_a_wrong_market_wish_is_named(wish: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        PolymarketSimulator(0).list_market(wish)


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        ({"balance": "ten"}, "balance: not a plain decimal"),
        ({"positions": {"5": "1"}}, "positions: no listing '5'"),
        ({"signature_type": "4"}, "signature_type: one of 0, 1, 2, 3"),
        ({"funder": "me"}, "funder: must be 20 bytes in hexadecimal"),
        ({"credentials": {"private_key": "0x0"}}, "private_key: "),
        ({"credentials": {"api_secret": "a"}}, "api_secret: not base64"),
        ({"credentials": {"pin": "1"}}, r"no such fields \['pin'\]"),
    ],
)
def test_a_wrong_account_wish_is_named_and_opens_nothing(wish: dict[str, Any], text: str) -> None:
    sim = PolymarketSimulator(0)
    before = set(sim.exchange.accounts)
    with pytest.raises(ValueError, match=text):
        sim.open_account(wish, NOW)
    assert set(sim.exchange.accounts) == before


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"order":5}', b'{"order":{}}', b'{"orderID":[]}', b"[[]]", b"1"]
)
@pytest.mark.parametrize(
    "path", ["POST /order", "POST /orders", "DELETE /order", "DELETE /orders", "POST /books"]
)
def test_no_body_breaks_the_venue(path: str, body: bytes) -> None:
    _, trader, _, _ = scene()
    method, _, where = path.partition(" ")
    status, _ = trader.call(
        method, where, sent=body.decode(), headers=trader.proof(method, where, body.decode())
    )
    assert status in (200, 400)


def test_a_cheap_resting_buy_is_fine_but_not_a_cheap_marketable_one() -> None:
    sim, trader, yes, _ = scene(minimum_size="1")
    assert trader.post(yes, "BUY", 500_000, 1_000_000, lifetime="GTC")[0] == 200
    sim.exchange.set_book(yes, [], levels([("0.5", "10")]), NOW + 1)
    assert "min size: $1" in refused(trader.post(yes, "BUY", 505_000 - 5_000, 1_000_000, lifetime="GTC"))


@pytest.mark.parametrize(
    ("lifetime", "expiration", "works"),
    [("GTD", 179, False), ("GTD", 180, True), ("GTD", None, False), ("GTC", 600, False), ("FAK", 600, False)],
)
def test_only_a_dated_order_has_a_date_and_it_is_not_near(
    lifetime: str, expiration: int | None, works: bool
) -> None:
    _, trader, yes, _ = scene()
    end = 0 if expiration is None else NOW // 1_000 + expiration
    reply = trader.post(yes, "BUY", 4_000_000, 10_000_000, lifetime=lifetime, expiration=end)
    assert (reply[0] == 200) if works else (refused(reply) == "invalid expiration")


@pytest.mark.parametrize(
    ("field", "value"),
    [("salt", 2**53), ("salt", "1"), ("signatureType", "0"), ("makerAmount", 10), ("tokenId", "1" * 80)],
)
def test_a_field_of_the_wrong_type_or_range_is_an_invalid_payload(field: str, value: Any) -> None:
    _, trader, yes, _ = scene()
    payload = trader.order(yes, "BUY", 10_000_000, 19_230_700)
    payload["order"][field] = value
    assert refused(trader.call("POST", "/order", payload)) == "Invalid order payload"
