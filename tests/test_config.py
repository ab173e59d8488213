"""The settings file: what it may say, and that every mistake is named by key and rule."""

from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from router.assembly import hosts_of, tiered
from router.config import ConfigError, load, parse, secrets_of
from router.core.model import AccountId
from venues import discover
from venues.base.contract import Venue

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
        ({"accounts": account(color="red")}, "accounts.acct-1.color: no such key; known are"),
        ({"accounts": {"a b": {"venues": []}}}, "accounts.a b: a name is"),
        (
            {"keys": {"p": {"sha256": "xyz", "accounts": []}}},
            "keys.p.sha256: must be 64 characters of 0-9 and a-f",
        ),
        (
            {"keys": {"p": {"sha256": KEY, "accounts": ["who"]}}},
            "keys.p.accounts: no account is called 'who'",
        ),
        (
            {"keys": {n: {"sha256": KEY, "accounts": []} for n in ("p", "q")}},
            "keys.q.sha256: the same key as keys.p",
        ),
        (
            {"keys": {"p": {"sha256": KEY, "accounts": [], "scopes": ["root"]}}},
            "keys.p.scopes[0]: must be one of read, trade, cancel, admin",
        ),
        (
            {"keys": {"p": {"sha256": KEY, "accounts": [], "scopes": []}}},
            "keys.p.scopes: must have at least 1 entries",
        ),
        (
            {"keys": {"p": {"sha256": KEY, "accounts": [], "expires": datetime(2027, 1, 1)}}},
            "keys.p.expires: must be",
        ),
        (
            {"keys": {"p": {"sha256": KEY, "accounts": [], "addresses": ["10.0.0.1/8"]}}},
            "keys.p.addresses: 10.0.0.1/8 has host bits set",
        ),
        ({"venues": {"west": {}}}, "venues.west: no such venue"),
        ({"venues": {"north": {"data_account": "who"}}}, "venues.north.data_account: no account"),
        (
            {"accounts": account(credentials={"north": {"key": 7}})},
            "accounts.acct-1.credentials.north.key: must be text in quotes or a table, not a whole",
        ),
        (
            {"accounts": account(credentials={"north": {"key": {"fil": "x"}}})},
            "north.key.fil: no such key; known are env, file",
        ),
        ({"accounts": account(credentials={"north": 7})}, "accounts.acct-1.credentials"),
        ({"accounts": 7}, "accounts: must be a table, not a whole number"),
        ({"server": {"port": 70_000}}, "server.port: must be at most 65535"),
        ({"server": {"host": "0.0.0.0"}}, "server.host: '0.0.0.0' can be reached from elsewhere"),
        ({"server": {"host": "::"}}, "server.host: '::' can be reached from elsewhere"),
        ({"server": {"host": ""}}, "server.host: '' can be reached from elsewhere"),
        ({"server": {"host": "router.example"}}, "server.host: 'router.example' can be reached"),
        ({"server": {"tls_key": "k.pem"}}, "server.tls_certificate and server.tls_key: both"),
        ({"server": {"host": "::", "tls_certificate": "c.pem"}}, "server.tls_certificate and server.tls_key"),
        ({"server": {"allowed_hosts": ["a:80"]}}, "server.allowed_hosts"),
        ({"server": {"allowed_origins": ["https://a/b"]}}, "server.allowed_origins"),
        ({"server": {"connections_max": 0}}, "server.connections_max: "),
        ({"server": {"prot": 1}}, "server.prot: no such key; known are allow_plaintext"),
        ({"controls": {"order_usd": 250}}, "controls.order_usd: must be text in quotes, not a whole number"),
        ({"controls": {"order_usd": "1,000"}}, "controls.order_usd: must be a decimal in quotes like"),
        ({"controls": {"collar_usd": "5"}}, "controls.collar_usd: must be a decimal from 0 to 1 in quotes"),
        ({"sevrer": {}}, "sevrer: no such key; known are accounts, controls"),
        ({"routing": {"answer_ms": 0}}, "routing.answer_ms: "),
        ({"log": {"level": "loud"}}, "log.level: must be one of debug, error, info, warning"),
        ({"registry": {}}, "registry.file: required"),
    ],
)
def test_a_mistake_is_named_by_file_key_and_rule(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(tree(**changes), "crossbook.toml", VENUES)
    assert str(refused.value).startswith("crossbook.toml: ")
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "server",
    [
        {"host": "127.0.0.2"},
        {"host": "::1"},
        {"host": "localhost"},
        {"host": "0.0.0.0", "tls_certificate": "c.pem", "tls_key": "k.pem"},
        {"host": "0.0.0.0", "allow_plaintext": True},
    ],
)
def test_a_router_listens_on_this_machine_or_in_tls_or_where_it_was_said(server: dict[str, Any]) -> None:
    assert parse(tree(server=server), "crossbook.toml", VENUES).server.host == server["host"]


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


TOML = """
[registry]
file = "registry.yaml"
[store]
directory = "data"
[keys]
[accounts.acct-1]
venues = ["north"]
"""


def written(folder: Path, credentials: str, mode: int = 0o600) -> Path:
    path = folder / "crossbook.toml"
    path.write_text(f"{TOML}[accounts.acct-1.credentials.north]\n{credentials}\n")
    path.chmod(mode)
    return path


def test_relative_paths_are_beside_the_settings_wherever_the_router_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "etc"
    there.mkdir()
    (there / "pem").write_text("secret text")
    written(there, 'key = { file = "pem" }')
    monkeypatch.chdir(tmp_path)
    config = load(Path("etc/crossbook.toml"), VENUES)
    assert config.store.directory == str(there / "data")
    assert config.registry.file == str(there / "registry.yaml")
    assert secrets_of(AccountId("acct-1"), "north", config) == {"key": "secret text"}


@pytest.mark.parametrize(
    ("credentials", "mode", "refused"),
    [
        ('key = "hush-hush"', 0o644, True),
        ('key = "hush-hush"', 0o640, False),
        ('key = "hush-hush"', 0o600, False),
        ('key = { env = "K" }', 0o644, False),
    ],
)
def test_a_file_with_secrets_in_it_is_not_for_everybody(
    tmp_path: Path, credentials: str, mode: int, refused: bool
) -> None:
    path = written(tmp_path, credentials, mode)
    if refused:
        with pytest.raises(ConfigError, match="everybody may read it") as told:
            load(path, VENUES)
        assert "hush" not in str(told.value)
    else:
        load(path, VENUES)


def test_settings_show_no_secret_when_they_are_printed(tmp_path: Path) -> None:
    config = load(written(tmp_path, 'key = "hush-hush"'), VENUES)
    shown = StringIO()
    Console(file=shown, width=200).print(config)
    assert "hush-hush" not in repr(config) + str(config) + shown.getvalue()


def test_a_secret_file_that_is_no_text_is_named_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "pem").write_bytes(b"hush\xff")
    config = load(written(tmp_path, 'key = { file = "pem" }'), VENUES)
    with pytest.raises(ConfigError, match="is not UTF-8 text") as told:
        secrets_of(AccountId("acct-1"), "north", config)
    assert told.value.__cause__ is None
    assert "hush" not in str(told.value)


def test_more_keys_than_can_be_compared_are_refused() -> None:
    keys = {f"k{n}": {"sha256": f"{n:064x}", "accounts": []} for n in range(257)}
    with pytest.raises(ConfigError, match="keys: at most 256"):
        parse(tree(keys=keys), "crossbook.toml", VENUES)


@pytest.mark.parametrize(
    ("hosts", "message"),
    [
        ({"rset": "http://127.0.0.1:1"}, "hosts.rset: no such host; known are"),
        ({"rest": "http://127.0.0.1:1/"}, "hosts.rest: a base URL"),
        ({"rest": "127.0.0.1:1"}, "hosts.rest: a base URL"),
        ({"rest": "http://127.0.0.1:1/trade?x=1"}, "hosts.rest: a base URL"),
    ],
)
def test_a_host_that_would_replace_nothing_is_refused(hosts: dict[str, str], message: str) -> None:
    venues = discover()
    name = min(venues)
    settings = {"registry": {"file": "r"}, "accounts": {}, "keys": {}, "venues": {name: {"hosts": hosts}}}
    with pytest.raises(ConfigError, match=f"venues.{name}.{message}"):
        hosts_of(parse(settings, "crossbook.toml", venues), venues)


def test_hosts_that_replace_the_venues_own_are_taken() -> None:
    venues = discover()
    name = min(venues)
    hosts = {"rest": "http://127.0.0.1:1/api", "socket": "ws://127.0.0.1:1"}
    settings = {"registry": {"file": "r"}, "accounts": {}, "keys": {}, "venues": {name: {"hosts": hosts}}}
    assert hosts_of(parse(settings, "crossbook.toml", venues), venues) == {name: hosts}


@pytest.mark.parametrize(("name", "venue"), sorted(discover().items()))
def test_a_tier_replaces_a_venues_paces_and_an_unknown_one_is_refused(name: str, venue: Venue) -> None:
    settings: dict[str, Any] = {"registry": {"file": "r"}, "accounts": {}, "keys": {}}
    settings["venues"] = {name: {"tier": "no-such-tier"}}
    with pytest.raises(ConfigError, match=rf"venues\.{name}\.tier: no such tier: 'no-such-tier'"):
        tiered(parse(settings, "crossbook.toml", discover()), discover())
    for tier, paces in venue.limits.tiers.items():
        settings["venues"] = {name: {"tier": tier}}
        found = tiered(parse(settings, "crossbook.toml", discover()), discover())
        assert found[name].limits.paces == paces
        assert {other: v for other, v in found.items() if other != name} == {
            other: v for other, v in discover().items() if other != name
        }
