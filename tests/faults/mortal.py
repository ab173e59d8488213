"""A real router that kills itself at a named point: `crossbook serve` with its seams watched.

Nothing of this is in the product. What is watched: the store's connection, the transport, the listener's
connections. Death is SIGKILL, so that nothing of the process runs any more, not in any thread.
"""

import asyncio
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from contextvars import ContextVar
from pathlib import Path
from typing import Any, cast

import msgspec
import uvloop

import router.assembly
import router.cli.serve
import router.http.app
from router.assembly import Instance
from router.http.protocol import Protocol
from router.runtime.aside import Aside
from router.runtime.clock import SystemClock
from router.runtime.http1 import Line
from router.runtime.logs import Redactor
from router.runtime.store.sqlite_file import connect_writer
from router.runtime.transport import Transport
from venues.base.contract import Venue
from venues.base.http import Purpose, Reply, Request, Response

POINTS = {
    "C1": "before the intent is written",
    "C2": "inside it: not committed, or committed and torn",
    "C3": "after it, nothing sent",
    "C4": "half of an order's bytes sent",
    "C5": "an order sent, no reply read",
    "C6": "the reply read, not recorded",
    "C7": "inside its record: not committed, or committed and torn",
    "C8": "one leg recorded, the other's reply still to come",
    "C9": "all legs recorded, no result",
    "C10": "the result recorded, no reply",
    "C11": "half of the reply's bytes sent",
    "C12": "while what an earlier death cut off is taken up",
    "C13": "during a checkpoint or a vacuum of the database",
    "C14": "during an orderly shutdown",
}
TORN = frozenset({("C2", "sell"), ("C7", "sell")})
"""Where the end of the journal is cut off after the death, as when the power fails during the write."""
HELD_S = 0.5
"""How long the other leg's reply is kept back, so that one leg is recorded and the other is not."""


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """One process: what it runs, and where it dies. Without a point it lives until it is killed."""

    number: int
    config: str
    log: str
    offset_ms: int = 0
    """How far its clock is ahead, as the simulated venues' are."""
    point: str = ""
    venue: str = ""
    """Whose order it is about."""
    side: str = ""


def die() -> None:
    """At once."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def tell(number: int, **facts: object) -> None:
    """A line to whoever started this process."""
    os.write(1, msgspec.json.encode({"number": number, **facts}) + b"\n")


class Watched:
    """A connection to the database that says what it executes, before and after."""

    def __init__(self, connection: sqlite3.Connection, doom: "Doom") -> None:
        self._connection, self._doom = connection, doom

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        what = self._doom.named(sql, parameters)
        self._doom.happens("before", what)
        cursor = self._connection.execute(sql, parameters)
        self._doom.happens("after", what)
        if sql == "COMMIT":
            self._doom.committed(self._connection)
        return cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class Doom:
    """Where this life ends."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.variant = life.side == "sell"
        """Points that can be reached in two ways are reached in one of them on each side."""
        self.recorded: set[str] = set()
        """Kinds of records that are durable."""
        self._written: set[str] = set()
        self._ours: set[str] = set()
        """Ids of the orders at the venue that it is about."""
        ends = {
            "C1": ("before", "route"),
            "C2": ("committed" if self.variant else "after", "planned"),
            "C3": ("committed", "planned"),
            "C7": ("committed" if self.variant else "after", "answered"),
            "C8": ("committed", "answered"),
            "C9": ("before", "replied"),
            "C10": ("committed", "replied"),
            "C12": ("before", "answered") if self.variant else None,
        }
        self._end = ends.get(life.point)

    # --- the store ---

    def named(self, sql: str, parameters: Sequence[Any]) -> str:
        """What a statement writes."""
        if sql.startswith("INSERT INTO routes"):
            return "route"
        if sql.startswith("UPDATE keys SET reply"):
            return "replied"
        if not sql.startswith("INSERT INTO records"):
            return ""
        record = msgspec.json.decode(parameters[3])
        if record["type"] in ("planned", "extended"):
            orders = record["orders"]
            self._ours |= {o["order_id"] for o in orders if o["listing"]["venue"] == self.life.venue}
        if record["type"] == "answered":
            if self.life.point == "C12":
                return "answered"
            return "answered" if record["answer"]["order_id"] in self._ours else "answered elsewhere"
        return str(record["type"])

    def happens(self, when: str, what: str) -> None:
        """A statement is about to be executed, or was."""
        if what and when == "after":
            self._written.add(what)
        if (when, what) == self._end:
            die()

    def committed(self, connection: sqlite3.Connection) -> None:
        """What was written is durable."""
        for what in self._written:
            self.recorded.add(what)
            self.happens("committed", what)
        if self.life.point == "C13" and "answered" in self._written:
            threading.Timer(0.002 if self.variant else 0.0005, die).start()
            while True:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                connection.execute("VACUUM")
        self._written.clear()

    def connect(self, path: Path) -> sqlite3.Connection:
        """The store's own connection, watched."""
        return cast("sqlite3.Connection", Watched(connect_writer(path), self))

    # --- the transport ---

    def watch(self, transport: Transport) -> None:
        """See requests of each venue and purpose as they leave."""
        exchange, reply = transport._exchange, transport._reply
        asked: ContextVar[tuple[str, Purpose]] = ContextVar("asked")

        async def watched_exchange(venue: Venue, request: Request, *rest: Any) -> Reply:
            asked.set((venue.name, request.purpose))
            return await exchange(venue, request, *rest)

        async def watched_reply(line: Line, data: bytes, *rest: Any) -> Response:
            venue, purpose = asked.get()
            if purpose is Purpose.ORDER and venue == self.life.venue:
                self._leaving(line, data)
            got = await reply(line, data, *rest)
            await self._read(venue, purpose)
            return got

        vars(transport).update(_exchange=watched_exchange, _reply=watched_reply)

    def _leaving(self, line: Line, data: bytes) -> None:
        assert line._transport is not None
        wire = line._transport.get_extra_info("socket").fileno()
        match self.life.point:
            case "C4":
                os.write(wire, data[: len(data) // 2])
                die()
            case "C5":
                os.write(wire, data)
                time.sleep(
                    0 if self.variant else 0.05
                )  # at once, or when the venue has certainly dealt with it
                die()
            case "C14":
                os.kill(os.getpid(), signal.SIGTERM)
                if not self.variant:
                    asyncio.get_running_loop().call_later(HELD_S / 2, die)
            case _:
                pass

    async def _read(self, venue: str, purpose: Purpose) -> None:
        if self.life.point == "C12" and not self.variant and purpose is Purpose.ACCOUNT:
            die()
        if purpose is Purpose.ORDER:
            if self.life.point == "C6" and venue == self.life.venue:
                die()
            if self.life.point in ("C8", "C13") and venue != self.life.venue:
                await asyncio.sleep(HELD_S)
            if self.life.point == "C14":
                await asyncio.sleep(HELD_S)


class HalfSaid:
    """A caller's connection on which the reply to an order is broken off in the middle."""

    def __init__(self, transport: asyncio.Transport, doom: Doom) -> None:
        self._transport, self._doom = transport, doom

    def write(self, data: bytes) -> None:
        if "replied" in self._doom.recorded:
            os.write(self._transport.get_extra_info("socket").fileno(), data[: len(data) // 2])
            die()
        self._transport.write(data)

    def writelines(self, pieces: Sequence[bytes]) -> None:
        self.write(b"".join(pieces))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def doomed(life: Life) -> type[Instance]:
    """The product's instance, watched."""
    doom = Doom(life)

    class DoomedInstance(Instance):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.store._connect = doom.connect
            doom.watch(self.market.transport)
            if life.point == "C14" and doom.variant:
                self.store.close = dying  # type: ignore[method-assign]  # watched

        async def _listen(self) -> None:
            await super()._listen()
            tell(life.number, port=self.listener.port)

    async def dying() -> None:
        die()

    class DoomedProtocol(Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            whole = cast("asyncio.Transport", transport)
            super().connection_made(cast("asyncio.BaseTransport", HalfSaid(whole, doom)))

    if life.point == "C11":
        vars(router.http.app)["Protocol"] = DoomedProtocol
    return DoomedInstance


def clock_of(life: Life) -> Callable[[], SystemClock]:
    """A clock that is ahead."""

    class AheadClock(SystemClock):
        def now_ms(self) -> int:
            return super().now_ms() + life.offset_ms

    return AheadClock


def live(life: Life) -> None:
    """Be a router until something ends it."""
    vars(router.assembly)["SystemClock"] = clock_of(life)
    vars(router.cli.serve)["Instance"] = doomed(life)
    with Path(life.log).open("a") as errors, closing(Aside(errors.fileno())) as aside:
        uvloop.run(router.cli.serve.serve(Path(life.config), Redactor(), aside))
