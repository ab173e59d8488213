"""The command line as a user runs it: real processes, exit codes, and what they print."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from venues import discover
from venues.base.orders import SHARES

CROSSBOOK = str(Path(sys.executable).parent / "crossbook")
Json = dict[str, Any]


async def crossbook(*words: str, wait_s: float = 60) -> tuple[int, str, str]:
    """Run a command to its end: exit code, output, errors."""
    process = await asyncio.create_subprocess_exec(
        CROSSBOOK, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(wait_s):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def started(*words: str) -> AsyncIterator[tuple[Json, asyncio.subprocess.Process]]:
    """A command that keeps running, once it has printed its first line; interrupted at the end."""
    process = await asyncio.create_subprocess_exec(CROSSBOOK, *words, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            yield json.loads(await process.stdout.readline()), process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            await process.wait()


def shown(out: str) -> tuple[Json, Json, Json]:
    """What the demo prints: its facts, the order it placed, and the body of the 201."""
    first, where, asked, rest = out.split("\n", 3)
    assert where.startswith("POST ")
    blank, status, body = rest.split("\n", 2)
    assert (blank, status) == ("", "201")
    return json.loads(first), json.loads(asked), json.loads(body)


@pytest.mark.slow
async def test_the_demo_fills_on_every_venue_and_ends_with_success() -> None:
    code, out, _ = await crossbook("demo", "--once")
    facts, asked, body = shown(out)
    assert code == 0
    assert set(facts) == {"baseUrl", "apiKey", "accountId", "config", "outcomes", "venues"}
    assert all({"rest", "ws", "control"} == set(venue) for venue in facts["venues"].values())
    assert set(facts["venues"]) == set(discover())
    assert {fill["venue"] for fill in body["fills"]} == set(facts["venues"])
    assert {fill["status"] for fill in body["fills"]} == {"filled"}
    money = [fill["fee"]["amount"] for fill in body["fills"] if fill["fee"]["unit"] != SHARES]
    spent = sum(map(Decimal, money), Decimal(body["summary"]["totalAmount"]))
    assert Decimal(asked["amount"]) * Decimal("0.99") < spent <= Decimal(asked["amount"])


async def test_the_contracts_worked_example_comes_out_as_documented() -> None:
    """Shape, order of keys, venues, reasons and prices; the example's own sizes and amounts do not add up."""
    documented: Json = json.loads((Path(__file__).parent / "worked-example.json").read_text())
    code, out, _ = await crossbook("demo", "--once", "--scenario", "worked-example")
    facts, asked, body = shown(out)
    assert code == 0
    assert asked == documented["request"]
    assert list(body) == documented["keys"]
    assert documented["echoed"].items() <= body.items()
    assert set(facts["venues"]) == {entry["venue"] for entry in documented["considered"]}
    for fill, wanted in zip(body["fills"], documented["fills"], strict=True):
        assert [key for key in fill if key != "fee"] == documented["fillKeys"]
        assert (fill["venue"], fill["status"]) == (wanted["venue"], wanted["status"])
        assert near(fill["price"], wanted["price"])
    summary, wanted = body["summary"], documented["summary"]
    assert list(summary) == documented["summaryKeys"]
    assert (summary["venuesUsed"], summary["venuesFailed"]) == (wanted["venuesUsed"], wanted["venuesFailed"])
    assert near(summary["avgPrice"], wanted["avgPrice"])
    assert list(body["_routing"]) == ["considered", "reasoning"]
    for entry, wanted in zip(body["_routing"]["considered"], documented["considered"], strict=True):
        assert list(entry) == list(wanted)
        if wanted["droppedReason"]:
            wanted |= {"topLevelPrice": None, "feeBpsAtTop": 0}  # ours has no price where nothing is offered
        assert entry == wanted | {"feeBpsAtTop": entry["feeBpsAtTop"]}
        assert abs(entry["feeBpsAtTop"] - wanted["feeBpsAtTop"]) < 0.1, "whole parameters come no closer"


def near(price: str, documented: str) -> bool:
    """Within half a thousandth: the order is cut to what its limit may cost, so the last shares may go."""
    return abs(Decimal(price) - Decimal(documented)) < Decimal("0.0005")


@pytest.mark.slow
async def test_a_scenario_that_is_not_there_is_told_with_those_that_are() -> None:
    code, _, err = await crossbook("demo", "--once", "--scenario", "atlantis")
    assert code == 1
    assert err == "crossbook: demo: no scenario called atlantis; there are worked-example\n"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after_s", [0.8, 1.5, 3.0])
async def test_a_demo_that_is_stopped_at_any_moment_leaves_nothing(
    tmp_path: Path, number: signal.Signals, after_s: float
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(CROSSBOOK, "demo"),
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    await asyncio.sleep(after_s)
    process.send_signal(number)
    async with asyncio.timeout(20):
        _, errors = await process.communicate()
    assert errors == b""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
async def test_the_demo_and_the_simulators_alone_name_a_venues_addresses_alike() -> None:
    async with started("demo", "--serve") as (facts, _), started("sim", min(facts["venues"])) as (alone, _):
        together = facts["venues"][alone["venue"]]
        for name in ("rest", "ws", "control"):
            assert urlsplit(together[name]).path == urlsplit(alone[name]).path, name


@pytest.mark.slow
async def test_the_same_seed_makes_the_same_ids() -> None:
    async with started("demo", "--serve", "--seed", "5") as (facts, _):
        pass
    async with started("demo", "--serve", "--seed", "5") as (again, _):
        assert again["outcomes"] == facts["outcomes"]


@pytest.mark.slow
async def test_every_command_works_on_a_running_demo() -> None:
    async with started("demo", "--serve") as (facts, process):
        outcome, config = facts["outcomes"][0]["predexonId"], facts["config"]
        where = ("--url", facts["baseUrl"], "--key", facts["apiKey"], "--account", facts["accountId"])
        code, out, err = await crossbook("order", "buy", outcome, "5", *where, "--json")
        assert (code, json.loads(out)["requestedAmount"]) == (0, "5"), err
        code, out, _ = await crossbook("order", "sell", outcome, "1.5", *where)
        assert code == 0
        assert "Sold 1.5" in out
        code, out, _ = await crossbook("order", "buy", outcome, "0", *where)
        assert code == 1
        assert "parse_error: amount: " in out
        code, out, _ = await crossbook("book", "--config", config, "--once", outcome)
        assert code == 0
        assert all(venue in out for venue in facts["venues"])
        code, out, _ = await crossbook("doctor", "--config", config)
        assert (code, "FAIL" in out) == (0, False), out
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await process.wait() == 0


@pytest.mark.slow
async def test_trading_stops_by_command_and_by_signal_and_goes_on_when_it_is_resumed() -> None:
    async with started("demo", "--serve") as (facts, process):
        outcome, config = facts["outcomes"][0]["predexonId"], facts["config"]
        where = ("--url", facts["baseUrl"], "--key", facts["apiKey"], "--account", facts["accountId"])
        order = ("order", "buy", outcome, "5", *where)
        code, out, err = await crossbook("halt", "all", "--why", "odd fills", "--config", config)
        assert (code, err) == (0, "")
        await asyncio.sleep(1)  # it is looked for every 20 ms
        code, out, _ = await crossbook(*order)
        assert code == 1
        assert "halted: all halted by file" in (said := " ".join(out.split()))
        assert "odd fills" in said
        assert (await crossbook("resume", "all", "--config", config))[0] == 0
        await asyncio.sleep(1)
        assert (await crossbook(*order))[0] == 0
        process.send_signal(signal.SIGUSR1)
        await asyncio.sleep(1)
        code, out, _ = await crossbook(*order)
        assert code == 1
        assert "halted: all halted by signal SIGUSR1" in " ".join(out.split())


@pytest.mark.slow
async def test_a_router_whose_errors_nobody_reads_goes_on_and_ends_when_told() -> None:
    async with started("demo", "--serve") as (facts, _):
        config = Path(facts["config"])
        settings = config.with_name("serve.toml")
        settings.touch(mode=0o600)
        text = re.sub(r'level = "\w+"', 'level = "info"', config.read_text())
        settings.write_text(re.sub(r'directory = ".+"', 'directory = "other-data"', text))
        process = await asyncio.create_subprocess_exec(
            *(CROSSBOOK, "serve", "--config", str(settings)), stderr=asyncio.subprocess.PIPE
        )
        assert process.stderr is not None
        try:
            line: Json = {}
            while line.get("event") != "router.started":
                line = json.loads(await process.stderr.readline())
            await many_orders(f"http://127.0.0.1:{line['port']}", facts)  # from here on nobody reads
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(15):
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
            assert b"route.refused" in await process.stderr.read()


async def many_orders(url: str, facts: Json) -> None:
    """More refused orders than a pipe, and this side's buffer behind it, hold lines."""
    path = f"{url}/api/accounts/{facts['accountId']}/router/orders"
    order = {"predexonId": "px-nobodyhasit", "side": "buy", "amount": "1"}
    async with aiohttp.ClientSession(headers={"x-api-key": facts["apiKey"]}) as session:
        for _ in range(1_000):
            async with asyncio.timeout(5), session.post(path, json=order) as response:
                assert response.status == 404


@pytest.mark.slow
async def test_the_doctor_names_what_is_wrong() -> None:
    async with started("demo", "--serve") as (facts, _):
        config = Path(facts["config"])
        name = min(facts["venues"])
        broken = config.with_name("broken.toml")
        port = urlsplit(facts["venues"][name]["rest"]).port
        broken.touch(mode=0o600)
        broken.write_text(config.read_text().replace(f":{port}", ":9"))
        code, out, _ = await crossbook("doctor", "--config", str(broken))
    assert code == 1
    assert f"{name} reachable" in next(line[5:] for line in out.splitlines() if line.startswith("FAIL"))


@pytest.mark.slow
async def test_the_doctor_names_a_listing_that_its_venue_does_not_know() -> None:
    async with started("demo", "--serve") as (facts, _):
        config = Path(facts["config"])
        registry = config.with_name("registry.yaml")
        native = re.search(r"native: *'?\"?([^'\"\s,}]+)", registry.read_text())
        assert native is not None
        strange = ("1" if native[1][-1] != "1" else "2").join(native[1].rsplit(native[1][-1], 1))
        registry.write_text(registry.read_text().replace(native[1], strange))
        code, out, _ = await crossbook("doctor", "--config", str(config))
    assert code == 1
    failed = [line for line in out.replace("\n", "").split("FAIL") if strange in line]
    assert failed
    assert all("does not know it" in line for line in failed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("serve", "--config", "/nowhere.toml"), "crossbook: /nowhere.toml: cannot be read"),
        (("book", "--config", "/nowhere.toml", "px-aaaaaaaa"), "crossbook: /nowhere.toml: cannot be read"),
        (("sim", "atlantis"), "no venue called atlantis"),
        (("replay", "/nowhere.jsonl"), "/nowhere.jsonl"),
        (("order", "buy", "px-aaaaaaaa", "1"), "CROSSBOOK_API_KEY"),
        (
            (
                "order",
                "buy",
                "px-aaaaaaaa",
                "1",
                "--key",
                "k",
                "--account",
                "a",
                "--url",
                "http://127.0.0.1:9",
            ),
            "nothing was sent",
        ),
        (("demo", "--once", "--serve"), "choose one"),
    ],
)
async def test_a_mistake_is_one_line_and_no_traceback(words: tuple[str, ...], message: str) -> None:
    code, _, err = await crossbook(*words)
    assert code != 0
    assert message in err
    assert "Traceback" not in err


@pytest.mark.slow
async def test_a_simulator_alone_says_how_to_reach_it() -> None:
    async with started("sim", "--seed", "3") as (facts, _):
        assert {"venue", "rest", "ws", "rpc", "control", "credentials", "listings"} <= set(facts)
        assert facts["listings"][0]["native"]
