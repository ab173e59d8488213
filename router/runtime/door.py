"""What the router needs of the network: somebody who holds a conversation with a venue."""

from typing import Protocol, TypeVar

from venues.base.contract import Signer, Venue
from venues.base.http import Talk

T = TypeVar("T")


class Door(Protocol):
    """`router.runtime.transport.Transport` is the real one; the simulation tests have their own."""

    async def perform(
        self, venue: Venue, talk: Talk[T], *, signer: Signer | None = None, deadline_ms: int
    ) -> T:
        """Hold a conversation and return what it learnt. Never raises for what the venue did."""
        ...
