"""Every venue against its golden vectors: values of official clients, and recorded frames. Names no venue.

A venue `<name>` keeps its vectors in `venues/<name>/vectors/`: `<name>.json`, and market-data frames in
`frames/<name>.jsonl`. With CROSSBOOK_VECTORS set to a folder of the same layout, that one is read instead.
What the cases mean is the venue's own business: `tests/venues/<name>/vectors.py` has

    def cases(folder: Path) -> Iterable[tuple[str, Callable[[], None]]]

which yields an id and a check for every case it finds in the folder. A check raises AssertionError when the
venue is wrong; a case that cannot be run calls `pytest.skip` with the reason.
"""

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

import venues

ROOT = Path(venues.__file__).parent
OTHER_VECTORS = os.environ.get("CROSSBOOK_VECTORS")


def _names() -> list[str]:
    """Folders, not `discover()`: a venue that does not import must not hide the vectors of the others."""
    return sorted(
        m.name for m in iter_modules(venues.__path__) if m.ispkg and m.name not in venues.NOT_VENUES
    )


def _folder(name: str) -> Path:
    return Path(OTHER_VECTORS) if OTHER_VECTORS else ROOT / name / "vectors"


def _cases(name: str) -> list[tuple[str, Callable[[], None]]]:
    if OTHER_VECTORS and not (_folder(name) / f"{name}.json").exists():
        return []
    found = import_module(f"tests.venues.{name}.vectors").cases(_folder(name))
    return list(found)


CASES = [pytest.param(check, id=f"{name}-{case}") for name in _names() for case, check in _cases(name)]


@pytest.mark.parametrize("check", CASES)
def test_vector(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize("name", _names())
def test_every_venue_has_vectors(name: str) -> None:
    if OTHER_VECTORS and not _cases(name):
        pytest.skip(f"no vectors of {name} in {OTHER_VECTORS}")
    assert _cases(name)
