"""The cash an account needs for its purchases, also where a purchase gives up a position.

Where pairs turn into a dollar at once (`Exchange.nets_positions`), buying one outcome while holding the
other closes the position: the pair pays one dollar and the price is at most that, so only the part of
the purchase beyond the position needs cash.
"""

from typing import TYPE_CHECKING

from venues.base.orders import Side
from venues.base.units import Cash, Price, Size
from venues.sim.model import HOUSE, Account, Market, SimOrder, notional

if TYPE_CHECKING:
    from venues.sim.engine import Exchange


def cash_needed(exchange: "Exchange", order: SimOrder, *, spent: int, filled: int, rest: int) -> int:
    """What a new purchase takes from the free cash, fees aside; below zero when it closes more than it opens.

    `filled` shares trade at once for `spent`, `rest` will rest. Shares that resting purchases of the
    account will pair with are not counted again.
    """
    closing = 0
    if exchange.nets_positions:
        account = exchange.accounts[order.account]
        claimed = sum(o.remaining for o in _purchases(exchange, account, order.market, order.outcome))
        held = exchange.free_shares(account, order.market, 1 - order.outcome)
        closing = max(0, held - claimed)
    paired = min(filled, closing)
    opening = max(0, rest - (closing - paired))
    return spent - paired + notional(Side.BUY, order.price, Size(opening))


def sellable(exchange: "Exchange", order: SimOrder) -> int:
    """Shares a new sale may promise: not those that another sale, or a resting purchase, gives up already."""
    account = exchange.accounts[order.account]
    free = int(exchange.free_shares(account, order.market, order.outcome))
    if exchange.nets_positions:
        free -= sum(o.remaining for o in _purchases(exchange, account, order.market, 1 - order.outcome))
    return free


def set_aside(exchange: "Exchange", order: SimOrder) -> None:
    """Reserve what the rest of a resting purchase can still cost; fees of makers are not reserved.

    With netting, the account's position is counted against its dearest purchases, whichever of them it was.
    """
    if order.account == HOUSE:
        return
    account = exchange.accounts[order.account]
    if exchange.nets_positions:
        for outcome in (0, 1):
            held = exchange.free_shares(account, order.market, 1 - outcome)
            for resting in _purchases(exchange, account, order.market, outcome):
                closing = min(max(0, held), resting.remaining)
                held = Size(held - closing)
                opening = Size(resting.remaining - closing)
                _reserve(account, resting, notional(Side.BUY, resting.price, opening))
    elif order.side is Side.BUY:
        _reserve(account, order, notional(Side.BUY, order.price, order.remaining))


def _purchases(exchange: "Exchange", account: Account, market: Market, outcome: int) -> list[SimOrder]:
    """The account's resting purchases of this outcome, the dearest first."""
    resting = (o for o in exchange.resting(market) if o.account == account.name and o.outcome == outcome)
    return sorted((o for o in resting if o.side is Side.BUY), key=_price, reverse=True)


def _price(order: SimOrder) -> Price:
    return order.price


def _reserve(account: Account, order: SimOrder, needed: int) -> None:
    account.reserved = Cash(account.reserved - order.reserved + needed)
    order.reserved = Cash(needed)
