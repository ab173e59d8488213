"""Proof of identity at Predict.fun: API key, the wallet's session token, signed orders (card 3 and 8).

Signatures are deterministic: the same order and key give the same bytes.
"""

from collections.abc import Mapping

import msgspec

from venues.base.http import Request
from venues.kit.credentials import named, printable
from venues.kit.ctf_order import CtfOrder, struct_hash
from venues.kit.eip712 import (
    ADDRESS_BYTES,
    Key,
    checksummed,
    digest,
    domain_separator,
    keccak,
    unhex,
)
from venues.predict import wire

BNB_CHAIN, BNB_TESTNET = 56, 97
EXCHANGE_NAME = "predict.fun CTF Exchange"
TOKEN_MS = 20 * 3_600_000
"""A session token lives 24 hours and is renewed after this long (card 3)."""
TOKEN_CHARS_MAX = 8_192
"""No session token is longer; it has to fit into a header."""
TOKEN_PATHS = ("/v1/orders", "/v1/account", "/v1/positions")
"""What the session token is sent to (card 3); everything else gets the API key alone."""

_EXCHANGES = {
    BNB_CHAIN: (
        "8BC070BEdAB741406F4B1Eb65A72bee27894B689",
        "365fb81bd4A24D6303cd2F19c349dE6894D8d58A",
        "6bEb5a40C032AFc305961162d8204CDA16DECFa5",
        "8A289d458f5a134bA40015085A8F50Ffb681B41d",
    ),
    BNB_TESTNET: (
        "2A6413639BD3d73a20ed8C95F634Ce198ABbd2d7",
        "d690b2bd441bE36431F6F6639D7Ad351e7B29680",
        "8a6B4Fa700A1e310b106E7a48bAFa29111f66e89",
        "95D5113bc50eD201e319101bbca3e0E250662fCC",
    ),
}
"""By chain: plain, neg-risk, yield-bearing, both (card 2)."""
_COLLATERAL = {
    BNB_CHAIN: bytes.fromhex("55d398326f99059fF775485246999027B3197955"),
    BNB_TESTNET: bytes.fromhex("B32171ecD878607FFc4F8FC0bCcE6852BB3149E0"),
}
_VALIDATOR = bytes.fromhex("845ADb2C711129d4f3966735eD98a9F09fC4cE57")
_KERNEL_KIND = keccak(b"Kernel(bytes32 hash)")
_BY_VALIDATOR = b"\x01"
"""The first byte of a Kernel account's signature: a validator's address follows."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What is signed of an order, besides the wallet. Amounts are wei."""

    token_id: int
    maker_amount: int
    taker_amount: int
    expiration_s: int
    fee_rate_bps: int
    side: int
    salt: int
    nonce: int = 0
    neg_risk: bool = False
    yield_bearing: bool = False


def personal_hash(message: bytes) -> bytes:
    """What a wallet signs for a message of this kind (EIP-191)."""
    return keccak(b"\x19Ethereum Signed Message:\n" + str(len(message)).encode() + message)


class PredictSigner:
    """One wallet, one API key, and the wallet's session token while there is one.

    The token is fetched by the conversations that need it; it dies with the process. Neither key, API key
    nor token shows in the `repr` or in an error.
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """Parse and check every credential; ValueError names the secret and the rule."""
        self._key = named("private_key", secrets, Key)
        self._api_key = named("api_key", secrets, printable)
        self.chain_id = named("chain_id", secrets, _chain, str(BNB_CHAIN))
        account = named("account", secrets, _address) if secrets.get("account") else None
        self._smart = account is not None and account != self._key.address
        self.maker = account if account is not None else self._key.address
        """Who owns the money and signs in the venue's eyes: the wallet, or the Predict account."""
        self.address = checksummed(self.maker)
        self.collateral = _COLLATERAL[self.chain_id]
        self._kernel = domain_separator("Kernel", "0.3.1", self.chain_id, self.maker)
        self._domains = tuple(
            domain_separator(EXCHANGE_NAME, "1", self.chain_id, bytes.fromhex(contract))
            for contract in _EXCHANGES[self.chain_id]
        )
        self._token = ""
        self._token_ms = 0
        self.seen_ms = 0
        """When the last request was signed: the clock of conversations that are not told the time."""

    def __repr__(self) -> str:
        return f"PredictSigner({checksummed(self._key.address)}, account={self.address}, {self.chain_id})"

    def sign(self, request: Request, now_ms: int) -> Request:
        """The request with the API key, and with the session token where the venue wants it."""
        self.seen_ms = max(self.seen_ms, now_ms)
        headers = {**request.headers, "x-api-key": self._api_key}
        if self._token and request.host == "rest" and request.path.startswith(TOKEN_PATHS):
            headers["Authorization"] = f"Bearer {self._token}"
        return msgspec.structs.replace(request, headers=headers)

    # --- the session token ---

    def fresh(self, now_ms: int) -> bool:
        """Whether there is a token that needs no renewal yet."""
        return bool(self._token) and now_ms - self._token_ms < TOKEN_MS

    def keep(self, token: str) -> None:
        """Use this token from now on; ValueError, which does not repeat it, if it cannot be one."""
        plain = token.isascii() and token.isprintable() and " " not in token
        if not (plain and 0 < len(token) <= TOKEN_CHARS_MAX):
            raise ValueError("not a session token")
        self._token, self._token_ms = token, self.seen_ms

    def forget(self) -> None:
        """The venue does not take the token any more."""
        self._token = ""

    @property
    def wallet_topic(self) -> str:
        """The topic of the wallet's own events. It holds the token: not for logs."""
        return f"predictWalletEvents/{self._token}"

    def login(self, message: str) -> wire.Login:
        """The body that turns the venue's message into a token."""
        signature = self._signature(personal_hash(message.encode()))
        return wire.Login(self.address, message, "0x" + signature.hex())

    # --- orders ---

    def order_hash(self, draft: Draft) -> str:
        """The venue's id of the order, known before it is sent."""
        return "0x" + self._hash(draft).hex()

    def signed(self, draft: Draft) -> wire.SignedOrder:
        """The order as it is sent."""
        hashed = self._hash(draft)
        return wire.SignedOrder(
            hash="0x" + hashed.hex(),
            salt=str(draft.salt),
            maker=self.address,
            signer=self.address,
            taker=checksummed(bytes(ADDRESS_BYTES)),
            token_id=str(draft.token_id),
            maker_amount=str(draft.maker_amount),
            taker_amount=str(draft.taker_amount),
            expiration=str(draft.expiration_s),
            nonce=str(draft.nonce),
            fee_rate_bps=str(draft.fee_rate_bps),
            side=draft.side,
            signature_type=0,
            signature="0x" + self._signature(hashed).hex(),
        )

    def _hash(self, draft: Draft) -> bytes:
        order = CtfOrder(
            salt=draft.salt,
            maker=self.maker,
            signer=self.maker,
            token_id=draft.token_id,
            maker_amount=draft.maker_amount,
            taker_amount=draft.taker_amount,
            expiration=draft.expiration_s,
            nonce=draft.nonce,
            fee_rate_bps=draft.fee_rate_bps,
            side=draft.side,
        )
        exchange = draft.neg_risk + 2 * draft.yield_bearing
        return digest(self._domains[exchange], struct_hash(order))

    def _signature(self, hashed: bytes) -> bytes:
        """By the wallet itself, or by the owner of a Kernel account, wrapped for it."""
        if not self._smart:
            return self._key.sign(hashed)
        wrapped = digest(self._kernel, keccak(_KERNEL_KIND + hashed))
        return _BY_VALIDATOR + _VALIDATOR + self._key.sign(personal_hash(wrapped))


def _chain(value: str) -> int:
    if value not in (str(BNB_CHAIN), str(BNB_TESTNET)):
        raise ValueError(f"must be {BNB_CHAIN} (BNB Chain) or {BNB_TESTNET} (its test network)")
    return int(value)


def _address(value: str) -> bytes:
    return unhex(value, ADDRESS_BYTES)
