"""The interface's description as a judge of responses, read by a validator that is not ours."""

import re
from functools import cache
from typing import Any, cast

import jsonschema_rs
import msgspec

from router.http.app import all_routes
from router.http.openapi import describe
from router.runtime.keys import KeyRing
from router.runtime.metrics import Metrics
from router.service import Router

Json = dict[str, Any]
DRAFT = "https://json-schema.org/draft/2020-12/schema"


class Description:
    """The document, and whether a response is one of it. Nothing may come that it does not name."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self.schemas: Json = document["components"]["schemas"]
        self._closed = {
            name: schema | ({"additionalProperties": False} if "properties" in schema else {})
            for name, schema in self.schemas.items()
        }

    def operations(self) -> dict[tuple[str, str], Json]:
        """By method and path."""
        paths: Json = self.document["paths"]
        return {(m.upper(), path): op for path, methods in paths.items() for m, op in methods.items()}

    def faults(
        self, method: str, path: str, *, status: int, headers: dict[str, str], body: bytes
    ) -> list[str]:
        """Why a response is none of those described; empty when it is."""
        operation = next(
            (op for (m, p), op in self.operations().items() if m == method and _matches(p, path)), None
        )
        if operation is None:
            return [f"{method} {path} is not described"]
        response = operation["responses"].get(str(status))
        if response is None:
            return [f"{method} {path}: status {status} is not described: {body[:300]!r}"]
        missing = [name for name in ("x-request-id",) if name not in headers]
        media = headers.get("content-type", "").partition(";")[0]
        content = response.get("content", {})
        if not body and not content:
            return missing
        if media not in content:
            return [*missing, f"{method} {path} {status}: media type {media!r} is not described"]
        if media != "application/json":
            return missing
        return missing + self.misfits(content[media]["schema"], msgspec.json.decode(body))

    def misfits(self, schema: Json, value: object) -> list[str]:
        """What of a value the schema does not allow."""
        whole = {"$schema": DRAFT, **schema, "components": {"schemas": self._closed}}
        return [error.message for error in jsonschema_rs.validator_for(whole).iter_errors(value)]


@cache
def ours() -> Description:
    """The router's own, as it serves it."""
    routes = all_routes(cast("Router", None), KeyRing([], lambda: 0), Metrics())
    document: Json = msgspec.json.decode(msgspec.json.encode(describe(routes)))
    return Description(document)


def _matches(template: str, path: str) -> bool:
    pattern = re.sub(r"\{\w+\}", "[^/]+", template)
    return re.fullmatch(pattern, path.partition("?")[0]) is not None
