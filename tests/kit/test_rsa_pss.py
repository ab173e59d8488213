"""RSA-PSS as venues verify it: judged by the library's verifier with the parameters spelled out."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from venues.kit import rsa_pss

KEY = rsa.generate_private_key(65_537, 2048)


def verify(signature: bytes, message: bytes, salt: int) -> None:
    scheme = padding.PSS(padding.MGF1(SHA256()), salt)
    KEY.public_key().verify(signature, message, scheme, SHA256())


def test_a_signature_verifies_with_a_salt_as_long_as_the_digest() -> None:
    verify(rsa_pss.sign(KEY, b"message"), b"message", 32)


def test_a_signature_has_no_other_salt_and_holds_for_no_other_message() -> None:
    signature = rsa_pss.sign(KEY, b"message")
    with pytest.raises(InvalidSignature):
        verify(signature, b"message", 222)
    with pytest.raises(InvalidSignature):
        verify(signature, b"massage", 32)


def test_signatures_are_salted() -> None:
    assert rsa_pss.sign(KEY, b"message") != rsa_pss.sign(KEY, b"message")
