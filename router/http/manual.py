"""The interface's description, served: as data for programs, as a page for people."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from aiohttp import web

from router.http.openapi import describe, encode
from router.http.page import page
from router.http.responses import json_response
from router.http.table import JSON, Reply, Route

SURFACE = "This description"
POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The page is text and one style sheet of ours."""
_STYLE = Path(__file__).with_name("style.css").read_bytes()


def routes(others: Sequence[Route]) -> tuple[Route, ...]:
    """The routes that describe the others and themselves; what they say is made once."""
    said: dict[str, bytes] = {"text/css": _STYLE}
    made = (
        _route("/openapi.json", "openapi", "OpenAPI 3.1", _Said(said, JSON)),
        _route("/docs", "docs", "The page you are reading", _Said(said, "text/html")),
        _route("/docs/style.css", "docsStyle", "Its style sheet", _Said(said, "text/css")),
    )
    document = describe([*others, *made])
    said[JSON] = encode(document)
    said["text/html"] = page(document).encode()
    return made


class _Said:
    """Serves one of the documents."""

    def __init__(self, said: Mapping[str, bytes], media: str) -> None:
        self._said, self.media = said, media

    async def serve(self, _: web.Request) -> web.Response:
        if self.media == JSON:
            return json_response(200, self._said[JSON])
        headers = {"Content-Security-Policy": POLICY}
        return web.Response(
            body=self._said[self.media], content_type=self.media, charset="utf-8", headers=headers
        )


def _route(path: str, name: str, title: str, said: _Said) -> Route:
    body = dict if said.media == JSON else None
    return Route(
        method="GET",
        path=path,
        handler=said.serve,
        name=name,
        title=title,
        text="Made from the routes and types of this very process.",
        surface=SURFACE,
        replies=(Reply(status=200, media=said.media, body=body, when="The document."),),
    )
