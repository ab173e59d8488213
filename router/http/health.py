"""For operators: is it alive, can it trade, what are its figures."""

import asyncio
from typing import Literal

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from router.http.responses import json_response
from router.http.table import Reply, Route
from router.runtime.metrics import Metrics
from router.service import Router

SURFACE = "Operators"
FIGURES_S_MAX = 0.25
"""So old may figures be: making their text keeps the loop for some 15 ms, and whoever asks needs no key."""

_encoder = msgspec.json.Encoder()


class Alive(msgspec.Struct, frozen=True):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(msgspec.Struct, frozen=True):
    """Why the router is not ready; empty when it is."""

    ready: bool
    waiting_for: list[str]


class Health:
    """The handlers."""

    def __init__(self, router: Router, metrics: Metrics) -> None:
        self._router, self._metrics = router, metrics
        self._figures, self._made_s = b"", 0.0
        """The text last made, and when by the loop's time."""

    async def health(self, _: web.Request) -> web.Response:
        """The process answers."""
        return json_response(200, _encoder.encode(Alive()))

    async def ready(self, _: web.Request) -> web.Response:
        """200 when orders are taken and every tradable listing's book is seeded, else 503 and why not."""
        waiting = self._router.waiting_for()
        return json_response(503 if waiting else 200, _encoder.encode(Readiness(not waiting, waiting)))

    async def metrics(self, _: web.Request) -> web.Response:
        """Prometheus text."""
        now_s = asyncio.get_running_loop().time()
        if not self._figures or now_s - self._made_s > FIGURES_S_MAX:
            self._figures, self._made_s = generate_latest(self._metrics.registry), now_s
        return web.Response(body=self._figures, headers={"Content-Type": CONTENT_TYPE_LATEST})


def routes(router: Router, metrics: Metrics) -> tuple[Route, ...]:
    """What operators and their machines ask for. No key is needed."""
    health = Health(router, metrics)
    return (
        Route(
            method="GET",
            path="/health",
            handler=health.health,
            name="health",
            title="Is the process alive",
            text="For whoever restarts it. Says nothing of venues or store.",
            surface=SURFACE,
            replies=(Reply(status=200, body=Alive, when="The process answers."),),
        ),
        Route(
            method="GET",
            path="/ready",
            handler=health.ready,
            name="ready",
            title="Are orders taken",
            text="For load balancers, and for whoever wants to know what is missing. A halt does not count.",
            surface=SURFACE,
            replies=(
                Reply(
                    status=200,
                    body=Readiness,
                    when="Orders are taken and every tradable listing's book has come.",
                ),
                Reply(status=503, body=Readiness, when="Not yet, or not any more: `waiting_for` says why."),
            ),
        ),
        Route(
            method="GET",
            path="/metrics",
            handler=health.metrics,
            name="metrics",
            title="Figures for Prometheus",
            text="Text in Prometheus' exposition format; every name begins with `crossbook_`. Made anew four "
            "times a second at most.",
            surface=SURFACE,
            replies=(Reply(status=200, media="text/plain", when="The figures."),),
        ),
    )
