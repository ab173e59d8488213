"""Master keys: where they come from, and which places are refused."""

import os
from hashlib import scrypt
from pathlib import Path

import pytest

from router.runtime.vault import master
from router.runtime.vault.master import PASSPHRASE_LENGTH_MIN, anchored, check, new_master_key, opener, write
from router.runtime.vault.seal import Broken
from router.runtime.vault.wrap import LocalMaster, MasterFault

KEY = new_master_key()
PHRASE = "correct horse battery"
SALT = b"s" * 16


def key_file(folder: Path, text: str = KEY, mode: int = 0o400) -> Path:
    path = folder / "master.key"
    path.write_text(text + "\n")
    path.chmod(mode)
    return path


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passphrases at a price that tests can pay."""
    monkeypatch.setattr(master, "SCRYPT_N", 2**4)


def test_one_key_is_the_same_master_wherever_it_is_kept(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    environment = {"KEY": KEY, "CREDENTIALS_DIRECTORY": str(tmp_path)}
    sources = (f"file:{path}", "env:KEY", "credential:master.key")
    made = [opener(source, environment=environment)(SALT) for source in sources]
    about = b"about"
    wrapped = made[0].wrap(bytes(32), about)
    assert {each.master_id for each in made} == {LocalMaster(bytes.fromhex(KEY)).master_id}
    assert [each.unwrap(wrapped, about) for each in made] == [bytes(32)] * 3
    with pytest.raises(Broken):
        made[0].unwrap(wrapped, b"something else")


@pytest.mark.parametrize("mode", [0o600, 0o440, 0o404, 0o420, 0o402, 0o500, 0o644])
def test_a_key_file_that_anybody_else_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path, mode=mode)
    with pytest.raises(MasterFault, match=rf"its mode is {mode:04o}.*chmod 400"):
        opener(f"file:{path}")


@pytest.mark.parametrize(("mode", "taken"), [(0o400, True), (0o440, True), (0o404, False), (0o644, False)])
def test_systemd_may_let_its_unit_in_by_the_group(tmp_path: Path, mode: int, taken: bool) -> None:
    key_file(tmp_path, mode=mode)
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    if taken:
        assert opener("credential:master.key", environment=environment)(SALT).master_id
    else:
        with pytest.raises(MasterFault, match="its mode is"):
            opener("credential:master.key", environment=environment)


def test_what_is_no_key_file_is_refused_without_being_shown(tmp_path: Path) -> None:
    cases = {
        "cannot be read": tmp_path / "nowhere",
        "Is a directory": tmp_path,
        "64 lower-case hexadecimal digits": key_file(tmp_path, KEY[:-1]),
    }
    for why, path in cases.items():
        with pytest.raises(MasterFault, match=why) as refused:
            opener(f"file:{path}")
        assert KEY[:-1] not in str(refused.value)
    large = tmp_path / "large"
    large.write_bytes(b"a" * 5_000)
    large.chmod(0o400)
    with pytest.raises(MasterFault, match="longer than"):
        opener(f"file:{large}")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o400)
    with pytest.raises(MasterFault, match="is no file"):
        opener(f"file:{pipe}")


def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = key_file(tmp_path)
    owner = os.geteuid()
    if owner == 0:
        os.chown(path, 12_345, -1)
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(MasterFault, match="belongs to another user"):
        opener(f"file:{path}")


def test_a_place_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MasterFault, match="env:KEY: the environment variable is not set"):
        opener("env:KEY", environment={})
    with pytest.raises(MasterFault, match="not started by systemd"):
        opener("credential:key", environment={})
    with pytest.raises(MasterFault, match="credential:key: cannot be read"):
        opener("credential:key", environment={"CREDENTIALS_DIRECTORY": str(tmp_path)})


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("", "must be"),
        ("file:", "must be"),
        ("passphrase:", "must be"),
        ("passphrase:file:", "must be"),
        ("env:A B", "no name"),
        ("credential:../key", "no name"),
        ("passphrase:credential:a/b", "no name"),
        ("vault:x", "no such kind of master key; known are file, env, credential, passphrase"),
        ("passphrase:passphrase:ask", "passphrase: no such kind"),
    ],
)
def test_what_names_no_master_key_is_refused(source: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check(source)


@pytest.mark.usefixtures("cheap")
def test_a_passphrase_is_stretched_by_scrypt_with_its_salt(tmp_path: Path) -> None:
    key = scrypt(PHRASE.encode(), salt=SALT, n=2**4, r=8, p=1, dklen=32)
    wanted = LocalMaster(key).master_id
    path = key_file(tmp_path, PHRASE)
    environment = {"PHRASE": PHRASE}
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return PHRASE

    for source in (f"passphrase:file:{path}", "passphrase:env:PHRASE", "passphrase:ask"):
        make = opener(source, environment=environment, ask=ask)
        assert make(SALT).master_id == wanted
        assert make(b"t" * 16).master_id != wanted
    assert len(asked) == 1


def test_the_price_of_a_passphrase_is_the_one_that_is_documented() -> None:
    assert (master.SCRYPT_N, master.SCRYPT_R, master.SCRYPT_P) == (131_072, 8, 1)


@pytest.mark.usefixtures("cheap")
def test_a_short_passphrase_is_refused() -> None:
    short = "x" * (PASSPHRASE_LENGTH_MIN - 1)
    with pytest.raises(MasterFault, match="at least 12 characters"):
        opener("passphrase:env:P", environment={"P": short})
    assert opener("passphrase:env:P", environment={"P": short + "x"})(SALT).master_id


def test_a_written_key_is_the_owners_alone_and_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "new.key"
    write(path, KEY)
    assert path.stat().st_mode & 0o777 == 0o400
    assert opener(f"file:{path}")(SALT).master_id == LocalMaster(bytes.fromhex(KEY)).master_id
    with pytest.raises(FileExistsError):
        write(path, new_master_key())


def test_a_path_is_beside_the_settings(tmp_path: Path) -> None:
    for before in ("", "passphrase:"):
        assert anchored(f"{before}file:m.key", tmp_path) == f"{before}file:{tmp_path}/m.key"
        assert anchored(f"{before}file:/etc/m.key", tmp_path) == f"{before}file:/etc/m.key"
    for other in ("env:file", "passphrase:ask", "kms:file:x"):
        assert anchored(other, tmp_path) == other


def test_a_master_key_shows_its_name_alone() -> None:
    made = LocalMaster(bytes.fromhex(KEY))
    assert KEY not in repr(made) + made.master_id
    assert bytes.fromhex(KEY).hex()[:8] not in made.master_id


def test_another_distribution_may_bring_a_kind_of_master_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installed as its users would: found by its entry point, named in the settings."""
    (tmp_path / "acme_kms.py").write_text(
        "from router.runtime.vault.wrap import LocalMaster, MasterFault\n"
        "def master(text):\n"
        "    if text != 'eu/key-1':\n"
        "        raise MasterFault(f'acme: no key {text}')\n"
        "    return LocalMaster(bytes(32))\n"
    )
    about = tmp_path / "acme_kms-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-kms\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[crossbook.masters]\nacme = acme_kms:master\n")
    with pytest.raises(ValueError, match="acme: no such kind of master key"):
        check("acme:eu/key-1")
    monkeypatch.syspath_prepend(tmp_path)
    check("acme:eu/key-1")
    assert opener("acme:eu/key-1")(SALT).master_id == LocalMaster(bytes(32)).master_id
    with pytest.raises(MasterFault, match="acme: no key us/key-2"):
        opener("acme:us/key-2")
