"""What a Python client's script knows of its simulator: addresses, credentials, and the ledger.

Copied beside the script into the client's own environment, so it needs the standard library only;
`scene.mjs` is the same for npm. The facts come as one JSON line of `crossbook sim` on standard input. What a
script has to say goes out as marked JSON lines to `conformance.trial`. A script that raises has failed.
"""

import asyncio
import ipaddress
import json
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

MARK = "@conformance "
"""Begins each line for the runner: a client may print lines of its own."""
SOON_S = 20
"""Longest wait for something that the venue does later: a settlement, a frame."""
LOOK_S = 0.25
"""Slower than any venue's rate limit."""


def say(**line: object) -> None:
    """One line for the runner; the mark tells it from what a client prints."""
    print(MARK + json.dumps(line), flush=True)


def same(what: str, said: object, true: object) -> None:
    """What the client said is what is true. Numbers are compared as decimals."""
    if isinstance(true, Decimal) and not isinstance(said, Decimal):
        said = Decimal(str(said))
    if said != true:
        raise AssertionError(f"{what}: the client says {said!r}, in truth it is {true!r}")


def soon(what: str, look: Callable[[], Any]) -> Any:
    """The first thing true that `look` returns, within `SOON_S`."""
    until = time.monotonic() + SOON_S
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(LOOK_S)
    raise AssertionError(f"{what}: not within {SOON_S} s")


async def later(what: str, look: Callable[[], Awaitable[Any]]) -> Any:
    """The same for a script with an event loop."""
    until = time.monotonic() + SOON_S
    while time.monotonic() < until:
        if found := await look():
            return found
        await asyncio.sleep(LOOK_S)
    raise AssertionError(f"{what}: not within {SOON_S} s")


class Scene:
    """One simulated venue with an account of 10,000 dollars."""

    def __init__(self) -> None:
        facts = json.loads(sys.stdin.readline())
        self.rest: str = facts["rest"]
        self.ws: str = facts["ws"]
        self.rpc: str = facts["rpc"] or ""
        self.hosts: dict[str, str] = facts["hosts"]
        self.credentials: dict[str, str] = facts["credentials"]
        self.listings: list[str] = [listing["native"] for listing in facts["listings"]]
        self._control: str = facts["control"]
        sys.addaudithook(_stay_here)

    def told(self, seam: str) -> None:
        """How the client was told the simulator's address without a change to its code."""
        say(told=seam)

    def did(self, duty: str, call: str, saw: object) -> None:
        """A duty of `conformance.judgement.DUTIES` is done: by which calls, and what came of it."""
        say(duty=duty, call=call, saw=str(saw))

    def lacks(self, duty: str, why: str) -> None:
        """The client cannot do this at all."""
        say(duty=duty, lacks=why)

    def set_book(self, listing: str, bids: list[list[str]], asks: list[list[str]]) -> None:
        """Exactly these levels from now on: nobody else moves this book."""
        self._call("PUT", f"books/{listing}", {"bids": bids, "asks": asks})

    def order(self, **where: object) -> dict[str, Any]:
        """The one order of the ledger with these values; numbers of it as decimals."""
        rows = [row for row in self.ledger()["orders"] if where.items() <= row.items()]
        if len(rows) != 1:
            raise AssertionError(f"{len(rows)} orders in the ledger with {where}, not one")
        numbers = {key: Decimal(rows[0][key]) for key in ("price", "size", "filled", "value", "fees")}
        return {**rows[0], **numbers}

    def kept(self, order_id: str) -> Decimal:
        """Shares of an order's fills that were kept as fee."""
        fills = [fill for fill in self.ledger()["fills"] if fill["order_id"] == order_id]
        return sum((Decimal(fill["fee_shares"]) for fill in fills), Decimal())

    def cash(self) -> Decimal:
        """Money of the account, what rests included."""
        return Decimal(self.ledger()["accounts"][0]["balance"])

    def shares(self, listing: str) -> Decimal:
        """Position of the account."""
        return Decimal(self.ledger()["accounts"][0]["positions"].get(listing, "0"))

    def ledger(self) -> dict[str, Any]:
        """The simulator's books: the truth."""
        books: dict[str, Any] = self._call("GET", "ledger")
        return books

    def _call(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._control}/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=SOON_S) as reply:
            return json.load(reply)


def plain(value: Decimal) -> str:
    """Decimal text without an exponent or zeros at its end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _stay_here(event: str, arguments: tuple[Any, ...]) -> None:
    """Real money lives elsewhere: what a client opens stays on this machine, or the runner hears of it."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if isinstance(host, bytes):
        host = host.decode()
    if not _is_here(host or "localhost"):
        say(reached=host)
        raise ConnectionRefusedError(f"a conformance script stays on this machine: {host}")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
