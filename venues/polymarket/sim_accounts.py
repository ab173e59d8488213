"""Who may call the simulated venue: customers, wallets, API keys, and the proofs they send (section 2)."""

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from venues.base.units import Cash, down
from venues.kit.credentials import named
from venues.kit.eip712 import Key, checksummed, unhex
from venues.polymarket import sim_rules as rules
from venues.polymarket.sim_rows import Json
from venues.polymarket.sim_rules import RefusedError
from venues.sim.contract import Call
from venues.sim.engine import Exchange
from venues.sim.model import Account
from venues.sim.numeral import numeral
from venues.sim.wish import amount, check_keys, positions

WRONG_L1 = "Invalid L1 Request headers"
WRONG_L2 = "Unauthorized/Invalid api key"
CURVE_ORDER = 2 * rules.HALF_CURVE + 1
MAINNET = 137
NUMBER_MAX = 10**18 - 1
"""Of a header."""
CREDENTIALS = (
    "private_key",
    "api_key",
    "api_secret",
    "api_passphrase",
    "signature_type",
    "funder",
    "chain_id",
)


@dataclass(slots=True)
class Customer:
    """The key that signs, and the wallet that holds the money: an account of the engine."""

    address: str
    signature_type: int
    account: Account


@dataclass(slots=True)
class ApiKey:
    """A customer has one per nonce."""

    api_key: str
    secret: str
    passphrase: str
    nonce: int
    customer: Customer

    def shown(self) -> Json:
        """As the venue hands it out."""
        return {"apiKey": self.api_key, "secret": self.secret, "passphrase": self.passphrase}


class Accounts:
    """All customers of one venue."""

    def __init__(self, exchange: Exchange, luck: Random, chain_id: int, knobs: Mapping[str, int]) -> None:
        self._exchange = exchange
        self._luck = luck
        self._chain_id = chain_id
        self._knobs = knobs
        self._customers: dict[str, Customer] = {}
        self._keys: dict[str, ApiKey] = {}

    def open(self, wish: Mapping[str, Any]) -> Mapping[str, str]:
        """A customer with one API key (nonce 0); returns its credentials. ValueError names a wrong wish.

        Keys of the wish: `balance`, `positions`, `credentials` (any of CREDENTIALS; the rest is made up),
        `signature_type` and `funder` (a wallet of one's own; by default the derived one).
        """
        given = self._read_credentials(wish)
        kind = int(given["signature_type"])
        secret = given.get("private_key") or f"0x{self._luck.randrange(1, CURVE_ORDER):064x}"
        address = checksummed(named("private_key", {"private_key": secret}, Key).address)
        funder = checksummed(named("funder", given, _address, rules.wallet_of(address, kind)))
        if address in self._customers or funder in self._exchange.accounts:
            raise ValueError(f"credentials: {address} or its wallet {funder} has an account already")
        balance = Cash(amount("balance", wish.get("balance", "0")))
        grants = positions(self._exchange, wish.get("positions") or {})
        customer = self._join(address, funder, kind, balance)
        for market, outcome, size in grants:
            self._exchange.grant(customer.account, market, outcome, size)
        api_key = self._issue(customer, 0, given)
        chain = {} if self._chain_id == MAINNET else {"chain_id": str(self._chain_id)}
        return {
            "private_key": secret,
            "api_key": api_key.api_key,
            "api_secret": api_key.secret,
            "api_passphrase": api_key.passphrase,
            "signature_type": str(kind),
            "funder": funder,
            **chain,
        }

    def _read_credentials(self, wish: Mapping[str, Any]) -> dict[str, str]:
        given = {key: str(value) for key, value in (wish.get("credentials") or {}).items() if value != ""}
        for name in ("signature_type", "funder"):
            if wish.get(name):
                given.setdefault(name, str(wish[name]))
        check_keys("credentials", given, CREDENTIALS)
        if given.get("chain_id", str(self._chain_id)) != str(self._chain_id):
            raise ValueError(f"chain_id: this venue is on chain {self._chain_id}")
        if given.setdefault("signature_type", "0") not in ("0", "1", "2", "3"):
            raise ValueError(f"signature_type: one of 0, 1, 2, 3, was {given['signature_type']!r}")
        if given.get("api_key") in self._keys:
            raise ValueError(f"api_key: {given['api_key']} is taken")
        try:
            base64.urlsafe_b64decode(given.get("api_secret", ""))
        except ValueError as error:
            raise ValueError(f"api_secret: not base64: {error}") from error
        return given

    def create(self, call: Call, now_ms: int) -> Json:
        """POST /auth/api-key: a new key for this nonce; a new customer if need be, with an empty wallet."""
        address, nonce = self._login(call, now_ms)
        if self._key_of(address, nonce) is not None:
            raise RefusedError(400, "Could not create api key")
        customer = self._customers.get(address) or self._join(address, address, 0, Cash(0))
        return self._issue(customer, nonce, {}).shown()

    def derive(self, call: Call, now_ms: int) -> Json:
        """GET /auth/derive-api-key: the key this nonce already has."""
        key = self._key_of(*self._login(call, now_ms))
        if key is None:
            raise RefusedError(400, "Could not derive api key!")
        return key.shown()

    def of(self, customer: Customer) -> list[str]:
        """GET /auth/api-keys."""
        return [name for name, key in self._keys.items() if key.customer is customer]

    def delete(self, key: ApiKey) -> str:
        """DELETE /auth/api-key."""
        del self._keys[key.api_key]
        return "OK"

    def authorize(self, call: Call, now_ms: int) -> ApiKey:
        """Check the L2 headers over the bytes as received."""
        head = call.headers
        key = self._keys.get(head.get("poly_api_key", ""))
        stamp = head.get("poly_timestamp", "")
        if key is None or not self._fresh(stamp, now_ms):
            raise RefusedError(401, WRONG_L2)
        wanted = rules.request_signature(key.secret, stamp, f"{call.method}{call.path}".encode() + call.body)
        honest = (
            _same(wanted, head.get("poly_signature", "")),
            _same(key.passphrase, head.get("poly_passphrase", "")),
            head.get("poly_address", "").lower() == key.customer.address.lower(),
        )
        if not all(honest):
            raise RefusedError(401, WRONG_L2)
        return key

    def log_in(self, auth: Any) -> str | None:
        """The account behind the first message of a user WebSocket; None if the credentials are wrong."""
        key = self._keys.get(str(auth.get("apiKey"))) if isinstance(auth, dict) else None
        if key is None or (auth.get("secret"), auth.get("passphrase")) != (key.secret, key.passphrase):
            return None
        return key.customer.account.name

    def _login(self, call: Call, now_ms: int) -> tuple[str, int]:
        """Check the L1 headers: the address they prove, and the nonce."""
        head = call.headers
        address, stamp = head.get("poly_address", ""), head.get("poly_timestamp", "")
        nonce = numeral(head.get("poly_nonce", "0"), NUMBER_MAX)
        if nonce is None or not self._fresh(stamp, now_ms):
            raise RefusedError(401, WRONG_L1)
        proof = head.get("poly_signature", "")
        who = rules.login_signer(address, stamp, nonce, chain_id=self._chain_id, signature=proof)
        if who is None or who.lower() != address.lower():
            raise RefusedError(401, WRONG_L1)
        return who, nonce

    def _key_of(self, address: str, nonce: int) -> ApiKey | None:
        mine = (key for key in self._keys.values() if (key.customer.address, key.nonce) == (address, nonce))
        return next(mine, None)

    def _fresh(self, stamp: str, now_ms: int) -> bool:
        """Whether a timestamp in seconds is near the venue's clock."""
        at_s = numeral(stamp, NUMBER_MAX)
        return at_s is not None and abs(down(now_ms, 1_000) - at_s) <= self._knobs["clock_tolerance_s"]

    def _join(self, address: str, funder: str, signature_type: int, cash: Cash) -> Customer:
        account = self._exchange.open_account(funder, cash)
        customer = self._customers[address] = Customer(address, signature_type, account)
        return customer

    def _issue(self, customer: Customer, nonce: int, given: Mapping[str, str]) -> ApiKey:
        key = ApiKey(
            api_key=given.get("api_key") or new_uuid(self._luck),
            secret=given.get("api_secret") or base64.urlsafe_b64encode(self._luck.randbytes(32)).decode(),
            passphrase=given.get("api_passphrase") or self._luck.randbytes(32).hex(),
            nonce=nonce,
            customer=customer,
        )
        self._keys[key.api_key] = key
        return key


def _same(wanted: str, given: str) -> bool:
    return hmac.compare_digest(wanted.encode(), given.encode(errors="replace"))


def _address(text: str) -> bytes:
    return unhex(text, 20)


def new_uuid(luck: Random) -> str:
    """A random UUID, version 4, from the simulator's own generator."""
    bits = luck.getrandbits(128) & ~(0xF << 76) & ~(0x3 << 62) | (0x4 << 76) | (0x2 << 62)
    text = f"{bits:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
