"""What the router needs of the network: somebody who holds a conversation with a venue."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from venues.base.contract import Signer, Venue
from venues.base.http import Talk

T = TypeVar("T")
Guard = Callable[[], str | None]
"""Why nothing may be sent any more, in a short stable word, or None. Then nothing of the request leaves."""


class Door(Protocol):
    """`router.runtime.transport.Transport` is the real one; the simulation tests have their own."""

    async def perform(
        self,
        venue: Venue,
        talk: Talk[T],
        *,
        signer: Signer | None = None,
        deadline_ms: int,
        guard: Guard | None = None,
        urgent: bool = False,
    ) -> T:
        """Hold a conversation and return what it learnt. Never raises for what the venue did.

        `guard` is asked about each ORDER request in the last moment before its bytes leave.
        `urgent` is for what must go on while a venue fails: look-ups of orders in doubt, cancels.
        """
        ...
