"""The reaper closes what it reaps, on the loop of the tests and on the loop of production."""

import asyncio
from collections.abc import Callable

import pytest
import uvloop

from router.http.reaper import Fleet


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("first", [b"", b"POST / HT"])
def test_a_connection_whose_head_does_not_come_is_closed(
    loop: Callable[[], asyncio.AbstractEventLoop], first: bytes
) -> None:
    reaped: list[int] = []

    async def connect() -> bytes:
        fleet = Fleet(asyncio.Protocol, lambda: reaped.append(1), head_ms=100)
        server = await asyncio.get_running_loop().create_server(fleet, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(first)
        try:
            async with asyncio.timeout(3):
                return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()
            server.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(connect()) == b""
    assert reaped == [1]
