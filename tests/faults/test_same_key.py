"""A hundred requests at once under one key are one order, also when the router dies among them.

Over real sockets, each request on a connection of its own. Whoever is answered is told the same; the others
are told that it is under way, or, while a router that has just started cannot plan yet, that nothing was
done.
"""

import asyncio
import os
import random
import signal
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.stage import Case, Json, Rows, Running, Stage, answered, stage
from venues import discover

WHOLE = bool(os.environ.get("CROSSBOOK_FAULTS"))
KEYS, DEADLY_KEYS, HEIRS = (100, 60, 40) if WHOLE else (3, 3, 2)
"""Keys on a router that lives, on one that is killed meanwhile, on one whose standby takes over."""
AT_ONCE = 100
BETWEEN_S = 0.2
"""From one key to the next: a router sends a venue no more orders a second than its pace allows."""
VENUE = min(discover())
BOOK: tuple[Rows, Rows] = ([("0.40", "90000")], [("0.42", "90000")])
WISH = {"side": "buy", "amount": "10"}

pytestmark = [pytest.mark.slow, pytest.mark.faults]


class Told(NamedTuple):
    """What the hundred were told."""

    statuses: dict[int, int]
    bodies: set[str]


async def burst(play: Stage, url: str, case: Case, key: str) -> Told:
    """The same request a hundred times at once."""
    said = await asyncio.gather(*(play.order(url, case, key, **WISH) for _ in range(AT_ONCE)))
    statuses: dict[int, int] = {}
    for status, _ in said:
        statuses[status] = statuses.get(status, 0) + 1
    return Told(statuses, {str(body) for _, body in said if answered(body)})


async def patient(play: Stage, url: str, case: Case, key: str) -> str:
    """The same request again until it is answered; the answer."""
    body: Json = {}
    for _ in range(600):
        _, body = await play.order(url, case, key, **WISH)
        if answered(body):
            return str(body)
        await asyncio.sleep(0.05)
    raise AssertionError(f"{key}: never answered, at last {body}")


async def executed(play: Stage, case: Case) -> int:
    """Orders at the venue."""
    return len((await play.ledgers(case))[VENUE]["orders"])


async def rested(play: Stage, case: Case, running: Running, config: str = "crossbook") -> Running:
    """Another router after an outage: nothing is in doubt any more and keeps the venue's gate closed."""
    await play.stop(running, signal.SIGKILL)
    await play.outage()
    return play.start(case, config=config)


async def closed(play: Stage, case: Case, running: Running) -> list[str]:
    """An outage, a last start, and the audit."""
    running = await rested(play, case, running)
    await running.port
    await play.settled(case, running)
    await play.stop(running, signal.SIGTERM)
    return await play.audit(case)


async def test_a_hundred_at_once_under_one_key_are_one_order(tmp_path: Path) -> None:
    async with stage(VENUE) as play:
        case = await play.case("samekey", tmp_path / "case", {VENUE: BOOK})
        running = play.start(case)
        url = await play.ready(running)
        for number in range(KEYS):
            told = await burst(play, url, case, f"key-{number}")
            assert set(told.statuses) <= {201, 409, 502}, told
            assert told.bodies <= {await patient(play, url, case, f"key-{number}")}
            assert await executed(play, case) == number + 1
            await asyncio.sleep(BETWEEN_S)
        assert await closed(play, case, running) == []


async def test_a_hundred_at_once_and_a_hundred_after_a_kill_are_one_order(tmp_path: Path) -> None:
    luck = random.Random(7)
    async with stage(VENUE) as play:
        case = await play.case("killkey", tmp_path / "case", {VENUE: BOOK}, routing={"answer_ms": 1_000})
        running = play.start(case)
        for number in range(DEADLY_KEYS):
            key, url = f"key-{number}", await play.ready(running)
            first = asyncio.create_task(burst(play, url, case, key))
            await asyncio.sleep(luck.random() * 0.25)
            await play.stop(running, signal.SIGKILL)
            running = play.start(case)
            url = await play.ready(running)
            second = await burst(play, url, case, key)
            assert set(second.statuses) <= {201, 409, 502}, second
            assert (await first).bodies | second.bodies <= {await patient(play, url, case, key)}
            assert await executed(play, case) <= number + 1
            running = await rested(play, case, running)
        assert await closed(play, case, running) == []


async def test_a_key_given_to_two_processes_is_one_order(tmp_path: Path) -> None:
    """Half of the requests go to the owner, half to its standby; then the owner dies."""
    luck = random.Random(8)
    async with stage(VENUE) as play:
        case = await play.case("twokey", tmp_path / "case", {VENUE: BOOK}, routing={"answer_ms": 1_000})
        for name in ("one", "two"):
            store = {"standby": True, "lease_ms": 1_000}
            play.configure(case, name, routing={"answer_ms": 1_000}, store=store)
        names = ["one", "two"]
        owner = play.start(case, config=names[0])
        for number in range(HEIRS):
            key, url = f"key-{number}", await play.ready(owner)
            heir = play.start(case, config=names[(number + 1) % 2])
            beside = f"http://127.0.0.1:{await heir.port}"
            both = [asyncio.create_task(burst(play, at, case, key)) for at in (url, beside)]
            await asyncio.sleep(luck.random() * 0.3)
            await play.stop(owner, signal.SIGKILL)
            await play.ready(heir)
            last = await burst(play, beside, case, key)
            answer = await patient(play, beside, case, key)
            bodies = {text for told in [*(await asyncio.gather(*both)), last] for text in told.bodies}
            assert bodies <= {answer}
            assert await executed(play, case) <= number + 1
            owner = await rested(play, case, heir, names[(number + 1) % 2])
        assert await closed(play, case, owner) == []
