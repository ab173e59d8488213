"""HTTP/1.1 connections to the venues, each of which knows exactly what it has sent.

An order must never be sent twice, and after a failure it must be certain whether bytes may have left. So
there is one request at a time on a connection, its whole reply or a reason why there is none, and no
repetition in here. The parser is httptools (llhttp).
"""

import asyncio
import ssl
from typing import cast
from urllib.parse import urlsplit

import httptools
import msgspec

from router.runtime import wire
from router.runtime.wire import CONNECT_MS_MAX, HEADER_BYTES_MAX, ReplyTooLargeError, unpack
from venues.base.http import Purpose, Request, Response

KEEP_IDLE_MS = 15_000
"""Idle connections are closed before the usual servers and load balancers (60 s and more) close them."""
IDLE_MAX = 64
"""Idle connections kept per origin: as many as can be in flight for orders and reads together."""

FIELD_BYTES = 4
"""Colon, blank and line end of a header field."""
SHAPES_MAX = 256
"""Sets of header names whose own fields are kept; a venue's requests have a handful."""
_ALWAYS = {"User-Agent": "crossbook", "Accept": "application/json"}
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class Broken(Exception):
    """No whole, readable reply came. `word` is short and stable; `unheard`: not one byte of it came."""

    def __init__(self, word: str, *, unheard: bool = False) -> None:
        super().__init__(word)
        self.word = word
        self.unheard = unheard


class Origin(msgspec.Struct, frozen=True):
    """Where connections go: the part of a base URL in front of its path."""

    tls: bool
    host: str
    port: int


class Line(asyncio.Protocol):
    """One connection: one request at a time, its whole reply."""

    def __init__(self) -> None:
        self.used = False
        """Whether a reply has come over it before."""
        self.idle_since_ms = 0
        self.open = False
        self.lost = asyncio.Event()
        """The connection is over, on the system's side too."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._reply: asyncio.Future[Response] | None = None
        self._begin()

    def _begin(self) -> None:
        self._head_bytes = self._field_bytes = self._body_bytes = 0
        self._headed = self._sized = self._stays = self._whole = False
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    # --- asking ---

    def ask(self, request: bytes) -> "asyncio.Future[Response]":
        """Send it; its reply, or Broken. Cancel the future to give up: the connection is then closed."""
        assert self._reply is None, "one request at a time"
        assert self._transport is not None
        assert self._loop is not None
        self._begin()
        self._reply = self._loop.create_future()
        self._transport.write(request)
        return self._reply

    def close(self) -> None:
        """Let go of the connection; a reply still expected is Broken."""
        self.open = False
        if self._transport is not None:
            self._transport.abort()
        self._fail(Broken("torn: closed"))

    # --- what the loop tells ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready."""
        self._loop, self.open = asyncio.get_running_loop(), True
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes of the reply. Any that nobody asked for make the connection useless."""
        if self._reply is None or self._reply.done():
            self.close()
            return
        if not self._headed:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._give_up(cause if isinstance(cause, Broken) else Broken(f"garbled: {type(error).__name__}"))
            return
        if self._head_bytes > HEADER_BYTES_MAX and not self._headed:
            self._give_up(Broken("garbled: LongHead"))
        elif self._whole:
            self._succeed()

    def eof_received(self) -> None:
        """The other side is done: the end of a reply that did not say how long it is."""
        if self._headed and not self._sized and not self._whole and self._reply is not None:
            self.open = False
            self._succeed()

    def connection_lost(self, exc: Exception | None) -> None:
        """Over."""
        self.open = False
        self.lost.set()
        if exc is not None:
            self._fail(Broken(f"torn: {type(exc).__name__}", unheard=not self._head_bytes))
        elif self._head_bytes:
            self._fail(Broken("garbled: short"))
        else:
            self._fail(Broken("torn: ServerDisconnectedError", unheard=True))

    # --- what the parser tells ---

    def on_message_begin(self) -> None:
        """A reply begins; a second one in the same breath was not asked for."""
        if self._whole:
            self.open = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field. One sent more than once is joined by commas, as HTTP has it."""
        if self._whole:
            return
        self._field_bytes += len(name) + len(value) + FIELD_BYTES
        if self._field_bytes > HEADER_BYTES_MAX:
            raise Broken("garbled: LongHead")
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self._whole:
            return
        self._headed, self._stays = True, self._parser.should_keep_alive()
        self._sized = "content-length" in self._headers or "transfer-encoding" in self._headers

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if self._whole:
            return
        self._body_bytes += len(body)
        if self._body_bytes > wire.REPLY_BYTES_MAX:
            raise Broken("too_large")
        self._body.append(body)

    def on_message_complete(self) -> None:
        """All of it is here, unless it only announces the real one."""
        if not self._whole and self._parser.get_status_code() < 200:
            self._begin()
            return
        self._whole = True

    # --- the outcome ---

    def _succeed(self) -> None:
        self.open = self.open and self._stays
        encoding = self._headers.get("content-encoding", "identity")
        try:
            body = unpack(b"".join(self._body), encoding)
        except ReplyTooLargeError:
            self._give_up(Broken("too_large"))
            return
        except ValueError as error:
            self._give_up(Broken(f"garbled: {type(error).__name__}"))
            return
        reply, self._reply = self._reply, None
        self.used = True
        assert reply is not None
        if not reply.done():
            reply.set_result(Response(self._parser.get_status_code(), body, self._headers))

    def _give_up(self, why: Broken) -> None:
        self._fail(why)
        self.close()

    def _fail(self, why: Broken) -> None:
        reply, self._reply = self._reply, None
        if reply is not None and not reply.done():
            reply.set_exception(why)


class Lines:
    """Idle connections by origin, the freshest first."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self._tls = tls
        self._idle: dict[Origin, list[Line]] = {}
        self._all: set[Line] = set()
        self._closed = False

    def idle(self, origin: Origin, now_ms: int) -> Line | None:
        """A connection that can be used now, without waiting."""
        lines = self._idle.get(origin, [])
        while lines:
            line = lines.pop()
            if line.open and now_ms - line.idle_since_ms < KEEP_IDLE_MS:
                return line
            self.drop(line)
        return None

    async def connect(self, origin: Origin) -> Line:
        """A new connection. Broken when there is none within CONNECT_MS_MAX: then nothing was sent."""
        loop = asyncio.get_running_loop()
        if origin.tls and self._tls is None:
            self._tls = ssl.create_default_context()
        try:
            async with asyncio.timeout(CONNECT_MS_MAX / 1000):
                _, line = await loop.create_connection(
                    Line, origin.host, origin.port, ssl=self._tls if origin.tls else None
                )
        except TimeoutError as error:
            raise Broken("connect: ConnectionTimeoutError") from error
        except (OSError, ValueError) as error:
            raise Broken(f"connect: {type(error).__name__}") from error
        if self._closed:
            line.close()
            raise Broken("connect: closed")
        self._all.add(line)
        return line

    def keep(self, origin: Origin, line: Line, now_ms: int) -> None:
        """Its reply has come: the next request may use it, if it can be used at all."""
        lines = self._idle.setdefault(origin, [])
        if not line.open or len(lines) >= IDLE_MAX or self._closed:
            self.drop(line)
            return
        line.idle_since_ms = now_ms
        lines.append(line)
        if now_ms - lines[0].idle_since_ms >= KEEP_IDLE_MS:
            self.drop(lines.pop(0))

    def drop(self, line: Line) -> None:
        """Close it for good."""
        self._all.discard(line)
        line.close()

    async def close(self) -> None:
        """Close all, those in use as well; returns when they are gone."""
        self._closed = True
        lines = list(self._all)
        for line in lines:
            self.drop(line)
        self._idle.clear()
        await asyncio.gather(*(line.lost.wait() for line in lines))


class Base:
    """A base URL taken apart: where its connections go, and what its requests look like.

    ValueError for one that is not http or https.
    """

    def __init__(self, text: str) -> None:
        parts = urlsplit(text)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"not an http or https URL: {text!r}")
        tls = parts.scheme == "https"
        self.origin = Origin(tls, parts.hostname, parts.port or (443 if tls else 80))
        self._prefix = parts.path
        self._defaults = {"Host": parts.netloc.rpartition("@")[2], **_ALWAYS}
        self._own: dict[tuple[bool, bool, tuple[str, ...]], str] = {}
        """Our own fields, by whether a reply may be packed, whether there is a body, and the names of the
        fields that the request brings."""

    def render(self, request: Request) -> bytes:
        """A request as it goes over the wire. Its parts were checked: nothing in them ends a line."""
        body, headers = request.body, request.headers
        shape = request.purpose is Purpose.DATA, bool(body), tuple(headers)
        own = self._own.get(shape) or self._fields(*shape)
        given = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        length = f"Content-Length: {len(body)}\r\n" if body or request.method in _WITH_BODY else ""
        target = self._prefix + request.target or "/"
        return f"{request.method} {target} HTTP/1.1\r\n{own}{given}{length}\r\n".encode("ascii") + body

    def _fields(self, packed: bool, with_body: bool, names: tuple[str, ...]) -> str:
        """What a request needs besides the fields that it brings itself."""
        fields = {**self._defaults, "Accept-Encoding": "gzip" if packed else "identity"}
        if with_body:
            fields["Content-Type"] = "application/json"
        given = {name.lower() for name in names}
        own = "".join([f"{name}: {value}\r\n" for name, value in fields.items() if name.lower() not in given])
        if len(self._own) < SHAPES_MAX:
            self._own[packed, with_body, names] = own
        return own
