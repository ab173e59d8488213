"""The matching engine of every simulated venue: price, then time; balances, positions and fees included.

A market has two outcomes and one book. All orders are kept in the terms of the first outcome: an order
for the second is its mirror image at the complementary price. Collateral is conserved: what buyers and
sellers pay and receive, fees and the collateral behind outstanding pairs always add up (`audit`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sortedcontainers import SortedDict

from venues.base.events import BookSide, Level
from venues.base.orders import Charge, Side, TimeInForce
from venues.base.units import ONE, Cash, Price, Size, affordable, floor_to
from venues.sim.audit import audit
from venues.sim.means import cash_needed, sellable, set_aside
from venues.sim.model import (
    HOUSE,
    Account,
    BookChange,
    Event,
    FeeRule,
    Fill,
    Market,
    MarketChanged,
    OrderMoved,
    SimOrder,
    Status,
    TradeDone,
    notional,
)


class EngineError(Exception):
    """The order was refused; `code` is one of the words below, for the venue to put into its own."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


INSUFFICIENT_BALANCE = "insufficient_balance"
INSUFFICIENT_POSITION = "insufficient_position"
NOT_TRADING = "not_trading"
POST_ONLY_CROSSES = "post_only_crosses"
FOK_UNFILLABLE = "fok_unfillable"


class Exchange:
    """Accounts, markets and orders of one simulated venue."""

    def __init__(self, fee: FeeRule, *, nets_positions: bool) -> None:
        self._fee = fee
        self.nets_positions = nets_positions
        """A pair of both outcomes turns into one dollar at once, unless a resting sell has promised it."""
        self.accounts: dict[str, Account] = {HOUSE: Account(HOUSE)}
        self.markets: dict[str, Market] = {}
        self.by_native: dict[str, tuple[Market, int]] = {}
        self.orders: dict[str, SimOrder] = {}
        self.events: list[Event] = []
        """What happened since the simulator last took it; each simulator turns it into frames."""
        self.fees_collected: Cash = Cash(0)
        self.deposited: Cash = Cash(0)
        self._expiring: dict[str, SimOrder] = {}
        self.granted: dict[tuple[str, int], Size] = {}
        """Shares put into accounts from outside, by (market, outcome)."""
        self.dust: Cash = Cash(0)
        """Fractions of a millionth that a buyer paid and no seller received."""
        self._count = 0

    # --- setting the scene ---

    def add_market(self, market: Market) -> None:
        """List a market. Its ids must be new."""
        assert market.market_id not in self.markets
        assert market.natives
        self.markets[market.market_id] = market
        for outcome, native in enumerate(market.natives):
            assert native not in self.by_native
            self.by_native[native] = (market, outcome)

    def open_account(self, name: str, cash: Cash) -> Account:
        """A new account with this much collateral."""
        assert name not in self.accounts
        account = self.accounts[name] = Account(name, cash)
        self.deposited = Cash(self.deposited + cash)
        return account

    def grant(self, account: Account, market: Market, outcome: int, size: Size) -> None:
        """Put shares into an account from outside, fully collateralised from outside as well."""
        key = (market.market_id, outcome)
        account.positions[key] = Size(account.positions.get(key, 0) + size)
        self.granted[key] = Size(self.granted.get(key, 0) + size)

    def set_book(self, native: str, bids: Iterable[Level], asks: Iterable[Level], now_ms: int) -> None:
        """Replace the house's levels on this outcome's book by exactly these. Other orders stay.

        The new levels must not cross the orders that stay: then they would trade.
        """
        market, outcome = self.by_native[native]
        for order in [o for o in self.resting(market) if o.account == HOUSE]:
            self.cancel(order, "replaced", now_ms)
        for side, levels in ((Side.BUY, bids), (Side.SELL, asks)):
            for price, size in levels:
                self.place(
                    SimOrder(
                        order_id=self.new_id("house"),
                        account=HOUSE,
                        market=market,
                        outcome=outcome,
                        side=side,
                        price=price,
                        size=size,
                        cash=None,
                        time_in_force=TimeInForce.GTC,
                        created_ms=now_ms,
                    ),
                    now_ms,
                )

    def halt(self, market: Market, what: str, now_ms: int) -> None:
        """Stop trading and say why."""
        market.trading = False
        self.events.append(MarketChanged(market, what, now_ms))

    def new_id(self, prefix: str) -> str:
        """A name not used before."""
        self._count += 1
        return f"{prefix}-{self._count}"

    # --- orders ---

    def place(self, order: SimOrder, now_ms: int, *, post_only: bool = False) -> SimOrder:
        """Match an order and rest, cancel or kill the remainder.

        EngineError if it is refused: then nothing has changed.
        """
        assert order.order_id not in self.orders
        assert order.size > 0
        assert 0 < order.price < ONE
        rests = order.time_in_force in (TimeInForce.GTC, TimeInForce.GTD)
        assert order.cash is None or (order.side is Side.BUY and not rests), "only a taker spends a budget"
        account = self.accounts[order.account]
        if not order.market.trading:
            raise EngineError(NOT_TRADING)
        self.expire(now_ms)
        matches, satisfied = self._matches(order)
        if post_only and matches:
            raise EngineError(POST_ONLY_CROSSES)
        if order.time_in_force is TimeInForce.FOK and not satisfied:
            raise EngineError(FOK_UNFILLABLE)
        self._check_means(order, account, matches, rests=rests)
        self.orders[order.order_id] = order
        self._trade(order, matches, now_ms)
        if satisfied:
            order.status = Status.FILLED
        elif rests:
            self._rest(order, now_ms)
        else:
            order.status, order.reason = Status.CANCELLED, "immediate_or_cancel"
        self._finished(order)
        self.events.append(OrderMoved(order, now_ms))
        return order

    def cancel(self, order: SimOrder, reason: str, now_ms: int) -> bool:
        """Take a resting order off the book. False if it was not resting."""
        if order.status is not Status.RESTING:
            return False
        queue = self._queues(order.market, order.book_side)
        remaining = order.remaining
        self._leave(order, queue)
        order.status, order.reason = Status.CANCELLED, reason
        self._finished(order)
        self._changed(order, -remaining, now_ms, cause=order)
        self.events.append(OrderMoved(order, now_ms))
        return True

    def unwind(self, order: SimOrder, fill: Fill, now_ms: int) -> None:
        """Take back one party's side of a fill whose settlement failed; call it for both parties.

        What still rests grows again. An order that was finished stays off the book, without the fill.
        """
        assert not self.nets_positions, "a netted pair cannot be told apart again"
        account, key = self.accounts[order.account], (order.market.market_id, order.outcome)
        sign = 1 if order.side is Side.BUY else -1
        paid = sign * notional(order.side, fill.price, fill.size)
        account.cash = Cash(account.cash + paid + fill.fee)
        account.positions[key] = Size(account.positions[key] - sign * fill.size + fill.kept)
        self._keep(key, Size(-fill.kept))
        self.dust = Cash(self.dust - paid + (sign * fill.size if order.outcome == 0 else 0))
        self.fees_collected = Cash(self.fees_collected - fill.fee)
        order.fills.remove(fill)
        if order.status is Status.RESTING:
            set_aside(self, order)
            self._changed(order, fill.size, now_ms, cause=order)
        elif order.status is Status.FILLED:
            order.status, order.reason = Status.CANCELLED, "settlement_failed"
        self.events.append(OrderMoved(order, now_ms))

    def expire(self, now_ms: int) -> None:
        """Cancel the orders whose time has come. Every `place` begins with it."""
        for order in list(self._expiring.values()):
            if order.expires_ms is not None and order.expires_ms <= now_ms:
                self.cancel(order, "expired", now_ms)

    def levels(self, native: str) -> tuple[list[Level], list[Level]]:
        """Bids and asks of this outcome, best first, as totals per price."""
        market, outcome = self.by_native[native]
        bids = [(price, _total(queue)) for price, queue in reversed(market.bids.items())]
        asks = [(price, _total(queue)) for price, queue in market.asks.items()]
        if outcome == 0:
            return bids, asks
        return [(Price(ONE - p), s) for p, s in asks], [(Price(ONE - p), s) for p, s in bids]

    def free_shares(self, account: Account, market: Market, outcome: int) -> Size:
        """Shares of this outcome that no resting sell of the account has promised."""
        promised = sum(
            order.remaining
            for order in self.resting(market)
            if order.account == account.name and order.outcome == outcome and order.side is Side.SELL
        )
        return Size(account.positions.get((market.market_id, outcome), 0) - promised)

    def take_events(self) -> list[Event]:
        """The events since the last call."""
        events, self.events = self.events, []
        return events

    def audit(self) -> None:
        """AssertionError if collateral or shares appeared, vanished or were promised twice."""
        audit(self)

    # --- inside ---

    def _queues(self, market: Market, side: BookSide) -> SortedDict:
        return market.bids if side is BookSide.BID else market.asks

    def resting(self, market: Market) -> list[SimOrder]:
        """Every order on a market's book."""
        return [o for queues in (market.bids, market.asks) for q in queues.values() for o in q.values()]

    def _matches(self, order: SimOrder) -> tuple[list[tuple[SimOrder, Size]], bool]:
        """Who it would trade with and how much, best price first, oldest first; and whether that is all
        it wants: the whole size, or a budget of which less than one step more could be bought."""
        buys_book = order.book_side is BookSide.BID
        queues = self._queues(order.market, order.book_side.other)
        wanted, budget, own_price = int(order.size), order.cash, order.price
        found: list[tuple[SimOrder, Size]] = []
        for price in iter(queues) if buys_book else reversed(queues):
            if price > order.book_price if buys_book else price < order.book_price:
                break
            own_price = Price(price if order.outcome == 0 else ONE - price)
            for maker in queues[price].values():
                size = min(wanted, maker.remaining)
                if budget is not None:
                    size = min(size, _affordable(budget, own_price, order.market.size_step))
                if size <= 0:
                    return found, bool(found)
                found.append((maker, Size(size)))
                wanted -= size
                if budget is not None:
                    budget = Cash(budget - notional(Side.BUY, own_price, Size(size)))
        spent = budget is not None and _affordable(budget, own_price, order.market.size_step) == 0
        return found, bool(found) and (wanted == 0 or spent)

    def _check_means(
        self, order: SimOrder, account: Account, matches: list[tuple[SimOrder, Size]], *, rests: bool
    ) -> None:
        """Can the account pay for, or deliver, the whole of it?"""
        if account.name == HOUSE:
            return
        if order.side is Side.SELL:
            if sellable(self, order) < order.size:
                raise EngineError(INSUFFICIENT_POSITION)
            return
        now = sum(notional(Side.BUY, order.price_against(maker), size) for maker, size in matches)
        filled = sum(size for _, size in matches)
        rest = order.size - filled if rests else 0
        needed = cash_needed(self, order, spent=now, filled=filled, rest=rest)
        if account.free < needed + self._fee_estimate(order, matches):
            raise EngineError(INSUFFICIENT_BALANCE)

    def _fee_estimate(self, order: SimOrder, matches: list[tuple[SimOrder, Size]]) -> int:
        """The fee rule on a copy, so that what it remembers per order is not disturbed."""
        trial = replace(order, fills=[], notes=dict(order.notes))
        for maker, size in matches:
            price = order.price_against(maker)
            fee = self._fee(trial, price, size, True)
            fill = Fill(0, order.order_id, price, size, fee.cash, True, maker.order_id, 0, fee.shares)
            trial.fills.append(fill)
        return trial.fees

    def _trade(self, order: SimOrder, matches: list[tuple[SimOrder, Size]], now_ms: int) -> None:
        if not matches:
            return
        done = TradeDone(order.market, order, [], [], now_ms)
        for maker, size in matches:
            self._count += 1
            price = order.price_against(maker)
            for party, own, taker in ((order, price, True), (maker, maker.price, False)):
                fee = Charge() if party.account == HOUSE else self._fee(party, own, size, taker)
                assert not fee.shares or party.side is Side.BUY, "shares are kept out of what was bought"
                counter = maker.order_id if taker else order.order_id
                fill = Fill(
                    self._count, party.order_id, own, size, fee.cash, taker, counter, now_ms, fee.shares
                )
                self._settle(party, fill)
                party.fills.append(fill)
                if taker:
                    done.fills.append(fill)
                else:
                    done.makers.append((maker, fill))
            set_aside(self, maker)
            self._changed(maker, -size, now_ms, cause=order)
            if maker.remaining == 0:
                maker.status = Status.FILLED
                self._leave(maker, self._queues(order.market, maker.book_side))
                self._finished(maker)
            self.events.append(OrderMoved(maker, now_ms))
        self.events.append(done)

    def _settle(self, order: SimOrder, fill: Fill) -> None:
        """Move cash and shares of one party. Fractions of a millionth go to `dust`."""
        account = self.accounts[order.account]
        key = (order.market.market_id, order.outcome)
        sign = 1 if order.side is Side.BUY else -1
        paid = sign * notional(order.side, fill.price, fill.size)
        account.cash = Cash(account.cash - paid - fill.fee)
        account.positions[key] = Size(account.positions.get(key, 0) + sign * fill.size - fill.kept)
        self._keep(key, fill.kept)
        # Over both parties, what was paid is the collateral of the pairs made plus the dust. Counting
        # first-outcome shares alone counts each pair once, be it minted, passed on or merged.
        self.dust = Cash(self.dust + paid - (sign * fill.size if order.outcome == 0 else 0))
        self.fees_collected = Cash(self.fees_collected + fill.fee)
        if self.nets_positions:
            self._net(account, order.market)

    def _keep(self, key: tuple[str, int], size: Size) -> None:
        """Shares kept as a fee are the house's: it may have any number of them."""
        if size:
            house = self.accounts[HOUSE]
            house.positions[key] = Size(house.positions.get(key, 0) + size)

    def _net(self, account: Account, market: Market) -> None:
        """Turn pairs into cash, but not shares that a resting sell has promised to its buyer."""
        first, second = (market.market_id, 0), (market.market_id, 1)
        pairs = min(account.positions.get(first, 0), account.positions.get(second, 0))
        if pairs > 0 and account.name != HOUSE:
            pairs = min(self.free_shares(account, market, outcome) for outcome in (0, 1))
        if pairs > 0:
            account.positions[first] = Size(account.positions[first] - pairs)
            account.positions[second] = Size(account.positions[second] - pairs)
            account.cash = Cash(account.cash + pairs)

    def _rest(self, order: SimOrder, now_ms: int) -> None:
        queues = self._queues(order.market, order.book_side)
        queues.setdefault(order.book_price, {})[order.order_id] = order
        order.status = Status.RESTING
        if order.expires_ms is not None:
            self._expiring[order.order_id] = order
        set_aside(self, order)
        self._changed(order, order.remaining, now_ms, cause=order)

    def _finished(self, order: SimOrder) -> None:
        """Free what a finished order held. The house's are forgotten: book makers place them for ever."""
        if order.status is Status.RESTING:
            return
        self._expiring.pop(order.order_id, None)
        account = self.accounts[order.account]
        account.reserved = Cash(account.reserved - order.reserved)
        order.reserved = Cash(0)
        if order.account == HOUSE:
            del self.orders[order.order_id]
        elif self.nets_positions:
            self._net(account, order.market)
            set_aside(self, order)

    def _leave(self, order: SimOrder, queues: SortedDict) -> None:
        queue = queues[order.book_price]
        del queue[order.order_id]
        if not queue:
            del queues[order.book_price]

    def _changed(self, order: SimOrder, delta: int, now_ms: int, *, cause: SimOrder) -> None:
        """The level on which this order rests, or did, has `delta` more."""
        market, side, price = order.market, order.book_side, order.book_price
        total = _total(self._queues(market, side).get(price, {}))
        self.events.append(BookChange(market, side, price, total, delta, now_ms, cause))


def _total(queue: Mapping[str, SimOrder]) -> Size:
    return Size(sum(order.remaining for order in queue.values()))


def _affordable(budget: Cash, price: Price, step: int) -> int:
    """The largest multiple of `step` whose cost fits in the budget."""
    return floor_to(affordable(price, budget), step)
