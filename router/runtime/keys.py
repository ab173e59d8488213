"""Our own API keys: random, kept only as hashes, each with its accounts, its scopes and its limits.

Denied            this request may not do what it asks
├── NoKey         it carries none
├── UnknownKey    it carries none of ours
├── ExpiredKey    its key has served its time
├── WrongAddress  its key is not for callers from there
├── WrongScope    its key may do other things
├── NoAccount     there is no such account
└── NotOwned      the account is another key's
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from enum import Enum
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple, NewType, Protocol

import msgspec

from router.core.model import AccountId

KeyId = NewType("KeyId", str)
"""The key's name. It may be logged; the key may not."""

PREFIX = "sor_live_"
RANDOM_BYTES = 32

KEYS_MAX = 256
"""Keys in the settings: more belong into the database."""
SELECTOR_BYTES = 16
"""What finds a key: so much of its hash that no two keys share it."""
ADDRESSES_MAX = 64
"""Networks one key may be used from: more would be a firewall's work."""
_KEY = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Scope(Enum):
    """What a key may do. None of them contains another."""

    __hash__ = object.__hash__  # each is one object; Enum's own is a call in Python
    READ = "read"
    """See orders, positions, balances and books of its accounts."""
    TRADE = "trade"
    """Place orders for its accounts."""
    CANCEL = "cancel"
    """Cancel orders of its accounts."""
    ADMIN = "admin"
    """Stop and resume trading of the whole router; see and change limits of its own accounts."""


USUAL_SCOPES = (Scope.READ, Scope.TRADE, Scope.CANCEL)
"""What a key may do of which nothing else is said."""


class Denied(Exception):
    """This request may not do what it asks. The message is for the caller and names no secret."""


class NoKey(Denied):
    """The request carries no key."""


class UnknownKey(Denied):
    """What it carries is none of our keys."""


class ExpiredKey(Denied):
    """Its key has served its time."""


class WrongAddress(Denied):
    """Its key is not for callers from there."""


class WrongScope(Denied):
    """Its key may do other things."""


class NoAccount(Denied):
    """There is no account of that name."""


class NotOwned(Denied):
    """The account is another key's."""


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key without its text."""

    name: KeyId
    sha256: str
    accounts: frozenset[AccountId]
    scopes: frozenset[Scope] = frozenset(USUAL_SCOPES)
    expires_ms: int | None = None
    """From this Unix time on it is worth nothing; None: never."""
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Where its callers are; empty: anywhere."""


class KeySettings(Protocol):
    """One key as the settings hold it."""

    @property
    def sha256(self) -> str:
        """`digest` of the key."""
        ...

    @property
    def accounts(self) -> Collection[str]:
        """The accounts it owns."""
        ...

    @property
    def scopes(self) -> Collection[Scope]:
        """What it may do."""
        ...

    @property
    def expires(self) -> datetime | None:
        """When it ends, with a time zone."""
        ...

    @property
    def addresses(self) -> Collection[str]:
        """Addresses and networks it may be used from; empty: any."""
        ...


def new_key() -> str:
    """A fresh key, to be shown once: 256 random bits, so that a fast hash of it cannot be reversed."""
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


def digest(key: str) -> str:
    """What is stored of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def networks(texts: Collection[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Addresses and networks in CIDR form. ValueError names the one that is neither."""
    if len(texts) > ADDRESSES_MAX:
        raise ValueError(f"at most {ADDRESSES_MAX} addresses, not {len(texts)}")
    return tuple(ip_network(text) for text in texts)


def configured(name: str, key: KeySettings) -> ApiKey:
    """A key of the settings. ValueError names key and rule."""
    if not _DIGEST.fullmatch(key.sha256):
        raise ValueError(f"keys.{name}.sha256: 64 lower-case hexadecimal digits are needed")
    try:
        allowed = networks(key.addresses)
    except ValueError as error:
        raise ValueError(f"keys.{name}.addresses: {error}") from None
    return ApiKey(
        name=KeyId(name),
        sha256=key.sha256,
        accounts=frozenset(map(AccountId, key.accounts)),
        scopes=frozenset(key.scopes),
        expires_ms=int(key.expires.timestamp() * 1000) if key.expires else None,
        networks=allowed,
    )


class _Known(NamedTuple):
    """A key by what a request shows of it."""

    key: ApiKey
    hash: bytes
    stored: bool
    """It is in the database, which is told of its uses."""


class KeyRing:
    """Which key may do what, for which accounts, from where and until when."""

    def __init__(self, keys: Iterable[ApiKey], now_ms: Callable[[], int]) -> None:
        """`now_ms` tells Unix milliseconds."""
        self._configured = dict(_known(key, stored=False) for key in keys)
        self._known = self._configured
        """By the selector: so much of the hash as finds a key."""
        self._now_ms = now_ms
        self._uses: dict[KeyId, int] = {}

    @classmethod
    def from_config(cls, keys: Mapping[str, KeySettings], now_ms: Callable[[], int]) -> "KeyRing":
        """Keys by name. ValueError names the key that breaks a rule, or is another key as well."""
        if len(keys) > KEYS_MAX:
            raise ValueError(f"keys: at most {KEYS_MAX} are supported, not {len(keys)}")
        made: dict[str, ApiKey] = {}
        for name, settings in keys.items():
            key = configured(name, settings)
            if made.setdefault(key.sha256, key) is not key:
                raise ValueError(f"keys.{name}.sha256: the same key as keys.{made[key.sha256].name}")
        return cls(made.values(), now_ms)

    def use(self, stored: Iterable[ApiKey]) -> list[KeyId]:
        """From now on these keys of the database are known beside those given first, and no others.

        Returns those that are not taken because one that was given first has their name or their text.
        """
        names = {known.key.name for known in self._configured.values()}
        known, ignored = dict(self._configured), list[KeyId]()
        for key in stored:
            selector, entry = _known(key, stored=True)
            if key.name in names or known.setdefault(selector, entry) is not entry:
                ignored.append(key.name)
        self._known = known
        return ignored

    def take_uses(self) -> dict[KeyId, int]:
        """When keys of the database were used last (Unix ms), since the last call."""
        uses, self._uses = self._uses, {}
        return uses

    def admit(self, header: str | None, scope: Scope, *, address: str | None) -> ApiKey:
        """The key of this `x-api-key` header, if a caller at this address may do this with it. Or Denied.

        Every route asks here, and nowhere else; for an account of the request it asks `owns` as well.
        """
        if header is None:
            raise NoKey("header x-api-key is required")
        known = self._identify(header)
        if known is None:
            raise UnknownKey("x-api-key is not a valid key")
        key = known.key
        now_ms = self._now_ms()
        if key.expires_ms is not None and now_ms >= key.expires_ms:
            raise ExpiredKey("this key has expired")
        if key.networks and not _within(address, key.networks):
            raise WrongAddress("this key may not be used from this address")
        if scope not in key.scopes:
            raise WrongScope(f"this key lacks the scope {scope.value}")
        if known.stored:
            self._uses[key.name] = now_ms
        return key

    def owns(self, key: ApiKey, account_id: AccountId) -> bool:
        """Whether this key may use this account."""
        return account_id in key.accounts

    def _identify(self, header: str) -> _Known | None:
        """Whose key it is, or None. What is not in the form of our keys is not even hashed.

        How long finding a hash takes tells of the hash at most, and nobody can steer what a text hashes to.
        """
        if not _KEY.fullmatch(header):
            return None
        given = hashlib.sha256(header.encode()).digest()
        known = self._known.get(given[:SELECTOR_BYTES])
        if known is None or not hmac.compare_digest(known.hash, given):
            return None
        return known


def _known(key: ApiKey, *, stored: bool) -> tuple[bytes, _Known]:
    """Under which selector a key is found."""
    known = _Known(key, bytes.fromhex(key.sha256), stored)
    return known.hash[:SELECTOR_BYTES], known


def _within(address: str | None, allowed: Iterable[IPv4Network | IPv6Network]) -> bool:
    """An IPv4 caller on a socket for both families is still an IPv4 caller. Nobody is nowhere."""
    try:
        caller = ip_address(address or "")
    except ValueError:
        return False
    if isinstance(caller, IPv6Address) and caller.ipv4_mapped:
        caller = caller.ipv4_mapped
    return any(caller in network for network in allowed)
