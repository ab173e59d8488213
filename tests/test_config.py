"""The settings file: what it may say, and that every mistake is named by key and rule."""

from pathlib import Path
from typing import Any

import pytest

from router.config import ConfigError, load, parse, secrets_of
from router.core.model import AccountId

VENUES = {"north", "south"}
KEY = "a" * 64


def tree(**changes: Any) -> dict[str, Any]:
    """Settings that are well, with changes."""
    return {
        "registry": {"file": "registry.yaml"},
        "accounts": {"acct-1": {"venues": ["north"], "credentials": {"north": {"key": "k"}}}},
        "keys": {"partner": {"sha256": KEY, "accounts": ["acct-1"]}},
    } | changes


def account(**changes: Any) -> dict[str, Any]:
    return {"acct-1": {"venues": ["north"], "credentials": {"north": {"key": "k"}}} | changes}


def test_what_is_not_said_has_a_safe_default() -> None:
    config = parse(tree(), "crossbook.toml", VENUES)
    assert config.server.host == "127.0.0.1"
    assert config.routing.book_silent_ms == 5_000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"accounts": account(venues=["west"])},
            "accounts.acct-1.venues: no such venue: 'west'; known are north",
        ),
        ({"accounts": account(venues=["north", "south"])}, "accounts.acct-1.credentials.south: missing"),
        ({"accounts": account(venues=[])}, "accounts.acct-1.credentials.north: the account does not list"),
        ({"accounts": account(color="red")}, "accounts.acct-1: Object contains unknown field `color`"),
        ({"accounts": {"a b": {"venues": []}}}, "accounts.a b: a name is"),
        ({"keys": {"p": {"sha256": "xyz", "accounts": []}}}, "keys.p.sha256: Expected `str` matching"),
        (
            {"keys": {"p": {"sha256": KEY, "accounts": ["who"]}}},
            "keys.p.accounts: no account is called 'who'",
        ),
        (
            {"keys": {n: {"sha256": KEY, "accounts": []} for n in ("p", "q")}},
            "keys.q.sha256: the same key as keys.p",
        ),
        ({"venues": {"west": {}}}, "venues.west: no such venue"),
        ({"venues": {"north": {"data_account": "who"}}}, "venues.north.data_account: no account"),
        ({"accounts": account(credentials={"north": {"key": 7}})}, "accounts.acct-1.credentials.north.key: "),
        (
            {"accounts": account(credentials={"north": {"key": {"fil": "x"}}})},
            "north.key: Object contains unk",
        ),
        ({"accounts": account(credentials={"north": 7})}, "accounts.acct-1.credentials"),
        ({"accounts": 7}, "accounts: Expected `object`"),
        ({"server": {"port": 70_000}}, "server.port: "),
        ({"server": {"prot": 1}}, "server: Object contains unknown field `prot`"),
        ({"routing": {"answer_ms": 0}}, "routing.answer_ms: "),
        ({"log": {"level": "loud"}}, "log.level: "),
        ({"registry": {}}, "registry: Object missing required field `file`"),
    ],
)
def test_a_mistake_is_named_by_file_key_and_rule(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(tree(**changes), "crossbook.toml", VENUES)
    assert str(refused.value).startswith("crossbook.toml: ")
    assert message in str(refused.value)


def test_all_mistakes_are_told_at_once() -> None:
    changes = {"venues": {"west": {}}, "keys": {"p": {"sha256": KEY, "accounts": ["who"]}}}
    with pytest.raises(ConfigError) as refused:
        parse(tree(**changes), "crossbook.toml", VENUES)
    assert len(str(refused.value).splitlines()) == 2


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "crossbook.toml"
    with pytest.raises(ConfigError, match=r"crossbook\.toml: cannot be read"):
        load(path, VENUES)
    path.write_text("[server\n")
    with pytest.raises(ConfigError, match=r"crossbook\.toml: not TOML"):
        load(path, VENUES)


def test_a_secret_may_lie_in_the_environment_or_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "pem").write_text("secret text\n")
    where = {"north": {"key": {"env": "NORTH_KEY"}, "pem": {"file": str(tmp_path / "pem")}, "id": "plain"}}
    config = parse(tree(accounts=account(credentials=where)), "crossbook.toml", VENUES)
    found = secrets_of(AccountId("acct-1"), "north", config, {"NORTH_KEY": "hush"})
    assert found == {"key": "hush", "pem": "secret text", "id": "plain"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"env": "NOT_SET"}, "accounts.acct-1.credentials.north.key.env: the environment variable NOT_SET"),
        ({"file": "/nowhere/at/all"}, "accounts.acct-1.credentials.north.key.file: /nowhere/at/all cannot"),
        ({}, "accounts.acct-1.credentials.north.key: give exactly one of env and file"),
        ({"env": "A", "file": "B"}, "accounts.acct-1.credentials.north.key: give exactly one"),
    ],
)
def test_a_secret_that_is_not_there_is_named_and_never_shown(source: dict[str, str], message: str) -> None:
    changed = account(credentials={"north": {"key": source}})
    config = parse(tree(accounts=changed), "crossbook.toml", VENUES)
    with pytest.raises(ConfigError) as refused:
        secrets_of(AccountId("acct-1"), "north", config, {"A": "hush"})
    assert str(refused.value).startswith(message)
    assert "hush" not in str(refused.value)
