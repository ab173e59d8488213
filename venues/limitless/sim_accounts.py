"""Who may call the simulated venue: customers, their tokens and wallets, and what they approved on chain."""

import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

from venues.base.http import Response
from venues.base.orders import Side
from venues.base.units import Cash
from venues.kit.eip712 import Key, checksummed
from venues.limitless import sim_rules as rules
from venues.limitless.sim_rules import RefusedError, Terms
from venues.sim.chain import WORD_BYTES, Chain, ContractFunction, address_at, selector, uint_at, word
from venues.sim.contract import Call
from venues.sim.engine import Exchange
from venues.sim.ids import new_uuid
from venues.sim.model import Account, Fill, SimOrder, notional
from venues.sim.times import read_iso
from venues.sim.wish import amount, check_keys, positions, whole

USDC = bytes.fromhex("833589fCD6eDb6E08f4c7C32D4f71b54bdA02913")
CTF = bytes.fromhex("C9c98965297Bc527861c898329Ee280632B76e18")
USDC_DECIMALS = 6
PROFILE_MAX = 10**9
SPENDERS = ("exchange", "adapter", "fee_module")
"""What an account may have left unapproved: for all markets alike."""
SCOPES = ("trading", "account_creation", "delegated_signing", "withdrawal", "admin")
TRADING = "trading"
ACCOUNT_WISHES = {"balance", "positions", "credentials", "profile_id", "fee_rate_bps", "unapproved", "scopes"}
CREDENTIALS = {"token_id", "token_secret", "private_key", "api_key"}


@dataclass(slots=True)
class Customer:
    """One profile: a wallet, and the token or the older key that speaks for it."""

    profile: int
    address: str
    fee_bps: int
    account: Account
    token_id: str
    secret: bytes = field(repr=False)
    api_key: str = field(repr=False, default="")
    scopes: tuple[str, ...] = (TRADING,)
    unapproved: frozenset[str] = frozenset()


class Accounts:
    """The venue's customers, and the chain as their wallets see it."""

    def __init__(self, exchange: Exchange, luck: Random, knobs: Mapping[str, Any]) -> None:
        self._exchange = exchange
        self._luck = luck
        self._knobs = knobs
        self.by_profile: dict[int, Customer] = {}
        self.by_address: dict[str, Customer] = {}
        self.spenders: dict[str, str] = {}
        """What each contract that markets name is for: a word of `SPENDERS` by address."""
        self.tokens: dict[int, tuple[str, int]] = {}
        """Market id and outcome of every outcome token."""
        self.waiting: Callable[[str], list[tuple[SimOrder, Fill]]] = lambda _: []
        """Fills of an account that have not reached the chain yet."""
        calls: dict[tuple[bytes, bytes], ContractFunction] = {
            (USDC, selector("balanceOf(address)")): lambda data: word(self._cash(data)),
            (USDC, selector("allowance(address,address)")): lambda data: word(self._allowance(data)),
            (USDC, selector("decimals()")): lambda _: word(USDC_DECIMALS),
            (CTF, selector("balanceOf(address,uint256)")): lambda data: word(self._shares(data)),
            (CTF, selector("isApprovedForAll(address,address)")): lambda data: word(self._approves(data)),
        }
        self._chain = Chain(rules.CHAIN_ID, calls)

    def open(self, wish: Mapping[str, Any]) -> dict[str, str]:
        """A customer as wished for; see `sim.LimitlessSimulator.open_account`."""
        check_keys("account", wish, ACCOUNT_WISHES)
        named = wish.get("credentials", {})
        check_keys("credentials", named, CREDENTIALS)
        key = _wallet(str(named.get("private_key") or f"0x{self._luck.getrandbits(248) + 1:064x}"))
        address = checksummed(key[1].address)
        secret_text = str(named.get("token_secret") or b64encode(self._luck.randbytes(32)).decode())
        token_id = str(named.get("token_id") or new_uuid(self._luck))
        profile = whole("profile_id", wish.get("profile_id", 10_001 + len(self.by_profile)), PROFILE_MAX)
        if address in self.by_address or profile in self.by_profile or self._by_token(token_id):
            raise ValueError("credentials, profile_id: taken by another account")
        grants = positions(self._exchange, wish.get("positions", {}))
        fee_bps = whole("fee_rate_bps", wish.get("fee_rate_bps", rules.DEFAULT_FEE_BPS), rules.BPS)
        cash, secret = Cash(amount("balance", wish.get("balance", "0"))), _secret(secret_text)
        scopes = _words("scopes", wish.get("scopes", [TRADING]), SCOPES)
        unapproved = frozenset(_words("unapproved", wish.get("unapproved", []), SPENDERS))
        customer = Customer(
            profile=profile, address=address, fee_bps=fee_bps, token_id=token_id, secret=secret,
            account=self._exchange.open_account(address, cash), api_key=str(named.get("api_key", "")),
            scopes=scopes, unapproved=unapproved,
        )  # fmt: skip
        for market, outcome, size in grants:
            self._exchange.grant(customer.account, market, outcome, size)
        self.by_profile[profile] = self.by_address[address] = customer
        given = {"token_id": token_id, "token_secret": secret_text, "private_key": key[0]}
        return given | ({"api_key": customer.api_key} if customer.api_key else {})

    # --- proofs ---

    def authorize(self, call: Call, now_ms: int) -> Customer:
        """Whose call it is, by HMAC or by the older key (section 2); RefusedError 401 if nobody's."""
        api_key = call.headers.get("x-api-key", "")
        if "lmts-api-key" not in call.headers and api_key:
            owners = (c for c in self.by_profile.values() if c.api_key and _same(c.api_key, api_key))
            customer = next(owners, None)
            if customer is None:
                raise RefusedError(401, "Invalid API key")
            return customer
        customer = self._by_token(call.headers.get("lmts-api-key", ""))
        stamp = call.headers.get("lmts-timestamp", "")
        at_ms = read_iso(stamp)
        if customer is None or at_ms is None:
            raise RefusedError(401, "Unauthorized")
        if abs(now_ms - at_ms) > self._knobs["clock_tolerance_ms"]:
            raise RefusedError(401, "Request timestamp is outside the allowed window")
        given = call.headers.get("lmts-signature", "")
        proofs = [rules.request_signature(customer.secret, stamp, t, call.body) for t in signed_targets(call)]
        if not any(_same(proof, given) for proof in proofs):
            raise RefusedError(401, "Invalid signature")
        return customer

    def trader(self, call: Call, now_ms: int) -> Customer:
        """The same for calls that trade: the token's scopes must allow it."""
        customer = self.authorize(call, now_ms)
        if TRADING not in customer.scopes:
            raise RefusedError(403, "Token does not have the required scope: trading")
        return customer

    def check_approvals(self, customer: Customer, terms: Terms, side: Side, *, post_only: bool) -> None:
        """What the order needs on chain (section 6); RefusedError 400 if the wallet has not approved it."""
        if side is Side.BUY and "exchange" in customer.unapproved:
            raise RefusedError(400, "Insufficient collateral allowance.")
        if side is Side.SELL and "exchange" in customer.unapproved:
            raise RefusedError(400, "Conditional tokens are not approved for the exchange.")
        if side is Side.SELL and terms.adapter and "adapter" in customer.unapproved:
            raise RefusedError(400, "Conditional tokens are not approved for the adapter.")
        if terms.fee_module and not post_only and "fee_module" in customer.unapproved:
            raise RefusedError(400, "Insufficient collateral allowance for the order fee.")

    def _by_token(self, token_id: str) -> Customer | None:
        return next((c for c in self.by_profile.values() if c.token_id == token_id), None)

    # --- the chain ---

    def rpc(self, call: Call) -> Response:
        """One body of JSON-RPC."""
        return self._chain.answer(call.body)

    def _owner(self, data: bytes) -> Customer | None:
        """Whose wallet the first argument of a call is."""
        return self.by_address.get(checksummed(address_at(data, 0)))

    def _cash(self, data: bytes) -> int:
        owner = self._owner(data)
        if owner is None:
            return 0
        cash = int(owner.account.cash)
        for order, fill in self.waiting(owner.address):
            paid = notional(order.side, fill.price, fill.size)
            cash += (paid if order.side is Side.BUY else -paid) + fill.fee
        return cash

    def _shares(self, data: bytes) -> int:
        owner, token = self._owner(data), uint_at(data, WORD_BYTES)
        return self.shares(owner, self.tokens[token]) if owner and token in self.tokens else 0

    def shares(self, customer: Customer, key: tuple[str, int]) -> int:
        """What the chain says the customer holds of an outcome."""
        held = int(customer.account.positions.get(key, 0))
        for order, fill in self.waiting(customer.address):
            if (order.market.market_id, order.outcome) == key:
                held -= fill.size - fill.kept if order.side is Side.BUY else -fill.size
        return held

    def _approves(self, data: bytes) -> bool:
        """Whether the first address lets the second spend."""
        owner, spender = self._owner(data), checksummed(address_at(data, WORD_BYTES))
        return owner is not None and self.spenders.get(spender, spender) in set(SPENDERS) - owner.unapproved

    def _allowance(self, data: bytes) -> int:
        return rules.UINT_MAX if self._approves(data) else 0


def signed_targets(call: Call) -> list[str]:
    """What a proof may be about: the method and the very path and query that were sent. The clients sign the
    handshake of the WebSocket with the query in the order of the documentation, or in that they send it."""
    text = urlencode(call.query, quote_via=quote) if call.query_text is None else call.query_text
    targets = [f"{call.method} {call.path}?{text}" if text else f"{call.method} {call.path}"]
    if call.path == "/socket.io/":
        targets.append("GET /socket.io/?EIO=4&transport=websocket")
    return [target.replace(" ", "\n", 1) for target in targets]


def _same(wanted: str, given: str) -> bool:
    return hmac.compare_digest(wanted.encode(), given.encode(errors="replace"))


def _wallet(text: str) -> tuple[str, Key]:
    try:
        return text, Key(text)
    except ValueError as error:
        raise ValueError(f"credentials.private_key: {error}") from error


def _secret(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except Base64Error as error:
        raise ValueError(f"credentials.token_secret: {error}") from error


def _words(name: str, value: object, known: tuple[str, ...]) -> tuple[str, ...]:
    if not isinstance(value, list) or not set(value) <= set(known):
        raise ValueError(f"{name}: a list of {list(known)}, was {value!r}")
    return tuple(value)
