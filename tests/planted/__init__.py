"""Faults planted on purpose, to prove that the tests bite: `make planted`.

A fault is a small change of one file in a copy of the tree, and the tests of every change that must turn red.
Those of a venue are in `tests/venues/<venue>/planted.py`.
"""

from importlib import import_module
from typing import NamedTuple

from venues import discover


class Fault(NamedTuple):
    """One change that no test may let pass."""

    what: str
    """What goes wrong, in a few words."""
    path: str
    """The file, from the root."""
    old: str
    """Comes once in it."""
    new: str
    tests: str
    """What is expected to turn red: arguments of pytest."""


def faults() -> list[Fault]:
    """All of them: those of the core, of what runs it, of its surface, and of each venue."""
    places = [f"tests.planted.{part}" for part in ("core", "runtime", "surface")]
    places += [f"tests.venues.{name}.planted" for name in sorted(discover())]
    return [fault for place in places for fault in import_module(place).FAULTS]
