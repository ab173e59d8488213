"""The table of routes finds what aiohttp's own dispatcher finds in the same routes."""

from typing import cast

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import example, given
from hypothesis import strategies as st

from router.http.app import make_app
from router.http.table import Table
from router.runtime.keys import KeyRing
from router.runtime.metrics import Metrics
from router.service import Router

ROUTES = make_app(cast("Router", None), KeyRing([], lambda: 0), Metrics()).routes
TABLE = Table(ROUTES)
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")

theirs = web.UrlDispatcher()
for route in ROUTES:
    if route.method == "GET":
        theirs.add_get(route.path, route.handler)
    else:
        theirs.add_route(route.method, route.path, route.handler)

pieces = st.sampled_from(
    [
        *("/api/accounts/", "/router/orders", "/native/limits/", "/native/halts", "/docs", "/style.css"),
        *(
            "/health",
            "acct-1",
            "%2F",
            "%2f",
            "%25",
            "%2D",
            "%",
            "{account_id}",
            "//",
            "/",
            "?a=/",
            "é",
            "\n",
            "",
        ),
    ]
)
paths = st.lists(pieces, max_size=5).map("".join).map(lambda path: f"/{path.lstrip('/')}")
accounts = st.lists(pieces, max_size=2).map("".join)
orders = accounts.map(lambda account: f"/api/accounts/{account}/router/orders")


@given(method=st.sampled_from(METHODS), path=st.one_of(paths, orders))
@example(method="POST", path="/api/accounts/a%2Fb/router/orders")
@example(method="POST", path="/api/accounts/a%252Fb%25/router/orders")
@example(method="POST", path="/api/accounts/a%2Db/router/orders")
def test_what_is_found_is_what_aiohttp_would_find(method: str, path: str) -> None:
    request = make_mocked_request(method, path)
    found = theirs.resolve(request)
    try:
        found.send(None)
    except StopIteration as done:
        match = done.value
    handlers, parts = TABLE.find(request.rel_url.path_safe)
    error = match.http_exception
    if error is None:
        assert (handlers[method], parts) == (match.handler, dict(match))
    elif error.status == 405:
        assert handlers.keys() == cast("web.HTTPMethodNotAllowed", error).allowed_methods
        assert method not in handlers
    else:
        assert (error.status, handlers) == (404, {})


def test_a_method_of_a_path_is_served_once() -> None:
    with pytest.raises(AssertionError, match="GET /health is there already"):
        Table([*ROUTES, *(route for route in ROUTES if route.path == "/health")])
