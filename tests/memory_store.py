"""A store without a disk, for worlds in which the disk's failures are chosen."""

from collections.abc import Awaitable, Callable

from router.core.idempotency import expired
from router.core.model import AccountId, Key, RouteId
from router.core.records import (
    Keyed,
    Planned,
    Record,
    Released,
    Replied,
    StoredRoute,
    assemble,
    decode,
    encode,
)
from router.core.trail import GENESIS, Change, Trail, check, link
from router.core.trail import encode as encode_change
from router.runtime.store.protocol import RecordRefused, StoreDown, StoreLost
from venues.base.units import Size


class MemoryStore:
    """A disk that keeps what was appended, as bytes, over any number of routers; one of them owns it."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.changes: list[tuple[int, bytes, bytes]] = []
        self._routes: dict[RouteId, list[bytes]] = {}
        self._keys: dict[tuple[AccountId, Key], RouteId] = {}
        self._replies: dict[RouteId, Replied] = {}
        self.failing: str | None = None
        self.owned, self._lost = True, False
        """Whether nobody else owns the disk; a test may let the lease run out."""
        self.noting: Callable[[], Awaitable[str]] = self._noted
        """How long the disk takes for a change, and what goes wrong with it: see `misdeed`."""
        self.misdeed: Callable[[Record], str] = lambda _record: ""
        """What goes wrong with a record: "", "down" (not written) or "unsure" (written, but it seems not)."""

    def take_over(self) -> "MemoryStore":
        """The same disk for its next owner; the one before has lost it."""
        heir = MemoryStore()
        heir.lines, heir._routes = self.lines, self._routes
        heir._keys, heir._replies = self._keys, self._replies
        heir.misdeed = self.misdeed
        self._lost, self.owned = True, False
        self.failing = "another process owns the store now"
        return heir

    async def open(self) -> None:
        """See `Store`."""

    async def close(self) -> None:
        """See `Store`."""

    async def append(self, *records: Record) -> None:
        """See `Store`."""
        if self._lost:
            raise StoreLost(self.failing)
        misdeeds = {self.misdeed(record) for record in records}
        if "down" in misdeeds:
            raise StoreDown("the disk is full")
        self._check(records[0])
        for record in records:
            self._write(record)
        if "unsure" in misdeeds:
            raise StoreDown("the disk does not answer")

    def _check(self, first: Record) -> None:
        """What is appended together belongs to one route, so its first record tells."""
        if not isinstance(first, Planned):
            if first.route_id not in self._routes:
                raise RecordRefused(first.route_id)
            if isinstance(first, Replied) and first.route_id not in self._keys.values():
                raise RecordRefused(first.route_id)
            return
        if first.route_id in self._routes:
            raise RecordRefused(first.route_id)
        before = self._keys.get((first.account_id, first.key)) if first.key else None
        if before is not None and not expired(self._stored(before), first.at_ms):
            raise RecordRefused(first.route_id)

    def _write(self, record: Record) -> None:
        line = encode(record)
        self.lines.append(line)
        match record:
            case Replied():
                self._replies.setdefault(record.route_id, record)
            case Released():
                for key in [key for key, route in self._keys.items() if route == record.route_id]:
                    del self._keys[key]
            case _:
                self._routes.setdefault(record.route_id, []).append(line)
        if isinstance(record, Planned) and record.key:
            self._keys[record.account_id, record.key] = record.route_id

    async def note(self, change: Change) -> None:
        """See `Store`."""
        if self.failing is not None:
            raise StoreDown(self.failing)
        before = self.changes[-1][2] if self.changes else GENESIS
        body = encode_change(change)
        self.changes.append((len(self.changes) + 1, body, link(before, body)))
        if await self.noting() == "unsure":
            raise StoreDown("the disk does not answer")

    @staticmethod
    async def _noted() -> str:
        return ""

    async def trail(self) -> Trail:
        """See `Store`."""
        return check(self.changes)

    async def unfinished(self) -> list[StoredRoute]:
        """See `Store`."""
        return [route for route in self.stored().values() if not route.finished]

    async def route(self, account_id: AccountId, route_id: RouteId) -> StoredRoute | None:
        """See `Store`."""
        return self.stored().get(route_id)

    async def routes(self, account_id: AccountId, limit: int, *, since_ms: int = 0) -> list[StoredRoute]:
        """See `Store`."""
        mine = [r for r in self._of(account_id) if r.planned.at_ms >= since_ms]
        return list(reversed(mine))[:limit]

    async def sizes(self, account_id: AccountId, since_ms: int, limit: int) -> list[tuple[int, Size]]:
        """See `Store`."""
        firsts = [decode(lines[0]) for lines in self._routes.values()]
        mine = [r for r in firsts if isinstance(r, Planned) and r.account_id == account_id]
        late = [(r.at_ms, Size(sum(o.size for o in r.orders))) for r in mine if r.at_ms >= since_ms]
        return late[-limit:]

    def _of(self, account_id: AccountId) -> list[StoredRoute]:
        return [route for route in self.stored().values() if route.planned.account_id == account_id]

    async def keyed(self, account_id: AccountId, key: Key) -> Keyed | None:
        """See `Store`."""
        route_id = self._keys.get((account_id, key))
        if route_id is None:
            return None
        return Keyed(route=self._stored(route_id), reply=self._replies.get(route_id))

    def stored(self) -> dict[RouteId, StoredRoute]:
        """Every route, oldest first."""
        return {route_id: self._stored(route_id) for route_id in self._routes}

    def _stored(self, route_id: RouteId) -> StoredRoute:
        return assemble([decode(line) for line in self._routes[route_id]])
