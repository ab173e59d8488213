"""The planted faults still fit the code: `make planted` runs them all."""

from collections import Counter
from pathlib import Path

from tests.planted import faults

ROOT = Path(__file__).parents[1]
FAULTS = faults()
LEAST = 40


def test_there_are_enough_of_them_and_each_says_what_it_is() -> None:
    assert len(FAULTS) >= LEAST
    assert [what for what, count in Counter((f.what, f.path) for f in FAULTS).items() if count > 1] == []


def test_every_fault_can_be_planted_in_one_place() -> None:
    texts = {fault.path: (ROOT / fault.path).read_text() for fault in FAULTS}
    misfits = [
        (fault.path, fault.what, texts[fault.path].count(fault.old))
        for fault in FAULTS
        if texts[fault.path].count(fault.old) != 1
    ]
    assert misfits == [], "change the planted fault with the code, so that it stays the same fault"


def test_a_planted_fault_is_valid_code_and_another_one() -> None:
    for fault in FAULTS:
        text = (ROOT / fault.path).read_text()
        planted = text.replace(fault.old, fault.new)
        assert planted != text, fault.what
        compile(planted, fault.path, "exec")


def test_the_tests_that_must_turn_red_exist() -> None:
    for fault in FAULTS:
        for name in fault.tests.split():
            path, _, test = name.partition("::")
            assert (ROOT / path).is_file(), f"{fault.what}: {path}"
            assert not test or f"def {test}(" in (ROOT / path).read_text(), f"{fault.what}: {name}"
