"""Reading Polymarket US's REST API: one request, or all pages of a list up to a limit."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from venues.base.http import Purpose, Request, Response, Silence, Talk, Unavailable
from venues.kit.body import T, read
from venues.polymarket_us import wire

PAGES_MAX = 20
"""2,000 rows at the usual 100 a page. A longer list gives no answer rather than half of one."""
ROWS_PER_PAGE = "100"

Query = tuple[tuple[str, str], ...]
Page = TypeVar("Page", bound=wire.Paged)


def public(path: str, query: Query = ()) -> Request:
    """A read of the public gateway, which is a host of its own and takes no signature."""
    return Request(method="GET", path=path, query=query, purpose=Purpose.DATA, host="gateway")


def account(path: str, query: Query = ()) -> Request:
    """A signed read."""
    return Request(method="GET", path=path, query=query, purpose=Purpose.ACCOUNT, private=True)


def fetch(decoder: msgspec.json.Decoder[T], request: Request) -> Talk[T | Unavailable | None]:
    """One read. None: the venue says that there is no such thing."""
    reply = yield request
    match reply:
        case Response(status=200):
            try:
                return read(decoder, reply.body)
            except ValueError as error:
                return Unavailable(f"{request.path}: unreadable: {error}")
        case Response(status=404):
            return None
        case Response():
            return Unavailable(f"{request.path}: http {reply.status}")
        case Silence():
            return Unavailable(f"{request.path}: {reply.reason}")


def fetch_all(
    decoder: msgspec.json.Decoder[Page],
    path: str,
    query: Query,
    *,
    enough: Callable[[Page], bool] = lambda _: False,
) -> Talk[list[Page] | Unavailable]:
    """The pages of a list of the account, up to the last or to the first with which it is `enough`."""
    pages: list[Page] = []
    cursor: Query = ()
    for _ in range(PAGES_MAX):
        page = yield from fetch(decoder, account(path, (*query, ("limit", ROWS_PER_PAGE), *cursor)))
        if page is None or isinstance(page, Unavailable):
            return page or Unavailable(f"{path}: http 404")
        pages.append(page)
        if page.eof or not page.next_cursor or enough(page):
            return pages
        cursor = (("cursor", page.next_cursor),)
    return Unavailable(f"{path}: more than {PAGES_MAX} pages")
