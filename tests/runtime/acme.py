"""Acme: a made-up venue for the tests of the runtime. Its protocol exists nowhere else."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

import msgspec

from venues.base.contract import Feed, Limits, Signer, Traits, Venue
from venues.base.events import Ask as Fetch
from venues.base.events import BookSide, FeedEvent, Halted, Level, Lost, Refused, Say, Snapshot, Top, Update
from venues.base.http import Purpose, Request, Response
from venues.base.listing import Native
from venues.base.units import Price, Size, micros

SIDES = {"bid": BookSide.BID, "ask": BookSide.ASK}


def levels(rows: list[list[str]]) -> list[Level]:
    return [(Price(micros(price)), Size(micros(size))) for price, size in rows]


class AcmeFeed:
    """Messages per book are numbered from 1; a gap loses the book until the next `book`."""

    def __init__(self) -> None:
        self.seq: dict[str, int] = {}

    def handshake(self) -> Request:
        return Request(method="GET", path="/feed", purpose=Purpose.DATA, host="socket")

    def subscribe(self, natives: Sequence[Native]) -> list[FeedEvent]:
        return [Say(json.dumps({"type": "subscribe", "natives": list(natives)}))]

    def unsubscribe(self, natives: Sequence[Native]) -> list[FeedEvent]:
        return [Say(json.dumps({"type": "unsubscribe", "natives": list(natives)}))]

    def resync(self, native: Native, now_ms: int) -> list[FeedEvent]:
        return [Say(json.dumps({"type": "resync", "native": native}))]

    def receive(self, frame: str | bytes, now_ms: int) -> list[FeedEvent]:
        said = json.loads(frame)
        native = Native(said.get("native", ""))
        match said["type"]:
            case "book":
                self.seq[native] = said["seq"]
                return [Snapshot(native, levels(said["bids"]), levels(said["asks"]))]
            case "set":
                return self._set(native, said)
            case "top":
                return [Top(native, Price(micros(said["bid"])), Price(micros(said["ask"])), exact=True)]
            case "halted":
                return [Halted(native, "paused")]
            case "refused":
                return [Refused(said["reason"], fatal=said["fatal"])]
            case "look":
                path = f"/book/{native}"
                return [Fetch(native, Request(method="GET", path=path, purpose=Purpose.DATA))]
            case other:
                raise ValueError(f"unknown type {other!r}")

    def _set(self, native: Native, said: dict[str, str]) -> list[FeedEvent]:
        expected, was = self.seq.get(native, 0) + 1, int(said["seq"])
        if was != expected:
            self.seq.pop(native, None)
            return [Lost(native, f"gap: expected {expected}, was {was}"), *self.resync(native, 0)]
        self.seq[native] = was
        touch = (SIDES[said["side"]], Price(micros(said["price"])), micros(said["size"]))
        return [Update(native, [touch])]

    def fetched(self, native: Native, response: Response, now_ms: int) -> list[FeedEvent]:
        if response.status != 200:
            raise ValueError(f"http {response.status}")
        return self.receive(response.body, now_ms)

    def tick(self, now_ms: int) -> list[FeedEvent]:
        return [Say(json.dumps({"type": "beat"}))]


class AcmeSigner:
    """Signs with the name of the time. `failing` refuses to."""

    def __init__(self, *, failing: bool = False, on_sign: Callable[[], None] = lambda: None) -> None:
        self.failing = failing
        self.on_sign = on_sign

    def sign(self, request: Request, now_ms: int) -> Request:
        self.on_sign()
        if self.failing:
            raise ValueError("the key secret-canary is no key")
        return msgspec.structs.replace(request, headers={**request.headers, "x-signed": str(now_ms)})


class Absent:
    """The parts of a venue that these tests never use."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError(f"the runtime needs no {name}")


def no_signer(_: Mapping[str, str]) -> Signer:
    raise AssertionError


def acme(
    rest: str = "http://127.0.0.1:1",
    socket: str = "ws://127.0.0.1:1",
    *,
    feed: Callable[[], Feed] = AcmeFeed,
    slow_signature: bool = False,
    listings_per_connection: int = 3,
    silent_ms_max: int = 20_000,
    frame_bytes_max: int = 10_000,
) -> Venue:
    """The card of Acme, at these addresses."""
    absent = Absent()
    return Venue(
        name="acme",
        title="Acme",
        collateral="USD",
        hosts={"rest": rest, "socket": socket},
        secrets=(),
        traits=Traits(slow_signature=slow_signature),
        limits=Limits(
            listings_per_connection=listings_per_connection,
            silent_ms_max=silent_ms_max,
            frame_bytes_max=frame_bytes_max,
        ),
        feed=feed,
        listings=absent,
        orders=absent,
        fees=absent,
        signer=no_signer,
        simulator=absent,  # type: ignore[arg-type]  # never called here
    )
