"""The aiohttp application: request ids, deadlines, limits, errors. Each surface has its own words."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from structlog.contextvars import bind_contextvars

from router.http import body, health
from router.http.predexon import routes as predexon
from router.http.protocol import Protocol
from router.http.reaper import Fleet
from router.http.responses import METRICS, REQUEST_ID, docs_error, request_id
from router.runtime.keys import KeyRing
from router.runtime.metrics import Metrics
from router.service import Router

SHUTDOWN_MS_MAX = 10_000
"""How long open requests may go on after the router was asked to stop."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
log = structlog.get_logger(__name__)


def make_app(router: Router, keys: KeyRing, metrics: Metrics) -> web.Application:
    """Every route of the router on one application."""
    app = web.Application(client_max_size=body.BYTES_MAX, middlewares=[_attend])
    app[METRICS] = metrics
    predexon.add(app, router, keys, metrics)
    health.add(app, router, metrics)
    app.on_response_prepare.append(_stamp)
    return app


async def _stamp(request: web.Request, response: web.StreamResponse) -> None:
    """Also what is answered around the middlewares carries an id: a refused `Expect`."""
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
    bind_contextvars(request=given)  # aiohttp handles each request in a task of its own
    fleet = request.app.get(FLEET)
    reaper = fleet.of(request.transport) if fleet else None
    if reaper:
        reaper.handling()
    try:
        response = await handler(request)
    except web.HTTPException as refused:
        response = _refused(request, refused)
    except Exception:
        log.exception("http.internal_error", path=request.path)
        request.app[METRICS].refusals.of("internal_error").inc()
        response = docs_error(request, 500, "internal_error", "the router failed; see its log")
    finally:
        if reaper:
            reaper.handled()
    response.headers["x-request-id"] = given
    return response


FLEET: web.AppKey[Fleet] = web.AppKey("fleet", Fleet)


def _refused(request: web.Request, refused: web.HTTPException) -> web.Response:
    codes = {404: "endpoint_not_found", 405: "method_not_allowed", 413: "payload_too_large"}
    code = codes.get(refused.status, "invalid_request")
    request.app[METRICS].refusals.of(code).inc()
    response = docs_error(request, refused.status, code, refused.reason)
    if "Allow" in refused.headers:
        response.headers["Allow"] = refused.headers["Allow"]
    return response


class Listener:
    """The application on a socket."""

    def __init__(self, app: web.Application, metrics: Metrics, *, head_ms: int | None = None) -> None:
        self._app, self._metrics, self._head_ms = app, metrics, head_ms
        self._runner = web.AppRunner(app, shutdown_timeout=SHUTDOWN_MS_MAX / 1000)
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; `port` 0 takes a free one. OSError when the address is taken."""
        limits = {} if self._head_ms is None else {"head_ms": self._head_ms}
        fleet = Fleet(self._connection, self._metrics.connections_reaped.inc, **limits)
        self._app[FLEET] = fleet
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(fleet, host, port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Take no more connections, let open requests finish, close."""
        if self._server:
            self._server.close()
        await self._runner.cleanup()
        if self._server:
            await self._server.wait_closed()

    def _connection(self) -> asyncio.Protocol:
        server = self._runner.server
        assert server is not None, "the runner is set up before it listens"
        return Protocol(server, self._metrics)
