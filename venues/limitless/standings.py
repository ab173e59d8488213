"""The account's orders as the venue lists them, per market, with fills from their look-ups (card 6)."""

from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from venues.base.contract import Signer
from venues.base.http import Talk, Unavailable
from venues.base.listing import Listing
from venues.base.orders import Side, Standing
from venues.base.units import Cash, Size
from venues.limitless import wire
from venues.limitless.feed import price_of
from venues.limitless.moments import moment_ms
from venues.limitless.reads import STATUSES_MAX, get, look_up, own

ROWS_MAX = 200
"""As many as the venue lists of one market; there are no pages."""
LIVE = "LIVE"
FINISHED = ("MATCHED", "CANCELED", "UNMATCHED")
_SIDES = {"0": Side.BUY, "BUY": Side.BUY, "1": Side.SELL, "SELL": Side.SELL}

_listed = msgspec.json.Decoder(wire.ListedOrders | list[wire.ListedOrder])

Row = tuple[Listing, wire.ListedOrder]


def open_orders(signer: Signer, listings: Sequence[Listing]) -> Talk[Sequence[Standing] | Unavailable]:
    """What rests on these listings."""
    return _standings(signer, listings, (LIVE,))


def history(signer: Signer, listings: Sequence[Listing]) -> Talk[Sequence[Standing] | Unavailable]:
    """Finished orders on these listings, newest first."""
    return _standings(signer, listings, FINISHED)


def _standings(
    signer: Signer, listings: Sequence[Listing], statuses: Sequence[str]
) -> Talk[Sequence[Standing] | Unavailable]:
    rows: list[Row] = []
    for native in dict.fromkeys(listing.native for listing in listings):
        of_book = [listing for listing in listings if listing.native == native]
        for status in statuses:
            found = yield from rows_of(native, status)
            if isinstance(found, Unavailable):
                return found
            rows += ((listing, row) for row in found for listing in of_book if _is_of(row, listing))
    standings: list[Standing] = []
    for start in range(0, len(rows), STATUSES_MAX):
        some = rows[start : start + STATUSES_MAX]
        items = yield from look_up(own(signer), "orderId", [id_of(row) for _, row in some])
        if isinstance(items, Unavailable):
            return items
        try:
            standings += (
                _standing(listing, row, item, is_open=LIVE in statuses)
                for (listing, row), item in zip(some, items, strict=True)
            )
        except ValueError as error:
            return Unavailable(f"orders: {error}")
    return sorted(standings, key=lambda standing: -(standing.created_ms or 0))


def rows_of(native: str, status: str) -> Talk[list[wire.ListedOrder] | Unavailable]:
    """The account's orders in this state on one book, of both outcomes."""
    path = f"/markets/{quote(native, safe='')}/user-orders"
    reply = yield get(path, ("statuses", status), ("limit", str(ROWS_MAX)))
    try:
        said = wire.read(reply, _listed)
    except ValueError as error:
        return Unavailable(f"{status} orders of {native}: {error}")
    return said if isinstance(said, list) else said.orders


def _is_of(row: wire.ListedOrder, listing: Listing) -> bool:
    return row.token_id == listing.details["token_no" if listing.inverted else "token_yes"]


def id_of(row: wire.ListedOrder) -> str:
    """The venue's id of a listed order; its name differs between versions of the documents."""
    return row.id or row.order_id


def _standing(listing: Listing, row: wire.ListedOrder, item: wire.StatusItem, *, is_open: bool) -> Standing:
    side = _SIDES.get(str(row.side).upper())
    if side is None or not id_of(row):
        raise ValueError(f"side {row.side!r} of order {id_of(row)!r}")
    execution = item.execution_found
    totals = execution.totals_raw if execution is not None else None
    if execution is None or item.status != "found":
        raise ValueError(f"order {id_of(row)}: {item.status}")
    asked = row.taker_amount if side is Side.BUY else row.maker_amount
    price = bytes(row.price).strip(b'"').decode()
    return Standing(
        venue_order_id=id_of(row),
        client_id=row.client_order_id or execution.client_order_id or "",
        native=listing.native,
        inverted=listing.inverted,
        side=side,
        price=None if price == "null" else price_of(price),
        size=Size(wire.units(asked)) if asked not in (None, 1, "1") else None,
        filled=Size(wire.units(totals.contracts_gross) if totals else 0),
        cash=Cash(wire.units(totals.usd_gross) if totals else 0),
        open=is_open,
        created_ms=moment_ms(row.created_at) if row.created_at else None,
    )
