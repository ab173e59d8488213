"""Responses that more than one surface gives."""

from typing import NewType

import msgspec
from aiohttp import web

from router.http.door import SAFE_HEADERS
from router.http.words import EXPECTATION_FAILED, Word
from router.runtime.clock import SystemClock
from router.runtime.metrics import Metrics

RequestId = NewType("RequestId", str)
REQUEST_ID = web.RequestKey("request_id", str)
"""Where the aiohttp request keeps its id."""

METRICS: web.AppKey[Metrics] = web.AppKey("metrics", Metrics)
REQUEST_ID_LENGTH_MAX = 128

JSON_HEADERS = {"Content-Type": "application/json; charset=utf-8", **SAFE_HEADERS}

_luck = SystemClock()
_encoder = msgspec.json.Encoder()


class DocsError(msgspec.Struct, frozen=True, rename="camel"):
    """The newer Predexon error envelope; also ours where no dialect rules."""

    error: str
    message: str
    request_id: str
    error_code: str


def json_response(status: int, body: bytes) -> web.Response:
    """Encoded JSON as a response."""
    return web.Response(status=status, body=body, headers=JSON_HEADERS)


def new_request_id() -> RequestId:
    """For a request whose caller gave none."""
    return RequestId(_luck.new_id())


def request_id(given: str | None) -> RequestId:
    """The caller's id when it is 1 to 128 printable ASCII characters, else a new UUID."""
    if given and len(given) <= REQUEST_ID_LENGTH_MAX and given.isascii() and given.isprintable():
        return RequestId(given)
    return new_request_id()


def docs_error(request: web.BaseRequest, word: Word, message: str) -> web.Response:
    """An error in the docs envelope."""
    told = DocsError(word.code, message, request[REQUEST_ID], word.code)
    return json_response(word.status, _encoder.encode(told))


async def expectation(request: web.Request) -> web.Response | None:
    """For routes with a body: `100-continue` is met by whoever reads it, nothing else can be met."""
    if request.headers["Expect"].lower() == "100-continue":
        return None
    request[REQUEST_ID] = request_id(request.headers.get("x-request-id"))
    request.app[METRICS].refusals.of(EXPECTATION_FAILED.code).inc()
    return docs_error(request, EXPECTATION_FAILED, "expect: only 100-continue can be met")
