"""Holds: what an order may take is not free for another, for as long as it has no last word."""

import pytest

from router.core.ledger import Ledger
from router.core.model import AccountId
from tests.core.samples import listing, order
from venues.base.orders import OrderId, Side
from venues.base.units import ONE, Cash, Size

WHO, OTHER = AccountId("a"), AccountId("b")
POOL = ("north", "")
FUNDS = {POOL: Cash(100 * ONE), ("south", ""): Cash(7 * ONE)}
SHARES = {listing().key: Size(50 * ONE)}


def free(ledger: Ledger, who: AccountId = WHO) -> tuple[int, int]:
    means = ledger.free(who, FUNDS, SHARES)
    assert means.funds["south", ""] == 7 * ONE
    return means.funds[POOL], means.holdings[listing().key]


def test_a_buy_holds_its_cash_and_its_reserve() -> None:
    ledger = Ledger()
    ledger.hold(WHO, order("o1", cash=Cash(5 * ONE), reserve=Cash(ONE)))
    assert free(ledger) == (94 * ONE, 50 * ONE)
    assert free(ledger, OTHER) == (100 * ONE, 50 * ONE)


def test_a_sale_holds_its_shares() -> None:
    ledger = Ledger()
    ledger.hold(WHO, order("o1", side=Side.SELL, size=20 * ONE))
    assert free(ledger) == (100 * ONE, 30 * ONE)


def test_holds_add_up_and_never_make_a_debt() -> None:
    ledger = Ledger()
    for n in range(9):
        ledger.hold(WHO, order(f"b{n}", cash=Cash(15 * ONE)))
        ledger.hold(WHO, order(f"s{n}", side=Side.SELL, size=15 * ONE))
    assert free(ledger) == (0, 0)


def test_a_hold_ends_once_and_leaves_the_others() -> None:
    ledger = Ledger()
    ledger.hold(WHO, order("o1", cash=Cash(5 * ONE)))
    ledger.hold(WHO, order("o2", cash=Cash(3 * ONE)))
    for _ in range(2):
        ledger.release(WHO, OrderId("o1"))
        ledger.release(OTHER, OrderId("o2"))
        assert free(ledger) == (97 * ONE, 50 * ONE)
    assert [held.order_id for held in ledger.open(WHO)] == ["o2"]
    ledger.release(WHO, OrderId("o2"))
    assert ledger.open(WHO) == []


def test_the_same_order_is_not_held_twice() -> None:
    ledger = Ledger()
    ledger.hold(WHO, order("o1"))
    with pytest.raises(AssertionError):
        ledger.hold(WHO, order("o1"))


def test_another_pool_of_the_same_venue_is_not_touched() -> None:
    ledger = Ledger()
    ledger.hold(WHO, order("o1", listing=listing(pool="2"), cash=Cash(5 * ONE)))
    assert free(ledger)[0] == 100 * ONE
