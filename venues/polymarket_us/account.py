"""What an account has, and what time it is at the venue (card 5.3)."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from email.utils import formatdate, mktime_tz, parsedate_tz

import msgspec

from venues.base.http import Response, Talk, Unavailable
from venues.base.listing import Listing, ListingKey
from venues.base.units import DIGITS, Cash, Size, floor_to
from venues.polymarket_us import wire
from venues.polymarket_us.reads import account, fetch, fetch_all, public

BALANCES, POSITIONS = "/v1/account/balances", "/v1/portfolio/positions"

_balances = msgspec.json.Decoder(wire.Balances)
_positions = msgspec.json.Decoder(wire.Positions)


def funds() -> Talk[Mapping[str, Cash] | Unavailable]:
    """The buying power in dollars, the one pot there is. Rounded down: it may be a floating number."""
    reply = yield from fetch(_balances, account(BALANCES))
    if reply is None or isinstance(reply, Unavailable):
        return reply or Unavailable(f"{BALANCES}: http 404")
    for row in reply.balances or ():
        if row.currency == wire.CURRENCY:
            power = row.buying_power if row.buying_power is not None else Decimal(0)
            if not power.is_finite():
                return Unavailable(f"buyingPower: not a number: {power}")
            return {"": Cash(max(0, int(power.scaleb(DIGITS).to_integral_value(ROUND_FLOOR))))}
    return Unavailable(f"{BALANCES}: no balance in {wire.CURRENCY}")


def holdings(listings: Sequence[Listing]) -> Talk[Mapping[ListingKey, Size] | Unavailable]:
    """Whole lots free to sell: a position above zero is long, below zero short; never both."""
    pages = yield from fetch_all(_positions, POSITIONS, ())
    if isinstance(pages, Unavailable):
        return pages
    try:
        held = {slug: _free(position) for page in pages for slug, position in (page.positions or {}).items()}
    except ValueError as error:
        return Unavailable(f"{POSITIONS}: {error}")
    sizes: dict[ListingKey, Size] = {}
    for listing in listings:
        position = held.get(listing.native, 0)
        mine = max(0, -position if listing.inverted else position)
        sizes[listing.key] = Size(floor_to(mine, listing.lot))
    return sizes


def _free(position: wire.Position) -> int:
    """The signed position, less what resting sales have promised."""
    net = wire.signed(position.net_position_decimal or position.net_position or "0")
    available = position.qty_available_decimal or position.qty_available
    free = min(abs(net), abs(wire.signed(available))) if available else abs(net)
    return free if net > 0 else -free


def clock() -> Talk[int | Unavailable]:
    """The middle of the second in the `Date` header: there is no endpoint for the time."""
    reply = yield public("/v1/markets", (("limit", "1"),))
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
