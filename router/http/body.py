"""The body of a request, in every dialect: how it may come, how large, how late and how deep it may be.

It must not say anything twice: which of two amounts a client meant is not ours to guess.
"""

import asyncio
import json
import re

from aiohttp import web

JSON = "application/json"
BYTES_MAX = 64 * 1024
"""An order is a few hundred bytes."""
MS_MAX = 10_000
"""Longest wait for a body."""
DEPTH_MAX = 8
"""Objects and arrays inside each other; no request of ours needs more than three."""
NAME_MAX = 64
"""Characters of a key that are repeated to whoever sent it."""

_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)
"""Every bracket that counts: those inside strings are skipped with the string."""


class BodyError(Exception):
    """The body is not one we read. The message is for the caller and names field or header and rule."""


class Late(BodyError):
    """The body did not arrive within ten seconds."""


class TooLarge(BodyError):
    """The body is larger than 64 KiB."""


class Torn(BodyError):
    """The body ended early, or is not framed as its headers say."""


class Foreign(BodyError):
    """The body is said to be something other than JSON in UTF-8, or to be packed."""


class Malformed(BodyError):
    """The body is not JSON, too deep, or says something twice."""


async def receive(request: web.Request) -> bytes:
    """The whole body. Raises Late, TooLarge, Torn or Foreign.

    A client that waits for leave to send it (`Expect: 100-continue`) gets it once nothing else is wrong.
    """
    _check_headers(request)
    try:
        if request.content.is_eof():  # it is there: nothing to wait for, so no alarm to set
            return _bounded(request.content.read_nowait())
        if "Expect" in request.headers:
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # of the response, which has not begun
        async with asyncio.timeout(MS_MAX / 1000):
            return await request.read()
    except TimeoutError:
        raise Late("the body did not arrive in time") from None
    except (web.RequestPayloadError, ConnectionError):
        raise Torn("body: it broke off, or is not what its headers say") from None
    except web.HTTPRequestEntityTooLarge:
        raise TooLarge("the body is larger than 64 KiB") from None


def _bounded(body: bytes) -> bytes:
    if len(body) > BYTES_MAX:
        raise TooLarge("the body is larger than 64 KiB")
    return body


def _check_headers(request: web.Request) -> None:
    """What they promise is refused before it is read. They are not quoted: they may hold anything."""
    headers = request.headers
    said = headers.get("Content-Type", JSON)
    if said != JSON and (request.content_type != JSON or (request.charset or "utf-8").lower() != "utf-8"):
        raise Foreign("content-type: must be application/json, in UTF-8")
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Foreign("content-encoding: must be identity; send the body as it is, not packed")
    if (request.content_length or 0) > BYTES_MAX:
        raise TooLarge("the body is larger than 64 KiB")


def text_of(body: bytes) -> str:
    """The body as JSON text without a key that comes twice, at most DEPTH_MAX deep. Or Malformed."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"body: not UTF-8 (byte {error.start})") from error
    if text.count("{") + text.count("[") > DEPTH_MAX and _depth(text) > DEPTH_MAX:
        raise Malformed(f"body: nested too deeply, at most {DEPTH_MAX} levels")
    try:
        _once.decode(text)
    except json.JSONDecodeError as error:
        raise Malformed(f"body: JSON is malformed: {error}") from error
    return text


def _depth(text: str) -> int:
    depth = deepest = 0
    for found in _BRACKETS.findall(text):
        if found in ("{", "["):
            depth += 1
            deepest = max(deepest, depth)
        elif found in ("}", "]"):
            depth -= 1
    return deepest


def _distinct(pairs: list[tuple[str, object]]) -> None:
    """Called by the decoder for each object."""
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            shown = name[:NAME_MAX].encode("ascii", "backslashreplace").decode()
            raise Malformed(f"{shown}: given more than once")
        seen.add(name)


_once = json.JSONDecoder(object_pairs_hook=_distinct, parse_int=str, parse_float=str, strict=False)
