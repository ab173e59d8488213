"""Work beside the orders goes on though our own code fails in it, and says so."""

import asyncio
from pathlib import Path

import pytest
import structlog

from router.core.halts import ALL, Scope
from router.runtime import halt_file
from router.runtime.metrics import Metrics
from router.runtime.switch import Switch
from router.runtime.tasks import AGAIN_MS, steady
from tests.memory_store import MemoryStore
from tests.virtual_time import VirtualClock, VirtualLoop, run

CRASHED = {"invariant": "task_crashed"}


def crashes(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value("crossbook_invariant_violations_total", CRASHED) or 0


def test_work_that_crashes_begins_again_after_a_while_and_ends_when_it_is_told_to() -> None:
    loop, begun, ended = VirtualLoop(), list[int](), list[int]()

    async def live() -> None:
        clock, metrics = VirtualClock(loop), Metrics()

        async def work() -> None:
            begun.append(clock.monotonic_ms())
            if len(begun) < 3:
                raise KeyError("bug")
            try:
                await asyncio.sleep(3_600)
            finally:
                ended.append(clock.monotonic_ms())

        with structlog.testing.capture_logs() as lines:
            task = asyncio.create_task(steady("a test", work, clock=clock, metrics=metrics))
            await asyncio.sleep(10)
        assert begun == [0, AGAIN_MS, 2 * AGAIN_MS]
        assert [(line["event"], line["task"]) for line in lines] == [("task.crashed", "a test")] * 2
        assert crashes(metrics) == 2
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == [10_000], "nothing of it goes on"

    run(loop, live())


def test_the_halt_file_is_looked_at_though_a_look_at_it_crashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, usual = VirtualLoop(), halt_file.look

    async def live() -> None:
        clock, metrics, store = VirtualClock(loop), Metrics(), MemoryStore()
        switch = Switch(store, clock, metrics, file=tmp_path / "halt")
        switch.open(await store.trail())
        switch.watch()

        def crash(_: Path) -> halt_file.Seen:
            raise RuntimeError("bug")

        monkeypatch.setattr(halt_file, "look", crash)
        await asyncio.sleep(1)
        monkeypatch.setattr(halt_file, "look", usual)
        (tmp_path / "halt").touch()
        await asyncio.sleep(2 * AGAIN_MS / 1_000)
        assert Scope(ALL) in switch.halts.standing
        assert crashes(metrics) > 0
        await switch.close()

    run(loop, live())
