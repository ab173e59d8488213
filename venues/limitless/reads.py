"""Requests and replies that several parts of this venue share."""

from collections.abc import Sequence

import msgspec

from venues.base.contract import Signer
from venues.base.http import Purpose, Reply, Request, Response, Talk, Unavailable
from venues.base.listing import Listing
from venues.limitless import wire
from venues.limitless.signer import STATUS_KEYS, LimitlessSigner

STATUSES_MAX = 50
"""Orders in one look-up (card 6)."""

_statuses = msgspec.json.Decoder(wire.StatusReply | list[wire.StatusItem])


def own(signer: Signer) -> LimitlessSigner:
    """This venue's signer."""
    assert isinstance(signer, LimitlessSigner)
    return signer


def token_of(listing: Listing) -> str:
    """The token that is traded: that of the outcome itself, never its complement."""
    return listing.details["token_no" if listing.inverted else "token_yes"]


def get(path: str, *query: tuple[str, str]) -> Request:
    """A signed read."""
    return Request(method="GET", path=path, query=query, purpose=Purpose.ACCOUNT, private=True)


def post(path: str, body: bytes, purpose: Purpose) -> Request:
    """A signed POST. With purpose ACCOUNT it changes nothing and may be repeated."""
    headers = {"Content-Type": "application/json"}
    return Request(method="POST", path=path, purpose=purpose, body=body, headers=headers, private=True)


def look_up(
    signer: LimitlessSigner, key: str, ids: Sequence[str]
) -> Talk[list[wire.StatusItem] | Unavailable]:
    """What the venue knows of these orders, in this order; `key` says what kind of ids they are.

    How the venue calls the list in the body is UNCONFIRMED: where one name is refused the other is tried.
    """
    assert len(ids) <= STATUSES_MAX
    failed = Unavailable("no orders were asked for")
    for name in sorted(STATUS_KEYS, key=lambda each: each != signer.status_key):
        body = msgspec.json.encode({name: [{key: each} for each in ids]})
        reply = yield post("/orders/status/batch", body, Purpose.ACCOUNT)
        items = _items(reply, len(ids))
        if not isinstance(items, Unavailable):
            signer.status_key = name
            return items
        failed = items
        if not (isinstance(reply, Response) and reply.status in (200, 201, 400, 422)):
            break
    return failed


def _items(reply: Reply, count: int) -> list[wire.StatusItem] | Unavailable:
    try:
        said = wire.read(reply, _statuses, 200, 201)
    except ValueError as error:
        return Unavailable(f"order look-up: {error}")
    items = said if isinstance(said, list) else said.results
    if len(items) != count:
        return Unavailable(f"order look-up: {len(items)} of {count} orders")
    return items
