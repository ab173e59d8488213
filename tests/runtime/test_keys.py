"""Our own API keys."""

import hashlib
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from router.core.model import AccountId
from router.runtime.keys import (
    ADDRESSES_MAX,
    KEYS_MAX,
    USUAL_SCOPES,
    Denied,
    KeyRing,
    Scope,
    digest,
    new_key,
)

NOW_MS = 1_790_000_000_000


class Settings(msgspec.Struct, frozen=True):
    sha256: str
    accounts: tuple[str, ...] = ()
    scopes: tuple[Scope, ...] = USUAL_SCOPES
    expires: datetime | None = None
    addresses: tuple[str, ...] = ()


def ring(**keys: Settings) -> KeyRing:
    return KeyRing.from_config(keys, lambda: NOW_MS)


def admitted(ring: KeyRing, key: str | None, scope: Scope = Scope.TRADE, at: str | None = "192.0.2.1") -> str:
    """Whose key it is, or why it is not admitted."""
    try:
        return ring.admit(key, scope, address=at).name
    except Denied as denied:
        return type(denied).__name__


def test_a_key_is_known_by_its_hash_and_owns_its_accounts_only() -> None:
    first, second = new_key(), new_key()
    keys = ring(one=Settings(digest(first), ("a", "b")), two=Settings(digest(second), ("c",)))
    found = [keys.admit(key, Scope.TRADE, address=None) for key in (first, second)]
    owned = {(key.name, account) for key in found for account in "abcd" if keys.owns(key, AccountId(account))}
    assert owned == {("one", "a"), ("one", "b"), ("two", "c")}


def test_a_key_trades_but_is_no_admin_unless_it_says_so() -> None:
    usual, admin = new_key(), new_key()
    keys = ring(usual=Settings(digest(usual)), admin=Settings(digest(admin), scopes=(Scope.ADMIN,)))
    for scope in Scope:
        assert admitted(keys, usual, scope) == ("WrongScope" if scope is Scope.ADMIN else "usual")
        assert admitted(keys, admin, scope) == ("admin" if scope is Scope.ADMIN else "WrongScope")


@pytest.mark.parametrize(
    ("expires", "seen"),
    [
        (None, "one"),
        (datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC), "ExpiredKey"),
        (datetime(2026, 9, 21, 14, 13, 20, 1_000, tzinfo=UTC), "one"),
        (datetime(2026, 9, 21, 14, 13, 20, 1_000, tzinfo=timezone(timedelta(hours=1))), "ExpiredKey"),
    ],
)
def test_a_key_ends_at_its_time(expires: datetime | None, seen: str) -> None:
    key = new_key()
    assert admitted(ring(one=Settings(digest(key), expires=expires)), key) == seen


@pytest.mark.parametrize(
    ("addresses", "at", "seen"),
    [
        ((), "203.0.113.9", True),
        ((), None, True),
        (("192.0.2.0/24",), "192.0.2.255", True),
        (("192.0.2.0/24",), "192.0.3.0", False),
        (("192.0.2.7",), "192.0.2.7", True),
        (("192.0.2.7",), "192.0.2.70", False),
        (("192.0.2.0/24",), "::ffff:192.0.2.9", True),
        (("192.0.2.0/24",), "::ffff:192.0.3.9", False),
        (("2001:db8::/32", "192.0.2.7"), "2001:db8:1::5", True),
        (("2001:db8::/32",), "2001:db9::5", False),
        (("2001:db8::/32",), "192.0.2.7", False),
        (("0.0.0.0/0", "::/0"), None, False),
        (("0.0.0.0/0", "::/0"), "", False),
        (("0.0.0.0/0", "::/0"), "a socket file", False),
    ],
)
def test_a_key_is_for_callers_at_its_addresses(
    addresses: tuple[str, ...], at: str | None, seen: bool
) -> None:
    key = new_key()
    keys = ring(one=Settings(digest(key), addresses=addresses))
    assert admitted(keys, key, at=at) == ("one" if seen else "WrongAddress")


def test_the_hash_is_sha_256() -> None:
    assert digest("sor_live_x") == hashlib.sha256(b"sor_live_x").hexdigest()


def test_keys_are_long_and_never_the_same() -> None:
    keys = {new_key() for _ in range(1_000)}
    assert len(keys) == 1_000
    assert {len(key) for key in keys} == {len("sor_live_") + 43}


@pytest.mark.parametrize(
    "wrong",
    [
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
def test_what_is_not_a_known_key_is_nobody(wrong: str) -> None:
    key = new_key()
    given = wrong.format(key=key, tail=key[9:], hash=digest(key), other=new_key())
    assert admitted(ring(one=Settings(digest(key))), given) == "UnknownKey"


def test_no_key_is_not_an_unknown_one() -> None:
    assert admitted(ring(one=Settings(digest(new_key()))), None) == "NoKey"


def test_a_weak_text_is_no_key_even_if_its_hash_is_configured() -> None:
    """A fast hash is only safe for what is random."""
    assert admitted(ring(one=Settings(digest("password"))), "password") == "UnknownKey"


def test_faults_name_the_key() -> None:
    good = digest(new_key())
    with pytest.raises(ValueError, match=r"keys\.two\.sha256: the same key as keys\.one"):
        ring(one=Settings(good), two=Settings(good))
    with pytest.raises(ValueError, match=r"keys\.bad\.sha256: 64 lower-case"):
        ring(bad=Settings(good.upper()))
    for wrong in ("10.0.0.1/8", "10.0.0.256", "host.example", ""):
        with pytest.raises(ValueError, match=r"keys\.bad\.addresses: .*"):
            ring(bad=Settings(good, addresses=(wrong,)))
    with pytest.raises(ValueError, match="at most"):
        ring(bad=Settings(good, addresses=tuple(f"10.0.0.{n}" for n in range(ADDRESSES_MAX + 1))))
    with pytest.raises(ValueError, match="at most"):
        ring(**{f"k{n}": Settings(digest(str(n))) for n in range(KEYS_MAX + 1)})


def test_what_is_said_to_the_denied_shows_no_key() -> None:
    key, other = new_key(), new_key()
    keys = ring(one=Settings(digest(key), expires=datetime(2026, 1, 1, tzinfo=UTC)))
    for given in (key, other, f"{key} "):
        with pytest.raises(Denied) as denied:
            keys.admit(given, Scope.READ, address="192.0.2.1")
        assert not {given, digest(given)} & set(str(denied.value).split())
