"""Three headers over time, method and path (card 2). Neither query nor body is signed."""

from base64 import b64decode, b64encode
from collections.abc import Mapping

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from venues.base.contract import Signer
from venues.base.http import Request
from venues.polymarket_us.claims import Claims

SEED_BYTES = 32


class PolymarketUsSigner:
    """An API key and its Ed25519 secret, parsed once, and what is known of the account's orders."""

    def __init__(self, credentials: Mapping[str, str]) -> None:
        """ValueError names the secret and the rule that it breaks, and never repeats it."""
        self.key_id = credentials.get("key_id", "").strip()
        if not (self.key_id and self.key_id.isascii() and self.key_id.isprintable()):
            raise ValueError("key_id: must be the id shown beside the API key")
        self.claims = Claims()
        """Which of the venue's orders are whose: an account's, so it lives where the account's keys do."""
        self._key = Ed25519PrivateKey.from_private_bytes(_seed(credentials.get("secret_key", "")))

    def __repr__(self) -> str:
        return f"PolymarketUsSigner(key_id={self.key_id!r})"

    def inherit(self, before: Signer) -> None:
        """What was known with an older key of the account is known with this one, and the other way round."""
        assert isinstance(before, PolymarketUsSigner), "of the same venue"
        self.claims = before.claims

    def sign(self, request: Request, now_ms: int) -> Request:
        """The same request with key, time and signature."""
        stamp = str(now_ms)
        message = f"{stamp}{request.method.upper()}{request.path}".encode()
        headers = {
            **request.headers,
            "X-PM-Access-Key": self.key_id,
            "X-PM-Timestamp": stamp,
            "X-PM-Signature": b64encode(self._key.sign(message)).decode(),
        }
        return msgspec.structs.replace(request, headers=headers)


def _seed(text: str) -> bytes:
    """The seed, which is the whole secret or the first half of one that carries the public key too."""
    try:
        secret = b64decode("".join(text.split()), validate=True)
    except ValueError:
        secret = b""
    if len(secret) not in (SEED_BYTES, 2 * SEED_BYTES):
        raise ValueError("secret_key: must be 32 or 64 bytes in base64")
    return secret[:SEED_BYTES]
