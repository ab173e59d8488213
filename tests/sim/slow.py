"""A matching engine that is slow and obvious: one list of resting orders, searched whole for each order.

It knows nothing of queues, reserves kept up to date or events, and never turns pairs into cash.
"""

from dataclasses import dataclass, field

from venues.base.orders import Side, TimeInForce

ONE = 1_000_000
HOUSE = "house"
STAYS = (TimeInForce.GTC, TimeInForce.GTD)


@dataclass
class Wish:
    """An order as a customer states it."""

    name: str
    account: str
    outcome: int
    side: Side
    price: int
    size: int
    time_in_force: TimeInForce = TimeInForce.GTC
    cash: int | None = None
    expires_ms: int | None = None
    post_only: bool = False

    @property
    def buys_first(self) -> bool:
        """Buying the first outcome and selling the second are the same."""
        return (self.side is Side.BUY) == (self.outcome == 0)

    @property
    def first_price(self) -> int:
        return self.price if self.outcome == 0 else ONE - self.price


@dataclass
class Done:
    """What became of a wish: the refusal, or its fills as (maker, price, size), and whether it got all."""

    refusal: str = ""
    fills: list[tuple[str, int, int]] = field(default_factory=list)
    whole: bool = False


def paid(side: Side, price: int, size: int) -> int:
    exact, rest = divmod(price * size, ONE)
    return exact + (1 if side is Side.BUY and rest else 0)


def fee_of(side: Side, price: int, size: int) -> int:
    return (paid(side, price, size) + 99) // 100


class SlowExchange:
    """The oracle. Fees are one percent of a taker's cash, rounded up; makers and the house pay none."""

    def __init__(self, cash: dict[str, int], shares: dict[tuple[str, int], int], step: int) -> None:
        self.cash = {HOUSE: 0} | cash
        self.shares = dict(shares)
        self.step = step
        self.trusting = False
        """Takes an order without asking for cash or shares."""
        self.resting: list[Wish] = []
        """Oldest first; `size` is what is left."""

    def place(self, wish: Wish, now_ms: int) -> Done:
        self.expire(now_ms)
        fills, whole = self._walk(wish)
        if wish.post_only and fills:
            return Done("post_only_crosses")
        if wish.time_in_force is TimeInForce.FOK and not whole:
            return Done("fok_unfillable")
        refusal = self._lacks(wish, fills)
        if refusal:
            return Done(refusal)
        for maker, price, size in fills:
            self._pay(wish, price, size, fee_of(wish.side, price, size))
            self._pay(maker, maker.price, size, 0)
            maker.size -= size
        self.resting = [order for order in self.resting if order.size]
        left = wish.size - sum(size for _, _, size in fills)
        if left and wish.time_in_force in STAYS:
            self.resting.append(Wish(**{**wish.__dict__, "size": left}))
        return Done("", [(maker.name, price, size) for maker, price, size in fills], whole)

    def expire(self, now_ms: int) -> None:
        self.resting = [o for o in self.resting if o.expires_ms is None or o.expires_ms > now_ms]

    def cancel(self, name: str) -> bool:
        before = len(self.resting)
        self.resting = [order for order in self.resting if order.name != name]
        return len(self.resting) < before

    def reserved(self, account: str) -> int:
        return sum(
            paid(Side.BUY, order.price, order.size)
            for order in self.resting
            if order.account == account and order.side is Side.BUY and account != HOUSE
        )

    def promised(self, account: str, outcome: int) -> int:
        return sum(
            order.size
            for order in self.resting
            if (order.account, order.outcome, order.side) == (account, outcome, Side.SELL)
        )

    def levels(self, outcome: int, side: Side) -> dict[int, int]:
        """Price to total, in the terms of this outcome; buys are its bids."""
        totals: dict[int, int] = {}
        for order in self.resting:
            if order.buys_first == ((side is Side.BUY) == (outcome == 0)):
                price = order.first_price if outcome == 0 else ONE - order.first_price
                totals[price] = totals.get(price, 0) + order.size
        return totals

    def _walk(self, wish: Wish) -> tuple[list[tuple[Wish, int, int]], bool]:
        def own(maker: Wish) -> int:
            return maker.first_price if wish.outcome == 0 else ONE - maker.first_price

        sign = 1 if wish.side is Side.BUY else -1
        against = [o for o in self.resting if o.buys_first != wish.buys_first]
        crossing = [o for o in against if sign * own(o) <= sign * wish.price]
        crossing.sort(key=lambda o: sign * own(o))
        left, money, fills, short = wish.size, wish.cash, list[tuple[Wish, int, int]](), False
        for maker in crossing:
            size = min(left, maker.size)
            while money is not None and size > 0 and paid(Side.BUY, own(maker), size) > money:
                size = (size - 1) // self.step * self.step
                short = True
            if size:
                fills.append((maker, own(maker), size))
                left -= size
                money = None if money is None else money - paid(Side.BUY, own(maker), size)
            if short or not left:
                break
        if money is not None and fills and paid(Side.BUY, fills[-1][1], self.step) > money:
            short = True
        return fills, bool(fills) and (left == 0 or short)

    def _lacks(self, wish: Wish, fills: list[tuple[Wish, int, int]]) -> str:
        if wish.account == HOUSE or self.trusting:
            return ""
        if wish.side is Side.SELL:
            held = self.shares.get((wish.account, wish.outcome), 0)
            promised = self.promised(wish.account, wish.outcome)
            return "" if held - promised >= wish.size else "insufficient_position"
        needed = sum(paid(Side.BUY, p, s) + fee_of(Side.BUY, p, s) for _, p, s in fills)
        if wish.time_in_force in STAYS:
            needed += paid(Side.BUY, wish.price, wish.size - sum(s for _, _, s in fills))
        free = self.cash[wish.account] - self.reserved(wish.account)
        return "" if free >= needed else "insufficient_balance"

    def _pay(self, party: Wish, price: int, size: int, fee: int) -> None:
        sign = 1 if party.side is Side.BUY else -1
        key = (party.account, party.outcome)
        fee = 0 if party.account == HOUSE else fee
        self.cash[party.account] -= sign * paid(party.side, price, size) + fee
        self.shares[key] = self.shares.get(key, 0) + sign * size
