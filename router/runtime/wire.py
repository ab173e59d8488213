"""What both HTTP clients share: the client that opens WebSockets, and bodies as they come over the wire."""

import ssl
import zlib

import aiohttp
from aiohttp.client_reqrep import ClientRequest, ClientResponse

CONNECT_MS_MAX = 1_000
"""Name look-up, TCP and TLS together. A venue that needs longer is not one to trade on now."""
HEADER_BYTES_MAX = 16 * 1024
"""Status line and header fields. Venues stay below 2 KiB; their proxies' cookies do not."""
REPLY_BYTES_MAX = 16 * 1024 * 1024
"""The largest reply read, packed or unpacked. The largest known, a page of market metadata, is a few MiB."""


class ReplyTooLargeError(ValueError):
    """The reply is longer than anything we would believe."""


class Redirected(aiohttp.ClientError):
    """A WebSocket handshake was answered by a redirect. None is followed: hosts are fixed."""


async def stay_here(request: ClientRequest, handler: aiohttp.ClientHandlerType) -> ClientResponse:
    """Client middleware: the client's WebSocket call would follow redirects."""
    response = await handler(request)
    if 300 <= response.status < 400 and "Upgrade" in request.headers:
        response.close()
        raise Redirected
    return response


def new_session(tls: ssl.SSLContext | None) -> aiohttp.ClientSession:
    """For WebSockets: without cookies, proxies or limits of its own; ours apply."""
    connector = aiohttp.TCPConnector(limit=0, ssl=tls if tls is not None else True)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_MS_MAX / 1000),
        middlewares=(stay_here,),
        auto_decompress=False,
        trust_env=False,
        raise_for_status=False,
        max_line_size=HEADER_BYTES_MAX,
        max_field_size=HEADER_BYTES_MAX,
        skip_auto_headers=("Content-Type",),
        headers={"User-Agent": "crossbook", "Accept": "application/json"},
    )


def unpack(body: bytes, encoding: str) -> bytes:
    """Undo the content encoding; ValueError if it is damaged or unknown.

    The client's own decoder takes the first half of a packed body for the whole.
    """
    if encoding.lower() == "identity" or not body:
        return body
    if encoding.lower() not in {"gzip", "x-gzip", "deflate"}:
        raise ValueError("unknown content encoding")
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        whole = decoder.decompress(body, REPLY_BYTES_MAX + 1)
    except zlib.error as error:
        raise ValueError("damaged packed body") from error
    if len(whole) > REPLY_BYTES_MAX:
        raise ReplyTooLargeError
    if not decoder.eof or decoder.unused_data:
        raise ValueError("incomplete packed body")
    return whole
