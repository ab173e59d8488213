"""Which official clients there are: one folder each, `venues/<venue>/conformance/<client>/`."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHON_LOCK = "requirements.txt"
NPM_LOCK = "package-lock.json"


class Misplaced(Exception):
    """A client's folder does not hold what it must; the text names the folder and the rule."""


@dataclass(frozen=True)
class Client:
    """One official client at one version."""

    venue: str
    name: str
    """The folder's name, which is what the command line takes."""
    folder: Path
    registry: str
    """Where it is published: "PyPI" or "npm"."""
    package: str
    version: str

    @property
    def script(self) -> str:
        """The file in the folder that trades."""
        return "trade.py" if self.registry == "PyPI" else "trade.mjs"

    @property
    def lock(self) -> Path:
        """Every package of its environment, with hashes."""
        return self.folder / (PYTHON_LOCK if self.registry == "PyPI" else NPM_LOCK)


def clients(root: Path = ROOT) -> list[Client]:
    """All of them, by venue and name. Misplaced if a folder is not complete."""
    folders = sorted(path for path in root.glob("venues/*/conformance/*") if path.is_dir())
    return [_client(folder) for folder in folders if folder.name != "__pycache__"]


def chosen(names: Sequence[str], among: Sequence[Client]) -> list[Client]:
    """The clients with these names, or of these venues; all without a name. ValueError names a stranger."""
    for name in names:
        if not any(name in (client.name, client.venue) for client in among):
            known = ", ".join(client.name for client in among)
            raise ValueError(f"no client or venue called {name!r}; there are {known}")
    return [client for client in among if not names or client.name in names or client.venue in names]


def _client(folder: Path) -> Client:
    if (folder / "requirements.in").is_file():
        registry, (package, version) = "PyPI", _python_pin(folder / "requirements.in")
    elif (folder / "package.json").is_file():
        registry, (package, version) = "npm", _npm_pin(folder / "package.json")
    else:
        raise Misplaced(f"{folder}: needs a requirements.in or a package.json that names the client")
    client = Client(folder.parents[1].name, folder.name, folder, registry, package, version)
    for path in (client.lock, folder / client.script):
        if not path.is_file():
            raise Misplaced(f"{folder}: no {path.name}")
    return client


def _python_pin(path: Path) -> tuple[str, str]:
    """The first line names the client."""
    found = re.match(r"([A-Za-z0-9._-]+)==(\S+)\n", path.read_text())
    if found is None:
        raise Misplaced(f"{path}: the first line is not name==version")
    return found[1], found[2]


def _npm_pin(path: Path) -> tuple[str, str]:
    """The first dependency is the client; what follows are peers that its script builds for it."""
    package, version = next(iter(json.loads(path.read_text())["dependencies"].items()))
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise Misplaced(f"{path}: {package} is not pinned to one version")
    return package, version
