"""Polymarket's market metadata as listings: one per outcome token (card 3).

Terms to trade on come from the CLOB, which is authoritative for orders. The Gamma catalogue, which alone
lists everything, is read to discover what there is.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from venues.base.contract import Page
from venues.base.http import Purpose, Reply, Request, Response, Talk, Unavailable
from venues.base.listing import Grid, Listing, Native
from venues.base.units import ONE, micros
from venues.kit.body import read
from venues.polymarket import wire
from venues.polymarket.amounts import CENT, TICKS
from venues.polymarket.fees import EXPONENT_MAX

NAME = "polymarket"
BUY_MINIMUM = ONE
"""A marketable buy needs one pUSD of notional (card 3)."""
RATE_UNSTATED = Decimal(2)
"""Of a market that takes fees and does not say which: no fee rate, so it is not traded."""
PAGE_ROWS = 100
"""The most that the catalogue gives at once."""
TAKER_DELAY_MS = 250
"""How long marketable orders wait in a market with `itode` (card 6)."""

_condition_decoder = msgspec.json.Decoder(wire.MarketOfToken)
_market_decoder = msgspec.json.Decoder(wire.Market)
_gamma_decoder = msgspec.json.Decoder(wire.GammaPage)
_texts_decoder = msgspec.json.Decoder(list[str])


class PolymarketListings:
    """Remembers nothing."""

    def fetch(self, natives: Sequence[Native]) -> Talk[list[Listing] | Unavailable]:
        """The listings of these tokens; one that the venue does not know is left out."""
        found: list[Listing] = []
        markets: dict[str, wire.Market | None] = {}
        for native in natives:
            reply = yield _get(f"/markets-by-token/{native}")
            if _missing(reply):
                continue
            try:
                condition = wire.read(reply, _condition_decoder).condition_id
                if condition not in markets:
                    reply = yield _get(f"/clob-markets/{condition}")
                    markets[condition] = None if _missing(reply) else wire.read(reply, _market_decoder)
                market = markets[condition]
                if market is not None:
                    found.append(_listing(native, condition, market))
            except ValueError as error:
                return Unavailable(f"metadata of {native}: {error}")
        return found

    def discover(self, cursor: str) -> Talk[Page | Unavailable]:
        """One page of the open markets of the Gamma catalogue: two listings for each that has an order book.

        A market whose ids cannot be read is left out. The delay of taker orders is not in the catalogue.
        """
        after = (("after_cursor", cursor),) if cursor else ()
        query = (("limit", str(PAGE_ROWS)), ("active", "true"), ("closed", "false"), *after)
        reply = yield Request(
            method="GET", path="/markets/keyset", query=query, purpose=Purpose.DATA, host="gamma"
        )
        try:
            page = wire.read(reply, _gamma_decoder)
        except ValueError as error:
            return Unavailable(f"catalogue: {error}")
        listings = [listing for row in page.markets for listing in _catalogued(row)]
        return Page(tuple(listings), page.next_cursor or None)


def _get(path: str) -> Request:
    return Request(method="GET", path=path, purpose=Purpose.DATA)


def _missing(reply: Reply) -> bool:
    return isinstance(reply, Response) and reply.status == 404


def _catalogued(row: wire.GammaMarket) -> list[Listing]:
    """The listings of one market of the catalogue."""
    if not (row.condition_id and row.enable_order_book):
        return []
    try:
        ids = read(_texts_decoder, row.clob_token_ids or "[]")
        outcomes = read(_texts_decoder, row.outcomes or "[]")
        tokens = [wire.Token(token, outcome) for token, outcome in zip(ids, outcomes, strict=True)]
        market = wire.Market(
            tokens=tokens,
            tick=row.order_price_min_tick_size or Decimal(0),
            minimum_shares=row.order_min_size or Decimal(0),
            neg_risk=row.neg_risk is True,
            fee=row.fee_schedule or (wire.FeeSchedule(RATE_UNSTATED) if row.fees_enabled else None),
            accepting_orders=row.accepting_orders is True and row.active is True and not row.closed,
        )
        title = row.question or ""
        return [_listing(Native(token), row.condition_id, market, title=title) for token in ids]
    except ValueError:
        return []


def _listing(native: Native, condition: str, market: wire.Market, *, title: str = "") -> Listing:
    """ValueError when the market is not this token's; one of a kind we do not know is not tradable."""
    if native not in (token.token for token in market.tokens):
        raise ValueError(f"market {condition} does not name this token")
    siblings = [token.token for token in market.tokens if token.token != native]
    tick = _micros(market.tick)
    fee = market.fee or wire.FeeSchedule(Decimal(0))
    details = {
        "condition_id": condition,
        "outcome": next(token.outcome for token in market.tokens if token.token == native),
        "sibling": siblings[0] if len(siblings) == 1 else "",
        "neg_risk": "true" if market.neg_risk else "false",
        "fee_rate": str(_micros(fee.rate)),
        "fee_exponent": f"{fee.exponent.normalize():f}",
        "fee_taker_only": "true" if fee.taker_only else "false",
        "minimum_resting_size": str(_micros(market.minimum_shares)),
        "taker_delay_ms": str(TAKER_DELAY_MS if market.taker_delay else 0),
    }
    strange = _strange(tick, fee, siblings)
    if strange:
        details |= {"strange": strange, "fee_rate": str(ONE), "fee_exponent": "1"}
    return Listing(
        venue=NAME,
        native=native,
        title=" · ".join(part for part in (title, details["outcome"]) if title and part),
        grid=Grid.uniform(tick if tick in TICKS else CENT),
        lot=CENT,
        minimum_cash=BUY_MINIMUM,
        tradable=market.accepting_orders and not strange,
        mirror=Native(details["sibling"]),
        details=details,
    )


def _strange(tick: int, fee: wire.FeeSchedule, siblings: list[str]) -> str:
    """What about this market the card does not know: such a market is shown, and not traded."""
    if tick not in TICKS:
        return f"tick size {tick}"
    if len(siblings) != 1:
        return f"{len(siblings) + 1} outcomes"
    if not 0 <= fee.rate <= 1:
        return f"fee rate {fee.rate}"
    if fee.exponent != int(fee.exponent) or not 1 <= fee.exponent <= EXPONENT_MAX:
        return f"fee exponent {fee.exponent}"
    return ""


def _micros(value: Decimal) -> int:
    return micros(f"{value:f}")
