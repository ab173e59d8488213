"""What an account has, its orders as the venue lists them, and the venue's time (card 9 and 11)."""

from collections.abc import Mapping, Sequence
from email.utils import formatdate, mktime_tz, parsedate_tz

import msgspec

from venues.base.contract import Signer
from venues.base.http import Purpose, Request, Response, Talk, Unavailable
from venues.base.listing import Listing, ListingKey
from venues.base.orders import Side, Standing
from venues.base.units import ONE, Cash, Price, Size, down
from venues.kit.erc20 import balance_request, read_balance
from venues.predict import wire
from venues.predict.calls import PAGE_ROWS, Query, get, own, rows
from venues.predict.fills import Fill, Fills
from venues.predict.listings import token_of
from venues.predict.signer import PredictSigner
from venues.predict.wire import WEI_PER_MICRO, wei

MATCHES = "/v1/orders/matches"
SIDES = {0: Side.BUY, 1: Side.SELL}
_QUOTED = {"Bid": Side.BUY, "Ask": Side.SELL}

_positions = msgspec.json.Decoder(wire.Told[list[wire.Position]])
_orders = msgspec.json.Decoder(wire.Told[list[wire.OrderState]])
_matches = msgspec.json.Decoder(wire.Told[list[wire.Match]])


def funds(signer: Signer) -> Talk[Mapping[str, Cash] | Unavailable]:
    """The account's USDT on chain, rounded down. What its open orders have promised is not subtracted."""
    account = own(signer)
    reply = yield balance_request(account.collateral, account.maker)
    if not isinstance(reply, Response):
        return Unavailable(f"balance: {reply.reason}")
    try:
        return {"": Cash(down(read_balance(reply), WEI_PER_MICRO))}
    except ValueError as error:
        return Unavailable(f"balance: {error}")


def holdings(signer: Signer, listings: Sequence[Listing]) -> Talk[Mapping[ListingKey, Size] | Unavailable]:
    """Settled shares of each listing's own token, rounded down; what is still settling is not among them."""
    held: dict[str, int] = {}
    try:
        for market in dict.fromkeys(listing.native for listing in listings):
            query = (("marketId", str(market)),)
            found = yield from rows("/v1/positions", query, _positions, signer=own(signer))
            for position in found:
                token = position.outcome.on_chain_id
                held[token] = held.get(token, 0) + wei(position.amount)
    except ValueError as error:
        return Unavailable(f"positions: {error}")
    return {listing.key: Size(down(held.get(token_of(listing), 0), WEI_PER_MICRO)) for listing in listings}


def open_orders(signer: Signer, listings: Sequence[Listing]) -> Talk[Sequence[Standing] | Unavailable]:
    """Resting orders on these listings: the venue lists all of the account's at once."""
    try:
        found = yield from rows("/v1/orders", (("status", "OPEN"),), _orders, signer=own(signer))
        by_token = _by_token(listings)
        return [
            _standing(row, by_token[row.order.token_id]) for row in found if row.order.token_id in by_token
        ]
    except ValueError as error:
        return Unavailable(f"open orders: {error}")


def history(signer: Signer, listings: Sequence[Listing]) -> Talk[Sequence[Standing] | Unavailable]:
    """One page of matches grouped by order, newest first; orders that still rest are left out.

    The venue's own list of finished orders lacks market orders (card 11).
    """
    account = own(signer)
    still = yield from open_orders(signer, listings)
    if isinstance(still, Unavailable):
        return still
    try:
        query = (("signerAddress", account.address), *_one_market(listings), ("first", str(PAGE_ROWS)))
        reply = yield get(MATCHES, query)
        page = wire.read(reply, _matches).data
        return _grouped(page, account, _by_token(listings), {row.venue_order_id for row in still})
    except ValueError as error:
        return Unavailable(f"matches: {error}")


def clock() -> Talk[int | Unavailable]:
    """The middle of the second in the `Date` header of any reply: the venue has no endpoint for it."""
    reply = yield Request(method="GET", path="/v1/auth/message", purpose=Purpose.DATA)
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


def _by_token(listings: Sequence[Listing]) -> dict[str, Listing]:
    return {token_of(listing): listing for listing in listings}


def _one_market(listings: Sequence[Listing]) -> Query:
    """A filter by market, where that is all that is asked for."""
    markets = {str(listing.native) for listing in listings}
    return (("marketId", markets.pop()),) if len(markets) == 1 else ()


def _standing(row: wire.OrderState, listing: Listing) -> Standing:
    if row.order.side not in SIDES:
        raise ValueError(f"side {row.order.side}")
    side = SIDES[row.order.side]
    maker, taker = wei(row.order.maker_amount), wei(row.order.taker_amount)
    cash, size = (maker, taker) if side is Side.BUY else (taker, maker)
    return Standing(
        venue_order_id=row.order.hash.lower(),
        native=listing.native,
        inverted=listing.inverted,
        side=side,
        price=Price(down(cash * ONE, size)) if size else None,
        size=Size(down(size, WEI_PER_MICRO)),
        filled=Size(down(wei(row.amount_filled), WEI_PER_MICRO)),
        cash=None,
        open=row.status == "OPEN",
    )


def _grouped(
    page: Sequence[wire.Match], account: PredictSigner, by_token: Mapping[str, Listing], resting: set[str]
) -> list[Standing]:
    """The account's part in each match, put together by order."""
    mine: dict[str, tuple[wire.Party, list[Fill]]] = {}
    for match in page:
        sides = [(match.taker, match.price_executed, match.amount_filled)]
        sides += [(maker, maker.price, maker.amount) for maker in match.makers]
        for party, price, size in sides:
            order_hash = party.hash.lower()
            if (
                party.signer.lower() == account.address.lower()
                and party.outcome.on_chain_id in by_token
                and order_hash not in resting
            ):
                _, fills = mine.setdefault(order_hash, (party, []))
                fills.append(Fill(match.settlement_id, wei(price), wei(size), 0, ""))
    return [
        _finished(order_hash, party, by_token[party.outcome.on_chain_id], fills)
        for order_hash, (party, fills) in mine.items()
    ]


def _finished(order_hash: str, party: wire.Party, listing: Listing, fills: list[Fill]) -> Standing:
    side = _QUOTED.get(party.quote_type)
    if side is None:
        raise ValueError(f"quoteType {party.quote_type!r}")
    total = Fills(side, tuple(fills))
    return Standing(
        venue_order_id=order_hash,
        native=listing.native,
        inverted=listing.inverted,
        side=side,
        price=Price(down(wei(party.price), WEI_PER_MICRO)),
        size=None,
        filled=total.size,
        cash=total.cash,
        open=False,
    )
