"""The interface described in OpenAPI 3.1, from the types that the handlers decode and encode."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec

from router.http.responses import DocsError
from router.http.table import JSON, Parameter, Reply, Route, Schema
from router.http.words import ANYWHERE, NOWHERE, Word
from router.runtime.metrics import build_version

REF = "#/components/schemas/{name}"
INTRODUCTION = """\
Prices, sizes and amounts are decimal strings, never floats. Every response carries `x-request-id`: yours,
when it was 1 to 128 printable ASCII characters, else a new one. The API key goes into the header `x-api-key`.
Every error has its machine code in `errorCode`."""
KINDS_MAX = 256
"""Types whose references are remembered: more than there are; most routes may answer with the same few."""
REQUEST_ID = Parameter(
    name="x-request-id",
    place="header",
    text="Comes back in the response and stands in every log line of the request.",
)
_PLACEHOLDER = re.compile(r"\{(\w+)\}")

Json = dict[str, object]


def describe(routes: Sequence[Route]) -> Json:
    """The document, as what JSON is made of."""
    kinds = [
        DocsError,
        *(kind for route in routes for kind in (route.body, *(r.body for r in route.replies)) if kind),
    ]
    _, components = msgspec.json.schema_components(kinds, ref_template=REF)
    for schema in components.values():
        _tidy(schema)
    paths: dict[str, Json] = {}
    for route in routes:
        methods = ("get", "head") if route.method == "GET" else (route.method.lower(),)
        for method in methods:
            paths.setdefault(path_of(route), {})[method] = _operation(route, method)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Crossbook", "version": build_version(), "description": INTRODUCTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(route.surface for route in routes)],
        "paths": paths,
        "components": {
            "schemas": _portable(dict(sorted(components.items()))),
            "responses": {word.code: _response([_said(word, when)], head=False) for word, when in NOWHERE},
            "securitySchemes": {"apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
        },
    }


def path_of(route: Route) -> str:
    """The path as clients know it: {accountId}."""
    return _PLACEHOLDER.sub(lambda match: f"{{{camel(match[1])}}}", route.path)


def camel(name: str) -> str:
    """account_id as accountId."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def all_replies(route: Route) -> list[Reply]:
    """Its own, and those that any route may give."""
    common = [_said(word, when) for word, when in ANYWHERE]
    return sorted([*route.replies, *common], key=lambda reply: reply.status)


def _said(word: Word, when: str) -> Reply:
    """By the front door, in its own envelope."""
    return Reply(status=word.status, code=word.code, body=DocsError, when=when)


def _operation(route: Route, method: str) -> Json:
    operation: Json = {
        "operationId": route.name if method != "head" else f"{route.name}Head",
        "summary": route.title,
        "description": route.text,
        "tags": [route.surface],
        "parameters": [_parameter(parameter) for parameter in all_parameters(route)],
        "responses": _responses(all_replies(route), head=method == "head"),
    }
    if route.scope is not None:
        operation["security"] = [{"apiKey": []}]
        operation["x-scope"] = route.scope.value
    if route.body is not None:
        content: Json = {"schema": _schema(route.body)}
        if route.example is not None:
            content["example"] = dict(route.example)
        operation["requestBody"] = {"required": True, "content": {JSON: content}}
    return operation


def all_parameters(route: Route) -> list[Parameter]:
    """Its own, those of its path, and the request's id."""
    said = {parameter.name for parameter in route.parameters}
    path = [
        Parameter(name=camel(name), place="path", text="", required=True)
        for name in _PLACEHOLDER.findall(route.path)
        if camel(name) not in said
    ]
    return [*path, *route.parameters, REQUEST_ID]


def _parameter(parameter: Parameter) -> Json:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "description": parameter.text,
        "schema": dict(parameter.schema),
    }


def _responses(replies: Iterable[Reply], *, head: bool) -> Json:
    by_status: dict[int, list[Reply]] = {}
    for reply in replies:
        by_status.setdefault(reply.status, []).append(reply)
    return {str(status): _response(group, head=head) for status, group in by_status.items()}


def _response(replies: Sequence[Reply], *, head: bool) -> Json:
    """All that one status may mean."""
    lines = [f"`{reply.code}`: {reply.when}" if reply.code else reply.when for reply in replies]
    headers: dict[str, Json] = {"x-request-id": {"schema": {"type": "string"}}}
    for name in (name for reply in replies for name in reply.headers):
        headers[name] = {"schema": {"type": "string"}}
    response: Json = {
        "description": lines[0] if len(lines) == 1 else "\n".join(f"- {line}" for line in lines),
        "headers": headers,
    }
    if not head:
        response["content"] = {
            media: {"schema": _any_of([reply for reply in replies if reply.media == media])}
            for media in dict.fromkeys(reply.media for reply in replies)
        }
    return response


def _any_of(replies: Sequence[Reply]) -> Schema:
    """The bodies, each type once with all the codes it may carry."""
    codes: dict[str, list[str]] = {}
    schemas: dict[str, Json] = {}
    for reply in replies:
        schema: Schema = _schema(reply.body) if reply.body is not None else {"type": "string"}
        at = msgspec.json.encode(schema, order="sorted").decode() + ("!" if reply.code else "")
        schemas.setdefault(at, dict(schema))
        if reply.code and reply.code not in codes.setdefault(at, []):
            codes[at].append(reply.code)
    for at, found in codes.items():
        schemas[at] |= {"properties": {"errorCode": {"enum": sorted(found)}}, "required": ["errorCode"]}
    made = list(schemas.values())
    return made[0] if len(made) == 1 else {"anyOf": made}


@lru_cache(KINDS_MAX)
def _schema(kind: object) -> Schema:
    """A reference to a type's schema."""
    [schema], _ = msgspec.json.schema_components([kind], ref_template=REF)
    return schema


def _portable(schema: object) -> object:
    """Patterns as JSON Schema has them (ECMA-262): what Python writes as the end of a text is `$` there."""
    if isinstance(schema, dict):
        return {
            key: value.replace(r"\Z", "$")
            if key == "pattern" and isinstance(value, str)
            else _portable(value)
            for key, value in schema.items()
        }
    return [_portable(each) for each in schema] if isinstance(schema, list) else schema


def _tidy(schema: Json) -> None:
    """Docstrings without their indentation; nothing that says nothing."""
    if "description" in schema:
        schema["description"] = re.sub(r"\s*\n\s*", " ", str(schema["description"]))
    if schema.get("required") == []:
        del schema["required"]


def encode(document: Mapping[str, object]) -> bytes:
    """As it is served."""
    return msgspec.json.encode(document)
