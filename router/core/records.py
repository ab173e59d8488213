"""What is written durably, as values. The store keeps them in order; recovery needs nothing else."""

from collections.abc import Sequence

import msgspec

from router.core.model import AccountId, Considered, Key, LeftOut, MarketOrder, RouteId
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
    key: Key | None = None
    """Stands for this route from now on, where the caller gave one."""
    cut: int | None = None
    """Millionths of the amount or size that were planned at most, where less than asked: its share of what
    was on offer."""
    left_out: tuple[LeftOut, ...] = ()
    """Venues that could not be used at all when it was planned."""


class Extended(msgspec.Struct, frozen=True, kw_only=True, tag="extended"):
    """More orders of a route whose earlier ones have their last words. Durable before any of them leaves."""

    route_id: RouteId
    orders: tuple[Order, ...]
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


class Replied(msgspec.Struct, frozen=True, kw_only=True, tag="replied"):
    """What the caller of a route with a key is told, now and whenever the key comes again."""

    route_id: RouteId
    status: int
    body: str
    at_ms: int


class Released(msgspec.Struct, frozen=True, kw_only=True, tag="released"):
    """Nothing of the route was ever sent: its key is free for another."""

    route_id: RouteId
    at_ms: int


Record = Planned | Extended | Answered | Finished | Replied | Released


class StoredRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A route as read back: its intent and what was learnt since, oldest first."""

    planned: Planned
    """The intent, with the orders of every extension; when finished, those that left."""
    answers: tuple[Answer, ...]
    finished: bool


class Keyed(msgspec.Struct, frozen=True, kw_only=True):
    """What a key stands for, as read back."""

    route: StoredRoute
    reply: Replied | None


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


def encode(record: Record) -> bytes:
    """A record as JSON."""
    return _encoder.encode(record)


def decode(text: bytes) -> Record:
    """A record from JSON; ValueError if it is none."""
    return _decoder.decode(text)


def assemble(records: Sequence[Record]) -> StoredRoute:
    """A route from its records, oldest first. ValueError if they do not begin with its intent.

    An order of a finished route that has no answer never left: the store failed while its round was written.
    """
    if not records or not isinstance(records[0], Planned):
        raise ValueError("does not begin with its intent")
    answers = tuple(record.answer for record in records if isinstance(record, Answered))
    finished = any(isinstance(record, Finished) for record in records)
    orders = {order.order_id: order for order in records[0].orders}
    for record in records:
        if isinstance(record, Extended):
            orders |= {order.order_id: order for order in record.orders}
    if finished:
        answered = {answer.order_id for answer in answers}
        orders = {order_id: order for order_id, order in orders.items() if order_id in answered}
    return StoredRoute(
        planned=msgspec.structs.replace(records[0], orders=tuple(orders.values())),
        answers=answers,
        finished=finished,
    )
