"""Registry text: what it says is what is read, and every problem is named with its line."""

import json
import re
from contextlib import suppress

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from registry import marked
from registry.index import Registry
from registry.marked import TEXT_CHARS_MAX
from registry.model import Match, Outcome, OutcomeId
from registry.text import PROBLEMS_MAX, RegistryError, dump, load
from venues.base.listing import ListingKey, Native

VENUES = ("acme", "other", "third")
TOKEN = "71321045679252212594626385532706912750332728571942532289631379312455583992563"
SAMPLE = f"""\
# Two sides of one question.
outcomes:
  - id: px-uvtpjis2k7bj
    title: "Rain in Oslo on Nov 21?"
    outcome: Yes
    category: weather
    listings:
      - venue: acme
        native: RAIN-OSLO
      - {{venue: other, native: {TOKEN}}}
      - {{venue: third, native: 007, inverted: true}}
  - id: px-udfdzy5gtmm4kdoa
    title: Rain in Oslo on Nov 21?
    outcome: No
    listings: [{{venue: acme, native: RAIN-OSLO, inverted: true}}]
"""


def problems(text: str) -> list[str]:
    with pytest.raises(RegistryError) as caught:
        load(text, VENUES, file="outcomes.yaml")
    return list(caught.value.problems)


def entry(**changes: object) -> dict[str, object]:
    base: dict[str, object] = {
        "id": "px-aaaaaaaaaaaa",
        "title": "T",
        "outcome": "Yes",
        "listings": [{"venue": "acme", "native": "A"}],
    }
    return {key: value for key, value in (base | changes).items() if value is not ...}


def document(*entries: object) -> str:
    return json.dumps({"outcomes": list(entries)})


def test_every_character_means_what_is_written() -> None:
    registry = load(SAMPLE, VENUES)
    yes, no = registry
    assert (yes.label, no.label) == ("Yes", "No"), "YAML's own truth words are labels here"
    assert yes.title == "Rain in Oslo on Nov 21?"
    assert yes.category == "weather"
    assert yes.listings == (
        ListingKey("acme", Native("RAIN-OSLO"), inverted=False),
        ListingKey("other", Native(TOKEN), inverted=False),
        ListingKey("third", Native("007"), inverted=True),
    )


@pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml.CSafeLoader])
def test_json_is_read_by_the_same_rules(loader: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marked, "_LOADER", loader)
    text = json.dumps({"outcomes": [entry(title="Zürich \U0001f327 \\ud83d", outcome="No")]}, indent="\t")
    assert "\\ud83c" in text, "beyond U+FFFF, JSON writes two escapes"
    [outcome] = load(text, VENUES)
    assert outcome.title == "Zürich \U0001f327 \\ud83d"
    assert outcome.label == "No"


WRONG = {
    "id": ({"id": "px-short"}, r"'px-short' does not match \^px-\[a-z0-9\]\{8,32\}\$"),
    "capital": ({"id": "px-AAAAAAAAAAAA"}, "does not match"),
    "no prefix": ({"id": "aaaaaaaaaaaa"}, "does not match"),
    "too long": ({"id": "px-" + "a" * 33}, "does not match"),
    "venue": (
        {"listings": [{"venue": "nowhere", "native": "A"}]},
        "no venue is called 'nowhere'; there are: acme",
    ),
    "native": ({"listings": [{"venue": "acme", "native": ""}]}, r"listings\[0\]\.native: must not be empty"),
    "blank native": ({"listings": [{"venue": "acme", "native": "A B"}]}, "without white space"),
    "long native": ({"listings": [{"venue": "acme", "native": "A" * 201}]}, "at most 200 characters"),
    "null": ({"title": None}, r"outcomes\[0\]\.title: must not be empty"),
    "truth": ({"title": True}, r"title: must be text; write true in quotes"),
    "type": ({"title": ["T"]}, r"title: must be text"),
    "control": ({"title": "a\nb"}, "control characters or line breaks"),
    "line separator": ({"title": "\u2028"}, "must not be empty|control characters"),
    "long title": ({"title": "T" * 501}, "has 501 characters, at most 500"),
    "inverted": (
        {"listings": [{"venue": "acme", "native": "A", "inverted": "true"}]},
        "must be true or false",
    ),
    "class": (
        {"listings": [{"venue": "acme", "native": "A", "class": "similar"}]},
        r"listings\[0\]\.class: no class is called 'similar'; there are: exact, ordinary, basis, blocked",
    ),
    "class type": ({"listings": [{"venue": "acme", "native": "A", "class": []}]}, r"\.class: must be text"),
    "unknown key": ({"colour": "red"}, r"outcomes\[0\]\.colour: unknown key; allowed: id, title"),
    "unknown listing key": (
        {"listings": [{"venue": "acme", "native": "A", "side": "no"}]},
        r"\.side: unknown key",
    ),
    "missing id": ({"id": ...}, r"outcomes\[0\]\.id: is missing"),
    "missing venue": ({"listings": [{"native": "A"}]}, r"listings\[0\]\.venue: is missing"),
    "no listings": ({"listings": []}, "needs at least one listing"),
    "listings type": ({"listings": "A"}, r"listings: must be a list"),
    "listing type": ({"listings": ["A"]}, r"listings\[0\]: must be a mapping"),
    "twice": ({"listings": [{"venue": "acme", "native": "A"}] * 2}, r"listings\[1\]: acme:A is listed twice"),
    "both ways": (
        {"listings": [{"venue": "acme", "native": "A"}, {"venue": "acme", "native": "A", "inverted": True}]},
        "acme:A:inverted is listed the other way round as well",
    ),
}


@pytest.mark.parametrize(("changes", "rule"), WRONG.values(), ids=list(WRONG))
def test_a_problem_names_file_line_field_and_rule(changes: dict[str, object], rule: str) -> None:
    text = '{"outcomes": [\n\n' + json.dumps(entry(**changes)) + "\n]}"
    [problem] = problems(text)
    assert problem.startswith("outcomes.yaml:3: outcomes[0]")
    assert re.search(rule, problem), problem


def test_an_id_belongs_to_one_outcome() -> None:
    second = entry(listings=[{"venue": "acme", "native": "B"}])
    text = '{"outcomes": [\n' + json.dumps(entry()) + ",\n" + json.dumps(second) + "\n]}"
    assert problems(text) == [
        "outcomes.yaml:3: outcomes[1].id: px-aaaaaaaaaaaa is the id of another outcome, on line 2"
    ]


def test_a_listing_is_claimed_once_in_each_orientation() -> None:
    second = entry(id="px-bbbbbbbbbbbb")
    text = '{"outcomes": [\n' + json.dumps(entry()) + ",\n" + json.dumps(second) + "\n]}"
    assert problems(text) == [
        "outcomes.yaml:3: outcomes[1].listings[0]: acme:A is already claimed by px-aaaaaaaaaaaa, on line 2"
    ]
    other_side = entry(id="px-bbbbbbbbbbbb", listings=[{"venue": "acme", "native": "A", "inverted": True}])
    assert len(load(document(entry(), other_side), VENUES)) == 2


def test_all_problems_are_named_at_once_in_order() -> None:
    bad = SAMPLE.replace("venue: acme\n", "venue: nowhere\n").replace("px-udfdzy5gtmm4kdoa", "px-1")
    bad = bad.replace("category", "categry").replace("title: Rain", "title: ~ #")
    lines = [(p.split(":")[1], p.split(": ")[1]) for p in problems(bad)]
    assert lines == [
        ("6", "outcomes[0].categry"),
        ("8", "outcomes[0].listings[0].venue"),
        ("12", "outcomes[1].id"),
        ("13", "outcomes[1].title"),
    ]


def test_not_more_problems_than_anybody_reads() -> None:
    found = problems(
        document(*[entry(id="px-1", listings=[{"venue": "acme", "native": f"N{n}"}]) for n in range(150)])
    )
    assert len(found) == PROBLEMS_MAX + 1
    assert found[-1] == "outcomes.yaml: and 50 more problems"


BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\noutcomes: *c\n"
REFUSED = {
    "bomb": (BOMB, "outcomes.yaml:1: no anchors and aliases: write the value out"),
    "self": ("outcomes: &a [*a]", "outcomes.yaml:1: no anchors and aliases: write the value out"),
    "tag": ("outcomes: !!python/object/apply:os.system [ls]", "outcomes.yaml:1: no tags"),
    "deep": ("[" * 100_000, "outcomes.yaml:1: nested deeper than 16"),
    "empty": ("# nothing\n", "outcomes.yaml:1: the text is empty"),
    "two": ("outcomes: []\n---\noutcomes: []\n", "outcomes.yaml:2: one document only, no second `---`"),
    "key": ("outcomes: []\n? [a]\n: b\n", "outcomes.yaml:2: a key is a word"),
    "repeated key": ("outcomes: []\noutcomes: []\n", "outcomes.yaml:2: outcomes: given twice"),
    "no mapping": ("- a\n", "outcomes.yaml:1: must be a mapping with outcomes"),
    "no list": ("outcomes: a\n", "outcomes.yaml:1: outcomes: must be a list"),
    "nothing": ("a: b\n", "outcomes.yaml:1: a: unknown key; allowed: outcomes"),
    "large": (
        " " * (TEXT_CHARS_MAX + 1),
        f"outcomes.yaml:1: the text is larger than {TEXT_CHARS_MAX} characters",
    ),
}


@pytest.mark.parametrize(("text", "problem"), REFUSED.values(), ids=list(REFUSED))
def test_what_is_no_registry_is_refused(text: str, problem: str) -> None:
    assert problems(text)[0] == problem


@pytest.mark.parametrize(
    "text", ["outcomes:\n  - id: 'px", "outcomes:\n\t- a", "outcomes: [\n}", "outcomes: []\n\0"]
)
def test_what_is_not_yaml_is_refused_with_its_line(text: str) -> None:
    [problem] = problems(text)
    assert re.match(r"outcomes\.yaml:[123]: not YAML: \w", problem), problem


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(RegistryError):
        load(text, VENUES)


@st.composite
def registries(draw: st.DrawFn) -> Registry:
    words = st.text(
        st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\ufeff"), min_size=1
    )
    title = words.filter(lambda text: bool(text.strip()))
    native = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=20)
    books = draw(st.lists(st.tuples(st.sampled_from(VENUES), native), unique=True, min_size=1, max_size=8))
    outcomes: list[Outcome] = []
    classes = st.sampled_from(list(Match))
    for inverted in (False, True)[: draw(st.integers(1, 2))]:
        keys = [ListingKey(venue, Native(name), inverted) for venue, name in books]
        cut = draw(st.integers(1, len(keys)))
        for part in filter(None, (keys[:cut], keys[cut:])):
            outcomes.append(
                Outcome(
                    outcome_id=OutcomeId(f"px-outcome{len(outcomes)}"),
                    title=draw(title),
                    label=draw(title | st.sampled_from(["Yes", "No", "~x", "1", "- a", "a: b", "#", "'"])),
                    category=draw(title | st.just("")),
                    listings=tuple(part),
                    matches=tuple(draw(st.lists(classes, min_size=len(part), max_size=len(part)))),
                )
            )
    return Registry(outcomes)


@given(registries())
def test_a_registry_survives_being_written(registry: Registry) -> None:
    read = load(dump(registry), VENUES)
    assert read == Registry(map(shortest, registry))
    assert [outcome.unlike(()) for outcome in read] == [outcome.unlike(()) for outcome in registry]


def shortest(outcome: Outcome) -> Outcome:
    """Nothing is said where all matches are ordinary."""
    unsaid = set(outcome.matches) == {Match.ORDINARY}
    return msgspec.structs.replace(outcome, matches=() if unsaid else outcome.matches)


def test_a_listing_is_ordinary_unless_its_class_is_said() -> None:
    classes = ["exact", None, "basis", "blocked"]
    named = zip("ABCD", classes, strict=True)
    listings = [{"venue": "acme", "native": n} | ({"class": c} if c else {}) for n, c in named]
    [outcome] = load(json.dumps({"outcomes": [entry(listings=listings)]}), VENUES)
    assert outcome.matches == (Match.EXACT, Match.ORDINARY, Match.BASIS, Match.BLOCKED)
    assert [key.native for key in outcome.unlike({Match.EXACT, Match.ORDINARY})] == ["C", "D"]
