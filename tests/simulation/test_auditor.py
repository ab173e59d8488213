"""The auditor finds what is wrong: all that could be is done to an honest day's books, one at a time."""

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import pytest

from tests.simulation.auditor import Auditor
from tests.simulation.day import LONG, Day

Row = dict[str, Any]
Books = tuple[list[Row], dict[str, Row], list[Row]]
"""Records, ledgers, what callers were told."""


@cache
def honest() -> tuple[Auditor, Books]:
    """A long day, and its auditor."""
    day = Day(1, LONG)
    assert day.live() == []
    records = [msgspec.json.decode(line) for line in day.world.store.lines]
    ledgers = msgspec.json.decode(msgspec.json.encode(day._ledgers()))
    return day._auditor, (records, ledgers, [msgspec.json.decode(body) for body in day._bodies])


def audited(change: Callable[[Books], None]) -> list[str]:
    auditor, books = honest()
    changed = copy.deepcopy(books)
    change(changed)
    lines = [msgspec.json.encode(record) for record in changed[0]]
    told = [msgspec.json.encode(body) for body in changed[2]]
    return auditor.audit(lines, changed[1]) + auditor.audit_told(lines, told)


def fill(books: Books) -> Row:
    """The first last word that says something was done."""
    return next(r for r in books[0] if r["type"] == "answered" and _done(r["answer"]))


def _done(answer: Row) -> bool:
    return bool(answer["type"] == "Filled" and answer["size"])


def filled_row(books: Books) -> tuple[Row, Row]:
    """A ledger and an order in it that traded."""
    return next((led, o) for led in books[1].values() for o in led["orders"] if o["filled"] != "0")


def forget_a_fill(books: Books) -> None:
    books[0].remove(fill(books))


def book_one_share_more(books: Books) -> None:
    fill(books)["answer"]["size"] += 1_000_000


def book_a_little_less_cash(books: Books) -> None:
    fill(books)["answer"]["cash"] -= 1


def book_another_fee(books: Books) -> None:
    fill(books)["answer"]["fee"]["amount"] += 1


def book_it_as_rejected(books: Books) -> None:
    word = fill(books)["answer"]
    word |= {"type": "Rejected", "code": "timeout", "message": ""}


def change_the_last_word(books: Books) -> None:
    said = copy.deepcopy(fill(books))
    said["answer"]["size"] -= 1
    books[0].append(said)


def leave_a_route_open(books: Books) -> None:
    books[0].remove(next(r for r in books[0] if r["type"] == "finished"))


def intend_an_order_twice(books: Books) -> None:
    books[0].append(next(r for r in books[0] if r["type"] == "planned" and r["orders"]))


def execute_an_order_again(books: Books) -> None:
    ledger, order = filled_row(books)
    ledger["orders"].append(order | {"order_id": "again"})
    fills = [f | {"order_id": "again"} for f in ledger["fills"] if f["order_id"] == order["order_id"]]
    ledger["fills"] += fills


def lose_a_fill_at_the_venue(books: Books) -> None:
    ledger, order = filled_row(books)
    ledger["fills"].remove(next(f for f in ledger["fills"] if f["order_id"] == order["order_id"]))


def leave_an_order_resting(books: Books) -> None:
    filled_row(books)[1]["status"] = "resting"


def take_a_cent(books: Books) -> None:
    ledger, _ = filled_row(books)
    account = ledger["accounts"][0]
    account["balance"] = f"{float(account['balance']) - 0.01:.6f}"


def take_a_share(books: Books) -> None:
    ledger = next(led for led in books[1].values() if led["accounts"][0]["positions"])
    positions = ledger["accounts"][0]["positions"]
    key = next(iter(positions))
    positions[key] = f"{float(positions[key]) - 1:.6f}"


def spend_more_than_asked(books: Books) -> None:
    planned = next(r for r in books[0] if r["type"] == "planned" and r["route_id"] == fill(books)["route_id"])
    planned["asked"] |= {"amount": 1_000, "size": 1_000}


def fill_more_than_ordered(books: Books) -> None:
    said = fill(books)["answer"]["order_id"]
    for record in books[0]:
        for order in record.get("orders", ()):
            if order["order_id"] == said:
                order |= {"size": 1_000, "cash": 1_000, "reserve": 0}


def told_line(books: Books) -> Row:
    return next(line for body in books[2] for line in body["fills"] if float(line["size"]))


def tell_of_more_than_happened(books: Books) -> None:
    told_line(books)["size"] = "99999.000000"


def tell_of_a_failure_that_was_none(books: Books) -> None:
    told_line(books)["status"] = "failed"


def tell_of_less_as_the_end(books: Books) -> None:
    told_line(books).update(status="partial", size="0.000001")


CHANGES = (
    *(forget_a_fill, book_one_share_more, book_a_little_less_cash, book_another_fee, book_it_as_rejected),
    *(change_the_last_word, leave_a_route_open, intend_an_order_twice, execute_an_order_again),
    *(lose_a_fill_at_the_venue, leave_an_order_resting, take_a_cent, take_a_share, spend_more_than_asked),
    *(fill_more_than_ordered, tell_of_more_than_happened, tell_of_a_failure_that_was_none),
    tell_of_less_as_the_end,
)


def test_the_auditor_is_content_with_honest_books() -> None:
    assert audited(lambda _books: None) == []


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_the_auditor_finds(change: Callable[[Books], None]) -> None:
    assert audited(change)
