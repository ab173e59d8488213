"""RSA-PSS with SHA-256 as trading venues use it: MGF1 over SHA-256 and a salt as long as the digest."""

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

KEY_BITS_MIN = 2048
"""Shorter keys are not considered safe, and venues refuse them."""

_HASH = SHA256()
_PADDING = PSS(mgf=MGF1(_HASH), salt_length=PSS.DIGEST_LENGTH)


def sign(key: RSAPrivateKey, message: bytes) -> bytes:
    """The signature, different each time. About a millisecond for 2048 bits: not for an event loop."""
    return key.sign(message, _PADDING, _HASH)
