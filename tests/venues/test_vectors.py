"""Every venue against its golden vectors: values of official clients, and recorded frames. Names no venue.

A venue `<name>` keeps its vectors in `venues/<name>/vectors/`: `<name>.json`, and market-data frames in
`frames/<name>.jsonl`. With CROSSBOOK_VECTORS set to a folder of the same layout, that one is read instead.
What the cases mean is the venue's own business: `tests/venues/<name>/vectors.py` has

    def cases(folder: Path) -> Iterable[tuple[str, Callable[[], None]]]

which yields an id and a check for every case it finds in the folder. A check raises AssertionError when the
venue is wrong; a case that cannot be run calls `pytest.skip` with the reason.
"""

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature

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


NEXT_DIGIT = str.maketrans("0123456789", "1234567890")
TRIES = 20
"""Wrong values, one at a time, until one is found: descriptions, and numbers told twice, are not compared."""

CASES = [pytest.param(check, id=f"{name}-{case}") for name in _names() for case, check in _cases(name)]


@pytest.mark.parametrize("check", CASES)
def test_vector(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize("name", _names())
def test_every_venue_has_vectors(name: str) -> None:
    if OTHER_VECTORS and not _cases(name):
        pytest.skip(f"no vectors of {name} in {OTHER_VECTORS}")
    assert _cases(name)


def _numbers(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every number, and text with a digit in it: its container and its key there."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(inner, dict | list):
            yield from _numbers(inner)
        elif type(inner) is int or (isinstance(inner, str) and any(c.isdigit() for c in inner)):
            yield value, key


def _fails(check: Callable[[], None]) -> bool:
    try:
        check()
    except pytest.skip.Exception:
        return False
    except (AssertionError, ArithmeticError, InvalidSignature, LookupError, TypeError, ValueError):
        return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("name", _names())
def test_other_files_are_read_and_a_wrong_value_in_them_is_found(name: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / name / "vectors", tmp_path, dirs_exist_ok=True)
    cases, luck = import_module(f"tests.venues.{name}.vectors").cases, random.Random(name)
    assert [case for case, _ in cases(tmp_path)] == [case for case, _ in cases(ROOT / name / "vectors")]
    right = (ROOT / name / "vectors" / f"{name}.json").read_text()
    for _ in range(TRIES):
        wrong = json.loads(right)
        container, key = luck.choice(list(_numbers(wrong)))
        was = container[key]
        container[key] = was + 1 if isinstance(was, int) else was.translate(NEXT_DIGIT)
        (tmp_path / f"{name}.json").write_text(json.dumps(wrong))
        if any(_fails(check) for _, check in cases(tmp_path)):
            return
    raise AssertionError("no wrong value was found")
