"""A customer for the tests of the simulated venue; its signer is written anew from the card and the EIPs."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import coincurve
from Crypto.Hash import keccak

from venues.base.units import Price, Size, micros, plain
from venues.limitless.sim import LimitlessSimulator
from venues.limitless.sim_lines import Line
from venues.sim.contract import Call

SECOND = 1_000
NOW = 1_795_178_096_789
STAMP = "2026-11-20T12:34:56.789Z"
ZERO = "0x" + "00" * 20
SOCKET = {"EIO": "4", "transport": "websocket"}
BOOK = {"bids": [("0.48", "30"), ("0.47", "100")], "asks": [("0.52", "10"), ("0.54", "100")]}


def _hash(*parts: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=b"".join(parts)).digest()


def _uint(value: int | str) -> bytes:
    return int(value).to_bytes(32, "big")


def _left(address: str) -> bytes:
    return bytes(12) + bytes.fromhex(address.removeprefix("0x"))


def checksummed(address: bytes) -> str:
    digits = address.hex()
    mask = _hash(digits.encode()).hex()
    return "0x" + "".join(c.upper() if m >= "8" else c for c, m in zip(digits, mask, strict=False))


def order_digest(order: Mapping[str, Any], exchange: str) -> bytes:
    """EIP-712 digest of an order for an exchange on Base."""
    domain = _hash(
        _hash(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
        _hash(b"Limitless CTF Exchange"),
        _hash(b"1"),
        _uint(8453),
        _left(exchange),
    )
    struct = _hash(
        _hash(
            b"Order(uint256 salt,address maker,address signer,address taker,uint256 tokenId,"
            b"uint256 makerAmount,uint256 takerAmount,uint256 expiration,uint256 nonce,"
            b"uint256 feeRateBps,uint8 side,uint8 signatureType)"
        ),
        _uint(order["salt"]),
        *(_left(order[name]) for name in ("maker", "signer", "taker")),
        *(_uint(order[name]) for name in ("tokenId", "makerAmount", "takerAmount", "expiration", "nonce")),
        *(_uint(order[name]) for name in ("feeRateBps", "side", "signatureType")),
    )
    return _hash(b"\x19\x01", domain, struct)


def stamp_of(at_ms: int) -> str:
    """A time of the same hour as NOW in the venue's words."""
    seconds, ms = divmod(at_ms - NOW + 34 * 60_000 + 56_789, 1_000)
    assert 0 <= seconds < 3_600
    return f"2026-11-20T12:{seconds // 60:02}:{seconds % 60:02}.{ms:03}Z"


class Trader:
    """Signs and sends as an EOA."""

    def __init__(self, sim: LimitlessSimulator, keys: Mapping[str, str], *, profile: int = 10_001) -> None:
        self.sim = sim
        self.now = NOW
        self.profile = profile
        self.fee_bps = 300
        self.keys = keys
        self._key = coincurve.PrivateKey.from_hex(keys["private_key"].removeprefix("0x"))
        self.address = checksummed(_hash(self._key.public_key.format(compressed=False)[1:])[12:])
        self._salt = 0

    # --- calls ---

    def proof(self, target: str, body: bytes = b"", *, at_ms: int | None = None) -> dict[str, str]:
        """The HMAC headers for "METHOD path?query"."""
        stamp = stamp_of(self.now if at_ms is None else at_ms)
        method, _, path = target.partition(" ")
        message = f"{stamp}\n{method}\n{path}\n".encode() + body
        secret = base64.b64decode(self.keys["token_secret"])
        signature = base64.b64encode(hmac.new(secret, message, hashlib.sha256).digest()).decode()
        token = self.keys["token_id"]
        return {"lmts-api-key": token, "lmts-timestamp": stamp, "lmts-signature": signature}

    def call(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        sent: bytes | None = None,
    ) -> tuple[int, Any]:
        """A signed call; `sent` replaces the body after signing, `headers` the headers."""
        content = b"" if body is None else json.dumps(body).encode()
        head = self.proof(f"{method} {target}", content) if headers is None else headers
        return ask(self.sim, method, target, content if sent is None else sent, headers=head, now=self.now)

    # --- orders ---

    def order(
        self,
        slug: str,
        side: str,
        price: str | None,
        amount: str,
        lifetime: str = "FAK",
        *,
        outcome: int = 0,
        signed: Mapping[str, Any] | None = None,
        exchange: str | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """A signed body of POST /orders. Without `price` a FOK order of `amount` dollars or shares; `signed`
        replaces fields before signing, `more` is outside of what is signed."""
        terms = ask(self.sim, "GET", f"/markets/{slug}", now=self.now)[1]
        self._salt += 1
        raw = micros(amount)
        cash = raw * micros(price) // 1_000_000 if price else 1
        given, wanted = (cash, raw) if side == "BUY" and price else (raw, cash)
        order: dict[str, Any] = {
            "salt": self._salt, "maker": self.address, "signer": self.address, "taker": ZERO,
            "tokenId": terms["tokens"][("yes", "no")[outcome]], "makerAmount": given, "takerAmount": wanted,
            "expiration": "0", "nonce": 0, "side": int(side == "SELL"), "signatureType": 0,
            "feeRateBps": 0 if "feeModule" in terms["venue"] else self.fee_bps,
        }  # fmt: skip
        order |= signed or {}
        digest = order_digest(order, exchange or terms["venue"]["exchange"])
        signature = self._key.sign_recoverable(digest, hasher=None)
        order["signature"] = "0x" + signature[:64].hex() + f"{signature[64] + 27:02x}"
        if price:
            order["price"] = float(price)
        body = {"order": order, "ownerId": self.profile, "orderType": lifetime, "marketSlug": slug}
        return body | more

    def post(self, *wish: Any, **more: Any) -> tuple[int, Any]:
        """Sign and send one order."""
        return self.call("POST", "/orders", self.order(*wish, **more))

    def status(self, order_id: str) -> Any:
        """What a look-up says of it."""
        status, reply = self.call("POST", "/orders/status/batch", {"items": [{"orderId": order_id}]})
        assert status == 200
        return reply["results"][0]

    # --- what it has ---

    def money(self, slug: str, outcome: int = 0) -> tuple[int, int]:
        """Cash and shares, from the ledger."""
        account = self.sim.exchange.accounts[self.address]
        return account.cash, account.positions.get((slug, outcome), 0)

    def worth(self) -> tuple[int, int, dict[tuple[str, int], int]]:
        """Everything the ledger knows of this customer's money."""
        account = self.sim.exchange.accounts[self.address]
        return account.cash, account.reserved, {**account.positions}

    def read(self, contract: str, data: str) -> int:
        """One word of eth_call."""
        params = [{"to": "0x" + contract, "data": "0x" + data}, "latest"]
        body = {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": params}
        reply = ask(self.sim, "POST", "/rpc", json.dumps(body).encode(), now=self.now)[1]
        return int(reply["result"], 16)

    def listen(self, *channels: str, slug: str = "") -> Line:
        """A connection that has joined with a proof, and subscribed."""
        target = "GET /socket.io/?EIO=4&transport=websocket"
        line = connect(self.sim, self.proof(target), now=self.now)
        line.receive("40/markets,", self.now)
        for channel in channels:
            options = {"marketSlugs": [slug]} if slug else {}
            line.receive("42/markets," + json.dumps([channel, options]), self.now)
        return line


def ask(
    sim: LimitlessSimulator,
    method: str,
    target: str,
    body: bytes = b"",
    *,
    headers: Mapping[str, str] | None = None,
    now: int = NOW,
) -> tuple[int, Any]:
    """A call as the server hands it over."""
    path, _, text = target.partition("?")
    query = dict(part.partition("=")[::2] for part in text.split("&")) if text else {}
    call = Call(
        method=method, path=path, query=query, query_text=text, headers=dict(headers or {}), body=body
    )
    response = sim.answer(call, now)
    return response.status, json.loads(response.body)


def connect(sim: LimitlessSimulator, headers: Mapping[str, str] | None = None, *, now: int = NOW) -> Line:
    """A WebSocket connection."""
    text = "&".join(f"{name}={value}" for name, value in SOCKET.items())
    call = Call(method="GET", path="/socket.io/", query=SOCKET, query_text=text, headers=dict(headers or {}))
    line = sim.connect(call, now)
    assert isinstance(line, Line)
    return line


def events(line: Line, name: str) -> list[Any]:
    """The payloads of these events so far."""
    frames = [json.loads(text.removeprefix("42/markets,")) for text in line.outbox if text.startswith("42")]
    return [frame[1] for frame in frames if frame[0] == name]


def levels(side: list[tuple[str, str]]) -> list[tuple[Price, Size]]:
    return [(Price(micros(price)), Size(micros(size))) for price, size in side]


def scene(**market: Any) -> tuple[LimitlessSimulator, Trader, str]:
    """A venue with one market, its book as in BOOK, and a trader with 100 USDC and 40 YES shares."""
    sim = LimitlessSimulator(1)
    [slug] = sim.list_market(market)
    sim.exchange.set_book(slug, levels(BOOK["bids"]), levels(BOOK["asks"]), NOW)
    sim.tick(NOW)
    keys = sim.open_account({"balance": "100", "positions": {slug: "40"}}, NOW)
    return sim, Trader(sim, keys), slug


def another(sim: LimitlessSimulator, **wish: Any) -> Trader:
    """One more customer."""
    keys = sim.open_account({"balance": "100", **wish}, NOW)
    return Trader(sim, keys, profile=10_000 + len(sim.exchange.accounts) - 1)


def refused(reply: tuple[int, Any], status: int = 400) -> str:
    """The text of a refusal."""
    assert reply[0] == status, reply
    assert reply[1]["statusCode"] == status
    return str(reply[1]["message"])


def totals(reply: Any) -> dict[str, str]:
    """`totalsRaw` in shares and dollars."""
    return {name: plain(int(value)) for name, value in reply["execution"]["totalsRaw"].items()}
