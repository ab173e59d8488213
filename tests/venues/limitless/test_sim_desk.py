"""What the simulated venue does with orders: fills, fees and balances by hand, settlement, conservation."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.venues.limitless.sim_trader import (
    BOOK,
    NOW,
    SECOND,
    Trader,
    another,
    ask,
    levels,
    refused,
    scene,
    totals,
)
from venues.base.units import ONE, micros
from venues.limitless.sim import LimitlessSimulator


@pytest.fixture(autouse=True)
def audited(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Every venue of a test is audited at its end."""
    opened: list[LimitlessSimulator] = []
    begin = LimitlessSimulator.__init__

    def remember(sim: LimitlessSimulator, seed: int) -> None:
        begin(sim, seed)
        opened.append(sim)

    monkeypatch.setattr(LimitlessSimulator, "__init__", remember)
    yield
    for sim in opened:
        sim.exchange.audit()


# --- matching, fees, balances ---


def test_a_legacy_buy_pays_its_fee_in_shares() -> None:
    _, trader, slug = scene()
    status, reply = trader.post(slug, "BUY", "0.54", "15", clientOrderId="c-1")
    assert status == 201
    # 10 at 0.52 and 5 at 0.54 are 7.9 for 15: an average of 0.52667. Between 0.50 (300) and 0.55 (252) that
    # is 274.4 bps, and 15 * 274.4 bps is 0.4116 shares.
    assert totals(reply) == {
        "contractsGross": "15", "contractsFee": "0.4116", "contractsNet": "14.5884",
        "usdGross": "7.9", "usdFee": "0", "usdNet": "7.9",
    }  # fmt: skip
    assert trader.money(slug) == (100 * ONE - 7_900_000, 40 * ONE + 14_588_400)
    execution = reply["execution"]
    assert (execution["matched"], execution["settlementStatus"]) == (True, "MATCHED")
    assert (execution["feeRateBps"], execution["effectiveFeeBps"]) == (300, 275)
    assert (execution["clientOrderId"], execution["txHash"]) == ("c-1", None)
    assert [match["matchedSize"] for match in reply["makerMatches"]] == ["10000000", "5000000"]


def test_a_collateral_buy_pays_its_fee_in_money_on_top() -> None:
    _, trader, slug = scene(fee="collateral")
    _, reply = trader.post(slug, "BUY", "0.54", "15")
    assert totals(reply) == {
        "contractsGross": "15", "contractsFee": "0", "contractsNet": "15",
        "usdGross": "7.9", "usdFee": "0.216776", "usdNet": "8.116776",
    }  # fmt: skip
    assert trader.money(slug) == (100 * ONE - 8_116_776, 55 * ONE)


@pytest.mark.parametrize("fee", ["legacy", "collateral"])
def test_a_sale_pays_its_fee_out_of_the_proceeds(fee: str) -> None:
    _, trader, slug = scene(fee=fee)
    _, reply = trader.post(slug, "SELL", "0.47", "35")
    # 30 at 0.48 and 5 at 0.47 are 16.75: 0.478571 on average, between 0.40 (144) and 0.50 (150) 148.714 bps.
    assert totals(reply)["usdFee"] == "0.249096"
    assert totals(reply)["usdNet"] == "16.500904"
    assert trader.money(slug) == (100 * ONE + 16_500_904, 5 * ONE)


def test_the_rate_is_of_the_average_the_limit_or_each_fill() -> None:
    charged = []
    for mode in ("average", "limit", "fill"):
        sim, trader, slug = scene()
        sim.knobs["fee_price"] = mode
        charged.append(totals(trader.post(slug, "BUY", "0.54", "15")[1])["contractsFee"])
    # 0.52 is 280.8 bps and 0.54 261.6: 10 * 280.8 + 5 * 261.6; and 15 * 261.6.
    assert charged == ["0.4116", "0.3924", "0.4116"]


def test_a_maker_pays_nothing() -> None:
    sim, trader, slug = scene()
    maker = another(sim)
    assert maker.post(slug, "BUY", "0.49", "10", "GTC")[0] == 201
    trader.post(slug, "SELL", "0.49", "10")
    assert maker.money(slug) == (100 * ONE - 4_900_000, 10 * ONE)


def test_a_no_order_trades_on_the_mirrored_book() -> None:
    _, trader, slug = scene()
    _, reply = trader.post(slug, "BUY", "0.52", "10", outcome=1)  # takes the YES bid at 0.48
    assert totals(reply)["usdGross"] == "5.2"
    assert trader.money(slug, 1) == (100 * ONE - 5_200_000, 10 * ONE - 280_800)


def test_a_fill_and_kill_order_takes_what_is_there_within_its_limit() -> None:
    sim, trader, slug = scene()
    _, reply = trader.post(slug, "BUY", "0.53", "50")
    assert totals(reply)["contractsGross"] == "10"
    assert reply["order"]["status"] == "MATCHED"
    _, nothing = trader.post(slug, "BUY", "0.53", "50")
    execution = nothing["execution"]
    assert (execution["settlementStatus"], execution["matched"]) == ("UNMATCHED", False)
    assert execution["tradeEventId"] is None
    assert sim.exchange.levels(slug)[1] == levels([("0.54", "100")])


def test_a_fill_or_kill_buy_spends_its_cash_at_any_price_or_nothing() -> None:
    sim, trader, slug = scene()
    _, reply = trader.post(slug, "BUY", None, "10", "FOK")
    # 10 at 0.52 is 5.2; the other 4.8 buy 8.888 at 0.54, in whole thousandths.
    assert (totals(reply)["contractsGross"], totals(reply)["usdGross"]) == ("18.888", "9.99952")
    before = trader.worth()
    _, killed = trader.post(slug, "BUY", None, "90", "FOK")
    assert (killed["execution"]["settlementStatus"], trader.worth()) == ("UNMATCHED", before)
    sim.knobs["unmatched_refused"] = 1
    assert refused(trader.post(slug, "BUY", None, "90", "FOK")).startswith("Market order unmatched")


def test_a_fill_or_kill_sale_sells_all_or_nothing() -> None:
    _, trader, slug = scene()
    _, reply = trader.post(slug, "SELL", None, "35", "FOK")
    assert totals(reply)["usdGross"] == "16.75"
    before = trader.worth()
    assert refused(trader.post(slug, "SELL", None, "6", "FOK")) == "Insufficient conditional token balance"
    assert trader.worth() == before


def test_a_resting_order_is_read_filled_and_cancelled() -> None:
    sim, trader, slug = scene()
    _, reply = trader.post(slug, "BUY", "0.49", "10", "GTC", clientOrderId="r-1")
    order_id = reply["order"]["id"]
    assert (reply["order"]["status"], reply["execution"]["settlementStatus"]) == ("LIVE", "UNMATCHED")
    another(sim, positions={slug: "4"}).post(slug, "SELL", "0.49", "4")
    [row] = trader.call("GET", f"/markets/{slug}/user-orders?statuses=LIVE&limit=200")[1]["orders"]
    assert (row["id"], row["side"], row["price"], row["clientOrderId"]) == (order_id, "BUY", "0.49", "r-1")
    assert (row["originalSize"], row["remainingSize"]) == ("10000000", "6000000")
    item = trader.status(order_id)
    assert (item["status"], item["data"]["order"]["order"]["status"]) == ("found", "LIVE")
    assert item["data"]["execution"]["totalsRaw"]["contractsGross"] == "4000000"
    assert trader.call("DELETE", f"/orders/{order_id}")[1]["message"] == "Order canceled successfully"
    assert refused(trader.call("DELETE", f"/orders/{order_id}")) == "Order not found or already canceled"
    assert trader.call("GET", f"/markets/{slug}/user-orders")[1]["orders"] == []
    [gone] = trader.call("GET", f"/markets/{slug}/user-orders?statuses=MATCHED,CANCELED")[1]["orders"]
    assert (gone["id"], gone["status"]) == (order_id, "CANCELED")
    assert trader.worth()[1] == 0


def test_an_order_that_takes_and_rests_is_both() -> None:
    sim, trader, slug = scene()
    _, reply = trader.post(slug, "BUY", "0.53", "15", "GTC")
    assert (reply["order"]["status"], totals(reply)["contractsGross"]) == ("LIVE", "10")
    assert sim.exchange.levels(slug)[0][0] == levels([("0.53", "5")])[0]


def test_a_post_only_order_does_not_cross() -> None:
    _, trader, slug = scene()
    crossing = trader.post(slug, "BUY", "0.52", "10", "GTC", postOnly=True)
    assert refused(crossing) == "Post-only order would match immediately"
    assert trader.post(slug, "BUY", "0.51", "10", "GTC", postOnly=True)[0] == 201
    assert "postOnly" in refused(trader.post(slug, "BUY", "0.51", "10", postOnly=True))


# --- refusals ---


@pytest.mark.parametrize(
    ("signed", "more", "text"),
    [
        ({"expiration": "1"}, {}, "expiration and nonce"),
        ({"nonce": 1}, {}, "expiration and nonce"),
        ({"side": 2}, {}, "side must be"),
        ({"signatureType": 1}, {}, "signatureType"),
        ({"taker": "0x" + "11" * 20}, {}, "taker must be"),
        ({"feeRateBps": 0}, {}, "feeRateBps"),
        ({"feeRateBps": 299}, {}, "feeRateBps"),
        ({"salt": 2**53}, {}, "salt"),
        ({"makerAmount": 5_200_001}, {}, "price must be a multiple"),
        ({"takerAmount": 10_000_500, "makerAmount": 5_200_260}, {}, "multiple of 1000"),
        ({"makerAmount": 5_205_000}, {}, "price must be a multiple"),
        ({"makerAmount": 5_210_000}, {}, "price does not match"),
        ({"makerAmount": 0}, {}, "must be positive"),
        ({"takerAmount": 0}, {}, "must be positive"),
        ({"makerAmount": 10_000_000}, {}, "below 1"),
        ({"tokenId": "1"}, {}, "Invalid token ID"),
        ({"maker": "0x00000000219ab540356cBB839Cbe05303d7705Fa"}, {}, "Signer does not match"),
        ({}, {"orderType": "GTD"}, "orderType"),
        ({}, {"clientOrderId": "x" * 129}, "clientOrderId"),
        ({}, {"stpPolicy": "none"}, "stpPolicy"),
        ({}, {"recvWindow": 0}, "recvWindow"),
        ({}, {"recvWindow": 10_001}, "recvWindow"),
    ],
)
def test_what_breaks_a_rule_is_refused_by_name(
    signed: dict[str, Any], more: dict[str, Any], text: str
) -> None:
    _, trader, slug = scene()
    before = trader.worth()
    assert text in refused(trader.post(slug, "BUY", "0.52", "10", signed=signed, **more))
    assert trader.worth() == before


def test_a_fill_or_kill_order_names_no_price() -> None:
    _, trader, slug = scene()
    assert "takerAmount must be 1" in refused(
        trader.post(slug, "BUY", None, "1", "FOK", signed={"takerAmount": 2})
    )
    priced = trader.order(slug, "BUY", "0.52", "1", "FOK", signed={"takerAmount": 1})
    assert "price is not allowed" in refused(trader.call("POST", "/orders", priced))
    assert "multiple of 1000" in refused(trader.post(slug, "SELL", None, "1.0005", "FOK"))


def test_an_order_is_for_the_exchange_of_its_own_market() -> None:
    sim, trader, slug = scene()
    [other] = sim.list_market({"neg_risk": True})
    exchange = ask(sim, "GET", f"/markets/{other}")[1]["venue"]["exchange"]
    assert refused(trader.post(slug, "BUY", "0.52", "10", exchange=exchange)) == "Invalid signature"


def test_a_signature_covers_every_amount() -> None:
    _, trader, slug = scene()
    body = trader.order(slug, "BUY", "0.52", "10")
    body["order"] |= {"makerAmount": 10_400_000, "takerAmount": 20_000_000}
    assert refused(trader.call("POST", "/orders", body)) == "Invalid signature"
    body = trader.order(slug, "BUY", "0.52", "10")
    body["order"]["maker"] = body["order"]["maker"].lower()
    assert "checksummed" in refused(trader.call("POST", "/orders", body))
    body = trader.order(slug, "BUY", "0.52", "10")
    body["order"]["signature"] = "0x12"
    assert refused(trader.call("POST", "/orders", body)) == "Invalid signature"


def test_nobody_trades_for_another() -> None:
    sim, trader, slug = scene()
    other = another(sim)
    refused(trader.call("POST", "/orders", other.order(slug, "BUY", "0.52", "10")), 403)
    stolen = other.order(slug, "BUY", "0.52", "10") | {"ownerId": trader.profile}
    assert refused(trader.call("POST", "/orders", stolen)) == "Signer does not match with correct address"
    refused(trader.post(slug, "BUY", "0.52", "1", onBehalfOf=other.profile), 403)
    _, mine = trader.post(slug, "BUY", "0.4", "10", "GTC", clientOrderId="x")
    refused(other.call("DELETE", f"/orders/{mine['order']['id']}"), 404)
    refused(other.call("POST", "/orders/cancel", {"clientOrderId": "x"}), 404)
    assert other.status(mine["order"]["id"])["status"] == "not_found"
    assert other.post(slug, "BUY", "0.4", "1", "GTC", clientOrderId="x")[0] == 201


def test_money_and_shares_must_be_there_with_the_fee() -> None:
    sim, trader, slug = scene(fee="collateral")
    assert refused(trader.post(slug, "SELL", "0.47", "40.001")) == "Insufficient conditional token balance"
    assert trader.post(slug, "BUY", "0.4", "250", "GTC")[0] == 201
    assert refused(trader.post(slug, "BUY", "0.52", "1")) == "Insufficient collateral balance"
    short, rich = another(sim, balance="5.346015"), another(sim, balance="5.346016")
    # 10 at 0.52 with 280.8 bps are 5.346016.
    assert refused(short.post(slug, "BUY", "0.52", "10")) == "Insufficient collateral balance"
    assert rich.post(slug, "BUY", "0.52", "10")[0] == 201
    assert rich.money(slug) == (0, 10 * ONE)


def test_a_buy_must_be_covered_at_its_limit_also_where_it_would_cost_less() -> None:
    sim, _, slug = scene()
    poor = another(sim, balance="5.9")
    assert refused(poor.post(slug, "BUY", "0.6", "10")) == "Insufficient collateral balance"
    assert poor.post(slug, "BUY", "0.59", "10")[0] == 201


@pytest.mark.parametrize(
    ("missing", "market", "side", "text"),
    [
        ("exchange", {}, "BUY", "Insufficient collateral allowance."),
        ("exchange", {}, "SELL", "not approved for the exchange"),
        ("adapter", {"neg_risk": True}, "SELL", "not approved for the adapter"),
        ("fee_module", {"fee": "collateral"}, "BUY", "allowance for the order fee."),
        ("fee_module", {"fee": "collateral"}, "SELL", "allowance for the order fee."),
    ],
)
def test_what_an_order_needs_on_chain_must_be_approved(
    missing: str, market: dict[str, Any], side: str, text: str
) -> None:
    sim, _, slug = scene(**market)
    shy = another(sim, positions={slug: "10"}, unapproved=[missing])
    price = {"BUY": "0.52", "SELL": "0.48"}[side]
    assert text in refused(shy.post(slug, side, price, "1"))


def test_what_an_order_does_not_need_may_be_missing() -> None:
    sim, _, slug = scene(fee="collateral")
    shy = another(sim, unapproved=["adapter", "fee_module"])
    assert shy.post(slug, "BUY", "0.4", "1", "GTC", postOnly=True)[0] == 201
    [risky] = sim.list_market({"neg_risk": True})
    assert shy.post(risky, "BUY", "0.4", "1", "GTC")[0] == 201
    plain_sim, _, plain_slug = scene()
    calm = another(plain_sim, positions={plain_slug: "1"}, unapproved=["adapter", "fee_module"])
    assert calm.post(plain_slug, "SELL", "0.48", "1")[0] == 201


def test_a_repeat_is_a_conflict_and_executes_once() -> None:
    _, trader, slug = scene()
    body = trader.order(slug, "BUY", "0.52", "1", clientOrderId="once")
    assert trader.call("POST", "/orders", body)[0] == 201
    money = trader.money(slug)
    refused(trader.call("POST", "/orders", body), 409)
    refused(trader.call("POST", "/orders", body | {"clientOrderId": "twice"}), 409)
    refused(trader.post(slug, "BUY", "0.52", "1", clientOrderId="once"), 409)
    assert trader.money(slug) == money


def test_a_refused_order_may_be_sent_again() -> None:
    sim, trader, slug = scene()
    body = trader.order(slug, "BUY", "0.4", "1", "GTC", clientOrderId="again")
    sim.knobs["maintenance"] = "trading_disabled"
    refused(trader.call("POST", "/orders", body), 425)
    sim.knobs["maintenance"] = ""
    assert trader.call("POST", "/orders", body)[0] == 201


@pytest.mark.parametrize(("late_ms", "status"), [(0, 201), (2_000, 201), (2_001, 425)])
def test_a_late_request_is_refused_as_such(late_ms: int, status: int) -> None:
    _, trader, slug = scene()
    trader.now = NOW + late_ms
    assert trader.post(slug, "BUY", "0.52", "1", timestamp=NOW, recvWindow=2_000)[0] == status
    assert trader.post(slug, "BUY", "0.52", "1", timestamp=NOW)[0] == 201


@pytest.mark.parametrize(
    ("mode", "takes", "rests", "cancels"),
    [
        ("post_only_mode", False, True, True),
        ("cancel_only_mode", False, False, True),
        ("trading_disabled", False, False, False),
    ],
)
@pytest.mark.parametrize("status", [425, 503])
def test_maintenance_stops_what_its_mode_says(
    mode: str, takes: bool, rests: bool, cancels: bool, status: int
) -> None:
    sim, trader, slug = scene()
    _, resting = trader.post(slug, "BUY", "0.4", "1", "GTC")
    assert ask(sim, "GET", "/maintenance/status")[1] == {"active": [], "scheduled": []}
    sim.knobs |= {"maintenance": mode, "maintenance_status": status}
    [active] = ask(sim, "GET", "/maintenance/status")[1]["active"]
    assert active["effects"][0]["target"] == "trading"
    for allowed, reply in (
        (takes, trader.post(slug, "BUY", "0.52", "1")),
        (rests, trader.post(slug, "BUY", "0.4", "1", "GTC", postOnly=True)),
        (cancels, trader.call("DELETE", f"/orders/{resting['order']['id']}")),
    ):
        assert (reply[0] in (200, 201)) is allowed
        assert allowed or (reply[0], reply[1]["code"]) == (status, mode)


def test_a_market_that_is_not_funded_is_not_traded() -> None:
    sim, trader, slug = scene()
    _, resting = trader.post(slug, "BUY", "0.4", "1", "GTC")
    sim.lock(slug, NOW)
    assert refused(trader.post(slug, "BUY", "0.52", "1")) == "Market is not active"
    assert ask(sim, "GET", f"/markets/{slug}")[1]["status"] == "LOCKED"
    assert trader.call("DELETE", f"/orders/{resting['order']['id']}")[0] == 200
    sim.resolve(slug, 1, NOW)
    row = ask(sim, "GET", f"/markets/{slug}")[1]
    assert (row["status"], row["winningOutcomeIndex"], row["payoutNumerators"]) == ("RESOLVED", 1, [0, 1])


def test_a_market_may_have_a_smallest_order() -> None:
    _, trader, slug = scene(minimum_value="1")
    assert "at least 1" in refused(trader.post(slug, "BUY", "0.52", "1.923"))
    assert trader.post(slug, "BUY", "0.52", "1.924")[0] == 201


def test_an_amm_market_takes_no_orders() -> None:
    sim, trader, slug = scene()
    [amm] = sim.list_market({"trade_type": "amm"})
    body = trader.order(slug, "BUY", "0.52", "1") | {"marketSlug": amm}
    refused(trader.call("POST", "/orders", body))
    refused(trader.call("POST", "/orders", body | {"marketSlug": "nowhere"}), 404)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"order":{}}', b"[" * 100_000])
def test_a_body_that_is_no_order_is_refused(body: bytes) -> None:
    sim, trader, _ = scene()
    for path in (
        "/orders",
        "/orders/cancel",
        "/orders/cancel-batch",
        "/orders/status/batch",
        "/orders/cancel-replace",
    ):
        headers = trader.proof(f"POST {path}", body)
        assert ask(sim, "POST", path, body, headers=headers)[0] == 400


# --- self-trade prevention ---


@pytest.mark.parametrize(
    ("policy", "status", "cancelled", "bought"),
    [
        ("cancel_maker", "MATCHED", True, "10"),
        ("cancel_taker", "CANCELED", False, "0"),
        ("cancel_both", "CANCELED", True, "0"),
    ],
)
def test_nobody_trades_with_himself(policy: str, status: str, cancelled: bool, bought: str) -> None:
    _, trader, slug = scene()
    _, own = trader.post(slug, "SELL", "0.51", "5", "GTC")
    own_id = own["order"]["id"]
    _, reply = trader.post(slug, "BUY", "0.52", "10", stpPolicy=policy)
    execution = reply["execution"]
    assert (execution["settlementStatus"], totals(reply)["contractsGross"]) == (status, bought)
    assert execution.get("stpMakerCancels", []) == ([own_id] if cancelled else [])
    assert (trader.status(own_id)["data"]["order"]["order"]["status"] == "CANCELED") is cancelled
    assert ("reason" in execution) is (status == "CANCELED")


# --- look-ups and cancels ---


def test_orders_are_found_by_either_id_and_only_one_of_them() -> None:
    sim, trader, slug = scene()
    _, reply = trader.post(slug, "BUY", "0.52", "1", clientOrderId="c")
    order_id = reply["order"]["id"]
    items = [
        {"orderId": order_id},
        {"clientOrderId": "c"},
        {"orderId": "x"},
        {},
        {"orderId": "x", "clientOrderId": "c"},
    ]
    found = trader.call("POST", "/orders/status/batch", {"items": items})[1]["results"]
    assert [row["status"] for row in found] == ["found", "found", "not_found", "invalid", "invalid"]
    assert [row["index"] for row in found] == [0, 1, 2, 3, 4]
    assert found[0]["data"] == found[1]["data"]
    assert (found[1]["orderId"], found[0]["clientOrderId"]) == (order_id, "c")
    wrong: list[dict[str, Any]] = [{}, {"items": []}, {"items": [{}] * 51}, {"orders": items}]
    for wish in wrong:
        refused(trader.call("POST", "/orders/status/batch", wish))
    sim.knobs["status_lag_ms"] = 1_000
    assert trader.status(order_id)["status"] == "not_found"
    trader.now = NOW + SECOND
    assert trader.status(order_id)["status"] == "found"


def test_amounts_may_come_as_text() -> None:
    sim, trader, slug = scene()
    sim.knobs["text_amounts"] = 1
    order = trader.post(slug, "BUY", "0.52", "1")[1]["order"]
    assert (order["makerAmount"], order["takerAmount"], order["price"]) == ("520000", "1000000", "0.52")


def test_batches_of_cancels_say_what_was_done() -> None:
    _, trader, slug = scene()
    ids = [
        trader.post(slug, "BUY", "0.4", "1", "GTC", clientOrderId=f"b{n}")[1]["order"]["id"] for n in range(4)
    ]
    status, reply = trader.call("POST", "/orders/cancel-batch", {"orderIds": ids[:2]})
    assert (status, reply["canceled"], reply["failed"]) == (200, ids[:2], [])
    status, reply = trader.call("POST", "/orders/batch-cancel", {"clientOrderIds": ["b1", "b2"]})
    assert (status, reply["canceled"], [row["clientOrderId"] for row in reply["failed"]]) == (
        207,
        ["b2"],
        ["b1"],
    )
    assert trader.call("POST", "/orders/cancel-batch", {"orderIds": ids[:3]})[0] == 400
    refused(trader.call("POST", "/orders/cancel-batch", {"orderIds": ids, "clientOrderIds": ["b1"]}))
    assert trader.call("DELETE", f"/orders/all/{slug}")[1]["canceled"] == ids[3:]
    status, reply = trader.call("POST", "/orders/cancel", {"clientOrderId": "b3"})
    assert (status, reply["message"]) == (400, "Order not found or already canceled")
    refused(trader.call("POST", "/orders/cancel", {"orderId": "none"}), 404)


def test_replacing_is_two_steps_of_which_the_second_may_fail_alone() -> None:
    _, trader, slug = scene()
    resting = trader.post(slug, "BUY", "0.4", "1", "GTC", clientOrderId="old")[1]["order"]["id"]

    def replace(cancel: dict[str, str], price: str, mode: str) -> tuple[int, str, str]:
        wish = {
            "cancel": cancel,
            "replacement": trader.order(slug, "BUY", price, "5", "GTC", postOnly=True),
            "mode": mode,
        }
        status, reply = trader.call("POST", "/orders/cancel-replace", wish)
        return status, reply["cancel"]["status"], reply["replacement"]["status"]

    assert replace({"orderId": "none"}, "0.41", "STOP_ON_FAILURE") == (200, "FAILURE", "NOT_ATTEMPTED")
    assert replace({"orderId": "none"}, "0.41", "ALLOW_FAILURE") == (200, "FAILURE", "SUCCESS")
    assert replace({"clientOrderId": "old"}, "0.52", "STOP_ON_FAILURE") == (409, "SUCCESS", "FAILURE")
    assert trader.status(resting)["data"]["order"]["order"]["status"] == "CANCELED"
    operation = {
        "cancel": {"orderId": "none"}, "replacement": trader.order(slug, "BUY", "0.42", "5", "GTC"),
        "mode": "ALLOW_FAILURE",
    }  # fmt: skip
    [result] = trader.call("POST", "/orders/cancel-replace/batch", {"operations": [operation]})[1]["results"]
    assert (result["index"], result["replacement"]["status"]) == (0, "SUCCESS")
    refused(trader.call("POST", "/orders/cancel-replace", operation | {"mode": "x"}))


# --- delay ---


def test_a_held_order_meets_the_book_of_later() -> None:
    sim, trader, slug = scene(taker_delay_ms=1_000)
    _, reply = trader.post(slug, "BUY", "0.52", "10")
    execution = reply["execution"]
    assert (execution["settlementStatus"], execution["matched"]) == ("DELAYED", False)
    assert execution["eligibleAt"] == "2026-11-20T12:34:57.789Z"
    assert trader.money(slug) == (100 * ONE, 40 * ONE)
    refused(trader.call("DELETE", f"/orders/{reply['order']['id']}"))
    sim.exchange.set_book(slug, [], levels([("0.5", "4")]), NOW)
    trader.now = NOW + 999
    assert trader.status(reply["order"]["id"])["data"]["execution"]["settlementStatus"] == "DELAYED"
    trader.now = NOW + 1_000
    later = trader.status(reply["order"]["id"])["data"]["execution"]
    assert (later["settlementStatus"], later["totalsRaw"]["contractsGross"]) == ("MATCHED", "4000000")
    assert "eligibleAt" not in later


def test_only_orders_that_take_are_held() -> None:
    _, trader, slug = scene(taker_delay_ms=1_000)
    for lifetime, more, status in (
        ("GTC", {}, "UNMATCHED"),
        ("FAK", {}, "DELAYED"),
        ("GTC", {"postOnly": True}, "UNMATCHED"),
    ):
        assert (
            trader.post(slug, "BUY", "0.4", "1", lifetime, **more)[1]["execution"]["settlementStatus"]
            == status
        )
    assert trader.post(slug, "BUY", "0.52", "1", "GTC")[1]["execution"]["settlementStatus"] == "DELAYED"


def test_a_held_order_that_cannot_be_paid_any_more_is_cancelled() -> None:
    sim, trader, slug = scene(taker_delay_ms=1_000)
    held = [trader.post(slug, "SELL", "0.47", "30")[1]["order"]["id"] for _ in range(2)]
    trader.now = NOW + 1_000
    first, second = (trader.status(order_id)["data"]["execution"] for order_id in held)
    assert (first["settlementStatus"], second["settlementStatus"]) == ("MATCHED", "CANCELED")
    assert second["reason"] == "Insufficient conditional token balance"
    assert sim.exchange.orders[held[0]].filled == 30 * ONE


def test_maintenance_postpones_held_orders() -> None:
    sim, trader, slug = scene(taker_delay_ms=1_000)
    order_id = trader.post(slug, "BUY", "0.52", "10")[1]["order"]["id"]
    sim.knobs["maintenance"] = "trading_disabled"
    trader.now = NOW + 5_000
    assert trader.status(order_id)["data"]["execution"]["settlementStatus"] == "DELAYED"
    sim.knobs["maintenance"] = ""
    assert trader.status(order_id)["data"]["execution"]["settlementStatus"] == "MATCHED"


# --- settlement ---


def steps(trader: Trader, order_id: str, *at_ms: int) -> list[str]:
    """The settlement status at these times after NOW."""
    found = []
    for later in at_ms:
        trader.now = NOW + later
        found.append(trader.status(order_id)["data"]["execution"]["settlementStatus"])
    return found


def test_a_trade_is_mined_and_confirmed() -> None:
    _, trader, slug = scene()
    order_id = trader.post(slug, "BUY", "0.52", "10")[1]["order"]["id"]
    assert steps(trader, order_id, 499, 500, 1_999, 2_000) == ["MATCHED", "MINED", "MINED", "CONFIRMED"]
    assert trader.status(order_id)["data"]["execution"]["txHash"].startswith("0x")


@pytest.mark.parametrize("fee", ["legacy", "collateral"])
def test_a_failed_trade_is_taken_back_with_its_fee(fee: str) -> None:
    sim, trader, slug = scene(fee=fee)
    maker = another(sim, positions={slug: "20"})
    resting = maker.post(slug, "SELL", "0.5", "10", "GTC")[1]["order"]["id"]
    before, book = (trader.worth(), maker.worth()), sim.exchange.levels(slug)
    sim.knobs["fail_trades"] = 1
    order_id = trader.post(slug, "BUY", "0.52", "15")[1]["order"]["id"]
    assert trader.worth() != before[0]
    assert steps(trader, order_id, 0, 500, 1_999, 2_000) == ["MATCHED", "RETRYING", "RETRYING", "FAILED"]
    assert trader.worth() == before[0]
    assert maker.worth()[::2] == before[1][::2]
    execution = trader.status(order_id)["data"]["execution"]
    assert (execution["matched"], execution["totalsRaw"]["contractsGross"]) == (False, "15000000")
    assert trader.call("GET", "/portfolio/history?cursor=&limit=5")[1]["data"] == []
    assert maker.status(resting)["data"]["execution"]["totalsRaw"]["contractsGross"] == "0"
    assert sim.exchange.levels(slug)[0] == book[0]


def test_a_trade_settles_after_all_when_its_shares_were_sold_on() -> None:
    sim, trader, slug = scene()
    sim.knobs["fail_trades"] = 1
    order_id = trader.post(slug, "BUY", "0.52", "10")[1]["order"]["id"]
    trader.post(slug, "SELL", "0.47", "45")
    assert steps(trader, order_id, 500, 2_000) == ["RETRYING", "CONFIRMED"]


# --- conservation ---

move = st.tuples(
    st.integers(0, 1),  # who
    st.integers(0, 1),  # outcome
    st.sampled_from(["BUY", "SELL"]),
    st.integers(1, 999),  # price in thousandths; for FOK it counts for nothing
    st.integers(1, 60_000),  # thousandths of a share, or of a dollar for a FOK buy
    st.sampled_from(["FAK", "FOK", "GTC"]),
    st.sampled_from(["cancel_maker", "cancel_taker", "cancel_both"]),
)


@settings(max_examples=examples(60), deadline=None)
@given(
    st.lists(move, max_size=25),
    st.integers(0, 4),
    st.sampled_from(["legacy", "collateral"]),
    st.sampled_from(["average", "limit", "fill"]),
    st.sampled_from([0, 250]),
)
def test_nothing_appears_or_vanishes(
    moves: list[tuple[int, int, str, int, int, str, str]], failing: int, fee: str, mode: str, delay_ms: int
) -> None:
    sim, one, slug = scene(fee=fee, taker_delay_ms=delay_ms)
    traders = (one, another(sim, positions={f"{slug}:inverted": "20"}))
    sim.knobs |= {"fail_trades": failing, "fee_price": mode}
    for step, (who, outcome, side, milli, amount, lifetime, policy) in enumerate(moves):
        trader = traders[who]
        trader.now = NOW + step * 100
        sim.tick(trader.now)
        before = [other.worth() for other in traders]
        price = None if lifetime == "FOK" else f"0.{milli:03}"
        size = f"{amount // 1_000}.{amount % 1_000:03}"
        status, reply = trader.post(slug, side, price, size, lifetime, outcome=outcome, stpPolicy=policy)
        sim.exchange.audit()
        if status != 201:
            assert [other.worth()[::2] for other in traders] == [worth[::2] for worth in before]
            continue
        raw = {name: int(value) for name, value in reply["execution"]["totalsRaw"].items()}
        sign = 1 if side == "BUY" else -1
        cash, shares = trader.money(slug, outcome)
        assert before[who][0] - cash == sign * raw["usdNet"]
        assert shares - before[who][2].get((slug, outcome), 0) == sign * raw["contractsNet"]
        if price:
            assert sign * raw["usdGross"] * ONE <= sign * micros(price) * raw["contractsGross"]
    for later in range(0, 10_000, 500):
        sim.tick(NOW + later)
        sim.exchange.audit()


def test_the_book_in_these_tests_is_the_one_they_say() -> None:
    sim, _, slug = scene()
    assert sim.exchange.levels(slug) == (levels(BOOK["bids"]), levels(BOOK["asks"]))
    assert json.dumps(BOOK)
