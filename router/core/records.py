"""What is written durably, as values. The store keeps them in order; recovery needs nothing else."""

import msgspec

from router.core.model import AccountId, Considered, MarketOrder, RouteId
from venues.base.orders import Answer, Order


class Planned(msgspec.Struct, frozen=True, kw_only=True, tag="planned"):
    """The intent: everything needed to send, look up and report. Durable before any order leaves."""

    route_id: RouteId
    account_id: AccountId
    request_id: str
    asked: MarketOrder
    orders: tuple[Order, ...]
    considered: tuple[Considered, ...]
    at_ms: int


class Answered(msgspec.Struct, frozen=True, kw_only=True, tag="answered"):
    """What a venue said about one order. A final answer is its last word; others only add knowledge."""

    route_id: RouteId
    answer: Answer
    at_ms: int


class Finished(msgspec.Struct, frozen=True, kw_only=True, tag="finished"):
    """Every order of the route has its last word."""

    route_id: RouteId
    at_ms: int


Record = Planned | Answered | Finished


class StoredRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A route as read back: its intent and what was learnt since, oldest first."""

    planned: Planned
    answers: tuple[Answer, ...]
    finished: bool


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Planned | Answered | Finished)


def encode(record: Record) -> bytes:
    """A record as JSON."""
    return _encoder.encode(record)


def decode(text: bytes) -> Record:
    """A record from JSON; ValueError if it is none."""
    return _decoder.decode(text)
