"""Reading Opinion's REST API: one request, or all pages of a list up to a limit."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from venues.base.http import Purpose, Request, Talk, Unavailable
from venues.kit.body import T
from venues.opinion import wire

API = "/openapi"
"""Part of every path; the host is a bare origin, as the official Python client has it (card 2)."""
PAGE_ROWS = 20
"""The most a list holds (card 4)."""
PAGES_MAX = 25
"""500 rows, 2.5 s at 10 calls a second. A longer list gives no answer rather than a part of one."""
CHAIN = ("chainId", wire.CHAIN_ID)

Query = tuple[tuple[str, str], ...]
Row = TypeVar("Row")


def get(path: str, query: Query = (), *, private: bool = True) -> Request:
    """A read below `API`: of the account with its key, of public data without one."""
    purpose = Purpose.ACCOUNT if private else Purpose.DATA
    return Request(method="GET", path=API + path, query=query, purpose=purpose, private=private)


def post(path: str, content: object) -> Request:
    """An order or a cancellation, below `API`."""
    return Request(
        method="POST",
        path=API + path,
        purpose=Purpose.ORDER,
        body=msgspec.json.encode(content),
        headers={"Content-Type": "application/json"},
        private=True,
    )


def fetch(
    decoder: msgspec.json.Decoder[T], path: str, query: Query = (), *, private: bool = True
) -> Talk[T | wire.Errno | Unavailable]:
    """One read: what it found, the venue's refusal, or why there is no usable answer."""
    reply = yield get(path, query, private=private)
    try:
        return wire.read(reply, decoder)
    except ValueError as error:
        return Unavailable(f"{path}: {error}")


def fetch_all(
    decoder: msgspec.json.Decoder[T],
    path: str,
    query: Query = (),
    *,
    rows: Callable[[T], Sequence[Row] | None],
    enough: Callable[[list[Row]], bool] = lambda _: False,
) -> Talk[list[Row] | Unavailable]:
    """All rows of one of the account's lists, page by page, or as many as are `enough`."""
    found: list[Row] = []
    for page in range(1, PAGES_MAX + 1):
        where = (*query, ("page", str(page)), ("limit", str(PAGE_ROWS)), CHAIN)
        got = yield from fetch(decoder, path, where)
        if isinstance(got, wire.Errno):
            return Unavailable(f"{path}: {got.error()}")
        if isinstance(got, Unavailable):
            return got
        more = rows(got) or ()
        found += more
        if len(more) < PAGE_ROWS or enough(found):
            return found
    return Unavailable(f"{path}: more than {PAGES_MAX} pages")
