"""The clients' folders: pinned to the hash, naming no host, and judged as docs/conformance.md says."""

import json
import re
from pathlib import Path

import pytest

from conformance.clients import Client, Misplaced, chosen, clients
from conformance.report import REPORT
from venues import discover

CLIENTS = clients()
PYTHON = [client for client in CLIENTS if client.registry == "PyPI"]
NPM = [client for client in CLIENTS if client.registry == "npm"]


def named(client: Client) -> str:
    return client.name


def test_every_client_is_of_a_venue_that_there_is() -> None:
    """A venue may have no official client; that a client has no venue is a mistake."""
    assert {client.venue for client in CLIENTS} <= set(discover())


@pytest.mark.parametrize("client", PYTHON, ids=named)
def test_a_python_lock_holds_the_client_with_hashes_and_no_host(client: Client) -> None:
    lock = client.lock.read_text()
    assert "://" not in lock
    entries = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)
    assert any(entry.startswith(f"{client.package}=={client.version} ") for entry in entries)


@pytest.mark.parametrize("client", NPM, ids=named)
def test_an_npm_lock_holds_the_client_with_hashes_and_no_host(client: Client) -> None:
    packages = json.loads(client.lock.read_text())["packages"]
    assert packages[f"node_modules/{client.package}"]["version"] == client.version
    fetched = [package for path, package in packages.items() if path]
    assert all("resolved" not in package for package in fetched)
    assert all(package["integrity"].startswith("sha512-") for package in fetched)


def test_the_report_is_of_these_clients_at_these_versions_and_all_passed() -> None:
    rows = [line.split(" | ") for line in REPORT.read_text().splitlines() if " | passed |" in line]
    told = [(row[0].removeprefix("| "), row[1], row[2]) for row in rows]
    assert told == [
        (client.venue, f"`{client.package}` ({client.registry})", client.version) for client in CLIENTS
    ]


def test_clients_are_chosen_by_name_or_venue() -> None:
    first = CLIENTS[0]
    assert chosen([first.name], CLIENTS) == [first]
    assert chosen([first.venue], CLIENTS) == [client for client in CLIENTS if client.venue == first.venue]
    assert chosen([], CLIENTS) == CLIENTS
    with pytest.raises(ValueError, match="no client or venue called 'nobody'"):
        chosen([first.name, "nobody"], CLIENTS)


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({}, "needs a requirements.in or a package.json"),
        ({"requirements.in": "acme-sdk>=1\n"}, "the first line is not name==version"),
        ({"requirements.in": "acme-sdk==1.0\n", "requirements.txt": ""}, "no trade.py"),
        ({"requirements.in": "acme-sdk==1.0\n", "trade.py": ""}, "no requirements.txt"),
        ({"package.json": '{"dependencies": {"acme": "^1.0.0"}}'}, "acme is not pinned"),
        ({"package.json": '{"dependencies": {"acme": "1.0.0"}}', "package-lock.json": ""}, "no trade.mjs"),
    ],
)
def test_a_folder_that_is_not_complete_is_named(
    tmp_path: Path, files: dict[str, str], complaint: str
) -> None:
    folder = tmp_path / "venues" / "acme" / "conformance" / "acme-sdk"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    with pytest.raises(Misplaced, match=re.escape(complaint)):
        clients(tmp_path)
