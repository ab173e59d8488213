"""Each invariant, broken on purpose inside the running router: it is counted, logged, and the gate closes."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from router.core.book import Book
from router.core.bound import Bounded
from router.core.errors import AccountSuspended, NothingAllocated
from router.core.execution import Effect, Execution, Send, Write
from router.core.invariants import Invariant
from router.core.ledger import Ledger
from router.core.model import AccountId
from router.core.records import Finished, Record
from router.core.report import Report
from router.runtime import checks as module
from router.runtime import planner
from router.runtime.checks import Checks
from router.runtime.gates import FOLDER, Gates
from router.runtime.metrics import Metrics
from router.service import Router
from tests.core.samples import order
from tests.runtime.test_service import books, executed
from tests.virtual_time import VirtualLoop, run
from tests.world import ACCOUNT, YES, World, buy
from venues.base.http import Purpose
from venues.base.orders import Answer, Fee, Filled, Order, OrderId, Pending
from venues.base.units import ONE, Cash, Size

AMOUNT = 150 * ONE
"""More than the best level of two venues."""
SILENT_MS = 5_000
"""What the world's books may be silent."""
METRIC = "crossbook_invariant_violations_total"
OTHER = AccountId("acct-2")
Planted = Callable[[World, pytest.MonkeyPatch], None]
"""Breaks something inside a world whose router runs."""


def every_answer(world: World, change: Callable[[Answer], Answer]) -> None:
    """The venues' dialects misread what the venues reply about orders; their streams say nothing."""
    world.mishear = lambda: "lost"
    perform: Callable[..., Awaitable[Any]] = world.network.perform

    async def misread(*given: Any, **named: Any) -> Any:
        found = await perform(*given, **named)
        return change(found) if isinstance(found, Filled | Pending) else found

    world.network.perform = misread  # type: ignore[method-assign]  # the seam


def more_than_ordered(world: World, _: pytest.MonkeyPatch) -> None:
    def thrice(answer: Answer) -> Answer:
        assert isinstance(answer, Filled | Pending)
        return replace(answer, size=Size(answer.size * 3), cash=Cash(answer.cash * 3))

    every_answer(world, thrice)


def one_id_for_all(world: World, _: pytest.MonkeyPatch) -> None:
    every_answer(world, lambda answer: replace(answer, venue_order_id="v-1"))


def twice_the_plan(_: World, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(planner, "bound", lambda orders, _: Bounded((*orders, *orders, *orders), held_back=False))


def send_first(world: World, patch: pytest.MonkeyPatch) -> None:
    start, append = Execution.start, world.store.append

    async def at_length(*records: Record) -> None:
        await world.clock.sleep(10)
        await append(*records)

    def hasty(execution: Execution) -> list[Effect]:
        return sorted(start(execution), key=lambda effect: not isinstance(effect, Send))

    patch.setattr(Execution, "start", hasty)
    patch.setattr(world.store, "append", at_length)


def send_again(world: World, patch: pytest.MonkeyPatch) -> None:
    world.network.misdeed = lambda _, request: "silent" if request.purpose is Purpose.ORDER else ""
    world.mishear = lambda: "lost"
    ask = Execution._ask
    again: set[OrderId] = set()

    def impatient(execution: Execution, order: Order) -> Effect:
        if order.order_id in again:
            return ask(execution, order)
        again.add(order.order_id)
        return Send(order)

    patch.setattr(Execution, "_ask", impatient)


def forget_what_traded(world: World, patch: pytest.MonkeyPatch) -> None:
    told = iter(range(9, 0, -1))

    def less(answer: Answer) -> Answer:
        assert isinstance(answer, Filled | Pending)
        size = next(told, None)
        if size is None:
            return answer
        return Pending(answer.order_id, answer.venue_order_id, Size(size), Cash(size), "later")

    def credulous(execution: Execution, answer: Answer) -> bool:
        execution._known[answer.order_id] = answer
        return True

    every_answer(world, less)
    patch.setattr(Execution, "_learn", credulous)


def hold_for_ever(_: World, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "release", lambda *_: None)


def hold_nothing(_: World, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "hold", lambda *_: None)


def trust_any_book(world: World, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Book, "why_unusable", lambda *_: None)
    for line in world.lines:
        line.pulse.heard_ms -= 60_000
    world.lines = []


def end_twice(_: World, patch: pytest.MonkeyPatch) -> None:
    finish = Execution._finish

    def again(execution: Execution, now_ms: int) -> list[Effect]:
        return [
            copy
            for effect in finish(execution, now_ms)
            for copy in [effect] * (1 + (isinstance(effect, Write) and isinstance(effect.record, Finished)))
        ]

    patch.setattr(Execution, "_finish", again)


CASES: list[tuple[Invariant, Planted, bool]] = [
    (Invariant.OVERFILLED, more_than_ordered, True),
    (Invariant.OVER_REQUEST, twice_the_plan, False),
    (Invariant.UNRECORDED_SEND, send_first, False),
    (Invariant.SENT_TWICE, send_again, True),
    (Invariant.BACKWARDS, forget_what_traded, True),
    (Invariant.FILL_TWICE, one_id_for_all, True),
    (Invariant.MISHELD, hold_for_ever, True),
    (Invariant.MISHELD, hold_nothing, False),
    (Invariant.STALE_BOOK, trust_any_book, False),
    (Invariant.OUT_OF_ORDER, end_twice, True),
]
"""What is broken, how, and whether an order can leave before that is seen."""


def test_every_invariant_is_broken_here() -> None:
    assert {invariant for invariant, _, _ in CASES} == set(Invariant)


async def tried(world: World, router: Router, account: AccountId) -> object:
    """One order of the account: its report, or how it was refused."""
    asked = buy(AMOUNT)
    try:
        return await router.route(replace(world.account, account_id=account), asked, request_id="r")
    except AccountSuspended as refusal:
        return refusal


@pytest.mark.breaks
@pytest.mark.parametrize(("invariant", "plant", "sends"), CASES, ids=[case[1].__name__ for case in CASES])
def test_a_broken_invariant_closes_the_accounts_gate_and_no_other(
    invariant: Invariant,
    plant: Planted,
    monkeypatch: pytest.MonkeyPatch,
    broken_invariants: list[Invariant],
    *,
    sends: bool,
) -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1)
        router = await world.start(accounts=(ACCOUNT, OTHER), answer_ms=500)
        books(world)
        world.pump()
        perform, lines_of = world.network.perform, world.lines
        with monkeypatch.context() as patch, capture_logs() as lines:
            plant(world, patch)
            for _ in range(2):
                await tried(world, router, ACCOUNT)
                await world.clock.sleep(20_000)
                world.pump()
        world.network.misdeed = lambda _venue, _request: ""
        world.network.perform = perform  # type: ignore[method-assign]  # the seam
        world.lines = lines_of
        world.pump()
        assert (executed(world) > 0) is sends
        assert set(broken_invariants) == {invariant}
        sample = router._tools.metrics.registry.get_sample_value
        assert sample(METRIC, {"invariant": invariant.value}) == len(broken_invariants)
        assert sample("crossbook_accounts_closed") == 1
        said = [line for line in lines if line["event"] == "invariant.broken"]
        assert {line["invariant"] for line in said} == {invariant.value}
        assert {(line["log_level"], line["account"]) for line in said} == {("error", ACCOUNT)}
        assert [line["account"] for line in lines if line["event"] == "gate.closed"] == [ACCOUNT]
        before = executed(world)
        assert isinstance(await tried(world, router, ACCOUNT), AccountSuspended)
        assert executed(world) == before, "nothing more of this account leaves"
        report = await tried(world, router, OTHER)
        assert isinstance(report, Report), report
        assert executed(world) > before, "others trade on"

    run(loop, live())


def test_an_order_whose_account_was_closed_while_its_intent_was_written_does_not_leave() -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1)
        router = await world.start()
        books(world)
        world.pump()
        append: Callable[..., Awaitable[None]] = world.store.append

        async def slow(*records: Record) -> None:
            await append(*records)
            router._tools.checks.gates.close(ACCOUNT, "another route broke a promise")

        world.store.append = slow  # type: ignore[method-assign]  # the moment is chosen
        report = await tried(world, router, ACCOUNT)
        assert isinstance(report, Report)
        assert {line.error for line in report.fills} == {"not_sent: account_suspended"}
        assert (executed(world), router._tools.ledger.open(ACCOUNT)) == (0, [])

    run(loop, live())


@pytest.mark.parametrize("late_ms", [0, 1])
def test_a_book_counts_as_it_was_when_it_was_read_however_long_planning_takes(
    late_ms: int, broken_invariants: list[Invariant]
) -> None:
    loop = VirtualLoop()

    async def live() -> None:
        world = World(loop, 1)
        router = await world.start()
        books(world)
        world.pump()
        for line in world.lines:
            line.pump = lambda: None  # type: ignore[method-assign]  # silent from now on
        heard_ms = world.clock.monotonic_ms()
        outcome = world.registry.outcome(YES)
        assert outcome is not None
        await router._planner.draft(world.account, buy(AMOUNT), outcome)  # the balances are read
        loop._virtual = (heard_ms + SILENT_MS + late_ms) / 1000
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(router._tools.balances, "_age_ms", 10 * SILENT_MS)
            if late_ms:
                with pytest.raises(NothingAllocated, match="stale"):
                    await router._planner.draft(world.account, buy(AMOUNT), outcome)
                return
            draft = await router._planner.draft(world.account, buy(AMOUNT), outcome)
        loop._virtual += 0.5
        assert router._planner.orders(world.account, draft)

    run(loop, live())
    assert broken_invariants == []


async def written(path: Path) -> None:
    """A thread of its own writes it."""
    async with asyncio.timeout(5):
        while not path.exists() or not path.read_text().endswith("\n"):
            await asyncio.sleep(0.005)


async def test_a_closed_gate_outlives_a_restart_and_opens_when_its_file_is_taken_away(tmp_path: Path) -> None:
    gates = Gates(tmp_path, Metrics())
    gates.close(ACCOUNT, "misheld: o1")
    gates.close(ACCOUNT, "a later reason")
    path = tmp_path / FOLDER / f"account-{ACCOUNT}.txt"
    await written(path)
    assert path.read_text() == "misheld: o1\n"
    metrics = Metrics()
    after = Gates(tmp_path, metrics)
    after.read()
    assert after.why_closed(ACCOUNT) == "misheld: o1"
    assert after.why_closed(OTHER) is None
    path.unlink()
    assert after.why_closed(ACCOUNT) is None
    assert metrics.registry.get_sample_value("crossbook_accounts_closed") == 0
    again = Gates(tmp_path, Metrics())
    again.read()
    assert again.why_closed(ACCOUNT) is None


async def test_a_gate_stays_closed_while_the_disk_with_its_reason_is_gone(tmp_path: Path) -> None:
    gates = Gates(tmp_path / "data", Metrics())
    gates.close(ACCOUNT, "misheld: o1")
    await marked(gates)
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    assert gates.why_closed(ACCOUNT) is not None
    (tmp_path / "elsewhere").rename(tmp_path / "data")
    assert gates.why_closed(ACCOUNT) is not None
    (tmp_path / "data" / FOLDER / f"account-{ACCOUNT}.txt").unlink()
    assert gates.why_closed(ACCOUNT) is None


async def test_the_reason_of_a_closed_gate_is_on_the_disk_and_so_is_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    usual = os.fsync

    def noted(handle: int) -> None:
        synced.append(os.fstat(handle).st_ino)
        usual(handle)

    monkeypatch.setattr(os, "fsync", noted)
    gates = Gates(tmp_path, Metrics())
    gates.close(ACCOUNT, "misheld: o1")
    await marked(gates)
    folder = tmp_path / FOLDER
    names = (folder / f"account-{ACCOUNT}.txt", folder, tmp_path)
    assert synced == [path.stat().st_ino for path in names]


async def marked(gates: Gates) -> None:
    """Wait until the first gate's reason is on the disk."""
    async with asyncio.timeout(10):
        while not gates._marked:
            await asyncio.sleep(0.01)


async def test_an_account_with_an_odd_name_closes_its_own_gate(tmp_path: Path) -> None:
    gates = Gates(tmp_path, Metrics())
    for name in ("..", ".", "a.txt", "A_-9"):
        gates.close(AccountId(name), "why")
        await written(tmp_path / FOLDER / f"account-{name}.txt")
    again = Gates(tmp_path, Metrics())
    again.read()
    assert [name for name in ("..", ".", "a.txt", "A_-9", "a") if again.why_closed(AccountId(name))] == [
        *("..", ".", "a.txt", "A_-9")
    ]


async def test_a_gate_closes_also_where_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("a file where the folder should be")
    gates = Gates(tmp_path, Metrics())
    with capture_logs() as lines:
        gates.close(ACCOUNT, "why")
        async with asyncio.timeout(5):
            while not any(line["event"] == "gate.not_recorded" for line in lines):
                await asyncio.sleep(0.005)
    assert gates.why_closed(ACCOUNT) == "why"


@pytest.mark.breaks
def test_the_latest_venue_orders_are_remembered_and_the_oldest_make_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "OWNERS_MAX", 3)
    gates = Gates(None, Metrics())
    checks = Checks({}, Ledger(), Metrics(), gates=gates)

    def trade(account: AccountId, order_id: str, venue_order_id: str) -> bool:
        """Whether the account still trades afterwards."""
        answer = Filled(OrderId(order_id), venue_order_id, Size(ONE), Cash(ONE // 2), Fee(0, "USD"))
        checks.traded(account, order(order_id), answer)
        return gates.why_closed(account) is None

    assert all(trade(ACCOUNT, f"o{number}", f"v{number}") for number in range(4))
    assert trade(ACCOUNT, "o5", "v0"), "forgotten: three came after it"
    assert not trade(ACCOUNT, "o6", "v2")
    assert not trade(OTHER, "o7", "v0")
