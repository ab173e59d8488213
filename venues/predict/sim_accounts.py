"""Who may call the simulated venue: API keys, wallets and their session tokens (card, sections 3 and 8)."""

import base64
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import msgspec

from venues.base.units import Cash
from venues.kit.eip712 import Key, checksummed
from venues.predict import sim_proofs as proofs
from venues.predict.sim_rules import RefusedError, bad_request
from venues.sim.contract import Call
from venues.sim.engine import Exchange
from venues.sim.model import Account
from venues.sim.wish import amount, check_keys, positions, whole

TEST_CHAIN = 97
"""The test network takes calls without an API key (section 2)."""
TOKEN_LIFE_S = 86_400
MESSAGE_LIFE_MS = 300_000
"""How long a login text may be signed; the card does not say, five minutes is what such texts live."""
MESSAGES_MAX = 10_000
"""Login texts remembered; the oldest is forgotten first."""
KEY_MAX = 2**255
"""Private keys that are made up stay below: any such number is a key."""
TOKENS_MAX = 10_000
"""Tokens remembered; the oldest is forgotten first."""
JWT_HEAD = b'{"alg":"HS256","typ":"JWT"}'
CREDENTIALS = ("api_key", "private_key", "account")
Json = dict[str, Any]


@dataclass(slots=True)
class Customer:
    """The key that signs, and the wallet that holds the money: an account of the engine.

    A Predict account is a wallet of its own, owned by the key; otherwise the wallet is the key's address.
    """

    owner: str
    account: Account
    approved: bool = True
    """Whether the exchange contracts may move its collateral and shares."""
    discount: int = 0
    """Percent off its fees."""

    @property
    def wallet(self) -> str:
        """The address that makes its orders."""
        return self.account.name

    @property
    def wrapped(self) -> str | None:
        """The Predict account whose wrapping its signatures wear; None for a plain wallet."""
        return None if self.wallet == self.owner else self.wallet

    def signed(self, digest: bytes, proof: bytes, chain_id: int) -> bool:
        """Whether its key made this signature over a digest."""
        return proofs.wallet_signer(digest, proof, chain_id=chain_id, account=self.wrapped) == self.owner


class Accounts:
    """All customers of one venue."""

    def __init__(self, exchange: Exchange, luck: Random, chain_id: int) -> None:
        self._exchange = exchange
        self._luck = luck
        self._chain_id = chain_id
        self._api_keys: set[str] = set()
        self._messages: OrderedDict[str, int] = OrderedDict()
        self._tokens: OrderedDict[str, tuple[str, int]] = OrderedDict()
        """Wallet and end (Unix ms) of every token that was given out."""
        self.customers: dict[str, Customer] = {}
        """By the address of the wallet."""

    def open(self, wish: Mapping[str, Any]) -> Mapping[str, str]:
        """A customer with an API key; returns its credentials. ValueError names a wrong wish.

        Keys of the wish: `balance`, `positions`, `credentials` (any of CREDENTIALS; the rest is made up),
        `predict_account` (true: the wallet is a Predict account; also when `credentials` name one),
        `approved` (false: no allowance was given to the exchanges), `discount` (percent off the fees).
        """
        given = {key: str(value) for key, value in (wish.get("credentials") or {}).items() if value != ""}
        check_keys("credentials", given, CREDENTIALS)
        secret = given.get("private_key") or f"0x{self._luck.randrange(1, KEY_MAX):064x}"
        owner = _owner(secret)
        wallet = self._wallet(given, owner, wrapped=wish.get("predict_account") is True)
        api_key = given.get("api_key") or f"{self._luck.getrandbits(128):032x}"
        if wallet in self._exchange.accounts:
            raise ValueError(f"credentials: {wallet} has an account already")
        discount = whole("discount", wish.get("discount", 0), 100)
        balance = Cash(amount("balance", wish.get("balance", "0")))
        grants = positions(self._exchange, wish.get("positions") or {})
        customer = self._join(owner, wallet, balance)
        customer.approved, customer.discount = wish.get("approved", True) is True, discount
        for market, outcome, size in grants:
            self._exchange.grant(customer.account, market, outcome, size)
        self._api_keys.add(api_key)
        credentials = {"api_key": api_key, "private_key": secret}
        return credentials if customer.wrapped is None else {**credentials, "account": wallet}

    def _wallet(self, given: Mapping[str, str], owner: str, *, wrapped: bool) -> str:
        text = given.get("account")
        if text is None:
            return checksummed(self._luck.randbytes(20)) if wrapped else owner
        try:
            return proofs.address(text)
        except ValueError as error:
            raise ValueError(f"account: must be an address: {error}") from None

    def _join(self, owner: str, wallet: str, balance: Cash) -> Customer:
        customer = Customer(owner, self._exchange.open_account(wallet, balance))
        self.customers[wallet] = customer
        return customer

    # --- the key of a request ---

    def admit(self, call: Call) -> str:
        """The API key of a call or an upgrade; RefusedError 401 without a known one."""
        key = call.headers.get("x-api-key") or call.query.get("apiKey", "")
        if key not in self._api_keys and self._chain_id != TEST_CHAIN:
            raise _unauthorized("Invalid API key")
        return key

    # --- the token of a wallet ---

    def message(self, call: Call, now_ms: int) -> Json:
        """GET /v1/auth/message: a text to sign, byte for byte."""
        address = call.query.get("address", "")
        text = (
            "predict.fun asks you to sign in with your wallet.\n\n"
            f"This costs nothing \u2013 no transaction is sent.\nAddress: {address}\n"
            f"Nonce: {self._luck.getrandbits(96):024x}\nIssued At: {now_ms}\n"
        )
        while len(self._messages) >= MESSAGES_MAX:
            self._messages.popitem(last=False)
        self._messages[text] = now_ms + MESSAGE_LIFE_MS
        return {"message": text}

    def log_in(self, payload: Any, now_ms: int) -> Json:
        """POST /v1/auth: a token for the wallet that signed the text. A plain wallet that is new may join."""
        if not isinstance(payload, dict) or not isinstance(payload.get("message"), str):
            raise bad_request("signer, message, signature: must be given")
        text = payload["message"]
        try:
            wallet = proofs.address(payload.get("signer"))
            proof = proofs.unhex(payload.get("signature"))
        except ValueError as error:
            raise bad_request(f"signer, signature: {error}") from None
        if self._messages.get(text, 0) <= now_ms:
            raise _unauthorized("The message is unknown or too old")
        customer, digest = self.customers.get(wallet), proofs.personal_digest(text.encode())
        wrapped = customer.wrapped if customer else None
        signer = proofs.wallet_signer(digest, proof, chain_id=self._chain_id, account=wrapped)
        if signer != (customer.owner if customer else wallet):
            raise _unauthorized("Invalid signature")
        if customer is None:
            self._join(wallet, wallet, Cash(0))
        return {"token": self._token(wallet, now_ms // 1_000)}

    def authorize(self, call: Call, now_ms: int) -> Customer:
        """Whose token the call carries; RefusedError 401 when it is wrong or has expired."""
        customer = self.holder(call.headers.get("authorization", "").removeprefix("Bearer "), now_ms)
        if customer is None:
            raise _unauthorized("Invalid or expired token")
        return customer

    def holder(self, token: str, now_ms: int) -> Customer | None:
        """The customer of a token, None when it is wrong or has expired."""
        wallet, until_ms = self._tokens.get(token, ("", 0))
        return self.customers[wallet] if until_ms > now_ms else None

    def _token(self, wallet: str, now_s: int) -> str:
        """A JSON Web Token: clients may read its `exp`, only we know which seals are ours."""
        until_s = now_s + TOKEN_LIFE_S
        claims = {"sub": wallet, "iat": now_s, "exp": until_s}
        seal = self._luck.randbytes(32)
        token = ".".join(_packed(part) for part in (JWT_HEAD, msgspec.json.encode(claims), seal))
        while len(self._tokens) >= TOKENS_MAX:
            self._tokens.popitem(last=False)
        self._tokens[token] = wallet, until_s * 1_000
        return token


def _unauthorized(text: str) -> RefusedError:
    return RefusedError(401, "unauthorized", text)


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _owner(secret: str) -> str:
    """The address of a private key."""
    try:
        return checksummed(Key(secret).address)
    except ValueError as error:
        raise ValueError(f"private_key: {error}") from None
