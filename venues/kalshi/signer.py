"""Three headers on every private request, over the time, the method and the path (card §2)."""

from base64 import b64encode
from collections.abc import Mapping

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from venues.base.http import Request
from venues.kit import rsa_pss

SUBACCOUNT_MAX = 63
PRECISION = "0.0001"
"""Dollars to which the venue aligns a direct member's cash; the only one whose fees can be reserved."""


class KalshiSigner:
    """One API key. RSA as documented; Ed25519 keys, which third parties report to work, as well."""

    def __init__(self, credentials: Mapping[str, str]) -> None:
        self.key_id = credentials.get("key_id", "").strip()
        if not self.key_id:
            raise ValueError("key_id: must not be empty")
        self.subaccount = _subaccount(credentials.get("subaccount", ""))
        _check_precision(credentials.get("account_precision", ""))
        self._key = _private_key(credentials.get("private_key", ""))

    def __repr__(self) -> str:
        return f"KalshiSigner(key_id={self.key_id!r}, subaccount={self.subaccount!r})"

    def sign(self, request: Request, now_ms: int) -> Request:
        """The same request with key, time and signature. Query and body are never signed."""
        stamp = str(now_ms)
        message = f"{stamp}{request.method.upper()}{request.path}".encode()
        headers = {
            **request.headers,
            "KALSHI-ACCESS-KEY": self.key_id,
            "KALSHI-ACCESS-TIMESTAMP": stamp,
            "KALSHI-ACCESS-SIGNATURE": b64encode(self._signature(message)).decode(),
        }
        return msgspec.structs.replace(request, headers=headers)

    def _signature(self, message: bytes) -> bytes:
        if isinstance(self._key, RSAPrivateKey):
            return rsa_pss.sign(self._key, message)
        return self._key.sign(message)


def _private_key(pem: str) -> RSAPrivateKey | Ed25519PrivateKey:
    """Parse a PEM; line ends may be written as a backslash and an n, as environment variables often are."""
    try:
        key = load_pem_private_key(pem.replace("\\n", "\n").strip().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("private_key: must be an unencrypted PEM (PKCS#1 or PKCS#8)") from None
    if isinstance(key, Ed25519PrivateKey):
        return key
    if isinstance(key, RSAPrivateKey) and key.key_size >= rsa_pss.KEY_BITS_MIN:
        return key
    raise ValueError(f"private_key: must be RSA with {rsa_pss.KEY_BITS_MIN} bits or more, or Ed25519")


def _subaccount(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and int(text) <= SUBACCOUNT_MAX):
        raise ValueError(f"subaccount: must be a number from 0 to {SUBACCOUNT_MAX}")
    return int(text)


def _check_precision(text: str) -> None:
    if text not in ("", PRECISION):
        raise ValueError(
            f"account_precision: only {PRECISION} (a direct member) is supported; through a broker cash is "
            "rounded to cents per fill, which no reserve made from the listing covers"
        )
