"""Whether a trade whose settlement failed can still be taken back."""

from collections import Counter
from collections.abc import Iterable

from venues.base.orders import Side
from venues.sim.engine import Exchange
from venues.sim.model import HOUSE, Fill, SimOrder, notional


def can_unwind(exchange: Exchange, parties: Iterable[tuple[SimOrder, Fill]]) -> bool:
    """Whether every customer still has, free, all that these fills of one market gave."""
    shares, cash = Counter[tuple[str, str, int]](), Counter[str]()
    for order, fill in parties:
        if order.account == HOUSE:
            continue
        if order.side is Side.BUY:
            shares[order.account, order.market.market_id, order.outcome] += fill.size - fill.kept
        else:
            cash[order.account] += notional(order.side, fill.price, fill.size) - fill.fee
    accounts, markets = exchange.accounts, exchange.markets
    return all(
        exchange.free_shares(accounts[name], markets[market_id], outcome) >= size
        for (name, market_id, outcome), size in shares.items()
    ) and all(accounts[name].free >= paid for name, paid in cash.items())
