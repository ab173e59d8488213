"""The repository as a whole: the lock, the licence, the words of the Makefile, and what tests may do."""

import asyncio
import re
import socket
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.conftest import NotLocal

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()
PINS = re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", LOCK, re.MULTILINE)
DEPENDENCIES = [
    Requirement(line) for line in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"])
]


@pytest.mark.parametrize("needed", DEPENDENCIES, ids=lambda needed: needed.name)
def test_every_dependency_is_bounded_and_locked_within_its_bounds(needed: Requirement) -> None:
    assert any(clause.operator == "<" for clause in needed.specifier), "no upper bound"
    locked = [Version(version) for name, version in PINS if name == needed.name]
    assert locked, "not in requirements.lock: run `make lock`"
    assert all(version in needed.specifier for version in locked), "outside its bounds: run `make lock`"


def test_the_lock_carries_hashes_and_names_no_host() -> None:
    assert "://" not in LOCK
    entries = re.split(r"^(?=[a-z0-9-]+==)", LOCK, flags=re.MULTILINE)[1:]
    assert len(entries) == len(PINS)
    assert all("--hash=sha256:" in entry for entry in entries)


def test_the_makefile_has_the_promised_words() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for word in ("setup", "demo", "check", "test", "bench", "conformance", "vectors", "lock"):
        assert re.search(rf"^{word}:", makefile, re.MULTILINE), word


def test_the_licence_is_the_one_the_package_names() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_no_test_connects_to_another_machine(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as sock, pytest.raises(NotLocal):
        sock.connect((address, 80))


def test_no_test_looks_up_a_name() -> None:
    with pytest.raises(NotLocal):
        socket.getaddrinfo("example.test", 80)


async def test_this_machine_may_be_reached() -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
