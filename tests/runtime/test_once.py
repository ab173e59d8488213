"""A key across restarts: one execution, one answer, whatever dies in between."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from router.core.errors import InProgress, KeyReused, StoreUnavailable
from router.core.idempotency import KEPT_MS, Kept
from router.core.model import Key, MarketOrder
from router.core.records import Answered, Finished, Planned, Record, Released, Replied, decode
from router.http.predexon.show_seed import show
from router.runtime.store.protocol import StoreDown
from router.service import Router
from tests.runtime.test_service import AMOUNT, LONGEST_DOUBT_MS, Muffled, books, executed, held
from tests.virtual_time import VirtualLoop, run
from tests.world import World, buy

KEY = Key("orders", "k")


def ask(world: World, router: Router, asked: MarketOrder | None = None, key: Key = KEY) -> asyncio.Task[Kept]:
    world.pump()
    order = asked or buy(AMOUNT)
    return router.route_once(world.account, order, key, request_id="req", show=show)


async def kill(router: Router) -> None:
    """The process is gone between two steps of the loop."""
    for task in router._tasks.running:
        task.cancel()
    await asyncio.gather(*router._tasks.running, return_exceptions=True)


async def restarted(world: World, muffled: Muffled, **given: Any) -> Router:
    """Another router; what venues list can be read, but nothing about orders."""
    muffled.on = False
    router = await world.start(**given)
    muffled.on = True
    return router


def written(world: World) -> Counter[str]:
    """How many records of each kind are on the disk."""
    return Counter(type(decode(line)).__name__ for line in world.store.lines)


def lived(story: Callable[[World], Awaitable[None]], **given: Any) -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1, **given)
        await story(world)

    run(loop, live())


def statuses(kept: Kept) -> set[str]:
    return {fill["status"] for fill in msgspec.json.decode(kept.reply.body)["fills"]}


def test_after_a_restart_in_the_middle_the_key_answers_what_the_look_ups_found() -> None:
    async def story(world: World) -> None:
        router = await world.start()
        books(world)
        muffled = Muffled(world)
        first = ask(world, router)
        await world.clock.sleep(1_000)
        sent = executed(world)
        await kill(router)
        assert first.cancelled()
        router = await restarted(world, muffled)
        await world.clock.sleep(100)
        with pytest.raises(InProgress) as waiting:
            await ask(world, router)
        [stored] = world.store.stored()
        assert waiting.value.route_id == stored
        with pytest.raises(KeyReused):
            await ask(world, router, buy(AMOUNT + 1))
        muffled.on = False
        while await world.store.unfinished():
            await world.clock.sleep(50)
        kept = await ask(world, router)
        assert (kept.replayed, kept.reply.status, statuses(kept)) == (True, 201, {"filled"})
        assert kept.reply.route_id == stored
        await kill(router)
        router = await world.start()
        assert await ask(world, router) == kept
        assert (executed(world), held(router), written(world)["Replied"]) == (sent, 0, 1)

    lived(story)


def test_what_stays_unknown_after_a_restart_is_told_as_open_once_and_for_all() -> None:
    async def story(world: World) -> None:
        router = await world.start(answer_ms=3_000)
        books(world)
        muffled = Muffled(world)
        ask(world, router)
        await world.clock.sleep(1_000)
        await kill(router)
        await world.clock.sleep(60_000)  # however long it was away: what it looks up gets its time
        router = await restarted(world, muffled, answer_ms=3_000)
        for _ in range(2):
            with pytest.raises(InProgress):
                await ask(world, router)
            await world.clock.sleep(1_400)
        await world.clock.sleep(300)
        kept = await ask(world, router)
        assert (kept.reply.status, statuses(kept)) == (201, {"open"})
        muffled.on = False
        await world.clock.sleep(LONGEST_DOUBT_MS)
        assert await world.store.unfinished() == []
        assert (await ask(world, router)).reply == kept.reply

    lived(story)


def test_an_answer_that_a_crash_kept_from_the_disk_is_made_again_from_the_route() -> None:
    async def story(world: World) -> None:
        router = await world.start()
        books(world)
        world.store.misdeed = lambda record: "down" if isinstance(record, Replied) else ""
        told = await ask(world, router)
        await kill(router)
        world.store.misdeed = lambda _record: ""
        router = await world.start()
        sent = executed(world)
        results = await asyncio.gather(*(ask(world, router) for _ in range(5)), return_exceptions=True)
        replies = [result.reply for result in results if isinstance(result, Kept)]
        assert {reply.body for reply in replies} == {told.reply.body}
        assert all(isinstance(result, Kept | InProgress) for result in results)
        assert (executed(world), written(world)["Replied"]) == (sent, 1)

    lived(story)


@pytest.mark.parametrize("word", ["down", "unsure"])
def test_an_intent_that_failed_frees_its_key_and_nothing_was_sent(word: str) -> None:
    async def story(world: World) -> None:
        router = await world.start()
        books(world)
        world.store.misdeed = lambda record: word if isinstance(record, Planned) else ""
        with pytest.raises(StoreUnavailable):
            await ask(world, router)
        with pytest.raises(StoreUnavailable, match="nothing was sent"):
            await ask(world, router)
        assert executed(world) == 0
        world.store.misdeed = lambda _record: ""
        await world.clock.sleep(1_100)
        kept = await ask(world, router)
        assert (kept.replayed, kept.reply.status) == (False, 201)
        assert len(router._once._claims) == 0

    lived(story)


def test_an_intent_that_got_there_unseen_before_a_crash_ends_without_being_sent() -> None:
    async def story(world: World) -> None:
        router = await world.start()
        books(world)
        world.store.misdeed = lambda record: "unsure" if isinstance(record, Planned) else ""
        with pytest.raises(StoreUnavailable):
            await ask(world, router)
        await kill(router)
        world.store.misdeed = lambda _record: ""
        router = await world.start(answer_ms=600_000)
        while await world.store.unfinished():
            world.pump()
            await world.clock.sleep(1_000)
        kept = await ask(world, router)
        assert (kept.reply.status, statuses(kept), executed(world)) == (502, {"failed"}, 0)

    lived(story)


def test_a_router_that_stops_tells_and_keeps_what_it_knows() -> None:
    async def story(world: World) -> None:
        router = await world.start(answer_ms=60_000)
        books(world)
        muffled = Muffled(world)
        first = ask(world, router)
        await world.clock.sleep(1_000)
        await router.stop(500)
        told = await first
        assert statuses(told) == {"open"}
        muffled.on = False
        router = await world.start()
        assert await ask(world, router) == Kept(told.reply, replayed=True)

    lived(story)


def test_the_answer_is_on_disk_before_it_is_told_and_the_key_before_anything_is_sent() -> None:
    async def story(world: World) -> None:
        router = await world.start()
        books(world)
        on_disk: list[Counter[str]] = []
        world.network.before_order = lambda _venue: on_disk.append(written(world))
        kept = await ask(world, router)
        known = await world.store.keyed(world.account.account_id, KEY)
        assert known is not None
        assert known.reply == kept.reply
        assert on_disk
        assert all(records["Planned"] == 1 and records["Replied"] == 0 for records in on_disk)
        assert known.route.planned.key == KEY

    lived(story)


def test_a_disk_that_hangs_delays_the_answer_no_longer_than_half_a_second() -> None:
    async def story(world: World) -> None:
        router = await world.start()
        books(world)
        append = world.store.append

        async def slow(*records: Record) -> None:
            if isinstance(records[0], Replied):
                await world.clock.sleep(2_000)
            await append(*records)

        world.store.append = slow  # type: ignore[method-assign]  # the disk's own time
        world.store.misdeed = lambda r: _at(world, r, times)
        times: dict[str, int] = {}
        kept = await ask(world, router)
        assert 500 <= world.clock.monotonic_ms() - times["Finished"] <= 510
        assert await ask(world, router) == Kept(kept.reply, replayed=True)
        await world.clock.sleep(3_000)
        assert written(world)["Replied"] == 1

    lived(story)


def _at(world: World, record: Record, times: dict[str, int]) -> str:
    times[type(record).__name__] = world.clock.monotonic_ms()
    return ""


def test_a_key_that_cannot_be_looked_up_sends_nothing() -> None:
    async def story(world: World) -> None:
        router = await world.start()
        books(world)

        async def broken(*_: object) -> None:
            raise StoreDown("cannot read")

        world.store.keyed = broken  # type: ignore[method-assign,assignment]  # a disk that cannot be read
        with pytest.raises(StoreUnavailable, match="ask again"):
            await ask(world, router)
        assert (executed(world), len(router._once._claims)) == (0, 0)

    lived(story)


def test_a_key_is_a_new_order_after_a_week() -> None:
    async def story(world: World) -> None:
        router = await world.start()
        books(world)
        first = await ask(world, router)
        world.clock.suspend(KEPT_MS - 60_000)
        assert await ask(world, router) == Kept(first.reply, replayed=True)
        await world.clock.sleep(61_000)
        books(world)
        second = await ask(world, router)
        assert (second.replayed, second.reply.route_id != first.reply.route_id) == (False, True)

    lived(story, balance="1000")


def test_bugs_of_ours_leave_no_claim_behind_and_no_second_execution() -> None:
    async def story(world: World) -> None:
        router = await world.start()
        books(world)

        def bug(_report: object) -> tuple[int, bytes]:
            raise ZeroDivisionError

        world.pump()
        with pytest.raises(ZeroDivisionError):
            await router.route_once(world.account, buy(AMOUNT), KEY, request_id="r", show=bug)
        sent = executed(world)
        assert len(router._once._claims) == 0
        kept = await ask(world, router)
        assert (kept.replayed, statuses(kept), executed(world)) == (True, {"filled"}, sent)

    lived(story)


def test_an_answered_order_whose_rest_is_unknown_stays_answered_as_it_was() -> None:
    """Late fills go into the route; the key goes on to say what its first caller was told."""

    async def story(world: World) -> None:
        router = await world.start(answer_ms=500)
        books(world)
        muffled = Muffled(world)
        first = await ask(world, router)
        assert statuses(first) == {"open"}
        muffled.on = False
        await world.clock.sleep(LONGEST_DOUBT_MS)
        records = [decode(line) for line in world.store.lines]
        assert any(isinstance(record, Answered) for record in records)
        assert any(isinstance(record, Finished) for record in records)
        assert not any(isinstance(record, Released) for record in records)
        assert await ask(world, router) == Kept(first.reply, replayed=True)

    lived(story)
