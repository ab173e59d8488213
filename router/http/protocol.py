"""One client connection: aiohttp's own protocol, but what is not even HTTP is answered like everything else.

aiohttp answers such requests before our application sees them, as text that quotes what was sent, and logs
it: a header that cannot be parsed may be the one with the key.
"""

import asyncio

import structlog
from aiohttp import web

from router.http.door import make_safe
from router.http.responses import REQUEST_ID, docs_error, new_request_id
from router.http.words import INTERNAL_ERROR, INVALID_REQUEST, Word
from router.runtime.metrics import Metrics

KEEP_IDLE_S = 75.0
"""How long a connection without a request is kept. aiohttp would keep it for an hour."""

LINGER_S = 1.0
"""How long the rest of a body that nobody wants is read and thrown away, so that its answer arrives."""

_RULES = {
    "BadHttpMethod": "it does not begin with a method",
    "BadStatusLine": "its first line cannot be read",
    "InvalidURLError": "its path cannot be read",
    "InvalidHeader": "a header cannot be read",
    "LineTooLong": "a line is too long",
    "BadHttpMessage": "a header is wrong, or came twice that stands once, like content-type",
}
"""What was wrong, by the error's name. Its own text is not told: it quotes what was sent."""

log = structlog.get_logger(__name__)


class Protocol(web.RequestHandler):
    """Bodies come as they were sent: nobody packs an order, and a packed one may unpack to gigabytes."""

    def __init__(self, server: web.Server, metrics: Metrics) -> None:
        self._metrics = metrics
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # aiohttp's runner passes None as well
            keepalive_timeout=KEEP_IDLE_S,
            auto_decompress=False,
            lingering_time=LINGER_S,
        )

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The request never reached the application. The connection is closed: what follows is unreadable."""
        request[REQUEST_ID] = new_request_id()
        word = type(exc).__name__
        self._metrics.refusals.of((INTERNAL_ERROR if status >= 500 else INVALID_REQUEST).code).inc()
        if status >= 500:
            log.error("http.internal_error", request=request[REQUEST_ID], exc_info=exc)
            response = docs_error(request, INTERNAL_ERROR, "the router failed; see its log")
        else:
            log.info("http.malformed", request=request[REQUEST_ID], status=status, reason=word)
            rule = _RULES.get(word, word)
            response = docs_error(
                request, Word(status, INVALID_REQUEST.code), f"not a request of HTTP/1.1: {rule}"
            )
        response.headers["x-request-id"] = request[REQUEST_ID]
        make_safe(response)
        response.force_close()
        return response
