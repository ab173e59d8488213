"""What the venue's trades say about one order: its fills, their cash and their fee (card 5.6).

A trade is matched first and settled on the chain later: MATCHED, MATCHED_NOT_BROADCASTED and RETRYING are on
their way, MINED and CONFIRMED are fills, FAILED is none.
"""

from collections.abc import Iterable

import msgspec

from venues.base.orders import Order, Side
from venues.base.units import Cash, Price, Size, complement, cost, micros, proceeds
from venues.polymarket import wire
from venues.polymarket.fees import PolymarketFees
from venues.polymarket.reads import token_of

COLLATERAL = "pUSD"
DUST = 10_000
"""Two statements about one order agree within this: a hundredth of a share, or a cent (card 5.6)."""
SETTLED = frozenset({"MINED", "CONFIRMED"})
FAILED = "FAILED"
_PREFIX = "TRADE_STATUS_"

_fees = PolymarketFees()


class Tally(msgspec.Struct, frozen=True):
    """The trades of one order, added up. Those that failed count in `named` alone."""

    size: Size
    cash: Cash
    fee: Cash
    named: Size
    waiting: Size
    """The part of `size` that is not settled yet."""


def tally(trades: Iterable[wire.Trade], order: Order, order_hash: str) -> Tally:
    """Add up the fills of the order in these trades; others are passed over.

    As maker the order pays no fee. ValueError if a trade contradicts itself or is not for this order's token.
    """
    taken: list[tuple[Price, Size]] = []
    made: list[tuple[Price, Size]] = []
    named = waiting = 0
    for trade in {trade.id: trade for trade in trades}.values():
        taker = trade.taker_order_id.lower() == order_hash
        fills = _fills(trade, token_of(order.listing), "" if taker else order_hash)
        size = sum(size for _, size in fills)
        named += size
        status = state_of(trade)
        if status != FAILED:
            (taken if taker else made).extend(fills)
            waiting += 0 if status in SETTLED else size
    return Tally(
        size=Size(sum(size for _, size in taken + made)),
        cash=notional(order.side, taken + made),
        fee=_fees.curve(order.listing).charged(order.side, taken).cash,
        named=Size(named),
        waiting=Size(waiting),
    )


def state_of(trade: wire.Trade) -> str:
    """A trade's status without the prefix that some replies give it."""
    return trade.status.upper().removeprefix(_PREFIX)


def notional(side: Side, fills: Iterable[tuple[Price, Size]]) -> Cash:
    """The cash of these fills: for each one a buyer pays the fraction, a seller does without."""
    rounded = cost if side is Side.BUY else proceeds
    return Cash(sum(rounded(price, size) for price, size in fills))


def fill(maker: wire.MakerOrder, token: str) -> tuple[Price, Size]:
    """One counterpart in the terms of `token`: a maker of the other outcome stands at one minus its price."""
    price = Price(micros(maker.price))
    if not 0 < price < complement(Price(0)):
        raise ValueError(f"not a price of a fill: {maker.price!r}")
    own = price if maker.asset_id == token else complement(price)
    return own, Size(micros(maker.matched_amount))


def _fills(trade: wire.Trade, token: str, maker_hash: str) -> list[tuple[Price, Size]]:
    """The whole of the trade, or what one of its makers did."""
    if maker_hash:
        return [fill(maker, token) for maker in trade.maker_orders if maker.order_id.lower() == maker_hash]
    if trade.asset_id != token:
        raise ValueError(f"trade {trade.id} is for another token")
    fills = [fill(maker, token) for maker in trade.maker_orders]
    if sum(size for _, size in fills) != micros(trade.size):
        raise ValueError(f"trade {trade.id} does not add up to its size")
    return fills
