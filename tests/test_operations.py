"""What an operator can be told is described where an operator looks."""

import re
from pathlib import Path

from router.core.invariants import Alarm, Invariant
from router.runtime.metrics import Metrics

OPERATIONS = (Path(__file__).parents[1] / "docs" / "operations.md").read_text()


def test_every_invariant_is_described_and_no_other() -> None:
    section = OPERATIONS[OPERATIONS.index("| `invariant` |") :].split("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \| ", section, re.MULTILINE)
    assert rows[1:] == [invariant.value for invariant in Invariant]
    assert all(f"`{alarm.value}`" in OPERATIONS for alarm in Alarm)


def test_an_alarm_can_be_set_before_anything_is_broken() -> None:
    sample = Metrics().registry.get_sample_value
    for each in (*Invariant, *Alarm):
        assert sample("crossbook_invariant_violations_total", {"invariant": each.value}) == 0


def test_every_alarm_that_is_counted_is_one_of_these() -> None:
    """A series that begins with its first violation sets no alarm off: increase() needs the zero before."""
    sources = (Path(__file__).parents[1] / "router").rglob("*.py")
    assert [str(p) for p in sources if re.search(r"violations\.labels\(\s*f?[\"\']", p.read_text())] == []
