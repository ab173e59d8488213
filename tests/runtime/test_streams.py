"""An account's own stream in trouble: however it ends, the venue is not dialled without a pause."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from router.core.model import AccountId
from router.runtime.accounts import Account
from router.runtime.desks import Desks
from router.runtime.metrics import Metrics
from router.runtime.sockets import Closed, Ping, Pong
from router.runtime.streams import Shared, Streams
from router.runtime.transport import Transport
from router.runtime.venue_gates import VenueGates
from tests.runtime.acme import AcmeSigner, acme
from tests.virtual_time import VirtualClock, VirtualLoop, run
from venues.base.contract import PrivateEvent
from venues.base.http import Purpose, Request, Silence, Talk, Unavailable
from venues.base.listing import Native

WHILE_S = 600
DIALS_MAX = 30
"""In this time: some quick ones first, in the end one every thirty seconds."""


class Line:
    """A connection on which the venue says one thing."""

    def __init__(self, said: str | Closed) -> None:
        self._said = said

    async def send(self, text: str) -> None:
        """Nobody listens."""

    async def ping(self) -> None:
        """Nobody answers."""

    async def receive(self) -> str | bytes | Ping | Pong | Closed:
        return self._said

    async def close(self) -> None:
        """It goes."""


class Dialled:
    """Instead of the transport: counts the connections that were asked for."""

    def __init__(self, said: str | Closed | None) -> None:
        self.said, self.dials = said, 0

    async def perform(self, _venue: object, talk: Talk[object], **_: object) -> object:
        try:
            next(talk)
        except StopIteration as stop:
            return stop.value
        raise AssertionError("nothing is asked")

    async def dial(self, *_: object, **__: object) -> Line | Silence:
        self.dials += 1
        if self.dials > DIALS_MAX:
            await asyncio.sleep(WHILE_S)
        return Silence("connect: refused", sent=False) if self.said is None else Line(self.said)


class Feed:
    """A venue's own stream of an account, with a bug."""

    def prepare(self, now_ms: int) -> Talk[Unavailable | None]:
        yield from ()
        return None

    def handshake(self) -> Request:
        return Request(method="GET", path="/own", purpose=Purpose.ACCOUNT)

    def opening(self) -> list[PrivateEvent]:
        return []

    def watch(self, natives: Sequence[Native]) -> list[PrivateEvent]:
        return []

    def receive(self, frame: str | bytes, now_ms: int) -> list[PrivateEvent]:
        if frame == "trip":
            raise KeyError("bug")
        raise ValueError("unreadable")

    def tick(self, now_ms: int) -> list[PrivateEvent]:
        return []


@pytest.mark.parametrize("said", [None, Closed("closed 1006"), "garbage", "trip"])
def test_a_stream_that_always_ends_is_dialled_ever_less_often(said: str | Closed | None) -> None:
    loop = VirtualLoop()

    async def live() -> None:
        clock, metrics, dialled = VirtualClock(loop), Metrics(), Dialled(said)
        venue = replace(acme(), private=lambda _signer: Feed())
        desks = Desks({"acme": venue}, metrics, clock)

        class Gates:
            def stream(self, *_: object, up: bool) -> None:
                assert up in (True, False)

        shared = Shared(cast("Transport", dialled), clock, metrics, desks, cast("VenueGates", Gates()))
        streams = Streams(shared)
        alice = Account(account_id=AccountId("alice"), signers={"acme": AcmeSigner()})
        streams.start([alice], [venue])
        await asyncio.sleep(WHILE_S)
        await streams.stop()
        assert 15 < dialled.dials < DIALS_MAX
        labels = {"invariant": "stream_crashed"}
        crashed = metrics.registry.get_sample_value("crossbook_invariant_violations_total", labels) or 0
        assert crashed == (dialled.dials if said == "trip" else 0)

    with capture_logs():  # to print the tracebacks takes seconds
        run(loop, live())
