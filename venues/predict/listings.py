"""Predict.fun's market metadata as listings: one per market, in the price of its first outcome (card 5)."""

from collections.abc import Sequence

import msgspec

from venues.base.contract import Page
from venues.base.http import Purpose, Talk, Unavailable
from venues.base.listing import Grid, Listing, Native
from venues.base.orders import Order
from venues.base.units import ONE
from venues.predict import wire
from venues.predict.calls import PAGE_ROWS, get
from venues.predict.fees import RATE_BPS_MAX

NAME = "predict"
LOT = 10_000
"""Sizes of 0.01 share: the least order, and what the venue's own clients step in."""
MINIMUM = ONE
"""Documents and clients say 1 USDT, the live text 0.9 (card 5): the stricter, for both sides."""
_TICKS = {2: 10_000, 3: 1_000}
"""By `decimalPrecision`."""

_market = msgspec.json.Decoder(wire.Told[wire.Market])
_markets = msgspec.json.Decoder(wire.Told[list[wire.Market]])


class PredictListings:
    """Reads `/v1/markets`. `Native` is the market's id as text."""

    def fetch(self, natives: Sequence[Native]) -> Talk[list[Listing] | Unavailable]:
        """The listings of these markets; one that the venue does not know is left out."""
        found: list[Listing] = []
        for native in dict.fromkeys(natives):
            if not (native.isascii() and native.isdecimal()):
                continue
            reply = yield get(f"/v1/markets/{native}", purpose=Purpose.DATA)
            if wire.missing(reply):
                continue
            try:
                market = wire.read(reply, _market).data
                if str(market.id) != native:
                    raise ValueError(f"the reply is about market {market.id}")  # noqa: TRY301 - one way out
            except ValueError as error:
                return Unavailable(f"market {native}: {error}")
            found.append(listing_of(market))
        return found

    def discover(self, cursor: str) -> Talk[Page | Unavailable]:
        """One page of the markets that are open for trading."""
        after = (("after", cursor),) if cursor else ()
        query = (("status", "OPEN"), ("first", str(PAGE_ROWS)), *after)
        reply = yield get("/v1/markets", query, purpose=Purpose.DATA)
        try:
            page = wire.read(reply, _markets)
        except ValueError as error:
            return Unavailable(f"markets: {error}")
        following = page.cursor if page.data and page.cursor != cursor else None
        return Page(tuple(listing_of(market) for market in page.data), following or None)


def token_of(listing: Listing) -> str:
    """The token that an order for this listing trades: that of the outcome itself, never its complement."""
    return listing.details["second_token" if listing.inverted else "first_token"]


def is_neg_risk(order: Order) -> bool:
    """Which exchange contracts its market settles on."""
    return order.listing.details["neg_risk"] == "true"


def is_yield_bearing(order: Order) -> bool:
    """The other half of that choice."""
    return order.listing.details["yield_bearing"] == "true"


def listing_of(market: wire.Market) -> Listing:
    """A market of a kind that the card does not know is shown, and not traded."""
    tokens = {outcome.index_set: outcome.on_chain_id for outcome in market.outcomes}
    strange = _strange(market, tokens)
    details = {
        "first_token": tokens.get(1, ""),
        "second_token": tokens.get(2, ""),
        "neg_risk": "true" if market.is_neg_risk else "false",
        "yield_bearing": "true" if market.is_yield_bearing else "false",
        "fee_rate_bps": str(min(max(market.fee_rate_bps, 0), RATE_BPS_MAX)),
        "category": market.category_slug,
        "status": market.trading_status,
        "refused": strange or ("" if market.trading_status == "OPEN" else f"status: {market.trading_status}"),
    }
    return Listing(
        venue=NAME,
        native=Native(str(market.id)),
        title=market.title or market.question,
        grid=Grid.uniform(_TICKS.get(market.decimal_precision, LOT)),
        lot=LOT,
        minimum_size=LOT,
        minimum_cash=MINIMUM,
        minimum_sale_cash=MINIMUM,
        tradable=not details["refused"],
        details=details,
    )


def _strange(market: wire.Market, tokens: dict[int, str]) -> str:
    """What about this market no rule of the card covers, or ""."""
    if len(market.outcomes) != 2 or set(tokens) != {1, 2}:
        return f"outcomes: {sorted(tokens)}"
    if len({token for token in tokens.values() if _is_token(token)}) != 2:
        return "onChainId: not two token ids"
    if market.decimal_precision not in _TICKS:
        return f"decimalPrecision: {market.decimal_precision}"
    if not 0 <= market.fee_rate_bps <= RATE_BPS_MAX:
        return f"feeRateBps: {market.fee_rate_bps}"
    return ""


def _is_token(text: str) -> bool:
    try:
        return 0 < wire.wei(text) < 1 << 256
    except ValueError:
        return False
