"""What has traded on the simulated venue, on its way to the chain: it settles there, or is taken back."""

from random import Random

from venues.base.units import Price
from venues.predict import sim_rows as rows
from venues.predict.sim_rows import Match
from venues.predict.sim_rules import Terms
from venues.sim.engine import Exchange
from venues.sim.model import Fill, SimOrder, Status, TradeDone
from venues.sim.unwinding import can_unwind

MATCHES_MAX = 10_000
"""Older ones are forgotten: the list is read newest first, and book makers trade for ever."""
FIRST_SETTLEMENT = 77_120


class Settlements:
    """All matches of one venue."""

    def __init__(self, exchange: Exchange, luck: Random, knobs: dict[str, int]) -> None:
        self.matches: list[Match] = []
        """Newest last; one that failed to settle is gone."""
        self._exchange = exchange
        self._luck = luck
        self._knobs = knobs
        self._unsettled: list[Match] = []
        self._count = FIRST_SETTLEMENT

    def record(self, done: TradeDone, terms: Terms) -> list[Match]:
        """What a taker traded, one match per price."""
        by_price: dict[Price, list[int]] = {}
        for place, fill in enumerate(done.fills):
            by_price.setdefault(fill.price, []).append(place)
        found = [self._match(terms, done, places) for places in by_price.values()]
        self.matches = [*self.matches[-MATCHES_MAX:], *found]
        self._unsettled += found
        return found

    def _match(self, terms: Terms, done: TradeDone, places: list[int]) -> Match:
        doomed = self._knobs["fail_settlements"] > 0
        self._knobs["fail_settlements"] -= doomed
        self._count += 1
        return Match(
            settlement_id=str(self._count),
            terms=terms,
            taker=done.taker,
            fills=[done.fills[place] for place in places],
            makers=[done.makers[place] for place in places],
            at_ms=done.at_ms,
            transaction=f"0x{self._luck.getrandbits(256):064x}",
            doomed=doomed,
        )

    def due(self, now_ms: int) -> list[Match]:
        """The matches whose time on the way to the chain is over, oldest first."""
        return [match for match in self._unsettled if now_ms - match.at_ms >= self._knobs["settle_ms"]]

    def settle(self, match: Match, now_ms: int) -> bool:
        """Put a match on chain; False when it failed and every party has back what it gave.

        A match that is to fail settles after all where a customer no longer has what it gave.
        """
        self._unsettled = [other for other in self._unsettled if other is not match]
        if match.doomed and can_unwind(self._exchange, match.parties):
            self._unwind(match, now_ms)
            return False
        for order, fills in match.orders():
            order.notes["settled"] = rows.settled_size(order) + sum(fill.size for fill in fills)
        match.terms.last_settled = rows.settled_row(match)
        return True

    def _unwind(self, match: Match, now_ms: int) -> None:
        for order, fill in match.parties:
            self._exchange.unwind(order, fill, now_ms)
        for order, _ in match.orders():
            if order.status is Status.CANCELLED and not order.fills:
                order.reason = "settlement_failed"
        self.matches = [other for other in self.matches if other is not match]

    def pending(self, terms: Terms) -> list[Match]:
        """A market's matches that are not on chain."""
        return [match for match in self._unsettled if match.terms is terms]

    def floating(self, wallet: str) -> list[tuple[SimOrder, Fill]]:
        """A wallet's trades that are not on chain."""
        parties = (party for match in self._unsettled for party in match.parties)
        return [(order, fill) for order, fill in parties if order.account == wallet]
