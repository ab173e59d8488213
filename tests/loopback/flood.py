"""A flood of orders from a process of its own: so many a second over kept connections, whatever is answered.

    python -m tests.loopback.flood '{"port": 8080, "key": "...", "accounts": ["a"], "outcome": "px-...",
                                     "per_s": 400, "connections": 200, "seconds": 5}'

With `moments` instead of `per_s` and `seconds`, pairs of seconds from the beginning and an account, orders
are sent just then. Prints one JSON list of what each was answered.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
import uvloop

PER_ADDRESS = 100
"""Connections from one address: fewer than a router lets in."""

Json = dict[str, Any]
Moment = tuple[float, str]
"""Seconds from the beginning, and whose order is sent then."""


class Answer(msgspec.Struct, frozen=True):
    """What one order was told."""

    moment: Moment
    """When it was really sent."""
    status: int
    """0 where the connection was lost."""
    word: str
    took_ms: float


def request(asked: Json, account: str) -> bytes:
    """One buy."""
    body = msgspec.json.encode({"predexonId": asked["outcome"], "side": "buy", "amount": "1.00"})
    lines = (
        f"POST /api/accounts/{account}/router/orders HTTP/1.1",
        "Host: localhost",
        f"x-api-key: {asked['key']}",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join((*lines, "", "")).encode() + body


async def answered(reader: asyncio.StreamReader) -> tuple[int, str]:
    """Status and word of the next answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    at = head.lower().index(b"content-length: ") + 16
    body = await reader.readexactly(int(head[at : head.index(b"\r\n", at)]))
    return int(head.split(b" ", 2)[1]), msgspec.json.decode(body).get("errorCode", "")


def moments(asked: Json) -> list[Moment]:
    """When which account sends: as asked, or evenly spread and in turns."""
    if "moments" in asked:
        return [(at_s, account) for at_s, account in asked["moments"]]
    accounts, per_s = asked["accounts"], asked["per_s"]
    return [(turn / per_s, accounts[turn % len(accounts)]) for turn in range(per_s * asked["seconds"])]


async def call(asked: Json, number: int, began: float, due: Sequence[Moment], found: list[Answer]) -> None:
    """One connection: a request each time its turn comes, once the one before is answered."""
    address = f"127.0.2.{1 + number // PER_ADDRESS}"
    reader, writer = await asyncio.open_connection("127.0.0.1", asked["port"], local_addr=(address, 0))
    for at_s, account in due:
        said = request(asked, account)
        await asyncio.sleep(max(0.0, began + at_s - time.monotonic()))
        sent, status, word = time.monotonic(), 0, "lost"
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            writer.write(said)
            status, word = await answered(reader)
        found.append(Answer((sent - began, account), status, word, (time.monotonic() - sent) * 1_000))
        if not status:
            break
    writer.close()


async def flood(asked: Json) -> list[Answer]:
    """All connections."""
    found: list[Answer] = []
    due, many = moments(asked), asked["connections"]
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(many):
            group.create_task(call(asked, number, began, due[number::many], found))
    return found


if __name__ == "__main__":
    print(msgspec.json.encode(uvloop.run(flood(msgspec.json.decode(sys.argv[1])))).decode())
