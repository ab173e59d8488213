"""The documents keep up with the code: links lead somewhere, and what is described exists."""

import re
from pathlib import Path

import pytest

from router.runtime import breakers, venue_gates
from router.runtime.metrics import Metrics
from tests.shape import LAYERS
from venues import discover
from venues.sim.control import Tunable

ROOT = Path(__file__).parents[1]
DOCS = sorted(path for folder in ("*.md", "docs/*.md", "venues/*/README.md") for path in ROOT.glob(folder))
MONEY = ROOT / "docs" / "money.md"
GLOSSARY = {
    *("venue", "outcome", "listing", "level", "offer", "plan", "order", "route"),
    *("answer", "fill", "hold", "account"),
}

GATE_REASONS = (
    *((breakers, name) for name in ("BREAKER_OPEN", "RATE_LIMITED", "RESTARTS")),
    *(
        (venue_gates, name)
        for name in (
            "CLOCK_OFFSET",
            "CLOCK_UNKNOWN",
            "RECONCILING",
            "UNKNOWN_ORDERS",
            "STREAM_DOWN",
            "NO_ORDERS",
        )
    ),
)


def ids(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text_of(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


@pytest.mark.parametrize("path", DOCS, ids=ids)
def test_every_relative_link_leads_to_a_file(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text()):
        if "://" not in target and not target.startswith("mailto:"):
            assert (path.parent / target).exists(), f"{ids(path)} links to {target}"


@pytest.mark.parametrize("path", DOCS, ids=ids)
def test_every_file_named_in_a_document_exists(path: Path) -> None:
    """Paths in backticks, from the root; a name in angle brackets stands for any folder."""
    named = re.findall(
        r"`((?:venues|registry|router|tests|benchmarks|docs|deploy)/[\w./<>-]+)`", path.read_text()
    )
    for name in named:
        pattern = re.sub(r"<[^>]+>", "*", name).rstrip("/")
        assert list(ROOT.glob(pattern)), f"{ids(path)} names {name}"


def test_the_glossary_has_every_word() -> None:
    rows = re.findall(r"^\| \*\*(\w+)\*\* \|", text_of("architecture.md"), re.MULTILINE)
    assert set(rows) >= GLOSSARY


def test_the_layers_are_documented_in_order() -> None:
    text = text_of("architecture.md")
    table = text[text.index("## Layers") :]
    places = [table.index(f"`{prefixes[0]}`") for prefixes in LAYERS if prefixes != ("venues",)]
    assert places == sorted(places, reverse=True), "the highest layer first"


def test_every_rounding_names_a_file_and_a_test_that_exist() -> None:
    rows = [line.split("|")[1:-1] for line in MONEY.read_text().splitlines() if line.startswith("| ")]
    rounding = [row for row in rows if len(row) == 5 and row[3].strip().startswith("`")]
    assert len(rounding) >= 5
    for row in rounding:
        where, pins = row[3].strip().strip("`"), re.findall(r"`([^`]+)`", row[4])
        assert (ROOT / where.split("::")[0]).is_file(), where
        name = where.split("::")[1].rpartition(".")[2]
        assert f"def {name}(" in (ROOT / where.split("::")[0]).read_text(), where
        assert pins, f"nothing pins {row[0].strip()}"
        for pin in pins:
            path, _, test = pin.partition("::")
            assert f"def {test}(" in (ROOT / path).read_text(), pin


def venue_rows(heading: str, columns: int) -> dict[str, list[list[str]]]:
    """Rows under a heading of venues.md, by venue; a row without one belongs to the venue above it."""
    section = re.split(r"^## ", text_of("venues.md").partition(heading)[2], flags=re.MULTILINE)[0]
    found: dict[str, list[list[str]]] = {}
    venue = ""
    for row in re.findall(r"^\|(.*)\|$", section, re.MULTILINE):
        cells = [cell.strip() for cell in row.split("|")]
        if len(cells) == columns and (not cells[0] or cells[0].startswith("`")):
            venue = cells[0].strip("`") or venue
            found.setdefault(venue, []).append(cells[1:])
    return found


@pytest.mark.parametrize("heading", ["# Venues", "## How an order is sent", "## How much can be watched"])
def test_every_table_of_venues_has_every_venue(heading: str) -> None:
    columns = {"## How much can be watched": 4}.get(heading, 5)
    assert list(venue_rows(heading, columns)) == sorted(discover())


def test_the_collateral_of_every_venue_is_documented() -> None:
    assert {name: rows[0][1] for name, rows in venue_rows("# Venues", 5).items()} == {
        name: venue.collateral for name, venue in discover().items()
    }


def test_what_can_be_watched_is_what_the_cards_allow() -> None:
    for name, [row] in venue_rows("## How much can be watched", 4).items():
        most = discover()[name].limits.listings_per_connection
        assert (row[0], row[2]) == (f"{most:,}", str(-(-2_000 // most))), name


@pytest.mark.parametrize("name", sorted(discover()))
def test_every_switch_of_a_simulator_is_in_the_venues_readme(name: str) -> None:
    simulator = discover()[name].simulator(1)
    readme = (ROOT / "venues" / name / "README.md").read_text()
    if isinstance(simulator, Tunable):
        assert [knob for knob in simulator.knobs if f"`{knob}`" not in readme] == []


def test_every_credential_is_documented_with_whether_it_is_secret_or_optional() -> None:
    written = {
        (name, key, row[2])
        for name, rows in venue_rows("## What you configure", 4).items()
        for row in rows
        for key in re.findall(r"`(\w+)`", row[0])
    }
    assert written == {
        (name, each.name, "optional" if not each.required else "secret" if each.secret else "")
        for name, venue in discover().items()
        for each in venue.secrets
    }


def test_every_decision_is_dated_and_says_what_would_change_it() -> None:
    entries = re.split(r"^## ", text_of("decisions.md"), flags=re.MULTILINE)[1:]
    assert entries
    for entry in entries:
        title = entry.splitlines()[0]
        assert re.match(r"\d{4}-\d{2}-\d{2} · \S", title), title
        for word in ("**What.**", "**Why.**", "**What would change our mind.**"):
            assert word in entry, f"{title}: no {word}"


def test_every_reason_of_a_closed_gate_is_documented_and_no_other() -> None:
    section = text_of("operations.md").partition("## Gates of venues")[2].partition("### Books")[0]
    written = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    known = [getattr(module, name) for module, name in GATE_REASONS]
    assert sorted(written) == sorted(known)


def test_every_metric_of_operations_exists() -> None:
    written = set(re.findall(r"`(crossbook_\w+?)(?:_total)?(?:\{[\w,]+\})?`", text_of("operations.md")))
    assert len(written) >= 6
    assert written <= {family.name for family in Metrics().registry.collect()}
