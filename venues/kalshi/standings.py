"""The account's orders as the venue lists them (card §7).

The venue keeps one book and says of an order only whether it is a `bid` or an `ask` in it. An ask may be
meant as a purchase of NO or as a sale of YES. It is told as a purchase where the listing of that outcome is
asked about, else as a sale of the other one.
"""

from collections.abc import Sequence

import msgspec

from venues.base.contract import Signer
from venues.base.http import Talk, Unavailable
from venues.base.listing import Listing, Native
from venues.base.orders import Side, Standing
from venues.base.units import ONE, Cash, Price, Size, complement, micros
from venues.kalshi import wire
from venues.kalshi.moments import moment_ms
from venues.kalshi.reads import Query, fetch, fetch_all, of_account
from venues.kalshi.tally import FINISHED, RESTING, count

ORDERS = "/portfolio/orders"
_PAGE = ("limit", "200")

_listed = msgspec.json.Decoder(wire.ListedPage)


def open_orders(signer: Signer, listings: Sequence[Listing]) -> Talk[Sequence[Standing] | Unavailable]:
    """What rests on these books, whoever placed it. All of the account's resting orders are read."""
    if not listings:
        return []
    query = (("status", RESTING), _PAGE, *_of_book(listings), *of_account(signer))
    rows = yield from fetch_all(_listed, ORDERS, query, rows=lambda page: page.orders, private=True)
    if isinstance(rows, Unavailable):
        return rows
    return _standings([row for row in rows if row.status == RESTING], listings)


def history(signer: Signer, listings: Sequence[Listing]) -> Talk[Sequence[Standing] | Unavailable]:
    """Finished orders on one page of the account's latest, newest first."""
    if not listings:
        return []
    query = (_PAGE, *_of_book(listings), *of_account(signer))
    page = yield from fetch(_listed, ORDERS, query, private=True)
    if page is None or isinstance(page, Unavailable):
        return page or Unavailable(f"{ORDERS}: http 404")
    return _standings([row for row in page.orders if row.status in FINISHED], listings)


def _of_book(listings: Sequence[Listing]) -> Query:
    """The list can be narrowed to one book, not to several."""
    natives = {listing.native for listing in listings}
    return (("ticker", natives.pop()),) if len(natives) == 1 else ()


def _standings(
    rows: Sequence[wire.ListedOrder], listings: Sequence[Listing]
) -> Sequence[Standing] | Unavailable:
    asked: dict[Native, set[bool]] = {}
    for listing in listings:
        asked.setdefault(listing.native, set()).add(listing.inverted)
    ours = {row.order_id: row for row in rows if row.ticker in asked}
    try:
        found = [_standing(row, asked[row.ticker]) for row in ours.values()]
    except ValueError as error:
        return Unavailable(f"{ORDERS}: {error}")
    return sorted(found, key=lambda standing: -(standing.created_ms or 0))


def _standing(row: wire.ListedOrder, orientations: set[bool]) -> Standing:
    if row.book_side not in ("bid", "ask"):
        raise ValueError(f"book_side: {row.book_side!r}")
    buys = row.book_side == "ask"
    """Whether a purchase of this order would be one of the inverted listing."""
    inverted = buys if buys in orientations else not buys
    yes, filled = Price(micros(row.yes_price_dollars)), count(row.fill_count_fp)
    return Standing(
        venue_order_id=row.order_id,
        client_id=row.client_order_id,
        native=row.ticker,
        inverted=inverted,
        side=Side.BUY if inverted is buys else Side.SELL,
        price=(complement(yes) if inverted else yes) if 0 < yes < ONE else None,
        size=count(row.initial_count_fp),
        filled=filled,
        cash=_cash(row, filled, yes, sale=inverted is not buys),
        open=row.status == RESTING,
        created_ms=moment_ms(row.created_time) if row.created_time else None,
    )


def _cash(row: wire.ListedOrder, filled: Size, yes: Price, *, sale: bool) -> Cash | None:
    """The notional of its fills. UNCONFIRMED for asks: the costs are those of a purchase of NO.

    They are believed only where they cannot be proceeds of YES, whose price is the limit or better.
    """
    cost = micros(row.taker_fill_cost_dollars) + micros(row.maker_fill_cost_dollars)
    limit = yes if row.book_side == "bid" else complement(yes)
    if cost * ONE > limit * filled:
        return None
    if filled and row.book_side == "ask" and cost * ONE >= yes * filled:
        return None
    return Cash(filled - cost if sale else cost)
