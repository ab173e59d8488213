"""Reading Kalshi's REST API: one request, or all pages of a list up to a limit."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from venues.base.contract import Signer
from venues.base.http import Purpose, Request, Response, Silence, Talk, Unavailable
from venues.kalshi import wire
from venues.kalshi.signer import KalshiSigner
from venues.kit.body import T, read

API = "/trade-api/v2"
"""Part of the path and so of what is signed; the hosts are bare origins."""
PAGES_MAX = 25
"""5,000 rows at the usual 200 a page. A longer list gives no answer rather than half of one."""

Query = tuple[tuple[str, str], ...]
Row = TypeVar("Row")


def subaccount(signer: Signer) -> int | None:
    """The subaccount that the credentials name."""
    assert isinstance(signer, KalshiSigner)
    return signer.subaccount


def of_account(signer: Signer) -> Query:
    """The part of a query that says whose data is asked for. Accepted everywhere: UNCONFIRMED (README)."""
    number = subaccount(signer)
    return () if number is None else (("subaccount", str(number)),)


def fetch(
    decoder: msgspec.json.Decoder[T], path: str, query: Query = (), *, private: bool = False
) -> Talk[T | Unavailable | None]:
    """One read below `API`. None: the venue says that there is no such thing."""
    purpose = Purpose.ACCOUNT if private else Purpose.DATA
    reply = yield Request(method="GET", path=API + path, query=query, purpose=purpose, private=private)
    match reply:
        case Response(status=200):
            try:
                return read(decoder, reply.body)
            except ValueError as error:
                return Unavailable(f"{path}: unreadable: {error}")
        case Response(status=404):
            return None
        case Response():
            return Unavailable(f"{path}: http {reply.status}")
        case Silence():
            return Unavailable(f"{path}: {reply.reason}")


def fetch_all(
    decoder: msgspec.json.Decoder[wire.Page],
    path: str,
    query: Query,
    *,
    rows: Callable[[wire.Page], list[Row]],
    private: bool = False,
) -> Talk[list[Row] | Unavailable]:
    """All rows of a list, from page to page."""
    found: list[Row] = []
    cursor: Query = ()
    for _ in range(PAGES_MAX):
        page = yield from fetch(decoder, path, query + cursor, private=private)
        if page is None or isinstance(page, Unavailable):
            return page or Unavailable(f"{path}: http 404")
        found += rows(page)
        if not page.cursor:
            return found
        cursor = (("cursor", page.cursor),)
    return Unavailable(f"{path}: more than {PAGES_MAX} pages")
