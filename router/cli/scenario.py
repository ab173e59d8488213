"""What the demo shows: which venues list a question, with which books, and the order that is placed.

A scenario is a JSON file beside this one, so that venues are named in data only. `everywhere` needs no file.
"""

from collections.abc import Mapping, Sequence
from importlib.resources import files

import msgspec

from registry.model import OutcomeId
from venues.base.events import Level
from venues.base.units import ONE, Price, Size, micros, plain

OPENING = Price(440_000)
"""Best ask of every third venue; the two between open one and two cents above."""
STEP = 50_000
"""Between the levels of one venue: more than any fee, so that all best levels come before any second one."""
SPREAD = 60_000
"""Between best bid and best ask: no venue's bid reaches another's ask."""
LEVEL = Size(36 * ONE)
"""Shares at the best level; each further level holds as many more."""
DEPTH = 6
DOLLARS = 16
"""The order's, per venue: less than any best level costs, so that the order needs nearly all of them."""
QUESTION = "Highest temperature in New York tomorrow: 50 to 51 degrees?"
FOLDER = "scenarios"

Rows = list[tuple[str, str]]
"""Price and size of each level, decimal text."""


class Scene(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One venue's part."""

    market: dict[str, object] = {}
    """Further keys of the market as the venue's simulator takes them."""
    bids: Rows
    asks: Rows

    def levels(self) -> tuple[list[Level], list[Level]]:
        """Bids and asks in millionths. ValueError for what is no number."""
        return _levels(self.bids), _levels(self.asks)


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """One question, its books, and an order to buy its first outcome."""

    about: str
    question: str
    amount: str
    """Dollars to spend."""
    venues: dict[str, Scene]
    predexon_id: OutcomeId | None = None
    """Of the first outcome; minted from the seed when left out."""


class NoScenario(ValueError):
    """There is no such scenario, or it needs a venue that there is not."""


def names() -> list[str]:
    """What can be asked for."""
    entries = files("router.cli").joinpath(FOLDER).iterdir()
    return sorted(entry.name.removesuffix(".json") for entry in entries if entry.name.endswith(".json"))


def load(name: str, venues: Mapping[str, object]) -> Scenario:
    """The scenario of this name. NoScenario says which there are, or which venue it lacks."""
    if name not in names():
        raise NoScenario(f"demo: no scenario called {name}; there are {', '.join(names())}")
    text = files("router.cli").joinpath(FOLDER, f"{name}.json").read_bytes()
    scenario = msgspec.json.decode(text, type=Scenario)
    missing = sorted(set(scenario.venues) - set(venues))
    if missing:
        raise NoScenario(f"demo: {name} needs the venues {', '.join(missing)}")
    return scenario


def everywhere(venues: Sequence[str]) -> Scenario:
    """One question on all of these venues, and an order that takes nearly all of their best levels."""
    return Scenario(
        about="one order over every venue",
        question=QUESTION,
        amount=f"{DOLLARS * len(venues)}.00",
        venues={name: _scene(rank) for rank, name in enumerate(venues)},
    )


def _scene(rank: int) -> Scene:
    """The opening book of the venue with this rank."""
    first = OPENING + rank % 3 * 10_000
    asks = [(plain(first + n * STEP), plain(LEVEL * (n + 1))) for n in range(DEPTH)]
    bids = [(plain(first - SPREAD - n * STEP), plain(LEVEL * (n + 1))) for n in range(DEPTH)]
    return Scene(bids=bids, asks=asks)


def _levels(rows: Rows) -> list[Level]:
    return [(Price(micros(price)), Size(micros(size))) for price, size in rows]
