"""Each promise, judged from values: what keeps it passes, the least that breaks it is named."""

import pytest
from msgspec.structs import replace

from router.core import invariants
from router.core.records import Answered, Extended, Finished, Record
from tests.core.samples import NOW_MS, order, planned
from venues.base.orders import (
    SHARES,
    Answer,
    Fee,
    Filled,
    Order,
    OrderId,
    Pending,
    Rejected,
    Side,
    Unknown,
    Working,
)
from venues.base.units import ONE, Cash, Size

O1 = OrderId("o1")
NO_FEE = Fee(0, "usd")
BUY = order(reserve=Cash(100_000))
"""Ten shares at 0.50: five dollars, ten cents in reserve."""
SALE = order(side=Side.SELL)


def filled(size: int, cash: int, fee: Fee = NO_FEE) -> Filled:
    return Filled(O1, "v1", Size(size), Cash(cash), fee)


@pytest.mark.parametrize(
    ("of", "size", "cash", "fine"),
    [
        (SALE, 10 * ONE, 9 * ONE, True),
        (SALE, 10 * ONE + 1, 5 * ONE, False),
        (BUY, 10 * ONE, 5 * ONE + 100_000, True),
        (BUY, 10 * ONE, 5 * ONE + 100_001, False),
        (BUY, 11 * ONE, 5 * ONE + 100_000, True),
        (BUY, ONE, 5 * ONE + 100_001, False),
    ],
)
def test_more_than_was_ordered_is_found(of: Order, size: int, cash: int, *, fine: bool) -> None:
    answers: list[Answer] = [
        filled(size, cash),
        Working(O1, "v1", Size(size), Cash(cash), NO_FEE),
        Pending(O1, "v1", Size(size), Cash(cash), "later"),
    ]
    for answer in answers:
        assert (invariants.overfilled(of, answer, buys_in_cash=False) is None) is fine


def test_a_buy_that_names_cash_spends_no_more_than_it() -> None:
    assert invariants.overfilled(BUY, filled(50 * ONE, 5 * ONE), buys_in_cash=True) is None
    assert invariants.overfilled(BUY, filled(ONE, 5 * ONE + 1), buys_in_cash=True)


@pytest.mark.parametrize("answer", [Rejected(O1, "no", ""), Unknown(O1, "late")])
def test_what_did_not_trade_cannot_be_too_much(answer: Answer) -> None:
    assert invariants.overfilled(BUY, answer, buys_in_cash=True) is None


def test_a_fee_beyond_the_reserve_is_noticed_and_one_in_shares_costs_nothing() -> None:
    assert invariants.over_budget(BUY, filled(10 * ONE, 5 * ONE, Fee(100_000, "usd"))) is None
    assert invariants.over_budget(BUY, filled(10 * ONE, 5 * ONE, Fee(100_001, "usd")))
    assert invariants.over_budget(BUY, filled(10 * ONE, 5 * ONE, Fee(9 * ONE, SHARES))) is None
    assert invariants.over_budget(SALE, filled(10 * ONE, 9 * ONE, Fee(ONE, "usd"))) is None


def test_the_orders_of_a_buy_stay_within_its_amount_over_all_rounds() -> None:
    asked = replace(planned(BUY).asked, amount=Cash(10 * ONE))
    second = replace(BUY, order_id=OrderId("o2"), cash=Cash(4_800_000))
    assert invariants.over_request(asked, [], [BUY, second]) is None
    assert invariants.over_request(asked, [], [BUY, replace(second, cash=Cash(4_800_001))])
    done = filled(10 * ONE, 5 * ONE, Fee(100_000, "usd"))
    assert invariants.over_request(asked, [done], [second]) is None
    assert invariants.over_request(asked, [done], [replace(second, reserve=Cash(100_001))])
    assert invariants.over_request(asked, [filled(ONE, 11 * ONE)], []) is None, "nothing more leaves"


def test_the_orders_of_a_sale_stay_within_its_size() -> None:
    asked = replace(planned(SALE).asked, side=Side.SELL, size=Size(20 * ONE))
    assert invariants.over_request(asked, [], [SALE, SALE]) is None
    assert invariants.over_request(asked, [], [SALE, replace(SALE, size=Size(10 * ONE + 1))])
    assert invariants.over_request(asked, [filled(ONE, ONE)], [SALE, SALE])


UNKNOWN, OPEN = Unknown(O1, "late"), Working(O1, "v1", Size(ONE), Cash(ONE), NO_FEE)
WAITING = Pending(O1, "v1", Size(ONE), Cash(ONE), "later")
GONE, DONE = Rejected(O1, "no", ""), filled(2 * ONE, ONE)


@pytest.mark.parametrize(
    ("before", "after", "fine"),
    [
        (None, UNKNOWN, True),
        (UNKNOWN, OPEN, True),
        (OPEN, WAITING, True),
        (OPEN, DONE, True),
        (UNKNOWN, GONE, True),
        (OPEN, replace(GONE, undone=True), True),
        (replace(OPEN, size=Size(0)), GONE, True),
        (DONE, DONE, True),
        (OPEN, GONE, False),
        (OPEN, UNKNOWN, False),
        (OPEN, replace(WAITING, size=Size(ONE - 1)), False),
        (DONE, replace(DONE, size=Size(3 * ONE)), True),
        (GONE, DONE, True),
        (DONE, replace(DONE, cash=Cash(2 * ONE)), False),
        (DONE, replace(DONE, size=Size(ONE)), False),
        (DONE, GONE, False),
        (DONE, OPEN, False),
        (GONE, replace(DONE, size=Size(0)), False),
        (GONE, UNKNOWN, False),
    ],
)
def test_what_is_known_only_grows(before: Answer | None, after: Answer, *, fine: bool) -> None:
    assert (invariants.backwards(before, after) is None) is fine


@pytest.mark.parametrize("answer", [None, UNKNOWN, OPEN, WAITING, GONE, DONE])
def test_an_order_is_held_exactly_while_it_has_no_last_word(answer: Answer | None) -> None:
    final = answer in (GONE, DONE)
    assert (invariants.misheld(O1, answer, held=True) is None) is not final
    assert (invariants.misheld(O1, answer, held=False) is None) is final


def test_a_book_is_live_and_heard_of_within_its_limit() -> None:
    assert invariants.stale(1_000, 6_000, 5_000) is None
    assert invariants.stale(999, 6_000, 5_000)
    assert invariants.stale(None, 6_000, 5_000)


INTENT = planned(BUY)
EXTENDED = Extended(route_id=INTENT.route_id, orders=(order("o2"),), at_ms=NOW_MS)
ANSWERED = Answered(route_id=INTENT.route_id, answer=DONE, at_ms=NOW_MS)
FINISHED = Finished(route_id=INTENT.route_id, at_ms=NOW_MS)


@pytest.mark.parametrize(
    ("record", "recorded", "ended", "fine"),
    [
        (INTENT, (), False, True),
        (INTENT, (O1,), False, False),
        (EXTENDED, (O1,), False, True),
        (EXTENDED, (), False, False),
        (EXTENDED, (O1,), True, False),
        (ANSWERED, (O1,), False, True),
        (ANSWERED, ("o2",), False, False),
        (ANSWERED, (O1,), True, False),
        (FINISHED, (O1,), False, True),
        (FINISHED, (), False, False),
        (FINISHED, (O1,), True, False),
    ],
)
def test_records_are_in_the_order_of_a_routes_life(
    record: Record, recorded: tuple[OrderId, ...], *, ended: bool, fine: bool
) -> None:
    assert (invariants.out_of_order(record, recorded, ended=ended) is None) is fine
