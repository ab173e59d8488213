"""A venue is found by its folder or by an entry point; one that does not keep the contract stops start-up."""

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

import venues
from venues import discover


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Discovery remembers; these tests do not want it to."""
    discover.cache_clear()
    yield
    discover.cache_clear()
    for name in [name for name in sys.modules if name.startswith(("venues.made_up", "made_up"))]:
        del sys.modules[name]


def folder(tmp_path: Path, text: str) -> Path:
    """A venue's folder, found beside the others."""
    made_up = tmp_path / "made_up"
    made_up.mkdir()
    (made_up / "__init__.py").write_text(text)
    return tmp_path


BORROWED = """
import msgspec
from venues import discover
from importlib import import_module
from pkgutil import iter_modules
import venues
first = next(m.name for m in iter_modules(venues.__path__) if m.ispkg and m.name not in venues.NOT_VENUES)
VENUE = msgspec.structs.replace(import_module(f"venues.{first}").VENUE, name=%r)
"""
"""A venue that is another one under a new name."""


def test_a_new_folder_is_a_new_venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(discover())
    discover.cache_clear()
    monkeypatch.setattr(venues, "__path__", [*venues.__path__, str(folder(tmp_path, BORROWED % "made_up"))])
    assert set(discover()) == before | {"made_up"}


def test_a_folder_without_a_card_stops_start_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(venues, "__path__", [*venues.__path__, str(folder(tmp_path, '"""Nothing."""'))])
    with pytest.raises(TypeError, match=r"venues\.made_up must define VENUE"):
        discover()


def test_two_venues_of_one_name_stop_start_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = min(discover())
    discover.cache_clear()
    monkeypatch.setattr(venues, "__path__", [*venues.__path__, str(folder(tmp_path, BORROWED % taken))])
    with pytest.raises(ValueError, match=f"two venues are called '{taken}'"):
        discover()


def test_a_venue_may_live_in_another_distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(folder(tmp_path, BORROWED % "far_away")))
    found = EntryPoints([EntryPoint("far_away", "made_up", venues.ENTRY_POINTS)])
    monkeypatch.setattr(venues, "entry_points", lambda group: found.select(group=group))
    assert "far_away" in discover()
