"""`crossbook keys api …`, as a person uses it."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from router.cli.app import app
from router.runtime.keys import digest, new_key
from router.runtime.store import api_keys, sqlite_file
from router.runtime.store.beside import administer

Crossbook = Callable[..., Result]


@pytest.fixture
def crossbook(tmp_path: Path) -> Crossbook:
    """Runs a command on settings with two accounts and one key."""
    settings = tmp_path / "crossbook.toml"
    settings.write_text(
        '[registry]\nfile = "registry.yaml"\n[accounts.a]\nvenues = []\n[accounts.b]\nvenues = []\n'
        f'[keys.ours]\nsha256 = "{digest(new_key())}"\naccounts = ["a"]\n'
    )

    def run(*words: str) -> Result:
        return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["keys", *words, "--config", str(settings)])

    return run


def test_a_key_is_printed_once_alone_and_kept_as_its_hash(crossbook: Crossbook, tmp_path: Path) -> None:
    words = ("--account", "a", "--scope", "read", "--scope", "cancel", "--address", "10.0.0.0/8")
    made = crossbook("api", "create", "partner", *words, "--expires", "2999-01-01T00:00:00Z")
    assert made.exit_code == 0, made.output
    text = made.stdout.strip()
    with closing(administer(tmp_path / "crossbook-data")) as connection:
        [stored] = api_keys.listed(connection)
    assert stored.key.sha256 == digest(text)
    listed = crossbook("api", "list").output
    assert all(word in listed for word in ("partner", "in force", "cancel", "10.0.0.0/8", "ours"))
    assert text not in listed
    assert crossbook("api", "revoke", "partner").output == "revoked partner\n"
    assert "revoked" in crossbook("api", "list").output


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("partner",), "owns at least one account"),
        (("partner", "--account", "nobody"), "no account is called 'nobody'"),
        (("ours", "--account", "a"), "ours is the name of a key in the settings"),
        (("a b", "--account", "a"), "a name is 1 to 64"),
        (("partner", "--account", "a", "--expires", "2999-01-01"), "a time zone is needed"),
        (("partner", "--account", "a", "--expires", "2001-01-01T00:00Z"), "that time is over"),
        (("partner", "--account", "a", "--expires", "soon"), "not a date and time"),
        (("partner", "--account", "a", "--address", "10.0.0.1/8"), "has host bits set"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_made(
    crossbook: Crossbook, tmp_path: Path, words: tuple[str, ...], why: str
) -> None:
    refused = crossbook("api", "create", *words)
    assert refused.exit_code == 1
    assert why in refused.output
    assert "sor_live_" not in refused.output
    with closing(administer(tmp_path / "crossbook-data")) as connection:
        assert api_keys.listed(connection) == []


def test_a_key_for_admin_alone_owns_nothing(crossbook: Crossbook) -> None:
    assert crossbook("api", "create", "boss", "--scope", "admin").exit_code == 0


def test_a_key_of_the_settings_is_revoked_in_the_settings(crossbook: Crossbook) -> None:
    refused = crossbook("api", "revoke", "ours")
    assert refused.exit_code == 1
    assert "take keys.ours out of" in refused.output


def test_a_database_that_is_held_by_somebody_else_is_told_in_one_line(
    crossbook: Crossbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert crossbook("api", "create", "partner", "--account", "a").exit_code == 0
    monkeypatch.setattr(sqlite_file, "BUSY_MS_MAX", 10)
    with closing(administer(tmp_path / "crossbook-data")) as beside:
        beside.execute("BEGIN IMMEDIATE")
        done = crossbook("api", "revoke", "partner")
    assert done.exit_code == 1
    assert done.output == "crossbook: database is locked\n"
