"""Calls to Predict.fun's REST API: the API key on every one, and a session token where it is wanted (card 3).

The token is fetched in the conversation that needs it: when there is none, when it is due for renewal, and
once more when the venue does not take it.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from venues.base.contract import Signer
from venues.base.http import Purpose, Reply, Request, Response, Silence, Talk, Unavailable
from venues.predict import wire
from venues.predict.signer import PredictSigner

PAGE_ROWS = 100
"""Rows asked for at a time."""
PAGES_MAX = 10
"""A longer list gives no answer rather than a part of one."""
_UNAUTHORIZED = 401
_JSON = {"Content-Type": "application/json"}

Query = tuple[tuple[str, str], ...]
Row = TypeVar("Row")

_greeting = msgspec.json.Decoder(wire.Told[wire.Greeting])
_session = msgspec.json.Decoder(wire.Told[wire.Session])


def own(signer: Signer) -> PredictSigner:
    """The signer as this venue's."""
    assert isinstance(signer, PredictSigner)
    return signer


def get(path: str, query: Query = (), *, purpose: Purpose = Purpose.ACCOUNT) -> Request:
    """A read. All of them want the API key, public data too."""
    return Request(method="GET", path=path, query=query, purpose=purpose, private=True)


def post(path: str, body: object, *, purpose: Purpose) -> Request:
    """A call with a body."""
    encoded = msgspec.json.encode(body)
    return Request(method="POST", path=path, purpose=purpose, body=encoded, headers=_JSON, private=True)


def log_in(signer: PredictSigner) -> Talk[Unavailable | None]:
    """Fetch a session token; the signer keeps it."""
    try:
        reply = yield get("/v1/auth/message")
        message = wire.read(reply, _greeting).data.message
        reply = yield post("/v1/auth", signer.login(message), purpose=Purpose.ACCOUNT)
        signer.keep(wire.read(reply, _session).data.token)
    except ValueError as error:
        return Unavailable(f"login: {error}")
    return None


def with_token(request: Request, signer: PredictSigner, now_ms: int) -> Talk[Reply]:
    """The reply to a request that needs the token.

    A 401 says that the request did not pass the door: it is sent once more with a new token, also where it is
    an order, whose hash the venue takes only once (card 10). Without a token nothing is sent.
    """
    if not signer.fresh(now_ms):
        failed = yield from log_in(signer)
        if failed is not None:
            return Silence(failed.reason, sent=False)
    reply = yield request
    if not (isinstance(reply, Response) and reply.status == _UNAUTHORIZED):
        return reply
    signer.forget()
    failed = yield from log_in(signer)
    if failed is not None:
        return reply
    again = yield request
    return again


def rows(
    path: str,
    query: Query,
    decoder: msgspec.json.Decoder[wire.Told[list[Row]]],
    *,
    signer: PredictSigner,
    enough: Callable[[list[Row]], bool] = lambda _: False,
) -> Talk[list[Row]]:
    """The rows of a list of the account, page by page, until they are `enough` or there are no more.

    ValueError when a page cannot be read, or when there are more than `PAGES_MAX`.
    """
    found: list[Row] = []
    after: Query = ()
    for _ in range(PAGES_MAX):
        request = get(path, (*query, ("first", str(PAGE_ROWS)), *after))
        reply = yield from with_token(request, signer, signer.seen_ms)
        page = wire.read(reply, decoder)
        found += page.data
        if not page.cursor or not page.data or enough(found):
            return found
        after = (("after", page.cursor),)
    raise ValueError(f"{path}: more than {PAGES_MAX} pages")
