"""Matches that wait for the chain, and what an account has while they do.

What a pending match bought cannot be sold and what it earned cannot be spent; so a match that fails on
chain can always be undone.
"""

from dataclasses import dataclass, field

from venues.base.orders import Side
from venues.base.units import Cash, Size
from venues.sim.engine import Exchange
from venues.sim.model import Account, Fill, Market, SimOrder, notional


@dataclass(slots=True)
class Match:
    """One transaction on its way to the chain: a taker's fills and their counterparts."""

    parties: list[tuple[SimOrder, Fill]]
    due_ms: int
    doomed: bool


@dataclass(slots=True)
class Pending:
    """All matches of a venue about which the chain has not decided, oldest first."""

    exchange: Exchange
    matches: list[Match] = field(default_factory=list)

    def take_due(self, now_ms: int) -> list[Match]:
        """The matches whose transaction is decided by now; they are pending no more."""
        due = [match for match in self.matches if match.due_ms <= now_ms]
        self.matches = [match for match in self.matches if match.due_ms > now_ms]
        return due

    def free_cash(self, account: Account) -> Cash:
        """Money on chain that no open order and no pending match has promised."""
        earned = sum(_gain(order, fill) for order, fill in self._of(account) if order.side is Side.SELL)
        return Cash(account.free - earned)

    def chain_cash(self, account: Account) -> Cash:
        """Money on chain, promised or not."""
        return Cash(account.cash - sum(_gain(order, fill) for order, fill in self._of(account)))

    def free_shares(self, account: Account, market: Market, outcome: int) -> Size:
        """Shares on chain that no open order and no pending match has promised."""
        fills = self._fills(account, market, outcome)
        bought = sum(fill.size for order, fill in fills if order.side is Side.BUY)
        return Size(self.exchange.free_shares(account, market, outcome) - bought)

    def chain_shares(self, account: Account, market: Market, outcome: int) -> Size:
        """Shares on chain, promised or not."""
        held = account.positions.get((market.market_id, outcome), 0)
        fills = self._fills(account, market, outcome)
        return Size(held - sum(fill.size if order.side is Side.BUY else -fill.size for order, fill in fills))

    def _of(self, account: Account) -> list[tuple[SimOrder, Fill]]:
        parties = (party for match in self.matches for party in match.parties)
        return [(order, fill) for order, fill in parties if order.account == account.name]

    def _fills(self, account: Account, market: Market, outcome: int) -> list[tuple[SimOrder, Fill]]:
        return [
            (order, fill)
            for order, fill in self._of(account)
            if order.market is market and order.outcome == outcome
        ]


def _gain(order: SimOrder, fill: Fill) -> int:
    """What the fill adds to its account's money, fee included; below zero for a purchase."""
    sign = 1 if order.side is Side.SELL else -1
    return sign * notional(order.side, fill.price, fill.size) - fill.fee
