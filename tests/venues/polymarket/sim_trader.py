"""A customer for the tests of the simulated venue, with an order signer of its own written from the EIPs."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import coincurve
from Crypto.Hash import keccak

from venues.base.units import Price, Size, micros
from venues.polymarket.sim import PolymarketSimulator
from venues.polymarket.sim_lines import UserLine
from venues.sim.contract import Call

SECOND = 1_000
NOW = 1_795_000_000_000
ZERO = "0x" + "00" * 32
EXCHANGES = ("E111180000d2663C0091e4f400237545B87B996B", "e2222d279d744050d28e00520010520000310F59")


def _hash(*parts: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=b"".join(parts)).digest()


def _uint(value: int | str) -> bytes:
    return int(value).to_bytes(32, "big")


def _left(address: str) -> bytes:
    return bytes(12) + bytes.fromhex(address.removeprefix("0x"))


def order_digest(order: Mapping[str, Any], *, neg_risk: bool) -> bytes:
    """EIP-712 digest of an order for the standard or the neg-risk exchange, version 2, chain 137."""
    domain = _hash(
        _hash(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
        _hash(b"Polymarket CTF Exchange"),
        _hash(b"2"),
        _uint(137),
        _left(EXCHANGES[neg_risk]),
    )
    struct = _hash(
        _hash(
            b"Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,"
            b"uint256 takerAmount,uint8 side,uint8 signatureType,uint256 timestamp,"
            b"bytes32 metadata,bytes32 builder)"
        ),
        _uint(order["salt"]),
        _left(order["maker"]),
        _left(order["signer"]),
        *(_uint(order[name]) for name in ("tokenId", "makerAmount", "takerAmount")),
        _uint(order["side"] == "SELL"),
        *(_uint(order[name]) for name in ("signatureType", "timestamp")),
        bytes(64),
    )
    return _hash(b"\x19\x01", domain, struct)


class Trader:
    """Signs and sends as an EOA."""

    def __init__(self, sim: PolymarketSimulator, keys: Mapping[str, str]) -> None:
        self.sim = sim
        self.now = NOW
        self.api_key, self.funder = keys["api_key"], keys["funder"]
        self._keys = keys
        self._key = coincurve.PrivateKey.from_hex(keys["private_key"].removeprefix("0x"))
        public = self._key.public_key.format(compressed=False)[1:]
        self.address = "0x" + _hash(public)[12:].hex()
        self._salt = 0

    @classmethod
    def of(cls, sim: PolymarketSimulator, case: Mapping[str, Any]) -> "Trader":
        """The customer of an order case in the vectors."""
        return cls(sim, {"private_key": case["private_key"], "funder": "", **case["api_creds"]})

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        stamp_s: int | None = None,
        sent: str | None = None,
    ) -> tuple[int, Any]:
        """A signed call; `sent` replaces the body after signing, `headers` the headers."""
        text = "" if body is None else json.dumps(body)
        stamp = str(self.now // 1_000 if stamp_s is None else stamp_s)
        head = {**self.proof(method, path, text, stamp=stamp), **(headers or {})}
        content = (text if sent is None else sent).encode()
        call = Call(method=method, path=path, query=query or {}, headers=head, body=content)
        response = self.sim.answer(call, self.now)
        return response.status, json.loads(response.body)

    def proof(self, method: str, path: str, text: str, *, stamp: str = "") -> dict[str, str]:
        """The L2 headers for a body."""
        stamp = stamp or str(self.now // 1_000)
        secret = base64.urlsafe_b64decode(self._keys["api_secret"])
        proof = hmac.new(secret, f"{stamp}{method}{path}{text}".encode(), hashlib.sha256).digest()
        return {
            "poly_address": self.address,
            "poly_signature": base64.urlsafe_b64encode(proof).decode(),
            "poly_timestamp": stamp,
            "poly_api_key": self.api_key,
            "poly_passphrase": self._keys["api_passphrase"],
        }

    def order(
        self,
        token: str,
        side: str,
        given: int,
        wanted: int,
        *,
        lifetime: str = "FAK",
        expiration: int = 0,
        post_only: bool = False,
    ) -> dict[str, Any]:
        """A signed payload of POST /order."""
        self._salt += 1
        order: dict[str, Any] = {
            "salt": self._salt,
            "maker": self.funder,
            "signer": self.funder,
            "tokenId": token,
            "makerAmount": str(given),
            "takerAmount": str(wanted),
            "side": side,
            "expiration": str(expiration),
            "signatureType": 0,
            "timestamp": str(self.now),
            "metadata": ZERO,
            "builder": ZERO,
        }
        digest = order_digest(order, neg_risk=False)
        signature = self._key.sign_recoverable(digest, hasher=None)
        order["signature"] = "0x" + signature[:64].hex() + f"{signature[64] + 27:02x}"
        return {"order": order, "owner": self.api_key, "orderType": lifetime, "postOnly": post_only}

    def post(self, token: str, side: str, given: int, wanted: int, **more: Any) -> tuple[int, Any]:
        """Sign and send one order."""
        return self.call("POST", "/order", self.order(token, side, given, wanted, **more))

    def trade(self, token: str, side: str, cents: int, amount: int, lifetime: str) -> tuple[int, Any]:
        """An order at a price in cents for hundredths of a share, or for cents when a buy is at once."""
        if side == "BUY" and lifetime != "GTC":
            return self.post(
                token, side, amount * 10_000, amount * 1_000_000 // cents // 100 * 100, lifetime=lifetime
            )
        shares, cash = amount * 10_000, amount * cents * 100
        given, wanted = (cash, shares) if side == "BUY" else (shares, cash)
        return self.post(token, side, given, wanted, lifetime=lifetime)

    def money(self) -> tuple[int, int]:
        """Cash and shares of the first market's first outcome, from the ledger."""
        account = self.sim.exchange.accounts[self.funder]
        market = next(iter(self.sim.exchange.markets))
        return account.cash, account.positions.get((market, 0), 0)

    def funds(self, token: str) -> tuple[int, int]:
        """The same as the venue tells it."""
        query = {"asset_type": "COLLATERAL", "signature_type": "0"}
        cash = self.call("GET", "/balance-allowance", query=query)[1]["balance"]
        query = {"asset_type": "CONDITIONAL", "signature_type": "0", "token_id": token}
        return int(cash), int(self.call("GET", "/balance-allowance", query=query)[1]["balance"])

    def worth(self) -> tuple[int, int, dict[tuple[str, int], int]]:
        """Everything the ledger knows of this customer's money."""
        account = self.sim.exchange.accounts[self.funder]
        return account.cash, account.reserved, {**account.positions}

    def listen(self) -> UserLine:
        """A user WebSocket, logged in."""
        line = self.sim.connect(Call(method="GET", path="/ws/user"), self.now)
        assert isinstance(line, UserLine)
        names = {"apiKey": "api_key", "secret": "api_secret", "passphrase": "api_passphrase"}
        auth = {name: self._keys[key] for name, key in names.items()}
        line.receive(json.dumps({"type": "user", "auth": auth}), self.now)
        return line


BOOK = {"bids": [("0.48", "30"), ("0.47", "100")], "asks": [("0.52", "10"), ("0.54", "100")]}


def levels(side: list[tuple[str, str]]) -> list[tuple[Price, Size]]:
    return [(Price(micros(price)), Size(micros(size))) for price, size in side]


def scene(**market: Any) -> tuple[PolymarketSimulator, Trader, str, str]:
    """A venue with one market, its book as in BOOK, and a trader with 100 pUSD and 40 shares of Yes."""
    sim = PolymarketSimulator(1)
    yes, no = sim.list_market(market)
    sim.exchange.set_book(yes, levels(BOOK["bids"]), levels(BOOK["asks"]), NOW)
    sim.tick(NOW)
    trader = Trader(sim, sim.open_account({"balance": "100", "positions": {yes: "40"}}, NOW))
    return sim, trader, yes, no


def refused(reply: tuple[int, Any]) -> str:
    status, body = reply
    assert status == 400
    return str(body["error"])
