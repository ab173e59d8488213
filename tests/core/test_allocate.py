"""What a plan promises, and the reasons it gives. Optimality has its own file under tests/properties."""

import pytest

from router.core.allocate import LISTINGS_MAX, allocate
from router.core.book import Book, Pulse
from router.core.merge import MergedSide, RankTables, Source
from router.core.model import Considered, Plan
from tests.core.curves import FlatFee, LeastFee, QuadraticFee, ShareFee, terms
from tests.core.markets import Shop, buy, gained, means, merged, sell
from venues.base.contract import Traits
from venues.base.events import Lost, Snapshot
from venues.base.listing import Grid, ListingKey, Native
from venues.base.orders import Side
from venues.base.units import ONE, Cash, Price, Size, up

CENT = 10_000
ACME = Shop(terms("acme"), [(300_000, 10 * ONE), (320_000, 10 * ONE)])
BOLT = Shop(terms("bolt"), [(310_000, 10 * ONE)])
HELD = Shop(terms("acme"), [(600_000, 10 * ONE), (500_000, 10 * ONE)])


def entry(plan: Plan, venue: str) -> Considered:
    [found] = [one for one in plan.considered if one.venue == venue]
    return found


def split(plan: Plan) -> dict[str, tuple[int, int, int]]:
    return {order.listing.venue: (order.size, order.limit, order.cash) for order in plan.orders}


def bought(shops: list[Shop], amount: int, **limits: object) -> Plan:
    return allocate(merged(Side.BUY, shops), buy(amount, **limits), means(shops))


def sold(shops: list[Shop], size: int, held: dict[ListingKey, int] | None = None, **limits: object) -> Plan:
    return allocate(merged(Side.SELL, shops), sell(size, **limits), means(shops, held=held))


def test_a_buy_takes_the_cheapest_offers_of_all_venues() -> None:
    plan = bought([ACME, BOLT], 6_420_000)
    assert split(plan) == {"acme": (11 * ONE, 320_000, 3_320_000), "bolt": (10 * ONE, 310_000, 3_100_000)}
    assert (plan.unfilled, plan.exact) == (0, True)


def test_the_worst_case_fee_is_part_of_the_amount() -> None:
    shop = Shop(terms(curve=FlatFee(bps=200)), [(500_000, 100 * ONE)])
    plan = bought([shop], 10_200_000)
    [order] = plan.orders
    assert (order.size, order.cash, order.fee_reserve) == (20 * ONE, 10_000_000, 200_000)


def test_a_charge_per_order_can_make_one_venue_better_than_two() -> None:
    dear = Shop(terms("bolt", curve=FlatFee(charge=150_000)), [(290_000, 10 * ONE)])
    plain = Shop(terms("acme"), [(300_000, 20 * ONE)])
    plan = bought([plain, dear], 3_000_000)
    assert split(plan) == {"acme": (10 * ONE, 300_000, 3_000_000)}
    assert entry(plan, "bolt").dropped == "worse_price"


def test_a_buy_counts_the_shares_that_arrive() -> None:
    keeping = Shop(terms("bolt", curve=ShareFee(bps=1_000)), [(400_000, 100 * ONE)])
    plain = Shop(terms("acme"), [(440_000, 10 * ONE), (450_000, 10 * ONE)])
    plan = bought([plain, keeping], 10 * ONE)
    assert split(plan) == {"acme": (10 * ONE, 440_000, 4_400_000), "bolt": (14 * ONE, 400_000, 5_600_000)}
    assert sum(gained([plain, keeping], order) for order in plan.orders) == 22_600_000
    assert [order.fee_reserve for order in plan.orders] == [0, 0], "shares are no money"
    assert entry(plan, "bolt").fee_bps_at_top_e4 == 1_111 * 10_000 + 1_111


def test_a_least_fee_is_reserved_once_however_many_levels_an_order_takes() -> None:
    shop = Shop(terms(curve=LeastFee(bps=100, least=250_000, charge=1_000)), ACME.levels)
    [order] = bought([shop], 5 * ONE).orders
    assert order.fee_reserve == 251_000
    assert len(order.parts) == 2
    [order] = bought([Shop(shop.terms, [(500_000, 100 * ONE)])], 40 * ONE).orders
    assert order.fee_reserve == up(order.cash, 100) + 1_000 > 251_000


def test_a_least_fee_sends_a_small_order_elsewhere_and_a_large_one_not() -> None:
    least = Shop(terms("bolt", curve=LeastFee(bps=0, least=250_000)), [(500_000, 1_000 * ONE)])
    shops = [Shop(terms("acme"), [(510_000, 1_000 * ONE)]), least]
    small, large = bought(shops, 10 * ONE), bought(shops, 20 * ONE)
    assert (set(split(small)), entry(small, "bolt").dropped) == ({"acme"}, "worse_price")
    assert split(large) == {"bolt": (39_500_000, 500_000, 19_750_000)}
    bids = [Shop(shops[0].terms, [(500_000, ONE)]), Shop(least.terms, [(510_000, 100 * ONE)])]
    assert set(split(sold(bids, ONE))) == {"acme"}
    assert set(split(sold(bids, 40 * ONE))) == {"bolt"}


def test_a_least_fee_that_nobody_can_pay_is_said_to_be_a_minimum() -> None:
    least = Shop(terms("bolt", curve=LeastFee(bps=0, least=250_000)), [(500_000, ONE)])
    assert entry(bought([ACME, least], 200_000), "bolt").dropped == "min_order_size"


def test_a_charge_counts_once_where_an_order_is_small_but_the_rest_is_large() -> None:
    """Found by the optimality test: profit grows from the first lot on, though the first alone loses."""
    charged = QuadraticFee(rate=20_000, charge=50_000)
    in_cash = Traits(buys_in_cash=True, cash_lot=250_000)
    shops = [
        Shop(terms("acme", "M0", curve=charged, traits=in_cash, minimum_cash=ONE), [(460_000, 3 * ONE)]),
        Shop(terms("acme", "M1", curve=charged, lot=100_000), [(300_000, 100_000), (310_000, 231_854)]),
        Shop(terms("acme", "M2", lot=250_000), [(300_000, 250_000), (310_000, 250_000), (450_000, 680_397)]),
    ]
    plan = bought(shops, 1_358_387)
    assert sum(order.size for order in plan.orders) == 2_973_913


def test_a_charge_above_the_first_level_does_not_spoil_the_price_of_the_others() -> None:
    """Found by the optimality test: three whole shares beat the better-priced half with its charge."""
    shops = [Shop(terms("acme", "M0", lot=250_000, curve=FlatFee(charge=200_000)),
                  [(310_000, 250_000), (300_000, 250_000)])]  # fmt: skip
    shops += [Shop(terms("acme", f"M{n}", lot=ONE), [(300_000, ONE)]) for n in (1, 2, 3)]
    plan = sold(shops, 3_499_999)
    assert sum(order.cash - order.fee_reserve for order in plan.orders) == 900_000


def test_a_coarse_lot_is_tried_on_both_sides_of_where_its_order_profits_most() -> None:
    """Found by the optimality test: half of the first level loses more than a whole order that goes on."""
    shops = [
        Shop(terms("acme", "M0", lot=250_000),
             [(380_000, 450_000), (320_000, 450_000), (310_000, 400_000), (300_000, 400_000)]),
        Shop(terms("acme", "M1", lot=ONE), [(price, ONE) for price in (350_000, 340_000, 330_000, 300_000)]),
        Shop(terms("acme", "M2", lot=100_000), [(310_000, 173_334), (300_000, 166_666)]),
        Shop(terms("acme", "M3", lot=100_000), [(320_000, 160_000)]),
    ]  # fmt: skip
    plan = allocate(merged(Side.SELL, shops), sell(3_100_000), means(shops), limited=False)
    assert (sum(order.cash for order in plan.orders), plan.exact) == (1_068_000, True)


def test_a_limited_search_asks_whether_to_pay_a_charge_before_it_tries_lots() -> None:
    """Found by the optimality test: all work went into plans that pay 0.20 for an order of 0.30 shares."""
    shops = [
        Shop(terms("acme", "M0", lot=ONE), [(310_000, ONE), (300_000, ONE)]),
        Shop(terms("acme", "M1", lot=250_000), [(320_000, 250_000), (310_000, 250_000), (300_000, 250_000)]),
        Shop(terms("acme", "M2", lot=100_000, curve=FlatFee(charge=200_000)),
             [(320_000, 100_000), (310_000, 100_000), (300_000, 100_000)]),
        Shop(terms("acme", "M3", lot=ONE), [(300_000, ONE)]),
        Shop(terms("acme", "M4", lot=ONE), [(300_000, ONE)]),
        Shop(terms("acme", "M5", lot=ONE), [(300_000, ONE)]),
        Shop(terms("acme", "M6", lot=100_000), [(310_000, 460_000), (300_000, 160_000)]),
        Shop(terms("acme", "M7", lot=ONE), [(300_000, ONE)]),
    ]  # fmt: skip
    plan = sold(shops, 3_835_000)
    assert sum(order.cash - order.fee_reserve for order in plan.orders) == 1_160_500


def test_a_purchase_in_cash_names_whole_cash_lots_and_floors_its_shares() -> None:
    shop = Shop(terms(traits=Traits(buys_in_cash=True, cash_lot=CENT)), [(520_000, 100 * ONE)])
    [order] = bought([shop], 10_009_999).orders
    assert (order.cash, order.size, order.limit) == (10_000_000, 19_230_769, 520_000)


def test_a_minimum_is_kept_and_a_venue_below_it_says_so() -> None:
    picky = Shop(terms("bolt", minimum_cash=5 * ONE), [(300_000, 100 * ONE)])
    plan = bought([ACME, picky], 2 * ONE)
    assert list(split(plan)) == ["acme"]
    assert entry(plan, "bolt").dropped == "min_order_size"


def test_a_minimum_of_buys_does_not_hold_for_sales() -> None:
    shop = Shop(terms(minimum_cash=ONE), [(300_000, 100 * ONE)])
    assert split(sold([shop], ONE)) == {"acme": (ONE, 300_000, 300_000)}
    plan = bought([shop], 300_000)
    assert not plan.orders
    assert entry(plan, "acme").dropped == "min_order_size"


def test_a_minimum_of_sales_holds_for_sales_only() -> None:
    shop = Shop(terms(minimum_sale_cash=ONE), [(300_000, 100 * ONE)])
    assert split(bought([shop], 300_000)) == {"acme": (ONE, 300_000, 300_000)}
    assert entry(sold([shop], 3 * ONE), "acme").dropped == "min_order_size"
    assert split(sold([shop], 4 * ONE)) == {"acme": (4 * ONE, 300_000, 1_200_000)}


def test_funds_bound_each_venue_and_two_listings_share_their_pool() -> None:
    twin = Shop(terms("acme", "M2"), [(305_000, 10 * ONE)])
    shops = [ACME, twin, BOLT]
    funds = {("acme", ""): 4 * ONE}
    plan = allocate(merged(Side.BUY, shops), buy(8 * ONE), means(shops, funds=funds))
    spent = sum(order.cash for order in plan.orders if order.listing.venue == "acme")
    assert 3_990_000 < spent <= 4 * ONE
    assert sum(order.cash for order in plan.orders if order.listing.venue == "bolt") == 3_100_000


def test_charges_of_orders_that_share_a_pool_stay_within_its_funds() -> None:
    """Found by the optimality test: the levels fit the pool to the last cent, their charges do not."""
    charged = FlatFee(charge=10_000)
    shops = [Shop(terms("acme", f"M{n}", curve=charged, lot=ONE), [(300_000, ONE)]) for n in (1, 2)]
    funds = {("acme", ""): 600_000}
    plan = allocate(merged(Side.BUY, shops), buy(10 * ONE), means(shops, funds=funds))
    assert sum(order.cash + order.fee_reserve for order in plan.orders) == 310_000


def test_a_venue_without_funds_is_dropped_for_its_balance() -> None:
    plan = allocate(merged(Side.BUY, [ACME, BOLT]), buy(ONE), means([ACME, BOLT], funds={("acme", ""): 0}))
    assert (entry(plan, "acme").dropped, entry(plan, "bolt").dropped) == ("insufficient_balance", None)


def test_a_sale_is_bounded_by_what_is_held_there() -> None:
    bid = Shop(terms("bolt"), [(550_000, 10 * ONE)])
    held = {HELD.terms.listing.key: 4 * ONE, bid.terms.listing.key: 0}
    plan = sold([HELD, bid], 7 * ONE, held)
    assert split(plan) == {"acme": (4 * ONE, 600_000, 2_400_000)}
    assert plan.unfilled == 3 * ONE
    assert entry(plan, "bolt").dropped == "no_position"


def test_a_sale_limits_at_the_worst_bid_it_takes() -> None:
    plan = sold([HELD], 15 * ONE)
    assert split(plan) == {"acme": (15 * ONE, 500_000, 8_500_000)}
    assert entry(plan, "acme").average == 566_667


def test_an_order_whose_charge_eats_its_proceeds_is_left_out() -> None:
    shops = [
        Shop(terms("north", lot=ONE), [(300_000, ONE)]),
        Shop(terms("south", lot=250_000, curve=FlatFee(charge=200_000)), [(300_000, 250_000)]),
    ]
    plan = sold(shops, 1_625_000)
    assert set(split(plan)) == {"north"}


def test_dust_below_a_lot_stays() -> None:
    shop = Shop(terms(lot=10_000), [(480_000, 100 * ONE)])
    plan = sold([shop], 19_230_700)
    assert plan.orders[0].size == 19_230_000
    assert plan.unfilled == 700


@pytest.mark.parametrize(
    ("limits", "venues", "reasons"),
    [
        ({"venues": frozenset({"acme"})}, {"acme"}, {"bolt": "excluded"}),
        ({"exclude_venues": frozenset({"acme"})}, {"bolt"}, {"acme": "excluded"}),
        ({"max_price": Price(305_000)}, {"acme"}, {"bolt": "worse_price"}),
        ({"max_slippage_bps": 0}, {"acme"}, {"bolt": "worse_price"}),
        ({"max_slippage_bps": 400}, {"acme", "bolt"}, {}),
        ({"max_venues": 1}, {"acme"}, {"bolt": "max_venues"}),
    ],
)
def test_the_callers_limits_hold(
    limits: dict[str, object], venues: set[str], reasons: dict[str, str]
) -> None:
    plan = bought([ACME, BOLT], 100 * ONE, **limits)
    assert set(split(plan)) == venues
    assert {c.venue: c.dropped for c in plan.considered if c.dropped} == reasons
    worst = limits.get("max_price")
    if isinstance(worst, int):
        assert all(order.limit <= worst for order in plan.orders)


def test_slippage_of_a_sale_is_counted_downwards_from_the_best_bid() -> None:
    assert sold([HELD], 20 * ONE, max_slippage_bps=1_000).unfilled == 10 * ONE
    assert sold([HELD], 20 * ONE, max_slippage_bps=1_667).unfilled == 0
    assert sold([HELD], 20 * ONE, max_price=Price(600_000)).unfilled == 10 * ONE


def test_a_bound_by_slippage_is_rounded_so_that_no_worse_price_is_taken() -> None:
    shop = Shop(terms("acme", grid=Grid.uniform(1)), [(333_333, 10 * ONE)])
    assert bought([shop], ONE, max_slippage_bps=1).worst == 333_366
    assert sold([shop], ONE, max_slippage_bps=1).worst == 333_300


def test_a_dearer_venue_is_told_that_its_price_was_worse() -> None:
    plan = bought([ACME, BOLT], ONE)
    assert entry(plan, "bolt") == Considered(
        venue="bolt", average=None, top=Price(310_000), dropped="worse_price", fee_bps_at_top_e4=0
    )


def test_a_venue_without_offers_has_zero_depth_and_no_top() -> None:
    plan = bought([ACME, Shop(terms("bolt"), [])], ONE)
    assert entry(plan, "bolt") == Considered(
        venue="bolt", average=None, top=None, dropped="zero_depth", fee_bps_at_top_e4=0
    )


def test_the_fee_at_the_top_is_in_fractions_of_a_basis_point() -> None:
    shop = Shop(terms(curve=QuadraticFee(rate=70_000)), [(500_000, 100 * ONE)])
    assert entry(bought([shop], ONE), "acme").fee_bps_at_top_e4 == 350 * 10_000


def test_a_venue_with_two_listings_counts_once_with_its_best_top() -> None:
    twin = Shop(terms("acme", "M2", inverted=True), [(290_000, ONE)])
    plan = bought([ACME, twin], 3 * ONE)
    assert [one.venue for one in plan.considered] == ["acme"]
    assert entry(plan, "acme").top == 290_000
    assert len(plan.orders) == 2
    size = sum(order.size for order in plan.orders)
    assert entry(plan, "acme").average == round(sum(order.cash for order in plan.orders) * ONE / size)


def test_of_many_listings_the_best_eight_take_part() -> None:
    shops = [Shop(terms(f"venue{n}"), [(300_000 + n * CENT, ONE)]) for n in range(LISTINGS_MAX + 2)]
    plan = bought(shops, 100 * ONE)
    assert len(plan.orders) == LISTINGS_MAX
    assert [c.venue for c in plan.considered if c.dropped == "worse_price"] == ["venue8", "venue9"]


def test_nothing_affordable_is_a_plan_without_orders() -> None:
    plan = bought([ACME], 2_999)
    assert (plan.orders, plan.unfilled) == ((), 2_999)
    assert entry(plan, "acme").dropped == "min_order_size"


def test_crossed_gapped_and_stale_books_reach_no_plan() -> None:
    good, crossed, gapped, stale = (terms(v) for v in ("acme", "bolt", "coil", "dusk"))
    sources, native = [], Native("M1")
    for each in (good, crossed, gapped, stale):
        book = Book(native, levels_max=10)
        book.attach(Pulse(10_000 if each is not stale else 0))
        bid, ask = (Price(500_000), Price(400_000)) if each is crossed else (Price(300_000), Price(600_000))
        book.apply(Snapshot(native, [(bid, Size(ONE))], [(ask, Size(100 * ONE))]), 10_000)
        if each is gapped:
            book.apply(Lost(native, "gap"), 10_000)
        sources.append(Source(each, book, 5_000))
    merged_side = MergedSide(sources, Side.BUY, RankTables()).read(10_000)
    plan = allocate(merged_side, buy(100 * ONE), means([Shop(one.terms, []) for one in sources]))
    assert list(split(plan)) == ["acme"]
    assert [one.venue for one in plan.considered] == ["acme"]


def test_an_inverted_order_is_limited_on_the_books_own_grid() -> None:
    tapered = terms(grid=Grid.uniform(CENT), inverted=True)
    plan = bought([Shop(tapered, [(370_000, 10 * ONE)])], ONE)
    assert plan.orders[0].listing.valid_price(plan.orders[0].limit)


def test_equal_questions_get_equal_plans() -> None:
    assert bought([ACME, BOLT], 5_000_001) == bought([ACME, BOLT], 5_000_001)


def test_a_plan_spends_no_more_than_it_was_given_however_odd_the_numbers() -> None:
    shop = Shop(terms(curve=QuadraticFee(rate=70_000, charge=100)), [(333_000, 7_654_321), (334_000, 9_999)])
    for amount in range(1_000, 3_000_000, 37_777):
        plan = bought([shop], amount)
        assert sum(order.cash + order.fee_reserve for order in plan.orders) == amount - plan.unfilled
        assert all(order.cash >= Cash(0) for order in plan.orders)
