"""The aiohttp application: request ids, deadlines, limits, errors. Each surface has its own words."""

import asyncio
import resource
import ssl
from collections.abc import Sequence
from functools import partial

import structlog
from aiohttp import web

from router.http import body, health, manual
from router.http.acceptor import Acceptor
from router.http.door import Door, Guard, make_safe
from router.http.native import halts, limits
from router.http.predexon import routes as predexon
from router.http.protocol import Protocol
from router.http.reaper import Fleet, Limits
from router.http.responses import REQUEST_ID, docs_error, request_id
from router.http.table import PARTS, Route, Table
from router.http.tls import Certificate
from router.http.words import (
    ENDPOINT_NOT_FOUND,
    EXPECTATION_FAILED,
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

CONTINUE = "100-continue"
NO_PATH = "there is no such path here; GET /openapi.json has them all"

log = structlog.get_logger(__name__)


def make_app(router: Router, keys: KeyRing, metrics: Metrics, *, door: Door | None = None) -> "App":
    """Every route of the router on one application. Without `door` only local names are let in."""
    return App(all_routes(router, keys, metrics), metrics, Guard(door or Door()))


def all_routes(router: Router, keys: KeyRing, metrics: Metrics) -> list[Route]:
    """Every surface's, and those that describe them all."""
    routes = [
        *predexon.routes(router, keys, metrics),
        *halts.routes(router, keys, metrics),
        *limits.routes(router, keys, metrics),
        *health.routes(router, metrics),
    ]
    return [*routes, *manual.routes(routes)]


class App:
    """Answers every request: finds its route, and speaks where none does."""

    def __init__(self, routes: Sequence[Route], metrics: Metrics, guard: Guard) -> None:
        self.routes = routes
        self.fleet: Fleet | None = None
        """The connections that requests come on, where there are any."""
        self._table, self._metrics, self._guard = Table(routes), metrics, guard

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Every response carries the caller's x-request-id, or one of ours; a bug answers 500 and is logged.

        While a handler has the request its connection is not reaped.
        """
        given = request[REQUEST_ID] = request_id(request.headers.get("x-request-id"))
        logs.bind(request=given)  # aiohttp handles each request in a task of its own
        reaper = self.fleet.of(request.transport) if self.fleet else None
        if reaper:
            reaper.handling()
        try:
            response = await self._routed(request)
        except web.HTTPException as refused:
            word = PAYLOAD_TOO_LARGE if refused.status == PAYLOAD_TOO_LARGE.status else INVALID_REQUEST
            response = self._error(request, Word(refused.status, word.code), refused.reason)
        except Exception:
            log.exception("http.internal_error", path=request.path)
            response = self._error(request, INTERNAL_ERROR, "the router failed; see its log")
        finally:
            if reaper:
                reaper.handled()
        make_safe(response)
        response.headers["x-request-id"] = given
        return response

    async def _routed(self, request: web.BaseRequest) -> web.StreamResponse:
        turned = self._guard.why_not(request)
        if turned is not None:
            log.info("http.turned_away", path=request.path, code=turned.word.code)
            response = self._error(request, turned.word, turned.message)
            response.force_close()
            return response
        handlers, request[PARTS] = self._table.find(request.rel_url.path_safe)
        if not handlers:
            return self._error(request, ENDPOINT_NOT_FOUND, NO_PATH)
        handler = handlers.get(request.method)
        if handler is None:
            allowed = ",".join(sorted(handlers))
            response = self._error(request, METHOD_NOT_ALLOWED, f"this path takes {allowed}")
            response.headers["Allow"] = allowed
            return response
        if request.headers.get("Expect", CONTINUE).lower() != CONTINUE:  # which the body's reader meets
            return self._error(request, EXPECTATION_FAILED, f"expect: only {CONTINUE} can be met")
        return await handler(request)

    def _error(self, request: web.BaseRequest, word: Word, message: str) -> web.Response:
        self._metrics.refusals.of(word.code).inc()
        return docs_error(request, word, message)


class Listener:
    """The application on a socket."""

    def __init__(
        self,
        app: App,
        metrics: Metrics,
        *,
        limits: Limits | None = None,
        certificate: Certificate | None = None,
    ) -> None:
        """With a certificate it speaks TLS and nothing else."""
        self._app, self._metrics, self._certificate = app, metrics, certificate
        self._server: web.Server | None = None
        app.fleet = self._fleet = Fleet(self._connection, metrics, limits)
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
        made = partial(web.BaseRequest, loop=asyncio.get_running_loop(), client_max_size=body.BYTES_MAX)
        self._server = web.Server(self._app.answer, request_factory=made)
        self.port = await self._acceptor.start(host, port)

    async def stop(self) -> None:
        """Take no more connections, let open requests finish, close."""
        self._acceptor.close()
        if self._server is not None:
            await asyncio.sleep(0)  # what has arrived is begun
            self._server.pre_shutdown()
            await self._server.shutdown(SHUTDOWN_MS_MAX / 1000)

    def renew(self) -> None:
        """Read the certificate anew; connections from now on see it. ConfigError leaves the old in force."""
        if self._certificate:
            self._certificate.load()
            assert self._certificate.expires is not None, "it was loaded"
            self._metrics.certificate_expires.set(self._certificate.expires.timestamp())

    def _tls(self) -> ssl.SSLContext | None:
        return self._certificate.context if self._certificate else None

    def _connection(self) -> asyncio.Protocol:
        assert self._server is not None, "it is made before anything listens"
        return Protocol(self._server, self._metrics)
