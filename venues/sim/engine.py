"""The matching engine of every simulated venue: price, then time; balances, positions and fees included.

A market has two outcomes and one book. All orders are kept in the terms of the first outcome: an order
for the second is its mirror image at the complementary price. Collateral is conserved: what buyers and
sellers pay and receive, fees and the collateral behind outstanding pairs always add up (`audit`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sortedcontainers import SortedDict

from venues.base.events import BookSide, Level
from venues.base.orders import Side, TimeInForce
from venues.base.units import ONE, Cash, Price, Size, floor_to
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
        """Holding both outcomes is impossible: a pair turns into one dollar at once."""
        self.accounts: dict[str, Account] = {HOUSE: Account(HOUSE)}
        self.markets: dict[str, Market] = {}
        self.by_native: dict[str, tuple[Market, int]] = {}
        self.orders: dict[str, SimOrder] = {}
        self.events: list[Event] = []
        """What happened since the simulator last took it; each simulator turns it into frames."""
        self.fees_collected: Cash = Cash(0)
        self.deposited: Cash = Cash(0)
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
        for order in [o for o in self._resting(market) if o.account == HOUSE]:
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
        account = self.accounts[order.account]
        if not order.market.trading:
            raise EngineError(NOT_TRADING)
        matches = self._matches(order)
        if post_only and matches:
            raise EngineError(POST_ONLY_CROSSES)
        if order.time_in_force is TimeInForce.FOK and not self._fills_whole(order, matches):
            raise EngineError(FOK_UNFILLABLE)
        self._check_means(order, account, matches)
        self.orders[order.order_id] = order
        self._trade(order, matches, now_ms)
        self._dispose(order, account, now_ms)
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
        self._release(order)
        self._changed(order.market, order.book_side, order.book_price, -remaining, now_ms, order)
        self.events.append(OrderMoved(order, now_ms))
        return True

    def expire(self, now_ms: int) -> None:
        """Cancel the orders whose time has come."""
        for market in self.markets.values():
            for order in self._resting(market):
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

    def take_events(self) -> list[Event]:
        """The events since the last call."""
        events, self.events = self.events, []
        return events

    def audit(self) -> None:
        """Conservation: raises AssertionError if collateral or shares appeared or vanished."""
        pairs = 0
        for market in self.markets.values():
            held = [0, 0]
            for account in self.accounts.values():
                for outcome in (0, 1):
                    held[outcome] += account.positions.get((market.market_id, outcome), 0)
            free = [held[outcome] - self.granted.get((market.market_id, outcome), 0) for outcome in (0, 1)]
            assert free[0] == free[1], f"unpaired shares in {market.market_id}: {free}"
            pairs += free[0]
        cash = sum(account.cash for account in self.accounts.values())
        total = cash + self.fees_collected + self.dust + pairs
        assert total == self.deposited, f"collateral {total} != deposited {self.deposited}"

    # --- inside ---

    def _queues(self, market: Market, side: BookSide) -> SortedDict:
        return market.bids if side is BookSide.BID else market.asks

    def _resting(self, market: Market) -> list[SimOrder]:
        return [o for queues in (market.bids, market.asks) for q in queues.values() for o in q.values()]

    def _matches(self, order: SimOrder) -> list[tuple[SimOrder, Size]]:
        """Who it would trade with and how much, best price first, oldest first."""
        buys_book = order.book_side is BookSide.BID
        queues = self._queues(order.market, order.book_side.other)
        prices = list(queues) if buys_book else list(reversed(queues))
        wanted, budget = order.size, order.cash
        found: list[tuple[SimOrder, Size]] = []
        for price in prices:
            if price > order.book_price if buys_book else price < order.book_price:
                break
            own_price = Price(price if order.outcome == 0 else ONE - price)
            for maker in queues[price].values():
                size = min(wanted, maker.remaining)
                if budget is not None:
                    size = min(size, floor_to(budget * ONE // own_price, order.market.size_step))
                if size <= 0:
                    return found
                found.append((maker, Size(size)))
                wanted = Size(wanted - size)
                if budget is not None:
                    budget = Cash(budget - notional(Side.BUY, own_price, Size(size)))
        return found

    def _fills_whole(self, order: SimOrder, matches: list[tuple[SimOrder, Size]]) -> bool:
        if order.cash is None:
            return sum(size for _, size in matches) == order.size
        spent = sum(notional(order.side, _own_price(order, maker), size) for maker, size in matches)
        last = _own_price(order, matches[-1][0]) if matches else Price(ONE)
        return order.cash - spent <= max(1, -(-last * order.market.size_step // ONE))

    def _check_means(self, order: SimOrder, account: Account, matches: list[tuple[SimOrder, Size]]) -> None:
        """Can the account pay for, or deliver, the whole of it?"""
        if account.name == HOUSE:
            return
        key = (order.market.market_id, order.outcome)
        if order.side is Side.SELL:
            committed = sum(
                o.remaining
                for o in self._resting(order.market)
                if o.account == account.name and o.outcome == order.outcome and o.side is Side.SELL
            )
            if account.positions.get(key, 0) - committed < order.size:
                raise EngineError(INSUFFICIENT_POSITION)
            return
        now = sum(notional(Side.BUY, _own_price(order, maker), size) for maker, size in matches)
        rests = order.time_in_force in (TimeInForce.GTC, TimeInForce.GTD)
        rest = order.size - sum(size for _, size in matches) if rests and order.cash is None else 0
        fees = self._fee_estimate(order, matches)
        if account.free < now + notional(Side.BUY, order.price, Size(rest)) + fees:
            raise EngineError(INSUFFICIENT_BALANCE)

    def _fee_estimate(self, order: SimOrder, matches: list[tuple[SimOrder, Size]]) -> int:
        """The fee rule on a copy, so that what it remembers per order is not disturbed."""
        trial = replace(order, fills=[], notes=dict(order.notes))
        return sum(self._fee(trial, _own_price(order, maker), size, True) for maker, size in matches)

    def _trade(self, order: SimOrder, matches: list[tuple[SimOrder, Size]], now_ms: int) -> None:
        if not matches:
            return
        done = TradeDone(order.market, order, [], [], now_ms)
        for maker, size in matches:
            self._count += 1
            price = _own_price(order, maker)
            for party, own, taker in ((order, price, True), (maker, maker.price, False)):
                fee = Cash(0) if party.account == HOUSE else self._fee(party, own, size, taker)
                counter = maker.order_id if taker else order.order_id
                fill = Fill(self._count, party.order_id, own, size, fee, taker, counter, now_ms)
                self._settle(party, fill)
                party.fills.append(fill)
                if taker:
                    done.fills.append(fill)
                else:
                    done.makers.append((maker, fill))
            self._fit_reserve(maker)
            self._changed(order.market, maker.book_side, maker.book_price, -size, now_ms, order)
            if maker.remaining == 0:
                maker.status = Status.FILLED
                self._leave(maker, self._queues(order.market, maker.book_side))
                self._release(maker)
            self.events.append(OrderMoved(maker, now_ms))
        self.events.append(done)

    def _settle(self, order: SimOrder, fill: Fill) -> None:
        """Move cash and shares of one party. Fractions of a millionth go to `dust`."""
        account = self.accounts[order.account]
        key = (order.market.market_id, order.outcome)
        sign = 1 if order.side is Side.BUY else -1
        paid = sign * notional(order.side, fill.price, fill.size)
        account.cash = Cash(account.cash - paid - fill.fee)
        account.positions[key] = Size(account.positions.get(key, 0) + sign * fill.size)
        # Over both parties, what was paid is the collateral of the pairs made plus the dust. Counting
        # first-outcome shares alone counts each pair once, be it minted, passed on or merged.
        self.dust = Cash(self.dust + paid - (sign * fill.size if order.outcome == 0 else 0))
        self.fees_collected = Cash(self.fees_collected + fill.fee)
        if self.nets_positions:
            self._net(account, order.market)

    def _net(self, account: Account, market: Market) -> None:
        first, second = (market.market_id, 0), (market.market_id, 1)
        pairs = min(account.positions.get(first, 0), account.positions.get(second, 0))
        if pairs > 0:
            account.positions[first] = Size(account.positions[first] - pairs)
            account.positions[second] = Size(account.positions[second] - pairs)
            account.cash = Cash(account.cash + pairs)

    def _dispose(self, order: SimOrder, account: Account, now_ms: int) -> None:
        """What happens to the part that did not trade."""
        spent_out = order.cash is not None and self._fills_whole(order, [])
        if order.remaining == 0 or spent_out:
            order.status = Status.FILLED
        elif order.time_in_force in (TimeInForce.GTC, TimeInForce.GTD):
            queues = self._queues(order.market, order.book_side)
            queues.setdefault(order.book_price, {})[order.order_id] = order
            order.status = Status.RESTING
            self._fit_reserve(order)
            self._changed(order.market, order.book_side, order.book_price, order.remaining, now_ms, order)
        else:
            order.status = Status.CANCELLED
            order.reason = "immediate_or_cancel"

    def _fit_reserve(self, order: SimOrder) -> None:
        """Set aside what the rest of a resting buy can still cost; fees of makers are not reserved."""
        if order.account == HOUSE or order.side is not Side.BUY:
            return
        account = self.accounts[order.account]
        needed = notional(Side.BUY, order.price, order.remaining)
        account.reserved = Cash(account.reserved - order.reserved + needed)
        order.reserved = Cash(needed)

    def _release(self, order: SimOrder) -> None:
        account = self.accounts[order.account]
        account.reserved = Cash(account.reserved - order.reserved)
        order.reserved = Cash(0)

    def _leave(self, order: SimOrder, queues: SortedDict) -> None:
        queue = queues[order.book_price]
        del queue[order.order_id]
        if not queue:
            del queues[order.book_price]

    def _changed(
        self, market: Market, side: BookSide, price: Price, delta: int, now_ms: int, cause: SimOrder
    ) -> None:
        total = _total(self._queues(market, side).get(price, {}))
        self.events.append(BookChange(market, side, price, total, delta, now_ms, cause))


def _total(queue: Mapping[str, SimOrder]) -> Size:
    return Size(sum(order.remaining for order in queue.values()))


def _own_price(order: SimOrder, maker: SimOrder) -> Price:
    """The maker's price in the terms of the taker's outcome."""
    book = maker.book_price
    return book if order.outcome == 0 else Price(ONE - book)
