"""Whether a client did its duties: by what its script said, and by the simulator's ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypedDict

DUTIES = (
    "market data",
    "buy",
    "sell",
    "rest",
    "read",
    "list",
    "cancel",
    "balances",
    "positions",
    "market stream",
    "account stream",
)
"""What every client is asked for. A script does each, or says that the client has no such call."""
TRADING = frozenset({"buy", "sell", "rest"})
"""From these nobody is excused. A client that signs and posts nothing may leave the rest to plain HTTP."""
OPENING_CASH = Decimal(10_000)
"""Of the account that `crossbook sim` makes."""

INVERTED = ":inverted"
"""Ends the ledger's name for the opposite outcome on a book that holds both."""

Row = Mapping[str, str]


class Account(TypedDict):
    """One account of a ledger; money and sizes are decimal text."""

    account: str
    balance: str
    positions: Mapping[str, str]


class Ledger(TypedDict):
    """What `GET /_sim/ledger` answers, as far as it is judged."""

    accounts: Sequence[Account]
    orders: Sequence[Row]
    fills: Sequence[Row]


@dataclass(frozen=True)
class Step:
    """One duty, as the script tells it."""

    duty: str
    call: str
    """The client's own functions that did it; empty where it has none."""
    saw: str
    """What came of it, or why there is no call."""


@dataclass(frozen=True)
class Evidence:
    """All that one run of a script left behind."""

    told: str
    """How the client was told the simulator's address."""
    steps: Sequence[Step]
    complaint: str
    """Why the script failed; empty when it ended well."""
    ledger: Ledger


def faults(evidence: Evidence) -> list[str]:
    """Everything that speaks against the client or the simulator; empty is a pass."""
    found = [evidence.complaint] if evidence.complaint else []
    found += [] if evidence.told else ["the script does not say how the client was told the address"]
    return found + _undone(evidence.steps) + _unproven(evidence.ledger) + _unbalanced(evidence.ledger)


def _undone(steps: Sequence[Step]) -> list[str]:
    told = [step.duty for step in steps]
    excused = [step.duty for step in steps if not step.call and step.duty in TRADING]
    return [
        *(f"not done: {duty}" for duty in DUTIES if duty not in told),
        *(f"no duty: {duty}" for duty in sorted(set(told) - set(DUTIES))),
        *(f"must be done by the client: {duty}" for duty in excused),
    ]


def _unproven(ledger: Ledger) -> list[str]:
    orders = ledger["orders"]
    traded = {_side(row) for row in orders if Decimal(row["filled"]) > 0}
    rested = [row for row in orders if row["status"] == "cancelled" and Decimal(row["filled"]) == 0]
    return [
        *(f"the ledger has no {side} that traded" for side in ("buy", "sell") if side not in traded),
        *([] if rested else ["the ledger has no order that was cancelled whole"]),
        *(f"left resting: {row['order_id']}" for row in orders if row["status"] == "resting"),
    ]


def _side(order: Row) -> str:
    """Of the listing itself: some venues keep its sale as a purchase of the opposite outcome."""
    opposite = {"buy": "sell", "sell": "buy"}
    return opposite[order["side"]] if order["listing"].endswith(INVERTED) else order["side"]


def _unbalanced(ledger: Ledger) -> list[str]:
    """Cash and shares that the fills do not explain."""
    filled: dict[str, Decimal] = {}
    gross: dict[str, Decimal] = {}
    spent = Decimal()
    for fill in ledger["fills"]:
        sign = 1 if fill["side"] == "buy" else -1
        size = Decimal(fill["size"])
        filled[fill["order_id"]] = filled.get(fill["order_id"], Decimal()) + size
        got = sign * size - Decimal(fill["fee_shares"])
        gross[fill["listing"]] = gross.get(fill["listing"], Decimal()) + got
        spent += Decimal(fill["fee"])
    for order in ledger["orders"]:
        spent += Decimal(order["value"]) * (1 if order["side"] == "buy" else -1)
    found = [
        f"the fills of {order['order_id']} do not add up"
        for order in ledger["orders"]
        if filled.get(order["order_id"], Decimal()) != Decimal(order["filled"])
    ]
    [account] = ledger["accounts"]
    redeemed, unequal = _redeemed(gross, account["positions"])
    explained = OPENING_CASH - spent + redeemed
    if explained != Decimal(account["balance"]):
        found.append(f"cash is {account['balance']}, the orders explain {explained}")
    return found + unequal


def _redeemed(gross: Mapping[str, Decimal], positions: Mapping[str, str]) -> tuple[Decimal, list[str]]:
    """Pairs of opposite shares that the venue gave a dollar for; and listings where they are no pairs."""
    redeemed, unequal = Decimal(), []
    for listing in sorted({key.removesuffix(INVERTED) for key in (*gross, *positions)}):
        gone = [
            gross.get(key, Decimal()) - Decimal(positions.get(key, "0"))
            for key in (listing, listing + INVERTED)
        ]
        redeemed += gone[0]
        if gone[0] != gone[1] or gone[0] < 0:
            unequal.append(f"positions of {listing} are not what was traded")
    return redeemed, unequal
