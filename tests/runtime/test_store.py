"""What every store promises. Another engine joins by adding itself to `STORES`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from router.core.model import AccountId, RouteId
from router.core.records import Answered, Finished, Planned, StoredRoute
from router.core.trail import Change, Trail
from router.runtime.metrics import Metrics
from router.runtime.store.protocol import ROUTES_MAX, RecordRefused, Store, StoreDown, StoreTaken
from router.runtime.store.sqlite import SqliteStore
from tests.core.samples import order, planned
from venues.base.orders import Answer, Fee, Filled, OrderId, Pending, Rejected, Unknown, Working
from venues.base.units import Cash, Size

Opener = Callable[[], Store]
"""Makes another store object for the same data."""

STORES = ["sqlite"]
ALICE, BOB = AccountId("alice"), AccountId("bob")


@pytest.fixture(params=STORES)
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    assert request.param == "sqlite"
    return lambda: SqliteStore(tmp_path / "data", Metrics())


@pytest.fixture
async def store(opener: Opener) -> AsyncIterator[Store]:
    store = opener()
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def intent(route_id: str, account_id: AccountId = ALICE) -> Planned:
    return planned(order(f"{route_id}-a"), order(f"{route_id}-b"), route_id=route_id, account_id=account_id)


def answered(route_id: str, answer: Answer) -> Answered:
    return Answered(route_id=RouteId(route_id), answer=answer, at_ms=5)


def finished(route_id: str) -> Finished:
    return Finished(route_id=RouteId(route_id), at_ms=9)


ID = OrderId("r1-a")
ANSWERS: list[Answer] = [
    Unknown(ID, "deadline"),
    Pending(ID, "v1", Size(1), Cash(2), "delayed"),
    Working(ID, "v1", Size(1), Cash(2), Fee(3, "USD")),
    Rejected(ID, "no_money", "żółć 💸 \x00"),
    Filled(ID, "v1", Size(10**15), Cash(2), Fee(-3, "shares")),
]


async def test_what_was_appended_is_read_back_equal(store: Store) -> None:
    plan = intent("r1")
    await store.append(plan)
    for answer in ANSWERS:
        await store.append(answered("r1", answer))
    found = await store.route(ALICE, RouteId("r1"))
    assert found == StoredRoute(planned=plan, answers=tuple(ANSWERS), finished=False)


async def test_it_survives_reopening(opener: Opener) -> None:
    first = opener()
    await first.open()
    plan = intent("r1")
    await first.append(plan)
    await first.append(answered("r1", ANSWERS[0]))
    await first.close()
    second = opener()
    await second.open()
    found = await second.unfinished()
    await second.close()
    assert found == [StoredRoute(planned=plan, answers=(ANSWERS[0],), finished=False)]


async def test_a_finished_route_is_not_unfinished_but_still_readable(store: Store) -> None:
    for route_id in ("r1", "r2", "r3"):
        await store.append(intent(route_id))
    await store.append(finished("r2"))
    assert [stored.planned.route_id for stored in await store.unfinished()] == ["r1", "r3"]
    found = await store.route(ALICE, RouteId("r2"))
    assert found is not None
    assert found.finished


async def test_an_answer_after_the_end_is_kept_and_does_not_reopen_the_route(store: Store) -> None:
    await store.append(intent("r1"))
    await store.append(finished("r1"))
    await store.append(answered("r1", ANSWERS[0]))
    assert await store.unfinished() == []
    found = await store.route(ALICE, RouteId("r1"))
    assert found is not None
    assert (found.finished, found.answers) == (True, (ANSWERS[0],))


async def test_an_account_sees_only_its_own_routes(store: Store) -> None:
    await store.append(intent("r1", ALICE))
    await store.append(intent("r2", BOB))
    assert await store.route(BOB, RouteId("r1")) is None
    assert [stored.planned.route_id for stored in await store.routes(BOB, 10)] == ["r2"]
    assert len(await store.unfinished()) == 2


async def test_routes_come_newest_first_and_no_more_than_asked(store: Store) -> None:
    for number in range(5):
        await store.append(intent(f"r{number}"))
        await store.append(answered(f"r{number}", Unknown(OrderId(f"r{number}-a"), "x")))
    found = await store.routes(ALICE, 3)
    assert [stored.planned.route_id for stored in found] == ["r4", "r3", "r2"]
    assert all(len(stored.answers) == 1 for stored in found)
    assert await store.routes(ALICE, 0) == []
    assert await store.routes(ALICE, -1) == []


async def test_sizes_and_routes_of_late_are_the_latest_of_this_account(store: Store) -> None:
    for number in range(6):
        late = intent(f"r{number}", ALICE if number != 4 else BOB)
        orders = tuple(replace(each, size=Size(number + 1)) for each in late.orders)
        await store.append(replace(late, orders=orders, at_ms=number * 10))
    await store.append(answered("r5", Filled(OrderId("r5-a"), "v1", Size(99), Cash(2), Fee(0, "USD"))))
    assert await store.sizes(ALICE, 20, 9) == [(20, 6), (30, 8), (50, 12)]
    assert await store.sizes(ALICE, 20, 2) == [(30, 8), (50, 12)]
    assert await store.sizes(ALICE, 51, 9) == []
    found = await store.routes(ALICE, 9, since_ms=30)
    assert [route.planned.route_id for route in found] == ["r5", "r3"]


async def test_one_call_reads_no_more_than_the_limit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ROUTES_MAX == 500
    monkeypatch.setattr("router.runtime.store.sqlite.ROUTES_MAX", 2)
    for number in range(3):
        await store.append(intent(f"r{number}"))
    assert len(await store.routes(ALICE, 10**9)) == 2


async def test_records_appended_together_keep_their_order(store: Store) -> None:
    answers = [Unknown(ID, str(number)) for number in range(200)]
    await asyncio.gather(
        store.append(intent("r1")), *(store.append(answered("r1", answer)) for answer in answers)
    )
    found = await store.route(ALICE, RouteId("r1"))
    assert found is not None
    assert found.answers == tuple(answers)


async def test_a_second_intent_for_a_route_is_refused(store: Store) -> None:
    await store.append(intent("r1"))
    with pytest.raises(RecordRefused):
        await store.append(intent("r1", BOB))
    found = await store.route(ALICE, RouteId("r1"))
    assert found is not None
    assert store.failing is None


async def test_an_answer_needs_an_intent(store: Store) -> None:
    with pytest.raises(RecordRefused):
        await store.append(answered("r1", ANSWERS[0]))
    assert store.failing is None


async def test_a_refused_record_does_not_take_others_with_it(store: Store) -> None:
    results = await asyncio.gather(
        store.append(intent("r1")),
        store.append(answered("nowhere", ANSWERS[0])),
        store.append(intent("r2")),
        return_exceptions=True,
    )
    assert results[0] is None
    assert isinstance(results[1], RecordRefused)
    assert results[2] is None
    assert len(await store.unfinished()) == 2


async def test_records_appended_together_are_written_together_or_not_at_all(store: Store) -> None:
    with pytest.raises(RecordRefused):
        await store.append(intent("r1"), answered("nowhere", ANSWERS[0]))
    assert await store.unfinished() == []
    await store.append(intent("r1"), answered("r1", ANSWERS[0]), finished("r1"))
    assert await store.unfinished() == []
    assert [route.finished for route in await store.routes(ALICE, 10)] == [True]


async def test_a_closed_store_is_down(store: Store) -> None:
    await store.close()
    assert store.failing == "closed"
    with pytest.raises(StoreDown):
        await store.append(intent("r1"))
    with pytest.raises(StoreDown):
        await store.unfinished()
    await store.close()


async def test_closing_finishes_what_was_accepted(opener: Opener) -> None:
    store = opener()
    await store.open()
    appends = [asyncio.ensure_future(store.append(intent(f"r{number}"))) for number in range(50)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*appends)
    await store.open()
    assert len(await store.unfinished()) == 50
    await store.close()


async def test_a_cancelled_caller_harms_nobody(store: Store) -> None:
    task = asyncio.ensure_future(store.append(intent("r1")))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.append(intent("r2"))
    assert "r2" in [stored.planned.route_id for stored in await store.unfinished()]


async def test_a_second_owner_is_refused(store: Store, opener: Opener) -> None:
    other = opener()
    with pytest.raises(StoreTaken, match="in use by process"):
        await other.open()
    await store.append(intent("r1"))


async def test_ownership_ends_with_closing(opener: Opener) -> None:
    for _ in range(2):
        store = opener()
        await store.open()
        await store.close()


def change(what: str) -> Change:
    return Change(at_ms=7, by="key ops", what=what, subject="all", why="żółć")


async def test_a_trail_survives_reopening_whole_and_in_order(opener: Opener) -> None:
    for names in (("a", "b"), ("c",)):
        store = opener()
        await store.open()
        for name in names:
            await store.note(change(name))
        await store.close()
    again = opener()
    await again.open()
    assert await again.trail() == Trail((change("a"), change("b"), change("c")), None)
    await again.close()


async def test_changes_at_once_are_one_chain(store: Store) -> None:
    await asyncio.gather(*(store.note(change(str(number))) for number in range(100)))
    trail = await store.trail()
    assert trail.broken is None
    assert [each.what for each in trail.changes] == [str(number) for number in range(100)]


async def test_a_closed_store_takes_no_change(store: Store) -> None:
    await store.close()
    with pytest.raises(StoreDown):
        await store.note(change("a"))
