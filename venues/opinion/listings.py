"""Opinion's market metadata as listings: one book per binary market, the YES token's (card 5, 6).

`native` is the market id. The inverted listing is the NO token, whose book is the mirror.
"""

from collections.abc import Sequence

import msgspec

from venues.base.contract import Page
from venues.base.http import Talk, Unavailable
from venues.base.listing import Grid, Listing, Native
from venues.base.units import ONE
from venues.kit.eip712 import ADDRESS_BYTES, unhex
from venues.opinion import wire
from venues.opinion.amounts import DECIMALS
from venues.opinion.chain import TOKENS_PER_CALL, FeeSettings, fees_request, read_fees
from venues.opinion.fees import BPS, MINIMUM
from venues.opinion.reads import CHAIN, PAGE_ROWS, fetch

NAME = "opinion"
COLLATERAL = "USDT"
TICK = 1_000
"""Live books stand on 0.001 steps from 0.001 to 0.999 (UNCONFIRMED, card 5)."""
LOT = 10_000
"""Sizes may have 18 decimals; hundredths of a share leave no dust worth an order."""
CENT = 10_000
MINIMUM_CASH = 5 * ONE + CENT
"""The venue takes 5 USDT or more (card 5); a cent above, as an order gives up to a millionth less."""
ACTIVATED = 2
"""The `status` of a market that trades."""
ID_DIGITS_MAX = 18
TOKEN_DIGITS_MAX = 78
"""Of the largest uint256."""
DEAREST = FeeSettings(BPS, MINIMUM)
CHILDREN_MAX = 500
"""Children read from one categorical market; none seen has a tenth of that."""

_market = msgspec.json.Decoder(wire.MarketData)
_markets = msgspec.json.Decoder(wire.MarketList)
_quote_tokens = msgspec.json.Decoder(wire.QuoteTokenList)

_Money = dict[str, wire.QuoteToken]
"""Quote tokens by address in lower case."""


class OpinionListings:
    """Reads markets and quote tokens from the API and the fee settings from the chain."""

    def fetch(self, natives: Sequence[Native]) -> Talk[list[Listing] | Unavailable]:
        """The listings of these markets; one that the venue does not know, or a parent, is left out."""
        markets: list[wire.Market] = []
        for native in natives:
            if not _is_id(native):
                continue
            got = yield from fetch(_market, f"/market/{native}", private=False)
            if isinstance(got, Unavailable):
                return got
            if isinstance(got, wire.Errno):
                if got.number != wire.UNKNOWN_MARKET:
                    return Unavailable(f"market {native}: {got.error()}")
            elif str(got.data.market_id) != native:
                return Unavailable(f"market {native}: the answer is about {got.data.market_id}")
            else:
                markets.append(got.data)
        return (yield from _priced(markets))

    def discover(self, cursor: str) -> Talk[Page | Unavailable]:
        """A page of the markets that trade, newest first; the cursor is the number of the page."""
        number = int(cursor or "1")
        query = (
            ("page", str(number)), ("limit", str(PAGE_ROWS)), ("status", "activated"), ("marketType", "2"),
            CHAIN, ("sortBy", "1"),
        )  # fmt: skip
        page = yield from fetch(_markets, "/market", query, private=False)
        if isinstance(page, wire.Errno):
            return Unavailable(f"/market: {page.error()}")
        if isinstance(page, Unavailable):
            return page
        markets: list[wire.Market] = []
        for market in page.rows or ():
            children = yield from _children(market)
            if isinstance(children, Unavailable):
                return children
            markets += children
        listings = yield from _priced(markets)
        if isinstance(listings, Unavailable):
            return listings
        last = number * PAGE_ROWS >= page.total or not page.rows
        return Page(tuple(listings), None if last else str(number + 1))


def _is_id(native: str) -> bool:
    return native.isascii() and native.isdecimal() and len(native) <= ID_DIGITS_MAX and native[0] != "0"


def _children(market: wire.Market) -> Talk[list[wire.Market] | Unavailable]:
    """What trades of a market: itself, or its children under a title that names both."""
    if market.yes_token_id:
        return [market]
    parent = market
    if not parent.child_markets:
        got = yield from fetch(_market, f"/market/categorical/{market.market_id}", private=False)
        if isinstance(got, wire.Errno):
            return []
        if isinstance(got, Unavailable):
            return got
        parent = got.data
    children = (parent.child_markets or [])[:CHILDREN_MAX]
    return [
        msgspec.structs.replace(child, market_title=f"{market.market_title}: {child.market_title}")
        for child in children
    ]


def _priced(markets: Sequence[wire.Market]) -> Talk[list[Listing] | Unavailable]:
    """Listings with the money they trade in and the fees they charge."""
    binary = [
        market for market in markets if _is_token(market.yes_token_id) and _is_token(market.no_token_id)
    ]
    if not binary:
        return []
    money = yield from _money()
    if isinstance(money, Unavailable):
        return money
    settings: list[FeeSettings | None] = []
    for start in range(0, len(binary), TOKENS_PER_CALL):
        tokens = [market.yes_token_id for market in binary[start : start + TOKENS_PER_CALL]]
        reply = yield fees_request(tokens)
        try:
            settings += read_fees(reply, len(tokens))
        except ValueError as error:
            return Unavailable(f"fee settings: {error}")
    return [_listing(market, money, fees) for market, fees in zip(binary, settings, strict=True)]


def _is_token(text: str) -> bool:
    return 0 < len(text) <= TOKEN_DIGITS_MAX and text.isascii() and text.isdecimal() and int(text) < 1 << 256


def _money() -> Talk[_Money | Unavailable]:
    got = yield from fetch(_quote_tokens, "/quoteToken", (CHAIN,), private=False)
    if isinstance(got, wire.Errno):
        return Unavailable(f"/quoteToken: {got.error()}")
    if isinstance(got, Unavailable):
        return got
    return {token.quote_token_address.lower(): token for token in got.rows or ()}


def _listing(market: wire.Market, money: _Money, fees: FeeSettings | None) -> Listing:
    """A market whose money or fees are not known is shown, and not traded."""
    quote = money.get(market.quote_token.lower())
    strange = _strange(market, quote)
    if fees is None:
        strange, fees = strange or "its fee settings cannot be read", DEAREST
    details = {
        "yes_token": market.yes_token_id,
        "no_token": market.no_token_id,
        "quote_token": market.quote_token,
        "exchange": "" if quote is None else quote.ctf_exchange_address,
        "taker_fee_bps": str(fees.rate_bps),
        "minimum_fee": str(fees.least),
    }
    if strange:
        details["strange"] = strange
    return Listing(
        venue=NAME,
        native=Native(str(market.market_id)),
        title=market.market_title,
        grid=Grid.uniform(TICK),
        lot=LOT,
        minimum_cash=MINIMUM_CASH,
        minimum_sale_cash=MINIMUM_CASH,
        tradable=market.status == ACTIVATED and not strange,
        pool=market.quote_token.lower(),
        details=details,
    )


def _strange(market: wire.Market, quote: wire.QuoteToken | None) -> str:
    """What about this market the card does not know."""
    if market.chain_id != wire.CHAIN_ID:
        return f"chain {market.chain_id}"
    if quote is None:
        return f"quote token {market.quote_token}"
    if quote.symbol != COLLATERAL or quote.decimal != DECIMALS:
        return f"quote token {quote.symbol} with {quote.decimal} decimals"
    try:
        unhex(quote.ctf_exchange_address, ADDRESS_BYTES)
    except ValueError as error:
        return f"exchange address: {error}"
    return ""
