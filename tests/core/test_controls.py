"""The controls, held against arithmetic in fractions, walks of one share at a time, and plain lists."""

from collections.abc import Callable
from fractions import Fraction
from statistics import median_low

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from router.core.controls import (
    HISTORY_MAX,
    HISTORY_MIN,
    HISTORY_MS,
    AccountLimits,
    CashLimits,
    Used,
    at_worst,
    check_asked,
    check_cash,
    check_now,
    check_prices,
    check_rules,
    check_sale,
    check_usual,
    collared,
    room,
    within_depth,
    without_closing,
    worst_price,
)
from router.core.errors import (
    ConfirmRequired,
    Controlled,
    InvalidSize,
    NotTradable,
    PriceCollar,
    RiskLimit,
)
from router.core.turnover import Rate, Sizes, Turnover
from tests.core.curves import terms
from tests.core.markets import Shop, buy, merged, sell
from tests.core.samples import listing, order
from venues.base.orders import OrderId, Side
from venues.base.units import ONE, Cash, Price, Size

CENT = 10_000
LIMITS = AccountLimits()
NOTHING = Used(Cash(0), Cash(0))
HUNDRED = Cash(100 * ONE)


def usd(dollars: int) -> Cash:
    return Cash(dollars * ONE)


BOOK = replace(merged(Side.BUY, []), terms=(replace(terms(), listing=listing()),))
CLOSING = order(listing=listing(closes_ms=100_000))

# --- each rule at its edge ---

AT_THE_LIMIT: list[Callable[[], None]] = [
    lambda: check_asked(LIMITS, buy(100 * ONE)),
    lambda: check_asked(LIMITS, sell(100_000 * ONE)),
    lambda: check_sale(LIMITS, sell(200 * ONE), Price(500_000)),
    lambda: check_sale(LIMITS, sell(10**12), None),
    lambda: check_cash(CashLimits(), Used(usd(400), usd(900)), HUNDRED),
    lambda: check_prices(LIMITS, [order(limit=Price(CENT)), order(limit=Price(99 * CENT))], confirmed=False),
    lambda: check_prices(LIMITS, [order(limit=Price(CENT - 1))], confirmed=True),
    lambda: check_usual(LIMITS, [Size(ONE)] * HISTORY_MIN, Size(10 * ONE), confirmed=False),
    lambda: check_usual(LIMITS, [Size(ONE)] * HISTORY_MIN, Size(11 * ONE), confirmed=True),
    lambda: check_usual(LIMITS, [Size(ONE)] * (HISTORY_MIN - 1), Size(99 * ONE), confirmed=False),
    lambda: check_rules(order(limit=Price(500_000), size=Size(ONE), listing=listing(minimum_size=ONE))),
    lambda: check_now(
        LIMITS, order(limit=Price(600_000)), BOOK, bid=Price(450_000), ask=Price(550_000), now_ms=0
    ),
    lambda: check_now(LIMITS, order(limit=Price(990_000)), BOOK, bid=None, ask=Price(550_000), now_ms=0),
    lambda: check_now(LIMITS, CLOSING, BOOK, bid=None, ask=None, now_ms=40_000),
]
BEYOND: list[tuple[Callable[[], object], type[Controlled], tuple[str, str, str]]] = [
    (lambda: check_asked(LIMITS, buy(100 * ONE + 1)), RiskLimit, ("order_usd", "100.000001", "100")),
    (
        lambda: check_asked(LIMITS, sell(100_000 * ONE + 1)),
        InvalidSize,
        ("order_shares", "100000.000001", "100000"),
    ),
    (
        lambda: check_sale(LIMITS, sell(201 * ONE), Price(500_000)),
        RiskLimit,
        ("order_usd", "100.5 at the best bid", "100"),
    ),
    (
        lambda: check_cash(CashLimits(), Used(usd(0), usd(0)), Cash(HUNDRED + 1), where="v"),
        RiskLimit,
        ("v: order_usd", "100.000001", "100"),
    ),
    (
        lambda: check_cash(CashLimits(), Used(Cash(usd(400) + 1), usd(0)), HUNDRED),
        RiskLimit,
        ("minute_usd", "500.000001", "500"),
    ),
    (
        lambda: check_cash(CashLimits(), Used(usd(0), Cash(usd(900) + 1)), HUNDRED),
        RiskLimit,
        ("open_usd", "1000.000001", "1000"),
    ),
    (
        lambda: check_prices(LIMITS, [order(limit=Price(CENT - 1))], confirmed=False),
        ConfirmRequired,
        ("confirm_price", "0.009999", "0.01 to 0.99"),
    ),
    (
        lambda: check_prices(LIMITS, [order(limit=Price(99 * CENT + 1))], confirmed=False),
        ConfirmRequired,
        ("confirm_price", "0.990001", "0.01 to 0.99"),
    ),
    (
        lambda: check_usual(LIMITS, [Size(ONE)] * HISTORY_MIN, Size(10 * ONE + 1), confirmed=False),
        ConfirmRequired,
        ("confirm_medians", "10.000001 shares", "10 shares"),
    ),
    (
        lambda: check_rules(order(limit=Price(500_001))),
        InvalidSize,
        ("tick", "0.500001", "a price of the venue's grid"),
    ),
    (
        lambda: check_rules(order(size=Size(ONE - 1), listing=listing(minimum_size=ONE))),
        InvalidSize,
        ("min_size", "0.999999", "1"),
    ),
    (
        lambda: check_now(
            LIMITS, order(limit=Price(600_001)), BOOK, bid=Price(450_000), ask=Price(550_000), now_ms=0
        ),
        PriceCollar,
        ("collar_usd", "0.100001", "0.1"),
    ),
    (
        lambda: check_now(LIMITS, CLOSING, BOOK, bid=None, ask=None, now_ms=40_001),
        NotTradable,
        ("closing_ms", "closes in 59999 ms", "60000 ms"),
    ),
    (
        lambda: check_now(
            LIMITS,
            order(),
            replace(BOOK, unusable={order().listing.key: "gapped"}),
            bid=None,
            ask=None,
            now_ms=0,
        ),
        NotTradable,
        ("book", "gapped", "usable"),
    ),
    (
        lambda: check_now(LIMITS, order(), merged(Side.BUY, []), bid=None, ask=None, now_ms=0),
        NotTradable,
        ("book", "not followed any more", "usable"),
    ),
]


@pytest.mark.parametrize("rule", AT_THE_LIMIT)
def test_what_is_just_within_a_limit_passes(rule: Callable[[], None]) -> None:
    rule()


@pytest.mark.parametrize(("rule", "kind", "told"), BEYOND)
def test_what_is_just_beyond_is_refused_with_rule_value_and_limit(
    rule: Callable[[], object], kind: type[Controlled], told: tuple[str, str, str]
) -> None:
    with pytest.raises(kind) as refused:
        rule()
    refusal = refused.value
    assert (refusal.rule, refusal.value, refusal.limit) == told
    assert str(refusal) == f"{told[0]}: {told[1]}; the limit is {told[2]}"


def test_the_defaults_are_those_of_the_table() -> None:
    assert CashLimits() == CashLimits(order=usd(100), minute=usd(500), open=usd(1_000))
    assert (
        AccountLimits(
            collar=Price(100_000),
            collar_bps=1_500,
            depth_bps=5_000,
            orders_per_second=5,
            closing_ms=60_000,
            price_low=Price(CENT),
            price_high=Price(99 * CENT),
            usual_times=10,
        )
        == LIMITS
    )


def test_a_buy_counts_with_all_it_may_cost_and_a_sale_with_its_proceeds() -> None:
    assert at_worst(order(side=Side.BUY, cash=Cash(7), reserve=Cash(2))) == 9
    assert at_worst(order(side=Side.SELL, cash=Cash(7), reserve=Cash(2))) == 7


def test_room_is_what_the_tightest_limit_leaves() -> None:
    assert room(CashLimits(), Used(usd(0), usd(0))) == usd(100)
    assert room(CashLimits(), Used(usd(450), usd(0))) == usd(50)
    assert room(CashLimits(), Used(usd(0), usd(970))) == usd(30)
    assert room(CashLimits(), Used(usd(600), usd(0))) == 0


# --- collar ---

cents = st.integers(1, 98)


@given(bid=cents, ask=cents, collar=st.integers(0, 60), percent=st.integers(0, 200), cap=st.none() | cents)
def test_a_price_is_planned_exactly_when_it_is_within_both_collars_and_the_callers_own(
    bid: int, ask: int, collar: int, percent: int, cap: int | None
) -> None:
    limits = replace(LIMITS, collar=Price(collar * CENT), collar_bps=percent * 100)
    for side, best in ((Side.BUY, ask), (Side.SELL, bid)):
        book = merged(side, [Shop(terms("v"), [(best * CENT, ONE)])])
        asked = buy(ONE) if side is Side.BUY else sell(ONE)
        asked = replace(asked, max_price=None if cap is None else Price(cap * CENT))
        middle, sign = Fraction(bid + ask, 2), 1 if side is Side.BUY else -1

        def within(price: int, best: int = best, sign: int = sign, middle: Fraction = middle) -> bool:
            near = sign * (price - middle) <= collar
            return near and sign * (price - best) <= Fraction(best * percent, 100)

        try:
            worst = worst_price(collared(limits, asked, Price(bid * CENT), Price(ask * CENT)), book)
        except PriceCollar:
            assert not within(best)
            continue
        assert worst is not None
        for price in range(1, 100):
            accepted = sign * price * CENT <= sign * worst
            mine = cap is None or sign * price <= sign * cap
            assert accepted == (within(price) and mine), (side, price)


def test_with_one_side_of_the_books_empty_the_best_price_alone_counts() -> None:
    held = collared(LIMITS, buy(ONE), None, Price(700_000))
    assert (held.max_price, held.max_slippage_bps) == (None, 1_500)


def test_the_callers_slippage_counts_where_it_is_stricter() -> None:
    assert collared(LIMITS, buy(ONE, max_slippage_bps=20), None, None).max_slippage_bps == 20
    assert collared(LIMITS, buy(ONE, max_slippage_bps=9_000), None, None).max_slippage_bps == 1_500


# --- depth ---

levels = st.lists(st.tuples(st.integers(40, 60), st.integers(1, 9)), min_size=0, max_size=5)


def bought(shops: list[Shop], amount: int) -> int:
    """Shares that an amount buys, best price first, in hundredths of a share, rounded down."""
    offers = sorted((price, size) for shop in shops for price, size in shop.levels)
    shares = 0
    for price, size in offers:
        for _ in range(100 * size // ONE):
            if amount < price // 100:
                return shares
            amount -= price // 100
            shares += 1
    return shares


def exactly_bought(shops: list[Shop], amount: int) -> Fraction:
    """The same in millionths of a share, to the last fraction of one."""
    left, shares = Fraction(amount), Fraction(0)
    for price, size in sorted((price, size) for shop in shops for price, size in shop.levels):
        part = min(Fraction(size), left * ONE / price)
        left, shares = left - part * price / ONE, shares + part
    return shares


@given(
    books=st.lists(levels, min_size=1, max_size=3), dollars=st.integers(1, 30), percent=st.integers(1, 100)
)
def test_a_cut_buy_gets_no_more_than_its_share_and_nothing_less_is_left_of_it_than_must(
    books: list[list[tuple[int, int]]], dollars: int, percent: int
) -> None:
    rows = [[(price * CENT, size * ONE) for price, size in sorted(dict(book).items())] for book in books]
    shops = [Shop(terms(f"v{n}"), row) for n, row in enumerate(rows)]
    limits, depth = replace(LIMITS, depth_bps=percent * 100), sum(size for row in rows for _, size in row)
    amount = dollars * ONE
    most = within_depth(limits, buy(amount), merged(Side.BUY, shops))
    share = depth * percent // 100 // CENT
    assert most <= amount
    assert bought(shops, most) <= share
    if exactly_bought(shops, amount) * 100 <= depth * percent:
        assert most == amount
    if most < amount:
        assert bought(shops, most) >= share - 1, "cut by more than was needed"


@given(books=st.lists(levels, min_size=1, max_size=3), shares=st.integers(1, 60), percent=st.integers(1, 100))
def test_a_cut_sale_is_for_its_share_exactly(
    books: list[list[tuple[int, int]]], shares: int, percent: int
) -> None:
    rows = [[(p * CENT, s * ONE) for p, s in sorted(dict(book).items(), reverse=True)] for book in books]
    shops = [Shop(terms(f"v{n}"), row) for n, row in enumerate(rows)]
    limits, depth = replace(LIMITS, depth_bps=percent * 100), sum(size for row in rows for _, size in row)
    most = within_depth(limits, sell(shares * ONE), merged(Side.SELL, shops))
    assert most == min(shares * ONE, depth * percent // 100)


def test_only_what_the_order_accepts_by_price_and_venue_is_on_offer() -> None:
    near, far = [(400_000, 4 * ONE), (500_000, 100 * ONE)], [(400_000, 1_000 * ONE)]
    shops = [Shop(terms("near"), near), Shop(terms("far"), far)]
    asked = buy(10 * ONE, max_price=Price(450_000), exclude_venues=frozenset({"far"}))
    assert within_depth(LIMITS, asked, merged(Side.BUY, shops)) == 800_000, "two of four shares at 40 cents"


# --- markets that close ---


def test_the_order_goes_around_a_market_that_closes_soon() -> None:
    soon = replace(terms("soon"), listing=replace(listing(), venue="soon", closes_ms=59_999))
    later = replace(terms("later"), listing=replace(listing(), venue="later", closes_ms=60_000))
    both = merged(Side.BUY, [Shop(soon, []), Shop(later, [])])
    assert without_closing(LIMITS, buy(ONE), both, 0).exclude_venues == {"soon"}
    with pytest.raises(NotTradable):
        without_closing(LIMITS, buy(ONE), merged(Side.BUY, [Shop(soon, [])]), 0)


# --- what was sent lately ---

steps = st.lists(
    st.tuples(
        st.integers(0, 40_000), st.sampled_from("ab"), st.integers(1, 9), st.none() | st.integers(0, 9)
    ),
    max_size=12,
)


@given(steps)
def test_a_minute_has_what_a_plain_list_says(
    acts: list[tuple[int, str, int, int | None]],
) -> None:
    turnover, now_ms = Turnover(), 0
    sent: list[tuple[int, str, int]] = []
    for number, (wait_ms, venue, cash, came_to) in enumerate(acts):
        now_ms += wait_ms
        order_id = OrderId(str(number))
        turnover.sent(order_id, venue, Cash(cash), now_ms)
        turnover.sent(order_id, venue, Cash(99), now_ms)
        if came_to is not None:
            turnover.settled(order_id, Cash(came_to))
            turnover.settled(order_id, Cash(77))
        sent.append((now_ms, venue, cash if came_to is None else max(came_to, 77)))
        live = [(at, cash) for at, cash in ((v, c) for t, v, c in sent if t > now_ms - 60_000)]
        for name in ("a", "b"):
            assert turnover.minute(now_ms, name) == sum(cash for at, cash in live if at == name)
        assert turnover.minute(now_ms) == sum(cash for _, cash in live)


@given(st.lists(st.integers(0, 700) | st.sampled_from([250, 500, 1_000]), max_size=40), st.integers(1, 5))
@example([0, 1_000], 1)
@example([0, 999], 1)
def test_no_second_has_more_than_its_rate_and_none_is_refused_needlessly(
    waits: list[int], per_second: int
) -> None:
    rate, now_ms = Rate(per_second), 0
    taken: list[int] = []
    for wait_ms in waits:
        now_ms += wait_ms
        busy = sum(at > now_ms - 1_000 for at in taken) >= per_second
        assert rate.full(now_ms) == busy
        if not busy:
            rate.take(now_ms)
            taken.append(now_ms)


@given(st.lists(st.tuples(st.integers(0, 5 * 24 * 3_600_000), st.integers(1, 9)), max_size=700))
@settings(max_examples=60)
def test_the_usual_size_is_the_median_of_what_counts(orders: list[tuple[int, int]]) -> None:
    sizes, now_ms, seen = Sizes([]), 0, list[tuple[int, int]]()
    for wait_ms, size in orders:
        now_ms += wait_ms
        counting = [each for at_ms, each in seen[-HISTORY_MAX:] if at_ms > now_ms - HISTORY_MS]
        lately = sizes.lately(now_ms)
        assert list(lately) == sorted(counting)
        if len(counting) >= HISTORY_MIN:
            most = LIMITS.usual_times * median_low(counting)
            check_usual(LIMITS, lately, Size(most), confirmed=False)
            with pytest.raises(ConfirmRequired):
                check_usual(LIMITS, lately, Size(most + 1), confirmed=False)
        sizes.add(Size(size), now_ms)
        seen.append((now_ms, size))


def test_sizes_count_for_thirty_days_and_the_latest_five_hundred() -> None:
    day_ms = 24 * 3_600_000
    sizes = Sizes([(0, Size(1)), (day_ms, Size(2))])
    sizes.add(Size(3), 2 * day_ms)
    assert sizes.lately(30 * day_ms) == [2, 3]
    for number in range(600):
        sizes.add(Size(number), 30 * day_ms)
    assert sizes.lately(30 * day_ms) == list(range(100, 600))
