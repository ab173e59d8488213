"""Proof of identity at Polymarket: signed orders (EIP-712), L1 headers (wallet) and L2 headers (API key).

Card 2 and 5.1-5.3. Signatures are deterministic: the same order and key give the same bytes.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping

import msgspec

from venues.base.http import Request
from venues.base.orders import Side
from venues.kit.credentials import named, number_of, printable
from venues.kit.eip712 import (
    ADDRESS_BYTES,
    WORD_BYTES,
    Key,
    checksummed,
    digest,
    domain_separator,
    keccak,
    padded,
    unhex,
    word,
)
from venues.polymarket import wallets, wire

POLYGON, AMOY = 137, 80_002
EXCHANGE = "E111180000d2663C0091e4f400237545B87B996B"
NEG_RISK_EXCHANGE = "e2222d279d744050d28e00520010520000310F59"
EXCHANGE_V3 = {
    POLYGON: "e3333700cA9d93003F00f0F71f8515005F6c00Aa",
    AMOY: "9fE6e61422AdB6F610d8597F9684b16912D50C3D",
}
EXCHANGE_NAME = "Polymarket CTF Exchange"

EOA, POLY_PROXY, GNOSIS_SAFE, POLY_1271 = range(4)
_DERIVED = {
    POLY_PROXY: wallets.proxy_wallet,
    GNOSIS_SAFE: wallets.safe_wallet,
    POLY_1271: wallets.deposit_wallet,
}

ORDER_TYPE = (
    b"Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,"
    b"uint256 takerAmount,uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,bytes32 builder)"
)
_ORDER_KIND = keccak(ORDER_TYPE)
_WRAPPED_KIND = keccak(
    b"TypedDataSign(Order contents,string name,string version,uint256 chainId,address verifyingContract,"
    b"bytes32 salt)" + ORDER_TYPE
)
_AUTH_KIND = keccak(b"ClobAuth(address address,string timestamp,uint256 nonce,string message)")
_AUTH_MESSAGE = keccak(b"This message attests that I control the given wallet")
_ZERO = bytes(WORD_BYTES)
_CHAIN = number_of({POLYGON: "Polygon", AMOY: "Amoy"})
_KIND = number_of({EOA: "EOA", POLY_PROXY: "proxy", GNOSIS_SAFE: "Safe", POLY_1271: "deposit wallet"})
_SIDES = {Side.BUY: word(0), Side.SELL: word(1)}
_POSITION_GAP = ((1 << 64) - 1) << 40
"""Bits 40 to 103 of an asset id: all zero in ids of protocol v2 (card 5.3)."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What is signed of an order, besides the wallet. Amounts are base units."""

    token: str
    side: Side
    maker_amount: int
    taker_amount: int
    salt: int
    timestamp_ms: int
    neg_risk: bool
    builder: bytes = _ZERO


def is_protocol_v2(token: str) -> bool:
    """Whether an asset id is traded on Exchange V3, with its own signing domain and balance type."""
    return not int(token) & _POSITION_GAP


class PolymarketSigner:
    """One wallet and one API key. Secrets never show in its `repr` or in errors."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """Parse and check every credential; ValueError names the secret and the rule."""
        self._key = named("private_key", secrets, Key)
        self.address = checksummed(self._key.address)
        self.chain_id = named("chain_id", secrets, _CHAIN, str(POLYGON))
        self.signature_type = named("signature_type", secrets, _KIND, str(EOA))
        self.api_key = named("api_key", secrets, printable)
        self._passphrase = named("api_passphrase", secrets, printable)
        self._secret = named("api_secret", secrets, _base64)
        self._secret_text = secrets["api_secret"]
        funder = self._funder(secrets.get("funder", ""))
        self.maker = checksummed(funder)
        signing = funder if self.signature_type == POLY_1271 else self._key.address
        self.order_signer = checksummed(signing)
        self._parties = padded(funder) + padded(signing)
        self._type_word = word(self.signature_type)
        self._wrapper = keccak(b"DepositWallet") + keccak(b"1") + word(self.chain_id) + padded(funder) + _ZERO
        self._auth = domain_separator("ClobAuthDomain", "1", self.chain_id)
        self._standard, self._neg_risk, self._v3 = (
            domain_separator(EXCHANGE_NAME, version, self.chain_id, bytes.fromhex(contract))
            for version, contract in (
                ("2", EXCHANGE), ("2", NEG_RISK_EXCHANGE), ("3", EXCHANGE_V3[self.chain_id])
            )
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"PolymarketSigner({self.address}, maker={self.maker}, type={self.signature_type})"

    def sign(self, request: Request, now_ms: int) -> Request:
        """The request with its L2 headers. The signed path has no query; the body is signed as it is sent."""
        stamp = str(now_ms // 1000)
        text = f"{stamp}{request.method}{request.path}".encode() + request.body
        headers = {
            **request.headers,
            "POLY_ADDRESS": self.address,
            "POLY_SIGNATURE": urlsafe_b64encode(hmac.digest(self._secret, text, "sha256")).decode(),
            "POLY_TIMESTAMP": stamp,
            "POLY_API_KEY": self.api_key,
            "POLY_PASSPHRASE": self._passphrase,
        }
        return msgspec.structs.replace(request, headers=headers)

    def login(self) -> dict[str, str]:
        """What proves who we are on the user WebSocket: the credentials themselves (card 8)."""
        return {"apiKey": self.api_key, "secret": self._secret_text, "passphrase": self._passphrase}

    def wallet_headers(self, now_s: int, nonce: int = 0) -> dict[str, str]:
        """The L1 headers that create or derive an API key (POST /auth/api-key, GET /auth/derive-api-key)."""
        struct = keccak(
            _AUTH_KIND + padded(self._key.address) + keccak(str(now_s).encode()) + word(nonce) + _AUTH_MESSAGE
        )
        return {
            "POLY_ADDRESS": self.address,
            "POLY_SIGNATURE": "0x" + self._key.sign(digest(self._auth, struct)).hex(),
            "POLY_TIMESTAMP": str(now_s),
            "POLY_NONCE": str(nonce),
        }

    def order_hash(self, draft: Draft) -> str:
        """The venue's id of the order, known before it is sent."""
        return "0x" + digest(self._domain(draft), self._struct_hash(draft)).hex()

    def signed(self, draft: Draft, expires_s: int = 0) -> tuple[str, wire.SignedOrder]:
        """The order's id and its signed form."""
        domain, struct = self._domain(draft), self._struct_hash(draft)
        hashed = digest(domain, struct)
        if self.signature_type == POLY_1271:
            signature = self._wrapped(domain, struct)
        else:
            signature = self._key.sign(hashed)
        return "0x" + hashed.hex(), wire.SignedOrder(
            salt=draft.salt,
            maker=self.maker,
            signer=self.order_signer,
            token_id=draft.token,
            maker_amount=str(draft.maker_amount),
            taker_amount=str(draft.taker_amount),
            side="BUY" if draft.side is Side.BUY else "SELL",
            expiration=str(expires_s),
            signature_type=self.signature_type,
            timestamp=str(draft.timestamp_ms),
            metadata="0x" + _ZERO.hex(),
            builder="0x" + draft.builder.hex(),
            signature="0x" + signature.hex(),
        )

    def _domain(self, draft: Draft) -> bytes:
        if is_protocol_v2(draft.token):
            return self._v3
        return self._neg_risk if draft.neg_risk else self._standard

    def _struct_hash(self, draft: Draft) -> bytes:
        head = _ORDER_KIND + word(draft.salt) + self._parties + word(int(draft.token))
        amounts = word(draft.maker_amount) + word(draft.taker_amount) + _SIDES[draft.side]
        return keccak(head + amounts + self._type_word + word(draft.timestamp_ms) + _ZERO + draft.builder)

    def _wrapped(self, domain: bytes, struct: bytes) -> bytes:
        """The signature of a deposit wallet (ERC-7739): the key signs the order wrapped for the wallet."""
        inner = self._key.sign(digest(domain, keccak(_WRAPPED_KIND + struct + self._wrapper)))
        return inner + domain + struct + ORDER_TYPE + len(ORDER_TYPE).to_bytes(2, "big")

    def _funder(self, text: str) -> bytes:
        owner = self._key.address
        if not text:
            if self.signature_type == EOA:
                return owner
            likely = checksummed(_DERIVED[self.signature_type](owner))
            raise ValueError(
                f"funder: needed for signature_type {self.signature_type}; this key's is {likely}"
            )
        try:
            funder = unhex(text, ADDRESS_BYTES)
        except ValueError as error:
            raise ValueError(f"funder: {error}") from None
        if self.signature_type == EOA and funder != owner:
            raise ValueError(f"funder: with signature_type 0 it is the key's own address {self.address}")
        return funder


def _base64(value: str) -> bytes:
    try:
        decoded = urlsafe_b64decode(value)
    except Base64Error:
        decoded = b""
    if not decoded:
        raise ValueError("must be url-safe base64, as the venue issued it")
    return decoded
