"""What a test prints is looked through."""

import subprocess
import sys
from pathlib import Path

from venues import discover

VENUES = len(discover())
ROOT = Path(__file__).parents[1]
TEST = """
import logging
import pytest
from venues import discover

@pytest.mark.parametrize("venue", sorted(discover()))
@pytest.mark.parametrize("how", ["print", "log", "line", "not"])
def test(venue, how):
    card = discover()[venue]
    given = card.simulator(1).open_account({"balance": "1"}, 1_795_000_000_000)
    secrets = [given[s.name] for s in card.secrets if s.secret and len(given.get(s.name, "")) > 12]
    if how == "print":
        print(f"a signer with {secrets[-1]} in it")
    elif how == "log":
        logging.getLogger("x").warning("%r", given)
    elif how == "line":
        print(secrets[0].splitlines()[-2:][0])
"""


def test_a_test_that_shows_a_secret_fails(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.conftest"]
    done = subprocess.run(
        [*command, "-c", str(ROOT / "pyproject.toml"), str(tmp_path / "test_it.py")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert f"{4 * VENUES} passed, {3 * VENUES} errors" in done.stdout, done.stdout[-2_000:]
