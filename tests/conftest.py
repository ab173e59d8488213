"""What holds for every test: no socket leaves the machine, and a failure can be run again.

Hypothesis runs few examples by default, with `HYPOTHESIS_PROFILE=thorough` many, with `quick` fewer still;
`pytest --hypothesis-seed=N` repeats a run whose seed is in the last lines of the output.
"""

import asyncio
import gc
import ipaddress
import os
import random
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import lru_cache

import pytest
import uvloop
from cryptography.hazmat.primitives import serialization
from hypothesis import HealthCheck, settings

from router.core.invariants import Invariant
from router.core.model import AccountId
from router.runtime.checks import Checks
from tests.examples import PROFILES
from tests.leaks import Leaks

SEED_BITS = 32
FIGURE = "figure: "
"""How a test begins a line that is shown at the end of the run."""
KEYS_MAX = 64
"""Private keys whose text is read once: a few of each simulator, now and then one of a test's own."""
LOCAL_NAMES = frozenset({"localhost", ""})

_slow_machine = [HealthCheck.too_slow]
for _profile, _examples in PROFILES.items():
    settings.register_profile(
        _profile, max_examples=_examples, deadline=None, suppress_health_check=_slow_machine
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# The primes of an RSA key are tested whenever its text is read, for 30 ms; simulators give out the same few.
pytest.MonkeyPatch().setattr(
    serialization, "load_pem_private_key", lru_cache(KEYS_MAX)(serialization.load_pem_private_key)
)


class NotLocal(AssertionError):
    """A test tried to leave the machine."""


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """One seed for the whole run; xdist passes it to its workers with the other options."""
    if config.getoption("hypothesis_seed") is None:
        config.option.hypothesis_seed = str(random.getrandbits(SEED_BITS))
    config.pluginmanager.register(Leaks(), "leaks")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays to the end: looking through it for garbage takes half a second each time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Tests run on the product's loop: its transports are not those of the standard library."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures that tests have printed, and how to repeat this run; also shown with -q."""
    for report in terminalreporter.getreports("passed"):
        for line in report.capstdout.splitlines():
            if line.startswith(FIGURE):
                terminalreporter.write_line(f"{report.location[2]} {line.removeprefix(FIGURE)}")
    profile = os.environ.get("HYPOTHESIS_PROFILE", "default")
    seed = terminalreporter.config.option.hypothesis_seed
    terminalreporter.write_line(f"repeat with HYPOTHESIS_PROFILE={profile} pytest --hypothesis-seed={seed}")


@pytest.fixture(autouse=True)
def broken_invariants(request: pytest.FixtureRequest) -> Iterator[list[Invariant]]:
    """What the routers of this test found broken. Only a test that asks for it may leave anything here."""
    found: list[Invariant] = []
    broken = Checks.broken

    def heard(checks: Checks, invariant: Invariant, account: AccountId, what: str) -> None:
        found.append(invariant)
        broken(checks, invariant, account, what)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checks, "broken", heard)
        yield found
    if "breaks" not in request.keywords:
        assert found == [], "an invariant was broken: see the log above"


def _is_local(host: str) -> bool:
    if host in LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _guard(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook sees every connection, whatever library opens it."""
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        if isinstance(address, tuple) and not _is_local(str(address[0])):
            raise NotLocal(f"a test may only talk to this machine, not to {address[0]}")
    elif event == "socket.getaddrinfo":
        host = arguments[0]
        if host is not None and not _is_local(host.decode() if isinstance(host, bytes) else str(host)):
            raise NotLocal(f"a test may not look up the name {host!r}")


sys.addaudithook(_guard)
