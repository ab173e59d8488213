"""The interface's description as one HTML page: no script, nothing from elsewhere, no network needed."""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import msgspec

Json = Mapping[str, object]

STYLE = "docs/style.css"
"""Relative, so that the page also works below a proxy's prefix."""
_CODE = re.compile(r"`([^`]+)`")


def page(document: Json) -> str:
    """The whole page."""
    info = _at(document, "info")
    operations = list(_operations(document))
    shared = _shared([operation for _, _, operation in operations])
    return "".join([
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{_text(info['title'])} API</title><link rel='stylesheet' href='{STYLE}'></head><body>",
        f"<nav><h1>{_text(info['title'])}</h1><p class='faint'>API, version {_text(info['version'])}</p>",
        *(_entry(method, operation) for method, _, operation in operations),
        "<h2>Types</h2>",
        *(f"<a href='#{_text(name)}'>{_text(name)}</a>" for name in _at(document, "components", "schemas")),
        "</nav><main>",
        f"<p class='lead'>{_prose(str(info['description']))}</p>",
        "<p>The same as data: <a href='openapi.json'>openapi.json</a> (OpenAPI 3.1).</p>",
        *(_section(method, path, operation, shared) for method, path, operation in operations),
        "<h2>On any route</h2>",
        _replies(shared),
        "<h2>Where there is no route</h2>",
        _replies(_at(document, "components", "responses")),
        "<h2>Types</h2>",
        *(_kind(name, schema) for name, schema in _each(_at(document, "components", "schemas"))),
        "</main></body></html>",
    ])  # fmt: skip


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Method, path and operation. HEAD goes without saying."""
    for path, methods in _each(_at(document, "paths")):
        for method, operation in _each(methods):
            if method != "head":
                yield method, path, operation


def _entry(method: str, operation: Json) -> str:
    """A line of the list on the left."""
    name = _text(operation["operationId"])
    return f"<a href='#{name}'><b class='{method}'>{method.upper()}</b> {_text(operation['summary'])}</a>"


def _shared(operations: Sequence[Json]) -> Json:
    """The responses that most operations have in common: said once."""
    seen = [(status, r) for op in operations for status, r in _each(_at(op, "responses"))]
    return {
        status: r for status, r in sorted(seen, key=_status) if seen.count((status, r)) * 2 > len(operations)
    }


def _status(entry: tuple[str, Json]) -> str:
    return entry[0]


def _section(method: str, path: str, operation: Json, shared: Json) -> str:
    """One operation."""
    own = {status: r for status, r in _each(_at(operation, "responses")) if shared.get(status) != r}
    scope = operation.get("x-scope")
    key = f"Needs a key with the scope <code>{_text(scope)}</code>." if scope else "Needs no key."
    asked = _at(operation, "requestBody", "content", "application/json") if "requestBody" in operation else {}
    return "".join([
        f"<section id='{_text(operation['operationId'])}'><h2>{_text(operation['summary'])}</h2>",
        f"<p class='path'><b class='{method}'>{method.upper()}</b> <code>{_text(path)}</code></p>",
        f"<p>{_prose(str(operation['description']))} {key}</p>",
        "<h3>Request</h3>",
        _parameters(cast("list[Json]", operation["parameters"])),
        f"<p>Body: {_type(_at(asked, 'schema'))}</p>" if asked else "",
        _curl(method, path, asked, keyed=bool(scope)),
        "<h3>Responses</h3>",
        _replies(own),
        "</section>",
    ])  # fmt: skip


def _parameters(parameters: list[Json]) -> str:
    rows = [
        f"<tr><td><code>{_text(p['name'])}</code></td><td>{_text(p['in'])}"
        f"{', required' if p['required'] else ''}</td><td>{_prose(str(p['description']))}</td></tr>"
        for p in parameters
    ]
    return f"<table>{''.join(rows)}</table>"


def _curl(method: str, path: str, asked: Json, *, keyed: bool) -> str:
    """An example to copy, where one can be given."""
    if "example" not in asked and method != "get":
        return ""
    shell = re.sub(r"\{(\w+)\}", lambda found: "$" + re.sub("([A-Z])", r"_\1", found[1]).upper(), path)
    verb = "" if method in ("get", "post") else f" -X {method.upper()}"
    words = [f'curl -s{verb} "$BASE_URL{shell}"']
    if keyed:
        words.append('-H "x-api-key: $API_KEY"')
    if "example" in asked:
        words[-1] += ' -H "content-type: application/json"'
        words.append(f"-d '{msgspec.json.encode(asked['example']).decode()}'")
    lines = " \\\n  ".join(words)
    return f"<pre>{_text(lines)}</pre>"


def _replies(responses: Json) -> str:
    """Status, when, and what comes."""
    return f"<table>{''.join(_reply(status, response) for status, response in _each(responses))}</table>"


def _reply(status: str, response: Json) -> str:
    lines = [_prose(line.removeprefix("- ")) for line in str(response["description"]).split("\n")]
    told = lines[0] if len(lines) == 1 else f"<ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>"
    content = _at(response, "content")
    types = [
        f"{_type(_at(entry, 'schema'))}" if "json" in media else _text(media)
        for media, entry in _each(content)
    ]
    return f"<tr><td><b>{_text(status)}</b></td><td>{told}</td><td>{' '.join(types)}</td></tr>"


def _kind(name: str, schema: Json) -> str:
    """One type with its fields."""
    required = cast("list[str]", schema.get("required", []))
    rows = [
        f"<tr><td><code>{_text(field)}</code></td>"
        f"<td>{_type(kind)}{'' if field in required else ', optional'}</td>"
        f"<td>{_prose(str(kind.get('description', '')))}</td></tr>"
        for field, kind in _each(_at(schema, "properties"))
    ]
    told = f"<h3>{_text(name)}</h3><p>{_prose(str(schema.get('description', '')))}</p>"
    return f"<section id='{_text(name)}'>{told}<table>{''.join(rows)}</table></section>"


def _type(schema: Json) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return f"<a href='#{_text(name)}'>{_text(name)}</a>"
    if "anyOf" in schema:
        kinds = [_type(kind) for kind in cast("list[Json]", schema["anyOf"])]
        return " or ".join(dict.fromkeys(kinds))
    if "const" in schema or "enum" in schema:
        values = cast("list[object]", schema.get("enum", [schema.get("const")]))
        return ", ".join(f"<code>{_text(msgspec.json.encode(value).decode())}</code>" for value in values)
    if schema.get("type") == "array":
        return f"list of {_type(_at(schema, 'items'))}"
    return _text(schema.get("type", "anything"))


def _prose(text: str) -> str:
    """Markdown's backticks; nothing else of it is used."""
    return _CODE.sub(r"<code>\1</code>", _text(text))


def _text(value: object) -> str:
    return html.escape(str(value))


def _at(tree: Json, *keys: str) -> Json:
    """What lies there, or an empty object."""
    for key in keys:
        tree = cast("Json", tree.get(key, {}))
    return tree


def _each(tree: Json) -> Iterator[tuple[str, Json]]:
    for key, value in tree.items():
        yield key, cast("Json", value)
