"""What the venue's trades say about one order: its fills, their cash and their fee (card 5.6)."""

from collections.abc import Iterable

import msgspec

from venues.base.listing import Listing
from venues.base.orders import Order, Side
from venues.base.units import Cash, Price, Size, complement, cost, micros, proceeds
from venues.polymarket import wire
from venues.polymarket.fees import PolymarketFees

DUST = 10_000
"""Two statements about one order agree within this: a hundredth of a share, or a cent (card 5.6)."""

_fees = PolymarketFees()


class Tally(msgspec.Struct, frozen=True):
    """The trades of one order, added up. `named` counts failed trades too."""

    size: Size
    cash: Cash
    fee: Cash
    named: Size


def token_of(listing: Listing) -> str:
    """The token an order for this listing trades: that of the outcome itself, never its complement."""
    return listing.details["sibling"] if listing.inverted else listing.native


def tally(trades: Iterable[wire.Trade], order: Order, order_hash: str) -> Tally:
    """Add up the fills of the order in these trades; others are passed over.

    A trade that failed to settle is no fill. As maker the order pays no fee. ValueError if a trade
    contradicts itself or is not for this order's token.
    """
    token = token_of(order.listing)
    taken: list[tuple[Price, Size]] = []
    made: list[tuple[Price, Size]] = []
    named = 0
    for trade in {trade.id: trade for trade in trades}.values():
        if trade.taker_order_id.lower() == order_hash:
            if trade.asset_id != token:
                raise ValueError(f"trade {trade.id} is for another token")
            fills, into = [_fill(maker, token) for maker in trade.maker_orders], taken
            if sum(size for _, size in fills) != micros(trade.size):
                raise ValueError(f"trade {trade.id} does not add up to its size")
        else:
            fills = [
                _fill(maker, token) for maker in trade.maker_orders if maker.order_id.lower() == order_hash
            ]
            into = made
        named += sum(size for _, size in fills)
        if not trade.status.endswith("FAILED"):
            into += fills
    notional = cost if order.side is Side.BUY else proceeds
    return Tally(
        size=Size(sum(size for _, size in taken + made)),
        cash=Cash(sum(notional(price, size) for price, size in taken + made)),
        fee=_fees.curve(order.listing).charged(order.side, taken).cash,
        named=Size(named),
    )


def _fill(maker: wire.MakerOrder, token: str) -> tuple[Price, Size]:
    """One counterpart in the terms of `token`: a maker of the other outcome stands at one minus its price."""
    price = Price(micros(maker.price))
    if not 0 < price < complement(Price(0)):
        raise ValueError(f"not a price of a fill: {maker.price!r}")
    own = price if maker.asset_id == token else complement(price)
    return own, Size(micros(maker.matched_amount))
