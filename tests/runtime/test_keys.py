"""Our own API keys."""

import hashlib

import msgspec
import pytest

from router.core.model import AccountId
from router.runtime.keys import KEYS_MAX, KeyRing, digest, new_key


class Settings(msgspec.Struct, frozen=True):
    sha256: str
    accounts: tuple[str, ...] = ()


def test_a_key_is_known_by_its_hash_and_owns_its_accounts_only() -> None:
    first, second = new_key(), new_key()
    ring = KeyRing.from_config(
        {"one": Settings(digest(first), ("a", "b")), "two": Settings(digest(second), ("c",))}
    )
    one, two = ring.identify(first), ring.identify(second)
    assert (one, two) == ("one", "two")
    assert one is not None
    assert two is not None
    owned = {(key, account) for key in (one, two) for account in "abcd" if ring.owns(key, AccountId(account))}
    assert owned == {("one", "a"), ("one", "b"), ("two", "c")}


def test_the_hash_is_sha_256() -> None:
    assert digest("sor_live_x") == hashlib.sha256(b"sor_live_x").hexdigest()


def test_keys_are_long_and_never_the_same() -> None:
    keys = {new_key() for _ in range(1_000)}
    assert len(keys) == 1_000
    assert {len(key) for key in keys} == {len("sor_live_") + 43}


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "",
        "sor_live_",
        " {key}",
        "{key} ",
        "{key}x",
        "{key}\n",
        "SOR_LIVE_{tail}",
        "{hash}",
        "żółć",
        "{other}",
    ],
)
def test_what_is_not_a_known_key_is_nobody(wrong: str | None) -> None:
    key = new_key()
    ring = KeyRing.from_config({"one": Settings(digest(key))})
    given = wrong and wrong.format(key=key, tail=key[9:], hash=digest(key), other=new_key())
    assert ring.identify(given) is None


def test_a_weak_text_is_no_key_even_if_its_hash_is_configured() -> None:
    """A fast hash is only safe for what is random."""
    ring = KeyRing.from_config({"one": Settings(digest("password"))})
    assert ring.identify("password") is None


def test_faults_name_the_key() -> None:
    good = digest(new_key())
    with pytest.raises(ValueError, match=r"keys\.two\.sha256: the same key as keys\.one"):
        KeyRing.from_config({"one": Settings(good), "two": Settings(good)})
    with pytest.raises(ValueError, match=r"keys\.bad\.sha256: 64 lower-case"):
        KeyRing.from_config({"bad": Settings(good.upper())})
    with pytest.raises(ValueError, match="at most"):
        KeyRing.from_config({str(n): Settings(digest(str(n))) for n in range(KEYS_MAX + 1)})
