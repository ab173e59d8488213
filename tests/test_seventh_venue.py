"""docs/adding-a-venue.md followed to the letter: the venue shown there trades, with no other edit.

Its files are taken from the document itself, so that the document cannot rot.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs/adding-a-venue.md"
FILE = re.compile(
    r"^### `(?P<path>[^`]+)`\n(?P<text>.*?)^```\w+\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
BIN = Path(sys.executable).parent
VENUE = "acme"
PRICE = "0.05"
"""Below what any other venue asks in the demo."""
WAIT_S = 60
Json = dict[str, Any]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the document, written as it says."""
    folder = tmp_path_factory.mktemp("package")
    for file in FILE.finditer(DOCUMENT.read_text()):
        path = folder / file["path"]
        path.parent.mkdir(exist_ok=True)
        path.write_text(file["code"])
    return folder


@pytest.fixture(scope="module")
def installed(package: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process in which the package is installed."""
    site = tmp_path_factory.mktemp("site")
    pip = (BIN / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index")
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--target", site, package], check=True)
    return {**os.environ, "PYTHONPATH": str(site)}


@asynccontextmanager
async def demo(env: dict[str, str]) -> AsyncIterator[Json]:
    """A router with every venue simulated, in a process of its own; what it says of itself."""
    process = await asyncio.create_subprocess_exec(
        BIN / "crossbook", "demo", "--serve", env=env, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(WAIT_S):
            yield json.loads(await process.stdout.readline())
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.slow
async def test_the_venue_of_the_document_is_routed_to_over_http(installed: dict[str, str]) -> None:
    async with demo(installed) as facts, aiohttp.ClientSession() as session:
        outcome, control = facts["outcomes"][0]["predexonId"], facts["venues"][VENUE]["control"]
        assert VENUE in facts["outcomes"][0]["venues"]
        book = {"bids": [], "asks": [[PRICE, "1000"]]}
        async with session.put(f"{control}/books/M1", json=book) as response:
            assert response.status == 200, await response.text()
        url = f"{facts['baseUrl']}/api/accounts/{facts['accountId']}/router/orders"
        order = {"predexonId": outcome, "side": "buy", "amount": "10.00"}
        fills: list[Json] = []
        while not any(fill["venue"] == VENUE for fill in fills):  # until the router has heard of the book
            await asyncio.sleep(0.05)
            headers = {"x-api-key": facts["apiKey"]}
            async with session.post(url, json=order, headers=headers) as response:
                assert response.status == 201, await response.text()
                fills = (await response.json())["fills"]
        [fill] = [fill for fill in fills if fill["venue"] == VENUE]
        async with session.get(f"{control}/ledger") as response:
            ledger = await response.json()
    assert fill["status"] == "filled"
    [done] = [order for order in ledger["orders"] if order["order_id"] == fill["orderId"]]
    assert float(done["filled"]) == float(fill["size"]) > 0
    assert {row["price"] for row in ledger["fills"] if row["order_id"] == done["order_id"]} == {PRICE}


@pytest.mark.slow
def test_the_venue_of_the_document_passes_the_suite_of_every_venue(installed: dict[str, str]) -> None:
    suites = [
        *sorted((ROOT / "tests/venues").glob("test_conformance*.py")),
        ROOT / "tests/core/test_allocate_curves.py",
    ]
    run = subprocess.run(
        [BIN / "pytest", "-q", "-p", "no:cacheprovider", "-k", VENUE, *suites],
        env={**installed, "CROSSBOOK_STREAMS": "120"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3_000:]
    assert int(re.findall(r"(\d+) passed", run.stdout)[-1]) > 50


def test_the_document_shows_code_as_it_is_written_here(package: Path) -> None:
    settings = ("--config", str(ROOT / "pyproject.toml"), "--no-cache")
    for word in (("check",), ("format", "--check")):
        run = subprocess.run(
            [BIN / "ruff", *word, *settings, package], capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stdout


def test_nothing_outside_the_document_knows_the_venue() -> None:
    product = [path for part in ("router", "registry", "venues") for path in (ROOT / part).rglob("*.py")]
    assert product
    assert [path for path in product if f"crossbook_{VENUE}" in path.read_text()] == []
