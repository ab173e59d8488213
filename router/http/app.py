"""The aiohttp application: request ids, deadlines, limits, errors. Each surface has its own words."""

import asyncio
import resource
import ssl
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from router.http import body, health, manual
from router.http.acceptor import Acceptor
from router.http.door import Door, Guard, Turned, make_safe
from router.http.native import halts, limits
from router.http.predexon import routes as predexon
from router.http.protocol import Protocol
from router.http.reaper import Fleet, Limits
from router.http.responses import METRICS, REQUEST_ID, docs_error, request_id
from router.http.table import Route, mount
from router.http.tls import Certificate
from router.http.words import (
    ENDPOINT_NOT_FOUND,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_ALLOWED,
    PAYLOAD_TOO_LARGE,
    Word,
)
from router.runtime import logs
from router.runtime.keys import KeyRing
from router.runtime.metrics import Metrics
from router.service import Router

SHUTDOWN_MS_MAX = 2_000
"""How long open requests may go on after the router has stopped: every order's caller has his answer then."""

SPARE_FILES = 256
"""Open files for all but clients: connections to venues, the store, logs."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
log = structlog.get_logger(__name__)


def make_app(router: Router, keys: KeyRing, metrics: Metrics, *, door: Door | None = None) -> web.Application:
    """Every route of the router on one application. Without `door` only local names are let in."""
    app = web.Application(client_max_size=body.BYTES_MAX, middlewares=[_attend])
    app[METRICS] = metrics
    app[GUARD] = Guard(door or Door())
    mount(app, all_routes(router, keys, metrics))
    app.on_response_prepare.append(_stamp)
    return app


def all_routes(router: Router, keys: KeyRing, metrics: Metrics) -> list[Route]:
    """Every surface's, and those that describe them all."""
    routes = [
        *predexon.routes(router, keys, metrics),
        *halts.routes(router, keys),
        *limits.routes(router, keys),
        *health.routes(router, metrics),
    ]
    return [*routes, *manual.routes(routes)]


async def _stamp(request: web.Request, response: web.StreamResponse) -> None:
    """Also what is answered around the middlewares carries id and headers: a refused `Expect`."""
    make_safe(response)
    if "x-request-id" not in response.headers:
        response.headers["x-request-id"] = request.get(REQUEST_ID) or request_id(
            request.headers.get("x-request-id")
        )


@web.middleware
async def _attend(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every response carries the caller's x-request-id, or one of ours; a bug answers 500 and is logged.

    While a handler has the request its connection is not reaped.
    """
    given = request[REQUEST_ID] = request_id(request.headers.get("x-request-id"))
    logs.bind(request=given)  # aiohttp handles each request in a task of its own
    fleet = request.app.get(FLEET)
    reaper = fleet.of(request.transport) if fleet else None
    if reaper:
        reaper.handling()
    try:
        turned = request.app[GUARD].why_not(request)
        if turned is None:
            response = await handler(request)
        else:
            response = _turned(request, turned)
    except web.HTTPException as refused:
        response = _refused(request, refused)
    except Exception:
        log.exception("http.internal_error", path=request.path)
        request.app[METRICS].refusals.of(INTERNAL_ERROR.code).inc()
        response = docs_error(request, INTERNAL_ERROR, "the router failed; see its log")
    finally:
        if reaper:
            reaper.handled()
    response.headers["x-request-id"] = given
    return response


FLEET: web.AppKey[Fleet] = web.AppKey("fleet", Fleet)
GUARD: web.AppKey[Guard] = web.AppKey("guard", Guard)


def _turned(request: web.Request, turned: Turned) -> web.Response:
    log.info("http.turned_away", path=request.path, code=turned.word.code)
    request.app[METRICS].refusals.of(turned.word.code).inc()
    response = docs_error(request, turned.word, turned.message)
    response.force_close()
    return response


_HINTS = {ENDPOINT_NOT_FOUND.code: "there is no such path here; GET /openapi.json has them all"}


def _refused(request: web.Request, refused: web.HTTPException) -> web.Response:
    known = {word.status: word for word in (ENDPOINT_NOT_FOUND, METHOD_NOT_ALLOWED, PAYLOAD_TOO_LARGE)}
    word = known.get(refused.status, Word(refused.status, INVALID_REQUEST.code))
    request.app[METRICS].refusals.of(word.code).inc()
    allowed = refused.headers.get("Allow")
    message = _HINTS.get(word.code, refused.reason) if allowed is None else f"this path takes {allowed}"
    response = docs_error(request, word, message)
    if allowed is not None:
        response.headers["Allow"] = allowed
    return response


class Listener:
    """The application on a socket."""

    def __init__(
        self,
        app: web.Application,
        metrics: Metrics,
        *,
        limits: Limits | None = None,
        certificate: Certificate | None = None,
    ) -> None:
        """With a certificate it speaks TLS and nothing else."""
        self._metrics, self._certificate = metrics, certificate
        self._runner = web.AppRunner(app, shutdown_timeout=SHUTDOWN_MS_MAX / 1000)
        app[FLEET] = self._fleet = Fleet(self._connection, metrics, limits)
        self._acceptor = Acceptor(self._fleet, self._tls)
        self.port = 0

    @property
    def scheme(self) -> str:
        """How its addresses begin."""
        return "https" if self._certificate else "http"

    async def start(self, host: str, port: int) -> None:
        """Listen; `port` 0 takes a free one. OSError when the address is taken, ConfigError for the files."""
        self.renew()
        files, needed = (
            resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            self._fleet.limits.connections + SPARE_FILES,
        )
        if files < needed:
            log.warning("http.few_files", allowed=files, needed=needed)
        await self._runner.setup()
        self.port = await self._acceptor.start(host, port)

    async def stop(self) -> None:
        """Take no more connections, let open requests finish, close."""
        self._acceptor.close()
        await self._runner.cleanup()

    def renew(self) -> None:
        """Read the certificate anew; connections from now on see it. ConfigError leaves the old in force."""
        if self._certificate:
            self._certificate.load()
            assert self._certificate.expires is not None, "it was loaded"
            self._metrics.certificate_expires.set(self._certificate.expires.timestamp())

    def _tls(self) -> ssl.SSLContext | None:
        return self._certificate.context if self._certificate else None

    def _connection(self) -> asyncio.Protocol:
        server = self._runner.server
        assert server is not None, "the runner is set up before it listens"
        return Protocol(server, self._metrics)
