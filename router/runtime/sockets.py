"""The thin seam in front of the WebSocket client, so that it can be exchanged for a faster one."""

from collections.abc import Mapping
from typing import Protocol

import aiohttp
import msgspec
from aiohttp import ClientWSTimeout, WSMsgType
from yarl import URL

GOODBYE_S = 1.0
"""How long to wait for the other side's close frame. Market data has nothing left to say."""


class Ping(msgspec.Struct, frozen=True):
    """The other side asked whether we live; it has been answered."""


class Pong(msgspec.Struct, frozen=True):
    """The other side answered our ping."""


class Closed(msgspec.Struct, frozen=True):
    """The connection is over."""

    reason: str


PING = Ping()
PONG = Pong()


class SocketLost(Exception):
    """Sending failed: the connection is over."""


class Socket(Protocol):
    """One open WebSocket connection. One task receives; sending is allowed from others."""

    async def send(self, text: str) -> None:
        """One text frame. Raises SocketLost."""
        ...

    async def ping(self) -> None:
        """One ping frame. Raises SocketLost."""
        ...

    async def receive(self) -> str | bytes | Ping | Pong | Closed:
        """The next frame: text as str, binary as bytes. After Closed, always Closed. Never raises."""
        ...

    async def close(self) -> None:
        """Say goodbye and let go. Never raises."""
        ...


class AiohttpSocket:
    """A `Socket` over aiohttp's client."""

    def __init__(self, socket: "aiohttp.ClientWebSocketResponse[bool]") -> None:
        self._socket = socket

    async def send(self, text: str) -> None:
        """See `Socket`."""
        try:
            await self._socket.send_str(text)
        except (aiohttp.ClientError, OSError) as error:
            raise SocketLost(type(error).__name__) from error

    async def ping(self) -> None:
        """See `Socket`."""
        try:
            await self._socket.ping()
        except (aiohttp.ClientError, OSError) as error:
            raise SocketLost(type(error).__name__) from error

    async def receive(self) -> str | bytes | Ping | Pong | Closed:
        """See `Socket`."""
        message = await self._socket.receive()
        kind, data = message.type, message.data
        if kind is WSMsgType.TEXT or kind is WSMsgType.BINARY:
            assert isinstance(data, str | bytes)
            return data
        if kind is WSMsgType.PING:
            return await self._answer(data)
        if kind is WSMsgType.PONG:
            return PONG
        if kind is WSMsgType.ERROR:
            return Closed(f"{type(data).__name__} {self._socket.close_code}")
        return Closed(f"closed {self._socket.close_code}")

    async def _answer(self, data: object) -> Ping | Closed:
        assert isinstance(data, bytes | bytearray)
        try:
            await self._socket.pong(bytes(data))
        except (aiohttp.ClientError, OSError) as error:
            return Closed(type(error).__name__)
        return PING

    async def close(self) -> None:
        """See `Socket`."""
        await self._socket.close()


async def dial(
    session: aiohttp.ClientSession, url: URL, *, headers: Mapping[str, str], frame_bytes_max: int
) -> Socket:
    """Connect. No compression is offered. Raises what the client raises; `Transport.dial` sorts it out."""
    socket = await session.ws_connect(
        url,
        headers=headers,
        autoping=False,
        compress=0,
        max_msg_size=frame_bytes_max,
        timeout=ClientWSTimeout(ws_close=GOODBYE_S),
    )
    return AiohttpSocket(socket)
