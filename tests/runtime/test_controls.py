"""The controls at work in a router with simulated venues: what is refused sent nothing and is on record."""

from collections.abc import Awaitable, Callable

import pytest
from msgspec.structs import replace

from router.core.controls import AccountLimits, CashLimits
from router.core.errors import ConfirmRequired, Controlled, RiskLimit, StoreUnavailable, TooFast
from router.core.model import AccountId, MarketOrder
from router.core.records import Answered, Extended, Planned, Record, decode, encode
from router.core.report import FillStatus
from router.runtime.control_settings import LimitBook
from router.runtime.store.protocol import StoreDamaged
from router.service import Router
from tests.limits import WIDE
from tests.virtual_time import VirtualLoop, run
from tests.world import ACCOUNT, World, buy, sell
from venues.base.http import Purpose, Request
from venues.base.orders import Fee, Filled, OrderId
from venues.base.units import ONE, Cash, Price, Size

DEFAULTS = LimitBook(default=AccountLimits(), by_account={}, total_per_second=50)


def books(world: World, shares: int = 1_000) -> None:
    """The same deep book on every venue: bids at 44 cents, asks at 46."""
    for name, natives in world.natives.items():
        size, now_ms = Size(shares * ONE), world.clock.now_ms()
        exchange = world.simulators[name].exchange
        exchange.set_book(natives[0], [(Price(440_000), size)], [(Price(460_000), size)], now_ms)
    world.pump()


def executed(world: World) -> int:
    """Customers' orders at the venues."""
    return sum(
        order.account != "house" for s in world.simulators.values() for order in s.exchange.orders.values()
    )


def scene(live: Callable[[World], Awaitable[None]], limits: LimitBook = DEFAULTS, shares: str = "0") -> None:
    """Run it in a world of its own."""
    loop = VirtualLoop()

    async def whole() -> None:
        world = World(loop, 5, shares=shares)
        world.limits = limits
        await live(world)

    run(loop, whole())


def controls_of(router: Router, rule: str, when: str = "intent") -> float:
    """As the controls counted: they have the metrics they were made with."""
    labels = {"rule": rule, "when": when}
    registry = router._tools.controls._metrics.registry
    return registry.get_sample_value("crossbook_controls_refused_total", labels) or 0


@pytest.mark.parametrize(
    ("asked", "rule", "limits"),
    [
        (buy(101 * ONE), "order_usd", AccountLimits()),
        (sell(300 * ONE), "order_usd", AccountLimits()),
        (buy(5 * ONE), "confirm_price", AccountLimits(price_high=Price(450_000))),
        (buy(5 * ONE), "collar_usd", AccountLimits(collar=Price(9_999))),
        (buy(5 * ONE), "depth_percent", AccountLimits(depth_bps=0)),
        (buy(5 * ONE), "minute_usd", AccountLimits(cash=CashLimits(minute=Cash(4 * ONE)))),
        (buy(5 * ONE), "open_usd", AccountLimits(cash=CashLimits(open=Cash(4 * ONE)))),
    ],
)
def test_what_is_refused_sent_nothing_and_is_on_record(
    asked: MarketOrder, rule: str, limits: AccountLimits
) -> None:
    async def live(world: World) -> None:
        router = await world.start()
        books(world)
        with pytest.raises(Controlled) as refused:
            await world.route(router, asked)
        assert refused.value.rule == rule
        assert controls_of(router, rule) == 1
        assert executed(world) == 0
        assert world.store.lines == []
        assert router._tools.ledger.open(ACCOUNT) == []

    scene(live, LimitBook(default=limits, by_account={}, total_per_second=50), shares="1000")


def test_a_minute_of_money_is_counted_across_a_restart_and_then_forgotten() -> None:
    async def live(world: World) -> None:
        router = await world.start()
        for _ in range(5):
            books(world)
            await world.route(router, buy(95 * ONE))
            await world.clock.sleep(1_000)
        for again in (router, await world.start()):
            books(world)
            with pytest.raises(RiskLimit, match="minute_usd"):
                await world.route(again, buy(95 * ONE))
        await world.clock.sleep(60_000)
        books(world)
        assert (await world.route(again, buy(95 * ONE))).size > 0

    scene(live)


def test_after_a_restart_each_order_is_forgotten_a_minute_after_it_was_sent() -> None:
    async def live(world: World) -> None:
        router = await world.start()
        for seconds in (40, 15):  # so old are the two orders when the router starts again
            books(world)
            await world.route(router, buy(95 * ONE))
            await world.clock.sleep((25 if seconds == 40 else 15) * 1_000)
        controls = (await world.start())._tools.controls
        await controls.recall(ACCOUNT)
        both = controls._turnovers[ACCOUNT].minute(world.clock.monotonic_ms())
        await world.clock.sleep(25_000)
        one = controls._turnovers[ACCOUNT].minute(world.clock.monotonic_ms())
        await world.clock.sleep(20_000)
        assert controls._turnovers[ACCOUNT].minute(world.clock.monotonic_ms()) == 0
        assert 180 * ONE < both <= 190 * ONE
        assert 90 * ONE < one <= 95 * ONE

    scene(live)


def test_after_a_restart_a_further_round_counts_from_when_it_was_sent() -> None:
    async def live(world: World) -> None:
        router = await world.start()
        books(world)
        await world.route(router, buy(95 * ONE))
        [(route_id, lines)] = world.store._routes.items()
        later = world.clock.now_ms() + 9_000
        first = decode(lines[0])
        assert isinstance(first, Planned)
        further = replace(first.orders[-1], order_id=OrderId("x"), created_ms=later)
        done = Filled(further.order_id, "v-x", further.size, further.cash, Fee(0, "USD"))
        lines[1:1] = [
            encode(Extended(route_id=route_id, orders=(further,), at_ms=later)),
            encode(Answered(route_id=route_id, answer=done, at_ms=later)),
        ]
        await world.clock.sleep(65_000)
        controls = (await world.start())._tools.controls
        await controls.recall(ACCOUNT)
        assert controls._turnovers[ACCOUNT].minute(world.clock.monotonic_ms()) == further.cash

    scene(live)


def test_what_an_order_did_not_spend_is_free_again() -> None:
    async def live(world: World) -> None:
        router = await world.start()
        for _ in range(8):
            books(world)
            world.network.before_order = lambda venue: world.simulators[venue].exchange.set_book(
                world.natives[venue][0], [], [], world.clock.now_ms()
            )
            assert (await world.route(router, buy(95 * ONE))).size == 0
            await world.clock.sleep(1_000)

    scene(live)


def test_an_unknown_order_counts_as_filled_until_it_is_known() -> None:
    async def live(world: World) -> None:
        router = await world.start(answer_ms=100)
        books(world)
        blind = False

        def misdeed(_venue: str, request: Request) -> str:
            nonlocal blind
            blind |= request.purpose is Purpose.ORDER
            return "busy" if blind else ""

        world.network.misdeed = misdeed
        for _ in range(2):
            assert (await world.route(router, buy(95 * ONE))).size == 0
        with pytest.raises(RiskLimit, match=r"open_usd: 28\d"):
            await world.route(router, buy(95 * ONE))
        world.network.misdeed = lambda _venue, _request: ""
        await world.clock.sleep(400_000)
        books(world)
        await world.route(router, buy(95 * ONE))

    cash = CashLimits(open=Cash(200 * ONE))
    scene(live, LimitBook(default=AccountLimits(cash=cash), by_account={}, total_per_second=50))


def test_no_more_than_five_orders_a_second_are_taken() -> None:
    async def live(world: World) -> None:
        router = await world.start()
        for _ in range(5):
            router._tools.controls.admit(ACCOUNT, buy(ONE))
        with pytest.raises(TooFast):
            router._tools.controls.admit(ACCOUNT, buy(ONE))
        await world.clock.sleep(1_000)
        router._tools.controls.admit(ACCOUNT, buy(ONE))

    scene(live)


def test_no_more_than_fifty_orders_a_second_are_taken_of_all_accounts() -> None:
    async def live(world: World) -> None:
        router = await world.start()
        for number in range(50):
            router._tools.controls.admit(AccountId(str(number)), buy(ONE))
        with pytest.raises(TooFast, match="total_per_second"):
            router._tools.controls.admit(ACCOUNT, buy(ONE))

    scene(live)


def test_an_order_for_most_of_what_is_on_offer_is_cut_and_says_so() -> None:
    async def live(world: World) -> None:
        router = await world.start()
        books(world, shares=20)
        report = await world.route(router, buy(50 * ONE))
        offered = 20 * len(world.venues)
        assert offered * ONE * 49 // 100 <= report.size <= offered * ONE // 2
        assert "its share of what was on offer" in report.reasoning
        [stored] = world.store.stored().values()
        assert stored.planned.cut is not None

    scene(live)


def test_an_order_far_above_the_usual_needs_to_be_confirmed() -> None:
    async def live(world: World) -> None:
        router = await world.start()
        for _ in range(10):
            books(world)
            await world.route(router, buy(5 * ONE))
            await world.clock.sleep(10_000)
        for again in (router, await world.start()):
            books(world)
            with pytest.raises(ConfirmRequired, match="confirm_medians"):
                await world.route(again, buy(90 * ONE))
        assert (await world.route(again, replace(buy(90 * ONE), confirm=True))).size > 0

    scene(live)


def test_books_that_run_away_before_the_order_leaves_keep_it_from_leaving() -> None:
    async def live(world: World) -> None:
        router = await world.start()
        books(world)

        def run_away(record: Record) -> str:
            if isinstance(record, Planned):
                for name, natives in world.natives.items():
                    size, now_ms = Size(500 * ONE), world.clock.now_ms()
                    levels = [(Price(200_000), size)], [(Price(220_000), size)]
                    world.simulators[name].exchange.set_book(natives[0], *levels, now_ms)
                world.pump()
            return ""

        world.store.misdeed = run_away
        report = await world.route(router, buy(5 * ONE))
        assert {line.status for line in report.fills} == {FillStatus.FAILED}
        assert all((line.error or "").startswith("price_collar: collar_usd") for line in report.fills)
        assert executed(world) == 0
        assert controls_of(router, "collar_usd", "send") == len(report.fills)
        assert router._tools.ledger.open(ACCOUNT) == []

    scene(live)


def test_a_venue_with_a_small_limit_of_its_own_is_gone_around() -> None:
    async def live(world: World) -> None:
        small, *_ = sorted(world.venues)
        limits = replace(
            WIDE.default, at={small: CashLimits(order=Cash(3 * ONE), minute=Cash(10**12), open=Cash(10**12))}
        )
        world.limits = LimitBook(default=limits, by_account={}, total_per_second=50)
        router = await world.start()
        books(world, shares=30)
        report = await world.route(router, buy(60 * ONE))
        spent = {line.venue: line.cash + (line.fee.cash if line.fee else 0) for line in report.fills}
        assert spent.get(small, 0) <= 3 * ONE
        assert sum(spent.values()) > 50 * ONE

    scene(live)


def test_an_account_whose_records_are_damaged_takes_no_orders_and_says_why() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1)
        router = await world.start()

        async def damaged(*_: object) -> list[tuple[int, Size]]:
            raise StoreDamaged("route r1 cannot be read")

        world.store.sizes = damaged  # type: ignore[method-assign,assignment]  # a disk that rots
        with pytest.raises(StoreUnavailable, match="records cannot be read"):
            await world.route(router, buy(5 * ONE))
        assert router._tools.ledger.open(ACCOUNT) == []

    run(loop, live())
