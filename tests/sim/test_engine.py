"""The matching engine, case by case: what each rule of an exchange means for one order."""

import pytest

from tests.sim.acme import acme_fee
from venues.base.orders import Side, TimeInForce
from venues.base.units import ONE, Cash, Price, Size, micros, plain
from venues.sim.engine import EngineError, Exchange
from venues.sim.model import HOUSE, BookChange, Market, OrderMoved, SimOrder, Status, TradeDone

GTC, GTD, IOC, FOK = TimeInForce.GTC, TimeInForce.GTD, TimeInForce.IOC, TimeInForce.FOK
BUY, SELL = Side.BUY, Side.SELL


class Pit:
    """One market YES/NO, step 0.01, ann with 100 dollars and bob with 50 of each share."""

    def __init__(self, *, nets: bool = False) -> None:
        self.exchange = Exchange(acme_fee, nets_positions=nets)
        self.market = Market("M", ("YES", "NO"), size_step=10_000)
        self.exchange.add_market(self.market)
        self.ann = self.exchange.open_account("ann", Cash(100 * ONE))
        self.bob = self.exchange.open_account("bob", Cash(0))
        self.exchange.grant(self.bob, self.market, 0, Size(50 * ONE))

    def order(
        self, side: Side, price: str, size: str, time_in_force: TimeInForce = GTC, /, **more: object
    ) -> SimOrder:
        order = SimOrder(
            order_id=self.exchange.new_id("o"),
            account=str(more.pop("account", "ann")),
            market=self.market,
            outcome=0,
            side=side,
            price=Price(micros(price)),
            size=Size(micros(size)),
            cash=None,
            time_in_force=time_in_force,
            created_ms=0,
        )
        for name, value in more.items():
            setattr(order, name, value)
        return order

    def place(self, side: Side, price: str, size: str, *rest: TimeInForce, **more: object) -> SimOrder:
        order = self.exchange.place(self.order(side, price, size, *rest, **more), 0)
        self.exchange.audit()
        return order

    def book(self, bids: list[tuple[str, str]], asks: list[tuple[str, str]], native: str = "YES") -> None:
        self.exchange.set_book(native, levels(bids), levels(asks), 0)

    def shown(self, native: str = "YES") -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        bids, asks = self.exchange.levels(native)
        return [(plain(p), plain(s)) for p, s in bids], [(plain(p), plain(s)) for p, s in asks]


def levels(pairs: list[tuple[str, str]]) -> list[tuple[Price, Size]]:
    return [(Price(micros(price)), Size(micros(size))) for price, size in pairs]


@pytest.fixture
def pit() -> Pit:
    return Pit()


def fills(order: SimOrder) -> list[tuple[str, str]]:
    return [(plain(fill.price), plain(fill.size)) for fill in order.fills]


def test_the_older_order_at_a_price_trades_first(pit: Pit) -> None:
    first = pit.place(BUY, "0.4", "5")
    second = pit.place(BUY, "0.4", "5")
    pit.place(SELL, "0.4", "7", account="bob")
    assert (plain(first.filled), plain(second.filled)) == ("5", "2")
    assert (first.status, second.status) == (Status.FILLED, Status.RESTING)


def test_a_better_price_comes_before_an_older_order(pit: Pit) -> None:
    older = pit.place(BUY, "0.4", "5")
    better = pit.place(BUY, "0.41", "5")
    sale = pit.place(SELL, "0.4", "5", account="bob")
    assert older.fills == []
    assert fills(better) == fills(sale) == [("0.41", "5")]


def test_both_outcomes_share_one_book(pit: Pit) -> None:
    pit.book([("0.4", "10")], [("0.6", "20")])
    assert pit.shown("NO") == ([("0.4", "20")], [("0.6", "10")])
    buy = pit.place(BUY, "0.6", "4", IOC, outcome=1)
    assert fills(buy) == [("0.6", "4")]
    assert pit.shown("YES") == ([("0.4", "6")], [("0.6", "20")])


def test_what_an_immediate_order_leaves_is_cancelled(pit: Pit) -> None:
    pit.book([], [("0.5", "3")])
    order = pit.place(BUY, "0.5", "5", IOC)
    assert (order.status, fills(order)) == (Status.CANCELLED, [("0.5", "3")])
    assert pit.shown() == ([], [])
    assert pit.ann.reserved == 0


def test_fill_or_kill_takes_all_or_changes_nothing(pit: Pit) -> None:
    pit.book([], [("0.5", "3"), ("0.6", "2")])
    with pytest.raises(EngineError, match="fok_unfillable"):
        pit.place(BUY, "0.5", "5", FOK)
    assert pit.shown() == ([], [("0.5", "3"), ("0.6", "2")])
    assert fills(pit.place(BUY, "0.6", "5", FOK)) == [("0.5", "3"), ("0.6", "2")]


@pytest.mark.parametrize(
    ("cash", "asks", "bought"),
    [
        ("1.5", [("0.5", "3")], [("0.5", "3")]),
        ("1.504999", [("0.5", "3")], [("0.5", "3")]),  # half a cent less a millionth buys no 0.01 share
        ("1.5", [("0.5", "9")], [("0.5", "3")]),
        ("2", [("0.3", "1"), ("0.7", "9")], [("0.3", "1"), ("0.7", "2.42")]),
        ("0.306", [("0.3", "1"), ("0.7", "9")], [("0.3", "1")]),  # 0.006 is 0.02 at 0.3, none at 0.7
    ],
)
def test_a_budget_is_spent_when_not_one_step_more_can_be_had(
    pit: Pit, cash: str, asks: list[tuple[str, str]], bought: list[tuple[str, str]]
) -> None:
    for time_in_force in (FOK, IOC):
        pit.book([], asks)
        order = pit.place(BUY, "0.9", "1000", time_in_force, cash=Cash(micros(cash)))
        assert (order.status, fills(order)) == (Status.FILLED, bought)


def test_a_budget_for_which_the_book_lacks_one_step_is_not_spent(pit: Pit) -> None:
    pit.book([], [("0.5", "3")])
    with pytest.raises(EngineError, match="fok_unfillable"):
        pit.place(BUY, "0.9", "1000", FOK, cash=Cash(micros("1.505")))
    assert pit.place(BUY, "0.9", "1000", IOC, cash=Cash(micros("1.505"))).status is Status.CANCELLED


def test_a_budget_too_small_for_one_step_buys_nothing_and_is_not_called_filled(pit: Pit) -> None:
    pit.book([], [("0.5", "3")])
    order = pit.place(BUY, "0.5", "1000", IOC, cash=Cash(4_999))
    assert (order.status, order.fills) == (Status.CANCELLED, [])
    with pytest.raises(EngineError, match="fok_unfillable"):
        pit.place(BUY, "0.5", "1000", FOK, cash=Cash(4_999))


def test_only_a_taker_spends_a_budget(pit: Pit) -> None:
    with pytest.raises(AssertionError, match="only a taker"):
        pit.place(BUY, "0.5", "10", GTC, cash=Cash(ONE))


def test_post_only_never_takes(pit: Pit) -> None:
    pit.book([], [("0.5", "3")])
    with pytest.raises(EngineError, match="post_only_crosses"):
        pit.exchange.place(pit.order(BUY, "0.5", "1"), 0, post_only=True)
    pit.exchange.place(pit.order(BUY, "0.49", "1"), 0, post_only=True)
    assert pit.shown() == ([("0.49", "1")], [("0.5", "3")])


def test_a_purchase_needs_its_cost_and_its_fee_to_the_millionth(pit: Pit) -> None:
    pit.book([], [("0.5", "1000")])
    pit.ann.cash, pit.exchange.deposited = Cash(50_499_999), Cash(50_499_999)
    with pytest.raises(EngineError, match="insufficient_balance"):
        pit.place(BUY, "0.5", "100", IOC)
    pit.ann.cash, pit.exchange.deposited = Cash(50_500_000), Cash(50_500_000)
    pit.place(BUY, "0.5", "100", IOC)
    assert pit.ann.cash == 0


def test_a_resting_purchase_sets_its_cost_aside_and_gives_it_back_as_it_goes(pit: Pit) -> None:
    order = pit.place(BUY, "0.4", "200")
    assert (pit.ann.reserved, pit.ann.free) == (80 * ONE, 20 * ONE)
    with pytest.raises(EngineError, match="insufficient_balance"):
        pit.place(BUY, "0.1", "201")
    pit.place(SELL, "0.4", "50", account="bob")
    assert (pit.ann.cash, pit.ann.reserved, pit.ann.free) == (80 * ONE, 60 * ONE, 20 * ONE)
    assert pit.exchange.cancel(order, "asked", 0)
    assert (pit.ann.cash, pit.ann.reserved) == (80 * ONE, 0)
    assert not pit.exchange.cancel(order, "again", 0)


def test_shares_are_promised_once(pit: Pit) -> None:
    pit.place(SELL, "0.6", "30", account="bob")
    with pytest.raises(EngineError, match="insufficient_position"):
        pit.place(SELL, "0.7", "20.01", account="bob")
    pit.place(SELL, "0.7", "20", account="bob")


def test_an_order_may_meet_another_of_its_own_account(pit: Pit) -> None:
    pit.place(SELL, "0.5", "10", account="bob")
    pit.bob.cash, pit.exchange.deposited = Cash(10 * ONE), Cash(110 * ONE)
    pit.place(BUY, "0.5", "10", account="bob")
    assert plain(pit.bob.cash) == "9.95", "only the taker's fee is gone"
    assert pit.bob.positions["M", 0] == 50 * ONE
    assert pit.bob.reserved == 0


def test_an_order_past_its_time_never_trades_even_between_two_ticks(pit: Pit) -> None:
    order = pit.place(BUY, "0.4", "5", GTD, expires_ms=1_000)
    sale = pit.order(SELL, "0.4", "5", IOC, account="bob")
    pit.exchange.place(sale, 1_000)
    assert (order.status, order.reason, sale.fills) == (Status.CANCELLED, "expired", [])
    assert pit.ann.reserved == 0


def test_a_halted_market_takes_no_order_but_lets_one_go(pit: Pit) -> None:
    order = pit.place(BUY, "0.4", "5")
    pit.exchange.halt(pit.market, "closed", 0)
    with pytest.raises(EngineError, match="not_trading"):
        pit.place(BUY, "0.4", "5")
    assert pit.exchange.cancel(order, "asked", 0)


def test_a_pair_turns_into_a_dollar_where_the_venue_nets() -> None:
    pit = Pit(nets=True)
    pit.book([("0.4", "100")], [("0.6", "100")])
    pit.place(BUY, "0.6", "10", IOC)
    pit.place(BUY, "0.6", "10", IOC, outcome=1)
    assert pit.ann.positions == {("M", 0): 0, ("M", 1): 0}
    assert plain(pit.ann.cash) == "97.88", "two dollars of spread and twelve cents of fees"


def test_netting_leaves_the_shares_that_a_resting_sale_has_promised() -> None:
    pit = Pit(nets=True)
    pit.book([("0.4", "100")], [])
    sale = pit.place(SELL, "0.9", "50", account="bob")
    pit.bob.cash, pit.exchange.deposited = Cash(10 * ONE), Cash(110 * ONE)
    pit.place(BUY, "0.6", "10", IOC, account="bob", outcome=1)
    assert pit.bob.positions == {("M", 0): 50 * ONE, ("M", 1): 10 * ONE}
    pit.exchange.cancel(sale, "asked", 0)
    pit.exchange.audit()
    assert pit.bob.positions == {("M", 0): 40 * ONE, ("M", 1): 0}


def test_a_resting_purchase_that_fills_in_parts_nets_each_part() -> None:
    pit = Pit(nets=True)
    closing = pit.place(BUY, "0.45", "30", account="bob", outcome=1)
    assert pit.bob.reserved == 0, "closing a position needs no cash"
    for size in ("10", "0.01", "19.99"):
        pit.place(BUY, "0.55", size, IOC)
    assert closing.status is Status.FILLED
    assert pit.bob.positions == {("M", 0): 20 * ONE, ("M", 1): 0}
    assert plain(pit.bob.cash) == "16.5"


def test_a_position_can_be_given_up_only_once() -> None:
    pit = Pit(nets=True)
    pit.place(BUY, "0.45", "50", account="bob", outcome=1)
    with pytest.raises(EngineError, match="insufficient_balance"):
        pit.place(BUY, "0.3", "1", account="bob", outcome=1)
    with pytest.raises(EngineError, match="insufficient_position"):
        pit.place(SELL, "0.9", "1", account="bob")


def test_setting_the_book_replaces_the_houses_levels_exactly(pit: Pit) -> None:
    pit.book([("0.4", "10"), ("0.3", "5")], [("0.6", "20")])
    pit.book([("0.41", "1")], [], native="NO")
    assert pit.shown("NO") == ([("0.41", "1")], [])
    assert pit.shown("YES") == ([], [("0.59", "1")])


def test_a_level_that_crosses_a_customers_order_trades_with_it_first(pit: Pit) -> None:
    order = pit.place(BUY, "0.4", "5")
    pit.book([], [("0.35", "12")])
    assert fills(order) == [("0.4", "5")]
    assert pit.shown() == ([], [("0.35", "7")])
    assert pit.exchange.fees_collected == 0, "makers and the house pay nothing"


def test_the_houses_finished_orders_are_forgotten(pit: Pit) -> None:
    for _ in range(50):
        pit.book([("0.4", "10")], [("0.6", "20")])
    pit.place(BUY, "0.6", "20", IOC)
    house = [order for order in pit.exchange.orders.values() if order.account == HOUSE]
    assert [plain(order.price) for order in house] == ["0.4"]


def test_events_tell_the_whole_story_in_order(pit: Pit) -> None:
    pit.book([], [("0.5", "3"), ("0.6", "9")])
    pit.exchange.take_events()
    order = pit.place(BUY, "0.6", "5")
    told = pit.exchange.take_events()
    assert [type(event) for event in told] == [
        BookChange,
        OrderMoved,
        BookChange,
        OrderMoved,
        TradeDone,
        OrderMoved,
    ]
    changes = [event for event in told if isinstance(event, BookChange)]
    assert [(plain(c.price), plain(c.total), plain(c.delta)) for c in changes] == [
        ("0.5", "0", "-3"),
        ("0.6", "7", "-2"),
    ]
    [trade] = [event for event in told if isinstance(event, TradeDone)]
    assert trade.taker is order
    assert [fill.size for fill in trade.fills] == [fill.size for _, fill in trade.makers]
    assert pit.exchange.take_events() == []


@pytest.mark.parametrize("damage", ["cash", "position", "reserve", "promise"])
def test_the_audit_notices_what_it_is_for(pit: Pit, damage: str) -> None:
    pit.place(SELL, "0.6", "50", account="bob")
    match damage:
        case "cash":
            pit.ann.cash = Cash(pit.ann.cash + 1)
        case "position":
            pit.ann.positions["M", 1] = Size(1)
        case "reserve":
            pit.ann.reserved = Cash(1)
        case _:
            pit.bob.positions["M", 0] = Size(49 * ONE)
            pit.exchange.granted["M", 0] = Size(49 * ONE)
    with pytest.raises(AssertionError):
        pit.exchange.audit()
