"""The README's promises are these, word for word, and each names tests that exist and that hold it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROMISES = (
    "No order leaves before its intent is on disk.",
    "One accepted request causes at most one execution of each leg, through crashes, retries and duplicates.",
    "Every fill at a venue caused by us is in our ledger, "
    "at the latest 60 s after the venue is reachable again.",
    "We never report a leg as rejected or unfilled without proof from the venue; "
    "else it is `unknown` and its money stays reserved.",
    "We never trade on a book that is stale, gapped, crossed against itself or unverified.",
    "If any of these cannot be kept, we stop taking orders and say so.",
)
TESTS_MIN = 2
"""A promise rests on several rungs: a unit, a fault, a process."""


def section() -> str:
    """What the README promises."""
    text = (ROOT / "README.md").read_text()
    return re.split(r"^## ", text.partition("## What it promises\n")[2], flags=re.MULTILINE)[0]


def promised() -> list[tuple[str, list[tuple[str, str]]]]:
    """Each promise as it is written, and its tests: file and name."""
    found = []
    for item in re.split(r"^\d\. ", section(), flags=re.MULTILINE)[1:]:
        bold = re.match(r"\*\*(.+?)\*\*", item, re.DOTALL)
        assert bold is not None, item
        words = " ".join(bold[1].split())
        found.append((words, re.findall(r"\[([\w ,'-]+)\]\((tests/[\w/]+\.py)\)", item)))
    return found


def test_the_promises_are_the_six_word_for_word() -> None:
    assert [words for words, _ in promised()] == list(PROMISES)


@pytest.mark.parametrize("number", range(len(PROMISES)))
def test_each_promise_names_tests_that_exist(number: int) -> None:
    tests = promised()[number][1]
    assert len(tests) >= TESTS_MIN
    for words, path in tests:
        name = "test_" + re.sub(r"[^a-z0-9]+", "_", words.lower().replace("'", ""))
        assert f"def {name}(" in (ROOT / path).read_text(), f"{path} has no {name}"
