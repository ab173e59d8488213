"""The account's orders (card 5.6): open ones from the venue's list, finished ones from its trades.

There is no list of finished orders: they are put together from one page of trades, so an order that never
traded is not among them, and the limit of one that took is not known.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from venues.base.contract import Signer
from venues.base.http import Talk, Unavailable
from venues.base.listing import Listing
from venues.base.orders import Side, Standing
from venues.base.units import Price, Size, micros
from venues.polymarket import wire
from venues.polymarket.reads import all_rows, get, one_market, own, send, token_of
from venues.polymarket.signer import PolymarketSigner
from venues.polymarket.trades import FAILED, fill, notional, state_of

_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}

_orders = msgspec.json.Decoder(wire.Rows[wire.OrderState])
_canceled = msgspec.json.Decoder(wire.CancelReply)
_trades = msgspec.json.Decoder(wire.Rows[wire.Trade])
Fill = tuple[Price, Size]


class Part(msgspec.Struct, frozen=True):
    """What one order of the account did in one trade."""

    order_id: str
    token: str
    side: str
    limit: Price | None
    fills: tuple[Fill, ...]
    at_ms: int | None


def open_orders(
    signer: Signer,  # noqa: ARG001 - the runtime signs the requests for it
    listings: Sequence[Listing],
) -> Talk[Sequence[Standing] | Unavailable]:
    """Resting orders on these listings, whoever placed them."""
    rows = yield from all_rows("/data/orders", one_market(listings), _orders)
    if isinstance(rows, Unavailable):
        return rows
    by_token = _by_token(listings)
    try:
        return [_open(row, by_token[row.asset_id]) for row in rows if row.asset_id in by_token]
    except ValueError as error:
        return Unavailable(f"open orders: {error}")


def take_off(order_hash: str) -> Talk[bool]:
    """DELETE /order; whether the venue says that it has cancelled this order."""
    reply = yield send("DELETE", "/order", msgspec.json.encode({"orderID": order_hash}))
    try:
        return order_hash in wire.read(reply, _canceled).canceled
    except ValueError:
        return False


def withdraw(signer: Signer, standing: Standing) -> Talk[bool]:  # noqa: ARG001 - the runtime signs for it
    """Any order of the account, by its hash."""
    return take_off(standing.venue_order_id)


def history(signer: Signer, listings: Sequence[Listing]) -> Talk[Sequence[Standing] | Unavailable]:
    """One page of trades grouped by order, newest first; orders that still rest are left out."""
    still = yield from open_orders(signer, listings)
    if isinstance(still, Unavailable):
        return still
    reply = yield get("/data/trades", *one_market(listings))
    resting, by_token = {standing.venue_order_id for standing in still}, _by_token(listings)
    parts: dict[str, list[Part]] = {}
    try:
        for trade in wire.read(reply, _trades).data:
            for part in parts_of(trade, own(signer)):
                if part.token in by_token and part.order_id not in resting:
                    parts.setdefault(part.order_id, []).append(part)
        rows = [_finished(of_order, by_token) for of_order in parts.values()]
    except ValueError as error:
        return Unavailable(f"trades: {error}")
    return sorted(rows, key=lambda row: -(row.created_ms or 0))


def parts_of(trade: wire.Trade, signer: PolymarketSigner) -> list[Part]:
    """What the account's own orders did in a trade: nothing where it failed. ValueError if unreadable."""
    at_ms = _ms(trade.match_time)
    failed = state_of(trade) == FAILED
    parts: list[Part] = []
    if trade.trader_side == "TAKER" or (not trade.trader_side and _is_own(trade, signer)):
        fills = () if failed else tuple(fill(maker, trade.asset_id) for maker in trade.maker_orders)
        parts.append(Part(trade.taker_order_id.lower(), trade.asset_id, trade.side, None, fills, at_ms))
    for maker in trade.maker_orders:
        if _is_own(maker, signer):
            done = fill(maker, maker.asset_id)
            fills = () if failed else (done,)
            side = maker.side or _against(trade.side, same=maker.asset_id == trade.asset_id)
            parts.append(Part(maker.order_id.lower(), maker.asset_id, side, done[0], fills, at_ms))
    return parts


def _against(side: str, *, same: bool) -> str:
    """The side of a maker where it is not said: the other one, or the same with the other token."""
    return {"BUY": "SELL", "SELL": "BUY"}.get(side, side) if same else side


def _is_own(party: wire.Trade | wire.MakerOrder, signer: PolymarketSigner) -> bool:
    wallet = (party.maker_address or "").lower()
    return party.owner == signer.api_key or wallet == signer.maker.lower()


def _by_token(listings: Iterable[Listing]) -> dict[str, Listing]:
    """Of a book and its mirror, which are one claim, the one named first."""
    found: dict[str, Listing] = {}
    for listing in listings:
        found.setdefault(token_of(listing), listing)
    return found


def _open(row: wire.OrderState, listing: Listing) -> Standing:
    return Standing(
        venue_order_id=row.id.lower(),
        native=listing.native,
        inverted=listing.inverted,
        side=_side(row.side),
        price=Price(micros(row.price)),
        size=Size(micros(row.original_size)),
        filled=row.matched or Size(0),
        cash=None,
        open=True,
        created_ms=_ms(row.created_at),
    )


def _finished(parts: Sequence[Part], by_token: Mapping[str, Listing]) -> Standing:
    first = parts[0]
    listing, side = by_token[first.token], _side(first.side)
    fills = [done for part in parts for done in part.fills]
    times = [part.at_ms for part in parts if part.at_ms is not None]
    return Standing(
        venue_order_id=first.order_id,
        native=listing.native,
        inverted=listing.inverted,
        side=side,
        price=next((part.limit for part in parts if part.limit is not None), None),
        size=None,
        filled=Size(sum(size for _, size in fills)),
        cash=notional(side, fills),
        open=False,
        created_ms=min(times, default=None),
    )


def _side(word: str) -> Side:
    if word.upper() not in _SIDES:
        raise ValueError(f"side {word!r}")
    return _SIDES[word.upper()]


def _ms(stated: int | str | None) -> int | None:
    """A time in seconds as milliseconds; None where there is none, or in another form (card 5.6)."""
    text = str(stated)
    return int(text) * 1000 if text.isascii() and text.isdecimal() else None
