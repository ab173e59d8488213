"""The account's orders and trades as the venue lists them (card 5.3).

Open orders come all at once. There is no list of finished ones: they are put together from the trades, so
an order that never traded is in neither list. Each trade carries the executions of both parties with their
orders; the official clients' types leave these out, users of the live venue rely on them (README).
"""

from collections.abc import Iterable, Sequence
from urllib.parse import quote

import msgspec

from venues.base.http import Request, Talk, Unavailable
from venues.base.listing import Listing, ListingKey, Native
from venues.base.orders import Side, Standing
from venues.base.units import Cash, Price, Size, complement, cost, proceeds
from venues.polymarket_us import wire
from venues.polymarket_us.moments import millis
from venues.polymarket_us.reads import account, fetch, fetch_all
from venues.polymarket_us.tally import EARLY_MS, INTENTS

ORDERS = "/v1/orders"
ACTIVITIES = "/v1/portfolio/activities"
SLUGS_PER_CALL = 50
"""Keeps the address below 8,000 characters."""
UNDONE = frozenset({"TRADE_STATE_BUSTED", "TRADE_STATE_REJECTED"})
"""Trades that were taken back."""
_NEWEST_FIRST = (("types", "ACTIVITY_TYPE_TRADE"), ("sortOrder", "SORT_ORDER_DESCENDING"))
_KINDS = {word: kind for kind, word in INTENTS.items()}

_open = msgspec.json.Decoder(wire.OpenOrders)
_activities = msgspec.json.Decoder(wire.Activities)


def order_by_id(venue_order_id: str) -> Request:
    """The read of one order."""
    return account(f"/v1/order/{quote(venue_order_id, safe='')}")


def resting(natives: Sequence[Native]) -> Talk[list[wire.OrderState] | Unavailable]:
    """The account's open orders on these books."""
    rows: list[wire.OrderState] = []
    for start in range(0, len(natives), SLUGS_PER_CALL):
        slugs = tuple(("slugs", native) for native in natives[start : start + SLUGS_PER_CALL])
        path = f"{ORDERS}/open"
        page = yield from fetch(_open, account(path, slugs))
        if page is None or isinstance(page, Unavailable):
            return page or Unavailable(f"{path}: http 404")
        rows += page.orders or []
    return rows


def own_trades(native: Native, since_ms: int) -> Talk[list[wire.Trade] | Unavailable]:
    """The account's trades on one book from a little before this time on, newest first."""
    first_ms = since_ms - EARLY_MS

    def before(page: wire.Activities) -> bool:
        trades = _trades(page)
        return bool(trades) and _at_ms(trades[-1], first_ms) < first_ms

    try:
        query = (*_NEWEST_FIRST, ("marketSlug", native))
        pages = yield from fetch_all(_activities, ACTIVITIES, query, enough=before)
        if isinstance(pages, Unavailable):
            return pages
        return [
            trade
            for page in pages
            for trade in _trades(page)
            if trade.market_slug == native and _at_ms(trade, first_ms) >= first_ms
        ]
    except ValueError as error:
        return Unavailable(f"{ACTIVITIES}: {error}")


def open_orders(listings: Sequence[Listing]) -> Talk[Sequence[Standing] | Unavailable]:
    """Every open order on these listings, whoever placed it."""
    wanted = {listing.key for listing in listings}
    rows = yield from resting(list(dict.fromkeys(listing.native for listing in listings)))
    if isinstance(rows, Unavailable):
        return rows
    try:
        return _standings(rows, wanted, is_open=True)
    except ValueError as error:
        return Unavailable(f"open orders: {error}")


def history(listings: Sequence[Listing]) -> Talk[Sequence[Standing] | Unavailable]:
    """One page of trades grouped by order, newest first, without the orders that are still open."""
    natives = list(dict.fromkeys(listing.native for listing in listings))
    alive = yield from resting(natives)
    if isinstance(alive, Unavailable):
        return alive
    one = (("marketSlug", natives[0]),) if len(natives) == 1 else ()
    page = yield from fetch(_activities, account(ACTIVITIES, (*_NEWEST_FIRST, *one, ("limit", "100"))))
    if page is None or isinstance(page, Unavailable):
        return page or Unavailable(f"{ACTIVITIES}: http 404")
    still = {row.id for row in alive}
    rows: dict[str, wire.OrderState] = {}
    for trade in _trades(page):
        row = trade.own.order if trade.own is not None else None
        if row is not None and row.id and row.id not in still:
            rows.setdefault(row.id, row)
    try:
        return _standings(rows.values(), {listing.key for listing in listings}, is_open=False)
    except ValueError as error:
        return Unavailable(f"{ACTIVITIES}: {error}")


def _trades(page: wire.Activities) -> list[wire.Trade]:
    found = [activity.trade for activity in page.activities or () if activity.trade is not None]
    return [trade for trade in found if trade.state not in UNDONE]


def _at_ms(trade: wire.Trade, default: int) -> int:
    return millis(trade.create_time) if trade.create_time else default


def _standings(rows: Iterable[wire.OrderState], wanted: set[ListingKey], *, is_open: bool) -> list[Standing]:
    found = [_standing(row, is_open=is_open) for row in rows if row.intent in _KINDS]
    venue = {key.venue for key in wanted}
    return [s for s in found for name in venue if ListingKey(name, s.native, s.inverted) in wanted]


def _standing(row: wire.OrderState, *, is_open: bool) -> Standing:
    side, inverted = _KINDS[row.intent]
    filled = Size(wire.exact(row.cum_quantity) if row.cum_quantity is not None else 0)
    made = row.create_time or row.insert_time
    return Standing(
        venue_order_id=row.id,
        native=row.market_slug,
        inverted=inverted,
        side=side,
        price=None if row.price is None else _own(row.price, inverted=inverted),
        size=Size(wire.exact(row.quantity)) if row.quantity else None,
        filled=filled,
        cash=_cash(row, filled, side, inverted=inverted),
        open=is_open,
        created_ms=millis(made) if made else None,
    )


def _own(amount: wire.Amount, *, inverted: bool) -> Price:
    price = wire.long_price(amount)
    return complement(price) if inverted else price


def _cash(row: wire.OrderState, filled: Size, side: Side, *, inverted: bool) -> Cash | None:
    """From the average, which the venue may have rounded: up for a buy, down for a sale."""
    if not filled:
        return Cash(0)
    if row.avg_px is None:
        return None
    price = _own(row.avg_px, inverted=inverted)
    return cost(price, filled) if side is Side.BUY else proceeds(price, filled)
