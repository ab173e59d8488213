"""Every venue is a folder here; `discover` finds them, and those of other distributions."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from types import MappingProxyType

from venues.base.contract import Venue

ENTRY_POINTS = "crossbook.venues"
NOT_VENUES = frozenset({"base", "kit", "sim"})


@cache
def discover() -> Mapping[str, Venue]:
    """Every installed venue by name. A folder that does not keep the contract stops start-up."""
    found: dict[str, Venue] = {}
    folders = [m.name for m in iter_modules(__path__) if m.ispkg and m.name not in NOT_VENUES]
    modules = [import_module(f"venues.{folder}") for folder in sorted(folders)]
    modules += [point.load() for point in entry_points(group=ENTRY_POINTS)]
    for module in modules:
        venue = getattr(module, "VENUE", None)
        if not isinstance(venue, Venue):
            raise TypeError(f"{module.__name__} must define VENUE = Venue(...)")
        if found.setdefault(venue.name, venue) is not venue:
            raise ValueError(f"two venues are called {venue.name!r}")
    return MappingProxyType(found)
