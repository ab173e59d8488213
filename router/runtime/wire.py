"""What we need from the HTTP client beyond its defaults: to know what was sent, and never to send twice."""

import ssl
import zlib
from contextvars import ContextVar

import aiohttp
from aiohttp.client_reqrep import ClientRequest, ClientResponse
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

CONNECT_MS_MAX = 1_000
"""Name look-up, TCP and TLS together. A venue that needs longer is not one to trade on now."""
KEEP_IDLE_S = 15
"""Idle connections are closed before the usual servers and load balancers (60 s and more) close them."""
NAMES_KEPT_S = 30
"""How long an address is believed: venues move behind load balancers."""
STALE_REPLIES_MAX = 8
"""Pooled connections thrown away in a row before giving up. Each costs one look; a venue that fills all of
them with unasked replies is broken."""
HEADER_BYTES_MAX = 16 * 1024
"""Longest status line or header field. Venues stay below 1 KiB; their proxies' cookies do not."""


REPLY_BYTES_MAX = 16 * 1024 * 1024
"""The largest reply read, packed or unpacked. The largest known, a page of market metadata, is a few MiB."""


class ReplyTooLargeError(ValueError):
    """The reply is longer than anything we would believe."""


class Progress:
    """How far one request came. Once `wired`, nothing can prove any more that it did not reach the venue."""

    __slots__ = ("wired",)

    def __init__(self) -> None:
        self.wired = False


progress: ContextVar[Progress] = ContextVar("progress")


class StaleConnections(aiohttp.ClientConnectionError):
    """Every pooled connection held replies nobody asked for."""


class Torn(aiohttp.ClientError):
    """The connection broke after the request may have been sent.

    Not one of the types that the client answers by sending an idempotent request a second time.
    """


class Redirected(aiohttp.ClientError):
    """A WebSocket handshake was answered by a redirect. None is followed: hosts are fixed."""


class Connector(aiohttp.TCPConnector):
    """Marks the moment a request gets a connection, and gives out no connection with unread replies on it.

    The client reuses an idle connection without looking whether the server has meanwhile sent another reply,
    and would then take that for the reply to the next request.
    """

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the overridden signature
    ) -> Connection:
        """See `aiohttp.BaseConnector.connect`."""
        for _ in range(STALE_REPLIES_MAX):
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            if protocol is not None and not protocol.should_close:
                progress.get().wired = True
                return connection
            connection.close()
        raise StaleConnections


async def send_once(request: ClientRequest, handler: aiohttp.ClientHandlerType) -> ClientResponse:
    """Client middleware: a torn connection is an error, never a reason to send again."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise Torn(type(error).__name__) from error


async def stay_here(request: ClientRequest, handler: aiohttp.ClientHandlerType) -> ClientResponse:
    """Client middleware: the client's WebSocket call would follow redirects."""
    response = await handler(request)
    if 300 <= response.status < 400 and "Upgrade" in request.headers:
        response.close()
        raise Redirected
    return response


def new_session(tls: ssl.SSLContext | None) -> aiohttp.ClientSession:
    """A client without cookies, proxies or limits of its own: ours apply."""
    connector = Connector(
        limit=0,
        keepalive_timeout=KEEP_IDLE_S,
        ttl_dns_cache=NAMES_KEPT_S,
        ssl=tls if tls is not None else True,
    )
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


async def read_body(response: aiohttp.ClientResponse) -> bytes:
    """The whole body, unpacked.

    Raises ReplyTooLargeError, ValueError if it is damaged, and what the client raises.
    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > REPLY_BYTES_MAX:
            response.close()
            raise ReplyTooLargeError
        chunks.append(chunk)
    return unpack(b"".join(chunks), response.headers.get("Content-Encoding", "identity"))


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
