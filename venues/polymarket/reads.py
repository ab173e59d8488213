"""Requests and replies that several parts of this venue share."""

from collections.abc import Sequence

import msgspec

from venues.base.contract import Signer
from venues.base.http import Purpose, Request, Talk, Unavailable
from venues.base.listing import Listing
from venues.kit.body import T
from venues.polymarket import wire
from venues.polymarket.signer import PolymarketSigner

PAGES_MAX = 20
"""Pages read of one list; an account with more orders or trades than that looks again later."""
FIRST_PAGE, LAST_PAGE = "MA==", ("LTE=", "")
Query = tuple[tuple[str, str], ...]


def send(method: str, path: str, body: bytes) -> Request:
    """An order or a cancellation."""
    headers = {"Content-Type": "application/json"}
    return Request(method=method, path=path, purpose=Purpose.ORDER, body=body, headers=headers, private=True)


def own(signer: Signer) -> PolymarketSigner:
    """This venue's signer."""
    assert isinstance(signer, PolymarketSigner)
    return signer


def token_of(listing: Listing) -> str:
    """The token an order for this listing trades: that of the outcome itself, never its complement."""
    return listing.details["sibling"] if listing.inverted else listing.native


def get(path: str, *query: tuple[str, str]) -> Request:
    """A private read."""
    return Request(method="GET", path=path, query=query, purpose=Purpose.ACCOUNT, private=True)


def one_market(listings: Sequence[Listing]) -> Query:
    """A filter by market, where that is all that is asked for."""
    markets = {listing.details["condition_id"] for listing in listings}
    return (("market", markets.pop()),) if len(markets) == 1 else ()


def all_rows(
    path: str, query: Query, decoder: msgspec.json.Decoder[wire.Rows[T]]
) -> Talk[list[T] | Unavailable]:
    """Every row of a list; Unavailable when it has more pages than we read."""
    found: list[T] = []
    cursor = FIRST_PAGE
    try:
        for _ in range(PAGES_MAX):
            page = wire.read((yield get(path, *query, ("next_cursor", cursor))), decoder)
            found += page.data
            cursor = page.next_cursor
            if cursor in LAST_PAGE:
                return found
    except ValueError as error:
        return Unavailable(f"{path}: {error}")
    return Unavailable(f"{path}: more than {PAGES_MAX} pages")
