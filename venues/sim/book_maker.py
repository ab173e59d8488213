"""Books that look alive: levels around a middle, which come, go and trade. For demo, tests and benchmarks."""

from collections.abc import Callable, Sequence
from enum import Enum

from venues.base.events import BookSide, Level
from venues.base.listing import Grid, Native
from venues.base.orders import Side, TimeInForce
from venues.base.units import ONE, Price, Size, ceil_to, floor_to
from venues.sim.engine import Exchange
from venues.sim.faults import Dice
from venues.sim.model import HOUSE, Market, SimOrder

DEPTH = 8
"""Levels a side at the start: what the tables of these venues show without scrolling."""
DEPTH_MAX = 16
"""Past this a side only loses levels, so that a book does not grow for ever."""
REACH = 12
"""How many grid prices away from the best a new level may appear."""
SHARES_MIN, SHARES_MAX = 10, 400
"""Size of one level in whole shares: a retail book, deep enough for a hundred-dollar order."""
MIDDLE_MIN, MIDDLE_MAX = 200_000, 800_000
"""Where a book without a wished middle may start: away from both ends, where one side would be empty."""

COARSE_GRID = Grid.uniform(10_000)
"""Whole cents, which every venue takes: for markets whose simulator keeps its grid to itself."""
LOT_MIN = 10_000
"""Hundredths of a share, the finest lot of the venues that have one."""


class Move(Enum):
    """What one step does."""

    ADD = "add"
    CANCEL = "cancel"
    TAKE = "take"


_MOVES = (Move.ADD, Move.ADD, Move.ADD, Move.CANCEL, Move.CANCEL, Move.TAKE)
"""Half the steps add; takes are rare, as in real books, where quotes outnumber trades."""


class BookMaker:
    """Makes and moves the house's side of some books. Equal dice give equal books.

    It never crosses a book: a new level always stays short of the other side, customers' orders included.
    """

    def __init__(
        self, exchange: Exchange, natives: Sequence[Native], dice: Dice, *, grid: Grid, lot: int
    ) -> None:
        """`grid` and `lot` are those of the books, in each book's own terms."""
        assert lot > 0
        self._exchange = exchange
        self._natives = tuple(natives)
        self._dice = dice
        self._grid = grid
        self._lot = lot

    def open(self, now_ms: int, *, middle: Price | None = None) -> None:
        """Set every book anew around `middle`, or around a middle of the dice's choice."""
        for native in self._natives:
            centre = middle or Price(self._dice.randrange(MIDDLE_MIN, MIDDLE_MAX + 1))
            bids = self._ladder(centre, self._below)
            asks = self._ladder(bids[0][0] if bids else centre, self._above)
            self._exchange.set_book(native, bids, asks, now_ms)

    def step(self, now_ms: int) -> None:
        """Move each book a little: add a level, take one away, or trade. A halted market is left alone."""
        for native in self._natives:
            market, outcome = self._exchange.by_native[native]
            if not market.trading:
                continue
            side = Side.BUY if self._dice.randrange(0, 2) else Side.SELL
            move = _MOVES[self._dice.randrange(0, len(_MOVES))]
            match self._within_bounds(move, len(self._own(market, outcome, side))):
                case Move.ADD:
                    self._add(native, side, now_ms)
                case Move.CANCEL:
                    self._cancel(market, outcome, side, now_ms)
                case Move.TAKE:
                    self._take(native, side, now_ms)

    def _within_bounds(self, move: Move, depth: int) -> Move:
        if depth >= DEPTH_MAX and move is Move.ADD:
            return Move.CANCEL
        return Move.ADD if depth <= DEPTH_MAX // 4 else move

    def _ladder(self, start: Price, following: Callable[[Price], Price | None]) -> list[Level]:
        """Levels away from a price: now and then one is left out, and deeper ones are larger."""
        levels: list[Level] = []
        price = following(start)
        while price is not None and len(levels) < DEPTH:
            if not levels or self._dice.randrange(0, 4):
                levels.append((price, self._size(1 + len(levels))))
            price = following(price)
        return levels

    def _size(self, weight: int) -> Size:
        shares = self._dice.randrange(SHARES_MIN * ONE, SHARES_MAX * ONE) * weight // DEPTH
        return Size(max(self._lot, floor_to(shares, self._lot)))

    def _below(self, price: Price) -> Price | None:
        return self._grid.floor(Price(price - 1)) if price > 1 else None

    def _above(self, price: Price) -> Price | None:
        return self._grid.ceil(Price(price + 1)) if price < ONE - 1 else None

    def _own(self, market: Market, outcome: int, side: Side) -> list[SimOrder]:
        """The house's resting orders on one side of this outcome's book, whichever outcome placed them."""
        book_side = BookSide.BID if (side is Side.BUY) == (outcome == 0) else BookSide.ASK
        return [o for o in self._exchange.resting(market) if o.account == HOUSE and o.book_side is book_side]

    def _add(self, native: Native, side: Side, now_ms: int) -> None:
        """A level between the other side's best and `REACH` prices behind it."""
        bids, asks = self._exchange.levels(native)
        others, mine = (asks, bids) if side is Side.BUY else (bids, asks)
        away = self._below if side is Side.BUY else self._above
        back = self._above if side is Side.BUY else self._below
        price = others[0][0] if others else back(mine[0][0]) if mine else Price(ONE // 2)
        for _ in range(self._dice.randrange(1, REACH + 1)):
            following = away(price) if price is not None else None
            price = following if following is not None else price
        crosses = bool(others) and (price is None or price == others[0][0])
        if price is not None and self._grid.valid(price) and not crosses:
            level = (price, self._size(DEPTH // 2))
            self._place(native, side, level, time_in_force=TimeInForce.GTC, now_ms=now_ms)

    def _cancel(self, market: Market, outcome: int, side: Side, now_ms: int) -> None:
        own = self._own(market, outcome, side)
        self._exchange.cancel(own[self._dice.randrange(0, len(own))], "moved", now_ms)

    def _take(self, native: Native, side: Side, now_ms: int) -> None:
        """Buy or sell up to the best level's size."""
        bids, asks = self._exchange.levels(native)
        best = (asks if side is Side.BUY else bids)[:1]
        for price, total in best:
            size = Size(max(self._lot, floor_to(self._dice.randrange(0, total) + 1, self._lot)))
            level = (price, min(size, total))
            self._place(native, side, level, time_in_force=TimeInForce.IOC, now_ms=now_ms)

    def _place(
        self, native: Native, side: Side, level: Level, *, time_in_force: TimeInForce, now_ms: int
    ) -> None:
        market, outcome = self._exchange.by_native[native]
        order = SimOrder(
            order_id=self._exchange.new_id(HOUSE),
            account=HOUSE,
            market=market,
            outcome=outcome,
            side=side,
            price=level[0],
            size=level[1],
            cash=None,
            time_in_force=time_in_force,
            created_ms=now_ms,
        )
        self._exchange.place(order, now_ms)


def maker_of(exchange: Exchange, native: Native, dice: Dice) -> BookMaker:
    """A maker for one book, on the grid and lot that its market has."""
    market, outcome = exchange.by_native[native]
    assert outcome == 0 or market.grid is None, "a market's grid is in the terms of its first book"
    lot = ceil_to(LOT_MIN, market.size_step)
    return BookMaker(exchange, [native], dice, grid=market.grid or COARSE_GRID, lot=lot)
