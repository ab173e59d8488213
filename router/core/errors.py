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
├── AccountSuspended       a check failed: an operator must look before the account trades again
├── Stopping               the router is shutting down
│                          controls before trading (router.core.controls); each tells rule, value and limit:
├── RiskLimit              more money than may be in one order, in a minute, or open at once
├── InvalidSize            more shares than one order may be for, or a size its venue does not take
├── PriceCollar            every price on offer is too far from the middle or from the best one
├── TooDeep                no part of the order stays within its share of what is on offer
├── TooFast                more orders a second than are taken
├── NotTradable            the market is closed or about to, of a class not allowed, or its book unusable
├── ConfirmRequired        looks like a slip: asked for again with `confirm` it is taken
└── Halted                 somebody has stopped this trading

What a venue says is a value (venues.base.orders.Answer), never an exception.
What we got wrong is an assertion, and assertions stay on in production.
"""

from typing import ClassVar

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


class AccountSuspended(Refusal):
    """The account's gate is closed: something about its orders was found that must never be."""

    def __init__(self) -> None:
        super().__init__(
            "a check of this account's orders failed: it takes none until the operator has looked"
        )


class Stopping(Refusal):
    """The router takes no new orders because it is shutting down."""


class Controlled(Exception):
    """A control forbids it. Not a Refusal by itself: at send it is a word about one order."""

    word: ClassVar[str]
    """What programs read."""

    def __init__(self, rule: str, value: str, limit: str, *, sentence: str | None = None) -> None:
        super().__init__(sentence or f"{rule}: {value}; the limit is {limit}")
        self.rule, self.value, self.limit = rule, value, limit


class RiskLimit(Controlled, Refusal):
    """More money than may be in one order, in a minute, or open at once."""

    word = "risk_limit"


class InvalidSize(Controlled, Refusal):
    """More shares than one order may be for, or a size or price its venue does not take."""

    word = "invalid_size"


class PriceCollar(Controlled, Refusal):
    """Every price on offer is too far from the middle or from the best one."""

    word = "price_collar"


class TooDeep(Controlled, Refusal):
    """No part of the order stays within its share of what is on offer."""

    word = "depth"


class TooFast(Controlled, Refusal):
    """More orders a second than are taken."""

    word = "rate_limited"


class NotTradable(Controlled, Refusal):
    """The market is closed, about to close, of a class the account may not trade, or its book unusable."""

    word = "market_not_tradable"


class ConfirmRequired(Controlled, Refusal):
    """It looks like a slip: the same order with `confirm` is taken."""

    word = "confirm_required"


class Halted(Controlled, Refusal):
    """Somebody has stopped this trading."""

    word = "halted"
