"""Registry text ↔ values. Every problem of a text is found at once, and names file, line, field and rule.

The text is YAML or JSON:

    outcomes:
      - id: px-uvtpjis2k7bj             # ^px-[a-z0-9]{8,32}$, unique
        title: Highest temperature in New York on Nov 21?
        outcome: 50 to 51               # the side that pays
        category: weather               # optional
        listings:                       # at least one
          - {venue: acme, native: NYC-50}
          - {venue: other, native: "7130", inverted: true}   # the complement of that book
          - {venue: third, native: X9, class: basis}   # exact, ordinary (if nothing is said), basis, blocked

A text with any problem yields no registry, so that whoever loads it keeps the one in force.
"""

import re
from collections.abc import Collection, Iterable, Iterator

import yaml

from registry.index import Registry
from registry.marked import Mapping, Node, Scalar, Sequence, Unreadable, read
from registry.model import OUTCOME_ID, Match, Outcome, OutcomeId
from venues.base.listing import ListingKey, Native

PROBLEMS_MAX = 100
"""Nobody reads more at once."""
WORDS_CHARS_MAX = 500
"""Titles of real venues stay below 300 characters."""
NATIVE_CHARS_MAX = 200
"""The longest native id of a venue, a token id, has 78 digits."""

OUTCOME_FIELDS = ("id", "title", "outcome", "category", "listings")
LISTING_FIELDS = ("venue", "native", "inverted", "class")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")


class RegistryError(ValueError):
    """The text is no registry. `problems` are lines of the form `file:line: field: rule`."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def load(text: str, venues: Collection[str], *, file: str = "registry") -> Registry:
    """The registry in `text`, whose listings are on `venues`. `file` is what errors call it.

    RegistryError names every problem, at most PROBLEMS_MAX of them.
    """
    try:
        document = read(text)
    except Unreadable as error:
        raise RegistryError([f"{file}:{error.line}: {error.rule}"]) from error
    reader = _Reader(file, venues)
    outcomes = reader.document(document)
    if reader.problems:
        raise RegistryError(reader.shown())
    return Registry(outcomes)


def dump(registry: Registry) -> str:
    """YAML that `load` reads back as an equal registry."""
    outcomes = [
        {
            "id": str(outcome.outcome_id),
            "title": outcome.title,
            "outcome": outcome.label,
            **({"category": outcome.category} if outcome.category else {}),
            "listings": [
                {
                    "venue": key.venue,
                    "native": str(key.native),
                    **({"inverted": True} if key.inverted else {}),
                    **({"class": match.value} if match is not Match.ORDINARY else {}),
                }
                for key, match in zip(outcome.listings, _matches(outcome), strict=True)
            ],
        }
        for outcome in registry
    ]
    return yaml.safe_dump({"outcomes": outcomes}, sort_keys=False, allow_unicode=True, width=110)


def _matches(outcome: Outcome) -> tuple[Match, ...]:
    return outcome.matches or (Match.ORDINARY,) * len(outcome.listings)


class _Reader:
    """Reads one document and collects what is wrong with it."""

    def __init__(self, file: str, venues: Collection[str]) -> None:
        self.problems: list[str] = []
        self._file = file
        self._venues = frozenset(venues)
        self._ids: dict[str, int] = {}
        self._claims: dict[ListingKey, tuple[str, int]] = {}

    def shown(self) -> list[str]:
        """The problems, cut to what anybody reads."""
        if len(self.problems) <= PROBLEMS_MAX:
            return self.problems
        more = len(self.problems) - PROBLEMS_MAX
        return [*self.problems[:PROBLEMS_MAX], f"{self._file}: and {more} more problems"]

    def document(self, node: Node) -> list[Outcome]:
        """The outcomes of a whole text."""
        fields = self._fields(node, "", ("outcomes",))
        found = (self._outcome(item, path) for item, path in self._items(fields.get("outcomes"), "outcomes"))
        return [outcome for outcome in found if outcome is not None]

    def _outcome(self, node: Node, path: str) -> Outcome | None:
        fields = self._fields(node, path, OUTCOME_FIELDS, optional=("category",))
        outcome_id = self._id(fields.get("id"), f"{path}.id")
        title = self._words(fields.get("title"), f"{path}.title")
        label = self._words(fields.get("outcome"), f"{path}.outcome")
        category = self._words(fields["category"], f"{path}.category") if "category" in fields else ""
        listings = fields.get("listings")
        name = outcome_id or path
        items = list(self._items(listings, f"{path}.listings"))
        keys = [self._listing(item, at, name) for item, at in items]
        matches = [self._match(item, at) for item, at in items]
        self._contradictions(keys, listings, path)
        if isinstance(listings, Sequence) and not listings.items:
            self._say(listings, f"{path}.listings", "needs at least one listing")
        if outcome_id is None or title is None or label is None or category is None:
            return None
        known = [(key, match) for key, match in zip(keys, matches, strict=True) if key is not None]
        unsaid = all(match is Match.ORDINARY for _, match in known)
        return Outcome(
            outcome_id=OutcomeId(outcome_id),
            title=title,
            label=label,
            category=category,
            listings=tuple(key for key, _ in known),
            matches=() if unsaid else tuple(match for _, match in known),
        )

    def _id(self, node: Node | None, path: str) -> str | None:
        text = self._text(node, path)
        if node is None or text is None:
            return None
        if OUTCOME_ID.fullmatch(text) is None:
            self._say(node, path, f"{text!r} does not match ^{OUTCOME_ID.pattern}$")
            return None
        if text in self._ids:
            self._say(node, path, f"{text} is the id of another outcome, on line {self._ids[text]}")
            return None
        self._ids[text] = node.line
        return text

    def _listing(self, node: Node, path: str, claimant: str) -> ListingKey | None:
        fields = self._fields(node, path, LISTING_FIELDS, optional=("inverted", "class"))
        venue = self._text(fields.get("venue"), f"{path}.venue")
        native = self._text(fields.get("native"), f"{path}.native")
        if venue is not None and venue not in self._venues:
            known = ", ".join(sorted(self._venues)) or "none"
            self._say(fields["venue"], f"{path}.venue", f"no venue is called {venue!r}; there are: {known}")
            venue = None
        if native is not None and (len(native) > NATIVE_CHARS_MAX or re.search(r"\s", native)):
            rule = f"at most {NATIVE_CHARS_MAX} characters without white space"
            self._say(fields["native"], f"{path}.native", rule)
            native = None
        inverted = False
        if (flag := fields.get("inverted")) is not None:
            truth = flag.truth if isinstance(flag, Scalar) else None
            if truth is None:
                self._say(flag, f"{path}.inverted", "must be true or false")
                return None
            inverted = truth
        if venue is None or native is None:
            return None
        key = ListingKey(venue, Native(native), inverted)
        if key in self._claims and self._claims[key][0] != claimant:
            other, line = self._claims[key]
            self._say(node, path, f"{key} is already claimed by {other}, on line {line}")
            return None
        self._claims.setdefault(key, (claimant, node.line))
        return key

    def _match(self, node: Node, path: str) -> Match:
        """What a listing's `class` says; ordinary where it says nothing, or nothing that can be read."""
        entries = node.entries if isinstance(node, Mapping) else ()
        given = next((value for key, value in entries if key.text == "class"), None)
        text = self._text(given, f"{path}.class")
        if given is not None and text is not None and text not in set(Match):
            self._say(given, f"{path}.class", f"no class is called {text!r}; there are: {', '.join(Match)}")
        return Match(text) if text in set(Match) else Match.ORDINARY

    def _contradictions(self, keys: list[ListingKey | None], listings: Node | None, path: str) -> None:
        """One outcome names a book once: it cannot be there twice, nor be its own complement."""
        if not isinstance(listings, Sequence):
            return
        seen: dict[tuple[str, Native], bool] = {}
        for place, (key, node) in enumerate(zip(keys, listings.items, strict=True)):
            if key is None:
                continue
            before = seen.setdefault((key.venue, key.native), key.inverted)
            if before != key.inverted:
                self._say(node, f"{path}.listings[{place}]", f"{key} is listed the other way round as well")
            elif any(key == earlier for earlier in keys[:place]):
                self._say(node, f"{path}.listings[{place}]", f"{key} is listed twice")

    def _fields(
        self, node: Node, path: str, allowed: tuple[str, ...], *, optional: tuple[str, ...] = ()
    ) -> dict[str, Node]:
        """The named values of a mapping; says what is missing, unknown or given twice."""
        if not isinstance(node, Mapping):
            self._say(node, path, f"must be a mapping with {', '.join(allowed)}")
            return {}
        fields: dict[str, Node] = {}
        for key, value in node.entries:
            name = f"{path}.{key.text}".lstrip(".")
            if key.text not in allowed:
                self._say(key, name, f"unknown key; allowed: {', '.join(allowed)}")
            elif key.text in fields:
                self._say(key, name, "given twice")
            else:
                fields[key.text] = value
        for name in allowed:
            if name not in fields and name not in optional:
                self._say(node, f"{path}.{name}".lstrip("."), "is missing")
        return fields

    def _items(self, node: Node | None, path: str) -> Iterator[tuple[Node, str]]:
        if isinstance(node, Sequence):
            yield from ((item, f"{path}[{place}]") for place, item in enumerate(node.items))
        elif node is not None:
            self._say(node, path, "must be a list")

    def _text(self, node: Node | None, path: str) -> str | None:
        """Any scalar as it is written, except nothing and a truth value."""
        if node is None:
            return None
        if not isinstance(node, Scalar):
            self._say(node, path, "must be text")
            return None
        if node.absent or not node.text.strip():
            self._say(node, path, "must not be empty")
            return None
        if node.truth is not None:
            self._say(node, path, f"must be text; write {node.text} in quotes if it is")
            return None
        if _CONTROL.search(node.text) is not None:
            self._say(node, path, "must not contain control characters or line breaks")
            return None
        return node.text

    def _words(self, node: Node | None, path: str) -> str | None:
        text = self._text(node, path)
        if node is not None and text is not None and len(text) > WORDS_CHARS_MAX:
            self._say(node, path, f"has {len(text)} characters, at most {WORDS_CHARS_MAX}")
            return None
        return text

    def _say(self, node: Node, path: str, rule: str) -> None:
        self.problems.append(f"{self._file}:{node.line}: {path + ': ' if path else ''}{rule}")
