"""Everything we may refuse, and nothing else. Surfaces put each into their own words and status codes.

Refusal                    the caller can act on it; this request sent nothing to any venue
├── UnknownOutcome         the registry has no such outcome, or no enabled venue lists it
├── NotEnoughFunds         the account's cash on all usable venues is less than the amount
├── NothingAllocated       no usable book, nothing held, or below every venue's minimum
├── RegistryDown           the registry cannot be used at the moment
├── StoreUnavailable       intents cannot be made durable: no orders are taken
├── TooBusy                the account has too many routes waiting
├── InProgress             the same order is under way: by its key, or as its twin
├── KeyReused              the key stands for another order
└── Stopping               the router is shutting down

What a venue says is a value (venues.base.orders.Answer), never an exception.
What we got wrong is an assertion, and assertions stay on in production.
"""

from router.core.model import RouteId


class Refusal(Exception):
    """This request was refused before any order left. The message is for the caller."""


class UnknownOutcome(Refusal):
    """The registry has no such outcome, or no venue enabled for the account lists it."""


class NotEnoughFunds(Refusal):
    """A buy for more than the account holds on all usable venues together."""


class NothingAllocated(Refusal):
    """No part of the order can be placed anywhere."""


class RegistryDown(Refusal):
    """There is no registry to look the outcome up in."""


class StoreUnavailable(Refusal):
    """The store does not accept intents, so nothing may be sent."""


class TooBusy(Refusal):
    """Too many routes of this account are waiting."""


class InProgress(Refusal):
    """The order was taken before and its caller is not answered yet."""

    def __init__(self, message: str, route_id: RouteId | None = None) -> None:
        super().__init__(message)
        self.route_id = route_id
        """Of the order under way, once it is planned."""


class KeyReused(Refusal):
    """The key was given with another order."""


class Stopping(Refusal):
    """The router takes no new orders because it is shutting down."""
