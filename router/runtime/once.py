"""One route for one key: what the claims and the store know of it, and its answer on the disk."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import structlog

from router.core.errors import Refusal, StoreUnavailable
from router.core.execution import Execution
from router.core.idempotency import Claim, Claims, Kept, recalled
from router.core.model import AccountId, Key, MarketOrder
from router.core.records import Replied, StoredRoute
from router.core.report import Report, report
from router.runtime import route_lines
from router.runtime.hands import Tools
from router.runtime.runner import OWED_RETRY_MS
from router.runtime.store.protocol import RecordRefused, StoreDown, StoreFault
from venues.base.contract import Traits

REPLY_MS_MAX = 500
"""How long an answer waits for the disk: a caller who knows is better off than one who does not."""

Show = Callable[[Report], tuple[int, bytes]]
"""How a surface shows a report: HTTP status and body."""

log = structlog.get_logger(__name__)


class Once:
    """The orders under way, and those whose key was answered before."""

    def __init__(
        self,
        tools: Tools,
        traits: Mapping[str, Traits],
        keep: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        *,
        duplicate_ms: int,
    ) -> None:
        """`keep` runs what must end though nobody waits for it; `duplicate_ms`: see `Claims`."""
        self._tools, self._traits, self._keep = tools, traits, keep
        self._claims, self._duplicate_ms = Claims(duplicate_ms), duplicate_ms
        self._since_ms: int | None = None
        """When what a restart cut off began to be looked up."""

    def restarted(self) -> None:
        """What was cut off is looked up from now on."""
        self._since_ms = self._tools.clock.monotonic_ms()

    def taken_up(self, stored: StoredRoute) -> None:
        """A restart cut it off: whoever asks for the same without a key does not know that it goes on."""
        clock = self._tools.clock
        age_ms = max(0, clock.now_ms() - stored.planned.at_ms)
        claim = self._claims.cut_off(stored, age_ms=age_ms, now_ms=clock.monotonic_ms())
        if claim is not None:
            self._keep(self._given(stored.planned.account_id, claim))

    async def _given(self, account: AccountId, claim: Claim) -> None:
        await self._tools.clock.sleep(self._duplicate_ms)
        self.give(account, claim)

    def guard(self, account: AccountId, asked: MarketOrder) -> Claim:
        """Claim an order without a key; owed to `give`. Raises InProgress or TooBusy."""
        at_ms, since_ms = self._tools.clock.now_ms(), self._tools.clock.monotonic_ms()
        return self._claims.guard(account, asked, at_ms=at_ms, since_ms=since_ms)

    async def ask(
        self,
        account: AccountId,
        asked: MarketOrder,
        key: Key,
        *,
        run: Callable[[Claim], Awaitable[Report]],
        show: Show,
        answer_ms: int,
    ) -> Kept:
        """What the key's first caller was told; `run` is called where there was none.

        The answer is on the disk before it is told, unless the disk takes longer than REPLY_MS_MAX. Raises
        InProgress, KeyReused, TooBusy, StoreUnavailable where nothing can be read, and what `run` raises.
        """
        claim = await self._entered(account, asked, key, answer_ms)
        if isinstance(claim, Replied):
            return Kept(claim, replayed=True)
        reply: Replied | None = None
        try:
            done = self._report(claim.cut_off) if claim.cut_off else await run(claim)
            status, body = show(done)
            at_ms = self._tools.clock.now_ms()
            reply = Replied(route_id=done.route_id, status=status, body=body.decode(), at_ms=at_ms)
        finally:
            if reply is None:
                self.give(account, claim)
        writing = self._keep(self._answer(account, claim, reply))
        await asyncio.wait({writing}, timeout=REPLY_MS_MAX / 1000)
        return Kept(reply, replayed=claim.cut_off is not None)

    def give(self, account: AccountId, claim: Claim) -> None:
        """The request is over, unless its intent is still to be closed on the disk."""
        if not claim.void:
            self._claims.give(account, claim)

    def voiding(self, account: AccountId, key: Key | None) -> Claim | None:
        """The intent of the key's order failed and nothing is sent; the claim is owed to `voided`."""
        claim = self._claims.of(account, key) if key else None
        if claim is not None:
            claim.void = True
        return claim

    def voided(self, account: AccountId, claim: Claim | None) -> None:
        """The intent is closed on the disk: the key is free."""
        if claim is not None:
            self._claims.give(account, claim)

    async def _entered(
        self, account: AccountId, asked: MarketOrder, key: Key, answer_ms: int
    ) -> Claim | Replied:
        """The key claimed, or its answer; counted and logged like a route where that ends it."""
        clock, metrics = self._tools.clock, self._tools.metrics
        started_ms = clock.monotonic_ms()
        try:
            claim = self._claims.take(account, asked, key, at_ms=clock.now_ms(), since_ms=started_ms)
            if isinstance(claim, Claim):
                claim = await self._recalled(account, claim, key, answer_ms)
        except Refusal as refusal:
            route_lines.refused(account, asked, refusal, ms=clock.monotonic_ms() - started_ms)
            metrics.routes.of("refused").inc()
            raise
        if isinstance(claim, Replied):
            route_lines.replayed(account, asked, claim)
            metrics.routes.of("replayed").inc()
        return claim

    async def _recalled(self, account: AccountId, claim: Claim, key: Key, answer_ms: int) -> Claim | Replied:
        """The claim, with the route that a restart cut off if there is one; or the answer in the store."""
        entered = False
        try:
            kept = await self._tools.store.keyed(account, key)
            waited = self._waited(answer_ms)
            found = recalled(claim.asked, kept, now_ms=claim.at_ms, waited=waited)
            entered = not isinstance(found, Replied)
        except StoreFault as fault:
            raise StoreUnavailable(
                "what this key stands for cannot be read now; ask again with it"
            ) from fault
        finally:
            if not entered:
                self.give(account, claim)
        if isinstance(found, Replied):
            return found
        if found is not None:
            claim.cut_off, claim.route_id = found, found.planned.route_id
        return claim

    def _waited(self, answer_ms: int) -> bool:
        """Whether what a restart cut off has been looked up for as long as a caller waits."""
        return self._since_ms is not None and self._tools.clock.monotonic_ms() - self._since_ms >= answer_ms

    def _report(self, cut_off: StoredRoute) -> Report:
        """What is known of a route that nobody waits for."""
        planned = cut_off.planned
        known = Execution(planned, cut_off.answers).known if planned.orders else {}
        return report(planned, known, self._traits)

    async def _answer(self, account: AccountId, claim: Claim, reply: Replied) -> None:
        """From now on the key is answered with this, and once the store has it, also after a restart."""
        claim.reply = reply
        try:
            while not await self._written(reply):
                await self._tools.clock.sleep(OWED_RETRY_MS)
        finally:
            self.give(account, claim)

    async def _written(self, reply: Replied) -> bool:
        failure: StoreDown | None = None
        try:
            await self._tools.store.append(reply)
        except StoreDown as down:
            failure = down
        except RecordRefused:
            return True  # the key expired while the disk was down
        if failure is not None:
            reason = str(failure)
            log.error("store.not_recorded", record="Replied", route=reply.route_id, reason=reason)
        return failure is None
