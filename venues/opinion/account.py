"""What an account has and what it did: money, shares, orders; and the venue's clock (card 12)."""

from collections.abc import Mapping, Sequence
from email.utils import formatdate, mktime_tz, parsedate_tz

import msgspec

from venues.base.http import Response, Talk, Unavailable
from venues.base.listing import Listing, ListingKey, Native
from venues.base.orders import Side, Standing
from venues.base.units import Cash, Price, Size, down, micros
from venues.opinion import wire
from venues.opinion.amounts import WEI, base_units, given
from venues.opinion.reads import CHAIN, PAGE_ROWS, fetch, fetch_all, get
from venues.opinion.trades import FINAL, OPEN

_balances = msgspec.json.Decoder(wire.Balances)
_positions = msgspec.json.Decoder(wire.PositionList)
_orders = msgspec.json.Decoder(wire.OrderList)


def funds() -> Talk[Mapping[str, Cash] | Unavailable]:
    """What is free of each quote token, by its address in lower case; rounded down."""
    path = "/user/balance"
    got = yield from fetch(_balances, path, (("chain_id", wire.CHAIN_ID),))
    if isinstance(got, wire.Errno):
        return Unavailable(f"{path}: {got.error()}")
    if isinstance(got, Unavailable):
        return got
    try:
        return {row.quote_token.lower(): Cash(given(row.available_balance)) for row in got.balances or ()}
    except ValueError as error:
        return Unavailable(f"availableBalance: {error}")


def holdings(listings: Sequence[Listing]) -> Talk[Mapping[ListingKey, Size] | Unavailable]:
    """Shares in no open order, rounded down. That `sharesOwned` counts frozen ones is UNCONFIRMED."""
    natives = {listing.native for listing in listings}
    query = (("marketId", next(iter(natives))),) if len(natives) == 1 else ()
    rows = yield from fetch_all(_positions, "/positions", query, rows=lambda page: page.rows)
    if isinstance(rows, Unavailable):
        return rows
    held: dict[tuple[str, int], int] = {}
    try:
        for row in rows:
            free = base_units(row.shares_owned) - base_units(row.shares_frozen or "0")
            held[str(row.market_id), row.outcome_side] = max(0, down(free, WEI))
    except ValueError as error:
        return Unavailable(f"shares of market {row.market_id}: {error}")
    return {listing.key: Size(held.get((listing.native, _outcome_side(listing)), 0)) for listing in listings}


def open_orders(listings: Sequence[Listing]) -> Talk[Sequence[Standing] | Unavailable]:
    """All open orders on these listings, whoever made them."""
    rows = yield from fetch_all(_orders, "/order", (("status", str(OPEN)),), rows=lambda page: page.rows)
    return rows if isinstance(rows, Unavailable) else _standings(rows, listings)


def history(listings: Sequence[Listing]) -> Talk[Sequence[Standing] | Unavailable]:
    """Those on these listings among the venue's last page of finished orders, newest first."""
    natives = {listing.native for listing in listings}
    market = (("marketId", next(iter(natives))),) if len(natives) == 1 else ()
    states = ",".join(str(status) for status in sorted(FINAL))
    query = (*market, ("status", states), ("page", "1"), ("limit", str(PAGE_ROWS)), CHAIN)
    got = yield from fetch(_orders, "/order", query)
    if isinstance(got, wire.Errno):
        return Unavailable(f"/order: {got.error()}")
    return got if isinstance(got, Unavailable) else _standings(got.rows or (), listings)


def clock() -> Talk[int | Unavailable]:
    """The middle of the second in the `Date` header of a small read: the venue has no clock of its own."""
    reply = yield get("/quoteToken", (CHAIN,), private=False)
    if not isinstance(reply, Response):
        return Unavailable(reply.reason)
    text = reply.headers.get("date", "")
    try:
        parsed = parsedate_tz(text)
        seconds = mktime_tz(parsed) if parsed else 0
    except (ValueError, OverflowError) as error:
        return Unavailable(f"Date header: {error}")
    if formatdate(seconds, usegmt=True) != text:
        return Unavailable("Date header: not a date of HTTP")
    return seconds * 1000 + 500


def _outcome_side(listing: Listing) -> int:
    return wire.NO if listing.inverted else wire.YES


def _standings(rows: Sequence[wire.Order], listings: Sequence[Listing]) -> Sequence[Standing] | Unavailable:
    """Newest first."""
    wanted = {(listing.native, _outcome_side(listing)) for listing in listings}
    try:
        found = [_standing(row) for row in rows if (str(row.market_id), row.outcome_side) in wanted]
    except ValueError as error:
        return Unavailable(f"/order: {error}")
    return sorted(found, key=lambda standing: standing.created_ms or 0, reverse=True)


def _standing(row: wire.Order) -> Standing:
    """The money of its fills is left out: whether the list counts the fee in is not known (card 10)."""
    if row.side not in (wire.BUY, wire.SELL):
        raise ValueError(f"order {row.order_id}: side {row.side}")
    price, size = micros(row.price or "0"), given(row.order_shares or "0")
    return Standing(
        venue_order_id=str(row.order_id),
        native=Native(str(row.market_id)),
        inverted=row.outcome_side == wire.NO,
        side=Side.BUY if row.side == wire.BUY else Side.SELL,
        price=Price(price) if price else None,
        size=Size(size) if size else None,
        filled=Size(given(row.filled_shares or "0")),
        cash=None,
        open=row.status not in FINAL,
        created_ms=row.created_at * 1000 or None,
    )
