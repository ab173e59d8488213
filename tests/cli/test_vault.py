"""`crossbook keys venue …` and `crossbook keys master …`, against a simulated venue."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import tomli_w
from typer.testing import CliRunner, Result

from router.cli.app import app
from router.config import load
from router.core.model import AccountId
from router.runtime.accounts import Account
from router.runtime.clock import SystemClock
from router.runtime.logs import Redactor
from router.runtime.store.beside import administer
from router.runtime.store.sqlite_file import FILE_NAME
from router.runtime.vault import master, table
from router.runtime.vault.credentials import Credentials
from router.runtime.vault.wrap import MasterFault
from venues import discover
from venues.sim.server import SimServer

NAME = min(discover())


class Desk:
    """A person with settings, a terminal and one venue."""

    def __init__(self, folder: Path, server: SimServer) -> None:
        self.folder, self.server = folder, server
        self.settings = folder / "crossbook.toml"
        self.tree: dict[str, object] = {
            "registry": {"file": "registry.yaml"},
            "keys": {},
            "vault": {"master": "file:master.key"},
            "venues": {NAME: {"hosts": dict(server.hosts)}},
            "accounts": {"a": {"venues": [NAME]}, "b": {"venues": []}},
        }
        self.said = ""

    def new_secrets(self) -> dict[str, str]:
        now_ms = SystemClock().now_ms()
        return dict(self.server.simulator.open_account({"balance": "10"}, now_ms))

    async def crossbook(self, *words: str, given: dict[str, str] | str = "") -> Result:
        """Run a command beside the venue; `given` is what the command reads."""
        self.settings.write_text(tomli_w.dumps(self.tree))
        text = given if isinstance(given, str) else json.dumps(given)
        run = CliRunner(env={"COLUMNS": "200"}).invoke
        result = await asyncio.to_thread(
            run, app, ["keys", *words, "--config", str(self.settings)], input=text
        )
        self.said += result.output + repr(result.exception)
        return result

    def rows(self) -> list[table.Row]:
        with closing(administer(self.folder / "crossbook-data")) as connection:
            return table.credentials(connection)

    def account(self) -> Account:
        self.settings.write_text(tomli_w.dumps(self.tree))
        venues = discover()
        return Credentials(load(self.settings, venues), venues, Redactor()).open()[AccountId("a")]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    server = SimServer(discover()[NAME].simulator(3), clock=SystemClock().now_ms, seed=3)
    await server.start()
    try:
        yield Desk(tmp_path, server)
    finally:
        await server.stop()


async def test_credentials_go_into_the_vault_and_the_account_is_opened_from_it(desk: Desk) -> None:
    made = await desk.crossbook("master", "init")
    assert made.exit_code == 0, made.output
    assert (desk.folder / "master.key").stat().st_mode & 0o777 == 0o400
    secrets = desk.new_secrets()
    put = await desk.crossbook("venue", "set", "a", NAME, "--stdin", given=secrets)
    assert put.exit_code == 0, put.output
    assert desk.account().venues == {NAME}
    listed = await desk.crossbook("venue", "list")
    assert all(word in listed.output for word in ("a ", NAME, "yes"))
    assert "opens 1 accounts" in (await desk.crossbook("master", "list")).output
    hidden = [secrets[each.name] for each in discover()[NAME].secrets if each.secret and each.name in secrets]
    assert not any(value in desk.said for value in hidden)
    assert (desk.folder / "master.key").read_text().strip() not in desk.said
    assert "already" in (await desk.crossbook("venue", "set", "a", NAME, "--stdin", given=secrets)).output


async def test_a_person_types_them_and_is_not_overheard(desk: Desk) -> None:
    await desk.crossbook("master", "init")
    secrets = desk.new_secrets()
    typed = []
    for each in discover()[NAME].secrets:
        value = secrets.get(each.name, "")
        if "\n" in value:
            path = desk.folder / each.name
            path.write_text(value)
            value = f"@{path}"
        typed.append(value)
    put = await desk.crossbook("venue", "set", "a", NAME, given="\n".join([*typed, ""]))
    assert put.exit_code == 0, put.output
    assert desk.account().venues == {NAME}
    assert not any(
        secrets[s.name] in desk.said for s in discover()[NAME].secrets if s.secret and s.name in secrets
    )


async def test_credentials_that_the_venue_does_not_take_are_not_kept(desk: Desk) -> None:
    await desk.crossbook("master", "init")
    stranger = dict(discover()[NAME].simulator(99).open_account({"balance": "1"}, SystemClock().now_ms()))
    refused = await desk.crossbook("venue", "set", "a", NAME, "--stdin", given=stranger)
    assert refused.exit_code == 1
    assert "does not take them, nothing was changed" in refused.output
    assert desk.rows() == []
    kept = await desk.crossbook("venue", "set", "a", NAME, "--stdin", "--unchecked", given=stranger)
    assert (kept.exit_code, len(desk.rows())) == (0, 1)


async def test_credentials_move_from_the_settings_into_the_vault(desk: Desk) -> None:
    await desk.crossbook("master", "init")
    accounts: dict[str, object] = {"a": {"venues": [NAME], "credentials": {NAME: desk.new_secrets()}}}
    before, desk.tree["accounts"] = desk.tree["accounts"], accounts
    desk.settings.write_text("")
    desk.settings.chmod(0o600)
    moved = await desk.crossbook("venue", "set", "a", NAME, "--from-settings")
    assert moved.exit_code == 0, moved.output
    assert "take accounts.a.credentials out" in moved.output
    desk.tree["accounts"] = before
    assert desk.account().venues == {NAME}


def rotating(secrets: dict[str, str]) -> dict[str, str]:
    names = {each.name for each in discover()[NAME].secrets if each.rotates}
    return {name: value for name, value in secrets.items() if name in names}


async def test_api_keys_rotate_and_older_ones_come_back_until_they_are_forgotten(desk: Desk) -> None:
    await desk.crossbook("master", "init")
    secrets = desk.new_secrets()
    await desk.crossbook("venue", "set", "a", NAME, "--stdin", given=secrets)
    rotated = await desk.crossbook("venue", "rotate", "a", NAME, "--stdin", given=rotating(secrets))
    assert rotated.exit_code == 0, rotated.output
    assert [row.version for row in desk.rows()] == [1, 2]
    assert (await desk.crossbook("venue", "undo", "a", NAME)).exit_code == 0
    assert [row.version for row in desk.rows()] == [1]
    assert "no older version" in (await desk.crossbook("venue", "undo", "a", NAME)).output
    await desk.crossbook("venue", "rotate", "a", NAME, "--stdin", given=rotating(secrets))
    assert "1 older versions forgotten" in (await desk.crossbook("venue", "forget", "a", NAME)).output
    assert [row.version for row in desk.rows()] == [2]
    assert desk.account().venues == {NAME}


async def test_new_keys_that_the_venue_does_not_take_leave_the_old_ones(desk: Desk) -> None:
    await desk.crossbook("master", "init")
    await desk.crossbook("venue", "set", "a", NAME, "--stdin", given=desk.new_secrets())
    stranger = dict(discover()[NAME].simulator(99).open_account({"balance": "1"}, SystemClock().now_ms()))
    refused = await desk.crossbook("venue", "rotate", "a", NAME, "--stdin", given=rotating(stranger))
    assert refused.exit_code == 1
    assert "does not take them, nothing was changed" in refused.output
    assert [row.version for row in desk.rows()] == [1]


async def test_nobody_becomes_another_customer_by_rotating(desk: Desk) -> None:
    await desk.crossbook("master", "init")
    await desk.crossbook("venue", "set", "a", NAME, "--stdin", given=desk.new_secrets())
    refused = await desk.crossbook("venue", "rotate", "a", NAME, "--stdin", given={"wallet": "x"})
    assert "wallet says who the account is" in refused.output
    assert [row.version for row in desk.rows()] == [1]


async def test_rotating_to_nothing_new_makes_no_version_that_someone_would_revoke_the_old_for(
    desk: Desk,
) -> None:
    await desk.crossbook("master", "init")
    await desk.crossbook("venue", "set", "a", NAME, "--stdin", given=desk.new_secrets())
    refused = await desk.crossbook("venue", "rotate", "a", NAME, "--stdin", given="{}")
    assert refused.exit_code == 1
    assert "nothing was given, nothing was changed" in refused.output
    assert [row.version for row in desk.rows()] == [1]


@pytest.mark.parametrize(
    ("words", "otherwise"),
    [
        (("venue", "set", "a", NAME), "--stdin reads a JSON object"),
        (("venue", "remove", "a", NAME), "--yes does not ask"),
    ],
)
async def test_a_question_that_nobody_answers_says_what_to_do_instead(
    desk: Desk, words: tuple[str, ...], otherwise: str
) -> None:
    await desk.crossbook("master", "init")
    refused = await desk.crossbook(*words)
    assert refused.exit_code == 1
    assert otherwise in refused.output.splitlines()[-1]
    assert desk.rows() == []


async def test_removed_credentials_are_gone(desk: Desk) -> None:
    await desk.crossbook("master", "init")
    await desk.crossbook("venue", "set", "a", NAME, "--stdin", given=desk.new_secrets())
    assert (await desk.crossbook("venue", "remove", "a", NAME, given="n\n")).exit_code == 1
    assert len(desk.rows()) == 1
    assert (await desk.crossbook("venue", "remove", "a", NAME, "--yes")).exit_code == 0
    assert desk.rows() == []
    assert "has no credentials" in (await desk.crossbook("venue", "remove", "a", NAME, "--yes")).output


async def test_a_master_key_is_replaced_without_touching_what_runs(desk: Desk) -> None:
    await desk.crossbook("master", "init")
    await desk.crossbook("venue", "set", "a", NAME, "--stdin", given=desk.new_secrets())
    before = desk.rows()
    rotated = await desk.crossbook("master", "rotate", "--to", f"file:{desk.folder}/second.key")
    assert rotated.exit_code == 0, rotated.output
    old = rotated.output.split()[-1]
    assert desk.account().venues == {NAME}, "the old key still opens it"
    desk.tree["vault"] = {"master": "file:second.key"}
    assert desk.account().venues == {NAME}, "so does the new one"
    retired = await desk.crossbook("master", "retire", old)
    assert retired.exit_code == 0, retired.output
    assert desk.account().venues == {NAME}
    assert desk.rows() == before
    desk.tree["vault"] = {"master": "file:master.key"}
    assert "is not the master key" in (await desk.crossbook("master", "retire", old)).output


async def test_a_new_key_file_lies_beside_the_settings_wherever_the_command_is_given(desk: Desk) -> None:
    await desk.crossbook("master", "init")
    rotated = await desk.crossbook("master", "rotate", "--to", "file:second.key")
    assert rotated.exit_code == 0, rotated.output
    assert (desk.folder / "second.key").is_file()


def test_a_passphrase_that_nobody_is_there_to_type_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: str) -> str:
        raise EOFError

    monkeypatch.setattr(master, "getpass", nobody)
    with pytest.raises(MasterFault, match="nobody is there to ask; passphrase:file:PATH"):
        master.opener("passphrase:ask")


@pytest.mark.slow
async def test_a_running_router_can_write_while_a_person_types_a_passphrase(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def typed(prompt: str) -> str:
        """Slowly: meanwhile a router wants to write, and does not wait for it."""
        with closing(sqlite3.connect(desk.folder / "crossbook-data" / FILE_NAME, timeout=0)) as beside:
            beside.execute("BEGIN IMMEDIATE")
            beside.execute("ROLLBACK")
        asked.append(prompt)
        return "a passphrase that is long"

    defaults = master.opener.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "ask", typed)
    desk.tree["vault"] = {"master": "passphrase:ask"}
    made = await desk.crossbook("master", "init")
    assert made.exit_code == 0, made.output
    await desk.crossbook("venue", "set", "a", NAME, "--stdin", given=desk.new_secrets())
    rotated = await desk.crossbook("master", "rotate", "--to", f"file:{desk.folder}/second.key")
    assert rotated.exit_code == 0, rotated.output
    desk.tree["vault"] = {"master": "file:second.key"}
    again = await desk.crossbook("master", "rotate", "--to", "passphrase:ask")
    assert again.exit_code == 0, again.output
    assert len(asked) == 4


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("venue", "set", "nobody", NAME, "--stdin"), "no account is called 'nobody'"),
        (("venue", "set", "a", "nowhere", "--stdin"), "no such venue: 'nowhere'"),
        (("venue", "set", "a", NAME, "--stdin"), "a JSON object of texts is needed"),
        (("master", "retire", "x"), "x is no master key"),
        (("master", "init"), "there is a vault already"),
        (("master", "rotate", "--to", "kms:x"), "kms: no such kind of master key"),
    ],
)
async def test_what_cannot_be_done_is_said_in_one_line(desk: Desk, words: tuple[str, ...], why: str) -> None:
    await desk.crossbook("master", "init")
    refused = await desk.crossbook(*words, given="7")
    assert refused.exit_code == 1
    [line] = refused.output.splitlines()
    assert line.startswith("crossbook: ")
    assert why in line


async def test_without_a_vault_in_the_settings_it_says_how_to_get_one(desk: Desk) -> None:
    del desk.tree["vault"]
    desk.tree["accounts"] = {}
    assert "add [vault]" in (await desk.crossbook("master", "init")).output


async def test_a_list_of_no_master_keys_says_that_there_is_no_vault(desk: Desk) -> None:
    listed = await desk.crossbook("master", "list")
    assert listed.exit_code == 1
    assert "there is no vault yet: crossbook keys master init" in listed.output
    made = (await desk.crossbook("master", "init")).output.split()[-1]
    assert f"{made}  opens 0 accounts" in (await desk.crossbook("master", "list")).output


async def test_a_new_master_key_is_printed_alone() -> None:
    first, second = (CliRunner().invoke(app, ["keys", "master", "new"]).stdout for _ in range(2))
    assert len(bytes.fromhex(first.strip())) == 32
    assert first != second
