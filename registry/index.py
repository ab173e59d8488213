"""The registry: outcomes by id, and outcomes by listing. Immutable; a new one replaces the old one whole."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from registry.model import Outcome, OutcomeId
from venues.base.listing import ListingKey, Native


class Registry:
    """Which listings are the same outcome, looked up both ways.

    Ids are unique, and no two outcomes claim a listing with the same orientation: one that breaks this is a
    ValueError. Reading it from a file is `registry.text.load`, whose errors name lines.
    """

    __slots__ = ("_claims", "_natives", "_outcomes")

    def __init__(self, outcomes: Iterable[Outcome] = ()) -> None:
        by_id: dict[OutcomeId, Outcome] = {}
        claims: dict[ListingKey, Outcome] = {}
        natives: dict[str, dict[Native, None]] = {}
        for outcome in outcomes:
            if by_id.setdefault(outcome.outcome_id, outcome) is not outcome:
                raise ValueError(f"two outcomes have the id {outcome.outcome_id}")
            for key in outcome.listings:
                if key in claims:
                    raise ValueError(f"{key} is claimed twice")
                claims[key] = outcome
                natives.setdefault(key.venue, {})[key.native] = None
        self._outcomes = MappingProxyType(by_id)
        self._claims = claims
        self._natives = {venue: tuple(books) for venue, books in natives.items()}

    @property
    def outcomes(self) -> Mapping[OutcomeId, Outcome]:
        """Every outcome by its id, in the order of the file. Read only."""
        return self._outcomes

    @property
    def venues(self) -> tuple[str, ...]:
        """The venues with at least one listing, in order of appearance."""
        return tuple(self._natives)

    def outcome(self, outcome_id: OutcomeId) -> Outcome | None:
        """The outcome of this id, or None."""
        return self._outcomes.get(outcome_id)

    def claims(self, venue: str, native: Native) -> tuple[Outcome, ...]:
        """The outcomes traded on one book of a venue: as it stands first, then its complement."""
        keys = (ListingKey(venue, native, inverted) for inverted in (False, True))
        return tuple(self._claims[key] for key in keys if key in self._claims)

    def natives(self, venue: str) -> tuple[Native, ...]:
        """The venue's books that at least one outcome needs, each once, in order of appearance."""
        return self._natives.get(venue, ())

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self._outcomes.values())

    def __len__(self) -> int:
        return len(self._outcomes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Registry) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(tuple(self._outcomes))

    def __repr__(self) -> str:
        return f"Registry({len(self)} outcomes, {len(self._claims)} listings)"
