"""What terms come to for orders on one side."""

from tests.core.curves import FREE, LeastFee, ShareFee, terms
from venues.base.contract import Traits
from venues.base.orders import Side

IN_CASH = Traits(buys_in_cash=True, cash_lot=5_000)


def test_gains_are_multiples_of_a_lot_only_where_whole_lots_of_a_buy_arrive() -> None:
    assert terms(curve=FREE, lot=10_000).buys.grain == 10_000
    assert terms(curve=FREE, lot=10_000).sales.grain == 1
    assert terms(curve=FREE, lot=10_000, traits=IN_CASH).buys.grain == 1
    assert terms(curve=ShareFee(bps=100), lot=10_000).buys.grain == 1


def test_only_a_buy_is_stated_in_cash() -> None:
    listed = terms(lot=10_000, traits=IN_CASH)
    assert (listed.buys.in_cash, listed.buys.step) == (True, 5_000)
    assert (listed.sales.in_cash, listed.sales.step) == (False, 10_000)


def test_each_side_has_its_own_rules() -> None:
    listed = terms(curve=LeastFee(bps=100, least=7, charge=3), minimum_cash=5, minimum_sale_cash=4)
    for side, least in ((Side.BUY, 5), (Side.SELL, 4)):
        rules = listed.rules(side)
        assert (rules.side, rules.fixed, rules.minimum, rules.least) == (side, 3, 7, least)
