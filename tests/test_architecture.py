"""The shape of the code holds: layers, purity, money, names, sizes, habits. Prints `file:line rule`."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shape import NOT_VENUES, Source, broken_rules, layer, oversized_venues

ROOT = Path(__file__).parents[1]
SELF = ("tests/shape.py", "tests/test_architecture.py")
"""They spell out what the others may not write."""
VENUES = frozenset(
    folder.parent.name
    for folder in (ROOT / "venues").glob("*/__init__.py")
    if folder.parent.name not in NOT_VENUES
)
OURS = (
    "pypi" + ".org", "pythonhosted" + ".org", "registry.npmjs" + ".org",
    "/wor" + "k/", "../" + "shared", "/roo" + "t/", "/opt/" + "pypi", "/opt/" + "wheels",
)  # fmt: skip
"""Hosts of package registries and paths of one machine: no file of the repository depends on either."""


def sources() -> Iterator[Source]:
    """One after the other: all their trees at once would keep the garbage collector busy for seconds."""
    folders = ("venues", "registry", "router", "tests", "benchmarks", "conformance")
    for path in sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        yield Source(path.relative_to(ROOT).as_posix(), path.read_text(), VENUES)


def tracked() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout: what is tracked is unknown")
    return [ROOT / name for name in listing.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def test_no_file_breaks_a_rule() -> None:
    broken = [line for source in sources() if source.path not in SELF for line in broken_rules(source)]
    assert not broken, "\n" + "\n".join(broken)


def test_no_venue_outgrows_its_budget() -> None:
    broken = oversized_venues(sources())
    assert not broken, "\n" + "\n".join(broken)


def test_no_file_names_a_registry_host_or_a_path_of_one_machine() -> None:
    broken = [
        f"{path.relative_to(ROOT)}:{number} mentions {word}"
        for path in tracked()
        for number, line in enumerate(path.read_bytes().decode(errors="replace").splitlines(), 1)
        for word in OURS
        if word in line
    ]
    assert not broken, "\n" + "\n".join(broken)


BAD = {
    "imports upward: router.core.book": ("registry/x.py", "from router.core.book import Book"),
    "imports upward: venues.kit.sequence": ("venues/base/x.py", "import venues.kit.sequence"),
    "imports upward: router.main": ("router/http/x.py", "def late() -> None:\n    from router import main"),
    "imports upward: venues.sim.contract": ("venues/base/x.py", "from venues.sim.contract import Simulator"),
    "imports upward: router.runtime.clock": ("router/core/x.py", "from ..runtime import clock"),
    "belongs to no layer": ("router/novelty.py", "x = 1"),
    "does not import its tests": ("router/core/x.py", "from tests.world import World"),
    "only main and cli discover": ("router/service.py", "from venues import discover"),
    "arguments: time": ("venues/acme/feed.py", "import time"),
    "arguments: os": ("router/core/x.py", "from os import environ"),
    "arguments: random": ("registry/x.py", "import random"),
    "arguments: asyncio": ("venues/sim/x.py", "import asyncio"),
    "arguments: urllib.request": ("venues/acme/x.py", "from urllib.request import urlopen"),
    "never async": ("router/core/x.py", "async def plan() -> None: ..."),
    "does not call open()": ("registry/x.py", "f = open('a')"),
    "never a float: 0.5": ("venues/base/x.py", "HALF = 0.5"),
    "never a float: float": ("router/core/x.py", "x = float('1')"),
    "a float: float": ("venues/kit/x.py", "def f(x: float) -> None: ..."),
    "divided with a stated rounding": (
        "venues/acme/fees.py",
        "def f(a: int, b: int) -> int:\n    return a / b",
    ),
    "outside its folder: 'acme'": ("router/core/x.py", "if venue == 'acme': ..."),
    "outside its folder: 'ACME:X'": ("tests/core/test_x.py", "key = 'ACME:X'"),
    "outside its folder: 'other'": ("venues/acme/x.py", "sibling = 'other'"),
    "outside its folder: 'acme_us'": ("venues/acme/x.py", "sibling = 'acme_us'"),
    "outside its folder: acme_fee": ("router/http/x.py", "acme_fee = 1"),
    "outside its folder: AcmeBook": ("router/core/x.py", "class AcmeBook: ..."),
    "outside its folder: is_acme": ("venues/kit/x.py", "def f(is_acme: bool) -> None: ..."),
    "imports a venue by name": ("router/cli/x.py", "from venues.acme import VENUE"),
    "venues never import each other": ("venues/acme/x.py", "from venues.other.fees import Fees"),
    "shares no code with what it judges: venues.acme.signer": ("venues/acme/sim.py", "from . import signer"),
    "shares no code with what it judges: venues.acme.fees": (
        "venues/acme/sim_http.py",
        "from venues.acme.fees import Fees",
    ),
    "module has 401 lines": ("router/http/x.py", "x = 1\n" * 399),
    "long has 51 lines": ("router/http/x.py", "def long() -> None:\n" + "    f()\n" * 50),
    "takes 5 positional": ("router/http/x.py", "class A:\n  def f(self, a, b, c, d, e): ..."),
    "judged without our code: venues.acme.signer": (
        "venues/acme/conformance/acme-sdk/trade.py",
        "from venues.acme.signer import sign",
    ),
    "what it is for": ("tests/test_x.py", None),
    "only the command line prints": ("router/service.py", "print('hello')"),
    "no broad except": ("router/service.py", "try:\n    f()\nexcept (ValueError, Exception):\n    pass"),
    "names its code and then": ("router/service.py", "x = f()  # type: ignore[no-any-return]"),
    "Any is for the JSON": ("router/http/x.py", "from typing import Any\nx: list[Any] = []"),
    "luck comes from a seed": ("venues/acme/sim.py", "from random import Random\nluck = Random()"),
    "arguments: random.Random": ("venues/acme/x.py", "from random import Random"),
    "no notes to self": ("router/http/x.py", "x = 1  # TODO later"),
}


@pytest.mark.parametrize(("rule", "bad"), BAD.items(), ids=list(BAD))
def test_every_rule_bites(rule: str, bad: tuple[str, str | None]) -> None:
    path, text = bad
    text = "x = 1\n" if text is None else f'"""A module."""\n{text}\n'
    found = broken_rules(Source(path, text, frozenset({"acme", "acme_us", "other"})))
    assert len(found) == 1, found
    assert rule in found[0]
    assert found[0].startswith(f"{path}:")


GOOD = {
    "a venue in its own folder": ("venues/acme/__init__.py", "NAME = 'acme'"),
    "a venue whose name begins with another's": (
        "venues/acme_us/__init__.py",
        "class AcmeUsFeed: ...\nHOST = 'https://api.acme.us'",
    ),
    "a venue in its own tests": ("tests/venues/acme/test_x.py", "from venues.acme.fees import Fees"),
    "benchmarks name venues": ("benchmarks/x.py", "NAME = 'acme'"),
    "prose": ("router/core/x.py", "REASON = 'on the other hand'"),
    "the simulators' server": ("venues/sim/server.py", "import asyncio\n\nasync def serve() -> None: ..."),
    "a shell": (
        "router/runtime/x.py",
        "import time\nhalf = 1 / 2\n\nasync def f(seconds: float) -> None: ...",
    ),
    "integers": ("router/core/x.py", "def half(x: int) -> int:\n    return x // 2"),
    "a script for a venue's own client": (
        "venues/acme/conformance/acme-sdk/trade.py",
        "import time\nfrom typing import Any\nx: Any = time.time() / 2\n\nasync def trade() -> None: ...",
    ),
    "a simulator's own parts": ("venues/acme/sim.py", "from venues.acme.sim_orders import place"),
    "four positional": ("router/http/x.py", "def f(a, b, c, d, *, e, g): ..."),
    "the card's type": ("venues/base/contract.py", "from venues.sim.contract import Simulator"),
    "a seeded simulator": ("venues/acme/sim.py", "from random import Random\nluck = Random(7)"),
    "a simulator's JSON": ("venues/acme/sim_desk.py", "from typing import Any\nx: Any = 1"),
    "a coroutine": (
        "router/http/x.py",
        "from typing import Any\ndef f(x: Coroutine[Any, Any, int]) -> None: ...",
    ),
    "a command": ("router/cli/app.py", "def f(a, b, c, d, e): ..."),
    "an excused ignore": ("router/http/x.py", "x = f()  # type: ignore[no-any-return]  # untyped library"),
}


@pytest.mark.parametrize(("path", "text"), GOOD.values(), ids=list(GOOD))
def test_no_rule_bites_what_is_allowed(path: str, text: str) -> None:
    assert not broken_rules(
        Source(path, f'"""A module."""\n{text}\n', frozenset({"acme", "acme_us", "other"}))
    )


def test_a_venue_over_its_budget_is_named() -> None:
    acme = frozenset({"acme"})
    dialect = Source("venues/acme/feed.py", '"""Free."""\n\n# free\n' + "x = 1\n" * 1_500, acme)
    simulator = Source("venues/acme/sim.py", "x = (\n    1\n)\n" * 500, acme)
    assert not oversized_venues([dialect, simulator])
    more = Source("venues/acme/sim_desk.py", "x = 1\n", acme)
    assert oversized_venues([dialect, simulator, more]) == [
        "venues/acme:1 simulator has 1501 lines of code, at most 1500"
    ]


def test_layers_are_found_by_the_longest_prefix() -> None:
    names = (
        "venues.base.units",
        "venues.sim.engine",
        "venues.acme.feed",
        "registry.model",
        "router.core.book",
    )
    ranks = [layer(name) for name in names]
    assert ranks == [0, 1, 2, 3, 4]
    assert layer("msgspec") is None
