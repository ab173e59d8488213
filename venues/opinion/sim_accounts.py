"""Who may call the simulated venue, and how often: customers, their Safes and API keys (card, 3 and 4)."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import coincurve

from venues.base.units import Cash, down
from venues.kit.eip712 import checksummed, keccak
from venues.opinion import sim_rules as rules
from venues.opinion.sim_rules import RefusedError
from venues.sim.contract import Call
from venues.sim.engine import Exchange
from venues.sim.model import Account
from venues.sim.numeral import numeral
from venues.sim.wish import amount, check_keys, positions

CREDENTIALS = ("api_key", "private_key", "safe")
ACCOUNT_WISHES = ("balance", "positions", "credentials")
CURVE_ORDER = 2 * rules.HALF_CURVE + 1
PROOF_AGE_S_MAX = 300
"""How old or early the timestamp of a signed key call may be."""
SECONDS_MAX = 10**12
WINDOW_MS = 1_000
NOBODY = ""
"""All calls without a key count together: they come from one address."""


class TooManyError(Exception):
    """The gateway turns the call away with status 429."""


@dataclass(slots=True)
class Customer:
    """The EOA that signs, and the Safe that holds the money: an account of the engine."""

    address: str
    account: Account
    api_key: str
    used_proofs: set[str] = field(default_factory=set)
    salts: dict[int, str] = field(default_factory=dict)
    """Salts of its orders, each with the order's id."""

    @property
    def safe(self) -> str:
        """The wallet that its orders name as maker."""
        return self.account.name

    def shown(self) -> dict[str, object]:
        """As the key calls show it."""
        return {"apiKey": self.api_key, "walletAddress": self.address}


class Accounts:
    """All customers of the venue."""

    def __init__(self, exchange: Exchange, luck: Random, knobs: Mapping[str, int]) -> None:
        self._exchange = exchange
        self._luck = luck
        self._knobs = knobs
        self._customers: dict[str, Customer] = {}
        """By the address that signs."""
        self._calls: dict[str, deque[int]] = {}

    def open(self, wish: Mapping[str, Any]) -> Mapping[str, str]:
        """A customer; returns its credentials. ValueError names a wrong wish.

        Keys of the wish: `balance`, `positions`, `credentials` (any of CREDENTIALS; the rest is made up).
        """
        check_keys("account", wish, ACCOUNT_WISHES)
        given = {key: str(value) for key, value in (wish.get("credentials") or {}).items() if value != ""}
        check_keys("credentials", given, CREDENTIALS)
        secret = given.get("private_key") or f"0x{self._luck.randrange(1, CURVE_ORDER):064x}"
        address = rules.address_of(_private_key(secret).public_key)
        safe = _safe(given["safe"]) if "safe" in given else _made_safe(address)
        api_key = given.get("api_key") or new_uuid(self._luck)
        if address in self._customers or safe in self._exchange.accounts:
            raise ValueError(f"credentials: {address} or its Safe {safe} has an account already")
        if self._keyed(api_key) is not None:
            raise ValueError(f"api_key: {api_key} is taken")
        balance = Cash(amount("balance", wish.get("balance", "0")))
        grants = positions(self._exchange, wish.get("positions") or {})
        account = self._exchange.open_account(safe, balance)
        for market, outcome, size in grants:
            self._exchange.grant(account, market, outcome, size)
        self._customers[address] = Customer(address, account, api_key)
        return {"api_key": api_key, "private_key": secret, "safe": safe}

    def of_call(self, call: Call) -> Customer:
        """Whose key the call carries, or `RefusedError`."""
        customer = self._keyed(call.headers.get("apikey", ""))
        if customer is None:
            raise RefusedError(rules.WRONG_KEY, "invalid api key")
        return customer

    def of_socket(self, call: Call) -> Customer | None:
        """Whose key the query of a WebSocket upgrade carries."""
        return self._keyed(call.query.get("apikey", ""))

    def of_safe(self, safe: str) -> Account | None:
        """The account behind a wallet's address, in any case of its letters."""
        found = (c.account for c in self._customers.values() if c.safe.lower() == safe.lower())
        return next(found, None)

    def named(self, safe: str) -> Customer:
        """The customer of an open Safe."""
        return next(c for c in self._customers.values() if c.safe == safe)

    def count(self, call: Call, now_ms: int) -> None:
        """Count the call; TooManyError when this key, or those without one, had its calls of this second."""
        given = call.headers.get("apikey", NOBODY)
        key = given if self._keyed(given) else NOBODY
        most = self._knobs["keyless_calls_per_s" if key == NOBODY else "keyed_calls_per_s"]
        calls = self._calls.setdefault(key, deque())
        while calls and calls[0] <= now_ms - WINDOW_MS:
            calls.popleft()
        if most and len(calls) >= most:
            raise TooManyError
        calls.append(now_ms)

    # --- key calls ---

    def create_key(self, call: Call, now_ms: int) -> dict[str, object]:
        """POST /auth/api-key: a key for a wallet that has none."""
        customer = self._proven(call, "create", now_ms)
        if customer.api_key:
            raise RefusedError(rules.KEY_EXISTS, "api key already exists")
        customer.api_key = new_uuid(self._luck)
        return customer.shown()

    def show_key(self, call: Call, now_ms: int) -> dict[str, object]:
        """GET /auth/api-key."""
        customer = self._proven(call, "get", now_ms)
        if not customer.api_key:
            raise RefusedError(rules.NO_KEY, "no api key")
        return customer.shown()

    def delete_key(self, call: Call, now_ms: int) -> dict[str, object]:
        """DELETE /auth/api-key."""
        customer = self._proven(call, "delete", now_ms)
        if not customer.api_key:
            raise RefusedError(rules.NO_KEY, "no api key")
        shown, customer.api_key = customer.shown(), ""
        return shown

    def _proven(self, call: Call, action: str, now_ms: int) -> Customer:
        """The customer whose signature the headers carry. A `get` may be sent again, the others once."""
        head = call.headers
        stamp, proof = head.get("opinion_timestamp", ""), head.get("opinion_signature", "")
        customer = self._customers.get(head.get("opinion_address", ""))
        if customer is None:
            raise RefusedError(rules.WALLET_NOT_REGISTERED, "wallet is not registered")
        at_s = numeral(stamp, SECONDS_MAX)
        if at_s is None or abs(down(now_ms, 1_000) - at_s) > PROOF_AGE_S_MAX:
            raise RefusedError(rules.SIGNATURE_EXPIRED, "signature expired")
        try:
            signature = bytes.fromhex(proof.removeprefix("0x"))
        except ValueError:
            signature = b""
        if rules.recover(rules.key_hash(customer.address, action, stamp), signature) != customer.address:
            raise RefusedError(rules.BAD_SIGNATURE, "invalid signature")
        if action != "get" and proof in customer.used_proofs:
            raise RefusedError(rules.SIGNATURE_USED, "signature already used")
        customer.used_proofs.add(proof)
        return customer

    def _keyed(self, api_key: str) -> Customer | None:
        if not api_key:
            return None
        return next((c for c in self._customers.values() if c.api_key == api_key), None)


def _private_key(text: str) -> coincurve.PrivateKey:
    raw = _exactly("private_key", text.removeprefix("0x"), 32)
    try:
        return coincurve.PrivateKey(raw)
    except ValueError as error:
        raise ValueError(f"private_key: {error}") from error


def _safe(text: str) -> str:
    return checksummed(_exactly("safe", text.removeprefix("0x"), 20))


def _exactly(field: str, digits: str, size: int) -> bytes:
    if len(digits) != 2 * size or not all(c in "0123456789abcdefABCDEF" for c in digits):
        raise ValueError(f"{field}: takes {2 * size} hexadecimal digits")
    return bytes.fromhex(digits)


def _made_safe(owner: str) -> str:
    """An address of its own for every owner; how the venue's factory derives it is not published."""
    return checksummed(keccak(b"safe of " + owner.encode())[12:])


def new_uuid(luck: Random) -> str:
    """A random UUID, version 4, from the simulator's own generator."""
    bits = luck.getrandbits(128) & ~(0xF << 76) & ~(0x3 << 62) | (0x4 << 76) | (0x2 << 62)
    text = f"{bits:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
