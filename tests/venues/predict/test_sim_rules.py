"""The simulated venue against the official clients' vectors: hashes, signatures, amounts and fees."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.venues.predict.sim_trader import LONG, Trader, quiet
from venues.base.orders import Charge, Side, TimeInForce
from venues.base.units import Cash, Price, Size, micros
from venues.predict import sim_proofs as proofs
from venues.predict import sim_rules as rules
from venues.predict.sim import PredictSimulator
from venues.sim.model import HOUSE, Market, SimOrder

FILE = Path(__file__).parents[3] / "venues" / "predict" / "vectors" / "predict.json"
VECTORS = json.loads(FILE.read_text())
WALLET = VECTORS["wallet"]
MICRO = 10**12
Case = dict[str, Any]
WHOLE_FEES = [case for case in VECTORS["fee_vectors"]["cases"] if len(case["shares"].partition(".")[2]) <= 6]
"""The ledger counts whole millionths; two cases are finer."""


def named(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: str(case["name"]))


def body_of(case: Case) -> Case:
    body: Case = case["expect"]["request"]["body"]
    return body


def terms_of(case: Case) -> rules.Terms:
    wish = case["input"]
    return rules.Terms(
        market=Market("88123", ("88123",)),
        title="A question",
        tokens=(wish["token_id"], "1"),
        names=("Yes", "No"),
        condition_id="0x00",
        category="sample",
        precision=3,
        fee_bps=wish["fee_rate_bps"],
        neg_risk=wish["is_neg_risk"],
        yield_bearing=wish["is_yield_bearing"],
    )


@named(VECTORS["order_vectors"])
def test_an_official_order_has_the_hash_and_the_signer_it_claims(case: Case) -> None:
    terms, chain_id = terms_of(case), case["input"]["chain_id"]
    ticket = rules.read_ticket(body_of(case))
    digest = ticket.digest(terms, chain_id)
    assert "0x" + digest.hex() == case["expect"]["order_hash"]
    account = WALLET["predict_account"] if case["input"]["account"] == "predict_account" else None
    signer = proofs.wallet_signer(digest, ticket.proof, chain_id=chain_id, account=account)
    assert signer == WALLET["signer"]
    for flag in ("neg_risk", "yield_bearing"):
        setattr(terms, flag, not getattr(terms, flag))
        assert ticket.digest(terms, chain_id) != digest
        setattr(terms, flag, not getattr(terms, flag))


@named([case for case in VECTORS["order_vectors"] if case["name"] != "limit_buy_expiring"])
def test_an_official_order_is_limited_by_the_worst_price_it_was_made_from(case: Case) -> None:
    ticket, terms, wish = rules.read_ticket(body_of(case)), terms_of(case), case["input"]
    price, size, cash = rules.read_amounts(ticket, terms)
    worst = int(case["expect"]["amounts"]["lastPrice"])
    slip = wish.get("slippage_bps", 0)
    bound = (
        worst * (10_000 + slip) // 10_000 if ticket.side is Side.BUY else worst * (10_000 - slip) // 10_000
    )
    if ticket.in_cash:
        bound = worst * 10_000 // (10_000 - slip)
        assert cash == ticket.maker_amount // MICRO
    else:
        assert cash is None
        assert size == ticket.shares_wei // MICRO
    tick = terms.tick * MICRO
    wanted = bound - bound % tick if ticket.side is Side.BUY else bound + -bound % tick
    assert price * MICRO == min(wanted, 10**18 - tick)


def test_an_order_below_ninety_cents_is_too_small() -> None:
    [case] = [case for case in VECTORS["order_vectors"] if case["name"] == "limit_buy_expiring"]
    with pytest.raises(rules.RefusedError) as caught:
        rules.read_amounts(rules.read_ticket(body_of(case)), terms_of(case))
    assert caught.value.slug == "create_order_min_order_value_not_met"


@named(
    [
        case
        for case in VECTORS["order_vectors"]
        if case["input"].get("slippage_bps") and not case["name"].endswith("capped")
    ]
)
def test_slippage_that_was_not_used_in_the_amounts_is_refused(case: Case) -> None:
    body = json.loads(json.dumps(body_of(case)))
    body["data"]["slippageBps"] = 37
    with pytest.raises(rules.RefusedError, match="slippageBps"):
        rules.read_amounts(rules.read_ticket(body), terms_of(case))


def test_a_predict_accounts_signature_wears_the_validators_wrapping() -> None:
    [case] = [case for case in VECTORS["order_vectors"] if case["name"] == "limit_buy_predict_account"]
    ticket, account = rules.read_ticket(body_of(case)), WALLET["predict_account"]
    digest = ticket.digest(terms_of(case), 56)
    for proof in (b"\x02" + ticket.proof[1:], b"\x01" + bytes(20) + ticket.proof[21:], ticket.proof[21:]):
        assert proofs.wallet_signer(digest, proof, chain_id=56, account=account) is None


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("shares_wei", [3 * 10**18 + 1, 7 * 10**18 + 333, 10**19 // 3])
def test_wei_that_were_cut_off_do_not_move_the_limit(side: int, shares_wei: int) -> None:
    """A market order at 0.43 whose collateral was rounded down to whole wei still trades at 0.43."""
    body = json.loads(json.dumps(body_of(VECTORS["order_vectors"][0])))
    cash_wei = 43 * shares_wei // 100
    maker, taker = (shares_wei, cash_wei) if side else (cash_wei, shares_wei)
    body["data"]["order"] |= {"side": side, "makerAmount": maker, "takerAmount": taker}
    body["data"] |= {"strategy": "MARKET", "pricePerShare": "430000000000000000", "slippageBps": 0}
    price, _, _ = rules.read_amounts(rules.read_ticket(body), terms_of(VECTORS["order_vectors"][0]))
    assert price == 430_000


@named(VECTORS["auth_vectors"])
def test_an_official_login_is_signed_by_its_wallet(case: Case) -> None:
    body = case["expect"]["request"]["body"]
    account = body["signer"] if body["signer"] == WALLET["predict_account"] else None
    digest = proofs.personal_digest(body["message"].encode())
    chain_id = case["input"].get("chain_id", 56)
    proof = bytes.fromhex(body["signature"][2:])
    assert proofs.wallet_signer(digest, proof, chain_id=chain_id, account=account) == WALLET["signer"]
    if account:
        assert (
            proofs.wallet_signer(digest, proof, chain_id=153 - chain_id, account=account) != WALLET["signer"]
        )


@pytest.mark.parametrize("case", WHOLE_FEES, ids=lambda case: f"{case['shares']}@{case['price']}")
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_fee_is_the_contracts_integer_formula_rounded_up_to_a_millionth(case: Case, side: Side) -> None:
    terms = terms_of(VECTORS["order_vectors"][0])
    terms.fee_bps = case["fee_rate_bps"]
    price, size = Price(micros(case["price"])), Size(micros(case["shares"]))
    wanted = int(case[side.value]["fee_wei"])
    assert terms.fee_wei(side, price, size) == wanted
    order = SimOrder("1", HOUSE, terms.market, 0, side, price, size, None, TimeInForce.IOC, 0)
    whole = -(-wanted // MICRO)
    charged = rules.charge(terms, order, price, size, discount=0)
    assert charged == (Charge(shares=Size(whole)) if side is Side.BUY else Charge(cash=Cash(whole)))


def test_the_fills_of_an_order_are_rounded_up_together() -> None:
    terms = terms_of(VECTORS["order_vectors"][0])
    order = SimOrder("1", HOUSE, terms.market, 0, Side.BUY, Price(900_000), Size(1), None, TimeInForce.IOC, 0)
    fees = [rules.charge(terms, order, Price(900_000), Size(7_000_000), discount=0).shares for _ in range(9)]
    exact = 9 * (200 * 10**17 * 7 * 10**18 // (9 * 10**17 * 10_000))
    assert sum(fees) == -(-exact // MICRO)
    assert sum(fees) < 9 * max(fees)


def test_a_discount_comes_off_the_formula() -> None:
    """The fee that was seen on the venue (card, section 6): ten percent off."""
    terms = terms_of(VECTORS["order_vectors"][0])
    order = SimOrder("1", HOUSE, terms.market, 0, Side.BUY, Price(1), Size(1), None, TimeInForce.IOC, 0)
    assert rules.charge(terms, order, Price(111_000), Size(8_409_090), discount=10).shares == 151_364


@named(
    [
        case
        for case in VECTORS["order_vectors"]
        if case["input"]["chain_id"] == 56 and case["name"] != "limit_buy_expiring"
    ]
)
def test_an_official_order_is_accepted_over_the_wire(case: Case) -> None:
    sim, wish = quiet(PredictSimulator(1)), case["input"]
    [native] = sim.list_market(
        {
            "tokens": [wish["token_id"], "1"],
            "feeRateBps": wish["fee_rate_bps"],
            "isNegRisk": wish["is_neg_risk"],
            "isYieldBearing": wish["is_yield_bearing"],
        }
    )
    credentials = {"private_key": WALLET["private_key"], "api_key": "k"}
    if wish["account"] == "predict_account":
        credentials["account"] = WALLET["predict_account"]
    keys = sim.open_account({"balance": "500", "positions": {native: "5000"}, "credentials": credentials}, 0)
    assert keys == credentials
    trader = Trader(sim, keys, now=case["fixed"]["now"] * 1_000)
    trader.log_in()
    status, reply = trader.send(body_of(case))
    assert (status, reply["data"]["orderHash"]) == (201, case["expect"]["order_hash"])
    assert trader.refused(body_of(case)) == "create_order_duplicate_order"
    trader.wait(LONG)
    wanted = "CANCELLED" if wish["strategy"] == "MARKET" else "OPEN"
    assert trader.state(case["expect"]["order_hash"]) == (wanted, "0")
