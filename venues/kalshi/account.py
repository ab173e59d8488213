"""What an account has, and what time it is at the venue (card §1, §8)."""

from collections.abc import Mapping, Sequence
from email.utils import formatdate, mktime_tz, parsedate_tz

import msgspec

from venues.base.contract import Signer
from venues.base.http import Purpose, Request, Response, Talk, Unavailable
from venues.base.listing import Listing, ListingKey
from venues.base.units import Cash, Size, floor_to, signed_micros
from venues.kalshi import wire
from venues.kalshi.fees import LOT
from venues.kalshi.reads import API, fetch, fetch_all, of_account

_balance = msgspec.json.Decoder(wire.Balance)
_positions = msgspec.json.Decoder(wire.PositionPage)


def funds(signer: Signer) -> Talk[Mapping[str, Cash] | Unavailable]:
    """Cash by exchange shard, which is the listing's pool."""
    reply = yield from fetch(_balance, "/portfolio/balance", of_account(signer), private=True)
    if reply is None or isinstance(reply, Unavailable):
        return reply or Unavailable("/portfolio/balance: http 404")
    try:
        return {
            str(s.exchange_index): Cash(max(0, signed_micros(s.balance))) for s in reply.balance_breakdown
        }
    except ValueError as error:
        return Unavailable(f"balance_breakdown: {error}")


def holdings(signer: Signer, listings: Sequence[Listing]) -> Talk[Mapping[ListingKey, Size] | Unavailable]:
    """Whole lots held: a position above zero is YES, below zero NO; an account never holds both."""
    query = (("limit", "500"), ("count_filter", "position"), *of_account(signer))
    rows = yield from fetch_all(
        _positions, "/portfolio/positions", query, rows=lambda page: page.market_positions, private=True
    )
    if isinstance(rows, Unavailable):
        return rows
    try:
        held = {row.ticker: signed_micros(row.position_fp) for row in rows}
    except ValueError as error:
        return Unavailable(f"position_fp: {error}")
    return {
        listing.key: _lots(-held.get(listing.native, 0) if listing.inverted else held.get(listing.native, 0))
        for listing in listings
    }


def _lots(position: int) -> Size:
    return Size(floor_to(max(0, position), LOT))


def clock() -> Talk[int | Unavailable]:
    """The middle of the second in the `Date` header: right to half a second, the best the venue offers."""
    reply = yield Request(method="GET", path=f"{API}/exchange/status", purpose=Purpose.DATA)
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
