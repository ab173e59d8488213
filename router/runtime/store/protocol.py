"""What a store promises. One test suite holds every implementation to it.

StoreFault        the store cannot do what was asked
├── StoreDown     it failed or is closed: take no orders; it recovers by itself when it can
│   └── StoreLost another process owns it now: this one never writes again
├── StoreDamaged  something stored cannot be read back: a person must look before trading goes on
├── StoreTaken    another process owns it
├── SchemaTooNew  it was written by a newer version of the program
└── RecordRefused the record contradicts what is stored: a bug of the caller
"""

from typing import Protocol

from router.core.model import AccountId, Key, RouteId
from router.core.records import Keyed, Record, StoredRoute
from router.core.trail import Change, Trail
from venues.base.units import Size

ROUTES_MAX = 500
"""Most routes one `routes` call reads: a page for a person, not an export."""


class StoreFault(Exception):
    """The store cannot do what was asked."""


class StoreDown(StoreFault):
    """The record may or may not have become durable. Nothing may be sent on the strength of it.

    The caller stops taking orders and answers 503. `Store.failing` is None again once a write went through.
    """


class StoreLost(StoreDown):
    """Another process has taken the store over. What was asked was not written, and nothing ever will be."""


class StoreDamaged(StoreFault):
    """Something stored cannot be read back."""


class StoreTaken(StoreFault):
    """Another process owns the store."""


class SchemaTooNew(StoreFault):
    """The store was written by a newer version of the program, which this one must not touch."""


class RecordRefused(StoreFault):
    """A second intent for one route or one key, an answer to a route that has no intent, or a reply to one
    that has no key.
    """


class Store(Protocol):
    """Durable intent, answers and results of all accounts."""

    @property
    def failing(self) -> str | None:
        """Why the store cannot write now, or None. While it fails no order may be taken."""
        ...

    @property
    def owned(self) -> bool:
        """Whether nobody else can own the store at this moment. Cheap: asked just before bytes leave."""
        ...

    async def open(self) -> None:
        """Take ownership and bring the schema up to date. Raises StoreTaken, SchemaTooNew or StoreDown."""
        ...

    async def close(self) -> None:
        """Finish what was accepted, then let go. Later calls raise StoreDown."""
        ...

    async def append(self, *records: Record) -> None:
        """Return once these would survive a power cut: all of them or none, in the order of the calls.

        Raises StoreDown or RecordRefused. A caller who is cancelled cannot know whether it was written.
        Of several replies to one route the first counts. A key that has expired is free for a new intent.
        """
        ...

    async def unfinished(self) -> list[StoredRoute]:
        """Every route without a `Finished`, oldest first. Raises StoreDown or StoreDamaged."""
        ...

    async def route(self, account_id: AccountId, route_id: RouteId) -> StoredRoute | None:
        """One route of this account; None if it has no such route. Raises as `unfinished`."""
        ...

    async def keyed(self, account_id: AccountId, key: Key) -> Keyed | None:
        """What this account's key stands for, expired or not; None if nothing. Raises as `unfinished`."""
        ...

    async def routes(self, account_id: AccountId, limit: int, *, since_ms: int = 0) -> list[StoredRoute]:
        """This account's latest routes planned at `since_ms` or later, newest first, at most ROUTES_MAX.

        Raises as `unfinished`.
        """
        ...

    async def sizes(self, account_id: AccountId, since_ms: int, limit: int) -> list[tuple[int, Size]]:
        """When each of the account's latest routes was planned and for how many shares, oldest first.

        Since `since_ms`, at most ROUTES_MAX. Raises as `unfinished`.
        """
        ...

    async def note(self, change: Change) -> None:
        """Put a change on the trail, bound to the one before; return once it would survive a power cut.

        Raises StoreDown.
        """
        ...

    async def trail(self) -> Trail:
        """All changes, oldest first, and whether they are what was written. Raises StoreDown."""
        ...
