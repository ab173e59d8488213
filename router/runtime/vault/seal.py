"""Sealing: AES-256-GCM over one text, bound to what the text is about. Pure: keys and nonces are arguments.

A seal is one byte of format, 12 of nonce, then ciphertext and tag. What it is bound to is not in it: whoever
opens it says what they believe to open, and is refused when it is something else.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
FORMAT = b"\x01"
"""The only one there is; another would be sealed otherwise."""


class Broken(Exception):
    """It was changed, or sealed with another key, or is about something else: nobody can tell which."""


def bound(*parts: str | int) -> bytes:
    """What a seal is about, as bytes: different parts never make the same bytes."""
    texts = [str(part).encode() for part in parts]
    return b"".join(len(text).to_bytes(4, "big") + text for text in texts)


def seal(key: bytes, plain: bytes, about: bytes, *, nonce: bytes) -> bytes:
    """`plain`, readable only with this key by whoever knows what it is about. A nonce is never used twice."""
    assert len(key) == KEY_BYTES
    assert len(nonce) == NONCE_BYTES
    return FORMAT + nonce + AESGCM(key).encrypt(nonce, plain, FORMAT + about)


def unseal(key: bytes, sealed: bytes, about: bytes) -> bytes:
    """What was sealed. Raises Broken."""
    assert len(key) == KEY_BYTES
    head, nonce, rest = sealed[:1], sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    if head != FORMAT or len(rest) < TAG_BYTES:
        raise Broken("not a seal of this version")
    try:
        return AESGCM(key).decrypt(nonce, rest, FORMAT + about)
    except InvalidTag:
        raise Broken("changed, sealed with another key, or about something else") from None
