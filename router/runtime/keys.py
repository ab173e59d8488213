"""Our own API keys: random, kept only as hashes, each owning some accounts."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Mapping
from typing import NewType, Protocol

from router.core.model import AccountId

KeyId = NewType("KeyId", str)
"""The key's name in the settings. It may be logged; the key may not."""

PREFIX = "sor_live_"
RANDOM_BYTES = 32

KEYS_MAX = 256
"""Each request is compared with every key: about 0.2 microseconds per key."""
_KEY = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


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


def new_key() -> str:
    """A fresh key, to be shown once: 256 random bits, so that a fast hash of it cannot be reversed."""
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


def digest(key: str) -> str:
    """What is stored of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


class KeyRing:
    """Which key may use which accounts."""

    def __init__(self, digests: Mapping[str, KeyId], owned: Mapping[KeyId, frozenset[AccountId]]) -> None:
        """`digests` maps the hash of a key to its name."""
        self._digests = {bytes.fromhex(digest): name for digest, name in digests.items()}
        self._owned = owned

    @classmethod
    def from_config(cls, keys: Mapping[str, KeySettings]) -> "KeyRing":
        """Keys by name. ValueError names the key whose hash is none, or is another key's as well."""
        if len(keys) > KEYS_MAX:
            raise ValueError(f"keys: at most {KEYS_MAX} are supported, not {len(keys)}")
        digests: dict[str, KeyId] = {}
        for name, key in keys.items():
            if not _DIGEST.fullmatch(key.sha256):
                raise ValueError(f"keys.{name}.sha256: 64 lower-case hexadecimal digits are needed")
            if key.sha256 in digests:
                raise ValueError(f"keys.{name}.sha256: the same key as keys.{digests[key.sha256]}")
            digests[key.sha256] = KeyId(name)
        owned = {KeyId(name): frozenset(map(AccountId, key.accounts)) for name, key in keys.items()}
        return cls(digests, owned)

    def identify(self, header: str | None) -> KeyId | None:
        """Whose key a header carries, or None. What is not in the form of our keys is not even hashed.

        Every known hash is compared, each in constant time, so that the time taken says nothing.
        """
        if header is None or not _KEY.fullmatch(header):
            return None
        given = hashlib.sha256(header.encode()).digest()
        found: KeyId | None = None
        for known, name in self._digests.items():
            if hmac.compare_digest(known, given):
                found = name
        return found

    def owns(self, key: KeyId, account_id: AccountId) -> bool:
        """Whether this key may use this account."""
        return account_id in self._owned.get(key, frozenset())
