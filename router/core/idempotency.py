"""What an order that may be a repeat is: a new one, one that is under way, or one answered before.

A key stands for one order of one account at one endpoint, from the moment its request is read. `Claims` knows
the requests that are under way in this process; `recalled` judges what the store knows. Neither ever sends.
"""

import re
from typing import NamedTuple

from router.core.errors import InProgress, KeyReused, StoreUnavailable, TooBusy
from router.core.model import AccountId, Key, MarketOrder, RouteId
from router.core.records import Keyed, Replied, StoredRoute

KEY = re.compile(r"[!-~]{1,255}")
"""What a key looks like: visible ASCII, as long as others allow it."""
KEPT_MS = 7 * 24 * 3_600_000
"""A key may be used again after a week: longer than any client tries, and than any order stays unknown. One
whose route has not ended stands on."""
CLAIMS_MAX = 64
"""Requests of one account under way or being closed: a lane takes 17, the others wait for the disk."""


class Kept(NamedTuple):
    """What a caller with a key is told."""

    reply: Replied
    replayed: bool
    """Whether an earlier request ran it."""


class Claim:
    """One request under way. Whoever took it owes it to `Claims.give`."""

    def __init__(self, asked: MarketOrder, key: Key | None, *, at_ms: int, since_ms: int) -> None:
        self.asked, self.key = asked, key
        self.at_ms, self.since_ms = at_ms, since_ms
        """When it came, by the calendar and by a clock that never jumps."""
        self.route_id: RouteId | None = None
        """Of its route, once that is planned."""
        self.cut_off: StoredRoute | None = None
        """A route that a restart left without an answer: this request is to answer it, not to plan anew."""
        self.reply: Replied | None = None
        """What its caller is told, once that is known; the claim stays until it is on disk."""
        self.void = False
        """Its intent failed and may be on disk: the claim stays until it is closed there."""


class Claims:
    """The requests under way, by account. One without a key may not be the twin of a younger one."""

    def __init__(self, duplicate_ms: int) -> None:
        """For so long after an order an equal one without a key is taken for a repeat; 0: never."""
        self._duplicate_ms = duplicate_ms
        self._claims: dict[AccountId, list[Claim]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._claims.values()))

    def take(
        self, account: AccountId, asked: MarketOrder, key: Key, *, at_ms: int, since_ms: int
    ) -> Claim | Replied:
        """Claim a key, or learn what its first request is told. Raises InProgress, KeyReused, TooBusy, or
        StoreUnavailable while the key's intent is being closed.
        """
        for claim in self._claims.get(account, ()):
            if claim.key == key:
                _same(asked, claim.asked)
                if claim.void:
                    raise StoreUnavailable("the order could not be recorded, so nothing was sent; ask again")
                if claim.reply is None:
                    raise InProgress("the order of this key is under way; ask again", claim.route_id)
                return claim.reply
        return self._add(account, Claim(asked, key, at_ms=at_ms, since_ms=since_ms))

    def guard(self, account: AccountId, asked: MarketOrder, *, at_ms: int, since_ms: int) -> Claim:
        """Claim an order without a key. Raises InProgress where it looks like a repeat, or TooBusy."""
        for claim in self._claims.get(account, ()):
            young = since_ms - claim.since_ms < self._duplicate_ms
            if young and claim.asked == asked and claim.reply is None and not claim.void:
                raise InProgress(
                    "an equal order of this account is under way; one that is meant twice needs a key each",
                    claim.route_id,
                )
        return self._add(account, Claim(asked, None, at_ms=at_ms, since_ms=since_ms))

    def cut_off(self, stored: StoredRoute, *, age_ms: int, now_ms: int) -> Claim | None:
        """An order without a key that a restart left under way: a repeat is one still, while it is young.

        `now_ms` is of the clock that never jumps. None where nothing needs to be given back.
        """
        planned = stored.planned
        full = len(self._claims.get(planned.account_id, ())) >= CLAIMS_MAX
        if planned.key is not None or age_ms >= self._duplicate_ms or full:
            return None
        claim = Claim(planned.asked, None, at_ms=planned.at_ms, since_ms=now_ms - age_ms)
        claim.route_id = planned.route_id
        return self._add(planned.account_id, claim)

    def of(self, account: AccountId, key: Key) -> Claim | None:
        """Whoever claims this key."""
        return next((claim for claim in self._claims.get(account, ()) if claim.key == key), None)

    def give(self, account: AccountId, claim: Claim) -> None:
        """It is no longer under way. Repeats do nothing."""
        claims = self._claims.get(account, [])
        if claim in claims:
            claims.remove(claim)
        if not claims:
            self._claims.pop(account, None)

    def _add(self, account: AccountId, claim: Claim) -> Claim:
        claims = self._claims.setdefault(account, [])
        if len(claims) >= CLAIMS_MAX:
            raise TooBusy("too many orders of this account are waiting")
        claims.append(claim)
        return claim


def recalled(
    asked: MarketOrder, kept: Keyed | None, *, now_ms: int, waited: bool
) -> Replied | StoredRoute | None:
    """What the store knows about a key that nobody claims: its answer, its route, or nothing that counts.

    A route without an answer was cut off by a restart. It can be answered when it has ended, or when as much
    time went by since the restart as a caller waits (`waited`). Raises InProgress before, KeyReused always.
    """
    if kept is None or expired(kept.route, now_ms):
        return None
    _same(asked, kept.route.planned.asked)
    if kept.reply is not None:
        assert kept.reply.route_id == kept.route.planned.route_id, "a reply belongs to its key's route"
        return kept.reply
    if kept.route.finished or waited:
        return kept.route
    route_id = kept.route.planned.route_id
    raise InProgress("the order of this key is being looked up after a restart; ask again", route_id)


def expired(route: StoredRoute, now_ms: int) -> bool:
    """Whether the route's key is free again."""
    return route.finished and route.planned.at_ms <= now_ms - KEPT_MS


def _same(asked: MarketOrder, before: MarketOrder) -> None:
    if asked != before:
        raise KeyReused("the key was given with another order; a new order needs a new key")
