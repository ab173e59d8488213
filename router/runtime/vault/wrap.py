"""Master keys: what wraps the data keys of accounts, and nothing else.

A master key in this process is `LocalMaster`. One in a key management service or a hardware module is a class
of another distribution behind the same `Master` protocol, found by its entry point (`crossbook.masters`).

VaultFault         the vault cannot do what was asked; the message names no secret
├── MasterFault    the master key cannot be had, or is not this vault's
├── Damaged        something in the vault is not what was put there
└── VaultRefused   the vault has it already, or has it not
"""

import hashlib
import os
from typing import Protocol

from router.runtime.accounts import CredentialError
from router.runtime.vault.seal import KEY_BYTES, NONCE_BYTES, Broken, seal, unseal

ID_DIGITS = 16


class VaultFault(CredentialError):
    """The vault cannot do what was asked."""


class MasterFault(VaultFault):
    """The master key cannot be had, or is not this vault's."""


class Damaged(VaultFault):
    """Something in the vault is not what was put there."""


class VaultRefused(VaultFault):
    """The vault has it already, or has it not."""


class Master(Protocol):
    """A master key. Its calls may block: they are made at start and when keys change, never for an order."""

    @property
    def master_id(self) -> str:
        """Which key it is: printable, at most 200 characters, no secret; the same as long as the key is."""
        ...

    def wrap(self, data_key: bytes, about: bytes) -> bytes:
        """32 bytes, readable only through this key and by whoever knows what they are about.

        MasterFault when the key cannot be had.
        """
        ...

    def unwrap(self, wrapped: bytes, about: bytes) -> bytes:
        """What was wrapped. Broken when it was changed or is about something else; MasterFault as `wrap`."""
        ...


class LocalMaster:
    """A master key of 256 bits in this process. Its `repr` shows its id alone."""

    __slots__ = ("_key", "master_id")

    def __init__(self, key: bytes) -> None:
        assert len(key) == KEY_BYTES
        self._key = key
        self.master_id = "local-" + hashlib.sha256(b"crossbook master key" + key).hexdigest()[:ID_DIGITS]

    def __repr__(self) -> str:
        return f"LocalMaster({self.master_id})"

    def wrap(self, data_key: bytes, about: bytes) -> bytes:
        """See `Master`."""
        return seal(self._key, data_key, about, nonce=os.urandom(NONCE_BYTES))

    def unwrap(self, wrapped: bytes, about: bytes) -> bytes:
        """See `Master`."""
        key = unseal(self._key, wrapped, about)
        if len(key) != KEY_BYTES:
            raise Broken("not a data key")
        return key
