"""A customer for the tests of the simulated venue, with a signer of its own written from the EIPs."""

import json
from collections.abc import Mapping
from typing import Any

import coincurve
from Crypto.Hash import keccak

from venues.base.units import micros
from venues.predict.sim import PredictSimulator
from venues.predict.sim_socket import SocketLine
from venues.sim.contract import Call

NOW = 1_795_000_000_000
WEI = 10**12
"""Wei of a millionth."""
HELD = 195
"""As long as an order can be held."""
LONG = 2_000
"""From a match to its settlement, and past every lag."""
OVER = 2_500
"""From a taking order to its settlement."""
NO_ONE = "0x" + "00" * 20
EXCHANGES = {
    (56, False, False): "8BC070BEdAB741406F4B1Eb65A72bee27894B689",
    (56, True, False): "365fb81bd4A24D6303cd2F19c349dE6894D8d58A",
    (56, False, True): "6bEb5a40C032AFc305961162d8204CDA16DECFa5",
    (56, True, True): "8A289d458f5a134bA40015085A8F50Ffb681B41d",
}
VALIDATOR = "845ADb2C711129d4f3966735eD98a9F09fC4cE57"


def hashed(*parts: bytes) -> bytes:
    """Keccak-256."""
    return bytes(keccak.new(digest_bits=256, data=b"".join(parts)).digest())


def _uint(value: int | str) -> bytes:
    return int(value).to_bytes(32, "big")


def _left(address: str) -> bytes:
    return bytes(12) + bytes.fromhex(address.removeprefix("0x"))


def _domain(name: str, version: str, contract: str) -> bytes:
    kind = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    return hashed(hashed(kind), hashed(name.encode()), hashed(version.encode()), _uint(56), _left(contract))


def order_digest(order: Mapping[str, Any], *, neg_risk: bool, yield_bearing: bool) -> bytes:
    """EIP-712 digest of an order on chain 56."""
    kind = (
        b"Order(uint256 salt,address maker,address signer,address taker,uint256 tokenId,uint256 makerAmount,"
        b"uint256 takerAmount,uint256 expiration,uint256 nonce,uint256 feeRateBps,uint8 side,"
        b"uint8 signatureType)"
    )
    numbers = ("tokenId", "makerAmount", "takerAmount", "expiration", "nonce", "feeRateBps", "side")
    struct = hashed(
        hashed(kind),
        _uint(order["salt"]),
        *(_left(order[name]) for name in ("maker", "signer", "taker")),
        *(_uint(order[name]) for name in (*numbers, "signatureType")),
    )
    domain = _domain("predict.fun CTF Exchange", "1", EXCHANGES[56, neg_risk, yield_bearing])
    return hashed(b"\x19\x01", domain, struct)


class Trader:
    """Logs in, signs and sends, as a plain wallet or as a Predict account."""

    def __init__(self, sim: PredictSimulator, keys: Mapping[str, str], *, now: int = NOW) -> None:
        self.sim = sim
        self.now = now
        self.keys = keys
        self.api_key = keys["api_key"]
        self._key = coincurve.PrivateKey(bytes.fromhex(keys["private_key"].removeprefix("0x")))
        public = self._key.public_key.format(compressed=False)[1:]
        self.owner = "0x" + hashed(public)[12:].hex()
        self.account = keys.get("account") or None
        self.wallet = self.account or self.owner
        self.token = ""
        self._salt = 0

    @classmethod
    def joined(cls, sim: PredictSimulator, **wish: Any) -> "Trader":
        """A new customer with a token."""
        trader = cls(sim, sim.open_account({"balance": "1000", **wish}, NOW))
        trader.log_in()
        return trader

    @property
    def engine_account(self) -> Any:
        """The ledger's account."""
        return next(
            a for name, a in self.sim.exchange.accounts.items() if name.lower() == self.wallet.lower()
        )

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """A call with key and token."""
        head = {"x-api-key": self.api_key, "authorization": f"Bearer {self.token}", **(headers or {})}
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        call = Call(method=method, path=path, query=query or {}, headers=head, body=content)
        response = self.sim.answer(call, self.now)
        return response.status, json.loads(response.body)

    def get(self, path: str, **query: str) -> Any:
        """The data of a reply that must be good."""
        status, reply = self.call("GET", path, query=query)
        assert (status, reply["success"]) == (200, True), reply
        return reply["data"]

    def wait(self, ms: int) -> None:
        """Time passes, in steps as the server makes them; a long time in twenty steps."""
        end, step = self.now + ms, max(100, ms // 20)
        while self.now < end:
            self.now = min(end, self.now + step)
            self.sim.tick(self.now)

    # --- signatures ---

    def sign(self, digest: bytes) -> str:
        """As the wallet must: plain, or in the wrapping of the Predict account."""
        if self.account is None:
            return "0x" + self._raw(digest).hex()
        domain = _domain("Kernel", "0.3.1", self.account)
        wrapped = hashed(b"\x19\x01", domain, hashed(hashed(b"Kernel(bytes32 hash)"), digest))
        proof = self._raw(hashed(b"\x19Ethereum Signed Message:\n32", wrapped))
        return f"0x01{VALIDATOR}{proof.hex()}"

    def _raw(self, digest: bytes) -> bytes:
        signature = self._key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([signature[64] + 27])

    def sign_text(self, text: str) -> str:
        """A personal message (EIP-191)."""
        data = text.encode()
        return self.sign(hashed(b"\x19Ethereum Signed Message:\n", str(len(data)).encode(), data))

    def log_in(self) -> None:
        """Fetch a text, sign it, keep the token."""
        text = self.get("/v1/auth/message")["message"]
        body = {"signer": self.wallet, "message": text, "signature": self.sign_text(text)}
        status, reply = self.call("POST", "/v1/auth", body)
        assert status == 200, reply
        self.token = reply["data"]["token"]

    # --- orders ---

    def order(self, market: str, side: int, price: str, size: str, **more: Any) -> dict[str, Any]:
        """The body of a limit order; `more` goes beside the signed order. Keys with a leading "order_"
        replace its fields before signing, with "sent_" after it; `outcome` is 0 or 1."""
        row = self.get(f"/v1/markets/{market}")
        cash = micros(price) * micros(size) * 10**6
        shares = micros(size) * WEI
        self._salt += 1
        order: dict[str, Any] = {
            "salt": str(self._salt),
            "maker": self.wallet,
            "signer": self.wallet,
            "taker": NO_ONE,
            "tokenId": row["outcomes"][more.pop("outcome", 0)]["onChainId"],
            "makerAmount": str(shares if side else cash),
            "takerAmount": str(cash if side else shares),
            "expiration": "4102444800",
            "nonce": "0",
            "feeRateBps": str(row["feeRateBps"]),
            "side": side,
            "signatureType": 0,
        }
        order |= {key[6:]: more.pop(key) for key in list(more) if key.startswith("order_")}
        flags = {"neg_risk": row["isNegRisk"], "yield_bearing": row["isYieldBearing"]}
        digest = order_digest(order, **(flags | more.pop("flags", {})))
        order |= {"hash": "0x" + digest.hex(), "signature": self.sign(digest)}
        order |= {key[5:]: more.pop(key) for key in list(more) if key.startswith("sent_")}
        return {
            "data": {"order": order, "pricePerShare": str(micros(price) * WEI), "strategy": "LIMIT", **more}
        }

    def send(self, body: Any) -> tuple[int, Any]:
        """POST /v1/orders."""
        return self.call("POST", "/v1/orders", body)

    def place(self, market: str, side: int, price: str, size: str, **more: Any) -> str:
        """Send an order that must be accepted; its hash."""
        status, reply = self.send(self.order(market, side, price, size, **more))
        assert status == 201, reply
        found: str = reply["data"]["orderHash"]
        return found

    def refused(self, body: Any) -> str:
        """Send an order that must be refused; the slug."""
        status, reply = self.send(body)
        assert status == 400, reply
        assert reply["success"] is False
        slug: str = reply["error"]
        return slug

    def state(self, order_hash: str) -> tuple[str, str]:
        """Status and amountFilled as the venue shows them now."""
        row = self.get(f"/v1/orders/{order_hash}")
        return row["status"], row["amountFilled"]

    def listen(self) -> SocketLine:
        """A WebSocket that follows this wallet."""
        line = connected(self.sim, self.api_key, self.now)
        said(
            line,
            {"method": "subscribe", "requestId": 1, "params": [f"predictWalletEvents/{self.token}"]},
            self.now,
        )
        return line


def connected(sim: PredictSimulator, api_key: str, now: int = NOW) -> SocketLine:
    """A new WebSocket."""
    line = sim.connect(Call(method="GET", path="/ws", query={"apiKey": api_key}), now)
    assert isinstance(line, SocketLine)
    return line


def said(line: SocketLine, message: Any, now: int = NOW) -> list[Any]:
    """What the venue says at once to a message."""
    line.receive(message if isinstance(message, str) else json.dumps(message), now)
    return heard(line)


def heard(line: SocketLine) -> list[Any]:
    """The frames since the last call."""
    frames = [json.loads(text) for text in line.outbox]
    line.outbox.clear()
    return frames


def quiet(sim: PredictSimulator) -> PredictSimulator:
    """Without chance where a test wants to name the moment."""
    sim.knobs |= {"status_lag_ms": 0, "misleading_percent": 0}
    return sim
