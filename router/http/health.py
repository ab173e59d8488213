"""For operators: is it alive, can it trade, what are its figures."""

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from router.http.responses import json_response
from router.runtime.metrics import Metrics
from router.service import Router

_encoder = msgspec.json.Encoder()


class Readiness(msgspec.Struct, frozen=True):
    """Why the router is not ready; empty when it is."""

    ready: bool
    waiting_for: list[str]


class Health:
    """The handlers."""

    def __init__(self, router: Router, metrics: Metrics) -> None:
        self._router, self._metrics = router, metrics

    async def health(self, _: web.Request) -> web.Response:
        """The process answers."""
        return json_response(200, b'{"status":"ok"}')

    async def ready(self, _: web.Request) -> web.Response:
        """200 when orders are taken and every tradable listing's book is seeded, else 503 and why not."""
        waiting = self._router.waiting_for()
        return json_response(503 if waiting else 200, _encoder.encode(Readiness(not waiting, waiting)))

    async def metrics(self, _: web.Request) -> web.Response:
        """Prometheus text."""
        return web.Response(
            body=generate_latest(self._metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )


def add(app: web.Application, router: Router, metrics: Metrics) -> None:
    """Put the routes on the application."""
    health = Health(router, metrics)
    app.router.add_get("/health", health.health)
    app.router.add_get("/ready", health.ready)
    app.router.add_get("/metrics", health.metrics)
