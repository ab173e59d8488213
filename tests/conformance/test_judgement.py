"""A client passes only with every duty told and a ledger that agrees to the last millionth."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest

from conformance.clients import clients
from conformance.judgement import DUTIES, Account, Evidence, Ledger, Row, Step, faults
from conformance.report import Trial, text

STEPS = tuple(Step(duty, "call", "seen") for duty in DUTIES)


def order(order_id: str, side: str, **more: str) -> Row:
    row = {
        "order_id": order_id,
        "side": side,
        "listing": "L",
        "status": "filled",
        "filled": "0",
        "value": "0",
    }
    return row | more


def fill(order_id: str, side: str, size: str, **more: str) -> Row:
    row = {"order_id": order_id, "side": side, "listing": "L", "size": size, "fee": "0", "fee_shares": "0"}
    return row | more


BOUGHT = order("b", "buy", filled="10", value="5")
SOLD = order("s", "sell", filled="4", value="1.6")
CANCELLED = order("r", "buy", status="cancelled")
FILLS = (fill("b", "buy", "7", fee_shares="0.3"), fill("b", "buy", "3"), fill("s", "sell", "4", fee="0.01"))


def ledger(
    orders: Sequence[Row] = (BOUGHT, SOLD, CANCELLED),
    fills: Sequence[Row] = FILLS,
    *,
    balance: str = "9996.59",
    shares: str = "5.7",
) -> Ledger:
    """Bought 10 at 0.5 with 0.3 shares kept, sold 4 at 0.4 for a fee of 0.01, one order cancelled."""
    account = Account(account="a", balance=balance, positions={"L": shares})
    return Ledger(accounts=[account], orders=orders, fills=fills)


GOOD = Evidence("its constructor", STEPS, "", ledger())
OPPOSITE = order("s", "buy", listing="L:inverted", filled="4", value="2.4")
PAIRED = fill("s", "buy", "4", listing="L:inverted", fee="0.01")


def test_a_client_that_did_all_and_told_the_truth_passes() -> None:
    assert faults(GOOD) == []


def test_a_sale_may_be_kept_as_a_purchase_of_the_opposite_that_is_redeemed_in_pairs() -> None:
    books = ledger((BOUGHT, OPPOSITE, CANCELLED), (*FILLS[:2], PAIRED))
    assert faults(replace(GOOD, ledger=books)) == []


BAD = {
    "the script broke": replace(GOOD, complaint="the script broke"),
    "the script does not say how the client was told the address": replace(GOOD, told=""),
    "not done: cancel": replace(GOOD, steps=[step for step in STEPS if step.duty != "cancel"]),
    "no duty: dance": replace(GOOD, steps=[*STEPS, Step("dance", "dance", "danced")]),
    "must be done by the client: sell": replace(
        GOOD, steps=[Step(step.duty, "" if step.duty == "sell" else "call", "") for step in STEPS]
    ),
    "the ledger has no sell that traded": replace(
        GOOD, ledger=ledger((BOUGHT, CANCELLED), FILLS[:2], balance="9995", shares="9.7")
    ),
    "the ledger has no order that was cancelled whole": replace(GOOD, ledger=ledger((BOUGHT, SOLD))),
    "left resting: x": replace(
        GOOD, ledger=ledger((BOUGHT, SOLD, CANCELLED, order("x", "buy", status="resting")))
    ),
    "cash is 9996.590001, the orders explain 9996.59": replace(GOOD, ledger=ledger(balance="9996.590001")),
    "the fills of b do not add up": replace(
        GOOD, ledger=ledger((order("b", "buy", filled="10.000001", value="5"), SOLD, CANCELLED))
    ),
}


@pytest.mark.parametrize(("fault", "evidence"), BAD.items(), ids=list(BAD))
def test_every_fault_is_found_alone(fault: str, evidence: Evidence) -> None:
    assert faults(evidence) == [fault]


def test_a_position_that_was_not_traded_is_found() -> None:
    assert "positions of L are not what was traded" in faults(replace(GOOD, ledger=ledger(shares="5.700001")))


def test_the_report_shows_what_was_not_offered_and_what_failed() -> None:
    client = clients()[0]
    steps = [Step("list", "orders.list", "1 | 2"), Step("market stream", "", "the client has none")]
    shown = text([Trial(client, "its `host`", steps, ["it broke"])], date(2026, 11, 21), "Python 3.11.7")
    assert "| 2026-11-21 | 1 of 11; it has no market stream | **failed**: 1 fault, below |" in shown
    assert "| list | `orders.list` | 1 \\| 2 |" in shown
    assert "| market stream | none | the client has none |" in shown
    assert "- it broke" in shown
