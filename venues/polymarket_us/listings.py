"""Polymarket US's market metadata as listings: one per slug, whose book is the long side (card 3)."""

from collections.abc import Sequence

import msgspec

from venues.base.contract import Page
from venues.base.http import Talk, Unavailable
from venues.base.listing import Grid, Listing, Native
from venues.base.units import ONE, plain
from venues.polymarket_us import wire
from venues.polymarket_us.fees import CENT, COEFFICIENT_MAX, TAKER
from venues.polymarket_us.reads import Query, fetch, public

PATH = "/v1/markets"
SLUGS_PER_CALL = 50
"""Keeps the address below 8,000 characters; the venue publishes no limit."""
PAGE_ROWS = 100

_markets = msgspec.json.Decoder(wire.Markets)


class PolymarketUsListings:
    """Markets by slug. Remembers nothing."""

    def fetch(self, natives: Sequence[Native]) -> Talk[list[Listing] | Unavailable]:
        """One listing per market, not inverted. A market that cannot be traded says why in `details`."""
        wanted = list(dict.fromkeys(natives))
        found: dict[Native, Listing] = {}
        for start in range(0, len(wanted), SLUGS_PER_CALL):
            asked = wanted[start : start + SLUGS_PER_CALL]
            query = (*(("slug", slug) for slug in asked), ("limit", str(SLUGS_PER_CALL)))
            page = yield from _page(query)
            if isinstance(page, Unavailable):
                return page
            found.update((market.slug, _listing(market)) for market in page if market.slug in asked)
        return list(found.values())

    def discover(self, cursor: str) -> Talk[Page | Unavailable]:
        """One page of the markets that are active and not closed; the cursor is where it starts."""
        if not (cursor.isascii() and cursor.isdecimal()) and cursor:
            return Unavailable(f"cursor: not one of ours: {cursor!r}")
        start = int(cursor or "0")
        query = (("limit", str(PAGE_ROWS)), ("offset", str(start)), ("active", "true"), ("closed", "false"))
        page = yield from _page(query)
        if isinstance(page, Unavailable):
            return page
        following = str(start + len(page)) if len(page) >= PAGE_ROWS else None
        return Page(tuple(_listing(market) for market in page), following)


def _page(query: Query) -> Talk[list[wire.Market] | Unavailable]:
    page = yield from fetch(_markets, public(PATH, query))
    if page is None or isinstance(page, Unavailable):
        return page or Unavailable(f"{PATH}: http 404")
    return page.markets or []


def _listing(market: wire.Market) -> Listing:
    refused = "" if market.active and not market.closed else "not active" if not market.closed else "closed"
    grid, lot, coefficient = Grid.uniform(CENT), CENT, TAKER
    try:
        grid = Grid.uniform(_step("orderPriceMinTickSize", market.order_price_min_tick_size, divides=ONE))
        lot = _step("minimumTradeQty", market.minimum_trade_qty)
        coefficient = _coefficient(market.fee_coefficient)
    except ValueError as error:
        refused = refused or str(error)
    sides = {side.long: side.description for side in market.market_sides or ()}
    return Listing(
        venue="polymarket_us",
        native=market.slug,
        title=" · ".join(part for part in (market.question or market.title, sides.get(True, "")) if part),
        grid=grid,
        lot=lot,
        minimum_size=lot,
        tradable=not refused,
        details={
            "fee_coefficient": plain(coefficient),
            "ep3_status": market.ep3_status,
            "short": sides.get(False, ""),
            "refused": refused,
        },
    )


def _step(name: str, value: wire.Number, *, divides: int = 0) -> int:
    """A step in millionths; ValueError where it is missing, not exact, or does not divide what it should."""
    if value is None:
        raise ValueError(f"{name}: missing")
    try:
        step = wire.exact(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    if step <= 0 or divides % step or (divides and step > divides // 2):
        raise ValueError(f"{name}: not a step: {value}")
    return step


def _coefficient(value: wire.Number) -> int:
    """In millionths; the venue's own where the market names none. ValueError beyond what `fees` proves."""
    if value is None:
        return TAKER
    try:
        coefficient = wire.exact(value)
    except ValueError as error:
        raise ValueError(f"feeCoefficient: {error}") from error
    if coefficient > COEFFICIENT_MAX:
        raise ValueError(f"feeCoefficient: above {plain(COEFFICIENT_MAX)}: {value}")
    return coefficient
