"""Conservation: what must hold in a simulated venue after every operation, whatever its orders did."""

from typing import TYPE_CHECKING

from venues.sim.model import HOUSE, Account, Market

if TYPE_CHECKING:
    from venues.sim.engine import Exchange


def audit(exchange: "Exchange") -> None:
    """AssertionError if collateral or shares appeared, vanished or were promised twice."""
    pairs = sum(_pairs(exchange, market) for market in exchange.markets.values())
    cash = sum(account.cash for account in exchange.accounts.values())
    total = cash + exchange.fees_collected + exchange.dust + pairs
    assert total == exchange.deposited, f"collateral {total} != deposited {exchange.deposited}"
    for account in exchange.accounts.values():
        _check_promises(exchange, account)


def _pairs(exchange: "Exchange", market: Market) -> int:
    """Pairs whose collateral came from trading; there are as many shares of one outcome as of the other."""
    first, second = (
        sum(account.positions.get((market.market_id, outcome), 0) for account in exchange.accounts.values())
        - exchange.granted.get((market.market_id, outcome), 0)
        for outcome in (0, 1)
    )
    assert first == second, f"unpaired shares in {market.market_id}: {first} and {second}"
    return first


def _check_promises(exchange: "Exchange", account: Account) -> None:
    """Reserves belong to resting orders, and only the house may be short."""
    reserved = 0
    for market in exchange.markets.values():
        resting = [order for order in exchange.resting(market) if order.account == account.name]
        reserved += sum(order.reserved for order in resting)
        if account.name == HOUSE:
            continue
        for outcome in (0, 1):
            free = exchange.free_shares(account, market, outcome)
            assert free >= 0, f"{account.name} is short of {-free} of outcome {outcome} in {market.market_id}"
    assert account.reserved == reserved, f"{account.name} reserves {account.reserved}, its orders {reserved}"
