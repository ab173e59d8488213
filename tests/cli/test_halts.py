"""`crossbook halt` and `resume`: what they put into the halt file, and what they leave in it."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from router.cli.app import app
from router.core.halts import ALL, Scope, read_file, scope_of
from router.runtime import halt_file
from venues import discover

SETTINGS = '[registry]\nfile = "registry.yaml"\n\n[accounts.acct-1]\nvenues = []\n\n[keys]\n'
SOMEWHERE = min(discover())


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "crossbook.toml"
    path.write_text(SETTINGS)
    return path


def said(config: Path, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--config", str(config)])


def test_halts_are_added_and_taken_out_one_by_one(config: Path) -> None:
    file = config.parent / "crossbook-data" / "halt"
    assert said(config, "halt", "venue", SOMEWHERE, "--why", "odd  #fills\n").exit_code == 0
    assert said(config, "halt", "all").exit_code == 0
    assert halt_file.read(file) == {Scope("venue", SOMEWHERE): "odd #fills", Scope(ALL): ""}
    assert said(config, "resume", "all").exit_code == 0
    assert halt_file.read(file) == {Scope("venue", SOMEWHERE): "odd #fills"}
    assert said(config, "resume", "venue", SOMEWHERE).exit_code == 0
    assert not file.exists()
    assert list(file.parent.iterdir()) == []


def test_an_empty_file_that_halts_all_does_so_still_when_more_is_halted(config: Path) -> None:
    file = config.parent / "crossbook-data" / "halt"
    file.parent.mkdir()
    file.touch()
    said(config, "halt", "account", "acct-1")
    assert set(halt_file.read(file)) == {Scope(ALL), Scope("account", "acct-1")}


def test_what_is_not_halted_cannot_be_resumed(config: Path) -> None:
    said(config, "halt", "venue", SOMEWHERE)
    done = said(config, "resume", "all")
    assert done.exit_code == 1
    assert f"venue:{SOMEWHERE}" in done.output


@pytest.mark.parametrize(
    "words",
    [
        ("halt", "most"),
        ("halt", "venue"),
        ("halt", "all", "x"),
        ("halt", "venue", "a b"),
        ("halt", "venue", "nowhere"),
        ("halt", "account", "acct1"),
        ("halt", "market", ":x"),
    ],
)
def test_what_cannot_be_halted_is_refused_and_halts_nothing(config: Path, words: tuple[str, ...]) -> None:
    assert said(config, *words).exit_code == 1
    assert not (config.parent / "crossbook-data" / "halt").exists()


def test_the_file_can_be_elsewhere(config: Path) -> None:
    config.write_text(SETTINGS + '[controls]\nhalt_file = "STOP"\n')
    said(config, "halt", "all")
    assert (config.parent / "STOP").read_text() == "all\n"


@pytest.mark.parametrize("text", ["all", "account:acct-1", "venue:v", "market:px-abcdefgh", "market:v:n:1"])
def test_a_scope_reads_back_from_its_text(text: str) -> None:
    assert str(scope_of(text)) == text
    assert str(scope_of(text.replace(":", " ", 1))) == text


@pytest.mark.parametrize("text", ["", "\n", "# why\n", "venue\n", "halt everything", "all of it"])
def test_a_file_that_names_nothing_known_halts_all(text: str) -> None:
    assert Scope(ALL) in read_file(text)


def test_a_file_that_cannot_be_read_halts_all(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_text("account a\n" * 10_000)
    for path in (tmp_path / "raw", tmp_path / "large", tmp_path):
        assert list(halt_file.read(path)) == [Scope(ALL)], path
    assert halt_file.read(tmp_path / "none") == {}


@pytest.mark.parametrize("name", ["a#b", "somewhere:a#b", "#a", "a:", "a::b"])
def test_a_name_with_odd_signs_is_halted_as_it_is(config: Path, name: str) -> None:
    assert said(config, "halt", "market", name, "--why", "#1 reason").exit_code == 0
    file = config.parent / "crossbook-data" / "halt"
    found = halt_file.read(file)
    assert found == (
        {Scope("market", name): "#1 reason"} if name[0] != "#" else {Scope(ALL): found[Scope(ALL)]}
    )


def test_a_reason_in_any_letters_is_kept_as_far_as_it_can_be_written(config: Path) -> None:
    file = config.parent / "crossbook-data" / "halt"
    assert said(config, "halt", "all", "--why", "für \udcff 停").exit_code == 0
    assert halt_file.read(file) == {Scope(ALL): "für ? 停"}


def test_commands_at_the_same_time_undo_nothing_of_each_other(config: Path) -> None:
    file = config.parent / "crossbook-data" / "halt"
    file.parent.mkdir()

    def halted(number: int) -> None:
        with halt_file.alone(file):
            halt_file.write(file, halt_file.read(file) | {Scope("market", f"m{number}"): ""})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(halted, range(40)))
    assert len(halt_file.read(file)) == 40


def test_a_router_of_another_user_can_read_what_a_careful_one_halts(config: Path) -> None:
    before = os.umask(0o077)
    try:
        assert said(config, "halt", "venue", SOMEWHERE).exit_code == 0
    finally:
        os.umask(before)
    assert (config.parent / "crossbook-data" / "halt").stat().st_mode & 0o777 == 0o644
