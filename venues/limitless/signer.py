"""Proof of identity at Limitless: an HMAC over each request, an EIP-712 signature per order (card 2, 6)."""

import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping

import msgspec

from venues.base.http import Request
from venues.kit import ctf_order
from venues.kit.ctf_order import CtfOrder
from venues.kit.eip712 import ADDRESS_BYTES, Key, checksummed, digest, domain_separator, unhex
from venues.limitless.moments import moment

CHAIN_ID = 8453
"""Base. The venue has no other."""
DOMAIN = ("Limitless CTF Exchange", "1")
STATUS_KEYS = ("items", "orders")
"""The published reference has the first, the card assumes the second."""
DOMAINS_MAX = 64
"""Exchange contracts whose domains are remembered; a handful are in use."""


class Profile(msgspec.Struct, frozen=True):
    """What the venue knows of an account, and every order must name."""

    id: int
    fee_rate_bps: int
    """What is signed on markets of the legacy kind; the rate really charged is lower."""


class LimitlessSigner:
    """One wallet (an EOA, maker and signer of its orders) and one scoped token. Its `repr` shows no secret.

    What it learns from the venue it keeps: `profile`, read before the first order, and `status_key`.
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """Parse and check every credential; ValueError names the secret and the rule."""
        try:
            self._key = Key(secrets.get("private_key", "").strip())
        except ValueError as error:
            raise ValueError(f"private_key: {error}") from None
        self.token_id = secrets.get("token_id", "").strip()
        if not (self.token_id and self.token_id.isascii() and self.token_id.isprintable()):
            raise ValueError("token_id: must be printable ASCII and not empty")
        self._secret = _base64(secrets.get("token_secret", "").strip())
        self.owner = self._key.address
        self.address = checksummed(self.owner)
        self.profile: Profile | None = None
        self.status_key = STATUS_KEYS[0]
        """How the venue calls the list of orders to look up: the one that worked last."""
        self._domains: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"LimitlessSigner({self.address})"

    def sign(self, request: Request, now_ms: int) -> Request:
        """The request with its three headers: time, method, path with query, and body, exactly as sent."""
        stamp = moment(now_ms)
        text = f"{stamp}\n{request.method.upper()}\n{request.target}\n".encode() + request.body
        headers = {
            **request.headers,
            "lmts-api-key": self.token_id,
            "lmts-timestamp": stamp,
            "lmts-signature": b64encode(hmac.digest(self._secret, text, "sha256")).decode(),
        }
        return msgspec.structs.replace(request, headers=headers)

    def order_digest(self, order: CtfOrder, exchange: str) -> bytes:
        """What is signed; also the hash by which the venue knows an order. `exchange` is the market's."""
        return digest(self._domain(exchange), ctf_order.struct_hash(order))

    def order_signature(self, order: CtfOrder, exchange: str) -> str:
        """65 bytes r, s, v in hexadecimal: the same for the same order."""
        return "0x" + self._key.sign(self.order_digest(order, exchange)).hex()

    def _domain(self, exchange: str) -> bytes:
        known = self._domains.get(exchange)
        if known is None:
            known = domain_separator(*DOMAIN, CHAIN_ID, unhex(exchange, ADDRESS_BYTES))
            if len(self._domains) >= DOMAINS_MAX:
                self._domains.clear()
            self._domains[exchange] = known
        return known


def _base64(text: str) -> bytes:
    try:
        secret = b64decode(text, validate=True)
    except (Base64Error, ValueError):
        secret = b""
    if not secret:
        raise ValueError("token_secret: must be base64, as the venue showed it once")
    return secret
