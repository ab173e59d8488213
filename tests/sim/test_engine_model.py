"""The matching engine against a slow obvious one, order by order, and what it must conserve."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.sim.acme import acme_fee
from tests.sim.slow import HOUSE, ONE, SlowExchange, Wish
from venues.base.orders import Side, TimeInForce
from venues.base.units import Cash, Price, Size
from venues.sim.engine import EngineError, Exchange
from venues.sim.model import Market, SimOrder, Status

STEP = 10_000
ACCOUNTS = ("ann", "bob")
NAMES = st.sampled_from((*ACCOUNTS, HOUSE))
OUTCOMES = st.sampled_from((0, 1))
SIDES = st.sampled_from(tuple(Side))
PRICES = st.integers(1, 19).map(lambda n: n * 50_000)
SIZES = st.integers(1, 400).map(lambda n: n * STEP)
GTC, GTD, IOC, FOK = TimeInForce.GTC, TimeInForce.GTD, TimeInForce.IOC, TimeInForce.FOK


class EngineMachine(RuleBasedStateMachine):
    """Random orders of two customers and the house on both outcomes of one market."""

    nets = False
    step = STEP

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 0
        self.placed: list[SimOrder] = []
        self.exchange = Exchange(acme_fee, nets_positions=self.nets)
        self.market = Market("M", ("YES", "NO"), size_step=self.step)
        self.exchange.add_market(self.market)

    @initialize(cash=st.tuples(*[st.integers(0, 20 * ONE)] * 2), shares=st.tuples(*[st.integers(0, 400)] * 2))
    def open_accounts(self, cash: tuple[int, int], shares: tuple[int, int]) -> None:
        granted: dict[tuple[str, int], int] = {}
        for outcome, (name, money, count) in enumerate(zip(ACCOUNTS, cash, shares, strict=True)):
            account = self.exchange.open_account(name, Cash(money))
            self.exchange.grant(account, self.market, outcome, Size(count * STEP))
            granted[name, outcome] = count * STEP
        self.slow = SlowExchange(dict(zip(ACCOUNTS, cash, strict=True)), granted, self.step)
        self.slow.trusting = self.nets

    def place(self, wish: Wish) -> None:
        order = SimOrder(
            order_id=wish.name,
            account=wish.account,
            market=self.market,
            outcome=wish.outcome,
            side=wish.side,
            price=Price(wish.price),
            size=Size(wish.size),
            cash=None if wish.cash is None else Cash(wish.cash),
            time_in_force=wish.time_in_force,
            created_ms=self.now_ms,
            expires_ms=wish.expires_ms,
        )
        before = self.facts()
        try:
            self.exchange.place(order, self.now_ms, post_only=wish.post_only)
            refusal = ""
        except EngineError as error:
            refusal = error.code
            self.slow.expire(self.now_ms)
        if refusal and not any(o.reason == "expired" for o in self.placed):
            assert self.facts() == before, "a refused order changed something"
        self.compare(wish, order, refusal)
        if not refusal:
            self.placed.append(order)

    def compare(self, wish: Wish, order: SimOrder, refusal: str) -> None:
        done = self.slow.place(wish, self.now_ms)
        assert refusal == done.refusal
        if refusal:
            return
        fills = [(fill.counter_order_id, fill.price, fill.size) for fill in order.fills]
        assert fills == done.fills
        stays = not done.whole and wish.time_in_force in (GTC, GTD)
        assert order.status is (
            Status.FILLED if done.whole else Status.RESTING if stays else Status.CANCELLED
        )

    def name(self) -> str:
        return self.exchange.new_id("order")

    @rule(
        account=NAMES,
        outcome=OUTCOMES,
        side=SIDES,
        price=PRICES,
        size=SIZES,
        time_in_force=st.sampled_from((GTC, GTC, GTC, IOC, FOK)),
        post_only=st.sampled_from((False, False, False, True)),
    )
    def order_in_shares(
        self,
        account: str,
        outcome: int,
        side: Side,
        price: int,
        size: int,
        time_in_force: TimeInForce,
        post_only: bool,
    ) -> None:
        post_only &= time_in_force is GTC
        self.place(Wish(self.name(), account, outcome, side, price, size, time_in_force, post_only=post_only))

    @rule(account=NAMES, outcome=OUTCOMES, side=SIDES, price=PRICES, size=SIZES, life=st.integers(1, 30))
    def order_until(self, account: str, outcome: int, side: Side, price: int, size: int, life: int) -> None:
        expires = self.now_ms + life
        self.place(Wish(self.name(), account, outcome, side, price, size, GTD, expires_ms=expires))

    @rule(
        account=NAMES,
        outcome=OUTCOMES,
        price=PRICES,
        cash=st.integers(1, 3 * ONE),
        time_in_force=st.sampled_from((IOC, FOK)),
    )
    def buy_for_cash(
        self, account: str, outcome: int, price: int, cash: int, time_in_force: TimeInForce
    ) -> None:
        size = 1_000 * ONE
        self.place(Wish(self.name(), account, outcome, Side.BUY, price, size, time_in_force, cash=cash))

    @rule(pick=st.integers(0, 1_000))
    def cancel(self, pick: int) -> None:
        if self.placed:
            order = self.placed[pick % len(self.placed)]
            assert self.exchange.cancel(order, "asked", self.now_ms) == self.slow.cancel(order.order_id)

    @rule(ms=st.integers(1, 20))
    def wait(self, ms: int) -> None:
        self.now_ms += ms
        self.exchange.expire(self.now_ms)
        self.slow.expire(self.now_ms)

    @rule(
        outcome=OUTCOMES,
        bids=st.dictionaries(PRICES, SIZES, max_size=3),
        asks=st.dictionaries(PRICES, SIZES, max_size=3),
    )
    def set_the_houses_book(self, outcome: int, bids: dict[int, int], asks: dict[int, int]) -> None:
        asks = {price: size for price, size in asks.items() if not bids or price > max(bids)}
        for order in [o for o in self.slow.resting if o.account == HOUSE]:
            self.slow.cancel(order.name)
        native = self.market.natives[outcome]
        known = set(self.exchange.orders)
        self.exchange.set_book(
            native,
            [(Price(p), Size(s)) for p, s in bids.items()],
            [(Price(p), Size(s)) for p, s in asks.items()],
            self.now_ms,
        )
        assert {name for name in known if name in self.exchange.orders} >= {
            o.order_id for o in self.customers()
        }
        for side, levels in ((Side.BUY, bids), (Side.SELL, asks)):
            for price, size in levels.items():
                self.slow.place(Wish(f"level-{side}-{price}", HOUSE, outcome, side, price, size), self.now_ms)
        self.rename_levels()

    def customers(self) -> list[SimOrder]:
        return [order for order in self.placed if order.account != HOUSE]

    def rename_levels(self) -> None:
        """The engine names the house's levels itself: the oracle takes the names over, by priority."""
        names = [o.order_id for o in self.exchange.resting(self.market) if o.account == HOUSE]
        mine = [o for o in self.slow.resting if o.account == HOUSE]
        assert len(names) == len(mine), "another set of the house's levels is left"
        for order, name in zip(mine, sorted(names, key=lambda n: int(n.split("-")[1])), strict=True):
            order.name = name

    def facts(self) -> object:
        return (
            self.exchange.levels("YES"),
            {n: (a.cash, a.reserved, dict(a.positions)) for n, a in self.exchange.accounts.items()},
        )

    @invariant()
    def the_books_are_the_same(self) -> None:
        if not hasattr(self, "slow"):
            return
        for outcome, native in enumerate(self.market.natives):
            bids, asks = self.exchange.levels(native)
            assert dict(bids) == self.slow.levels(outcome, Side.BUY)
            assert dict(asks) == self.slow.levels(outcome, Side.SELL)
            assert [p for p, _ in bids] == sorted((p for p, _ in bids), reverse=True)
            assert [p for p, _ in asks] == sorted(p for p, _ in asks)
            assert not (bids and asks) or bids[0][0] < asks[0][0], "crossed"

    @invariant()
    def nothing_is_lost_or_made(self) -> None:
        self.exchange.audit()
        if hasattr(self, "slow"):
            self.compare_means()

    def compare_means(self) -> None:
        for name in ACCOUNTS:
            account = self.exchange.accounts[name]
            assert account.cash == self.slow.cash[name]
            assert account.reserved == self.slow.reserved(name)
            assert account.free >= 0
            for outcome in (0, 1):
                held = account.positions.get(("M", outcome), 0)
                assert held == self.slow.shares.get((name, outcome), 0)


class NettingMachine(EngineMachine):
    """The same where pairs turn into cash. The oracle keeps the pairs, so wealth is what must agree, and
    the engine's word is taken on who can afford what."""

    nets = True

    def compare(self, wish: Wish, order: SimOrder, refusal: str) -> None:
        if refusal.startswith("insufficient"):
            return
        super().compare(wish, order, refusal)

    def compare_means(self) -> None:
        for name in ACCOUNTS:
            account = self.exchange.accounts[name]
            first, second = (account.positions.get(("M", outcome), 0) for outcome in (0, 1))
            kept = [self.slow.shares.get((name, outcome), 0) for outcome in (0, 1)]
            assert first - second == kept[0] - kept[1]
            assert account.cash - self.slow.cash[name] == kept[0] - first
            free = [self.exchange.free_shares(account, self.market, outcome) for outcome in (0, 1)]
            assert min(free) == 0, "a pair was left lying"
            assert account.free >= 0


TestEngine = EngineMachine.TestCase
TestNetting = NettingMachine.TestCase
TestEngine.settings = TestNetting.settings = settings(stateful_step_count=40)


@given(
    nets=st.booleans(),
    orders=st.lists(
        st.tuples(NAMES, OUTCOMES, SIDES, st.integers(1, ONE - 1), st.integers(1, 3 * ONE)), max_size=30
    ),
)
def test_not_a_millionth_appears_or_vanishes_at_the_oddest_prices_and_sizes(
    nets: bool, orders: list[tuple[str, int, Side, int, int]]
) -> None:
    exchange = Exchange(acme_fee, nets_positions=nets)
    market = Market("M", ("YES",))
    exchange.add_market(market)
    for name in ACCOUNTS:
        exchange.open_account(name, Cash(5 * ONE))
    for name, outcome, side, price, size in orders:
        order_id = exchange.new_id("o")
        order = SimOrder(order_id, name, market, outcome, side, Price(price), Size(size), None, GTC, 0)
        try:
            exchange.place(order, 0)
        except EngineError:
            continue
        finally:
            exchange.audit()
