"""Kalshi's market metadata as listings, with the fee parameters of their series and events (card §3, §4)."""

import re
from calendar import timegm
from collections.abc import Iterable, Sequence
from decimal import Decimal
from urllib.parse import quote

import msgspec

from venues.base.contract import Page
from venues.base.http import Talk, Unavailable
from venues.base.listing import Band, Grid, Listing, Native
from venues.base.units import ONE, Price, micros, plain
from venues.kalshi import wire
from venues.kalshi.fees import LOT, MAKER, MULTIPLIER_MAX
from venues.kalshi.reads import fetch, fetch_all

TICKERS_PER_CALL = 100
"""As many as the sibling endpoint for books takes; the limit here is not published."""
EVENTS_PER_PAGE = 50
"""Of at most 200; with all their markets such a page stays far below the longest reply that is read."""
ACTIVE = "active"
"""The one status of a market in which it trades."""
PRICE_STEP = 100
"""Orders carry prices with four decimals."""

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?Z", re.ASCII)

_markets = msgspec.json.Decoder(wire.Markets)
_event = msgspec.json.Decoder(wire.EventReply)
_events = msgspec.json.Decoder(wire.Events)
_series = msgspec.json.Decoder(wire.SeriesReply)


class _Fee(msgspec.Struct, frozen=True):
    """Fee parameters as the venue gives them; None inherits."""

    kind: str | None
    multiplier: Decimal | None


def grid(ranges: Iterable[wire.PriceRange]) -> Grid:
    """The price grid; ValueError if it is none, or finer than an order can say."""
    bands = tuple(
        Band(Price(micros(item.start)), Price(micros(item.end)), Price(micros(item.step))) for item in ranges
    )
    for band in bands:
        if band.start % PRICE_STEP or band.end % PRICE_STEP or band.step % PRICE_STEP:
            raise ValueError(f"finer than four decimals: {band}")
    return Grid(bands)


class KalshiListings:
    """Markets by ticker; then each event and each series once, for the fee. Remembers nothing."""

    def fetch(self, natives: Sequence[Native]) -> Talk[list[Listing] | Unavailable]:
        """One listing per market, not inverted. A market that cannot be traded says why in `details`."""
        markets = yield from _fetch_markets(list(dict.fromkeys(natives)))
        if isinstance(markets, Unavailable):
            return markets
        events: dict[str, wire.Event] = {}
        for ticker in dict.fromkeys(market.event_ticker for market in markets):
            event = yield from fetch(_event, f"/events/{quote(ticker, safe='')}")
            if isinstance(event, Unavailable):
                return event
            events[ticker] = event.event if event else wire.Event(ticker)
        return (yield from _with_fees([(market, events[market.event_ticker]) for market in markets]))

    def discover(self, cursor: str) -> Talk[Page | Unavailable]:
        """One page of open events, which leaves combos out, and of these the markets that are active."""
        query = (("limit", str(EVENTS_PER_PAGE)), ("status", "open"), ("with_nested_markets", "true"))
        page = yield from fetch(_events, "/events", (*query, ("cursor", cursor)) if cursor else query)
        if page is None or isinstance(page, Unavailable):
            return page or Unavailable("/events: http 404")
        active = [(m, event) for event in page.events for m in event.markets if m.status == ACTIVE]
        listings = yield from _with_fees(active)
        if isinstance(listings, Unavailable):
            return listings
        return Page(tuple(listings), page.cursor or None)


def _with_fees(markets: Sequence[tuple[wire.Market, wire.Event]]) -> Talk[list[Listing] | Unavailable]:
    """Markets as listings; each series is read once."""
    fees: dict[str, _Fee] = {}
    for ticker in dict.fromkeys(_series_of(event) for _, event in markets):
        reply = yield from fetch(_series, f"/series/{quote(ticker, safe='')}")
        if isinstance(reply, Unavailable):
            return reply
        series = reply.series if reply else None
        fees[ticker] = _Fee(series.fee_type, series.fee_multiplier) if series else _Fee(None, None)
    return [_listing(market, event, fees[_series_of(event)]) for market, event in markets]


def _series_of(event: wire.Event) -> str:
    return event.series_ticker or event.event_ticker.partition("-")[0]


def _fetch_markets(natives: list[Native]) -> Talk[list[wire.Market] | Unavailable]:
    found: dict[Native, wire.Market] = {}
    for start in range(0, len(natives), TICKERS_PER_CALL):
        asked = natives[start : start + TICKERS_PER_CALL]
        query = (("tickers", ",".join(asked)), ("limit", "1000"))
        page = yield from fetch_all(_markets, "/markets", query, rows=lambda page: page.markets)
        if isinstance(page, Unavailable):
            return page
        found.update((market.ticker, market) for market in page if market.ticker in asked)
    return list(found.values())


def _listing(market: wire.Market, event: wire.Event, series: _Fee) -> Listing:
    kind = event.fee_type_override or series.kind or ""
    multiplier = series.multiplier if event.fee_multiplier_override is None else event.fee_multiplier_override
    details = {
        "event": event.event_ticker,
        "series": _series_of(event),
        "exchange_index": str(market.exchange_index),
        "fee_type": kind,
        "fee_waiver_expiration_time": market.fee_waiver_expiration_time or "",
        "close_time": market.close_time,
    }
    refused = ""
    prices = Grid.uniform(LOT)
    scale = ONE
    try:
        refused = _why_not(market, kind)
        prices = grid(market.price_ranges)
        scale = _multiplier(multiplier)
    except ValueError as error:
        refused = refused or str(error)
    return Listing(
        venue="kalshi",
        native=market.ticker,
        title=" · ".join(part for part in (market.title, market.yes_sub_title) if part),
        grid=prices,
        lot=LOT,
        closes_ms=_closes_ms(market.close_time),
        tradable=not refused,
        pool=str(market.exchange_index),
        details={**details, "fee_multiplier": plain(scale), "refused": refused},
    )


def _closes_ms(text: str) -> int | None:
    """Unix milliseconds of RFC 3339 in UTC, fractions of a second dropped; None for anything else."""
    match = _TIME.fullmatch(text)
    return timegm(tuple(int(part) for part in match.groups())) * 1_000 if match else None


def _why_not(market: wire.Market, fee_type: str) -> str:
    """Why a market is not for us, or "". Payouts other than one dollar do not compare with other venues."""
    if market.status != ACTIVE:
        return f"status: {market.status}"
    if market.market_type != "binary" or micros(market.notional_value_dollars) != ONE:
        return f"market_type: {market.market_type}, notional_value_dollars: {market.notional_value_dollars}"
    if fee_type not in MAKER:
        return f"fee_type: no published rule for {fee_type!r}"
    return ""


def _multiplier(value: Decimal | None) -> int:
    """In millionths; ValueError if it is missing, not exact, or beyond what `fees` proves."""
    if value is None or not value.is_finite() or value < 0:
        raise ValueError(f"fee_multiplier: not a number from 0: {value}")
    scaled = micros(format(value, "f"))
    if scaled > MULTIPLIER_MAX:
        raise ValueError(f"fee_multiplier: above {plain(MULTIPLIER_MAX)}: {value}")
    return scaled
